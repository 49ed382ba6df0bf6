//! The adapters that ship: what the default model, SmolLM2-135M-Instruct, was taught of both agents' tasks.
//!
//! They are trained for the wording of this version's prompts, so they are part of the program. What they were trained on and
//! what they are worth: README.md beside this. llama.cpp reads files only; `unpack` makes them. Rooms it touches: none.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// SHA-256 of the base that they were trained on, in hexadecimal: `SmolLM2-135M-Instruct.Q4_1.gguf`.
pub const BASE_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// The memory manager's, a GGUF file.
pub static MANAGER: &[u8] = include_bytes!("../manager.gguf");
/// The answer agent's, a GGUF file.
pub static ANSWER: &[u8] = include_bytes!("../answer.gguf");

/// Both as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The memory manager's.
    pub manager: PathBuf,
    /// The answer agent's.
    pub answer: PathBuf,
}

/// Puts both into a folder, which is made where there is none. What is there already and the same stays; anything else under
/// their names is replaced in one step, so that nobody ever reads half a file.
pub fn unpack(folder: &Path) -> io::Result<Files> {
    fs::create_dir_all(folder)?;
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(path);
        }
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(bytes)?;
        new.persist(&path)?;
        Ok::<_, io::Error>(path)
    };
    Ok(Files { manager: put("manager.gguf", MANAGER)?, answer: put("answer.gguf", ANSWER)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_core::model::adapter::{check, wording};
    use keepsake_core::model::{Role, Skill};

    #[test]
    fn they_are_for_this_versions_prompts_and_are_put_right_where_they_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("adapters");
        let files = unpack(&inside).unwrap();
        let skill = |role, path| check(path, role, BASE_SHA256, &wording(role)).unwrap();
        assert_eq!(skill(Role::Manager, &files.manager), Some(Skill::Decide));
        // It answers from the best hits at once.
        assert_eq!(skill(Role::Answer, &files.answer), None);
        fs::write(&files.manager, "an older one").unwrap();
        assert_eq!(unpack(&inside).unwrap(), files);
        assert_eq!(fs::read(&files.manager).unwrap(), MANAGER);
        let names = fs::read_dir(&inside).unwrap().count();
        assert_eq!(names, 2, "nothing else is left");
    }

    #[test]
    fn together_they_are_small_enough_for_a_phone() {
        assert!(MANAGER.len() + ANSWER.len() <= 12_000_000, "{} {}", MANAGER.len(), ANSWER.len());
    }
}
