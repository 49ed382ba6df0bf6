//! Keys and values on disk that lose nothing: sled as the working state, the journal as its proof.
//!
//! ```text
//! folder/FORMAT     the format's number, written first and read before anything else
//! folder/LOCK       held exclusively while the bank is open
//! folder/KEY        of a sealed bank: the data key, see `cipher`; with a copy beside it
//! folder/JOURNAL    the whole state and every change since, see `journal`
//! folder/store-N/   sled, in its N-th rewriting
//! folder/damaged-N/ what did not open or verify, set aside
//! ```
//!
//! A change is on the disk, in the journal, before sled hears of it. sled carries the number of the last
//! change it has and the digest of its whole state; opening reads every entry, compares, and brings sled up
//! to date from the journal. Each alone suffices: a store that is missing, does not open or has another
//! digest is set aside and built again from the journal; a damaged journal is set aside and written again
//! from the store. Where neither is whole, opening refuses and changes nothing.
//!
//! One writer at a time. Readers wait only while a change is applied, never for the disk.
//!
//! What sled leaves open, and what stands in front of it: a value near its segment size (512 KiB) goes to a
//! file of its own that it does not sync (the journal has it); reading a mangled log can panic, which is caught;
//! deleted bytes stay in old segments (`rewrite` builds a new store and removes the old one); and what `db` says.
//!
//! Rooms it touches: bank.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use ::sled::Batch;

use super::cipher::{self, BankKey, Seal};
use super::db::{self, Db};
use super::digest::Digest;
use super::journal::{self, Append, Entry, Found, Frame, Journal, Part, Payload, sync_parent};
use super::{BankError, Recovery};

/// The newest format of the folder that this version reads, and the one it writes.
const FORMAT: u32 = 2;

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
pub(super) const JOURNAL_FILE: &str = "JOURNAL";
const STORE_PREFIX: &str = "store-";
const DAMAGED_PREFIX: &str = "damaged-";
/// Files that are written beside and renamed.
const NEW_FILES: [&str; 3] = ["FORMAT.new", "JOURNAL.new", "KEY.new"];
/// What `FORMAT` says beside the number where the bank is sealed.
const SEALED: &str = "sealed";

/// Entries that a rebuilt store gets at a time.
const BATCH_ENTRIES: usize = 1000;

/// How long a bank that is open elsewhere is waited for. A guess: a killed process with a model in memory was seen
/// to hold its lock for 0.15 s, and on a busy machine for more than one.
const KILLED_WAIT: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// Where sled keeps its own number and digest. No other key is this one or begins with 0.
const STATE_KEY: &[u8] = &[0];

/// The keys and values of a bank.
pub(super) struct Store {
    // Fields are dropped in this order: the store must be closed before the folder's lock is given back.
    db: RwLock<Db>,
    writer: Mutex<Writer>,
    failed: AtomicBool,
    seal: Seal,
    folder: PathBuf,
    recovered: Vec<Recovery>,
    _lock: File,
}

/// What only the writer knows.
struct Writer {
    journal: Journal,
    state: State,
}

/// Where a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    generation: u64,
    number: u64,
    digest: Digest,
}

impl Store {
    /// Opens the store in `folder`, or makes one where the folder is empty or missing, and verifies all of
    /// it. A folder that holds anything else is refused and left as it is.
    ///
    /// With a key a new store is sealed by it, and one that is there must have been.
    pub(super) fn open(folder: &Path, key: Option<&BankKey>) -> Result<Self, BankError> {
        let failed = |source| open_error(folder, source);
        make_folder(folder).map_err(failed)?;
        refuse_foreign(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let (seal, format) = read_or_write_format(folder, key)?;
        for name in NEW_FILES {
            remove_if_there(&folder.join(name)).map_err(failed)?;
        }
        let (db, writer, mut recovered) = open_or_recover(folder)?;
        recovered.extend(format);
        for recovery in &recovered {
            log::warn!("opening the bank: {recovery}");
        }
        Ok(Self {
            db: RwLock::new(db),
            writer: Mutex::new(writer),
            failed: AtomicBool::new(false),
            seal,
            folder: folder.to_owned(),
            recovered,
            _lock: lock,
        })
    }

    /// Runs `work` on a store that does not open, which [`write_anew`] may replace.
    pub(super) fn salvage<T>(
        folder: &Path,
        key: Option<&BankKey>,
        work: impl FnOnce(&Seal) -> Result<T, BankError>,
    ) -> Result<T, BankError> {
        refuse_foreign(folder).map_err(|source| open_error(folder, source))?;
        let _lock = lock(folder)?;
        work(&read_or_write_format(folder, key)?.0)
    }

    /// Adds to what opening had to put right.
    pub(super) fn also_recovered(&mut self, recovery: Recovery) {
        log::warn!("opening the bank: {recovery}");
        self.recovered.push(recovery);
    }

    /// What opening had to put right.
    pub(super) fn recovered(&self) -> &[Recovery] {
        &self.recovered
    }

    /// Bytes the bank takes on disk, without what was set aside.
    pub(super) fn size_on_disk(&self) -> Result<u64, BankError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.journal.bytes() + db.size_on_disk().map_err(store_error)?)
    }

    /// Runs `work` on a state in which no change is half applied.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Db, &Seal) -> Result<T, BankError>,
    ) -> Result<T, BankError> {
        self.healthy()?;
        work(&self.db.read().unwrap_or_else(PoisonError::into_inner), &self.seal)
    }

    /// Seals the data key by another key of the host's.
    pub(super) fn rekey(&self, old: &BankKey, new: &BankKey) -> Result<(), BankError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match self.seal {
            Seal::Plain => Err(BankError::NotSealed { path: self.folder.clone() }),
            Seal::Sealed(_) => cipher::rekey(&self.folder, old, new),
        }
    }

    /// Runs `work`, which reads the state and fills the change, then makes the change durable and applies
    /// it. Where that fails, nothing was applied.
    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&Db, &Seal, &mut Change) -> Result<T, BankError>,
    ) -> Result<T, BankError> {
        // The lock's data is only changed by what cannot panic in between.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.healthy()?;
        let mut change = Change::default();
        let (value, entries, state) = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            let value = work(&db, &self.seal, &mut change)?;
            let (entries, digest) = effective(&db, change, writer.state.digest)?;
            let number = writer.state.number.checked_add(1).ok_or_else(|| store_error(no_numbers()))?;
            (value, entries, State { number, digest, ..writer.state })
        };
        if entries.is_empty() {
            return Ok(value);
        }
        writer.journal.append(state.number, state.digest, &entries).map_err(|why| self.not_written(why))?;
        let applied = {
            let db = self.db.write().unwrap_or_else(PoisonError::into_inner);
            apply(&db, &entries, &state)
        };
        if let Err(error) = applied {
            // The journal has it, sled has not: only opening again brings them together.
            self.failed.store(true, Ordering::Release);
            return Err(error);
        }
        writer.state = state;
        if writer.journal.is_long() {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            match journal_of(&self.folder, &db, state) {
                Ok(journal) => writer.journal = journal,
                // The change stands, and the old journal has everything: try again after the next change.
                Err(why) => log::warn!("the journal could not be begun anew: {}", self.not_written(why)),
            }
        }
        Ok(value)
    }

    /// Writes all files anew, so that no byte of what is no longer part of the state is left in any, and
    /// removes what was set aside. A process that is killed in it leaves the old files or the new ones.
    pub(super) fn rewrite(&self) -> Result<(), BankError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.healthy()?;
        let failed = |source| open_error(&self.folder, source);
        let generation = writer.state.generation.checked_add(1).ok_or_else(|| store_error(no_numbers()))?;
        let state = State { generation, ..writer.state };
        let path = store_path(&self.folder, generation);
        remove_set_aside(&self.folder).map_err(failed)?;
        remove_if_there(&path).map_err(failed)?;
        let new = open_sled(&self.folder, &path)?;
        let journal = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            let mut filler = Filler::new(&new);
            for entry in entries_of(&db) {
                let (key, value) = entry.map_err(store_error)?;
                filler = filler.put(key, Some(value))?;
            }
            filler.finish(&state)?;
            new.flush().map_err(store_error)?;
            journal_of(&self.folder, &db, state).map_err(|why| self.not_written(why))?
        };
        // From here on the new files are the bank.
        *writer = Writer { journal, state };
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = new;
        remove_other_stores(&self.folder, generation).map_err(failed)
    }

    /// Reads every byte of journal and store again and compares them. Nobody can change anything meanwhile.
    pub(super) fn verify(&self) -> Result<(), BankError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.healthy()?;
        let outline = Outline::read(&self.folder)?;
        let damaged = |what| BankError::Damaged { kind: "file", id: JOURNAL_FILE.to_owned(), what };
        if !outline.whole()
            || outline.tail_cut().is_some()
            || outline.last != Some((writer.state.number, writer.state.digest))
        {
            return Err(damaged("it does not hold what was written to it: close the bank and open it again"));
        }
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if digest_of(&db)? != writer.state.digest {
            let what = "it does not hold what was written to it: close the bank and open it again";
            return Err(BankError::Damaged { kind: "file", id: STORE_PREFIX.to_owned(), what });
        }
        Ok(())
    }

    /// What to answer to a journal that was not written; the bank is closed to all where nobody knows which
    /// journal is on the disk.
    fn not_written(&self, why: Append) -> BankError {
        if matches!(why, Append::Unsure(_)) {
            self.failed.store(true, Ordering::Release);
        }
        why.error()
    }

    fn healthy(&self) -> Result<(), BankError> {
        if self.failed.load(Ordering::Acquire) {
            let what = "an earlier change failed on its way to the disk: open the bank again";
            return Err(store_error(io::Error::other(what)));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What one change writes; applied as a whole or not at all. The last word on a key counts.
#[derive(Default)]
pub(super) struct Change(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Change {
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, Some(value));
    }

    /// Removes a key as the store gives it. False for its own state, which stays.
    pub(super) fn remove_record(&mut self, key: &[u8]) -> bool {
        if key != STATE_KEY {
            self.remove(key.to_vec());
        }
        key != STATE_KEY
    }

    /// Nothing happens where the key is not there.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.0.insert(key, None);
    }
}

/// The entries that change anything, and the digest after them.
fn effective(db: &Db, change: Change, mut digest: Digest) -> Result<(Vec<Entry>, Digest), BankError> {
    let mut entries = Vec::with_capacity(change.0.len());
    for (key, value) in change.0 {
        let old = db.get(&key).map_err(store_error)?;
        if old.as_deref() == value.as_deref() {
            continue;
        }
        if let Some(old) = old {
            digest = digest.without(&key, &old);
        }
        if let Some(new) = &value {
            digest = digest.with(&key, new);
        }
        entries.push((key, value));
    }
    Ok((entries, digest))
}

/// The state goes last: where it is not there, the change is applied again, whatever part of it is.
fn apply(db: &Db, entries: &[Entry], state: &State) -> Result<(), BankError> {
    let state = state.to_bytes();
    let entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
    db.apply(entries.chain([(STATE_KEY, Some(&state[..]))])).map_err(store_error)
}

impl State {
    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.generation.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..].copy_from_slice(&self.digest.to_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        Some(Self {
            generation: u64::from_le_bytes(bytes[..8].try_into().ok()?),
            number: u64::from_le_bytes(bytes[8..16].try_into().ok()?),
            digest: Digest::from_bytes(bytes[16..].try_into().ok()?),
        })
    }
}

/// Fills a new store in batches.
struct Filler<'a> {
    db: &'a Db,
    batch: Batch,
    entries: usize,
}

impl<'a> Filler<'a> {
    fn new(db: &'a Db) -> Self {
        Self { db, batch: Batch::default(), entries: 0 }
    }

    fn put(mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<Self, BankError> {
        match value {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        self.entries += 1;
        if self.entries < BATCH_ENTRIES {
            return Ok(self);
        }
        self.db.apply_batch(self.batch).map_err(store_error)?;
        Ok(Self::new(self.db))
    }

    fn finish(mut self, state: &State) -> Result<(), BankError> {
        self.batch.insert(STATE_KEY, state.to_bytes().as_slice());
        self.db.apply_batch(self.batch).map_err(store_error)
    }
}

/// What a journal holds, without the entries.
#[derive(Default)]
struct Outline {
    found: Option<Found>,
    exists: bool,
    /// The number at the end of the base, and where the base ends.
    base: Option<(u64, u64)>,
    /// The last change that can be read.
    last: Option<(u64, Digest)>,
    /// The digest after each change, by number.
    digests: BTreeMap<u64, Digest>,
    /// Whether a number was passed over.
    gap: bool,
}

impl Outline {
    fn read(folder: &Path) -> Result<Self, BankError> {
        let path = folder.join(JOURNAL_FILE);
        let mut outline = Self::default();
        let found = match journal::read(&path, &mut |frame, end| outline.see(&frame, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(outline),
            found => found.map_err(|error| open_error(folder, error))?,
        };
        (outline.found, outline.exists) = (found, true);
        Ok(outline)
    }

    fn see(&mut self, frame: &Frame, end: u64) {
        match frame.part {
            Part::Base(_) => {}
            Part::End(digest) => {
                self.base = Some((frame.number, end));
                self.last = Some((frame.number, digest));
                self.digests.insert(frame.number, digest);
            }
            Part::Change(_, digest) => {
                self.gap |= self.last.is_none_or(|(last, _)| last + 1 != frame.number);
                self.last = Some((frame.number, digest));
                self.digests.insert(frame.number, digest);
            }
        }
    }

    /// Whether the state can be rebuilt from this alone, up to its last change.
    fn whole(&self) -> bool {
        self.base.is_some() && !self.gap && self.found.is_some_and(|found| found.damaged == 0)
    }

    /// What opening the journal cuts off.
    fn tail_cut(&self) -> Option<Recovery> {
        self.found.filter(|found| found.tail > 0).map(|found| Recovery::TailCut { bytes: found.tail })
    }
}

fn open_or_recover(folder: &Path) -> Result<(Db, Writer, Vec<Recovery>), BankError> {
    let failed = |source| open_error(folder, source);
    let outline = Outline::read(folder)?;
    let stores = stores(folder).map_err(failed)?;
    if !outline.exists && stores.is_empty() {
        return begin(folder).map(|(db, writer)| (db, writer, Vec::new()));
    }
    let generation = outline.found.map(|found| found.generation);
    let candidate = generation.or_else(|| stores.last().copied());
    let mut recovered = Vec::new();
    let store = match candidate.filter(|generation| stores.contains(generation)) {
        Some(generation) => open_verified(folder, generation, &outline)?,
        None => Err("it is missing"),
    };
    let (db, mut writer) = match store {
        Ok((db, old, new)) => adopt(folder, db, (old, new), &outline, &mut recovered)?,
        Err(why) if outline.whole() => {
            let rebuilt = rebuild(folder, &outline)?;
            recovered.push(Recovery::StoreRebuilt { why });
            recovered.extend(outline.tail_cut());
            rebuilt
        }
        Err(why) => {
            let journal = if outline.exists { "is damaged" } else { "is missing" };
            return Err(BankError::Unrecoverable { path: folder.to_owned(), store: why, journal });
        }
    };
    remove_other_stores(folder, writer.state.generation).map_err(failed)?;
    if writer.journal.is_long() {
        writer.journal = journal_of(folder, &db, writer.state).map_err(Append::error)?;
    }
    Ok((db, writer, recovered))
}

/// Brings a verified store and the journal together: applies the changes that the store does not have. A journal that
/// is not whole, or is behind the store, is set aside and written again.
fn adopt(
    folder: &Path,
    db: Db,
    (old, state): (State, State),
    outline: &Outline,
    recovered: &mut Vec<Recovery>,
) -> Result<(Db, Writer), BankError> {
    let failed = |source| open_error(folder, source);
    if state.number > old.number {
        let mut applied = old;
        changes_after(folder, old.number, &mut |number, payload, digest| {
            applied = State { number, digest, ..applied };
            apply(&db, &payload.entries(), &applied)
        })?;
        recovered.push(Recovery::Replayed { changes: state.number - old.number });
    }
    let at_its_end = outline.last.is_some_and(|(number, _)| number == state.number);
    if outline.whole()
        && at_its_end
        && let (Some(found), Some((_, base))) = (outline.found, outline.base)
    {
        let journal = Journal::open(&folder.join(JOURNAL_FILE), &found, base).map_err(failed)?;
        recovered.extend(outline.tail_cut());
        return Ok((db, Writer { journal, state }));
    }
    if outline.exists {
        set_aside(folder, JOURNAL_FILE).map_err(failed)?;
    }
    recovered.push(Recovery::JournalRewritten);
    recovered.extend(outline.tail_cut());
    let journal = journal_of(folder, &db, state).map_err(Append::error)?;
    Ok((db, Writer { journal, state }))
}

/// A journal that begins with the state of this store.
fn journal_of(folder: &Path, db: &Db, state: State) -> Result<Journal, Append> {
    let State { generation, number, digest } = state;
    Journal::create(&folder.join(JOURNAL_FILE), generation, number, digest, entries_of(db))
}

/// A new bank. The journal comes first: killed after it, the bank is built again from it, empty.
fn begin(folder: &Path) -> Result<(Db, Writer), BankError> {
    let state = State { generation: 1, number: 0, digest: Digest::EMPTY };
    let path = folder.join(JOURNAL_FILE);
    let journal = Journal::create(&path, state.generation, state.number, state.digest, std::iter::empty())
        .map_err(Append::error)?;
    let db = open_sled(folder, &store_path(folder, state.generation))?;
    Filler::new(&db).finish(&state)?;
    db.flush().map_err(store_error)?;
    Ok((db, Writer { journal, state }))
}

/// Sets journal and stores aside and writes new ones that hold these entries. The folder's lock is held.
pub(super) fn write_anew(folder: &Path, entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), BankError> {
    let failed = |source| open_error(folder, source);
    let old = stores(folder).map_err(failed)?;
    let generation = old.last().map_or(1, |last| last + 1);
    let state = State { generation, number: 0, digest: Digest::of(entries) };
    let db = open_sled(folder, &store_path(folder, generation))?;
    let mut filler = Filler::new(&db);
    for (key, value) in entries {
        filler = filler.put(key.clone(), Some(value.clone()))?;
    }
    filler.finish(&state)?;
    db.flush().map_err(store_error)?;
    for name in old.iter().map(|old| format!("{STORE_PREFIX}{old}")).chain([JOURNAL_FILE.to_owned()]) {
        if folder.join(&name).exists() {
            set_aside(folder, &name).map_err(failed)?;
        }
    }
    journal_of(folder, &db, state).map(drop).map_err(Append::error)
}

/// The number of the last change that a store has, and the digest that was written with it.
pub(super) fn stands_at(db: &Db) -> Option<(u64, Digest)> {
    let state = State::of(&db.get(STATE_KEY).ok()??)?;
    Some((state.number, state.digest))
}

/// The store of a generation, where it stands, and where the journal brings it; or what is wrong with it. Nothing is
/// changed.
///
/// What proves it is the digest over all that is in it and all that the journal adds. The process may have been killed
/// while it applied a change, so that the store has some of what comes next: applied again, that is no other.
fn open_verified(
    folder: &Path,
    generation: u64,
    outline: &Outline,
) -> Result<Result<(Db, State, State), &'static str>, BankError> {
    let db = match open_sled(folder, &store_path(folder, generation)) {
        Ok(db) => db,
        // Nobody else has it: a write to it failed in this process. The journal has what was to be written.
        Err(BankError::Locked { .. }) if outline.whole() => return Ok(Err("an earlier write to it failed")),
        Err(error @ BankError::Locked { .. }) => return Err(error),
        Err(_) => return Ok(Err("it does not open")),
    };
    // Reading a mangled store may panic like opening it.
    let read = catch_unwind(AssertUnwindSafe(|| -> Option<(State, Digest)> {
        let state = State::of(&db.get(STATE_KEY).ok()??)?;
        Some((state, digest_of(&db).ok()?))
    }));
    let Ok(Some((state, digest))) = read else { return Ok(Err("it cannot be read")) };
    let known = outline.digests.get(&state.number).is_none_or(|digest| *digest == state.digest);
    let other = "it does not hold what was written to it";
    if state.generation != generation || !known {
        return Ok(Err(other));
    }
    let (new, found) = caught_up(folder, &db, (state, digest), outline)?;
    match (found == new.digest, digest == state.digest) {
        (true, _) => Ok(Ok((db, state, new))),
        (false, false) => Ok(Err(other)),
        (false, true) => Err(BankError::Unrecoverable {
            path: folder.to_owned(),
            store: "it does not fit the journal",
            journal: "does not fit the store",
        }),
    }
}

/// Where the journal's changes that the store does not have would bring it, and the digest that all of it would then
/// have. Refused where one of them is missing.
fn caught_up(
    folder: &Path,
    db: &Db,
    (mut state, mut digest): (State, Digest),
    outline: &Outline,
) -> Result<(State, Digest), BankError> {
    let Some((last, _)) = outline.last.filter(|(last, _)| *last > state.number) else {
        return Ok((state, digest));
    };
    // What the changes so far leave under their keys.
    let mut ahead: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    changes_after(folder, state.number, &mut |number, payload, written| {
        if number != state.number + 1 {
            return Err(BankError::ChangesLost { path: folder.to_owned(), first: state.number + 1, last });
        }
        for (key, value) in payload.entries() {
            let old = match ahead.get(&key) {
                Some(old) => old.clone(),
                None => db.get(&key).map_err(store_error)?.map(|old| old.to_vec()),
            };
            digest = old.map_or(digest, |old| digest.without(&key, &old));
            digest = value.as_ref().map_or(digest, |value| digest.with(&key, value));
            ahead.insert(key, value);
        }
        state = State { number, digest: written, ..state };
        Ok(())
    })?;
    Ok((state, digest))
}

/// Hands over the journal's changes after this number, in order, up to the first error.
fn changes_after(
    folder: &Path,
    number: u64,
    work: &mut dyn FnMut(u64, &Payload, Digest) -> Result<(), BankError>,
) -> Result<(), BankError> {
    let mut outcome = Ok(());
    journal::read(&folder.join(JOURNAL_FILE), &mut |frame, _| {
        if let Part::Change(payload, digest) = &frame.part
            && outcome.is_ok()
            && frame.number > number
        {
            outcome = work(frame.number, payload, *digest);
        }
    })
    .map_err(|source| open_error(folder, source))?;
    outcome
}

/// A new store from the journal alone. The old one is set aside once the new one is proven.
fn rebuild(folder: &Path, outline: &Outline) -> Result<(Db, Writer), BankError> {
    let failed = |source| open_error(folder, source);
    let (Some(found), Some((_, base)), Some((number, digest))) = (outline.found, outline.base, outline.last)
    else {
        return Err(failed(io::Error::other("the journal holds no state")));
    };
    let state = State { generation: found.generation, number, digest };
    let path = store_path(folder, state.generation);
    if path.exists() {
        set_aside(folder, &format!("{STORE_PREFIX}{}", state.generation)).map_err(failed)?;
    }
    let db = open_sled(folder, &path)?;
    let mut filler = Some(Ok(Filler::new(&db)));
    journal::read(&folder.join(JOURNAL_FILE), &mut |frame, _| {
        let (Part::Base(payload) | Part::Change(payload, _)) = frame.part else { return };
        filler = filler.take().map(|filled| {
            filled.and_then(|filler: Filler<'_>| {
                payload.entries().into_iter().try_fold(filler, |filler, (key, value)| filler.put(key, value))
            })
        });
    })
    .map_err(failed)?;
    if let Some(filled) = filler {
        filled?.finish(&state)?;
    }
    db.flush().map_err(store_error)?;
    if digest_of(&db)? != digest {
        return Err(BankError::Unrecoverable {
            path: folder.to_owned(),
            store: "it was set aside",
            journal: "does not add up",
        });
    }
    let journal = Journal::open(&folder.join(JOURNAL_FILE), &found, base).map_err(failed)?;
    Ok((db, Writer { journal, state }))
}

fn digest_of(db: &Db) -> Result<Digest, BankError> {
    db.iter().try_fold(Digest::EMPTY, |digest, entry| {
        let (key, value) = entry.map_err(store_error)?;
        Ok(if *key == *STATE_KEY { digest } else { digest.with(&key, &value) })
    })
}

pub(super) fn entries_of(db: &Db) -> impl Iterator<Item = io::Result<(Vec<u8>, Vec<u8>)>> {
    db.iter().filter_map(|entry| match entry {
        Ok((key, _)) if *key == *STATE_KEY => None,
        Ok((key, value)) => Some(Ok((key.to_vec(), value.to_vec()))),
        Err(error) => Some(Err(io::Error::other(error))),
    })
}

pub(super) fn store_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("{STORE_PREFIX}{generation}"))
}

/// The generations of the stores in a folder, ascending.
pub(super) fn stores(folder: &Path) -> io::Result<Vec<u64>> {
    numbered(folder, STORE_PREFIX)
}

fn numbered(folder: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Moves a file or folder of the bank to where nothing reads it.
fn set_aside(folder: &Path, name: &str) -> io::Result<()> {
    let number = numbered(folder, DAMAGED_PREFIX)?.last().map_or(1, |last| last + 1);
    let place = folder.join(format!("{DAMAGED_PREFIX}{number}"));
    fs::create_dir(&place)?;
    fs::rename(folder.join(name), place.join(name))?;
    sync_parent(&place.join(name))?;
    sync_parent(&place)
}

fn remove_other_stores(folder: &Path, generation: u64) -> io::Result<()> {
    for other in stores(folder)?.into_iter().filter(|other| *other != generation) {
        fs::remove_dir_all(store_path(folder, other))?;
    }
    sync_parent(&folder.join(FORMAT_FILE))
}

fn remove_set_aside(folder: &Path) -> io::Result<()> {
    for number in numbered(folder, DAMAGED_PREFIX)? {
        fs::remove_dir_all(folder.join(format!("{DAMAGED_PREFIX}{number}")))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn no_numbers() -> io::Error {
    io::Error::other("no numbers are left")
}

pub(super) fn store_error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BankError {
    BankError::Store(source.into())
}

pub(super) fn open_error(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BankError {
    BankError::Open { path: path.to_owned(), source: source.into() }
}

/// Only its owner may look into a bank's folder.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether there is a bank, or what is left of one, in the folder.
pub(super) fn is_there(path: &Path) -> bool {
    let has = |name| path.join(name).exists();
    has(FORMAT_FILE) || has(JOURNAL_FILE) || stores(path).is_ok_and(|stores| !stores.is_empty())
}

/// A folder is a bank if it has a `FORMAT`, or nothing in it but what a bank consists of: a start that was cut
/// short, or a `FORMAT` that was lost.
fn refuse_foreign(path: &Path) -> io::Result<()> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let ours = name.to_str().is_some_and(|name| {
            [FORMAT_FILE, LOCK_FILE, JOURNAL_FILE].contains(&name)
                || NEW_FILES.contains(&name)
                || cipher::is_key_file(name)
                || [STORE_PREFIX, DAMAGED_PREFIX].iter().any(|prefix| name.starts_with(prefix))
        });
        if !ours {
            return Err(io::Error::other("the folder holds other files and no bank"));
        }
    }
    Ok(())
}

/// A killed process gives its lock back only when the system has cleared it away: that long is waited.
fn lock(path: &Path) -> Result<File, BankError> {
    let failed = |source| open_error(path, source);
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(failed)?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < KILLED_WAIT => thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(BankError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        waited += LOCK_POLL;
    }
}

/// Reads `FORMAT`, or writes it for a new bank and where it was lost or damaged; and unlocks what is sealed.
fn read_or_write_format(path: &Path, key: Option<&BankKey>) -> Result<(Seal, Option<Recovery>), BankError> {
    let failed = |source| open_error(path, source);
    let (sealed, recovery) = match fs::read(path.join(FORMAT_FILE)) {
        Ok(text) => match is_sealed(path, &String::from_utf8_lossy(&text)) {
            Ok(sealed) => (sealed, None),
            // Every format's journal says in its checked head which one it is.
            Err(_) if journal::is_one(&path.join(JOURNAL_FILE)) => {
                set_aside(path, FORMAT_FILE).map_err(failed)?;
                (cipher::has_key_file(path), Some(Recovery::FormatRewritten))
            }
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let lost = is_there(path).then_some(Recovery::FormatRewritten);
            if let Some(key) = key.filter(|_| lost.is_none()) {
                drop(cipher::begin(path, key)?);
            }
            (cipher::has_key_file(path), lost)
        }
        Err(error) => return Err(failed(error)),
    };
    if !path.join(FORMAT_FILE).exists() {
        write_format(path, sealed).map_err(failed)?;
    }
    let seal = match (sealed, key) {
        (false, None) => Seal::Plain,
        (true, Some(key)) => cipher::unlock(path, key)?,
        (true, None) => return Err(BankError::KeyNeeded { path: path.to_owned() }),
        (false, Some(_)) => return Err(BankError::NotSealed { path: path.to_owned() }),
    };
    Ok((seal, recovery))
}

/// Whether the bank is sealed, as `FORMAT` says it.
fn is_sealed(path: &Path, format: &str) -> Result<bool, BankError> {
    let mut words = format.strip_prefix("keepsake bank ").unwrap_or_default().split_whitespace();
    match (words.next().and_then(|number| number.parse().ok()), words.next()) {
        (Some(FORMAT), None) => Ok(false),
        (Some(FORMAT), Some(SEALED)) => Ok(true),
        (Some(found), _) if found > FORMAT => Err(BankError::TooNew { found, known: FORMAT }),
        _ => Err(open_error(path, io::Error::other("its FORMAT file is not one of ours"))),
    }
}

/// Written beside and renamed, so that there is never half a `FORMAT`.
fn write_format(path: &Path, sealed: bool) -> io::Result<()> {
    use io::Write;
    let beside = path.join(FORMAT_FILE).with_extension("new");
    let mut file = File::create(&beside)?;
    let sealed = if sealed { format!(" {SEALED}") } else { String::new() };
    writeln!(file, "keepsake bank {FORMAT}{sealed}")?;
    file.sync_all()?;
    fs::rename(&beside, path.join(FORMAT_FILE))?;
    sync_parent(&beside)
}

pub(super) fn open_sled(folder: &Path, store: &Path) -> Result<Db, BankError> {
    Db::open(store).map_err(|error| match error {
        error if db::is_lock(&error) => BankError::Locked { path: folder.to_owned() },
        error => open_error(folder, error),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(folder: &Path) -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn put(store: &Store, key: &str, value: &str) {
        store
            .change(|_, _, change| {
                change.put(key.as_bytes().to_vec(), value.as_bytes().to_vec());
                Ok(())
            })
            .unwrap();
    }

    fn state(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
        store.read(|db, _| Ok(entries_of(db).collect::<io::Result<_>>().unwrap())).unwrap()
    }

    /// A store of forty entries, some of which were changed and removed, closed; and its state.
    fn filled(folder: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
        let store = Store::open(folder, None).unwrap();
        for number in 0..50 {
            put(
                &store,
                &format!("key {:02}", number % 45),
                &format!("sentinel {number} {}", "x".repeat(number)),
            );
        }
        store
            .change(|_, _, change| {
                (0..5).for_each(|number| change.remove(format!("key {number:02}").into_bytes()));
                Ok(())
            })
            .unwrap();
        state(&store)
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if from.is_dir() { copy(&from, &to) } else { assert!(fs::copy(&from, &to).is_ok()) }
        }
    }

    /// Every file of a folder, by its path in it.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
        }
        all.sort();
        all
    }

    /// Opens what damage was done to; every entry must be there, or the error be one of those that say so.
    fn whole_or_refused(folder: &Path, expected: &[(Vec<u8>, Vec<u8>)], what: &str) -> bool {
        match Store::open(folder, None) {
            Ok(store) => {
                assert!(state(&store) == expected, "silently other content: {what}");
                drop(store);
                let again = Store::open(folder, None).unwrap();
                assert_eq!(again.recovered(), [], "recovered for good: {what}");
                true
            }
            Err(error) => {
                use std::error::Error;
                let source = error.source().map(ToString::to_string).unwrap_or_default();
                assert!(!format!("{error} {source}").contains("sentinel"), "{error}");
                assert!(
                    matches!(
                        error,
                        BankError::Open { .. } | BankError::Unrecoverable { .. } | BankError::TooNew { .. }
                    ),
                    "{what}: {error}"
                );
                false
            }
        }
    }

    #[test]
    fn what_was_put_is_there_after_closing_and_the_files_verify() {
        let folder = tempfile::tempdir().unwrap();
        let expected = filled(folder.path());
        let store = Store::open(folder.path(), None).unwrap();
        assert_eq!((expected.len(), state(&store)), (40, expected));
        assert_eq!(store.recovered(), []);
        store.verify().unwrap();
        assert_eq!(
            names(folder.path()),
            [FORMAT_FILE, JOURNAL_FILE, LOCK_FILE, "store-1"].map(str::to_owned).into()
        );
    }

    #[test]
    fn a_change_that_changes_nothing_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        put(&store, "a", "1");
        let bytes = || fs::read(folder.path().join(JOURNAL_FILE)).unwrap();
        let before = bytes();
        put(&store, "a", "1");
        store
            .change(|_, _, change| {
                change.remove(b"b".to_vec());
                Ok(())
            })
            .unwrap();
        assert!(bytes() == before);
    }

    #[test]
    fn a_store_is_open_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        assert!(matches!(Store::open(folder.path(), None), Err(BankError::Locked { .. })));
        drop(store);
        Store::open(folder.path(), None).unwrap();
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_not_littered() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
        assert!(matches!(Store::open(folder.path(), None), Err(BankError::Open { .. })));
        assert_eq!(names(folder.path()), ["holiday.jpg".to_owned()].into());
        let file = folder.path().join("holiday.jpg");
        assert!(matches!(Store::open(&file, None), Err(BankError::Open { .. })));
    }

    #[test]
    fn a_missing_folder_and_a_start_that_was_cut_short_become_a_bank() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(&folder.path().join("a/b"), None).unwrap());
        let cut = folder.path().join("cut");
        fs::create_dir(&cut).unwrap();
        fs::write(cut.join(LOCK_FILE), "").unwrap();
        fs::write(cut.join(NEW_FILES[0]), "keeps").unwrap();
        Store::open(&cut, None).unwrap();
        assert!(!cut.join(NEW_FILES[0]).exists());
    }

    #[test]
    fn another_format_is_refused_before_anything_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let format = folder.path().join(FORMAT_FILE);
        fs::write(&format, "keepsake bank 3\n").unwrap();
        assert!(matches!(Store::open(folder.path(), None), Err(BankError::TooNew { found: 3, known: 2 })));
        for other in [
            "",
            "keepsake bank 0",
            "keepsake bank",
            "keepsake bank 2 other",
            "sqlite 1",
            "keepsake bank 99999999999",
        ] {
            fs::write(&format, other).unwrap();
            assert!(matches!(Store::open(folder.path(), None), Err(BankError::Open { .. })), "{other:?}");
        }
        assert!(stores(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn after_a_failure_on_the_way_to_the_disk_every_call_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        put(&store, "a", "kept");
        assert!(matches!(store.not_written(Append::Unsure(io::Error::other("x"))), BankError::Store(_)));
        assert!(matches!(store.change(|_, _, _| Ok(())), Err(BankError::Store(_))));
        assert!(matches!(store.read(|_, _| Ok(())), Err(BankError::Store(_))));
        drop(store);
        assert_eq!(state(&Store::open(folder.path(), None).unwrap()).len(), 1);
    }

    /// Bit flips: wherever one byte of a file is another one, nothing is lost in silence.
    #[test]
    fn a_flipped_byte_anywhere_loses_nothing_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, damaged) = (folder.path().join("sound"), folder.path().join("damaged"));
        let expected = filled(&sound);
        for file in files(&sound) {
            let name = file.strip_prefix(&sound).unwrap();
            let size = fs::metadata(&file).unwrap().len() as usize;
            for at in (0..size).step_by((size / 24).max(1)) {
                remove_if_there(&damaged).unwrap();
                copy(&sound, &damaged);
                let mut bytes = fs::read(&file).unwrap();
                bytes[at] ^= 0x55;
                fs::write(damaged.join(name), bytes).unwrap();
                let what = format!("{} at {at}", name.display());
                let whole = whole_or_refused(&damaged, &expected, &what);
                assert!(whole, "one damaged file is survived: {what}");
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_emptied_or_removed_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, damaged) = (folder.path().join("sound"), folder.path().join("damaged"));
        let expected = filled(&sound);
        for file in files(&sound) {
            let name = file.strip_prefix(&sound).unwrap();
            let bytes = fs::read(&file).unwrap();
            for part in [None, Some(0), Some(bytes.len() / 2), Some(bytes.len().saturating_sub(1))] {
                remove_if_there(&damaged).unwrap();
                copy(&sound, &damaged);
                match part {
                    None => fs::remove_file(damaged.join(name)).unwrap(),
                    Some(part) => fs::write(damaged.join(name), &bytes[..part]).unwrap(),
                }
                let what = format!("{} {part:?}", name.display());
                let whole = whole_or_refused(&damaged, &expected, &what);
                assert!(whole, "{what}");
            }
        }
    }

    #[test]
    fn without_its_store_or_without_its_journal_a_bank_is_whole_and_without_both_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, damaged) = (folder.path().join("sound"), folder.path().join("damaged"));
        let expected = filled(&sound);
        let with = |damage: &dyn Fn()| {
            remove_if_there(&damaged).unwrap();
            copy(&sound, &damaged);
            damage();
            Store::open(&damaged, None)
        };
        let no_store = || fs::remove_dir_all(store_path(&damaged, 1)).unwrap();
        let no_journal = || fs::write(damaged.join(JOURNAL_FILE), "KpJ").unwrap();
        let store = with(&no_store).unwrap();
        assert_eq!(state(&store), expected);
        assert!(matches!(store.recovered(), [Recovery::StoreRebuilt { .. }]));
        drop(store);
        let store = with(&no_journal).unwrap();
        assert_eq!(state(&store), expected);
        assert_eq!(store.recovered(), [Recovery::JournalRewritten]);
        assert!(damaged.join("damaged-1").join(JOURNAL_FILE).exists(), "set aside");
        drop(store);
        let both = with(&|| {
            no_store();
            no_journal();
        });
        assert!(matches!(both, Err(BankError::Unrecoverable { .. })));
    }

    /// What sled may do and never say: an entry is missing, another, or one too many.
    #[test]
    fn a_store_that_lost_something_in_silence_is_built_again() {
        let folder = tempfile::tempdir().unwrap();
        let expected = filled(folder.path());
        let harms: [&dyn Fn(&mut Batch); 3] =
            [&|batch| batch.remove("key 20"), &|batch| batch.insert("key 20", "another"), &|batch| {
                batch.insert("key 99", "too many")
            }];
        for harm in harms {
            let db = open_sled(folder.path(), &store_path(folder.path(), 1)).unwrap();
            let mut batch = Batch::default();
            harm(&mut batch);
            db.apply_batch(batch).unwrap();
            drop(db);
            let store = Store::open(folder.path(), None).unwrap();
            assert_eq!(state(&store), expected);
            let why = "it does not hold what was written to it";
            assert_eq!(store.recovered(), [Recovery::StoreRebuilt { why }]);
        }
        assert_eq!(numbered(folder.path(), DAMAGED_PREFIX).unwrap(), [1, 2, 3]);
    }

    /// Killed in the middle of applying a change, which the journal has: the store has any part of it.
    #[test]
    fn a_change_that_is_there_in_part_is_applied_again() {
        let entry = |key: &str, value: Option<&str>| {
            (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()))
        };
        let change = [entry("key 20", None), entry("key 21", Some("another")), entry("key 99", Some("new"))];
        for there in 0..=change.len() {
            let folder = tempfile::tempdir().unwrap();
            let mut expected: BTreeMap<_, _> = filled(folder.path()).into_iter().collect();
            let store = Store::open(folder.path(), None).unwrap();
            let mut writer = store.writer.lock().unwrap();
            let number = writer.state.number + 1;
            let changed = || Change(change.iter().cloned().collect());
            let digest = writer.state.digest;
            let (entries, digest) = effective(&store.db.read().unwrap(), changed(), digest).unwrap();
            writer.journal.append(number, digest, &entries).unwrap();
            let part = entries[..there].iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
            store.db.read().unwrap().apply(part).unwrap();
            drop(writer);
            drop(store);
            let store = Store::open(folder.path(), None).unwrap();
            assert_eq!(store.recovered(), [Recovery::Replayed { changes: 1 }]);
            for (key, value) in change.clone() {
                match value {
                    Some(value) => drop(expected.insert(key, value)),
                    None => drop(expected.remove(&key)),
                }
            }
            assert_eq!(state(&store), expected.into_iter().collect::<Vec<_>>());
        }
    }

    /// The store as it was some changes ago, and the journal cut at every byte of the changes since: each
    /// prefix of whole changes opens as the state after them.
    #[test]
    fn a_journal_cut_anywhere_gives_the_changes_before_the_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, old, damaged) =
            (folder.path().join("sound"), folder.path().join("old"), folder.path().join("damaged"));
        filled(&sound);
        copy(&sound, &old);
        let store = Store::open(&sound, None).unwrap();
        let length = || {
            let found = journal::read(&sound.join(JOURNAL_FILE), &mut |_, _| {}).unwrap().unwrap();
            assert_eq!((found.damaged, found.tail), (0, 0));
            found.end
        };
        let mut states = vec![(length(), state(&store))];
        for number in 0..3 {
            put(&store, &format!("new {number}"), "value");
            states.push((length(), state(&store)));
        }
        drop(store);
        let journal = fs::read(sound.join(JOURNAL_FILE)).unwrap();
        for cut in states[0].0..=states[3].0 {
            remove_if_there(&damaged).unwrap();
            copy(&old, &damaged);
            fs::write(damaged.join(JOURNAL_FILE), &journal[..cut as usize]).unwrap();
            let (_, expected) = states.iter().rev().find(|(length, _)| *length <= cut).unwrap();
            assert_eq!(&state(&Store::open(&damaged, None).unwrap()), expected, "cut at {cut}");
        }
        // A hole in the middle that the store cannot fill is named.
        remove_if_there(&damaged).unwrap();
        copy(&old, &damaged);
        let mut holed = journal.clone();
        holed[states[0].0 as usize + 40] ^= 1;
        fs::write(damaged.join(JOURNAL_FILE), &holed).unwrap();
        let before = names(&damaged);
        assert!(matches!(
            Store::open(&damaged, None),
            Err(BankError::ChangesLost { first: 52, last: 54, .. })
        ));
        assert_eq!(names(&damaged), before, "nothing was set aside");
        assert!(fs::read(damaged.join(JOURNAL_FILE)).unwrap() == holed, "nothing was written");
    }

    /// A change that does not lead to its digest is found before anything of it is applied.
    #[test]
    fn changes_that_do_not_fit_the_store_are_not_applied() {
        let folder = tempfile::tempdir().unwrap();
        let (sound, old) = (folder.path().join("sound"), folder.path().join("old"));
        let before = filled(&sound);
        copy(&sound, &old);
        let store = Store::open(&sound, None).unwrap();
        let mut writer = store.writer.lock().unwrap();
        let number = writer.state.number + 1;
        let entry = (b"planted".to_vec(), Some(b"value".to_vec()));
        writer.journal.append(number, Digest::EMPTY, &[entry]).unwrap();
        drop(writer);
        drop(store);
        fs::copy(sound.join(JOURNAL_FILE), old.join(JOURNAL_FILE)).unwrap();
        assert!(matches!(Store::open(&old, None), Err(BankError::Unrecoverable { .. })));
        let db = open_sled(&old, &store_path(&old, 1)).unwrap();
        assert_eq!(entries_of(&db).count(), before.len());
    }

    #[test]
    fn rewriting_leaves_no_byte_of_what_is_gone_and_every_byte_of_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        put(&store, "gone", "a sentinel of ours");
        put(&store, "stays", "something else");
        fs::create_dir(folder.path().join("damaged-1")).unwrap();
        fs::write(folder.path().join("damaged-1/JOURNAL"), "a sentinel of ours").unwrap();
        store
            .change(|_, _, change| {
                change.remove(b"gone".to_vec());
                Ok(())
            })
            .unwrap();
        let holds = |text: &str| crate::testing::files_hold(folder.path(), text.as_bytes());
        assert!(holds("a sentinel of ours"));
        store.rewrite().unwrap();
        assert!(!holds("a sentinel of ours"));
        put(&store, "later", "written to the new files");
        assert_eq!(state(&store).len(), 2);
        store.verify().unwrap();
        drop(store);
        assert!(!holds("a sentinel of ours"));
        let store = Store::open(folder.path(), None).unwrap();
        assert_eq!((state(&store).len(), store.recovered()), (2, [].as_slice()));
        assert_eq!(stores(folder.path()).unwrap(), [2]);
    }

    /// Killed before the new journal is in its place the old files are the bank, after it the new ones are.
    #[test]
    fn a_rewriting_that_was_cut_short_is_finished_or_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (old, cut) = (folder.path().join("old"), folder.path().join("cut"));
        let expected = filled(&old);
        copy(&old, &cut);
        let store = Store::open(&cut, None).unwrap();
        store.rewrite().unwrap();
        drop(store);
        let new_journal = fs::read(cut.join(JOURNAL_FILE)).unwrap();

        fs::rename(cut.join(JOURNAL_FILE), cut.join(NEW_FILES[1])).unwrap();
        fs::copy(old.join(JOURNAL_FILE), cut.join(JOURNAL_FILE)).unwrap();
        copy(&store_path(&old, 1), &store_path(&cut, 1));
        let store = Store::open(&cut, None).unwrap();
        assert_eq!((state(&store), stores(&cut).unwrap()), (expected.clone(), vec![1]));
        assert!(!cut.join(NEW_FILES[1]).exists());
        drop(store);

        fs::write(cut.join(JOURNAL_FILE), new_journal).unwrap();
        let store = Store::open(&cut, None).unwrap();
        assert_eq!((state(&store), stores(&cut).unwrap()), (expected, vec![2]));
    }

    #[test]
    fn a_long_journal_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let large = "x".repeat(1 << 20);
        for number in 0..40 {
            put(&store, "key", &format!("{number}{large}"));
        }
        let journal = fs::metadata(folder.path().join(JOURNAL_FILE)).unwrap().len();
        assert!(journal < 21 << 20, "{journal}");
        let expected = state(&store);
        drop(store);
        let store = Store::open(folder.path(), None).unwrap();
        assert_eq!((state(&store), store.recovered()), (expected, [].as_slice()));
    }
}
