//! Measures the engine: append against a bare write, generation against bare llama.cpp, opening, memory.
//!
//! Prints a table and writes `target/bench/engine.json`. Nothing here passes or fails: ratios are read by
//! people, with the machine named. Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::io::Write;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::bank::{Bank, Commit, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::embed::Embedder;
use keepsake_core::model::{Request, Role, Sampling};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::testing::memory;
use keepsake_core::types::{Cancel, MemoryId, Question, SpaceId, Timestamp};
use keepsake_core::{Engine, Setup};
use keepsake_tests::{
    embedder, engine, language_model, language_model_file, machine, model_file, said, setup,
};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;

const APPENDS: usize = 2000;
const TOKENS: usize = 128;
const ROUNDS: usize = 12;
const MEMORIES: u64 = 10_000;
/// The KV cache of SmolLM2-135M at 4,096 tokens: 30 layers, keys and values, 3 heads of 64, f16.
const KV_MIB: f64 = (30 * 2 * 3 * 64 * 2 * 4096) as f64 / 1_048_576.0;

/// The argument with which this program measures bare llama.cpp in a process of its own: llama.cpp is started
/// once in a process, and core does that.
const BARE: &str = "bare-llama-cpp";
/// With this one and a bank's folder it answers from that bank in a process of its own and prints its memory.
const MEMORY: &str = "memory";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(BARE) => return println!("{}", bare_rate()),
        Some(MEMORY) => return println!("{}", memory_of_its_own(Path::new(&arguments[1]))),
        _ => {}
    }
    let folder = tempfile::tempdir().unwrap();
    let [(append_p50, append_p99), (bare_p50, bare_p99)] = appends(folder.path());
    let (core_rate, bare_rate) = generation();
    let bank = folder.path().join("bank");
    let open_ms = ten_thousand(&bank);
    let memory_mib: serde_json::Value =
        serde_json::from_str(&in_own_process(&[MEMORY, bank.to_str().unwrap()])).unwrap();
    let report = serde_json::json!({
        "machine": machine(),
        "append_ms": {"p50": append_p50, "p99": append_p99},
        "write_fsync_ms": {"p50": bare_p50, "p99": bare_p99},
        "append_p99_ratio": append_p99 / bare_p99,
        "generation_tokens_per_second": {"core": core_rate, "llama_cpp": bare_rate},
        "generation_ratio": core_rate / bare_rate,
        "open_10000_ms": open_ms,
        "memory_mib": memory_mib,
    });
    let text = serde_json::to_string_pretty(&report).unwrap();
    println!("{text}");
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("engine.json"), text).unwrap();
}

fn text(at: usize) -> String {
    format!("I went to the market with Anna and bought {at} apples, which we ate on the way home.")
}

/// Milliseconds at the half and the last hundredth.
fn quantiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Appends, and the same bytes written and synced to a file on the same disk, in turn: the disk is noisy.
fn appends(folder: &Path) -> [(f64, f64); 2] {
    let engine = engine(&folder.join("append"), setup());
    let mut file = std::fs::File::create(folder.join("bare")).unwrap();
    let (mut append, mut bare) = (Vec::with_capacity(APPENDS), Vec::with_capacity(APPENDS));
    for at in 0..APPENDS {
        let turn = said("Maria", &text(at));
        let started = Instant::now();
        engine.append(turn).unwrap();
        append.push(milliseconds(started));
        let started = Instant::now();
        file.write_all(text(at).as_bytes()).unwrap();
        file.sync_all().unwrap();
        bare.push(milliseconds(started));
    }
    [quantiles(append), quantiles(bare)]
}

/// Tokens a second through core and through a bare loop, in turn, the best of each: the same model, threads,
/// prompt and number of tokens.
fn generation() -> (f64, f64) {
    let model = language_model();
    let request = Request {
        role: Role::Answer,
        chat: Chat {
            system: "You tell stories.".into(),
            user: "Tell a very long story.".into(),
            reply_start: String::new(),
        },
        grammar: None,
        max_tokens: TOKENS,
        sampling: Sampling::Greedy,
    };
    let through_core = || {
        let done = model.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap();
        done.usage.generated_tokens as f64 / done.usage.generation_ms * 1000.0
    };
    through_core();
    let bare = || -> f64 { in_own_process(&[BARE]).parse().unwrap() };
    let (mut core_best, mut bare_best) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        core_best = core_best.max(through_core());
        bare_best = bare_best.max(bare());
    }
    (core_best, bare_best)
}

/// Tokens a second of llama.cpp without core, in a loop that only decodes.
fn bare_rate() -> f64 {
    #[cfg(target_os = "linux")]
    llama_cpp_2::llama_backend::load_backends();
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let model =
        LlamaModel::load_from_file(&backend, language_model_file(), &LlamaModelParams::default()).unwrap();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(4096))
        .with_n_batch(128)
        .with_n_ubatch(128)
        .with_n_threads(2)
        .with_n_threads_batch(2);
    let mut context = model.new_context(&backend, params).unwrap();
    let prompt =
        model.vocab().tokenize(b"Tell a very long story about the sea and a small boat.", false, false);
    let mut batch = LlamaBatch::new(128, 1);
    for (at, token) in prompt.iter().enumerate() {
        batch.add(*token, at as i32, &[0], at + 1 == prompt.len()).unwrap();
    }
    context.decode(&mut batch).unwrap();
    let mut greedy = LlamaSampler::greedy();
    let started = Instant::now();
    for at in 0..TOKENS {
        let token = greedy.sample(&context, -1);
        batch.clear();
        batch.add(token, (prompt.len() + at) as i32, &[0], true).unwrap();
        context.decode(&mut batch).unwrap();
    }
    TOKENS as f64 / milliseconds(started) * 1000.0
}

/// What this program prints when it is started again with these arguments.
fn in_own_process(arguments: &[&str]) -> String {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Milliseconds to open a bank of ten thousand memories, without models.
fn ten_thousand(folder: &Path) -> f64 {
    fill(folder);
    let started = Instant::now();
    let engine = Engine::open(folder, Setup::new(|| Timestamp::from_seconds(0))).unwrap();
    let open_ms = milliseconds(started);
    drop(engine);
    open_ms
}

/// Opens the bank step by step and says what each takes, MiB: what is resident after it, less what was before.
/// `beyond_weights_and_kv` is the peak of the whole process, program and libraries included, less the model
/// files and the KV cache.
fn memory_of_its_own(folder: &Path) -> serde_json::Value {
    let started = resident_mib("VmRSS:");
    let setup = Setup::new(|| Timestamp::from_seconds(0));
    let engine = Engine::open(folder, setup.clone()).unwrap();
    engine.search(&SpaceId::default(), "apples", 10).unwrap();
    let words = resident_mib("VmRSS:");
    drop(engine);
    let embedder = Arc::new(embedder());
    let loaded = resident_mib("VmRSS:");
    let engine = Engine::open(folder, setup.clone().with_embedder(embedder.clone())).unwrap();
    engine.search(&SpaceId::default(), "apples", 10).unwrap();
    let searched = resident_mib("VmRSS:");
    drop(engine);
    let setup = setup.with_embedder(embedder).with_model(language_model());
    let engine = Engine::open(folder, setup).unwrap();
    let question = Question::new(SpaceId::default(), "Who ate apples?").unwrap();
    engine.ask(&question, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap();
    let mib = |file: &Path| std::fs::metadata(file).unwrap().len() as f64 / 1_048_576.0;
    let weights = mib(&language_model_file()) + mib(&model_file("all-MiniLM-L6-v2-int8.onnx"));
    let peak = resident_mib("VmHWM:");
    serde_json::json!({
        "program": started,
        "bank_and_words": words - started,
        "embedder": loaded - words,
        "vectors": searched - loaded,
        "peak": peak,
        "weights": weights,
        "kv_cache": KV_MIB,
        "beyond_weights_and_kv": peak - weights - KV_MIB,
    })
}

fn fill(folder: &Path) {
    let bank = SledBank::open(folder).unwrap();
    let embedder = embedder();
    let vector = embedder.embed(&["apples"]).unwrap().remove(0);
    let name = embedder.identity().to_owned();
    for block in 0..MEMORIES / 100 {
        let turn = bank.append(&said("Maria", &text(block as usize)), Timestamp::from_seconds(0)).unwrap().id;
        let first = bank.next_memory_id().unwrap().0;
        let writes = (0..100).map(|at| {
            let mut memory = memory(first + at, &text((block * 100 + at) as usize));
            (memory.id, memory.sources) = (MemoryId(first + at), vec![turn]);
            MemoryWrite { memory, expects: None, vector: Some((name.clone(), vector.clone())) }
        });
        bank.commit(&Commit {
            turn,
            outcome: TurnOutcome::Done(Vec::new()),
            writes: writes.collect(),
            read: vec![],
        })
        .unwrap();
    }
}

/// A figure of this process's memory, MiB; 0 where the system does not say.
fn resident_mib(figure: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
