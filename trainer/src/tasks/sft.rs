//! Samples to imitate: what core's pipeline asked, and the gold reply, token by token as the device would write it.
//!
//! Rooms it touches: tasks, world, engine; of core: bank, engine, model, prompt, when; dialogues.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use keepsake_core::Engine;
use keepsake_core::bank::MemoryBank;
use keepsake_core::config::Config;
use keepsake_core::model::{ModelError, Request, Role, Tokenizer};
use keepsake_core::prompt::one_line;
use keepsake_core::types::{Cancel, NewTurn, Question as Asking, SpaceId, Timestamp};
use keepsake_core::when;
use keepsake_dialogues::questions::{Asked, Dialogue};

use super::tale::dated;
use super::{TaskError, failed, setup};
use crate::engine::{Branch, Choice, Tree};
use crate::world::{self, Lesson, Sample, Story, Teacher, UNKNOWN};

/// The samples that a story gives: every call of the manager, and the answer agent's to questions asked after every
/// `every`-th turn.
pub fn samples(story: &Story, config: &Config, every: usize) -> Result<Vec<Sample>, TaskError> {
    let teacher = Arc::new(Teacher::new());
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let (mut samples, mut failed) = (Vec::new(), None);
    world::teach(story, 0..story.turns.len(), &teacher, &engine, &mut |turn, _| {
        samples.extend(teacher.samples());
        let since = world::asked_since(turn, every, story.turns.len());
        let Some(since) = since.filter(|_| teacher.missed() == 0) else { return };
        for question in story.answerable(turn).filter(|question| question.holds_from >= since) {
            teacher.give(Lesson::question(story, question, turn));
            let Ok(asking) = Asking::new(SpaceId::default(), &question.text) else { continue };
            match engine.ask(&asking, &Cancel::new(), &mut |_| ControlFlow::Continue(())) {
                Ok(_) => samples.extend(teacher.samples()),
                Err(error) => failed = Some(TaskError::Pipeline(error.to_string())),
            }
        }
    })?;
    failed.map_or(Ok(samples), Err)
}

/// Words of the longest gold answer that is imitated: the answer step asks for at most so many.
const MOST_WORDS: usize = 6;
/// For so many questions of conversations one of another conversation is asked, whose answer is not known here.
const FOR_ONE_UNTOLD: usize = 24;
/// Seconds.
const DAY: i64 = 86_400;

/// The answer agent's samples from conversations: their questions, asked of the turns alone after the last one.
pub fn of_dialogues(dialogues: &[Dialogue], config: &Config) -> Result<Vec<Sample>, TaskError> {
    let (mut samples, mut asked_so_far) = (Vec::new(), 0);
    for (nth, dialogue) in dialogues.iter().enumerate() {
        let teacher = Arc::new(Teacher::new());
        let last = dialogue.turns.last().map_or(Timestamp::from_seconds(0), NewTurn::time);
        let setup = setup(Arc::clone(&teacher) as Arc<_>, config.clone(), last);
        let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup);
        for turn in &dialogue.turns {
            engine.append(turn.clone()).map_err(|error| failed(&error))?;
        }
        let said: HashMap<&str, &NewTurn> =
            dialogue.turns.iter().filter_map(|turn| Some((turn.reference()?, turn))).collect();
        let mut ask = |asked: &Asked, lesson: Lesson| -> Result<(), TaskError> {
            teacher.give(lesson);
            let asking = Asking::new(SpaceId::default(), &asked.text).map_err(|error| failed(&error))?;
            engine
                .ask(&asking, &Cancel::new(), &mut |_| ControlFlow::Continue(()))
                .map_err(|error| failed(&error))?;
            samples.extend(teacher.samples());
            Ok(())
        };
        // What is asked before the last turn has another answer, and long after it another "yesterday".
        let in_time =
            |asked: &&Asked| asked.at.is_none_or(|at| at >= last && at.seconds() - last.seconds() < DAY);
        for asked in dialogue.questions.iter().filter(in_time) {
            asked_so_far += 1;
            // Nothing is known of an answer whose turns are not all there.
            let turns: Option<Vec<&&NewTurn>> =
                asked.evidence.iter().map(|one| said.get(one.as_str())).collect();
            let turns = turns.filter(|turns| !turns.is_empty());
            let at = turns.as_ref().map_or(last, |turns| turns[0].time());
            let answers = asked.gold.iter().filter_map(|gold| dated(&asked.text, gold, at));
            let short = answers.filter(|gold| gold.split_whitespace().count() <= MOST_WORDS);
            let answer = short.min_by_key(String::len);
            if let (Some(turns), Some(answer)) = (turns, answer) {
                let turns = turns.into_iter().map(|turn| one_line(&when::annotate(turn.text(), turn.time())));
                ask(asked, Lesson::Question { answer, memories: Vec::new(), turns: turns.collect() })?;
            }
        }
        // Far from this one in the file. Where its answer is said too, it may be the answer here.
        let other = &dialogues[(nth + dialogues.len() / 2) % dialogues.len()];
        let unsaid = |asked: &&Asked| {
            asked.is_answerable()
                && !asked
                    .gold
                    .iter()
                    .any(|gold| dialogue.turns.iter().any(|turn| turn.text().contains(gold.as_str())))
        };
        if dialogues.len() > 1
            && asked_so_far >= FOR_ONE_UNTOLD
            && let Some(asked) = other.questions.iter().find(unsaid)
        {
            asked_so_far -= FOR_ONE_UNTOLD;
            let answer = UNKNOWN.to_owned();
            ask(asked, Lesson::Question { answer, memories: Vec::new(), turns: Vec::new() })?;
        }
    }
    Ok(samples)
}

/// A request with its gold reply as the device would read and write them: forced text is no choice, and every choice is
/// among what the grammar allows. `None` where the reply does not follow the grammar or does not fit into `most` tokens.
pub fn tree(tokenizer: &Tokenizer, sample: &Sample, most: usize) -> Result<Option<Tree>, ModelError> {
    let Request { chat, grammar, max_tokens, .. } = &sample.request;
    let prompt = tokenizer.prompt(chat);
    if prompt.len() + max_tokens > most {
        return Ok(None);
    }
    let mut writing = tokenizer.writing(grammar.as_deref())?;
    let mut branch = Branch::default();
    let mut left = sample.reply.as_bytes();
    loop {
        for token in writing.forced()? {
            let Some(rest) = left.strip_prefix(tokenizer.bytes(token).as_slice()) else { return Ok(None) };
            left = rest;
            branch.tokens.push(token);
            branch.choices.push(Choice::Forced);
        }
        if left.is_empty() && writing.is_over() {
            break;
        }
        let allowed: Arc<[u32]> = writing.allowed()?.into();
        let may =
            |token: i32| allowed.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1);
        if left.is_empty() {
            if !may(tokenizer.end()) {
                return Ok(None);
            }
            branch.tokens.push(tokenizer.end());
            branch.choices.push(Choice::Among(allowed));
            break;
        }
        let Ok(text) = std::str::from_utf8(left) else { return Ok(None) };
        let Some(token) = tokenizer.content(text).first().copied().filter(|token| may(*token)) else {
            return Ok(None);
        };
        let Some(rest) = left.strip_prefix(tokenizer.bytes(token).as_slice()) else { return Ok(None) };
        left = rest;
        writing.take(token)?;
        branch.tokens.push(token);
        branch.choices.push(Choice::Among(allowed));
    }
    let fits = branch.tokens.len() <= *max_tokens;
    Ok(fits.then(|| Tree { prompt, branches: vec![branch] }))
}

/// The samples of one agent.
pub fn of_role(samples: Vec<Sample>, role: Role) -> Vec<Sample> {
    samples.into_iter().filter(|sample| sample.request.role == role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_core::config::Distil;
    use keepsake_dialogues::questions::{Layout, read};

    /// Conversations in which each asks where somebody lives; and what is asked of them at another time.
    fn dialogues(count: usize) -> Vec<Dialogue> {
        let text = |nth: usize| {
            format!(
                r#"{{"time":"2024-03-02T10:15","speaker":"Maria","text":"I live in Town{nth}.","id":"a"}}
{{"time":"2024-03-09T10:15","speaker":"Tom","text":"Nice.","id":"b"}}
{{"question":"Where does Maria live?","answer":["Town{nth}","Maria said that she lives in Town{nth} with a dog"],"evidence":["a"]}}
{{"question":"Where did Maria live then?","answer":"Town{nth}","evidence":["a"],"time":"2024-03-03T10:15"}}
{{"question":"Who else?","answer":"nobody at all that anybody has ever heard of","evidence":["a"]}}
{{"question":"What is missing?","answer":"Town{nth}","evidence":["z"]}}"#
            )
        };
        (0..count)
            .map(|nth| read(&text(nth), "f", Layout::Jsonl, None).unwrap().dialogues.remove(0))
            .collect()
    }

    #[test]
    fn what_is_short_told_and_asked_in_time_is_imitated_and_sometimes_what_nobody_told() {
        let config = Config { distil: Distil::Never, ..Config::default() };
        let samples = of_dialogues(&dialogues(2 * FOR_ONE_UNTOLD), &config).unwrap();
        let (unknown, known): (Vec<&Sample>, Vec<&Sample>) =
            samples.iter().partition(|sample| sample.reply.contains(UNKNOWN));
        assert_eq!(known.len(), 2 * FOR_ONE_UNTOLD, "one of each");
        assert!(known.iter().all(|sample| sample.request.chat.user.contains("Where does Maria live?")));
        assert_eq!(known[3].reply, " Town3");
        // Three questions of each count: two are asked in time and have evidence or none.
        assert!((2..=8).contains(&unknown.len()), "{}", unknown.len());
        assert!(
            of_dialogues(&dialogues(1), &config)
                .unwrap()
                .iter()
                .all(|sample| !sample.reply.contains(UNKNOWN))
        );
    }
}
