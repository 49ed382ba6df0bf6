//! `remember`: one turn from the command line.
//!
//! Rooms it touches: args, exit, interrupt, open, output, shapes, words, work.

use std::io::Read;

use keepsake_core::bank::TurnOutcome;
use keepsake_core::device_clock;
use keepsake_core::model::Usage;
use keepsake_core::types::{MAX_TURN_BYTES, NewTurn, Timestamp};

use crate::args::{Global, Remember};
use crate::exit::Failure;
use crate::open::{Needs, Opened, Surroundings};
use crate::shapes::{Document, RememberBody, short};
use crate::{interrupt, open, output, words, work};

/// Stores the turn, and works the queue up to it.
pub(crate) fn run(args: &Remember, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let time = args.time.unwrap_or_else(device_clock);
    let turn = new_turn(args, global, time)?;
    let needs = if args.keep_only { Needs::Nothing } else { Needs::Models };
    let opened = open::open(global, around, needs)?;
    let id = opened.engine.append(turn)?.id;
    if args.time.is_none() {
        output::note(&format!("keepsake: no --time given, so {} (UTC) it is", short(time)));
    }
    let usage = if args.keep_only { Usage::default() } else { work_queue(&opened)? };
    let outcome = opened.engine.outcome(id)?;
    if global.json {
        let body =
            RememberBody { turn: id.to_string(), time: time.to_string(), outcome: outcome.into(), usage };
        return output::json(&Document::new("keepsake.remember/1", body));
    }
    show(&id.to_string(), outcome.as_ref())
}

fn new_turn(args: &Remember, global: &Global, time: Timestamp) -> Result<NewTurn, Failure> {
    let text = if args.text == "-" { from_stdin()? } else { args.text.clone() };
    let mut turn = NewTurn::new(&args.speaker, &text, time)?
        .in_space(global.space.clone())
        .in_session(&args.session)?
        .from_origin(args.origin.into());
    if let Some(caption) = &args.image {
        turn = turn.with_image(caption)?;
    }
    Ok(turn.checked()?)
}

/// One byte more than a turn may have is enough to refuse it.
fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_TURN_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::other(format!("standard input cannot be read as UTF-8 text: {error}")))?;
    Ok(text)
}

fn work_queue(opened: &Opened) -> Result<Usage, Failure> {
    let cancel = interrupt::on_signal()?;
    let progress = work::work(&opened.engine, opened.bank.as_ref(), &cancel, |_| ())?;
    if work::finished(&progress) { Ok(progress.usage) } else { Err(work::stopped(opened.bank.as_ref())?) }
}

fn show(id: &str, outcome: Option<&TurnOutcome>) -> Result<(), Failure> {
    for line in words::outcome(outcome) {
        output::line(&format!("{id:<6} {line}"))?;
    }
    Ok(())
}
