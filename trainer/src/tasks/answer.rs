//! The answer agent's scenes: a question asked of a bank, judged by its answer.
//!
//! Rooms it touches: tasks, world, algo; of core: bank, engine, types.

use std::collections::BTreeMap;
use std::sync::Arc;

use keepsake_core::AskError;
use keepsake_core::bank::Contents;
use keepsake_core::config::Config;
use keepsake_core::model::LanguageModel;
use keepsake_core::types::{Cancel, Question as Asking, SpaceId};
use std::ops::ControlFlow;

use super::{Played, Scene, TaskError, contents, engine_with};
use crate::algo::reward::{Outcome, RewardSettings, reward};
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

/// Questions asked of a story's bank at several moments: after every `every`-th turn, all that hold then and were not
/// asked since their answer last changed.
pub fn scenes(
    story: &Story,
    config: &Config,
    rewards: &Arc<RewardSettings>,
    every: usize,
) -> Result<Vec<AnswerScene>, TaskError> {
    let teacher = Arc::new(Teacher::new());
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let (mut scenes, mut failed) = (Vec::new(), None);
    world::teach(story, 0..story.turns.len(), &teacher, &engine, &mut |turn, _| {
        let asks = (turn + 1).is_multiple_of(every.max(1)) || turn + 1 == story.turns.len();
        if !asks || teacher.missed() > 0 || failed.is_some() {
            return;
        }
        let since = (turn + 1).saturating_sub(every.max(1));
        match contents(&engine) {
            Ok(bank) => {
                let bank = Arc::new(bank);
                let fresh = story.answerable(turn).filter(|question| question.holds_from >= since);
                scenes.extend(fresh.map(|question| AnswerScene {
                    bank: Arc::clone(&bank),
                    question: question.text.clone(),
                    gold: vec![question.answer.clone()],
                    rewards: Arc::clone(rewards),
                    config: config.clone(),
                }));
            }
            Err(error) => failed = Some(error),
        }
    })?;
    failed.map_or(Ok(scenes), Err)
}

impl Scene for AnswerScene {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let failed = |error: &dyn std::fmt::Display| TaskError::Pipeline(error.to_string());
        let engine = engine_with(&self.bank, model, self.config.clone())?;
        let asking = Asking::new(SpaceId::default(), &self.question).map_err(|error| failed(&error))?;
        let answered = engine.ask(&asking, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
        let (text, tokens, well_formed) = match answered {
            Ok(answer) => (answer.text, answer.usage.generated_tokens as u32, !answer.cut_off),
            Err(AskError::BadReply(_)) => (None, 0, false),
            Err(error) => return Err(failed(&error)),
        };
        let gold: Vec<&str> = self.gold.iter().map(String::as_str).collect();
        let outcome = Outcome {
            answer: text.as_deref(),
            gold: &gold,
            well_formed,
            tokens,
            judge: None,
            external: &BTreeMap::new(),
        };
        let found = reward(&outcome, &self.rewards);
        let parts = found.parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let said = text.clone().unwrap_or_default();
        Ok(Played { reward: found.total, parts, said, ..Played::default() })
    }

    fn about(&self) -> String {
        format!("{} ({})", self.question, self.gold.join(" / "))
    }
}
