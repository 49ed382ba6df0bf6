//! What a question says of where its answer stands, read by rule: people, names, days.
//!
//! Rooms it touches: types, when, index.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::index::{Slot, SpaceIndex, Speaker, Units, is_stop_word, terms};
use crate::types::{MONTHS, Timestamp};
use crate::when::{self, Days};

/// How many days after it happened a thing is still told. A guess: LoCoMo's speakers tell of last week.
const TOLD_WITHIN: i64 = 7;

/// A question as ranking sees it.
pub(super) struct Asked {
    speakers: HashSet<Speaker>,
    /// By unit, the part of the question's names it has, 0 to 1.
    names: HashMap<Slot, f32>,
    days: Vec<Days>,
    when: bool,
}

impl Asked {
    pub(super) fn read(index: &SpaceIndex, question: &str, at: Option<Timestamp>) -> Self {
        let words: HashSet<String> = words(question).map(|word| word.text.to_lowercase()).collect();
        let is_named = |name: &str| name_words(name).any(|word| words.contains(&word));
        let speakers =
            index.units().speakers().filter(|(_, name)| is_named(name)).map(|(speaker, _)| speaker);
        let mut names: HashMap<Slot, f32> = HashMap::new();
        let entities = entities(index.units(), question);
        for entity in &entities {
            for slot in index.with_term(entity) {
                *names.entry(slot).or_default() += 1.0 / entities.len() as f32;
            }
        }
        Self {
            speakers: speakers.collect(),
            names,
            days: when::spans(question, at),
            when: asks_when(question),
        }
    }

    /// Whether the answer is a time.
    pub(super) fn asks_when(&self) -> bool {
        self.when
    }

    pub(super) fn names_speaker(&self, speaker: Speaker) -> bool {
        self.speakers.contains(&speaker)
    }

    /// The part of the question's names that a unit has, 0 to 1.
    pub(super) fn names_in(&self, slot: Slot) -> f32 {
        self.names.get(&slot).copied().unwrap_or_default()
    }

    /// Whether something said then may tell of the days that the question speaks of.
    pub(super) fn speaks_of(&self, time: Timestamp) -> bool {
        self.days.iter().any(|days| days.include(time, TOLD_WITHIN))
    }
}

/// Whether a question asks for a time: "When …", "Since when …", "How long …", "In which year …".
fn asks_when(question: &str) -> bool {
    let words: Vec<String> = words(question).map(|word| word.text.to_lowercase()).collect();
    let in_pairs = words.windows(2).any(|pair| match [pair[0].as_str(), pair[1].as_str()] {
        ["how", "long"] => true,
        ["what" | "which", unit] => UNITS_OF_TIME.contains(&unit),
        _ => false,
    });
    // Further back "when" says under what circumstances.
    in_pairs || words.iter().take(2).any(|word| word == "when")
}

const UNITS_OF_TIME: [&str; 8] = ["time", "date", "day", "weekday", "week", "weekend", "month", "year"];

/// The question without the names of those who speak in this space; `None` where it names nobody, or nothing else.
pub(crate) fn without_speakers(index: &SpaceIndex, question: &str) -> Option<String> {
    let names: HashSet<String> = index.units().speakers().flat_map(|(_, name)| name_words(name)).collect();
    let mut rest = String::with_capacity(question.len());
    let mut kept = 0;
    for word in words(question).filter(|word| names.contains(&word.text.to_lowercase())) {
        rest.push_str(&question[kept..word.start]);
        let end = word.start + word.text.len();
        let owner = ["'s", "\u{2019}s"].into_iter().find(|owner| question[end..].starts_with(owner));
        kept = end + owner.map_or(0, str::len);
    }
    if kept == 0 {
        return None;
    }
    rest.push_str(&question[kept..]);
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    rest.contains(char::is_alphanumeric).then_some(rest)
}

/// The terms of words with a capital letter that neither begin a sentence nor name a speaker or a month.
fn entities(units: &Units, question: &str) -> Vec<String> {
    let speakers: HashSet<String> = units.speakers().flat_map(|(_, name)| name_words(name)).collect();
    let mut entities = Vec::new();
    for word in words(question).filter(|word| word.text.starts_with(char::is_uppercase)) {
        let before =
            question[..word.start].trim_end_matches(|c: char| c.is_whitespace() || "\"'“‘(".contains(c));
        let begins = before.is_empty() || before.ends_with(['.', '!', '?', ':']);
        let lower: Cow<'_, str> = word.text.to_lowercase().into();
        if !begins && !speakers.contains(lower.as_ref()) && is_name(&lower) {
            entities.extend(terms(word.text));
        }
    }
    entities.sort_unstable();
    entities.dedup();
    entities
}

/// The lower-cased words of a speaker's name, but for those that a question has for other reasons.
fn name_words(name: &str) -> impl Iterator<Item = String> {
    words(name).map(|word| word.text.to_lowercase()).filter(|word| is_name(word))
}

fn is_name(lower: &str) -> bool {
    let is_month = MONTHS.iter().any(|month| month.eq_ignore_ascii_case(lower));
    lower.chars().count() > 1 && !is_stop_word(lower) && !is_month
}

struct Word<'a> {
    start: usize,
    text: &'a str,
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(|part| Word { start: part.as_ptr() as usize - text.as_ptr() as usize, text: part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::types::{NewTurn, TurnId};

    fn index(speakers: &[&str]) -> SpaceIndex {
        let mut index = SpaceIndex::new(&Config::default());
        for (id, speaker) in speakers.iter().enumerate() {
            let at = Timestamp::from_seconds(0);
            let turn = NewTurn::new(speaker, "We went to Lake Como with Rex.", at).unwrap();
            index.add_turn(&turn.kept(TurnId(id as u64), at));
        }
        index
    }

    #[test]
    fn names_of_speakers_are_taken_out() {
        let index = index(&["Maria", "Dr. Tom Hale"]);
        let rest = |question: &str| without_speakers(&index, question);
        assert_eq!(rest("What is the name of Maria's dog?").as_deref(), Some("What is the name of dog?"));
        assert_eq!(rest("Where do maria and tom live?").as_deref(), Some("Where do and live?"));
        assert_eq!(rest("Where did Mariana live?"), None);
        assert_eq!(rest("Maria?"), None);
        assert_eq!(rest(""), None);
    }

    #[test]
    fn names_that_are_also_other_words_name_nobody() {
        let index = index(&["Will", "May", "I"]);
        assert_eq!(without_speakers(&index, "Will I see you in May?"), None);
        assert!(Asked::read(&index, "Will I see you in May?", None).speakers.is_empty());
    }

    #[test]
    fn a_question_asks_for_a_time() {
        for question in
            ["When did we meet?", "And when was that?", "for how long?", "In which year was it?", "What day?"]
        {
            assert!(asks_when(question), "{question}");
        }
        for question in ["", "What did she say when we met?", "How did it take long?", "Which dog?"] {
            assert!(!asks_when(question), "{question}");
        }
    }

    #[test]
    fn a_question_names_speakers_and_others() {
        let index = index(&["Maria", "Tom"]);
        let asked = Asked::read(&index, "When was Maria at Lake Garda with Rex in May 2023?", None);
        assert_eq!(asked.speakers.len(), 1);
        // Lake and Rex of Lake, Garda and Rex.
        assert!((asked.names_in(0) - 2.0 / 3.0).abs() < 1e-6);
        assert!(asked.speaks_of("2023-06-02".parse().unwrap()));
        assert!(!asked.speaks_of("2023-07-02".parse().unwrap()));
        assert!(entities(index.units(), "Who is \"Maria\"? Rex?").is_empty());
    }
}
