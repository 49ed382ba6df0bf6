//! Rows out of a story: every call that core's pipeline makes while the teacher works it.
//!
//! Rooms it touches: verl, world; of core: config, engine, types.

use std::ops::ControlFlow;
use std::sync::Arc;

use keepsake_core::Engine;
use keepsake_core::config::Config;
use keepsake_core::types::{Cancel, Question as Asking, SpaceId};

use super::scene::{AnswerScene, Asked, ManagerScene, Rewards, Scene, StoryKey, Told};
use super::{Sample, VerlError};
use crate::algo::reward::RewardSettings;
use crate::world::{self, Lesson, Story, Teacher, WorldSettings};

/// What rows are made of a story, and how they are judged.
#[derive(Debug, Clone)]
pub struct Made {
    /// Questions are asked after every so many turns.
    pub every: usize,
    /// Earlier questions, beside those that a turn touches, that must stay answerable.
    pub earlier: usize,
    /// How managers are judged.
    pub manager: Rewards,
    /// How answers are judged.
    pub answer: RewardSettings,
}

impl Default for Made {
    /// As scenes of the trainer's own runs are made.
    fn default() -> Self {
        Self { every: 6, earlier: 3, manager: Rewards::default(), answer: RewardSettings::default() }
    }
}

/// The rows of a story, in order, as long as its bank is gold.
pub fn samples(
    seed: u64,
    settings: &WorldSettings,
    config: &Config,
    made: &Made,
) -> Result<Vec<Sample>, VerlError> {
    let story = Story::new(seed, settings);
    let key = StoryKey::new(seed, settings);
    let teacher = Arc::new(Teacher::new());
    let engine = world::engine(Arc::clone(&teacher), config.clone());
    let mut samples = Vec::new();
    for at in 0..story.turns.len() {
        let bank = bank(&engine)?;
        teacher.samples();
        world::teach(&story, at..at + 1, &teacher, &engine, &mut |_, _| {})?;
        // A memory that was not shown cannot be named: no reply was right, and what follows is not gold.
        if teacher.missed() > 0 {
            break;
        }
        let asked = asked(&story, at, made.earlier);
        for (call, sample) in teacher.samples().into_iter().enumerate() {
            let turn = Told::new(&story.turns[at], at);
            let (bank, asked, rewards) = (bank.clone(), asked.clone(), made.manager);
            let scene = ManagerScene { bank, turn, call, asked, story: key.clone(), rewards };
            samples.push(Sample {
                chat: sample.request.chat,
                gold: sample.reply,
                scene: Scene::Manager(Box::new(scene)),
            });
        }
        if let Some(since) = world::asked_since(at, made.every, story.turns.len()) {
            samples.extend(answers(&story, (at, since), &teacher, &engine, made)?);
        }
    }
    Ok(samples)
}

/// The questions that hold after a turn and were not asked since their answer last changed.
fn answers(
    story: &Story,
    (turn, since): (usize, usize),
    teacher: &Teacher,
    engine: &Engine,
    made: &Made,
) -> Result<Vec<Sample>, VerlError> {
    let pipeline = |error: &dyn std::fmt::Display| VerlError::Pipeline(error.to_string());
    let mut samples = Vec::new();
    for question in story.answerable(turn).filter(|question| question.holds_from >= since) {
        teacher.give(Lesson::question(story, question, turn));
        let asking = Asking::new(SpaceId::default(), &question.text).map_err(|error| pipeline(&error))?;
        engine
            .ask(&asking, &Cancel::new(), &mut |_| ControlFlow::Continue(()))
            .map_err(|error| pipeline(&error))?;
        let calls = teacher.samples();
        // The last call is the answer; without what it is answered from there is nothing to learn.
        let answer = calls.into_iter().last().filter(|call| call.reply.trim_start() == question.answer);
        let Some(last) = answer else { continue };
        let scene = AnswerScene {
            question: question.text.clone(),
            gold: vec![question.answer.clone()],
            start: last.request.chat.reply_start.clone(),
            rewards: made.answer.clone(),
        };
        samples.push(Sample { chat: last.request.chat, gold: last.reply, scene: Scene::Answer(scene) });
    }
    Ok(samples)
}

fn asked(story: &Story, turn: usize, earlier: usize) -> Vec<Asked> {
    let mut questions = story.tied(turn);
    questions.extend(story.earlier(turn, earlier));
    let asked =
        |question: &world::Question| Asked { question: question.text.clone(), gold: question.answer.clone() };
    questions.into_iter().map(asked).collect()
}

/// What an engine holds, as core exports it.
fn bank(engine: &Engine) -> Result<String, VerlError> {
    let mut bytes = Vec::new();
    engine.export(&[], &mut bytes).map_err(|error| VerlError::Pipeline(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| VerlError::Pipeline(error.to_string()))
}
