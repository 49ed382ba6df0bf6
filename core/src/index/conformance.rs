//! What every index must do, stamped onto each of them, and what the graph must find of what a scan finds.
//!
//! It deliberately looks only through the seam; what is particular to one index is tested where it is.
//!
//! Rooms it touches: types, embed (for [`Vector`]).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Exact, Hnsw, Index, Lexical, Scored, terms};
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

/// `settle` is called after every change: nothing for a scan, a rebuild for a graph.
fn suite<I: Index>(new: impl Fn() -> I, settle: impl Fn(&mut I)) {
    empty_finds_nothing(new());
    finds_the_nearest_first(new(), &settle);
    breaks_ties_by_unit(new(), &settle);
    replaces(new(), &settle);
    removes(new(), &settle);
    refuses_other_dimensions(new(), &settle);
}

fn empty_finds_nothing(mut index: impl Index) {
    assert!(index.is_empty());
    assert_eq!(index.nearest(&vector(&[1.0, 0.0]), 5), []);
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
    let expected = expected.map(|(unit, score)| Scored { unit, score });
    let query = vector(&[1.0, 0.0]);
    assert_eq!(index.nearest(&query, 2), expected[..2]);
    assert_eq!(index.nearest(&query, 4), expected);
    assert_eq!(index.nearest(&query, usize::MAX / 4), expected, "more than there are");
    assert_eq!(index.nearest(&query, usize::MAX), expected, "more than there can be");
    assert_eq!(index.nearest(&query, 0), []);
    assert_eq!(index.len(), 4);
}

fn breaks_ties_by_unit<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    for unit in [turn(2), memory(7), turn(1), memory(3)] {
        index.insert(unit, &vector(&[1.0, 1.0]));
    }
    settle(&mut index);
    let found = index.nearest(&vector(&[1.0, 1.0]), 3);
    assert_eq!(found.iter().map(|scored| scored.unit).collect::<Vec<_>>(), [memory(3), memory(7), turn(1)]);
}

fn replaces<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    index.insert(turn(1), &vector(&[1.0, 0.0]));
    index.insert(turn(2), &vector(&[3.0, 4.0]));
    settle(&mut index);
    assert!(index.insert(turn(1), &vector(&[0.0, 1.0])));
    for _ in 0..2 {
        assert_eq!(index.len(), 2);
        let found = index.nearest(&vector(&[1.0, 0.0]), 5);
        assert_eq!(found, [Scored { unit: turn(2), score: 0.6 }, Scored { unit: turn(1), score: 0.0 }]);
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
        let units: Vec<_> = index.nearest(&vector(&[1.0, 0.0]), 9).iter().map(|scored| scored.unit).collect();
        assert_eq!(units, [turn(1), turn(2), turn(3)]);
        settle(&mut index);
    }
    assert!(index.insert(turn(0), &vector(&[1.0, 0.0])), "may come back");
    assert_eq!(index.nearest(&vector(&[1.0, 0.0]), 1)[0].unit, turn(0));
}

fn refuses_other_dimensions<I: Index>(mut index: I, settle: &impl Fn(&mut I)) {
    assert!(index.insert(turn(1), &vector(&[1.0, 0.0])));
    settle(&mut index);
    assert!(!index.insert(turn(2), &vector(&[1.0, 0.0, 0.0])));
    assert!(!index.insert(turn(1), &vector(&[1.0])));
    assert!(!index.contains(turn(2)));
    assert_eq!(index.nearest(&vector(&[1.0, 0.0, 0.0]), 5), []);
    assert_eq!(index.nearest(&vector(&[0.0, 1.0]), 5), [Scored { unit: turn(1), score: 0.0 }]);
    // Once nothing is in, there is nothing to fit to: another embedder may start.
    index.remove(turn(1));
    assert!(index.insert(turn(2), &vector(&[0.0, 0.0, 1.0])));
    settle(&mut index);
    assert_eq!(index.nearest(&vector(&[0.0, 0.0, 1.0]), 5), [Scored { unit: turn(2), score: 1.0 }]);
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

/// A 32-dimensional vector, components even over −1 to 1, from a seed (splitmix64).
fn random_vector(seed: u64) -> Vector {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    vector(&std::array::from_fn::<f32, 32, _>(|_| next()))
}

fn apply(step: &Step, scan: &mut Exact, graph: &mut Hnsw) {
    match step {
        Step::Insert(unit, seed) => {
            let vector = random_vector(*seed);
            assert_eq!(scan.insert(turn(*unit), &vector), graph.insert(turn(*unit), &vector));
        }
        Step::Remove(unit) => assert_eq!(scan.remove(turn(*unit)), graph.remove(turn(*unit))),
        Step::Rebuild => graph.rebuild(),
    }
}

/// The part of the scan's ten nearest that the graph finds too, mean over 20 queries.
fn recall_at_10(scan: &Exact, graph: &Hnsw) -> f64 {
    let (mut hits, mut wanted) = (0, 0);
    for seed in 0..20 {
        let query = random_vector(seed);
        let (expected, found) = (scan.nearest(&query, 10), graph.nearest(&query, 10));
        assert!(found.is_sorted_by(|a, b| Scored::best_first(a, b).is_lt()), "best first, each unit once");
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().all(|scored| scan.contains(scored.unit)), "a removed unit was found");
        hits += expected.iter().filter(|scored| found.contains(scored)).count();
        wanted += expected.len();
    }
    if wanted == 0 { 1.0 } else { f64::from(hits as u32) / f64::from(wanted as u32) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn a_graph_finds_what_a_scan_finds(steps in steps()) {
        let (mut scan, mut graph) = (Exact::new(), Hnsw::new());
        for step in &steps {
            apply(step, &mut scan, &mut graph);
        }
        prop_assert_eq!(scan.len(), graph.len());
        for unit in 0..UNITS {
            prop_assert_eq!(scan.contains(turn(unit)), graph.contains(turn(unit)));
        }
        for _ in 0..2 {
            let recall = recall_at_10(&scan, &graph);
            prop_assert!(recall >= 0.95, "recall@10 {}", recall);
            graph.rebuild();
        }
    }

    #[test]
    fn bm25_is_what_a_direct_reading_of_the_formula_gives(
        texts in prop::collection::vec("(dog|kite|red|sea|maria|7| |running|the){0,12}", 1..20),
        gone in prop::collection::vec(0_usize..20, 0..10),
        query in "(dog |kite |red |maria |runs ){0,4}",
    ) {
        let mut index = Lexical::new();
        let mut bank = BTreeMap::new();
        for (number, text) in texts.iter().enumerate() {
            index.insert(turn(number as u64), text);
            bank.insert(turn(number as u64), text.clone());
        }
        for number in gone {
            let unit = turn(number as u64);
            prop_assert_eq!(index.remove(unit), bank.remove(&unit).is_some());
        }
        let (found, expected) = (index.search(&query, 100), bm25_by_the_book(&bank, &query));
        prop_assert_eq!(found.len(), expected.len());
        for scored in found {
            let expected = expected[&scored.unit];
            prop_assert!((f64::from(scored.score) - expected).abs() < 1e-5 * expected.max(1.0));
        }
    }
}

/// Every unit against every term of the query, each count taken afresh from the texts.
fn bm25_by_the_book(bank: &BTreeMap<UnitId, String>, query: &str) -> BTreeMap<UnitId, f64> {
    let documents: BTreeMap<UnitId, Vec<String>> =
        bank.iter().map(|(unit, text)| (*unit, terms(text))).collect();
    let n = documents.len() as f64;
    let mean = documents.values().map(Vec::len).sum::<usize>() as f64 / n;
    let mut scores = BTreeMap::new();
    for (unit, words) in &documents {
        for term in terms(query) {
            let tf = words.iter().filter(|word| **word == term).count() as f64;
            let df = documents.values().filter(|words| words.contains(&term)).count() as f64;
            if tf > 0.0 {
                let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
                let length = words.len() as f64 / mean;
                *scores.entry(*unit).or_insert(0.0) += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length));
            }
        }
    }
    scores
}
