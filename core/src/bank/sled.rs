//! The bank on disk, over sled.
//!
//! ```text
//! folder/FORMAT   the format's number, written first and read before anything else
//! folder/LOCK     held exclusively while the bank is open
//! folder/store/   sled
//! ```
//!
//! All records and indexes live in one sled tree, told apart by the first byte of the key ([`Table`]):
//! one batch is then one atomic change, and code that changes the bank may scan while it decides, which
//! sled's transactions over several trees cannot. Records stand under their id, in codec's envelope;
//! indexes are keys without a value, so there is nothing in them to disagree with a record. Names in keys
//! carry their length, so that no range of one space can reach into another.
//!
//! One writer at a time: a change reads, decides, applies one batch and makes it durable before the next
//! begins. Readers wait only while a batch is applied, never for the disk, so they may see a change a few
//! milliseconds before it is durable.
//!
//! Not here: encryption, erasing the bytes of what was forgotten (sled keeps them in old segments until
//! it reuses those), rebuilding a store that does not open, and any search.
//!
//! What sled leaves open, and what stands in front of it: `flush` on Linux does not reach the disk's
//! cache, so the log is synced again through our own handle; a value near sled's segment size (512 KiB)
//! goes to a file of its own that sled does not sync, so a turn that large survives a killed process but
//! perhaps not a power cut; opening a mangled log can panic, which is caught; and sled logs keys and
//! values at level `trace`, which the host must leave off for the target `sled`.
//!
//! Rooms it touches: types, embed, bank.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use ::sled::transaction::TransactionError;
use ::sled::{Batch, Db};

use super::codec::{Counter, DecodeError, Record};
use super::{Appended, Bank, BankError, Commit, Counts, MemoryWrite, TurnOutcome};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, MemoryState, NewTurn, SpaceId, Timestamp, Turn, TurnId, UnitId};

/// The newest format of the folder that this version reads, and the one it writes.
const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const NEW_FORMAT_FILE: &str = "FORMAT.new";
const LOCK_FILE: &str = "LOCK";
const STORE_FOLDER: &str = "store";

/// Bytes of sled's page cache. sled's own default, 1 GiB, is a phone's whole budget. A guess: 10,000
/// memories are about 5 MiB, and vectors are read once, at start, into the index.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// sled gives its file lock back on a thread of its own after the last handle is dropped. Having the
/// folder's `LOCK` we know that nobody else holds it, and wait this long (a guess) for that thread.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// A bank in a folder of its own. Cheap to share; one open at a time.
pub struct SledBank {
    // Fields are dropped in this order: the store must be closed before the folder's lock is given back.
    db: Db,
    #[cfg(target_os = "linux")]
    log: File,
    folder: PathBuf,
    writing: Mutex<()>,
    applying: RwLock<()>,
    failed: AtomicBool,
    _lock: File,
}

impl SledBank {
    /// Opens the bank in the folder `path`, or makes one where the folder is empty or missing. A folder
    /// that holds anything else is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, BankError> {
        let failed = |source| open_error(path, source);
        make_folder(path).map_err(failed)?;
        refuse_foreign(path).map_err(failed)?;
        let lock = lock(path)?;
        read_or_write_format(path)?;
        let store = path.join(STORE_FOLDER);
        let db = open_store(path, &store)?;
        Ok(Self {
            db,
            #[cfg(target_os = "linux")]
            log: File::open(store.join("db")).map_err(failed)?,
            folder: path.to_owned(),
            writing: Mutex::new(()),
            applying: RwLock::new(()),
            failed: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// Bytes the bank's store takes on disk. It grows with every change and shrinks only when sled
    /// reuses its segments.
    pub fn size_on_disk(&self) -> Result<u64, BankError> {
        self.db.size_on_disk().map_err(store_error)
    }

    /// Runs `work`, which reads the bank and fills the batch, then applies the batch and makes it
    /// durable. Where `work` fails, nothing was applied.
    fn change<T>(
        &self,
        work: impl FnOnce(&View, &mut Change) -> Result<T, BankError>,
    ) -> Result<T, BankError> {
        let _writing = self.writing();
        self.healthy()?;
        let mut change = Change::default();
        let value = work(&View { db: &self.db }, &mut change)?;
        if change.empty() {
            return Ok(value);
        }
        let applied = self.apply(&change.batch).and_then(|()| self.make_durable());
        if applied.is_err() {
            // What is in memory may now differ from what is on disk: only opening again tells.
            self.failed.store(true, Ordering::Release);
        }
        applied.map(|()| value)
    }

    /// A transaction rather than `Db::apply_batch`, which would log the batch.
    fn apply(&self, batch: &Batch) -> Result<(), BankError> {
        let _applying = self.applying.write().unwrap_or_else(PoisonError::into_inner);
        let applied = self.db.transaction(|tree| Ok(tree.apply_batch(batch)?));
        applied.map_err(|error: TransactionError<()>| match error {
            TransactionError::Storage(source) => store_error(source),
            TransactionError::Abort(()) => store_error(io::Error::other("the transaction was aborted")),
        })
    }

    fn make_durable(&self) -> Result<(), BankError> {
        self.db.flush().map_err(store_error)?;
        #[cfg(target_os = "linux")]
        self.log.sync_data().map_err(store_error)?;
        Ok(())
    }

    /// Runs `work` on a bank in which no change is half applied.
    fn read<T>(&self, work: impl FnOnce(&View) -> Result<T, BankError>) -> Result<T, BankError> {
        self.healthy()?;
        let _reading: RwLockReadGuard<()> = self.applying.read().unwrap_or_else(PoisonError::into_inner);
        work(&View { db: &self.db })
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own: a thread that panicked under it left nothing half done.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn healthy(&self) -> Result<(), BankError> {
        if self.failed.load(Ordering::Acquire) {
            let what = "an earlier change failed on its way to the disk: open the bank again";
            return Err(store_error(io::Error::other(what)));
        }
        Ok(())
    }
}

impl std::fmt::Debug for SledBank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SledBank").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Bank for SledBank {
    fn append(&self, turn: &NewTurn, recorded: Timestamp) -> Result<Appended, BankError> {
        self.change(|view, change| {
            if let Some(id) = view.referenced(&turn.space, turn.reference.as_deref())? {
                return Ok(Appended { id, new: false });
            }
            let id = TurnId(view.counter(TURN_COUNTER)?);
            let turn = stored(turn, id, recorded);
            change.count(TURN_COUNTER, id.0)?;
            change.put(&turn_key(id), &turn)?;
            for key in turn_indexes(&turn) {
                change.mark(&key);
            }
            change.mark(&waiting_key(id));
            Ok(Appended { id, new: true })
        })
    }

    fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError> {
        self.read(|view| view.turn(id))
    }

    fn turns(&self, space: &SpaceId) -> Result<Vec<Turn>, BankError> {
        self.read(|view| view.turns(view.ids(&Key::new(Table::SpaceTurn).name(space.as_str()))))
    }

    fn preceding(&self, turn: &Turn, count: usize) -> Result<Vec<Turn>, BankError> {
        self.read(|view| {
            let session = Key::new(Table::SessionTurn).name(turn.space.as_str()).name(&turn.session);
            let before = session.clone().id(turn.id.0);
            let keys = view.db.range(session.0..before.0).keys().rev().take(count);
            let mut turns = view.turns(keys.map(id_at_end))?;
            turns.reverse();
            Ok(turns)
        })
    }

    fn next_waiting(&self, after: Option<TurnId>) -> Result<Option<TurnId>, BankError> {
        self.read(|view| {
            let queue = Key::new(Table::Waiting);
            // Ids start at 1, so "after none" and "after turn 0" are the same.
            let from = queue.clone().id(after.map_or(0, |id| id.0.saturating_add(1)));
            let first = view.db.range(from.0..queue.end()).keys().next();
            first.map(|key| id_at_end(key).map(TurnId)).transpose()
        })
    }

    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        self.read(|view| view.outcome(id))
    }

    fn requeue(&self, id: TurnId) -> Result<bool, BankError> {
        self.change(|view, change| {
            let Some(TurnOutcome::Failed { .. }) = view.outcome(id)? else { return Ok(false) };
            let Some(turn) = view.turn(id)? else { return Ok(false) };
            change.remove(&outcome_key(id));
            change.remove(&failed_key(&turn.space, id));
            change.mark(&waiting_key(id));
            Ok(true)
        })
    }

    fn next_memory_id(&self) -> Result<MemoryId, BankError> {
        self.read(|view| view.counter(MEMORY_COUNTER).map(MemoryId))
    }

    fn commit(&self, commit: &Commit) -> Result<(), BankError> {
        self.change(|view, change| {
            let previous = accept(view, commit)?;
            change.remove(&waiting_key(commit.turn));
            change.put(&outcome_key(commit.turn), &commit.outcome)?;
            if matches!(commit.outcome, TurnOutcome::Failed { .. })
                && let Some(turn) = view.turn(commit.turn)?
            {
                change.mark(&failed_key(&turn.space, commit.turn));
            }
            for (write, previous) in commit.writes.iter().zip(previous) {
                write_version(view, change, write, previous)?;
            }
            let highest = commit.writes.iter().filter(|write| write.expects.is_none()).map(|w| w.memory.id.0);
            highest.max().map_or(Ok(()), |id| change.count(MEMORY_COUNTER, id))
        })
    }

    fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError> {
        self.read(|view| view.memory(id))
    }

    fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        self.read(|view| view.memories(space))
    }

    fn history(&self, id: MemoryId) -> Result<Vec<Memory>, BankError> {
        self.read(|view| {
            let mut versions = view.superseded(id)?;
            versions.extend(view.memory(id)?);
            Ok(versions)
        })
    }

    fn forget_memory(&self, id: MemoryId) -> Result<bool, BankError> {
        self.change(|view, change| {
            let Some(newest) = view.memory(id)? else { return Ok(false) };
            drop_vectors(view, change, &newest.space, UnitId::Memory(id))?;
            change.remove(&memory_key(id));
            change.remove(&space_memory_key(&newest.space, id));
            for version in view.superseded(id)?.iter().chain([&newest]) {
                change.remove(&version_key(id, version.version));
                version.sources.iter().for_each(|turn| change.remove(&source_key(*turn, id)));
            }
            Ok(true)
        })
    }

    fn forget_turn(&self, id: TurnId) -> Result<bool, BankError> {
        self.change(|view, change| {
            let Some(turn) = view.turn(id)? else { return Ok(false) };
            drop_vectors(view, change, &turn.space, UnitId::Turn(id))?;
            for key in turn_indexes(&turn) {
                change.remove(&key);
            }
            for key in [turn_key(id), waiting_key(id), outcome_key(id), failed_key(&turn.space, id)] {
                change.remove(&key);
            }
            for memory in view.ids(&Key::new(Table::Source).id(id.0)) {
                let memory = MemoryId(memory?);
                change.remove(&source_key(id, memory));
                unname_source(view, change, memory, id)?;
            }
            Ok(true)
        })
    }

    fn put_vectors(&self, embedder: &str, vectors: &[(UnitId, Vector)]) -> Result<(), BankError> {
        self.change(|view, change| {
            for (unit, vector) in vectors {
                if let Some(space) = view.searchable(*unit)? {
                    change.put(&vector_key(&space, embedder, *unit), vector)?;
                }
            }
            Ok(())
        })
    }

    fn vectors(&self, space: &SpaceId, embedder: &str) -> Result<Vec<(UnitId, Vector)>, BankError> {
        self.read(|view| {
            let prefix = Key::new(Table::Vector).name(space.as_str()).name(embedder);
            view.db
                .scan_prefix(prefix.0)
                .map(|entry| {
                    let (key, bytes) = entry.map_err(store_error)?;
                    let unit = unit_at_end(&key)?;
                    decoded(&bytes, "vector", || unit.to_string()).map(|vector| (unit, vector))
                })
                .collect()
        })
    }

    fn spaces(&self) -> Result<Vec<SpaceId>, BankError> {
        self.read(|view| {
            let mut spaces = BTreeSet::new();
            for table in [Table::SpaceTurn, Table::SpaceMemory] {
                for name in view.names(&Key::new(table))? {
                    spaces.insert(SpaceId::new(&name).map_err(|_| damaged_key(table))?);
                }
            }
            Ok(spaces.into_iter().collect())
        })
    }

    fn counts(&self, space: &SpaceId) -> Result<Counts, BankError> {
        self.read(|view| {
            let in_space = |table| Key::new(table).name(space.as_str());
            let mut counts = Counts {
                turns: view.count(&in_space(Table::SpaceTurn))?,
                failed: view.count(&in_space(Table::Failed))?,
                ..Counts::default()
            };
            for turn in view.ids(&Key::new(Table::Waiting)) {
                counts.waiting += u64::from(view.has(&in_space(Table::SpaceTurn).id(turn?))?);
            }
            for memory in view.memories(space)? {
                counts.current += u64::from(memory.state == MemoryState::Current);
                counts.retired += u64::from(memory.state == MemoryState::Retired);
                // Versions are numbered from 1 and forgotten only all together.
                counts.versions += u64::from(memory.version);
            }
            Ok(counts)
        })
    }
}

fn stored(turn: &NewTurn, id: TurnId, recorded: Timestamp) -> Turn {
    Turn {
        id,
        space: turn.space.clone(),
        session: turn.session.clone(),
        speaker: turn.speaker.clone(),
        text: turn.text.clone(),
        image: turn.image.clone(),
        time: turn.time,
        recorded,
        origin: turn.origin,
        reference: turn.reference.clone(),
    }
}

/// Checks that the commit fits the bank; gives the version that each write replaces, in order.
fn accept(view: &View, commit: &Commit) -> Result<Vec<Option<Memory>>, BankError> {
    let conflict = || BankError::Conflict { turn: commit.turn };
    let turn = view.turn(commit.turn)?.ok_or_else(conflict)?;
    let ids: BTreeSet<MemoryId> = commit.writes.iter().map(|write| write.memory.id).collect();
    if !view.has(&waiting_key(commit.turn))? || ids.len() != commit.writes.len() {
        return Err(conflict());
    }
    let free = view.counter(MEMORY_COUNTER)?;
    let mut previous = Vec::with_capacity(commit.writes.len());
    for MemoryWrite { memory, expects, .. } in &commit.writes {
        let newest = view.memory(memory.id)?;
        let fits = match (&newest, expects) {
            // An id below the counter was taken before, also where its memory is gone.
            (None, None) => memory.version == 1 && (free..u64::MAX).contains(&memory.id.0),
            (Some(newest), Some(expected)) => {
                newest.version == *expected
                    && expected.checked_add(1) == Some(memory.version)
                    && newest.space == memory.space
            }
            _ => false,
        };
        if !fits || memory.space != turn.space || memory.state == MemoryState::Superseded {
            return Err(conflict());
        }
        previous.push(newest);
    }
    Ok(previous)
}

/// Puts one new version into the batch. Every vector of the earlier version goes: it is of another text.
fn write_version(
    view: &View,
    change: &mut Change,
    write: &MemoryWrite,
    previous: Option<Memory>,
) -> Result<(), BankError> {
    let id = write.memory.id;
    let space = &write.memory.space;
    if let Some(old) = previous {
        let version = old.version;
        change.put(&version_key(id, version), &Memory { state: MemoryState::Superseded, ..old })?;
        drop_vectors(view, change, space, UnitId::Memory(id))?;
    }
    let memory = with_known_sources(view, &write.memory)?;
    change.put(&memory_key(id), &memory)?;
    change.mark(&space_memory_key(space, id));
    for turn in &memory.sources {
        change.mark(&source_key(*turn, id));
    }
    match &write.vector {
        Some((embedder, vector)) if memory.state == MemoryState::Current => {
            change.put(&vector_key(space, embedder, UnitId::Memory(id)), vector)
        }
        _ => Ok(()),
    }
}

/// A source may have been forgotten while the turn was worked on; it must not be named again.
fn with_known_sources(view: &View, memory: &Memory) -> Result<Memory, BankError> {
    let mut memory = memory.clone();
    let mut known = Vec::with_capacity(memory.sources.len());
    for turn in memory.sources {
        if view.has(&space_turn_key(&memory.space, turn))? {
            known.push(turn);
        }
    }
    memory.sources = known;
    Ok(memory)
}

fn unname_source(view: &View, change: &mut Change, id: MemoryId, turn: TurnId) -> Result<(), BankError> {
    let without = |mut memory: Memory| {
        memory.sources.retain(|source| *source != turn);
        memory
    };
    for version in view.superseded(id)? {
        change.put(&version_key(id, version.version), &without(version))?;
    }
    match view.memory(id)? {
        Some(newest) => change.put(&memory_key(id), &without(newest)),
        None => Ok(()),
    }
}

fn drop_vectors(view: &View, change: &mut Change, space: &SpaceId, unit: UnitId) -> Result<(), BankError> {
    for embedder in view.names(&Key::new(Table::Vector).name(space.as_str()))? {
        change.remove(&vector_key(space, &embedder, unit));
    }
    Ok(())
}

/// What one change writes; applied as a whole or not at all.
#[derive(Default)]
struct Change {
    batch: Batch,
    entries: usize,
}

impl Change {
    fn empty(&self) -> bool {
        self.entries == 0
    }

    fn put(&mut self, key: &Key, record: &impl Record) -> Result<(), BankError> {
        self.entries += 1;
        self.batch.insert(key.0.as_slice(), record.encode().map_err(store_error)?);
        Ok(())
    }

    /// An index entry.
    fn mark(&mut self, key: &Key) {
        self.entries += 1;
        self.batch.insert(key.0.as_slice(), &[]);
    }

    /// Nothing happens where the key is not there.
    fn remove(&mut self, key: &Key) {
        self.entries += 1;
        self.batch.remove(key.0.as_slice());
    }

    /// Notes that `taken` and everything below it is never given again.
    fn count(&mut self, counter: &str, taken: u64) -> Result<(), BankError> {
        let next = taken.checked_add(1).ok_or_else(|| store_error(io::Error::other("no ids are left")))?;
        self.put(&Key::new(Table::Counter).name(counter), &Counter(next))
    }
}

/// Reading, shared by readers and by the change that decides what to write.
struct View<'a> {
    db: &'a Db,
}

impl View<'_> {
    fn record<T: Record>(&self, key: &Key, kind: &'static str, id: String) -> Result<Option<T>, BankError> {
        let bytes = self.db.get(&key.0).map_err(store_error)?;
        bytes.map(|bytes| decoded(&bytes, kind, || id)).transpose()
    }

    fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError> {
        let turn: Option<Turn> = self.record(&turn_key(id), "turn", id.to_string())?;
        belongs(turn.as_ref().is_none_or(|turn| turn.id == id), "turn", &id)?;
        Ok(turn)
    }

    fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError> {
        let memory: Option<Memory> = self.record(&memory_key(id), "memory", id.to_string())?;
        belongs(memory.as_ref().is_none_or(|memory| memory.id == id), "memory", &id)?;
        Ok(memory)
    }

    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        self.record(&outcome_key(id), "outcome", id.to_string())
    }

    fn turns(&self, ids: impl Iterator<Item = Result<u64, BankError>>) -> Result<Vec<Turn>, BankError> {
        ids.map(|id| {
            let id = TurnId(id?);
            self.turn(id)?.ok_or_else(|| missing("turn", &id))
        })
        .collect()
    }

    fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        self.ids(&Key::new(Table::SpaceMemory).name(space.as_str()))
            .map(|id| {
                let id = MemoryId(id?);
                self.memory(id)?.ok_or_else(|| missing("memory", &id))
            })
            .collect()
    }

    /// The versions before the newest, oldest first.
    fn superseded(&self, id: MemoryId) -> Result<Vec<Memory>, BankError> {
        let versions = self.db.scan_prefix(Key::new(Table::Version).id(id.0).0).values();
        versions.map(|bytes| decoded(&bytes.map_err(store_error)?, "memory", || id.to_string())).collect()
    }

    fn referenced(&self, space: &SpaceId, reference: Option<&str>) -> Result<Option<TurnId>, BankError> {
        let Some(reference) = reference else { return Ok(None) };
        let prefix = Key::new(Table::Reference).name(space.as_str()).name(reference);
        self.ids(&prefix).next().map(|id| id.map(TurnId)).transpose()
    }

    /// The space of a unit that may have a vector: one that is there and was not retired.
    fn searchable(&self, unit: UnitId) -> Result<Option<SpaceId>, BankError> {
        Ok(match unit {
            UnitId::Turn(id) => self.turn(id)?.map(|turn| turn.space),
            UnitId::Memory(id) => {
                let memory = self.memory(id)?.filter(|memory| memory.state == MemoryState::Current);
                memory.map(|memory| memory.space)
            }
        })
    }

    fn counter(&self, name: &str) -> Result<u64, BankError> {
        let counter: Option<Counter> =
            self.record(&Key::new(Table::Counter).name(name), "counter", name.to_owned())?;
        Ok(counter.map_or(1, |counter| counter.0))
    }

    fn has(&self, key: &Key) -> Result<bool, BankError> {
        self.db.contains_key(&key.0).map_err(store_error)
    }

    /// The ids at the end of all keys under `prefix`, in order.
    fn ids(&self, prefix: &Key) -> impl Iterator<Item = Result<u64, BankError>> + use<> {
        self.db.scan_prefix(&prefix.0).keys().map(id_at_end)
    }

    fn count(&self, prefix: &Key) -> Result<u64, BankError> {
        self.ids(prefix).try_fold(0, |count, id| id.map(|_| count + 1))
    }

    /// The different names that follow `prefix`: one look-up for each, however many keys it has.
    fn names(&self, prefix: &Key) -> Result<Vec<String>, BankError> {
        let end = prefix.end();
        let mut from = prefix.0.clone();
        let mut names = Vec::new();
        while let Some(key) = self.db.range(from.as_slice()..end.as_slice()).keys().next() {
            let key = key.map_err(store_error)?;
            let name = name_at(&key, prefix.0.len()).ok_or_else(|| damaged_index(&key))?;
            from = prefix.clone().name(&name).end();
            names.push(name);
        }
        Ok(names)
    }
}

/// The first byte of a key. The numbers are on disk: add, never change.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Table {
    /// name → `Counter`: the next id.
    Counter = 1,
    /// turn → `Turn`.
    Turn = 2,
    /// space, turn.
    SpaceTurn = 3,
    /// space, session, turn.
    SessionTurn = 4,
    /// space, reference, turn.
    Reference = 5,
    /// turn: the queue.
    Waiting = 6,
    /// turn → `TurnOutcome`.
    Outcome = 7,
    /// space, turn: those whose outcome is a failure.
    Failed = 8,
    /// memory → its newest `Memory`.
    Memory = 9,
    /// space, memory.
    SpaceMemory = 10,
    /// memory, version → an earlier `Memory`.
    Version = 11,
    /// turn, memory: the memory, or an earlier version, names the turn as a source.
    Source = 12,
    /// space, embedder, unit → `Vector`.
    Vector = 13,
}

const TURN_COUNTER: &str = "turn";
const MEMORY_COUNTER: &str = "memory";

/// A key: a table, then names (u32 length and bytes) and numbers, all big endian so that keys sort as
/// their parts do.
#[derive(Debug, Clone)]
struct Key(Vec<u8>);

impl Key {
    fn new(table: Table) -> Self {
        Self(vec![table as u8])
    }

    fn name(mut self, name: &str) -> Self {
        self.0.extend_from_slice(&(name.len() as u32).to_be_bytes());
        self.0.extend_from_slice(name.as_bytes());
        self
    }

    fn id(mut self, id: u64) -> Self {
        self.0.extend_from_slice(&id.to_be_bytes());
        self
    }

    /// The first key after all that start with this one.
    fn end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                break;
            }
        }
        end
    }
}

fn turn_key(id: TurnId) -> Key {
    Key::new(Table::Turn).id(id.0)
}

fn space_turn_key(space: &SpaceId, id: TurnId) -> Key {
    Key::new(Table::SpaceTurn).name(space.as_str()).id(id.0)
}

/// Every index entry of a turn that stays as long as the turn does.
fn turn_indexes(turn: &Turn) -> Vec<Key> {
    let space = turn.space.as_str();
    let mut keys = vec![
        space_turn_key(&turn.space, turn.id),
        Key::new(Table::SessionTurn).name(space).name(&turn.session).id(turn.id.0),
    ];
    if let Some(reference) = &turn.reference {
        keys.push(Key::new(Table::Reference).name(space).name(reference).id(turn.id.0));
    }
    keys
}

fn waiting_key(id: TurnId) -> Key {
    Key::new(Table::Waiting).id(id.0)
}

fn outcome_key(id: TurnId) -> Key {
    Key::new(Table::Outcome).id(id.0)
}

fn failed_key(space: &SpaceId, id: TurnId) -> Key {
    Key::new(Table::Failed).name(space.as_str()).id(id.0)
}

fn memory_key(id: MemoryId) -> Key {
    Key::new(Table::Memory).id(id.0)
}

fn space_memory_key(space: &SpaceId, id: MemoryId) -> Key {
    Key::new(Table::SpaceMemory).name(space.as_str()).id(id.0)
}

fn version_key(id: MemoryId, version: u32) -> Key {
    Key::new(Table::Version).id(id.0).id(u64::from(version))
}

fn source_key(turn: TurnId, memory: MemoryId) -> Key {
    Key::new(Table::Source).id(turn.0).id(memory.0)
}

/// The embedder's identity stands in the key as it is: a hash of it could collide and saves nothing,
/// since sled keeps a common prefix of neighbouring keys once.
fn vector_key(space: &SpaceId, embedder: &str, unit: UnitId) -> Key {
    let mut key = Key::new(Table::Vector).name(space.as_str()).name(embedder);
    let (letter, id) = match unit {
        UnitId::Memory(id) => (b'm', id.0),
        UnitId::Turn(id) => (b't', id.0),
    };
    key.0.push(letter);
    key.id(id)
}

fn unit_at_end(key: &[u8]) -> Result<UnitId, BankError> {
    match key.split_last_chunk() {
        Some(([.., b'm'], id)) => Ok(UnitId::Memory(MemoryId(u64::from_be_bytes(*id)))),
        Some(([.., b't'], id)) => Ok(UnitId::Turn(TurnId(u64::from_be_bytes(*id)))),
        _ => Err(damaged_index(key)),
    }
}

fn id_at_end(key: ::sled::Result<::sled::IVec>) -> Result<u64, BankError> {
    let key = key.map_err(store_error)?;
    key.last_chunk().map(|id| u64::from_be_bytes(*id)).ok_or_else(|| damaged_index(&key))
}

fn name_at(key: &[u8], at: usize) -> Option<String> {
    let (length, rest) = key.get(at..)?.split_first_chunk()?;
    let name = rest.get(..u32::from_be_bytes(*length) as usize)?;
    String::from_utf8(name.to_vec()).ok()
}

fn decoded<T: Record>(bytes: &[u8], kind: &'static str, id: impl FnOnce() -> String) -> Result<T, BankError> {
    T::decode(bytes).map_err(|error| match error {
        DecodeError::Damaged(what) => BankError::Damaged { kind, id: id(), what },
        DecodeError::TooNew { found } => {
            BankError::TooNew { found: found.into(), known: DecodeError::KNOWN.into() }
        }
    })
}

fn belongs(fits: bool, kind: &'static str, id: &impl ToString) -> Result<(), BankError> {
    let what = "it stands under another id";
    if fits { Ok(()) } else { Err(BankError::Damaged { kind, id: id.to_string(), what }) }
}

fn missing(kind: &'static str, id: &impl ToString) -> BankError {
    BankError::Damaged { kind, id: id.to_string(), what: "it is missing" }
}

/// Names the table only: the rest of a key holds the host's names.
fn damaged_index(key: &[u8]) -> BankError {
    let table = key.first().copied().unwrap_or_default();
    BankError::Damaged { kind: "index", id: format!("{table:02x}"), what: "unreadable key" }
}

fn damaged_key(table: Table) -> BankError {
    damaged_index(&[table as u8])
}

fn store_error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BankError {
    BankError::Store(source.into())
}

fn open_error(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BankError {
    BankError::Open { path: path.to_owned(), source: source.into() }
}

/// Only its owner may look into a bank's folder.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A folder is a bank if it has a `FORMAT`, and becomes one if there is nothing in it but what a start
/// that was cut short can have left.
fn refuse_foreign(path: &Path) -> io::Result<()> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK_FILE && name != NEW_FORMAT_FILE && name != FORMAT_FILE {
            return Err(io::Error::other("the folder holds other files and no bank"));
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, BankError> {
    let failed = |source| open_error(path, source);
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BankError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn read_or_write_format(path: &Path) -> Result<(), BankError> {
    let failed = |source| open_error(path, source);
    let text = match fs::read_to_string(path.join(FORMAT_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write_format(path).map_err(failed),
        text => text.map_err(failed)?,
    };
    match text.trim().strip_prefix("keepsake bank ").and_then(|number| number.parse().ok()) {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(BankError::TooNew { found, known: FORMAT }),
        _ => Err(failed(io::Error::other("its FORMAT file is not one of ours"))),
    }
}

/// Written beside and renamed, so that there is never half a `FORMAT`.
fn write_format(path: &Path) -> io::Result<()> {
    use io::Write;
    let beside = path.join(NEW_FORMAT_FILE);
    let mut file = File::create(&beside)?;
    writeln!(file, "keepsake bank {FORMAT}")?;
    file.sync_all()?;
    fs::rename(&beside, path.join(FORMAT_FILE))?;
    sync_folder(path)
}

/// Makes the names in a folder durable. Windows has no such call and does not need one.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

fn open_store(path: &Path, store: &Path) -> Result<Db, BankError> {
    // No `mode`: sled 0.34 has the setting and does not read it. No background flusher: every change is
    // flushed before it returns.
    let config = ::sled::Config::new().path(store).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let opened = until_unlocked(|| {
        // sled asserts on a log it cannot make sense of. Nothing of ours is shared with it yet.
        catch_unwind(AssertUnwindSafe(|| config.open()))
            .unwrap_or(Err(::sled::Error::Corruption { at: None, bt: () }))
    });
    let db = opened.map_err(|error| match error {
        error if is_lock(&error) => BankError::Locked { path: path.to_owned() },
        error => open_error(path, error),
    })?;
    sync_folder(store).and_then(|()| sync_folder(path)).map_err(|source| open_error(path, source))?;
    Ok(db)
}

fn until_unlocked(open: impl Fn() -> ::sled::Result<Db>) -> ::sled::Result<Db> {
    let mut waited = Duration::ZERO;
    loop {
        match open() {
            Err(error) if is_lock(&error) && waited < LOCK_WAIT => thread::sleep(LOCK_POLL),
            result => return result,
        }
        waited += LOCK_POLL;
    }
}

/// sled gives its lock's failure no kind of its own, only these words.
fn is_lock(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::bank::{FailReason, Step};

    fn said(text: &str) -> NewTurn {
        NewTurn::new("Maria", text, Timestamp::from_seconds(0)).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1)
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_bank_is_open_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        assert!(matches!(SledBank::open(folder.path()), Err(BankError::Locked { .. })));
        drop(bank);
        SledBank::open(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_not_littered() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
        assert!(matches!(SledBank::open(folder.path()), Err(BankError::Open { .. })));
        assert_eq!(names(folder.path()), ["holiday.jpg".to_owned()].into());
        let file = folder.path().join("holiday.jpg");
        assert!(matches!(SledBank::open(&file), Err(BankError::Open { .. })));
    }

    #[test]
    fn a_missing_folder_and_a_start_that_was_cut_short_become_a_bank() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        drop(SledBank::open(&deep).unwrap());
        assert_eq!(names(&deep), [FORMAT_FILE, LOCK_FILE, STORE_FOLDER].map(str::to_owned).into());
        let cut = folder.path().join("cut");
        fs::create_dir(&cut).unwrap();
        fs::write(cut.join(LOCK_FILE), "").unwrap();
        fs::write(cut.join(NEW_FORMAT_FILE), "keeps").unwrap();
        SledBank::open(&cut).unwrap();
    }

    #[test]
    fn another_format_is_refused_before_the_store_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let format = folder.path().join(FORMAT_FILE);
        fs::write(&format, "keepsake bank 2\n").unwrap();
        let newer = SledBank::open(folder.path());
        assert!(matches!(newer, Err(BankError::TooNew { found: 2, known: 1 })));
        for other in ["", "keepsake bank 0", "keepsake bank", "sqlite 1", "keepsake bank 99999999999"] {
            fs::write(&format, other).unwrap();
            assert!(matches!(SledBank::open(folder.path()), Err(BankError::Open { .. })), "{other:?}");
        }
        assert!(!folder.path().join(STORE_FOLDER).exists());
    }

    #[test]
    fn a_damaged_record_is_named_and_the_others_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        for text in ["a secret", "another", "a third"] {
            bank.append(&said(text), now()).unwrap();
        }
        let second = turn_key(TurnId(2));
        let mut bytes = bank.db.get(&second.0).unwrap().unwrap().to_vec();
        bank.db.insert(turn_key(TurnId(3)).0, bytes.as_slice()).unwrap();
        bytes[12] ^= 1;
        bank.db.insert(second.0, bytes).unwrap();

        assert!(bank.turn(TurnId(1)).unwrap().is_some());
        let error = bank.turn(TurnId(2)).unwrap_err();
        assert!(
            matches!(&error, BankError::Damaged { kind: "turn", id, what: "wrong checksum" } if id == "t2")
        );
        let error = bank.turn(TurnId(3)).unwrap_err();
        assert!(matches!(&error, BankError::Damaged { id, .. } if id == "t3"), "another turn's record");
        assert!(matches!(bank.turns(&SpaceId::default()), Err(BankError::Damaged { .. })));
    }

    #[test]
    fn after_a_failure_on_the_way_to_the_disk_every_call_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        bank.append(&said("kept"), now()).unwrap();
        bank.failed.store(true, Ordering::Release);
        assert!(matches!(bank.append(&said("lost"), now()), Err(BankError::Store(_))));
        assert!(matches!(bank.turn(TurnId(1)), Err(BankError::Store(_))));
        drop(bank);
        let bank = SledBank::open(folder.path()).unwrap();
        assert_eq!(bank.turns(&SpaceId::default()).unwrap().len(), 1);
    }

    #[test]
    fn a_change_that_fails_half_way_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        let id = bank.append(&said("hello"), now()).unwrap().id;
        let failed: Result<(), _> = bank.change(|_, change| {
            change.remove(&waiting_key(id));
            Err(BankError::Conflict { turn: id })
        });
        assert!(failed.is_err());
        assert_eq!(bank.next_waiting(None).unwrap(), Some(id));
        let outcome = TurnOutcome::Failed { step: Step::Manage, reason: FailReason::TooLong };
        bank.commit(&Commit { turn: id, outcome, writes: vec![] }).unwrap();
    }

    /// Whatever is done to the log, opening answers; and no error repeats what was said.
    #[test]
    fn a_mangled_store_is_an_error_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        for number in 0..40 {
            bank.append(&said(&format!("sentinel {number}")), now()).unwrap();
        }
        drop(bank);
        let log = folder.path().join(STORE_FOLDER).join("db");
        let whole = fs::read(&log).unwrap();
        for at in (0..4_000).step_by(97) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            fs::write(&log, &bytes).unwrap();
            let error = SledBank::open(folder.path())
                .and_then(|bank| bank.turns(&SpaceId::default()).map(|turns| turns.len()));
            if let Err(error) = error {
                let source = error.source().map(ToString::to_string).unwrap_or_default();
                assert!(!format!("{error} {source}").contains("sentinel"));
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys() {
        assert_eq!(Key(vec![1, 2]).end(), [1, 3]);
        assert_eq!(Key(vec![1, 0xff, 0xff]).end(), [2]);
        let queue = Key::new(Table::Waiting);
        assert!(queue.clone().id(u64::MAX).0 < queue.end());
    }
}
