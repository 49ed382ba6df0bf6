//! What a training run did, kept in its folder: every value of every step, samples, and a report with
//! pictures.
//!
//! Nothing here decides anything about training, and no run needs it to go on: that is the checkpoint's. The
//! folder holds `log.jsonl` and `samples.jsonl`, a line each step or sample; the same values for TensorBoard
//! under `tensorboard/`; and, once [`report()`] was called, `report.md` with its `pictures/`. [`Progress`] is
//! what a person sees meanwhile.
//!
//! Rooms it touches: none.

pub(crate) mod chart;
mod events;
pub(crate) mod files;
mod history;
pub(crate) mod lines;
pub(crate) mod numbers;
mod pictures;
mod progress;
mod recorder;
mod report;
#[cfg(test)]
mod testing;

use std::path::{Path, PathBuf};

pub use self::progress::Progress;
pub use self::recorder::{Recorder, SampleLine};
pub use self::report::report;

/// The values of a step, by name: `policy/kl`, 0.002. Names group by their slashes.
pub type Values = [(String, f64)];

/// A line for every step and evaluation.
const LOG: &str = "log.jsonl";
/// A line for every sample that was kept.
const SAMPLES: &str = "samples.jsonl";
/// How many values of a line were no finite numbers; only there if some were.
const NOT_FINITE: &str = "record/not_finite";

/// Why a run could not be recorded, or no report be made of it. What was recorded before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file or folder of the run cannot be used.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Of which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A line in the middle of a log is none that this trainer writes. What it holds is not repeated here.
    #[error("{path}, line {line}, column {column}: not a line that a run writes; correct it or take it out")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Where in it the first mistake is, from 1; 0 where the line is empty.
        column: usize,
    },
    /// The file for TensorBoard is damaged.
    #[error("{path}: the record at byte {at} is damaged; delete the file, log.jsonl has the same values")]
    Event {
        /// The file.
        path: PathBuf,
        /// Where the record starts.
        at: usize,
    },
    /// A name that the log cannot hold.
    #[error("a value is named {name:?}: that name is empty, given twice, or the log's own")]
    Name {
        /// The name.
        name: String,
    },
    /// A picture could not be drawn.
    #[error("the picture {picture} could not be drawn: {why}")]
    Picture {
        /// Its file.
        picture: &'static str,
        /// What the drawing library says.
        why: String,
    },
}

impl RecordError {
    fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}
