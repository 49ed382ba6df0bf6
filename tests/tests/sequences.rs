//! Any sequence of changes, with undoing, confirming, forgetting and reopening, against what held after each.
//!
//! Every earlier moment must be readable as it was, forgotten things apart; undoing the last turn must bring back what
//! held before it; what is refused must change nothing. Rooms it touches: core.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keepsake_core::bank::{Bank, Commit, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::decision::{Applied, Operation};
use keepsake_core::types::{
    Memory, MemoryId, MemoryState, NewTurn, Origin, SpaceId, Timestamp, TurnId, UnitId,
};
use keepsake_core::{Engine, Moment, Setup};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    /// A turn that adds a memory, perhaps one that waits to be confirmed, and changes or retires another.
    Turn {
        adds: Option<bool>,
        changes: Option<(u64, bool)>,
    },
    /// A turn that changes what holds, taken back at once.
    TurnAndUndo {
        adds: bool,
        changes: Option<(u64, bool)>,
    },
    Undo(u64),
    Confirm(u64),
    Forget(bool, u64),
    Reopen,
}

fn any_op() -> impl Strategy<Value = Op> {
    let change = || prop::option::of((1..5_u64, any::<bool>()));
    prop_oneof![
        5 => (prop::option::of(prop::bool::weighted(0.2)), change())
            .prop_map(|(adds, changes)| Op::Turn { adds, changes }),
        2 => (any::<bool>(), change()).prop_map(|(adds, changes)| Op::TurnAndUndo { adds, changes }),
        2 => (1..9_u64).prop_map(Op::Undo),
        1 => (1..5_u64).prop_map(Op::Confirm),
        1 => (any::<bool>(), 1..6_u64).prop_map(|(turn, id)| Op::Forget(turn, id)),
        1 => Just(Op::Reopen),
    ]
}

/// What holds, what waits to be confirmed, and what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    current: BTreeMap<MemoryId, String>,
    quarantined: BTreeMap<MemoryId, String>,
    turns: BTreeMap<TurnId, String>,
}

impl Seen {
    fn of(engine: &Engine) -> Self {
        let space = SpaceId::default();
        let texts = |memories: Vec<Memory>| memories.into_iter().map(|one| (one.id, one.text)).collect();
        Self {
            current: texts(engine.memories(&space).unwrap()),
            quarantined: texts(engine.quarantined(&space).unwrap()),
            turns: engine.turns(&space).unwrap().into_iter().map(|turn| (turn.id, turn.text)).collect(),
        }
    }

    fn forget(&mut self, unit: UnitId) {
        match unit {
            UnitId::Memory(id) => {
                self.current.remove(&id);
                self.quarantined.remove(&id);
            }
            UnitId::Turn(id) => drop(self.turns.remove(&id)),
        }
    }
}

/// A bank on disk, its engine, and a clock that every change moves on.
struct World {
    bank: Arc<SledBank>,
    engine: Engine,
    clock: Arc<AtomicI64>,
}

impl World {
    fn open(folder: &Path, clock: &Arc<AtomicI64>) -> Self {
        let bank = Arc::new(SledBank::open(folder).unwrap());
        let now = clock.clone();
        let setup = Setup::new(move || Timestamp::from_seconds(now.load(Ordering::Relaxed)));
        Self { engine: Engine::with_bank(bank.clone(), setup), bank, clock: clock.clone() }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.clock.load(Ordering::Relaxed))
    }

    fn turn(&self, adds: Option<bool>, changes: Option<(u64, bool)>) -> TurnId {
        let id = self.engine.append(NewTurn::new("Tom", "said", self.now()).unwrap()).unwrap().id;
        let (now, mut writes, mut applied) = (self.now(), Vec::new(), Vec::new());
        let old = changes.and_then(|(memory, retires)| {
            let old = self.bank.memory(MemoryId(memory)).unwrap()?;
            (old.state == MemoryState::Current).then_some((old, retires))
        });
        if let Some((old, retires)) = old {
            let mut sources = old.sources.clone();
            sources.push(id);
            let state = if retires { MemoryState::Retired } else { MemoryState::Current };
            let text = if retires { old.text } else { format!("changed by {id}") };
            let (expects, version) = (Some(old.version), old.version + 1);
            let memory = Memory { version, text, sources, state, recorded: now, valid_from: now, ..old };
            writes.push(MemoryWrite { memory, expects, vector: None });
            applied.push((MemoryId(old.id.0), if retires { Operation::Delete } else { Operation::Update }));
        }
        if let Some(quarantined) = adds {
            let memory = Memory {
                id: self.bank.next_memory_id().unwrap(),
                space: SpaceId::default(),
                version: 1,
                text: format!("added by {id}"),
                speaker: "Tom".to_owned(),
                valid_from: now,
                recorded: now,
                origin: if quarantined { Origin::Document } else { Origin::User },
                sources: vec![id],
                state: if quarantined { MemoryState::Quarantined } else { MemoryState::Current },
            };
            applied.push((memory.id, Operation::Add));
            writes.push(MemoryWrite { memory, expects: None, vector: None });
        }
        let applied = applied.into_iter().map(|(memory, operation)| Applied {
            fact: "a fact".to_owned(),
            decided: Some(operation),
            operation,
            memory: Some(memory),
            text: None,
            beside: None,
            guard: None,
        });
        let outcome = TurnOutcome::Done(applied.collect());
        self.bank.commit(&Commit { turn: id, outcome, writes, read: Vec::new() }).unwrap();
        id
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_moment_can_be_read_as_it_was(ops in prop::collection::vec(any_op(), 1..25)) {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(0)));
        let mut world = World::open(folder.path(), &clock);
        let mut moments: BTreeMap<Timestamp, Seen> = BTreeMap::new();
        for op in ops {
            clock.fetch_add(1, Ordering::Relaxed);
            let before = Seen::of(&world.engine);
            match op {
                Op::Turn { adds, changes } => drop(world.turn(adds, changes)),
                Op::TurnAndUndo { adds, changes } => {
                    let turn = world.turn(adds.then_some(false), changes);
                    moments.insert(world.now(), Seen::of(&world.engine));
                    clock.fetch_add(1, Ordering::Relaxed);
                    world.engine.undo(&[turn]).unwrap();
                    let after = Seen::of(&world.engine);
                    prop_assert_eq!((&after.current, &after.quarantined), (&before.current, &before.quarantined));
                }
                Op::Undo(turn) => {
                    if world.engine.undo(&[TurnId(turn)]).is_err() {
                        prop_assert_eq!(&Seen::of(&world.engine), &before);
                    }
                }
                Op::Confirm(memory) => {
                    let waits = before.quarantined.contains_key(&MemoryId(memory));
                    prop_assert_eq!(world.engine.confirm(MemoryId(memory)).is_ok(), waits);
                }
                Op::Forget(turn, id) => {
                    let unit = if turn { UnitId::Turn(TurnId(id)) } else { UnitId::Memory(MemoryId(id)) };
                    world.engine.forget_all(&[unit]).unwrap();
                    for seen in moments.values_mut() {
                        seen.forget(unit);
                    }
                    let mut expected = before;
                    expected.forget(unit);
                    prop_assert_eq!(&Seen::of(&world.engine), &expected);
                }
                Op::Reopen => {
                    drop(world);
                    world = World::open(folder.path(), &clock);
                    prop_assert_eq!(&Seen::of(&world.engine), &before);
                }
            }
            moments.insert(world.now(), Seen::of(&world.engine));
        }
        for (moment, seen) in moments {
            let then = world.engine.as_of(&SpaceId::default(), Moment::Recorded(moment)).unwrap();
            prop_assert_eq!(&Seen::of(&then), &seen, "as of {}", moment);
        }
        let nothing = world.engine.as_of(&SpaceId::default(), Moment::Recorded(Timestamp::from_seconds(0)));
        prop_assert_eq!(Seen::of(&nothing.unwrap()), Seen::default());
    }
}
