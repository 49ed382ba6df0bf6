//! The thread that owns a llama.cpp model: loads it, then works jobs until the last sender is gone.
//!
//! Nothing here panics on a job: a failure is a reply. Rooms it touches: types, prompt::chat, model.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::LlamaSettings;
use crate::model::adapter::Misfit;
use crate::model::{Completion, ModelError, Request, Role, Sampling, Stop, Usage};
use crate::prompt::chat::{Chat, ChatFormat, Piece};
use crate::types::Cancel;

/// Tokens evaluated in one step of reading a prompt: how long a cancellation can wait, and how large the
/// logits buffer of llama.cpp becomes (128 × a vocabulary of 49,152 × 4 bytes = 24 MiB).
pub(super) const BATCH_TOKENS: u32 = 128;
/// How many of the likeliest tokens are tried against the grammar before the whole vocabulary is.
const FIRST_CANDIDATES: usize = 32;

/// Everything the thread needs to load.
pub(super) struct Plan {
    pub(super) settings: LlamaSettings,
    pub(super) context_tokens: u32,
    pub(super) format: ChatFormat,
    pub(super) backend: &'static LlamaBackend,
}

/// Work for the thread.
pub(super) enum Job {
    Count { text: String, reply: Sender<usize> },
    Complete { request: Request, cancel: Cancel, stop: Cancel, reply: Sender<Event> },
}

/// What comes back from a completion.
pub(super) enum Event {
    Text(String),
    Done(Result<Completion, ModelError>),
}

/// The thread's body: answers once on `ready`, then works `inbox`.
pub(super) fn run(plan: &Plan, inbox: &Receiver<Job>, ready: &Sender<Result<(), ModelError>>) {
    let (model, mut adapters) = match load(plan) {
        Ok(loaded) => loaded,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut session = match Session::new(plan, &model, &mut adapters) {
        Ok(session) => session,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    for job in inbox {
        // A caller that no longer listens is no error: its reply is dropped.
        match job {
            Job::Count { text, reply } => drop(reply.send(session.vocabulary.plain(&text).len())),
            Job::Complete { request, cancel, stop, reply } => {
                let mut stopped = || cancel.is_cancelled() || stop.is_cancelled();
                let result =
                    session.complete(&request, &mut stopped, &mut |text| drop(reply.send(Event::Text(text))));
                drop(reply.send(Event::Done(result)));
            }
        }
    }
}

type Adapters = BTreeMap<Role, LlamaLoraAdapter>;

fn load(plan: &Plan) -> Result<(LlamaModel, Adapters), ModelError> {
    let path = &plan.settings.model;
    let unusable = |what: &str| ModelError::Unusable { path: path.clone(), what: what.to_owned() };
    if path.to_str().is_none() {
        return Err(unusable("its path is not valid UTF-8"));
    }
    let mut model = LlamaModel::load_from_file(plan.backend, path, &LlamaModelParams::default())
        .map_err(|_| unusable("llama.cpp cannot load it"))?;
    let mut adapters = Adapters::new();
    for (role, path) in &plan.settings.adapters {
        // Adapters are loaded before a context exists: llama.cpp reserves memory for them then.
        let adapter = model
            .lora_adapter_init(path)
            .map_err(|_| ModelError::Adapter { path: path.clone(), why: Misfit::Refused })?;
        adapters.insert(*role, adapter);
    }
    Ok((model, adapters))
}

/// A model with its context and what the context holds.
struct Session<'model> {
    context: LlamaContext<'model>,
    adapters: &'model mut Adapters,
    vocabulary: Vocabulary<'model>,
    format: ChatFormat,
    batch: LlamaBatch<'static>,
    context_tokens: usize,
    /// The agent whose adapter the context runs with.
    role: Option<Role>,
    /// The tokens whose keys and values the context holds, in order. A KV cache that was filled under one
    /// adapter is wrong under another, so this is emptied when the role's adapter changes.
    held: Vec<LlamaToken>,
}

impl<'model> Session<'model> {
    fn new(
        plan: &Plan,
        model: &'model LlamaModel,
        adapters: &'model mut Adapters,
    ) -> Result<Self, ModelError> {
        let vocabulary = Vocabulary::new(model);
        vocabulary
            .check(plan.format)
            .ok_or_else(|| ModelError::ChatFormat { path: plan.settings.model.clone() })?;
        let threads = plan.settings.threads.clamp(1, 512) as i32;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(plan.context_tokens))
            .with_n_batch(BATCH_TOKENS)
            .with_n_ubatch(BATCH_TOKENS)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context =
            model.new_context(plan.backend, params).map_err(|error| ModelError::Failed(error.to_string()))?;
        Ok(Self {
            context,
            adapters,
            vocabulary,
            format: plan.format,
            batch: LlamaBatch::new(BATCH_TOKENS as usize, 1),
            context_tokens: plan.context_tokens as usize,
            role: None,
            held: Vec::new(),
        })
    }

    fn complete(
        &mut self,
        request: &Request,
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(String),
    ) -> Result<Completion, ModelError> {
        let prompt = self.vocabulary.prompt(self.format, &request.chat);
        let room = self.context_tokens.saturating_sub(request.max_tokens.max(1));
        if prompt.len() > room {
            return Err(ModelError::PromptTooLong { tokens: prompt.len(), room });
        }
        let grammar = self.vocabulary.grammar(request.grammar.as_deref())?;
        let started = Instant::now();
        let result = self.take_role(request.role).and_then(|()| self.read(&prompt, stopped));
        let mut usage = Usage { calls: 1, prompt_tokens: prompt.len() as u64, ..Usage::default() };
        let completion = match result {
            Ok(Some(evaluated)) => {
                usage.evaluated_tokens = evaluated as u64;
                usage.prompt_ms = milliseconds(started);
                self.write(request, grammar, stopped, emit, usage)
            }
            Ok(None) => Ok(Completion { text: String::new(), stop: Stop::Cancelled, usage }),
            Err(error) => Err(error),
        };
        if completion.is_err() {
            self.forget();
        }
        completion
    }

    fn take_role(&mut self, role: Role) -> Result<(), ModelError> {
        if self.role == Some(role) {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| ModelError::Failed(error.to_string());
        let had = self.role.is_some_and(|role| self.adapters.contains_key(&role));
        if had || self.adapters.contains_key(&role) {
            self.forget();
        }
        if let Some(adapter) = self.adapters.get_mut(&role) {
            self.context.lora_adapter_set(adapter, 1.0).map_err(|error| failed(&error))?;
        } else if had && let Some(adapter) = self.adapters.values_mut().next() {
            // llama.cpp's call takes an adapter but removes them all.
            self.context.lora_adapter_remove(adapter).map_err(|error| failed(&error))?;
        }
        self.role = Some(role);
        Ok(())
    }

    /// Evaluates what the context does not hold of `prompt`: how many tokens that were, or `None` when stopped.
    /// The last token is always evaluated, because its logits are wanted.
    fn read(
        &mut self,
        prompt: &[LlamaToken],
        stopped: &mut dyn FnMut() -> bool,
    ) -> Result<Option<usize>, ModelError> {
        let shared = self.held.iter().zip(prompt).take_while(|(held, wanted)| held == wanted).count();
        let shared = shared.min(prompt.len().saturating_sub(1));
        if self.context.kv_cache_seq_rm(0, Some(shared as u32), None).is_err() {
            // Models with a recurrent state cannot step back.
            self.forget();
            return self.read(prompt, stopped);
        }
        self.held.truncate(shared);
        for chunk in prompt[shared..].chunks(BATCH_TOKENS as usize) {
            if stopped() {
                return Ok(None);
            }
            self.evaluate(chunk)?;
        }
        Ok(Some(prompt.len() - shared))
    }

    /// Evaluates tokens behind those the context holds. Only the last one's logits are kept.
    fn evaluate(&mut self, tokens: &[LlamaToken]) -> Result<(), ModelError> {
        self.batch.clear();
        for (at, token) in tokens.iter().enumerate() {
            let position = (self.held.len() + at) as i32;
            self.batch
                .add(*token, position, &[0], at + 1 == tokens.len())
                .map_err(|error| ModelError::Failed(error.to_string()))?;
        }
        self.context.decode(&mut self.batch).map_err(|error| ModelError::Failed(error.to_string()))?;
        self.held.extend_from_slice(tokens);
        Ok(())
    }

    fn write(
        &mut self,
        request: &Request,
        mut grammar: Option<LlamaSampler>,
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(String),
        mut usage: Usage,
    ) -> Result<Completion, ModelError> {
        let started = Instant::now();
        let mut chooser = Chooser::new(request.sampling);
        let mut text = Utf8::default();
        let stop = loop {
            if stopped() {
                break Stop::Cancelled;
            }
            if usage.generated_tokens as usize >= request.max_tokens {
                break Stop::Length;
            }
            let token =
                chooser.choose(self.context.get_logits_ith(-1), &self.vocabulary, grammar.as_mut())?;
            usage.generated_tokens += 1;
            if self.vocabulary.ends(token) {
                break Stop::EndOfTurn;
            }
            if let Some(grammar) = &mut grammar {
                // Only a token that the grammar has just allowed: llama.cpp stops the process at any other.
                grammar.accept(token);
            }
            if let Some(piece) = text.push(&self.vocabulary.bytes(token)) {
                emit(piece);
            }
            self.evaluate(&[token])?;
        };
        usage.generation_ms = milliseconds(started);
        Ok(Completion { text: text.whole, stop, usage })
    }

    fn forget(&mut self) {
        self.context.clear_kv_cache();
        self.held.clear();
    }
}

/// A model's tokens.
struct Vocabulary<'model> {
    model: &'model LlamaModel,
    /// For every token: a control token or unused, which content must never give and no reply may hold.
    control: Vec<bool>,
    /// For every token: ends a turn.
    end: Vec<bool>,
}

impl<'model> Vocabulary<'model> {
    fn new(model: &'model LlamaModel) -> Self {
        let vocab = model.vocab();
        let (control, end) =
            vocab.tokens().map(|token| (vocab.is_control(token), vocab.is_eog(token))).unzip();
        Self { model, control, end }
    }

    /// Whether every control token of the format is one token of this model.
    fn check(&self, format: ChatFormat) -> Option<()> {
        format
            .render(&Chat::default())
            .iter()
            .all(|piece| match piece {
                Piece::Control(text) => self.model.vocab().tokenize(text.as_bytes(), false, true).len() == 1,
                Piece::Content(_) => true,
            })
            .then_some(())
    }

    fn prompt(&self, format: ChatFormat, chat: &Chat) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        for piece in format.render(chat) {
            match piece {
                Piece::Control(text) => {
                    tokens.extend(self.model.vocab().tokenize(text.as_bytes(), false, true))
                }
                Piece::Content(text) => tokens.extend(self.plain(&text)),
            }
        }
        tokens
    }

    /// Content: never a control token, whatever it spells. llama.cpp is told so; if a model's file marks its
    /// control tokens wrongly, the text is cut into characters, none of which spells one.
    fn plain(&self, text: &str) -> Vec<LlamaToken> {
        let vocab = self.model.vocab();
        let tokens = vocab.tokenize(text.as_bytes(), false, false);
        if tokens.iter().all(|token| !self.is_control(*token) && !self.ends(*token)) {
            return tokens;
        }
        let mut buffer = [0; 4];
        text.chars()
            .flat_map(|c| vocab.tokenize(c.encode_utf8(&mut buffer).as_bytes(), false, false))
            .filter(|token| !self.is_control(*token) && !self.ends(*token))
            .collect()
    }

    fn bytes(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, false, None)
    }

    fn grammar(&self, text: Option<&str>) -> Result<Option<LlamaSampler>, ModelError> {
        text.map(|text| LlamaSampler::grammar(self.model, text, "root"))
            .transpose()
            .map_err(|error| ModelError::Failed(format!("the grammar of the reply: {error}")))
    }

    fn is_control(&self, token: LlamaToken) -> bool {
        self.control.get(token.0 as usize).copied().unwrap_or(true)
    }

    fn ends(&self, token: LlamaToken) -> bool {
        self.end.get(token.0 as usize).copied().unwrap_or(true)
    }

    /// The candidates a reply may go on with: everything but control tokens that do not end it.
    fn candidates<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = LlamaTokenData> + 'a {
        (0..)
            .map(LlamaToken)
            .zip(logits)
            .filter(|(token, _)| !self.is_control(*token) || self.ends(*token))
            .map(|(token, &logit)| LlamaTokenData::new(token, logit, 0.0))
    }
}

/// Chooses the next token.
struct Chooser {
    sampling: Sampling,
    dice: Option<LlamaSampler>,
    buffer: Vec<LlamaTokenData>,
}

impl Chooser {
    fn new(sampling: Sampling) -> Self {
        let dice = match sampling {
            Sampling::Greedy => None,
            Sampling::Temperature { temperature, seed } => Some(LlamaSampler::chain(
                [LlamaSampler::temp(temperature.max(1e-3)), LlamaSampler::dist(seed)],
                true,
            )),
        };
        Self { sampling, dice, buffer: Vec::new() }
    }

    fn choose(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary<'_>,
        grammar: Option<&mut LlamaSampler>,
    ) -> Result<LlamaToken, ModelError> {
        self.buffer.clear();
        self.buffer.extend(vocabulary.candidates(logits));
        match (self.sampling, grammar) {
            (Sampling::Greedy, None) => best(&self.buffer),
            (Sampling::Greedy, Some(grammar)) => self.best_allowed(grammar),
            (Sampling::Temperature { .. }, grammar) => self.drawn(grammar),
        }
        .ok_or_else(|| ModelError::Failed("no token was left to choose from".to_owned()))
    }

    /// The likeliest token that the grammar allows. Asking the grammar about all tokens costs more than a
    /// small model's whole step, so the likeliest few are asked first; the answer is the same.
    fn best_allowed(&mut self, grammar: &mut LlamaSampler) -> Option<LlamaToken> {
        let likelier = |a: &LlamaTokenData, b: &LlamaTokenData| b.logit().total_cmp(&a.logit());
        let first = FIRST_CANDIDATES.min(self.buffer.len());
        if first < self.buffer.len() {
            self.buffer.select_nth_unstable_by(first, likelier);
        }
        allowed(grammar, self.buffer[..first].to_vec())
            .or_else(|| allowed(grammar, self.buffer[first..].to_vec()))
    }

    fn drawn(&mut self, grammar: Option<&mut LlamaSampler>) -> Option<LlamaToken> {
        let mut candidates = LlamaTokenDataArray::new(std::mem::take(&mut self.buffer), false);
        if let Some(grammar) = grammar {
            candidates.apply_sampler(grammar);
        }
        candidates.data.retain(|candidate| candidate.logit().is_finite());
        if candidates.data.is_empty() {
            return None;
        }
        candidates.apply_sampler(self.dice.as_mut()?);
        let token = candidates.selected_token();
        self.buffer = candidates.data;
        token
    }
}

fn allowed(grammar: &mut LlamaSampler, candidates: Vec<LlamaTokenData>) -> Option<LlamaToken> {
    let mut candidates = LlamaTokenDataArray::new(candidates, false);
    candidates.apply_sampler(grammar);
    best(&candidates.data)
}

fn best(candidates: &[LlamaTokenData]) -> Option<LlamaToken> {
    candidates
        .iter()
        .filter(|candidate| candidate.logit() > f32::NEG_INFINITY)
        .max_by(|a, b| a.logit().total_cmp(&b.logit()).then_with(|| b.id().0.cmp(&a.id().0)))
        .map(LlamaTokenData::id)
}

/// Bytes that become text as soon as they are whole characters.
#[derive(Default)]
struct Utf8 {
    whole: String,
    rest: Vec<u8>,
}

impl Utf8 {
    /// The new text, if there is any.
    fn push(&mut self, bytes: &[u8]) -> Option<String> {
        self.rest.extend_from_slice(bytes);
        let mut piece = String::new();
        loop {
            match std::str::from_utf8(&self.rest) {
                Ok(text) => {
                    piece.push_str(text);
                    self.rest.clear();
                    break;
                }
                Err(error) => {
                    let good = error.valid_up_to();
                    piece.push_str(&String::from_utf8_lossy(&self.rest[..good]));
                    let Some(bad) = error.error_len() else {
                        self.rest.drain(..good);
                        break;
                    };
                    piece.push(char::REPLACEMENT_CHARACTER);
                    self.rest.drain(..good + bad);
                }
            }
        }
        self.whole.push_str(&piece);
        (!piece.is_empty()).then_some(piece)
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_given_out_in_whole_characters() {
        let mut text = Utf8::default();
        let bytes = "a€👍".as_bytes();
        let pieces: Vec<String> = bytes.iter().filter_map(|byte| text.push(&[*byte])).collect();
        assert_eq!(pieces, ["a", "€", "👍"]);
        assert_eq!(text.push(&[0xFF, b'b']), Some("\u{FFFD}b".to_owned()));
        assert_eq!(text.whole, "a€👍\u{FFFD}b");
    }
}
