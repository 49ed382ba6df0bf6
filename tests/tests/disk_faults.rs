//! Banks whose disk fails: it is full, it gives an error, or the process ends at some call that changes a file.
//!
//! A process of its own works on a bank. A full disk is a limit on the size of files; errors and ends come from a
//! library that is loaded before the C library and strikes at the n-th call (`tests/shim`, Linux only). Whatever
//! the process was told is kept must be there afterwards and whole; an error must be an error, and opening again must
//! mend it. `ROUNDS` is read from the environment: so many points are tried for each kind of fault, evenly over all
//! there are.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // in a test both are the verdict

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keepsake_core::bank::{Bank, BankError, BankKey, Commit, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::testing::files_hold;
use keepsake_core::types::{Memory, MemoryState, NewTurn, Origin, SpaceId, Timestamp, UnitId};

const SHORT_ROUNDS: u64 = 12;
/// Where the worker finds its bank.
const BANK: &str = "KEEPSAKE_FAULTY_DISK_BANK";
/// The number of its first operation.
const FIRST: &str = "KEEPSAKE_FAULTY_DISK_FIRST";
/// What the library that strikes is told.
const FAULT: &str = "KEEPSAKE_FAULT";
/// A worker takes a second. One that takes so long waits for ever.
const STUCK: Duration = Duration::from_secs(90);
/// Operations of one worker. Together they write some megabytes.
const OPERATIONS: u64 = 90;
/// How often it opens its bank.
const OPENINGS: u64 = 4;
/// Blocks of 512 bytes: below the smallest bank, and above what all operations write.
const LEAST_BLOCKS: u64 = 1;
const MOST_BLOCKS: u64 = 9000;
/// A process that was killed is killed again while it recovers, at one of so many calls.
const RECOVERY_CALLS: u64 = 60;

/// A kind of fault. Those with a point strike at the n-th call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    FullDisk { blocks: u64 },
    Error { at: u64 },
    ErrorsFrom { at: u64 },
    Killed { at: u64 },
    KilledInTheMiddle { at: u64 },
}

#[derive(Default)]
struct Tally {
    rounds: u64,
    acknowledged: usize,
    refused: usize,
    killed: u64,
}

fn main() {
    if let Ok(bank) = std::env::var(BANK) {
        return work(Path::new(&bank));
    }
    if cfg!(not(unix)) {
        return println!("limits on files are set by a Unix shell: nothing was tried");
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(SHORT_ROUNDS);
    // Evenly over the orders of magnitude: most of what can go wrong does with few blocks.
    let blocks = |part: f64| LEAST_BLOCKS as f64 * (MOST_BLOCKS as f64 / LEAST_BLOCKS as f64).powf(part);
    let full = run(rounds, None, |part| Fault::FullDisk { blocks: blocks(part) as u64 });
    assert!(full.acknowledged > 0 && full.refused > 0, "the limits struck where something was done");
    if cfg!(not(target_os = "linux")) {
        return println!("errors and ends are made on Linux only: no others were tried");
    }
    let folder = tempfile::tempdir().unwrap();
    let shim = built_shim(folder.path());
    let points = points(&shim);
    println!("{points} calls change a file or make a change durable");
    let at = |part: f64| 1 + (part * (points - 1) as f64) as u64;
    let error = run(rounds, Some(&shim), |part| Fault::Error { at: at(part) });
    assert!(error.acknowledged as u64 > rounds * OPERATIONS * 9 / 10, "opening again mended it");
    let errors = run(rounds, Some(&shim), |part| Fault::ErrorsFrom { at: at(part) });
    assert!(errors.acknowledged > 0 && error.refused > 0 && errors.refused > error.refused);
    for kind in [|at| Fault::Killed { at }, |at| Fault::KilledInTheMiddle { at }] {
        let ends = run(rounds, Some(&shim), |part| kind(at(part)));
        assert!(ends.acknowledged > 0 && ends.killed * 10 > ends.rounds * 9, "the ends struck");
    }
}

/// Tries one kind of fault at points from the first (0) to the last (1).
fn run(rounds: u64, shim: Option<&Path>, fault: impl Fn(f64) -> Fault) -> Tally {
    let mut tally = Tally::default();
    for round in 0..rounds {
        tally.rounds += 1;
        one_bank(fault(round as f64 / (rounds - 1).max(1) as f64), shim, round, &mut tally);
    }
    let name = format!("{:?}", fault(0.0));
    let Tally { rounds, acknowledged, refused, killed } = tally;
    println!(
        "{}: {rounds} banks, {acknowledged} operations acknowledged and there, {refused} refused, {killed} killed",
        name.split(' ').next().unwrap_or_default()
    );
    tally
}

fn built_shim(folder: &Path) -> PathBuf {
    let library = folder.join("disk_faults.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/disk_faults.c");
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    assert!(cc.status().unwrap().success());
    library
}

/// How many calls there are at which a fault can strike.
fn points(shim: &Path) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = worker(&folder.path().join("plain"), shim, "c0", 0);
    let noted = String::from_utf8(output.stderr).unwrap();
    noted.lines().find_map(|line| line.strip_prefix("points ")?.parse().ok()).unwrap()
}

fn worker(bank: &Path, shim: &Path, fault: &str, first: u64) -> Output {
    let program = std::env::current_exe().unwrap();
    let mut worker = Command::new(program);
    worker.env("LD_PRELOAD", shim).env(FAULT, fault).env(BANK, bank).env(FIRST, first.to_string());
    ended(&mut worker, fault)
}

/// What a process said, once it has ended. One that waits for what will never come is a failure.
fn ended(worker: &mut Command, fault: &str) -> Output {
    let child = worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (number, (sender, receiver)) = (child.id(), mpsc::channel());
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    receiver.recv_timeout(STUCK).map_err(|_| format!("{fault}: process {number} does not end")).unwrap()
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

/// Says what was acknowledged and what was refused, a line each. After an error the bank is opened again.
fn work(folder: &Path) {
    let first = std::env::var(FIRST).ok().and_then(|first| first.parse().ok()).unwrap_or(0);
    let mut numbers = first..first + OPERATIONS;
    for _ in 0..OPENINGS {
        match open(folder, folder.ends_with("sealed")) {
            Ok(bank) => until_refused(&bank, &mut numbers),
            Err(error) => println!("refused opening {error}"),
        }
    }
}

fn until_refused(bank: &SledBank, numbers: &mut Range<u64>) {
    for number in numbers {
        match operation(bank, number) {
            Ok(what) => println!("done {what}"),
            Err(error) => return println!("refused {number} {error}"),
        }
        match bank.turns(&SpaceId::default()) {
            Ok(turns) => assert!(turns.iter().all(|turn| turn.text.len() > 20_000)),
            Err(error) => return println!("refused reading {error}"),
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

fn one_bank(fault: Fault, shim: Option<&Path>, round: u64, tally: &mut Tally) {
    let sealed = round % 2 == 1;
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join(if sealed { "sealed" } else { "plain" });
    let struck =
        |kind: char, at: u64, first: u64| worker(&bank, shim.unwrap(), &format!("{kind}{at}"), first);
    let output = match fault {
        Fault::FullDisk { blocks } => {
            let worker = std::env::current_exe().unwrap();
            // A signal that is ignored stays so in the program: what is beyond the limit is an error then.
            let limited = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\"");
            ended(Command::new("sh").args(["-c", &limited]).arg(&worker).env(BANK, &bank), "full disk")
        }
        Fault::Error { at } => struck('e', at, 0),
        Fault::ErrorsFrom { at } => struck('E', at, 0),
        Fault::Killed { at } => struck('k', at, 0),
        Fault::KilledInTheMiddle { at } => struck('h', at, 0),
    };
    let (said, noted) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let mut began_again = String::new();
    if matches!(fault, Fault::Killed { .. } | Fault::KilledInTheMiddle { .. }) {
        tally.killed += u64::from(output.status.code().is_none());
        // It is also killed while it recovers, or soon after.
        began_again = String::from_utf8(struck('k', 1 + round % RECOVERY_CALLS, OPERATIONS).stdout).unwrap();
    } else {
        assert!(output.status.success(), "{fault:?}: {:?} {noted}", output.status);
    }
    let refused: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("refused ")).collect();
    assert!(refused.iter().all(|error| !error.contains("sentinel")), "an error quotes: {refused:?}");
    tally.refused += refused.len();

    let there = open(&bank, sealed).unwrap();
    there.verify().unwrap();
    let turns = there.turns(&SpaceId::default()).unwrap().into_iter().map(|turn| turn.text);
    let memories = there.memories(&SpaceId::default()).unwrap().into_iter().map(|memory| memory.text);
    let there: BTreeSet<String> = turns.chain(memories).collect();
    for whole in &there {
        let number = whole[9..15].parse().unwrap();
        assert_eq!(*whole, text(number), "{fault:?}: half there");
    }
    let there: BTreeSet<String> = there.into_iter().map(|text| text[..15].to_owned()).collect();
    let mut kept = BTreeSet::new();
    // A line that was cut off by the end of the process was not said.
    let lines = |said: &str| {
        said.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for line in [lines(&said), lines(&began_again)].concat() {
        if let Some(what) = line.strip_prefix("forgetting ") {
            kept.remove(what);
            let half = !there.contains(what) && files_hold(&bank, what.as_bytes());
            assert!(!half, "{fault:?}: {what} was half forgotten");
        }
        let Some(line) = line.strip_prefix("done ") else { continue };
        tally.acknowledged += 1;
        if let Some(what) = line.strip_prefix("kept ") {
            kept.insert(what.to_owned());
        } else if let Some(what) = line.strip_prefix("forgot ") {
            assert!(!files_hold(&bank, what.as_bytes()), "{fault:?}: {what} was forgotten");
        }
    }
    let lost: Vec<&String> = kept.difference(&there).collect();
    assert!(lost.is_empty(), "{fault:?}: {lost:?} of what was acknowledged");
}
