//! Questions with their gold answers, and whom and what they are about.
//!
//! An answer is compared as the paper's exact match does (SQuAD's normalisation); of a list the order does not count.
//! Where an answer is read from memories: `answerer`.
//!
//! Rooms it touches: world (attributes, wording).

use std::collections::BTreeSet;

use super::attributes::{Kind, Topic};
use super::wording::NUMBERS;

/// Whom a fact is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// Who speaks.
    pub speaker: String,
    /// Somebody whom the speaker mentions: relation and name.
    pub relative: Option<(String, String)>,
}

impl Subject {
    /// "Tom" or "Tom's sister Julia".
    pub fn in_words(&self) -> String {
        match &self.relative {
            None => self.speaker.clone(),
            Some((relation, name)) => format!("{}'s {relation} {name}", self.speaker),
        }
    }
}

/// What kind of answer a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seeks {
    /// What one has one of.
    Value,
    /// All of what one has several of.
    List,
    /// How many.
    Count,
    /// When.
    Date,
    /// A detail of a value.
    Detail,
    /// Whether a value holds (still): yes or no.
    Holds,
    /// What there is nothing of any more: [`UNKNOWN`].
    Ended,
    /// What nobody has told: [`UNKNOWN`].
    Untold,
}

/// The answer where nothing is known.
pub const UNKNOWN: &str = "not known";

/// What a question is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) subject: Subject,
    pub(super) topic: &'static Topic,
    pub(super) kind: &'static Kind,
    /// The value that is spoken of: of a detail, of what may hold, of a matter of its own.
    pub(super) value: Option<String>,
}

/// A question about what was told.
#[derive(Debug, Clone)]
pub struct Question {
    /// The words.
    pub text: String,
    /// The gold answer, in few words.
    pub answer: String,
    /// What kind of answer it wants.
    pub seeks: Seeks,
    /// The turns that tell the answer, by their places in the story.
    pub evidence: Vec<usize>,
    /// The first turn after which the answer holds.
    pub holds_from: usize,
    /// The turn from which on it holds no longer.
    pub holds_until: Option<usize>,
    /// The attribute it asks for, by its place in the story; `None`: one that nobody tells of.
    pub(super) slot: Option<usize>,
    pub(super) about: About,
}

impl Question {
    /// Whether the answer holds after a turn.
    pub fn holds_after(&self, turn: usize) -> bool {
        self.holds_from <= turn && self.holds_until.is_none_or(|until| turn < until)
    }

    /// Whether it is about what is not so (any more), and so is answered by "no" or [`UNKNOWN`], which no memory says.
    pub fn is_negative(&self) -> bool {
        self.answer == UNKNOWN || (self.seeks == Seeks::Holds && self.answer == "no")
    }

    /// Whether this is the gold answer.
    pub fn accepts(&self, answer: &str) -> bool {
        if self.seeks == Seeks::List {
            items(answer) == items(&self.answer)
        } else {
            normalised(answer) == normalised(&self.answer)
        }
    }

    /// 1 for the gold answer; of a list, the F1 of its items; else 0.
    pub fn credit(&self, answer: &str) -> f32 {
        if self.accepts(answer) {
            return 1.0;
        }
        if self.seeks != Seeks::List {
            return 0.0;
        }
        let (given, gold) = (items(answer), items(&self.answer));
        2.0 * given.intersection(&gold).count() as f32 / (given.len() + gold.len()) as f32
    }
}

/// The items of a list, each normalised.
fn items(answer: &str) -> BTreeSet<String> {
    let all = answer.replace(" and ", ", ");
    all.split(',').map(normalised).filter(|item| !item.is_empty()).collect()
}

/// In lower case without punctuation and articles, counts as digits.
pub(super) fn normalised(answer: &str) -> String {
    let kept: String = answer
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || letter.is_whitespace() || *letter == '-')
        .collect();
    let words = kept.split_whitespace().filter(|word| !["a", "an", "the"].contains(word));
    let digits = words.map(|word| match NUMBERS.iter().position(|number| *number == word) {
        Some(count) => count.to_string(),
        None => word.to_owned(),
    });
    digits.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_without_case_articles_and_order() {
        assert_eq!(normalised("The Harbour."), normalised("harbour"));
        assert_eq!(normalised("twelve"), normalised("12"));
        assert_eq!(items("Scout, Buddy and Rex"), items("Buddy, Rex and scout"));
        assert_ne!(items("Scout"), items("Scout and Rex"));
    }

    #[test]
    fn a_list_is_credited_by_its_items_and_all_else_as_a_whole() {
        let topic = super::super::attributes::all().next().unwrap();
        let subject = Subject { speaker: "Maria".into(), relative: None };
        let about = About { subject, topic, kind: &topic.kinds[0], value: None };
        let question = |seeks: Seeks| Question {
            text: String::new(),
            answer: "Buddy, Scout and Rex".into(),
            seeks,
            evidence: Vec::new(),
            holds_from: 0,
            holds_until: Some(3),
            slot: None,
            about: about.clone(),
        };
        let (list, value) = (question(Seeks::List), question(Seeks::Value));
        assert!(list.accepts("Rex, Buddy and Scout") && !value.accepts("Rex, Buddy and Scout"));
        // Two of three items, none wrong: precision 1, recall 2/3, F1 4/5.
        assert!((list.credit("Buddy and Rex") - 0.8).abs() < 1e-6);
        assert!(list.credit("Luna") < 1e-6 && value.credit("Buddy and Rex") < 1e-6);
        assert!((value.credit("buddy, scout and rex") - 1.0).abs() < 1e-6);
        assert!(list.holds_after(2) && !list.holds_after(3));
    }
}
