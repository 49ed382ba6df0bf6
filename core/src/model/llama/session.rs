//! A model with its context: reads prompts and writes replies, several at a time as parallel sequences.
//!
//! What a prompt shares with one that was read before is copied, not evaluated; the fixed start of each is kept, on
//! the disk too where the host gave a folder. Every step of a running batch evaluates what all of its replies wait
//! for at once. With [`LlamaSettings::shortcuts`] off nothing of this is done: one prompt at a time, from its first
//! token.
//!
//! Rooms it touches: model.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use super::grammar::Grammars;
use super::kept::{self, Kept, MOST_KEPT};
use super::lane::Lane;
use super::state::States;
use super::vocabulary::Vocabulary;
use super::worker::Plan;
use crate::model::{Completion, ModelError, Request, Role};

/// Tokens evaluated in one step at most, and how large the logits buffer of llama.cpp becomes (128 × a vocabulary of
/// 49,152 × 4 bytes = 24 MiB).
pub(super) const BATCH_TOKENS: u32 = 128;
/// Tokens of the context beyond those of one prompt and reply: room for the starts of all steps, which have about
/// 450 together.
pub(super) const START_TOKENS: u32 = 512;
/// Replies written at a time. Default 4: see docs/inference.md.
pub(super) const LANES: usize = 4;
/// How long one step of the queue's work may take, milliseconds: a cancellation waits for its end, and has 100.
const STEP_MS: f64 = 50.0;
/// Fewest tokens of a step: below this a step costs hardly less.
const FEWEST_TOKENS: usize = 8;

pub(super) type Adapters = BTreeMap<Role, LlamaLoraAdapter>;

/// A model with its context.
pub(super) struct Session<'model> {
    plan: &'model Plan,
    context: LlamaContext<'model>,
    adapters: &'model mut Adapters,
    vocabulary: Arc<Vocabulary>,
    grammars: Grammars,
    states: Option<States>,
    batch: LlamaBatch<'static>,
    kept: Kept,
    /// The agent whose adapter the context runs with.
    role: Option<Role>,
    pace: Pace,
    /// Models with a recurrent state cannot step back or begin in the middle.
    shortcuts: bool,
}

impl<'model> Session<'model> {
    pub(super) fn new(
        plan: &'model Plan,
        model: &'model Arc<LlamaModel>,
        adapters: &'model mut Adapters,
    ) -> Result<Self, ModelError> {
        let settings = &plan.settings;
        let vocabulary = Vocabulary::new(Arc::clone(model), plan.format)
            .ok_or_else(|| ModelError::ChatFormat { path: settings.model.clone() })?;
        let vocabulary = Arc::new(vocabulary);
        let shortcuts = settings.shortcuts && !model.is_recurrent() && !model.is_hybrid();
        let grammars = Grammars::new(&vocabulary)?;
        let states = settings.states.as_deref().filter(|_| shortcuts).and_then(|folder| {
            States::new(settings, folder, "f16")
                .inspect_err(|error| log::warn!("prompts' starts are not kept on the disk: {error}"))
                .ok()
        });
        Ok(Self {
            plan,
            context: context(plan, model)?,
            adapters,
            vocabulary,
            grammars,
            states,
            batch: LlamaBatch::new(BATCH_TOKENS as usize, 1),
            kept: Kept::default(),
            role: None,
            pace: Pace::default(),
            shortcuts,
        })
    }

    /// How many tokens `text` has as content.
    pub(super) fn count(&self, text: &str) -> usize {
        self.vocabulary.plain(text.as_bytes()).len()
    }

    /// Completes chats, in order; each has its own result. `emit` is given the text of each by its number.
    pub(super) fn complete(
        &mut self,
        requests: &[Request],
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Vec<Result<Completion, ModelError>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut ready: Vec<Lane> = Vec::new();
        for request in requests {
            let lane = self.lane(request);
            let joins = lane.as_ref().is_ok_and(|lane| self.fits(&ready, lane));
            if !joins {
                results.extend(self.work(std::mem::take(&mut ready), results.len(), stopped, emit));
            }
            match lane {
                Ok(lane) => ready.push(lane),
                Err(error) => results.push(Err(error)),
            }
        }
        results.extend(self.work(ready, results.len(), stopped, emit));
        results
    }

    fn lane(&self, request: &Request) -> Result<Lane, ModelError> {
        let prompt = self.vocabulary.prompt(self.plan.format, &request.chat);
        let room = (self.plan.context_tokens as usize).saturating_sub(request.max_tokens.max(1));
        if prompt.tokens.len() > room {
            return Err(ModelError::PromptTooLong { tokens: prompt.tokens.len(), room });
        }
        let constraint =
            request.grammar.as_deref().map(|expression| self.grammars.of(expression)).transpose()?;
        Lane::new(request, prompt, constraint, self.shortcuts)
    }

    /// Whether a reply can be written beside these.
    fn fits(&self, ready: &[Lane], lane: &Lane) -> bool {
        let tokens: usize = ready.iter().map(Lane::most_tokens).sum();
        let most = if self.shortcuts { LANES } else { 1 };
        ready.len() < most
            && ready.iter().all(|other| other.role == lane.role)
            && (ready.is_empty() || tokens + lane.most_tokens() <= self.plan.context_tokens as usize)
    }

    /// Writes these replies at once. An error is that of all of them.
    fn work(
        &mut self,
        mut lanes: Vec<Lane>,
        first: usize,
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Vec<Result<Completion, ModelError>> {
        let worked = self
            .begin(&mut lanes, stopped)
            .and_then(|waits| self.run(&mut lanes, &waits, stopped, &mut |at, text| emit(first + at, text)))
            .and_then(|()| self.keep(&lanes));
        match worked {
            Ok(()) => lanes.into_iter().map(|lane| Ok(lane.finish())).collect(),
            Err(Failure(what)) => {
                self.forget();
                lanes.iter().map(|_| Err(ModelError::Failed(what.clone()))).collect()
            }
        }
    }

    /// Gives every lane what is held of its prompt. A lane that shares more with one before it waits for that one:
    /// which, and for how many tokens.
    fn begin(
        &mut self,
        lanes: &mut [Lane],
        stopped: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Option<(usize, usize)>>, Failure> {
        let mut waits = vec![None; lanes.len()];
        let Some(role) = lanes.first().map(|lane| lane.role) else { return Ok(waits) };
        self.take_role(role)?;
        if !self.shortcuts {
            self.context.clear_kv_cache();
            return Ok(waits);
        }
        let adapter = self.adapters.contains_key(&role).then_some(role);
        for lane in lanes.iter_mut() {
            self.hold_start(adapter, lane, stopped)?;
        }
        for at in 0..lanes.len() {
            // The last token is evaluated in any case, because its logits are wanted.
            let most = lanes[at].tokens.len() - 1;
            let held = self.kept.longest(adapter, &lanes[at].tokens[..most]);
            if let Some((kept, length)) = held {
                self.copy(LANES + kept, at, length)?;
                lanes[at].evaluated = length;
            }
            let others =
                (0..at).map(|other| (other, kept::shared(lanes[other].prompt(), &lanes[at].tokens[..most])));
            waits[at] = others.max_by_key(|(_, length)| *length).filter(|(_, n)| *n > lanes[at].evaluated);
        }
        self.make_room(lanes.iter().map(Lane::most_tokens).sum())?;
        Ok(waits)
    }

    /// Drops what is kept until so many more tokens fit into the context.
    fn make_room(&mut self, tokens: usize) -> Result<(), Failure> {
        let room = (self.plan.context_tokens + START_TOKENS) as usize;
        while tokens + self.kept.tokens() > room
            && let Some(kept) = self.kept.drop_one()
        {
            self.clear(LANES + kept, 0)?;
        }
        Ok(())
    }

    /// Sees to it that the fixed start of a prompt is held: from before, from the disk, or evaluated now.
    fn hold_start(
        &mut self,
        adapter: Option<Role>,
        lane: &mut Lane,
        stopped: &mut dyn FnMut() -> bool,
    ) -> Result<(), Failure> {
        let start = lane.tokens[..lane.start].to_vec();
        if !lane.fixed || start.is_empty() || self.kept.has_start(adapter, &start) {
            return Ok(());
        }
        self.make_room(start.len())?;
        let at = self.kept.put(adapter, &start, start.len());
        let sequence = LANES + at;
        self.clear(sequence, 0)?;
        if let Some(states) = &self.states {
            if states.load(&mut self.context, sequence as i32, adapter, &start) {
                return Ok(());
            }
            self.clear(sequence, 0)?;
        }
        let mut done = 0;
        while done < start.len() {
            if stopped() {
                self.kept.drop_at(at);
                return self.clear(sequence, 0);
            }
            let next = &start[done..(done + self.step_tokens()).min(start.len())];
            self.batch.clear();
            for (offset, token) in next.iter().enumerate() {
                self.batch.add(*token, (done + offset) as i32, &[sequence as i32], false)?;
            }
            let milliseconds = self.decode()?;
            done += next.len();
            lane.usage.evaluated_tokens += next.len() as u64;
            lane.usage.prompt_ms += milliseconds;
        }
        if let Some(states) = &self.states
            && let Err(error) = states.save(&self.context, sequence as i32, adapter, &start)
        {
            log::warn!("a prompt's start was not kept on the disk: {error}");
        }
        Ok(())
    }

    /// Evaluates and chooses until every lane has ended or is stopped.
    fn run(
        &mut self,
        lanes: &mut [Lane],
        waits: &[Option<(usize, usize)>],
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Result<(), Failure> {
        let mut waits = waits.to_vec();
        while lanes.iter().any(|lane| lane.stop.is_none()) && !stopped() {
            for at in 0..lanes.len() {
                if let Some((other, length)) = waits[at]
                    && lanes[other].evaluated >= length
                {
                    self.clear(at, 0)?;
                    self.copy(other, at, length)?;
                    lanes[at].evaluated = length;
                    waits[at] = None;
                }
            }
            let step = self.fill(lanes, &waits)?;
            let milliseconds = self.decode()?;
            let tokens: usize = step.iter().map(|part| part.tokens).sum();
            for part in step {
                let lane = &mut lanes[part.lane];
                lane.evaluated(part.tokens, milliseconds * part.tokens as f64 / tokens as f64);
                if let Some(output) = part.output {
                    let started = Instant::now();
                    let logits = self.context.get_logits_ith(output);
                    lane.go_on(logits, &self.vocabulary, &mut |text| emit(part.lane, text))
                        .map_err(Failure::of)?;
                    lane.usage.generation_ms += milliseconds_since(started);
                }
            }
        }
        Ok(())
    }

    /// Puts into the batch what lanes wait for: replies first, then as much of the prompts as a step may take.
    fn fill(&mut self, lanes: &[Lane], waits: &[Option<(usize, usize)>]) -> Result<Vec<Part>, Failure> {
        self.batch.clear();
        let mut room = self.step_tokens();
        let open = |at: &usize| lanes[*at].stop.is_none() && waits[*at].is_none();
        let mut order: Vec<usize> = (0..lanes.len()).filter(open).collect();
        order.sort_by_key(|&at| lanes[at].reads());
        let mut step = Vec::new();
        for at in order {
            let lane = &lanes[at];
            let part = &lane.pending()[..lane.pending().len().min(room)];
            for (offset, token) in part.iter().enumerate() {
                let last = offset + 1 == lane.pending().len();
                self.batch.add(*token, (lane.evaluated + offset) as i32, &[at as i32], last)?;
            }
            if !part.is_empty() {
                let ends = part.len() == lane.pending().len();
                let output = ends.then(|| self.batch.n_tokens() - 1);
                step.push(Part { lane: at, tokens: part.len(), output });
            }
            room -= part.len();
        }
        Ok(step)
    }

    /// Tokens of the next step. Somebody waits for an answer, and it comes soonest in whole batches; the queue is worked
    /// beside other things, and stops in time.
    fn step_tokens(&self) -> usize {
        match self.role {
            Some(Role::Answer) => BATCH_TOKENS as usize,
            _ => self.pace.tokens(),
        }
    }

    /// Evaluates the batch: how many milliseconds that took.
    fn decode(&mut self) -> Result<f64, Failure> {
        let started = Instant::now();
        self.context.decode(&mut self.batch)?;
        let milliseconds = milliseconds_since(started);
        self.pace.measured(self.batch.n_tokens() as usize, milliseconds);
        Ok(milliseconds)
    }

    /// Keeps what the lanes' sequences hold in the place of what had the same start, and empties them.
    fn keep(&mut self, lanes: &[Lane]) -> Result<(), Failure> {
        for (at, lane) in lanes.iter().enumerate() {
            if self.shortcuts && lane.evaluated > lane.start {
                let adapter = self.adapters.contains_key(&lane.role).then_some(lane.role);
                let kept = self.kept.put(adapter, &lane.tokens[..lane.evaluated], lane.start);
                self.clear(LANES + kept, 0)?;
                self.copy(at, LANES + kept, lane.evaluated)?;
            }
            self.clear(at, 0)?;
        }
        Ok(())
    }

    fn take_role(&mut self, role: Role) -> Result<(), Failure> {
        if self.role == Some(role) {
            return Ok(());
        }
        let had = self.role.is_some_and(|role| self.adapters.contains_key(&role));
        if let Some(adapter) = self.adapters.get_mut(&role) {
            self.context.lora_adapter_set(adapter, 1.0)?;
        } else if had && let Some(adapter) = self.adapters.values_mut().next() {
            // llama.cpp's call takes an adapter but removes them all.
            self.context.lora_adapter_remove(adapter)?;
        }
        self.role = Some(role);
        Ok(())
    }

    fn copy(&mut self, from: usize, to: usize, length: usize) -> Result<(), Failure> {
        self.context.copy_kv_cache_seq(from as i32, to as i32, Some(0), Some(length as u32))?;
        Ok(())
    }

    fn clear(&mut self, sequence: usize, from: usize) -> Result<(), Failure> {
        self.context.kv_cache_seq_rm(sequence as i32, Some(from as u32), None)?;
        Ok(())
    }

    fn forget(&mut self) {
        self.context.clear_kv_cache();
        self.kept.clear();
    }
}

/// What one lane has in a step.
struct Part {
    lane: usize,
    tokens: usize,
    /// Which of the batch's tokens has the logits to go on from, where all of the lane's were in it.
    output: Option<i32>,
}

/// How many tokens a step may have so that it ends in time, by how long the last ones took: a part that every step
/// costs, however few tokens it has, and a part for each token.
struct Pace {
    step_ms: f64,
    token_ms: f64,
}

impl Default for Pace {
    /// A guess on the slow side, until the first step of a prompt.
    fn default() -> Self {
        Self { step_ms: 0.0, token_ms: 2.0 }
    }
}

impl Pace {
    fn tokens(&self) -> usize {
        // Where even a step of one token takes too long, fewer tokens would only make more of them.
        let left = (STEP_MS - self.step_ms).max(STEP_MS / 2.0);
        ((left / self.token_ms) as usize).clamp(FEWEST_TOKENS, BATCH_TOKENS as usize)
    }

    fn measured(&mut self, tokens: usize, milliseconds: f64) {
        if tokens < FEWEST_TOKENS {
            self.step_ms += 0.2 * (milliseconds - self.step_ms);
        } else {
            let of_tokens = (milliseconds - self.step_ms).max(milliseconds / 10.0);
            self.token_ms += 0.5 * (of_tokens / tokens as f64 - self.token_ms);
        }
    }
}

/// Why llama.cpp did not do something, in its words.
struct Failure(String);

impl Failure {
    fn of(error: ModelError) -> Self {
        match error {
            ModelError::Failed(what) => Self(what),
            other => Self(other.to_string()),
        }
    }
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn context<'model>(plan: &Plan, model: &'model LlamaModel) -> Result<LlamaContext<'model>, ModelError> {
    let threads = plan.settings.threads.clamp(1, 512) as i32;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(plan.context_tokens + START_TOKENS))
        .with_n_batch(BATCH_TOKENS)
        .with_n_ubatch(BATCH_TOKENS)
        .with_n_seq_max((LANES + MOST_KEPT) as u32)
        // One buffer for all sequences: what one holds is copied to another by marking it.
        .with_kv_unified(true)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    model.new_context(plan.backend, params).map_err(|error| ModelError::Failed(error.to_string()))
}

fn milliseconds_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_as_many_tokens_as_end_in_time() {
        let mut pace = Pace::default();
        let mut settle = |tokens: usize, milliseconds: f64| {
            (0..40).for_each(|_| pace.measured(tokens, milliseconds));
            pace.tokens()
        };
        assert_eq!(settle(1, 10.0), 20); // (50 − 10) ÷ 2
        assert!((79..=80).contains(&settle(100, 60.0))); // (50 − 10) ÷ 0.5
        assert_eq!(settle(100, 100_000.0), FEWEST_TOKENS);
        assert_eq!(settle(100, 12.0), BATCH_TOKENS as usize);
        // On a busy machine every step is slow, and small ones waste most.
        assert!(settle(1, 80.0) >= 64);
    }
}
