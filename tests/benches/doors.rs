//! Measures what a call costs through each door: the same searches in Rust, C, Python and Kotlin, over the same bank.
//!
//! The other programs are named by `KEEPSAKE_DOORS`, one command a line behind its name (`make bench-doors` sets it). Each is
//! run in turn with Rust's own. Writes `target/bench/doors.json`.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use keepsake_core::types::SpaceId;
use keepsake_core::{Engine, Setup, device_clock};
use keepsake_tests::{machine, said};
use serde_json::json;

const TURNS: usize = 1_000;
const SEARCHES: usize = 10_000;
const ROUNDS: usize = 3;
const TEXT: &str = "What did Maria buy at the market in spring?";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(folder.path(), Setup::new(device_clock)).unwrap();
    let things = ["apples", "a red kite", "spring onions", "two chairs", "a book about the sea"];
    for nth in 0..TURNS {
        let text = format!("On day {nth} I went to the market and bought {}.", things[nth % things.len()]);
        engine.append(said(["Maria", "Tom"][nth % 2], &text)).unwrap();
    }
    drop(engine);
    let doors = std::env::var("KEEPSAKE_DOORS").unwrap_or_default();
    let mut rows = Vec::new();
    for line in doors.lines() {
        let (name, command) = line.split_once(' ').unwrap();
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            ours = ours.min(searches(folder.path()));
            theirs = theirs.min(through(command, folder.path()));
        }
        let ratio = theirs / ours;
        println!("{name:8} {ratio:.3} of Rust's time ({:.1} µs a search, {:.1})", theirs / 10.0, ours / 10.0);
        rows.push(json!({"door": name, "milliseconds": theirs, "rust_milliseconds": ours, "ratio": ratio}));
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    let report = json!({"machine": machine(), "searches": SEARCHES, "turns": TURNS, "doors": rows});
    std::fs::write(out.join("doors.json"), report.to_string()).unwrap();
}

/// Milliseconds of all searches in Rust.
fn searches(bank: &Path) -> f64 {
    let engine = Engine::open(bank, Setup::new(device_clock)).unwrap();
    let search = || assert_eq!(engine.search(&SpaceId::default(), TEXT, 10).unwrap().len(), 10);
    search();
    let started = Instant::now();
    (0..SEARCHES).for_each(|_| search());
    started.elapsed().as_secs_f64() * 1000.0
}

/// Milliseconds that another program prints.
fn through(command: &str, bank: &Path) -> f64 {
    let mut words = command.split_whitespace();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(words.next().unwrap())
        .current_dir(root)
        .args(words)
        .args([bank.as_os_str(), TEXT.as_ref(), SEARCHES.to_string().as_ref()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
