//! A language model that says what a test tells it to, and keeps what it was asked.
//!
//! It follows no grammar: what the engine does with a reply that breaks the format can be tested.
//!
//! Rooms it touches: types, model.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::model::{Completion, LanguageModel, ModelError, Request, Skill, Stop, Usage};
use crate::types::Cancel;

/// One scripted reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Says this and ends its turn.
    Says(String),
    /// Says this and runs into its token limit.
    CutOff(String),
    /// Fails.
    Fails,
    /// Finds the prompt too long.
    TooLong,
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Says(text.to_owned())
    }
}

type Rule = dyn Fn(&Request) -> Reply + Send + Sync;

/// The scripted model.
pub struct ScriptedModel {
    script: Mutex<VecDeque<Reply>>,
    otherwise: Box<Rule>,
    asked: Mutex<Vec<Request>>,
    trained: bool,
}

impl ScriptedModel {
    /// Gives these replies in order, then fails.
    pub fn new<R: Into<Reply>>(script: impl IntoIterator<Item = R>) -> Self {
        let script = script.into_iter().map(Into::into).collect();
        Self {
            script: Mutex::new(script),
            otherwise: Box::new(|_| Reply::Fails),
            asked: Mutex::default(),
            trained: false,
        }
    }

    /// Replies by a rule.
    pub fn by_rule(rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self { script: Mutex::default(), otherwise: Box::new(rule), asked: Mutex::default(), trained: false }
    }

    /// The same model, said to be trained for every agent.
    #[must_use]
    pub fn trained(mut self) -> Self {
        self.trained = true;
        self
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Request> {
        lock(&self.asked).clone()
    }
}

impl LanguageModel for ScriptedModel {
    fn context_tokens(&self) -> usize {
        8192
    }

    fn is_trained_to(&self, _skill: Skill) -> bool {
        self.trained
    }

    /// One for each word.
    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        Ok(text.split_whitespace().count())
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        lock(&self.asked).push(request.clone());
        let scripted = lock(&self.script).pop_front();
        let (text, end) = match scripted.unwrap_or_else(|| (self.otherwise)(request)) {
            Reply::Says(text) => (text, Stop::EndOfTurn),
            Reply::CutOff(text) => (text, Stop::Length),
            Reply::Fails => return Err(ModelError::Failed("as the test wants it".to_owned())),
            Reply::TooLong => return Err(ModelError::PromptTooLong { tokens: 9000, room: 8000 }),
        };
        let mut said = String::new();
        for piece in text.split_inclusive(' ') {
            if cancel.is_cancelled() || sink(piece).is_break() {
                return Ok(completion(said, Stop::Cancelled));
            }
            said.push_str(piece);
        }
        let stop = if cancel.is_cancelled() { Stop::Cancelled } else { end };
        Ok(completion(said, stop))
    }
}

fn completion(text: String, stop: Stop) -> Completion {
    let generated_tokens = text.split_whitespace().count() as u64;
    Completion { text, stop, usage: Usage { calls: 1, generated_tokens, ..Usage::default() } }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
