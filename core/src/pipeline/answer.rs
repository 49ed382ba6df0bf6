//! The read flow: retrieve, distil, answer.
//!
//! A model that was not trained to distil answers from the best hits at once. Nothing is written.
//!
//! Rooms it touches: types, when, config, prompt, model, bank, index, pipeline.

use std::ops::ControlFlow;
use std::time::Instant;

use super::complete;
use super::retrieve::{Hit, Meaning, Retrieved};
use crate::bank::{Bank, BankError};
use crate::config::{Config, Distil};
use crate::embed::EmbedError;
use crate::model::{LanguageModel, ModelError, Request, Role, Sampling, Skill, Stop, Usage};
use crate::prompt;
use crate::prompt::distil::Evidence;
use crate::types::{Cancel, MemoryState, Question, Timestamp, UnitId};
use crate::when;

/// Tokens for a reply of the distil step: five labels.
const DISTIL_TOKENS: usize = 32;
/// Tokens for a reply of the answer step. LoCoMo's gold answers: 78 % have at most six words.
const ANSWER_TOKENS: usize = 48;
/// What label, time and speaker of a line take beside its text, about.
const LINE_TOKENS: usize = 24;

/// An answer with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer; `None` where nothing at all is remembered in this space.
    pub text: Option<String>,
    /// The memories and turns it was given from, the most useful first.
    pub used: Vec<Used>,
    /// How many memories and turns the model read.
    pub considered: usize,
    /// Whether what it rests on was found by meaning, or by words only.
    pub meaning: Meaning,
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

/// Answers from what was retrieved. Pieces of the answer go to `sink` as they come.
pub fn answer(
    bank: &dyn Bank,
    model: &dyn LanguageModel,
    config: &Config,
    question: &Question,
    retrieved: &Retrieved,
    cancel: &Cancel,
    sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Answer, AskError> {
    let started = Instant::now();
    let distils = match config.distil {
        Distil::Trained => model.is_trained_to(Skill::Distil),
        Distil::Always => true,
        Distil::Never => false,
    };
    let budget = if distils { config.distil_tokens.max(config.answer_tokens) } else { config.answer_tokens };
    let read = within_budget(bank, model, &retrieved.hits, budget)?;
    let mut answer = Answer {
        text: None,
        used: Vec::new(),
        considered: read.len(),
        meaning: retrieved.meaning,
        cut_off: false,
        usage: Usage::default(),
        first_token_ms: 0.0,
    };
    if read.is_empty() {
        answer.first_token_ms = milliseconds(started);
        return Ok(answer);
    }
    let mut selected =
        if distils { distil(model, question, &read, &mut answer.usage, cancel)? } else { Vec::new() };
    if selected.is_empty() {
        selected = best_of(&read, config.answer_tokens);
    }

    let evidence: Vec<&Evidence> = selected.iter().map(|piece| &piece.evidence).collect();
    let request = Request {
        role: Role::Answer,
        chat: prompt::answer::chat(question.text(), &evidence),
        grammar: Some(prompt::answer::grammar()),
        max_tokens: ANSWER_TOKENS,
        sampling: Sampling::Greedy,
    };
    let mut first_token_ms = None;
    let completion = complete(model, &request, cancel, &mut |piece| {
        first_token_ms.get_or_insert_with(|| milliseconds(started));
        sink(piece)
    })?;
    answer.text = Some(prompt::answer::parse(&completion.text).map_err(|_| AskError::BadReply("answer"))?);
    answer.used = selected.into_iter().map(Piece::used).collect();
    answer.cut_off = completion.stop == Stop::Length;
    answer.usage += completion.usage;
    answer.first_token_ms = first_token_ms.unwrap_or_else(|| milliseconds(started));
    Ok(answer)
}

/// A hit with what the prompt says of it.
struct Piece {
    unit: UnitId,
    evidence: Evidence,
    /// What it takes of a prompt.
    tokens: usize,
}

impl Piece {
    fn used(&self) -> Used {
        let Evidence { speaker, time, text } = self.evidence.clone();
        Used { unit: self.unit, speaker, time, text }
    }
}

/// The pieces that the model picks, most useful first; none where it says that none helps.
fn distil<'a>(
    model: &dyn LanguageModel,
    question: &Question,
    read: &'a [Piece],
    usage: &mut Usage,
    cancel: &Cancel,
) -> Result<Vec<&'a Piece>, AskError> {
    let evidence: Vec<&Evidence> = read.iter().map(|piece| &piece.evidence).collect();
    let (chat, order) = prompt::distil::chat(question.text(), &evidence);
    let request = Request {
        role: Role::Answer,
        chat,
        grammar: Some(prompt::distil::grammar(order.len())),
        max_tokens: DISTIL_TOKENS,
        sampling: Sampling::Greedy,
    };
    let reply = complete(model, &request, cancel, &mut |_| ControlFlow::Continue(()))?;
    *usage += reply.usage;
    let labels = prompt::distil::parse(&reply.text, order.len()).map_err(|_| AskError::BadReply("distil"))?;
    Ok(labels.into_iter().map(|label| &read[order[label - 1]]).collect())
}

/// The first pieces that fit into `tokens`; at least one.
fn best_of(read: &[Piece], tokens: usize) -> Vec<&Piece> {
    let mut spent = 0;
    read.iter()
        .enumerate()
        .filter(|(at, piece)| {
            let fits = *at == 0 || spent + piece.tokens <= tokens;
            spent += if fits { piece.tokens } else { 0 };
            fits
        })
        .map(|(_, piece)| piece)
        .collect()
}

/// The best hits that fit into `budget` tokens. One too long for what is left is passed over.
fn within_budget(
    bank: &dyn Bank,
    model: &dyn LanguageModel,
    hits: &[Hit],
    budget: usize,
) -> Result<Vec<Piece>, AskError> {
    // Wording, question, labels and reply stay well below a quarter of any context worth having.
    let room = model.context_tokens() * 3 / 4;
    let (mut read, mut spent): (Vec<Piece>, usize) = (Vec::new(), 0);
    for hit in hits {
        let Some(evidence) = evidence_of(bank, hit.unit)? else { continue };
        let tokens = model.count_tokens(&evidence.text).map_err(Some)?.saturating_add(LINE_TOKENS);
        // The best hit is read where there is room at all: better a long prompt than no answer.
        let fits = tokens.saturating_add(spent) <= budget.min(room) || (read.is_empty() && tokens <= room);
        if fits {
            spent += tokens;
            read.push(Piece { unit: hit.unit, evidence, tokens });
        }
    }
    Ok(read)
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
