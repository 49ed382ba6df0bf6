//! The adapter in a checkpoint's archive: a gzipped tar with PEFT's two files.
//!
//! Only these two are written, under their own names, into a folder that goes again; whatever else an archive
//! holds, and wherever it would like to lie, is passed over.
//!
//! Rooms it touches: weights, engine.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::TinkerError;
use crate::engine::EngineError;
use crate::weights::{Lora, Shape, read_peft};

const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Reads the adapter.
pub(super) fn read(archive: &[u8], shape: &Shape) -> Result<Lora, EngineError> {
    let unusable = |error: io::Error| TinkerError::Archive(error.to_string());
    let folder = tempfile::tempdir().map_err(unusable)?;
    unpack(archive, folder.path()).map_err(unusable)?;
    Ok(read_peft(folder.path(), shape)?)
}

fn unpack(archive: &[u8], folder: &Path) -> io::Result<()> {
    let mut missing = FILES.to_vec();
    for entry in tar::Archive::new(GzDecoder::new(archive)).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let Some(at) = missing.iter().position(|file| Some(*file) == name.as_deref()) else { continue };
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            fs::write(folder.join(missing.remove(at)), bytes)?;
        }
    }
    match missing.first() {
        Some(file) => Err(io::Error::other(format!("there is no {file} in it"))),
        None => Ok(()),
    }
}
