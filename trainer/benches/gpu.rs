//! Measures the local engine on a GPU beside PyTorch with transformers and PEFT: random weights at the shapes of Qwen2.5-3B
//! and Llama-3.1-8B, training token by token, the group of a long prompt, sampling, and a whole step of the answer agent.
//!
//! Both do not fit beside each other into one GPU, so that PyTorch goes first and ends. Its autocast is on, as trainers have it:
//! LoRAs, which PEFT keeps in 32 bits, compute in bfloat16 on both sides. `KEEPSAKE_PYTORCH` names a Python
//! with torch, transformers and peft; `KEEPSAKE_BENCH_THEIRS` a file of an earlier run on the same GPU whose figures of PyTorch
//! are to be taken; `KEEPSAKE_BENCH_MODEL` a base for its tokenizer. Writes `target/bench/gpu.json`.
//! Rooms it touches: engine, weights.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::model::Tokenizer;
use keepsake_trainer::engine::local::{LocalEngine, LocalSettings, Where};
use keepsake_trainer::engine::{AdamW, Ask, Branch, Choice, Dice, Part, PolicyEngine, Token, Tree};
use keepsake_trainer::weights::{Architecture, Shape};
use serde_json::{Value, json};

/// The step of the answer agent: prompts, replies to each, and their tokens.
const PROMPTS: usize = 16;
const GROUP: usize = 8;
const PROMPT: usize = 3000;
const REPLY: usize = 128;

fn shapes() -> [(&'static str, Shape); 2] {
    let qwen = Shape {
        architecture: Architecture::Qwen2,
        layers: 36,
        width: 2048,
        hidden: 11_008,
        heads: 16,
        kv_heads: 2,
        head_width: 128,
        vocabulary: 151_936,
        context: 32_768,
        rope_base: 1e6,
        rope_width: 128,
        norm_epsilon: 1e-6,
        tied: true,
    };
    let llama = Shape {
        architecture: Architecture::Llama,
        layers: 32,
        width: 4096,
        hidden: 14_336,
        heads: 32,
        kv_heads: 8,
        head_width: 128,
        vocabulary: 128_256,
        context: 131_072,
        rope_base: 5e5,
        rope_width: 128,
        norm_epsilon: 1e-5,
        tied: false,
    };
    [("Qwen2.5-3B", qwen), ("Llama-3.1-8B", llama)]
}

/// What is measured.
struct Task {
    name: &'static str,
    what: &'static str,
    prompt: usize,
    reply: usize,
    sequences: usize,
    /// How many of them PyTorch computes at once.
    batch: usize,
    /// How often, after once for nothing; the median counts.
    rounds: usize,
}

const TASKS: [Task; 3] = [
    Task {
        name: "4 sequences of 1,024, every token trained",
        what: "train",
        prompt: 1,
        reply: 1023,
        sequences: 4,
        batch: 4,
        rounds: 3,
    },
    Task {
        name: "a group: 8 replies of 128 to one prompt of 3,000, trained",
        what: "train",
        prompt: PROMPT,
        reply: REPLY,
        sequences: GROUP,
        batch: 1,
        rounds: 3,
    },
    Task {
        name: "a group sampled",
        what: "generate",
        prompt: PROMPT,
        reply: REPLY,
        sequences: GROUP,
        batch: GROUP,
        rounds: 1,
    },
];

fn main() {
    let python = std::env::var_os("KEEPSAKE_PYTORCH").unwrap();
    let model = std::env::var_os("KEEPSAKE_BENCH_MODEL").map(PathBuf::from).unwrap();
    let known = std::env::var_os("KEEPSAKE_BENCH_THEIRS").map(|path| std::fs::read_to_string(path).unwrap());
    let known: Value = known.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    let tokenizer = Arc::new(Tokenizer::open(&model, None).unwrap());
    let mut figures = Vec::new();
    for (at, (name, shape)) in shapes().into_iter().enumerate() {
        println!("{name}");
        let theirs = match known[at]["pytorch"].as_array() {
            Some(known) => known.clone(),
            None => theirs(&python, &shape),
        };
        let figure = ours(&shape, &tokenizer, &theirs);
        figures.push(json!({ "shape": name, "pytorch": theirs, "ours": figure }));
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
        let out = std::env::var_os("KEEPSAKE_BENCH_OUT").map_or(out, PathBuf::from);
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join("gpu.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}

/// PyTorch's figures: what it says of itself, then the best answer to each task.
fn theirs(python: &std::ffi::OsStr, shape: &Shape) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch_gpu.py");
    let script = std::env::var_os("KEEPSAKE_BENCH_SCRIPT").map_or(script, PathBuf::from);
    let about = json!({
        "architecture": shape.architecture.name(), "layers": shape.layers, "width": shape.width,
        "hidden": shape.hidden, "heads": shape.heads, "kv_heads": shape.kv_heads,
        "vocabulary": shape.vocabulary, "context": shape.context, "tied": shape.tied,
    });
    let mut process = Command::new(python)
        .arg(script)
        .arg(about.to_string())
        .env_remove("LD_PRELOAD")
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("OMP_WAIT_POLICY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let mut found = vec![line()];
    println!("  {}", found[0]);
    let mut input = process.stdin.take().unwrap();
    for Task { what, prompt, reply, sequences, batch, rounds, .. } in TASKS {
        let answers = (0..=rounds).map(|_| {
            writeln!(input, "{what} {prompt} {reply} {sequences} {batch}").unwrap();
            line()
        });
        let mut answers: Vec<Value> = answers.skip(1).collect();
        answers.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        found.push(answers.swap_remove(rounds / 2));
    }
    drop(input);
    process.wait().unwrap();
    found
}

fn seconds(line: &Value) -> f64 {
    line["seconds"].as_f64().unwrap()
}

fn ours(shape: &Shape, tokenizer: &Arc<Tokenizer>, theirs: &[Value]) -> Value {
    let settings = LocalSettings {
        device: Where::Cuda(0),
        pack_tokens: 4096,
        shared_tokens: 0,
        ..LocalSettings::default()
    };
    let mut engine = LocalEngine::random(shape, Arc::clone(tokenizer), settings).unwrap();
    let mut figures = Vec::new();
    for (task, theirs) in TASKS.into_iter().zip(&theirs[1..]) {
        let Task { name, what, prompt, reply, sequences, rounds, .. } = task;
        let is_group = prompt == PROMPT;
        let prompts = if is_group { 1 } else { sequences };
        let mut once = || match what {
            "train" => train(&mut engine, &trees(prompts, sequences / prompts, prompt, reply)),
            _ => sample(&mut engine, prompts, sequences / prompts, prompt, reply),
        };
        once();
        let mut found: Vec<[f64; 2]> = (0..rounds).map(|_| once()).collect();
        found.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [own, utilisation] = found[rounds / 2];
        let other = seconds(theirs);
        let tokens = (sequences * (if is_group { reply } else { prompt + reply })) as f64;
        println!(
            "  {name}: {own:.3} s and {other:.3} s, {:.0} and {:.0} tokens/s: {:.2} times as fast; utilisation {utilisation:.2}; \
             GPU memory taken {:.1} and {:.1} GiB{}",
            tokens / own,
            tokens / other,
            other / own,
            gib(used()),
            gib(theirs["used_bytes"].as_u64().unwrap()),
            if theirs["recomputes"] == true { ", PyTorch computing twice what does not fit" } else { "" },
        );
        figures.push(json!({
            "task": name, "seconds": own, "ratio": other / own, "utilisation": utilisation, "used_bytes": used(),
        }));
    }
    // The answer agent's whole step.
    sample(&mut engine, 2, GROUP, PROMPT, 4);
    let [sampling, _] = sample(&mut engine, PROMPTS, GROUP, PROMPT, REPLY);
    let [training, utilisation] = train(&mut engine, &trees(PROMPTS, GROUP, PROMPT, REPLY));
    println!(
        "  a step of {PROMPTS} prompts of {PROMPT} with {GROUP} replies of {REPLY}: {:.2} s, of which {sampling:.2} s sample \
         and {training:.2} s train (utilisation {utilisation:.2}); GPU memory taken {:.1} GiB",
        sampling + training,
        gib(used()),
    );
    let step = json!({
        "seconds": sampling + training, "sample_seconds": sampling, "train_seconds": training,
        "train_utilisation": utilisation, "used_bytes": used(),
    });
    json!({ "most_flops": engine.work().unwrap().most_per_second, "tasks": figures, "step": step })
}

fn trees(prompts: usize, group: usize, prompt: usize, reply: usize) -> Vec<Tree> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut tokens = |count: usize| (0..count).map(|_| random.i32(1000..40_000)).collect::<Vec<Token>>();
    let mut tree = || {
        let prompt = tokens(prompt);
        let mut branch = || Branch { tokens: tokens(reply), choices: vec![Choice::Any; reply] };
        Tree { prompt, branches: (0..group).map(|_| branch()).collect() }
    };
    (0..prompts).map(|_| tree()).collect()
}

/// Seconds of forward, backward and the optimiser's step, and the share of what the GPU can that they use.
fn train(engine: &mut LocalEngine, trees: &[Tree]) -> [f64; 2] {
    let (before, started) = (engine.work().unwrap(), Instant::now());
    engine.forward_backward(Part::Answer, trees, &mut |_, _, scores| vec![-1e-3; scores.len()]).unwrap();
    // It reads the gradients' norm, so that all is done when it returns.
    engine.step(Part::Answer, &AdamW::default()).unwrap();
    used_share(engine, before.operations, started)
}

/// The same of replies to prompts of random tokens.
fn sample(engine: &mut LocalEngine, prompts: usize, group: usize, prompt: usize, reply: usize) -> [f64; 2] {
    let asks: Vec<Ask> = trees(prompts, group, prompt, 1)
        .into_iter()
        .enumerate()
        .flat_map(|(at, tree)| {
            let prompt: Arc<[Token]> = tree.prompt.into();
            (0..group).map(move |sample| Ask {
                prompt: Arc::clone(&prompt),
                grammar: None,
                max_tokens: reply,
                temperature: 1.0,
                dice: Dice::new(&[at as u64, sample as u64]),
            })
        })
        .collect();
    let (before, started) = (engine.work().unwrap(), Instant::now());
    let written = engine.sample(Part::Answer, &asks).unwrap();
    let found = used_share(engine, before.operations, started);
    let tokens: usize = written.iter().map(|written| written.branch.tokens.len()).sum();
    assert!(tokens * 10 > asks.len() * reply * 9, "{tokens} tokens were written");
    found
}

fn used_share(engine: &LocalEngine, before: f64, started: Instant) -> [f64; 2] {
    let seconds = started.elapsed().as_secs_f64();
    let work = engine.work().unwrap();
    [seconds, (work.operations - before) / seconds / work.most_per_second]
}

/// Bytes of the GPU that are taken, caches included, as its driver says.
fn used() -> u64 {
    let said = Command::new("nvidia-smi")
        .args(["--query-gpu=memory.used", "--format=csv,noheader,nounits"])
        .env_remove("LD_PRELOAD")
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().next().unwrap().trim().parse::<u64>().unwrap() << 20
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}
