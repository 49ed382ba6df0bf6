//! What a small model gets wrong, caught by rule before anything is written.
//!
//! Small models overwrite Buddy with Scout, retire what nothing contradicts, and copy names out of the
//! examples (models.md). The rules here compare the old text, the fact and the new text; they are about English,
//! and where they do not recognise a case they keep both texts rather than lose one. Pure functions: nothing is
//! read or written.
//!
//! Rooms it touches: types, decision, prompt (limits), index (for `terms`).

mod contradiction;
mod text;
mod turned;

use std::collections::BTreeSet;

use self::contradiction::{contradicted, ends_something, says_more};
use self::text::{
    FACT, Start, TURN, clauses, content, denies, evidence, is_english, is_number, lost, of_an_ending,
    plain_terms, salient, split, stutters, subject, term_set, terms_of, unsaid, words,
};
use self::turned::{affirms_what_is_over, likes_what_others_do};
use crate::decision::{Guard, Ratified, Ruling};
use crate::prompt::manage::MAX_MEMORY_CHARS;
use crate::types::{MONTHS, Memory, Origin};

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

/// Whether a fact is about what was said: every name, number and date in it stands in the words or around them, and so does
/// every other word, in some form, where English was spoken, but for those that are left to be understood (of what a turn ends
/// also what it was: "works" of "I left Fernhill"); at least a third of what else it says stands in the words themselves (a guess
/// that lets paraphrases through and stops inventions) or it says no more than it names from them and from them alone ("Maria
/// speaks Dutch" of "Dutch is easy by now"; of whom is spoken to, numbers and months that says nothing), it does not affirm what
/// the words say is no more, nor say of one what they say of others, and it does not repeat itself.
///
/// `caption` says what was shown, in lower case but for names: of "a terrier with a chewed ball" nobody is named Chewed. `seen`
/// are the captions before it.
pub fn grounded(fact: &str, said: &str, caption: &str, around: &str, seen: &str) -> bool {
    let (mut spoken, mut beside) = (words(said), words(around));
    spoken.append(&mut salient(caption, Start::IsWord));
    beside.append(&mut salient(seen, Start::IsWord));
    let names = salient(fact, Start::IsName);
    if names.iter().any(|name| !spoken.contains(name) && !beside.contains(name)) {
        return false;
    }
    let months: BTreeSet<String> = MONTHS.iter().map(|month| month.to_lowercase()).collect();
    let telling = |name: &&String| !is_number(name) && !months.contains(*name) && !beside.contains(*name);
    let told = names.iter().filter(telling).count();
    let (all, names) = (plain_terms(fact), terms_of(&names));
    let here = format!("{said} {caption}");
    let (told_here, witnessed) = (term_set(&here), evidence(&here));
    let ends = denies(fact) && ends_something(said);
    let understood = if ends { of_an_ending() } else { BTreeSet::new() };
    let left_out = |term: &String| understood.contains(term) && !told_here.contains(term);
    let distinct = all.iter().filter(|term| !names.contains(*term) && !left_out(term));
    let distinct: BTreeSet<String> = distinct.cloned().collect();
    let heard = witnessed.union(&term_set(&format!("{around} {seen}"))).cloned().collect();
    let strange = || !unsaid(&distinct, &witnessed, &heard).is_empty() || stutters(fact, &heard);
    let turned = || affirms_what_is_over(fact, said, &term_set(around)) || likes_what_others_do(fact, said);
    if is_english(said, TURN) && strange() || turned() {
        return false;
    }
    let shared = distinct.intersection(&told_here).count();
    let repeats = all.len() > 2 * (distinct.len() + names.len());
    let is_told = (shared > 0 && shared * 3 >= distinct.len()) || (told > 0 && told >= distinct.len());
    is_told && !repeats
}

/// The memory that already says what the fact says: it, or one of the sentences in it, begins with the fact's own
/// words, and what follows adds to them. Only a memory that is trusted as much as the fact counts.
pub fn already_known<'a>(fact: &str, origin: Origin, memories: &'a [Memory]) -> Option<&'a Memory> {
    let said = spelled(fact);
    let begins = |sentence: &str| {
        let denied = denies(sentence) == denies(fact);
        spelled_ahead(sentence, &said) && denied
    };
    memories.iter().find(|memory| {
        !said.is_empty() && memory.origin.vouches_for(origin) && memory.text.split("; ").any(begins)
    })
}

/// The memory that says exactly what the fact says, and whose origin is trusted less than the fact's.
pub fn unvouched<'a>(fact: &str, origin: Origin, memories: &'a [Memory]) -> Option<&'a Memory> {
    let said = spelled(fact);
    memories.iter().find(|memory| !memory.origin.vouches_for(origin) && spelled(&memory.text) == said)
}

/// Whether the line is this memory as it is given out: its text alone, or behind a label that ends in a colon or a
/// list's mark, with or without a date in parentheses behind it.
pub fn quotes(line: &str, memory: &str) -> bool {
    let (line, memory) = (line.trim(), memory.trim());
    let Some((label, date)) = line.rsplit_once(memory).filter(|_| !memory.is_empty()) else { return false };
    let (label, date) = (label.trim_end(), date.trim_start());
    let is_label =
        label.is_empty() || label.ends_with([':', '-', '*', '.', ')']) && label.len() <= MAX_LABEL_BYTES;
    is_label && (date.is_empty() || date.starts_with('(') && date.ends_with(')'))
}

/// Bytes of the longest label: a mark, an id, a time and a name.
const MAX_LABEL_BYTES: usize = 120;

/// The words of a text without articles.
fn spelled(text: &str) -> Vec<String> {
    let article = |word: &String| ["a", "an", "the"].contains(&word.as_str());
    split(text).map(|(word, _)| text::lower(word)).filter(|word| !article(word)).collect()
}

/// Whether the sentence begins with these words, and ends there or goes on with "and", "with", or after a comma.
fn spelled_ahead(sentence: &str, said: &[String]) -> bool {
    let whole = spelled(sentence);
    let first = clauses(sentence).into_iter().next().unwrap_or_default();
    let first = spelled(&first.join(" "));
    let goes_on = |at: usize| whole.get(at).is_none_or(|word| word == "with") || at == first.len();
    whole.starts_with(said) && goes_on(said.len())
}

/// Whether one of the memories could be the one that already says the fact in other words: it is about the same
/// subject, has all the fact's names, numbers and dates, and half of what else it says (a guess that lets
/// paraphrases through). Only a memory that is trusted as much as the fact counts.
pub fn may_be_known(fact: &str, origin: Origin, memories: &[Memory]) -> bool {
    let about = terms_of(&salient(fact, Start::IsName));
    let said: BTreeSet<String> = term_set(fact).difference(&about).cloned().collect();
    memories.iter().any(|memory| {
        let shared = said.intersection(&term_set(&memory.text)).count();
        memory.origin.vouches_for(origin)
            && memory.text.split("; ").any(|sentence| subject(sentence) == subject(fact))
            && missing(fact, &memory.text).is_empty()
            && 2 * shared >= said.len()
    })
}

/// What is to be judged beside the decision.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The fact.
    pub fact: &'a str,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it was said before the last thing that the memory was taken from. It then contradicts nothing.
    pub earlier: bool,
}

/// Judges a ratified decision about a fact. The second value says where the verdict departs from it.
pub fn judge(decision: &Ratified, said: Said<'_>) -> (Verdict, Option<Guard>) {
    match decision.ruling() {
        Ruling::Add => (Verdict::Add, None),
        Ruling::Noop => (Verdict::Nothing, None),
        Ruling::Update { old, .. } | Ruling::Delete { old } if !said.origin.may_change(old.origin) => {
            (Verdict::Add, Some(Guard::Untrusted))
        }
        Ruling::Update { old, .. } if other_subject(&old.text, said.fact) => {
            (Verdict::Add, Some(Guard::OtherSubject))
        }
        Ruling::Update { old, text } => judge_update(old, text, said),
        Ruling::Delete { old } => judge_delete(old, said),
    }
}

fn judge_delete(old: &Memory, said: Said<'_>) -> (Verdict, Option<Guard>) {
    let gone = contradicted(&old.text, said.fact);
    if gone.is_empty() || !lost(&old.text, said.fact).is_subset(&gone) {
        return (Verdict::Add, Some(Guard::NotContradicted));
    }
    if said.earlier {
        return (Verdict::Add, Some(Guard::Earlier));
    }
    (Verdict::Retire { old: old.clone(), keep_fact: says_more(said.fact, &old.text) }, None)
}

/// The model's text is applied where it loses nothing but what the fact contradicts, the fact's own words where
/// they do; else both texts are joined, or kept apart.
fn judge_update(old: &Memory, text: &str, said: Said<'_>) -> (Verdict, Option<Guard>) {
    let Said { fact, origin, earlier } = said;
    let replace = |text: &str| Verdict::Replace { old: old.clone(), text: text.to_owned() };
    let beside = |guard| (Verdict::Add, Some(guard));
    let gone = contradicted(&old.text, fact);
    if !gone.is_empty() && earlier {
        return beside(Guard::Earlier);
    }
    let keeps = |text: &str| {
        let denials_agree =
            !gone.is_empty() || [fact, &old.text].iter().all(|one| denies(one) == denies(text));
        denials_agree && lost(&old.text, text).is_subset(&gone) && lost(fact, text).is_subset(&gone)
    };
    let invented = invents(text, &old.text, fact);
    let guard = invented.then_some(Guard::Invented);
    // A memory must not mix what two origins said: who vouches for it could not be told.
    let one_origin = origin == old.origin;
    if one_origin && !invented && keeps(text) {
        return (replace(text), None);
    }
    if keeps(fact) {
        return (replace(fact), guard);
    }
    match joined(&old.text, fact).filter(|_| one_origin && gone.is_empty()) {
        Some(both) => (replace(&both), Some(Guard::Merged)),
        None => beside(Guard::KeptBeside),
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

/// Whether `text` brings names, numbers, dates or other words that neither the old text nor the fact has, or has
/// nothing to do with the fact at all.
fn invents(text: &str, old: &str, fact: &str) -> bool {
    let known: BTreeSet<String> = words(old).union(&words(fact)).cloned().collect();
    let strange = salient(text, Start::IsWord).iter().any(|word| !known.contains(word));
    let heard = evidence(old).union(&evidence(fact)).cloned().collect();
    let says = plain_terms(text).into_iter().collect();
    let denies_alone = denies(text) && !denies(old) && !denies(fact);
    let strange =
        strange || denies_alone || is_english(text, FACT) && !unsaid(&says, &heard, &heard).is_empty();
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
    let topic = |text: &str| -> BTreeSet<String> {
        content(text).into_iter().filter(|term| !names.contains(term)).collect()
    };
    if topic(old).is_disjoint(&topic(fact)) {
        return None;
    }
    let both = format!("{}; {}", old.trim_end_matches(['.', ' ']), fact.trim());
    (both.chars().count() <= MAX_MEMORY_CHARS).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Decision, Shown};
    use crate::testing::memory;

    fn update(old: &str, text: &str, fact: &str) -> (Option<String>, Option<Guard>) {
        let shown = Shown::new(vec![memory(1, old)]);
        let decision = shown.ratify(Decision::Update { label: 1, text: text.into() }).unwrap();
        match judge(&decision, said(fact, Origin::User)) {
            (Verdict::Replace { text, .. }, guard) => (Some(text), guard),
            (_, guard) => (None, guard),
        }
    }

    fn delete(old: &str, fact: &str, origin: Origin) -> (Verdict, Option<Guard>) {
        let decision = Shown::new(vec![memory(1, old)]).ratify(Decision::Delete { label: 1 }).unwrap();
        judge(&decision, said(fact, origin))
    }

    fn said(fact: &str, origin: Origin) -> Said<'_> {
        Said { fact, origin, earlier: false }
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
        for strange in ["Tom plays tennis with skill on Tuesdays.", "Tom no longer plays tennis on Tuesdays."]
        {
            let (text, guard) = update("Tom plays tennis.", strange, fact);
            assert_eq!((text, guard), (Some(fact.into()), Some(Guard::Invented)), "{strange}");
        }
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
            assert!(may_be_known(known, Origin::User, &memories), "{known}");
        }
        for new in
            ["Maria's dog is named Buddy.", "Tom lives in Leeds.", "Maria has a sister.", "Maria has 2 dogs."]
        {
            assert!(!may_be_known(new, Origin::User, &memories), "{new}");
        }
        assert!(!may_be_known("Maria has a dog.", Origin::User, &[]));
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
        let bank = [
            memory(1, "Tom likes tea and cricket."),
            memory(2, BUDDY),
            memory(3, "Tom's sister lives in Leeds."),
            memory(4, "Ann gave Tom a book; Ann drove from York to Hull."),
            memory(5, "Sue likes green tea less than coffee."),
        ];
        let known = |fact| already_known(fact, Origin::User, &bank).map(|memory| memory.id.0);
        assert_eq!(known("Tom likes tea"), Some(1));
        assert_eq!(known("Ann drove from York to Hull."), Some(4));
        for new in [
            "Tom likes no tea",
            SCOUT,
            "Tom has 2 likes for tea",
            "Tom lives in Leeds.",
            "Tom gave Ann a book.",
            "Ann drove from Hull to York.",
            "Sue likes green tea.",
            "",
        ] {
            assert_eq!(known(new), None, "{new}");
        }
    }

    #[test]
    fn a_memory_is_known_in_every_form_it_is_given_out() {
        let memory = "Tom likes tea.";
        for line in [
            "Tom likes tea.",
            "- Tom likes tea.",
            "3. Tom likes tea. (1:56 pm on 8 May, 2023)",
            "m17    2024-03-02 10:15  Tom: Tom likes tea.",
            "Tom said: Tom likes tea.",
        ] {
            assert!(quotes(line, memory), "{line}");
        }
        for line in ["I think that Tom likes tea.", "Tom likes tea. And coffee.", "Tom likes tea", ""] {
            assert!(!quotes(line, memory), "{line}");
        }
        assert!(!quotes("- anything", ""));
    }

    #[test]
    fn only_what_is_trusted_as_much_is_known() {
        let mut of_a_page = memory(1, "Tom likes tea.");
        of_a_page.origin = Origin::Document;
        let bank = [of_a_page];
        assert_eq!(already_known("Tom likes tea", Origin::User, &bank), None);
        assert!(!may_be_known("Tom enjoys tea", Origin::User, &bank));
        assert_eq!(unvouched("Tom likes tea", Origin::User, &bank), Some(&bank[0]));
        assert_eq!(unvouched("Tom likes tea", Origin::Document, &bank), None);
        assert!(already_known("Tom likes tea", Origin::Document, &bank).is_some());
    }

    /// What a memory says in ordinary words is as little lost as its names.
    #[test]
    fn no_update_loses_what_still_holds() {
        for (old, fact) in [
            ("Maria is allergic to peanuts.", "Maria likes hiking in the mountains."),
            ("Ann has cats, Tim and Lou.", "Ann has three kids."),
            ("Tom lives in Leeds with his sister.", "Tom now likes tea again."),
            ("Tom gave Ann a book about trains.", "Tom left the book in York."),
            ("Tom likes tea and cricket.", "Tom no longer likes tea."),
            ("Tom's sister lives in Leeds.", "Tom lives in York."),
            ("Tom's favourite colour is blue.", "Tom's favourite food is rice."),
            ("Tom's dog is brown.", "Tom's cat is grey."),
            ("Tom works as a nurse.", "Tom works at Guy's."),
            ("Tom likes tea.", "Tom stopped drinking tea."),
            ("Tom ran 5 miles in May.", "Tom ran 3 miles in June."),
            ("Tom does not eat meat.", "Tom eats fish."),
            ("Tom drove from York to Leeds.", "Tom drove from Leeds to York."),
        ] {
            let kept = match update(old, fact, fact) {
                (Some(both), Some(Guard::Merged)) => {
                    both.starts_with(old.trim_end_matches('.')) && both.ends_with(fact)
                }
                (None, Some(Guard::KeptBeside)) => true,
                _ => false,
            };
            assert!(kept, "{old} + {fact} = {:?}", update(old, fact, fact));
            let (verdict, guard) = delete(old, fact, Origin::User);
            assert_eq!((verdict, guard), (Verdict::Add, Some(Guard::NotContradicted)), "{old} - {fact}");
        }
    }

    #[test]
    fn what_the_fact_does_away_with_is_replaced() {
        for (old, fact) in [
            ("Tom lives in Boston.", "Tom now lives in Seattle."),
            ("Tom lives in Boston.", "Tom moved to Seattle."),
            ("Tom's favourite colour is blue.", "Tom's favourite colour is red."),
            ("Tom works at Google.", "Tom works at a bakery."),
            ("Tom works at Google.", "Tom quit Google and joined a bakery."),
            ("Ann has two kids.", "Ann has three kids."),
            ("Ann is married to Tom.", "Ann divorced Tom."),
            ("Maria has a dog named Buddy.", "Maria's dog Buddy died."),
            ("Tom likes tea.", "Tom doesn't like tea anymore."),
            ("Tom does not eat meat.", "Tom eats meat."),
            ("Tom is 31 years old.", "Tom is 32 years old."),
        ] {
            assert_eq!(update(old, fact, fact), (Some(fact.to_owned()), None), "{old} + {fact}");
            let (verdict, guard) = delete(old, fact, Origin::User);
            assert!(matches!(verdict, Verdict::Retire { .. }), "{old} - {fact}: {guard:?}");
        }
        // A text that keeps the rest is taken, one that loses it is not.
        let (old, fact) = ("Tom lives in Boston and works at Google.", "Tom lives in Seattle.");
        let both = "Tom lives in Seattle and works at Google.";
        assert_eq!(update(old, both, fact), (Some(both.to_owned()), None));
        assert_eq!(update(old, fact, fact), (None, Some(Guard::KeptBeside)));
    }

    #[test]
    fn what_was_said_earlier_contradicts_nothing() {
        let (old, fact) = ("Tom lives in Boston.", "Tom lives in Seattle.");
        let shown = Shown::new(vec![memory(1, old)]);
        let said = Said { fact, origin: Origin::User, earlier: true };
        for decision in [Decision::Update { label: 1, text: fact.into() }, Decision::Delete { label: 1 }] {
            let (verdict, guard) = judge(&shown.ratify(decision).unwrap(), said);
            assert_eq!((verdict, guard), (Verdict::Add, Some(Guard::Earlier)));
        }
    }

    #[test]
    fn a_memory_does_not_mix_what_two_origins_say() {
        let mut old = memory(1, "Tom banks at Evil.");
        old.origin = Origin::Document;
        let fact = "Tom banks online at noon.";
        let shown = Shown::new(vec![old]);
        let text = "Tom banks at Evil online at noon.".to_owned();
        let decision = shown.ratify(Decision::Update { label: 1, text }).unwrap();
        assert_eq!(judge(&decision, said(fact, Origin::User)), (Verdict::Add, Some(Guard::KeptBeside)));
    }

    #[test]
    fn a_fact_must_come_from_its_turn() {
        let said = "I finally brought home a puppy! His name is Buddy.";
        let grounded = |fact| {
            grounded(fact, said, "a chewed ball beside two bowls", "Maria (8 May 2023)", "a silver cup")
        };
        assert!(grounded("Maria has a puppy named Buddy."));
        assert!(grounded("Maria named Buddy."), "it says no more than it names");
        assert!(grounded("Maria has a chewed ball and two bowls."), "it was shown");
        assert!(!grounded("Maria has a puppy named Chewed."), "no name");
        assert!(!grounded("Maria has a skilled puppy named Buddy."), "nobody said how it is");
        assert!(grounded("Maria has a silver puppy named Buddy."), "it was shown before");
        for (invented, said) in [
            ("Tom died.", "Thanks, Tom!"),
            ("Maria loves Tom.", "Thanks, Tom!"),
            ("Maria is 30.", "I have 30 plants."),
            ("Maria has two kids.", "two of the lamps broke"),
            ("Maria adopted a puppy on 7 May 2023.", "I saw a film yesterday (7 May 2023)"),
            ("Maria enjoys gardening with Buddy.", "Buddy says hello."),
        ] {
            let around = "Maria \n 8 May 2023 \n Tom \n How are you?";
            assert!(!super::grounded(invented, said, "", around, ""), "{invented}");
        }
        // Whose it is says not what it is.
        assert!(!super::grounded(
            "Maria owns a Tesla.",
            "I have to see it!",
            "",
            "Maria Tom I bought a Tesla",
            ""
        ));
        // A word for the same may stand in the question.
        assert!(super::grounded(
            "Maria's mother lives in Leeds.",
            "She lives in Leeds.",
            "",
            "Maria Tom How is your mom?",
            ""
        ));
        for invented in [
            "Maria has a puppy named Rex.",
            "John has a puppy named Buddy.",
            "Maria has 3 puppies.",
            "Maria enjoys gardening with friends.",
            "Maria enjoys gardening with Buddy.",
            "Maria is a person of 2023.",
            "Maria home puppy home puppy home puppy home puppy.",
        ] {
            assert!(!grounded(invented), "{invented}");
        }
    }

    /// Other forms and words for the same, what is left to be understood, and what is neither.
    #[test]
    fn a_word_that_nobody_said_is_no_part_of_a_fact() {
        for (fact, said) in [
            ("Maria enjoys singing in the choir.", "I sang in the choir on Sunday and it was so much fun."),
            ("Maria has many plants.", "I have lots of plants at home."),
            ("Maria broke up with Ana.", "Ana and I ended it last week, so that's that."),
            ("Maria's mother went to the mountains.", "My mom goes to the mountains every year."),
            ("Maria goes to yoga.", "I go to yoga on weekdays."),
            ("Maria is allergic to wasps.", "That allergy to wasps, you know."),
            ("Maria is a teacher at Fernhill.", "I teach maths at Fernhill."),
            ("Maria works as a nurse.", "Nine years as a nurse!"),
            ("Maria took pottery classes.", "My pottery classes were over in June."),
            ("Maria has one daughter.", "My daughter starts at the school."),
            ("Maria no longer plays the harp.", "The harp? I gave it to a school."),
            ("Maria works at Fernhill.", "My boss at Fernhill is ill."),
            ("Maria lives in Leeds.", "We moved to Leeds in June."),
            ("Maria's hobby is pottery.", "Pottery is so much fun!"),
            ("Maria likes owls.", "I have a soft spot for owls."),
            ("Maria owns owls.", "I have owls."),
            ("Maria works at Fernhill as a nurse.", "I'm a nurse at Fernhill."),
            ("Maria plans to visit Leeds.", "I'm going to visit Leeds in June."),
            ("Maria no longer works at Fernhill.", "I left Fernhill in June."),
            ("Maria lives in York.", "I don't live in Leeds any more, I live in York."),
            ("Maria is no longer vegetarian.", "I'm not vegetarian any more."),
            ("Maria no longer lives there.", "I no longer live there."),
            ("Maria no longer plans to visit Leeds.", "I'm not visiting Leeds after all."),
            ("Maria's dog Buddy died.", "My dog Buddy passed away."),
            // The lists are English.
            ("Maria hat einen Hund.", "Ich habe einen Hund, Buddy, und er bellt."),
            ("Maria tiene un perro.", "Tengo un perro muy bonito, se llama Buddy."),
            (
                "Maria \u{306f}\u{72ac}\u{3092}\u{98fc}\u{3063}\u{3066}\u{3044}\u{308b}\u{3002}",
                "\u{72ac}\u{3092}\u{98fc}\u{3044}\u{59cb}\u{3081}\u{305f}\u{3093}\u{3060}\u{ff01}",
            ),
        ] {
            assert!(grounded(fact, said, "", "Maria", ""), "{fact}");
        }
        for (fact, said) in [
            ("Maria is a skilled nurse.", "Nine years as a nurse!"),
            ("Maria works at a bakery.", "How is the bakery?"),
            ("Maria likes owls.", "There were owls in the barn."),
            ("Maria likes owls.", "Best of luck with the owls!"),
            ("Maria owns a barn.", "There were owls in the barn."),
            ("Maria works at Fernhill.", "I left Fernhill in June."),
            ("Maria is vegetarian now.", "I'm not vegetarian any more, I had fish on Friday."),
            ("Maria lives in York.", "I no longer live in York."),
            ("Maria no longer works at Fernhill.", "How is Fernhill?"),
            ("Maria is the boss at Fernhill.", "I work at Fernhill."),
            ("Maria's favourite bird is the owl.", "I like that bird, the owl."),
            ("Maria has a soft toy.", "I like that toy."),
            ("Maria passed the test.", "My cat died before the test."),
            ("Maria is the owner of owls.", "I heard owls in the barn."),
            ("Maria lives in Leeds.", "The weather in Leeds is bad today."),
            ("Maria's favourite soup is borscht.", "My soup is a borscht, it is still too hot."),
            ("Maria plans to visit a bakery.", "I had to visit a bakery."),
            ("Maria's sister goes to the mountains.", "My mom goes to the mountains every year."),
            ("Maria won the pottery contest.", "The pottery contest starts on Friday!"),
            ("Maria's dog Buddy died.", "My dog Buddy passed his test!"),
            ("Maria is allergic to butter.", "I am allergic to butterflies."),
            ("Maria plays basketball in the park.", "I had a picnic basket in the park."),
            ("Maria won a cup at the regionalals.", "I won a cup at the regionals."),
            ("Maria has a lot of kids.", "I'm busy with the kids."),
            ("Maria likes the new kitchen.", "Visitors like the new kitchen."),
        ] {
            assert!(!grounded(fact, said, "", "Maria", ""), "{fact}");
        }
    }
}
