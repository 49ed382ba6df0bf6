//! The JSON documents of `--json`, as types. SCHEMA.md says what each key means; a test holds both together.
//!
//! Shapes are made from the engine's types and carry no logic. Keys are never left out: what does not apply is
//! null or empty. Rooms it touches: models.

use std::collections::BTreeMap;

use keepsake_core::bank::{Counts, FailReason, Step, TurnOutcome};
use keepsake_core::decision::{Applied, Guard, Operation};
use keepsake_core::model::Usage;
use keepsake_core::types::{Memory, MemoryState, Origin, Timestamp, Turn};
use keepsake_core::{Found, Parts, Used};
use serde::Serialize;

use crate::models::{Role, State};

/// A whole document: its schema's name and version, then its keys.
#[derive(Serialize)]
pub(crate) struct Document<T: Serialize> {
    schema: &'static str,
    #[serde(flatten)]
    body: T,
}

impl<T: Serialize> Document<T> {
    /// `schema` is written `keepsake.ask/1`.
    pub(crate) fn new(schema: &'static str, body: T) -> Self {
        Self { schema, body }
    }
}

/// A turn.
#[derive(Serialize)]
pub(crate) struct TurnShape {
    pub(crate) id: String,
    pub(crate) session: String,
    pub(crate) speaker: String,
    pub(crate) text: String,
    pub(crate) image: Option<String>,
    pub(crate) time: String,
    pub(crate) recorded: String,
    pub(crate) origin: Origin,
    pub(crate) reference: Option<String>,
    pub(crate) outcome: OutcomeShape,
}

impl TurnShape {
    pub(crate) fn new(turn: Turn, outcome: Option<TurnOutcome>) -> Self {
        Self {
            id: turn.id.to_string(),
            session: turn.session,
            speaker: turn.speaker,
            text: turn.text,
            image: turn.image,
            time: turn.time.to_string(),
            recorded: turn.recorded.to_string(),
            origin: turn.origin,
            reference: turn.reference,
            outcome: outcome.into(),
        }
    }
}

/// What became of a turn.
#[derive(Serialize)]
pub(crate) struct OutcomeShape {
    pub(crate) status: Status,
    pub(crate) step: Option<Step>,
    pub(crate) reason: Option<FailReason>,
    pub(crate) operations: Vec<OperationShape>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Waiting,
    Done,
    Failed,
    Undone,
    /// A kind of outcome that this program does not know.
    Other,
}

impl From<Option<TurnOutcome>> for OutcomeShape {
    fn from(outcome: Option<TurnOutcome>) -> Self {
        let empty = |status| Self { status, step: None, reason: None, operations: Vec::new() };
        match outcome {
            None => empty(Status::Waiting),
            Some(TurnOutcome::Done(applied)) => {
                Self { operations: applied.into_iter().map(Into::into).collect(), ..empty(Status::Done) }
            }
            Some(TurnOutcome::Failed { step, reason }) => {
                Self { step: Some(step), reason: Some(reason), ..empty(Status::Failed) }
            }
            Some(TurnOutcome::Undone(applied)) => {
                Self { operations: applied.into_iter().map(Into::into).collect(), ..empty(Status::Undone) }
            }
            Some(_) => empty(Status::Other),
        }
    }
}

/// What was done with one fact.
#[derive(Serialize)]
pub(crate) struct OperationShape {
    pub(crate) fact: String,
    pub(crate) decided: Option<Operation>,
    pub(crate) operation: Operation,
    pub(crate) memory: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) beside: Option<String>,
    pub(crate) guard: Option<Guard>,
}

impl From<Applied> for OperationShape {
    fn from(applied: Applied) -> Self {
        Self {
            fact: applied.fact,
            decided: applied.decided,
            operation: applied.operation,
            memory: applied.memory.map(|id| id.to_string()),
            text: applied.text,
            beside: applied.beside.map(|id| id.to_string()),
            guard: applied.guard,
        }
    }
}

/// One version of a memory.
#[derive(Serialize)]
pub(crate) struct MemoryShape {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) state: MemoryState,
    pub(crate) text: String,
    pub(crate) speaker: String,
    pub(crate) valid_from: String,
    pub(crate) recorded: String,
    pub(crate) origin: Origin,
    pub(crate) sources: Vec<String>,
}

impl From<Memory> for MemoryShape {
    fn from(memory: Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            version: memory.version,
            state: memory.state,
            text: memory.text,
            speaker: memory.speaker,
            valid_from: memory.valid_from.to_string(),
            recorded: memory.recorded.to_string(),
            origin: memory.origin,
            sources: ids(&memory.sources),
        }
    }
}

/// Something a search found.
#[derive(Serialize)]
pub(crate) struct HitShape {
    pub(crate) id: String,
    pub(crate) score: f32,
    pub(crate) lexical: Option<f32>,
    pub(crate) dense: Option<f32>,
    pub(crate) parts: PartsShape,
    pub(crate) speaker: String,
    pub(crate) time: String,
    pub(crate) text: String,
}

/// What a score is made of: its parts add up to it.
#[derive(Serialize)]
pub(crate) struct PartsShape {
    pub(crate) lexical: f32,
    pub(crate) dense: f32,
    pub(crate) speaker: f32,
    pub(crate) time: f32,
    pub(crate) dated: f32,
    pub(crate) entity: f32,
    pub(crate) length: f32,
    pub(crate) question: f32,
    pub(crate) linked: f32,
}

impl From<Parts> for PartsShape {
    fn from(parts: Parts) -> Self {
        let Parts { lexical, dense, speaker, time, dated, entity, length, question, linked } = parts;
        Self { lexical, dense, speaker, time, dated, entity, length, question, linked }
    }
}

impl From<Found> for HitShape {
    fn from(found: Found) -> Self {
        Self {
            id: found.hit.unit.to_string(),
            score: found.hit.score,
            lexical: found.hit.lexical,
            dense: found.hit.dense,
            parts: found.hit.parts.into(),
            speaker: found.speaker,
            time: found.time.to_string(),
            text: found.text,
        }
    }
}

/// A memory or turn behind an answer.
#[derive(Serialize)]
pub(crate) struct UsedShape {
    pub(crate) id: String,
    pub(crate) speaker: String,
    pub(crate) time: String,
    pub(crate) text: String,
}

impl From<Used> for UsedShape {
    fn from(used: Used) -> Self {
        Self {
            id: used.unit.to_string(),
            speaker: used.speaker,
            time: used.time.to_string(),
            text: used.text,
        }
    }
}

/// `keepsake.remember/1`
#[derive(Serialize)]
pub(crate) struct RememberBody {
    pub(crate) turn: String,
    pub(crate) time: String,
    pub(crate) outcome: OutcomeShape,
    pub(crate) usage: Usage,
}

/// `keepsake.ingest/1`
#[derive(Serialize)]
pub(crate) struct IngestBody {
    pub(crate) space: String,
    pub(crate) in_file: usize,
    pub(crate) stored: usize,
    pub(crate) known: usize,
    pub(crate) worked: usize,
    pub(crate) failed: usize,
    pub(crate) waiting: u64,
    pub(crate) operations: BTreeMap<String, u64>,
    pub(crate) seconds: f64,
    pub(crate) usage: Usage,
}

/// `keepsake.ask/1`
#[derive(Serialize)]
pub(crate) struct AskBody {
    pub(crate) space: String,
    pub(crate) question: String,
    pub(crate) answer: Option<String>,
    pub(crate) cut_off: bool,
    pub(crate) used: Vec<UsedShape>,
    pub(crate) considered: usize,
    pub(crate) seconds: f64,
    pub(crate) first_token_ms: f64,
    pub(crate) usage: Usage,
}

/// `keepsake.search/1`
#[derive(Serialize)]
pub(crate) struct SearchBody {
    pub(crate) space: String,
    pub(crate) text: String,
    pub(crate) dense: bool,
    pub(crate) without_vector: usize,
    pub(crate) found: Vec<HitShape>,
}

/// `keepsake.list/1`
#[derive(Serialize)]
pub(crate) struct ListBody {
    pub(crate) space: String,
    pub(crate) memories: Vec<MemoryShape>,
    pub(crate) turns: Option<Vec<TurnShape>>,
}

/// `keepsake.show/1`
#[derive(Serialize)]
pub(crate) struct ShowBody {
    pub(crate) space: String,
    pub(crate) memory: Option<MemoryShape>,
    pub(crate) turn: Option<TurnShape>,
}

/// `keepsake.history/1`
#[derive(Serialize)]
pub(crate) struct HistoryBody {
    pub(crate) space: String,
    pub(crate) id: String,
    pub(crate) versions: Vec<MemoryShape>,
}

/// `keepsake.forget/1`
#[derive(Serialize)]
pub(crate) struct ForgetBody {
    pub(crate) space: String,
    pub(crate) forgotten: Vec<String>,
    pub(crate) kept_turns: Vec<String>,
    pub(crate) kept_memories: Vec<String>,
}

/// `keepsake.expire/1`
#[derive(Serialize)]
pub(crate) struct ExpireBody {
    pub(crate) space: String,
    pub(crate) dry_run: bool,
    pub(crate) due: Vec<String>,
}

/// `keepsake.undo/1`
#[derive(Serialize)]
pub(crate) struct UndoBody {
    pub(crate) space: String,
    pub(crate) turns: Vec<String>,
    pub(crate) memories: Vec<MemoryShape>,
}

/// `keepsake.confirm/1`
#[derive(Serialize)]
pub(crate) struct ConfirmBody {
    pub(crate) space: String,
    pub(crate) memory: MemoryShape,
}

/// `keepsake.verify/1`
#[derive(Serialize)]
pub(crate) struct VerifyBody {
    pub(crate) bank: String,
    pub(crate) bytes: u64,
    pub(crate) recovered: Vec<String>,
}

/// `keepsake.repair/1`
#[derive(Serialize)]
pub(crate) struct RepairBody {
    pub(crate) bank: String,
    pub(crate) turns: u64,
    pub(crate) memories: u64,
    pub(crate) lost: Vec<String>,
}

/// `keepsake.export/1` and `keepsake.import/1`
#[derive(Serialize)]
pub(crate) struct TransferBody {
    pub(crate) file: String,
    pub(crate) turns: u64,
    pub(crate) memories: u64,
}

/// `keepsake.import_memories/1`
#[derive(Serialize)]
pub(crate) struct ImportBody {
    pub(crate) file: String,
    pub(crate) memories: u64,
    pub(crate) known: u64,
    pub(crate) changed: Vec<String>,
}

/// `keepsake.compact/1`
#[derive(Serialize)]
pub(crate) struct CompactBody {
    pub(crate) bank: String,
    pub(crate) bytes_before: u64,
    pub(crate) bytes: u64,
}

/// `keepsake.rekey/1`
#[derive(Serialize)]
pub(crate) struct RekeyBody {
    pub(crate) bank: String,
}

/// `keepsake.stats/1`
#[derive(Serialize)]
pub(crate) struct StatsBody {
    pub(crate) space: String,
    pub(crate) bank: String,
    pub(crate) bytes: u64,
    pub(crate) counts: Counts,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) operations: BTreeMap<String, u64>,
}

/// `keepsake.models/1`
#[derive(Serialize)]
pub(crate) struct ModelsBody {
    pub(crate) folder: String,
    pub(crate) models: Vec<ModelShape>,
}

/// A file of the catalogue.
#[derive(Serialize)]
pub(crate) struct ModelShape {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) default: bool,
    pub(crate) state: State,
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) licence: String,
    pub(crate) sources: Vec<String>,
}

/// `keepsake.demo/1`
#[derive(Serialize)]
pub(crate) struct DemoBody {
    pub(crate) model: String,
    pub(crate) machine: MachineShape,
    pub(crate) operations: Vec<DemoTurn>,
    pub(crate) answers: Vec<DemoAnswer>,
    pub(crate) totals: DemoTotals,
    pub(crate) seconds: DemoSeconds,
}

/// The machine the demo ran on, as far as the standard library knows it.
#[derive(Serialize)]
pub(crate) struct MachineShape {
    pub(crate) system: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) processors: usize,
}

/// A turn of the demo with what was done with it.
#[derive(Serialize)]
pub(crate) struct DemoTurn {
    pub(crate) turn: String,
    pub(crate) reference: Option<String>,
    pub(crate) time: String,
    pub(crate) speaker: String,
    pub(crate) text: String,
    pub(crate) outcome: OutcomeShape,
    pub(crate) seconds: f64,
}

/// A question of the demo with both answers.
#[derive(Serialize)]
pub(crate) struct DemoAnswer {
    pub(crate) question: String,
    pub(crate) kind: String,
    pub(crate) expected: String,
    pub(crate) answer: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) used: Vec<UsedShape>,
    pub(crate) seconds: f64,
}

/// The demo in numbers.
#[derive(Default, Serialize)]
pub(crate) struct DemoTotals {
    pub(crate) turns: usize,
    pub(crate) failed: usize,
    pub(crate) operations: BTreeMap<String, u64>,
    pub(crate) usage: Usage,
}

/// Time on the wall clock, seconds.
#[derive(Default, Serialize)]
pub(crate) struct DemoSeconds {
    pub(crate) remember: f64,
    pub(crate) ask: f64,
}

/// Ids as they are written.
pub(crate) fn ids(ids: &[impl ToString]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Counts operations by name.
pub(crate) fn count_operations(outcome: &TurnOutcome, counts: &mut BTreeMap<String, u64>) {
    if let TurnOutcome::Done(applied) = outcome {
        for one in applied {
            *counts.entry(name(one.operation)).or_default() += 1;
        }
    }
}

/// The name an enum of the engine has in JSON, so that text output speaks the same words.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

/// A time, short: `2024-03-02 10:15`.
pub(crate) fn short(time: Timestamp) -> String {
    let at = time.civil();
    format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
}
