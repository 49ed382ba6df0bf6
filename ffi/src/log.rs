//! Where the engine's log goes: to a sink of the host's, or nowhere.
//!
//! Rooms it touches: none.

use std::sync::{Arc, Once, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// How much is logged, from what went wrong to every detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What was put right, or goes on with less.
    Warn,
    /// What happens.
    Info,
    /// Every detail.
    Debug,
}

/// Takes log lines. They hold no text of a memory, a turn or a question. May be called from any thread; what it throws
/// is ignored.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// One line, and the part of the engine it comes from.
    fn log(&self, level: LogLevel, target: String, line: String) -> Result<(), crate::HostError>;
}

/// Sends the log to this sink from now on, up to this level; `None`: nowhere. One sink for the process.
#[uniffi::export]
pub fn set_log_sink(sink: Option<Arc<dyn LogSink>>, level: LogLevel) {
    static INSTALLED: Once = Once::new();
    let wanted = if sink.is_some() { filter(level) } else { LevelFilter::Off };
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
    // A program that has a logger of its own keeps it.
    INSTALLED.call_once(|| drop(log::set_logger(&Forwarder)));
    log::set_max_level(wanted);
}

static SINK: RwLock<Option<Arc<dyn LogSink>>> = RwLock::new(None);

struct Forwarder;

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            let _ = sink.log(level(record.level()), record.target().to_owned(), record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug | Level::Trace => LogLevel::Debug,
    }
}
