//! A bank that fails where it is told to, for tests of "an error leaves the bank as it was".
//!
//! It wraps any bank and counts the calls that change something. It keeps nothing itself and never makes
//! up an answer: reading always goes through.
//!
//! Rooms it touches: types, embed, bank.

use std::sync::{Mutex, PoisonError};

use crate::bank::{Appended, Bank, BankError, Commit, Contents, Counts, MemoryWrite, TurnOutcome};
use crate::embed::Vector;
use crate::types::{Memory, MemoryId, NewTurn, SpaceId, Timestamp, Turn, TurnId, UnitId};

/// Which side of the change the failure falls on. A caller cannot tell them apart: both answer with
/// [`BankError::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The change did not happen.
    Before,
    /// The change happened, but the caller is told that it failed.
    After,
}

/// A bank of which one changing call fails.
#[derive(Debug)]
pub struct FaultyBank<B> {
    inner: B,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    changes: usize,
    fault: Option<(usize, Failing)>,
}

impl<B: Bank> FaultyBank<B> {
    /// A bank that works as `inner` does until it is told to fail.
    pub fn new(inner: B) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// The `nth` changing call from now fails, counted from 1; those after it work again.
    pub fn fail(&self, nth: usize, fails: Failing) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.fault = Some((plan.changes + nth, fails));
    }

    /// How many changing calls there were, failed ones included: run a flow once to learn how many
    /// places it can fail in, then once for each.
    pub fn changes(&self) -> usize {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).changes
    }

    /// The bank behind it.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    fn change<T>(&self, call: impl FnOnce(&B) -> Result<T, BankError>) -> Result<T, BankError> {
        match self.next() {
            None => call(&self.inner),
            Some(Failing::Before) => Err(fault()),
            Some(Failing::After) => call(&self.inner).and_then(|_| Err(fault())),
        }
    }

    fn next(&self) -> Option<Failing> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.changes += 1;
        let now = plan.changes;
        plan.fault.filter(|(nth, _)| *nth == now).map(|(_, fails)| fails)
    }
}

fn fault() -> BankError {
    BankError::Store("a failure that a test asked for".into())
}

impl<B: Bank> Bank for FaultyBank<B> {
    fn append(&self, turn: &NewTurn, recorded: Timestamp) -> Result<Appended, BankError> {
        self.change(|bank| bank.append(turn, recorded))
    }

    fn turn(&self, id: TurnId) -> Result<Option<Turn>, BankError> {
        self.inner.turn(id)
    }

    fn turns(&self, space: &SpaceId) -> Result<Vec<Turn>, BankError> {
        self.inner.turns(space)
    }

    fn preceding(&self, turn: &Turn, count: usize) -> Result<Vec<Turn>, BankError> {
        self.inner.preceding(turn, count)
    }

    fn next_waiting(&self, after: Option<TurnId>) -> Result<Option<TurnId>, BankError> {
        self.inner.next_waiting(after)
    }

    fn outcome(&self, id: TurnId) -> Result<Option<TurnOutcome>, BankError> {
        self.inner.outcome(id)
    }

    fn requeue(&self, id: TurnId) -> Result<bool, BankError> {
        self.change(|bank| bank.requeue(id))
    }

    fn next_memory_id(&self) -> Result<MemoryId, BankError> {
        self.inner.next_memory_id()
    }

    fn commit(&self, commit: &Commit) -> Result<(), BankError> {
        self.change(|bank| bank.commit(commit))
    }

    fn memory(&self, id: MemoryId) -> Result<Option<Memory>, BankError> {
        self.inner.memory(id)
    }

    fn memories(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        self.inner.memories(space)
    }

    fn history(&self, id: MemoryId) -> Result<Vec<Memory>, BankError> {
        self.inner.history(id)
    }

    fn revise(&self, writes: &[MemoryWrite], undone: &[TurnId]) -> Result<(), BankError> {
        self.change(|bank| bank.revise(writes, undone))
    }

    fn forget(&self, units: &[UnitId]) -> Result<usize, BankError> {
        self.change(|bank| bank.forget(units))
    }

    fn next_turn_id(&self) -> Result<TurnId, BankError> {
        self.inner.next_turn_id()
    }

    fn restore(&self, contents: &Contents) -> Result<(), BankError> {
        self.change(|bank| bank.restore(contents))
    }

    fn put_vectors(&self, embedder: &str, vectors: &[(UnitId, Vector)]) -> Result<(), BankError> {
        self.change(|bank| bank.put_vectors(embedder, vectors))
    }

    fn drop_other_vectors(&self, space: &SpaceId, embedder: &str) -> Result<(), BankError> {
        self.change(|bank| bank.drop_other_vectors(space, embedder))
    }

    fn note_use(&self, memories: &[MemoryId], at: Timestamp) -> Result<(), BankError> {
        self.change(|bank| bank.note_use(memories, at))
    }

    fn last_use(&self, memory: MemoryId) -> Result<Option<Timestamp>, BankError> {
        self.inner.last_use(memory)
    }

    fn vectors(&self, space: &SpaceId, embedder: &str) -> Result<Vec<(UnitId, Vector)>, BankError> {
        self.inner.vectors(space, embedder)
    }

    fn spaces(&self) -> Result<Vec<SpaceId>, BankError> {
        self.inner.spaces()
    }

    fn counts(&self, space: &SpaceId) -> Result<Counts, BankError> {
        self.inner.counts(space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::MemoryBank;

    #[test]
    fn the_chosen_change_fails_on_the_chosen_side_and_the_next_one_works() {
        for (fails, kept) in [(Failing::Before, 2), (Failing::After, 3)] {
            let bank = FaultyBank::new(MemoryBank::new());
            let now = Timestamp::from_seconds(0);
            let turn = NewTurn::new("Maria", "hello", now).unwrap();
            bank.fail(2, fails);
            assert!(bank.append(&turn, now).is_ok());
            assert!(matches!(bank.append(&turn, now), Err(BankError::Store(_))));
            assert!(bank.append(&turn, now).is_ok());
            assert_eq!((bank.changes(), bank.inner().turns(&SpaceId::default()).unwrap().len()), (3, kept));
        }
    }
}
