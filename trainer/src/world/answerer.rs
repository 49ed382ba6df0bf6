//! A reader without a model: the answer that a few memory texts give to a question of the world.
//!
//! What a single memory says is read in `reader`; here it is put together.
//!
//! Where memories give two values of what one has one of, the answer is "Boston or Seattle", which is no gold answer
//! and so gets no credit: who keeps what is stale answers wrong. What one has several of is read from one memory, the one that
//! says most of it: who keeps Buddy and Scout in two memories knows of one dog when asked (Memory-R1, section 1). It
//! deliberately does not look at when a memory was made.
//!
//! Rooms it touches: world (attributes, question, reader, wording).

use super::attributes::Shape;
use super::question::{Question, Seeks, UNKNOWN};
use super::reader::{details, values};
use super::wording::{count_in_words, listed};

/// The answer that these memories give; `None` where they give none.
pub fn answer(question: &Question, memories: &[&str]) -> Option<String> {
    let about = &question.about;
    if question.seeks == Seeks::Detail {
        return one_of(memories.iter().flat_map(|memory| details(about, memory)).collect());
    }
    let found: Vec<String> = memories.iter().flat_map(|memory| values(about, memory)).collect();
    let fullest = || {
        let by_memory = memories.iter().map(|memory| distinct(values(about, memory)));
        // Of equals the first.
        by_memory.rev().max_by_key(Vec::len).unwrap_or_default()
    };
    match question.seeks {
        Seeks::Value | Seeks::Date => one_of(found),
        Seeks::Count if about.topic.shape == Shape::Count => one_of(found),
        Seeks::Count => Some(fullest().len()).filter(|count| *count > 0).map(count_in_words),
        Seeks::List => Some(listed(&fullest())).filter(|list| !list.is_empty()),
        Seeks::Ended | Seeks::Untold => one_of(found).or_else(|| Some(UNKNOWN.to_owned())),
        Seeks::Detail => None,
        Seeks::Holds => {
            let holds = match &about.value {
                Some(value) if about.topic.shape != Shape::Dated => found.contains(value),
                _ => !found.is_empty(),
            };
            Some(if holds { "yes" } else { "no" }.to_owned())
        }
    }
}

fn one_of(found: Vec<String>) -> Option<String> {
    let found = distinct(found);
    if found.is_empty() { None } else { Some(found.join(" or ")) }
}

fn distinct(found: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for value in found {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// What a bank of these texts answers is worth: 1 for the gold answer, 0 for another or none.
pub fn worth(question: &Question, texts: &[String]) -> f64 {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    answer(question, &texts).map_or(0.0, |answer| f64::from(question.credit(&answer)))
}

#[cfg(test)]
mod tests {
    use super::super::attributes;
    use super::super::question::{About, Subject};
    use super::super::{Story, WorldSettings};
    use super::*;

    /// A question of Maria about an attribute; `value` is what it speaks of.
    fn ask(topic: &str, kind: &str, seeks: Seeks, value: Option<&str>, memories: &[&str]) -> Option<String> {
        let topic = attributes::all().find(|known| known.name == topic).unwrap();
        let kind = topic.kinds.iter().find(|known| known.word == kind).unwrap();
        let subject = Subject { speaker: "Maria".into(), relative: None };
        let about = About { subject, topic, kind, value: value.map(str::to_owned) };
        let question = Question {
            text: String::new(),
            answer: String::new(),
            seeks,
            evidence: Vec::new(),
            holds_from: 0,
            holds_until: None,
            slot: None,
            about,
        };
        answer(&question, memories)
    }

    fn home(memories: &[&str]) -> Option<String> {
        ask("home", "", Seeks::Value, None, memories)
    }

    #[test]
    fn a_value_is_read_however_it_is_worded() {
        for memory in [
            "Maria lives in Leeds.",
            "Maria moved from Hull to Leeds.",
            "Maria no longer lives in Hull but in Leeds.",
            "Maria's home is in Leeds, and she works as a nurse.",
            "Maria has a trip to Lisbon on 3 May 2024 and lives in Leeds near the harbour.",
            "Maria likes tea; Maria lives in Leeds.",
            "Maria used to live in Hull and is living in Leeds now.",
        ] {
            assert_eq!(home(&[memory]).as_deref(), Some("Leeds"), "{memory}");
        }
    }

    #[test]
    fn what_is_missing_denied_or_of_others_gives_nothing() {
        for memory in [
            "Maria works in Leeds.",
            "Maria no longer lives in Leeds.",
            "Maria's sister Julia lives in Leeds.",
            "Tom lives in Leeds.",
            "Maria has a trip to Leeds on 3 May 2024.",
            "Maria lives near the sea.",
            "",
        ] {
            assert_eq!(home(&[memory]), None, "{memory}");
        }
    }

    #[test]
    fn a_stale_value_beside_the_new_one_is_no_answer() {
        let both = home(&["Maria lives in Hull.", "Maria lives in Leeds now."]).unwrap();
        assert_eq!(both, "Hull or Leeds");
        assert_eq!(home(&["Maria lives in Leeds.", "Maria is living in Leeds."]).as_deref(), Some("Leeds"));
    }

    #[test]
    fn lists_are_read_from_one_memory_and_counted() {
        let list = |memories: &[&str]| ask("pets", "dog", Seeks::List, None, memories).unwrap_or_default();
        assert_eq!(list(&["Maria has dogs named Buddy and Scout."]), "Buddy and Scout");
        assert_eq!(
            list(&["Maria adopted a dog named Buddy; Maria adopted another dog named Scout."]),
            "Buddy and Scout"
        );
        assert_eq!(list(&["Buddy and Scout are Maria's dogs."]), "");
        assert_eq!(
            list(&["Maria's two dogs are called Buddy and Scout, and her cat is called Luna."]),
            "Buddy and Scout"
        );
        assert_eq!(list(&["Maria has a dog named Scout.", "Maria's dog Buddy died."]), "Scout");
        assert_eq!(list(&["Maria has a dog named Buddy.", "Maria has a dog named Scout."]), "Buddy");
        assert_eq!(
            list(&["Maria has a dog named Rex.", "Maria has dogs named Buddy and Scout."]),
            "Buddy and Scout"
        );
        let count = |memory| ask("pets", "dog", Seeks::Count, None, &[memory]);
        assert_eq!(count("Maria has dogs named Buddy, Scout and Rex.").as_deref(), Some("three"));
    }

    #[test]
    fn counts_dates_details_and_what_holds() {
        let count = |memory| ask("collection", "chickens", Seeks::Count, None, &[memory]);
        assert_eq!(count("Maria has 12 chickens and two guitars.").as_deref(), Some("twelve"));
        assert_eq!(count("Maria has two guitars."), None);
        let date = |memory| ask("appointment", "dentist", Seeks::Date, None, &[memory]);
        assert_eq!(date("Maria has a dentist appointment on 3 May 2024.").as_deref(), Some("3 May 2024"));
        assert_eq!(
            date("Maria's dentist appointment was cancelled and is on 4 June 2024 now.").as_deref(),
            Some("4 June 2024")
        );
        assert_eq!(date("Maria's dentist appointment on 3 May 2024 was cancelled."), None);
        let coat = |memory| ask("pets", "dog", Seeks::Detail, Some("Scout"), &[memory]);
        assert_eq!(
            coat("Maria has a brown dog named Buddy and a spotted dog named Scout.").as_deref(),
            Some("spotted")
        );
        assert_eq!(coat("Maria has a brown dog named Buddy and a dog named Scout."), None);
        let kayak = |memory| ask("thing", "", Seeks::Holds, Some("kayak"), &[memory]).unwrap();
        assert_eq!([kayak("Maria owns a red kayak."), kayak("Maria sold the kayak.")], ["yes", "no"]);
    }

    #[test]
    fn of_what_has_ended_nothing_is_known_unless_a_memory_says_something() {
        let work = |memories: &[&str]| ask("job", "", Seeks::Ended, None, memories).unwrap();
        assert_eq!(work(&["Maria lives in Leeds.", "Maria no longer works as a nurse."]), "not known");
        assert_eq!(work(&["Maria works as a chemist."]), "chemist");
    }

    #[test]
    fn without_its_memory_no_question_but_a_negative_one_is_answered() {
        for seed in 0..20 {
            let story = Story::new(seed, &WorldSettings::default());
            let last = story.turns.len() - 1;
            let bank = story.turns[last].texts();
            for question in story.answerable(last).filter(|question| !question.is_negative()) {
                let tells = |text: &&&str| !values(&question.about, text).is_empty();
                let (with, without): (Vec<&str>, Vec<&str>) = bank.iter().partition(|text| tells(text));
                assert!(!with.is_empty(), "{question:?}");
                let given = answer(question, &without);
                assert!(given.is_none_or(|given| !question.accepts(&given)), "{question:?}");
            }
        }
    }
}
