//! `demo`: the shipped conversation is remembered live, then questions are answered from it.
//!
//! It shows what the engine and the default model really do, failures included; nothing is retried or
//! polished. Rooms it touches: args, exit, interrupt, open, output, dialogues, shapes, words, work.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use keepsake_core::bank::TurnOutcome;
use keepsake_core::types::{Cancel, NewTurn, Question, SpaceId, Turn};
use keepsake_core::{Answer, AskError, Receipt, RememberError};
use serde::Deserialize;

use crate::args::{Demo, Global};
use crate::exit::Failure;
use crate::open::{Needs, Opened, Surroundings};
use crate::shapes::{
    DemoAnswer, DemoBody, DemoSeconds, DemoTotals, DemoTurn, Document, MachineShape, count_operations,
};
use crate::{interrupt, open, output, words, work};
use keepsake_dialogues::jsonl;

const CONVERSATION: &str = include_str!("../demo/conversation.jsonl");
const QUESTIONS: &str = include_str!("../demo/questions.json");
/// Stands before each turn's id in the bank.
const SOURCE: &str = "demo";

/// A question with the answer the conversation gives.
#[derive(Debug, Deserialize)]
struct Asked {
    question: String,
    expected: String,
    /// Ids of the turns the answer stands in.
    evidence: Vec<String>,
    kind: String,
}

/// Remembers, asks, and adds up.
pub(crate) fn run(args: &Demo, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let (turns, questions) = script(args.turns.unwrap_or(usize::MAX), &global.space)?;
    let temporary = tempfile::tempdir()
        .map_err(|error| Failure::other(format!("no temporary folder for the demo's bank: {error}")))?;
    let opened = if global.bank_given {
        open::open(global, around, Needs::Models)?
    } else {
        open::open_in(bank_in(&temporary), global, around, Needs::Models)?
    };
    let cancel = interrupt::on_signal()?;
    let mut body = DemoBody {
        model: opened.model.clone().unwrap_or_default(),
        machine: machine(),
        operations: Vec::new(),
        answers: Vec::new(),
        totals: DemoTotals::default(),
        seconds: DemoSeconds::default(),
    };
    remember(turns, &opened, &cancel, global.json, &mut body)?;
    ask(&questions, &opened, global, &cancel, &mut body)?;
    if global.json { output::json(&Document::new("keepsake.demo/1", body)) } else { show_totals(&body) }
}

fn bank_in(temporary: &tempfile::TempDir) -> PathBuf {
    temporary.path().join("bank")
}

/// The first `limit` turns, and the questions that rest on no other.
fn script(limit: usize, space: &SpaceId) -> Result<(Vec<NewTurn>, Vec<Asked>), Failure> {
    let lines: Vec<&str> = CONVERSATION.lines().take(limit).collect();
    let text = lines.join("\n");
    let turns = jsonl::read(&text, SOURCE, space).map_err(Failure::other)?;
    let mut questions: Vec<Asked> = serde_json::from_str(QUESTIONS).map_err(Failure::other)?;
    let told = |id: &String| text.contains(&format!("\"{id}\""));
    questions.retain(|question| question.evidence.iter().all(told));
    Ok((turns, questions))
}

fn machine() -> MachineShape {
    MachineShape {
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

fn remember(
    turns: Vec<NewTurn>,
    opened: &Opened,
    cancel: &Cancel,
    quiet: bool,
    body: &mut DemoBody,
) -> Result<(), Failure> {
    if !quiet {
        output::line(&format!("A conversation is remembered by {}.", output::harmless(&body.model)))?;
    }
    let started = Instant::now();
    let mut meter = quiet.then(|| work::Meter::new(turns.len() as u64));
    let mut session = String::new();
    for turn in turns {
        let stored = opened.engine.append(turn.clone())?.id;
        let stored = opened.engine.turn(stored)?.ok_or_else(|| Failure::other("the turn is gone"))?;
        if !quiet {
            show_turn(&stored, &mut session)?;
        }
        let begun = Instant::now();
        let receipt = opened.engine.remember(turn, cancel).map_err(failure)?;
        if quiet {
            meter.iter_mut().for_each(work::Meter::step);
        } else {
            show_outcome(&receipt.outcome)?;
        }
        keep_score(stored, receipt, begun.elapsed().as_secs_f64(), body);
    }
    meter.iter().for_each(work::Meter::clear);
    body.seconds.remember = started.elapsed().as_secs_f64();
    Ok(())
}

fn failure(error: RememberError) -> Failure {
    match error {
        RememberError::Append(error) => error.into(),
        RememberError::Process(error) => error.into(),
        RememberError::Bank(error) => error.into(),
        RememberError::Cancelled { .. } => Failure::other("the demo was stopped"),
        error => Failure::other(error),
    }
}

fn show_turn(turn: &Turn, session: &mut String) -> Result<(), Failure> {
    if turn.session != *session {
        session.clone_from(&turn.session);
        output::line(&format!("\nSession {session}, {}\n", turn.time.date_in_words()))?;
    }
    output::line(&words::turn(turn))
}

fn show_outcome(outcome: &TurnOutcome) -> Result<(), Failure> {
    words::outcome(Some(outcome)).iter().try_for_each(|line| output::line(&format!("         {line}")))
}

fn keep_score(turn: Turn, receipt: Receipt, seconds: f64, body: &mut DemoBody) {
    body.totals.turns += 1;
    body.totals.failed += usize::from(matches!(receipt.outcome, TurnOutcome::Failed { .. }));
    body.totals.usage += receipt.usage;
    count_operations(&receipt.outcome, &mut body.totals.operations);
    body.operations.push(DemoTurn {
        turn: turn.id.to_string(),
        reference: turn.reference,
        time: turn.time.to_string(),
        speaker: turn.speaker,
        text: turn.text,
        outcome: Some(receipt.outcome).into(),
        seconds,
    });
}

fn ask(
    questions: &[Asked],
    opened: &Opened,
    global: &Global,
    cancel: &Cancel,
    body: &mut DemoBody,
) -> Result<(), Failure> {
    let started = Instant::now();
    for asked in questions {
        let begun = Instant::now();
        let question = Question::new(global.space.clone(), &asked.question)?;
        let answer = opened.engine.ask(&question, cancel, &mut |_| ControlFlow::Continue(()));
        // A bad reply is a result of the demo; anything else ends it.
        let answer = match answer {
            Ok(answer) => Ok(answer),
            Err(error @ AskError::BadReply(_)) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let seconds = begun.elapsed().as_secs_f64();
        if !global.json {
            show_answer(asked, &answer)?;
        }
        if let Ok(answer) = &answer {
            body.totals.usage += answer.usage;
        }
        body.answers.push(to_shape(asked, answer, seconds));
    }
    body.seconds.ask = started.elapsed().as_secs_f64();
    Ok(())
}

fn to_shape(asked: &Asked, answer: Result<Answer, String>, seconds: f64) -> DemoAnswer {
    let (text, error, used) = match answer {
        Ok(answer) => (answer.text, None, answer.used),
        Err(error) => (None, Some(error), Vec::new()),
    };
    DemoAnswer {
        question: asked.question.clone(),
        kind: asked.kind.clone(),
        expected: asked.expected.clone(),
        answer: text,
        error,
        used: used.into_iter().map(Into::into).collect(),
        seconds,
    }
}

fn show_answer(asked: &Asked, answer: &Result<Answer, String>) -> Result<(), Failure> {
    let (given, used) = match answer {
        Ok(answer) => (answer.text.as_deref().unwrap_or("nothing is remembered"), answer.used.as_slice()),
        Err(error) => (error.as_str(), [].as_slice()),
    };
    output::line(&format!("\n{}", asked.question))?;
    output::line(&format!("  expected  {}", asked.expected))?;
    output::line(&format!("  answered  {}", output::listed(given)))?;
    used.iter().try_for_each(|one| output::line(&format!("  from      {}", words::used(one))))
}

fn show_totals(body: &DemoBody) -> Result<(), Failure> {
    let (totals, seconds) = (&body.totals, &body.seconds);
    let line = |what: &str, value: String| output::line(&format!("{what:<10} {value}"));
    output::line("")?;
    line("turns", format!("{}, of these {} failed", totals.turns, totals.failed))?;
    for (operation, count) in &totals.operations {
        line(operation, count.to_string())?;
    }
    line("seconds", format!("{:.1} to remember, {:.1} to answer", seconds.remember, seconds.ask))?;
    let usage = &totals.usage;
    line("tokens", format!("{} read, {} written", usage.evaluated_tokens, usage.generated_tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_script_is_whole() {
        let (turns, questions) = script(usize::MAX, &SpaceId::default()).unwrap();
        assert!(turns.len() >= 60, "{}", turns.len());
        assert_eq!(questions.len(), 8);
    }

    #[test]
    fn a_short_demo_asks_only_what_it_was_told() {
        let (turns, questions) = script(5, &SpaceId::default()).unwrap();
        assert_eq!(turns.len(), 5);
        assert!(questions.iter().all(|question| question.evidence.iter().all(|id| id.starts_with("D1:"))));
        assert!(questions.len() < 8);
    }
}
