//! The manager's scenes: one turn, worked from a bank, judged by what can be answered afterwards.
//!
//! A one-step bandit from a common bank (docs/trainer.md): all samples of a scene begin with the same memories, so that
//! their rewards differ by what they did only. Who answers is symbolic, so that no reward is noise, or the answer agent.
//!
//! Rooms it touches: tasks, world, algo; of core: bank, engine, types.

use std::sync::Arc;

use keepsake_core::Engine;
use keepsake_core::bank::{Contents, TurnOutcome};
use keepsake_core::config::{Config, Distil};
use keepsake_core::decision::{Applied, Operation as Did};
use keepsake_core::model::LanguageModel;
use keepsake_core::types::Cancel;
use serde::{Deserialize, Serialize};

use super::answer::{Answered, answered};
use super::banks::Banks;
use super::tale::{Linked, Tale};
use super::{Counted, Draw, Nested, Played, Scene, TaskError, contents, engine_with, failed, texts};
use crate::algo::credit::{Asked, CreditSettings, Operation, manager_credit};
use crate::algo::moments::Moments;
use crate::algo::reward::RewardSettings;
use crate::world::{self, Done, Gold, GoldFact, Story, Teacher};

/// Who answers the questions that a manager is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Judge {
    /// The world's reader, without a model: for stories only.
    #[default]
    Reader,
    /// The answer agent as it is, from memories alone: what turns say it would answer whatever the manager did.
    Agent {
        /// How often it is asked each question: once, or where it learns beside the manager as a group that it learns from.
        #[serde(default = "one")]
        answers: usize,
    },
}

fn one() -> usize {
    1
}

/// How managers are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagerRewards {
    /// Earlier questions, beside those that the turn touches, that must stay answerable.
    pub earlier: usize,
    /// What doing anything and writing cost.
    pub credit: CreditSettings,
    /// What a turn costs that could not be worked: a reply that cannot be used, or facts that are none of the turn's.
    pub failure: f64,
    /// Who answers.
    pub judge: Judge,
    /// How the answer agent's answers are judged.
    pub answers: RewardSettings,
    /// Whether the answer agent picks the memories that it answers from.
    pub distil: Distil,
}

impl Default for ManagerRewards {
    /// A failure costs half of what one answer is worth: a guess; more than any cost of doing something wrong by itself.
    fn default() -> Self {
        Self {
            earlier: 3,
            credit: CreditSettings::default(),
            failure: 0.5,
            judge: Judge::Reader,
            answers: RewardSettings::default(),
            distil: Distil::default(),
        }
    }
}

/// A turn with the bank before it.
pub struct ManagerScene {
    tale: Arc<Tale>,
    turn: usize,
    before: Arc<Contents>,
    /// Whether that is the gold bank, so that gold operations are right.
    is_gold: bool,
    rewards: Arc<ManagerRewards>,
}

/// The scenes of a story from its gold bank, in order, as long as that could be built.
pub fn scenes(
    story: Story,
    config: &Config,
    rewards: &Arc<ManagerRewards>,
) -> Result<Vec<ManagerScene>, TaskError> {
    let (story, teacher) = (Arc::new(story), Arc::new(Teacher::new()));
    let tale = Arc::new(Tale::of_story(Arc::clone(&story)).map_err(|error| failed(&error))?);
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let mut scenes = Vec::with_capacity(story.turns.len());
    let mut before = Arc::new(contents(&engine)?);
    let mut broken = None;
    world::teach(&story, 0..story.turns.len(), &teacher, &engine, &mut |turn, _| {
        // A memory that was not shown cannot be named: no reply was right, and what follows is not gold.
        if teacher.missed() > 0 || broken.is_some() {
            return;
        }
        let (tale, before_turn, rewards) = (Arc::clone(&tale), Arc::clone(&before), Arc::clone(rewards));
        scenes.push(ManagerScene { tale, turn, before: before_turn, is_gold: true, rewards });
        match contents(&engine) {
            Ok(now) => before = Arc::new(now),
            Err(error) => broken = Some(error),
        }
    })?;
    broken.map_or(Ok(scenes), Err)
}

/// The scenes of a tale from banks that a manager built; turns after which nothing can be asked are none.
pub fn scenes_on(tale: &Arc<Tale>, banks: &Banks, rewards: &Arc<ManagerRewards>) -> Vec<ManagerScene> {
    let scene = |turn: usize| {
        let before = Arc::clone(banks.before(turn)?);
        let (tale, rewards) = (Arc::clone(tale), Arc::clone(rewards));
        Some(ManagerScene { tale, turn, before, is_gold: false, rewards })
    };
    (0..tale.turns.len()).filter(|turn| tale.tied(*turn).next().is_some()).filter_map(scene).collect()
}

impl ManagerScene {
    /// The questions that the turn touches, and some that must stay answerable.
    fn questions(&self) -> Vec<&Linked> {
        let mut questions: Vec<&Linked> = self.tale.tied(self.turn).collect();
        questions.extend(self.tale.earlier(self.turn, self.rewards.earlier));
        questions
    }

    /// Counts what was done against gold.
    fn compare(&self, story: &Story, engine: &Engine, applied: &[Applied], played: &mut Played) {
        for (fact, done) in world::pair(&story.turns[self.turn], applied) {
            let text_before = |one: &Applied| {
                let history = engine.history(one.memory?).ok()?;
                history.iter().rev().nth(1).map(|memory| memory.text.clone())
            };
            let done = done.map(|applied| Done::new(applied, text_before));
            let old = fact.memory.and_then(|number| {
                let bank = &story.turns[self.turn.checked_sub(1)?].bank;
                bank.iter().find(|memory| memory.number == number).map(|memory| memory.text.as_str())
            });
            played.operations.count(&fact.gold, old, done.as_ref());
        }
    }

    /// What the answers to the questions are worth, and the answer agent's draws.
    fn ask(
        &self,
        engine: &Engine,
        calls: &Counted,
        before: &[String],
        after: &[String],
    ) -> Result<(Vec<Asked>, Vec<Nested>), TaskError> {
        let Judge::Agent { answers } = self.rewards.judge else {
            let asked = |question: &Linked| Asked {
                after: question.read_from(after),
                noop: question.read_from(before),
            };
            return Ok((self.questions().into_iter().map(asked).collect(), Vec::new()));
        };
        let (mut asked, mut nested) = (Vec::new(), Vec::new());
        for question in self.questions() {
            let mut draws = Vec::with_capacity(answers);
            for _ in 0..answers.max(1) {
                let first = calls.count();
                let Answered { reward, .. } =
                    answered(engine, &question.text, &question.gold, &self.rewards.answers)?;
                draws.push(Draw { reward: reward.total, calls: first..calls.count() });
            }
            let scored: Vec<f64> = draws.iter().filter_map(|draw| draw.reward).collect();
            let mean = (!scored.is_empty()).then(|| scored.iter().sum::<f64>() / scored.len() as f64);
            // What NOOP would have earned is the same for all samples of a scene: comparing them takes it off, and of PPO
            // the critic does.
            asked.push(Asked { after: mean, noop: mean.map(|_| 0.0) });
            nested.push(Nested { draws });
        }
        Ok((asked, nested))
    }
}

impl Scene for ManagerScene {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let calls = Arc::new(Counted::new(model));
        // What turns say the agent would answer whatever the manager did.
        let answers_from_turns = self.rewards.judge == Judge::Reader;
        let config = Config { answers_from_turns, distil: self.rewards.distil, ..Config::default() };
        let engine = engine_with(&self.before, Arc::clone(&calls) as Arc<dyn LanguageModel>, config)?;
        let before = texts(&engine)?;
        let turn = self.tale.turns[self.turn].clone();
        let outcome = engine.remember(turn, &Cancel::new()).map_err(|error| failed(&error))?.outcome;
        let after = texts(&engine)?;
        let (asked, answers) = self.ask(&engine, &calls, &before, &after)?;
        let touched = asked.iter().take(self.tale.tied(self.turn).count()).filter_map(|asked| asked.after);
        let touched: Moments = touched.collect();
        let credited =
            credited(&outcome, (&before, &after), asked, &self.rewards.credit, self.rewards.failure);
        let mut played = Played { answers, said: said(&outcome), ..Played::default() };
        if let Some((reward, parts)) = credited {
            played.reward = Some(reward);
            let known = |(name, _): &(String, f64)| name != BASELINE || self.rewards.judge == Judge::Reader;
            played.parts = parts.into_iter().filter(known).collect();
            played.parts.extend(touched.mean().map(|mean| ("touched".to_owned(), mean)));
        }
        if let Some(story) = self.tale.story.as_ref().filter(|_| self.is_gold) {
            self.compare(story, &engine, applied(&outcome), &mut played);
        }
        Ok(played)
    }

    fn about(&self) -> String {
        let turn = &self.tale.turns[self.turn];
        format!("{}: {}", turn.speaker(), turn.text().replace('\n', " "))
    }

    fn gold(&self) -> String {
        let Some(story) = self.tale.story.as_ref().filter(|_| self.is_gold) else { return String::new() };
        let line = |fact: &GoldFact| {
            let text = if let Gold::Update { text, .. } = &fact.gold { text } else { &fact.text };
            format!("{:?} ({:?}): {text}", world::operation(&fact.gold), fact.act)
        };
        listed(story.turns[self.turn].facts.iter().map(line))
    }
}

/// The part of a reward that says what NOOP would have earned.
const BASELINE: &str = "answers_if_noop";

fn applied(outcome: &TurnOutcome) -> &[Applied] {
    match outcome {
        TurnOutcome::Done(applied) => applied,
        _ => &[],
    }
}

/// What was done, in a line.
fn said(outcome: &TurnOutcome) -> String {
    let line = |one: &Applied| format!("{:?}: {}", one.operation, one.text.as_deref().unwrap_or(&one.fact));
    match outcome {
        TurnOutcome::Failed { step, reason } => format!("failed: {} {}", step.as_str(), reason.as_str()),
        _ => listed(applied(outcome).iter().map(line)),
    }
}

fn listed(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { NONE.to_owned() } else { lines.join(" | ") }
}

/// What is done about a turn that tells nothing, and what gold is there.
pub const NONE: &str = "none";

/// How many tokens were written into a bank: of texts that were not there, the words that stand in no text which they came
/// in the place of. A token is about four bytes.
fn written(before: &[String], after: &[String]) -> usize {
    let (mut gone, mut new) = (before.to_vec(), Vec::new());
    for text in after {
        match gone.iter().position(|known| known == text) {
            Some(at) => drop(gone.swap_remove(at)),
            None => new.push(text),
        }
    }
    let mut known: Vec<&str> = gone.iter().flat_map(|text| text.split_whitespace()).collect();
    let mut bytes = 0;
    for word in new.iter().flat_map(|text| text.split_whitespace()) {
        match known.iter().position(|other| *other == word) {
            Some(at) => drop(known.swap_remove(at)),
            None => bytes += word.len() + 1,
        }
    }
    // Writing what was there in other order is writing.
    bytes.div_ceil(4).max(usize::from(!new.is_empty()))
}

/// The reward of a turn that was worked, and its parts; from the texts of the bank before and after it, and what was
/// asked. `None` where nothing can be scored.
pub(crate) fn credited(
    outcome: &TurnOutcome,
    (before, after): (&[String], &[String]),
    mut asked: Vec<Asked>,
    settings: &CreditSettings,
    failure: f64,
) -> Option<(f64, Vec<(String, f64)>)> {
    if asked.is_empty() {
        // A story's first turns may have nothing to ask: then only costs count.
        asked.push(Asked { after: Some(0.0), noop: Some(0.0) });
    }
    let noop = applied(outcome).iter().all(|one| one.operation == Did::Noop);
    let corrected =
        applied(outcome).iter().any(|one| one.decided.is_some_and(|decided| decided != one.operation));
    let operation = Operation { asked: &asked, noop, written: written(before, after), corrected };
    let credit = manager_credit(&operation, settings)?;
    let is_failure = !matches!(outcome, TurnOutcome::Done(_));
    let parts = vec![
        ("answers".to_owned(), credit.answers),
        (BASELINE.to_owned(), credit.baseline),
        ("failed".to_owned(), f64::from(u8::from(is_failure))),
    ];
    Some((credit.total - if is_failure { failure } else { 0.0 }, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(before: &[&str], after: &[&str]) -> usize {
        let texts = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        written(&texts(before), &texts(after))
    }

    #[test]
    fn what_is_written_is_what_no_replaced_text_said() {
        let (dog, tea) = ("Maria has a dog.", "Maria likes tea.");
        assert_eq!(tokens(&[dog, tea], &[tea, dog]), 0);
        // DELETE, ADD, ADD of what is there, and UPDATE: "brown ", 6 bytes.
        assert_eq!(tokens(&[dog, tea], &[tea]), 0);
        assert_eq!(tokens(&[dog], &[dog, tea]), 5);
        assert_eq!(tokens(&[dog], &[dog, dog]), 5);
        assert_eq!(tokens(&[dog, tea], &["Maria has a brown dog.", tea]), 2);
        assert_eq!(tokens(&[dog], &["a dog. Maria has"]), 1);
    }
}
