//! What every bank must do, as one suite stamped onto each implementation, and a comparison of the bank
//! on disk with the bank in memory over random sequences of operations.
//!
//! A case uses the seam only. What concerns files, locks and damage is tested beside `SledBank`; that an
//! acknowledged write survives a killed process needs a second process and is tested in `tests/`.
//!
//! Rooms it touches: types, decision, embed, bank.

use std::collections::BTreeSet;
use std::thread;

use proptest::prelude::*;

use super::{
    Appended, Bank, BankError, BankKey, Commit, Counts, FailReason, MemoryBank, MemoryWrite, SledBank, Step,
    TurnOutcome,
};
use crate::decision::{Applied, Operation};
use crate::embed::Vector;
use crate::types::{
    MAX_TURN_BYTES, Memory, MemoryId, MemoryState, NewTurn, Origin, SpaceId, Timestamp, Turn, TurnId, UnitId,
};

const EMBEDDERS: [&str; 2] = ["letters", "letters 2"];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn space(name: &str) -> SpaceId {
    SpaceId::new(name).unwrap()
}

fn said(in_space: &str, session: &str, text: &str) -> NewTurn {
    let turn = NewTurn::new("Maria", text, at(100)).unwrap();
    turn.in_space(space(in_space)).in_session(session).unwrap()
}

fn append(bank: &dyn Bank, turn: &NewTurn) -> Turn {
    let appended = bank.append(turn, at(200)).unwrap();
    assert!(appended.new);
    bank.turn(appended.id).unwrap().unwrap()
}

/// Sixteen vectors whose length is exactly one, so that no rounding separates two banks.
fn vector(number: usize) -> Vector {
    let component = |bit: usize| if number >> bit & 1 == 0 { 0.5 } else { -0.5 };
    Vector::normalised((0..4).map(component).collect()).unwrap()
}

fn done() -> TurnOutcome {
    TurnOutcome::Done(vec![Applied {
        fact: "Maria has a dog".to_owned(),
        decided: Some(Operation::Add),
        operation: Operation::Add,
        memory: Some(MemoryId(1)),
        text: Some("Maria has a dog".to_owned()),
        beside: None,
        guard: None,
    }])
}

fn failed() -> TurnOutcome {
    TurnOutcome::Failed { step: Step::Extract, reason: FailReason::CutOff }
}

/// A memory that `turn` gave, at version 1.
fn fresh(id: MemoryId, turn: &Turn, text: &str) -> MemoryWrite {
    let memory = Memory {
        id,
        space: turn.space.clone(),
        version: 1,
        text: text.to_owned(),
        speaker: turn.speaker.clone(),
        valid_from: turn.time,
        recorded: at(300),
        origin: Origin::User,
        sources: vec![turn.id],
        state: MemoryState::Current,
    };
    let embedding = Some((EMBEDDERS[0].to_owned(), vector(id.0 as usize)));
    MemoryWrite { memory, expects: None, vector: embedding }
}

/// The version of `old` that `turn` gave.
fn changed(old: &Memory, turn: &Turn, text: &str) -> MemoryWrite {
    let mut memory = Memory { version: old.version + 1, text: text.to_owned(), ..old.clone() };
    memory.sources.push(turn.id);
    MemoryWrite { memory, expects: Some(old.version), vector: None }
}

fn retired(old: &Memory, turn: &Turn) -> MemoryWrite {
    let mut write = changed(old, turn, &old.text);
    write.memory.state = MemoryState::Retired;
    write
}

fn commit(bank: &dyn Bank, turn: &Turn, writes: Vec<MemoryWrite>) {
    bank.commit(&Commit { turn: turn.id, outcome: done(), writes, read: vec![] }).unwrap();
}

/// A turn of the space and one memory that came of it.
fn remembered(bank: &dyn Bank, in_space: &str, text: &str) -> (Turn, Memory) {
    let turn = append(bank, &said(in_space, "1", text));
    let write = fresh(bank.next_memory_id().unwrap(), &turn, text);
    commit(bank, &turn, vec![write.clone()]);
    (turn, write.memory)
}

fn queue(bank: &dyn Bank) -> Vec<TurnId> {
    let mut waiting = Vec::new();
    while let Some(id) = bank.next_waiting(waiting.last().copied()).unwrap() {
        waiting.push(id);
    }
    waiting
}

/// Everything the seam tells about some spaces, to compare two banks or two moments.
fn everything(bank: &dyn Bank, spaces: &[&str]) -> impl PartialEq + std::fmt::Debug + use<> {
    let of_space = |name: &&str| {
        let space = space(name);
        let turns = bank.turns(&space).unwrap();
        let preceding: Vec<_> = turns.iter().map(|turn| bank.preceding(turn, 2).unwrap()).collect();
        let outcomes: Vec<_> = turns.iter().map(|turn| bank.outcome(turn.id).unwrap()).collect();
        let memories = bank.memories(&space).unwrap();
        let about = |memory: &Memory| (bank.history(memory.id).unwrap(), bank.last_use(memory.id).unwrap());
        let histories: Vec<_> = memories.iter().map(about).collect();
        let vectors = EMBEDDERS.map(|embedder| bank.vectors(&space, embedder).unwrap());
        let counts = bank.counts(&space).unwrap();
        (turns, preceding, outcomes, memories, histories, vectors, counts)
    };
    let spaces: Vec<_> = spaces.iter().map(of_space).collect();
    (spaces, bank.spaces().unwrap(), queue(bank), bank.next_memory_id().unwrap())
}

// The cases.

fn an_empty_bank_answers_with_nothing(bank: &dyn Bank) {
    let nowhere = SpaceId::default();
    assert_eq!(bank.turn(TurnId(1)).unwrap(), None);
    assert_eq!(bank.memory(MemoryId(1)).unwrap(), None);
    assert_eq!(bank.outcome(TurnId(1)).unwrap(), None);
    assert_eq!(bank.next_waiting(None).unwrap(), None);
    assert_eq!(bank.next_memory_id().unwrap(), MemoryId(1));
    assert!(bank.history(MemoryId(1)).unwrap().is_empty() && bank.spaces().unwrap().is_empty());
    assert!(!bank.requeue(TurnId(1)).unwrap());
    assert!(!bank.forget_turn(TurnId(1)).unwrap() && !bank.forget_memory(MemoryId(1)).unwrap());
    assert_eq!(bank.counts(&nowhere).unwrap(), Counts::default());
}

fn a_turn_is_kept_verbatim(bank: &dyn Bank) {
    let new = said("home", "evening", " Ünï\n\u{0}code ").from_origin(Origin::Assistant);
    let new = new.with_image("a red kite").unwrap().with_reference("D1:3").unwrap();
    assert_eq!(bank.append(&new, at(7)).unwrap(), Appended { id: TurnId(1), new: true });
    let kept = Turn {
        id: TurnId(1),
        space: space("home"),
        session: "evening".to_owned(),
        speaker: "Maria".to_owned(),
        text: " Ünï\n\u{0}code ".to_owned(),
        image: Some("a red kite".to_owned()),
        time: at(100),
        recorded: at(7),
        origin: Origin::Assistant,
        reference: Some("D1:3".to_owned()),
    };
    assert_eq!(bank.turn(TurnId(1)).unwrap(), Some(kept));
}

fn the_largest_turn_is_kept(bank: &dyn Bank) {
    let text = "é".repeat(MAX_TURN_BYTES / 2);
    let turn = append(bank, &said("home", "1", &text).with_image(&text).unwrap());
    assert!(turn.text == text && turn.image == Some(text));
}

fn a_reference_is_stored_once_in_each_space(bank: &dyn Bank) {
    let mine = said("a", "1", "hello").with_reference("D1:1").unwrap();
    let first = append(bank, &mine);
    assert_eq!(bank.append(&mine, at(9)).unwrap(), Appended { id: first.id, new: false });
    for other in [said("a", "2", "hello"), said("a", "1", "another text")] {
        let refused = bank.append(&other.with_reference("D1:1").unwrap(), at(9));
        assert!(matches!(refused, Err(BankError::ReferenceTaken { turn }) if turn == first.id));
    }
    assert_eq!(bank.turns(&space("a")).unwrap(), [first]);
    append(bank, &said("a", "1", "longer").with_reference("D1:11").unwrap());
    append(bank, &said("b", "1", "hello").with_reference("D1:1").unwrap());
    append(bank, &said("a", "1", "no reference"));
    append(bank, &said("a", "1", "no reference"));
    assert_eq!(queue(bank), [1, 2, 3, 4, 5].map(TurnId));
}

fn nothing_crosses_a_space(bank: &dyn Bank) {
    // Names of which one starts the other, and which read the same when put together without a border.
    let names = ["a", "ab", "b", "ba", "a1", "1"];
    let kept: Vec<_> = names.iter().map(|name| remembered(bank, name, name)).collect();
    for (name, (turn, memory)) in names.iter().zip(kept) {
        let space = space(name);
        let vectors = bank.vectors(&space, EMBEDDERS[0]).unwrap();
        assert_eq!(vectors, [(UnitId::Memory(memory.id), vector(memory.id.0 as usize))]);
        assert_eq!(bank.turns(&space).unwrap(), [turn]);
        assert_eq!(bank.memories(&space).unwrap(), [memory]);
        let counts = Counts { turns: 1, current: 1, versions: 1, ..Counts::default() };
        assert_eq!(bank.counts(&space).unwrap(), counts);
    }
    assert_eq!(bank.spaces().unwrap(), ["1", "a", "a1", "ab", "b", "ba"].map(space));

    let (elsewhere, theirs) = remembered(bank, "c", "theirs");
    let turn = append(bank, &said("a", "1", "mine"));
    let before = everything(bank, &["a", "c"]);
    let stolen = changed(&theirs, &turn, "mine now");
    let mut moved = stolen.clone();
    moved.memory.space = space("a");
    let mut planted = fresh(bank.next_memory_id().unwrap(), &turn, "planted");
    planted.memory.space = space("c");
    for write in [stolen, moved, planted] {
        refused(bank, &Commit { turn: turn.id, outcome: done(), writes: vec![write], read: vec![] });
    }
    assert_eq!(everything(bank, &["a", "c"]), before);

    let mut borrowed = fresh(bank.next_memory_id().unwrap(), &turn, "mine");
    borrowed.memory.sources.insert(0, elsewhere.id);
    let id = borrowed.memory.id;
    commit(bank, &turn, vec![borrowed]);
    assert_eq!(bank.memory(id).unwrap().unwrap().sources, [turn.id]);
}

fn preceding_turns_are_of_the_same_session(bank: &dyn Bank) {
    let turns: Vec<Turn> = [("a", "1"), ("a", "11"), ("a", "1"), ("a1", "1"), ("a", "1"), ("a", "1")]
        .iter()
        .map(|(space, session)| append(bank, &said(space, session, "hello")))
        .collect();
    let ids = |count| -> Vec<u64> {
        bank.preceding(&turns[5], count).unwrap().iter().map(|turn| turn.id.0).collect()
    };
    assert_eq!(ids(0), [0_u64; 0]);
    assert_eq!(ids(2), [3, 5]);
    assert_eq!(ids(usize::MAX), [1, 3, 5]);
    assert_eq!(bank.preceding(&turns[0], 9).unwrap(), []);
    assert_eq!(bank.preceding(&turns[1], 9).unwrap(), []);
    bank.forget_turn(TurnId(3)).unwrap();
    assert_eq!(ids(9), [1, 5]);
}

fn the_queue_gives_turns_of_all_spaces_in_order(bank: &dyn Bank) {
    let turns: Vec<Turn> =
        ["b", "a", "c"].iter().map(|name| append(bank, &said(name, "1", "hello"))).collect();
    assert_eq!(bank.next_waiting(None).unwrap(), Some(turns[0].id));
    assert_eq!(bank.next_waiting(Some(turns[0].id)).unwrap(), Some(turns[1].id));
    assert_eq!(bank.next_waiting(Some(turns[2].id)).unwrap(), None);
    assert_eq!(bank.next_waiting(Some(TurnId(u64::MAX))).unwrap(), None);
    commit(bank, &turns[1], vec![]);
    assert_eq!(bank.next_waiting(Some(turns[0].id)).unwrap(), Some(turns[2].id));
    assert_eq!(bank.outcome(turns[1].id).unwrap(), Some(done()));
    assert_eq!(bank.outcome(turns[0].id).unwrap(), None);
}

fn a_commit_supersedes_and_keeps_the_history(bank: &dyn Bank) {
    let (_, first) = remembered(bank, "a", "has a dog");
    let turn = append(bank, &said("a", "1", "Buddy is a cat"));
    let update = changed(&first, &turn, "has a cat");
    let second = update.memory.clone();
    let new = fresh(bank.next_memory_id().unwrap(), &turn, "is called Buddy");
    commit(bank, &turn, vec![update, new.clone()]);
    assert_eq!(bank.memory(first.id).unwrap(), Some(second.clone()));
    assert_eq!(bank.memories(&space("a")).unwrap(), [second.clone(), new.memory]);

    let turn = append(bank, &said("a", "1", "no pets"));
    let write = retired(&second, &turn);
    let third = write.memory.clone();
    commit(bank, &turn, vec![write]);
    let state = MemoryState::Superseded;
    let old = [Memory { state, ..first.clone() }, Memory { state, ..second }];
    assert_eq!(bank.history(first.id).unwrap(), [old[0].clone(), old[1].clone(), third.clone()]);
    assert_eq!(bank.memory(first.id).unwrap(), Some(third.clone()));

    let turn = append(bank, &said("a", "1", "a dog after all"));
    commit(bank, &turn, vec![changed(&third, &turn, "has a dog")]);
    assert_eq!(bank.history(first.id).unwrap().len(), 4);
}

fn refused(bank: &dyn Bank, commit: &Commit) {
    match bank.commit(commit) {
        Err(BankError::Conflict { turn }) => assert_eq!(turn, commit.turn),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn a_commit_that_does_not_fit_changes_nothing(bank: &dyn Bank) {
    let (worked, old) = remembered(bank, "a", "has a dog");
    let turn = append(bank, &said("a", "1", "two cats"));
    commit(bank, &turn, vec![changed(&old, &turn, "has a cat")]);
    let turn = append(bank, &said("a", "1", "and a fish"));
    let newest = bank.memory(old.id).unwrap().unwrap();
    let free = bank.next_memory_id().unwrap();
    let fits = fresh(free, &turn, "a fish");
    let before = everything(bank, &["a"]);

    let stale = changed(&old, &turn, "has a parrot");
    let mut too_new = changed(&newest, &turn, "has a parrot");
    (too_new.expects, too_new.memory.version) = (Some(3), 4);
    let mut skipping = changed(&newest, &turn, "has a parrot");
    skipping.memory.version += 1;
    let mut not_first = fresh(free, &turn, "a fish");
    not_first.memory.version = 2;
    let mut superseded = fresh(free, &turn, "a fish");
    superseded.memory.state = MemoryState::Superseded;
    let unknown = MemoryWrite { expects: Some(1), ..changed(&fits.memory, &turn, "gone") };
    let taken = fresh(old.id, &turn, "takes an id that is there");
    let last = fresh(MemoryId(u64::MAX), &turn, "leaves no id for the next");
    for bad in [stale, too_new, skipping, not_first, superseded, unknown, taken, last] {
        for writes in [vec![bad.clone()], vec![fits.clone(), bad.clone()], vec![bad, fits.clone()]] {
            refused(bank, &Commit { turn: turn.id, outcome: done(), writes, read: vec![] });
        }
    }
    let twice = vec![changed(&newest, &turn, "one"), changed(&newest, &turn, "two")];
    refused(bank, &Commit { turn: turn.id, outcome: done(), writes: twice, read: vec![] });
    refused(bank, &Commit { turn: worked.id, outcome: done(), writes: vec![], read: vec![] });
    refused(bank, &Commit { turn: TurnId(99), outcome: done(), writes: vec![], read: vec![] });
    for gone in [UnitId::Turn(TurnId(99)), UnitId::Memory(free)] {
        let read = vec![UnitId::Turn(turn.id), UnitId::Memory(old.id), gone];
        refused(bank, &Commit { turn: turn.id, outcome: done(), writes: vec![fits.clone()], read });
    }
    assert_eq!(everything(bank, &["a"]), before);

    commit(bank, &turn, vec![fits]);
}

fn a_new_version_drops_the_vectors_of_the_old_one(bank: &dyn Bank) {
    let (_, old) = remembered(bank, "a", "has a dog");
    let unit = UnitId::Memory(old.id);
    bank.put_vectors(EMBEDDERS[1], &[(unit, vector(9))]).unwrap();
    let turn = append(bank, &said("a", "1", "a cat"));
    let mut update = changed(&old, &turn, "has a cat");
    update.vector = Some((EMBEDDERS[0].to_owned(), vector(5)));
    let newest = update.memory.clone();
    commit(bank, &turn, vec![update]);
    let vectors = || EMBEDDERS.map(|embedder| bank.vectors(&space("a"), embedder).unwrap());
    assert_eq!(vectors(), [vec![(unit, vector(5))], vec![]]);

    let turn = append(bank, &said("a", "1", "no pets"));
    let mut write = retired(&newest, &turn);
    write.vector = Some((EMBEDDERS[0].to_owned(), vector(5)));
    commit(bank, &turn, vec![write]);
    bank.put_vectors(EMBEDDERS[1], &[(unit, vector(9))]).unwrap();
    assert_eq!(vectors(), [vec![], vec![]]);
}

fn vectors_are_kept_apart_by_embedder(bank: &dyn Bank) {
    let (turn, memory) = remembered(bank, "a", "has a dog");
    let (elsewhere, _) = remembered(bank, "b", "has a cat");
    let units = [UnitId::Turn(turn.id), UnitId::Memory(memory.id), UnitId::Turn(elsewhere.id)];
    let gone = [UnitId::Turn(TurnId(99)), UnitId::Memory(MemoryId(99))];
    let all: Vec<_> = units.iter().chain(&gone).map(|unit| (*unit, vector(3))).collect();
    bank.put_vectors(EMBEDDERS[1], &all).unwrap();
    bank.put_vectors(EMBEDDERS[1], &[(units[0], vector(4))]).unwrap();
    bank.put_vectors(EMBEDDERS[1], &[]).unwrap();
    let of = |name, embedder| bank.vectors(&space(name), embedder).unwrap();
    assert_eq!(of("a", EMBEDDERS[1]), [(units[1], vector(3)), (units[0], vector(4))]);
    assert_eq!(of("b", EMBEDDERS[1]), [(units[2], vector(3))]);
    assert_eq!(of("a", EMBEDDERS[0]), [(units[1], vector(1))]);
    assert_eq!(of("a", "letter"), []);
    let before = of("b", EMBEDDERS[0]);
    bank.drop_other_vectors(&space("a"), EMBEDDERS[1]).unwrap();
    assert_eq!(of("a", EMBEDDERS[0]), []);
    assert_eq!(of("a", EMBEDDERS[1]), [(units[1], vector(3)), (units[0], vector(4))]);
    assert!(before.len() == 1 && of("b", EMBEDDERS[0]) == before, "another space");
}

fn the_last_use_of_a_memory_is_noted_until_it_is_forgotten(bank: &dyn Bank) {
    let (_, memory) = remembered(bank, "a", "has a dog");
    assert_eq!(bank.last_use(memory.id).unwrap(), None);
    for time in [5, 3] {
        bank.note_use(&[memory.id, MemoryId(99)], at(time)).unwrap();
        assert_eq!(bank.last_use(memory.id).unwrap(), Some(at(time)));
    }
    bank.forget_memory(memory.id).unwrap();
    assert_eq!((bank.last_use(memory.id).unwrap(), bank.last_use(MemoryId(99)).unwrap()), (None, None));
}

fn a_forgotten_memory_is_gone_and_its_id_stays_taken(bank: &dyn Bank) {
    let (turn, first) = remembered(bank, "a", "has a dog");
    let next = append(bank, &said("a", "1", "a cat"));
    commit(bank, &next, vec![changed(&first, &next, "has a cat")]);
    bank.put_vectors(EMBEDDERS[1], &[(UnitId::Memory(first.id), vector(9))]).unwrap();
    assert_ne!(bank.outcome(turn.id).unwrap(), Some(TurnOutcome::Done(Vec::new())));
    assert!(bank.forget_memory(first.id).unwrap());
    assert!(!bank.forget_memory(first.id).unwrap());
    assert_eq!(bank.outcome(turn.id).unwrap(), Some(TurnOutcome::Done(Vec::new())), "it quoted the memory");
    assert_eq!(bank.memory(first.id).unwrap(), None);
    assert_eq!(bank.history(first.id).unwrap(), []);
    assert_eq!(bank.memories(&space("a")).unwrap(), []);
    for embedder in EMBEDDERS {
        assert_eq!(bank.vectors(&space("a"), embedder).unwrap(), []);
    }
    assert_eq!(bank.counts(&space("a")).unwrap(), Counts { turns: 2, ..Counts::default() });

    assert_eq!(bank.next_memory_id().unwrap(), MemoryId(2));
    let next = append(bank, &said("a", "1", "a fish"));
    let writes = vec![fresh(first.id, &next, "has a fish")];
    refused(bank, &Commit { turn: next.id, outcome: done(), writes, read: vec![] });
    let writes = vec![changed(&first, &next, "has a fish")];
    refused(bank, &Commit { turn: next.id, outcome: done(), writes, read: vec![] });
    commit(bank, &next, vec![fresh(MemoryId(5), &next, "a gap is allowed"), fresh(MemoryId(2), &next, "x")]);
    assert_eq!(bank.next_memory_id().unwrap(), MemoryId(6));
    assert!(bank.forget_turn(turn.id).unwrap());
}

fn a_forgotten_turn_is_gone_and_named_no_more(bank: &dyn Bank) {
    let reference = said("a", "1", "a dog").with_reference("D1:1").unwrap();
    let first = append(bank, &reference);
    let write = fresh(MemoryId(1), &first, "has a dog");
    commit(bank, &first, vec![write.clone()]);
    let second = append(bank, &said("a", "1", "a cat"));
    commit(bank, &second, vec![changed(&write.memory, &second, "has a cat")]);
    let third = append(bank, &said("a", "1", "a fish"));
    let late = changed(&bank.memory(MemoryId(1)).unwrap().unwrap(), &third, "has a fish");
    bank.put_vectors(EMBEDDERS[0], &[(UnitId::Turn(first.id), vector(2))]).unwrap();

    assert!(bank.forget_turn(first.id).unwrap());
    assert!(!bank.forget_turn(first.id).unwrap());
    assert_eq!(bank.turn(first.id).unwrap(), None);
    assert_eq!(bank.outcome(first.id).unwrap(), None);
    assert_eq!(bank.turns(&space("a")).unwrap(), [second.clone(), third.clone()]);
    assert_eq!(bank.vectors(&space("a"), EMBEDDERS[0]).unwrap(), []);
    let sources = || -> Vec<Vec<TurnId>> {
        bank.history(MemoryId(1)).unwrap().into_iter().map(|version| version.sources).collect()
    };
    assert_eq!(sources(), [vec![], vec![second.id]]);

    // The third turn was worked on while the first was forgotten.
    assert_eq!(late.memory.sources, [first.id, second.id, third.id]);
    commit(bank, &third, vec![late]);
    assert_eq!(sources(), [vec![], vec![second.id], vec![second.id, third.id]]);

    let again = append(bank, &reference);
    assert_eq!(again.id, TurnId(4));
    assert!(bank.forget_turn(again.id).unwrap());
    assert_eq!(queue(bank), []);
    assert_eq!(append(bank, &reference).id, TurnId(5));
    refused(bank, &Commit { turn: again.id, outcome: done(), writes: vec![], read: vec![] });
}

fn only_a_failed_turn_is_put_back(bank: &dyn Bank) {
    let turns: Vec<Turn> = (0..3).map(|_| append(bank, &said("a", "1", "hello"))).collect();
    bank.commit(&Commit { turn: turns[0].id, outcome: failed(), writes: vec![], read: vec![] }).unwrap();
    commit(bank, &turns[1], vec![]);
    assert_eq!(bank.outcome(turns[0].id).unwrap(), Some(failed()));
    let counts = |waiting, failed| Counts { turns: 3, waiting, failed, ..Counts::default() };
    assert_eq!(bank.counts(&space("a")).unwrap(), counts(1, 1));
    assert!(!bank.requeue(turns[1].id).unwrap() && !bank.requeue(turns[2].id).unwrap());
    assert!(bank.requeue(turns[0].id).unwrap() && !bank.requeue(turns[0].id).unwrap());
    assert_eq!(bank.outcome(turns[0].id).unwrap(), None);
    assert_eq!(queue(bank), [turns[0].id, turns[2].id]);
    assert_eq!(bank.counts(&space("a")).unwrap(), counts(2, 0));
    bank.commit(&Commit { turn: turns[0].id, outcome: failed(), writes: vec![], read: vec![] }).unwrap();
    bank.forget_turn(turns[0].id).unwrap();
    assert_eq!(bank.counts(&space("a")).unwrap(), Counts { turns: 2, waiting: 1, ..Counts::default() });
    assert!(!bank.requeue(turns[0].id).unwrap());
}

fn counts_are_over_one_space(bank: &dyn Bank) {
    let (_, first) = remembered(bank, "a", "has a dog");
    remembered(bank, "a", "has a cat");
    remembered(bank, "b", "has a fish");
    append(bank, &said("b", "1", "waits"));
    let turn = append(bank, &said("a", "1", "no dog"));
    commit(bank, &turn, vec![retired(&first, &turn)]);
    let mine =
        Counts { turns: 3, waiting: 0, failed: 0, current: 1, retired: 1, quarantined: 0, versions: 3 };
    let theirs =
        Counts { turns: 2, waiting: 1, failed: 0, current: 1, retired: 0, quarantined: 0, versions: 1 };
    assert_eq!(bank.counts(&space("a")).unwrap(), mine);
    assert_eq!(bank.counts(&space("b")).unwrap(), theirs);
}

fn a_space_is_listed_while_anything_is_in_it(bank: &dyn Bank) {
    let (turn, memory) = remembered(bank, "a", "has a dog");
    bank.forget_turn(turn.id).unwrap();
    assert_eq!(bank.spaces().unwrap(), [space("a")]);
    bank.forget_memory(memory.id).unwrap();
    assert_eq!(bank.spaces().unwrap(), []);
}

fn many_threads_never_share_an_id_or_a_turn(bank: &dyn Bank) {
    let turns: Vec<Turn> = (0..8).map(|_| append(bank, &said("a", "1", "hello"))).collect();
    let work = |turn: &Turn| -> Vec<TurnId> {
        let mut waits = true;
        while waits {
            let write = fresh(bank.next_memory_id().unwrap(), turn, "a fact");
            bank.append(&said("a", "2", "more").with_reference("the same").unwrap(), at(0)).unwrap();
            waits = bank
                .commit(&Commit { turn: turn.id, outcome: done(), writes: vec![write], read: vec![] })
                .is_err();
        }
        (0..40).map(|_| append(bank, &said("b", "1", "hello")).id).collect()
    };
    let appended: BTreeSet<TurnId> = thread::scope(|scope| {
        let threads: Vec<_> = turns.iter().map(|turn| scope.spawn(|| work(turn))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(appended.len(), 8 * 40);
    let ids: Vec<u64> = bank.memories(&space("a")).unwrap().iter().map(|memory| memory.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8]);
    let counts = Counts { turns: 9, waiting: 1, current: 8, versions: 8, ..Counts::default() };
    assert_eq!(bank.counts(&space("a")).unwrap(), counts);
}

macro_rules! stamp {
    ($($case:ident)*) => {
        mod memory_bank {
            $(#[test] fn $case() { super::$case(&super::MemoryBank::new()); })*
        }
        mod sled_bank {
            $(#[test] fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case(&super::SledBank::open(folder.path()).unwrap());
            })*
        }
        mod sealed_bank {
            $(#[test] fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let key = super::BankKey::new([1; 32]);
                super::$case(&super::SledBank::open_sealed(folder.path(), &key).unwrap());
            })*
        }
    };
}

stamp! {
    an_empty_bank_answers_with_nothing
    a_turn_is_kept_verbatim
    the_largest_turn_is_kept
    a_reference_is_stored_once_in_each_space
    nothing_crosses_a_space
    preceding_turns_are_of_the_same_session
    the_queue_gives_turns_of_all_spaces_in_order
    a_commit_supersedes_and_keeps_the_history
    a_commit_that_does_not_fit_changes_nothing
    a_new_version_drops_the_vectors_of_the_old_one
    vectors_are_kept_apart_by_embedder
    the_last_use_of_a_memory_is_noted_until_it_is_forgotten
    a_forgotten_memory_is_gone_and_its_id_stays_taken
    a_forgotten_turn_is_gone_and_named_no_more
    only_a_failed_turn_is_put_back
    counts_are_over_one_space
    a_space_is_listed_while_anything_is_in_it
    many_threads_never_share_an_id_or_a_turn
}

#[test]
fn a_bank_that_is_opened_again_answers_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let bank = SledBank::open(folder.path()).unwrap();
    a_forgotten_turn_is_gone_and_named_no_more(&bank);
    remembered(&bank, "b", "has a dog");
    let gone = remembered(&bank, "b", "has a cat").1;
    bank.forget_memory(gone.id).unwrap();
    let last = append(&bank, &said("b", "1", "last"));
    bank.forget_turn(last.id).unwrap();
    let before = everything(&bank, &["a", "b"]);
    for _ in 0..3 {
        let bank = SledBank::open(folder.path()).map_err(|_| ()).err();
        assert_eq!(bank, Some(()), "two at once");
    }
    drop(bank);
    let bank = SledBank::open(folder.path()).unwrap();
    assert_eq!(everything(&bank, &["a", "b"]), before);
    assert_eq!(append(&bank, &said("b", "1", "new")).id.0, last.id.0 + 1);
}

// Random sequences: the bank on disk, opened again now and then, against the bank in memory.

const SPACES: [&str; 2] = ["a", "ab"];

#[derive(Debug, Clone)]
enum Op {
    Append {
        space: usize,
        session: usize,
        reference: Option<u8>,
    },
    Work {
        turn: u64,
        adds: u64,
        changes: Vec<Change>,
        fails: bool,
    },
    Requeue(u64),
    ForgetTurn(u64),
    /// Turns and memories together.
    Forget(Vec<(bool, u64)>),
    Revise {
        memory: u64,
        retire: bool,
        undone: Option<u64>,
        stale: bool,
    },
    ForgetMemory(u64),
    PutVectors {
        embedder: usize,
        units: Vec<(bool, u64)>,
        number: usize,
    },
    DropOtherVectors {
        space: usize,
        embedder: usize,
    },
    Use(Vec<u64>),
    Reopen,
}

#[derive(Debug, Clone)]
struct Change {
    memory: u64,
    retire: bool,
    embedder: Option<usize>,
    /// Expects a version that the bank does not have.
    stale: bool,
}

fn any_op() -> impl Strategy<Value = Op> {
    let (turn, memory) = (1..10_u64, 1..6_u64);
    let change = (memory.clone(), any::<bool>(), prop::option::of(0..2_usize), prop::bool::weighted(0.1))
        .prop_map(|(memory, retire, embedder, stale)| Change { memory, retire, embedder, stale });
    let changes = prop::collection::vec(change, 0..3);
    let units = prop::collection::vec((any::<bool>(), 1..10_u64), 0..4);
    prop_oneof![
        4 => (0..2_usize, 0..2_usize, prop::option::of(0..3_u8))
            .prop_map(|(space, session, reference)| Op::Append { space, session, reference }),
        6 => (turn.clone(), 0..3_u64, changes, prop::bool::weighted(0.2))
            .prop_map(|(turn, adds, changes, fails)| Op::Work { turn, adds, changes, fails }),
        1 => turn.clone().prop_map(Op::Requeue),
        1 => turn.prop_map(Op::ForgetTurn),
        1 => memory.clone().prop_map(Op::ForgetMemory),
        1 => units.clone().prop_map(Op::Forget),
        3 => (memory, any::<bool>(), prop::option::of(1..10_u64), prop::bool::weighted(0.1))
            .prop_map(|(memory, retire, undone, stale)| Op::Revise { memory, retire, undone, stale }),
        1 => (0..2_usize, units, 0..16_usize)
            .prop_map(|(embedder, units, number)| Op::PutVectors { embedder, units, number }),
        1 => (0..2_usize, 0..2_usize)
            .prop_map(|(space, embedder)| Op::DropOtherVectors { space, embedder }),
        1 => prop::collection::vec(1..6_u64, 0..3).prop_map(Op::Use),
        1 => Just(Op::Reopen),
    ]
}

/// The commit that `op` asks for, made from what `bank` holds, so that most of them fit.
fn commit_of(bank: &dyn Bank, turn: u64, adds: u64, changes: &[Change], fails: bool) -> Commit {
    let worked = bank.turn(TurnId(turn)).unwrap();
    let outcome = if fails { failed() } else { done() };
    let Some(worked) = worked else {
        return Commit { turn: TurnId(turn), outcome, writes: vec![], read: vec![] };
    };
    let free = bank.next_memory_id().unwrap().0;
    let mut writes: Vec<_> = (free..free + adds).map(|id| fresh(MemoryId(id), &worked, "new")).collect();
    for change in changes {
        let Some(old) = bank.memory(MemoryId(change.memory)).unwrap() else { continue };
        if old.space != worked.space && !change.stale {
            continue;
        }
        let mut write =
            if change.retire { retired(&old, &worked) } else { changed(&old, &worked, "changed") };
        write.vector = change.embedder.map(|embedder| (EMBEDDERS[embedder].to_owned(), vector(embedder)));
        write.memory.version += u32::from(change.stale);
        write.expects = Some(old.version + u32::from(change.stale));
        writes.push(write);
    }
    // Some commits read the turn before theirs, which may be gone.
    let read = (adds == 2 && turn > 1).then_some(UnitId::Turn(TurnId(turn - 1)));
    Commit { turn: TurnId(turn), outcome, writes, read: read.into_iter().collect() }
}

fn unit_ids(units: &[(bool, u64)]) -> Vec<UnitId> {
    let unit = |(turn, id): &(bool, u64)| {
        if *turn { UnitId::Turn(TurnId(*id)) } else { UnitId::Memory(MemoryId(*id)) }
    };
    units.iter().map(unit).collect()
}

/// The write that a [`Op::Revise`] asks for: no turn is behind it.
fn revision_of(bank: &dyn Bank, memory: u64, retire: bool, stale: bool) -> Option<MemoryWrite> {
    let old = bank.memory(MemoryId(memory)).unwrap()?;
    let version = old.version + 1 + u32::from(stale);
    let becomes = if retire { MemoryState::Retired } else { MemoryState::Current };
    let expects = Some(version - 1);
    let memory = Memory { version, text: "revised".to_owned(), state: becomes, ..old };
    let vector = Some((EMBEDDERS[1].to_owned(), vector(3)));
    Some(MemoryWrite { memory, expects, vector })
}

fn units_of(bank: &dyn Bank, space: &SpaceId) -> Vec<UnitId> {
    let turns = bank.turns(space).unwrap().into_iter().map(|turn| UnitId::Turn(turn.id));
    turns.chain(bank.memories(space).unwrap().into_iter().map(|memory| UnitId::Memory(memory.id))).collect()
}

/// Does it, and tells all of the answer that two banks must agree on.
fn run(bank: &dyn Bank, op: &Op, commit: &Commit) -> String {
    match op {
        Op::Append { space, session, reference } => {
            let mut turn = said(SPACES[*space], ["1", "11"][*session], "hello");
            if let Some(reference) = reference {
                turn = turn.with_reference(&reference.to_string()).unwrap();
            }
            format!("{:?}", bank.append(&turn, at(1)))
        }
        Op::Work { .. } => format!("{:?}", bank.commit(commit)),
        Op::Requeue(id) => format!("{:?}", bank.requeue(TurnId(*id))),
        Op::ForgetTurn(id) => format!("{:?}", bank.forget_turn(TurnId(*id))),
        Op::Forget(units) => format!("{:?}", bank.forget(&unit_ids(units))),
        Op::Revise { undone, .. } => {
            let undone: Vec<TurnId> = undone.map(TurnId).into_iter().collect();
            format!("{:?}", bank.revise(&commit.writes, &undone))
        }
        Op::ForgetMemory(id) => format!("{:?}", bank.forget_memory(MemoryId(*id))),
        Op::PutVectors { embedder, units, number } => {
            let vectors: Vec<_> = unit_ids(units).into_iter().map(|unit| (unit, vector(*number))).collect();
            format!("{:?}", bank.put_vectors(EMBEDDERS[*embedder], &vectors))
        }
        Op::DropOtherVectors { space, embedder } => {
            format!("{:?}", bank.drop_other_vectors(&self::space(SPACES[*space]), EMBEDDERS[*embedder]))
        }
        Op::Use(memories) => {
            let memories: Vec<MemoryId> = memories.iter().copied().map(MemoryId).collect();
            format!("{:?}", bank.note_use(&memories, at(7)))
        }
        Op::Reopen => String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_bank_on_disk_is_the_bank_in_memory(
        ops in prop::collection::vec(any_op(), 1..60),
        sealed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let key = BankKey::new([7; 32]);
            if sealed { SledBank::open_sealed(folder.path(), &key) } else { SledBank::open(folder.path()) }
        };
        let mut disk = open().unwrap();
        let oracle = MemoryBank::new();
        for op in &ops {
            if let Op::Reopen = op {
                drop(disk);
                disk = open().unwrap();
            }
            let commit = match op {
                Op::Work { turn, adds, changes, fails } => commit_of(&oracle, *turn, *adds, changes, *fails),
                Op::Revise { memory, retire, stale, .. } => {
                    let writes = revision_of(&oracle, *memory, *retire, *stale).into_iter().collect();
                    Commit { turn: TurnId(0), outcome: failed(), writes, read: vec![] }
                }
                _ => Commit { turn: TurnId(0), outcome: failed(), writes: vec![], read: vec![] },
            };
            prop_assert_eq!(run(&disk, op, &commit), run(&oracle, op, &commit));
            prop_assert_eq!(everything(&disk, &SPACES), everything(&oracle, &SPACES));
        }
        // Moved out and in, it is the same bank, vectors apart.
        let written = |bank: &dyn Bank| {
            let mut out = Vec::new();
            crate::transfer::write(bank, &bank.spaces().unwrap(), at(9), &mut out).unwrap();
            out
        };
        let (document, elsewhere) = (written(&disk), tempfile::tempdir().unwrap());
        let contents = crate::transfer::read(&mut document.as_slice()).unwrap();
        let moved: [Box<dyn Bank>; 2] =
            [Box::new(MemoryBank::new()), Box::new(SledBank::open(elsewhere.path()).unwrap())];
        let gone: Vec<UnitId> = oracle.spaces().unwrap().iter().flat_map(|space| units_of(&oracle, space)).collect();
        for moved in &moved {
            moved.restore(&contents).unwrap();
            prop_assert_eq!(written(moved.as_ref()), document.clone());
            let again = moved.restore(&contents);
            prop_assert!(oracle.next_turn_id().unwrap().0 == 1 || again.is_err(), "only into an empty bank");
        }
        prop_assert_eq!(moved[0].forget(&gone).unwrap(), oracle.forget(&gone).unwrap());
        prop_assert_eq!(moved[1].forget(&gone).unwrap(), gone.len());
        prop_assert_eq!(everything(moved[1].as_ref(), &SPACES), everything(&oracle, &SPACES));
    }
}
