//! The engine for Swift, Kotlin and Python, through UniFFI.
//!
//! A door and nothing else: every method is one call of core, records and errors mirror core's, and nothing is decided
//! here. Calls block; the platform's own façade (`bindings/`) makes them asynchronous. Every object may be used from many
//! threads. A panic becomes an error of the host's language. The only global state is the log's sink.
//!
//! Rooms it touches: core.

#![allow(clippy::needless_pass_by_value, reason = "what crosses the door is handed over")]

mod engine;
mod error;
mod hosts;
mod log;
mod models;
mod records;
mod switch;

pub use engine::{Engine, EngineOptions, change_key, repair};
pub use error::KeepsakeError;
pub use hosts::{
    AnswerSink, HostCompletion, HostEmbedder, HostError, HostLanguageModel, HostRequest, Reply, WorkObserver,
};
pub use log::{LogLevel, LogSink, set_log_sink};
pub use models::{Embedder, EmbedderFiles, LanguageModel, ModelFiles};
pub use records::*;
pub use switch::Cancel;

uniffi::setup_scaffolding!("keepsake");

/// The version of the engine.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
