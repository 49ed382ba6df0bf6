//! `verify` and `compact`: the bank as files.
//!
//! Rooms it touches: args, exit, open, output, shapes.

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{Needs, Surroundings};
use crate::shapes::{CompactBody, Document, VerifyBody};
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
