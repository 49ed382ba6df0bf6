//! What a text is searched by: its words without those that say nothing, as stems, and which stems are forms of one
//! word.
//!
//! Terms are made for English; other languages are matched word for word, and those written without spaces character
//! by character.
//!
//! Rooms it touches: none.

use std::collections::HashMap;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// Most characters of a term: what follows is a key, a link or noise. A guess.
pub(super) const MAX_TERM_CHARS: usize = 64;

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

/// The terms that are forms of the same word as this one, itself among them, where English forms them without a rule
/// that a stemmer knows ("go", "went"). None for all others.
pub fn forms(term: &str) -> Option<&'static [String]> {
    static FORMS: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
        let of_word = |forms: &&str| forms.split(' ').flat_map(terms).collect::<Vec<_>>();
        let all = IRREGULAR.iter().map(of_word);
        all.flat_map(|forms| forms.clone().into_iter().map(move |form| (form, forms.clone()))).collect()
    });
    FORMS.get(term).map(Vec::as_slice)
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

/// Words whose forms a stemmer does not bring together; no form stands in two lines, so "lie lay", "wind wound" and "leaf
/// leaves" are left out. Some mean something else as well ("left", "saw", "a bit"): who asks for the verb finds these too.
#[rustfmt::skip] // one word a line would be two pages
const IRREGULAR: &[&str] = &[
    "become became", "begin began begun", "bend bent", "bite bit bitten", "bleed bled", "blow blew blown",
    "break broke broken", "breed bred", "bring brought", "build built", "burn burnt", "buy bought",
    "catch caught", "child children", "choose chose chosen", "come came", "deal dealt", "dig dug",
    "draw drew drawn", "dream dreamt", "drink drank drunk", "drive drove driven", "eat ate eaten",
    "fall fell fallen", "feed fed", "feel felt", "fight fought", "find found", "flee fled",
    "fly flew flown", "foot feet", "forget forgot forgotten", "forgive forgave forgiven",
    "freeze froze frozen", "get got gotten", "give gave given", "go goes went gone", "grow grew grown",
    "hang hung", "hear heard", "hide hid hidden", "hold held", "keep kept", "kneel knelt",
    "know knew known", "lay laid", "lead led", "leap leapt", "learn learnt", "leave left", "lend lent",
    "light lit", "lose lost", "make made", "man men", "mean meant", "meet met", "mouse mice",
    "overcome overcame", "pay paid", "person people", "ride rode ridden", "ring rang rung", "run ran",
    "say said", "see saw seen", "seek sought", "sell sold", "send sent", "shake shook shaken",
    "shine shone", "shoot shot", "show shown", "sing sang sung", "sink sank sunk", "sit sat", "sleep slept",
    "speak spoke spoken", "spend spent", "stand stood", "steal stole stolen", "stick stuck",
    "strike struck", "swear swore sworn", "sweep swept", "swim swam swum", "swing swung", "take took taken",
    "teach taught", "tear tore torn", "tell told", "think thought", "throw threw thrown", "tooth teeth",
    "undergo underwent undergone", "understand understood", "wake woke woken", "wear wore worn",
    "wife wives", "win won", "withdraw withdrew withdrawn", "woman women", "write wrote written",
];

#[cfg(test)]
mod tests {
    use super::*;

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
    fn forms_of_one_word_find_each_other() {
        assert_eq!(forms("went").unwrap(), ["go", "goe", "went", "gone"]);
        assert_eq!(forms("go"), forms("gone"));
        assert_eq!(forms("children"), forms("child"));
        assert_eq!(forms("kite"), None);
    }

    #[test]
    fn no_form_is_of_two_words() {
        let mut all: Vec<String> = IRREGULAR.iter().flat_map(|forms| terms(forms)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(count, IRREGULAR.iter().flat_map(|forms| forms.split(' ')).count(), "none is a stop word");
    }
}
