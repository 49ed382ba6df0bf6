//! Evaluated starts of prompts on the disk, so that a cold start does not evaluate them again.
//!
//! One file for each start, named by its key: a hash of everything that its content depends on. A file is what
//! llama.cpp writes of a sequence, followed by a seal of ours (behind it, because llama.cpp reads from the file's
//! beginning and ignores what comes after):
//!
//! ```text
//! "KpSt"  version u32  key 32 bytes  length of what is sealed u64  SHA-256 of all before 32 bytes
//! ```
//!
//! A file that does not fit its key, length and checksum is never given to llama.cpp: it is made again, and so it may
//! be deleted at any time. It is written under another name first, so that no half of one has this name. Only fixed
//! wording gets here, see [`prompt::is_fixed`](crate::prompt::is_fixed): no word of a person.
//!
//! Rooms it touches: model::adapter.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::token::LlamaToken;
use sha2::{Digest, Sha256};

use super::{CacheType, LlamaSettings};
use crate::model::{Role, adapter};
use crate::prompt;

const MAGIC: &[u8; 4] = b"KpSt";
/// Version of the seal and of what the key is made of.
const VERSION: u32 = 2;
/// The release of llama-cpp-2, whose state files no other release must read.
const LLAMA_CPP: &str = "0.1.160";
const SEAL_BYTES: usize = 4 + 4 + 32 + 8 + 32;
const EXTENSION: &str = "state";
pub(super) const UNFINISHED: &str = "unfinished";
const CALIBRATION: &str = "speed";
/// Most files kept: four steps and a calibration for each of four pairs of model and adapters that a host changes
/// between.
const MOST_FILES: usize = 20;

type Key = [u8; 32];

/// The start of a prompt, with what its state depends on beside the model.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) adapter: Option<Role>,
    /// How the context keeps keys and values.
    pub(super) kind: &'static str,
    pub(super) tokens: &'a [LlamaToken],
}

/// The folder of one model's states.
pub(super) struct States {
    folder: PathBuf,
    /// Everything but adapter and tokens that a state depends on.
    common: Sha256,
    adapters: Vec<(Role, String)>,
}

impl States {
    /// Names the model and its adapters by their content.
    pub(super) fn new(settings: &LlamaSettings, folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut common = Sha256::new();
        let wordings = [prompt::manager_fingerprint(), prompt::answer_fingerprint()];
        for part in [env!("CARGO_PKG_VERSION"), LLAMA_CPP, &wordings[0], &wordings[1]] {
            common.update((part.len() as u64).to_le_bytes());
            common.update(part);
        }
        common.update(VERSION.to_le_bytes());
        // Other kernels, other values.
        common.update(
            [cfg!(feature = "metal"), cfg!(feature = "vulkan"), cfg!(feature = "cuda")].map(u8::from),
        );
        common.update([u8::from(settings.cache == CacheType::Q8_0)]);
        common.update(identity(&settings.model)?);
        let adapters = settings.adapters.iter();
        let adapters = adapters.map(|(role, path)| Ok((*role, adapter::file_sha256(path)?)));
        Ok(Self { folder: folder.to_owned(), common, adapters: adapters.collect::<io::Result<_>>()? })
    }

    /// Puts the state of a start into an empty sequence; false where there is no sound one.
    pub(super) fn load(&self, context: &mut LlamaContext<'_>, sequence: i32, start: Start<'_>) -> bool {
        let key = self.key(start);
        let path = self.path(&key, EXTENSION);
        if !fs::read(&path).is_ok_and(|bytes| is_sound(&bytes, &key)) {
            return false;
        }
        let loaded = context.state_seq_load_file(&path, sequence, start.tokens.len());
        loaded.is_ok_and(|(loaded, _)| loaded == start.tokens)
    }

    /// Writes the state of a sequence that holds exactly this start.
    pub(super) fn save(&self, context: &LlamaContext<'_>, sequence: i32, start: Start<'_>) -> io::Result<()> {
        let key = self.key(start);
        let path = self.path(&key, EXTENSION);
        let unfinished = path.with_extension(format!("{}.{UNFINISHED}", std::process::id()));
        context.state_seq_save_file(&unfinished, sequence, start.tokens).map_err(io::Error::other)?;
        let finished = add_seal(&unfinished, &key).and_then(|()| fs::rename(&unfinished, &path));
        if finished.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        finished?;
        self.remove_old()
    }

    /// Where the calibration of a device with so many processors is kept.
    pub(super) fn calibration(&self, processors: u32) -> PathBuf {
        let mut hash = self.common.clone();
        hash.update(processors.to_le_bytes());
        self.path(&hash.finalize().into(), CALIBRATION)
    }

    fn key(&self, start: Start<'_>) -> Key {
        let mut hash = self.common.clone();
        let adapter = self.adapters.iter().find(|(role, _)| Some(*role) == start.adapter);
        hash.update(adapter.map_or("none", |(_, sha256)| sha256));
        hash.update(start.kind);
        for token in start.tokens {
            hash.update(token.0.to_le_bytes());
        }
        hash.finalize().into()
    }

    fn path(&self, key: &Key, extension: &str) -> PathBuf {
        let name: String = key.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name).with_extension(extension)
    }

    /// Keeps the newest files, and removes what a killed process left unfinished.
    fn remove_old(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let Ok(written) = path.metadata().and_then(|metadata| metadata.modified()) else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION | CALIBRATION) => files.push((written, path)),
                Some(UNFINISHED) if is_old(written) => fs::remove_file(path)?,
                _ => {}
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(MOST_FILES);
        files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn is_old(written: SystemTime) -> bool {
    written.elapsed().is_ok_and(|age| age > Duration::from_hours(1))
}

fn add_seal(path: &Path, key: &Key) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    seal(&mut bytes, key);
    fs::write(path, bytes)
}

fn seal(bytes: &mut Vec<u8>, key: &Key) {
    let length = bytes.len() as u64;
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&length.to_le_bytes());
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
}

/// Whether this is a whole file of ours, of this key.
fn is_sound(bytes: &[u8], key: &Key) -> bool {
    let Some(length) = bytes.len().checked_sub(SEAL_BYTES) else { return false };
    let mut expected = bytes[..length].to_vec();
    seal(&mut expected, key);
    expected == bytes
}

/// What tells a model file from others without reading all of it, which takes seconds for a large one: its length,
/// when it was last written, and 65 pieces of 64 KiB spread over it. Two models that differ do so in nearly all of
/// their weights, and one that is written over has another time.
fn identity(path: &Path) -> io::Result<Key> {
    const PIECES: u64 = 64;
    const PIECE: u64 = 64 << 10;
    let mut file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut hash = Sha256::new();
    hash.update(metadata.len().to_le_bytes());
    let written = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    hash.update(written.as_nanos().to_le_bytes());
    let last = metadata.len().saturating_sub(PIECE);
    for piece in 0..=PIECES {
        file.seek(SeekFrom::Start(last / PIECES * piece))?;
        let mut bytes = Vec::new();
        file.by_ref().take(PIECE).read_to_end(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_of_the_same_key_is_sound() {
        let key = [7; 32];
        let mut file = b"what llama.cpp wrote".to_vec();
        seal(&mut file, &key);
        assert!(is_sound(&file, &key));
        assert!(!is_sound(&file, &[8; 32]));
        for at in 0..file.len() {
            assert!(!is_sound(&file[..at], &key), "cut at {at}");
            let mut other = file.clone();
            other[at] ^= 1;
            assert!(!is_sound(&other, &key), "flipped at {at}");
        }
        file.push(0);
        assert!(!is_sound(&file, &key));
    }

    #[test]
    fn another_length_time_or_weight_is_another_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let weights = vec![1_u8; 200_000];
        fs::write(&path, &weights).unwrap();
        let first = identity(&path).unwrap();
        assert_eq!(identity(&path).unwrap(), first);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let with = |bytes: &[u8], time: SystemTime| {
            fs::write(&path, bytes).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            identity(&path).unwrap()
        };
        assert_eq!(with(&weights, time), first);
        assert_ne!(with(&weights, time + Duration::from_secs(1)), first);
        assert_ne!(with(&weights[1..], time), first);
        let mut other = weights.clone();
        other[150_000] = 2;
        assert_ne!(with(&other, time), first);
    }

    #[test]
    fn the_release_of_llama_cpp_is_the_one_that_is_linked() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("llama-cpp-2 = {{ version = \"={LLAMA_CPP}\"")));
    }
}
