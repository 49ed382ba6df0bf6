//! Facts in words that were said, which turn them round: into what is no more, or into somebody else's.
//!
//! Rooms it touches: index (for `terms`), pipeline.

use std::collections::BTreeSet;

use super::contradiction::ends_something;
use super::text::{LIKING, clauses, is_number, signs_of_liking, subject, term_set, terms_of, words};
use crate::index::terms;

/// What a part of a sentence ends with that says what is no more.
const OVER: [&str; 3] = [" any more", " anymore", " any longer"];
/// Forms that nobody uses of himself.
const LIKES: [&str; 4] = ["likes", "loves", "enjoys", "adores"];
/// Words in "s" that are not several.
const OFTEN: [&str; 6] = ["always", "sometimes", "nowadays", "besides", "perhaps", "this"];
/// Words for others, however far before liking.
const PEOPLE: [&str; 5] = ["people", "everyone", "everybody", "folks", "others"];
/// Words before liking that may be anybody's, without an apostrophe.
const PERSONS: [&str; 12] = ["i", "im", "ive", "id", "we", "weve", "me", "us", "you", "she", "he", "they"];

/// Whether what a fact affirms is said to be no more, and only that: "Tom is vegetarian" of "I'm not vegetarian any more". `known`
/// are the terms that say nothing here, but for numbers: the date may have the same.
pub(super) fn affirms_what_is_over(fact: &str, said: &str, known: &BTreeSet<String>) -> bool {
    let tells_much = |term: &String| is_number(term) || !known.contains(term);
    let about: BTreeSet<String> = term_set(fact).into_iter().filter(tells_much).collect();
    let is_over = |clause: &&Vec<String>| {
        let clause = clause.join(" ");
        OVER.iter().any(|phrase| clause.ends_with(phrase)) || clause.contains("no longer ")
    };
    let (over, open): (Vec<_>, Vec<_>) = clauses(said).into_iter().partition(|clause| is_over(&clause));
    let tells = |clauses: &[Vec<String>]| clauses.iter().any(|clause| !terms_of(clause).is_disjoint(&about));
    !ends_something(fact) && tells(&over) && !tells(&open)
}

/// Whether a fact says that one likes what others like, and that alone speaks of liking: "Gina likes sales" of "customers love the
/// sales". Others are who "loves", people, and several that stand right before; but for those that the fact names, and where a word before
/// may be anybody. "Gina's mother" may be said in other words, and is left alone.
pub(super) fn likes_what_others_do(fact: &str, said: &str) -> bool {
    if subject(fact).len() != 1 || !words(fact).iter().any(|word| LIKES.contains(&word.as_str())) {
        return false;
    }
    let liking: BTreeSet<String> = LIKING.iter().flat_map(|word| terms(word)).collect();
    let about: BTreeSet<String> = term_set(fact).difference(&liking).cloned().collect();
    let is_person = |word: &String| PERSONS.contains(&word.replace('\'', "").as_str());
    let are_several = |word: &str| word.ends_with('s') && !word.ends_with("ss") && !OFTEN.contains(&word);
    let mut others = false;
    for clause in clauses(said) {
        for at in (0..clause.len()).filter(|at| !terms_of([&clause[*at]]).is_disjoint(&liking)) {
            let (who, likes) = (&clause[..at], clause[at].as_str());
            let of_others = who.iter().any(|word| PEOPLE.contains(&word.as_str()))
                || who.last().is_some_and(|last| LIKES.contains(&likes) || are_several(last));
            if !of_others || who.iter().any(is_person) || !terms_of(who).is_disjoint(&about) {
                return false;
            }
            others = true;
        }
    }
    others && signs_of_liking().is_disjoint(&term_set(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_affirmed() {
        let known = term_set("Tom (21 July 2023)");
        let is_over = |fact, said| affirms_what_is_over(fact, said, &known);
        assert!(is_over("Tom is vegetarian.", "I'm not vegetarian any more."));
        assert!(is_over("Tom has 19 plants.", "I no longer have 19 plants."));
        assert!(!is_over("Tom has 21 plants now.", "Not 19 plants any more, 21."));
        assert!(!is_over("Tom no longer eats fish.", "I don't eat fish any more."));
    }

    #[test]
    fn liking_is_of_who_is_said_to_like() {
        for (fact, said) in [
            ("Gina enjoys sales.", "So good - customers love the new sales, it helps me."),
            (
                "Gina enjoys sales.",
                "Customers love the shop and the sales. People seem to really like it all.",
            ),
            ("Gina likes the new kitchen.", "Visitors like the new kitchen."),
            ("Gina loves dance.", "Ana loves dance."),
            ("Gina loves dinosaurs.", "My kids love dinosaurs."),
        ] {
            assert!(likes_what_others_do(fact, said), "{fact} of {said}");
        }
        for (fact, said) in [
            ("Gina enjoys sales.", "Customers love the sales, and I love them too."),
            ("Gina loves dance.", "Still really love dance!"),
            ("Gina loves dance.", "Always loved dance, so good for me."),
            ("Gina loves dance.", "Started to love dance."),
            ("Gina loves dance.", "I'm one of those people who love dance."),
            ("Gina loves dance.", "Days like these make me love dance."),
            ("Gina loves dance.", "Dance is my passion, and the kids love dance too."),
            ("Ana loves dance.", "She loves dance."),
            ("Gina no longer likes dance.", "I sing, no longer like dance, and paint."),
            ("Gina's dog Rex loves the sea.", "Rex loves the sea."),
            ("Gina's mother loves dance.", "Mom loves dance."),
            ("Ana loves dance.", "My day was long. Ana loves dance."),
            ("Gina likes tea.", "Mornings like this one are slow. I'm a fan of tea."),
            ("Gina has a shop that customers love.", "Customers love my shop."),
            ("Gina sells tea.", "Customers love the tea, and I sell it."),
        ] {
            assert!(!likes_what_others_do(fact, said), "{fact} of {said}");
        }
    }
}
