//! What a manager does: on stories whose gold is known, operation by operation and as a whole; and on any conversation,
//! what its bank kept, lost, invented and has twice.
//!
//! Gold operations are measured from the gold bank, turn by turn, so that one mistake is not counted again in what follows;
//! the whole story is measured on the manager's own bank. What is kept or invented is decided by content words
//! ([`super::support`]), the same way for every system.
//!
//! Rooms it touches: evaluate, tasks, world, record; of core: bank, engine, when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fastrand::Rng;
use keepsake_core::bank::Bank;
use keepsake_core::config::Config;
use keepsake_core::types::{MemoryState, NewTurn, SpaceId, Turn, TurnId};
use keepsake_core::when;
use sha2::{Digest, Sha256};

use super::banks::Banks;
use super::course::Course;
use super::journal::{self, Journal, Measured};
use super::material::{Case, hex};
use super::measure::Values;
use super::report::{Item, Report, SystemReport, groups};
use super::support::Words;
use super::systems::Builder;
use super::{Ended, EvaluateError, Model, Plan, Tools};
use crate::tasks::Scene;
use crate::tasks::manager::{ManagerRewards, ManagerScene, scenes};
use crate::world::bank_score;

/// A note is kept where one memory has at least this part of its content words: two of three.
const KEPT: f64 = 0.65;
/// A memory is there twice where this part of the content words of both is shared with one before it.
const TWICE: f64 = 0.8;
/// The categories of items.
const TURN: &str = "story turns, from the gold bank";
const STORY: &str = "stories, on its own bank";
const CONVERSATION: &str = "conversations";

/// How much is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationsSettings {
    /// Most turns of stories that are worked from the gold bank, drawn by seed.
    pub limit: Option<usize>,
}

/// A turn of a story, to be worked from the gold bank.
struct Task {
    id: String,
    scene: ManagerScene,
}

/// Measures and reports.
pub fn operations(
    plan: &Plan<'_>,
    tools: &Tools<'_>,
    settings: OperationsSettings,
) -> Result<Ended, EvaluateError> {
    let builders: BTreeSet<Builder> = plan
        .systems
        .iter()
        .map(|system| system.builder())
        .filter(|builder| *builder != Builder::Turns)
        .collect();
    if builders.is_empty() {
        let why =
            "rag and full-context manage no memories: give keepsake, keepsake+adapters or mem0".to_owned();
        return Err(EvaluateError::Nothing(why));
    }
    if builders.iter().copied().any(is_mem0) && tools.embedder.is_none() {
        return Err(EvaluateError::NoEmbedder);
    }
    journal::open_folder(plan.out, &plan.settings, plan.resume)?;
    let (mut lines, mut journal) = Journal::open(&plan.out.join("operations.jsonl"), |_: &Measured| true)?;
    let tasks = tasks(plan, settings)?;
    let mut left_out = plan.material.totals.clone();
    let mut course = Course::new(work(plan, &builders, tasks.len()));
    let folder = plan.out.join("banks");
    let banks = Banks { folder: &folder, embedder: tools.embedder.clone(), given: None, stop: tools.stop };
    for adapters in [false, true] {
        let model = Model::new(tools.load, adapters);
        let manages = |builder: &Builder| match builder {
            Builder::Manager { adapters: own } => *own == adapters,
            Builder::Mem0 { .. } => !adapters,
            Builder::Turns => false,
        };
        for builder in builders.iter().copied().filter(manages) {
            let known: BTreeSet<String> = lines
                .iter()
                .filter(|line| line.system == builder.to_string())
                .map(|line| line.item.clone())
                .collect();
            if !is_mem0(builder) {
                let whole =
                    play(builder, &tasks, &known, &model, tools, &mut lines, &mut journal, &mut course)?;
                if !whole {
                    return Ok(Ended::Stopped);
                }
            }
            for case in &plan.material.cases {
                if known.contains(&case.name) {
                    course.turns_done_before(builder, case.turns.len());
                    continue;
                }
                let built = match banks.of(case, builder, &model, &mut course) {
                    Ok(Some(built)) => built,
                    Ok(None) => return Ok(Ended::Stopped),
                    Err(EvaluateError::Pipeline(why)) => {
                        course.say(&format!("{builder}, {}: left out: {why}", case.name));
                        *left_out
                            .entry(format!("{builder}: its bank could not be built: {why}"))
                            .or_default() += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let mut values = of_bank(case, &built.bank)?;
                if let Some(cost) = &built.cost {
                    let share = cost.failed as f64 / (cost.turns as f64).max(1.0);
                    values.insert("failed_turns".to_owned(), (share, cost.turns as f64));
                    let ms = cost.ms / (cost.turns as f64).max(1.0);
                    values.insert("turn_ms".to_owned(), (ms, cost.turns as f64));
                }
                let category = if case.story.is_some() { STORY } else { CONVERSATION }.to_owned();
                let line =
                    Measured { system: builder.to_string(), item: case.name.clone(), category, values };
                journal.add(&line)?;
                lines.push(line);
            }
        }
    }
    drop(course);
    made(plan, tools, &builders, &lines, &tasks, left_out).write(plan.out)?;
    Ok(Ended::Whole)
}

/// Whether it has operations of its own, which gold does not know.
fn is_mem0(builder: Builder) -> bool {
    matches!(builder, Builder::Mem0 { .. })
}

/// The turns of the stories, as many as the limit allows.
fn tasks(plan: &Plan<'_>, settings: OperationsSettings) -> Result<Vec<Task>, EvaluateError> {
    let rewards = Arc::new(ManagerRewards::default());
    let mut tasks = Vec::new();
    for case in &plan.material.cases {
        let Some(story) = &case.story else { continue };
        let scenes =
            scenes(story.as_ref().clone(), &Config::default(), &rewards).map_err(EvaluateError::pipeline)?;
        let named = scenes.into_iter().enumerate().take(case.turns.len());
        tasks.extend(named.map(|(at, scene)| Task { id: format!("{}/{at}", case.name), scene }));
    }
    if let Some(limit) = settings.limit {
        Rng::with_seed(plan.seed).shuffle(&mut tasks);
        tasks.truncate(limit);
    }
    Ok(tasks)
}

fn work(plan: &Plan<'_>, builders: &BTreeSet<Builder>, tasks: usize) -> BTreeMap<String, usize> {
    let turns: usize = plan.material.cases.iter().map(|case| case.turns.len()).sum();
    let mut work = BTreeMap::new();
    for builder in builders {
        work.insert(Course::building(*builder), turns);
        if !is_mem0(*builder) {
            work.insert(playing(*builder), tasks);
        }
    }
    work
}

fn playing(builder: Builder) -> String {
    format!("gold turns for {builder}")
}

/// Works turns from the gold bank; false where the run was stopped.
#[allow(clippy::too_many_arguments)] // a run's state, handed down once
fn play(
    builder: Builder,
    tasks: &[Task],
    known: &BTreeSet<String>,
    model: &Model<'_>,
    tools: &Tools<'_>,
    lines: &mut Vec<Measured>,
    journal: &mut Journal,
    course: &mut Course,
) -> Result<bool, EvaluateError> {
    course.before(&playing(builder), tasks.iter().filter(|task| known.contains(&task.id)).count());
    for task in tasks.iter().filter(|task| !known.contains(&task.id)) {
        if tools.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let started = Instant::now();
        let played = task.scene.play(model.get()?).map_err(EvaluateError::pipeline)?;
        let counted = played.operations;
        let mut values = Values::new();
        let mut put = |name: &str, some: usize, all: usize| {
            if all > 0 {
                values.insert(name.to_owned(), (some as f64 / all as f64, all as f64));
            }
        };
        put("operation_accuracy", counted.right, counted.facts);
        put("update_targets", counted.updates.right, counted.updates.gold);
        put("delete_targets", counted.deletes.right, counted.deletes.gold);
        put("fragmentation", counted.fragmented.replaced + counted.fragmented.beside, counted.updates.gold);
        let failed = played.parts.iter().find(|(name, _)| name == "failed").map_or(0.0, |(_, value)| *value);
        values.insert("failed_turns".to_owned(), (failed, 1.0));
        let line = Measured {
            system: builder.to_string(),
            item: task.id.clone(),
            category: TURN.to_owned(),
            values,
        };
        journal.add(&line)?;
        lines.push(line);
        course.piece(&playing(builder), started.elapsed());
    }
    Ok(true)
}

/// What a bank is like: against gold where that is known, against the notes that a person made, and against the turns.
pub(super) fn of_bank(case: &Case, bank: &Arc<dyn Bank>) -> Result<Values, EvaluateError> {
    let space = SpaceId::default();
    let mut memories = bank.memories(&space).map_err(EvaluateError::pipeline)?;
    memories.retain(|memory| memory.state == MemoryState::Current);
    let turns = bank.turns(&space).map_err(EvaluateError::pipeline)?;
    let names = Words::of_all(turns.iter().map(|turn| turn.speaker.as_str()), &Words::default());
    let read = texts_read(&turns);
    let said: Vec<Words> = memories.iter().map(|memory| Words::of(&memory.text, &names)).collect();

    let (mut words, mut unsupported, mut inventing, mut twice) = (0, 0, 0, 0);
    for (at, (memory, own)) in memories.iter().zip(&said).enumerate() {
        let texts = memory.sources.iter().filter_map(|turn| read.get(turn)).map(String::as_str);
        let support = Words::of_all(texts, &names);
        let missing = own.len() - own.shared(&support);
        words += own.len();
        unsupported += missing;
        inventing += usize::from(missing > 0);
        twice += usize::from(said[..at].iter().any(|other| own.likeness(other) >= TWICE));
    }
    let mut values = Values::new();
    let mut put = |name: &str, some: usize, all: usize| {
        if all > 0 {
            values.insert(name.to_owned(), (some as f64 / all as f64, all as f64));
        }
    };
    put("invented", unsupported, words);
    put("invented_memories", inventing, memories.len());
    put("duplicates", twice, memories.len());
    let notes: Vec<Words> = case
        .noted
        .iter()
        .flatten()
        .map(|note| Words::of(note, &names))
        .filter(|note| !note.is_empty())
        .collect();
    let kept = notes.iter().filter(|note| said.iter().any(|own| note.covered_by(own) >= KEPT)).count();
    put("kept", kept, notes.len());
    put("lost", notes.len() - kept, notes.len());
    values.insert("memories".to_owned(), (memories.len() as f64, 1.0));
    if let (Some(story), Some(last)) = (&case.story, case.turns.len().checked_sub(1)) {
        let texts: Vec<&str> = memories.iter().map(|memory| memory.text.as_str()).collect();
        let score = bank_score(story, last, &texts);
        let mut put = |name: &str, value: f64| values.insert(name.to_owned(), (value, 1.0));
        // An empty bank says nothing that could be right or wrong.
        if !texts.is_empty() {
            put("bank_precision", score.precision);
        }
        put("bank_recall", score.recall);
        put("bank_f1", score.f1());
    }
    Ok(values)
}

/// For each turn, what the engine reads when it works it: itself and the turns of its session before it, dates resolved as
/// the engine resolves them.
fn texts_read(turns: &[Turn]) -> HashMap<TurnId, String> {
    // As many as the engine may read: see `Config::context_turns`.
    let before = Config::default().context_turns + 2;
    let annotated = |turn: &Turn| {
        let caption = turn.image.as_deref().unwrap_or_default();
        let date = turn.time.date_in_words();
        format!("{} {caption} {date}", when::annotate(&turn.text, turn.time))
    };
    let mut read = HashMap::with_capacity(turns.len());
    for (at, turn) in turns.iter().enumerate() {
        let near = turns[at.saturating_sub(before)..=at].iter().filter(|near| near.session == turn.session);
        read.insert(turn.id, near.map(annotated).collect::<Vec<_>>().join("\n"));
    }
    read
}

fn made(
    plan: &Plan<'_>,
    tools: &Tools<'_>,
    builders: &BTreeSet<Builder>,
    lines: &[Measured],
    tasks: &[Task],
    left_out: BTreeMap<String, usize>,
) -> Report {
    let mut items: BTreeMap<&str, Item> = BTreeMap::new();
    let hash_of: HashMap<&str, String> =
        plan.material.cases.iter().map(|case| (case.name.as_str(), fingerprint(&case.turns))).collect();
    let wanted: BTreeSet<&str> =
        tasks.iter().map(|task| task.id.as_str()).chain(hash_of.keys().copied()).collect();
    for line in lines.iter().filter(|line| wanted.contains(line.item.as_str())) {
        let case = line.item.rsplit_once('/').map_or(line.item.as_str(), |(case, _)| case);
        let item = items.entry(&line.item).or_insert_with(|| Item {
            id: line.item.clone(),
            category: line.category.clone(),
            fingerprint: hash_of.get(case).cloned().unwrap_or_default(),
            values: BTreeMap::new(),
        });
        item.values.insert(line.system.clone(), line.values.clone());
    }
    let items: Vec<Item> = items.into_values().collect();
    let systems = builders.iter().map(|builder| {
        let name = builder.to_string();
        SystemReport {
            groups: groups(&items, &name, plan.resamples, plan.seed),
            name,
            ..SystemReport::default()
        }
    });
    let mut notes = plan.material.notes.clone();
    if tools.embedder.is_none() {
        notes.push("no embedder: memories were looked up by words only".to_owned());
    }
    Report { systems: systems.collect(), items, left_out, notes, ..Report::of(plan) }
}

/// Names a conversation by its turns.
fn fingerprint(turns: &[NewTurn]) -> String {
    let mut hash = Sha256::new();
    for turn in turns {
        hash.update((turn.text().len() as u64).to_le_bytes());
        hash.update(turn.text());
    }
    hex(hash)[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_core::bank::{Commit, MemoryBank, MemoryWrite, TurnOutcome};
    use keepsake_core::testing::memory;
    use keepsake_core::types::Timestamp;
    use keepsake_dialogues::questions::Layout;

    fn bank(turns: &[NewTurn], memories: &[(&str, u64)]) -> Arc<dyn Bank> {
        let bank = MemoryBank::new();
        for (at, turn) in turns.iter().enumerate() {
            let id = bank.append(turn, Timestamp::from_seconds(0)).unwrap().id;
            let own = memories.iter().enumerate().filter(|(_, (_, of))| *of == at as u64);
            let writes = own.map(|(nth, (text, _))| {
                let memory =
                    keepsake_core::types::Memory { sources: vec![id], ..memory(nth as u64 + 1, text) };
                MemoryWrite { memory, expects: None, vector: None }
            });
            let outcome = TurnOutcome::Done(Vec::new());
            bank.commit(&Commit { turn: id, outcome, writes: writes.collect(), read: Vec::new() }).unwrap();
        }
        Arc::new(bank)
    }

    #[test]
    fn what_is_kept_lost_invented_and_twice_is_counted_by_words() {
        let at: Timestamp = "2024-03-02T10:15".parse().unwrap();
        let turn = |speaker: &str, text: &str| NewTurn::new(speaker, text, at).unwrap();
        let turns = vec![turn("Alex", "I have two black dogs."), turn("Sam", "I moved to Leeds yesterday.")];
        let memories = [
            ("Alex has two black dogs.", 0),
            ("Alex has two black dogs now.", 0),
            ("Sam moved to Leeds on 1 March 2024 with his wife.", 1),
        ];
        let bank = bank(&turns, &memories);
        let case = Case {
            name: "c".into(),
            layout: Layout::Msc,
            turns,
            questions: Vec::new(),
            noted: vec![
                vec!["I have dogs.".into(), "I love jazz music.".into()],
                vec!["I live in Leeds.".into()],
            ],
            gold: None,
            story: None,
        };
        let values = of_bank(&case, &bank).unwrap();
        // By hand. Of moved, leeds, 1, march, 2024, wife only the last is nowhere; of the dogs all is said.
        let [dogs, leeds] = [3.0, 6.0];
        let close = |name: &str, value: f64, weight: f64| {
            let found = values[name];
            assert!((found.0 - value).abs() < 1e-12 && (found.1 - weight).abs() < 1e-12, "{name}: {found:?}");
        };
        close("invented", 1.0 / (2.0 * dogs + leeds), 2.0 * dogs + leeds);
        close("invented_memories", 1.0 / 3.0, 3.0);
        close("duplicates", 1.0 / 3.0, 3.0);
        // The dogs are kept; of jazz nothing; of live, leeds only one.
        close("kept", 1.0 / 3.0, 3.0);
        close("lost", 2.0 / 3.0, 3.0);
        close("memories", 3.0, 1.0);
    }
}
