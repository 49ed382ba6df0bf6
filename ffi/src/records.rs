//! The records that cross the door: core's own, in the types that every platform has.
//!
//! Times of speakers are wall-clock times without a zone, written `2024-03-02T10:15:00`; record times are in UTC. Ids are
//! numbers that are never given twice. Rooms it touches: core.

use std::time::Duration;

use keepsake_core::bank::{self, TurnOutcome};
use keepsake_core::config::{self, Config};
use keepsake_core::types::{self, InvalidInput, MemoryId, SpaceId, Timestamp, TurnId};
use keepsake_core::{decision, transfer};

use crate::KeepsakeError;

/// An enum without fields, as core has it. What a newer core knows beside these becomes the one behind `else`.
macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident of $core:ty, else $other:ident {
        $($(#[$variant_doc:meta])* $variant:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl From<$core> for $name {
            fn from(value: $core) -> Self {
                #[allow(unreachable_patterns, reason = "some of core's enums may grow, others not")]
                match value {
                    $(<$core>::$variant => Self::$variant,)*
                    _ => Self::$other,
                }
            }
        }

        impl From<$name> for $core {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => <$core>::$variant,)*
                }
            }
        }
    };
}

/// What was said.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct NewTurn {
    /// Who said it.
    pub speaker: String,
    /// The words.
    pub text: String,
    /// When, on the speaker's wall clock: `2024-03-02T10:15:00` or `2024-03-02`.
    pub time: String,
    /// The sitting it belongs to; turns of one are each other's context.
    #[uniffi(default = "1")]
    pub session: String,
    /// Whose memory it is for: one user, or one profile of a user.
    #[uniffi(default = "default")]
    pub space: String,
    /// Caption of an image that was shared.
    #[uniffi(default = None)]
    pub image: Option<String>,
    /// How far it is trusted.
    #[uniffi(default = None)]
    pub origin: Option<Origin>,
    /// The host's own name for it. A second turn of the space with the same one is not stored again.
    #[uniffi(default = None)]
    pub reference: Option<String>,
}

impl TryFrom<NewTurn> for types::NewTurn {
    type Error = InvalidInput;

    fn try_from(turn: NewTurn) -> Result<Self, InvalidInput> {
        let mut new = Self::new(&turn.speaker, &turn.text, time(&turn.time)?)?
            .in_space(space(&turn.space)?)
            .in_session(&turn.session)?
            .from_origin(turn.origin.unwrap_or(Origin::User).into());
        if let Some(caption) = &turn.image {
            new = new.with_image(caption)?;
        }
        match &turn.reference {
            Some(reference) => new.with_reference(reference),
            None => Ok(new),
        }
    }
}

mirrored! {
    /// Who said it, and so how far it is trusted.
    Origin of types::Origin, else Document {
        /// The person whose memory this is, or somebody in conversation with them.
        User,
        /// The assistant itself.
        Assistant,
        /// Moved in from another system.
        Imported,
        /// A document, web page or tool result: cannot change what the user stated.
        Document,
    }
}

/// What storing a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Appended {
    /// The turn's number.
    pub turn: u64,
    /// False where the space already had a turn with this reference.
    pub is_new: bool,
}

/// What was said, as the bank keeps it: verbatim.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Turn {
    /// Its number, in the order of `append`.
    pub id: u64,
    /// Whose it is.
    pub space: String,
    /// The sitting it belongs to.
    pub session: String,
    /// Who said it.
    pub speaker: String,
    /// The words.
    pub text: String,
    /// Caption of a shared image.
    pub image: Option<String>,
    /// When it was said, on the speaker's wall clock.
    pub time: String,
    /// When it was stored, UTC.
    pub recorded: String,
    /// Where it came from.
    pub origin: Origin,
    /// The host's own name for it.
    pub reference: Option<String>,
}

impl From<types::Turn> for Turn {
    fn from(turn: types::Turn) -> Self {
        Self {
            id: turn.id.0,
            space: turn.space.to_string(),
            session: turn.session,
            speaker: turn.speaker,
            text: turn.text,
            image: turn.image,
            time: turn.time.to_string(),
            recorded: turn.recorded.to_string(),
            origin: turn.origin.into(),
            reference: turn.reference,
        }
    }
}

/// A fact in the bank: one version of it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Memory {
    /// Its number; the same for all versions.
    pub id: u64,
    /// Whose it is.
    pub space: String,
    /// Which version, from 1.
    pub version: u32,
    /// The fact.
    pub text: String,
    /// Who said it.
    pub speaker: String,
    /// From when it holds, on the speaker's wall clock.
    pub valid_from: String,
    /// When this version was stored, UTC.
    pub recorded: String,
    /// Where it came from.
    pub origin: Origin,
    /// The turns it was taken from, oldest first.
    pub sources: Vec<u64>,
    /// Whether it holds.
    pub state: MemoryState,
}

impl From<types::Memory> for Memory {
    fn from(memory: types::Memory) -> Self {
        Self {
            id: memory.id.0,
            space: memory.space.to_string(),
            version: memory.version,
            text: memory.text,
            speaker: memory.speaker,
            valid_from: memory.valid_from.to_string(),
            recorded: memory.recorded.to_string(),
            origin: memory.origin.into(),
            sources: memory.sources.into_iter().map(|turn| turn.0).collect(),
            state: memory.state.into(),
        }
    }
}

mirrored! {
    /// What has become of a version of a memory.
    MemoryState of types::MemoryState, else Retired {
        /// It holds.
        Current,
        /// A newer version stands in its place.
        Superseded,
        /// It no longer holds.
        Retired,
        /// It waits for the user to confirm it; nothing finds it until then.
        Quarantined,
    }
}

/// A memory or a turn: what a search finds and the person forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum UnitId {
    /// A memory.
    Memory {
        /// Its number.
        id: u64,
    },
    /// A turn.
    Turn {
        /// Its number.
        id: u64,
    },
}

impl From<types::UnitId> for UnitId {
    fn from(unit: types::UnitId) -> Self {
        match unit {
            types::UnitId::Memory(id) => Self::Memory { id: id.0 },
            types::UnitId::Turn(id) => Self::Turn { id: id.0 },
        }
    }
}

impl From<UnitId> for types::UnitId {
    fn from(unit: UnitId) -> Self {
        match unit {
            UnitId::Memory { id } => Self::Memory(MemoryId(id)),
            UnitId::Turn { id } => Self::Turn(TurnId(id)),
        }
    }
}

/// What became of one turn.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Receipt {
    /// The turn.
    pub turn: u64,
    /// Its outcome.
    pub outcome: Outcome,
    /// What it cost.
    pub usage: Usage,
}

impl From<keepsake_core::Receipt> for Receipt {
    fn from(receipt: keepsake_core::Receipt) -> Self {
        Self { turn: receipt.turn.0, outcome: receipt.outcome.into(), usage: receipt.usage.into() }
    }
}

/// What became of a turn that was worked through.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Outcome {
    /// It gave these facts, in order; none where it says nothing worth keeping.
    Done {
        /// One entry for each fact.
        applied: Vec<Applied>,
    },
    /// Nothing was written for it; `retry` puts it back into the queue.
    Failed {
        /// The step that failed.
        step: Step,
        /// Why.
        reason: FailReason,
    },
    /// What it changed was taken back.
    Undone {
        /// One entry for each fact.
        applied: Vec<Applied>,
    },
}

impl From<TurnOutcome> for Outcome {
    fn from(outcome: TurnOutcome) -> Self {
        let all = |applied: Vec<decision::Applied>| applied.into_iter().map(Applied::from).collect();
        match outcome {
            TurnOutcome::Done(applied) => Self::Done { applied: all(applied) },
            TurnOutcome::Undone(applied) => Self::Undone { applied: all(applied) },
            TurnOutcome::Failed { step, reason } => Self::Failed { step: step.into(), reason: reason.into() },
            // What a newer core knows beside these left nothing that could be shown.
            _ => Self::Undone { applied: Vec::new() },
        }
    }
}

mirrored! {
    /// A step of the write flow that asks the model.
    Step of bank::Step, else Manage {
        /// Turn to facts.
        Extract,
        /// Fact to operation.
        Manage,
    }
}

mirrored! {
    /// Why a turn failed.
    FailReason of bank::FailReason, else Unparseable {
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
}

/// What was done with one fact.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Applied {
    /// The fact.
    pub fact: String,
    /// What the model said; none where the engine did not need to ask it.
    pub decided: Option<MemoryOperation>,
    /// What was done.
    pub operation: MemoryOperation,
    /// The memory that was made, changed or retired.
    pub memory: Option<u64>,
    /// Its text afterwards, or the text that was retired.
    pub text: Option<String>,
    /// The memory that keeps the fact beside a retired one.
    pub beside: Option<u64>,
    /// Why the engine departed from what the model said.
    pub guard: Option<Guard>,
}

impl From<decision::Applied> for Applied {
    fn from(applied: decision::Applied) -> Self {
        Self {
            fact: applied.fact,
            decided: applied.decided.map(MemoryOperation::from),
            operation: applied.operation.into(),
            memory: applied.memory.map(|id| id.0),
            text: applied.text,
            beside: applied.beside.map(|id| id.0),
            guard: applied.guard.map(Guard::from),
        }
    }
}

mirrored! {
    /// The four operations of Memory-R1.
    MemoryOperation of decision::Operation, else Noop {
        /// A new memory.
        Add,
        /// A new version of a memory.
        Update,
        /// A memory no longer holds.
        Delete,
        /// Nothing to do.
        Noop,
    }
}

mirrored! {
    /// Why the engine did not apply a decision as it was, or decided by itself.
    Guard of decision::Guard, else KeptBeside {
        /// The fact says what its turn, and what was said just before it, does not: nothing was written.
        Ungrounded,
        /// The bank already says this: nothing to do.
        AlreadyKnown,
        /// No memory that was shown says this, although the model found that one does: it was kept.
        NotKnown,
        /// The new text dropped something that still holds: both texts were joined.
        Merged,
        /// Joining would have made an overlong or muddled memory: the fact was kept as a memory of its own.
        KeptBeside,
        /// The memory that was to be changed is about somebody else: the fact was kept as a memory of its own.
        OtherSubject,
        /// The new text brought words that nobody said: the fact's own words were used.
        Invented,
        /// Nothing in the fact contradicts the memory that was to be retired: both were kept.
        NotContradicted,
        /// The fact's origin may not touch what the user stated: it waits to be confirmed.
        Untrusted,
        /// The fact was said before what the memory was taken from: both were kept.
        Earlier,
        /// What only a less trusted origin had said is now said by this one.
        Vouched,
    }
}

/// What model calls cost.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct Usage {
    /// Calls made.
    pub calls: u32,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Of these, tokens that were evaluated; the others were still there.
    pub evaluated_tokens: u64,
    /// Tokens written.
    pub generated_tokens: u64,
    /// Time spent reading prompts, milliseconds.
    pub prompt_ms: f64,
    /// Time spent writing, milliseconds.
    pub generation_ms: f64,
}

impl From<keepsake_core::model::Usage> for Usage {
    fn from(usage: keepsake_core::model::Usage) -> Self {
        Self {
            calls: usage.calls,
            prompt_tokens: usage.prompt_tokens,
            evaluated_tokens: usage.evaluated_tokens,
            generated_tokens: usage.generated_tokens,
            prompt_ms: usage.prompt_ms,
            generation_ms: usage.generation_ms,
        }
    }
}

/// How much of the queue to work. What is left stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, uniffi::Record)]
pub struct Budget {
    /// Most turns; none: all.
    #[uniffi(default = None)]
    pub turns: Option<u32>,
    /// Most time, milliseconds; none: no limit.
    #[uniffi(default = None)]
    pub milliseconds: Option<u64>,
}

impl From<Budget> for keepsake_core::Budget {
    fn from(budget: Budget) -> Self {
        Self {
            turns: budget.turns.map(|turns| turns as usize),
            time: budget.milliseconds.map(Duration::from_millis),
        }
    }
}

/// What working the queue did.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct QueueProgress {
    /// Turns worked through, failures included.
    pub turns: u64,
    /// Of these, turns whose outcome is a failure.
    pub failed: u64,
    /// Memories and turns that are kept no longer, by the settings.
    pub forgotten: u64,
    /// Why it ended.
    pub ended: Ended,
    /// What the model calls cost.
    pub usage: Usage,
}

impl From<keepsake_core::Progress> for QueueProgress {
    fn from(progress: keepsake_core::Progress) -> Self {
        Self {
            turns: progress.turns as u64,
            failed: progress.failed as u64,
            forgotten: progress.forgotten as u64,
            ended: progress.ended.into(),
            usage: progress.usage.into(),
        }
    }
}

mirrored! {
    /// Why working the queue ended.
    Ended of keepsake_core::Ended, else Budget {
        /// Nothing waits any more.
        Empty,
        /// The budget was used up.
        Budget,
        /// The host stopped it.
        Cancelled,
        /// The queue is paused.
        Paused,
        /// There is no language model, and the queue waits.
        NoModel,
    }
}

mirrored! {
    /// How hard the queue may be worked. Answers are always given at full speed.
    Effort of keepsake_core::Effort, else Full {
        /// As fast as it goes.
        Full,
        /// Resting as long as it computes: the device is hot, or its battery low.
        Gentle,
        /// Not at all: the app is in the background.
        Paused,
    }
}

/// An answer with what it rests on.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Answer {
    /// The answer; none where nothing at all is remembered in this space.
    pub text: Option<String>,
    /// The memories and turns it was given from, the most useful first.
    pub used: Vec<Used>,
    /// How many memories and turns the model read.
    pub considered: u64,
    /// Whether what it rests on was found by meaning, or by words only.
    pub meaning: Meaning,
    /// Whether the answer ran into its token limit.
    pub cut_off: bool,
    /// What it cost.
    pub usage: Usage,
    /// From the call to the first piece of the answer, milliseconds.
    pub first_token_ms: f64,
}

impl From<keepsake_core::Answer> for Answer {
    fn from(answer: keepsake_core::Answer) -> Self {
        Self {
            text: answer.text,
            used: answer.used.into_iter().map(Used::from).collect(),
            considered: answer.considered as u64,
            meaning: answer.meaning.into(),
            cut_off: answer.cut_off,
            usage: answer.usage.into(),
            first_token_ms: answer.first_token_ms,
        }
    }
}

/// A memory or turn behind an answer.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Used {
    /// Which.
    pub unit: UnitId,
    /// Who said it.
    pub speaker: String,
    /// When, on the speaker's wall clock.
    pub time: String,
    /// The words.
    pub text: String,
}

impl From<keepsake_core::Used> for Used {
    fn from(used: keepsake_core::Used) -> Self {
        Self { unit: used.unit.into(), speaker: used.speaker, time: used.time.to_string(), text: used.text }
    }
}

/// Whether a search went by vectors, or by words only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Meaning {
    /// Everything has its vector.
    Counted,
    /// So many have no vector yet and were found by words only: working the queue makes them.
    CountedButFor {
        /// How many.
        units: u64,
    },
    /// By words only: the engine has no embedder, or most have no vector yet.
    WordsOnly,
}

impl From<keepsake_core::Meaning> for Meaning {
    fn from(meaning: keepsake_core::Meaning) -> Self {
        match meaning {
            keepsake_core::Meaning::Counted => Self::Counted,
            keepsake_core::Meaning::CountedButFor(units) => Self::CountedButFor { units: units as u64 },
            keepsake_core::Meaning::WordsOnly => Self::WordsOnly,
        }
    }
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Search {
    /// The words.
    pub text: String,
    /// How many are wanted, best first.
    #[uniffi(default = 10)]
    pub count: u32,
    /// Whose memory is searched.
    // Not an argument of its own, which would cost Kotlin and Python a buffer more.
    #[uniffi(default = "default")]
    pub space: String,
    /// Memories, turns or both.
    #[uniffi(default = None)]
    pub kind: Option<Kind>,
    /// Said by somebody of exactly this name.
    #[uniffi(default = None)]
    pub speaker: Option<String>,
    /// Said, or holding from, no earlier than this.
    #[uniffi(default = None)]
    pub from_time: Option<String>,
    /// Said, or holding from, no later than this.
    #[uniffi(default = None)]
    pub until_time: Option<String>,
    /// When it is asked, on the asker's wall clock: what "last week" is resolved against. None: now.
    #[uniffi(default = None)]
    pub asked: Option<String>,
}

impl TryFrom<Search> for keepsake_core::Search {
    type Error = InvalidInput;

    fn try_from(search: Search) -> Result<Self, InvalidInput> {
        let at = |text: &Option<String>| text.as_deref().map(time).transpose();
        let filter = keepsake_core::Filter {
            kind: search.kind.map(Into::into).unwrap_or_default(),
            speaker: search.speaker,
            from: at(&search.from_time)?,
            until: at(&search.until_time)?,
        };
        let take = config::Take::Best(search.count as usize);
        Ok(Self { text: search.text, take, filter, asked: at(&search.asked)? })
    }
}

mirrored! {
    /// A kind of unit.
    Kind of keepsake_core::Kind, else Any {
        /// Both.
        Any,
        /// Memories that hold.
        Memory,
        /// Turns.
        Turn,
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Findings {
    /// Best first.
    pub found: Vec<Found>,
    /// Whether meaning counted.
    pub meaning: Meaning,
}

impl From<keepsake_core::Findings> for Findings {
    fn from(findings: keepsake_core::Findings) -> Self {
        let found = findings.found.into_iter().map(Found::from).collect();
        Self { found, meaning: findings.meaning.into() }
    }
}

/// A memory or turn that was found.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Found {
    /// Which.
    pub unit: UnitId,
    /// How well it fits; larger is better, and comparable within one search only.
    pub score: f32,
    /// Who said it.
    pub speaker: String,
    /// When, on the speaker's wall clock.
    pub time: String,
    /// The words.
    pub text: String,
}

impl From<keepsake_core::Found> for Found {
    fn from(found: keepsake_core::Found) -> Self {
        Self {
            unit: found.hit.unit.into(),
            score: found.hit.score,
            speaker: found.speaker,
            time: found.time.to_string(),
            text: found.text,
        }
    }
}

/// What turns and memories may have in common.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Selection {
    /// Turns of a session.
    Session {
        /// Its name.
        name: String,
    },
    /// Turns whose reference begins with this name and a slash.
    Source {
        /// The name.
        name: String,
    },
    /// What somebody said.
    Speaker {
        /// Who.
        name: String,
    },
    /// What came from an origin.
    Origin {
        /// Which.
        origin: Origin,
    },
    /// Everything.
    All,
}

impl From<Selection> for keepsake_core::Selection {
    fn from(selection: Selection) -> Self {
        match selection {
            Selection::Session { name } => Self::Session(name),
            Selection::Source { name } => Self::Source(name),
            Selection::Speaker { name } => Self::Speaker(name),
            Selection::Origin { origin } => Self::Origin(origin.into()),
            Selection::All => Self::All,
        }
    }
}

/// What an undoing did.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Undone {
    /// The turns.
    pub turns: Vec<u64>,
    /// The memories that changed, as they are now.
    pub memories: Vec<Memory>,
}

impl From<keepsake_core::Undone> for Undone {
    fn from(undone: keepsake_core::Undone) -> Self {
        Self {
            turns: undone.turns.into_iter().map(|turn| turn.0).collect(),
            memories: undone.memories.into_iter().map(Memory::from).collect(),
        }
    }
}

/// How much was moved out or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Moved {
    /// Turns.
    pub turns: u64,
    /// Memories, each with all its versions.
    pub memories: u64,
}

impl From<transfer::Moved> for Moved {
    fn from(moved: transfer::Moved) -> Self {
        Self { turns: moved.turns, memories: moved.memories }
    }
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ExportFormat {
    /// Everything, to be taken in again: `docs/export-format.md`.
    Jsonl,
    /// A page for people.
    Markdown,
}

/// A space in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
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
    /// Memories that wait to be confirmed.
    pub quarantined: u64,
    /// Versions of memories, all told.
    pub versions: u64,
}

impl From<bank::Counts> for Counts {
    fn from(counts: bank::Counts) -> Self {
        Self {
            turns: counts.turns,
            waiting: counts.waiting,
            failed: counts.failed,
            current: counts.current,
            retired: counts.retired,
            quarantined: counts.quarantined,
            versions: counts.versions,
        }
    }
}

/// The settings that hosts change; docstrings in core's `config` give the evidence for each default.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EngineSettings {
    /// Turns of the same session that are read with a turn.
    #[uniffi(default = 2)]
    pub context_turns: u32,
    /// Memories of the bank shown to the manager for the facts of a turn.
    #[uniffi(default = 6)]
    pub shown_memories: u32,
    /// Memories and turns retrieved for a question.
    #[uniffi(default = 60)]
    pub retrieved: u32,
    /// Most tokens of retrieved text in an answer's prompt, where nothing was distilled.
    #[uniffi(default = 300)]
    pub answer_tokens: u32,
    /// Whether the model always picks the memories that an answer is given from, also without an adapter for it.
    #[uniffi(default = false)]
    pub always_distil: bool,
    /// Whether it is noted when an answer was last given from a memory.
    #[uniffi(default = false)]
    pub note_use: bool,
    /// Days after which turns that came in and memories that were last changed are forgotten; none: never.
    #[uniffi(default = None)]
    pub keep_days: Option<u32>,
    /// Days after which memories that were neither changed nor used are forgotten; none: never.
    #[uniffi(default = None)]
    pub keep_unused_days: Option<u32>,
    /// Most memories of a space that hold; none: no limit.
    #[uniffi(default = None)]
    pub most_memories: Option<u32>,
}

impl From<EngineSettings> for Config {
    fn from(settings: EngineSettings) -> Self {
        let days = |days: Option<u32>| days.map(|days| Duration::from_hours(24 * u64::from(days)));
        Self {
            context_turns: settings.context_turns as usize,
            shown_memories: settings.shown_memories as usize,
            retrieved: config::Take::Best(settings.retrieved as usize),
            answer_tokens: settings.answer_tokens as usize,
            distil: if settings.always_distil { config::Distil::Always } else { config::Distil::Trained },
            note_use: settings.note_use,
            retention: config::Retention {
                age: days(settings.keep_days),
                unused: days(settings.keep_unused_days),
                memories: settings.most_memories.map(|most| most as usize),
            },
            ..Self::default()
        }
    }
}

pub(crate) fn space(name: &str) -> Result<SpaceId, InvalidInput> {
    SpaceId::new(name)
}

pub(crate) fn spaces(names: &[String]) -> Result<Vec<SpaceId>, KeepsakeError> {
    names.iter().map(|name| space(name).map_err(KeepsakeError::of)).collect()
}

fn time(text: &str) -> Result<Timestamp, InvalidInput> {
    text.parse()
}

pub(crate) fn moment(text: &str) -> Result<Timestamp, KeepsakeError> {
    time(text).map_err(KeepsakeError::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_cores() {
        let settings = EngineSettings {
            context_turns: 2,
            shown_memories: 6,
            retrieved: 60,
            answer_tokens: 300,
            always_distil: false,
            note_use: false,
            keep_days: None,
            keep_unused_days: None,
            most_memories: None,
        };
        assert_eq!(Config::from(settings), Config::default());
    }
}
