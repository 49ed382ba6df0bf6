//! A document in a file, whole or not at all.
//!
//! Rooms it touches: none.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{ExportError, Moved};

/// Lets `write` write a document into this file, beside it at first and then renamed: there is never half a document
/// under its name. For its owner alone, as a bank is. A file that is there is refused, unless it is to be replaced.
pub fn to_file(
    path: &Path,
    replace: bool,
    write: impl FnOnce(&mut dyn Write) -> Result<Moved, ExportError>,
) -> Result<Moved, ExportError> {
    if !replace && path.exists() {
        let there = io::Error::new(io::ErrorKind::AlreadyExists, "the file is there already");
        return Err(there.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::new(&mut beside);
    let moved = write(&mut out)?;
    out.flush()?;
    drop(out);
    beside.as_file().sync_all()?;
    let persisted = if replace { beside.persist(path) } else { beside.persist_noclobber(path) };
    persisted.map_err(|error| error.error)?;
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_leaves_nothing_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export");
        let there = || std::fs::read_dir(folder.path()).unwrap().count();
        let failed = to_file(&path, false, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more").into())
        });
        assert!(failed.is_err() && there() == 0);
        let whole = |text: &'static [u8]| {
            move |out: &mut dyn Write| {
                out.write_all(text)?;
                Ok(Moved::default())
            }
        };
        to_file(&path, false, whole(b"one")).unwrap();
        assert!(to_file(&path, false, whole(b"two")).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        to_file(&path, true, whole(b"three")).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), there()), (b"three".to_vec(), 1));
    }
}
