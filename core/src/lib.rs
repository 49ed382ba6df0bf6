//! Keepsake: an embedded memory engine.
//!
//! An app hands it dialogue turns; a small language model on the device decides what to keep (ADD, UPDATE,
//! DELETE, NOOP) and later answers from it (distil, then answer). The method is Memory-R1 (arXiv
//! 2508.19828). Nothing leaves the device: this crate links no network code.
//!
//! Start at [`Engine`]. The rooms and the two flows are drawn in ARCHITECTURE.md.

pub mod bank;
pub mod config;
pub mod decision;
pub mod embed;
mod engine;
mod heap;
pub mod index;
pub mod model;
pub mod pipeline;
pub mod prompt;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;
pub mod types;
pub mod when;

pub use engine::{
    AppendError, Budget, Effort, Ended, Engine, Findings, ForgetError, Found, Imported, Moment, OpenError,
    ProcessError, Progress, Receipt, Remediable, Remedy, RememberError, ReviseError, Search, SearchError,
    Selection, Setup, Stats, Undone, device_clock,
};
pub use pipeline::answer::{Answer, AskError, Used};
pub use pipeline::retrieve::{Filter, Hit, Kind, Meaning, Parts};
