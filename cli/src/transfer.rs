//! `export` and `import`: moving a bank out and in.
//!
//! Rooms it touches: args, exit, mem0, open, output, shapes.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use keepsake_core::Engine;
use keepsake_core::transfer::{ExportError, ImportError, Moved};
use keepsake_core::types::SpaceId;

use crate::args::{Export, ExportFormat, Global, Import};
use crate::exit::{Exit, Failure};
use crate::open::{Needs, Surroundings};
use crate::shapes::{Document, TransferBody};
use crate::{mem0, open, output};

/// Writes a space, or all, to a file or to standard output.
pub(crate) fn export(args: &Export, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let spaces = if args.all_spaces { Vec::new() } else { vec![global.space.clone()] };
    if args.file.as_os_str() == "-" {
        let moved = write(args.format, &opened.engine, &spaces, &mut io::stdout().lock())?;
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
    let failed = |error: io::Error| Failure::other(format!("{shown} cannot be written: {error}"));
    // Beside and renamed: there is never half an export under this name. For its owner alone, as the bank is.
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let moved = write(args.format, &opened.engine, &spaces, &mut BufWriter::new(&mut beside))?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(&args.file).map_err(|error| failed(error.error))?;
    report(global, "keepsake.export/1", &args.file, moved, "written to")
}

fn write(
    format: ExportFormat,
    engine: &Engine,
    spaces: &[SpaceId],
    out: &mut dyn Write,
) -> Result<Moved, Failure> {
    let moved = match format {
        ExportFormat::Jsonl => engine.export(spaces, out),
        ExportFormat::Markdown => engine.export_markdown(spaces, out),
    };
    moved.map_err(|error| match error {
        ExportError::Bank(error) => error.into(),
        ExportError::Write(error) => error.into(),
        error => Failure::other(error),
    })
}

/// Takes in an export of ours, or Mem0's.
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
        let opened = open::open(global, around, Needs::Nothing)?;
        let mut input = BufReader::new(File::open(&args.file).map_err(failed)?);
        opened.engine.import(&mut input).map_err(|error| match error {
            ImportError::Bank(error) => error.into(),
            error => nothing(&error),
        })?
    } else {
        let text = fs::read_to_string(&args.file).map_err(failed)?;
        let memories = mem0::read(&text, &args.speaker, &global.space).map_err(|error| nothing(&error))?;
        open::open(global, around, Needs::Nothing)?.engine.import_memories(memories)?
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
