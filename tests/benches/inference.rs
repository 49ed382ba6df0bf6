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
use std::sync::{Arc, Mutex};
use std::time::Instant;

use keepsake_core::bank::{Bank, Commit, MemoryBank, MemoryWrite, TurnOutcome};
use keepsake_core::config::Config;
use keepsake_core::embed::Embedder;
use keepsake_core::model::{
    Completion, LanguageModel, LlamaModel, LlamaSettings, ModelError, Request, Role, Sampling, Usage,
};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::testing::memory;
use keepsake_core::types::{Cancel, MemoryId, NewTurn, Question, SpaceId, Timestamp};
use keepsake_core::{Budget, Engine, Setup};
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

mod mem0;

const THREADS: u32 = 2;
/// Turns of the conversation that are remembered, in blocks of the second number: plain and ours in turn.
const TURNS: usize = 12;
const BLOCK: usize = 4;
/// Turns that the Mem0-style pipeline works through: enough for its memory list to grow.
const MEM0_TURNS: usize = 4;
/// The turn they begin with: the first ones only greet.
const MEM0_FROM: usize = 2;
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
/// With this one and a number of tokens it prints the milliseconds of reading so many.
const BARE_PREFILL: &str = "bare-prefill";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(BARE_DECODE) => return println!("{}", bare_decode()),
        Some(FIRST_TOKEN) => return println!("{:#}", first_token(&model(true))),
        Some(BARE_PREFILL) => return println!("{}", bare_prefill(arguments[1].parse().unwrap())),
        _ => {}
    }
    let ours = model(true);
    let decode = decoding(ours.as_ref());
    println!("{decode:#}");
    let first = first_token(&ours);
    println!("{first:#}");
    let remember = remembering(&ours, &model(false));
    println!("{remember:#}");
    let stop = stopping(&ours);
    println!("{stop:#}");
    let mem0 = mem0_style(&ours);
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
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("inference.json"), serde_json::to_string_pretty(&report).unwrap()).unwrap();
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

fn model_file() -> PathBuf {
    std::env::var_os("KEEPSAKE_BENCH_MODEL").map_or_else(language_model_file, PathBuf::from)
}

fn model(shortcuts: bool) -> Arc<LlamaModel> {
    let settings = LlamaSettings { threads: THREADS, shortcuts, ..LlamaSettings::new(model_file()) };
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

/// What a pipeline did so far.
#[derive(Default)]
struct Work {
    outcomes: Vec<TurnOutcome>,
    usage: Usage,
    wall_ms: f64,
}

impl Work {
    fn block<'a>(&mut self, engine: &Engine, turns: impl IntoIterator<Item = &'a Line>) {
        for line in turns {
            engine.append(line.turn()).unwrap();
        }
        let started = Instant::now();
        let progress = engine
            .process(&Budget::default(), &Cancel::new(), &mut |receipt| {
                self.outcomes.push(receipt.outcome.clone())
            })
            .unwrap();
        self.wall_ms += milliseconds(started);
        self.usage += progress.usage;
    }

    fn report(&self) -> serde_json::Value {
        let turns = self.outcomes.len() as f64;
        json!({
            "turns": turns, "usage": self.usage,
            "tokens_per_turn": tokens(&self.usage) as f64 / turns,
            "wall_ms_per_turn": self.wall_ms / turns,
        })
    }
}

/// A model that notes what it is asked and what it replies.
struct Noting {
    model: Arc<LlamaModel>,
    asked: Mutex<Vec<(Request, String)>>,
}

impl LanguageModel for Noting {
    fn context_tokens(&self) -> usize {
        self.model.context_tokens()
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        self.model.count_tokens(text)
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let done = self.model.complete(request, cancel, sink)?;
        self.asked.lock().unwrap().push((request.clone(), done.text.clone()));
        Ok(done)
    }
}

/// The turns through the plain pipeline, and block by block the same requests through ours, put as the engine puts them:
/// what is extracted of up to as many turns as the model takes at once, then the decisions about them, each by itself.
/// So both do the same work even where a reply differs. That it can is counted: `replies_that_are_equal`. The same turns
/// also go through the engine with our model, and `turns_with_the_same_outcome` compares what it did.
fn remembering(ours: &Arc<LlamaModel>, plain: &Arc<LlamaModel>) -> serde_json::Value {
    let turns = conversation();
    let noting = Arc::new(Noting { model: plain.clone(), asked: Mutex::default() });
    let (fast, slow) = (engine(ours.clone()), engine(noting.clone()));
    let (mut fast_work, mut slow_work) = (Work::default(), Work::default());
    let (mut usage, mut wall_ms, mut replies, mut equal) = (Usage::default(), 0.0, 0, 0);
    for block in turns[..TURNS].chunks(BLOCK) {
        slow_work.block(&slow, block);
        let asked = std::mem::take(&mut *noting.asked.lock().unwrap());
        let started = Instant::now();
        let said = replay(ours.as_ref(), &asked, &mut usage);
        wall_ms += milliseconds(started);
        replies += asked.len();
        equal += said.iter().zip(&asked).filter(|(said, (_, plain))| *said == plain).count();
        fast_work.block(&fast, block);
    }
    let outcomes = fast_work.outcomes.iter().zip(&slow_work.outcomes);
    json!({
        "plain": slow_work.report(),
        "ours": {
            "usage": usage,
            "tokens_per_turn": tokens(&usage) as f64 / TURNS as f64,
            "wall_ms_per_turn": wall_ms / TURNS as f64,
        },
        "ours_through_the_engine": fast_work.report(),
        "replies": replies, "replies_that_are_equal": equal,
        "turns_with_the_same_outcome": outcomes.filter(|(a, b)| a == b).count(),
        "tokens_ratio": tokens(&usage) as f64 / tokens(&slow_work.usage) as f64,
        "wall_ratio": wall_ms / (slow_work.usage.prompt_ms + slow_work.usage.generation_ms),
    })
}

/// Asks again what was asked, in the engine's order: what our model says to each.
fn replay(model: &LlamaModel, asked: &[(Request, String)], usage: &mut Usage) -> Vec<String> {
    let is_first = |request: &Request| request.grammar.as_ref().unwrap().starts_with("none");
    let firsts: Vec<usize> = (0..asked.len()).filter(|at| is_first(&asked[*at].0)).collect();
    let mut said = vec![String::new(); asked.len()];
    for (nth, group) in firsts.chunks(model.at_once()).enumerate() {
        let requests: Vec<Request> = group.iter().map(|at| asked[*at].0.clone()).collect();
        for (at, done) in group.iter().zip(model.complete_all(&requests, &Cancel::new())) {
            let done = done.unwrap();
            *usage += done.usage;
            said[*at] = done.text;
        }
        let end = firsts.get((nth + 1) * model.at_once()).copied().unwrap_or(asked.len());
        for at in (group[0]..end).filter(|at| !is_first(&asked[*at].0)) {
            let done = complete(model, &asked[at].0);
            *usage += done.usage;
            said[at] = done.text;
        }
    }
    said
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

/// The same turns through ours and through a pipeline of the shape of Mem0's, which has no shortcuts.
fn mem0_style(ours: &Arc<LlamaModel>) -> serde_json::Value {
    let turns = conversation();
    let plain = model(false);
    let embedder = embedder();
    let engine = engine(ours.clone());
    let (mut ours, mut theirs) = (Work::default(), mem0::Pipeline::new(plain.as_ref(), &embedder));
    let mut theirs_ms = 0.0;
    let said_something = turns.iter().skip(MEM0_FROM).take(MEM0_TURNS).collect::<Vec<_>>();
    for block in said_something.chunks(BLOCK / 2) {
        let before = ours.outcomes.len();
        ours.block(&engine, block.iter().copied());
        let facts = ours.outcomes[before..].iter().map(|outcome| match outcome {
            TurnOutcome::Done(applied) => applied.len(),
            _ => 0,
        });
        let facts: Vec<usize> = facts.collect();
        let started = Instant::now();
        for (turn, facts) in block.iter().zip(facts) {
            theirs.turn(&turn.speaker, &turn.text, facts);
        }
        theirs_ms += milliseconds(started);
    }
    json!({
        "turns": MEM0_TURNS,
        "ours": ours.report(),
        "mem0_style": {
            "usage": theirs.usage(), "memories": theirs.memories(),
            "wall_ms_per_turn": theirs_ms / MEM0_TURNS as f64,
        },
        "ratio": theirs_ms / ours.wall_ms,
    })
}
