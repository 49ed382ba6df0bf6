//! Search by word: BM25 over an inverted index that grows and shrinks unit by unit.
//!
//! It deliberately keeps no text, only stemmed terms and counts, and of a removed unit not even those. It
//! knows no neighbours, speakers or dates: whoever inserts decides what text stands for a unit.
//!
//! Terms are made for English; other languages are matched word for word, and those written without
//! spaces character by character.
//!
//! Rooms it touches: types.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rust_stemmers::{Algorithm, Stemmer};

use super::Scored;
use super::exact::best;
use crate::types::UnitId;

/// How soon further occurrences of a term stop counting. Evidence: the anchors of field.md.
const K1: f64 = 1.2;
/// How much long texts are held back. Evidence: the anchors of field.md.
const B: f64 = 0.75;
/// Most characters of a term: what follows is a key, a link or noise. A guess.
const MAX_TERM_CHARS: usize = 64;

/// An inverted index over the units of one space.
#[derive(Default)]
pub struct Lexical {
    /// Term to the units that have it, in order of unit. No list is empty.
    postings: HashMap<Arc<str>, Vec<Posting>>,
    units: HashMap<UnitId, Unit>,
    /// Sum of `Unit::length`, in terms.
    total_length: u64,
}

/// A term in a unit.
struct Posting {
    unit: UnitId,
    /// How often, at least once.
    count: u32,
}

/// What is known of a unit.
struct Unit {
    /// In terms, with repetition.
    length: u64,
    /// Each distinct term: the way back to its postings.
    terms: Vec<Arc<str>>,
}

impl Lexical {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a unit's text, or replaces it. Linear in the text.
    pub fn insert(&mut self, unit: UnitId, text: &str) {
        self.remove(unit);
        let counts = counted(text);
        let length = counts.values().map(|count| u64::from(*count)).sum();
        let mut terms = Vec::with_capacity(counts.len());
        for (term, count) in counts {
            terms.push(self.post(term, Posting { unit, count }));
        }
        self.total_length += length;
        self.units.insert(unit, Unit { length, terms });
    }

    /// Puts a posting in its place and gives the term as the index keeps it.
    fn post(&mut self, term: String, posting: Posting) -> Arc<str> {
        let term = match self.postings.get_key_value(term.as_str()) {
            Some((kept, _)) => Arc::clone(kept),
            None => Arc::from(term),
        };
        let list = self.postings.entry(Arc::clone(&term)).or_default();
        let place = list.partition_point(|other| other.unit < posting.unit);
        list.insert(place, posting);
        term
    }

    /// Takes a unit out, and with it every term that only it had. False where it was not in.
    pub fn remove(&mut self, unit: UnitId) -> bool {
        let Some(known) = self.units.remove(&unit) else {
            return false;
        };
        self.total_length -= known.length;
        for term in known.terms {
            if let Some(list) = self.postings.get_mut(&term) {
                if let Ok(place) = list.binary_search_by_key(&unit, |posting| posting.unit) {
                    list.remove(place);
                }
                if list.is_empty() {
                    self.postings.remove(&term);
                }
            }
        }
        true
    }

    /// The `k` units that fit the words of `query` best, best first, ties by [`Scored::best_first`]. Only
    /// units with at least one of its terms; none where it has only stop words.
    ///
    /// Score of a unit (Robertson and Zaragoza 2009, equation 3.15, with an idf that is never negative):
    /// the sum over the query's terms, each as often as it occurs, of
    /// `ln(1 + (N − df + ½) / (df + ½)) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · length / mean length))`.
    pub fn search(&self, query: &str, k: usize) -> Vec<Scored> {
        let mut scores: HashMap<UnitId, f64> = HashMap::new();
        // In order of term: a sum of floats depends on its order, and results must not vary between runs.
        for (term, times) in counted(query) {
            let list = self.postings.get(term.as_str()).map_or(&[][..], Vec::as_slice);
            let weight = f64::from(times) * self.idf(list.len());
            for posting in list {
                *scores.entry(posting.unit).or_default() += weight * self.saturation(posting);
            }
        }
        best(scores.into_iter().map(|(unit, score)| Scored { unit, score: score as f32 }), k)
    }

    /// Whether a unit is in.
    pub fn contains(&self, unit: UnitId) -> bool {
        self.units.contains_key(&unit)
    }

    /// How many units are in.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    fn idf(&self, units_with_term: usize) -> f64 {
        let (all, with) = (self.units.len() as f64, units_with_term as f64);
        ((all - with + 0.5) / (with + 0.5)).ln_1p()
    }

    /// The part of the score that depends on the unit: 0 to `K1 + 1`.
    fn saturation(&self, posting: &Posting) -> f64 {
        let length = self.units.get(&posting.unit).map_or(0.0, |unit| unit.length as f64);
        let mean = self.total_length as f64 / self.units.len() as f64;
        let count = f64::from(posting.count);
        count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / mean))
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
        if letters.is_empty() || STOP_WORDS.binary_search(&letters.as_str()).is_ok() {
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
    use crate::types::{MemoryId, TurnId};

    fn turn(number: u64) -> UnitId {
        UnitId::Turn(TurnId(number))
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
        let mut index = Lexical::new();
        index.insert(turn(1), "dog dog kite");
        index.insert(turn(2), "kite");
        let found = index.search("dog", 10);
        // N = 2, df = 1: idf = ln(1 + 1.5/1.5) = ln 2. Mean length 2, length 3, tf 2:
        // 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5)) = 4.4 / 3.65.
        let expected = 2.0_f32.ln() * 4.4 / 3.65;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].unit, turn(1));
        assert!((found[0].score - expected).abs() < 1e-6, "{} is not {expected}", found[0].score);
    }

    #[test]
    fn a_removed_unit_leaves_no_trace() {
        let mut index = Lexical::new();
        index.insert(turn(1), "Maria adopted a dog");
        index.insert(UnitId::Memory(MemoryId(1)), "Maria's secret is xyzzy");
        assert!(index.remove(UnitId::Memory(MemoryId(1))));
        assert!(!index.remove(UnitId::Memory(MemoryId(1))));
        let mut kept: Vec<&str> = index.postings.keys().map(AsRef::as_ref).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["adopt", "dog", "maria"]);
        assert_eq!(index.postings["maria"].len(), 1);
        assert_eq!((index.len(), index.total_length), (1, 3));
        assert!(index.remove(turn(1)));
        assert!(index.postings.is_empty() && index.units.is_empty() && index.total_length == 0);
    }

    #[test]
    fn a_new_text_replaces_the_old_one() {
        let mut index = Lexical::new();
        index.insert(turn(1), "a dog");
        index.insert(turn(1), "a cat");
        assert!(index.search("dog", 10).is_empty());
        assert_eq!(index.search("cat", 10).len(), 1);
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn a_megabyte_is_read_once_whatever_it_holds() {
        let mut index = Lexical::new();
        let texts =
            ["a".repeat(1 << 20), "ab ".repeat(1 << 18), "年".repeat(1 << 18), "\u{301}".repeat(1 << 19)];
        for (number, text) in texts.iter().enumerate() {
            index.insert(turn(number as u64), text);
        }
        let longest = index.postings.keys().map(|term| term.chars().count()).max();
        assert_eq!(longest, Some(MAX_TERM_CHARS));
        assert_eq!(index.search(&texts[1], 1)[0].unit, turn(1));
    }
}
