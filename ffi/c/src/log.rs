//! Where the engine's log goes: to a function of the host's, or nowhere.
//!
//! Rooms it touches: none.

use std::ffi::c_void;
use std::sync::{Once, PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

use crate::failure::{Failure, KeepsakeStatus, guarded};
use crate::text::KeepsakeStr;

/// Takes a log line: its level from 1 (what failed) to 4 (every detail), the part of the engine it comes from, and the line.
/// Lines quote nothing that is remembered. Called from any thread; must not call the library.
pub type KeepsakeLogFn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, target: KeepsakeStr, line: KeepsakeStr)>;

struct Sink {
    log: unsafe extern "C" fn(*mut c_void, u32, KeepsakeStr, KeepsakeStr),
    user: *mut c_void,
}

// SAFETY: the header asks that the function may be called from any thread with its `user`.
unsafe impl Send for Sink {}
// SAFETY: the same.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Sends the log to this function from now on, lines up to this level (1 to 4); NULL: nowhere. One function for the process.
/// When this returns the one before is no longer called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_set_log(
    log: KeepsakeLogFn,
    user: *mut c_void,
    level: u32,
) -> KeepsakeStatus {
    static INSTALLED: Once = Once::new();
    guarded(|| {
        let wanted = match level {
            1 => LevelFilter::Error,
            2 => LevelFilter::Warn,
            3 => LevelFilter::Info,
            4 => LevelFilter::Debug,
            _ => {
                return Err(Failure::invalid(format!(
                    "{level} is no level of the log: give one from 1 to 4"
                )));
            }
        };
        *SINK.write().unwrap_or_else(PoisonError::into_inner) = log.map(|log| Sink { log, user });
        // A program that has a logger of its own keeps it.
        INSTALLED.call_once(|| drop(log::set_logger(&Forwarder)));
        log::set_max_level(if log.is_some() { wanted } else { LevelFilter::Off });
        Ok(())
    })
}

struct Forwarder;

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = record.args().to_string();
        if let Some(sink) = &*SINK.read().unwrap_or_else(PoisonError::into_inner) {
            let (target, line) = (KeepsakeStr::of(record.target()), KeepsakeStr::of(&line));
            // SAFETY: the host's function, with the pointer it came with; both texts outlive the call.
            unsafe { (sink.log)(sink.user, record.level() as u32, target, line) };
        }
    }

    fn flush(&self) {}
}
