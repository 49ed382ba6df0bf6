//! What can be said of a person: every attribute with its values, how it is told, what fact that is, and how it is
//! asked for.
//!
//! Tables only: which attribute comes when is decided in `story`. The words of facts are chosen so that core's guards
//! take the gold operation as it is; a test of `teacher` runs them all through core.
//!
//! In the wordings `{S}` is whom a fact or question is about, `{v}` the value, `{k}` its kind, `{d}` a detail, `{o}` the
//! object that was known before (value and detail), `{D}` its detail and a blank, `{old}` its bare value, `{verb}` its
//! verb, `{n}` and `{m}` the new and the old count, `{when}` a date as it is said and `{on}` as it is noted, `{rel}`,
//! `{name}` and `{he}` a relative, `{to}` the one who listens.
//!
//! Rooms it touches: world (values).

mod counted;
mod dated;
mod habits;
mod living;
mod pastimes;
mod possessions;
mod relatives;
mod single;

/// How the values of an attribute go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// One has one at a time.
    Single,
    /// One has several.
    List,
    /// One has so many.
    Count,
    /// It is on a day.
    Dated,
}

/// What a turn does to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// Tells it for the first time: ADD.
    State,
    /// Gives another value of what one has one of, another count or another day: UPDATE.
    Change,
    /// Adds a detail to a value that is known: UPDATE with all that was known.
    Refine,
    /// Adds a value to a list: UPDATE with all of the list.
    Extend,
    /// Takes a value off a list that has others: UPDATE with the others.
    Drop,
    /// Takes away the only value: DELETE.
    End,
    /// Says what is known: NOOP.
    Repeat,
}

/// Whose attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// The speaker's.
    Speaker,
    /// That of somebody whom the speaker mentions.
    Relative,
}

/// Which days a dated attribute is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    /// To come, to the day.
    Ahead,
    /// Past, as exact as one says it.
    Past,
    /// Every year.
    Yearly,
}

/// A variety of an attribute, with the values of it.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) word: &'static str,
    pub(super) values: &'static [&'static str],
}

/// One fact that a turn may tell, with the ways to tell it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) act: Act,
    /// The fact as extraction writes it.
    pub(super) fact: &'static str,
    /// A list: the verb of its item. Else: the memory afterwards, where that is not the fact.
    pub(super) keeps: &'static str,
    pub(super) turns: &'static [&'static str],
}

/// How an attribute is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The value, all values, the count or the day.
    pub(super) value: &'static [&'static str],
    /// The detail of a value.
    pub(super) detail: &'static [&'static str],
    /// How many values a list has.
    pub(super) many: &'static [&'static str],
    /// Whether a value still holds.
    pub(super) still: &'static [&'static str],
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) of: Of,
    pub(super) kinds: &'static [Kind],
    /// Each value is a matter of its own: a bike and a kayak are not two values of one thing.
    pub(super) apart: bool,
    /// Of the attributes with the same name here one has one at most; empty: no such bond.
    pub(super) bond: &'static str,
    /// The object of a value, without and with its detail.
    pub(super) object: &'static str,
    pub(super) detailed: &'static str,
    pub(super) details: &'static [&'static str],
    /// A list's verb, and what it is before several.
    pub(super) several: (&'static str, &'static str),
    pub(super) days: Days,
    /// Lower-case words that tell in a memory that this is what it speaks of: a word begins with one of them.
    pub(super) cues: &'static [&'static str],
    pub(super) told: &'static [Told],
    /// What the other one asks or says of it that tells nothing new.
    pub(super) chatter: &'static [&'static str],
    pub(super) asked: Asked,
}

impl Topic {
    /// Whether its values tell by themselves what they are: a kayak is a kayak.
    pub(super) fn is_itself(&self) -> bool {
        self.apart && self.shape == Shape::Single
    }
}

const NO_KIND: &str = "";

/// What most attributes have nothing of.
const PLAIN: Topic = Topic {
    name: "",
    shape: Shape::Single,
    of: Of::Speaker,
    kinds: &[],
    apart: false,
    bond: "",
    object: "{v}",
    detailed: "{v}",
    details: &[],
    several: ("", ""),
    days: Days::Ahead,
    cues: &[],
    told: &[],
    chatter: &[],
    asked: NOT_ASKED,
};

/// What most lists have nothing of.
const LIST: Topic = Topic { shape: Shape::List, ..PLAIN };

const NOT_ASKED: Asked = Asked { value: &[], detail: &[], many: &[], still: &[] };

const fn kind(word: &'static str, values: &'static [&'static str]) -> Kind {
    Kind { word, values }
}

const fn told(act: Act, fact: &'static str, keeps: &'static str, turns: &'static [&'static str]) -> Told {
    Told { act, fact, keeps, turns }
}

/// All attributes.
pub(super) fn all() -> impl Iterator<Item = &'static Topic> {
    let tables = [
        single::ALL,
        habits::ALL,
        possessions::ALL,
        living::ALL,
        pastimes::ALL,
        counted::ALL,
        dated::ALL,
        relatives::ALL,
    ];
    tables.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::wording::Split;
    use super::*;
    use keepsake_core::index::terms;
    use std::collections::BTreeSet;

    #[test]
    fn every_attribute_can_be_told_and_asked_for() {
        let mut names = BTreeSet::new();
        for topic in all() {
            assert!(names.insert(topic.name), "{} twice", topic.name);
            assert!(topic.told.iter().any(|told| told.act == Act::State), "{}", topic.name);
            assert!(topic.told.iter().any(|told| told.act == Act::Repeat), "{}", topic.name);
            assert!(!topic.cues.is_empty() && !topic.kinds.is_empty(), "{}", topic.name);
            assert!(topic.asked.value.len() + topic.asked.still.len() > 1, "{}", topic.name);
            for told in topic.told {
                assert!(
                    told.turns.len() > 1,
                    "{} {:?}: no wording would be left to hold out",
                    topic.name,
                    told.act
                );
                assert!(told.fact.starts_with("{S}") && told.fact.ends_with('.'), "{}", told.fact);
            }
        }
    }

    #[test]
    fn no_wording_is_both_trained_on_and_held_out() {
        let wordings = || {
            let told = all().flat_map(|topic| topic.told).map(|told| told.turns);
            let asked = all().flat_map(|topic| {
                let Asked { value, detail, many, still } = topic.asked;
                [value, detail, many, still]
            });
            told.chain(asked).chain(all().map(|topic| topic.chatter))
        };
        let of = |split: Split| -> BTreeSet<&str> {
            wordings().flat_map(|list| split.of(list)).copied().collect()
        };
        let (train, held) = (of(Split::Train), of(Split::Held));
        let both: Vec<&&str> = train.intersection(&held).collect();
        assert!(both.is_empty(), "{both:?}");
        println!("{} wordings to train on, {} held out", train.len(), held.len());
        assert!(train.len() > 800 && held.len() > 200);
    }

    #[test]
    fn no_name_is_a_value_or_somebody_elses() {
        use super::super::people::{MEN, WOMEN};
        let kinds =
            || all().flat_map(|topic| topic.kinds).filter(|kind| kind.values != MEN && kind.values != WOMEN);
        let words: BTreeSet<&str> =
            kinds().flat_map(|kind| kind.values).flat_map(|value| value.split(' ')).collect();
        let mut names = BTreeSet::new();
        for name in WOMEN.iter().chain(MEN).chain(&super::super::dates::MONTHS) {
            assert!(!words.contains(name) && names.insert(*name), "{name}");
        }
    }

    /// An UPDATE must keep the order of the words that stay; where two values share a word, the order of the rest is lost.
    #[test]
    fn values_that_stand_side_by_side_share_no_word() {
        let lists = all().filter(|topic| {
            topic.shape == Shape::List || topic.told.iter().any(|told| told.fact.contains(" but "))
        });
        for kind in lists.flat_map(|topic| topic.kinds) {
            let mut seen = BTreeSet::new();
            for term in kind.values.iter().flat_map(|value| terms(value)) {
                assert!(seen.insert(term.clone()), "{term} is in two values of {:?}", kind.values.first());
            }
        }
    }

    /// Such a word would make core's guards see an ending or an addition where none is.
    #[test]
    fn no_value_says_that_something_ends_or_is_added() {
        const TELLING: &str = "not never no without stop stopped cancelled former quit left resigned retired sold lost died \
                               dead passed away divorced separated broke another also too second third both with for and";
        let telling: BTreeSet<&str> = TELLING.split_whitespace().collect();
        for topic in all() {
            let values = topic.kinds.iter().flat_map(|kind| kind.values).chain(topic.details);
            for word in values.flat_map(|value| value.split(' ')) {
                assert!(!telling.contains(word), "{word} in {}", topic.name);
            }
        }
    }
}
