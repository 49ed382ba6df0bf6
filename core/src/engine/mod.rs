//! The engine: owns bank, indexes, model and embedder, and is the only thing a host talks to.
//!
//! One writer, many readers: changes of the bank are made under one lock, held for milliseconds and never
//! while a model runs; the queue is worked under another, so that `append` stays quick meanwhile. It decides
//! nothing: the order of events stands in `pipeline`.
//!
//! Rooms it touches: all above it.

mod error;
mod past;
mod remedy;
mod retention;
mod revise;

pub use self::error::{
    AppendError, ForgetError, OpenError, ProcessError, RememberError, ReviseError, SearchError,
};
pub use self::past::Moment;
pub use self::remedy::{Remediable, Remedy};
pub use self::revise::{Imported, Selection, Undone};

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::bank::{
    Appended, Bank, BankError, BankKey, Commit, Counts, MemoryWrite, Recovery, SledBank, TurnOutcome,
};
use crate::config::{Config, Take};
use crate::embed::{Embedder, Vector};
use crate::heap;
use crate::index::SpaceIndex;
use crate::model::{LanguageModel, Usage};
use crate::pipeline::ahead::Ahead;
use crate::pipeline::answer::{self, Answer, AskError};
use crate::pipeline::remember::{self, Tools, WorkError};
use crate::pipeline::retrieve::{self, Filter, Hit, Kind, Meaning, Query, Retrieved};
use crate::types::{
    Cancel, Memory, MemoryId, MemoryState, NewTurn, Question, SpaceId, Timestamp, Turn, TurnId, UnitId,
};

/// What an engine is made of. The clock is the host's: the engine never reads the device's.
#[derive(Clone)]
pub struct Setup {
    /// The language model; without one, turns are kept and can be searched, and the queue waits.
    pub model: Option<Arc<dyn LanguageModel>>,
    /// The embedder; without one, search is by words only.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// The host's key. With one a new bank is sealed, and one that is there must have been sealed by it.
    pub key: Option<BankKey>,
    /// The settings.
    pub config: Config,
    /// Record time, UTC.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Setup {
    /// No model, no embedder, default settings.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { model: None, embedder: None, key: None, config: Config::default(), clock: Arc::new(clock) }
    }

    /// With a language model.
    #[must_use]
    pub fn with_model(mut self, model: Arc<dyn LanguageModel>) -> Self {
        self.model = Some(model);
        self
    }

    /// With the host's key: the bank is sealed.
    #[must_use]
    pub fn with_key(mut self, key: BankKey) -> Self {
        self.key = Some(key);
        self
    }

    /// With an embedder.
    #[must_use]
    pub fn with_embedder(mut self, embedder: Arc<dyn Embedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// With other settings.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }
}

/// The device's clock, UTC, for hosts that have no reason to bring another. Core itself never reads it.
pub fn device_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// How much of the queue to work. What is left stays, and the next call goes on with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Most turns; `None`: all.
    pub turns: Option<usize>,
    /// Most time; a turn that is cut short by it still waits. The graph of a large space, which takes minutes and cannot
    /// be stopped, is only made without a limit.
    pub time: Option<Duration>,
}

/// What `process` did.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Turns worked through, failures included.
    pub turns: usize,
    /// Of these, turns whose outcome is a failure.
    pub failed: usize,
    /// Memories and turns that [`Retention`](crate::config::Retention) keeps no longer.
    pub forgotten: usize,
    /// Why it ended.
    pub ended: Ended,
    /// What the model calls cost.
    pub usage: Usage,
}

/// Why `process` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing waits any more.
    Empty,
    /// The budget was used up.
    Budget,
    /// The caller stopped it.
    Cancelled,
    /// The host paused the queue, see [`Engine::set_effort`].
    Paused,
    /// There is no language model; vectors were made up for, and the queue waits.
    NoModel,
}

/// How hard the queue may be worked. Answers are always given at full speed: somebody waits for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effort {
    /// As fast as it goes.
    #[default]
    Full,
    /// Resting as long as it computes: the device is hot, or its battery low.
    Gentle,
    /// Not at all: the app is in the background, say.
    Paused,
}

/// What became of one turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The turn.
    pub turn: TurnId,
    /// Its outcome, operation by operation.
    pub outcome: TurnOutcome,
    /// What it cost.
    pub usage: Usage,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The words.
    pub text: String,
    /// How many units are wanted.
    pub take: Take,
    /// Which units may be found.
    pub filter: Filter,
    /// When it is asked, on the asker's wall clock: what "last week" is resolved against. `None`: by the host's clock.
    pub asked: Option<Timestamp>,
}

impl Search {
    /// For the best `k` of all memories and turns.
    pub fn best(text: &str, k: usize) -> Self {
        Self { text: text.to_owned(), take: Take::Best(k), filter: Filter::default(), asked: None }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// Best first.
    pub found: Vec<Found>,
    /// Whether meaning counted.
    pub meaning: Meaning,
}

/// A search hit with what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The unit and its scores.
    pub hit: Hit,
    /// Who said it.
    pub speaker: String,
    /// When, on the speaker's wall clock.
    pub time: Timestamp,
    /// The words.
    pub text: String,
}

/// A space in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Of turns, memories and outcomes.
    pub counts: Counts,
    /// Failed turns by step and reason.
    pub failures: BTreeMap<String, u64>,
    /// What was done with facts, by operation, and by guard where the engine departed from the model.
    pub operations: BTreeMap<String, u64>,
}

/// An open bank with all that works on it. Cheap to clone; all clones are one engine. `Send + Sync`.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    bank: Arc<dyn Bank>,
    setup: Setup,
    /// Held while the bank and an index change together.
    writer: Mutex<()>,
    /// Held while the queue is worked.
    working: Mutex<()>,
    /// Thrown while the queue is paused.
    pause: Mutex<Cancel>,
    /// When it was last looked for what is to be forgotten unasked.
    retained: Mutex<Option<Timestamp>>,
    /// Indexes are built when a space is first used.
    spaces: RwLock<HashMap<SpaceId, Arc<RwLock<SpaceIndex>>>>,
}

impl Engine {
    /// Opens the bank in `folder` and verifies it, or makes one there. Indexes are built on first use.
    pub fn open(folder: &Path, setup: Setup) -> Result<Self, OpenError> {
        let bank = match &setup.key {
            Some(key) => SledBank::open_sealed(folder, key)?,
            None => SledBank::open(folder)?,
        };
        Ok(Self::with_bank(Arc::new(bank), setup))
    }

    /// An engine over any bank; the key of `setup` is then the bank's own affair.
    pub fn with_bank(bank: Arc<dyn Bank>, setup: Setup) -> Self {
        let (writer, working, pause, retained, spaces) = Default::default();
        Self(Arc::new(Inner { bank, setup, writer, working, pause, retained, spaces }))
    }

    /// Stores a turn, durably, and puts it into the queue. Takes milliseconds and asks no model. A turn whose
    /// reference its space already has is not stored again.
    pub fn append(&self, turn: NewTurn) -> Result<Appended, AppendError> {
        let turn = turn.checked()?;
        let inner = &*self.0;
        let _writer = lock(&inner.writer);
        let appended = inner.bank.append(&turn, (inner.setup.clock)()).inspect_err(|error| {
            if !matches!(error, BankError::ReferenceTaken { .. }) {
                inner.drop_index(&turn.space);
            }
        })?;
        if appended.new
            && let Some(index) = inner.built(&turn.space)
            && let Some(turn) = inner.bank.turn(appended.id)?
        {
            write(&index).add_turn(&turn);
        }
        Ok(appended)
    }

    /// Works the queue within `budget`: every turn becomes memories, or a failure that can be seen. `observe`
    /// hears of every turn as soon as it is committed. Before that, what the settings keep no longer is forgotten.
    pub fn process(
        &self,
        budget: &Budget,
        cancel: &Cancel,
        observe: &mut dyn FnMut(&Receipt),
    ) -> Result<Progress, ProcessError> {
        let inner = &*self.0;
        let _working = lock(&inner.working);
        let deadline = budget.time.and_then(|time| Instant::now().checked_add(time));
        let pause = lock(&inner.pause).clone();
        let stop = deadline.map_or_else(|| cancel.clone(), |deadline| cancel.until(deadline)).or(&pause);
        let forgotten = inner.forget_due()?;
        let mut progress =
            Progress { turns: 0, failed: 0, forgotten, ended: Ended::Empty, usage: Usage::default() };
        let ended = |stop: &Cancel| match (cancel.is_cancelled(), pause.is_cancelled(), stop.is_cancelled()) {
            (true, ..) => Some(Ended::Cancelled),
            (_, true, _) => Some(Ended::Paused),
            (.., true) => Some(Ended::Budget),
            _ => None,
        };
        inner.embed_rest(&stop)?;
        if budget.time.is_none() {
            inner.rebuild_graphs(&stop)?;
        }
        let ahead = inner.setup.model.as_deref().map(Ahead::new);
        let mut asked_ahead = 0;
        loop {
            if asked_ahead == 0
                && let Some(ahead) = &ahead
            {
                progress.usage += ahead.wasted();
            }
            if let Some(ended) = ended(&stop) {
                progress.ended = ended;
                return Ok(progress);
            }
            let Some(id) = inner.bank.next_waiting(None)? else { return Ok(progress) };
            let Some(model) = &ahead else {
                progress.ended = Ended::NoModel;
                return Ok(progress);
            };
            let left = budget.turns.map_or(usize::MAX, |most| most.saturating_sub(progress.turns));
            if left == 0 {
                progress.ended = Ended::Budget;
                return Ok(progress);
            }
            if asked_ahead == 0 {
                asked_ahead = inner.ask_ahead(model, left, &stop)?;
            }
            asked_ahead = asked_ahead.saturating_sub(1);
            match inner.work(model, id, &stop) {
                Ok(receipt) => {
                    progress.turns += 1;
                    progress.failed += usize::from(matches!(receipt.outcome, TurnOutcome::Failed { .. }));
                    progress.usage += receipt.usage;
                    observe(&receipt);
                }
                Err(WorkError::Cancelled) => {
                    progress.ended = ended(&stop).unwrap_or(Ended::Cancelled);
                    return Ok(progress);
                }
                // The bank moved under the turn, by `forget`: it is worked again.
                Err(WorkError::Bank(BankError::Conflict { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says how hard the queue may be worked from now on. Pausing stops work that is under way within a step of the
    /// model, by default 60 ms; the turn that was being worked still waits, and `process` goes on with it later.
    pub fn set_effort(&self, effort: Effort) {
        let mut pause = lock(&self.0.pause);
        match (effort, pause.is_cancelled()) {
            (Effort::Paused, _) => pause.cancel(),
            (_, true) => *pause = Cancel::new(),
            _ => {}
        }
        if let Some(model) = &self.0.setup.model {
            model.set_gentle(effort == Effort::Gentle);
        }
    }

    /// Gives back memory that the system is short of: indexes and the model's working memory, the latter as soon as the
    /// model has done what it is at (pause the queue first where that matters). Nothing is lost; what comes next takes
    /// longer, a search of a large space by seconds.
    pub fn release_memory(&self) {
        let inner = &*self.0;
        if let Some(model) = &inner.setup.model {
            model.release_memory();
        }
        let _writer = lock(&inner.writer);
        inner.spaces.write().unwrap_or_else(PoisonError::into_inner).clear();
        heap::give_back();
    }

    /// Stores a turn and works the queue up to it: its receipt.
    pub fn remember(&self, turn: NewTurn, cancel: &Cancel) -> Result<Receipt, RememberError> {
        let id = self.append(turn)?.id;
        let mut receipt = None;
        loop {
            if let Some(outcome) = self.0.bank.outcome(id)? {
                let done_before = Receipt { turn: id, outcome, usage: Usage::default() };
                return Ok(receipt.unwrap_or(done_before));
            }
            let one = Budget { turns: Some(1), time: None };
            let progress = self.process(&one, cancel, &mut |done| {
                if done.turn == id {
                    receipt = Some(done.clone());
                }
            })?;
            match progress.ended {
                Ended::Empty | Ended::Budget => {}
                Ended::Cancelled => return Err(RememberError::Cancelled { turn: id }),
                Ended::Paused if lock(&self.0.pause).is_cancelled() => {
                    return Err(RememberError::Paused { turn: id });
                }
                // It was resumed meanwhile.
                Ended::Paused => {}
                Ended::NoModel => return Err(RememberError::NoModel { turn: id }),
            }
            if self.0.bank.turn(id)?.is_none() {
                return Err(RememberError::Gone { turn: id });
            }
        }
    }

    /// Answers a question from what is remembered. Pieces of the answer go to `sink` as they come; a sink
    /// that breaks stops the answer.
    pub fn ask(
        &self,
        question: &Question,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer, AskError> {
        let inner = &*self.0;
        let model = inner.setup.model.as_deref().ok_or(AskError::NoModel)?;
        let config = &inner.setup.config;
        let kind = if config.answers_from_turns { Kind::Any } else { Kind::Memory };
        let filter = Filter { kind, ..Filter::default() };
        let search = Search { take: config.retrieved, filter, ..Search::best(question.text(), 0) };
        let retrieved = inner.retrieve(&question.space, &search)?;
        let answer = answer::answer(inner.bank.as_ref(), model, config, question, &retrieved, cancel, sink)?;
        if config.note_use {
            let used: Vec<MemoryId> = answer.used.iter().filter_map(|used| used.unit.memory()).collect();
            // The answer is there all the same.
            if let Err(error) = inner.bank.note_use(&used, (inner.setup.clock)()) {
                log::warn!("the use of memories was not noted: {error}");
            }
        }
        Ok(answer)
    }

    /// The best `k` memories and turns for a text, without a language model: [`Engine::find`] in short.
    pub fn search(&self, space: &SpaceId, text: &str, k: usize) -> Result<Vec<Found>, SearchError> {
        Ok(self.find(space, &Search::best(text, k))?.found)
    }

    /// The memories and turns that fit a search best, without a language model. While an embedder's vectors are still
    /// made, or without one, it goes by words and says so.
    pub fn find(&self, space: &SpaceId, search: &Search) -> Result<Findings, SearchError> {
        let Retrieved { hits, meaning } = self.0.retrieve(space, search)?;
        let mut found = Vec::with_capacity(hits.len());
        for hit in hits {
            let (speaker, time, text) = match hit.unit {
                UnitId::Memory(id) => match self.0.bank.memory(id)? {
                    Some(memory) => (memory.speaker, memory.valid_from, memory.text),
                    None => continue,
                },
                UnitId::Turn(id) => match self.0.bank.turn(id)? {
                    Some(turn) => (turn.speaker, turn.time, turn.text),
                    None => continue,
                },
            };
            found.push(Found { hit, speaker, time, text });
        }
        Ok(Findings { found, meaning })
    }

    /// The memories of a space that hold, by id.
    pub fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        let mut memories = self.0.bank.memories(space)?;
        memories.retain(|memory| memory.state == MemoryState::Current);
        Ok(memories)
    }

    /// The newest version of a memory, also of a retired one.
    pub fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError> {
        self.0.bank.memory(id)
    }

    /// All versions of a memory, oldest first.
    pub fn history(&self, id: MemoryId) -> Result<Vec<Memory>, BankError> {
        self.0.bank.history(id)
    }

    /// A turn.
    pub fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError> {
        self.0.bank.turn(id)
    }

    /// The turns of a space, oldest first.
    pub fn turns(&self, space: &SpaceId) -> Result<Vec<Turn>, BankError> {
        self.0.bank.turns(space)
    }

    /// What became of a turn; `None` while it waits.
    pub fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        self.0.bank.outcome(id)
    }

    /// Puts a turn that failed back into the queue; false where it did not fail.
    pub fn retry(&self, id: TurnId) -> Result<bool, BankError> {
        let _writer = lock(&self.0.writer);
        self.0.bank.requeue(id)
    }

    /// What opening the bank had to put right, losing nothing that was acknowledged.
    pub fn recovered(&self) -> &[Recovery] {
        self.0.bank.recovered()
    }

    /// Reads the whole bank on the disk again and compares it with what was written to it.
    pub fn verify(&self) -> Result<(), BankError> {
        self.0.bank.verify()
    }

    /// Writes the bank's files anew, as small as they can be, and removes what opening set aside.
    pub fn compact(&self) -> Result<(), BankError> {
        self.0.bank.compact()
    }

    /// All spaces that hold something.
    pub fn spaces(&self) -> Result<Vec<SpaceId>, BankError> {
        self.0.bank.spaces()
    }

    /// A space in numbers. Reads all its turns' outcomes.
    pub fn stats(&self, space: &SpaceId) -> Result<Stats, BankError> {
        let mut stats = Stats {
            counts: self.0.bank.counts(space)?,
            failures: BTreeMap::new(),
            operations: BTreeMap::new(),
        };
        for turn in self.0.bank.turns(space)? {
            match self.0.bank.outcome(turn.id)? {
                Some(TurnOutcome::Failed { step, reason }) => {
                    count(&mut stats.failures, &format!("{step:?}/{reason:?}"))
                }
                Some(TurnOutcome::Done(applied)) => {
                    for one in applied {
                        count(&mut stats.operations, &format!("{:?}", one.operation).to_uppercase());
                        if let Some(guard) = one.guard {
                            count(&mut stats.operations, &format!("guard/{guard:?}"));
                        }
                    }
                }
                Some(TurnOutcome::Undone(_)) | None => {}
            }
        }
        Ok(stats)
    }
}

impl Inner {
    /// Works one turn and commits it.
    fn work(&self, model: &dyn LanguageModel, id: TurnId, stop: &Cancel) -> Result<Receipt, WorkError> {
        let conflict = BankError::Conflict { turn: id };
        let turn = self.bank.turn(id)?.ok_or(conflict)?;
        let (commit, usage) =
            self.with_tools(model, &turn.space, |tools| remember::work(tools, &turn, stop))??;
        self.commit(&turn.space, &commit)?;
        Ok(Receipt { turn: id, outcome: commit.outcome, usage })
    }

    /// Asks a model that works on several completions at once what the next turns will be asked first: of how many
    /// turns. Nothing of it gets into the bank before those turns are worked.
    fn ask_ahead(&self, model: &Ahead<'_>, most: usize, stop: &Cancel) -> Result<usize, WorkError> {
        let most = most.min(model.at_once());
        if most < 2 {
            return Ok(0);
        }
        let (mut requests, mut turns, mut last) = (Vec::new(), 0, None);
        while turns < most
            && let Some(id) = self.bank.next_waiting(last)?
        {
            if let Some(turn) = self.bank.turn(id)? {
                let first = |tools: &Tools<'_>| remember::first_request(tools, &turn);
                requests.extend(self.with_tools(model, &turn.space, first)??);
            }
            turns += 1;
            last = Some(id);
        }
        model.ask(&requests, stop);
        Ok(turns)
    }

    fn with_tools<T>(
        &self,
        model: &dyn LanguageModel,
        space: &SpaceId,
        work: impl FnOnce(&Tools<'_>) -> T,
    ) -> Result<T, BankError> {
        let index = self.index(space)?;
        Ok(work(&Tools {
            bank: self.bank.as_ref(),
            model,
            embedder: self.setup.embedder.as_deref(),
            config: &self.setup.config,
            index: &|read: &mut dyn FnMut(&SpaceIndex)| {
                read(&index.read().unwrap_or_else(PoisonError::into_inner))
            },
            now: (self.setup.clock)(),
        }))
    }

    fn commit(&self, space: &SpaceId, commit: &Commit) -> Result<(), BankError> {
        let _writer = lock(&self.writer);
        if let Err(error) = self.bank.commit(commit) {
            self.drop_index(space);
            return Err(error);
        }
        if let Some(index) = self.built(space) {
            let mut index = write(&index);
            commit.writes.iter().for_each(|one| follow(&mut index, one));
        }
        Ok(())
    }

    /// The index must not know more than the bank, and a bank that failed may hold a change all the same: it is built
    /// again on next use.
    fn drop_index(&self, space: &SpaceId) {
        self.spaces.write().unwrap_or_else(PoisonError::into_inner).remove(space);
    }

    fn retrieve(&self, space: &SpaceId, search: &Search) -> Result<Retrieved, SearchError> {
        let (index, config) = (self.index(space)?, &self.setup.config);
        let read = || index.read().unwrap_or_else(PoisonError::into_inner);
        let embedder = self.setup.embedder.as_ref().filter(|_| most_have_vectors(&read()));
        let vector = match embedder {
            Some(embedder) => {
                let nameless =
                    config.ranking.nameless.then(|| retrieve::without_speakers(&read(), &search.text));
                let texts = [Some(search.text.as_str()), nameless.as_ref().and_then(Option::as_deref)];
                let texts: Vec<&str> = texts.into_iter().flatten().collect();
                Vector::mean(&remember::embed_all(embedder.as_ref(), &texts)?)
            }
            None => None,
        };
        let index = read();
        let meaning = match index.len() - index.embedded() {
            _ if vector.is_none() => Meaning::WordsOnly,
            0 => Meaning::Counted,
            missing => Meaning::CountedButFor(missing),
        };
        let asked = search.asked.or_else(|| Some((self.setup.clock)()));
        let query = Query { text: &search.text, vector: vector.as_ref(), asked };
        let wanted = search.filter.of(index.units());
        let hits = retrieve::retrieve(&index, config, &query, &wanted, search.take);
        Ok(Retrieved { hits, meaning })
    }

    /// Makes the vectors that are still missing: of turns as they came in, and of everything where the embedder is
    /// a new one. Those of an earlier embedder go when all of a space are there.
    fn embed_rest(&self, stop: &Cancel) -> Result<(), ProcessError> {
        let Some(embedder) = &self.setup.embedder else { return Ok(()) };
        for space in self.bank.spaces()? {
            while !stop.is_cancelled() {
                let index = self.index(&space)?;
                let units = index
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .unembedded(self.setup.config.embed_batch);
                if units.is_empty() {
                    self.bank.drop_other_vectors(&space, embedder.identity())?;
                    break;
                }
                let mut texts = Vec::with_capacity(units.len());
                for unit in &units {
                    texts.push(self.indexed_text(*unit)?.unwrap_or_default());
                }
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let vectors = remember::embed_all(embedder.as_ref(), &texts)?;
                let made = units.into_iter().zip(texts).zip(vectors);
                let _writer = lock(&self.writer);
                // What was changed or forgotten meanwhile is of another text now.
                let mut vectors: Vec<(UnitId, Vector)> = Vec::new();
                for ((unit, text), vector) in made {
                    if self.indexed_text(unit)?.as_deref() == Some(text) {
                        vectors.push((unit, vector));
                    }
                }
                self.bank.put_vectors(embedder.identity(), &vectors)?;
                let mut index = write(&index);
                for (unit, vector) in &vectors {
                    index.put_vector(*unit, vector);
                }
            }
        }
        Ok(())
    }

    /// Builds the graphs of large spaces anew where that pays. Readers go on meanwhile.
    fn rebuild_graphs(&self, stop: &Cancel) -> Result<(), ProcessError> {
        for space in self.bank.spaces()? {
            let Some(index) = self.built(&space) else { continue };
            if stop.is_cancelled() {
                break;
            }
            let stale = write(&index).stale_graph();
            if let Some(mark) = stale {
                let snapshot = index.read().unwrap_or_else(PoisonError::into_inner).snapshot(mark);
                let graph = snapshot.build();
                write(&index).adopt_graph(graph);
            }
        }
        Ok(())
    }

    fn indexed_text(&self, unit: UnitId) -> Result<Option<String>, BankError> {
        Ok(match unit {
            UnitId::Memory(id) => self.bank.memory(id)?.map(|memory| memory.indexed_text()),
            UnitId::Turn(id) => self.bank.turn(id)?.map(|turn| turn.indexed_text()),
        })
    }

    fn built(&self, space: &SpaceId) -> Option<Arc<RwLock<SpaceIndex>>> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner).get(space).cloned()
    }

    /// The index of a space, built from the bank where it is not yet.
    fn index(&self, space: &SpaceId) -> Result<Arc<RwLock<SpaceIndex>>, BankError> {
        if let Some(index) = self.built(space) {
            return Ok(index);
        }
        let _writer = lock(&self.writer);
        if let Some(index) = self.built(space) {
            return Ok(index);
        }
        let vectors = match &self.setup.embedder {
            Some(embedder) => self.bank.vectors(space, embedder.identity())?,
            None => Vec::new(),
        };
        let (turns, memories) = (self.bank.turns(space)?, self.bank.memories(space)?);
        let index = Arc::new(RwLock::new(SpaceIndex::build(&self.setup.config, &turns, &memories, &vectors)));
        self.spaces.write().unwrap_or_else(PoisonError::into_inner).insert(space.clone(), Arc::clone(&index));
        Ok(index)
    }
}

/// Brings the index up to what was written.
fn follow(index: &mut SpaceIndex, write: &MemoryWrite) {
    index.put_memory(&write.memory);
    if let Some((_, vector)) = &write.vector {
        index.put_vector(UnitId::Memory(write.memory.id), vector);
    }
}

/// Whether meaning can count: cosines of a few units say how these compare, not how they stand among the rest.
fn most_have_vectors(index: &SpaceIndex) -> bool {
    index.embedded() > 0 && 2 * index.embedded() >= index.len()
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    *counts.entry(key.to_owned()).or_default() += 1;
}

/// A lock whose holder panicked guards nothing half-done: the bank changes in one transaction, and indexes
/// are built again where in doubt.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(index: &RwLock<SpaceIndex>) -> std::sync::RwLockWriteGuard<'_, SpaceIndex> {
    index.write().unwrap_or_else(PoisonError::into_inner)
}
