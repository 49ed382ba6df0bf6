//! Training runs: imitation, and reinforcement with GRPO or PPO, of one agent or of both.
//!
//! A run is a loop over optimiser steps; every step depends on settings, seed and the step's number only, so that one
//! that was interrupted goes on as if it had not been. What a step did is handed to a [`Watch`]; files are its business.
//!
//! Rooms it touches: algo, engine, rollout, tasks.

mod batch;
pub mod joint;
pub mod reinforce;
pub mod sft;

use crate::algo::BadSetting;
use crate::algo::advantage::NotFinite;
use crate::engine::{EngineError, Part, Work};
use crate::record::{SampleLine, Values};
use crate::tasks::TaskError;

/// Named numbers of a step.
pub type Named = Vec<(String, f64)>;

/// How fast a stretch of training was: tokens of its trees, and the share of the device that their computation reached.
fn speed(now: Option<Work>, before: Option<Work>, tokens: usize, seconds: f64) -> Named {
    let mut values = vec![("speed/tokens_per_second".to_owned(), tokens as f64 / seconds.max(1e-9))];
    if let (Some(now), Some(before)) = (now, before) {
        values.push(("speed/model_flop_utilisation".to_owned(), now.share_since(before, seconds)));
    }
    values
}

/// Hears what a run does, and may end it.
pub trait Watch {
    /// A step was made.
    fn step(&mut self, step: u64, values: &Values, samples: &[SampleLine]) -> Result<(), TrainError>;

    /// The agent was evaluated before this step.
    fn evaluated(&mut self, step: u64, name: &str, values: &Values) -> Result<(), TrainError>;

    /// Whether to save before this step and end.
    fn stops(&self) -> bool;

    /// Keep the state of the engine's parts: training goes on with this step.
    fn save(&mut self, step: u64, parts: &[(Part, Vec<u8>)]) -> Result<(), TrainError>;
}

/// Why a run ended before its end. What was saved last is whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A scene failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A reward is not a number.
    #[error("step {step}: {source}; nothing was changed")]
    Reward {
        /// The step.
        step: u64,
        /// Which.
        source: NotFinite,
    },
    /// The algorithm was given what does not fit together.
    #[error("the algorithm failed: {0}")]
    Algorithm(String),
    /// Too many steps in a row were left out.
    #[error(
        "{count} steps in a row had gradients that are no numbers, the last was step {step}: lower learning.peak, and go on \
         from an earlier checkpoint"
    )]
    Diverged {
        /// How many.
        count: u32,
        /// The last one.
        step: u64,
    },
    /// What hears of the run failed.
    #[error("{0}")]
    Watch(String),
}

/// Steps in a row that may be left out before a run gives up.
const MOST_SKIPPED: u32 = 5;
