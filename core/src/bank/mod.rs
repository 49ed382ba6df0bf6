//! The bank: what is kept, and the seam behind which it is kept.
//!
//! A bank stores turns, the versions of memories, vectors and the outcome of every turn. It decides
//! nothing and searches nothing. Every method is blocking; every change is durable before it returns.
//!
//! Rooms it touches: types, decision, embed (for [`Vector`]).

mod cipher;
mod codec;
#[cfg(test)]
mod conformance;
mod db;
mod digest;
mod journal;
mod memory;
mod salvage;
mod sled;
mod store;

pub use self::cipher::BankKey;
pub use self::memory::MemoryBank;
pub use self::salvage::{Lost, Repaired};
pub use self::sled::SledBank;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::decision::Applied;
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, NewTurn, SpaceId, Timestamp, Turn, TurnId, UnitId};

/// A durable store of turns and memories. Implementations are safe to use from many threads at once.
pub trait Bank: Send + Sync {
    /// Stores a turn and puts it at the end of the queue, durably. A turn whose reference the space
    /// already has is not stored again: the answer is then the id it has. Where that is another turn than this
    /// one, it is refused with [`BankError::ReferenceTaken`].
    fn append(&self, turn: &NewTurn, recorded: Timestamp) -> Result<Appended, BankError>;

    /// A turn by its id.
    fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError>;

    /// All turns of a space, oldest first.
    fn turns(&self, space: &SpaceId) -> Result<Vec<Turn>, BankError>;

    /// The last `count` turns of the same space and session before `turn`, oldest first.
    fn preceding(&self, turn: &Turn, count: usize) -> Result<Vec<Turn>, BankError>;

    /// The first turn after `after` that waits in the queue, over all spaces.
    fn next_waiting(&self, after: Option<TurnId>) -> Result<Option<TurnId>, BankError>;

    /// What became of a turn; `None` while it waits or where there is no such turn.
    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError>;

    /// Puts a turn whose outcome is [`TurnOutcome::Failed`] or [`TurnOutcome::Undone`] back into the queue. False
    /// where there is no such turn or neither is so.
    fn requeue(&self, id: TurnId) -> Result<bool, BankError>;

    /// The id the next new memory must take. Ids are taken by [`Bank::commit`]; one that was never
    /// committed is free again, one that was is never given twice.
    fn next_memory_id(&self) -> Result<MemoryId, BankError>;

    /// Takes a turn out of the queue with its outcome, and writes the memory versions that came of it:
    /// all or nothing, durable on return. Where the previous version of a written memory held, it becomes
    /// [`MemoryState::Superseded`](crate::types::MemoryState::Superseded) in history; else it keeps its state.
    ///
    /// Refused with [`BankError::Conflict`] where a memory is not at the version the commit expects, something it
    /// read is gone, or the turn no longer waits; nothing is changed then.
    fn commit(&self, commit: &Commit) -> Result<(), BankError>;

    /// The newest version of a memory, whatever its state.
    fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError>;

    /// The newest version of every memory of a space, by id, whatever its state.
    fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError>;

    /// All versions of a memory, oldest first; empty where there is no such memory.
    fn history(&self, id: MemoryId) -> Result<Vec<Memory>, BankError>;

    /// Writes new versions of memories that no turn asked for, and marks turns as [`TurnOutcome::Undone`]: all or
    /// nothing, durable on return.
    ///
    /// Refused where a memory is not at the version a write expects ([`BankError::MemoryChanged`]), or a turn is not
    /// [`TurnOutcome::Done`] ([`BankError::Conflict`]); nothing is changed then.
    fn revise(&self, writes: &[MemoryWrite], undone: &[TurnId]) -> Result<(), BankError>;

    /// Removes memories with all their versions and vectors and what the outcomes of turns quote of them, and turns
    /// with their vectors, queue entries and outcomes; a bank on disk leaves no byte of them in any file. All or
    /// nothing; how many there were. The turns that a memory came from stay, and so do the memories that came from a
    /// turn, without naming it any more.
    ///
    /// Where it fails after they are gone, removing the bytes is done when the bank is next opened.
    fn forget(&self, units: &[UnitId]) -> Result<usize, BankError>;

    /// [`Bank::forget`] for one memory. False where there is none.
    fn forget_memory(&self, id: MemoryId) -> Result<bool, BankError> {
        Ok(self.forget(&[UnitId::Memory(id)])? > 0)
    }

    /// [`Bank::forget`] for one turn. False where there is none.
    fn forget_turn(&self, id: TurnId) -> Result<bool, BankError> {
        Ok(self.forget(&[UnitId::Turn(id)])? > 0)
    }

    /// Stores vectors made by the embedder `embedder` (its identity). Units that are gone are skipped.
    fn put_vectors(&self, embedder: &str, vectors: &[(UnitId, Vector)]) -> Result<(), BankError>;

    /// The vectors of a space made by `embedder`. Those of other embedders are never returned.
    fn vectors(&self, space: &SpaceId, embedder: &str) -> Result<Vec<(UnitId, Vector)>, BankError>;

    /// Removes the vectors of a space that embedders other than this one made.
    fn drop_other_vectors(&self, space: &SpaceId, embedder: &str) -> Result<(), BankError>;

    /// Notes that an answer was given from these memories at `at`. Those that are gone are skipped.
    fn note_use(&self, memories: &[MemoryId], at: Timestamp) -> Result<(), BankError>;

    /// When an answer was last given from a memory, as far as that was noted.
    fn last_use(&self, memory: MemoryId) -> Result<Option<Timestamp>, BankError>;

    /// All spaces that have a turn or a memory, by name.
    fn spaces(&self) -> Result<Vec<SpaceId>, BankError>;

    /// The id the next turn will get.
    fn next_turn_id(&self) -> Result<TurnId, BankError>;

    /// Writes what another bank held, under its own ids. All or nothing: a bank on disk that was cut short in it is
    /// empty when it is next opened. Refused with [`BankError::NotEmpty`] where anything was ever kept in this bank.
    /// `contents` must be one that [`transfer::read`](crate::transfer::read) checked, or as sound.
    fn restore(&self, contents: &Contents) -> Result<(), BankError>;

    /// What opening had to put right. Nothing where the bank is not on a disk.
    fn recovered(&self) -> &[Recovery] {
        &[]
    }

    /// Reads everything on the disk again and compares it with what was written.
    fn verify(&self) -> Result<(), BankError> {
        Ok(())
    }

    /// Writes all files anew, without what is no longer part of the bank and without what was set aside.
    fn compact(&self) -> Result<(), BankError> {
        Ok(())
    }

    /// Bytes on the disk, without what was set aside.
    fn size_on_disk(&self) -> Result<u64, BankError> {
        Ok(0)
    }

    /// Counts over one space.
    fn counts(&self, space: &SpaceId) -> Result<Counts, BankError>;
}

/// What a bank holds, vectors apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The turns, by id.
    pub turns: Vec<Kept>,
    /// All versions of every memory, oldest first; none is empty.
    pub memories: Vec<Vec<Memory>>,
    /// The id of the next turn.
    pub next_turn: u64,
    /// The id of the next memory.
    pub next_memory: u64,
}

/// A turn with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The turn.
    pub turn: Turn,
    /// What became of it; `None` while it waits.
    pub outcome: Option<TurnOutcome>,
}

/// What `append` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The turn's id.
    pub id: TurnId,
    /// False where the space already had a turn with this reference.
    pub new: bool,
}

/// Everything one turn changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The turn, which must still wait.
    pub turn: TurnId,
    /// What became of it.
    pub outcome: TurnOutcome,
    /// New versions of memories, each id at most once.
    pub writes: Vec<MemoryWrite>,
    /// What was read to decide it. Each must still be there: what was forgotten meanwhile must not come back in
    /// other words.
    pub read: Vec<UnitId>,
}

/// A new version of one memory.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryWrite {
    /// The version to write. `version` is 1 for a new memory, else one more than `expects`.
    pub memory: Memory,
    /// The version that must be the newest one in the bank; `None` where the memory is new.
    pub expects: Option<u32>,
    /// Its vector and the identity of the embedder that made it. A retired memory has none: the bank
    /// then drops the vector it had.
    pub vector: Option<(String, Vector)>,
}

/// What became of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TurnOutcome {
    /// The turn was worked through; one entry for each fact it gave, in order.
    Done(Vec<Applied>),
    /// Nothing was written for it. It can be put back with [`Bank::requeue`].
    Failed {
        /// The step that failed: `extract` or `manage`.
        step: Step,
        /// Why, without any text of the turn.
        reason: FailReason,
    },
    /// It was worked through, and what it changed was taken back; what that was, in order.
    Undone(Vec<Applied>),
}

impl TurnOutcome {
    /// This outcome without what quotes these memories; `None` where nothing does.
    fn without(self, gone: &BTreeSet<MemoryId>) -> Option<Self> {
        let quotes = |one: &Applied| [one.memory, one.beside].iter().flatten().any(|id| gone.contains(id));
        let (Self::Done(applied) | Self::Undone(applied)) = &self else { return None };
        if !applied.iter().any(quotes) {
            return None;
        }
        let without = |applied: Vec<Applied>| applied.into_iter().filter(|one| !quotes(one)).collect();
        Some(match self {
            Self::Done(applied) => Self::Done(without(applied)),
            Self::Undone(applied) => Self::Undone(without(applied)),
            failed @ Self::Failed { .. } => failed,
        })
    }
}

/// A step of the write flow that asks the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Turn to facts.
    Extract,
    /// Fact to operation.
    Manage,
}

/// Why a turn failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailReason {
    /// The reply did not follow the step's format.
    Unparseable,
    /// The reply ran into its token limit.
    CutOff,
    /// Every fact in the reply says what the turn, and what was said just before it, does not.
    Ungrounded,
    /// The reply names a memory that was not shown.
    UnknownId,
    /// The turn does not fit into the model's context; it stays searchable as a turn.
    TooLong,
}

impl Step {
    /// The word used in records and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Manage => "manage",
        }
    }
}

impl FailReason {
    /// The word used in records and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unparseable => "unparseable",
            Self::CutOff => "cut_off",
            Self::Ungrounded => "ungrounded",
            Self::UnknownId => "unknown_id",
            Self::TooLong => "too_long",
        }
    }
}

/// Counts over one space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Turns kept.
    pub turns: u64,
    /// Turns that wait in the queue.
    pub waiting: u64,
    /// Turns whose outcome is a failure.
    pub failed: u64,
    /// Memories that hold.
    pub current: u64,
    /// Memories that were retired.
    pub retired: u64,
    /// Memories that wait for the host to confirm them.
    pub quarantined: u64,
    /// Versions of memories, all told.
    pub versions: u64,
}

/// Something that opening a bank put right, losing nothing that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// The store lacked the last changes; the journal had them.
    Replayed {
        /// How many.
        changes: u64,
    },
    /// A change that was being written when the process ended, and was not acknowledged, was cut off.
    TailCut {
        /// Its length, bytes.
        bytes: u64,
    },
    /// The store was set aside, and built again from the journal.
    StoreRebuilt {
        /// What was wrong with it.
        why: &'static str,
    },
    /// The journal was damaged or missing, and was written again from the store.
    JournalRewritten,
    /// The file that names the bank's format was damaged or missing, and was written again.
    FormatRewritten,
    /// An erasing had begun when the process ended: what was to be forgotten was gone, and now its bytes are, too.
    ErasingFinished,
    /// An import had begun when the process ended: nothing of it is kept.
    RestoringTakenBack,
}

impl std::fmt::Display for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replayed { changes } => write!(f, "{changes} changes came from the journal"),
            Self::TailCut { bytes } => write!(f, "{bytes} bytes of an unfinished change were cut off"),
            Self::StoreRebuilt { why } => write!(f, "the store was built again from the journal ({why})"),
            Self::JournalRewritten => f.write_str("the journal was written again from the store"),
            Self::FormatRewritten => f.write_str("the file that names the bank's format was written again"),
            Self::ErasingFinished => f.write_str("a forgetting that was cut short was finished"),
            Self::RestoringTakenBack => f.write_str("an import that was cut short was taken back"),
        }
    }
}

/// Why the bank refused or failed. Unless a variant says otherwise the bank is as it was before the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// Another process, or another engine of this process, has the bank open.
    #[error("the bank at {path} is open elsewhere: close the other program, or wait for it")]
    Locked {
        /// The bank's folder.
        path: std::path::PathBuf,
    },
    /// The folder cannot be used.
    #[error("the bank at {path} cannot be opened: check that the folder exists and may be written")]
    Open {
        /// The bank's folder.
        path: std::path::PathBuf,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bank was written by a newer version of this engine.
    #[error("the bank has format {found}, this version reads up to {known}: update the app")]
    TooNew {
        /// The format found.
        found: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// A stored record is damaged. Other records are unaffected.
    #[error(
        "the {kind} record {id} of the bank is damaged ({what}): restore the bank from a copy, or repair it: that keeps what can be read"
    )]
    Damaged {
        /// Which kind of record.
        kind: &'static str,
        /// Its key, as an id or in hexadecimal.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bank is sealed.
    #[error("the bank at {path} is sealed: open it with its key")]
    KeyNeeded {
        /// The bank's folder.
        path: std::path::PathBuf,
    },
    /// The bank is sealed by another key. It is not damaged.
    #[error("the bank at {path} is sealed by another key: open it with the key it was made with")]
    WrongKey {
        /// The bank's folder.
        path: std::path::PathBuf,
    },
    /// A key was given, and the bank was made without one.
    #[error("the bank at {path} is not sealed: open it without a key, or begin another with one")]
    NotSealed {
        /// The bank's folder.
        path: std::path::PathBuf,
    },
    /// Neither the store nor the journal is whole. Nothing was changed.
    #[error(
        "the bank at {path} cannot be opened: its store: {store}; its journal {journal}. Restore the folder from a copy, or repair it: that keeps what can be read"
    )]
    Unrecoverable {
        /// The bank's folder.
        path: std::path::PathBuf,
        /// What is wrong with the store.
        store: &'static str,
        /// What is wrong with the journal.
        journal: &'static str,
    },
    /// The journal lacks changes that the store does not have either. Nothing was changed.
    #[error(
        "the bank at {path} has lost its changes {first} to {last}: restore the folder from a copy, or repair it: that keeps what can be read"
    )]
    ChangesLost {
        /// The bank's folder.
        path: std::path::PathBuf,
        /// The number of the first change that is lost.
        first: u64,
        /// The number of the last change that is known of.
        last: u64,
    },
    /// The space has another turn under this reference. Nothing was changed.
    #[error(
        "another turn has this reference ({turn} says something else): give it another, or forget {turn} first"
    )]
    ReferenceTaken {
        /// The turn that has it.
        turn: TurnId,
    },
    /// A commit does not fit what the bank holds now. Nothing was changed; work the turn again.
    #[error("the bank changed while turn {turn} was worked on: work it again")]
    Conflict {
        /// The turn.
        turn: TurnId,
    },
    /// Something was kept in the bank before. Nothing was changed.
    #[error("the bank is not empty: import into a new one")]
    NotEmpty,
    /// A memory is not at the version that was expected. Nothing was changed.
    #[error("memory {memory} changed meanwhile: read it again, then decide")]
    MemoryChanged {
        /// The memory.
        memory: MemoryId,
    },
    /// The store or the disk failed. If this was a change it may or may not be there after a restart, but
    /// never in part.
    #[error("the bank's store failed: check the disk's free space and health")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Decodes bytes as whatever a bank's files hold, for fuzzing; see [`testing`](crate::testing).
#[cfg(feature = "testing")]
pub(crate) fn try_bytes(bytes: &[u8]) {
    codec::try_every_record(bytes);
    journal::try_entries(bytes);
}
