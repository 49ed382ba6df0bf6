//! Sentences embedded in a second. The script in Python runs this and ONNX Runtime of its own in turn.
//!
//! Rooms it touches: data.

use std::path::Path;
use std::time::Instant;

use keepsake_core::embed::{Embedder, OnnxEmbedder};

use crate::data::{self, Data};

const SENTENCES: usize = 512;

/// Writes the sentences for both sides.
pub(crate) fn write_sentences(data: &Data, folder: &Path) {
    let sentences: Vec<&str> = data.texts.iter().take(SENTENCES).map(String::as_str).collect();
    let text = serde_json::to_string(&sentences).expect("texts are JSON");
    std::fs::write(folder.join("sentences.json"), text).expect("sentences can be written");
}

/// One round with two threads, `batch` sentences at a time, after one that is not counted: prints the rate.
pub(crate) fn measure(mut args: impl Iterator<Item = String>) {
    let mut next = || args.next().expect("usage: keepsake-rivals embed SENTENCES MODELS_FOLDER BATCH");
    let (file, models, batch) = (next(), next(), next());
    let batch: usize = batch.parse().expect("BATCH is a number");
    let text = std::fs::read_to_string(file).expect("the sentences can be read");
    let sentences: Vec<String> = serde_json::from_str(&text).expect("they are a list of texts");
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let embedder =
        OnnxEmbedder::open(&data::files(Path::new(&models)), 2).expect("the embedding model opens");
    let round = || {
        let started = Instant::now();
        sentences.chunks(batch).for_each(|batch| drop(embedder.embed(batch).expect("texts are embedded")));
        sentences.len() as f64 / started.elapsed().as_secs_f64()
    };
    round();
    println!("{}", round());
}
