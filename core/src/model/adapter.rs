//! LoRA adapters: which base, role and wording one was trained for, and whether that is what it meets here.
//!
//! llama.cpp loads any adapter whose shapes fit; a wrong one answers fluently and badly. So an adapter says
//! what it is for in its head and is refused by name when it is put elsewhere. This file loads nothing.
//!
//! Rooms it touches: model::gguf.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Role;
use super::gguf::{Gguf, GgufError};

/// Key of the role in an adapter's head: `manager` or `answer`.
pub const ROLE_KEY: &str = "keepsake.role";
/// Key of the base model's SHA-256, in hexadecimal.
pub const BASE_KEY: &str = "keepsake.base_sha256";
/// Key of the wording's name, see [`crate::prompt::fingerprint`].
pub const WORDING_KEY: &str = "keepsake.prompt_fingerprint";

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
    /// llama.cpp did not take it.
    #[error("llama.cpp refused it: its tensors do not fit the base model")]
    Refused,
}

/// Checks that the adapter at `path` is for `role`, for a base whose SHA-256 is `base`, and for `wording`.
pub fn check(path: &Path, role: Role, base: &str, wording: &str) -> Result<(), Misfit> {
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
    Ok(())
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
        assert!(check(&adapter("adapter", Some("manager"), "AB12", WORDING)).is_ok());
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
    fn a_file_hash_is_the_standards_hash() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(file.path()).unwrap(), expected);
    }
}
