//! `ask`: a question, its answer as it comes, and what it rests on.
//!
//! Rooms it touches: args, exit, interrupt, open, output, shapes, words.

use std::ops::ControlFlow;
use std::time::Instant;

use keepsake_core::Answer;
use keepsake_core::types::Question;

use crate::args::{Ask, Global};
use crate::exit::Failure;
use crate::open::{Needs, Surroundings};
use crate::shapes::{AskBody, Document};
use crate::{interrupt, open, output, words};

/// Answers.
pub(crate) fn run(args: &Ask, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let question = Question::new(global.space.clone(), &args.question)?;
    let opened = open::open_existing(global, around, Needs::Models)?;
    let cancel = interrupt::on_signal()?;
    let started = Instant::now();
    let mut printing = Printing { quiet: global.json, begun: false, failed: None };
    let engine = opened.at(&args.past, &global.space)?;
    let answer = engine.ask(&question, &cancel, &mut |piece| printing.print(piece));
    if let Some(failure) = printing.failed {
        return Err(failure);
    }
    let answer = answer?;
    if global.json {
        let seconds = started.elapsed().as_secs_f64();
        return output::json(&Document::new("keepsake.ask/1", body(args, global, answer, seconds)));
    }
    show(&answer)
}

/// Prints an answer as it comes.
struct Printing {
    quiet: bool,
    begun: bool,
    /// Why printing stopped. The answer stops with it.
    failed: Option<Failure>,
}

impl Printing {
    fn print(&mut self, piece: &str) -> ControlFlow<()> {
        // The first piece starts with the space that stood before it in the prompt.
        let piece = if self.begun { piece } else { piece.trim_start() };
        if self.quiet || piece.is_empty() {
            return ControlFlow::Continue(());
        }
        self.begun = true;
        match output::piece(&output::harmless(piece)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    }
}

fn body(args: &Ask, global: &Global, answer: Answer, seconds: f64) -> AskBody {
    AskBody {
        space: global.space.to_string(),
        question: args.question.clone(),
        answer: answer.text,
        cut_off: answer.cut_off,
        used: answer.used.into_iter().map(Into::into).collect(),
        considered: answer.considered,
        seconds,
        first_token_ms: answer.first_token_ms,
        usage: answer.usage,
    }
}

/// What stands beneath the answer.
fn show(answer: &Answer) -> Result<(), Failure> {
    if answer.text.is_none() {
        return output::line("Nothing is remembered in this space.");
    }
    output::line(if answer.cut_off { "…" } else { "" })?;
    output::line("")?;
    if answer.used.is_empty() {
        return output::line(&format!(
            "From none of the {} memories and turns that were read.",
            answer.considered
        ));
    }
    output::line(&format!(
        "From {} of the {} memories and turns that were read:",
        answer.used.len(),
        answer.considered
    ))?;
    for used in &answer.used {
        output::line(&words::used(used))?;
    }
    Ok(())
}
