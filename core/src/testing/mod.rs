//! Stand-ins for tests, ours and a host's: a scripted model, a letter embedder, a bank that fails on demand; and a
//! pipeline of another shape to be measured beside.
//!
//! Behind the feature `testing`; nothing here is for production. Rooms it touches: types, prompt, model, embed, bank.

mod faulty_bank;
pub mod gguf;
mod letter_embedder;
pub mod mem0;
mod scripted_model;

pub use self::faulty_bank::{Failing, FaultyBank};
pub use self::letter_embedder::LetterEmbedder;
pub use self::scripted_model::{Reply, ScriptedModel};

use crate::types::{Memory, MemoryId, MemoryState, Origin, SpaceId, Timestamp, Turn, TurnId};

/// Whether these bytes stand in any file of a folder, or in a file's name.
///
/// # Panics
/// Where the folder cannot be read.
#[allow(clippy::unwrap_used)] // a test helper: its panic is the test's verdict
pub fn files_hold(folder: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        let holds = |data: &[u8]| data.windows(bytes.len()).any(|window| window == bytes);
        holds(&name)
            || if path.is_dir() { files_hold(&path, bytes) } else { holds(&std::fs::read(&path).unwrap()) }
    })
}

/// Decodes bytes as every record and every change that a bank's files can hold, behind checksums that fit.
///
/// # Panics
/// Where what decodes is not written as what was read.
pub fn decode_as_all_of_a_bank(bytes: &[u8]) {
    crate::bank::try_bytes(bytes);
}

/// A memory that holds, said by Maria on 2 March 2024.
pub fn memory(id: u64, text: &str) -> Memory {
    Memory {
        id: MemoryId(id),
        space: SpaceId::default(),
        version: 1,
        text: text.to_owned(),
        speaker: "Maria".to_owned(),
        valid_from: Timestamp::from_seconds(1_709_373_600),
        recorded: Timestamp::from_seconds(1_709_373_600),
        origin: Origin::User,
        sources: vec![TurnId(1)],
        state: MemoryState::Current,
    }
}

/// A turn said by Maria on 2 March 2024 at 10:00.
pub fn turn(id: u64, text: &str) -> Turn {
    Turn {
        id: TurnId(id),
        space: SpaceId::default(),
        session: "1".to_owned(),
        speaker: "Maria".to_owned(),
        text: text.to_owned(),
        image: None,
        time: Timestamp::from_seconds(1_709_373_600),
        recorded: Timestamp::from_seconds(1_709_373_600),
        origin: Origin::User,
        reference: None,
    }
}
