//! What a call can fail with: few kinds, each named for what the host can do about it.
//!
//! Messages hold no text of a memory, a turn or a question. Rooms it touches: core.

use keepsake_core::{Remediable, Remedy};

/// Why a call failed, by what can be done about it. Unless a kind says otherwise the bank is as it was before.
#[derive(Debug, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
#[non_exhaustive]
pub enum KeepsakeError {
    /// A value was refused: change it and call again.
    #[error("{0}")]
    Invalid(String),
    /// The bank is open in another program, or by another engine: close that one.
    #[error("{0}")]
    OpenElsewhere(String),
    /// The engine was shut down: open the bank again.
    #[error("{0}")]
    Closed(String),
    /// The bank's folder cannot be used: see that it exists and may be written.
    #[error("{0}")]
    Folder(String),
    /// The bank needs another key, or none.
    #[error("{0}")]
    Key(String),
    /// The bank is damaged: restore it from a copy, or repair it.
    #[error("{0}")]
    Damaged(String),
    /// A newer version wrote this: update the app.
    #[error("{0}")]
    TooNew(String),
    /// A file of a model, or the library that runs it, cannot be used: fetch it again, or give another.
    #[error("{0}")]
    ModelFile(String),
    /// The model does not fit into memory: close other apps, or take a smaller one.
    #[error("{0}")]
    OutOfMemory(String),
    /// The engine has no language model. A turn that was handed in is stored and waits.
    #[error("{0}")]
    NoModel(String),
    /// A model ran and failed, or the host's own did. A turn that was handed in is stored and waits.
    #[error("{0}")]
    ModelFailed(String),
    /// The host stopped it. A turn that was handed in is stored and waits.
    #[error("{0}")]
    Stopped(String),
    /// The queue is paused. A turn that was handed in is stored and waits.
    #[error("{0}")]
    Paused(String),
    /// Things are not as the call takes them to be: read again, then decide.
    #[error("{0}")]
    Refused(String),
    /// A document cannot be read or written.
    #[error("{0}")]
    Document(String),
    /// The disk failed: see to its free space and health. What was to be changed may or may not be there after a
    /// restart, but never in part.
    #[error("{0}")]
    Disk(String),
    /// A sink or an observer of the host's failed. What was done before stays done.
    #[error("{0}")]
    Host(String),
}

impl KeepsakeError {
    /// The kind that core's remedy is called here.
    pub(crate) fn of(error: impl Remediable) -> Self {
        let kind = match error.remedy() {
            Remedy::ChangeValue => Self::Invalid,
            Remedy::CloseOther => Self::OpenElsewhere,
            Remedy::CheckFolder => Self::Folder,
            Remedy::OtherKey => Self::Key,
            Remedy::Restore => Self::Damaged,
            Remedy::UpdateApp => Self::TooNew,
            Remedy::ReplaceFile => Self::ModelFile,
            Remedy::FreeMemory => Self::OutOfMemory,
            Remedy::GiveModel => Self::NoModel,
            Remedy::CallAgain => Self::Stopped,
            Remedy::Resume => Self::Paused,
            Remedy::ReadAgain => Self::Refused,
            Remedy::OtherDocument => Self::Document,
            Remedy::CheckDisk => Self::Disk,
            _ => Self::ModelFailed,
        };
        kind(error.to_string())
    }
}
