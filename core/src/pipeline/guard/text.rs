//! English text as the guards look at it: words, names and numbers, subjects, and what carries a fact.
//!
//! Rooms it touches: index (for `terms`).

use std::collections::BTreeSet;

use crate::index::terms;

/// Words that deny, or say that something ended.
pub(super) const DENIAL: [&str; 21] = [
    "not",
    "never",
    "no",
    "longer",
    "anymore",
    "without",
    "nor",
    "won't",
    "isn't",
    "aren't",
    "doesn't",
    "didn't",
    "don't",
    "wasn't",
    "can't",
    "stop",
    "stopped",
    "cancelled",
    "canceled",
    "former",
    "formerly",
];
/// Words that carry no fact beside the others.
const FAINT: [&str; 15] = [
    "really",
    "get",
    "got",
    "named",
    "called",
    "thing",
    "current",
    "currently",
    "recently",
    "still",
    "already",
    "finally",
    "anymore",
    "another",
    "additional",
];
/// Words for the same: that Tom "likes" cricket is not lost where he "loves" it.
const LIKING: [&str; 5] = ["like", "love", "enjoy", "adore", "fond"];

/// How the first word of a sentence is taken, whose capital letter says nothing.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Start {
    /// As a name, unless it is a function word: where a strange name must not pass.
    IsName,
    /// As an ordinary word: where an ordinary word must not be held to be a name.
    IsWord,
}

/// Names, numbers and dates of a text, in lower case.
pub(super) fn salient(text: &str, start: Start) -> BTreeSet<String> {
    split(text)
        .filter(|(word, first)| {
            let name = word.chars().next().is_some_and(char::is_uppercase) && !terms(word).is_empty();
            let counts_as_name = name && (!first || start == Start::IsName) && !is_contraction(word);
            counts_as_name || is_number(&word.to_lowercase())
        })
        .map(|(word, _)| bare(word))
        .collect()
}

pub(super) fn is_number(word: &str) -> bool {
    const NAMES: [&str; 12] =
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twice"];
    word.chars().any(|c| c.is_ascii_digit()) || NAMES.contains(&word)
}

/// "I'm" and "I'll" are no names.
fn is_contraction(word: &str) -> bool {
    word.starts_with("I'") || word.starts_with("I\u{2019}")
}

/// Every word of a text, in lower case, without a possessive ending.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    split(text).map(|(word, _)| bare(word)).collect()
}

/// In lower case, with a plain apostrophe.
pub(super) fn lower(word: &str) -> String {
    word.to_lowercase().replace('\u{2019}', "'")
}

fn bare(word: &str) -> String {
    let word = lower(word);
    word.strip_suffix("'s").unwrap_or(&word).to_owned()
}

pub(super) fn term_set(text: &str) -> BTreeSet<String> {
    terms(text).into_iter().collect()
}

/// The terms of words.
pub(super) fn terms_of<'a>(words: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    words.into_iter().flat_map(|word| terms(word)).collect()
}

/// The terms of a text that carry a fact, in its order.
pub(super) fn content(text: &str) -> Vec<String> {
    let faint: BTreeSet<String> = FAINT.iter().flat_map(|word| terms(word)).collect();
    terms(text).into_iter().filter(|term| !faint.contains(term)).collect()
}

/// What of `before` does not stand in `after`, in the same order: "from York to Leeds" is not "from Leeds to York".
pub(super) fn lost(before: &str, after: &str) -> BTreeSet<String> {
    let liking: BTreeSet<String> = LIKING.iter().flat_map(|word| terms(word)).collect();
    let same = |one: &String, other: &String| one == other || liking.contains(one) && liking.contains(other);
    let after = terms(after);
    let mut rest = after.as_slice();
    let mut lost = BTreeSet::new();
    for term in content(before) {
        match rest.iter().position(|kept| same(kept, &term)) {
            Some(at) => rest = &rest[at + 1..],
            None => drop(lost.insert(term)),
        }
    }
    lost
}

pub(super) fn denies(text: &str) -> bool {
    let words = words(text);
    DENIAL.iter().any(|word| words.contains(*word))
}

/// Whom or what a sentence is about, as its first words: `["tom"]`, and `["tom's", "sister"]` for "Tom's sister".
pub(super) fn subject(text: &str) -> Vec<String> {
    let mut subject: Vec<String> = Vec::new();
    for (word, _) in split(text) {
        let word = lower(word);
        let ends = !word.ends_with("'s");
        subject.push(word);
        if ends {
            break;
        }
    }
    subject
}

/// The words of a text; true beside those that begin a sentence.
pub(super) fn split(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut first = true;
    text.split_whitespace().flat_map(|chunk| chunk.split(['-', '/', '\u{2014}'])).filter_map(move |chunk| {
        let word = chunk.trim_matches(|c: char| !c.is_alphanumeric());
        let begins = first;
        if !word.is_empty() {
            first = false;
        }
        if chunk.ends_with(['.', '!', '?', ';', ':']) {
            first = true;
        }
        (!word.is_empty()).then_some((word, begins))
    })
}

/// The parts of a text between its commas, full stops and joining words, as words in lower case.
pub(super) fn clauses(text: &str) -> Vec<Vec<String>> {
    const JOINING: [&str; 8] = ["and", "but", "who", "which", "while", "because", "since", "where"];
    let mut clauses = vec![Vec::new()];
    for chunk in text.split_whitespace() {
        let word = lower(chunk.trim_matches(|c: char| !c.is_alphanumeric()));
        if chunk.starts_with('(') || JOINING.contains(&word.as_str()) {
            clauses.push(Vec::new());
        }
        if let Some(clause) = clauses.last_mut()
            && !word.is_empty()
            && !JOINING.contains(&word.as_str())
        {
            clause.push(word);
        }
        if chunk.ends_with([',', ';', ':', '.', '!', '?', ')']) {
            clauses.push(Vec::new());
        }
    }
    clauses.retain(|clause| !clause.is_empty());
    clauses
}
