//! One question, asked of one system: what it said, how long it took, and how much of the evidence it had before it.
//!
//! Rooms it touches: evaluate (material, systems, journal); dialogues; of core: engine, bank, model, prompt, when.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use keepsake_core::bank::Bank;
use keepsake_core::embed::Embedder;
use keepsake_core::model::{Completion, LanguageModel, ModelError, Request, Role, Sampling, Stop, Usage};
use keepsake_core::prompt::answer;
use keepsake_core::prompt::distil::Evidence;
use keepsake_core::types::{Cancel, Question, SpaceId, Timestamp, TurnId, UnitId};
use keepsake_core::{AskError, Engine, Filter, Kind, Search, Setup, when};
use keepsake_dialogues::questions::Asked;

use super::EvaluateError;
use super::journal::Answered;
use super::material::Case;
use super::systems::System;

/// Tokens of an answer, as the engine has them.
const ANSWER_TOKENS: usize = 48;
/// What wording, date and speaker take of a prompt beside the texts, tokens: for the whole, and for each line.
const AROUND_TOKENS: usize = 96;
const LINE_TOKENS: usize = 24;
/// Of a prompt that does not fit after all, so much is cut off before it is tried again.
const CUT: f64 = 0.1;

/// A system with the bank of a conversation.
pub(super) struct Asking<'a> {
    system: System,
    case: &'a Case,
    model: Arc<dyn LanguageModel>,
    /// What time it is.
    now: Arc<AtomicI64>,
    engine: Engine,
    references: HashMap<TurnId, String>,
    /// Of the full context: the turns as prompts show them, newest first, and what each takes, tokens.
    whole: Vec<(Evidence, usize, Option<String>)>,
}

impl<'a> Asking<'a> {
    /// Over a bank.
    pub(super) fn new(
        system: System,
        case: &'a Case,
        bank: Arc<dyn Bank>,
        model: Arc<dyn LanguageModel>,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<Self, EvaluateError> {
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        let setup = Setup {
            embedder,
            model: Some(Arc::clone(&model)),
            ..Setup::new(move || Timestamp::from_seconds(clock.load(Ordering::Relaxed)))
        };
        let engine = Engine::with_bank(bank, setup.with_config(system.config()));
        let turns = engine.turns(&SpaceId::default()).map_err(EvaluateError::pipeline)?;
        let references = turns.iter().filter_map(|turn| Some((turn.id, turn.reference.clone()?))).collect();
        let mut whole = Vec::new();
        if system == System::FullContext {
            for turn in turns.iter().rev() {
                let mut text = when::annotate(&turn.text, turn.time);
                if let Some(caption) = &turn.image {
                    text.push_str(&format!(" [image: {caption}]"));
                }
                let tokens = model.count_tokens(&text).map_err(EvaluateError::pipeline)? + LINE_TOKENS;
                let evidence = Evidence { speaker: turn.speaker.clone(), time: turn.time, text };
                whole.push((evidence, tokens, turn.reference.clone()));
            }
        }
        Ok(Self { system, case, model, now, engine, references, whole })
    }

    /// Asks a question.
    pub(super) fn ask(&self, asked: &Asked) -> Result<Answered, EvaluateError> {
        self.now.store(self.case.asked_at(asked).seconds(), Ordering::Relaxed);
        let mut line = Answered::none(self.system, asked);
        if self.system == System::FullContext {
            self.ask_whole(asked, &mut line)
        } else {
            self.ask_engine(asked, &mut line)
        }?;
        Ok(line)
    }

    fn ask_engine(&self, asked: &Asked, line: &mut Answered) -> Result<(), EvaluateError> {
        let space = SpaceId::default();
        let question = match Question::new(space.clone(), &asked.text) {
            Ok(question) => question,
            Err(error) => {
                line.failed = Some(format!("the question cannot be asked: {error}"));
                return Ok(());
            }
        };
        let config = self.system.config();
        let kind = if config.answers_from_turns { Kind::Any } else { Kind::Memory };
        let search = Search {
            take: config.retrieved,
            filter: Filter { kind, ..Filter::default() },
            ..Search::best(&asked.text, 0)
        };
        let found = self.engine.find(&space, &search).map_err(EvaluateError::pipeline)?.found;
        let mut held = Vec::with_capacity(found.len());
        for one in &found {
            held.push(self.held(one.hit.unit)?);
        }
        let holds = |unit: &[&str], gold: &String| unit.contains(&gold.as_str());
        line.found =
            asked.evidence.iter().map(|gold| held.iter().position(|unit| holds(unit, gold))).collect();

        let started = Instant::now();
        let said = self.engine.ask(&question, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
        line.latency_ms = started.elapsed().as_secs_f64() * 1000.0;
        let mut read: Vec<Vec<&str>> = Vec::new();
        match said {
            Ok(answer) => {
                for used in &answer.used {
                    read.push(self.held(used.unit)?);
                }
                line.tokens = answer.usage.into();
                if answer.text.is_none() {
                    line.nothing = Some("nothing was found for it".to_owned());
                }
                line.text = answer.text;
            }
            Err(AskError::BadReply(step)) => {
                line.nothing = Some(format!("the reply in the {step} step could not be read"));
            }
            Err(AskError::TooLong { .. }) => {
                line.nothing = Some("the question is too long for the model".to_owned());
            }
            Err(error) => line.failed = Some(error.to_string()),
        }
        line.read = asked.evidence.iter().map(|gold| read.iter().any(|unit| holds(unit, gold))).collect();
        Ok(())
    }

    /// The turns that a unit holds: itself, or those that a memory came from.
    fn held(&self, unit: UnitId) -> Result<Vec<&str>, EvaluateError> {
        let turns = match unit {
            UnitId::Turn(id) => vec![id],
            UnitId::Memory(id) => {
                let memory = self.engine.memory(id).map_err(EvaluateError::pipeline)?;
                memory.map(|memory| memory.sources).unwrap_or_default()
            }
        };
        Ok(turns.iter().filter_map(|turn| self.references.get(turn)).map(String::as_str).collect())
    }

    /// All turns, the newest that fit.
    fn ask_whole(&self, asked: &Asked, line: &mut Answered) -> Result<(), EvaluateError> {
        let question = self.model.count_tokens(&asked.text).map_err(EvaluateError::pipeline)?;
        let room = self.model.context_tokens().saturating_sub(ANSWER_TOKENS + AROUND_TOKENS + question);
        let mut spent = 0;
        let mut kept = self.whole.iter().take_while(|(_, tokens, _)| {
            spent += tokens;
            spent <= room
        });
        let mut kept: Vec<_> = kept.by_ref().collect();
        let started = Instant::now();
        let reply = loop {
            let evidence: Vec<&Evidence> = kept.iter().map(|(evidence, ..)| evidence).collect();
            let request = Request {
                role: Role::Answer,
                chat: answer::chat(&asked.text, &evidence),
                grammar: Some(answer::grammar()),
                max_tokens: ANSWER_TOKENS,
                sampling: Sampling::Greedy,
            };
            match self.model.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(())) {
                Err(ModelError::PromptTooLong { .. }) if kept.len() > 1 => {
                    let less = (kept.len() as f64 * (1.0 - CUT)) as usize;
                    kept.truncate(less.max(1).min(kept.len() - 1));
                }
                reply => break reply,
            }
        };
        line.latency_ms = started.elapsed().as_secs_f64() * 1000.0;
        line.read = asked
            .evidence
            .iter()
            .map(|gold| kept.iter().any(|(.., reference)| reference.as_deref() == Some(gold)))
            .collect();
        match reply {
            Ok(Completion { text, stop, usage }) => {
                line.tokens = Usage { calls: 1, ..usage }.into();
                match answer::parse(&text) {
                    Ok(text) if stop != Stop::Cancelled => line.text = Some(text),
                    _ => line.nothing = Some("the reply in the answer step could not be read".to_owned()),
                }
            }
            Err(ModelError::PromptTooLong { .. }) => {
                line.nothing = Some("the question is too long for the model".to_owned());
            }
            Err(error) => line.failed = Some(error.to_string()),
        }
        Ok(())
    }
}
