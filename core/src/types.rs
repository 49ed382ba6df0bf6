//! The nouns of the engine: spaces, turns, memories, times and where they came from.
//!
//! Every value that crosses the border is checked here, once, by its constructor. This room knows no
//! storage, no model and no clock: times are handed in.
//!
//! Rooms it touches: none.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::civil;
use serde::{Deserialize, Serialize};

/// Most bytes of text in one turn. A guess: forty times the longest turn of LoCoMo, and small enough
/// that a turn and its index entries stay a passing cost on a phone.
pub const MAX_TURN_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of a name: of a space, a session, a speaker or a host's reference.
pub const MAX_NAME_BYTES: usize = 200;

/// Why a value from the caller was refused. Nothing was stored; change the value and call again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInput {
    /// A name is empty or only white space.
    #[error("the {0} is empty: give it at least one visible character")]
    EmptyName(&'static str),
    /// A name is longer than [`MAX_NAME_BYTES`].
    #[error("the {what} has {bytes} bytes; at most {MAX_NAME_BYTES} are allowed")]
    NameTooLong {
        /// Which name.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
    },
    /// A name contains a control character (a line break, NUL, …).
    #[error("the {0} contains a control character: remove line breaks and NUL from it")]
    ControlInName(&'static str),
    /// A turn says nothing: no visible text and no image caption.
    #[error("the turn is empty: give it text or an image caption")]
    EmptyTurn,
    /// A turn is longer than [`MAX_TURN_BYTES`].
    #[error("the turn has {bytes} bytes; at most {MAX_TURN_BYTES} are allowed: split it into several turns")]
    TurnTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A question says nothing.
    #[error("the question is empty")]
    EmptyQuestion,
    /// A question is longer than a turn may be.
    #[error("the question has {bytes} bytes; at most {MAX_TURN_BYTES} are allowed")]
    QuestionTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A time could not be read.
    #[error("the time {0:?} was not understood: write it as 2024-03-02T10:15 or 2024-03-02")]
    BadTime(String),
    /// An id could not be read.
    #[error("the id {0:?} was not understood: ids look like m17 (a memory) or t12 (a turn)")]
    BadId(String),
}

/// A hard boundary: one user, or one profile of a user. No query, index or statistic crosses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(Arc<str>);

impl SpaceId {
    /// The space used where the host has only one user.
    pub const DEFAULT: &'static str = "default";

    /// Checks a space's name.
    pub fn new(name: &str) -> Result<Self, InvalidInput> {
        checked_name("space", name).map(|name| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SpaceId {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                text.strip_prefix($letter)
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| InvalidInput::BadId(text.to_owned()))
            }
        }
    };
}

numbered_id!(
    /// A memory of the bank, written `m17`. Never given twice, also after the memory is gone.
    MemoryId,
    "m"
);
numbered_id!(
    /// A turn of the bank, written `t12`, in the order of `append`. Never given twice.
    TurnId,
    "t"
);

/// Civil date and time in seconds, without a zone: what the clock on the speaker's wall showed. Record
/// times use the same type and are in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From seconds since 1970-01-01T00:00 on the same wall clock. Values outside the years −9999 to
    /// 9999 are moved to the nearest valid one.
    pub fn from_seconds(seconds: i64) -> Self {
        let (low, high) = (civil_seconds(civil::DateTime::MIN), civil_seconds(civil::DateTime::MAX));
        Self(seconds.clamp(low, high))
    }

    /// Seconds since 1970-01-01T00:00 on the same wall clock.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// As a calendar date and time.
    pub fn civil(self) -> civil::DateTime {
        epoch().checked_add(jiff::SignedDuration::from_secs(self.0)).unwrap_or(civil::DateTime::MAX)
    }

    /// Day, month by name, year: `8 May 2023`.
    pub fn date_in_words(self) -> String {
        let at = self.civil();
        format!("{} {} {}", at.day(), MONTHS[at.month() as usize - 1], at.year())
    }

    /// The form prompts use (Memory-R1, appendix D): `1:56 pm on 8 May, 2023`.
    pub fn in_words(self) -> String {
        let at = self.civil();
        let (hour, half) = (at.hour(), if at.hour() < 12 { "am" } else { "pm" });
        let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
        let month = MONTHS[at.month() as usize - 1];
        format!("{hour}:{:02} {half} on {} {month}, {}", at.minute(), at.day(), at.year())
    }
}

impl From<civil::DateTime> for Timestamp {
    fn from(at: civil::DateTime) -> Self {
        Self(civil_seconds(at))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidInput;

    /// Reads `2024-03-02`, `2024-03-02T10:15`, `2024-03-02 10:15:00`, and the same with a zone offset,
    /// which is dropped: the wall clock is what relative dates are about.
    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        text.parse::<civil::DateTime>()
            .or_else(|_| text.trim_end_matches('Z').parse())
            .map(Self::from)
            .map_err(|_| InvalidInput::BadTime(text.chars().take(40).collect()))
    }
}

/// English month names, January first.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn epoch() -> civil::DateTime {
    civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
}

fn civil_seconds(at: civil::DateTime) -> i64 {
    at.duration_since(epoch()).as_secs()
}

/// Who said it, and so how far it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// The person whose memory this is, or somebody in conversation with them.
    User,
    /// The assistant itself.
    Assistant,
    /// Moved in from another system.
    Imported,
    /// A document, web page or tool result.
    Document,
}

impl Origin {
    /// Whether text of this origin may change or retire a memory that came from `other`. Only the
    /// user's own words may touch what the user stated (field.md: gating what may write is the defence
    /// that works against planted instructions).
    pub fn may_change(self, other: Self) -> bool {
        self == Self::User || other != Self::User
    }

    /// Whether what is of this origin is trusted at least as much as what is of `other`, in the order of the
    /// variants.
    pub fn vouches_for(self, other: Self) -> bool {
        self <= other
    }
}

/// What was said, as the host hands it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTurn {
    pub(crate) space: SpaceId,
    pub(crate) session: String,
    pub(crate) speaker: String,
    pub(crate) text: String,
    pub(crate) image: Option<String>,
    pub(crate) time: Timestamp,
    pub(crate) origin: Origin,
    pub(crate) reference: Option<String>,
}

impl NewTurn {
    /// A turn of the default space, said by `speaker` at the wall-clock time `time`.
    pub fn new(speaker: &str, text: &str, time: Timestamp) -> Result<Self, InvalidInput> {
        if text.len() > MAX_TURN_BYTES {
            return Err(InvalidInput::TurnTooLong { bytes: text.len() });
        }
        Ok(Self {
            space: SpaceId::default(),
            session: "1".to_owned(),
            speaker: checked_name("speaker", speaker)?.to_owned(),
            text: text.to_owned(),
            image: None,
            time,
            origin: Origin::User,
            reference: None,
        })
    }

    /// Who says it.
    pub fn speaker(&self) -> &str {
        &self.speaker
    }

    /// What is said.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When, by the wall clock.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The host's own name for it.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// In another space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = space;
        self
    }

    /// In a named session (default `1`); turns of one session are each other's context.
    pub fn in_session(mut self, session: &str) -> Result<Self, InvalidInput> {
        checked_name("session", session)?.clone_into(&mut self.session);
        Ok(self)
    }

    /// With the caption of an image that was shared.
    pub fn with_image(mut self, caption: &str) -> Result<Self, InvalidInput> {
        if caption.len() > MAX_TURN_BYTES {
            return Err(InvalidInput::TurnTooLong { bytes: caption.len() });
        }
        self.image = Some(caption.to_owned());
        Ok(self)
    }

    /// From another origin than the user.
    #[must_use]
    pub fn from_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// With the host's own name for it (`D1:3`). A second turn of the space with the same reference is
    /// not stored again, which makes handing in a conversation repeatable.
    pub fn with_reference(mut self, reference: &str) -> Result<Self, InvalidInput> {
        self.reference = Some(checked_name("reference", reference)?.to_owned());
        Ok(self)
    }

    /// The turn under its number.
    pub(crate) fn kept(self, id: TurnId, recorded: Timestamp) -> Turn {
        Turn {
            id,
            space: self.space,
            session: self.session,
            speaker: self.speaker,
            text: self.text,
            image: self.image,
            time: self.time,
            recorded,
            origin: self.origin,
            reference: self.reference,
        }
    }

    /// Whether this is the turn that was kept as `turn`, but for when it was stored.
    pub(crate) fn is(&self, turn: &Turn) -> bool {
        let new =
            (&self.space, &self.session, &self.speaker, &self.text, &self.image, self.time, self.origin);
        new == (&turn.space, &turn.session, &turn.speaker, &turn.text, &turn.image, turn.time, turn.origin)
    }

    /// Refuses a turn that says nothing.
    pub fn checked(self) -> Result<Self, InvalidInput> {
        let visible = |text: &str| text.chars().any(|c| !c.is_whitespace() && !c.is_control());
        if visible(&self.text) || self.image.as_deref().is_some_and(visible) {
            Ok(self)
        } else {
            Err(InvalidInput::EmptyTurn)
        }
    }
}

/// What was said, as the bank keeps it: verbatim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its number, in the order of `append`.
    pub id: TurnId,
    /// Whose it is.
    pub space: SpaceId,
    /// The sitting it belongs to.
    pub session: String,
    /// Who said it.
    pub speaker: String,
    /// The words.
    pub text: String,
    /// Caption of a shared image.
    pub image: Option<String>,
    /// When it was said, on the speaker's wall clock.
    pub time: Timestamp,
    /// When it was stored, UTC.
    pub recorded: Timestamp,
    /// Where it came from.
    pub origin: Origin,
    /// The host's own name for it.
    pub reference: Option<String>,
}

impl Turn {
    /// What retrieval sees of it: speaker, date, words and caption. The date in the text is worth 7.7
    /// points of dense recall@10 on LoCoMo (field.md).
    pub fn indexed_text(&self) -> String {
        let mut text = format!("{} ({}): {}", self.speaker, self.time.in_words(), self.text);
        if let Some(caption) = &self.image {
            text.push_str(" [image: ");
            text.push_str(caption);
            text.push(']');
        }
        text
    }
}

/// One thing a turn says that is worth keeping, in a sentence that stands alone. Made by the extraction
/// step only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub(crate) text: String,
    pub(crate) when: Timestamp,
}

impl Fact {
    /// The sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Event time: the date the sentence itself speaks of where it names one, else the turn's time.
    pub fn when(&self) -> Timestamp {
        self.when
    }
}

/// What has become of a version of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MemoryState {
    /// It holds.
    Current,
    /// A newer version stands in its place.
    Superseded,
    /// A DELETE retired it: it no longer holds.
    Retired,
    /// An untrusted origin says it, against what the user stated: nothing finds it until the host confirms it.
    Quarantined,
}

impl MemoryState {
    /// What a version of this state is in history, once there is a newer one.
    #[must_use]
    pub(crate) fn superseded(self) -> Self {
        if self == Self::Current { Self::Superseded } else { self }
    }
}

/// A fact in the bank: one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Its number; the same for all versions.
    pub id: MemoryId,
    /// Whose it is.
    pub space: SpaceId,
    /// Which version, from 1.
    pub version: u32,
    /// The fact.
    pub text: String,
    /// Who said it.
    pub speaker: String,
    /// Event time: from when it holds, on the speaker's wall clock.
    pub valid_from: Timestamp,
    /// When this version was stored, UTC.
    pub recorded: Timestamp,
    /// Where it came from.
    pub origin: Origin,
    /// The turns it was taken from, oldest first.
    pub sources: Vec<TurnId>,
    /// Whether it holds.
    pub state: MemoryState,
}

impl Memory {
    /// What retrieval sees of it: date and fact.
    pub fn indexed_text(&self) -> String {
        format!("{} ({})", self.text, self.valid_from.in_words())
    }
}

/// What a search can find: a memory or a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UnitId {
    /// A memory.
    Memory(MemoryId),
    /// A turn.
    Turn(TurnId),
}

impl UnitId {
    /// The memory it is.
    pub fn memory(self) -> Option<MemoryId> {
        if let Self::Memory(id) = self { Some(id) } else { None }
    }

    /// The turn it is.
    pub fn turn(self) -> Option<TurnId> {
        if let Self::Turn(id) = self { Some(id) } else { None }
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(id) => id.fmt(f),
            Self::Turn(id) => id.fmt(f),
        }
    }
}

/// A question about one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub(crate) space: SpaceId,
    pub(crate) text: String,
}

impl Question {
    /// Checks a question.
    pub fn new(space: SpaceId, text: &str) -> Result<Self, InvalidInput> {
        if text.len() > MAX_TURN_BYTES {
            return Err(InvalidInput::QuestionTooLong { bytes: text.len() });
        }
        if text.chars().all(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidInput::EmptyQuestion);
        }
        Ok(Self { space, text: text.to_owned() })
    }

    /// The words.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A switch that stops a running operation at the next token. Cheap to clone; all clones are one switch.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    thrown: Arc<AtomicBool>,
    deadline: Option<Instant>,
    /// Other switches that throw this one too.
    others: Vec<Arc<AtomicBool>>,
}

impl Cancel {
    /// A switch that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same switch, which also goes off by itself at `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same switch, which `other` throws too; not so the other's deadline.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut either = self.clone();
        either.others.push(Arc::clone(&other.thrown));
        either.others.extend(other.others.iter().cloned());
        either
    }

    /// Throws the switch. It cannot be taken back.
    pub fn cancel(&self) {
        self.thrown.store(true, Ordering::Relaxed);
    }

    /// Whether it was thrown, or its deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.thrown.load(Ordering::Relaxed)
            || self.others.iter().any(|other| other.load(Ordering::Relaxed))
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The name without white space around it, if it can be one.
pub(crate) fn checked_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, InvalidInput> {
    let name = name.trim();
    if name.is_empty() {
        return Err(InvalidInput::EmptyName(what));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(InvalidInput::NameTooLong { what, bytes: name.len() });
    }
    if name.chars().any(char::is_control) {
        return Err(InvalidInput::ControlInName(what));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn time_is_read_and_shown_as_the_wall_clock_had_it() {
        assert_eq!(at("2023-05-08T13:56").in_words(), "1:56 pm on 8 May, 2023");
        assert_eq!(at("2023-05-08T00:05:09").in_words(), "12:05 am on 8 May, 2023");
        assert_eq!(at("2024-03-02").to_string(), "2024-03-02T00:00:00");
        assert_eq!(at("2024-03-02T10:15:00Z"), at("2024-03-02 10:15"));
        assert_eq!(at("2024-03-02T10:15:00+05:30"), at("2024-03-02T10:15"));
        assert!("last week".parse::<Timestamp>().is_err());
    }

    #[test]
    fn time_survives_its_own_seconds_over_the_whole_range() {
        for text in ["-009999-01-01T00:00:00", "1969-12-31T23:59:59", "1970-01-01", "9999-12-31T23:59:59"] {
            let time = at(text);
            assert_eq!(Timestamp::from_seconds(time.seconds()).civil(), time.civil());
            assert_eq!(at(&time.to_string()), time);
        }
        assert_eq!(at("1969-12-31T23:59:59").seconds(), -1);
        assert_eq!(Timestamp::from_seconds(-1).to_string(), "1969-12-31T23:59:59");
        assert_eq!(Timestamp::from_seconds(i64::MAX).civil().year(), 9999);
        assert_eq!(Timestamp::from_seconds(i64::MIN).civil().year(), -9999);
    }

    #[test]
    fn ids_read_what_they_print() {
        assert_eq!("m17".parse::<MemoryId>().unwrap(), MemoryId(17));
        assert_eq!(TurnId(12).to_string().parse::<TurnId>().unwrap(), TurnId(12));
        assert!("17".parse::<MemoryId>().is_err());
        assert!("m-1".parse::<MemoryId>().is_err());
    }

    #[test]
    fn names_and_turns_that_say_nothing_are_refused() {
        let time = at("2024-03-02");
        assert_eq!(NewTurn::new("  ", "hi", time), Err(InvalidInput::EmptyName("speaker")));
        assert_eq!(SpaceId::new("a\nb"), Err(InvalidInput::ControlInName("space")));
        let blank = NewTurn::new("Maria", " \u{0}\n", time).unwrap();
        assert_eq!(blank.clone().checked(), Err(InvalidInput::EmptyTurn));
        assert!(blank.with_image("a red kite").unwrap().checked().is_ok());
        let long = "x".repeat(MAX_TURN_BYTES + 1);
        assert!(matches!(NewTurn::new("Maria", &long, time), Err(InvalidInput::TurnTooLong { .. })));
    }

    #[test]
    fn only_the_users_words_change_what_the_user_stated() {
        assert!(Origin::User.may_change(Origin::User));
        assert!(!Origin::Document.may_change(Origin::User));
        assert!(Origin::Document.may_change(Origin::Assistant));
    }
}
