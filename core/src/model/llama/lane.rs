//! One reply in the making: its prompt, how much of it is evaluated, and what was written so far.
//!
//! A lane chooses tokens from logits; it touches no context. Rooms it touches: prompt, model.

use llama_cpp_2::token::LlamaToken;

use super::choose::Chooser;
use super::draft::Draft;
use super::grammar::Constraint;
use super::streams::shared;
use super::vocabulary::{Prompt, Utf8, Vocabulary};
use crate::model::{Completion, ModelError, Request, Role, Stop, Usage};
use crate::prompt;

/// One reply in the making.
pub(super) struct Lane {
    pub(super) role: Role,
    /// The fixed start: of `tokens` the first so many.
    pub(super) start: usize,
    /// Whether that start is wording of ours, which may be kept on the disk.
    pub(super) fixed: bool,
    /// The prompt, then the reply; without a token that ends it.
    pub(super) tokens: Vec<LlamaToken>,
    /// The stream it is worked in.
    pub(super) stream: usize,
    /// How many of `tokens` that stream holds.
    pub(super) evaluated: usize,
    pub(super) usage: Usage,
    pub(super) stop: Option<Stop>,
    prompt: usize,
    max_tokens: usize,
    /// Whether forced text is taken without choosing it, and the rest guessed.
    shortcuts: bool,
    pub(super) draft: Draft,
    chooser: Chooser,
    constraint: Option<Constraint>,
    text: Utf8,
}

impl Lane {
    pub(super) fn new(
        request: &Request,
        read: Prompt,
        mut constraint: Option<Constraint>,
        shortcuts: bool,
    ) -> Result<Self, ModelError> {
        let Prompt { mut tokens, start } = read;
        let length = tokens.len();
        let usage = Usage { calls: 1, prompt_tokens: length as u64, ..Usage::default() };
        // A grammar may begin with text that is forced.
        let forced = match &mut constraint {
            Some(constraint) if shortcuts => constraint.forced()?,
            _ => Vec::new(),
        };
        tokens.extend(forced.into_iter().take(request.max_tokens));
        Ok(Self {
            role: request.role,
            start,
            fixed: prompt::is_fixed(&request.chat.system),
            tokens,
            stream: 0,
            evaluated: 0,
            usage,
            stop: None,
            prompt: length,
            max_tokens: request.max_tokens,
            shortcuts,
            draft: Draft::default(),
            chooser: Chooser::new(request.sampling),
            constraint,
            text: Utf8::default(),
        })
    }

    /// Tokens that its stream may come to hold.
    pub(super) fn most_tokens(&self) -> usize {
        self.prompt + self.max_tokens
    }

    /// Tokens that are there and not evaluated yet.
    pub(super) fn pending(&self) -> &[LlamaToken] {
        &self.tokens[self.evaluated..]
    }

    /// What may follow its pending token, to be evaluated in the same step: at most `room` tokens. Only where values do
    /// not depend on how many tokens a step has, or a guess could change what is chosen.
    pub(super) fn guess(&self, room: usize) -> Vec<LlamaToken> {
        if !self.shortcuts {
            return Vec::new();
        }
        let room = room.min(self.most_tokens().saturating_sub(self.tokens.len() + 1));
        self.draft.guess(&self.tokens, room).to_vec()
    }

    /// Takes what is pending as evaluated as far as it was guessed: how many tokens.
    pub(super) fn guessed(&mut self, guess: &[LlamaToken]) -> usize {
        let right = shared(self.pending(), guess);
        self.evaluated += right;
        right
    }

    /// Whether it still reads its prompt.
    pub(super) fn reads(&self) -> bool {
        self.evaluated < self.prompt
    }

    /// Takes note that `count` more tokens are evaluated, which took so many milliseconds.
    pub(super) fn evaluated(&mut self, count: usize, milliseconds: f64) {
        let of_prompt = count.min(self.prompt.saturating_sub(self.evaluated));
        self.usage.evaluated_tokens += of_prompt as u64;
        if of_prompt > 0 {
            self.usage.prompt_ms += milliseconds;
        } else {
            self.usage.generation_ms += milliseconds;
        }
        self.evaluated += count;
    }

    /// Goes on from the logits of its last token: chooses the next one, takes what the grammar forces behind it, and
    /// notices the end. New text goes to `emit`.
    pub(super) fn go_on(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary,
        emit: &mut dyn FnMut(String),
    ) -> Result<(), ModelError> {
        let given = self.tokens.len() - self.prompt;
        if self.usage.generated_tokens == 0 && given > 0 {
            self.say(self.prompt, vocabulary, emit);
        }
        if self.stop.is_some() {
            return Ok(());
        }
        // Taken or not, forced text is the same tokens.
        let forced = match &mut self.constraint {
            Some(constraint) if !self.shortcuts => constraint.first_forced()?,
            _ => None,
        };
        let token = match forced {
            Some(token) => token,
            None => self.chooser.choose(logits, vocabulary, self.constraint.as_mut())?,
        };
        if vocabulary.ends(token) {
            self.usage.generated_tokens += 1;
            self.stop = Some(Stop::EndOfTurn);
            return Ok(());
        }
        let from = self.tokens.len();
        self.tokens.push(token);
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token)?;
            if self.shortcuts {
                self.tokens.extend(constraint.forced()?);
            }
        }
        self.say(from, vocabulary, emit);
        if self.stop.is_none() && self.shortcuts && self.constraint.as_ref().is_some_and(Constraint::is_over)
        {
            self.stop = Some(Stop::EndOfTurn);
        }
        Ok(())
    }

    /// Gives out the tokens from `from` on as text, as many as the limit lets.
    fn say(&mut self, from: usize, vocabulary: &Vocabulary, emit: &mut dyn FnMut(String)) {
        self.tokens.truncate(self.most_tokens());
        for token in &self.tokens[from..] {
            self.usage.generated_tokens += 1;
            if let Some(piece) = self.text.push(&vocabulary.bytes(*token)) {
                emit(piece);
            }
        }
        if self.usage.generated_tokens as usize >= self.max_tokens {
            self.stop = Some(Stop::Length);
        }
    }

    /// The reply as it is; one that did not end was stopped.
    pub(super) fn finish(self) -> Completion {
        Completion { text: self.text.whole, stop: self.stop.unwrap_or(Stop::Cancelled), usage: self.usage }
    }
}
