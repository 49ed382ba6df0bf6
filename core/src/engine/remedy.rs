//! What a caller can do about a failure: one word for each, the same at every door.
//!
//! Rooms it touches: types, model, embed, bank, transfer, pipeline.

use super::error::{
    AppendError, ForgetError, OpenError, ProcessError, RememberError, ReviseError, SearchError,
};
use crate::bank::BankError;
use crate::embed::EmbedError;
use crate::model::ModelError;
use crate::pipeline::answer::AskError;
use crate::transfer::{ExportError, ImportError};
use crate::types::InvalidInput;

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Change the value that was refused, and call again.
    ChangeValue,
    /// Close the other program, or engine, that has the bank open.
    CloseOther,
    /// See that the bank's folder exists and may be written.
    CheckFolder,
    /// Open the bank with another key, or with none.
    OtherKey,
    /// Restore the bank from a copy, or repair it.
    Restore,
    /// Update the app: a newer version wrote this.
    UpdateApp,
    /// Fetch a model's file, or the library that runs it, again; or give another.
    ReplaceFile,
    /// Close other programs, or take a smaller model.
    FreeMemory,
    /// Open the engine with a language model.
    GiveModel,
    /// The model ran and failed: try again, or take another.
    OtherModel,
    /// The caller stopped it: call again to go on.
    CallAgain,
    /// Resume the queue, which is paused.
    Resume,
    /// Things are not as the call takes them to be: read again, then decide.
    ReadAgain,
    /// The document cannot be read or written: see to its file, or give another.
    OtherDocument,
    /// See to the disk's free space and health.
    CheckDisk,
}

/// A failure that says what can be done about it.
pub trait Remediable: std::error::Error {
    /// What can be done.
    fn remedy(&self) -> Remedy;
}

impl Remediable for InvalidInput {
    fn remedy(&self) -> Remedy {
        Remedy::ChangeValue
    }
}

impl Remediable for BankError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Locked { .. } => Remedy::CloseOther,
            Self::Open { .. } => Remedy::CheckFolder,
            Self::TooNew { .. } => Remedy::UpdateApp,
            Self::Damaged { .. } | Self::Unrecoverable { .. } | Self::ChangesLost { .. } => Remedy::Restore,
            Self::KeyNeeded { .. } | Self::WrongKey { .. } | Self::NotSealed { .. } => Remedy::OtherKey,
            Self::ReferenceTaken { .. }
            | Self::Conflict { .. }
            | Self::NotEmpty
            | Self::MemoryChanged { .. } => Remedy::ReadAgain,
            Self::Store(_) => Remedy::CheckDisk,
        }
    }
}

impl Remediable for ModelError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Missing { .. } | Self::Unusable { .. } | Self::Adapter { .. } | Self::ChatFormat { .. } => {
                Remedy::ReplaceFile
            }
            Self::TooLarge { .. } => Remedy::FreeMemory,
            Self::PromptTooLong { .. } => Remedy::ChangeValue,
            Self::Failed(_) => Remedy::OtherModel,
        }
    }
}

impl Remediable for EmbedError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Missing { .. } | Self::Unusable { .. } | Self::Runtime { .. } => Remedy::ReplaceFile,
            Self::Failed(_) => Remedy::OtherModel,
        }
    }
}

impl Remediable for OpenError {
    fn remedy(&self) -> Remedy {
        self.0.remedy()
    }
}

impl Remediable for ForgetError {
    fn remedy(&self) -> Remedy {
        self.0.remedy()
    }
}

impl Remediable for AppendError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Invalid(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
        }
    }
}

impl Remediable for ProcessError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Model(error) => error.remedy(),
            Self::Embed(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
        }
    }
}

impl Remediable for RememberError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Append(error) => error.remedy(),
            Self::Process(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
            Self::Cancelled { .. } => Remedy::CallAgain,
            Self::Paused { .. } => Remedy::Resume,
            Self::NoModel { .. } => Remedy::GiveModel,
            Self::Gone { .. } => Remedy::ReadAgain,
        }
    }
}

impl Remediable for SearchError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Embed(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
        }
    }
}

impl Remediable for AskError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Model(error) => error.remedy(),
            Self::Embed(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
            Self::Cancelled => Remedy::CallAgain,
            Self::NoModel => Remedy::GiveModel,
            Self::BadReply(_) => Remedy::OtherModel,
            Self::TooLong { .. } => Remedy::ChangeValue,
        }
    }
}

impl Remediable for ReviseError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Embed(error) => error.remedy(),
            Self::Bank(error) => error.remedy(),
            Self::NothingDone { .. } | Self::ChangedSince(_) | Self::NotQuarantined { .. } => {
                Remedy::ReadAgain
            }
        }
    }
}

impl Remediable for ExportError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Bank(error) => error.remedy(),
            Self::Write(_) => Remedy::OtherDocument,
        }
    }
}

impl Remediable for ImportError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::TooNew { .. } => Remedy::UpdateApp,
            _ => Remedy::OtherDocument,
        }
    }
}
