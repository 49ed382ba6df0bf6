//! The answer agent's scenes: a question asked of a bank, judged by its answer.
//!
//! Rooms it touches: tasks, world, algo; of core: bank, engine, types.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use keepsake_core::bank::Contents;
use keepsake_core::config::Config;
use keepsake_core::model::LanguageModel;
use keepsake_core::types::{Cancel, Question, SpaceId};
use keepsake_core::{AskError, Engine};

use super::banks::Banks;
use super::tale::Tale;
use super::{Played, Scene, TaskError, contents, engine_with, failed};
use crate::algo::reward::{Outcome, Reward, RewardSettings, reward};
use crate::world::{self, Story, Teacher};

/// A question and the bank it is asked of.
pub struct AnswerScene {
    /// The bank.
    pub bank: Arc<Contents>,
    /// The words.
    pub question: String,
    /// Answers that are right.
    pub gold: Vec<String>,
    /// How answers are judged.
    pub rewards: Arc<RewardSettings>,
    /// The engine's settings.
    pub config: Config,
}

/// Questions asked of a story's gold bank at several moments; see [`Tale::asked_after`].
pub fn scenes(
    story: Story,
    config: &Config,
    rewards: &Arc<RewardSettings>,
    every: usize,
) -> Result<Vec<AnswerScene>, TaskError> {
    let (story, teacher) = (Arc::new(story), Arc::new(Teacher::new()));
    let tale = Tale::of_story(Arc::clone(&story)).map_err(|error| failed(&error))?;
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let (mut scenes, mut broken) = (Vec::new(), None);
    world::teach(&story, 0..story.turns.len(), &teacher, &engine, &mut |turn, _| {
        if tale.asked_after(turn, every).is_empty() || teacher.missed() > 0 || broken.is_some() {
            return;
        }
        match contents(&engine) {
            Ok(bank) => scenes.extend(asked(&tale, turn, &Arc::new(bank), config, rewards, every)),
            Err(error) => broken = Some(error),
        }
    })?;
    broken.map_or(Ok(scenes), Err)
}

/// The same of banks that a manager built.
pub fn scenes_on(
    tale: &Tale,
    banks: &Banks,
    config: &Config,
    rewards: &Arc<RewardSettings>,
    every: usize,
) -> Vec<AnswerScene> {
    let after = |turn: usize| Some((turn, banks.before(turn + 1)?));
    let of_turn = |(turn, bank)| asked(tale, turn, bank, config, rewards, every);
    (0..tale.turns.len()).filter_map(after).flat_map(of_turn).collect()
}

fn asked(
    tale: &Tale,
    turn: usize,
    bank: &Arc<Contents>,
    config: &Config,
    rewards: &Arc<RewardSettings>,
    every: usize,
) -> Vec<AnswerScene> {
    let scene = |question: &super::tale::Linked| AnswerScene {
        bank: Arc::clone(bank),
        question: question.text.clone(),
        gold: question.gold.clone(),
        rewards: Arc::clone(rewards),
        config: config.clone(),
    };
    tale.asked_after(turn, every).into_iter().map(scene).collect()
}

/// What the answer agent said, and what it is worth.
pub(super) struct Answered {
    pub(super) text: Option<String>,
    pub(super) reward: Reward,
}

/// Asks a question and judges the answer.
pub(super) fn answered(
    engine: &Engine,
    question: &str,
    gold: &[String],
    rewards: &RewardSettings,
) -> Result<Answered, TaskError> {
    let asking = Question::new(SpaceId::default(), question).map_err(|error| failed(&error))?;
    let said = engine.ask(&asking, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
    let (text, tokens, well_formed) = match said {
        Ok(answer) => (answer.text, answer.usage.generated_tokens as u32, !answer.cut_off),
        Err(AskError::BadReply(_)) => (None, 0, false),
        Err(error) => return Err(failed(&error)),
    };
    let gold: Vec<&str> = gold.iter().map(String::as_str).collect();
    let external = BTreeMap::new();
    let outcome = Outcome {
        answer: text.as_deref(),
        gold: &gold,
        well_formed,
        tokens,
        judge: None,
        external: &external,
    };
    let reward = reward(&outcome, rewards);
    Ok(Answered { text, reward })
}

impl Scene for AnswerScene {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let engine = engine_with(&self.bank, model, self.config.clone())?;
        let Answered { text, reward } = answered(&engine, &self.question, &self.gold, &self.rewards)?;
        let parts = reward.parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(Played { reward: reward.total, parts, said: text.unwrap_or_default(), ..Played::default() })
    }

    fn about(&self) -> String {
        format!("{} ({})", self.question, self.gold())
    }

    fn gold(&self) -> String {
        self.gold.join(" / ")
    }
}
