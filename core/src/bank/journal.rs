//! The journal: one append-only file that alone suffices to rebuild a bank.
//!
//! ```text
//! head    "KpJ" version:u8 | generation:u64 | salt:u64 | crc32:u32
//! frame   "kp" kind:u8 0 | length:u32 | number:u64 | digest:16 | crc32:u32 | payload
//! payload (key length:u32 | key | value length:u32, or u32::MAX where the key goes | value)*
//! ```
//!
//! All numbers little endian. A file begins with the whole state as `BASE` frames and one `END`, written
//! beside and renamed, so that there is never half a base. Every change after it is one `CHANGE` frame,
//! numbered one up, on the disk before the change is acknowledged. Each `END` and `CHANGE` carries the
//! digest of the state after it, so that whoever replays can prove that nothing is missing.
//!
//! The file is longer than its frames: it grows by blocks of zeros, written ahead, because syncing a file that
//! does not grow is cheaper (measured: a fifth more changes a second).
//!
//! The salt is random and goes into every frame's checksum, so that no text that is kept can pose as a frame where
//! a write was torn.
//!
//! A frame that cannot be read is passed over: reading goes on at the next one whose checksum fits. What
//! that means is for the caller to judge, from the numbers.
//!
//! Rooms it touches: bank.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::BankError;
use super::digest::Digest;

const MAGIC: &[u8; 4] = b"KpJ\x02";
const HEAD_BYTES: usize = 24;
const FRAME_MAGIC: &[u8; 2] = b"kp";
const FRAME_HEAD_BYTES: usize = 36;
/// Most bytes of a frame's payload that are believed. A change holds at most one turn with what came of it;
/// records are at most 16 MiB.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of entries that one `BASE` frame takes, about.
const BASE_FRAME_BYTES: usize = 1024 * 1024;
/// Changes that a journal holds before it is begun anew with a base: this many bytes, and more than its base.
const LONG_BYTES: u64 = 16 * 1024 * 1024;
/// The block of zeros that the file grows by.
const AHEAD_BYTES: u64 = 1024 * 1024;
const GONE: u32 = u32::MAX;

const BASE: u8 = 1;
const END: u8 = 2;
const CHANGE: u8 = 3;

/// A key with its new value; `None` where the key goes.
pub(super) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// One change, or a part of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The change's number; in the base, that of the last change in it.
    pub(super) number: u64,
    pub(super) part: Part,
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Some of the state at the file's beginning.
    Base(Payload),
    /// The base is whole; its digest.
    End(Digest),
    /// A change, and the digest of the state after it.
    Change(Payload, Digest),
}

/// Entries as they stand in a frame; all can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload(Vec<u8>);

impl Payload {
    /// `None` where the bytes are no entries.
    fn of(bytes: Vec<u8>) -> Option<Self> {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            next_entry(&mut rest)?;
        }
        Some(Self(bytes))
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut rest = self.0.as_slice();
        let owned = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        std::iter::from_fn(|| next_entry(&mut rest)).map(owned).collect()
    }
}

/// Decodes bytes as the entries of a frame.
///
/// # Panics
/// Where entries that decode are not written as the same bytes.
#[cfg(feature = "testing")]
pub(super) fn try_entries(bytes: &[u8]) {
    let Some(payload) = Payload::of(bytes.to_vec()) else { return };
    let mut again = Vec::new();
    for (key, value) in payload.entries() {
        assert!(put(&mut again, &key, value.as_deref()).is_ok());
    }
    assert_eq!(again, bytes);
}

/// What reading a journal found beside its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Which rewriting of the bank this is; the store must be of the same.
    pub(super) generation: u64,
    salt: u64,
    /// Where the last readable frame ends.
    pub(super) end: u64,
    /// Bytes before `end` that are no frame.
    pub(super) damaged: u64,
    /// Bytes after `end` up to the last that is not zero: a write that was cut short, or damage.
    pub(super) tail: u64,
    /// The file's length.
    pub(super) size: u64,
}

/// A journal open for appending.
pub(super) struct Journal {
    file: File,
    salt: u64,
    base_bytes: u64,
    /// Where the last frame ends.
    length: u64,
    /// Where the zeros after it end.
    size: u64,
}

impl Journal {
    /// Writes a journal that begins with this state, beside, and puts it in the place of the one at `path`.
    /// [`Append::Refused`]: the old one is still there.
    pub(super) fn create(
        path: &Path,
        generation: u64,
        number: u64,
        digest: Digest,
        state: impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<Self, Append> {
        let beside = path.with_extension("new");
        let salt = random_salt().map_err(Append::Refused)?;
        let (file, length) = write_base(&beside, (generation, salt), number, digest, state)
            .and_then(|length| Ok((File::options().write(true).open(&beside)?, length)))
            .map_err(Append::Refused)?;
        fs::rename(&beside, path).map_err(Append::Refused)?;
        sync_parent(path).map_err(Append::Unsure)?;
        Ok(Self { file, salt, base_bytes: length, length, size: length })
    }

    /// Opens the journal at `path` to append behind `found`, cutting off what stands after it.
    pub(super) fn open(path: &Path, found: &Found, base_bytes: u64) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let mut journal = Self { file, salt: found.salt, base_bytes, length: found.end, size: found.size };
        if found.tail > 0 {
            journal.cut()?;
            journal.file.sync_all()?;
        }
        Ok(journal)
    }

    /// Appends a change, durably. An error leaves the file as it was, or says so by [`Append::Unsure`].
    pub(super) fn append(&mut self, number: u64, digest: Digest, entries: &[Entry]) -> Result<(), Append> {
        let mut payload = Vec::new();
        for (key, value) in entries {
            put(&mut payload, key, value.as_deref()).map_err(Append::Refused)?;
        }
        let mut bytes =
            frame_head(self.salt, CHANGE, number, digest, &payload).map_err(Append::Refused)?.to_vec();
        bytes.append(&mut payload);
        if let Err(error) = self.write(&bytes) {
            return Err(if self.cut().is_ok() { Append::Refused(error) } else { Append::Unsure(error) });
        }
        // After a sync that failed nobody knows what the disk holds.
        self.file.sync_data().map_err(Append::Unsure)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.length + bytes.len() as u64;
        if end > self.size {
            let size = end.next_multiple_of(AHEAD_BYTES);
            self.file.seek(SeekFrom::Start(self.size))?;
            io::copy(&mut io::repeat(0).take(size - self.size), &mut self.file)?;
            self.size = size;
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)
    }

    /// Cuts off everything after the last frame.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.size = self.length;
        Ok(())
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.size
    }

    /// Whether it is time to begin it anew.
    pub(super) fn is_long(&self) -> bool {
        self.length - self.base_bytes > LONG_BYTES.max(self.base_bytes)
    }
}

/// Why something was not written.
#[derive(Debug)]
pub(super) enum Append {
    /// The journal is as it was.
    Refused(io::Error),
    /// The change may be in the journal or not: only reading it again tells.
    Unsure(io::Error),
}

impl Append {
    pub(super) fn error(self) -> BankError {
        let (Self::Refused(error) | Self::Unsure(error)) = self;
        BankError::Store(error.into())
    }
}

/// Reads a journal from its beginning; `frame` gets every frame that can be read, with the offset of its end.
/// `None` where the file is no journal or its head cannot be read.
pub(super) fn read(path: &Path, frame: &mut dyn FnMut(Frame, u64)) -> io::Result<Option<Found>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut input = BufReader::with_capacity(256 * 1024, file);
    let mut first = [0; HEAD_BYTES];
    if size < HEAD_BYTES as u64 {
        return Ok(None);
    }
    input.read_exact(&mut first)?;
    let Some((generation, salt)) = read_head(&first) else { return Ok(None) };
    let (mut at, mut end, mut damaged) = (HEAD_BYTES as u64, HEAD_BYTES as u64, 0);
    while at < size {
        input.seek(SeekFrom::Start(at))?;
        match read_frame(&mut input, salt, size - at)? {
            Some((found, bytes)) => {
                damaged += at - end;
                at += bytes;
                end = at;
                frame(found, end);
            }
            None => at = next_magic(&mut input, at + 1, size)?,
        }
    }
    let tail = used(&mut input, end)?;
    Ok(Some(Found { generation, salt, end, damaged, tail, size }))
}

/// Whether the file is a journal of this version, by its head.
pub(super) fn is_one(path: &Path) -> bool {
    let mut first = [0; HEAD_BYTES];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && read_head(&first).is_some()
}

/// A new file with this state; its length.
fn write_base(
    path: &Path,
    (generation, salt): (u64, u64),
    number: u64,
    digest: Digest,
    state: impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>>,
) -> io::Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut length = HEAD_BYTES as u64;
    file.write_all(&head(generation, salt))?;
    let mut write = |kind, digest, payload: &[u8]| -> io::Result<()> {
        length += (FRAME_HEAD_BYTES + payload.len()) as u64;
        file.write_all(&frame_head(salt, kind, number, digest, payload)?)?;
        file.write_all(payload)
    };
    let mut payload = Vec::new();
    for entry in state {
        let (key, value) = entry?;
        put(&mut payload, &key, Some(&value))?;
        if payload.len() >= BASE_FRAME_BYTES {
            write(BASE, Digest::EMPTY, &payload)?;
            payload.clear();
        }
    }
    write(BASE, Digest::EMPTY, &payload)?;
    write(END, digest, &[])?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(length)
}

fn random_salt() -> io::Result<u64> {
    getrandom::u64().map_err(|_| io::Error::other("the system gives no random bytes"))
}

fn head(generation: u64, salt: u64) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4..12].copy_from_slice(&generation.to_le_bytes());
    bytes[12..20].copy_from_slice(&salt.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Generation and salt.
fn read_head(bytes: &[u8; HEAD_BYTES]) -> Option<(u64, u64)> {
    let generation = u64::from_le_bytes(bytes[4..12].try_into().ok()?);
    let salt = u64::from_le_bytes(bytes[12..20].try_into().ok()?);
    (*bytes == head(generation, salt)).then_some((generation, salt))
}

fn frame_head(
    salt: u64,
    kind: u8,
    number: u64,
    digest: Digest,
    payload: &[u8],
) -> io::Result<[u8; FRAME_HEAD_BYTES]> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the change is too large for the journal"));
    }
    let mut bytes = [0; FRAME_HEAD_BYTES];
    bytes[..2].copy_from_slice(FRAME_MAGIC);
    bytes[2] = kind;
    bytes[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..32].copy_from_slice(&digest.to_bytes());
    let checksum = checksum(salt, &bytes, payload).to_le_bytes();
    bytes[32..].copy_from_slice(&checksum);
    Ok(bytes)
}

fn checksum(salt: u64, head: &[u8; FRAME_HEAD_BYTES], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&head[..32]);
    hasher.update(payload);
    hasher.finalize()
}

/// The frame here, with its length; `None` where there is none that can be read within `room` bytes.
fn read_frame(input: &mut impl Read, salt: u64, room: u64) -> io::Result<Option<(Frame, u64)>> {
    let mut head = [0; FRAME_HEAD_BYTES];
    if room < FRAME_HEAD_BYTES as u64 {
        return Ok(None);
    }
    input.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let bytes = (FRAME_HEAD_BYTES + length) as u64;
    if &head[..2] != FRAME_MAGIC || head[3] != 0 || length > MAX_PAYLOAD_BYTES || bytes > room {
        return Ok(None);
    }
    let mut payload = vec![0; length];
    input.read_exact(&mut payload)?;
    if checksum(salt, &head, &payload).to_le_bytes() != head[32..] {
        return Ok(None);
    }
    Ok(frame_of(&head, payload).map(|frame| (frame, bytes)))
}

fn frame_of(head: &[u8; FRAME_HEAD_BYTES], payload: Vec<u8>) -> Option<Frame> {
    let number = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let digest = Digest::from_bytes(head[16..32].try_into().ok()?);
    let entries = Payload::of(payload)?;
    let part = match head[2] {
        BASE => Part::Base(entries),
        END => Part::End(digest),
        CHANGE => Part::Change(entries, digest),
        _ => return None,
    };
    Some(Frame { number, part })
}

fn put(payload: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len()).ok().filter(|length| *length != GONE).ok_or(io::ErrorKind::FileTooLarge)
    };
    payload.extend_from_slice(&length(key)?.to_le_bytes());
    payload.extend_from_slice(key);
    match value {
        None => payload.extend_from_slice(&GONE.to_le_bytes()),
        Some(value) => {
            payload.extend_from_slice(&length(value)?.to_le_bytes());
            payload.extend_from_slice(value);
        }
    }
    Ok(())
}

/// Takes the first entry off; `None` where there is none or it cannot be read.
fn next_entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let key = take(rest)?;
    match rest.split_first_chunk() {
        Some((length, after)) if u32::from_le_bytes(*length) == GONE => {
            *rest = after;
            Some((key, None))
        }
        _ => Some((key, Some(take(rest)?))),
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(bytes)
}

/// How many bytes from `from` on there are, without the zeros at the end.
fn used(input: &mut (impl Read + Seek), from: u64) -> io::Result<u64> {
    input.seek(SeekFrom::Start(from))?;
    let (mut at, mut used) = (0, 0);
    let mut block = [0; 8192];
    loop {
        let count = input.read(&mut block)?;
        if count == 0 {
            return Ok(used);
        }
        if let Some(last) = block[..count].iter().rposition(|byte| *byte != 0) {
            used = at + last as u64 + 1;
        }
        at += count as u64;
    }
}

/// Where the next frame may begin, at `from` or later; `size` where none does.
fn next_magic(input: &mut (impl Read + Seek), from: u64, size: u64) -> io::Result<u64> {
    input.seek(SeekFrom::Start(from))?;
    let (mut at, mut before) = (from, 0);
    let mut block = [0; 8192];
    loop {
        let count = input.read(&mut block)?;
        if count == 0 {
            return Ok(size);
        }
        for &byte in &block[..count] {
            if before == FRAME_MAGIC[0] && byte == FRAME_MAGIC[1] {
                return Ok(at - 1);
            }
            before = byte;
            at += 1;
        }
    }
}

/// Makes a new or renamed file's name durable. Windows has no such call and does not need one.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame inside a text, where the write around it was torn: it counts only for who knows the salt.
    #[test]
    fn a_text_cannot_pose_as_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("JOURNAL");
        let found_after = |salt: Option<u64>| {
            let mut journal = Journal::create(&path, 1, 0, Digest::EMPTY, std::iter::empty()).unwrap();
            let whole = journal.length as usize;
            let mut inner = Vec::new();
            put(&mut inner, b"key", Some(b"planted")).unwrap();
            let head = frame_head(salt.unwrap_or(journal.salt), CHANGE, 1, Digest::EMPTY, &inner).unwrap();
            let text = [&head[..], &inner].concat();
            journal.append(1, Digest::EMPTY, &[(b"text".to_vec(), Some(text))]).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            bytes[whole + 8] ^= 1;
            fs::write(&path, bytes).unwrap();
            let mut changes = 0;
            read(&path, &mut |frame, _| changes += u32::from(matches!(frame.part, Part::Change(..))))
                .unwrap();
            changes
        };
        assert_eq!(found_after(None), 1, "the test plants a good frame");
        for guess in [0, 1, u64::MAX] {
            assert_eq!(found_after(Some(guess)), 0);
        }
    }

    proptest! {
        #[test]
        fn entries_read_back_and_no_bytes_panic(
            entries in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..20), prop::option::of(prop::collection::vec(any::<u8>(), 0..20))),
                0..8,
            ),
            noise in prop::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            for (key, value) in &entries {
                put(&mut bytes, key, value.as_deref()).unwrap();
            }
            prop_assert_eq!(Payload::of(bytes.clone()).unwrap().entries(), entries);
            bytes.truncate(cut.index(bytes.len() + 1));
            drop(Payload::of(bytes));
            drop(Payload::of(noise.clone()));
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("JOURNAL");
            fs::write(&file, [&head(1, 2)[..], FRAME_MAGIC, &noise].concat()).unwrap();
            let found = read(&file, &mut |_, _| {}).unwrap();
            prop_assert_eq!(found.unwrap().generation, 1);
        }
    }
}
