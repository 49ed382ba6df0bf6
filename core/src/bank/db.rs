//! sled as it may be used: opened and closed without a panic, and never waited for after it failed.
//!
//! sled 0.34 asserts on a log it cannot make sense of, when it opens one, and on the disk's answer when it closes one.
//! It gives its file lock back on a thread of its own, after the last handle is gone. And a write that failed half-way
//! (a large node's own file, on a full disk) leaves a place in its buffer taken for ever: the next flush, and so the
//! dropping of the last handle, waits for that place and never returns, with a lock taken that every store of the
//! process needs. Reading writes too, where it meets a node that is to be split. So a store that gave an error of the
//! disk is not touched again. What remains: the same error on sled's own thread, as it clears up once a second, is told
//! to nobody, and closing waits for `PATIENCE`.
//!
//! Rooms it touches: bank.

use std::io;
use std::mem;
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ::sled::{Batch, Error, IVec};

/// Bytes of sled's page cache. sled's own default, 1 GiB, is a phone's whole budget; 4 and 16 MiB measure alike: 10,000
/// memories are about 5 MiB, and vectors are read once, at start, into the index.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// How long sled may lag behind the journal, on a thread of its own. Only how much is replayed after a kill
/// depends on it.
const FLUSH_MS: u64 = 1000;
/// How long the thread that gives the file lock back is waited for. A guess: whoever opens a store has the bank's own
/// lock, so that nobody else holds this one for long.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long a flush or a closing may take. A guess: each was seen to take some milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// A store of sled's.
///
/// After an error of the disk everything fails, and the store is never closed: its threads and its lock stay until the
/// process ends. What was to be written is in the journal.
pub(super) struct Db {
    /// There until the end.
    inner: Option<::sled::Db>,
    failed: AtomicBool,
}

impl Db {
    /// Opens the store, or makes it.
    pub(super) fn open(store: &Path) -> Result<Self, Error> {
        // No `mode`: sled 0.34 has the setting and does not read it.
        let config =
            ::sled::Config::new().path(store).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_MS));
        let open = || guarded(|| config.open());
        let mut waited = Duration::ZERO;
        let inner = loop {
            match open() {
                Err(error) if is_lock(&error) && waited < LOCK_WAIT => thread::sleep(LOCK_POLL),
                opened => break opened?,
            }
            waited += LOCK_POLL;
        };
        Ok(Self { inner: Some(inner), failed: AtomicBool::new(false) })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        self.noting(|db| db.get(key))
    }

    pub(super) fn contains_key(&self, key: &[u8]) -> Result<bool, Error> {
        self.noting(|db| db.contains_key(key))
    }

    /// All entries, in the order of their keys.
    pub(super) fn iter(&self) -> Entries<'_> {
        self.range::<&[u8]>(..)
    }

    pub(super) fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Entries<'_> {
        Entries { db: self, entries: Some(self.inner().range(range)) }
    }

    pub(super) fn scan_prefix(&self, prefix: &[u8]) -> Entries<'_> {
        Entries { db: self, entries: Some(self.inner().scan_prefix(prefix)) }
    }

    pub(super) fn size_on_disk(&self) -> Result<u64, Error> {
        self.noting(::sled::Db::size_on_disk)
    }

    /// Writes entries one after the other; killed in between, the first of them are there. A batch of sled's is all or
    /// nothing, but has its log synced, and that costs a quarter of the rate of commits.
    pub(super) fn apply<'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), Error> {
        self.noting(|db| {
            entries.into_iter().try_for_each(|(key, value)| match value {
                Some(value) => db.insert(key, value).map(drop),
                None => db.remove(key).map(drop),
            })
        })
    }

    /// Applies all of a batch or nothing: smaller on disk than entry by entry, where there are many. sled logs all it gets
    /// at level `trace`, which is cut off at build time.
    pub(super) fn apply_batch(&self, batch: Batch) -> Result<(), Error> {
        self.noting(|db| db.apply_batch(batch))
    }

    /// Waits until everything is on the disk, but not for ever.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.noting(|db| {
            let db = db.clone();
            bounded(move || db.flush().map(drop))
        })
    }

    fn inner(&self) -> &::sled::Db {
        self.inner.as_ref().expect("only `drop` takes it")
    }

    fn noting<T>(&self, work: impl FnOnce(&::sled::Db) -> Result<T, Error>) -> Result<T, Error> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::Unsupported("the store failed before: open the bank again".to_owned()));
        }
        let done = guarded(|| work(self.inner()));
        if done.as_ref().is_err_and(is_of_the_disk) {
            self.failed.store(true, Ordering::Release);
        }
        done
    }
}

/// Entries of a store in the order of their keys, from both ends. An error is the last.
pub(super) struct Entries<'a> {
    db: &'a Db,
    entries: Option<::sled::Iter>,
}

impl<'a> Entries<'a> {
    pub(super) fn keys(self) -> impl DoubleEndedIterator<Item = Result<IVec, Error>> + 'a {
        self.map(|entry| entry.map(|(key, _)| key))
    }

    fn one(
        &mut self,
        next: impl FnOnce(&mut ::sled::Iter) -> Option<Result<(IVec, IVec), Error>>,
    ) -> Option<Result<(IVec, IVec), Error>> {
        let entries = self.entries.as_mut()?;
        let entry = self.db.noting(|_| next(entries).transpose()).transpose();
        if let Some(Err(_)) = entry {
            self.entries = None;
        }
        entry
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(IVec, IVec), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.one(Iterator::next)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.one(DoubleEndedIterator::next_back)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let inner = self.inner.take();
        if *self.failed.get_mut() {
            mem::forget(inner);
            return;
        }
        let closing = move || {
            guarded(|| {
                drop(inner);
                Ok(())
            })
        };
        if let Err(error) = bounded(closing) {
            log::warn!("the store did not close, and what it lacks is in the journal: {error}");
        }
    }
}

/// Runs `work` on a thread of its own, which is left behind where it does not end.
fn bounded(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("keepsake-store".to_owned()).spawn(move || sender.send(work()))?;
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Corruption { at: None, bt: () }))
}

/// sled gives its lock's failure no kind of its own, only these words.
pub(super) fn is_lock(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

/// Whether something may have been half written. A file of sled's that is missing or too short was only read.
fn is_of_the_disk(error: &Error) -> bool {
    let read = [io::ErrorKind::NotFound, io::ErrorKind::UnexpectedEof];
    matches!(error, Error::Io(error) if !read.contains(&error.kind()))
}
