//! Measures what adapters cost: tokens a second of decoding and of reading, with and without, each in a process of its own.
//!
//! Prints and writes `target/bench/adapters.json`. `KEEPSAKE_BENCH_MANAGER` and `KEEPSAKE_BENCH_ANSWER` name the adapters,
//! `KEEPSAKE_BENCH_MODEL` another base. Two threads. Nothing here passes or fails. Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;

use keepsake_core::model::{LanguageModel, LlamaModel, LlamaSettings, Request, Role, Sampling};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::types::Cancel;
use keepsake_tests::{language_model_file, machine};
use serde_json::json;

const THREADS: u32 = 2;
/// Tokens of a reply, lines of its prompt (about ten tokens each), and how often each is measured.
const TOKENS: usize = 96;
const LINES: usize = 30;
const ROUNDS: usize = 5;
/// What a reply says, over and over: the same tokens with and without, one a step. Left to itself, an adapter taught to be
/// brief writes other and fewer tokens than the base, of which more or fewer are guessed ahead, and their speeds say little.
const REPLY: &str = "the sea was calm and the wind was low and ";
const ROLES: [(Role, &str); 2] =
    [(Role::Manager, "KEEPSAKE_BENCH_MANAGER"), (Role::Answer, "KEEPSAKE_BENCH_ANSWER")];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [adapted] = &arguments[..] {
        let (decoding, reading) = measured(adapted == "with");
        println!("{decoding} {reading}");
        return;
    }
    let (mut decoding, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [(without, read_without), (with, read_with)] = ["without", "with"].map(in_own_process);
        println!(
            "decoding {without:.1} without, {with:.1} with; reading {read_without:.0}, {read_with:.0} tokens a second"
        );
        decoding.push(with / without);
        reading.push(read_with / read_without);
    }
    let report = json!({
        "machine": machine(), "threads": THREADS, "rounds": ROUNDS,
        "decoding_ratio": middle(&mut decoding), "reading_ratio": middle(&mut reading),
        "decoding_ratios": decoding, "reading_ratios": reading,
    });
    let text = serde_json::to_string_pretty(&report).unwrap();
    println!("{text}");
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("adapters.json"), text).unwrap();
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn in_own_process(adapted: &str) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap()).arg(adapted).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let mut numbers = said.split_whitespace().map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Tokens a second of writing and of reading, over both agents.
fn measured(adapted: bool) -> (f64, f64) {
    let of_role = |(role, key): (Role, &str)| Some((role, std::env::var_os(key)?.into()));
    let adapters: std::collections::BTreeMap<Role, PathBuf> =
        ROLES.into_iter().filter_map(of_role).filter(|_| adapted).collect();
    assert!(
        !adapted || !adapters.is_empty(),
        "name the adapters with KEEPSAKE_BENCH_MANAGER and KEEPSAKE_BENCH_ANSWER"
    );
    let settings = LlamaSettings {
        adapters,
        threads: Some(THREADS),
        shortcuts: false,
        ..LlamaSettings::new(language_model_file())
    };
    let model = LlamaModel::load(&settings).unwrap();
    let (mut written, mut writing, mut read, mut reading) = (0, 0.0, 0, 0.0);
    for (round, (role, _)) in ROLES.into_iter().cycle().take(2 * ROLES.len()).enumerate() {
        let line = |nth: usize| format!("{nth}. Maria told Tom about day {} at sea.\n", nth + 100 * round);
        let request = Request {
            role,
            chat: Chat {
                system: "You tell stories.".into(),
                user: (0..LINES).map(line).collect::<String>() + "Tell a very long story.",
                reply_start: String::new(),
            },
            grammar: Some(REPLY.repeat(TOKENS)),
            max_tokens: TOKENS,
            sampling: Sampling::Greedy,
        };
        let usage =
            model.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap().usage;
        // The first round warms up. The first token is chosen from the prompt's logits, so that one fewer is evaluated.
        if round >= ROLES.len() {
            assert_eq!(usage.generated_tokens as usize, TOKENS);
            written += usage.generated_tokens - 1;
            writing += usage.generation_ms;
            read += usage.evaluated_tokens;
            reading += usage.prompt_ms;
        }
    }
    (f64::from(written as u32) / writing * 1000.0, f64::from(read as u32) / reading * 1000.0)
}
