//! What the engine's operations can fail with: one type for each, few and named for the remedy.
//!
//! Rooms it touches: types, model, embed, bank, pipeline.

use crate::bank::BankError;
use crate::embed::EmbedError;
use crate::model::ModelError;
use crate::pipeline::answer::AskError;
use crate::pipeline::remember::WorkError;
use crate::pipeline::undo::ChangedSince;
use crate::types::{InvalidInput, MemoryId, TurnId};

/// The bank cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] pub BankError);

/// A turn was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The turn itself is at fault.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The bank is.
    #[error(transparent)]
    Bank(#[from] BankError),
}

/// The queue cannot be worked on. Turns that were committed are kept; the others still wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}

impl From<WorkError> for ProcessError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Model(error) => Self::Model(error),
            WorkError::Embed(error) => Self::Embed(error),
            WorkError::Bank(error) => Self::Bank(error),
            WorkError::Cancelled => Self::Model(ModelError::Failed("stopped".to_owned())),
        }
    }
}

/// A turn was not remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RememberError {
    /// It was not stored.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It was stored and waits; working the queue failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It was stored and waits; the caller stopped the work.
    #[error("stopped; turn {turn} is stored and waits in the queue")]
    Cancelled {
        /// The turn.
        turn: TurnId,
    },
    /// It was stored and waits; the host paused the queue.
    #[error("the queue is paused; turn {turn} is stored and waits in it")]
    Paused {
        /// The turn.
        turn: TurnId,
    },
    /// It was stored and waits; there is no model.
    #[error("there is no language model; turn {turn} is stored and waits in the queue")]
    NoModel {
        /// The turn.
        turn: TurnId,
    },
    /// It was forgotten while it waited.
    #[error("turn {turn} was forgotten before it was worked through")]
    Gone {
        /// The turn.
        turn: TurnId,
    },
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}

/// A search failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}

impl From<SearchError> for AskError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Embed(error) => Self::Embed(error),
            SearchError::Bank(error) => Self::Bank(error),
        }
    }
}

/// Something was not forgotten.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ForgetError(#[from] pub BankError);

/// Nothing was taken back, or confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviseError {
    /// The turn has no outcome that could be taken back.
    #[error("{turn} is not worked through, or is undone already: there is nothing to take back")]
    NothingDone {
        /// The turn.
        turn: TurnId,
    },
    /// Something newer stands on what is to be taken back.
    #[error(transparent)]
    ChangedSince(#[from] ChangedSince),
    /// There is no such memory, or it is not quarantined.
    #[error("{memory} does not wait to be confirmed")]
    NotQuarantined {
        /// The memory.
        memory: MemoryId,
    },
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}
