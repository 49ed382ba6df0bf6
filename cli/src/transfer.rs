//! `export` and `import`: moving a bank out and in.
//!
//! Rooms it touches: args, exit, open, output, dialogues, shapes.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use keepsake_core::transfer::{self, ExportError, Moved};
use keepsake_core::types::SpaceId;
use keepsake_core::{Engine, Imported};

use crate::args::{Export, ExportFormat, Global, Import};
use crate::exit::{Exit, Failure};
use crate::open::{Needs, Surroundings};
use crate::shapes::{Document, ImportBody, TransferBody};
use crate::{open, output};
use keepsake_dialogues::mem0;

/// Writes a space, or all, to a file or to standard output.
pub(crate) fn export(args: &Export, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let spaces = if args.all_spaces { Vec::new() } else { vec![global.space.clone()] };
    let there = opened.engine.spaces()?;
    if !args.all_spaces && !there.contains(&global.space) {
        let there: Vec<&str> = there.iter().map(SpaceId::as_str).collect();
        return Err(Failure::new(
            Exit::Usage,
            format!(
                "the space {} has nothing in it; spaces of this bank: {}",
                global.space,
                there.join(", ")
            ),
        ));
    }
    if args.file.as_os_str() == "-" {
        let moved = write(args.format, &opened.engine, &spaces, &mut io::stdout().lock()).map_err(failure)?;
        output::note(&format!("keepsake: {} turns and {} memories written", moved.turns, moved.memories));
        return Ok(());
    }
    let shown = args.file.display();
    if args.file.exists() && !args.force {
        return Err(Failure::new(
            Exit::Usage,
            format!("{shown} is there already: give another name, or --force"),
        ));
    }
    let moved =
        transfer::to_file(&args.file, args.force, |out| write(args.format, &opened.engine, &spaces, out));
    let moved = moved.map_err(|error| match error {
        ExportError::Write(error) => Failure::other(format!("{shown} cannot be written: {error}")),
        error => failure(error),
    })?;
    report(global, "keepsake.export/1", &args.file, moved, "written to")
}

fn write(
    format: ExportFormat,
    engine: &Engine,
    spaces: &[SpaceId],
    out: &mut dyn Write,
) -> Result<Moved, ExportError> {
    match format {
        ExportFormat::Jsonl => engine.export(spaces, out),
        ExportFormat::Markdown => engine.export_markdown(spaces, out),
    }
}

/// A document that was not written to standard output, which may be closed.
fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Bank(error) => error.into(),
        ExportError::Write(error) => error.into(),
        error => Failure::other(error),
    }
}

/// Takes in an export of ours, or Mem0's. A file that is not sound leaves no trace, not even an empty bank.
pub(crate) fn import(args: &Import, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let shown = args.file.display();
    let failed = |error: io::Error| Failure::other(format!("{shown} cannot be read: {error}"));
    let mut first = [0; 64];
    let length = File::open(&args.file).and_then(|mut file| file.read(&mut first)).map_err(failed)?;
    let nothing = |what: &dyn std::fmt::Display| {
        Failure::other(format!("{shown}: {}; nothing was imported", output::harmless(&what.to_string())))
    };
    let ours = first[..length].windows(b"keepsake_export".len()).any(|part| part == b"keepsake_export");
    let moved = if ours {
        let mut input = BufReader::new(File::open(&args.file).map_err(failed)?);
        let contents = transfer::read(&mut input).map_err(|error| nothing(&error))?;
        open::open(global, around, Needs::Nothing)?.engine.import(&contents)?
    } else {
        let text = fs::read_to_string(&args.file).map_err(failed)?;
        let memories =
            mem0::read(&text, &args.speaker, args.time, &global.space).map_err(|error| nothing(&error))?;
        let imported = open::open(global, around, Needs::Nothing)?.engine.import_memories(memories)?;
        return report_memories(args, global, &imported);
    };
    report(global, "keepsake.import/1", &args.file, moved, "taken in from")
}

fn report(
    global: &Global,
    schema: &'static str,
    file: &Path,
    moved: Moved,
    what: &str,
) -> Result<(), Failure> {
    let Moved { turns, memories } = moved;
    let body = TransferBody { file: file.display().to_string(), turns, memories };
    if global.json {
        return output::json(&Document::new(schema, body));
    }
    output::line(&format!("{turns} turns and {memories} memories {what} {}.", body.file))
}

fn report_memories(args: &Import, global: &Global, imported: &Imported) -> Result<(), Failure> {
    let body = ImportBody {
        file: args.file.display().to_string(),
        memories: imported.memories,
        known: imported.known,
        changed: imported.changed.iter().map(ToString::to_string).collect(),
    };
    if global.json {
        return output::json(&Document::new("keepsake.import_memories/1", body));
    }
    let known = if body.known > 0 { format!("; {} were here already", body.known) } else { String::new() };
    output::line(&format!("{} memories taken in from {}{known}.", body.memories, body.file))?;
    if !body.changed.is_empty() {
        output::line(&format!(
            "{} were changed there since, and stay as they are here: {}. `keepsake forget` these with --with-memories, \
             and import again, to have the new ones.",
            body.changed.len(),
            body.changed.join(" ")
        ))?;
    }
    Ok(())
}
