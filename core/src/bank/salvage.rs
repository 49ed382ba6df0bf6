//! What can still be read of a bank whose store and journal are both damaged, as a sound bank again.
//!
//! Every readable entry of both is gathered, newest first; records that do not read are left out, indexes are made
//! again from the records, and what is lost is named as exactly as the remains allow. The damaged files are set
//! aside. What was removed by a change that is lost comes back: only the person can tell.
//!
//! Rooms it touches: types, bank.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::cipher::Seal;
use super::codec::{Counter, Record, Used};
use super::digest::Digest;
use super::journal::{self, Part};
use super::sled::{self, Key, MEMORY_COUNTER, TURN_COUNTER, Table};
use super::store::{self, store_error};
use super::{BankError, TurnOutcome};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, MemoryState, Turn, TurnId, UnitId};

/// What came of repairing a bank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Turns that are there.
    pub turns: u64,
    /// Memories that are there, whatever their state.
    pub memories: u64,
    /// What is not; nothing where the bank opened by itself.
    pub lost: Vec<Lost>,
}

/// Something that could not be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// Changes of these numbers, both included: each is a turn kept, a turn worked through, or something forgotten.
    Changes {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A part of what there was before the oldest change that can be read; nobody knows how much.
    Beginning,
    /// Perhaps the newest change: nobody knows whether it was acknowledged.
    End,
    /// The turn, or what was kept under its id.
    Turn(TurnId),
    /// What became of the turn: it waits again.
    Outcome(TurnId),
    /// The memory's newest version, or the whole memory where no earlier one is left.
    Memory(MemoryId),
    /// An earlier version of the memory.
    Version(MemoryId),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changes { first, last } if first == last => write!(f, "change {first}"),
            Self::Changes { first, last } => write!(f, "changes {first} to {last}"),
            Self::Beginning => f.write_str("a part of what was kept first, nobody knows how much"),
            Self::End => f.write_str("perhaps the newest change"),
            Self::Turn(id) => write!(f, "turn {id}"),
            Self::Outcome(id) => write!(f, "what became of turn {id}, which waits again"),
            Self::Memory(id) => write!(f, "the newest words of memory {id}"),
            Self::Version(id) => write!(f, "an earlier version of memory {id}"),
        }
    }
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Makes a sound bank of what can be read in `folder`. The folder's lock is held.
pub(super) fn salvage(folder: &Path, seal: &Seal) -> Result<Repaired, BankError> {
    let (entries, lost) = gather(folder)?;
    let mut mended =
        Mended { seal, entries: Entries::new(), repaired: Repaired { lost, ..Repaired::default() } };
    mended.mend(&entries)?;
    store::write_anew(folder, &mended.entries)?;
    Ok(mended.repaired)
}

/// Every entry that store or journal can still give, the newer value where they differ.
fn gather(folder: &Path) -> Result<(Entries, Vec<Lost>), BankError> {
    let JournalRemains { base: mut entries, base_is_whole_at, changes, cut_short } =
        JournalRemains::read(folder)?;
    let store = StoreRemains::read(folder)?;
    let apply = |entries: &mut Entries, change: &[journal::Entry]| {
        for (key, value) in change {
            match value {
                Some(value) => drop(entries.insert(key.clone(), value.clone())),
                None => drop(entries.remove(key)),
            }
        }
    };
    let at = store.number.unwrap_or(0);
    changes.range(..=at).for_each(|(_, change)| apply(&mut entries, change));
    if store.is_whole {
        entries = store.entries;
    } else {
        entries.extend(store.entries);
    }
    changes.range(at + 1..).for_each(|(_, change)| apply(&mut entries, change));

    let mut lost = Vec::new();
    let mut known = match (store.number.filter(|_| store.is_whole), base_is_whole_at) {
        (Some(number), _) | (None, Some(number)) => number,
        (None, None) => {
            lost.push(Lost::Beginning);
            changes.keys().next().map_or(0, |first| first - 1)
        }
    };
    for (&number, _) in changes.range(known + 1..) {
        if number > known + 1 {
            lost.push(Lost::Changes { first: known + 1, last: number - 1 });
        }
        known = number;
    }
    if let Some(last) = store.number.filter(|last| *last > known && !store.is_whole) {
        lost.push(Lost::Changes { first: known + 1, last });
    } else if cut_short && !store.is_whole {
        lost.push(Lost::End);
    }
    Ok((entries, lost))
}

/// The readable frames of a journal.
#[derive(Default)]
struct JournalRemains {
    base: Entries,
    /// Where the base has its digest: the number of the last change in it.
    base_is_whole_at: Option<u64>,
    changes: BTreeMap<u64, Vec<journal::Entry>>,
    /// Whether something that does not read stands at its end.
    cut_short: bool,
}

impl JournalRemains {
    fn read(folder: &Path) -> Result<Self, BankError> {
        let mut remains = Self::default();
        let found = journal::read(&folder.join(store::JOURNAL_FILE), &mut |frame, _| match frame.part {
            Part::Base(payload) => {
                let entries = payload.entries().into_iter();
                remains.base.extend(entries.filter_map(|(key, value)| Some((key, value?))));
            }
            Part::End(digest) => {
                let whole = digest == Digest::of(&remains.base);
                remains.base_is_whole_at = whole.then_some(frame.number);
            }
            Part::Change(payload, _) => drop(remains.changes.insert(frame.number, payload.entries())),
        });
        match found {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(store::open_error(folder, error)),
            found => {
                Ok(Self { cut_short: found.ok().flatten().is_some_and(|found| found.tail > 0), ..remains })
            }
        }
    }
}

/// What the newest store that opens can give.
#[derive(Default)]
struct StoreRemains {
    entries: Entries,
    /// The number of its last change.
    number: Option<u64>,
    /// Whether the entries have the digest that was written with them.
    is_whole: bool,
}

impl StoreRemains {
    fn read(folder: &Path) -> Result<Self, BankError> {
        let stores = store::stores(folder).map_err(|error| store::open_error(folder, error))?;
        for generation in stores.into_iter().rev() {
            let db = match store::open_sled(folder, &store::store_path(folder, generation)) {
                Ok(db) => db,
                Err(error @ BankError::Locked { .. }) => return Err(error),
                Err(_) => continue,
            };
            let mut entries = Entries::new();
            // Reading a mangled store may panic: what came before that counts.
            let stands = catch_unwind(AssertUnwindSafe(|| {
                entries.extend(store::entries_of(&db).map_while(Result::ok));
                store::stands_at(&db)
            }));
            if !entries.is_empty() {
                let stands = stands.ok().flatten();
                let is_whole = stands.is_some_and(|(_, digest)| digest == Digest::of(&entries));
                return Ok(Self { entries, number: stands.map(|(number, _)| number), is_whole });
            }
        }
        Ok(Self::default())
    }
}

/// A bank in the making, from records alone.
struct Mended<'a> {
    seal: &'a Seal,
    entries: Entries,
    repaired: Repaired,
}

impl Mended<'_> {
    fn mend(&mut self, from: &Entries) -> Result<(), BankError> {
        let turns = self.turns(from)?;
        let memories = self.memories(from, &turns)?;
        self.outcomes(from, &turns)?;
        self.vectors(from, &turns, &memories)?;
        self.uses(from, &memories)?;
        let highest = |ids: &mut dyn Iterator<Item = u64>| ids.max().map_or(1, |id| id + 1);
        let next_turn = highest(&mut turns.keys().map(|id| id.0));
        let next_memory = highest(&mut memories.keys().map(|id| id.0));
        self.counter(from, TURN_COUNTER, next_turn)?;
        self.counter(from, MEMORY_COUNTER, next_memory)?;
        let erasing = Key::new(Table::Erasing);
        if from.contains_key(&self.seal.key(&erasing)?) {
            self.mark(&erasing)?;
        }
        self.repaired.turns = turns.len() as u64;
        self.repaired.memories = memories.len() as u64;
        Ok(())
    }

    /// The record under a key; `None` where it does not read.
    fn read<T: Record>(&self, from: &Entries, key: &[u8]) -> Option<T> {
        let plain = self.seal.plain(key, from.get(key)?)?;
        T::decode(&plain).ok()
    }

    fn put(&mut self, key: &Key, record: &impl Record) -> Result<(), BankError> {
        let key = self.seal.key(key)?;
        let value = self.seal.value(&key, record.encode().map_err(store_error)?)?;
        self.entries.insert(key, value);
        Ok(())
    }

    fn mark(&mut self, key: &Key) -> Result<(), BankError> {
        self.entries.insert(self.seal.key(key)?, Vec::new());
        Ok(())
    }

    fn lose(&mut self, lost: Lost) {
        if !self.repaired.lost.contains(&lost) {
            self.repaired.lost.push(lost);
        }
    }

    fn turns(&mut self, from: &Entries) -> Result<BTreeMap<TurnId, Turn>, BankError> {
        let mut turns = BTreeMap::new();
        for (id, key) in numbered(from, Table::Turn) {
            let id = TurnId(id);
            let Some(turn) = self.read::<Turn>(from, key).filter(|turn| turn.id == id) else {
                self.lose(Lost::Turn(id));
                continue;
            };
            self.put(&sled::turn_key(id), &turn)?;
            for key in sled::turn_indexes(&turn) {
                self.mark(&key)?;
            }
            turns.insert(id, turn);
        }
        // What the queue and the outcomes name must have been there.
        for table in [Table::Waiting, Table::Outcome] {
            for (id, _) in numbered(from, table).filter(|(id, _)| !turns.contains_key(&TurnId(*id))) {
                self.lose(Lost::Turn(TurnId(id)));
            }
        }
        Ok(turns)
    }

    fn memories(
        &mut self,
        from: &Entries,
        turns: &BTreeMap<TurnId, Turn>,
    ) -> Result<BTreeMap<MemoryId, Memory>, BankError> {
        let mut versions: BTreeMap<MemoryId, BTreeMap<u32, Memory>> = BTreeMap::new();
        let mut unread = BTreeSet::new();
        for table in [Table::Version, Table::Memory] {
            for (id, key) in numbered(from, table) {
                let id = MemoryId(id);
                match self.read::<Memory>(from, key).filter(|memory| memory.id == id) {
                    Some(memory) => drop(versions.entry(id).or_default().insert(memory.version, memory)),
                    None => drop(unread.insert((id, table == Table::Memory))),
                }
            }
        }
        for (id, newest) in unread {
            self.lose(if newest || !versions.contains_key(&id) {
                Lost::Memory(id)
            } else {
                Lost::Version(id)
            });
        }
        let mut memories = BTreeMap::new();
        for (id, versions) in versions {
            let count = versions.len() as u32;
            let Some((_, mut newest)) = versions.into_iter().try_fold(None, |before, (number, memory)| {
                if let Some((_, earlier)) = before {
                    self.version(earlier, turns)?;
                }
                Ok::<_, BankError>(Some((number, memory)))
            })?
            else {
                continue;
            };
            if newest.version != count {
                self.lose(Lost::Version(id));
            }
            if newest.state == MemoryState::Superseded {
                // The one in its place is lost: this is the newest there is.
                newest.state = MemoryState::Current;
                self.lose(Lost::Memory(id));
            }
            let newest = self.known_sources(newest, turns)?;
            self.put(&sled::memory_key(id), &newest)?;
            self.mark(&sled::space_memory_key(&newest.space, id))?;
            memories.insert(id, newest);
        }
        Ok(memories)
    }

    fn version(&mut self, memory: Memory, turns: &BTreeMap<TurnId, Turn>) -> Result<(), BankError> {
        let memory = Memory { state: memory.state.superseded(), ..memory };
        let memory = self.known_sources(memory, turns)?;
        self.put(&sled::version_key(memory.id, memory.version), &memory)
    }

    fn known_sources(
        &mut self,
        mut memory: Memory,
        turns: &BTreeMap<TurnId, Turn>,
    ) -> Result<Memory, BankError> {
        for turn in memory.sources.iter().filter(|turn| !turns.contains_key(turn)) {
            self.lose(Lost::Turn(*turn));
        }
        memory.sources.retain(|turn| turns.contains_key(turn));
        for turn in &memory.sources {
            self.mark(&sled::source_key(*turn, memory.id))?;
        }
        Ok(memory)
    }

    fn outcomes(&mut self, from: &Entries, turns: &BTreeMap<TurnId, Turn>) -> Result<(), BankError> {
        let waiting: BTreeSet<u64> = numbered(from, Table::Waiting).map(|(id, _)| id).collect();
        let keys: BTreeMap<u64, &Vec<u8>> = numbered(from, Table::Outcome).collect();
        for (id, turn) in turns {
            let outcome = keys.get(&id.0).and_then(|key| self.read::<TurnOutcome>(from, key));
            if let Some(outcome) = outcome.filter(|_| !waiting.contains(&id.0)) {
                self.put(&sled::outcome_key(*id), &outcome)?;
                if matches!(outcome, TurnOutcome::Failed { .. }) {
                    self.mark(&sled::failed_key(&turn.space, *id))?;
                }
                continue;
            }
            self.mark(&sled::waiting_key(*id))?;
            if !waiting.contains(&id.0) {
                self.lose(Lost::Outcome(*id));
            }
        }
        Ok(())
    }

    /// A vector that does not read is no loss: it is made again.
    fn vectors(
        &mut self,
        from: &Entries,
        turns: &BTreeMap<TurnId, Turn>,
        memories: &BTreeMap<MemoryId, Memory>,
    ) -> Result<(), BankError> {
        for key in from.keys().filter(|key| key.first() == Some(&(Table::Vector as u8))) {
            let Ok(unit) = sled::unit_at_end(key) else { continue };
            let holds = match unit {
                UnitId::Turn(id) => turns.contains_key(&id),
                UnitId::Memory(id) => memories.get(&id).is_some_and(|memory| {
                    memory.state == MemoryState::Current && !self.repaired.lost.contains(&Lost::Memory(id))
                }),
            };
            if holds && let Some(vector) = self.read::<Vector>(from, key) {
                let value = self.seal.value(key, vector.encode().map_err(store_error)?)?;
                self.entries.insert(key.clone(), value);
            }
        }
        Ok(())
    }

    /// A use that does not read is none.
    fn uses(&mut self, from: &Entries, memories: &BTreeMap<MemoryId, Memory>) -> Result<(), BankError> {
        for (id, key) in numbered(from, Table::Used).filter(|(id, _)| memories.contains_key(&MemoryId(*id))) {
            if let Some(used) = self.read::<Used>(from, key) {
                self.put(&sled::used_key(MemoryId(id)), &used)?;
            }
        }
        Ok(())
    }

    /// Ids that were given once are not given again, as far as that can be told.
    fn counter(&mut self, from: &Entries, name: &str, at_least: u64) -> Result<(), BankError> {
        let key = Key::new(Table::Counter).name(name);
        let stored = self.read::<Counter>(from, &self.seal.key(&key)?).map_or(1, |counter| counter.0);
        self.put(&key, &Counter(stored.max(at_least)))
    }
}

/// The keys of a table, with the id that follows its number.
fn numbered(from: &Entries, table: Table) -> impl Iterator<Item = (u64, &Vec<u8>)> {
    let first = table as u8;
    from.range(vec![first]..vec![first + 1]).filter_map(|(key, _)| {
        let id = key.get(1..9)?.try_into().ok()?;
        Some((u64::from_be_bytes(id), key))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::bank::{Bank, BankKey, Commit, MemoryWrite, SledBank};
    use crate::types::{NewTurn, SpaceId, Timestamp};

    fn now() -> Timestamp {
        Timestamp::from_seconds(1)
    }

    fn open(folder: &Path, key: Option<&BankKey>) -> Result<SledBank, BankError> {
        match key {
            Some(key) => SledBank::open_sealed(folder, key),
            None => SledBank::open(folder),
        }
    }

    /// A bank of ten turns; each gives a memory, and the later ones change that of the first as well. Twenty
    /// changes: a turn kept and a turn worked through, in turns.
    fn filled(folder: &Path, key: Option<&BankKey>) -> (Vec<Turn>, Vec<Memory>) {
        let bank = open(folder, key).unwrap();
        for number in 1..=10 {
            let turn = NewTurn::new("Maria", &format!("turn {number}"), now()).unwrap();
            let turn = bank.turn(bank.append(&turn, now()).unwrap().id).unwrap().unwrap();
            let id = bank.next_memory_id().unwrap();
            let text = format!("memory {number}");
            let memory = Memory { id, text, sources: vec![turn.id], ..crate::testing::memory(id.0, "") };
            let mut writes = vec![MemoryWrite { memory, expects: None, vector: None }];
            if let Some(first) = bank.memory(MemoryId(1)).unwrap() {
                let expects = Some(first.version);
                let text = format!("the first, {number}");
                let memory = Memory { version: first.version + 1, text, ..first };
                writes.push(MemoryWrite { memory, expects, vector: None });
            }
            let outcome = TurnOutcome::Done(Vec::new());
            bank.commit(&Commit { turn: turn.id, outcome, writes, read: Vec::new() }).unwrap();
        }
        let home = SpaceId::default();
        (bank.turns(&home).unwrap(), bank.memories(&home).unwrap())
    }

    /// Where the change of this number stands in the journal.
    fn end_of_change(folder: &Path, number: u64) -> usize {
        let mut found = 0;
        journal::read(&folder.join(store::JOURNAL_FILE), &mut |frame, end| {
            if frame.number == number && matches!(frame.part, Part::Change(..)) {
                found = end as usize;
            }
        })
        .unwrap();
        found
    }

    fn flip(folder: &Path, at: usize) {
        let journal = folder.join(store::JOURNAL_FILE);
        let mut bytes = fs::read(&journal).unwrap();
        bytes[at] ^= 0x10;
        fs::write(journal, bytes).unwrap();
    }

    #[test]
    fn what_one_lost_change_takes_with_it_is_named() {
        for key in [None, Some(BankKey::new([9; 32]))] {
            let folder = tempfile::tempdir().unwrap();
            let (turns, memories) = filled(folder.path(), key.as_ref());
            // The change that kept the fifth turn.
            flip(folder.path(), end_of_change(folder.path(), 9) - 3);
            fs::remove_dir_all(store::store_path(folder.path(), 1)).unwrap();
            assert!(matches!(open(folder.path(), key.as_ref()), Err(BankError::Unrecoverable { .. })));

            let repaired = SledBank::repair(folder.path(), key.as_ref()).unwrap();
            let lost = [Lost::Changes { first: 9, last: 9 }, Lost::Turn(TurnId(5))];
            assert_eq!(repaired, Repaired { turns: 9, memories: 10, lost: lost.into() });
            let bank = open(folder.path(), key.as_ref()).unwrap();
            bank.verify().unwrap();
            let left: Vec<Turn> = turns.into_iter().filter(|turn| turn.id != TurnId(5)).collect();
            assert_eq!(bank.turns(&SpaceId::default()).unwrap(), left);
            let texts =
                |memories: Vec<Memory>| memories.into_iter().map(|memory| memory.text).collect::<Vec<_>>();
            assert_eq!(texts(bank.memories(&SpaceId::default()).unwrap()), texts(memories));
            assert_eq!(bank.history(MemoryId(1)).unwrap().len(), 10);
            assert_eq!(bank.next_waiting(None).unwrap(), None);
            let next = bank.append(&NewTurn::new("Maria", "next", now()).unwrap(), now()).unwrap();
            assert_eq!((next.id, bank.next_memory_id().unwrap()), (TurnId(11), MemoryId(11)));
            drop(bank);
            assert!(folder.path().join("damaged-1").exists(), "set aside");
            assert_eq!(SledBank::repair(folder.path(), key.as_ref()).unwrap().lost, []);
        }
    }

    #[test]
    fn a_bank_that_opens_is_left_as_it_is_and_no_bank_is_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(SledBank::repair(folder.path(), None), Err(BankError::Open { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        filled(folder.path(), None);
        let before = fs::read(folder.path().join(store::JOURNAL_FILE)).unwrap();
        let repaired = SledBank::repair(folder.path(), None).unwrap();
        assert_eq!(repaired, Repaired { turns: 10, memories: 10, lost: Vec::new() });
        assert!(fs::read(folder.path().join(store::JOURNAL_FILE)).unwrap() == before);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is broken: what is there afterwards was there before, and what is not is spoken of.
        #[test]
        fn nothing_is_made_up_and_nothing_goes_in_silence(
            flips in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
            store_goes in any::<bool>(),
            sealed in any::<bool>(),
        ) {
            let key = sealed.then(|| BankKey::new([9; 32]));
            let folder = tempfile::tempdir().unwrap();
            let (turns, memories) = filled(folder.path(), key.as_ref());
            let frames = end_of_change(folder.path(), 20);
            for at in &flips {
                flip(folder.path(), at.index(frames));
            }
            let store = store::store_path(folder.path(), 1);
            if store_goes {
                fs::remove_dir_all(&store).unwrap();
            } else {
                let log = store.join("db");
                let mut bytes = fs::read(&log).unwrap();
                for at in &flips {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 0x11;
                }
                fs::write(log, bytes).unwrap();
            }
            let repaired = SledBank::repair(folder.path(), key.as_ref()).unwrap();
            let bank = open(folder.path(), key.as_ref()).unwrap();
            bank.verify().unwrap();
            let (left, kept) = (bank.turns(&SpaceId::default()).unwrap(), bank.memories(&SpaceId::default()).unwrap());
            prop_assert_eq!((repaired.turns, repaired.memories), (left.len() as u64, kept.len() as u64));
            prop_assert!(left.iter().all(|turn| turns.contains(turn)));
            let whole = left == turns && kept == memories;
            prop_assert!(whole || !repaired.lost.is_empty(), "{:?}", repaired);
            for memory in kept {
                let known = memory.text.starts_with("memory ") || memory.text.starts_with("the first, ");
                prop_assert!(known && memory.version <= 10);
            }
        }
    }
}
