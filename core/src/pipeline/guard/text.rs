//! English text as the guards look at it: words, names and numbers, subjects, and what carries a fact.
//!
//! Rooms it touches: index (for terms).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::index::{forms, is_stop_word, terms};

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
pub(super) const LIKING: [&str; 5] = ["like", "love", "enjoy", "adore", "fond"];

/// Words that a turn leaves to be understood, beside those that deny and those that carry no fact: a text may bring them itself
/// ("takes" of "my pottery classes").
#[rustfmt::skip] // one word a line would be a page
const UNDERSTOOD: [&str; 27] = [
    "belong", "name", "call", "suffer", "take", "eat", "play", "speak", "listen", "commute", "date", "year", "old", "around",
    "cancel", "one", "go", "since", "become", "used", "together", "wouldn't", "shouldn't", "hadn't",
    "couldn't", "haven't", "hasn't",
];
/// Behind what "works" says no more than "is": "works at Fernhill as a nurse" of "I'm a nurse at Fernhill".
const AS: [&str; 3] = [" as a ", " as an ", " as the "];
const WORKING: [&str; 4] = ["work", "works", "worked", "working"];
/// Words that say of what is named with them whose it is: with one of them "owns" is said.
const OWNING: [&str; 13] =
    ["own", "owns", "my", "mine", "our", "ours", "have", "has", "had", "i've", "we've", "got", "bought"];
/// Words that say what is to come: with one of them "plans" is said.
const COMING: [&str; 3] = ["going", "i'll", "we'll"];
/// Phrases for the same thing: where one of a line was said, so were the others.
const SAME: [&str; 14] = [
    "died/dead/death/passed away",
    "sold/found a buyer",
    "broke/split/ended",
    "mother/mom/mum",
    "father/dad",
    "child/kid",
    "grandmother/grandma",
    "grandfather/grandpa",
    "film/movie",
    "television/tv",
    "bicycle/bike",
    "photo/picture",
    "student/study",
    "many/much/lot/plenty/several",
];
/// Words, and what in the turn itself says as much: who has a boss somewhere works there, but who works there is no boss.
const IMPLIED: [(&str, &str); 6] = [
    (
        "works/job",
        "works/job/employ/employer/hired/joined/career/profession/office/desk/boss/colleague/shift/staff/salary/started",
    ),
    ("lives", "moved/home/house/flat/apartment/settled/resident/based/rent/neighbour/address"),
    ("plans", "plans/wants/intends/idea/hopes/decided"),
    ("favourite/favorite/prefers", "favourite/favorite/prefers/best"),
    (
        "likes/loves/enjoys/adores/fond",
        "likes/loves/enjoys/adores/fond/fun/passion/favourite/favorite/prefers/fan/hooked/keen/obsessed/crazy/soft spot",
    ),
    ("hobby/pastime", "hobby/pastime/fun/passion"),
];
/// Letters that two stems of one word share at least from the first on, and that either has behind them at most ("allergy" and
/// "allergic", "teach" and "teacher", but not "butter" and "butterfly").
const STEM: (usize, usize) = (5, 2);
/// Of ten words of an English turn so many at least say nothing by themselves, and of a terse fact. Guesses: of what is said in
/// other languages less than two of ten are such words.
pub(super) const TURN: usize = 3;
pub(super) const FACT: usize = 1;

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

/// The terms of a text without what says no more than "is".
pub(super) fn plain_terms(text: &str) -> Vec<String> {
    if !AS.iter().any(|phrase| text.contains(phrase)) {
        return terms(text);
    }
    let says = |word: &&str| !WORKING.contains(word);
    terms(&text.split_whitespace().filter(says).collect::<Vec<_>>().join(" "))
}

/// What a text bears witness to: its terms, "own" where it says whose something is, and "plan" where it says what is to come.
pub(super) fn evidence(text: &str) -> BTreeSet<String> {
    let (mut told, words) = (term_set(text), split(text).map(|(word, _)| lower(word)).collect::<Vec<_>>());
    for (signs, says) in [(&OWNING[..], "owns"), (&COMING, "plans")] {
        if words.iter().any(|word| signs.contains(&word.as_str())) {
            told.extend(terms(says));
        }
    }
    told
}

/// Those of these terms that nobody said: neither they nor another form of the same word or another word for the same are
/// among `heard`, nothing in `told` says as much, and they are not left to be understood.
pub(super) fn unsaid(
    these: &BTreeSet<String>,
    told: &BTreeSet<String>,
    heard: &BTreeSet<String>,
) -> BTreeSet<String> {
    static FREE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        // What "won't" leaves is a word of its own.
        let lists = [&UNDERSTOOD[..], &FAINT, &DENIAL].concat();
        let free = lists.into_iter().filter(|word| *word != "won't").flat_map(terms);
        free.flat_map(|term| forms(&term).map_or(vec![term], <[String]>::to_vec)).collect()
    });
    static ALIKE: LazyLock<Vec<Phrases>> = LazyLock::new(|| SAME.map(phrases).into());
    static IMPLYING: LazyLock<Vec<(Phrases, Phrases)>> =
        LazyLock::new(|| IMPLIED.map(|(words, signs)| (phrases(words), phrases(signs))).into());
    let has = |said: &BTreeSet<String>, phrases: &Phrases| {
        phrases.iter().any(|phrase| !phrase.is_empty() && phrase.iter().all(|term| is_in(said, term)))
    };
    // The phrases of a line that stand in these terms with this one.
    let is_of = |term: &String, phrases: &Phrases| {
        let this = BTreeSet::from([term.clone()]);
        let with = |phrase: &&Vec<String>| phrase.iter().any(|word| is_in(&this, word));
        phrases.iter().filter(with).any(|phrase| phrase.iter().all(|word| is_in(these, word)))
    };
    let is_said = |term: &String| {
        is_in(heard, term)
            || heard.iter().any(|other| of_one_stem(term, other))
            || ALIKE.iter().any(|line| is_of(term, line) && has(heard, line))
            || IMPLYING.iter().any(|(words, signs)| is_of(term, words) && has(told, signs))
    };
    these.iter().filter(|term| !FREE.contains(*term) && !is_said(term)).cloned().collect()
}

/// Whether a word of which no form was said repeats its own end ("regionalals"), as a small model's do that loses its thread.
pub(super) fn stutters(text: &str, heard: &BTreeSet<String>) -> bool {
    let repeats = |word: &str| {
        let bare = word.strip_suffix("ing").or(word.strip_suffix("ed")).unwrap_or(word).trim_end_matches('s');
        let letters: Vec<char> = bare.chars().collect();
        let ends_twice = |count: usize| {
            let (before, end) = letters.split_at(letters.len() - count);
            before.ends_with(end)
        };
        (2..=letters.len() / 2).any(ends_twice)
    };
    let is_strange = |word: &&String| terms(word).iter().any(|term| !is_in(heard, term));
    words(text).iter().filter(is_strange).any(|word| repeats(word))
}

/// Whether this term or another form of it was said.
fn is_in(said: &BTreeSet<String>, term: &String) -> bool {
    said.contains(term) || forms(term).is_some_and(|forms| forms.iter().any(|form| said.contains(form)))
}

/// What speaks of liking beside the words for it, as terms: "a fan of tea".
pub(super) fn signs_of_liking() -> BTreeSet<String> {
    let signs =
        IMPLIED.iter().filter(|(words, _)| words.contains("likes")).flat_map(|(_, signs)| signs.split('/'));
    let liking: BTreeSet<String> = LIKING.iter().flat_map(|word| terms(word)).collect();
    signs.flat_map(terms).filter(|term| !liking.contains(term)).collect()
}

/// As terms each.
type Phrases = Vec<Vec<String>>;

fn phrases(line: &str) -> Phrases {
    line.split('/').map(terms).collect()
}

fn of_one_stem(one: &str, other: &str) -> bool {
    let shared = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let ends = |term: &str| term.chars().count() - shared <= STEM.1;
    shared >= STEM.0 && ends(one) && ends(other)
}

/// Whether a text reads like English, by how many of ten words say nothing: the lists of this room know no other language.
pub(super) fn is_english(text: &str, of_ten: usize) -> bool {
    let words: Vec<String> =
        split(text).map(|(word, _)| lower(word)).filter(|word| !is_number(word)).collect();
    let faint = words.iter().filter(|word| is_stop_word(word.split('\'').next().unwrap_or_default())).count();
    faint * 10 >= words.len() * of_ten
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

/// What a turn that ends something need not say, as terms: of "I left Fernhill" no longer "works".
pub(super) fn of_an_ending() -> BTreeSet<String> {
    let implied = IMPLIED.iter().flat_map(|(words, _)| words.split('/'));
    implied.chain(DENIAL).flat_map(terms).collect()
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
