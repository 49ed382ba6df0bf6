//! The bank in memory: nothing is left of it when it is dropped.
//!
//! For tests, trainers and hosts that keep nothing. It is written as plainly as it can be, because the
//! bank on disk is tested against it; it has no indexes, and looks at everything to find anything.
//!
//! Rooms it touches: types, embed, bank.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Appended, Bank, BankError, Commit, Contents, Counts, Kept, MemoryWrite, TurnOutcome};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, MemoryState, NewTurn, SpaceId, Timestamp, Turn, TurnId, UnitId};

/// A bank that lives as long as the value does.
#[derive(Debug, Default)]
pub struct MemoryBank(Mutex<Everything>);

#[derive(Debug, Default)]
struct Everything {
    turns_given: u64,
    memories_given: u64,
    turns: BTreeMap<TurnId, Turn>,
    waiting: BTreeSet<TurnId>,
    outcomes: BTreeMap<TurnId, TurnOutcome>,
    /// All versions, oldest first; never empty.
    memories: BTreeMap<MemoryId, Vec<Memory>>,
    vectors: BTreeMap<(UnitId, String), Vector>,
    uses: BTreeMap<MemoryId, Timestamp>,
}

impl MemoryBank {
    /// An empty bank.
    pub fn new() -> Self {
        Self::default()
    }

    fn everything(&self) -> MutexGuard<'_, Everything> {
        // No method can panic between two of its changes, so a poisoned lock still guards a whole bank.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bank for MemoryBank {
    fn append(&self, turn: &NewTurn, recorded: Timestamp) -> Result<Appended, BankError> {
        let mut all = self.everything();
        let same = |old: &&Turn| old.space == turn.space && old.reference == turn.reference;
        if turn.reference.is_some()
            && let Some(old) = all.turns.values().find(same)
        {
            if !turn.is(old) {
                return Err(BankError::ReferenceTaken { turn: old.id });
            }
            return Ok(Appended { id: old.id, new: false });
        }
        all.turns_given += 1;
        let id = TurnId(all.turns_given);
        let turn = turn.clone().kept(id, recorded);
        all.turns.insert(id, turn);
        all.waiting.insert(id);
        Ok(Appended { id, new: true })
    }

    fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError> {
        Ok(self.everything().turns.get(&id).cloned())
    }

    fn turns(&self, space: &SpaceId) -> Result<Vec<Turn>, BankError> {
        Ok(self.everything().turns.values().filter(|turn| turn.space == *space).cloned().collect())
    }

    fn preceding(&self, turn: &Turn, count: usize) -> Result<Vec<Turn>, BankError> {
        let all = self.everything();
        let before = all.turns.range(..turn.id).map(|(_, before)| before);
        let same: Vec<Turn> =
            before.filter(|old| old.space == turn.space && old.session == turn.session).cloned().collect();
        Ok(same[same.len().saturating_sub(count)..].to_vec())
    }

    fn next_waiting(&self, after: Option<TurnId>) -> Result<Option<TurnId>, BankError> {
        Ok(self.everything().waiting.iter().find(|id| after.is_none_or(|after| **id > after)).copied())
    }

    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        Ok(self.everything().outcomes.get(&id).cloned())
    }

    fn requeue(&self, id: TurnId) -> Result<bool, BankError> {
        let mut all = self.everything();
        let again =
            matches!(all.outcomes.get(&id), Some(TurnOutcome::Failed { .. } | TurnOutcome::Undone(_)));
        if again {
            all.outcomes.remove(&id);
            all.waiting.insert(id);
        }
        Ok(again)
    }

    fn next_memory_id(&self) -> Result<MemoryId, BankError> {
        Ok(MemoryId(self.everything().memories_given + 1))
    }

    fn commit(&self, commit: &Commit) -> Result<(), BankError> {
        let mut all = self.everything();
        if !all.accepts(commit) {
            return Err(BankError::Conflict { turn: commit.turn });
        }
        all.waiting.remove(&commit.turn);
        all.outcomes.insert(commit.turn, commit.outcome.clone());
        for write in &commit.writes {
            all.write(write);
        }
        Ok(())
    }

    fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError> {
        Ok(self.everything().newest(id).cloned())
    }

    fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        let all = self.everything();
        let newest = all.memories.values().filter_map(|versions| versions.last());
        Ok(newest.filter(|memory| memory.space == *space).cloned().collect())
    }

    fn history(&self, id: MemoryId) -> Result<Vec<Memory>, BankError> {
        Ok(self.everything().memories.get(&id).cloned().unwrap_or_default())
    }

    fn revise(&self, writes: &[MemoryWrite], undone: &[TurnId]) -> Result<(), BankError> {
        let mut all = self.everything();
        let mut ids = BTreeSet::new();
        let mut fits = |write: &MemoryWrite| {
            let memory = &write.memory;
            write.expects.is_some() && ids.insert(memory.id) && all.accepts_write(write, &memory.space)
        };
        if let Some(write) = writes.iter().find(|write| !fits(write)) {
            return Err(BankError::MemoryChanged { memory: write.memory.id });
        }
        let not_done = |id: &&TurnId| !matches!(all.outcomes.get(id), Some(TurnOutcome::Done(_)));
        if let Some(turn) = undone.iter().find(not_done) {
            return Err(BankError::Conflict { turn: *turn });
        }
        for write in writes {
            all.write(write);
        }
        for id in undone {
            if let Some(outcome) = all.outcomes.get_mut(id)
                && let TurnOutcome::Done(applied) = outcome
            {
                *outcome = TurnOutcome::Undone(std::mem::take(applied));
            }
        }
        Ok(())
    }

    fn forget(&self, units: &[UnitId]) -> Result<usize, BankError> {
        let mut all = self.everything();
        let units: BTreeSet<UnitId> =
            units.iter().copied().filter(|unit| all.space_of(*unit).is_some()).collect();
        let mut gone = BTreeSet::new();
        for unit in &units {
            all.drop_vectors(*unit);
            match unit {
                UnitId::Memory(id) => {
                    all.memories.remove(id);
                    all.uses.remove(id);
                    gone.insert(*id);
                }
                UnitId::Turn(id) => {
                    all.turns.remove(id);
                    all.waiting.remove(id);
                    all.outcomes.remove(id);
                    for memory in all.memories.values_mut().flatten() {
                        memory.sources.retain(|source| source != id);
                    }
                }
            }
        }
        for outcome in all.outcomes.values_mut() {
            if let Some(without) = outcome.clone().without(&gone) {
                *outcome = without;
            }
        }
        Ok(units.len())
    }

    fn next_turn_id(&self) -> Result<TurnId, BankError> {
        Ok(TurnId(self.everything().turns_given + 1))
    }

    fn restore(&self, contents: &Contents) -> Result<(), BankError> {
        let mut all = self.everything();
        if all.turns_given > 0 || all.memories_given > 0 {
            return Err(BankError::NotEmpty);
        }
        for Kept { turn, outcome } in &contents.turns {
            match outcome {
                Some(outcome) => drop(all.outcomes.insert(turn.id, outcome.clone())),
                None => drop(all.waiting.insert(turn.id)),
            }
            all.turns.insert(turn.id, turn.clone());
        }
        for versions in &contents.memories {
            if let Some(newest) = versions.last() {
                all.memories.insert(newest.id, versions.clone());
            }
        }
        all.turns_given = contents.next_turn.saturating_sub(1);
        all.memories_given = contents.next_memory.saturating_sub(1);
        Ok(())
    }

    fn put_vectors(&self, embedder: &str, vectors: &[(UnitId, Vector)]) -> Result<(), BankError> {
        let mut all = self.everything();
        for (unit, vector) in vectors {
            if all.searchable(*unit) {
                all.vectors.insert((*unit, embedder.to_owned()), vector.clone());
            }
        }
        Ok(())
    }

    fn vectors(&self, space: &SpaceId, embedder: &str) -> Result<Vec<(UnitId, Vector)>, BankError> {
        let all = self.everything();
        let mine = all.vectors.iter().filter(|((unit, made_by), _)| {
            made_by == embedder && all.space_of(*unit).is_some_and(|of_unit| of_unit == space)
        });
        Ok(mine.map(|((unit, _), vector)| (*unit, vector.clone())).collect())
    }

    fn drop_other_vectors(&self, space: &SpaceId, embedder: &str) -> Result<(), BankError> {
        let mut all = self.everything();
        let units: BTreeSet<UnitId> = all.vectors.keys().map(|(unit, _)| *unit).collect();
        let units: Vec<UnitId> =
            units.into_iter().filter(|unit| all.space_of(*unit) == Some(space)).collect();
        all.vectors.retain(|(unit, made_by), _| made_by == embedder || !units.contains(unit));
        Ok(())
    }

    fn note_use(&self, memories: &[MemoryId], at: Timestamp) -> Result<(), BankError> {
        let mut all = self.everything();
        for id in memories {
            if all.memories.contains_key(id) {
                all.uses.insert(*id, at);
            }
        }
        Ok(())
    }

    fn last_use(&self, memory: MemoryId) -> Result<Option<Timestamp>, BankError> {
        Ok(self.everything().uses.get(&memory).copied())
    }

    fn spaces(&self) -> Result<Vec<SpaceId>, BankError> {
        let all = self.everything();
        let of_turns = all.turns.values().map(|turn| &turn.space);
        let of_memories = all.memories.values().flatten().map(|memory| &memory.space);
        let spaces: BTreeSet<&SpaceId> = of_turns.chain(of_memories).collect();
        Ok(spaces.into_iter().cloned().collect())
    }

    fn counts(&self, space: &SpaceId) -> Result<Counts, BankError> {
        let all = self.everything();
        let mut counts = Counts::default();
        for turn in all.turns.values().filter(|turn| turn.space == *space) {
            counts.turns += 1;
            counts.waiting += u64::from(all.waiting.contains(&turn.id));
            let failed = matches!(all.outcomes.get(&turn.id), Some(TurnOutcome::Failed { .. }));
            counts.failed += u64::from(failed);
        }
        for versions in all.memories.values() {
            let Some(newest) = versions.last().filter(|newest| newest.space == *space) else { continue };
            counts.versions += versions.len() as u64;
            counts.current += u64::from(newest.state == MemoryState::Current);
            counts.retired += u64::from(newest.state == MemoryState::Retired);
            counts.quarantined += u64::from(newest.state == MemoryState::Quarantined);
        }
        Ok(counts)
    }
}

impl Everything {
    fn newest(&self, id: MemoryId) -> Option<&Memory> {
        self.memories.get(&id).and_then(|versions| versions.last())
    }

    fn accepts(&self, commit: &Commit) -> bool {
        let Some(turn) = self.turns.get(&commit.turn) else { return false };
        let ids: BTreeSet<MemoryId> = commit.writes.iter().map(|write| write.memory.id).collect();
        self.waiting.contains(&commit.turn)
            && ids.len() == commit.writes.len()
            && commit.read.iter().all(|unit| self.space_of(*unit).is_some())
            && commit.writes.iter().all(|write| self.accepts_write(write, &turn.space))
    }

    fn accepts_write(&self, MemoryWrite { memory, expects, .. }: &MemoryWrite, space: &SpaceId) -> bool {
        let newest = self.newest(memory.id);
        memory.space == *space
            && memory.state != MemoryState::Superseded
            && newest.map(|newest| newest.version) == *expects
            && newest.is_none_or(|newest| newest.space == *space)
            && expects.unwrap_or(0).checked_add(1) == Some(memory.version)
            && (expects.is_some() || (memory.id.0 > self.memories_given && memory.id.0 < u64::MAX))
    }

    fn write(&mut self, write: &MemoryWrite) {
        let mut memory = write.memory.clone();
        memory.sources.retain(|source| self.turns.get(source).is_some_and(|turn| turn.space == memory.space));
        let (id, unit) = (memory.id, UnitId::Memory(memory.id));
        self.memories_given = self.memories_given.max(id.0);
        self.drop_vectors(unit);
        let versions = self.memories.entry(id).or_default();
        if let Some(old) = versions.last_mut() {
            old.state = old.state.superseded();
        }
        versions.push(memory);
        if let Some((embedder, vector)) = &write.vector
            && self.searchable(unit)
        {
            self.vectors.insert((unit, embedder.clone()), vector.clone());
        }
    }

    fn space_of(&self, unit: UnitId) -> Option<&SpaceId> {
        match unit {
            UnitId::Turn(id) => self.turns.get(&id).map(|turn| &turn.space),
            UnitId::Memory(id) => self.newest(id).map(|memory| &memory.space),
        }
    }

    /// There, and not retired.
    fn searchable(&self, unit: UnitId) -> bool {
        match unit {
            UnitId::Turn(id) => self.turns.contains_key(&id),
            UnitId::Memory(id) => self.newest(id).is_some_and(|memory| memory.state == MemoryState::Current),
        }
    }

    fn drop_vectors(&mut self, unit: UnitId) {
        self.vectors.retain(|(of, _), _| *of != unit);
    }
}
