//! Measures inference: the same conversation through the plain pipeline and through ours, decoding against bare
//! llama.cpp, the first token of an answer, and a pipeline of the shape of Mem0's.
//!
//! Prints a table and writes `target/bench/inference.json`. Nothing here passes or fails: ratios are read by people, with
//! the machine named. Two threads, the default model; `KEEPSAKE_BENCH_MODEL` names another GGUF file. The machine's speed
//! changes from minute to minute, so what is compared is run in turn. Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::bank::{Bank, Commit, MemoryBank, MemoryWrite, TurnOutcome};
use keepsake_core::config::Config;
use keepsake_core::embed::Embedder;
use keepsake_core::model::{
    Completion, LanguageModel, LlamaModel, LlamaSettings, Request, Role, Sampling, Usage,
};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::testing::{mem0, memory};
use keepsake_core::types::{Cancel, MemoryId, NewTurn, Question, SpaceId, Timestamp};
use keepsake_core::{Budget, Engine, Receipt, Setup};
use keepsake_tests::{embedder, language_model_file, machine, said, setup};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel as Bare;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use serde::Deserialize;
use serde_json::json;

const THREADS: u32 = 2;
/// Turns of the conversation that are remembered, worked as queues of so many as the second number, and how often.
const TURNS: usize = 24;
const BLOCK: usize = 4;
const REMEMBERED: usize = 1;
/// Turns that the Mem0-style pipeline works through, and the one they begin with: the first ones only greet.
const MEM0_TURNS: usize = 8;
const MEM0_FROM: usize = 2;
/// What both remember before that: a list that is printed again for every turn is only long where there is one.
const KNOWN: [&str; 12] = [
    "Maria works at the front desk of a dental clinic.",
    "Tom is a vegetarian.",
    "Maria plays the piano on Sundays.",
    "Tom's sister Nina lives in Bergen.",
    "Maria has a balcony full of herbs.",
    "Tom drives an old blue van.",
    "Maria's grandmother Rosa taught her to bake.",
    "Tom is learning Portuguese.",
    "Maria is allergic to cats.",
    "Tom goes to a pottery class on Thursdays.",
    "Maria wants to see the northern lights.",
    "Tom grew up in Leeds.",
];
/// Tokens of a reply, and how often each is written.
const TOKENS: usize = 128;
const ROUNDS: usize = 3;
const MEMORIES: u64 = 60;
/// Moments at which the queue's work is stopped.
const STOPS: u64 = 12;

/// The argument with which this program measures bare llama.cpp in a process of its own: llama.cpp is started
/// once in a process, and core does that. It prints tokens a second of decoding.
const BARE_DECODE: &str = "bare-decode";
/// With this one only the first token of answers is measured.
const FIRST_TOKEN: &str = "first-token";
/// With this one only remembering is, and with `plain` or `ours` behind it by one of both: two models in one process
/// would make the threads of each wait more slowly.
const REMEMBERING: &str = "remembering";
/// With this one, our side of the comparison with the Mem0-style pipeline; with the next one and how many facts each turn
/// gave, the other side.
const SEEDED: &str = "seeded";
const MEM0: &str = "mem0";
/// With this one and a number of tokens it prints the milliseconds of reading so many.
const BARE_PREFILL: &str = "bare-prefill";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(BARE_DECODE) => return println!("{}", bare_decode()),
        Some(FIRST_TOKEN) => return println!("{:#}", first_token(&model(true))),
        Some(REMEMBERING) => match arguments[1].as_str() {
            side @ ("plain" | "ours") => return println!("{}", remember(model(side == "ours"))),
            _ => return println!("{:#}", remembering()),
        },
        Some(SEEDED) => return println!("{}", seeded(model(true))),
        Some(MEM0) if arguments[1] == "--bench" => return println!("{:#}", mem0_style()),
        Some(MEM0) => return println!("{}", mem0_pipeline(&arguments[1..])),
        Some(BARE_PREFILL) => return println!("{}", bare_prefill(arguments[1].parse().unwrap())),
        _ => {}
    }
    let ours = model(true);
    let decode = decoding(ours.as_ref());
    println!("{decode:#}");
    let first = first_token(&ours);
    println!("{first:#}");
    let remember = remembering();
    println!("{remember:#}");
    let stop = stopping(&ours);
    println!("{stop:#}");
    let mem0 = mem0_style();
    println!("{mem0:#}");
    let ratio = |of: &serde_json::Value| of["ratio"].as_f64().unwrap();
    let report = json!({
        "machine": machine(),
        "model": model_file().file_name().unwrap().to_str(),
        "threads": THREADS,
        "tokens_ratio": remember["tokens_ratio"],
        "wall_ratio": remember["wall_ratio"],
        "decode_ratio": decode["ratio"],
        "constrained_ratio": decode["constrained_ratio"],
        "first_token_ratio": first["ratio"],
        "mem0_style_ratio": mem0["ratio"],
        "details": {"remember": remember, "decode": decode, "first_token": first, "mem0_style": mem0, "stop": stop},
    });
    std::fs::create_dir_all(out()).unwrap();
    std::fs::write(out().join("inference.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
    println!("{:44} {:>8} {:>8}", "", "measured", "aim");
    for (what, measured, aim) in [
        ("tokens evaluated per turn, ours ÷ plain", ratio_of(&report, "tokens_ratio"), "≤ 0.35"),
        ("wall time per turn, ours ÷ plain", ratio_of(&report, "wall_ratio"), "≤ 0.5"),
        ("decode rate, ours ÷ bare llama.cpp", ratio(&decode), "≥ 0.95"),
        ("decode rate, constrained ÷ unconstrained", ratio_of(&report, "constrained_ratio"), "≥ 0.9"),
        ("first answer token ÷ bare prefill", ratio(&first), "≤ 1.1"),
        ("wall time per turn, Mem0-style ÷ ours", ratio(&mem0), "≥ 5"),
    ] {
        println!("{what:44} {measured:8.3} {aim:>8}");
    }
}

fn ratio_of(report: &serde_json::Value, key: &str) -> f64 {
    report[key].as_f64().unwrap()
}

fn out() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench")
}

fn model_file() -> PathBuf {
    std::env::var_os("KEEPSAKE_BENCH_MODEL").map_or_else(language_model_file, PathBuf::from)
}

/// Ours keeps evaluated starts on the disk, as the shell does, so that only the first run evaluates them.
fn model(shortcuts: bool) -> Arc<LlamaModel> {
    let states = Some(out().join("states"));
    let settings =
        LlamaSettings { threads: Some(THREADS), shortcuts, states, ..LlamaSettings::new(model_file()) };
    Arc::new(LlamaModel::load(&settings).unwrap())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn complete(model: &dyn LanguageModel, request: &Request) -> Completion {
    model.complete(request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Tokens evaluated: those of prompts and those written.
fn tokens(usage: &Usage) -> u64 {
    usage.evaluated_tokens + usage.generated_tokens
}

// ---- decoding ----

/// Tokens a second through core, free and under the grammar of an update's text, and in a bare loop: in turn, the
/// best of each.
fn decoding(model: &dyn LanguageModel) -> serde_json::Value {
    let request = |grammar: Option<&str>| Request {
        role: Role::Answer,
        chat: Chat {
            system: "You tell stories.".into(),
            user: "Tell a very long story.".into(),
            reply_start: String::new(),
        },
        grammar: grammar.map(str::to_owned),
        max_tokens: TOKENS,
        sampling: Sampling::Greedy,
    };
    // The first token is chosen from the prompt's logits, so that one fewer is evaluated.
    let rate = |request: &Request| {
        let usage = complete(model, request).usage;
        (usage.generated_tokens - 1) as f64 / usage.generation_ms * 1000.0
    };
    let free = request(None);
    let constrained = request(Some(r"[A-Za-z0-9][^\x00-\x1F\x7F]{4,2000}"));
    let (mut free_best, mut constrained_best, mut bare_best) = (rate(&free), rate(&constrained), 0.0_f64);
    for _ in 0..ROUNDS {
        free_best = free_best.max(rate(&free));
        bare_best = bare_best.max(in_own_process(&[BARE_DECODE]).parse().unwrap());
        constrained_best = constrained_best.max(rate(&constrained));
    }
    json!({
        "tokens_per_second": {"ours": free_best, "constrained": constrained_best, "llama_cpp": bare_best},
        "ratio": free_best / bare_best,
        "constrained_ratio": constrained_best / free_best,
    })
}

struct BareModel {
    backend: LlamaBackend,
    model: Bare,
}

impl BareModel {
    fn load() -> Self {
        #[cfg(target_os = "linux")]
        llama_cpp_2::llama_backend::load_backends();
        let mut backend = LlamaBackend::init().unwrap();
        backend.void_logs();
        let model = Bare::load_from_file(&backend, model_file(), &LlamaModelParams::default()).unwrap();
        Self { backend, model }
    }

    fn context(&self, batch: u32) -> LlamaContext<'_> {
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(4096))
            .with_n_batch(batch)
            .with_n_ubatch(batch)
            .with_n_threads(THREADS as i32)
            .with_n_threads_batch(THREADS as i32);
        self.model.new_context(&self.backend, params).unwrap()
    }
}

/// Tokens a second of llama.cpp without core, in a loop that only decodes.
fn bare_decode() -> f64 {
    let bare = BareModel::load();
    let mut context = bare.context(128);
    let prompt =
        bare.model.vocab().tokenize(b"Tell a very long story about the sea and a small boat.", false, false);
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

/// Milliseconds of llama.cpp without core to read so many tokens, in the batches that are its default and in small
/// ones: the faster of both.
fn bare_prefill(count: usize) -> f64 {
    let bare = BareModel::load();
    let text = bare.model.vocab().tokenize(b"Tom and Maria talked about the sea. ", false, false);
    let prompt: Vec<LlamaToken> = text.iter().copied().cycle().take(count).collect();
    let mut times = Vec::new();
    for size in [512, 128] {
        let mut context = bare.context(size);
        let mut batch = LlamaBatch::new(size as usize, 1);
        // Once to warm up, once to measure.
        for measured in [&prompt[..count.min(64)], &prompt[..]] {
            context.clear_kv_cache();
            let started = Instant::now();
            for (nth, chunk) in measured.chunks(size as usize).enumerate() {
                batch.clear();
                for (at, token) in chunk.iter().enumerate() {
                    let position = nth * size as usize + at;
                    batch.add(*token, position as i32, &[0], position + 1 == measured.len()).unwrap();
                }
                context.decode(&mut batch).unwrap();
            }
            // Reading the logits waits for their computation.
            assert!(context.get_logits_ith(-1)[0].is_finite());
            if measured.len() == count {
                times.push(milliseconds(started));
            }
        }
    }
    times.into_iter().fold(f64::INFINITY, f64::min)
}

/// What this program prints when it is started again with these arguments.
fn in_own_process(arguments: &[&str]) -> String {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

// ---- the first token of an answer ----

/// From the question to the first piece of the answer over 60 memories, all of which are read, against the time bare
/// llama.cpp takes for as many tokens. Questions and bare reading in turn; the ratio is that of the sums.
fn first_token(model: &Arc<LlamaModel>) -> serde_json::Value {
    let bank = Arc::new(MemoryBank::new());
    let embedder = Arc::new(embedder());
    let turn = bank.append(&said("Maria", "Hello."), Timestamp::from_seconds(0)).unwrap().id;
    let text = |at: u64| {
        format!(
            "Maria went to the market with Anna and bought {at} apples, which they ate on the way home, and talked about her sister's garden."
        )
    };
    let writes = (1..=MEMORIES).map(|at| {
        let vector = embedder.embed(&[text(at).as_str()]).unwrap().remove(0);
        let mut memory = memory(at, &text(at));
        (memory.id, memory.sources) = (MemoryId(at), vec![turn]);
        MemoryWrite { memory, expects: None, vector: Some((embedder.identity().to_owned(), vector)) }
    });
    let outcome = TurnOutcome::Done(Vec::new());
    bank.commit(&Commit { turn, outcome, writes: writes.collect(), read: vec![] }).unwrap();
    let config = Config { answer_tokens: 3_000, ..Config::default() };
    let setup = Setup::new(|| Timestamp::from_seconds(0))
        .with_embedder(embedder)
        .with_model(model.clone())
        .with_config(config);
    let engine = Engine::with_bank(bank, setup);
    let ask = |text: &str| {
        let question = Question::new(SpaceId::default(), text).unwrap();
        engine.ask(&question, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap()
    };
    // The index is built with the first search.
    engine.search(&SpaceId::default(), "apples", 1).unwrap();
    let (mut ours, mut bare, mut details) = (0.0, 0.0, Vec::new());
    for question in ["How many apples did Maria buy?", "What about the garden?"] {
        let answer = ask(question);
        let prompt = answer.usage.prompt_tokens;
        let bare_ms: f64 = in_own_process(&[BARE_PREFILL, &prompt.to_string()]).parse().unwrap();
        ours += answer.first_token_ms;
        bare += bare_ms;
        details.push(json!({
            "considered": answer.considered, "prompt_tokens": prompt,
            "evaluated_tokens": answer.usage.evaluated_tokens,
            "first_token_ms": answer.first_token_ms, "bare_prefill_ms": bare_ms,
        }));
    }
    json!({"questions": details, "ratio": ours / bare})
}

// ---- remembering ----

#[derive(Deserialize)]
struct Line {
    speaker: String,
    text: String,
    time: String,
    session: String,
    image: Option<String>,
}

fn conversation() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("cli/demo/conversation.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Line {
    fn turn(&self) -> NewTurn {
        let turn = NewTurn::new(&self.speaker, &self.text, self.time.parse().unwrap()).unwrap();
        let turn = turn.in_session(&self.session).unwrap();
        match &self.image {
            Some(image) => turn.with_image(image).unwrap(),
            None => turn,
        }
    }
}

fn engine(model: Arc<dyn LanguageModel>) -> Engine {
    let setup = Setup { embedder: Some(Arc::new(embedder())), ..setup() };
    Engine::with_bank(Arc::new(MemoryBank::new()), setup.with_model(model))
}

/// Works these turns as queues of [`BLOCK`]: every turn's outcome, the tokens, and the milliseconds.
fn work<'a>(engine: &Engine, turns: impl Iterator<Item = &'a Line>) -> (Vec<TurnOutcome>, Usage, f64) {
    let turns: Vec<&Line> = turns.collect();
    let (mut outcomes, mut usage, mut wall_ms) = (Vec::new(), Usage::default(), 0.0);
    for block in turns.chunks(BLOCK) {
        for line in block {
            engine.append(line.turn()).unwrap();
        }
        let started = Instant::now();
        let mut note = |receipt: &Receipt| outcomes.push(receipt.outcome.clone());
        usage += engine.process(&Budget::default(), &Cancel::new(), &mut note).unwrap().usage;
        wall_ms += milliseconds(started);
    }
    (outcomes, usage, wall_ms)
}

/// One side of [`remembering`], in this process.
fn remember(model: Arc<LlamaModel>) -> serde_json::Value {
    let turns = conversation();
    let (outcomes, usage, wall_ms) = work(&engine(model), turns[..TURNS].iter());
    let outcomes: Vec<String> = outcomes.iter().map(|outcome| format!("{outcome:?}")).collect();
    json!({
        "outcomes": outcomes, "usage": usage,
        "tokens_per_turn": tokens(&usage) as f64 / TURNS as f64,
        "wall_ms_per_turn": wall_ms / TURNS as f64,
    })
}

/// The same turns through the engine with the plain path and with ours, each in a process of its own, in turn. Both do
/// the same work where `turns_with_the_same_outcome` is all of them.
fn remembering() -> serde_json::Value {
    let sides = ["plain", "ours"];
    // Once more for what is kept on the disk.
    in_own_process(&[REMEMBERING, "ours"]);
    let rounds: Vec<[serde_json::Value; 2]> = (0..REMEMBERED)
        .map(|_| sides.map(|side| serde_json::from_str(&in_own_process(&[REMEMBERING, side])).unwrap()))
        .collect();
    let sum = |side: usize, key: &str| rounds.iter().map(|round| ratio_of(&round[side], key)).sum::<f64>();
    let ratio = |key: &str| sum(1, key) / sum(0, key);
    let outcomes = |side: usize| rounds[0][side]["outcomes"].as_array().unwrap().clone();
    let same = outcomes(0).iter().zip(&outcomes(1)).filter(|(a, b)| a == b).count();
    let details = |side: usize| {
        json!({
            "usage": rounds[0][side]["usage"],
            "tokens_per_turn": rounds[0][side]["tokens_per_turn"],
            "wall_ms_per_turn": sum(side, "wall_ms_per_turn") / REMEMBERED as f64,
        })
    };
    json!({
        "turns": TURNS, "plain": details(0), "ours": details(1), "turns_with_the_same_outcome": same,
        "tokens_ratio": ratio("tokens_per_turn"), "wall_ratio": ratio("wall_ms_per_turn"),
    })
}

/// How long a thrown switch is waited for while the queue is worked, at moments spread over the work, milliseconds.
fn stopping(ours: &Arc<LlamaModel>) -> serde_json::Value {
    let turns = conversation();
    let engine = engine(ours.clone());
    for line in &turns[..TURNS] {
        engine.append(line.turn()).unwrap();
    }
    let mut waited: Vec<f64> = Vec::new();
    for round in 0..STOPS {
        let cancel = Cancel::new();
        let thrown = std::thread::scope(|scope| {
            let thrower = scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(150 + 83 * round));
                cancel.cancel();
                Instant::now()
            });
            engine.process(&Budget::default(), &cancel, &mut |_| ()).unwrap();
            let ended = Instant::now();
            ended.saturating_duration_since(thrower.join().unwrap())
        });
        waited.push(thrown.as_secs_f64() * 1000.0);
    }
    waited.sort_by(f64::total_cmp);
    json!({"ms": {"median": waited[waited.len() / 2], "most": waited.last()}, "stops": STOPS})
}

// ---- a pipeline of the shape of Mem0's ----

/// The turns that both sides of the comparison remember.
fn compared(turns: &[Line]) -> impl Iterator<Item = &Line> {
    turns.iter().skip(MEM0_FROM).take(MEM0_TURNS)
}

/// Our side: how many facts each turn gave, and the milliseconds.
fn seeded(model: Arc<LlamaModel>) -> serde_json::Value {
    let (bank, embedder) = (Arc::new(MemoryBank::new()), embedder());
    let turn = bank.append(&said("Maria", "Hello."), Timestamp::from_seconds(0)).unwrap().id;
    let vectors = embedder.embed(&KNOWN).unwrap();
    let writes = KNOWN.iter().zip(vectors).enumerate().map(|(at, (text, vector))| {
        let mut memory = memory(at as u64 + 1, text);
        memory.sources = vec![turn];
        MemoryWrite { memory, expects: None, vector: Some((embedder.identity().to_owned(), vector)) }
    });
    let outcome = TurnOutcome::Done(Vec::new());
    bank.commit(&Commit { turn, outcome, writes: writes.collect(), read: vec![] }).unwrap();
    let setup = Setup { embedder: Some(Arc::new(embedder)), ..setup() };
    let turns = conversation();
    let engine = Engine::with_bank(bank, setup.with_model(model));
    let (outcomes, usage, wall_ms) = work(&engine, compared(&turns));
    let facts = outcomes.iter().map(|outcome| match outcome {
        TurnOutcome::Done(applied) => applied.len(),
        _ => 0,
    });
    let facts: Vec<usize> = facts.collect();
    json!({"facts": facts, "usage": usage, "wall_ms_per_turn": wall_ms / MEM0_TURNS as f64})
}

/// The other side, given as many facts for each turn as ours found.
fn mem0_pipeline(facts: &[String]) -> serde_json::Value {
    let (model, embedder, turns) = (model(false), embedder(), conversation());
    let mut pipeline = mem0::Pipeline::new(model.as_ref(), &embedder);
    for text in KNOWN {
        pipeline.know(mem0::Known { text: text.to_owned(), turns: Vec::new() }).unwrap();
    }
    let started = Instant::now();
    for (number, (turn, facts)) in compared(&turns).zip(facts).enumerate() {
        let facts = Some(facts.parse().unwrap());
        pipeline.turn(number, &turn.speaker, &turn.text, facts, &Cancel::new()).unwrap();
    }
    json!({
        "usage": pipeline.usage(), "memories": pipeline.memories().len(),
        "wall_ms_per_turn": milliseconds(started) / MEM0_TURNS as f64,
    })
}

/// The same turns through ours and through a pipeline of the shape of Mem0's, which has no shortcuts.
fn mem0_style() -> serde_json::Value {
    let ours: serde_json::Value = serde_json::from_str(&in_own_process(&[SEEDED])).unwrap();
    let facts: Vec<String> = ours["facts"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let arguments: Vec<&str> = std::iter::once(MEM0).chain(facts.iter().map(String::as_str)).collect();
    let theirs: serde_json::Value = serde_json::from_str(&in_own_process(&arguments)).unwrap();
    let ratio = ratio_of(&theirs, "wall_ms_per_turn") / ratio_of(&ours, "wall_ms_per_turn");
    json!({"turns": MEM0_TURNS, "ours": ours, "mem0_style": theirs, "ratio": ratio})
}
