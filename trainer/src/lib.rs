//! Trains Keepsake's two agents: the memory manager and the answer agent of Memory-R1 (arXiv 2508.19828).
//!
//! The policy plays through core's own pipeline, so that what is trained is what the device runs. Start at
//! [`run::train`]; the rooms are drawn in docs/trainer.md.

pub mod algo;
pub mod engine;
pub mod evaluate;
pub mod parity;
pub mod record;
pub mod rollout;
pub mod run;
pub mod score;
pub mod start;
pub mod tasks;
pub mod train;
pub mod verl;
pub mod weights;
pub mod world;
