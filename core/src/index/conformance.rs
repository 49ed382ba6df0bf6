//! What every index must do, stamped onto each of them, and what the graph must find of what a scan finds.
//!
//! It deliberately looks only through the seam; what is particular to one index is tested where it is.
//!
//! Rooms it touches: types, embed (for [`Vector`]).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::lexical::Lexical;
use super::units::samples;
use super::{Exact, Hnsw, Index, Scored, Units, terms};
use crate::config::Around;
use crate::embed::Vector;
use crate::types::{MemoryId, TurnId, UnitId};

fn turn(number: u64) -> UnitId {
    UnitId::Turn(TurnId(number))
}

fn memory(number: u64) -> UnitId {
    UnitId::Memory(MemoryId(number))
}

fn vector(values: &[f32]) -> Vector {
    Vector::normalised(values.to_vec()).unwrap()
}

/// Every unit is wanted.
const ANY: fn(UnitId) -> bool = |_| true;

/// What was found, best first, with cosines as near as rounding to bytes leaves them in two dimensions.
fn assert_found(found: &[Scored], expected: &[(UnitId, f32)]) {
    let units = |found: &[Scored]| found.iter().map(|scored| scored.unit).collect::<Vec<_>>();
    assert_eq!(units(found), expected.iter().map(|(unit, _)| *unit).collect::<Vec<_>>());
    for (scored, (_, cosine)) in found.iter().zip(expected) {
        assert!((scored.score - cosine).abs() < 0.005, "{scored:?} is not {cosine}");
    }
}

/// `settle` is called after every change: nothing for a scan, a rebuild for a graph.
fn suite<I: Index>(new: impl Fn() -> I, settle: impl Fn(&mut I)) {
    empty_finds_nothing(new());
    finds_the_nearest_first(new(), &settle);
    breaks_ties_by_unit(new(), &settle);
    replaces(new(), &settle);
    removes(new(), &settle);
    refuses_other_dimensions(new(), &settle);
    finds_only_what_is_wanted(new(), &settle);
    gives_cosines(new(), &settle);
}

fn empty_finds_nothing(mut index: impl Index) {
    assert!(index.is_empty());
    assert_eq!(index.nearest(&vector(&[1.0, 0.0]), 5, &ANY), []);
    assert!(!index.contains(turn(1)));
    assert!(!index.remove(turn(1)));
}

fn finds_the_nearest_first<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    // Cosines with (1, 0): 0.6, 1, 0, −1.
    let all = [(turn(1), [3.0, 4.0]), (memory(1), [2.0, 0.0]), (turn(2), [0.0, 1.0]), (turn(3), [-1.0, 0.0])];
    for (unit, values) in all {
        assert!(index.insert(unit, &vector(&values)));
        settle(&mut index);
    }
    let expected = [(memory(1), 1.0), (turn(1), 0.6), (turn(2), 0.0), (turn(3), -1.0)];
    let query = vector(&[1.0, 0.0]);
    assert_found(&index.nearest(&query, 2, &ANY), &expected[..2]);
    assert_found(&index.nearest(&query, 4, &ANY), &expected);
    assert_found(&index.nearest(&query, usize::MAX, &ANY), &expected); // more than there are
    assert_eq!(index.nearest(&query, 0, &ANY), []);
    assert_eq!(index.len(), 4);
}

fn breaks_ties_by_unit<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    for unit in [turn(2), memory(7), turn(1), memory(3)] {
        index.insert(unit, &vector(&[1.0, 1.0]));
    }
    settle(&mut index);
    let found = index.nearest(&vector(&[1.0, 1.0]), 3, &ANY);
    assert_eq!(found.iter().map(|scored| scored.unit).collect::<Vec<_>>(), [memory(3), memory(7), turn(1)]);
}

fn replaces<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    index.insert(turn(1), &vector(&[1.0, 0.0]));
    index.insert(turn(2), &vector(&[3.0, 4.0]));
    settle(&mut index);
    assert!(index.insert(turn(1), &vector(&[0.0, 1.0])));
    for _ in 0..2 {
        assert_eq!(index.len(), 2);
        let found = index.nearest(&vector(&[1.0, 0.0]), 5, &ANY);
        assert_found(&found, &[(turn(2), 0.6), (turn(1), 0.0)]);
        settle(&mut index);
    }
}

fn removes<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    for number in 0..4 {
        index.insert(turn(number), &vector(&[1.0, number as f32]));
    }
    settle(&mut index);
    assert!(index.remove(turn(0)));
    assert!(!index.remove(turn(0)), "already out");
    for _ in 0..2 {
        assert!(!index.contains(turn(0)));
        assert!(index.contains(turn(3)));
        assert_eq!(index.len(), 3);
        let units: Vec<_> =
            index.nearest(&vector(&[1.0, 0.0]), 9, &ANY).iter().map(|scored| scored.unit).collect();
        assert_eq!(units, [turn(1), turn(2), turn(3)]);
        settle(&mut index);
    }
    assert!(index.insert(turn(0), &vector(&[1.0, 0.0])), "may come back");
    assert_eq!(index.nearest(&vector(&[1.0, 0.0]), 1, &ANY)[0].unit, turn(0));
}

fn refuses_other_dimensions<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    assert!(index.insert(turn(1), &vector(&[1.0, 0.0])));
    settle(&mut index);
    assert!(!index.insert(turn(2), &vector(&[1.0, 0.0, 0.0])));
    assert!(!index.insert(turn(1), &vector(&[1.0])));
    assert!(!index.contains(turn(2)));
    assert_eq!(index.nearest(&vector(&[1.0, 0.0, 0.0]), 5, &ANY), []);
    assert_found(&index.nearest(&vector(&[0.0, 1.0]), 5, &ANY), &[(turn(1), 0.0)]);
    // Once nothing is in, there is nothing to fit to: another embedder may start.
    index.remove(turn(1));
    assert!(index.insert(turn(2), &vector(&[0.0, 0.0, 1.0])));
    settle(&mut index);
    assert_found(&index.nearest(&vector(&[0.0, 0.0, 1.0]), 5, &ANY), &[(turn(2), 1.0)]);
}

/// However few are wanted, and however far they are from the query.
fn finds_only_what_is_wanted<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    for number in 0..600 {
        let angle = number as f32 / 400.0;
        index.insert(turn(number), &vector(&[angle.cos(), angle.sin()]));
    }
    settle(&mut index);
    for wanted in [vec![599], vec![0, 300, 598], vec![]] {
        let accepts = |unit: UnitId| unit.turn().is_some_and(|turn| wanted.contains(&turn.0));
        let found = index.nearest(&vector(&[1.0, 0.0]), 60, &accepts);
        assert_eq!(found.iter().map(|scored| scored.unit.turn().unwrap().0).collect::<Vec<_>>(), wanted);
    }
}

fn gives_cosines<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    index.insert(turn(1), &vector(&[3.0, 4.0]));
    settle(&mut index);
    index.insert(turn(2), &vector(&[1.0, 0.0]));
    let cosines = index.cosines(&vector(&[1.0, 0.0]), &[turn(2), turn(3), turn(1)]);
    assert_eq!((cosines.len(), cosines[1]), (3, None));
    assert!((cosines[0].unwrap() - 1.0).abs() < 0.005 && (cosines[2].unwrap() - 0.6).abs() < 0.005);
    assert_eq!(index.cosines(&vector(&[1.0]), &[turn(1)]), [None]);
}

#[test]
fn a_scan_is_an_index() {
    suite(Exact::new, |_| {});
}

#[test]
fn a_graph_is_an_index() {
    suite(Hnsw::new, Hnsw::rebuild);
}

#[test]
fn a_tail_without_a_graph_is_an_index() {
    suite(Hnsw::new, |_| {});
}

/// One step of a random life of an index.
#[derive(Debug, Clone)]
enum Step {
    /// Insert or replace, with a vector drawn from this seed.
    Insert(u64, u64),
    Remove(u64),
    Rebuild,
}

/// As many units as [`Step`] chooses from.
const UNITS: u64 = 400;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        60 => (0..UNITS, any::<u64>()).prop_map(|(unit, seed)| Step::Insert(unit, seed)),
        20 => (0..UNITS).prop_map(Step::Remove),
        1 => Just(Step::Rebuild),
    ];
    prop::collection::vec(step, 100..1200)
}

/// A 384-dimensional vector, components even over −1 to 1, from a seed (splitmix64).
fn random_vector(seed: u64) -> Vector {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    vector(&std::array::from_fn::<f32, 384, _>(|_| next()))
}

/// The plain model: what is in, as it was handed in.
type Plain = BTreeMap<UnitId, Vector>;

fn apply(step: &Step, plain: &mut Plain, indexes: &mut [&mut dyn Index]) {
    match step {
        Step::Insert(unit, seed) => {
            let vector = random_vector(*seed);
            assert!(indexes.iter_mut().all(|index| index.insert(turn(*unit), &vector)));
            plain.insert(turn(*unit), vector);
        }
        Step::Remove(unit) => {
            let was_in = plain.remove(&turn(*unit)).is_some();
            assert!(indexes.iter_mut().all(|index| index.remove(turn(*unit)) == was_in));
        }
        Step::Rebuild => {}
    }
}

/// The part of the 60 that are truly nearest which an index finds, mean over 20 queries.
fn recall_at_60(plain: &Plain, index: &dyn Index) -> f64 {
    let (mut hits, mut wanted) = (0, 0);
    for seed in 0..20 {
        let query = random_vector(seed);
        let dot = |vector: &Vector| vector.as_slice().iter().zip(query.as_slice()).map(|(a, b)| a * b).sum();
        let mut exact: Vec<(UnitId, f32)> = plain.iter().map(|(unit, vector)| (*unit, dot(vector))).collect();
        exact.sort_by(|a, b| b.1.total_cmp(&a.1));
        exact.truncate(60);
        let found = index.nearest(&query, 60, &ANY);
        assert!(found.is_sorted_by(|a, b| Scored::best_first(a, b).is_lt()), "best first, each unit once");
        assert_eq!(found.len(), exact.len());
        assert!(found.iter().all(|scored| plain.contains_key(&scored.unit)), "a removed unit was found");
        hits += exact.iter().filter(|(unit, _)| found.iter().any(|scored| scored.unit == *unit)).count();
        wanted += exact.len();
    }
    if wanted == 0 { 1.0 } else { f64::from(hits as u32) / f64::from(wanted as u32) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn scan_and_graph_find_what_is_nearest_after_any_changes(steps in steps()) {
        let (mut plain, mut scan, mut graph) = (Plain::new(), Exact::new(), Hnsw::new());
        for step in &steps {
            apply(step, &mut plain, &mut [&mut scan, &mut graph]);
            if matches!(step, Step::Rebuild) {
                graph.rebuild();
            }
        }
        prop_assert_eq!((scan.len(), graph.len()), (plain.len(), plain.len()));
        for unit in 0..UNITS {
            let is_in = plain.contains_key(&turn(unit));
            prop_assert_eq!((scan.contains(turn(unit)), graph.contains(turn(unit))), (is_in, is_in));
        }
        prop_assert!(recall_at_60(&plain, &scan) >= 0.99);
        for _ in 0..2 {
            prop_assert!(recall_at_60(&plain, &graph) >= 0.99);
            graph.rebuild();
        }
    }

    #[test]
    fn bm25_is_what_a_direct_reading_of_the_formula_gives(
        texts in prop::collection::vec(("[ab]", "(dog|kite|red|sea|maria|7| |running|the){0,12}"), 1..20),
        gone in prop::collection::vec(0_usize..20, 0..10),
        query in "(dog |kite |red |maria |runs ){0,4}",
        before in prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.25, 0.5, 1.0]), 0..4),
        after in prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.25, 0.5, 1.0]), 0..4),
    ) {
        let weights = Around { before: before.clone(), after: after.clone() };
        let (mut units, mut lexical) = (Units::default(), Lexical::new(&weights));
        let mut memories = BTreeMap::new();
        for (number, (_, text)) in texts.iter().enumerate() {
            let slot = units.put_memory(&samples::memory(number as u64, text));
            lexical.insert(&units, slot, text);
            memories.insert(number, text.clone());
        }
        for number in gone {
            let slot = units.remove_memory(memory(number as u64));
            prop_assert_eq!(slot.is_some(), memories.remove(&number).is_some());
            slot.map(|slot| lexical.remove(slot));
        }
        let mut sessions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut placed = Vec::new();
        for (number, (session, text)) in texts.iter().enumerate() {
            let slot = units.add_turn(&samples::turn(number as u64, session, text));
            lexical.insert(&units, slot, text);
            let turns = sessions.entry(session).or_default();
            placed.push((slot, session.as_str(), turns.len()));
            turns.push(text);
        }
        // What counts as each unit's text: its own, and those before and after in its session by their weights.
        let around = |session: &str, at: usize| -> Document {
            let turns = &sessions[session];
            let weight = |other: usize| match other.cmp(&at) {
                Ordering::Less => before.get(at - other - 1),
                Ordering::Equal => Some(&1.0),
                Ordering::Greater => after.get(other - at - 1),
            };
            let weighted = turns.iter().enumerate().filter_map(|(other, text)| Some((*weight(other)?, terms(text))));
            weighted.filter(|(weight, _)| *weight > 0.0).collect()
        };
        let mut documents: BTreeMap<u32, Document> =
            placed.into_iter().map(|(slot, session, at)| (slot, around(session, at))).collect();
        for (number, text) in memories {
            documents.insert(units.slot(memory(number as u64)).unwrap(), vec![(1.0, terms(&text))]);
        }
        let found: BTreeMap<u32, f32> = lexical.search(&units, &query, false).found().collect();
        let expected = bm25_by_the_book(&documents, &query);
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (slot, score) in found {
            let expected = expected[&slot];
            prop_assert!((f64::from(score) - expected).abs() < 1e-5 * expected.max(1.0));
        }
    }
}

/// The terms of the texts that count for a unit, with the weight of each text.
type Document = Vec<(f32, Vec<String>)>;

/// Every unit against every term of the query, each count taken afresh from the texts.
fn bm25_by_the_book(documents: &BTreeMap<u32, Document>, query: &str) -> BTreeMap<u32, f64> {
    let total = |document: &Document, of: &dyn Fn(&[String]) -> usize| -> f64 {
        document.iter().map(|(weight, terms)| f64::from(*weight) * of(terms) as f64).sum()
    };
    let n = documents.len() as f64;
    let length = |document: &Document| total(document, &<[String]>::len);
    let mean = documents.values().map(length).sum::<f64>() / n;
    let mut scores = BTreeMap::new();
    for term in terms(query) {
        let tf =
            |document: &Document| total(document, &|terms| terms.iter().filter(|one| **one == term).count());
        let df = documents.values().filter(|document| tf(document) > 0.0).count() as f64;
        for (unit, document) in documents.iter().filter(|(_, document)| tf(document) > 0.0) {
            let (idf, tf) = ((1.0 + (n - df + 0.5) / (df + 0.5)).ln(), tf(document));
            *scores.entry(*unit).or_insert(0.0) +=
                idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length(document) / mean));
        }
    }
    scores
}
