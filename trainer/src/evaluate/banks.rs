//! Banks to ask: built from a conversation by the engine or by a pipeline of Mem0's shape, or taken as they are.
//!
//! A bank that is being built is kept as an export, replaced as a whole, from which the next run goes on. Turns are
//! worked as the device works them: in order, from the queue.
//!
//! Rooms it touches: evaluate (material, systems, journal, course), record; of core: bank, engine, transfer, testing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keepsake_core::bank::{Bank, Commit, Contents, MemoryBank, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::embed::Embedder;
use keepsake_core::model::LanguageModel;
use keepsake_core::testing::mem0::{Known, Pipeline, PipelineError, Turned};
use keepsake_core::types::{Cancel, Memory, MemoryState, SpaceId, Timestamp, TurnId};
use keepsake_core::{Budget, Ended, Engine, Setup, transfer};
use serde::{Deserialize, Serialize};

use super::course::Course;
use super::journal::Tokens;
use super::material::Case;
use super::systems::Builder;
use super::{EvaluateError, Model};
use crate::record::files;

/// Turns that are worked before it is looked whether to save: twice as many as the engine works side by side.
const SLICE: usize = 8;
/// How often a bank that is being built is saved; more often would write more than it builds.
const SAVE_EVERY: Duration = Duration::from_secs(15);

/// Where banks come from that are not built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// An export, a bank's own folder, or a folder with an export for each conversation, by its name.
    Path(PathBuf),
    /// What the material says a bank should be.
    Gold,
}

/// What building a bank took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Turns that were worked.
    pub turns: usize,
    /// Of these, those that came to nothing because a reply could not be used.
    pub failed: usize,
    /// Milliseconds.
    pub ms: f64,
    /// Tokens.
    pub tokens: Tokens,
    /// Memories that hold in the end.
    pub memories: usize,
    /// Whether all turns were worked.
    pub whole: bool,
}

/// A bank that can be asked.
pub(super) struct Built {
    pub(super) bank: Arc<dyn Bank>,
    /// `None` where nothing was built.
    pub(super) cost: Option<Cost>,
}

/// How banks are made.
pub(super) struct Banks<'a> {
    /// Where they are kept.
    pub(super) folder: &'a Path,
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    pub(super) given: Option<&'a Given>,
    pub(super) stop: &'a AtomicBool,
}

/// When something was recorded matters to nothing here.
fn clock() -> Timestamp {
    Timestamp::from_seconds(0)
}

impl Banks<'_> {
    /// The bank of a conversation; `None` where the run was stopped.
    pub(super) fn of(
        &self,
        case: &Case,
        builder: Builder,
        model: &Model<'_>,
        course: &mut Course,
    ) -> Result<Option<Built>, EvaluateError> {
        let built = match (builder, self.given) {
            (Builder::Turns, _) => {
                let engine = self.engine(Arc::new(MemoryBank::new()), None);
                append(&engine.0, case)?;
                Some(Built { bank: engine.1, cost: None })
            }
            (Builder::Manager { .. }, Some(given)) => Some(self.given(case, given)?),
            (Builder::Manager { .. }, None) => self.managed(case, builder, model, course)?,
            (Builder::Mem0 { forced }, _) => self.mem0(case, forced, model, course)?,
        };
        if let Some(Built { bank, .. }) = &built {
            // Without a model the queue waits, and what has no vector is given one.
            let (engine, _) = self.engine(Arc::clone(bank), None);
            engine
                .process(&Budget::default(), &Cancel::new(), &mut |_| ())
                .map_err(EvaluateError::pipeline)?;
        }
        Ok(built)
    }

    /// What building took, where it was done before.
    pub(super) fn cost(&self, case: &Case, builder: Builder) -> Option<Cost> {
        let text = fs::read(self.path(case, builder, "cost.json")).ok()?;
        serde_json::from_slice(&text).ok().filter(|cost: &Cost| cost.whole)
    }

    fn path(&self, case: &Case, builder: Builder, end: &str) -> PathBuf {
        self.folder.join(builder.to_string()).join(format!("{}.{end}", case.name))
    }

    fn engine(&self, bank: Arc<dyn Bank>, model: Option<Arc<dyn LanguageModel>>) -> (Engine, Arc<dyn Bank>) {
        let setup = Setup { model, embedder: self.embedder.clone(), ..Setup::new(clock) };
        (Engine::with_bank(Arc::clone(&bank), setup), bank)
    }

    /// The engine works the queue.
    fn managed(
        &self,
        case: &Case,
        builder: Builder,
        model: &Model<'_>,
        course: &mut Course,
    ) -> Result<Option<Built>, EvaluateError> {
        let (path, costs) = (self.path(case, builder, "jsonl"), self.path(case, builder, "cost.json"));
        let (engine, bank) = self.engine(Arc::new(MemoryBank::new()), None);
        let mut cost = Cost::default();
        if path.exists() {
            engine.import(&read(&path)?).map_err(EvaluateError::pipeline)?;
            cost =
                fs::read(&costs).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
            course.turns_done_before(builder, cost.turns.min(case.turns.len()));
        } else {
            append(&engine, case)?;
        }
        if cost.whole {
            return Ok(Some(Built { bank, cost: Some(cost) }));
        }
        let (engine, _) = self.engine(Arc::clone(&bank), Some(model.get()?));
        let save = |cost: &Cost| -> Result<(), EvaluateError> {
            export(&engine, &path)?;
            replace(&costs, cost)
        };
        let mut saved = Instant::now();
        loop {
            let cancel = Cancel::new();
            let started = Instant::now();
            let mut last = started;
            let slice = Budget { turns: Some(SLICE), time: None };
            let progress = engine.process(&slice, &cancel, &mut |_| {
                course.turn(builder, last.elapsed());
                last = Instant::now();
                if self.stop.load(Ordering::Relaxed) {
                    cancel.cancel();
                }
            });
            let progress = progress.map_err(EvaluateError::pipeline)?;
            cost.turns += progress.turns;
            cost.failed += progress.failed;
            cost.ms += milliseconds(started);
            cost.tokens += progress.usage.into();
            match progress.ended {
                Ended::Empty => break,
                Ended::Budget if saved.elapsed() >= SAVE_EVERY => {
                    save(&cost)?;
                    saved = Instant::now();
                }
                Ended::Budget => {}
                _ => {
                    save(&cost)?;
                    return Ok(None);
                }
            }
        }
        cost.memories = engine.memories(&SpaceId::default()).map_err(EvaluateError::pipeline)?.len();
        cost.whole = true;
        save(&cost)?;
        Ok(Some(Built { bank, cost: Some(cost) }))
    }

    /// A pipeline of Mem0's shape.
    fn mem0(
        &self,
        case: &Case,
        forced: bool,
        model: &Model<'_>,
        course: &mut Course,
    ) -> Result<Option<Built>, EvaluateError> {
        let builder = Builder::Mem0 { forced };
        let (path, costs) = (self.path(case, builder, "jsonl"), self.path(case, builder, "cost.json"));
        let Some(embedder) = self.embedder.clone() else { return Err(EvaluateError::NoEmbedder) };
        if let Some(cost) = self.cost(case, builder) {
            course.turns_done_before(builder, cost.turns);
            let (engine, bank) = self.engine(Arc::new(MemoryBank::new()), None);
            engine.import(&read(&path)?).map_err(EvaluateError::pipeline)?;
            return Ok(Some(Built { bank, cost: Some(cost) }));
        }
        let states = self.path(case, builder, "state.json");
        let mut state: State =
            fs::read(&states).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        course.turns_done_before(builder, state.cost.turns);
        let loaded = model.get()?;
        let mut pipeline = Pipeline::new(loaded.as_ref(), embedder.as_ref());
        for known in std::mem::take(&mut state.memories) {
            pipeline.know(known).map_err(EvaluateError::pipeline)?;
        }
        let before = state.cost.tokens;
        let mut saved = Instant::now();
        for (at, turn) in case.turns.iter().enumerate().skip(state.cost.turns) {
            let started = Instant::now();
            let cancel = Cancel::new();
            let turned = if self.stop.load(Ordering::Relaxed) {
                Err(PipelineError::Stopped)
            } else {
                pipeline.turn(at, turn.speaker(), turn.text(), forced.then_some(1), &cancel)
            };
            let stopped = matches!(turned, Err(PipelineError::Stopped));
            if !stopped {
                let turned = turned.map_err(EvaluateError::pipeline)?;
                state.cost.failed += usize::from(turned == Turned::Lost);
                state.cost.turns += 1;
                state.cost.ms += milliseconds(started);
                state.cost.tokens = before;
                state.cost.tokens += pipeline.usage().into();
                course.turn(builder, started.elapsed());
            }
            if stopped || saved.elapsed() >= SAVE_EVERY {
                state.memories = pipeline.memories().cloned().collect();
                replace(&states, &state)?;
                saved = Instant::now();
            }
            if stopped {
                return Ok(None);
            }
        }
        let bank = remembered(case, pipeline.memories())?;
        let mut cost = state.cost;
        cost.memories = pipeline.memories().len();
        cost.whole = true;
        let (engine, bank) = self.engine(bank, None);
        export(&engine, &path)?;
        replace(&costs, &cost)?;
        Ok(Some(Built { bank, cost: Some(cost) }))
    }

    fn given(&self, case: &Case, given: &Given) -> Result<Built, EvaluateError> {
        let contents = match given {
            Given::Gold => case.gold.as_deref().cloned().ok_or_else(|| {
                EvaluateError::Nothing(format!(
                    "nobody wrote down what the bank of {} should be: stories (--stories) have gold banks",
                    case.name
                ))
            })?,
            Given::Path(path) => {
                let of_case = path.join(format!("{}.jsonl", case.name));
                if of_case.exists() {
                    read(&of_case)?
                } else if path.is_dir() {
                    if !path.join("FORMAT").exists() {
                        let why = format!("it holds neither a bank nor {}.jsonl", case.name);
                        return Err(EvaluateError::file(path, &why));
                    }
                    let bank = SledBank::open(path).map_err(EvaluateError::pipeline)?;
                    let (engine, _) = self.engine(Arc::new(bank), None);
                    let mut bytes = Vec::new();
                    engine.export(&[SpaceId::default()], &mut bytes).map_err(EvaluateError::pipeline)?;
                    transfer::read(&mut &bytes[..]).map_err(EvaluateError::pipeline)?
                } else {
                    read(path)?
                }
            }
        };
        let (engine, bank) = self.engine(Arc::new(MemoryBank::new()), None);
        engine.import(&contents).map_err(EvaluateError::pipeline)?;
        Ok(Built { bank, cost: None })
    }
}

/// What Mem0's shape needs to go on.
#[derive(Default, Serialize, Deserialize)]
struct State {
    memories: Vec<Known>,
    cost: Cost,
}

/// The turns, and these memories beside them: said by whom and when the last of their turns was.
fn remembered<'a>(
    case: &Case,
    memories: impl Iterator<Item = &'a Known>,
) -> Result<Arc<dyn Bank>, EvaluateError> {
    let bank = MemoryBank::new();
    let mut turns: Vec<TurnId> = Vec::with_capacity(case.turns.len());
    for turn in &case.turns {
        turns.push(bank.append(turn, clock()).map_err(EvaluateError::pipeline)?.id);
    }
    let memories: Vec<&Known> = memories.collect();
    for (at, id) in turns.iter().enumerate() {
        let mut writes = Vec::new();
        for known in memories.iter().filter(|known| known.turns.last() == Some(&at)) {
            let number = bank.next_memory_id().map_err(EvaluateError::pipeline)?.0 + writes.len() as u64;
            let turn = bank.turn(*id).map_err(EvaluateError::pipeline)?;
            let Some(turn) = turn else { continue };
            let memory = Memory {
                id: keepsake_core::types::MemoryId(number),
                space: turn.space,
                version: 1,
                text: known.text.clone(),
                speaker: turn.speaker,
                valid_from: turn.time,
                recorded: turn.recorded,
                origin: turn.origin,
                sources: known.turns.iter().filter_map(|at| turns.get(*at)).copied().collect(),
                state: MemoryState::Current,
            };
            writes.push(MemoryWrite { memory, expects: None, vector: None });
        }
        let commit = Commit { turn: *id, outcome: TurnOutcome::Done(Vec::new()), writes, read: Vec::new() };
        bank.commit(&commit).map_err(EvaluateError::pipeline)?;
    }
    Ok(Arc::new(bank))
}

fn append(engine: &Engine, case: &Case) -> Result<(), EvaluateError> {
    case.turns
        .iter()
        .try_for_each(|turn| engine.append(turn.clone()).map(|_| ()).map_err(EvaluateError::pipeline))
}

fn read(path: &Path) -> Result<Contents, EvaluateError> {
    let bytes = fs::read(path).map_err(|error| EvaluateError::file(path, &error.to_string()))?;
    transfer::read(&mut &bytes[..]).map_err(|error| EvaluateError::file(path, &error.to_string()))
}

fn export(engine: &Engine, path: &Path) -> Result<(), EvaluateError> {
    let mut bytes = Vec::new();
    engine.export(&[], &mut bytes).map_err(EvaluateError::pipeline)?;
    put(path, &bytes)
}

fn replace<T: Serialize>(path: &Path, what: &T) -> Result<(), EvaluateError> {
    put(path, &serde_json::to_vec_pretty(what).map_err(EvaluateError::pipeline)?)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), EvaluateError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| EvaluateError::file(folder, &error.to_string()))?;
    }
    Ok(files::replace(path, bytes)?)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
