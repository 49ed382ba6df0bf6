//! Search by word: BM25 over an inverted index that grows and shrinks unit by unit.
//!
//! A turn's words count together with those of its neighbours in the session, because a reply often holds the
//! words and its question the sense. Postings hold each text once: the words around are added up at query time,
//! which costs some time and saves four fifths of the memory.
//!
//! It deliberately keeps no text, only stemmed terms and counts, and of a removed unit not even those. Terms are
//! made for English; other languages are matched word for word, and those written without spaces character by
//! character.
//!
//! Rooms it touches: types, index (for [`Units`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rust_stemmers::{Algorithm, Stemmer};

use super::units::{Slot, Units};

/// How soon further occurrences of a term stop counting. Evidence: the anchors of field.md.
const K1: f64 = 1.2;
/// How much long texts are held back. Evidence: the anchors of field.md.
const B: f64 = 0.75;
/// Most characters of a term: what follows is a key, a link or noise. A guess.
const MAX_TERM_CHARS: usize = 64;

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
    /// Turns before and after a turn whose words count with it.
    reach: usize,
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
    /// The same with its neighbours.
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
    /// An empty index. The words of `reach` turns before and after a turn count with it.
    pub(crate) fn new(reach: usize) -> Self {
        Self {
            term_of: HashMap::new(),
            terms: Vec::new(),
            free: Vec::new(),
            texts: Vec::new(),
            units: 0,
            total: 0,
            reach,
        }
    }

    /// Adds the text of a unit that `units` has, or replaces it. Linear in the text.
    pub(crate) fn insert(&mut self, units: &Units, slot: Slot, text: &str) {
        if !self.remove(slot) && self.texts.len() <= slot as usize {
            self.texts.resize_with(slot as usize + 1, || None);
        }
        let counts = counted(text);
        let length = counts.values().fold(0_u32, |sum, count| sum.saturating_add(*count));
        let terms = counts.into_iter().map(|(term, count)| self.post(&term, Posting { slot, count }));
        let terms = terms.collect();
        self.texts[slot as usize] = Some(Indexed { length, around: 0, terms });
        self.units += 1;
        for (_, near) in units.around(slot, self.reach) {
            let lengths = units.around(near, self.reach).filter_map(|(_, slot)| self.text(slot));
            let around = lengths.fold(0_u32, |sum, text| sum.saturating_add(text.length));
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
    /// where a text is the unit's with those around it.
    pub(crate) fn search(&self, units: &Units, query: &str) -> Scores {
        let mut scores = vec![0.0_f32; self.texts.len()];
        let mut counts = vec![0_u32; self.texts.len()];
        let mut with_term: Vec<Slot> = Vec::new();
        let mean = self.total as f64 / self.units.max(1) as f64;
        // In order of term: a sum of floats depends on its order, and results must not vary between runs.
        for (term, times) in counted(query) {
            for posting in self.postings(&term) {
                for (_, near) in units.around(posting.slot, self.reach) {
                    let count = &mut counts[near as usize];
                    if *count == 0 {
                        with_term.push(near);
                    }
                    *count = count.saturating_add(posting.count);
                }
            }
            let weight = f64::from(times) * self.idf(with_term.len());
            for slot in with_term.drain(..) {
                let count = f64::from(std::mem::take(&mut counts[slot as usize]));
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

/// The terms of a text and how often each occurs, in order of term.
fn counted(text: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for term in terms(text) {
        let count: &mut u32 = counts.entry(term).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

/// Whether a lower-cased word says nothing of what a text is about.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// The terms of a text, in its order: lower-cased words without stop words, stemmed where they are English.
pub fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut terms = Vec::new();
    let mut word = Word::default();
    for letter in text.chars().flat_map(char::to_lowercase).filter(|letter| !is_mark(*letter)) {
        if stands_alone(letter) {
            terms.extend(word.finish(&stemmer));
            terms.push(letter.to_string());
        } else if letter.is_alphanumeric() {
            word.push(letter);
        } else {
            terms.extend(word.finish(&stemmer));
        }
    }
    terms.extend(word.finish(&stemmer));
    terms
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    letters: String,
    count: usize,
}

impl Word {
    fn push(&mut self, letter: char) {
        if self.count < MAX_TERM_CHARS {
            self.letters.push(letter);
            self.count += 1;
        }
    }

    /// The term it makes, if any, and an empty word in its place.
    fn finish(&mut self, stemmer: &Stemmer) -> Option<String> {
        let Self { letters, .. } = std::mem::take(self);
        if letters.is_empty() || is_stop_word(&letters) {
            return None;
        }
        // The stemmer counts bytes as letters, which holds only for ASCII.
        Some(if letters.is_ascii() { stemmer.stem(&letters).into_owned() } else { letters })
    }
}

/// Accents and viramas written as characters of their own, and invisible joiners: they are dropped, so that
/// they do not cut a word in two.
fn is_mark(letter: char) -> bool {
    matches!(
        letter,
        '\u{300}'
            ..='\u{36f}'
                | '\u{200c}'
                | '\u{200d}'
                | '\u{94d}'
                | '\u{9cd}'
                | '\u{a4d}'
                | '\u{acd}'
                | '\u{b4d}'
                | '\u{bcd}'
                | '\u{c4d}'
                | '\u{ccd}'
                | '\u{d4d}'
    )
}

/// Letters of scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han, and Hangul, whose words
/// carry their particles with them. Each is a term; BM25 over single characters is coarse but finds.
fn stands_alone(letter: char) -> bool {
    letter.is_alphabetic()
        && matches!(letter,
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Words that say nothing about what a text is about, question words among them (worth 5 points of lexical
/// recall@10 on LoCoMo, field.md), and what an apostrophe leaves of short forms. Sorted.
#[rustfmt::skip] // one word a line would be two pages
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are",
    "aren", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but", "by",
    "can", "could", "couldn", "d", "did", "didn", "do", "does", "doesn", "doing", "don", "down", "during",
    "each", "few", "for", "from", "further", "had", "has", "hasn", "have", "haven", "having", "he", "her",
    "here", "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "isn", "it",
    "its", "itself", "just", "ll", "m", "me", "more", "most", "my", "myself", "no", "nor", "not", "now",
    "of", "off", "on", "once", "only", "or", "other", "our", "ours", "ourselves", "out", "over", "own",
    "re", "s", "same", "she", "should", "so", "some", "such", "t", "than", "that", "the", "their", "theirs",
    "them", "themselves", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "us", "ve", "very", "was", "wasn", "we", "were", "weren", "what", "when",
    "where", "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
    "yours", "yourself", "yourselves",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::units::samples::{memory, turn};
    use crate::types::UnitId;

    /// An index of memories with these texts, or of turns of one session.
    struct Sample {
        units: Units,
        lexical: Lexical,
    }

    impl Sample {
        fn new(reach: usize) -> Self {
            Self { units: Units::default(), lexical: Lexical::new(reach) }
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
            self.lexical.search(&self.units, query).found().collect()
        }
    }

    #[test]
    fn terms_are_lower_cased_stemmed_words_without_stop_words() {
        assert_eq!(terms("What is the name of Maria's DOGS?"), ["name", "maria", "dog"]);
        assert_eq!(terms("She was running; they don’t run."), ["run", "run"]);
        assert_eq!(terms("room 12b, 3.5 km"), ["room", "12b", "3", "5", "km"]);
        assert_eq!(terms("who, when & where?!"), [""; 0]);
    }

    #[test]
    fn other_scripts_are_searchable() {
        assert_eq!(terms("Ёлка в ПАРКЕ"), ["ёлка", "в", "парке"]);
        assert_eq!(terms("東京タワー2024年"), ["東", "京", "タ", "ワ", "ー", "2024", "年"]);
        // An accent of its own does not cut the word.
        assert_eq!(terms("cafe\u{301}s"), terms("cafes"));
        assert_eq!(terms("🦀\u{0} क्षमा"), ["कषमा"]);
    }

    #[test]
    fn stop_words_are_sorted_as_the_search_for_them_needs() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let mut sample = Sample::new(2);
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
        let mut sample = Sample::new(2);
        for (id, turn) in fixture["turns"].as_array().unwrap().iter().enumerate() {
            let slot =
                sample.turn(id as u64, turn["session"].as_str().unwrap(), turn["text"].as_str().unwrap());
            assert_eq!(slot as usize, id);
        }
        for query in fixture["queries"].as_array().unwrap() {
            let scores = sample.lexical.search(&sample.units, query["text"].as_str().unwrap());
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
        let mut sample = Sample::new(2);
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
    fn a_removed_unit_leaves_no_trace() {
        let mut sample = Sample::new(2);
        sample.turn(1, "a", "Maria adopted a dog");
        sample.memory(1, "Maria's secret is xyzzy");
        assert!(sample.forget(1));
        assert!(!sample.forget(1));
        let mut kept: Vec<&str> = sample.lexical.term_of.keys().map(AsRef::as_ref).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["adopt", "dog", "maria"]);
        let listed: Vec<&str> = sample.lexical.terms.iter().map(|listed| listed.name.as_ref()).collect();
        assert!(!listed.contains(&"xyzzi") && !listed.contains(&"xyzzy"), "{listed:?}");
        assert_eq!((sample.lexical.units, sample.lexical.total), (1, 3));
        assert_eq!(sample.scores("maria").len(), 1);
        // Its place and its terms' places are given again.
        let terms = sample.lexical.terms.len();
        assert_eq!(sample.memory(2, "A secret kept"), 1);
        assert_eq!(sample.lexical.terms.len(), terms);
        assert_eq!(sample.scores("secret").len(), 1);
    }

    #[test]
    fn a_new_text_replaces_the_old_one() {
        let mut sample = Sample::new(2);
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
        let mut sample = Sample::new(2);
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
