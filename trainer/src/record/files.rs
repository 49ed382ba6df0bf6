//! The two ways a run's files are written: a piece added at the end, and all of it at once.
//!
//! It knows nothing of what the files hold.
//!
//! Rooms it touches: none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::RecordError;

/// A file that grows. What was added outlives the process; what outlives the machine, [`Growing::sync`]
/// decides.
#[derive(Debug)]
pub(crate) struct Growing {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Growing {
    /// The file as it is, or an empty one.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        let failed = RecordError::io("opened", path);
        let file = File::options().append(true).create(true).open(path).map_err(&failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Self { file, path: path.to_owned(), bytes })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Adds all of a piece, or nothing: no later piece may stand behind half of one.
    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<(), RecordError> {
        if let Err(error) = self.file.write_all(piece) {
            // The error that stopped the writing is the one to report; opening cuts off what may be left
            // over.
            let _ = self.file.set_len(self.bytes);
            return Err(RecordError::io("written", &self.path)(error));
        }
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub(crate) fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io("written", &self.path))
    }
}

/// What a file holds; nothing if it is not there.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RecordError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(RecordError::io("read", path)),
    }
}

/// Puts this in the file's place. Where that fails, what was there before still is.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let failed = RecordError::io("written", path);
    let mut file = File::create(&part).map_err(&failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(&failed)?;
    fs::rename(&part, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{Growing, read, replace};

    #[test]
    fn a_file_grows_from_where_it_was_and_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path).unwrap(), b"");
        let mut file = Growing::open(&path).unwrap();
        assert!(file.is_empty());
        file.add(b"one ").unwrap();
        drop(file);
        let mut file = Growing::open(&path).unwrap();
        assert!(!file.is_empty());
        file.add(b"two").unwrap();
        file.sync().unwrap();
        assert_eq!(read(&path).unwrap(), b"one two");
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a part was left over");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let mut file = Growing::open(std::path::Path::new("/dev/full")).unwrap();
        let error = file.add(b"one").unwrap_err().to_string();
        assert!(error.starts_with("/dev/full cannot be written: "), "{error}");
    }
}
