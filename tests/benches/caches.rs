//! Measures what it costs to keep keys and values in fewer bits: how far predictions move, memory, and time.
//!
//! Bare llama.cpp reads the demo conversation, once with each kind of cache, and what it predicts at every token is
//! compared with 16 bits. Writes `target/bench/caches.json`. `KEEPSAKE_BENCH_MODEL` names another GGUF file.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Instant;

use keepsake_tests::{language_model_file, machine};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use serde_json::json;

/// Tokens that are read, the last of them one by one; and steps as the queue has them, and as answers have them.
const TOKENS: usize = 768;
const SINGLE: usize = 32;
const STEPS: [usize; 2] = [63, 128];
const THREADS: i32 = 2;

/// Keys, values, and how many bits each number takes.
const KINDS: [(&str, KvCacheType, KvCacheType, f64); 5] = [
    ("keys 16 bits, values 16", KvCacheType::F16, KvCacheType::F16, 32.0),
    ("keys 8 bits, values 16", KvCacheType::Q8_0, KvCacheType::F16, 24.5),
    ("keys 8 bits, values 8", KvCacheType::Q8_0, KvCacheType::Q8_0, 17.0),
    ("keys 8 bits, values 5", KvCacheType::Q8_0, KvCacheType::Q5_1, 14.5),
    ("keys 4 bits, values 4", KvCacheType::Q4_0, KvCacheType::Q4_0, 9.0),
];

fn main() {
    let file = std::env::var_os("KEEPSAKE_BENCH_MODEL").map_or_else(language_model_file, PathBuf::from);
    #[cfg(target_os = "linux")]
    llama_cpp_2::llama_backend::load_backends();
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, &file, &LlamaModelParams::default()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read(root.join("cli/demo/conversation.jsonl")).unwrap();
    let tokens: Vec<LlamaToken> = model.vocab().tokenize(&text, false, false);
    let tokens = &tokens[..TOKENS];

    let exact = Reading::of(&backend, &model, tokens, KINDS[0], true);
    println!(
        "{:24} {:>6} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "", "bits", "KL, nats", "the same", "63 ms", "128 ms", "one ms"
    );
    let mut rows = Vec::new();
    for kind in KINDS {
        let reading = Reading::of(&backend, &model, tokens, kind, true);
        let long = Reading::of(&backend, &model, tokens, kind, false);
        let (divergence, same) = exact.against(&reading);
        let row = json!({
            "kind": kind.0, "bits": kind.3, "kl_nats": divergence, "same_likeliest": same,
            "ms_a_token": {"in_steps_of_63": reading.read_ms, "in_steps_of_128": long.read_ms, "alone": reading.single_ms},
        });
        println!(
            "{:24} {:6.1} {divergence:9.5} {:8.2}% {:8.2} {:8.2} {:8.2}",
            kind.0,
            kind.3,
            same * 100.0,
            reading.read_ms,
            long.read_ms,
            reading.single_ms
        );
        rows.push(row);
    }
    let report = json!({"machine": machine(), "model": file.file_name().unwrap().to_str(), "kinds": rows});
    let out = root.join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("caches.json"), report.to_string()).unwrap();
}

/// What a model predicted at every token, and how long that took, milliseconds a token.
struct Reading {
    log_probabilities: Vec<Vec<f32>>,
    read_ms: f64,
    single_ms: f64,
}

impl Reading {
    /// Reads with one kind of cache, in steps as the queue has them or an answer.
    fn of(
        backend: &LlamaBackend,
        model: &LlamaModel,
        tokens: &[LlamaToken],
        (_, keys, values, _): (&str, KvCacheType, KvCacheType, f64),
        queue: bool,
    ) -> Self {
        let step = STEPS[usize::from(!queue)];
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(1024))
            .with_n_batch(step as u32)
            .with_n_ubatch(step as u32)
            .with_type_k(keys)
            .with_type_v(values)
            .with_n_threads(THREADS)
            .with_n_threads_batch(THREADS);
        let mut context = model.new_context(backend, params).unwrap();
        let (read, alone) = tokens.split_at(TOKENS - SINGLE);
        let mut log_probabilities = Vec::new();
        let mut at = 0;
        let mut go = |tokens: &[LlamaToken], step: usize| {
            let mut ms = 0.0;
            for chunk in tokens.chunks(step) {
                ms += evaluate(&mut context, at, chunk);
                at += chunk.len();
                let rows = (0..chunk.len()).filter(|_| queue);
                log_probabilities.extend(rows.map(|row| log_softmax(context.get_logits_ith(row as i32))));
            }
            ms / tokens.len() as f64
        };
        let (read_ms, single_ms) = (go(read, step), go(alone, 1));
        Self { log_probabilities, read_ms, single_ms }
    }

    /// How far the other's predictions are from these, nats a token (Kullback-Leibler divergence), and how often the
    /// likeliest token is the same.
    fn against(&self, other: &Self) -> (f64, f64) {
        let pairs = || self.log_probabilities.iter().zip(&other.log_probabilities);
        let divergence = |(p, q): (&Vec<f32>, &Vec<f32>)| -> f64 {
            p.iter().zip(q).map(|(p, q)| f64::from(p.exp()) * f64::from(p - q)).sum()
        };
        let likeliest =
            |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at);
        let same = pairs().filter(|(p, q)| likeliest(p) == likeliest(q)).count();
        let count = self.log_probabilities.len() as f64;
        (pairs().map(divergence).sum::<f64>() / count, same as f64 / count)
    }
}

fn evaluate(context: &mut LlamaContext<'_>, at: usize, tokens: &[LlamaToken]) -> f64 {
    let mut batch = LlamaBatch::new(tokens.len(), 1);
    for (offset, token) in tokens.iter().enumerate() {
        batch.add(*token, (at + offset) as i32, &[0], true).unwrap();
    }
    let started = Instant::now();
    context.decode(&mut batch).unwrap();
    // Reading the logits waits for their computation.
    assert!(context.get_logits_ith(0)[0].is_finite());
    started.elapsed().as_secs_f64() * 1000.0
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    logits.iter().map(|logit| logit - most - sum.ln() as f32).collect()
}
