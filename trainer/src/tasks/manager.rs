//! The manager's scenes: one turn, worked from a bank that is right so far, judged by what can be answered afterwards.
//!
//! A one-step bandit from a common bank (docs/trainer.md): all samples of a scene begin with the same memories, so that
//! their rewards differ by what they did only. The answerer is symbolic, so that no reward is noise.
//!
//! Rooms it touches: tasks, world, algo; of core: bank, engine, types.

use std::sync::Arc;

use keepsake_core::bank::{Contents, TurnOutcome};
use keepsake_core::config::Config;
use keepsake_core::decision::Operation as Did;
use keepsake_core::model::LanguageModel;
use keepsake_core::types::{Cancel, SpaceId};

use super::{Played, Scene, TaskError, contents, engine_with};
use crate::algo::credit::{Asked, CreditSettings, Operation, manager_credit};
use crate::world::{self, Done, GoldTurn, Question, Story, Teacher};

/// How managers are judged.
#[derive(Debug, Clone, Copy)]
pub struct ManagerRewards {
    /// Earlier questions, beside those that the turn touches, that must stay answerable.
    pub earlier: usize,
    /// What doing anything and growth cost.
    pub credit: CreditSettings,
    /// What a turn costs that could not be worked: a reply that cannot be used, or facts that are none of the turn's.
    pub failure: f64,
}

impl Default for ManagerRewards {
    /// A failure costs half of what one answer is worth: a guess; more than any cost of doing something wrong by itself.
    fn default() -> Self {
        Self { earlier: 3, credit: CreditSettings::default(), failure: 0.5 }
    }
}

/// A turn of a story with the bank before it.
pub struct ManagerScene {
    story: Arc<Story>,
    turn: usize,
    before: Arc<Contents>,
    rewards: ManagerRewards,
}

/// The scenes of a story, in order, as long as its bank is gold.
pub fn scenes(
    story: Story,
    config: &Config,
    rewards: ManagerRewards,
) -> Result<Vec<ManagerScene>, TaskError> {
    let (story, teacher) = (Arc::new(story), Arc::new(Teacher::new()));
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let mut scenes = Vec::with_capacity(story.turns.len());
    let mut before = Arc::new(contents(&engine)?);
    let mut failed = None;
    world::teach(&story, 0..story.turns.len(), &teacher, &engine, &mut |turn, _| {
        // A memory that was not shown cannot be named: no reply was right, and what follows is not gold.
        if teacher.missed() > 0 || failed.is_some() {
            return;
        }
        let scene = ManagerScene { story: Arc::clone(&story), turn, before: Arc::clone(&before), rewards };
        scenes.push(scene);
        match contents(&engine) {
            Ok(now) => before = Arc::new(now),
            Err(error) => failed = Some(error),
        }
    })?;
    failed.map_or(Ok(scenes), Err)
}

impl ManagerScene {
    /// The turn.
    pub fn turn(&self) -> &GoldTurn {
        &self.story.turns[self.turn]
    }

    /// The questions that the turn touches, and some that must stay answerable.
    fn questions(&self) -> Vec<&Question> {
        let mut questions = self.story.tied(self.turn);
        questions.extend(self.story.earlier(self.turn, self.rewards.earlier));
        questions
    }

    fn old_texts(&self) -> Vec<&str> {
        self.turn.checked_sub(1).map_or_else(Vec::new, |before| self.story.turns[before].texts())
    }
}

/// What a bank of these texts answers is worth.
fn worth(question: &Question, texts: &[&str]) -> f64 {
    world::answer(question, texts).map_or(0.0, |answer| f64::from(question.credit(&answer)))
}

impl Scene for ManagerScene {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let failed = |error: &dyn std::fmt::Display| TaskError::Pipeline(error.to_string());
        let engine = engine_with(&self.before, model, Config::default())?;
        let turn = self.turn().new_turn().map_err(|error| failed(&error))?;
        let receipt = engine.remember(turn, &Cancel::new()).map_err(|error| failed(&error))?;
        let memories = engine.memories(&SpaceId::default()).map_err(|error| failed(&error))?;
        let after: Vec<&str> = memories.iter().map(|memory| memory.text.as_str()).collect();
        let before = self.old_texts();

        let mut played = Played::default();
        let applied = match &receipt.outcome {
            TurnOutcome::Done(applied) => &applied[..],
            _ => &[],
        };
        let is_failure = !matches!(receipt.outcome, TurnOutcome::Done(_));
        if let TurnOutcome::Failed { step, reason } = &receipt.outcome {
            played.said = format!("failed: {} {}", step.as_str(), reason.as_str());
        }
        for (fact, done) in world::pair(self.turn(), applied) {
            let text_before = |one: &keepsake_core::decision::Applied| {
                let history = engine.history(one.memory?).ok()?;
                history.iter().rev().nth(1).map(|memory| memory.text.clone())
            };
            let done = done.map(|applied| Done::new(applied, text_before));
            let old = fact.memory.and_then(|number| {
                let bank = &self.story.turns[self.turn.checked_sub(1)?].bank;
                bank.iter().find(|memory| memory.number == number).map(|memory| memory.text.as_str())
            });
            played.operations.count(&fact.gold, old, done.as_ref());
        }
        let asked: Vec<Asked> = self
            .questions()
            .into_iter()
            .map(|question| Asked {
                after: Some(worth(question, &after)),
                noop: Some(worth(question, &before)),
            })
            .collect();
        let noop = applied.iter().all(|one| one.operation == Did::Noop);
        let length = |texts: &[&str]| texts.iter().map(|text| text.len()).sum::<usize>() as i64;
        // A token is about four bytes.
        let growth = (length(&after) - length(&before)) / 4;
        // A story's first turns may have nothing to ask: then only costs count.
        let settings = &self.rewards.credit;
        let nothing = [Asked { after: Some(0.0), noop: Some(0.0) }];
        let asked = if asked.is_empty() { &nothing[..] } else { &asked };
        let credit = manager_credit(&Operation { asked, noop, growth }, settings);
        played.reward =
            credit.map(|credit| credit.total - if is_failure { self.rewards.failure } else { 0.0 });
        if let Some(credit) = credit {
            played.parts = vec![
                ("answers".to_owned(), credit.answers),
                ("answers_if_noop".to_owned(), credit.baseline),
                ("failed".to_owned(), f64::from(u8::from(is_failure))),
            ];
        }
        if !is_failure {
            let line = |one: &keepsake_core::decision::Applied| {
                format!("{:?}: {}", one.operation, one.text.as_deref().unwrap_or(&one.fact))
            };
            played.said = if applied.is_empty() {
                "none".to_owned()
            } else {
                applied.iter().map(line).collect::<Vec<_>>().join(" | ")
            };
        }
        Ok(played)
    }

    fn about(&self) -> String {
        format!("{}: {}", self.turn().speaker, self.turn().text.replace('\n', " "))
    }
}
