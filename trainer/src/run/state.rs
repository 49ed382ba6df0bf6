//! What a run goes on from: the state of every part, whole or not at all.
//!
//! A state is a folder `state-<step>`, written under another name, flushed, and renamed; the one before is removed after
//! that. Rooms it touches: engine.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RunError;
use crate::engine::Part;

const HEAD: &str = "state.json";
const NAME: &str = "state-";
const UNFINISHED: &str = "unfinished-state";

/// A saved state.
#[derive(Debug)]
pub struct State {
    /// Training goes on with this step.
    pub step: u64,
    /// The engine's parts.
    pub parts: Vec<(Part, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    step: u64,
    /// Of the settings it belongs to.
    identity: String,
    /// File name and SHA-256 of each part.
    parts: Vec<(Part, String)>,
}

/// Saves a state in a run's folder; the one before it is gone then.
pub fn save(folder: &Path, step: u64, identity: &str, parts: &[(Part, Vec<u8>)]) -> Result<(), RunError> {
    let (unfinished, finished) = (folder.join(UNFINISHED), folder.join(format!("{NAME}{step}")));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).map_err(|source| RunError::file(&unfinished, source))?;
    let hashes = parts.iter().map(|(part, bytes)| (*part, sha256(bytes))).collect();
    let head = Head { step, identity: identity.to_owned(), parts: hashes };
    let head = serde_json::to_vec_pretty(&head).map_err(|error| RunError::file(&unfinished, error.into()))?;
    for (part, bytes) in parts {
        write(&unfinished.join(part.name()), bytes)?;
    }
    write(&unfinished.join(HEAD), &head)?;
    let _ = fs::remove_dir_all(&finished);
    fs::rename(&unfinished, &finished).map_err(|source| RunError::file(&finished, source))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| RunError::file(folder, source))?;
    for (old, path) in states(folder)? {
        if old != step {
            let _ = fs::remove_dir_all(path);
        }
    }
    Ok(())
}

/// The newest state of a run's folder; `None` where there is none. One of other settings, or that is not whole, is an
/// error.
pub fn newest(folder: &Path, identity: &str) -> Result<Option<State>, RunError> {
    let Some((_, path)) = states(folder)?.into_iter().max() else { return Ok(None) };
    let read =
        |name: &str| fs::read(path.join(name)).map_err(|source| RunError::file(&path.join(name), source));
    let damaged = |what: &str| RunError::State { path: path.clone(), what: what.to_owned() };
    let head: Head = serde_json::from_slice(&read(HEAD)?).map_err(|_| damaged("its head cannot be read"))?;
    if head.identity != identity {
        return Err(damaged("it was made with other settings; use those, or another folder"));
    }
    let mut parts = Vec::with_capacity(head.parts.len());
    for (part, hash) in head.parts {
        let bytes = read(part.name())?;
        if sha256(&bytes) != hash {
            return Err(damaged("it was damaged since it was written; remove it and begin anew"));
        }
        parts.push((part, bytes));
    }
    Ok(Some(State { step: head.step, parts }))
}

fn states(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RunError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(source) => return Err(RunError::file(folder, source)),
    };
    for entry in entries {
        let path = entry.map_err(|source| RunError::file(folder, source))?.path();
        let step = path.file_name().and_then(|name| name.to_str()?.strip_prefix(NAME)?.parse().ok());
        found.extend(step.map(|step| (step, path)));
    }
    Ok(found)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| RunError::file(path, source))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(Part, Vec<u8>)> {
        vec![(Part::Manager, text.into()), (Part::ManagerCritic, b"critic".to_vec())]
    }

    #[test]
    fn the_newest_state_is_found_and_no_other_is_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest(&folder.path().join("none"), "a").unwrap().is_none());
        save(folder.path(), 9, "a", &parts("nine")).unwrap();
        save(folder.path(), 10, "a", &parts("ten")).unwrap();
        // Killed while it wrote the next one.
        fs::create_dir(folder.path().join(UNFINISHED)).unwrap();
        fs::write(folder.path().join(UNFINISHED).join(HEAD), b"{").unwrap();
        let state = newest(folder.path(), "a").unwrap().unwrap();
        assert_eq!((state.step, state.parts), (10, parts("ten")));
        assert_eq!(states(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn other_settings_and_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), 1, "a", &parts("one")).unwrap();
        assert!(newest(folder.path(), "b").unwrap_err().to_string().contains("other settings"));
        fs::write(folder.path().join("state-1").join("manager"), b"onf").unwrap();
        assert!(newest(folder.path(), "a").unwrap_err().to_string().contains("damaged"));
    }
}
