//! What is trained for: scenes that an agent plays through core's pipeline, and what each is worth.
//!
//! A scene is played by several samples of the policy from the same state, so that their rewards can be compared.
//!
//! Rooms it touches: world, algo, score; of core: engine, bank, transfer.

pub mod answer;
pub mod manager;
pub mod sft;

use std::sync::Arc;

use keepsake_core::bank::{Contents, MemoryBank};
use keepsake_core::config::Config;
use keepsake_core::model::LanguageModel;
use keepsake_core::types::Timestamp;
use keepsake_core::{Engine, Setup, transfer};

use crate::world::{Operations, TeachError};

/// What an agent is put before.
pub trait Scene: Send + Sync {
    /// Plays it once with a model.
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError>;

    /// What it is about, for tables of samples: no more than a line.
    fn about(&self) -> String;
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
    /// What was done or said, a line, for tables of samples.
    pub said: String,
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

/// An engine in memory that holds this, with a model.
fn engine_with(
    contents: &Contents,
    model: Arc<dyn LanguageModel>,
    config: Config,
) -> Result<Engine, TaskError> {
    // When something was recorded matters to nothing here.
    let setup = Setup::new(|| Timestamp::from_seconds(0)).with_model(model).with_config(config);
    let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup);
    if !contents.turns.is_empty() {
        engine.import(contents).map_err(|error| TaskError::Moved(error.to_string()))?;
    }
    Ok(engine)
}

/// What an engine holds.
fn contents(engine: &Engine) -> Result<Contents, TaskError> {
    let moved = |error: &dyn std::fmt::Display| TaskError::Moved(error.to_string());
    let mut bytes = Vec::new();
    engine.export(&[], &mut bytes).map_err(|error| moved(&error))?;
    transfer::read(&mut &bytes[..]).map_err(|error| moved(&error))
}
