//! The bank on disk: records and indexes as keys and values of a [`Store`].
//!
//! All stand in one ordered set of keys, told apart by the first byte ([`Table`]): one change is then one
//! atomic batch, and code that changes the bank may scan while it decides. Records stand under their id, in
//! codec's envelope; indexes are keys without a value, so there is nothing in them to disagree with a record.
//! Names in keys carry their length, so that no range of one space can reach into another.
//!
//! Not here: files, durability and recovery ([`store`](super::store)), and any search.
//!
//! Rooms it touches: types, embed, bank.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::cipher::{BankKey, Seal};
use super::codec::{Counter, DecodeError, Record, Used};
use super::db::Db;
use super::salvage::{self, Lost, Repaired};
use super::store::{self, Store, store_error};
use super::{Appended, Bank, BankError, Commit, Contents, Counts, Kept, MemoryWrite, Recovery, TurnOutcome};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, MemoryState, NewTurn, SpaceId, Timestamp, Turn, TurnId, UnitId};

/// A bank in a folder of its own. Cheap to share; one open at a time.
#[derive(Debug)]
pub struct SledBank {
    store: Store,
}

impl SledBank {
    /// Opens the bank in the folder `path` and verifies all of it, or makes one where the folder is empty or
    /// missing. A folder that holds anything else is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, BankError> {
        Self::open_with(path, None)
    }

    /// Opens the bank like [`SledBank::open`]; a new one is sealed by `key`, and one that is there must have been.
    pub fn open_sealed(path: &Path, key: &BankKey) -> Result<Self, BankError> {
        Self::open_with(path, Some(key))
    }

    /// Seals the bank's data key by `new` from now on, in place of `old`. What is on the disk stays sealed by the
    /// same data key: whoever had both the old key and the old key files can read it.
    pub fn rekey(&self, old: &BankKey, new: &BankKey) -> Result<(), BankError> {
        self.store.rekey(old, new)
    }

    /// [`SledBank::rekey`] for a bank that is not open; a folder without one is refused and left as it is.
    pub fn change_key(path: &Path, old: &BankKey, new: &BankKey) -> Result<(), BankError> {
        if !Self::is_there(path) {
            return Err(store::open_error(path, io::Error::other("there is no bank in the folder")));
        }
        Self::open_sealed(path, old)?.rekey(old, new)
    }

    /// Makes a sound bank of what can be read in the folder `path`, where neither store nor journal is whole; the
    /// damaged files are set aside. A bank that opens, and of which every record reads, stays as it is.
    ///
    /// What was removed by a change that is lost comes back.
    pub fn repair(path: &Path, key: Option<&BankKey>) -> Result<Repaired, BankError> {
        if !Self::is_there(path) {
            return Err(store::open_error(path, io::Error::other("there is no bank in the folder")));
        }
        let tallied = Self::open_with(path, key).and_then(|bank| {
            let (turns, memories) = bank.read(tally)?;
            let cut = bank.recovered().iter().any(|one| matches!(one, Recovery::TailCut { .. }));
            Ok(Repaired { turns, memories, lost: cut.then_some(Lost::End).into_iter().collect() })
        });
        match tallied {
            Ok(whole) => return Ok(whole),
            Err(
                BankError::Unrecoverable { .. } | BankError::ChangesLost { .. } | BankError::Damaged { .. },
            ) => {}
            Err(error) => return Err(error),
        }
        Store::salvage(path, key, |seal| salvage::salvage(path, seal))
    }

    /// Whether there is a bank, or what is left of one, in the folder `path`. Opening another folder would make one.
    pub fn is_there(path: &Path) -> bool {
        store::is_there(path)
    }

    fn open_with(path: &Path, key: Option<&BankKey>) -> Result<Self, BankError> {
        let mut bank = Self { store: Store::open(path, key)? };
        if bank.read(|view| view.has(&Key::new(Table::Restoring)))? {
            bank.empty()?;
            bank.store.also_recovered(Recovery::RestoringTakenBack);
        }
        if bank.read(|view| view.has(&Key::new(Table::Erasing)))? {
            bank.finish_erasing()?;
            bank.store.also_recovered(Recovery::ErasingFinished);
        }
        Ok(bank)
    }

    fn change<T>(
        &self,
        work: impl FnOnce(&View, &mut Change) -> Result<T, BankError>,
    ) -> Result<T, BankError> {
        self.store.change(|db, seal, change| work(&View { db, seal }, &mut Change { seal, change }))
    }

    /// Runs `work`, which removes something and says how much, and leaves no byte of that on disk.
    fn erase(
        &self,
        work: impl FnOnce(&View, &mut Change) -> Result<usize, BankError>,
    ) -> Result<usize, BankError> {
        let erased = self.change(|view, change| {
            let erased = work(view, change)?;
            if erased > 0 {
                change.mark(&Key::new(Table::Erasing))?;
            }
            Ok(erased)
        })?;
        if erased > 0 {
            self.finish_erasing()?;
        }
        Ok(erased)
    }

    /// Removes everything, and the bytes of it. In several changes, for a journal's frame has its limit; the mark
    /// of a restoring goes last.
    fn empty(&self) -> Result<(), BankError> {
        let mark = self.read(|view| view.seal.key(&Key::new(Table::Restoring)))?;
        let some = |db: &Db, _: &Seal, change: &mut store::Change| {
            let mut removed = 0;
            for key in db.iter().keys() {
                let key = key.map_err(store_error)?;
                removed += usize::from(key != mark && change.remove_record(&key));
                if removed == DROPPED_KEYS {
                    break;
                }
            }
            Ok(removed)
        };
        while self.store.change(some)? > 0 {}
        self.store.rewrite()?;
        self.change(|_, change| change.drop(&Key::new(Table::Restoring)))
    }

    fn finish_erasing(&self) -> Result<(), BankError> {
        self.store.rewrite()?;
        self.change(|_, change| change.drop(&Key::new(Table::Erasing)))
    }

    fn read<T>(&self, work: impl FnOnce(&View) -> Result<T, BankError>) -> Result<T, BankError> {
        self.store.read(|db, seal| work(&View { db, seal }))
    }
}

impl Bank for SledBank {
    fn append(&self, turn: &NewTurn, recorded: Timestamp) -> Result<Appended, BankError> {
        self.change(|view, change| {
            if let Some(id) = view.referenced(&turn.space, turn.reference.as_deref())? {
                let old = view.turn(id)?.ok_or_else(|| missing("turn", &id))?;
                if !turn.is(&old) {
                    return Err(BankError::ReferenceTaken { turn: id });
                }
                return Ok(Appended { id, new: false });
            }
            let id = TurnId(view.counter(TURN_COUNTER)?);
            let turn = turn.clone().kept(id, recorded);
            change.count(TURN_COUNTER, id.0)?;
            change.turn(&turn)?;
            change.mark(&waiting_key(id))?;
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
            let from = view.seal.key(&session)?;
            let keys = view.db.range(from..view.seal.key(&before)?).keys().rev().take(count);
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
            let first = view.db.range(view.seal.key(&from)?..end_of(view.seal.key(&queue)?)).keys().next();
            first.map(|key| id_at_end(key).map(TurnId)).transpose()
        })
    }

    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        self.read(|view| view.outcome(id))
    }

    fn requeue(&self, id: TurnId) -> Result<bool, BankError> {
        self.change(|view, change| {
            let Some(TurnOutcome::Failed { .. } | TurnOutcome::Undone(_)) = view.outcome(id)? else {
                return Ok(false);
            };
            let Some(turn) = view.turn(id)? else { return Ok(false) };
            change.drop(&outcome_key(id))?;
            change.drop(&failed_key(&turn.space, id))?;
            change.mark(&waiting_key(id))?;
            Ok(true)
        })
    }

    fn next_memory_id(&self) -> Result<MemoryId, BankError> {
        self.read(|view| view.counter(MEMORY_COUNTER).map(MemoryId))
    }

    fn commit(&self, commit: &Commit) -> Result<(), BankError> {
        self.change(|view, change| {
            let previous = accept(view, commit)?;
            change.drop(&waiting_key(commit.turn))?;
            change.record(&outcome_key(commit.turn), &commit.outcome)?;
            if matches!(commit.outcome, TurnOutcome::Failed { .. })
                && let Some(turn) = view.turn(commit.turn)?
            {
                change.mark(&failed_key(&turn.space, commit.turn))?;
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

    fn revise(&self, writes: &[MemoryWrite], undone: &[TurnId]) -> Result<(), BankError> {
        self.change(|view, change| {
            let free = view.counter(MEMORY_COUNTER)?;
            let mut ids = BTreeSet::new();
            for write in writes {
                let memory = &write.memory;
                let changed = || BankError::MemoryChanged { memory: memory.id };
                if write.expects.is_none() || !ids.insert(memory.id) {
                    return Err(changed());
                }
                let previous = fitting(view, write, &memory.space, free, changed)?;
                write_version(view, change, write, previous)?;
            }
            for id in undone {
                match view.outcome(*id)? {
                    Some(TurnOutcome::Done(applied)) => {
                        change.record(&outcome_key(*id), &TurnOutcome::Undone(applied))?;
                    }
                    _ => return Err(BankError::Conflict { turn: *id }),
                }
            }
            Ok(())
        })
    }

    fn forget(&self, units: &[UnitId]) -> Result<usize, BankError> {
        let turns: BTreeSet<TurnId> = units.iter().filter_map(|unit| unit.turn()).collect();
        let memories: BTreeSet<MemoryId> = units.iter().filter_map(|unit| unit.memory()).collect();
        self.erase(|view, change| {
            let mut forgotten = 0;
            let mut named = BTreeSet::new();
            for id in &turns {
                forgotten += usize::from(forget_turn(view, change, *id, &mut named)?);
            }
            for id in named.difference(&memories) {
                unname_sources(view, change, *id, &turns)?;
            }
            let mut gone = BTreeSet::new();
            for id in &memories {
                if forget_memory(view, change, *id)? {
                    gone.insert(*id);
                }
            }
            if !gone.is_empty() {
                for (turn, outcome) in view.outcomes()? {
                    if let Some(without) = outcome.without(&gone)
                        && !turns.contains(&turn)
                    {
                        change.record(&outcome_key(turn), &without)?;
                    }
                }
            }
            Ok(forgotten + gone.len())
        })
    }

    fn next_turn_id(&self) -> Result<TurnId, BankError> {
        self.read(|view| view.counter(TURN_COUNTER).map(TurnId))
    }

    /// In several changes, for a journal's frame has its limit; between the first and the last the bank is marked.
    fn restore(&self, contents: &Contents) -> Result<(), BankError> {
        self.change(|view, change| {
            let given = |counter| view.counter(counter).map(|next| next > 1);
            if given(TURN_COUNTER)? || given(MEMORY_COUNTER)? {
                return Err(BankError::NotEmpty);
            }
            change.mark(&Key::new(Table::Restoring))?;
            change.record(&Key::new(Table::Counter).name(TURN_COUNTER), &Counter(contents.next_turn))?;
            change.record(&Key::new(Table::Counter).name(MEMORY_COUNTER), &Counter(contents.next_memory))
        })?;
        let rest = || {
            let mut turns = contents.turns.as_slice();
            while !turns.is_empty() {
                turns = self.change(|_, change| restore_some(change, turns, restore_turn))?;
            }
            let mut memories = contents.memories.as_slice();
            while !memories.is_empty() {
                memories = self.change(|_, change| restore_some(change, memories, restore_memory))?;
            }
            self.change(|_, change| change.drop(&Key::new(Table::Restoring)))
        };
        // Taken back at once: what is kept in the bank after this must not be, when it is next opened.
        rest().or_else(|error| self.empty().and(Err(error)))
    }

    fn put_vectors(&self, embedder: &str, vectors: &[(UnitId, Vector)]) -> Result<(), BankError> {
        self.change(|view, change| {
            for (unit, vector) in vectors {
                if let Some(space) = view.searchable(*unit)? {
                    change.record(&vector_key(&space, embedder, *unit), vector)?;
                }
            }
            Ok(())
        })
    }

    fn vectors(&self, space: &SpaceId, embedder: &str) -> Result<Vec<(UnitId, Vector)>, BankError> {
        self.read(|view| {
            let prefix = Key::new(Table::Vector).name(space.as_str()).name(embedder);
            view.vectors(&prefix).collect()
        })
    }

    fn drop_other_vectors(&self, space: &SpaceId, embedder: &str) -> Result<(), BankError> {
        let of_space = Key::new(Table::Vector).name(space.as_str());
        let others = self.read(|view| view.names(&of_space))?;
        for other in others.iter().filter(|other| *other != embedder) {
            let of_other = of_space.clone().name(other);
            // In several changes, for a journal's frame has its limit.
            let some = |view: &View, change: &mut Change| {
                let units = view.units(&of_other)?.take(DROPPED_KEYS);
                let units = units.collect::<Result<Vec<_>, _>>()?;
                units.iter().try_for_each(|unit| change.drop(&vector_key(space, other, *unit)))?;
                Ok(units.len())
            };
            while self.change(some)? == DROPPED_KEYS {}
        }
        Ok(())
    }

    fn note_use(&self, memories: &[MemoryId], at: Timestamp) -> Result<(), BankError> {
        self.change(|view, change| {
            for id in memories {
                if view.has(&memory_key(*id))? {
                    change.record(&used_key(*id), &Used(at))?;
                }
            }
            Ok(())
        })
    }

    fn last_use(&self, memory: MemoryId) -> Result<Option<Timestamp>, BankError> {
        self.read(|view| view.last_use(memory))
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

    fn recovered(&self) -> &[Recovery] {
        self.store.recovered()
    }

    /// Every byte of the files, and that every record can be read.
    fn verify(&self) -> Result<(), BankError> {
        self.store.verify()?;
        self.read(check_records)
    }

    fn compact(&self) -> Result<(), BankError> {
        self.store.rewrite()
    }

    fn size_on_disk(&self) -> Result<u64, BankError> {
        self.store.size_on_disk()
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
                counts.quarantined += u64::from(memory.state == MemoryState::Quarantined);
                // Versions are numbered from 1 and forgotten only all together.
                counts.versions += u64::from(memory.version);
            }
            Ok(counts)
        })
    }
}

/// Keys that one change removes where many go: of the longest that there are, far less than a journal's frame.
const DROPPED_KEYS: usize = 20_000;
/// Bytes of text that one change of a restoring takes, about.
const RESTORE_BYTES: usize = 4 * 1024 * 1024;

/// Writes the first of these items, as many as one change takes; the rest. `one` writes an item and gives its size.
fn restore_some<'a, T>(
    change: &mut Change,
    items: &'a [T],
    one: fn(&mut Change, &T) -> Result<usize, BankError>,
) -> Result<&'a [T], BankError> {
    let mut bytes = 0;
    for (at, item) in items.iter().enumerate() {
        bytes += one(change, item)?;
        if bytes >= RESTORE_BYTES {
            return Ok(&items[at + 1..]);
        }
    }
    Ok(&[])
}

fn restore_turn(change: &mut Change, Kept { turn, outcome }: &Kept) -> Result<usize, BankError> {
    change.turn(turn)?;
    match outcome {
        None => change.mark(&waiting_key(turn.id))?,
        Some(outcome) => {
            change.record(&outcome_key(turn.id), outcome)?;
            if matches!(outcome, TurnOutcome::Failed { .. }) {
                change.mark(&failed_key(&turn.space, turn.id))?;
            }
        }
    }
    // Keys, indexes and an outcome beside the text: a guess.
    Ok(1024 + turn.text.len() + turn.image.as_ref().map_or(0, String::len))
}

fn restore_memory(change: &mut Change, versions: &Vec<Memory>) -> Result<usize, BankError> {
    let Some((newest, earlier)) = versions.split_last() else { return Ok(0) };
    for version in earlier {
        change.record(&version_key(version.id, version.version), version)?;
    }
    change.record(&memory_key(newest.id), newest)?;
    change.mark(&space_memory_key(&newest.space, newest.id))?;
    let mut bytes = 0;
    for version in versions {
        for turn in &version.sources {
            change.mark(&source_key(*turn, version.id))?;
        }
        bytes += 512 + version.text.len() + 16 * version.sources.len();
    }
    Ok(bytes)
}

/// Checks that the commit fits the bank; gives the version that each write replaces, in order.
fn accept(view: &View, commit: &Commit) -> Result<Vec<Option<Memory>>, BankError> {
    let conflict = || BankError::Conflict { turn: commit.turn };
    let turn = view.turn(commit.turn)?.ok_or_else(conflict)?;
    let ids: BTreeSet<MemoryId> = commit.writes.iter().map(|write| write.memory.id).collect();
    if !view.has(&waiting_key(commit.turn))? || ids.len() != commit.writes.len() {
        return Err(conflict());
    }
    for unit in &commit.read {
        let there = match unit {
            UnitId::Turn(id) => view.has(&turn_key(*id))?,
            UnitId::Memory(id) => view.has(&memory_key(*id))?,
        };
        if !there {
            return Err(conflict());
        }
    }
    let free = view.counter(MEMORY_COUNTER)?;
    let mut previous = Vec::with_capacity(commit.writes.len());
    for write in &commit.writes {
        previous.push(fitting(view, write, &turn.space, free, conflict)?);
    }
    Ok(previous)
}

/// The version that a write replaces, which is none where it makes a memory; the error where it does not fit the
/// bank. An id below `free` was taken before, also where its memory is gone.
fn fitting(
    view: &View,
    MemoryWrite { memory, expects, .. }: &MemoryWrite,
    space: &SpaceId,
    free: u64,
    unfit: impl FnOnce() -> BankError,
) -> Result<Option<Memory>, BankError> {
    let newest = view.memory(memory.id)?;
    let fits = match (&newest, expects) {
        (None, None) => memory.version == 1 && (free..u64::MAX).contains(&memory.id.0),
        (Some(newest), Some(expected)) => {
            newest.version == *expected
                && expected.checked_add(1) == Some(memory.version)
                && newest.space == memory.space
        }
        _ => false,
    };
    if fits && memory.space == *space && memory.state != MemoryState::Superseded {
        return Ok(newest);
    }
    Err(unfit())
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
        change.record(&version_key(id, version), &Memory { state: old.state.superseded(), ..old })?;
        drop_vectors(view, change, space, UnitId::Memory(id))?;
    }
    let memory = with_known_sources(view, &write.memory)?;
    change.record(&memory_key(id), &memory)?;
    change.mark(&space_memory_key(space, id))?;
    for turn in &memory.sources {
        change.mark(&source_key(*turn, id))?;
    }
    match &write.vector {
        Some((embedder, vector)) if memory.state == MemoryState::Current => {
            change.record(&vector_key(space, embedder, UnitId::Memory(id)), vector)
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

/// Reads every record, and counts turns and memories.
fn tally(view: &View) -> Result<(u64, u64), BankError> {
    check_records(view)?;
    Ok((view.count(&Key::new(Table::Turn))?, view.count(&Key::new(Table::Memory))?))
}

/// Reads every record there is; the error names the first that cannot be read.
fn check_records(view: &View) -> Result<(), BankError> {
    for id in view.ids(&Key::new(Table::Turn)) {
        view.turn(TurnId(id?))?;
    }
    view.outcomes()?;
    for id in view.ids(&Key::new(Table::Memory)) {
        let id = MemoryId(id?);
        view.memory(id)?;
        view.superseded(id)?;
        view.last_use(id)?;
    }
    view.vectors(&Key::new(Table::Vector)).try_for_each(|vector| vector.map(drop))?;
    Ok(())
}

/// Removes a turn; `named` gets the memories that name it as a source. False where there is none.
fn forget_turn(
    view: &View,
    change: &mut Change,
    id: TurnId,
    named: &mut BTreeSet<MemoryId>,
) -> Result<bool, BankError> {
    let Some(turn) = view.turn(id)? else { return Ok(false) };
    drop_vectors(view, change, &turn.space, UnitId::Turn(id))?;
    for key in turn_indexes(&turn) {
        change.drop(&key)?;
    }
    for key in [turn_key(id), waiting_key(id), outcome_key(id), failed_key(&turn.space, id)] {
        change.drop(&key)?;
    }
    for memory in view.ids(&Key::new(Table::Source).id(id.0)) {
        let memory = MemoryId(memory?);
        change.drop(&source_key(id, memory))?;
        named.insert(memory);
    }
    Ok(true)
}

/// Removes a memory with all its versions. False where there is none.
fn forget_memory(view: &View, change: &mut Change, id: MemoryId) -> Result<bool, BankError> {
    let Some(newest) = view.memory(id)? else { return Ok(false) };
    drop_vectors(view, change, &newest.space, UnitId::Memory(id))?;
    for key in [memory_key(id), space_memory_key(&newest.space, id), used_key(id)] {
        change.drop(&key)?;
    }
    for version in view.superseded(id)?.iter().chain([&newest]) {
        change.drop(&version_key(id, version.version))?;
        for turn in &version.sources {
            change.drop(&source_key(*turn, id))?;
        }
    }
    Ok(true)
}

/// Takes the turns out of the sources of every version of a memory.
fn unname_sources(
    view: &View,
    change: &mut Change,
    id: MemoryId,
    turns: &BTreeSet<TurnId>,
) -> Result<(), BankError> {
    let without = |mut memory: Memory| {
        memory.sources.retain(|source| !turns.contains(source));
        memory
    };
    for version in view.superseded(id)? {
        change.record(&version_key(id, version.version), &without(version))?;
    }
    match view.memory(id)? {
        Some(newest) => change.record(&memory_key(id), &without(newest)),
        None => Ok(()),
    }
}

fn drop_vectors(view: &View, change: &mut Change, space: &SpaceId, unit: UnitId) -> Result<(), BankError> {
    for embedder in view.names(&Key::new(Table::Vector).name(space.as_str()))? {
        change.drop(&vector_key(space, &embedder, unit))?;
    }
    Ok(())
}

/// A change in terms of records and indexes.
struct Change<'a> {
    seal: &'a Seal,
    change: &'a mut store::Change,
}

impl Change<'_> {
    fn record(&mut self, key: &Key, record: &impl Record) -> Result<(), BankError> {
        let key = self.seal.key(key)?;
        let value = self.seal.value(&key, record.encode().map_err(store_error)?)?;
        self.change.put(key, value);
        Ok(())
    }

    /// A turn with its index entries.
    fn turn(&mut self, turn: &Turn) -> Result<(), BankError> {
        self.record(&turn_key(turn.id), turn)?;
        turn_indexes(turn).iter().try_for_each(|key| self.mark(key))
    }

    /// An index entry.
    fn mark(&mut self, key: &Key) -> Result<(), BankError> {
        self.change.put(self.seal.key(key)?, Vec::new());
        Ok(())
    }

    fn drop(&mut self, key: &Key) -> Result<(), BankError> {
        self.change.remove(self.seal.key(key)?);
        Ok(())
    }

    /// Notes that `taken` and everything below it is never given again.
    fn count(&mut self, counter: &str, taken: u64) -> Result<(), BankError> {
        let next = taken.checked_add(1).ok_or_else(|| store_error(io::Error::other("no ids are left")))?;
        self.record(&Key::new(Table::Counter).name(counter), &Counter(next))
    }
}

/// Reading, shared by readers and by the change that decides what to write.
struct View<'a> {
    db: &'a Db,
    seal: &'a Seal,
}

impl View<'_> {
    fn record<T: Record>(&self, key: &Key, kind: &'static str, id: String) -> Result<Option<T>, BankError> {
        let key = self.seal.key(key)?;
        let bytes = self.db.get(&key).map_err(store_error)?;
        bytes.map(|bytes| self.decoded(&key, &bytes, kind, || id)).transpose()
    }

    fn decoded<T: Record>(
        &self,
        key: &[u8],
        bytes: &[u8],
        kind: &'static str,
        id: impl FnOnce() -> String,
    ) -> Result<T, BankError> {
        match self.seal.plain(key, bytes) {
            Some(plain) => decoded(&plain, kind, id),
            None => Err(BankError::Damaged { kind, id: id(), what: "its seal is broken" }),
        }
    }

    /// The vectors under `prefix`.
    fn vectors(&self, prefix: &Key) -> impl Iterator<Item = Result<(UnitId, Vector), BankError>> {
        let prefix = self.seal.key(prefix);
        let entries = prefix.map(|prefix| self.db.scan_prefix(&prefix));
        let (entries, failed) = match entries {
            Ok(entries) => (Some(entries), None),
            Err(error) => (None, Some(Err(error))),
        };
        failed.into_iter().chain(entries.into_iter().flatten().map(|entry| {
            let (key, bytes) = entry.map_err(store_error)?;
            let unit = unit_at_end(&key)?;
            self.decoded(&key, &bytes, "vector", || unit.to_string()).map(|vector| (unit, vector))
        }))
    }

    fn last_use(&self, memory: MemoryId) -> Result<Option<Timestamp>, BankError> {
        let used: Option<Used> = self.record(&used_key(memory), "use", memory.to_string())?;
        Ok(used.map(|used| used.0))
    }

    /// The units at the end of all keys under `prefix`.
    fn units(&self, prefix: &Key) -> Result<impl Iterator<Item = Result<UnitId, BankError>>, BankError> {
        let keys = self.db.scan_prefix(&self.seal.key(prefix)?).keys();
        Ok(keys.map(|key| unit_at_end(&key.map_err(store_error)?)))
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

    fn outcomes(&self) -> Result<Vec<(TurnId, TurnOutcome)>, BankError> {
        self.ids(&Key::new(Table::Outcome))
            .map(|id| {
                let id = TurnId(id?);
                Ok((id, self.outcome(id)?.ok_or_else(|| missing("outcome", &id))?))
            })
            .collect()
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
        let versions = self.db.scan_prefix(&self.seal.key(&Key::new(Table::Version).id(id.0))?);
        let decode = |entry: ::sled::Result<(::sled::IVec, ::sled::IVec)>| {
            let (key, bytes) = entry.map_err(store_error)?;
            self.decoded(&key, &bytes, "memory", || id.to_string())
        };
        versions.map(decode).collect()
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
        self.db.contains_key(&self.seal.key(key)?).map_err(store_error)
    }

    /// The ids at the end of all keys under `prefix`, in order.
    fn ids(&self, prefix: &Key) -> impl Iterator<Item = Result<u64, BankError>> {
        let (keys, failed) = match self.seal.key(prefix) {
            Ok(prefix) => (Some(self.db.scan_prefix(&prefix).keys()), None),
            Err(error) => (None, Some(Err(error))),
        };
        failed.into_iter().chain(keys.into_iter().flatten().map(id_at_end))
    }

    fn count(&self, prefix: &Key) -> Result<u64, BankError> {
        self.ids(prefix).try_fold(0, |count, id| id.map(|_| count + 1))
    }

    /// The different names that follow `prefix`: one look-up for each, however many keys it has.
    fn names(&self, prefix: &Key) -> Result<Vec<String>, BankError> {
        let start = self.seal.key(prefix)?;
        let end = end_of(start.clone());
        let mut from = start.clone();
        let mut names = Vec::new();
        while let Some(key) = self.db.range(from.as_slice()..end.as_slice()).keys().next() {
            let key = key.map_err(store_error)?;
            let name = name_at(&key, start.len()).and_then(|name| self.seal.plain_name(name));
            let name = name.ok_or_else(|| damaged_index(&key))?;
            from = end_of(self.seal.key(&prefix.clone().name(&name))?);
            names.push(name);
        }
        Ok(names)
    }
}

/// The first byte of a key. The numbers are on disk: add, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Table {
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
    /// There while what was erased may still have bytes on disk.
    Erasing = 14,
    /// There while a bank is being restored.
    Restoring = 15,
    /// memory → `Used`.
    Used = 16,
}

pub(super) const TURN_COUNTER: &str = "turn";
pub(super) const MEMORY_COUNTER: &str = "memory";

/// A key: a table, then names (u32 length and bytes) and numbers, all big endian so that keys sort as
/// their parts do. On disk the names are sealed.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Bytes(Vec<u8>),
    Name(String),
}

impl Key {
    pub(super) fn new(table: Table) -> Self {
        Self(vec![Part::Bytes(vec![table as u8])])
    }

    pub(super) fn name(mut self, name: &str) -> Self {
        self.0.push(Part::Name(name.to_owned()));
        self
    }

    fn id(mut self, id: u64) -> Self {
        self.0.push(Part::Bytes(id.to_be_bytes().to_vec()));
        self
    }
}

impl Seal {
    /// A key as it stands on disk.
    pub(super) fn key(&self, key: &Key) -> Result<Vec<u8>, BankError> {
        let mut bytes = Vec::new();
        for part in &key.0 {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(part),
                Part::Name(name) => {
                    let name = self.name(name.as_bytes())?;
                    bytes.extend_from_slice(&(name.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(&name);
                }
            }
        }
        Ok(bytes)
    }
}

/// The first key after all that start with this one.
fn end_of(mut key: Vec<u8>) -> Vec<u8> {
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            break;
        }
    }
    key
}

pub(super) fn turn_key(id: TurnId) -> Key {
    Key::new(Table::Turn).id(id.0)
}

fn space_turn_key(space: &SpaceId, id: TurnId) -> Key {
    Key::new(Table::SpaceTurn).name(space.as_str()).id(id.0)
}

/// Every index entry of a turn that stays as long as the turn does.
pub(super) fn turn_indexes(turn: &Turn) -> Vec<Key> {
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

pub(super) fn waiting_key(id: TurnId) -> Key {
    Key::new(Table::Waiting).id(id.0)
}

pub(super) fn outcome_key(id: TurnId) -> Key {
    Key::new(Table::Outcome).id(id.0)
}

pub(super) fn failed_key(space: &SpaceId, id: TurnId) -> Key {
    Key::new(Table::Failed).name(space.as_str()).id(id.0)
}

pub(super) fn memory_key(id: MemoryId) -> Key {
    Key::new(Table::Memory).id(id.0)
}

pub(super) fn used_key(id: MemoryId) -> Key {
    Key::new(Table::Used).id(id.0)
}

pub(super) fn space_memory_key(space: &SpaceId, id: MemoryId) -> Key {
    Key::new(Table::SpaceMemory).name(space.as_str()).id(id.0)
}

pub(super) fn version_key(id: MemoryId, version: u32) -> Key {
    Key::new(Table::Version).id(id.0).id(u64::from(version))
}

pub(super) fn source_key(turn: TurnId, memory: MemoryId) -> Key {
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
    key.0.push(Part::Bytes(vec![letter]));
    key.id(id)
}

pub(super) fn unit_at_end(key: &[u8]) -> Result<UnitId, BankError> {
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

fn name_at(key: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = key.get(at..)?.split_first_chunk()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::{FailReason, Step};

    fn said(text: &str) -> NewTurn {
        NewTurn::new("Maria", text, Timestamp::from_seconds(0)).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1)
    }

    #[test]
    fn a_damaged_record_is_named_and_the_others_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        for text in ["a secret", "another", "a third"] {
            bank.append(&said(text), now()).unwrap();
        }
        let second = turn_key(TurnId(2));
        let on_disk = |key: &Key| Seal::Plain.key(key).unwrap();
        let mut bytes =
            bank.read(|view| Ok(view.db.get(&on_disk(&second)).unwrap().unwrap().to_vec())).unwrap();
        let change = |key: &Key, bytes: &[u8]| {
            let put = |_: &View<'_>, change: &mut Change<'_>| {
                change.change.put(on_disk(key), bytes.to_vec());
                Ok(())
            };
            bank.change(put).unwrap();
        };
        change(&turn_key(TurnId(3)), &bytes);
        bytes[12] ^= 1;
        change(&second, &bytes);

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
    fn a_change_that_fails_half_way_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        let id = bank.append(&said("hello"), now()).unwrap().id;
        let failed: Result<(), _> = bank.change(|_, change| {
            change.drop(&waiting_key(id))?;
            Err(BankError::Conflict { turn: id })
        });
        assert!(failed.is_err());
        assert_eq!(bank.next_waiting(None).unwrap(), Some(id));
        let outcome = TurnOutcome::Failed { step: Step::Manage, reason: FailReason::TooLong };
        bank.commit(&Commit { turn: id, outcome, writes: vec![], read: vec![] }).unwrap();
    }

    /// Killed between the removal and the rewriting, the bank finishes when it is next opened.
    #[test]
    fn an_erasure_that_was_cut_short_is_finished_at_the_next_opening() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        bank.append(&said("the sentinel"), now()).unwrap();
        bank.change(|_, change| {
            change.drop(&turn_key(TurnId(1)))?;
            change.mark(&Key::new(Table::Erasing))
        })
        .unwrap();
        drop(bank);
        assert!(crate::testing::files_hold(folder.path(), b"the sentinel"));
        let bank = SledBank::open(folder.path()).unwrap();
        assert!(!crate::testing::files_hold(folder.path(), b"the sentinel"));
        assert!(!bank.read(|view| view.has(&Key::new(Table::Erasing))).unwrap());
        assert_eq!(bank.recovered(), [Recovery::ErasingFinished]);
    }

    /// Turns that wait, the last of them with an outcome that no record can hold.
    fn contents_that_fail(turns: u64) -> Contents {
        let kept = |id| Kept { turn: said("the sentinel").kept(TurnId(id), now()), outcome: None };
        let mut turns: Vec<Kept> = (1..=turns).map(kept).collect();
        let fact = "x".repeat(17 * 1024 * 1024);
        let applied = crate::decision::Applied {
            fact,
            decided: None,
            operation: crate::decision::Operation::Noop,
            memory: None,
            text: None,
            beside: None,
            guard: None,
        };
        if let Some(last) = turns.last_mut() {
            last.outcome = Some(TurnOutcome::Done(vec![applied]));
        }
        Contents { next_turn: turns.len() as u64 + 1, next_memory: 1, turns, memories: vec![] }
    }

    #[test]
    fn a_restoring_that_fails_leaves_an_empty_bank_that_keeps_what_comes_next() {
        let folder = tempfile::tempdir().unwrap();
        let bank = SledBank::open(folder.path()).unwrap();
        // More keys than one change removes, and more text than one change writes.
        assert!(bank.restore(&contents_that_fail(9000)).is_err());
        assert_eq!(bank.spaces().unwrap(), []);
        assert!(!crate::testing::files_hold(folder.path(), b"the sentinel"));
        let next = bank.append(&said("kept"), now()).unwrap().id;
        assert_eq!(next, TurnId(1));
        drop(bank);
        let bank = SledBank::open(folder.path()).unwrap();
        assert!(bank.turn(next).unwrap().is_some(), "it was acknowledged");
        bank.change(|_, change| change.mark(&Key::new(Table::Restoring))).unwrap();
        drop(bank);
        let bank = SledBank::open(folder.path()).unwrap();
        assert_eq!((bank.recovered(), bank.spaces().unwrap()), (&[Recovery::RestoringTakenBack][..], vec![]));
    }

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys() {
        assert_eq!(end_of(vec![1, 2]), [1, 3]);
        assert_eq!(end_of(vec![1, 0xff, 0xff]), [2]);
        let key = |key: &Key| Seal::Plain.key(key).unwrap();
        let queue = Key::new(Table::Waiting);
        assert!(key(&queue.clone().id(u64::MAX)) < end_of(key(&queue)));
    }
}
