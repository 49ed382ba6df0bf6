//! How a call ends: a status, and a sentence for the thread's last error.
//!
//! Rooms it touches: core.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keepsake_core::{Remediable, Remedy};

use crate::text::KeepsakeStr;

/// How a call ended, by what can be done about it. Numbers are never given a new meaning; treat one that is not known like
/// `KEEPSAKE_STATUS_MODEL_FAILED`.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeStatus {
    /// It did what it says.
    Ok = 0,
    /// A value was refused: change it and call again.
    Invalid = 1,
    /// The handle is of nothing that is open.
    BadHandle = 2,
    /// The bank is open in another program, or by another engine: close that one.
    OpenElsewhere = 3,
    /// The bank's folder cannot be used: see that it exists and may be written.
    Folder = 4,
    /// The bank needs another key, or none.
    Key = 5,
    /// The bank is damaged: restore it from a copy, or repair it.
    Damaged = 6,
    /// A newer version wrote this: update the app.
    TooNew = 7,
    /// A file of a model, or the library that runs it, cannot be used: fetch it again, or give another.
    ModelFile = 8,
    /// The model does not fit into memory: close other apps, or take a smaller one.
    OutOfMemory = 9,
    /// The engine has no language model. A turn that was handed in is stored and waits.
    NoModel = 10,
    /// A model ran and failed, or the host's own did. A turn that was handed in is stored and waits.
    ModelFailed = 11,
    /// The host stopped it. A turn that was handed in is stored and waits.
    Stopped = 12,
    /// The queue is paused. A turn that was handed in is stored and waits.
    Paused = 13,
    /// Things are not as the call takes them to be: read again, then decide.
    Refused = 14,
    /// A document cannot be read or written.
    Document = 15,
    /// The disk failed: see to its free space and health.
    Disk = 16,
    /// A fault of the library itself. What was to be changed may or may not be there, but never in part.
    Panic = 17,
}

/// Why a call did not do what it says.
#[derive(Debug)]
pub(crate) struct Failure {
    status: KeepsakeStatus,
    what: String,
}

impl Failure {
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self { status: KeepsakeStatus::Invalid, what: what.into() }
    }

    pub(crate) fn bad_handle(what: &str) -> Self {
        let what = format!("the handle is of no {what} that is open: it was closed, or is of something else");
        Self { status: KeepsakeStatus::BadHandle, what }
    }
}

impl<E: Remediable> From<E> for Failure {
    fn from(error: E) -> Self {
        let status = match error.remedy() {
            Remedy::ChangeValue => KeepsakeStatus::Invalid,
            Remedy::CloseOther => KeepsakeStatus::OpenElsewhere,
            Remedy::CheckFolder => KeepsakeStatus::Folder,
            Remedy::OtherKey => KeepsakeStatus::Key,
            Remedy::Restore => KeepsakeStatus::Damaged,
            Remedy::UpdateApp => KeepsakeStatus::TooNew,
            Remedy::ReplaceFile => KeepsakeStatus::ModelFile,
            Remedy::FreeMemory => KeepsakeStatus::OutOfMemory,
            Remedy::GiveModel => KeepsakeStatus::NoModel,
            Remedy::CallAgain => KeepsakeStatus::Stopped,
            Remedy::Resume => KeepsakeStatus::Paused,
            Remedy::ReadAgain => KeepsakeStatus::Refused,
            Remedy::OtherDocument => KeepsakeStatus::Document,
            Remedy::CheckDisk => KeepsakeStatus::Disk,
            _ => KeepsakeStatus::ModelFailed,
        };
        Self { status, what: error.to_string() }
    }
}

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a call: what it fails with becomes the thread's last error, and a panic a status.
pub(crate) fn guarded(call: impl FnOnce() -> Result<(), Failure>) -> KeepsakeStatus {
    let done = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let what = "a fault of the library: report it, with what was called".to_owned();
        Err(Failure { status: KeepsakeStatus::Panic, what })
    });
    let (status, what) = match done {
        Ok(()) => (KeepsakeStatus::Ok, String::new()),
        Err(Failure { status, what }) => (status, what),
    };
    // A thread that is ending has no last error any more.
    let _ = LAST.try_with(|last| *last.borrow_mut() = what);
    status
}

/// Why this thread's last call failed, in a sentence that names the remedy; empty where it did not. Stays until the thread's
/// next call. It quotes nothing that is remembered.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_last_error() -> KeepsakeStr {
    LAST.try_with(|last| KeepsakeStr::of(&last.borrow())).unwrap_or(KeepsakeStr::NONE)
}
