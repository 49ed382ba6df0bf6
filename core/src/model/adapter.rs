//! LoRA adapters: which base, role and wording one was trained for, and whether that is what it meets here.
//!
//! llama.cpp loads any adapter whose shapes fit; a wrong one answers fluently and badly. So an adapter says
//! what it is for in its head and is refused by name when it is put elsewhere. This file loads nothing.
//!
//! Rooms it touches: model::gguf, prompt.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::gguf::{Gguf, GgufError};
use super::{Role, Skill};
use crate::prompt;

/// Key of the role in an adapter's head: `manager` or `answer`.
pub const ROLE_KEY: &str = "keepsake.role";
/// Key of the base model's SHA-256, in hexadecimal.
pub const BASE_KEY: &str = "keepsake.base_sha256";
/// Key of the wording's name, see [`wording`].
pub const WORDING_KEY: &str = "keepsake.prompt_fingerprint";
/// Key of how the answer agent was trained to answer: [`DISTILLED`], as without this key, or [`DIRECT`].
pub const ANSWERS_KEY: &str = "keepsake.answers";
/// From the memories that it picks (Memory-R1, section 3.2).
pub const DISTILLED: &str = "distilled";
/// From the best hits at once: what a small model learns best (ARCHITECTURE.md, "Answering").
pub const DIRECT: &str = "direct";

/// Why an adapter is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// There is no such file.
    #[error("the file does not exist; give another path, or none")]
    Missing,
    /// The file is not a whole GGUF file.
    #[error("{0}; export it again")]
    Unreadable(#[from] GgufError),
    /// The file is a GGUF file, but not a LoRA adapter.
    #[error("it is not a LoRA adapter; give a file made by keepsake-trainer")]
    NotAnAdapter,
    /// A key is missing: nobody can know what it was trained for.
    #[error("it does not say {0}; export it with keepsake-trainer")]
    Unlabelled(&'static str),
    /// It is for the other agent.
    #[error("it is for the role {found}, and was given for the role {expected}; swap the two")]
    Role {
        /// What it says.
        found: String,
        /// Where it was put.
        expected: &'static str,
    },
    /// It was trained on another base model.
    #[error(
        "it was trained on another base model (SHA-256 {found:.12}…, this one is {expected:.12}…); use that base"
    )]
    Base {
        /// The hash it names.
        found: String,
        /// The hash of the model file here.
        expected: String,
    },
    /// It was trained for another wording of the prompts.
    #[error(
        "it was trained for the prompt wording {found}, this version has {expected}; use the adapter made for this version"
    )]
    Wording {
        /// The name it has.
        found: String,
        /// The name of the wording here.
        expected: String,
    },
    /// It was trained to answer in a way that is not known here.
    #[error(
        "it answers in a way that this version does not know ({0}); use a newer version, or an adapter made for this one"
    )]
    Answers(String),
    /// llama.cpp did not take it.
    #[error("llama.cpp refused it: its tensors do not fit the base model")]
    Refused,
}

/// The name of the wording of an agent's prompts in this version.
pub fn wording(role: Role) -> String {
    match role {
        Role::Manager => prompt::manager_fingerprint(),
        Role::Answer => prompt::answer_fingerprint(),
    }
}

/// Checks that the adapter at `path` is for `role`, for a base whose SHA-256 is `base`, and for `wording`; gives what it was
/// trained to do beyond the steps of every model.
pub fn check(path: &Path, role: Role, base: &str, wording: &str) -> Result<Option<Skill>, Misfit> {
    if !path.is_file() {
        return Err(Misfit::Missing);
    }
    let head = Gguf::read(path)?;
    if head.text("general.type") != Some("adapter") || head.text("adapter.type") != Some("lora") {
        return Err(Misfit::NotAnAdapter);
    }
    let said = |key: &'static str| head.text(key).map(str::to_owned).ok_or(Misfit::Unlabelled(key));
    let (found_role, found_base, found_wording) = (said(ROLE_KEY)?, said(BASE_KEY)?, said(WORDING_KEY)?);
    if found_role != role.as_str() {
        return Err(Misfit::Role { found: found_role, expected: role.as_str() });
    }
    if !found_base.eq_ignore_ascii_case(base) {
        return Err(Misfit::Base { found: found_base, expected: base.to_owned() });
    }
    if found_wording != wording {
        return Err(Misfit::Wording { found: found_wording, expected: wording.to_owned() });
    }
    match (role, head.text(ANSWERS_KEY)) {
        (Role::Manager, _) => Ok(Some(Skill::Decide)),
        (Role::Answer, None | Some(DISTILLED)) => Ok(Some(Skill::Distil)),
        (Role::Answer, Some(DIRECT)) => Ok(None),
        (Role::Answer, Some(other)) => Err(Misfit::Answers(other.to_owned())),
    }
}

/// SHA-256 of a file, in hexadecimal.
pub fn file_sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gguf::GgufWriter;

    const BASE: &str = "ab12";
    const WORDING: &str = "0123456789abcdef";

    fn adapter(kind: &str, role: Option<&str>, base: &str, wording: &str) -> tempfile::NamedTempFile {
        let mut writer = GgufWriter::new().text("general.type", kind).text("adapter.type", "lora");
        if let Some(role) = role {
            writer = writer.text(ROLE_KEY, role);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), writer.text(BASE_KEY, base).text(WORDING_KEY, wording).finish()).unwrap();
        file
    }

    #[test]
    fn an_adapter_is_refused_by_name_unless_everything_fits() {
        let check = |file: &tempfile::NamedTempFile| check(file.path(), Role::Manager, BASE, WORDING);
        assert_eq!(
            check(&adapter("adapter", Some("manager"), "AB12", WORDING)).unwrap(),
            Some(Skill::Decide)
        );
        assert!(matches!(
            check(&adapter("model", Some("manager"), BASE, WORDING)),
            Err(Misfit::NotAnAdapter)
        ));
        assert!(matches!(check(&adapter("adapter", None, BASE, WORDING)), Err(Misfit::Unlabelled(ROLE_KEY))));
        assert!(matches!(
            check(&adapter("adapter", Some("answer"), BASE, WORDING)),
            Err(Misfit::Role { .. })
        ));
        assert!(matches!(
            check(&adapter("adapter", Some("manager"), "cd", WORDING)),
            Err(Misfit::Base { .. })
        ));
        assert!(matches!(
            check(&adapter("adapter", Some("manager"), BASE, "other")),
            Err(Misfit::Wording { .. })
        ));
        assert!(matches!(
            super::check(Path::new("/nowhere"), Role::Answer, BASE, WORDING),
            Err(Misfit::Missing)
        ));
    }

    #[test]
    fn an_answer_agents_adapter_says_whether_it_distils() {
        let skill = |answers: Option<&str>| {
            let mut writer = GgufWriter::new().text("general.type", "adapter").text("adapter.type", "lora");
            writer = writer.text(ROLE_KEY, "answer").text(BASE_KEY, BASE).text(WORDING_KEY, WORDING);
            if let Some(answers) = answers {
                writer = writer.text(ANSWERS_KEY, answers);
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), writer.finish()).unwrap();
            check(file.path(), Role::Answer, BASE, WORDING)
        };
        assert_eq!(skill(None).unwrap(), Some(Skill::Distil));
        assert_eq!(skill(Some(DISTILLED)).unwrap(), Some(Skill::Distil));
        assert_eq!(skill(Some(DIRECT)).unwrap(), None);
        assert!(matches!(skill(Some("by heart")), Err(Misfit::Answers(_))));
    }

    #[test]
    fn a_file_hash_is_the_standards_hash() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(file.path()).unwrap(), expected);
    }
}
