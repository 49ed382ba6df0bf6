//! Writing a file so that there is either the old one or the whole new one, whatever happens meanwhile.
//!
//! Rooms it touches: none.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::WeightsError;

/// Bytes collected before the system is asked to write them.
const BUFFER: usize = 1 << 20;

/// Puts at `path` what `write` writes. Where anything fails, what was there before still is.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), WeightsError>,
) -> Result<(), WeightsError> {
    replace_by(path, |part| {
        let failed = || WeightsError::io("written", path);
        let mut out = BufWriter::with_capacity(BUFFER, File::create_new(part).map_err(failed())?);
        write(&mut out)?;
        out.flush().map_err(failed())
    })
}

/// As [`replace`], for what opens the file itself: `make` is given a path in the same folder where nothing is yet.
pub(super) fn replace_by(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), WeightsError>,
) -> Result<(), WeightsError> {
    let part = beside(path);
    let moved =
        make(&part).and_then(|()| sync_and_move(&part, path).map_err(WeightsError::io("written", path)));
    if moved.is_err() {
        // The error that stopped the writing is the one to report; what is left over has its name to tell it by.
        let _ = fs::remove_file(&part);
    }
    moved
}

fn sync_and_move(part: &Path, path: &Path) -> std::io::Result<()> {
    File::options().write(true).open(part)?.sync_all()?;
    fs::rename(part, path)?;
    // The name is durable only once the folder is; Windows opens no folders and needs none of this.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A name in the same folder that no other writer uses.
fn beside(path: &Path) -> PathBuf {
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let number = WRITERS.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}
