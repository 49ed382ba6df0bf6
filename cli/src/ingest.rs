//! `ingest`: a whole conversation from a file.
//!
//! The file is read and checked in full before anything is stored; then all turns are stored, durably; then
//! the queue is worked. A second run of the same command finds the turns by their references and goes on.
//!
//! Rooms it touches: args, exit, interrupt, open, output, dialogues, shapes, work.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use keepsake_core::AppendError;
use keepsake_core::bank::BankError;
use keepsake_core::model::Usage;
use keepsake_core::types::{Cancel, NewTurn, SpaceId};
use serde_json::Value;

use crate::args::{Format, Global, Ingest};
use crate::exit::Failure;
use crate::open::{Needs, Opened, Surroundings};
use crate::shapes::{Document, IngestBody, count_operations};
use crate::{interrupt, open, output, work};
use keepsake_dialogues::chat::{Chat, ChatError};
use keepsake_dialogues::chat_json::Defaults;
use keepsake_dialogues::{chat, chat_json, jsonl, locomo};

/// Reads, stores and works through.
pub(crate) fn run(args: &Ingest, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let started = Instant::now();
    let mut turns = read(args, &global.space)?;
    turns.truncate(args.limit.unwrap_or(usize::MAX));
    let needs = if args.keep_only { Needs::Nothing } else { Needs::Models };
    let opened = open::open(global, around, needs)?;
    let cancel = interrupt::on_signal()?;
    let mut body = store(turns, &opened, &global.space, &cancel)?;
    output::note(&format!("keepsake: {} turns stored, {} known already", body.stored, body.known));
    if !args.keep_only {
        work_queue(&opened, &cancel, &mut body)?;
    }
    body.waiting = work::waiting(opened.bank.as_ref())?;
    body.seconds = started.elapsed().as_secs_f64();
    if global.json { output::json(&Document::new("keepsake.ingest/1", body)) } else { show(&body) }
}

/// The turns of a file, every one of them checked.
fn read(args: &Ingest, space: &SpaceId) -> Result<Vec<NewTurn>, Failure> {
    let path = &args.file;
    let shown = path.display();
    let text = fs::read(path).map_err(|error| Failure::other(format!("{shown} cannot be read: {error}")))?;
    let text = String::from_utf8(text).map_err(|error| {
        Failure::other(format!("{shown} is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let nothing_stored = |what: &dyn std::fmt::Display| {
        Failure::other(format!("{shown}: {}; nothing was stored", output::harmless(&what.to_string())))
    };
    let source = path.file_stem().unwrap_or_default().to_string_lossy();
    let turns = match args.format.unwrap_or_else(|| format_of(text)) {
        Format::Locomo => locomo::read(text, &source, space).map_err(|error| nothing_stored(&error))?,
        Format::Jsonl => jsonl::read(text, &source, space).map_err(|error| nothing_stored(&error))?,
        Format::Chat => {
            let chat = read_chat(text, &source, args, space).map_err(|error| nothing_stored(&error))?;
            if chat.passed_over > 0 {
                output::note(&format!("keepsake: {} notices and the like passed over", chat.passed_over));
            }
            chat.turns
        }
    };
    if turns.is_empty() { Err(nothing_stored(&"it has no turns")) } else { Ok(turns) }
}

fn read_chat(text: &str, source: &str, args: &Ingest, space: &SpaceId) -> Result<Chat, ChatError> {
    if text.trim_start().starts_with('{') || is_list_of_objects(text) {
        let defaults = Defaults { speaker: &args.speaker, time: args.time };
        chat_json::read(text, source, &defaults, space)
    } else {
        chat::read(text, source, args.date_order.map(Into::into), space)
    }
}

/// A messenger's log may begin with `[` as well: `[2024-03-02, …`.
fn is_list_of_objects(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix('[').map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with(['{', ']']))
}

/// LoCoMo is one JSON value over many lines, or has a conversation in its only one; JSONL has an object in
/// each line, and a turn has no conversation. Messages have a role, in a list or line by line.
fn format_of(text: &str) -> Format {
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let whole: Option<Value> = serde_json::from_str(text).ok();
    let line: Option<Value> = serde_json::from_str(first_line).ok();
    let messages = |value: &Value| {
        value.get(0).unwrap_or(value).get("role").is_some() || value.get("messages").is_some()
    };
    if whole.iter().chain(&line).any(messages) {
        return Format::Chat;
    }
    let conversation = match &line {
        Some(value) => value.get("conversation").is_some(),
        // The first line alone is no object: either a LoCoMo object over many lines, or a broken JSONL.
        None => whole.is_some(),
    };
    if is_list_of_objects(text) || conversation {
        Format::Locomo
    } else if chat::is_log(text) {
        Format::Chat
    } else {
        Format::Jsonl
    }
}

fn store(
    turns: Vec<NewTurn>,
    opened: &Opened,
    space: &SpaceId,
    cancel: &Cancel,
) -> Result<IngestBody, Failure> {
    let mut body = IngestBody {
        space: space.to_string(),
        in_file: turns.len(),
        stored: 0,
        known: 0,
        worked: 0,
        failed: 0,
        waiting: 0,
        operations: BTreeMap::new(),
        seconds: 0.0,
        usage: Usage::default(),
    };
    for (number, turn) in turns.into_iter().enumerate() {
        if cancel.is_cancelled() {
            return Err(work::stopped(opened.bank.as_ref())?);
        }
        let appended = opened.engine.append(turn).map_err(|error| match error {
            AppendError::Bank(BankError::ReferenceTaken { turn }) => Failure::other(format!(
                "turn {} of the file is kept already as {turn}, with other words, speaker, time or session: \
                 `keepsake forget {turn}` and ingest again, or give the turn another id. \
                 The {number} turns before it are stored",
                number + 1
            )),
            error => error.into(),
        })?;
        if appended.new { body.stored += 1 } else { body.known += 1 }
    }
    Ok(body)
}

fn work_queue(opened: &Opened, cancel: &Cancel, body: &mut IngestBody) -> Result<(), Failure> {
    let progress = work::work(&opened.engine, opened.bank.as_ref(), cancel, |receipt| {
        count_operations(&receipt.outcome, &mut body.operations);
    })?;
    (body.worked, body.failed, body.usage) = (progress.turns, progress.failed, progress.usage);
    if work::finished(&progress) { Ok(()) } else { Err(work::stopped(opened.bank.as_ref())?) }
}

fn show(body: &IngestBody) -> Result<(), Failure> {
    let line = |what: &str, value: String| output::line(&format!("{what:<18} {value}"));
    line("turns in the file", body.in_file.to_string())?;
    line("stored", body.stored.to_string())?;
    line("known already", body.known.to_string())?;
    line("worked through", body.worked.to_string())?;
    line("failed", body.failed.to_string())?;
    line("still waiting", body.waiting.to_string())?;
    for (operation, count) in &body.operations {
        line(operation, count.to_string())?;
    }
    line("seconds", format!("{:.1}", body.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_seen_by_content() {
        assert_eq!(format_of(r#"[{"conversation": {}}]"#), Format::Locomo);
        assert_eq!(format_of("{\n \"conversation\": {}\n}"), Format::Locomo);
        assert_eq!(format_of(r#"{"conversation": {}}"#), Format::Locomo);
        assert_eq!(format_of("{\"time\":\"x\"}\n{\"time\":\"y\"}"), Format::Jsonl);
        assert_eq!(format_of("\n{\"time\":\"x\"}"), Format::Jsonl);
        assert_eq!(format_of("{broken\n{\"time\":\"y\"}"), Format::Jsonl);
        assert_eq!(format_of(""), Format::Jsonl);
        assert_eq!(format_of("[ {\"role\":\"user\"}]"), Format::Chat);
        assert_eq!(format_of("{\"role\":\"user\"}\n{\"role\":\"user\"}"), Format::Chat);
        assert_eq!(format_of("{\"messages\":[]}"), Format::Chat);
        assert_eq!(format_of("[2024-03-02, 10:15:33] Maria: x"), Format::Chat);
        assert_eq!(format_of("02/03/2024, 10:15 - Maria: x\nmore"), Format::Chat);
    }
}
