//! The read flow: retrieve, distil, answer.
//!
//! Both steps are one chat that goes on, so that the prompt is read once. Nothing is written.
//!
//! Rooms it touches: types, when, config, prompt, model, bank, index, pipeline.

use std::ops::ControlFlow;
use std::time::Instant;

use super::complete;
use super::retrieve::Hit;
use crate::bank::{Bank, BankError};
use crate::config::Config;
use crate::embed::EmbedError;
use crate::model::{LanguageModel, ModelError, Request, Role, Sampling, Stop, Usage};
use crate::prompt::distil::Evidence;
use crate::prompt::{answer, distil};
use crate::types::{Cancel, MemoryState, Question, Timestamp, UnitId};
use crate::when;

/// Tokens for a reply of the distil step: five labels.
const DISTIL_TOKENS: usize = 32;
/// Tokens for a reply of the answer step. LoCoMo's gold answers: 78 % have at most six words.
const ANSWER_TOKENS: usize = 48;

/// An answer with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer; `None` where nothing at all is remembered in this space.
    pub text: Option<String>,
    /// The memories and turns it was distilled from, in the model's order.
    pub used: Vec<Used>,
    /// How many memories and turns the model read.
    pub considered: usize,
    /// Whether the answer ran into its token limit.
    pub cut_off: bool,
    /// What it cost.
    pub usage: Usage,
    /// From the call to the first piece of the answer, milliseconds.
    pub first_token_ms: f64,
}

/// A memory or turn behind an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Used {
    /// Which.
    pub unit: UnitId,
    /// Who said it.
    pub speaker: String,
    /// When.
    pub time: Timestamp,
    /// The words.
    pub text: String,
}

/// Why there is no answer. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It was stopped.
    #[error("stopped before there was an answer")]
    Cancelled,
    /// No model was given to the engine.
    #[error("there is no language model to answer: open the engine with one, or use search")]
    NoModel,
    /// The model's reply did not follow the format.
    #[error("the model's reply in the {0} step could not be read: ask again, or use another model")]
    BadReply(&'static str),
    /// The question alone does not fit into the model's context.
    #[error("the question is too long for the model: it has room for {room} tokens")]
    TooLong {
        /// Tokens a prompt may have.
        room: usize,
    },
    /// The model failed.
    #[error(transparent)]
    Model(ModelError),
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}

impl From<Option<ModelError>> for AskError {
    fn from(error: Option<ModelError>) -> Self {
        match error {
            None => Self::Cancelled,
            Some(ModelError::PromptTooLong { room, .. }) => Self::TooLong { room },
            Some(error) => Self::Model(error),
        }
    }
}

/// Answers from these hits, best first. Pieces of the answer go to `sink` as they come.
pub fn answer(
    bank: &dyn Bank,
    model: &dyn LanguageModel,
    config: &Config,
    question: &Question,
    hits: &[Hit],
    cancel: &Cancel,
    sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Answer, AskError> {
    let started = Instant::now();
    let (units, evidence) = within_budget(bank, model, config, hits)?;
    let mut usage = Usage::default();
    if evidence.is_empty() {
        let first_token_ms = milliseconds(started);
        return Ok(Answer {
            text: None,
            used: Vec::new(),
            considered: 0,
            cut_off: false,
            usage,
            first_token_ms,
        });
    }
    let (chat, order) = distil::chat(question.text(), &evidence);
    let request = Request {
        role: Role::Answer,
        chat,
        grammar: Some(distil::grammar(order.len())),
        max_tokens: DISTIL_TOKENS,
        sampling: Sampling::Greedy,
    };
    let distilled = complete(model, &request, cancel, &mut |_| ControlFlow::Continue(()))?;
    usage += distilled.usage;
    let labels = distil::parse(&distilled.text, order.len()).map_err(|_| AskError::BadReply("distil"))?;
    let selected: Vec<(usize, &Evidence)> =
        labels.iter().map(|&label| (label, &evidence[order[label - 1]])).collect();

    let request = Request {
        chat: answer::chat(request.chat, &selected),
        grammar: Some(answer::grammar()),
        max_tokens: ANSWER_TOKENS,
        ..request
    };
    let mut first_token_ms = None;
    let completion = complete(model, &request, cancel, &mut |piece| {
        first_token_ms.get_or_insert_with(|| milliseconds(started));
        sink(piece)
    })?;
    usage += completion.usage;
    let text = answer::parse(&completion.text).map_err(|_| AskError::BadReply("answer"))?;
    let used = selected
        .iter()
        .map(|&(label, piece)| Used {
            unit: units[order[label - 1]],
            speaker: piece.speaker.clone(),
            time: piece.time,
            text: piece.text.clone(),
        })
        .collect();
    Ok(Answer {
        text: Some(text),
        used,
        considered: order.len(),
        cut_off: completion.stop == Stop::Length,
        usage,
        first_token_ms: first_token_ms.unwrap_or_else(|| milliseconds(started)),
    })
}

/// The best hits that fit into the budget of tokens. One too long for what is left is passed over.
fn within_budget(
    bank: &dyn Bank,
    model: &dyn LanguageModel,
    config: &Config,
    hits: &[Hit],
) -> Result<(Vec<UnitId>, Vec<Evidence>), AskError> {
    // Wording, question, labels and reply stay well below a quarter of any context worth having.
    let budget = config.evidence_tokens.min(model.context_tokens() * 3 / 4);
    let (mut units, mut evidence, mut spent) = (Vec::new(), Vec::new(), 0);
    for hit in hits {
        let Some(piece) = evidence_of(bank, hit.unit)? else { continue };
        // Label and time take about 24 tokens more.
        let cost = model.count_tokens(&piece.text).map_err(Some)? + 24;
        if spent + cost <= budget {
            spent += cost;
            units.push(hit.unit);
            evidence.push(piece);
        }
    }
    Ok((units, evidence))
}

/// A unit as the answer agent sees it; `None` where it is gone or no longer holds.
fn evidence_of(bank: &dyn Bank, unit: UnitId) -> Result<Option<Evidence>, BankError> {
    Ok(match unit {
        UnitId::Memory(id) => bank
            .memory(id)?
            .filter(|memory| memory.state == MemoryState::Current)
            .map(|memory| Evidence { speaker: memory.speaker, time: memory.valid_from, text: memory.text }),
        UnitId::Turn(id) => bank.turn(id)?.map(|turn| {
            let mut text = when::annotate(&turn.text, turn.time);
            if let Some(caption) = &turn.image {
                text.push_str(&format!(" [image: {caption}]"));
            }
            Evidence { speaker: turn.speaker, time: turn.time, text }
        }),
    })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
