//! Records to bytes and back: the only place that knows how a turn, a memory, an outcome, a vector or a
//! counter lies on disk.
//!
//! Every record stands in our own envelope, because bincode bytes neither say what they are nor notice
//! that they are damaged:
//!
//! ```text
//! "Kp" | kind, 1 byte | version, 1 byte | payload length, u32 little endian | payload | CRC-32, u32 little endian
//! ```
//!
//! The payload is bincode 1.3.3 of one struct per record and version (`TurnV1`, …). Those structs and the
//! codes of their enums never change once released; the domain types may. A checksum finds accidents, not
//! forgery. This room knows no keys and no store, and it compresses and encrypts nothing.
//!
//! Rooms it touches: types, decision, embed, bank.

use bincode::Options;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{FailReason, Step, TurnOutcome};
use crate::decision::{Applied, Guard, Operation};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, MemoryState, Origin, SpaceId, Timestamp, Turn, TurnId};

/// Most bytes of one payload: four times the largest turn (2 MiB of text and 2 MiB of caption), so that
/// no valid record comes near it and no damaged length makes us reserve more.
const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

const MAGIC: [u8; 2] = *b"Kp";
const HEADER_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;

/// Newest version of every record kind that this code reads, and the one it writes.
const VERSION: u8 = 1;

/// What a record is. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Turn = 1,
    Memory = 2,
    Outcome = 3,
    Vector = 4,
    Counter = 5,
    Used = 6,
}

/// A record is larger than [`MAX_PAYLOAD_BYTES`], or cannot be encoded. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[error("a record cannot be encoded: it is larger than {MAX_PAYLOAD_BYTES} bytes")]
pub(super) struct EncodeError;

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// The bytes are not what was written.
    Damaged(&'static str),
    /// A newer version of the engine wrote them.
    TooNew {
        /// The record's version.
        found: u8,
    },
}

impl DecodeError {
    /// The newest record version that is understood.
    pub(super) const KNOWN: u8 = VERSION;
}

/// A value that has a record.
pub(super) trait Record: Sized {
    /// Its envelope.
    fn encode(&self) -> Result<Vec<u8>, EncodeError>;
    /// The value in an envelope. Never panics, whatever the bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

impl Record for Turn {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Turn, &TurnV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        unseal::<TurnV1>(Kind::Turn, bytes)?.into_turn()
    }
}

impl Record for Memory {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Memory, &MemoryV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        unseal::<MemoryV1>(Kind::Memory, bytes)?.into_memory()
    }
}

impl Record for TurnOutcome {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Outcome, &OutcomeV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        unseal::<OutcomeV1>(Kind::Outcome, bytes)?.into_outcome()
    }
}

impl Record for Vector {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Vector, &VectorV1 { components: self.as_slice().to_vec() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let components = unseal::<VectorV1>(Kind::Vector, bytes)?.components;
        Vector::from_unit(components).ok_or(DecodeError::Damaged("not a unit vector"))
    }
}

/// When an answer was last given from a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used(pub(super) Timestamp);

impl Record for Used {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Used, &UsedV1 { at_seconds: self.0.seconds() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        unseal::<UsedV1>(Kind::Used, bytes).map(|used| Self(Timestamp::from_seconds(used.at_seconds)))
    }
}

/// A number that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counter(pub(super) u64);

impl Record for Counter {
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        seal(Kind::Counter, &CounterV1 { next: self.0 })
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        unseal::<CounterV1>(Kind::Counter, bytes).map(|counter| Self(counter.next))
    }
}

fn seal<T: Serialize>(kind: Kind, payload: &T) -> Result<Vec<u8>, EncodeError> {
    Ok(envelope(kind, &layout().serialize(payload).map_err(|_| EncodeError)?))
}

fn envelope(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[kind as u8, VERSION]);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Decodes bytes as the payload of every kind of record.
///
/// # Panics
/// Where a record that decodes does not encode to what decodes to it.
#[cfg(feature = "testing")]
pub(super) fn try_every_record(payload: &[u8]) {
    fn try_one<R: Record + PartialEq + std::fmt::Debug>(kind: Kind, payload: &[u8]) {
        if let Ok(record) = R::decode(&envelope(kind, payload)) {
            let again = record.encode().ok().and_then(|bytes| R::decode(&bytes).ok());
            assert_eq!(again, Some(record));
        }
    }
    try_one::<Turn>(Kind::Turn, payload);
    try_one::<Memory>(Kind::Memory, payload);
    try_one::<TurnOutcome>(Kind::Outcome, payload);
    try_one::<Vector>(Kind::Vector, payload);
    try_one::<Counter>(Kind::Counter, payload);
    try_one::<Used>(Kind::Used, payload);
}

/// The version is judged last: only a record whose checksum holds is believed to come from the future.
fn unseal<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, DecodeError> {
    let (rest, checksum) = bytes.split_last_chunk().ok_or(DecodeError::Damaged("too short"))?;
    let (header, payload) =
        rest.split_first_chunk::<HEADER_BYTES>().ok_or(DecodeError::Damaged("too short"))?;
    let [magic0, magic1, found_kind, version, length @ ..] = *header;
    if [magic0, magic1] != MAGIC {
        return Err(DecodeError::Damaged("not a record"));
    }
    if u32::from_le_bytes(length) as usize != payload.len() {
        return Err(DecodeError::Damaged("wrong length"));
    }
    if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
        return Err(DecodeError::Damaged("wrong checksum"));
    }
    if found_kind != kind as u8 {
        return Err(DecodeError::Damaged("another kind of record"));
    }
    match version {
        VERSION => layout().deserialize(payload).map_err(|_| DecodeError::Damaged("unreadable payload")),
        0 => Err(DecodeError::Damaged("no such version")),
        found => Err(DecodeError::TooNew { found }),
    }
}

/// Part of the format. Variable-length integers make a short memory's record about half as long as
/// fixed ones; strings are bounded by the input, and serde reserves at most 1 MiB for a claimed sequence.
fn layout() -> impl Options {
    bincode::DefaultOptions::new()
        .with_little_endian()
        .with_varint_encoding()
        .reject_trailing_bytes()
        .with_limit(MAX_PAYLOAD_BYTES as u64)
}

#[derive(Serialize, Deserialize)]
struct TurnV1 {
    id: u64,
    space: String,
    session: String,
    speaker: String,
    text: String,
    image: Option<String>,
    time_seconds: i64,
    recorded_seconds: i64,
    origin: u8,
    reference: Option<String>,
}

impl From<&Turn> for TurnV1 {
    fn from(turn: &Turn) -> Self {
        Self {
            id: turn.id.0,
            space: turn.space.as_str().to_owned(),
            session: turn.session.clone(),
            speaker: turn.speaker.clone(),
            text: turn.text.clone(),
            image: turn.image.clone(),
            time_seconds: turn.time.seconds(),
            recorded_seconds: turn.recorded.seconds(),
            origin: origin_code(turn.origin),
            reference: turn.reference.clone(),
        }
    }
}

impl TurnV1 {
    fn into_turn(self) -> Result<Turn, DecodeError> {
        Ok(Turn {
            id: TurnId(self.id),
            space: space(&self.space)?,
            session: self.session,
            speaker: self.speaker,
            text: self.text,
            image: self.image,
            time: Timestamp::from_seconds(self.time_seconds),
            recorded: Timestamp::from_seconds(self.recorded_seconds),
            origin: origin(self.origin)?,
            reference: self.reference,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct MemoryV1 {
    id: u64,
    space: String,
    version: u32,
    text: String,
    speaker: String,
    valid_from_seconds: i64,
    recorded_seconds: i64,
    origin: u8,
    sources: Vec<u64>,
    state: u8,
}

impl From<&Memory> for MemoryV1 {
    fn from(memory: &Memory) -> Self {
        Self {
            id: memory.id.0,
            space: memory.space.as_str().to_owned(),
            version: memory.version,
            text: memory.text.clone(),
            speaker: memory.speaker.clone(),
            valid_from_seconds: memory.valid_from.seconds(),
            recorded_seconds: memory.recorded.seconds(),
            origin: origin_code(memory.origin),
            sources: memory.sources.iter().map(|turn| turn.0).collect(),
            state: match memory.state {
                MemoryState::Current => 0,
                MemoryState::Superseded => 1,
                MemoryState::Retired => 2,
                MemoryState::Quarantined => 3,
            },
        }
    }
}

impl MemoryV1 {
    fn into_memory(self) -> Result<Memory, DecodeError> {
        Ok(Memory {
            id: MemoryId(self.id),
            space: space(&self.space)?,
            version: self.version,
            text: self.text,
            speaker: self.speaker,
            valid_from: Timestamp::from_seconds(self.valid_from_seconds),
            recorded: Timestamp::from_seconds(self.recorded_seconds),
            origin: origin(self.origin)?,
            sources: self.sources.into_iter().map(TurnId).collect(),
            state: match self.state {
                0 => MemoryState::Current,
                1 => MemoryState::Superseded,
                2 => MemoryState::Retired,
                3 => MemoryState::Quarantined,
                _ => return Err(DecodeError::Damaged("no such state")),
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
enum OutcomeV1 {
    Done(Vec<AppliedV1>),
    Failed { step: u8, reason: u8 },
    Undone(Vec<AppliedV1>),
}

impl From<&TurnOutcome> for OutcomeV1 {
    fn from(outcome: &TurnOutcome) -> Self {
        match outcome {
            TurnOutcome::Done(applied) => Self::Done(applied.iter().map(AppliedV1::from).collect()),
            TurnOutcome::Failed { step, reason } => {
                Self::Failed { step: step_code(*step), reason: reason_code(*reason) }
            }
            TurnOutcome::Undone(applied) => Self::Undone(applied.iter().map(AppliedV1::from).collect()),
        }
    }
}

impl OutcomeV1 {
    fn into_outcome(self) -> Result<TurnOutcome, DecodeError> {
        let all = |applied: Vec<AppliedV1>| {
            applied.into_iter().map(AppliedV1::into_applied).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::Done(applied) => TurnOutcome::Done(all(applied)?),
            Self::Undone(applied) => TurnOutcome::Undone(all(applied)?),
            Self::Failed { step, reason } => {
                TurnOutcome::Failed { step: step_of(step)?, reason: reason_of(reason)? }
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AppliedV1 {
    fact: String,
    decided: Option<u8>,
    operation: u8,
    memory: Option<u64>,
    text: Option<String>,
    beside: Option<u64>,
    guard: Option<u8>,
}

impl From<&Applied> for AppliedV1 {
    fn from(applied: &Applied) -> Self {
        Self {
            fact: applied.fact.clone(),
            decided: applied.decided.map(operation_code),
            operation: operation_code(applied.operation),
            memory: applied.memory.map(|id| id.0),
            text: applied.text.clone(),
            beside: applied.beside.map(|id| id.0),
            guard: applied.guard.map(guard_code),
        }
    }
}

impl AppliedV1 {
    fn into_applied(self) -> Result<Applied, DecodeError> {
        Ok(Applied {
            fact: self.fact,
            decided: self.decided.map(operation_of).transpose()?,
            operation: operation_of(self.operation)?,
            memory: self.memory.map(MemoryId),
            text: self.text,
            beside: self.beside.map(MemoryId),
            guard: self.guard.map(guard_of).transpose()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct VectorV1 {
    components: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct UsedV1 {
    at_seconds: i64,
}

#[derive(Serialize, Deserialize)]
struct CounterV1 {
    next: u64,
}

fn space(name: &str) -> Result<SpaceId, DecodeError> {
    SpaceId::new(name).map_err(|_| DecodeError::Damaged("no such space name"))
}

// The numbers below are on disk: add, never change.

fn origin_code(origin: Origin) -> u8 {
    match origin {
        Origin::User => 0,
        Origin::Assistant => 1,
        Origin::Imported => 2,
        Origin::Document => 3,
    }
}

fn origin(code: u8) -> Result<Origin, DecodeError> {
    let all = [Origin::User, Origin::Assistant, Origin::Imported, Origin::Document];
    of_code(&all, code, "no such origin")
}

fn operation_code(operation: Operation) -> u8 {
    match operation {
        Operation::Add => 0,
        Operation::Update => 1,
        Operation::Delete => 2,
        Operation::Noop => 3,
    }
}

fn operation_of(code: u8) -> Result<Operation, DecodeError> {
    let all = [Operation::Add, Operation::Update, Operation::Delete, Operation::Noop];
    of_code(&all, code, "no such operation")
}

fn guard_code(guard: Guard) -> u8 {
    match guard {
        Guard::AlreadyKnown => 0,
        Guard::Merged => 1,
        Guard::KeptBeside => 2,
        Guard::Invented => 3,
        Guard::NotContradicted => 4,
        Guard::Untrusted => 5,
        Guard::Ungrounded => 6,
        Guard::OtherSubject => 7,
        Guard::NotKnown => 8,
        Guard::Earlier => 9,
        Guard::Vouched => 10,
    }
}

fn guard_of(code: u8) -> Result<Guard, DecodeError> {
    let all = [
        Guard::AlreadyKnown,
        Guard::Merged,
        Guard::KeptBeside,
        Guard::Invented,
        Guard::NotContradicted,
        Guard::Untrusted,
        Guard::Ungrounded,
        Guard::OtherSubject,
        Guard::NotKnown,
        Guard::Earlier,
        Guard::Vouched,
    ];
    of_code(&all, code, "no such guard")
}

fn step_code(step: Step) -> u8 {
    match step {
        Step::Extract => 0,
        Step::Manage => 1,
    }
}

fn step_of(code: u8) -> Result<Step, DecodeError> {
    of_code(&[Step::Extract, Step::Manage], code, "no such step")
}

fn reason_code(reason: FailReason) -> u8 {
    match reason {
        FailReason::Unparseable => 0,
        FailReason::CutOff => 1,
        FailReason::Ungrounded => 2,
        FailReason::UnknownId => 3,
        FailReason::TooLong => 4,
    }
}

fn reason_of(code: u8) -> Result<FailReason, DecodeError> {
    let all = [
        FailReason::Unparseable,
        FailReason::CutOff,
        FailReason::Ungrounded,
        FailReason::UnknownId,
        FailReason::TooLong,
    ];
    of_code(&all, code, "no such reason")
}

fn of_code<T: Copy>(all: &[T], code: u8, what: &'static str) -> Result<T, DecodeError> {
    all.get(usize::from(code)).copied().ok_or(DecodeError::Damaged(what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turn() -> Turn {
        Turn {
            id: TurnId(300),
            space: SpaceId::default(),
            session: "1".to_owned(),
            speaker: "Maria".to_owned(),
            text: "I moved".to_owned(),
            image: Some("a box".to_owned()),
            time: Timestamp::from_seconds(86_400),
            recorded: Timestamp::from_seconds(-1),
            origin: Origin::Document,
            reference: None,
        }
    }

    fn memory() -> Memory {
        Memory {
            id: MemoryId(7),
            space: SpaceId::default(),
            version: 2,
            text: "lives in Leeds".to_owned(),
            speaker: "Maria".to_owned(),
            valid_from: Timestamp::from_seconds(86_400),
            recorded: Timestamp::from_seconds(86_401),
            origin: Origin::User,
            sources: vec![TurnId(3), TurnId(300)],
            state: MemoryState::Retired,
        }
    }

    fn done() -> TurnOutcome {
        TurnOutcome::Done(vec![Applied {
            fact: "moved".to_owned(),
            decided: Some(Operation::Update),
            operation: Operation::Add,
            memory: Some(MemoryId(7)),
            text: None,
            beside: Some(MemoryId(8)),
            guard: Some(Guard::Untrusted),
        }])
    }

    fn failed() -> TurnOutcome {
        TurnOutcome::Failed { step: Step::Manage, reason: FailReason::UnknownId }
    }

    fn vector() -> Vector {
        Vector::normalised(vec![0.0, -1.0]).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
            .collect()
    }

    /// The bytes are what banks on people's devices hold: if this fails, the format changed and needs a
    /// new version, not a new literal.
    fn golden<T: Record + PartialEq + std::fmt::Debug>(value: &T, expected: &str) {
        let bytes = value.encode().unwrap();
        assert_eq!(hex(&bytes), expected);
        assert_eq!(&T::decode(&bytes).unwrap(), value);
    }

    #[test]
    fn the_bytes_of_a_turn_do_not_change() {
        golden(
            &turn(),
            "4b7001012a000000fb2c010764656661756c740131054d617269610749206d6f76656401056120626f78fc00a30200010300d4d20576",
        );
    }

    #[test]
    fn the_bytes_of_a_memory_do_not_change() {
        golden(
            &memory(),
            "4b70020130000000070764656661756c74020e6c6976657320696e204c65656473054d61726961fc00a30200fc02a30200000203fb2c01027e22eb95",
        );
    }

    #[test]
    fn the_bytes_of_an_outcome_do_not_change() {
        golden(&done(), "4b700301120000000001056d6f76656401010001070001080105dfdbe894");
        golden(&failed(), "4b70030103000000010103d586b82d");
    }

    #[test]
    fn the_bytes_of_a_vector_do_not_change() {
        golden(&vector(), "4b700401090000000200000000000080bf67a30820");
    }

    #[test]
    fn a_vector_reads_back_bit_for_bit() {
        for last in 1..200_u8 {
            let vector = Vector::normalised(vec![0.3, 0.7, -0.2, f32::from(last) / 77.0]).unwrap();
            assert_eq!(Vector::decode(&vector.encode().unwrap()).unwrap(), vector);
        }
    }

    #[test]
    fn the_bytes_of_a_counter_do_not_change() {
        golden(&Counter(251), "4b70050103000000fbfb00d451ab91");
    }

    #[test]
    fn the_bytes_of_a_use_do_not_change() {
        golden(&Used(Timestamp::from_seconds(86_400)), "4b70060105000000fc00a30200ab315658");
    }

    #[test]
    fn every_code_reads_back_as_what_it_was_written_for() {
        for code in 0..4 {
            assert_eq!(origin_code(origin(code).unwrap()), code);
            assert_eq!(operation_code(operation_of(code).unwrap()), code);
        }
        for code in 0..11 {
            assert_eq!(guard_code(guard_of(code).unwrap()), code);
        }
        for code in 0..5 {
            assert_eq!(reason_code(reason_of(code).unwrap()), code);
        }
        for code in 0..2 {
            assert_eq!(step_code(step_of(code).unwrap()), code);
        }
        assert!(origin(4).is_err() && operation_of(4).is_err() && guard_of(11).is_err());
        assert!(reason_of(5).is_err() && step_of(2).is_err());
    }

    /// Makes the checksum fit again, so that what stands behind it is reached.
    fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - CHECKSUM_BYTES;
        let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&checksum);
        bytes
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut bytes = turn().encode().unwrap();
        bytes[3] = 9;
        assert_eq!(Turn::decode(&bytes), Err(DecodeError::Damaged("wrong checksum")));
        assert_eq!(Turn::decode(&resealed(bytes)), Err(DecodeError::TooNew { found: 9 }));
        let bytes = memory().encode().unwrap();
        assert_eq!(Turn::decode(&bytes), Err(DecodeError::Damaged("another kind of record")));
    }

    #[test]
    fn bytes_too_many_or_too_few_are_damage() {
        let bytes = memory().encode().unwrap();
        for end in 0..bytes.len() {
            assert!(matches!(Memory::decode(&bytes[..end]), Err(DecodeError::Damaged(_))), "cut at {end}");
        }
        let long = [&bytes[..], &[0]].concat();
        assert_eq!(Memory::decode(&long), Err(DecodeError::Damaged("wrong length")));

        // Trailing bytes inside the payload, with length and checksum that fit.
        let mut inside = bytes.clone();
        inside.insert(bytes.len() - CHECKSUM_BYTES, 0);
        let length = (inside.len() - HEADER_BYTES - CHECKSUM_BYTES) as u32;
        inside[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Memory::decode(&resealed(inside)), Err(DecodeError::Damaged("unreadable payload")));
    }

    #[test]
    fn a_record_above_the_limit_is_refused_before_it_is_stored() {
        let text = "x".repeat(MAX_PAYLOAD_BYTES);
        assert!(Turn { text, ..turn() }.encode().is_err());
    }

    fn decode_as_everything(bytes: &[u8]) -> [bool; 6] {
        [
            Turn::decode(bytes).is_ok(),
            Memory::decode(bytes).is_ok(),
            TurnOutcome::decode(bytes).is_ok(),
            Vector::decode(bytes).is_ok(),
            Counter::decode(bytes).is_ok(),
            Used::decode(bytes).is_ok(),
        ]
    }

    fn any_record() -> impl Strategy<Value = Vec<u8>> {
        prop::sample::select(vec![
            turn().encode().unwrap(),
            memory().encode().unwrap(),
            done().encode().unwrap(),
            failed().encode().unwrap(),
            vector().encode().unwrap(),
            Counter(251).encode().unwrap(),
            Used(Timestamp::from_seconds(-1)).encode().unwrap(),
        ])
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode_as_everything(&bytes), [false; 6]);
        }

        #[test]
        fn a_payload_of_any_bytes_does_not_panic(
            kind in 0_u8..8, payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = [&MAGIC[..], &[kind, VERSION], &(payload.len() as u32).to_le_bytes()].concat();
            bytes.extend_from_slice(&payload);
            bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
            decode_as_everything(&resealed(bytes));
        }

        #[test]
        fn a_flipped_bit_is_always_noticed(bytes in any_record(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(decode_as_everything(&bytes), [false; 6]);
        }

        #[test]
        fn a_changed_byte_behind_a_fitting_checksum_does_not_panic(
            bytes in any_record(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] = byte;
            decode_as_everything(&resealed(bytes));
        }
    }
}
