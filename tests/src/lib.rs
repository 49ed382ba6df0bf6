//! What several test files share: where the default models are, and engines to try.
//!
//! Rooms it touches: core.

mod tiny_model;

pub use tiny_model::tiny_model;

use std::path::PathBuf;
use std::sync::Arc;

use keepsake_core::embed::{OnnxEmbedder, OnnxFiles};
use keepsake_core::model::{LanguageModel, LlamaModel, LlamaSettings};
use keepsake_core::testing::LetterEmbedder;
use keepsake_core::types::{NewTurn, Timestamp};
use keepsake_core::{Engine, Setup};

/// A file of the default models, as `make setup` leaves it. A missing one fails the test: it is not skipped.
///
/// # Panics
/// Where the file is missing.
#[allow(clippy::panic)] // a test helper: its panic is the test's verdict
pub fn model_file(name: &str) -> PathBuf {
    let home = std::env::var_os("KEEPSAKE_HOME").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir();
        let default = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        cache.or_else(|| home.map(|home| home.join(default))).map(|cache| cache.join("keepsake"))
    });
    let path = home.unwrap_or_default().join("models").join(name);
    if path.is_file() { path } else { panic!("{} is missing: run `make setup`", path.display()) }
}

/// The default language model's file.
pub fn language_model_file() -> PathBuf {
    model_file("SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// The default language model, on two threads.
///
/// # Panics
/// Where it cannot be loaded.
pub fn language_model() -> Arc<dyn LanguageModel> {
    let settings = LlamaSettings { threads: Some(2), ..LlamaSettings::new(language_model_file()) };
    Arc::new(LlamaModel::load(&settings).expect("the default model loads"))
}

/// The default embedder.
///
/// # Panics
/// Where it cannot be loaded.
pub fn embedder() -> OnnxEmbedder {
    let runtime =
        if cfg!(target_os = "macos") { "libonnxruntime.1.32.0.dylib" } else { "libonnxruntime.so.1.32.0" };
    let files = OnnxFiles {
        model: model_file("all-MiniLM-L6-v2-int8.onnx"),
        tokenizer: model_file("all-MiniLM-L6-v2-tokenizer.json"),
        runtime: model_file(runtime),
    };
    OnnxEmbedder::open(&files, 2).expect("the default embedder loads")
}

/// A setup with a clock that stands still and the letter embedder.
pub fn setup() -> Setup {
    Setup::new(|| Timestamp::from_seconds(1_709_373_600)).with_embedder(Arc::new(LetterEmbedder))
}

/// A turn of 8 May 2023, a Monday.
///
/// # Panics
/// Where the turn is not valid.
pub fn said(speaker: &str, text: &str) -> NewTurn {
    NewTurn::new(speaker, text, "2023-05-08T13:56".parse().expect("a valid time")).expect("a valid turn")
}

/// An engine over a new bank in a folder.
///
/// # Panics
/// Where the bank cannot be opened.
pub fn engine(folder: &std::path::Path, setup: Setup) -> Engine {
    Engine::open(folder, setup).expect("the bank opens")
}

/// The machine's processor, for a report.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} processors", name.trim_start_matches(['\t', ':', ' ']))
}
