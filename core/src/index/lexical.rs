//! Search by word: BM25 over an inverted index that grows and shrinks unit by unit.
//!
//! A turn's words count together with those of its neighbours in the session, weighted by [`Around`], because a reply
//! often holds the words and its question the sense. Postings hold each text once: the words around are added up at
//! query time, which costs some time and saves four fifths of the memory. So are the forms of a word.
//!
//! It deliberately keeps no text, only stemmed terms and counts, and of a removed unit not even those.
//!
//! Rooms it touches: types, config (for [`Around`]), index (for [`Units`] and terms).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::terms::{forms, terms};
use super::units::{Slot, Units};
use crate::config::Around;

/// How soon further occurrences of a term stop counting. Evidence: the anchors of field.md.
const K1: f64 = 1.2;
/// How much long texts are held back. Evidence: the anchors of field.md.
const B: f64 = 0.75;

/// An inverted index over the units of one space.
pub(crate) struct Lexical {
    term_of: HashMap<Arc<str>, Term>,
    /// By term. One that no unit has any more is free to be given again.
    terms: Vec<Listed>,
    free: Vec<Term>,
    /// By slot.
    texts: Vec<Option<Indexed>>,
    /// How many units are in.
    units: usize,
    /// Sum of all `Indexed::around`.
    total: u64,
    around: Kernel,
}

/// [`Around`] in whole numbers, so that sums do not depend on their order.
struct Kernel {
    reach: isize,
    /// From the furthest turn before to the furthest after.
    weights: Vec<u32>,
}

impl Kernel {
    /// What a unit's own words count.
    const ONE: u32 = 64;

    fn new(around: &Around) -> Self {
        let reach = around.reach() as isize;
        let whole = |offset| (around.weight(offset) * Self::ONE as f32).round() as u32;
        Self { reach, weights: (-reach..=reach).map(whole).collect() }
    }

    fn reach(&self) -> usize {
        self.reach as usize
    }

    /// What the words of the turn at an offset count; it lies within reach.
    fn weight(&self, offset: isize) -> u32 {
        self.weights[(self.reach + offset) as usize]
    }
}

type Term = u32;

struct Listed {
    name: Arc<str>,
    postings: Vec<Posting>,
}

/// A term in a unit.
#[derive(Clone, Copy)]
struct Posting {
    slot: Slot,
    /// How often, at least once.
    count: u32,
}

/// What is known of a unit's text.
struct Indexed {
    /// In terms, with repetition.
    length: u32,
    /// The same with its neighbours, in parts of [`Kernel::ONE`].
    around: u32,
    /// Each distinct term: the way back to its postings.
    terms: Box<[Term]>,
}

/// How well every unit fits a query, by slot: zero where it has none of its terms.
pub(crate) struct Scores(Vec<f32>);

impl Scores {
    /// The score of the unit at a place.
    pub(crate) fn of(&self, slot: Slot) -> f32 {
        self.0.get(slot as usize).copied().unwrap_or_default()
    }

    /// The units that have any of the terms.
    pub(crate) fn found(&self) -> impl Iterator<Item = (Slot, f32)> {
        self.0.iter().enumerate().filter(|(_, score)| **score > 0.0).map(|(at, score)| (at as Slot, *score))
    }
}

impl Lexical {
    /// An empty index.
    pub(crate) fn new(around: &Around) -> Self {
        Self {
            term_of: HashMap::new(),
            terms: Vec::new(),
            free: Vec::new(),
            texts: Vec::new(),
            units: 0,
            total: 0,
            around: Kernel::new(around),
        }
    }

    /// Adds the text of a unit that `units` has, or replaces it. Linear in the text.
    pub(crate) fn insert(&mut self, units: &Units, slot: Slot, text: &str) {
        if !self.remove(slot) && self.texts.len() <= slot as usize {
            self.texts.resize_with(slot as usize + 1, || None);
        }
        let counts = counted(terms(text));
        let length = counts.values().fold(0_u32, |sum, count| sum.saturating_add(*count));
        let terms = counts.into_iter().map(|(term, count)| self.post(&term, Posting { slot, count }));
        let terms = terms.collect();
        self.texts[slot as usize] = Some(Indexed { length, around: 0, terms });
        self.units += 1;
        for (_, near) in units.around(slot, self.around.reach()) {
            let lengths = units.around(near, self.around.reach()).filter_map(|(offset, slot)| {
                Some(self.text(slot)?.length.saturating_mul(self.around.weight(offset)))
            });
            let around = lengths.fold(0_u32, u32::saturating_add);
            if let Some(Some(text)) = self.texts.get_mut(near as usize) {
                self.total += u64::from(around);
                self.total -= u64::from(std::mem::replace(&mut text.around, around));
            }
        }
    }

    fn text(&self, slot: Slot) -> Option<&Indexed> {
        self.texts.get(slot as usize)?.as_ref()
    }

    /// Puts a posting in its place and gives its term.
    fn post(&mut self, name: &str, posting: Posting) -> Term {
        let term = match self.term_of.get(name) {
            Some(known) => *known,
            None => self.new_term(name.into()),
        };
        let postings = &mut self.terms[term as usize].postings;
        let place = postings.partition_point(|other| other.slot < posting.slot);
        postings.insert(place, posting);
        term
    }

    fn new_term(&mut self, name: Arc<str>) -> Term {
        let listed = Listed { name: Arc::clone(&name), postings: Vec::new() };
        let term = self.free.pop().unwrap_or(self.terms.len() as Term);
        if term as usize == self.terms.len() {
            self.terms.push(listed);
        } else {
            self.terms[term as usize] = listed;
        }
        self.term_of.insert(name, term);
        term
    }

    /// Takes the text of a unit without neighbours out, and with it every term that only it had. False where none was
    /// in.
    pub(crate) fn remove(&mut self, slot: Slot) -> bool {
        let Some(text) = self.texts.get_mut(slot as usize).and_then(Option::take) else { return false };
        self.units -= 1;
        self.total -= u64::from(text.around);
        for term in text.terms {
            let listed = &mut self.terms[term as usize];
            if let Ok(place) = listed.postings.binary_search_by_key(&slot, |posting| posting.slot) {
                listed.postings.remove(place);
            }
            if listed.postings.is_empty() {
                self.term_of.remove(&listed.name);
                *listed = Listed { name: "".into(), postings: Vec::new() };
                self.free.push(term);
            }
        }
        true
    }

    /// How well each unit fits the words of `query`, by BM25 (Robertson and Zaragoza 2009, equation 3.15, with an idf
    /// that is never negative): the sum over the query's terms, each as often as it occurs, of
    /// `ln(1 + (N − df + ½) / (df + ½)) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · length / mean length))`,
    /// where a text is the unit's with those around it, weighted, and all forms of a word are one term if `any_form`.
    pub(crate) fn search(&self, units: &Units, query: &str, any_form: bool) -> Scores {
        let mut scores = vec![0.0_f32; self.texts.len()];
        let mut counts = vec![0_u32; self.texts.len()];
        let mut with_term: Vec<Slot> = Vec::new();
        let mean = self.total as f64 / self.units.max(1) as f64;
        let first_form = |term: String| match forms(&term) {
            Some(forms) if any_form => forms[0].clone(),
            _ => term,
        };
        let words = counted(terms(query).into_iter().map(first_form));
        // In order of word: a sum of floats depends on its order, and results must not vary between runs.
        for (word, times) in words {
            let alone = std::slice::from_ref(&word);
            let terms = if any_form { forms(&word).unwrap_or(alone) } else { alone };
            for posting in terms.iter().flat_map(|term| self.postings(term)) {
                for (offset, near) in units.around(posting.slot, self.around.reach()) {
                    let weight = self.around.weight(-offset);
                    let count = &mut counts[near as usize];
                    if *count == 0 && weight > 0 {
                        with_term.push(near);
                    }
                    *count = count.saturating_add(posting.count.saturating_mul(weight));
                }
            }
            let weight = f64::from(times) * self.idf(with_term.len());
            for slot in with_term.drain(..) {
                let count = f64::from(std::mem::take(&mut counts[slot as usize])) / f64::from(Kernel::ONE);
                let length = self.text(slot).map_or(0.0, |text| f64::from(text.around));
                let saturated = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / mean));
                scores[slot as usize] += (weight * saturated) as f32;
            }
        }
        Scores(scores)
    }

    /// The units that have a term themselves.
    pub(crate) fn with_term(&self, term: &str) -> impl Iterator<Item = Slot> {
        self.postings(term).iter().map(|posting| posting.slot)
    }

    fn postings(&self, term: &str) -> &[Posting] {
        self.term_of.get(term).map_or(&[], |term| self.terms[*term as usize].postings.as_slice())
    }

    fn idf(&self, units_with_term: usize) -> f64 {
        let (all, with) = (self.units as f64, units_with_term as f64);
        ((all - with + 0.5) / (with + 0.5)).ln_1p()
    }
}

/// How often each term occurs, in order of term.
fn counted(terms: impl IntoIterator<Item = String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for term in terms {
        let count: &mut u32 = counts.entry(term).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::terms::MAX_TERM_CHARS;
    use crate::index::units::samples::{memory, turn};
    use crate::types::UnitId;

    /// An index of memories with these texts, or of turns of one session.
    struct Sample {
        units: Units,
        lexical: Lexical,
    }

    impl Sample {
        /// Words of two turns before and after count in full.
        fn new() -> Self {
            Self::weighted([1.0; 2], [1.0; 2])
        }

        fn weighted(before: [f32; 2], after: [f32; 2]) -> Self {
            let around = Around { before: before.into(), after: after.into() };
            Self { units: Units::default(), lexical: Lexical::new(&around) }
        }

        fn memory(&mut self, id: u64, text: &str) -> Slot {
            let slot = self.units.put_memory(&memory(id, text));
            self.lexical.insert(&self.units, slot, text);
            slot
        }

        fn turn(&mut self, id: u64, session: &str, text: &str) -> Slot {
            let slot = self.units.add_turn(&turn(id, session, text));
            self.lexical.insert(&self.units, slot, text);
            slot
        }

        fn forget(&mut self, id: u64) -> bool {
            let slot = self.units.remove_memory(UnitId::Memory(crate::types::MemoryId(id)));
            slot.is_some_and(|slot| self.lexical.remove(slot))
        }

        fn scores(&self, query: &str) -> Vec<(Slot, f32)> {
            self.lexical.search(&self.units, query, false).found().collect()
        }
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let mut sample = Sample::new();
        let both = sample.memory(1, "dog dog kite");
        sample.memory(2, "kite");
        // N = 2, df = 1: idf = ln(1 + 1.5/1.5) = ln 2. Mean length 2, length 3, tf 2:
        // 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5)) = 4.4 / 3.65.
        let expected = 2.0_f32.ln() * 4.4 / 3.65;
        let [(found, score)] = sample.scores("dog")[..] else { panic!("one unit has a dog") };
        assert_eq!(found, both);
        assert!((score - expected).abs() < 1e-6, "{score} is not {expected}");
    }

    /// The scores are of bm25s, over stems of another implementation: tests/tools/bm25_reference.py.
    #[test]
    fn scores_of_a_real_conversation_are_those_of_another_implementation() {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/bm25.json")).unwrap();
        let mut sample = Sample::new();
        for (id, turn) in fixture["turns"].as_array().unwrap().iter().enumerate() {
            let slot =
                sample.turn(id as u64, turn["session"].as_str().unwrap(), turn["text"].as_str().unwrap());
            assert_eq!(slot as usize, id);
        }
        for query in fixture["queries"].as_array().unwrap() {
            let scores = sample.lexical.search(&sample.units, query["text"].as_str().unwrap(), false);
            let expected = query["scores"].as_array().unwrap();
            assert!(expected.iter().any(|score| score.as_f64().unwrap() > 0.0));
            for (slot, expected) in expected.iter().enumerate() {
                let (score, expected) = (scores.of(slot as Slot), expected.as_f64().unwrap() as f32);
                assert!(
                    (score - expected).abs() < 1e-4,
                    "turn {slot} of {}: {score}, not {expected}",
                    query["text"]
                );
            }
        }
    }

    #[test]
    fn a_turn_is_found_by_the_words_around_it_in_its_session() {
        let mut sample = Sample::new();
        let slots: Vec<Slot> =
            (0..6).map(|id| sample.turn(id, "a", if id == 1 { "dog" } else { "kite" })).collect();
        let apart = sample.turn(6, "b", "kite");
        let found: Vec<Slot> = sample.scores("dog").iter().map(|(slot, _)| *slot).collect();
        assert_eq!(found, slots[..4]);
        assert_eq!(sample.scores("kite").len(), 7);
        assert_eq!(sample.lexical.with_term("dog").collect::<Vec<_>>(), [slots[1]]);
        assert!(!found.contains(&apart));
    }

    #[test]
    fn words_around_count_as_they_are_weighted() {
        let mut sample = Sample::weighted([1.0, 0.5], [0.75, 0.0]);
        for id in 0..6 {
            sample.turn(id, "a", if id == 2 { "dog" } else { "kite" });
        }
        // Lengths with those around: 1.75, 2.75, 3.25, 3.25, 3.25, 2.5; their mean is 16.75 / 6.
        // The dog is in turn 1 (it stands after), 2, 3 (before) and 4 (two before): N = 6, df = 4.
        let score = |tf: f32, length: f32| {
            let idf = (1.0_f32 + 2.5 / 4.5).ln();
            idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / (16.75 / 6.0)))
        };
        let expected =
            [(1, score(0.75, 2.75)), (2, score(1.0, 3.25)), (3, score(1.0, 3.25)), (4, score(0.5, 3.25))];
        let found = sample.scores("dog");
        assert_eq!(found.len(), expected.len());
        for ((slot, score), (turn, expected)) in found.into_iter().zip(expected) {
            assert_eq!(slot, turn);
            assert!((score - expected).abs() < 1e-6, "turn {turn}: {score}, not {expected}");
        }
    }

    #[test]
    fn forms_of_a_word_are_one_term() {
        let mut sample = Sample::new();
        for (id, text) in ["went home", "go", "kite"].into_iter().enumerate() {
            sample.memory(id as u64, text);
        }
        let search = |query, any_form| sample.lexical.search(&sample.units, query, any_form).found().count();
        assert_eq!((search("gone", true), search("gone", false), search("go", false)), (2, 0, 1));
        // N = 3, df = 2: the word is as rare as all its forms together, and named in two forms it is named twice.
        let score = |query| sample.lexical.search(&sample.units, query, true).of(1);
        let expected = (1.0_f32 + 1.5 / 2.5).ln() * 2.2 / (1.0 + 1.2 * (0.25 + 0.75 / (4.0 / 3.0)));
        assert!((score("go") - expected).abs() < 1e-6);
        assert!((score("went gone") - 2.0 * expected).abs() < 1e-6);
    }

    #[test]
    fn a_removed_unit_leaves_no_trace() {
        let mut sample = Sample::new();
        sample.turn(1, "a", "Maria adopted a dog");
        sample.memory(1, "Maria's secret is xyzzy");
        assert!(sample.forget(1));
        assert!(!sample.forget(1));
        let mut kept: Vec<&str> = sample.lexical.term_of.keys().map(AsRef::as_ref).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["adopt", "dog", "maria"]);
        let listed: Vec<&str> = sample.lexical.terms.iter().map(|listed| listed.name.as_ref()).collect();
        assert!(!listed.contains(&"xyzzi") && !listed.contains(&"xyzzy"), "{listed:?}");
        assert_eq!((sample.lexical.units, sample.lexical.total), (1, 3 * u64::from(Kernel::ONE)));
        assert_eq!(sample.scores("maria").len(), 1);
        // Its place and its terms' places are given again.
        let terms = sample.lexical.terms.len();
        assert_eq!(sample.memory(2, "A secret kept"), 1);
        assert_eq!(sample.lexical.terms.len(), terms);
        assert_eq!(sample.scores("secret").len(), 1);
    }

    #[test]
    fn a_new_text_replaces_the_old_one() {
        let mut sample = Sample::new();
        sample.memory(1, "a dog");
        sample.memory(1, "a cat");
        assert!(sample.scores("dog").is_empty());
        assert_eq!(sample.scores("cat").len(), 1);
        assert_eq!(sample.lexical.units, 1);
        // One that has only stop words is in all the same, and goes.
        sample.memory(1, "who is it");
        assert_eq!((sample.lexical.units, sample.scores("cat").len()), (1, 0));
        assert!(sample.forget(1));
        assert_eq!(sample.lexical.units, 0);
    }

    #[test]
    fn a_megabyte_is_read_once_whatever_it_holds() {
        let mut sample = Sample::new();
        let texts =
            ["a".repeat(1 << 20), "ab ".repeat(1 << 18), "年".repeat(1 << 18), "\u{301}".repeat(1 << 19)];
        for (number, text) in texts.iter().enumerate() {
            sample.memory(number as u64, text);
        }
        let longest = sample.lexical.term_of.keys().map(|term| term.chars().count()).max();
        assert_eq!(longest, Some(MAX_TERM_CHARS));
        assert_eq!(sample.scores(&texts[1]).len(), 1);
    }
}
