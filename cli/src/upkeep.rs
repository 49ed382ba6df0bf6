//! `verify`, `repair`, `compact` and `rekey`: the bank as files.
//!
//! Rooms it touches: args, exit, open, output, shapes.

use keepsake_core::bank::SledBank;

use crate::args::{Global, Rekey};
use crate::exit::{Exit, Failure};
use crate::open::{Needs, Surroundings};
use crate::shapes::{CompactBody, Document, RekeyBody, RepairBody, VerifyBody};
use crate::{open, output};

/// Checks everything on disk.
pub(crate) fn verify(global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    opened.engine.verify()?;
    let body = VerifyBody {
        bank: opened.folder.display().to_string(),
        bytes: opened.bank.size_on_disk()?,
        recovered: opened.engine.recovered().iter().map(ToString::to_string).collect(),
    };
    if global.json {
        return output::json(&Document::new("keepsake.verify/1", body));
    }
    output::line(&format!("The bank at {} holds what was written to it ({} bytes).", body.bank, body.bytes))
}

/// Makes a sound bank of what can be read.
pub(crate) fn repair(global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let folder = open::existing_folder(global, around)?;
    let repaired = SledBank::repair(&folder, open::key(global)?.as_ref())?;
    let body = RepairBody {
        bank: folder.display().to_string(),
        turns: repaired.turns,
        memories: repaired.memories,
        lost: repaired.lost.iter().map(ToString::to_string).collect(),
    };
    if global.json {
        return output::json(&Document::new("keepsake.repair/1", body));
    }
    let there = format!("{} turns and {} memories are there", body.turns, body.memories);
    if body.lost.is_empty() {
        return output::line(&format!("The bank at {} is whole: {there}.", body.bank));
    }
    output::line(&format!("The bank at {} opens again: {there}. Lost:", body.bank))?;
    body.lost.iter().try_for_each(|lost| output::line(&format!("  {lost}")))
}

/// Seals the bank by another key.
pub(crate) fn rekey(args: &Rekey, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let Some(old) = &global.key_file else {
        return Err(Failure::new(Exit::Usage, "give the key that the bank has now with --key-file"));
    };
    let (old, new) = (open::read_key(old)?, open::read_key(&args.new_key_file)?);
    let folder = open::existing_folder(global, around)?;
    open::open_bank(&folder, Some(&old))?.rekey(&old, &new)?;
    let body = RekeyBody { bank: folder.display().to_string() };
    if global.json {
        return output::json(&Document::new("keepsake.rekey/1", body));
    }
    output::line(&format!("The bank at {} opens with the new key only.", body.bank))
}

/// Writes the files anew.
pub(crate) fn compact(global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let bytes_before = opened.bank.size_on_disk()?;
    opened.engine.compact()?;
    let body = CompactBody {
        bank: opened.folder.display().to_string(),
        bytes_before,
        bytes: opened.bank.size_on_disk()?,
    };
    if global.json {
        return output::json(&Document::new("keepsake.compact/1", body));
    }
    output::line(&format!(
        "The bank at {} took {} bytes and takes {} now.",
        body.bank, body.bytes_before, body.bytes
    ))
}
