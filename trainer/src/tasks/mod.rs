//! What is trained for: scenes that an agent plays through core's pipeline, and what each is worth.
//!
//! A scene is played by several samples of the policy from the same state, so that their rewards can be compared.
//!
//! Rooms it touches: world, algo, score; of core: engine, bank, transfer.

pub mod answer;
pub mod banks;
pub mod inquiry;
pub mod manager;
pub mod notes;
pub mod sft;
pub mod tale;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keepsake_core::bank::{Contents, MemoryBank};
use keepsake_core::config::Config;
use keepsake_core::model::{Completion, LanguageModel, ModelError, Request, Skill};
use keepsake_core::types::{Cancel, SpaceId, Timestamp};
use keepsake_core::{Engine, Setup, transfer};

use crate::world::{Operations, TeachError};

/// What an agent is put before.
pub trait Scene: Send + Sync {
    /// Plays it once with a model.
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError>;

    /// What it is about, for tables of samples: no more than a line.
    fn about(&self) -> String;

    /// What was to be done or said, a line; empty where nobody knows.
    fn gold(&self) -> String;
}

/// What one play came to.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// The reward; `None` where it cannot be scored.
    pub reward: Option<f64>,
    /// Its parts, named, for the log.
    pub parts: Vec<(String, f64)>,
    /// Operations against gold, of a manager.
    pub operations: Operations,
    /// The answers that a manager was judged by, a group for each question.
    pub answers: Vec<Nested>,
    /// What was done or said, a line, for tables of samples.
    pub said: String,
}

/// The answer agent's answers to one question, all of one bank.
#[derive(Debug, Clone, Default)]
pub struct Nested {
    /// Each of them.
    pub draws: Vec<Draw>,
}

/// An answer among others to the same question.
#[derive(Debug, Clone)]
pub struct Draw {
    /// What it is worth; `None` where it cannot be scored.
    pub reward: Option<f64>,
    /// Which of the play's model calls it took.
    pub calls: Range<usize>,
}

/// Why a scene could not be made or played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A story could not be worked.
    #[error(transparent)]
    Teach(#[from] TeachError),
    /// A bank could not be moved.
    #[error("a bank could not be moved: {0}")]
    Moved(String),
    /// The pipeline failed.
    #[error("the pipeline failed: {0}")]
    Pipeline(String),
    /// There is nothing to train on.
    #[error("there is nothing to train on: {0}")]
    Empty(String),
}

/// A model that counts its completed calls.
struct Counted {
    model: Arc<dyn LanguageModel>,
    calls: AtomicUsize,
}

impl Counted {
    fn new(model: Arc<dyn LanguageModel>) -> Self {
        Self { model, calls: AtomicUsize::new(0) }
    }

    fn count(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl LanguageModel for Counted {
    fn context_tokens(&self) -> usize {
        self.model.context_tokens()
    }

    fn is_trained_to(&self, skill: Skill) -> bool {
        self.model.is_trained_to(skill)
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        self.model.count_tokens(text)
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let completion = self.model.complete(request, cancel, sink)?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(completion)
    }
}

fn failed(error: &dyn std::fmt::Display) -> TaskError {
    TaskError::Pipeline(error.to_string())
}

/// `now` is what "last week" in a question is resolved against; when something was recorded matters to nothing here.
fn setup(model: Arc<dyn LanguageModel>, config: Config, now: Timestamp) -> Setup {
    Setup::new(move || now).with_model(model).with_config(config)
}

/// An engine in memory that holds this, with a model; it is asked when the last turn is said.
pub(crate) fn engine_with(
    contents: &Contents,
    model: Arc<dyn LanguageModel>,
    config: Config,
) -> Result<Engine, TaskError> {
    let last = contents.turns.iter().map(|kept| kept.turn.time).max();
    let now = last.unwrap_or_else(|| Timestamp::from_seconds(0));
    let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup(model, config, now));
    if !contents.turns.is_empty() {
        engine.import(contents).map_err(|error| TaskError::Moved(error.to_string()))?;
    }
    Ok(engine)
}

/// The memories that hold now.
pub(crate) fn texts(engine: &Engine) -> Result<Vec<String>, TaskError> {
    let memories = engine.memories(&SpaceId::default()).map_err(|error| failed(&error))?;
    Ok(memories.into_iter().map(|memory| memory.text).collect())
}

/// What an engine holds.
pub(crate) fn contents(engine: &Engine) -> Result<Contents, TaskError> {
    let moved = |error: &dyn std::fmt::Display| TaskError::Moved(error.to_string());
    let mut bytes = Vec::new();
    engine.export(&[], &mut bytes).map_err(|error| moved(&error))?;
    transfer::read(&mut &bytes[..]).map_err(|error| moved(&error))
}
