//! What a search may find after any changes: units of its space that the bank holds, all that have the words, and
//! nothing that a filter shuts out.
//!
//! The bank, which is tested elsewhere, is the oracle for the indexes, which are caches of it. Rooms it touches: core.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keepsake_core::bank::MemoryBank;
use keepsake_core::config::Take;
use keepsake_core::testing::LetterEmbedder;
use keepsake_core::types::{Cancel, NewTurn, Origin, SpaceId, Timestamp, TurnId, UnitId};
use keepsake_core::{Budget, Engine, Filter, Findings, Kind, Meaning, Search, Setup};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    /// A turn of a session of a space, with this word.
    Say {
        space: usize,
        session: u8,
        word: u8,
        asks: bool,
    },
    /// A memory with this word, and the turn it came from.
    Import {
        space: usize,
        word: u8,
    },
    /// Takes back what a turn made, which retires its memory.
    Undo(usize, u64),
    Forget(usize, bool, u64),
    Embed,
    /// Another engine over the same bank: indexes are built again.
    Reopen {
        with_embedder: bool,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..2_usize, 0..3_u8, 0..6_u8, any::<bool>())
            .prop_map(|(space, session, word, asks)| Op::Say { space, session, word, asks }),
        3 => (0..2_usize, 0..6_u8).prop_map(|(space, word)| Op::Import { space, word }),
        2 => (0..2_usize, any::<u64>()).prop_map(|(space, nth)| Op::Undo(space, nth)),
        2 => (0..2_usize, any::<bool>(), any::<u64>()).prop_map(|(space, turn, nth)| Op::Forget(space, turn, nth)),
        2 => Just(Op::Embed),
        1 => any::<bool>().prop_map(|with_embedder| Op::Reopen { with_embedder }),
    ];
    prop::collection::vec(op, 1..40)
}

const WORDS: [&str; 6] = ["kite", "harbour", "violin", "saffron", "glacier", "walnut"];
const SPEAKERS: [&str; 2] = ["Maria", "Tom"];

fn spaces() -> [SpaceId; 2] {
    ["one", "two"].map(|name| SpaceId::new(name).unwrap())
}

fn open(bank: &Arc<MemoryBank>, with_embedder: bool) -> Engine {
    let setup = Setup::new(|| Timestamp::from_seconds(1_700_000_000));
    let setup = if with_embedder { setup.with_embedder(Arc::new(LetterEmbedder)) } else { setup };
    Engine::with_bank(bank.clone(), setup)
}

fn turn(space: usize, number: usize, text: &str) -> NewTurn {
    let time = Timestamp::from_seconds(1_600_000_000 + 3600 * number as i64);
    NewTurn::new(SPEAKERS[number % 2], text, time).unwrap().in_space(spaces()[space].clone())
}

fn apply(engine: &mut Engine, bank: &Arc<MemoryBank>, number: usize, op: &Op) {
    let nth = |units: Vec<UnitId>, nth: u64| units.get(nth as usize % units.len().max(1)).copied();
    match op {
        Op::Say { space, session, word, asks } => {
            let said = format!("We saw a {}{}", WORDS[usize::from(*word)], if *asks { "?" } else { "." });
            let turn = turn(*space, number, &said).in_session(&session.to_string()).unwrap();
            engine.append(turn).unwrap();
        }
        Op::Import { space, word } => {
            let memory = turn(*space, number, &format!("Likes the {}.", WORDS[usize::from(*word)]));
            engine.import_memories(vec![memory.with_reference(&number.to_string()).unwrap()]).unwrap();
        }
        Op::Undo(space, at) => {
            let turns = engine.turns(&spaces()[*space]).unwrap();
            let imported = turns.iter().filter(|turn| turn.origin == Origin::Imported);
            if let Some(UnitId::Turn(turn)) = nth(imported.map(|turn| UnitId::Turn(turn.id)).collect(), *at) {
                let _taken_back_before = engine.undo(&[turn]);
            }
        }
        Op::Forget(space, is_turn, at) => {
            let known = held(engine, &spaces()[*space]);
            let of_kind = known.into_keys().filter(|unit| unit.turn().is_some() == *is_turn);
            if let Some(unit) = nth(of_kind.collect(), *at) {
                assert!(engine.forget(unit).unwrap());
            }
        }
        Op::Embed => {
            engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).unwrap();
        }
        Op::Reopen { with_embedder } => *engine = open(bank, *with_embedder),
    }
}

/// What the bank holds of a space: turns, and memories that hold, with speaker and text.
fn held(engine: &Engine, space: &SpaceId) -> BTreeMap<UnitId, (String, String)> {
    let turns = engine.turns(space).unwrap();
    let turns = turns.into_iter().map(|turn| (UnitId::Turn(turn.id), (turn.speaker, turn.text)));
    let memories = engine.memories(space).unwrap();
    let memories =
        memories.into_iter().map(|memory| (UnitId::Memory(memory.id), (memory.speaker, memory.text)));
    turns.chain(memories).collect()
}

fn check(engine: &Engine) {
    for space in spaces() {
        let held = held(engine, &space);
        for word in WORDS {
            let all = Search {
                take: Take::Best(usize::MAX),
                ..Search::best(&format!("What {word} did Maria see?"), 0)
            };
            let find = |search: &Search| engine.find(&space, search).unwrap();
            let Findings { found, meaning } = find(&all);
            let units: Vec<UnitId> = found.iter().map(|found| found.hit.unit).collect();
            for found in &found {
                let known = &held[&found.hit.unit];
                assert_eq!((&found.speaker, &found.text), (&known.0, &known.1));
                let parts = found.hit.parts;
                let sum = parts.lexical
                    + parts.dense
                    + parts.speaker
                    + parts.time
                    + parts.dated
                    + parts.entity
                    + parts.length
                    + parts.question
                    + parts.linked;
                assert!((found.hit.score - sum).abs() < 1e-5, "a hit that does not explain itself");
                assert!(meaning != Meaning::WordsOnly || found.hit.dense.is_none());
            }
            assert!(found.is_sorted_by(|a, b| a.hit.score >= b.hit.score));
            for (unit, (_, text)) in &held {
                assert!(!text.contains(word) || units.contains(unit), "{unit} has the word and is not found");
            }
            // The same with a filter: what passes it of all, in the same order or another.
            let filter = Filter { kind: Kind::Memory, speaker: Some("Tom".to_owned()), ..Filter::default() };
            let toms = find(&Search { filter, ..all.clone() }).found;
            let mut of_all: Vec<UnitId> =
                units.iter().copied().filter(|unit| unit.memory().is_some()).collect();
            of_all.retain(|unit| held[unit].0 == "Tom");
            let mut toms: Vec<UnitId> = toms.iter().map(|found| found.hit.unit).collect();
            toms.sort_unstable();
            of_all.sort_unstable();
            assert_eq!(toms, of_all);
            for search in [
                Search { take: Take::PerSpeaker(1), ..all.clone() },
                Search { take: Take::Tokens(70), ..all.clone() },
            ] {
                assert!(find(&search).found.len() <= 2, "one of each speaker, or what fits");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_search_finds_what_the_bank_holds_and_nothing_else(ops in ops()) {
        let bank = Arc::new(MemoryBank::new());
        let mut engine = open(&bank, true);
        for (number, op) in ops.iter().enumerate() {
            apply(&mut engine, &bank, number, op);
            check(&engine);
        }
    }
}

/// An engine whose bank holds these turns of speaker, time and text.
fn engine_with(turns: &[(&str, &str, &str)], with_embedder: bool) -> Engine {
    let engine = open(&Arc::new(MemoryBank::new()), with_embedder);
    for (speaker, time, text) in turns {
        engine.append(NewTurn::new(speaker, text, time.parse().unwrap()).unwrap()).unwrap();
    }
    engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).unwrap();
    engine
}

fn first(engine: &Engine, search: &Search) -> TurnId {
    engine.find(&SpaceId::default(), search).unwrap().found[0].hit.unit.turn().unwrap()
}

/// Two turns that differ in one thing only: the ranking prefers the one that has it. By words only, since the scale of
/// cosines is stretched over so few candidates.
#[test]
fn what_tells_evidence_from_the_rest_ranks_higher() {
    let at = "2024-03-02T10:00";
    for (question, worse, better) in [
        (
            "What did Tom plant in the garden?",
            ("Ana", at, "I planted a rose."),
            ("Tom", at, "I planted a rose."),
        ),
        (
            "What was planted in May 2024?",
            ("Ana", "2024-07-20T10:00", "I planted a rose."),
            ("Ana", "2024-05-20T10:00", "I planted a rose."),
        ),
        (
            "Who planted a rose for Clara?",
            ("Ana", at, "I planted a rose, clay!"),
            ("Ana", at, "I planted a rose, Clara!"),
        ),
        ("Who planted a rose?", ("Ana", at, "I planted a rose?"), ("Ana", at, "I planted a rose!")),
        (
            "When did you plant a rose?",
            ("Ana", at, "I planted a rose, Clara dear."),
            ("Ana", at, "I planted a rose yesterday."),
        ),
        (
            "Who can swim in the lake?",
            ("Ana", at, "I swayed in the lake."),
            ("Ana", at, "I swam in the lake."),
        ),
    ] {
        // No neighbours of each other.
        let between = ("Ana", at, "Nothing of note.");
        let turns: Vec<_> = [worse].into_iter().chain([between; 5]).chain([better]).collect();
        let engine = engine_with(&turns, false);
        assert_eq!(first(&engine, &Search::best(question, 3)), TurnId(7), "{question}");
    }
}

#[test]
fn last_week_is_the_week_before_the_question() {
    let turns =
        [("Ana", "2024-03-02T10:00", "We cooked soup."), ("Ana", "2024-05-02T10:00", "We cooked soup.")];
    let engine = engine_with(&turns, false);
    for (asked, expected) in [("2024-03-06T09:00", TurnId(1)), ("2024-05-06T09:00", TurnId(2))] {
        let search =
            Search { asked: Some(asked.parse().unwrap()), ..Search::best("What did we cook last week?", 2) };
        assert_eq!(first(&engine, &search), expected);
    }
}

#[test]
fn a_memory_brings_the_turn_it_came_from() {
    let engine = engine_with(&[("Ana", "2024-03-02T10:00", "Nothing of note.")], true);
    let time = "2024-03-03T10:00".parse().unwrap();
    let memory = NewTurn::new("Ana", "Owns a violin.", time).unwrap().with_reference("m").unwrap();
    engine.import_memories(vec![memory]).unwrap();
    let found = engine.search(&SpaceId::default(), "violin", 5).unwrap();
    let source = found.iter().find(|found| found.hit.unit.turn() == Some(TurnId(2))).unwrap();
    assert!(source.hit.parts.linked > 0.0);
    assert!(
        found.iter().all(|found| found.hit.unit != UnitId::Turn(TurnId(1)) || found.hit.parts.linked == 0.0)
    );
}

#[test]
fn a_search_says_whether_meaning_counted() {
    let engine = engine_with(&[("Ana", "2024-03-02T10:00", "We cooked soup.")], true);
    let meaning =
        |engine: &Engine| engine.find(&SpaceId::default(), &Search::best("soup", 5)).unwrap().meaning;
    assert_eq!(meaning(&engine), Meaning::Counted);
    engine.append(NewTurn::new("Ana", "More soup.", "2024-03-02T11:00".parse().unwrap()).unwrap()).unwrap();
    assert_eq!(meaning(&engine), Meaning::CountedButFor(1));
    let words_only =
        Engine::with_bank(Arc::new(MemoryBank::new()), Setup::new(|| Timestamp::from_seconds(0)));
    assert_eq!(meaning(&words_only), Meaning::WordsOnly);
}

/// Cosines are scaled to all candidates: one among few, however bad, would have the best there is.
#[test]
fn turns_without_a_vector_yet_do_not_lose_to_those_with_one() {
    let at = "2024-03-02T10:00";
    let engine = engine_with(&[("Zoe", at, "The weather is nice today, is it not so, my dear.")], true);
    let said = ["I bought a red kite at the harbour.", "It flies well.", "It broke.", "I mended it."];
    let append = |text: &str| {
        engine
            .append(NewTurn::new("Ana", text, at.parse().unwrap()).unwrap().in_session("kites").unwrap())
            .unwrap()
    };
    let kite = append(said[0]).id;
    let search = Search::best("Where was the red kite bought?", 5);
    // Half of the units have a vector, then a fifth.
    for (text, meaning) in [(None, Meaning::CountedButFor(1)), (Some(&said[1..]), Meaning::WordsOnly)] {
        for text in text.into_iter().flatten() {
            append(text);
        }
        assert_eq!(first(&engine, &search), kite);
        assert_eq!(engine.find(&SpaceId::default(), &search).unwrap().meaning, meaning);
    }
}

/// Far more units than candidates are looked at: as many are found as are asked for, of whom they are asked for.
#[test]
fn any_number_is_found_and_of_each_speaker() {
    let engine = open(&Arc::new(MemoryBank::new()), false);
    let time: Timestamp = "2024-03-02T10:00".parse().unwrap();
    for number in 0..3000 {
        let (speaker, text) = match number % 300 {
            7 => ("Ana", "Somebody has mentioned a kite once, in passing, at the end of a long evening."),
            _ => ("Tom", "Kite, kite, kite!"),
        };
        let turn = NewTurn::new(speaker, text, time).unwrap().in_session(&(number / 5).to_string()).unwrap();
        engine.append(turn).unwrap();
    }
    let found = |take| {
        let search = Search { take, ..Search::best("kite", 0) };
        let found = engine.find(&SpaceId::default(), &search).unwrap().found;
        let of_ana = found.iter().filter(|found| found.speaker == "Ana").count();
        (found.len(), of_ana)
    };
    assert_eq!(found(Take::Best(1200)).0, 1200);
    assert_eq!(found(Take::Best(5000)), (3000, 10));
    assert_eq!(found(Take::PerSpeaker(30)), (40, 10));
    assert!(found(Take::Tokens(60_000)).0 > 2000);
}

/// Far more units than candidates are looked at: what a filter lets through is found, however few and however bad.
#[test]
fn a_filter_that_few_pass_finds_all_of_them() {
    let engine = open(&Arc::new(MemoryBank::new()), true);
    let time: Timestamp = "2024-03-02T10:00".parse().unwrap();
    for number in 0..3000 {
        let (speaker, text) = match number {
            7 | 1500 | 2999 => {
                ("Ana", "Somebody has mentioned a kite once, in passing, at the end of a long evening.")
            }
            _ => ("Tom", "Kite, kite, kite!"),
        };
        let turn = NewTurn::new(speaker, text, time).unwrap().in_session(&(number / 5).to_string()).unwrap();
        engine.append(turn).unwrap();
    }
    let filter = Filter { speaker: Some("Ana".to_owned()), ..Filter::default() };
    let search = Search { filter, ..Search::best("kite", 10) };
    let find = || {
        let found = engine.find(&SpaceId::default(), &search).unwrap().found;
        found.into_iter().map(|found| found.hit.unit.turn().unwrap().0).collect::<BTreeSet<u64>>()
    };
    assert_eq!(find(), BTreeSet::from([8, 1501, 3000]), "by words");
    engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).unwrap();
    assert_eq!(find(), BTreeSet::from([8, 1501, 3000]), "by words and vectors");
}
