//! Questions about what nobody has told so far: an assistant that does not know must say so.
//!
//! What is asked for may be told later; then the question holds until that turn. Drawn apart from the story, so that a seed
//! tells the same story with them as without.
//!
//! Rooms it touches: world (answerer, attributes, people, question, story, wording).

use fastrand::Rng;

use super::answerer;
use super::attributes::{self, Of, Topic};
use super::question::{About, Question, Seeks, Subject, UNKNOWN};
use super::story::Story;
use super::wording::{Split, fill};

/// Turns of a story for each such question: about one of eight questions that a story asks is one.
const TURNS_FOR_ONE: usize = 6;
/// How often one is tried for before there is one less.
const TRIES: usize = 12;
/// Keeps its dice apart from the story's.
const DICE: u64 = 0x0A5C_ED1D;

/// The questions of a story that is told; `people` are its speakers without an assistant.
pub(super) fn questions(story: &Story, split: Split, people: &[String]) -> Vec<Question> {
    let mut rng = Rng::with_seed(story.seed ^ DICE);
    let subjects = subjects(story, people);
    let count = story.turns.len() / TURNS_FOR_ONE;
    (0..count).filter_map(|_| (0..TRIES).find_map(|_| draw(&mut rng, story, split, &subjects))).collect()
}

/// Who is spoken of, and from which turn on.
fn subjects(story: &Story, people: &[String]) -> Vec<(Subject, usize)> {
    let speakers = people.iter().map(|name| (Subject { speaker: name.clone(), relative: None }, 0));
    let mut subjects: Vec<(Subject, usize)> = speakers.collect();
    for (at, about) in story.slots.iter().enumerate() {
        let known = subjects.iter().any(|(subject, _)| *subject == about.subject);
        if let Some(turn) = told_at(story, at).filter(|_| !known) {
            subjects.push((about.subject.clone(), turn));
        }
    }
    subjects
}

/// The turn that first tells of an attribute.
fn told_at(story: &Story, slot: usize) -> Option<usize> {
    story.turns.iter().position(|turn| turn.facts.iter().any(|fact| fact.slot == slot))
}

fn draw(rng: &mut Rng, story: &Story, split: Split, subjects: &[(Subject, usize)]) -> Option<Question> {
    let (subject, known_from) = rng.choice(subjects)?;
    let of = if subject.relative.is_some() { Of::Relative } else { Of::Speaker };
    let topics: Vec<&'static Topic> = attributes::all().filter(|topic| topic.of == of).collect();
    let topic = *rng.choice(&topics)?;
    let kind = rng.choice(topic.kinds)?;
    let wording = *split.pick(rng, topic.asked.value)?;
    // A matter of its own is asked for by name.
    let value = if topic.apart { Some(*split.pick(rng, kind.values)?) } else { None };
    let about = About { subject: subject.clone(), topic, kind, value: value.map(str::to_owned) };

    let same = |other: &About| {
        let bound = !topic.bond.is_empty() && other.topic.bond == topic.bond;
        let named = other.topic.name == topic.name && other.kind.word == kind.word;
        other.subject == about.subject && (bound || (named && (!topic.apart || other.value == about.value)))
    };
    let told = story.slots.iter().enumerate().filter(|(_, other)| same(other));
    let until = told.filter_map(|(slot, _)| told_at(story, slot)).min().unwrap_or(story.turns.len());
    if until <= *known_from {
        return None;
    }
    let from = rng.usize(*known_from..until);
    let values =
        [("S", subject.in_words()), ("k", kind.word.to_owned()), ("v", value.unwrap_or_default().to_owned())];
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let question = Question {
        text: fill(wording, &values),
        answer: UNKNOWN.to_owned(),
        seeks: Seeks::Untold,
        evidence: Vec::new(),
        holds_from: from,
        holds_until: (until < story.turns.len()).then_some(until),
        slot: None,
        about,
    };
    // What another attribute tells of it is no news: a question that any bank of its time answers is none.
    let unknown = |turn: usize| {
        answerer::answer(&question, &story.turns[turn].texts())
            .is_some_and(|answer| question.accepts(&answer))
    };
    (from..until).all(unknown).then_some(question)
}

#[cfg(test)]
mod tests {
    use super::super::WorldSettings;
    use super::*;

    #[test]
    fn a_story_is_asked_what_it_does_not_tell_and_what_it_tells_later() {
        let (mut later, mut never, mut all) = (0_usize, 0_usize, 0_usize);
        for seed in 0..40 {
            let story = Story::new(seed, &WorldSettings::default());
            all += story.questions.len();
            for question in story.questions.iter().filter(|question| question.seeks == Seeks::Untold) {
                assert!(question.is_negative() && question.evidence.is_empty(), "{question:?}");
                assert!(!question.text.contains('{'), "{question:?}");
                match question.holds_until {
                    Some(_) => later += 1,
                    None => never += 1,
                }
            }
        }
        let share = (later + never) as f64 / all as f64;
        println!("{later} told later, {never} never, {share:.3} of all {all}");
        assert!(later > 20 && never > 100 && share > 0.04, "{later} {never} {share}");
    }
}
