//! What a reply is judged by, as JSON that stands in a row, and the judging.
//!
//! An answer is compared with gold. A manager's reply is one of the calls of a turn: the turn is replayed
//! from the bank before it through core's pipeline, with the teacher's reply to every other call, and the
//! questions are asked of what the bank says then, by the world's reader. The credit is that of the trainer's
//! own scenes.
//!
//! Rooms it touches: verl, tasks, world, algo; of core: config, model, prompt, transfer, types.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keepsake_core::config::Config;
use keepsake_core::model::{Completion, LanguageModel, ModelError, Request, Role, Skill, Stop, Usage};
use keepsake_core::prompt::answer;
use keepsake_core::transfer;
use keepsake_core::types::Cancel;
use serde::{Deserialize, Serialize};

use crate::algo::credit::{self, CreditSettings};
use crate::algo::reward::{Outcome, RewardSettings, reward};
use crate::tasks::manager::credited;
use crate::tasks::{engine_with, texts};
use crate::world::{self, GoldTurn, Lesson, Question, Split, Story, Teacher, WorldSettings};

/// What a reply is judged by. In a row its kind is the row's role.
#[derive(Debug, Clone, PartialEq)]
pub enum Scene {
    /// A question with its gold answers.
    Answer(AnswerScene),
    /// A call of a turn.
    Manager(Box<ManagerScene>),
}

/// A question with its gold answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerScene {
    /// The words.
    pub question: String,
    /// Answers that are right.
    pub gold: Vec<String>,
    /// What the device gives as the start of a reply; a reply may begin with it, and need not.
    #[serde(default)]
    pub start: String,
    /// How answers are judged; exact match if nothing is said.
    #[serde(default)]
    pub rewards: RewardSettings,
}

/// A call of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerScene {
    /// The bank before the turn, as core exports it.
    pub bank: String,
    /// The turn.
    pub turn: Told,
    /// Which of the turn's calls the reply is to, from 0.
    pub call: usize,
    /// What is asked of the bank afterwards.
    pub asked: Vec<Asked>,
    /// Where the teacher and the reader know from.
    pub story: StoryKey,
    /// How it is judged.
    #[serde(default)]
    pub rewards: Rewards,
}

/// A turn as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Its place in the story, from 0.
    pub at: usize,
    /// Who speaks.
    pub speaker: String,
    /// What is said.
    pub text: String,
    /// When, as core writes moments.
    pub time: String,
}

impl Told {
    pub(super) fn new(turn: &GoldTurn, at: usize) -> Self {
        Self { at, speaker: turn.speaker.clone(), text: turn.text.clone(), time: turn.time.to_string() }
    }
}

/// A question with its gold answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The words.
    pub question: String,
    /// The gold answer.
    pub gold: String,
}

/// What a story is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoryKey {
    /// The seed.
    pub seed: u64,
    /// Whether its wordings are those that are held out.
    pub held: bool,
    /// Sittings.
    pub sessions: usize,
    /// Turns of each.
    pub turns: usize,
}

impl StoryKey {
    pub(super) fn new(seed: u64, settings: &WorldSettings) -> Self {
        let WorldSettings { split, sessions, turns } = *settings;
        Self { seed, held: split == Split::Held, sessions, turns }
    }

    fn story(&self) -> Story {
        let split = if self.held { Split::Held } else { Split::Train };
        Story::new(self.seed, &WorldSettings { split, sessions: self.sessions, turns: self.turns })
    }
}

/// How managers are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rewards {
    /// What doing anything and writing cost.
    pub credit: CreditSettings,
    /// What a turn costs that could not be worked.
    pub failure: f64,
}

impl Default for Rewards {
    /// As in the trainer's own scenes.
    fn default() -> Self {
        Self { credit: CreditSettings::default(), failure: 0.5 }
    }
}

/// What a reply earned.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Judged {
    /// `None` where it cannot be scored.
    pub(super) reward: Option<f64>,
    pub(super) parts: BTreeMap<String, f64>,
}

/// Why a reply was not judged: the row is at fault, not the reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    #[error("the scene is none of this version's (at column {0}): export the rows again")]
    Scene(usize),
    #[error("the world has changed since the rows were exported: export them again")]
    Changed,
    #[error("the turn cannot be replayed: {0}")]
    Replay(String),
}

impl Scene {
    /// Its text in a row.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        match self {
            Self::Answer(scene) => serde_json::to_string(scene),
            Self::Manager(scene) => serde_json::to_string(scene),
        }
    }

    pub(super) fn from_json(role: Role, text: &str) -> Result<Self, JudgeError> {
        match role {
            Role::Answer => serde_json::from_str(text).map(Self::Answer),
            Role::Manager => serde_json::from_str(text).map(Self::Manager),
        }
        // Where, and not what: serde would quote it.
        .map_err(|error| JudgeError::Scene(error.column()))
    }
}

/// Judges replies. Keeps the last story: rows of one stand together.
#[derive(Default)]
pub(super) struct Judge {
    story: Option<(StoryKey, Story)>,
}

impl Judge {
    pub(super) fn judge(&mut self, scene: &Scene, reply: &str) -> Result<Judged, JudgeError> {
        match scene {
            Scene::Answer(scene) => Ok(answered(scene, reply)),
            Scene::Manager(scene) => managed(scene, self.story(&scene.story), reply),
        }
    }

    fn story(&mut self, key: &StoryKey) -> &Story {
        let kept = self.story.take().filter(|(kept, _)| kept == key);
        &self.story.insert(kept.unwrap_or_else(|| (key.clone(), key.story()))).1
    }
}

fn answered(scene: &AnswerScene, reply: &str) -> Judged {
    let said = reply.trim_start();
    let answer = answer::parse(said.strip_prefix(scene.start.as_str()).unwrap_or(said)).ok();
    let gold: Vec<&str> = scene.gold.iter().map(String::as_str).collect();
    let outcome = Outcome {
        answer: answer.as_deref(),
        gold: &gold,
        well_formed: answer.is_some(),
        // verl hands over text; a token is about four bytes.
        tokens: reply.len().div_ceil(4) as u32,
        judge: None,
        external: &BTreeMap::new(),
    };
    let found = reward(&outcome, &scene.rewards);
    let parts = found.parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Judged { reward: found.total, parts }
}

fn managed(scene: &ManagerScene, story: &Story, reply: &str) -> Result<Judged, JudgeError> {
    let broken = |error: &dyn std::fmt::Display| JudgeError::Replay(error.to_string());
    let at = scene.turn.at;
    let turn =
        story.turns.get(at).filter(|turn| Told::new(turn, at) == scene.turn).ok_or(JudgeError::Changed)?;
    let questions: Vec<&Question> = scene.asked.iter().filter_map(|asked| asked.among(story, at)).collect();
    if questions.len() != scene.asked.len() {
        return Err(JudgeError::Changed);
    }
    let teacher = Teacher::new();
    teacher.give(Lesson::turn(story, at));
    let model = Replay { teacher, call: scene.call, reply: reply.to_owned(), calls: AtomicUsize::new(0) };
    let contents = transfer::read(&mut scene.bank.as_bytes()).map_err(|error| broken(&error))?;
    let engine =
        engine_with(&contents, Arc::new(model), Config::default()).map_err(|error| broken(&error))?;
    let before = texts(&engine).map_err(|error| broken(&error))?;
    let new = turn.new_turn().map_err(|error| broken(&error))?;
    let outcome = engine.remember(new, &Cancel::new()).map_err(|error| broken(&error))?.outcome;
    let after = texts(&engine).map_err(|error| broken(&error))?;
    let worth = |question: &Question, texts: &[String]| Some(world::worth(question, texts));
    let asked = questions
        .into_iter()
        .map(|question| credit::Asked { after: worth(question, &after), noop: worth(question, &before) })
        .collect();
    let Rewards { credit, failure } = &scene.rewards;
    let found = credited(&outcome, (&before, &after), asked, credit, *failure);
    Ok(found.map_or_else(Judged::default, |(reward, parts)| Judged {
        reward: Some(reward),
        parts: parts.into_iter().collect(),
    }))
}

impl Asked {
    /// The story's question that this is, as it stands after a turn.
    fn among<'a>(&self, story: &'a Story, turn: usize) -> Option<&'a Question> {
        let is = |question: &&Question| question.text == self.question && question.answer == self.gold;
        story.answerable(turn).find(is)
    }
}

/// A model that says the reply to one call, and what the teacher says to the others.
struct Replay {
    teacher: Teacher,
    call: usize,
    reply: String,
    calls: AtomicUsize,
}

/// What is done with a fact that the policy found and gold does not know.
const UNKNOWN_FACT: &str = "ADD";

impl LanguageModel for Replay {
    fn context_tokens(&self) -> usize {
        self.teacher.context_tokens()
    }

    fn is_trained_to(&self, skill: Skill) -> bool {
        self.teacher.is_trained_to(skill)
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        self.teacher.count_tokens(text)
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let text = if call == self.call {
            self.reply.clone()
        } else {
            match self.teacher.complete(request, cancel, &mut |_| ControlFlow::Continue(())) {
                Ok(completion) => completion.text,
                Err(_) if call > self.call => UNKNOWN_FACT.to_owned(),
                Err(error) => return Err(error),
            }
        };
        let stopped = cancel.is_cancelled() || sink(&text).is_break();
        let stop = if stopped { Stop::Cancelled } else { Stop::EndOfTurn };
        Ok(Completion { text, stop, usage: Usage { calls: 1, ..Usage::default() } })
    }
}
