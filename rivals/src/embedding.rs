//! Sentences embedded in a second, for comparison with ONNX Runtime from Python on the same files.
//!
//! Rooms it touches: data.

use std::path::Path;
use std::time::Instant;

use keepsake_core::embed::{Embedder, OnnxEmbedder};
use serde_json::{Value, json};

use crate::data::{self, Data};

const SENTENCES: usize = 512;
const ROUNDS: usize = 5;

/// Writes the sentences beside the report and measures; the script in Python measures the same.
pub(crate) fn measure(data: &Data, models: &Path, folder: &Path) -> Value {
    let sentences: Vec<&str> = data.texts.iter().take(SENTENCES).map(String::as_str).collect();
    let text = serde_json::to_string(&sentences).expect("texts are JSON");
    std::fs::write(folder.join("sentences.json"), text).expect("sentences can be written");
    let embedder = OnnxEmbedder::open(&data::files(models), 2).expect("the embedding model opens");
    let rate = |batch: usize| {
        let once = || {
            let started = Instant::now();
            sentences
                .chunks(batch)
                .for_each(|batch| drop(embedder.embed(batch).expect("texts are embedded")));
            SENTENCES as f64 / started.elapsed().as_secs_f64()
        };
        once();
        (0..ROUNDS).map(|_| once()).fold(0.0, f64::max)
    };
    json!({"threads": 2, "sentences_per_second": {"one at a time": rate(1), "16 at a time": rate(16)}})
}
