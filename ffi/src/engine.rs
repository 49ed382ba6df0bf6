//! The engine's own door: one call of core for each method.
//!
//! Rooms it touches: core.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use keepsake_core as core;
use keepsake_core::bank::{BankKey, SledBank};
use keepsake_core::types::{self, MemoryId, Question, SpaceId, TurnId};
use keepsake_core::{Setup, transfer};
use zeroize::Zeroize;

use crate::hosts::{AnswerSink, HostError, WorkObserver};
use crate::models::{Embedder, LanguageModel};
use crate::records::{
    Answer, Appended, Budget, Counts, Effort, EngineSettings, ExportFormat, Findings, Memory, Moved, NewTurn,
    Outcome, QueueProgress, Receipt, Search, Selection, Turn, Undone, UnitId,
};
use crate::switch::{self, Cancel};
use crate::{KeepsakeError, records};

type Result<T> = std::result::Result<T, KeepsakeError>;

/// What an engine is made of.
#[derive(uniffi::Record)]
pub struct EngineOptions {
    /// The host's key, 32 random bytes: a new bank is sealed by it, and one that is there must have been.
    #[uniffi(default = None)]
    pub key: Option<Vec<u8>>,
    /// The language model; without one turns are kept and can be searched, and the queue waits.
    #[uniffi(default = None)]
    pub model: Option<Arc<LanguageModel>>,
    /// The embedder; without one search is by words only.
    #[uniffi(default = None)]
    pub embedder: Option<Arc<Embedder>>,
    /// The settings; none: the defaults.
    #[uniffi(default = None)]
    pub settings: Option<EngineSettings>,
}

/// An open bank with all that works on it.
#[derive(uniffi::Object)]
pub struct Engine(RwLock<Option<core::Engine>>);

#[uniffi::export]
impl Engine {
    /// Opens the bank in a folder and verifies it, or makes one there.
    #[uniffi::constructor]
    pub fn open(folder: String, options: EngineOptions) -> Result<Arc<Self>> {
        let key = options.key.map(key).transpose()?;
        let setup = Setup {
            model: options.model.map(|model| Arc::clone(&model.0)),
            embedder: options.embedder.map(|embedder| Arc::clone(&embedder.0)),
            key,
            config: options.settings.map(Into::into).unwrap_or_default(),
            ..Setup::new(core::device_clock)
        };
        let engine = core::Engine::open(Path::new(&folder), setup).map_err(KeepsakeError::of)?;
        Ok(Self::over(engine))
    }

    /// Stores a turn, durably, and puts it into the queue. Takes milliseconds and asks no model.
    pub fn append(&self, turn: NewTurn) -> Result<Appended> {
        let appended = self.core()?.append(turn.try_into().map_err(KeepsakeError::of)?);
        let core::bank::Appended { id, new } = appended.map_err(KeepsakeError::of)?;
        Ok(Appended { turn: id.0, is_new: new })
    }

    /// Works the queue within a budget: every turn becomes memories, or a failure that can be seen.
    #[uniffi::method(default(budget = None, cancel = None, observer = None))]
    pub fn process(
        &self,
        budget: Option<Budget>,
        cancel: Option<Arc<Cancel>>,
        observer: Option<Arc<dyn WorkObserver>>,
    ) -> Result<QueueProgress> {
        let (cancel, mut failed) = (switch::of(cancel.as_ref()), None);
        let stop = types::Cancel::new();
        let both = cancel.or(&stop);
        let mut observe = |receipt: &core::Receipt| {
            let Some(observer) = observer.as_ref().filter(|_| failed.is_none()) else { return };
            if let Err(error) = observer.worked(receipt.clone().into()) {
                failed = Some(error);
                stop.cancel();
            }
        };
        let progress = self.core()?.process(&budget.unwrap_or_default().into(), &both, &mut observe);
        or_failed(failed, progress.map_err(KeepsakeError::of)).map(QueueProgress::from)
    }

    /// Stores a turn and works the queue up to it.
    #[uniffi::method(default(cancel = None))]
    pub fn remember(&self, turn: NewTurn, cancel: Option<Arc<Cancel>>) -> Result<Receipt> {
        let turn = turn.try_into().map_err(KeepsakeError::of)?;
        let receipt = self.core()?.remember(turn, &switch::of(cancel.as_ref()));
        receipt.map(Receipt::from).map_err(KeepsakeError::of)
    }

    /// Answers a question from what a space holds. Pieces of the answer go to the sink as they come.
    #[uniffi::method(default(space = "default", cancel = None, sink = None))]
    pub fn ask(
        &self,
        question: String,
        space: String,
        cancel: Option<Arc<Cancel>>,
        sink: Option<Arc<dyn AnswerSink>>,
    ) -> Result<Answer> {
        let question = Question::new(self::space(&space)?, &question).map_err(KeepsakeError::of)?;
        let mut failed = None;
        let mut take = |piece: &str| match sink.as_ref().map_or(Ok(true), |sink| sink.text(piece.to_owned()))
        {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        let answer = self.core()?.ask(&question, &switch::of(cancel.as_ref()), &mut take);
        or_failed(failed, answer.map_err(KeepsakeError::of)).map(Answer::from)
    }

    /// The memories and turns that fit a search best, without a language model.
    pub fn search(&self, search: Search) -> Result<Findings> {
        let space = space(&search.space)?;
        let search = search.try_into().map_err(KeepsakeError::of)?;
        let found = self.core()?.find(&space, &search);
        found.map(Findings::from).map_err(KeepsakeError::of)
    }

    /// The memories of a space that hold, by id.
    #[uniffi::method(default(space = "default"))]
    pub fn memories(&self, space: String) -> Result<Vec<Memory>> {
        listed(self.core()?.memories(&self::space(&space)?))
    }

    /// The newest version of a memory, also of a retired one.
    pub fn memory(&self, id: u64) -> Result<Option<Memory>> {
        self.core()?.memory(MemoryId(id)).map(|memory| memory.map(Memory::from)).map_err(KeepsakeError::of)
    }

    /// All versions of a memory, oldest first.
    pub fn history(&self, id: u64) -> Result<Vec<Memory>> {
        listed(self.core()?.history(MemoryId(id)))
    }

    /// The turns of a space, oldest first.
    #[uniffi::method(default(space = "default"))]
    pub fn turns(&self, space: String) -> Result<Vec<Turn>> {
        listed(self.core()?.turns(&self::space(&space)?))
    }

    /// A turn.
    pub fn turn(&self, id: u64) -> Result<Option<Turn>> {
        self.core()?.turn(TurnId(id)).map(|turn| turn.map(Turn::from)).map_err(KeepsakeError::of)
    }

    /// What became of a turn; none while it waits.
    pub fn outcome(&self, turn: u64) -> Result<Option<Outcome>> {
        self.core()?
            .outcome(TurnId(turn))
            .map(|outcome| outcome.map(Outcome::from))
            .map_err(KeepsakeError::of)
    }

    /// Puts a turn that failed back into the queue; false where it did not fail.
    pub fn retry(&self, turn: u64) -> Result<bool> {
        self.core()?.retry(TurnId(turn)).map_err(KeepsakeError::of)
    }

    /// Takes back what these turns changed, as one step. The turns stay.
    pub fn undo(&self, turns: Vec<u64>) -> Result<Undone> {
        let turns: Vec<TurnId> = turns.into_iter().map(TurnId).collect();
        self.core()?.undo(&turns).map(Undone::from).map_err(KeepsakeError::of)
    }

    /// The memories of a space that wait to be confirmed: what an untrusted origin says against the user.
    #[uniffi::method(default(space = "default"))]
    pub fn quarantined(&self, space: String) -> Result<Vec<Memory>> {
        listed(self.core()?.quarantined(&self::space(&space)?))
    }

    /// The user vouches for a quarantined memory: it holds from now on.
    pub fn confirm(&self, memory: u64) -> Result<Memory> {
        self.core()?.confirm(MemoryId(memory)).map(Memory::from).map_err(KeepsakeError::of)
    }

    /// The turns and memories of a space that have something in common, turns first.
    #[uniffi::method(default(space = "default"))]
    pub fn select(&self, selection: Selection, space: String) -> Result<Vec<UnitId>> {
        listed(self.core()?.select(&self::space(&space)?, &selection.into()))
    }

    /// The memories that came from these turns.
    #[uniffi::method(default(space = "default"))]
    pub fn came_from(&self, turns: Vec<u64>, space: String) -> Result<Vec<u64>> {
        let turns: Vec<TurnId> = turns.into_iter().map(TurnId).collect();
        let came = self.core()?.came_from(&self::space(&space)?, &turns).map_err(KeepsakeError::of)?;
        Ok(came.into_iter().map(|memory| memory.0).collect())
    }

    /// Removes memories and turns with everything kept about them, as one step: nothing finds them any more, and no byte
    /// of them is left in the bank. How many there were.
    pub fn forget(&self, units: Vec<UnitId>) -> Result<u64> {
        let units: Vec<types::UnitId> = units.into_iter().map(Into::into).collect();
        self.core()?.forget_all(&units).map(|count| count as u64).map_err(KeepsakeError::of)
    }

    /// Removes all that a space holds. How many memories and turns there were.
    #[uniffi::method(default(space = "default"))]
    pub fn forget_everything(&self, space: String) -> Result<u64> {
        let gone = self.core()?.forget_everything(&self::space(&space)?).map_err(KeepsakeError::of)?;
        Ok(gone as u64)
    }

    /// The space as it was recorded at a moment (UTC), as an engine of its own in memory.
    #[uniffi::method(default(space = "default"))]
    pub fn as_recorded(&self, time: String, space: String) -> Result<Arc<Self>> {
        self.as_of(&space, core::Moment::Recorded(records::moment(&time)?))
    }

    /// What held at a moment, on the speakers' clocks, as far as is known now; as an engine of its own in memory.
    #[uniffi::method(default(space = "default"))]
    pub fn as_held(&self, time: String, space: String) -> Result<Arc<Self>> {
        self.as_of(&space, core::Moment::Held(records::moment(&time)?))
    }

    /// Writes what spaces hold into a new file, whole or not at all; all spaces where none are named.
    #[uniffi::method(default(spaces = [], format = None))]
    pub fn export_to(
        &self,
        file: String,
        spaces: Vec<String>,
        format: Option<ExportFormat>,
    ) -> Result<Moved> {
        let (engine, spaces) = (self.core()?, records::spaces(&spaces)?);
        let moved = transfer::to_file(Path::new(&file), false, |out| match format {
            Some(ExportFormat::Markdown) => engine.export_markdown(&spaces, out),
            Some(ExportFormat::Jsonl) | None => engine.export(&spaces, out),
        });
        moved.map(Moved::from).map_err(KeepsakeError::of)
    }

    /// Takes in an export; the bank must be empty. Vectors are made when the queue is next worked.
    pub fn import_from(&self, file: String) -> Result<Moved> {
        let unreadable = |error| KeepsakeError::of(transfer::ImportError::Read(error));
        let mut input = BufReader::new(File::open(&file).map_err(unreadable)?);
        let contents = transfer::read(&mut input).map_err(KeepsakeError::of)?;
        self.core()?.import(&contents).map(Moved::from).map_err(KeepsakeError::of)
    }

    /// All spaces that hold something.
    pub fn spaces(&self) -> Result<Vec<String>> {
        listed(self.core()?.spaces().map(|spaces| spaces.iter().map(SpaceId::to_string).collect::<Vec<_>>()))
    }

    /// A space in numbers.
    #[uniffi::method(default(space = "default"))]
    pub fn counts(&self, space: String) -> Result<Counts> {
        let stats = self.core()?.stats(&self::space(&space)?).map_err(KeepsakeError::of)?;
        Ok(stats.counts.into())
    }

    /// Closes the engine: every later call fails. Returns at once; the bank closes when the last call under way ends.
    pub fn shut_down(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Says how hard the queue may be worked from now on. Pausing stops work under way within about 60 ms.
    pub fn set_effort(&self, effort: Effort) {
        if let Ok(engine) = self.core() {
            engine.set_effort(effort.into());
        }
    }

    /// Gives back memory that the system is short of. Nothing is lost; what comes next takes longer.
    pub fn release_memory(&self) {
        if let Ok(engine) = self.core() {
            engine.release_memory();
        }
    }

    /// What opening the bank had to put right, in sentences, losing nothing that was acknowledged.
    pub fn recovered(&self) -> Vec<String> {
        let Ok(engine) = self.core() else { return Vec::new() };
        engine.recovered().iter().map(ToString::to_string).collect()
    }

    /// Reads the whole bank on the disk again and compares it with what was written to it.
    pub fn verify(&self) -> Result<()> {
        self.core()?.verify().map_err(KeepsakeError::of)
    }

    /// Writes the bank's files anew, as small as they can be.
    pub fn compact(&self) -> Result<()> {
        self.core()?.compact().map_err(KeepsakeError::of)
    }
}

impl Engine {
    fn over(engine: core::Engine) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Some(engine))))
    }

    /// The engine, for the length of one call.
    fn core(&self) -> Result<core::Engine> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| KeepsakeError::Closed("this bank was closed: open it again".to_owned()))
    }

    fn as_of(&self, space: &str, moment: core::Moment) -> Result<Arc<Self>> {
        let past = self.core()?.as_of(&self::space(space)?, moment).map_err(KeepsakeError::of)?;
        Ok(Self::over(past))
    }
}

/// Gives a sealed bank another key. The bank must not be open.
#[uniffi::export]
pub fn change_key(folder: String, old: Vec<u8>, new: Vec<u8>) -> Result<()> {
    let (old, new) = (key(old)?, key(new)?);
    SledBank::change_key(Path::new(&folder), &old, &new).map_err(KeepsakeError::of)
}

/// Makes a sound bank of what can be read in a folder where opening says it is damaged. What could not be read, in
/// sentences; nothing where the bank is whole.
#[uniffi::export(default(key = None))]
pub fn repair(folder: String, key: Option<Vec<u8>>) -> Result<Vec<String>> {
    let key = key.map(self::key).transpose()?;
    let repaired = SledBank::repair(Path::new(&folder), key.as_ref()).map_err(KeepsakeError::of)?;
    Ok(repaired.lost.iter().map(ToString::to_string).collect())
}

fn key(mut bytes: Vec<u8>) -> Result<BankKey> {
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map(BankKey::new);
    let length = bytes.len();
    bytes.zeroize();
    key.map_err(|_| {
        KeepsakeError::Invalid(format!("the key has {length} bytes: give one of 32 random bytes"))
    })
}

fn space(name: &str) -> Result<SpaceId> {
    records::space(name).map_err(KeepsakeError::of)
}

fn listed<T, U: From<T>>(list: std::result::Result<Vec<T>, core::bank::BankError>) -> Result<Vec<U>> {
    Ok(list.map_err(KeepsakeError::of)?.into_iter().map(U::from).collect())
}

/// What a host's callback failed with comes first: it is why the call was stopped.
fn or_failed<T>(failed: Option<HostError>, result: Result<T>) -> Result<T> {
    match failed {
        Some(error) => Err(KeepsakeError::Host(error.to_string())),
        None => result,
    }
}
