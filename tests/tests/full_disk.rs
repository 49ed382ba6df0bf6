//! Banks on a disk that is full: writing fails at some point, whichever it is.
//!
//! A process of its own works on a bank under a limit on the size of files, which makes writing beyond it fail as
//! a full disk does. Whatever it was told is kept must be there afterwards, without the limit; an error must be an
//! error, and reading must go on after it. `ROUNDS` is read from the environment.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // in a test both are the verdict

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use keepsake_core::bank::{Bank, BankError, BankKey, Commit, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::testing::files_hold;
use keepsake_core::types::{Memory, MemoryState, NewTurn, Origin, SpaceId, Timestamp, UnitId};

const SHORT_ROUNDS: u64 = 12;
/// Where the worker finds its bank.
const BANK: &str = "KEEPSAKE_FULL_DISK_BANK";
/// Operations of one worker. Together they write some megabytes.
const OPERATIONS: u64 = 90;
/// Blocks of 512 bytes: below the smallest bank, and above what all operations write.
const LEAST_BLOCKS: u64 = 1;
const MOST_BLOCKS: u64 = 9000;

fn main() {
    if let Ok(bank) = std::env::var(BANK) {
        return work(Path::new(&bank));
    }
    if cfg!(not(unix)) {
        return println!("limits on files are set by a Unix shell: nothing was tried");
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(SHORT_ROUNDS);
    let (mut acknowledged, mut refused) = (0, 0);
    for round in 0..rounds {
        // Evenly over the orders of magnitude: most of what can go wrong does with few blocks.
        let part = round as f64 / (rounds - 1).max(1) as f64;
        let blocks = LEAST_BLOCKS as f64 * (MOST_BLOCKS as f64 / LEAST_BLOCKS as f64).powf(part);
        let (done, failed) = one_bank(blocks as u64, round % 2 == 1);
        acknowledged += done;
        refused += failed;
    }
    println!("{rounds} full disks: {acknowledged} operations acknowledged and there, {refused} refused");
    assert!(acknowledged > 0 && refused > 0, "the limits struck where something was done");
}

fn key(sealed: bool) -> Option<BankKey> {
    sealed.then(|| BankKey::new([3; 32]))
}

fn open(folder: &Path, sealed: bool) -> Result<SledBank, BankError> {
    match key(sealed) {
        Some(key) => SledBank::open_sealed(folder, &key),
        None => SledBank::open(folder),
    }
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000)
}

fn text(number: u64) -> String {
    format!("sentinel {number:06} {}", "x".repeat(20_000))
}

/// Says what was acknowledged and what was refused, a line each.
fn work(folder: &Path) {
    let bank = match open(folder, folder.ends_with("sealed")) {
        Ok(bank) => bank,
        Err(error) => return println!("refused open {error}"),
    };
    for number in 0..OPERATIONS {
        let done = operation(&bank, number);
        match done {
            Ok(what) => println!("done {what}"),
            Err(error) => println!("refused {number} {error}"),
        }
        // Reading goes on, or says that the bank must be opened again.
        match bank.turns(&SpaceId::default()) {
            Ok(turns) => assert!(turns.iter().all(|turn| turn.text.len() > 20_000)),
            Err(error) => println!("refused reading {error}"),
        }
    }
}

fn operation(bank: &SledBank, number: u64) -> Result<String, BankError> {
    let turn = |number: u64| NewTurn::new("Maria", &text(number), now());
    if number % 30 == 29 {
        let Some(oldest) = bank.turns(&SpaceId::default())?.into_iter().next() else {
            return Ok("nothing".into());
        };
        let what = &oldest.text[..15];
        // Where it fails, it may be gone all the same, and is then erased when the bank is next opened.
        println!("forgetting {what}");
        bank.forget(&[UnitId::Turn(oldest.id)])?;
        return Ok(format!("forgot {what}"));
    }
    if number % 3 == 2
        && let Some(waiting) = bank.next_waiting(None)?
    {
        let memory = Memory {
            id: bank.next_memory_id()?,
            space: SpaceId::default(),
            version: 1,
            text: text(number),
            speaker: "Maria".to_owned(),
            valid_from: now(),
            recorded: now(),
            origin: Origin::User,
            sources: vec![waiting],
            state: MemoryState::Current,
        };
        let writes = vec![MemoryWrite { memory, expects: None, vector: None }];
        let outcome = TurnOutcome::Done(Vec::new());
        bank.commit(&Commit { turn: waiting, outcome, writes, read: Vec::new() })?;
    } else {
        bank.append(&turn(number).unwrap(), now())?;
    }
    Ok(format!("kept {}", &text(number)[..15]))
}

/// How many operations were acknowledged and how many refused.
fn one_bank(blocks: u64, sealed: bool) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join(if sealed { "sealed" } else { "plain" });
    let worker = std::env::current_exe().unwrap();
    // A signal that is ignored stays so in the program: what is beyond the limit is an error then.
    let limited = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\"");
    let output = Command::new("sh").args(["-c", &limited]).arg(&worker).env(BANK, &bank).output().unwrap();
    let (said, noted) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{blocks} blocks: {:?} {noted}", output.status);
    assert!(!noted.contains("panicked"), "{blocks} blocks: {noted}");
    let refused: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("refused ")).collect();
    assert!(refused.iter().all(|error| !error.contains("sentinel")), "an error quotes: {refused:?}");

    let there = open(&bank, sealed).unwrap();
    there.verify().unwrap();
    let turns = there.turns(&SpaceId::default()).unwrap().into_iter().map(|turn| turn.text);
    let memories = there.memories(&SpaceId::default()).unwrap().into_iter().map(|memory| memory.text);
    let there: BTreeSet<String> = turns.chain(memories).map(|text| text[..15].to_owned()).collect();
    let gone = |what: &str| there.contains(what) || !files_hold(&bank, what.as_bytes());
    let (mut kept, mut done) = (BTreeSet::new(), 0);
    for line in said.lines() {
        if let Some(what) = line.strip_prefix("forgetting ") {
            kept.remove(what);
            assert!(gone(what), "{blocks} blocks: {what} was half forgotten");
        }
        let Some(line) = line.strip_prefix("done ") else { continue };
        done += 1;
        if let Some(what) = line.strip_prefix("kept ") {
            kept.insert(what.to_owned());
        } else if let Some(what) = line.strip_prefix("forgot ") {
            assert!(!files_hold(&bank, what.as_bytes()), "{blocks} blocks: {what} was forgotten");
        }
    }
    let lost: Vec<&String> = kept.difference(&there).collect();
    assert!(lost.is_empty(), "{blocks} blocks, {done} done: {lost:?} of what was acknowledged");
    (done, refused.len())
}
