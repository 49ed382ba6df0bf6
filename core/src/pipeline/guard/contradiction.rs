//! What of a memory a fact does away with.
//!
//! Three kinds are known, each by the words that say it: another value of what one has only one of ("lives in"),
//! another count of what one has, and a word that ends or denies ("quit Google"). Only the terms concerned are
//! given up, and only where both speak of the same subject; whatever is not recognised contradicts nothing.
//!
//! Rooms it touches: types (month names), index (for `terms`), pipeline.

use std::collections::BTreeSet;

use super::text::{
    DENIAL, clauses, content, denies, is_number, lower, split, subject, term_set, terms_of, words,
};
use crate::index::terms;
use crate::types::MONTHS;

/// Words that say something comes beside what was.
const BESIDE: [&str; 8] = ["another", "also", "too", "second", "third", "additional", "both", "besides"];

/// Words that stand in turn, each one of several.
type Pattern = &'static [&'static [&'static str]];

/// Words before a value that one has only one of: the memory's, and those of a fact that gives a new one.
const SINGLE: [(Pattern, Pattern); 3] = [
    (&[LIVE, &["in", "at", "on", "near"]], &[LIVE, &["in", "at", "on", "near"]]),
    (&[LIVE, &["in", "at", "on", "near"]], &[&["moved", "relocated"], &["to"]]),
    (&[&["married", "engaged"], &["to"]], &[&["married", "engaged"], &["to"]]),
];
const LIVE: &[&str] = &["lives", "live", "living"];
/// The same for places and kinds of work, where "at" and "as" are different things.
const WORK: [&[&str]; 2] = [&["at", "for"], &["as"]];
/// What one has one of, as the last word before "is".
const SINGLE_NOUNS: [&str; 9] =
    ["favourite", "favorite", "birthday", "email", "phone", "address", "job", "age", "surname"];

/// Words that end something, with the verbs that they end whatever the fact's own verb is.
const ENDINGS: [(&[&str], &[&str]); 5] = [
    (&DENIAL, &[]),
    (&["quit", "left", "resigned", "retired"], &["work", "works", "joined", "job", "started"]),
    (&["sold", "lost"], &["bought", "owns"]),
    (&["died", "dead", "passed", "away"], &["adopted", "owns"]),
    (&["divorced", "separated", "broke"], &["married", "dating", "engaged"]),
];

/// Whether a text says that something ended, or is not so.
pub(super) fn ends_something(text: &str) -> bool {
    let said = words(text);
    ENDINGS.iter().any(|(endings, _)| endings.iter().any(|word| said.contains(*word)))
}

/// The terms of `old` that no longer hold if the fact does; none where the two can both be true.
pub(super) fn contradicted(old: &str, fact: &str) -> BTreeSet<String> {
    let said = words(fact);
    if BESIDE.iter().any(|word| said.contains(*word)) || !same_subject(old, fact) {
        return BTreeSet::new();
    }
    let (old_clauses, fact_clauses) = (clauses(old), clauses(fact));
    let mut gone = BTreeSet::new();
    for before in &old_clauses {
        for now in &fact_clauses {
            gone.extend(another_value(before, now));
            gone.extend(another_count(before, now));
        }
    }
    if denies(fact) && denies(old) {
        return gone;
    }
    for now in &fact_clauses {
        gone.extend(ended(old, now));
    }
    for before in old_clauses.iter().filter(|_| denies(old)) {
        gone.extend(affirmed(before, fact));
    }
    gone
}

/// Whether both begin with the same name, and what either says about whose thing it is stands in the other too:
/// "Tom's sister" is not Tom, "Maria's dog" may be the dog that Maria has.
fn same_subject(old: &str, fact: &str) -> bool {
    let (before, now) = (subject(old), subject(fact));
    let owner = |subject: &[String]| terms_of(subject.first());
    owner(&before) == owner(&now)
        && terms_of(&before).is_subset(&term_set(fact))
        && terms_of(&now).is_subset(&term_set(old))
}

/// The value in `before` that `now` gives another of.
fn another_value(before: &[String], now: &[String]) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    for (old_words, new_words) in SINGLE {
        gone.extend(changed(valued(before, old_words), valued(now, new_words)));
    }
    for preposition in WORK {
        let at = [&["works", "work", "working"], preposition];
        gone.extend(changed(valued(before, &at), valued(now, &at)));
    }
    let is = [["is", "are"].as_slice()];
    let single = |valued: &Valued| {
        SINGLE_NOUNS.iter().any(|noun| terms(noun).iter().any(|noun| valued.owner.contains(noun)))
    };
    gone.extend(changed(valued(before, &is).filter(single), valued(now, &is).filter(single)));
    gone
}

/// A clause around the words that give a value, as terms.
struct Valued {
    owner: BTreeSet<String>,
    given_by: BTreeSet<String>,
    value: BTreeSet<String>,
}

/// The clause around the first place where these words stand in turn.
fn valued(clause: &[String], pattern: &[&[&str]]) -> Option<Valued> {
    let fits = |window: &[String]| {
        window.iter().zip(pattern).all(|(word, allowed)| allowed.contains(&word.as_str()))
    };
    let at = clause.windows(pattern.len()).position(fits)?;
    let (given_by, value) = clause[at..].split_at(pattern.len());
    let value = value.iter().take_while(|word| *word != "with" && *word != "for");
    let owner = content(&clause[..at].join(" ")).into_iter().collect();
    Some(Valued { owner, given_by: terms_of(given_by), value: terms_of(value) })
}

fn changed(before: Option<Valued>, now: Option<Valued>) -> BTreeSet<String> {
    match (before, now) {
        (Some(old), Some(new)) if old.owner == new.owner && old.value != new.value => {
            old.value.into_iter().chain(old.given_by).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// The count in `before` where both say how many of the same things one has, and the counts differ.
fn another_count(before: &[String], now: &[String]) -> BTreeSet<String> {
    let counts = counted(now);
    let differs = |(number, thing): &&(String, Vec<String>)| {
        counts.iter().any(|(other, same)| same == thing && other != number)
    };
    counted(before).iter().filter(differs).flat_map(|(number, _)| terms(number)).collect()
}

/// Numbers that stand behind "has" or "is", with the terms around: owner and thing.
fn counted(clause: &[String]) -> Vec<(String, Vec<String>)> {
    const HAVING: [&str; 8] = ["has", "have", "is", "are", "owns", "own", "turned", "i'm"];
    (1..clause.len())
        .filter(|&at| is_number(&clause[at]) && HAVING.contains(&clause[at - 1].as_str()))
        .filter_map(|at| {
            let mut around = terms(&clause[..at].join(" "));
            around.extend(terms(clause.get(at + 1)?));
            Some((clause[at].clone(), around))
        })
        .collect()
}

/// What a clause of the fact ends: all it names must stand in the old text, times apart.
fn ended(old: &str, now: &[String]) -> BTreeSet<String> {
    let old_terms = term_set(old);
    for (endings, verbs) in ENDINGS {
        if !now.iter().any(|word| endings.contains(&word.as_str())) {
            continue;
        }
        let named: Vec<&str> =
            now.iter().map(String::as_str).filter(|word| !endings.contains(word) && !is_time(word)).collect();
        let named: BTreeSet<String> = content(&named.join(" ")).into_iter().collect();
        let about: BTreeSet<String> = terms_of(&subject(old));
        let says_what = named.iter().any(|term| !about.contains(term)) || about.len() > 1;
        if says_what && named.is_subset(&old_terms) {
            let beside = verbs.iter().chain(endings).flat_map(|word| terms(word));
            return named.into_iter().chain(beside).chain(times(old)).collect();
        }
    }
    BTreeSet::new()
}

/// What a denying clause of the old text says, where the fact states it.
fn affirmed(before: &[String], fact: &str) -> BTreeSet<String> {
    let denied: Vec<String> =
        before.iter().filter(|word| !DENIAL.contains(&word.as_str())).cloned().collect();
    let (named, said) = (content(&denied.join(" ")), term_set(fact));
    let all_said = named.len() > 1 && named.iter().all(|term| said.contains(term));
    if all_said && before.iter().any(|word| DENIAL.contains(&word.as_str())) {
        let endings = DENIAL.iter().flat_map(|word| terms(word));
        return named.into_iter().chain(endings).collect();
    }
    BTreeSet::new()
}

/// The terms of numbers and months: when something was, which goes with it.
fn times(text: &str) -> BTreeSet<String> {
    split(text)
        .map(|(word, _)| lower(word))
        .filter(|word| is_time(word))
        .flat_map(|word| terms(&word))
        .collect()
}

fn is_time(word: &str) -> bool {
    is_number(word) || MONTHS.iter().any(|month| month.eq_ignore_ascii_case(word))
}

/// Whether the fact says more than that the old text no longer holds.
pub(super) fn says_more(fact: &str, old: &str) -> bool {
    let old = term_set(old);
    let endings = ENDINGS.iter().flat_map(|(words, _)| words.iter()).flat_map(|word| terms(word));
    let endings: BTreeSet<String> = endings.collect();
    content(fact).iter().any(|term| !old.contains(term) && !endings.contains(term))
}
