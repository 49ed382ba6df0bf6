//! A tale: turns in order, and what can be asked after each; from the synthetic world or from a conversation of a file.
//!
//! Rooms it touches: world; of core: types, when; dialogues.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;
use keepsake_core::types::{InvalidInput, NewTurn, Timestamp};
use keepsake_core::when;
use keepsake_dialogues::questions::Dialogue;

use crate::world::{self, Story};

/// Turns in order, and what can be asked after each.
#[derive(Debug, Clone)]
pub struct Tale {
    /// What is drawn of it comes from this.
    seed: u64,
    /// The turns.
    pub turns: Vec<NewTurn>,
    /// All that can be asked at some point.
    pub questions: Vec<Linked>,
    /// The story that it is, where it is one: then gold is known.
    pub story: Option<Arc<Story>>,
}

/// A question and the turns that it belongs to.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The words.
    pub text: String,
    /// Answers that are right.
    pub gold: Vec<String>,
    /// The turns that touch its answer.
    turns: Vec<usize>,
    /// The first turn after which the answer holds.
    pub holds_from: usize,
    /// The turn from which on it holds no longer.
    holds_until: Option<usize>,
    /// The story's question that it is.
    pub(super) told: Option<world::Question>,
}

impl Tale {
    /// A story of the synthetic world.
    pub fn of_story(story: Arc<Story>) -> Result<Self, InvalidInput> {
        let turns = story.turns.iter().map(world::GoldTurn::new_turn).collect::<Result<_, _>>()?;
        let linked = |question: &world::Question| Linked {
            text: question.text.clone(),
            gold: vec![question.answer.clone()],
            turns: (0..story.turns.len()).filter(|turn| story.touches(*turn, question)).collect(),
            holds_from: question.holds_from,
            holds_until: question.holds_until,
            told: Some(question.clone()),
        };
        let questions = story.questions.iter().map(linked).collect();
        Ok(Self { seed: story.seed, turns, questions, story: Some(story) })
    }

    /// A conversation of a file, with the questions whose evidence is in it and whose answer can be learnt from; and how
    /// many are not so.
    pub fn of_dialogue(dialogue: &Dialogue, seed: u64) -> (Self, usize) {
        let references = dialogue.turns.iter().map(NewTurn::reference);
        let places: HashMap<&str, usize> =
            references.enumerate().filter_map(|(at, reference)| Some((reference?, at))).collect();
        let mut questions = Vec::new();
        for asked in dialogue.questions.iter().filter(|asked| asked.is_answerable()) {
            // Of a conversation that was cut short some evidence may be missing: then it cannot be answered.
            let turns: Option<Vec<usize>> =
                asked.evidence.iter().map(|one| places.get(one.as_str()).copied()).collect();
            let mut turns = turns.unwrap_or_default();
            turns.sort_unstable();
            let Some(holds_from) = turns.last().copied() else { continue };
            // Of what is said after it was asked nothing is known.
            let later = |at| dialogue.turns.iter().position(|turn| turn.time() > at);
            let holds_until = asked.at.and_then(later);
            if holds_until.is_some_and(|until| until <= holds_from) {
                continue;
            }
            let at = dialogue.turns[turns[0]].time();
            let gold: Vec<String> =
                asked.gold.iter().filter_map(|gold| dated(&asked.text, gold, at)).collect();
            if gold.is_empty() {
                continue;
            }
            let text = asked.text.clone();
            questions.push(Linked { text, gold, turns, holds_from, holds_until, told: None });
        }
        let left_out = dialogue.questions.len() - questions.len();
        (Self { seed, turns: dialogue.turns.clone(), questions, story: None }, left_out)
    }

    /// What can be asked after a turn.
    pub fn answerable(&self, turn: usize) -> impl Iterator<Item = &Linked> {
        self.questions.iter().filter(move |question| question.holds_after(turn))
    }

    /// What can be asked after a turn, and whose answer it touches.
    pub fn tied(&self, turn: usize) -> impl Iterator<Item = &Linked> {
        self.answerable(turn).filter(move |question| question.turns.contains(&turn))
    }

    /// At most `count` questions that a turn does not touch and that must stay answerable after it, drawn by seed.
    pub fn earlier(&self, turn: usize, count: usize) -> Vec<&Linked> {
        let mut others: Vec<&Linked> =
            self.answerable(turn).filter(|question| !question.turns.contains(&turn)).collect();
        Rng::with_seed(self.seed ^ ((turn as u64) << 32)).shuffle(&mut others);
        others.truncate(count);
        others
    }

    /// Questions to ask after a turn, if this is one of every `every`-th or the last: all that hold then and were not asked
    /// since their answer last changed.
    pub fn asked_after(&self, turn: usize, every: usize) -> Vec<&Linked> {
        let Some(since) = world::asked_since(turn, every, self.turns.len()) else { return Vec::new() };
        self.answerable(turn).filter(|question| question.holds_from >= since).collect()
    }
}

impl Linked {
    fn holds_after(&self, turn: usize) -> bool {
        self.holds_from <= turn && self.holds_until.is_none_or(|until| turn < until)
    }

    /// What a bank of these texts answers is worth by the world's reader; nothing is known of a question from a file.
    pub fn read_from(&self, texts: &[String]) -> Option<f64> {
        self.told.as_ref().map(|question| world::worth(question, texts))
    }
}

/// An answer to learn from. To "when" that is a date: one that is told by its turn's is written out ("yesterday"), and
/// what is neither is no answer to learn from. "When does" asks for what is done again and again.
pub(super) fn dated(question: &str, gold: &str, at: Timestamp) -> Option<String> {
    let question = question.to_lowercase();
    if !question.starts_with("when") || question.starts_with("when does") {
        return Some(gold.to_owned());
    }
    // Behind words that a turn's day turns into a date the date is written in parentheses.
    let annotated = when::annotate(gold, at);
    if annotated != gold {
        let (_, day) = annotated.rsplit_once('(')?;
        return Some(day.trim_end_matches(')').to_owned());
    }
    (world::names_date(gold) || gold.ends_with(" ago")).then(|| gold.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Split, WorldSettings};
    use keepsake_dialogues::questions::{Layout, read};

    #[test]
    fn a_storys_questions_are_tied_to_the_turns_that_the_story_ties_them_to() {
        let settings = WorldSettings { split: Split::Train, ..WorldSettings::default() };
        let story = Arc::new(Story::new(3, &settings));
        let tale = Tale::of_story(Arc::clone(&story)).unwrap();
        let mut some = 0;
        for turn in 0..tale.turns.len() {
            let tied: Vec<&str> = tale.tied(turn).map(|question| question.text.as_str()).collect();
            let told: Vec<&str> = story.tied(turn).iter().map(|question| question.text.as_str()).collect();
            assert_eq!(tied, told);
            let earlier: Vec<&str> = tale.earlier(turn, 3).iter().map(|one| one.text.as_str()).collect();
            let told: Vec<&str> = story.earlier(turn, 3).iter().map(|one| one.text.as_str()).collect();
            assert_eq!(earlier, told);
            some += tied.len();
        }
        assert!(some > 20);
        // Every question whose answer holds at the end of one of the stretches is asked once in it.
        let asked: usize = (0..tale.turns.len()).map(|turn| tale.asked_after(turn, 12).len()).sum();
        let held = |question: &&Linked| {
            let end = (question.holds_from / 12) * 12 + 11;
            question.holds_after(end)
        };
        assert_eq!(asked, tale.questions.iter().filter(held).count());
    }

    #[test]
    fn a_conversations_questions_wait_for_all_their_evidence() {
        let text = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"I have a dog.","id":"a"}
{"time":"2024-03-02T10:16","speaker":"Tom","text":"Nice.","id":"b"}
{"time":"2024-03-02T10:17","speaker":"Maria","text":"And a cat.","id":"c"}
{"question":"Which pets?","answer":"a dog and a cat","evidence":["c","a"]}
{"question":"Who is Bob?","answer":null}
{"question":"Where?","answer":"here"}
{"question":"Which pet?","answer":"a dog","evidence":["a"],"time":"2024-03-02T10:16"}
{"question":"When did the cat come?","answer":"yesterday","evidence":["c"]}
{"question":"When did the dog come?","answer":"long time no see","evidence":["a"]}"#;
        let mut dialogue = read(text, "f", Layout::Jsonl, None).unwrap().dialogues.remove(0);
        let (tale, left_out) = Tale::of_dialogue(&dialogue, 1);
        assert_eq!((tale.questions.len(), left_out), (3, 3));
        assert_eq!(tale.questions[2].gold, ["1 March 2024"], "what is rewarded is what is imitated");
        dialogue.questions.retain(|asked| !asked.text.starts_with("When"));
        let (tale, _) = Tale::of_dialogue(&dialogue, 1);
        // What was asked before the cat came is asked before it only.
        assert_eq!([0, 1, 2].map(|turn| tale.answerable(turn).count()), [1, 1, 1]);
        dialogue.turns.truncate(2);
        assert_eq!(Tale::of_dialogue(&dialogue, 1).0.questions.len(), 1);
        let tale = Tale { questions: tale.questions[..1].to_vec(), ..tale };
        assert_eq!([0, 1, 2].map(|turn| tale.tied(turn).count()), [0, 0, 1]);
        assert_eq!([0, 1, 2].map(|turn| tale.asked_after(turn, 2).len()), [0, 0, 1]);
        assert!(tale.questions[0].read_from(&[]).is_none());
    }

    #[test]
    fn to_when_a_date_is_learnt_or_nothing() {
        let at: Timestamp = "2024-03-02T10:15".parse().unwrap();
        for (question, gold, learnt) in [
            ("When did Tom move?", "yesterday", Some("1 March 2024")),
            ("When did Tom move?", "2 May 2023", Some("2 May 2023")),
            ("When did Tom move?", "in 2019", Some("in 2019")),
            ("When did Tom move?", "many years ago", Some("many years ago")),
            ("When did Tom move?", "long time no see", None),
            ("When did Tom move?", "when we are 40", None),
            ("When does Tom sing?", "every Tuesday", Some("every Tuesday")),
            ("Where does Tom live?", "in the yellow house", Some("in the yellow house")),
        ] {
            assert_eq!(dated(question, gold, at).as_deref(), learnt, "{question} {gold}");
        }
    }
}
