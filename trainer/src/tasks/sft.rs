//! Samples to imitate: what core's pipeline asked, and the gold reply, token by token as the device would write it.
//!
//! Rooms it touches: tasks, world, engine; of core: model.

use std::sync::Arc;

use keepsake_core::config::Config;
use keepsake_core::model::{ModelError, Request, Role, Tokenizer};
use keepsake_core::types::{Cancel, Question as Asking, SpaceId};
use std::ops::ControlFlow;

use super::TaskError;
use crate::engine::{Branch, Choice, Tree};
use crate::world::{self, Lesson, Sample, Story, Teacher};

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
