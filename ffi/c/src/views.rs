//! What is shown to the caller: structs that point into the engine's own values, for the length of a call.
//!
//! Rooms it touches: core.

use std::ffi::c_void;

use keepsake_core::bank::{Counts, FailReason, Step, TurnOutcome};
use keepsake_core::decision::{Applied, Guard, Operation};
use keepsake_core::types::{Memory, MemoryState, Origin, Turn, UnitId};
use keepsake_core::{Ended, Found, Progress, Used};

use crate::text::KeepsakeStr;

/// Shows a piece of an answer. False stops the answer.
pub type KeepsakeTextFn = Option<unsafe extern "C" fn(user: *mut c_void, piece: KeepsakeStr) -> bool>;
/// Shows a memory. False ends the list.
pub type KeepsakeMemoryFn =
    Option<unsafe extern "C" fn(user: *mut c_void, memory: *const KeepsakeMemory) -> bool>;
/// Shows a turn. False ends the list.
pub type KeepsakeTurnFn = Option<unsafe extern "C" fn(user: *mut c_void, turn: *const KeepsakeTurn) -> bool>;
/// Shows something that was found. False ends the list.
pub type KeepsakeFoundFn =
    Option<unsafe extern "C" fn(user: *mut c_void, found: *const KeepsakeFound) -> bool>;
/// Shows what became of a turn. False stops the work after it.
pub type KeepsakeReceiptFn =
    Option<unsafe extern "C" fn(user: *mut c_void, receipt: *const KeepsakeReceipt) -> bool>;
/// Shows an answer, once it is whole.
pub type KeepsakeAnswerFn = Option<unsafe extern "C" fn(user: *mut c_void, answer: *const KeepsakeAnswer)>;

/// Who said it, and so how far it is trusted.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeOrigin {
    /// The person whose memory this is, or somebody in conversation with them.
    User = 0,
    /// The assistant itself.
    Assistant = 1,
    /// Moved in from another system.
    Imported = 2,
    /// A document, web page or tool result: cannot change what the user stated.
    Document = 3,
}

impl From<Origin> for KeepsakeOrigin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::User => Self::User,
            Origin::Assistant => Self::Assistant,
            Origin::Imported => Self::Imported,
            _ => Self::Document,
        }
    }
}

/// What has become of a version of a memory.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeState {
    /// It holds.
    Current = 0,
    /// A newer version stands in its place.
    Superseded = 1,
    /// It no longer holds.
    Retired = 2,
    /// It waits for the user to confirm it; nothing finds it until then.
    Quarantined = 3,
}

/// A fact in the bank: one version of it.
#[repr(C)]
pub struct KeepsakeMemory {
    /// Its number; the same for all versions.
    pub id: u64,
    /// Which version, from 1.
    pub version: u32,
    /// Whether it holds.
    pub state: KeepsakeState,
    /// Where it came from.
    pub origin: KeepsakeOrigin,
    /// Whose it is.
    pub space: KeepsakeStr,
    /// The fact.
    pub text: KeepsakeStr,
    /// Who said it.
    pub speaker: KeepsakeStr,
    /// From when it holds, on the speaker's wall clock: `2024-03-02T10:15:00`.
    pub valid_from: KeepsakeStr,
    /// When this version was stored, UTC.
    pub recorded: KeepsakeStr,
    /// The turns it was taken from, oldest first.
    pub sources: *const u64,
    /// How many there are.
    pub sources_count: usize,
}

/// Shows a memory to `show`.
pub(crate) fn memory<T>(memory: &Memory, show: impl FnOnce(&KeepsakeMemory) -> T) -> T {
    let (valid_from, recorded) = (memory.valid_from.to_string(), memory.recorded.to_string());
    let sources: Vec<u64> = memory.sources.iter().map(|turn| turn.0).collect();
    let state = match memory.state {
        MemoryState::Current => KeepsakeState::Current,
        MemoryState::Superseded => KeepsakeState::Superseded,
        MemoryState::Quarantined => KeepsakeState::Quarantined,
        _ => KeepsakeState::Retired,
    };
    show(&KeepsakeMemory {
        id: memory.id.0,
        version: memory.version,
        state,
        origin: memory.origin.into(),
        space: KeepsakeStr::of(memory.space.as_str()),
        text: KeepsakeStr::of(&memory.text),
        speaker: KeepsakeStr::of(&memory.speaker),
        valid_from: KeepsakeStr::of(&valid_from),
        recorded: KeepsakeStr::of(&recorded),
        sources: sources.as_ptr(),
        sources_count: sources.len(),
    })
}

/// What was said, as the bank keeps it.
#[repr(C)]
pub struct KeepsakeTurn {
    /// Its number, in the order of `keepsake_append`.
    pub id: u64,
    /// Where it came from.
    pub origin: KeepsakeOrigin,
    /// Whose it is.
    pub space: KeepsakeStr,
    /// The sitting it belongs to.
    pub session: KeepsakeStr,
    /// Who said it.
    pub speaker: KeepsakeStr,
    /// The words.
    pub text: KeepsakeStr,
    /// Caption of a shared image, or nothing.
    pub image: KeepsakeStr,
    /// When it was said, on the speaker's wall clock.
    pub time: KeepsakeStr,
    /// When it was stored, UTC.
    pub recorded: KeepsakeStr,
    /// The host's own name for it, or nothing.
    pub reference: KeepsakeStr,
}

/// Shows a turn to `show`.
pub(crate) fn turn<T>(turn: &Turn, show: impl FnOnce(&KeepsakeTurn) -> T) -> T {
    let (time, recorded) = (turn.time.to_string(), turn.recorded.to_string());
    show(&KeepsakeTurn {
        id: turn.id.0,
        origin: turn.origin.into(),
        space: KeepsakeStr::of(turn.space.as_str()),
        session: KeepsakeStr::of(&turn.session),
        speaker: KeepsakeStr::of(&turn.speaker),
        text: KeepsakeStr::of(&turn.text),
        image: KeepsakeStr::of_optional(turn.image.as_deref()),
        time: KeepsakeStr::of(&time),
        recorded: KeepsakeStr::of(&recorded),
        reference: KeepsakeStr::of_optional(turn.reference.as_deref()),
    })
}

/// A memory or a turn, for what is found, used and forgotten.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeUnit {
    /// 0: a memory; 1: a turn.
    pub is_turn: u32,
    /// 0.
    pub reserved: u32,
    /// Its number.
    pub id: u64,
}

impl From<UnitId> for KeepsakeUnit {
    fn from(unit: UnitId) -> Self {
        match unit {
            UnitId::Memory(id) => Self { is_turn: 0, reserved: 0, id: id.0 },
            UnitId::Turn(id) => Self { is_turn: 1, reserved: 0, id: id.0 },
        }
    }
}

/// A memory or turn that was found, or that an answer was given from.
#[repr(C)]
pub struct KeepsakeFound {
    /// Which.
    pub unit: KeepsakeUnit,
    /// How well it fits: larger is better, and comparable within one search only. 0 behind an answer.
    pub score: f32,
    /// Who said it.
    pub speaker: KeepsakeStr,
    /// When, on the speaker's wall clock.
    pub time: KeepsakeStr,
    /// The words.
    pub text: KeepsakeStr,
}

/// Shows something that was found to `show`.
pub(crate) fn found<T>(found: &Found, show: impl FnOnce(&KeepsakeFound) -> T) -> T {
    let time = found.time.to_string();
    show(&KeepsakeFound {
        unit: found.hit.unit.into(),
        score: found.hit.score,
        speaker: KeepsakeStr::of(&found.speaker),
        time: KeepsakeStr::of(&time),
        text: KeepsakeStr::of(&found.text),
    })
}

/// An answer with what it rests on.
#[repr(C)]
pub struct KeepsakeAnswer {
    /// The answer, or nothing where nothing at all is remembered in this space.
    pub text: KeepsakeStr,
    /// Whether it ran into its token limit.
    pub cut_off: bool,
    /// The memories and turns it was given from, the most useful first.
    pub used: *const KeepsakeFound,
    /// How many there are.
    pub used_count: usize,
    /// From the call to the first piece of the answer, milliseconds.
    pub first_token_ms: f64,
}

/// Shows an answer to `show`.
pub(crate) fn answer<T>(answer: &keepsake_core::Answer, show: impl FnOnce(&KeepsakeAnswer) -> T) -> T {
    let times: Vec<String> = answer.used.iter().map(|used| used.time.to_string()).collect();
    let view = |(used, time): (&Used, &String)| KeepsakeFound {
        unit: used.unit.into(),
        score: 0.0,
        speaker: KeepsakeStr::of(&used.speaker),
        time: KeepsakeStr::of(time),
        text: KeepsakeStr::of(&used.text),
    };
    let used: Vec<KeepsakeFound> = answer.used.iter().zip(&times).map(view).collect();
    show(&KeepsakeAnswer {
        text: KeepsakeStr::of_optional(answer.text.as_deref()),
        cut_off: answer.cut_off,
        used: used.as_ptr(),
        used_count: used.len(),
        first_token_ms: answer.first_token_ms,
    })
}

/// The four operations of Memory-R1.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeOperation {
    /// A new memory.
    Add = 0,
    /// A new version of a memory.
    Update = 1,
    /// A memory no longer holds.
    Delete = 2,
    /// Nothing to do.
    Noop = 3,
}

/// What was done with one fact.
#[repr(C)]
pub struct KeepsakeApplied {
    /// What was done.
    pub operation: KeepsakeOperation,
    /// The fact.
    pub fact: KeepsakeStr,
    /// The memory that was made, changed or retired; 0: none.
    pub memory: u64,
    /// Its text afterwards, or the text that was retired.
    pub text: KeepsakeStr,
    /// The memory that keeps the fact beside a retired one; 0: none.
    pub beside: u64,
    /// Why the engine departed from what the model said, in a word: `merged`, `not_contradicted`, ... Nothing where it did not.
    pub guard: KeepsakeStr,
}

fn applied(one: &Applied) -> KeepsakeApplied {
    let operation = match one.operation {
        Operation::Add => KeepsakeOperation::Add,
        Operation::Update => KeepsakeOperation::Update,
        Operation::Delete => KeepsakeOperation::Delete,
        Operation::Noop => KeepsakeOperation::Noop,
    };
    KeepsakeApplied {
        operation,
        fact: KeepsakeStr::of(&one.fact),
        memory: one.memory.map_or(0, |id| id.0),
        text: KeepsakeStr::of_optional(one.text.as_deref()),
        beside: one.beside.map_or(0, |id| id.0),
        guard: KeepsakeStr::of_optional(one.guard.map(Guard::as_str)),
    }
}

/// What became of a turn.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeOutcome {
    /// It waits in the queue.
    Waiting = 0,
    /// It was worked through.
    Done = 1,
    /// Nothing was written for it; `keepsake_retry` puts it back into the queue.
    Failed = 2,
    /// What it changed was taken back.
    Undone = 3,
}

/// What became of a turn, in detail.
#[repr(C)]
pub struct KeepsakeReceipt {
    /// The turn.
    pub turn: u64,
    /// What became of it.
    pub outcome: KeepsakeOutcome,
    /// The step that failed, `extract` or `manage`; nothing where none did.
    pub step: KeepsakeStr,
    /// Why, in a word: `unparseable`, `cut_off`, `ungrounded`, `unknown_id`, `too_long`.
    pub reason: KeepsakeStr,
    /// One entry for each fact, in order.
    pub applied: *const KeepsakeApplied,
    /// How many there are.
    pub applied_count: usize,
}

/// Shows a turn's outcome to `show`; `None` where it waits.
pub(crate) fn receipt<T>(
    turn: u64,
    outcome: Option<&TurnOutcome>,
    show: impl FnOnce(&KeepsakeReceipt) -> T,
) -> T {
    let (kind, facts, step, reason): (_, &[Applied], _, _) = match outcome {
        None => (KeepsakeOutcome::Waiting, &[], None, None),
        Some(TurnOutcome::Done(facts)) => (KeepsakeOutcome::Done, facts, None, None),
        Some(TurnOutcome::Undone(facts)) => (KeepsakeOutcome::Undone, facts, None, None),
        Some(TurnOutcome::Failed { step, reason }) => {
            (KeepsakeOutcome::Failed, &[], Some(Step::as_str(*step)), Some(FailReason::as_str(*reason)))
        }
        Some(_) => (KeepsakeOutcome::Undone, &[], None, None),
    };
    let views: Vec<KeepsakeApplied> = facts.iter().map(applied).collect();
    show(&KeepsakeReceipt {
        turn,
        outcome: kind,
        step: KeepsakeStr::of_optional(step),
        reason: KeepsakeStr::of_optional(reason),
        applied: views.as_ptr(),
        applied_count: views.len(),
    })
}

/// Why working the queue ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsakeEnded {
    /// Nothing waits any more.
    Empty = 0,
    /// The budget was used up.
    Budget = 1,
    /// The host stopped it.
    Cancelled = 2,
    /// The queue is paused.
    Paused = 3,
    /// There is no language model, and the queue waits.
    NoModel = 4,
}

/// What working the queue did.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeProgress {
    /// Turns worked through, failures included.
    pub turns: u64,
    /// Of these, turns whose outcome is a failure.
    pub failed: u64,
    /// Memories and turns that are kept no longer, by the settings.
    pub forgotten: u64,
    /// Why it ended.
    pub ended: KeepsakeEnded,
}

impl From<Progress> for KeepsakeProgress {
    fn from(progress: Progress) -> Self {
        let ended = match progress.ended {
            Ended::Empty => KeepsakeEnded::Empty,
            Ended::Budget => KeepsakeEnded::Budget,
            Ended::Cancelled => KeepsakeEnded::Cancelled,
            Ended::Paused => KeepsakeEnded::Paused,
            Ended::NoModel => KeepsakeEnded::NoModel,
        };
        Self {
            turns: progress.turns as u64,
            failed: progress.failed as u64,
            forgotten: progress.forgotten as u64,
            ended,
        }
    }
}

/// A space in numbers.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeCounts {
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
    /// Memories that wait to be confirmed.
    pub quarantined: u64,
    /// Versions of memories, all told.
    pub versions: u64,
}

impl From<Counts> for KeepsakeCounts {
    fn from(counts: Counts) -> Self {
        let Counts { turns, waiting, failed, current, retired, quarantined, versions } = counts;
        Self { turns, waiting, failed, current, retired, quarantined, versions }
    }
}
