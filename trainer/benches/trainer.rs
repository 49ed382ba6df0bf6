//! Measures the local engine beside PyTorch with transformers and PEFT: same base, shapes, precision and threads, step by
//! step in turns; and an adapter in llama.cpp against the trainer.
//!
//! `KEEPSAKE_PYTORCH` names a Python with torch, transformers, peft and gguf. Writes `target/bench/trainer.json`.
//! Rooms it touches: engine, parity, weights.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::model::{Role, Tokenizer};
use keepsake_trainer::engine::local::{LocalEngine, LocalSettings, Where};
use keepsake_trainer::engine::{Branch, Choice, Part, PolicyEngine, Token, Tree};
use keepsake_trainer::parity::parity;
use keepsake_trainer::weights::{Base, Bits, Label, write_adapter};
use serde_json::{Value, json};

const THREADS: usize = 2;
const ROUNDS: usize = 3;

/// A step's shape: tokens of prompt and reply, sequences, and how many PyTorch takes at once. With all of the group's
/// sequences at once its logits and activations do not fit into 24 GiB.
struct Step {
    name: &'static str,
    prompt: usize,
    reply: usize,
    sequences: usize,
    batch: usize,
    shares: bool,
}

const STEPS: [Step; 2] = [
    Step {
        name: "4 sequences of 512, every token trained",
        prompt: 1,
        reply: 511,
        sequences: 4,
        batch: 4,
        shares: false,
    },
    Step {
        name: "8 replies of 64 to one prompt of 1,000",
        prompt: 1000,
        reply: 64,
        sequences: 8,
        batch: 2,
        shares: true,
    },
];

fn main() {
    let model = std::env::var_os("KEEPSAKE_BENCH_MODEL").map(PathBuf::from).unwrap();
    let python = std::env::var_os("KEEPSAKE_PYTORCH").unwrap();
    let base = Base::open(&model).unwrap();
    let tokenizer = Arc::new(Tokenizer::open(&model, None).unwrap());
    let settings = LocalSettings { device: Where::Cpu, threads: Some(THREADS), ..LocalSettings::default() };
    let mut ours = LocalEngine::load(&base, tokenizer, settings).unwrap();
    let mut theirs = PyTorch::start(&python, &model);
    let mut figures = Vec::new();
    for step in &STEPS {
        let trees = trees(step);
        // The first step of each allocates.
        our_step(&mut ours, &trees);
        theirs.step(step);
        let mut pairs: Vec<(f64, f64)> =
            (0..ROUNDS).map(|_| (our_step(&mut ours, &trees), theirs.step(step).0)).collect();
        pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (own, other) = pairs[ROUNDS / 2];
        let tokens = (step.sequences * (step.prompt + step.reply)) as f64;
        let (our_peak, their_peak) = (peak_bytes(), theirs.step(step).1);
        println!(
            "{}: {own:.1} s and {other:.1} s, {:.0} and {:.0} tokens/s: {:.2} times as fast ({:.2} to {:.2}); \
             peak {:.2} and {:.2} GiB",
            step.name,
            tokens / own,
            tokens / other,
            other / own,
            pairs[0].1 / pairs[0].0,
            pairs[ROUNDS - 1].1 / pairs[ROUNDS - 1].0,
            gib(our_peak),
            gib(their_peak),
        );
        figures.push(json!({
            "step": step.name, "seconds": own, "pytorch_seconds": other, "ratio": other / own,
            "pairs": pairs, "peak_bytes": our_peak, "pytorch_peak_bytes": their_peak,
        }));
    }
    let found = compared(&mut ours, &base, &model);
    println!(
        "parity: mean |Δ log-probability| {:.2e}, effect {:.3}",
        found.mean_abs_dlogprob, found.adapter_effect
    );
    let ratio = |at: usize| figures[at]["ratio"].as_f64().unwrap();
    let peaks = |key: &str| figures[0][key].as_f64().unwrap();
    let report = json!({
        "machine": machine(), "threads": THREADS, "model": model.file_name().unwrap().to_str(),
        "pytorch": theirs.about, "steps": figures.clone(),
        "tokens_per_s_ratio": ratio(0), "shared_prompt_ratio": ratio(1),
        "peak_memory_ratio": peaks("peak_bytes") / peaks("pytorch_peak_bytes"),
        "parity_mean_abs_dlogprob": found.mean_abs_dlogprob, "parity": found,
    });
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("trainer.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
}

fn trees(step: &Step) -> Vec<Tree> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut tokens = |count: usize| (0..count).map(|_| random.i32(1000..40_000)).collect::<Vec<Token>>();
    let prompts: Vec<Vec<Token>> =
        (0..if step.shares { 1 } else { step.sequences }).map(|_| tokens(step.prompt)).collect();
    let replies = step.sequences / prompts.len();
    let mut branch = || Branch { tokens: tokens(step.reply), choices: vec![Choice::Any; step.reply] };
    prompts
        .into_iter()
        .map(|prompt| Tree { prompt, branches: (0..replies).map(|_| branch()).collect() })
        .collect()
}

fn our_step(engine: &mut LocalEngine, trees: &[Tree]) -> f64 {
    let started = Instant::now();
    engine.forward_backward(Part::Manager, trees, &mut |_, _, scores| vec![-1e-3; scores.len()]).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    engine.clear(Part::Manager);
    seconds
}

/// An adapter that changes something, in llama.cpp and here.
fn compared(engine: &mut LocalEngine, base: &Base, model: &Path) -> keepsake_trainer::parity::Found {
    let mut lora = engine.lora(Part::Manager).unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    for pair in lora.pairs.values_mut() {
        pair.b.iter_mut().for_each(|value| *value = (random.f32() - 0.5) * 0.01);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let wording = keepsake_core::model::adapter::wording(Role::Manager);
    let label = Label { role: Role::Manager, distils: true, base_sha256: base.sha256().unwrap(), wording };
    write_adapter(file.path(), base.shape(), &lora, &label, Bits::F32).unwrap();
    parity(model, file.path()).unwrap()
}

/// A Python that waits for steps.
struct PyTorch {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    about: Value,
}

impl PyTorch {
    fn start(python: &std::ffi::OsStr, model: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch.py");
        let mut process = Command::new(python)
            .arg(script)
            .args([model.parent().unwrap().as_os_str(), model.file_name().unwrap()])
            .arg(THREADS.to_string())
            // As a user starts it.
            .env_remove("OMP_WAIT_POLICY")
            .env_remove("GOMP_SPINCOUNT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut new = Self { _process: process, input, output, about: Value::Null };
        new.about = new.line();
        new
    }

    /// Seconds of a step, and the most bytes it has held.
    fn step(&mut self, step: &Step) -> (f64, u64) {
        writeln!(self.input, "{} {} {} {}", step.prompt, step.reply, step.sequences, step.batch).unwrap();
        let line = self.line();
        (line["seconds"].as_f64().unwrap(), line["peak_bytes"].as_u64().unwrap())
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// The most memory this process has held.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = || info.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{} x {}", names().count(), names().next().map_or("unknown", |(_, name)| name))
}
