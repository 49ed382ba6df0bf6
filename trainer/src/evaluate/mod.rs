//! Measures quality by the protocol of Memory-R1 and beside other ways: banks are built by the engine that ships, every
//! question is asked, and what comes of it is scored, with intervals, in one report.
//!
//! [`qa`] asks questions, [`operations`] looks at banks, [`compare`](compare::compare) tests two reports against each
//! other. What each figure means stands in docs/evaluation.md. Nothing here trains; what it finds is in its folder, line by
//! line, so that a run that was stopped goes on.
//!
//! Rooms it touches: score, tasks, world, record; dialogues; of core: engine, bank, model, embed, testing.

mod ask;
mod banks;
mod bars;
pub mod compare;
mod course;
mod journal;
pub mod judge;
pub mod material;
pub mod measure;
mod operations;
mod pictures;
mod qa;
pub mod report;
pub mod stats;
pub mod support;
pub mod systems;
mod table;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use keepsake_core::embed::Embedder;
use keepsake_core::model::{LanguageModel, ModelError};
use serde_json::Value;

pub use self::banks::Given;
use self::judge::{Judge, JudgeError};
use self::material::Material;
pub use self::operations::{OperationsSettings, operations};
pub use self::qa::qa;
use self::systems::System;
use crate::record::RecordError;

/// Why an evaluation ended before its end. What it found is in its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A file cannot be used.
    #[error("{}: {what}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why, and the remedy.
        what: String,
    },
    /// There is nothing to evaluate.
    #[error("there is nothing to evaluate: {0}")]
    Nothing(String),
    /// There is an evaluation in the folder already.
    #[error("{} holds an evaluation already: go on with it with --resume, or give another folder", .0.display())]
    Occupied(PathBuf),
    /// The evaluation in the folder is of other settings.
    #[error("{} holds an evaluation with another {what}: give the same, or another folder", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// Mem0's shape needs one.
    #[error(
        "the Mem0-style baseline looks memories up by meaning: give --embedder, or leave mem0 out of --systems"
    )]
    NoEmbedder,
    /// Systems with adapters, and none given.
    #[error("{0} has adapters and none are given: give --manager or --answer, or leave it out of --systems")]
    NoAdapters(System),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// There is no judge.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The engine failed.
    #[error("the engine failed: {0}")]
    Pipeline(String),
    /// A file of the evaluation could not be kept.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl EvaluateError {
    fn file(path: &Path, what: &str) -> Self {
        Self::File { path: path.to_owned(), what: what.to_owned() }
    }

    #[allow(clippy::needless_pass_by_value)] // for `map_err`
    fn pipeline(error: impl std::fmt::Display) -> Self {
        Self::Pipeline(error.to_string())
    }
}

/// How an evaluation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of it was done, and the report is written.
    Whole,
    /// It was stopped, and saved.
    Stopped,
}

/// Loads the model, with or without adapters.
pub type Load<'a> = dyn Fn(bool) -> Result<Arc<dyn LanguageModel>, ModelError> + 'a;

/// What an evaluation works with.
pub struct Tools<'a> {
    /// Loads the model.
    pub load: &'a Load<'a>,
    /// Without one, words alone are searched.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Banks that are taken as they are instead of the engine building them.
    pub given: Option<Given>,
    /// Who judges answers, if anybody.
    pub judge: Option<Judge>,
    /// Thrown, it ends the run at the next turn or question, saved.
    pub stop: &'a AtomicBool,
}

/// What is evaluated, and how.
pub struct Plan<'a> {
    /// `qa` or `end-to-end`; `operations`.
    pub what: &'static str,
    /// On what.
    pub material: &'a Material,
    /// Which systems.
    pub systems: &'a [System],
    /// What the report says of model, data and machine; two runs with the same settings are the same run.
    pub settings: Value,
    /// Draws for each interval.
    pub resamples: usize,
    /// What the draws come from.
    pub seed: u64,
    /// The folder that everything is kept in.
    pub out: &'a Path,
    /// Whether to go on with what is there.
    pub resume: bool,
}

/// The model, loaded when it is first needed, and kept as long as the same is needed.
struct Model<'a> {
    load: &'a Load<'a>,
    adapters: bool,
    loaded: Mutex<Option<Arc<dyn LanguageModel>>>,
}

impl<'a> Model<'a> {
    fn new(load: &'a Load<'a>, adapters: bool) -> Self {
        Self { load, adapters, loaded: Mutex::new(None) }
    }

    fn get(&self) -> Result<Arc<dyn LanguageModel>, ModelError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.as_ref() {
            return Ok(Arc::clone(model));
        }
        let model = (self.load)(self.adapters)?;
        *loaded = Some(Arc::clone(&model));
        Ok(model)
    }
}
