//! What a small model gets wrong, caught by rule before anything is written.
//!
//! Small models overwrite Buddy with Scout, retire what nothing contradicts, and copy names out of the
//! examples (models.md). The rules here compare names, numbers and dates of the old text, the fact and the new
//! text; they are about English, and where they do not recognise a case they keep both texts rather than lose
//! one. Pure functions: nothing is read or written.
//!
//! Rooms it touches: types, decision, prompt (limits), index (for `terms`).

use std::collections::BTreeSet;

use crate::decision::{Guard, Ratified, Ruling};
use crate::index::terms;
use crate::prompt::manage::MAX_MEMORY_CHARS;
use crate::types::{Memory, Origin};

/// What is to be done with a fact, after judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Keep the fact as a new memory.
    Add,
    /// Give this memory a new text.
    Replace {
        /// The memory as it was shown.
        old: Memory,
        /// The new text.
        text: String,
    },
    /// Retire this memory.
    Retire {
        /// The memory as it was shown.
        old: Memory,
        /// Whether the fact says more than that the memory no longer holds, and so is kept beside it.
        keep_fact: bool,
    },
    /// Nothing.
    Nothing,
}

/// Whether a fact is about what was said: every name, number and date in it stands in the words or around them,
/// at least a third of what else it says stands in the words themselves (a guess that lets paraphrases through
/// and stops inventions), and it does not repeat itself.
pub fn grounded(fact: &str, said: &str, around: &str) -> bool {
    let known: BTreeSet<String> = words(said).union(&words(around)).cloned().collect();
    let names = salient(fact, Start::IsName);
    if names.iter().any(|name| !known.contains(name)) {
        return false;
    }
    let (all, names) = (terms(fact), terms_of(&names));
    let distinct: BTreeSet<String> = all.iter().filter(|term| !names.contains(*term)).cloned().collect();
    let shared = distinct.intersection(&term_set(said)).count();
    let repeats = all.len() > 2 * (distinct.len() + names.len());
    shared > 0 && shared * 3 >= distinct.len() && !repeats
}

fn terms_of(words: &BTreeSet<String>) -> BTreeSet<String> {
    words.iter().flat_map(|word| terms(word)).collect()
}

/// The memory that already says what the fact says: it has every word, name, number and date of the fact, and
/// neither denies what the other states.
pub fn already_known<'a>(fact: &str, memories: &'a [Memory]) -> Option<&'a Memory> {
    let terms = term_set(fact);
    let (details, denies) = (salient(fact, Start::IsWord), denies(fact));
    memories.iter().find(|memory| {
        !terms.is_empty()
            && terms.is_subset(&term_set(&memory.text))
            && details.iter().all(|word| words(&memory.text).contains(word))
            && denies == self::denies(&memory.text)
    })
}

/// Whether one of the memories could be the one that already says the fact in other words: it has all its names,
/// numbers and dates, and half of what else it says (a guess that lets paraphrases through).
pub fn may_be_known(fact: &str, memories: &[Memory]) -> bool {
    let about = terms_of(&salient(fact, Start::IsName));
    let said: BTreeSet<String> = term_set(fact).difference(&about).cloned().collect();
    memories.iter().any(|memory| {
        let shared = said.intersection(&term_set(&memory.text)).count();
        missing(fact, &memory.text).is_empty() && 2 * shared >= said.len()
    })
}

/// Judges a ratified decision about `fact`. The second value says where the verdict departs from it.
pub fn judge(decision: &Ratified, fact: &str, origin: Origin) -> (Verdict, Option<Guard>) {
    match decision.ruling() {
        Ruling::Add => (Verdict::Add, None),
        Ruling::Noop => (Verdict::Nothing, None),
        Ruling::Update { old, .. } | Ruling::Delete { old } if !origin.may_change(old.origin) => {
            (Verdict::Add, Some(Guard::Untrusted))
        }
        Ruling::Update { old, .. } if other_subject(&old.text, fact) => {
            (Verdict::Add, Some(Guard::OtherSubject))
        }
        Ruling::Update { old, text } => judge_update(old, text, fact),
        Ruling::Delete { old } if !other_subject(&old.text, fact) && contradicts(&old.text, fact) => {
            let keep_fact = says_more(fact, &old.text);
            (Verdict::Retire { old: old.clone(), keep_fact }, None)
        }
        Ruling::Delete { .. } => (Verdict::Add, Some(Guard::NotContradicted)),
    }
}

fn judge_update(old: &Memory, text: &str, fact: &str) -> (Verdict, Option<Guard>) {
    let invented = invents(text, &old.text, fact);
    let text = if invented { fact } else { text };
    let replace = |text: &str| Verdict::Replace { old: old.clone(), text: text.to_owned() };
    let guard = invented.then_some(Guard::Invented);
    let keeps_new = missing(fact, text).is_empty();
    if keeps_new && missing(&old.text, text).is_empty() {
        return (replace(text), guard);
    }
    if contradicts(&old.text, fact) {
        return (replace(if keeps_new { text } else { fact }), guard);
    }
    match joined(&old.text, fact) {
        Some(both) => (replace(&both), Some(Guard::Merged)),
        None => (Verdict::Add, Some(Guard::KeptBeside)),
    }
}

/// Whether the two begin with the names of different people: then neither says anything about the other.
fn other_subject(old: &str, fact: &str) -> bool {
    let subject = |text: &str| {
        let (word, _) = split(text).next()?;
        salient(word, Start::IsName).into_iter().next().filter(|word| !is_number(word))
    };
    matches!((subject(old), subject(fact)), (Some(old), Some(new)) if old != new)
}

/// Whether `text` brings names, numbers or dates that neither the old text nor the fact has, or has nothing to
/// do with the fact at all.
fn invents(text: &str, old: &str, fact: &str) -> bool {
    let known: BTreeSet<String> = words(old).union(&words(fact)).cloned().collect();
    let strange = salient(text, Start::IsWord).iter().any(|word| !known.contains(word));
    strange || term_set(text).is_disjoint(&term_set(fact))
}

/// Names, numbers and dates of `before` that `after` does not have.
fn missing(before: &str, after: &str) -> BTreeSet<String> {
    let kept = words(after);
    salient(before, Start::IsWord).into_iter().filter(|word| !kept.contains(word)).collect()
}

/// Both texts as one memory, if they are about the same thing and not too long together.
fn joined(old: &str, fact: &str) -> Option<String> {
    let names = terms_of(&salient(old, Start::IsName));
    let topic = |text: &str| -> BTreeSet<String> { term_set(text).difference(&names).cloned().collect() };
    if topic(old).is_disjoint(&topic(fact)) {
        return None;
    }
    let both = format!("{}; {}", old.trim_end_matches(['.', ' ']), fact.trim());
    (both.chars().count() <= MAX_MEMORY_CHARS).then_some(both)
}

/// Words that say something is no longer as it was.
const CHANGE: [&str; 38] = [
    "not",
    "never",
    "no",
    "longer",
    "anymore",
    "stopped",
    "stop",
    "quit",
    "instead",
    "moved",
    "moving",
    "now",
    "changed",
    "switched",
    "cancelled",
    "canceled",
    "cancel",
    "sold",
    "lost",
    "died",
    "dead",
    "passed",
    "divorced",
    "broke",
    "left",
    "gave",
    "former",
    "formerly",
    "ended",
    "finished",
    "closed",
    "won't",
    "isn't",
    "doesn't",
    "didn't",
    "don't",
    "again",
    "staying",
];
/// Words that say something comes beside what was.
const BESIDE: [&str; 8] = ["another", "also", "too", "second", "third", "additional", "both", "besides"];
/// What a person has one of at a time, as stems: a new value replaces the old one.
const SINGLE_VALUED: [&[&str]; 11] = [
    &["live"],
    &["work"],
    &["job"],
    &["year", "old"],
    &["favorit"],
    &["favourit"],
    &["birthday"],
    &["email"],
    &["phone"],
    &["address"],
    &["marri"],
];
/// Words that deny.
const DENIAL: [&str; 11] =
    ["not", "never", "no", "longer", "anymore", "without", "won't", "isn't", "doesn't", "didn't", "don't"];

/// Whether the fact says that the old text no longer holds: a word of change about the same thing, a new value
/// of what one has only one of, or another number of the same things. "Another" and its kind rule that out.
fn contradicts(old: &str, fact: &str) -> bool {
    let fact_words = words(fact);
    if BESIDE.iter().any(|word| fact_words.contains(*word)) {
        return false;
    }
    let (old_terms, fact_terms) = (term_set(old), term_set(fact));
    let names = terms_of(&salient(old, Start::IsName));
    let about_the_same = old_terms.intersection(&fact_terms).any(|term| !names.contains(term));
    let changed = CHANGE.iter().any(|word| fact_words.contains(*word));
    let single = SINGLE_VALUED.iter().any(|stems| {
        let in_both = |stem: &&str| old_terms.contains(*stem) && fact_terms.contains(*stem);
        stems.iter().all(in_both)
    });
    (changed && about_the_same) || single || recounts(old, fact)
}

/// Whether both count the same things and the counts differ: "two kids" and "three kids".
fn recounts(old: &str, fact: &str) -> bool {
    let counts = counted(old);
    counted(fact)
        .iter()
        .any(|(number, thing)| counts.iter().any(|(before, same)| same == thing && before != number))
}

/// Numbers with the stem of the word behind them.
fn counted(text: &str) -> Vec<(String, String)> {
    let words: Vec<String> = split(text).map(|(word, _)| word.to_lowercase()).collect();
    words
        .windows(2)
        .filter(|pair| is_number(&pair[0]))
        .filter_map(|pair| Some((pair[0].clone(), terms(&pair[1]).into_iter().next()?)))
        .collect()
}

/// Whether the fact says more than that the old text no longer holds.
fn says_more(fact: &str, old: &str) -> bool {
    let old = term_set(old);
    let change: BTreeSet<String> = CHANGE.iter().flat_map(|word| terms(word)).collect();
    term_set(fact).iter().any(|term| !old.contains(term) && !change.contains(term))
}

fn denies(text: &str) -> bool {
    let words = words(text);
    DENIAL.iter().any(|word| words.contains(*word))
}

/// How the first word of a sentence is taken, whose capital letter says nothing.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// As a name, unless it is a function word: where a strange name must not pass.
    IsName,
    /// As an ordinary word: where an ordinary word must not be held to be a name.
    IsWord,
}

/// Names, numbers and dates of a text, in lower case.
fn salient(text: &str, start: Start) -> BTreeSet<String> {
    split(text)
        .filter(|(word, first)| {
            let name = word.chars().next().is_some_and(char::is_uppercase) && !terms(word).is_empty();
            let counts_as_name = name && (!first || start == Start::IsName) && !is_contraction(word);
            counts_as_name || is_number(&word.to_lowercase())
        })
        .map(|(word, _)| bare(word))
        .collect()
}

fn is_number(word: &str) -> bool {
    const NAMES: [&str; 12] =
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twice"];
    word.chars().any(|c| c.is_ascii_digit()) || NAMES.contains(&word)
}

/// "I'm" and "I'll" are no names.
fn is_contraction(word: &str) -> bool {
    word.starts_with("I'") || word.starts_with("I\u{2019}")
}

/// Every word of a text, in lower case, without a possessive ending.
fn words(text: &str) -> BTreeSet<String> {
    split(text).map(|(word, _)| bare(word)).collect()
}

fn bare(word: &str) -> String {
    let word = word.to_lowercase().replace('\u{2019}', "'");
    word.strip_suffix("'s").unwrap_or(&word).to_owned()
}

fn term_set(text: &str) -> BTreeSet<String> {
    terms(text).into_iter().collect()
}

/// The words of a text; true beside those that begin a sentence.
fn split(text: &str) -> impl Iterator<Item = (&str, bool)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Decision, Shown};
    use crate::testing::memory;

    fn update(old: &str, text: &str, fact: &str) -> (Option<String>, Option<Guard>) {
        let shown = Shown::new(vec![memory(1, old)]);
        let decision = shown.ratify(Decision::Update { label: 1, text: text.into() }).unwrap();
        match judge(&decision, fact, Origin::User) {
            (Verdict::Replace { text, .. }, guard) => (Some(text), guard),
            (_, guard) => (None, guard),
        }
    }

    fn delete(old: &str, fact: &str, origin: Origin) -> (Verdict, Option<Guard>) {
        let decision = Shown::new(vec![memory(1, old)]).ratify(Decision::Delete { label: 1 }).unwrap();
        judge(&decision, fact, origin)
    }

    const BUDDY: &str = "Maria adopted a dog named Buddy.";
    const SCOUT: &str = "Maria adopted another dog named Scout.";

    #[test]
    fn an_update_that_drops_a_name_is_merged() {
        let (text, guard) = update(BUDDY, "Maria adopted a dog named Scout.", SCOUT);
        assert_eq!(text.unwrap(), "Maria adopted a dog named Buddy; Maria adopted another dog named Scout.");
        assert_eq!(guard, Some(Guard::Merged));
    }

    #[test]
    fn an_update_that_keeps_everything_is_applied_as_it_is() {
        let both = "Maria adopted two dogs, Buddy and Scout.";
        // "two" is in neither text: the model counted. It is held to be invented, and both texts are kept.
        assert_eq!(update(BUDDY, both, SCOUT).1, Some(Guard::Merged));
        let both = "Maria adopted dogs named Buddy and Scout.";
        assert_eq!(update(BUDDY, both, SCOUT), (Some(both.into()), None));
        let fuller = "Tom loves to play cricket with friends.";
        assert_eq!(update("Tom likes cricket.", fuller, fuller), (Some(fuller.into()), None));
    }

    #[test]
    fn an_update_may_drop_what_the_fact_contradicts() {
        let new = "Tom lives in Seattle.";
        assert_eq!(update("Tom lives in Boston.", new, new), (Some(new.into()), None));
        let three = "Ann has three kids.";
        assert_eq!(update("Ann has two kids.", three, three), (Some(three.into()), None));
        let job = "Tom quit Google and joined a bakery.";
        assert_eq!(update("Tom joined Google in 2019.", job, job), (Some(job.into()), None));
    }

    #[test]
    fn an_update_that_invents_is_replaced_by_the_facts_own_words() {
        let fact = "Tom plays tennis on Tuesdays.";
        let (text, guard) = update("Tom plays tennis.", "Ann has two cats, Tim and Lou.", fact);
        assert_eq!((text, guard), (Some(fact.into()), Some(Guard::Invented)));
    }

    #[test]
    fn an_update_of_something_else_keeps_both() {
        let (text, guard) = update("Maria met Ana in Porto.", "Tom is 31.", "Tom is 31.");
        assert_eq!((text, guard), (None, Some(Guard::OtherSubject)));
        let fact = "She is 31.";
        let (text, guard) = update("Maria met Ana in Porto.", fact, fact);
        assert_eq!((text, guard), (None, Some(Guard::KeptBeside)));
    }

    #[test]
    fn only_what_a_memory_has_may_be_known() {
        let memories = [memory(1, "Maria has a dog."), memory(2, "Tom likes green tea.")];
        for known in ["Maria owns a dog.", "Tom enjoys tea.", "Maria has a dog."] {
            assert!(may_be_known(known, &memories), "{known}");
        }
        for new in
            ["Maria's dog is named Buddy.", "Tom lives in Leeds.", "Maria has a sister.", "Maria has 2 dogs."]
        {
            assert!(!may_be_known(new, &memories), "{new}");
        }
        assert!(!may_be_known("Maria has a dog.", &[]));
    }

    #[test]
    fn a_fact_about_somebody_else_touches_nothing() {
        let (text, guard) = update("Maria lives in Leeds.", "Tom lives in York.", "Tom lives in York.");
        assert_eq!((text, guard), (None, Some(Guard::OtherSubject)));
        let (verdict, guard) = delete("Maria lives in Leeds.", "Tom no longer lives in Leeds.", Origin::User);
        assert_eq!((verdict, guard), (Verdict::Add, Some(Guard::NotContradicted)));
    }

    #[test]
    fn an_allergy_does_not_delete_a_liking() {
        let (verdict, guard) =
            delete("Joanna likes turtles.", "Joanna is allergic to turtles.", Origin::User);
        assert_eq!((verdict, guard), (Verdict::Add, Some(Guard::NotContradicted)));
    }

    #[test]
    fn a_contradiction_retires_and_keeps_what_is_new() {
        let old = "Tom is moving to Lisbon.";
        let retired = |fact| match delete(old, fact, Origin::User) {
            (Verdict::Retire { keep_fact, .. }, None) => keep_fact,
            other => panic!("{other:?}"),
        };
        assert!(retired("Tom cancelled moving to Lisbon and stays in Leeds."));
        assert!(!retired("Tom is no longer moving to Lisbon."));
    }

    #[test]
    fn a_document_cannot_touch_what_the_user_stated() {
        let (verdict, guard) =
            delete("Tom lives in Leeds.", "Tom no longer lives in Leeds.", Origin::Document);
        assert_eq!((verdict, guard), (Verdict::Add, Some(Guard::Untrusted)));
    }

    #[test]
    fn a_restatement_is_known_and_a_denial_is_not() {
        let bank = [memory(1, "Tom likes cricket and tea."), memory(2, BUDDY)];
        assert_eq!(already_known("Tom likes tea", &bank).map(|m| m.id), Some(bank[0].id));
        assert_eq!(already_known("Tom likes no tea", &bank), None);
        assert_eq!(already_known(SCOUT, &bank), None);
        assert_eq!(already_known("Tom has 2 likes for tea", &bank), None);
        assert_eq!(already_known("", &bank), None);
    }

    #[test]
    fn a_fact_must_come_from_its_turn() {
        let said = "I finally brought home a puppy! His name is Buddy.";
        let grounded = |fact| grounded(fact, said, "Maria (8 May 2023)");
        assert!(grounded("Maria has a puppy named Buddy."));
        for invented in [
            "Maria has a puppy named Rex.",
            "John has a puppy named Buddy.",
            "Maria has 3 puppies.",
            "Maria enjoys gardening with friends.",
            "Maria is a person of 2023.",
            "Maria home puppy home puppy home puppy home puppy.",
        ] {
            assert!(!grounded(invented), "{invented}");
        }
    }
}
