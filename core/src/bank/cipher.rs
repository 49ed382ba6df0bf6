//! Sealing: what stands in a bank's files is unreadable without the host's key.
//!
//! A random data key seals every value and every name in a key; the `KEY` file holds it, sealed by the host's
//! key, with a copy beside it, since with it everything would be lost. AES-256-GCM-SIV throughout (RFC 8452). Values
//! and names are sealed under fixed nonces: the mode is made to stand that, and what an onlooker then learns is
//! only whether the same value was written twice under the same key. A value is bound to its key: moved to
//! another one it does not open.
//!
//! Sizes, counts, ids and the order of changes are not hidden.
//!
//! Rooms it touches: bank.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use zeroize::Zeroizing;

use super::BankError;
use super::journal::sync_parent;

const KEY_FILES: [&str; 2] = ["KEY", "KEY.copy"];
const KEY_MAGIC: &[u8; 4] = b"KpK\x01";
const NONCE_BYTES: usize = 12;
const SEALED_KEY_BYTES: usize = 32 + 16;
const KEY_FILE_BYTES: usize = 4 + NONCE_BYTES + SEALED_KEY_BYTES + 4;

const VALUE_NONCE: &[u8; NONCE_BYTES] = b"keepsake-val";
const NAME_NONCE: &[u8; NONCE_BYTES] = b"keepsake-nam";

/// The host's key: 32 random bytes, kept where the system keeps secrets (Keychain, Keystore). Wiped from memory
/// when dropped.
#[derive(Clone)]
pub struct BankKey(Zeroizing<[u8; 32]>);

impl BankKey {
    /// From its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for BankKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BankKey(..)")
    }
}

/// How values and names stand on disk.
pub(super) enum Seal {
    /// As they are.
    Plain,
    /// Sealed by the data key.
    Sealed(Box<Aes256GcmSiv>),
}

impl Seal {
    /// The bytes of `value` on disk, under the key `key` on disk.
    pub(super) fn value(&self, key: &[u8], value: Vec<u8>) -> Result<Vec<u8>, BankError> {
        match self {
            Self::Plain => Ok(value),
            Self::Sealed(cipher) => seal(cipher, VALUE_NONCE, &value, key),
        }
    }

    /// What [`Seal::value`] was given; `None` where the bytes are not what it made for this key.
    pub(super) fn plain<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Plain => Some(Cow::Borrowed(bytes)),
            Self::Sealed(cipher) => open(cipher, VALUE_NONCE, bytes, key).map(Cow::Owned),
        }
    }

    /// A name as it stands in a key on disk. The same name always gives the same bytes.
    pub(super) fn name(&self, name: &[u8]) -> Result<Vec<u8>, BankError> {
        match self {
            Self::Plain => Ok(name.to_vec()),
            Self::Sealed(cipher) => seal(cipher, NAME_NONCE, name, b""),
        }
    }

    /// The name that [`Seal::name`] was given.
    pub(super) fn plain_name(&self, bytes: &[u8]) -> Option<String> {
        let name = match self {
            Self::Plain => bytes.to_vec(),
            Self::Sealed(cipher) => open(cipher, NAME_NONCE, bytes, b"")?,
        };
        String::from_utf8(name).ok()
    }
}

fn seal(
    cipher: &Aes256GcmSiv,
    nonce: &[u8; NONCE_BYTES],
    msg: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, BankError> {
    cipher
        .encrypt(Nonce::from_slice(nonce), Payload { msg, aad })
        .map_err(|_| BankError::Store("a value is too large to be sealed".into()))
}

fn open(cipher: &Aes256GcmSiv, nonce: &[u8; NONCE_BYTES], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    cipher.decrypt(Nonce::from_slice(nonce), Payload { msg, aad }).ok()
}

/// Whether a file of this name belongs to a sealed bank.
pub(super) fn is_key_file(name: &str) -> bool {
    KEY_FILES.contains(&name) || name == "KEY.new"
}

/// Whether the folder has a key file.
pub(super) fn has_key_file(folder: &Path) -> bool {
    KEY_FILES.iter().any(|name| folder.join(name).exists())
}

/// A new random data key, in the folder's key files.
pub(super) fn begin(folder: &Path, key: &BankKey) -> Result<Seal, BankError> {
    let mut data = Zeroizing::new([0; 32]);
    random(&mut *data)?;
    write(folder, key, &data)?;
    Ok(sealed(&data))
}

/// The data key from the folder's key files. A file that is damaged or missing is written again from the other.
pub(super) fn unlock(folder: &Path, key: &BankKey) -> Result<Seal, BankError> {
    let data = read(folder, key)?;
    Ok(sealed(&data))
}

/// Seals the data key by another key of the host's. Killed in it, the bank opens with the old one or the new.
pub(super) fn rekey(folder: &Path, old: &BankKey, new: &BankKey) -> Result<(), BankError> {
    let data = read(folder, old)?;
    write(folder, new, &data)
}

fn sealed(data: &[u8; 32]) -> Seal {
    Seal::Sealed(Box::new(Aes256GcmSiv::new(data.into())))
}

fn read(folder: &Path, key: &BankKey) -> Result<Zeroizing<[u8; 32]>, BankError> {
    let (mut found, mut another_key, mut damaged) = (None, false, false);
    for name in KEY_FILES {
        match opened(&fs::read(folder.join(name)).unwrap_or_default(), key) {
            Opened::Data(data) => found = Some(data),
            Opened::AnotherKey => another_key = true,
            Opened::Damaged => damaged = true,
        }
    }
    match found {
        // One file of another key: a change of keys was cut short after the first.
        Some(data) if another_key || damaged => write(folder, key, &data).map(|()| data),
        Some(data) => Ok(data),
        None if another_key => Err(BankError::WrongKey { path: folder.to_owned() }),
        None => Err(BankError::Unrecoverable {
            path: folder.to_owned(),
            store: "it is sealed, and both KEY files are missing or damaged",
            journal: "is sealed too",
        }),
    }
}

/// What a key file gave.
enum Opened {
    Data(Zeroizing<[u8; 32]>),
    AnotherKey,
    Damaged,
}

fn opened(bytes: &[u8], key: &BankKey) -> Opened {
    let Some((content, checksum)) = bytes.split_last_chunk::<4>() else { return Opened::Damaged };
    let Some((magic, rest)) = content.split_first_chunk() else { return Opened::Damaged };
    let Some((nonce, sealed)) = rest.split_first_chunk() else { return Opened::Damaged };
    let whole = bytes.len() == KEY_FILE_BYTES && crc32fast::hash(content).to_le_bytes() == *checksum;
    if magic != KEY_MAGIC || !whole {
        return Opened::Damaged;
    }
    let cipher = Aes256GcmSiv::new((&*key.0).into());
    let data = open(&cipher, nonce, sealed, KEY_MAGIC).map(Zeroizing::new);
    match data.as_ref().and_then(|data| data.as_slice().try_into().ok()) {
        Some(data) => Opened::Data(Zeroizing::new(data)),
        None => Opened::AnotherKey,
    }
}

fn write(folder: &Path, key: &BankKey, data: &[u8; 32]) -> Result<(), BankError> {
    let mut nonce = [0; NONCE_BYTES];
    random(&mut nonce)?;
    let cipher = Aes256GcmSiv::new((&*key.0).into());
    let mut bytes = [&KEY_MAGIC[..], &nonce, &seal(&cipher, &nonce, data, KEY_MAGIC)?].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    for name in KEY_FILES {
        replace(&folder.join(name), &bytes).map_err(|error| BankError::Store(error.into()))?;
    }
    Ok(())
}

/// Written beside and renamed, so that there is never half a file.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

fn random(bytes: &mut [u8]) -> Result<(), BankError> {
    getrandom::fill(bytes).map_err(|_| BankError::Store("the system gives no random bytes".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> BankKey {
        BankKey::new([byte; 32])
    }

    #[test]
    fn a_value_opens_under_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let seal = begin(folder.path(), &key(1)).unwrap();
        let bytes = seal.value(b"t1", b"hello".to_vec()).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"hello"));
        assert_eq!(seal.plain(b"t1", &bytes).unwrap(), b"hello".as_slice());
        assert_eq!(seal.plain(b"t2", &bytes), None, "moved");
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(seal.plain(b"t1", &damaged), None, "flipped at {at}");
        }
        let again = unlock(folder.path(), &key(1)).unwrap();
        assert_eq!(again.plain(b"t1", &bytes).unwrap(), b"hello".as_slice());
        let name = seal.name(b"work").unwrap();
        assert_eq!(
            (again.name(b"work").unwrap(), again.plain_name(&name)),
            (name.clone(), Some("work".into()))
        );
        assert_eq!(again.plain(b"", &name), None, "a name is no value");
    }

    #[test]
    fn a_wrong_key_is_told_from_damage_and_one_damaged_file_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        drop(begin(folder.path(), &key(1)).unwrap());
        assert!(matches!(unlock(folder.path(), &key(2)), Err(BankError::WrongKey { .. })));
        for name in KEY_FILES {
            fs::write(folder.path().join(name), "damaged").unwrap();
            unlock(folder.path(), &key(1)).unwrap();
            assert_eq!(fs::read(folder.path().join(name)).unwrap().len(), KEY_FILE_BYTES, "put right");
            fs::remove_file(folder.path().join(name)).unwrap();
            assert!(matches!(unlock(folder.path(), &key(2)), Err(BankError::WrongKey { .. })));
            unlock(folder.path(), &key(1)).unwrap();
        }
        for name in KEY_FILES {
            fs::write(folder.path().join(name), "damaged").unwrap();
        }
        assert!(matches!(unlock(folder.path(), &key(1)), Err(BankError::Unrecoverable { .. })));
    }

    #[test]
    fn after_a_change_of_keys_only_the_new_one_opens() {
        let folder = tempfile::tempdir().unwrap();
        let seal = begin(folder.path(), &key(1)).unwrap();
        let bytes = seal.value(b"t1", b"hello".to_vec()).unwrap();
        let before = fs::read(folder.path().join(KEY_FILES[1])).unwrap();
        assert!(matches!(rekey(folder.path(), &key(3), &key(2)), Err(BankError::WrongKey { .. })));
        rekey(folder.path(), &key(1), &key(2)).unwrap();
        assert!(matches!(unlock(folder.path(), &key(1)), Err(BankError::WrongKey { .. })));
        let again = unlock(folder.path(), &key(2)).unwrap();
        assert_eq!(again.plain(b"t1", &bytes).unwrap(), b"hello".as_slice());

        // Killed between the two files: either key opens, and makes both files its own.
        fs::write(folder.path().join(KEY_FILES[1]), before).unwrap();
        unlock(folder.path(), &key(2)).unwrap();
        assert!(matches!(unlock(folder.path(), &key(1)), Err(BankError::WrongKey { .. })));
    }
}
