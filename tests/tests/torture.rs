//! Banks whose process is killed, whose files are damaged, and from which things are erased.
//!
//! Each round a process of its own works on a bank and says which operations were acknowledged, until it is
//! killed at a random moment. What the bank then holds must be what a plain model in memory holds after
//! the acknowledged operations, or after one more. `ROUNDS` and `SEED` are read from the environment;
//! the figures go to `target/bench/torture.json`.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // in a test both are the verdict

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use keepsake_core::bank::{
    Bank, BankError, BankKey, Commit, Counts, FailReason, MemoryBank, MemoryWrite, SledBank, Step,
    TurnOutcome,
};
use keepsake_core::decision::{Applied, Operation};
use keepsake_core::embed::{Embedder, Vector};
use keepsake_core::testing::LetterEmbedder;
use keepsake_core::types::{
    Memory, MemoryId, MemoryState, NewTurn, Origin, SpaceId, Timestamp, Turn, UnitId,
};

const SHORT_ROUNDS: usize = 15;
/// Places at which a byte of each file is flipped, for each ten rounds.
const FLIPS: usize = 20;
/// Rounds after which a new bank is begun.
const ROUNDS_PER_BANK: usize = 10;
const LONGEST_ROUND_MS: u64 = 250;

/// Where the worker finds its bank, and the number of its first operation.
const BANK: &str = "KEEPSAKE_TORTURE_BANK";
const FIRST: &str = "KEEPSAKE_TORTURE_FIRST";

#[derive(Debug, Default, serde::Serialize)]
struct Figures {
    rounds: usize,
    kills: usize,
    operations: u64,
    recoveries: usize,
    lost: usize,
    half_there: usize,
    bit_flips: usize,
    refused: usize,
    silent: usize,
    sentinels_found: usize,
}

fn main() {
    if let (Ok(bank), Ok(first)) = (std::env::var(BANK), std::env::var(FIRST)) {
        return work(Path::new(&bank), first.parse().unwrap());
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let rounds = number("ROUNDS").map_or(SHORT_ROUNDS, |rounds| rounds as usize);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{rounds} rounds with SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut figures = Figures::default();
    while figures.rounds < rounds {
        let rounds = ROUNDS_PER_BANK.min(rounds - figures.rounds);
        one_bank(rounds, &mut random, &mut figures);
        println!("{figures:?}");
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("torture.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    let Figures { lost, half_there, silent, sentinels_found, .. } = figures;
    assert_eq!((lost, half_there, silent, sentinels_found), (0, 0, 0, 0));
    assert!(figures.operations > figures.rounds as u64, "the rounds did something");
}

fn one_bank(rounds: usize, random: &mut fastrand::Rng, figures: &mut Figures) {
    let folder = tempfile::tempdir().unwrap();
    let (path, model) =
        (folder.path().join(if random.bool() { "sealed" } else { "plain" }), MemoryBank::new());
    let mut next = 0;
    for _ in 0..rounds {
        let first = next;
        figures.rounds += 1;
        let acknowledged = work_until_killed(&path, next, random.u64(1..LONGEST_ROUND_MS));
        figures.kills += 1;
        for number in next..acknowledged {
            operate(&model, number);
        }
        let bank = open(&path).unwrap();
        figures.recoveries += usize::from(!bank.recovered().is_empty());
        let found = everything(&bank).unwrap();
        drop(bank);
        next = acknowledged;
        if found != everything(&model).unwrap() {
            let before = everything(&model).unwrap();
            operate(&model, next);
            next += 1;
            if found != everything(&model).unwrap() {
                println!("after {next} operations: {found:#?}\ninstead of {before:#?}");
                let lost = found.spaces.iter().map(|space| space.turns.len()).sum::<usize>()
                    < before.spaces.iter().map(|space| space.turns.len()).sum();
                if lost {
                    figures.lost += 1
                } else {
                    figures.half_there += 1
                }
                return;
            }
        }
        figures.operations += next - first;
        let kept: BTreeSet<u64> =
            found.spaces.iter().flat_map(Space::texts).flat_map(|text| numbers(text.as_bytes())).collect();
        let on_disk = files(&path).into_iter().flat_map(|file| numbers(&std::fs::read(file).unwrap()));
        // In a sealed bank no words at all may stand.
        figures.sentinels_found +=
            on_disk.filter(|number| is_sealed(&path) || !kept.contains(number)).count();
    }
    flip_bytes(&path, &folder.path().join("damaged"), random, figures);
}

fn is_sealed(path: &Path) -> bool {
    path.ends_with("sealed")
}

fn open(path: &Path) -> Result<SledBank, BankError> {
    open_as(path, is_sealed(path))
}

fn open_as(path: &Path, sealed: bool) -> Result<SledBank, BankError> {
    if sealed { SledBank::open_sealed(path, &BankKey::new([9; 32])) } else { SledBank::open(path) }
}

/// Every file of the bank, at random places: what opens must be the same, or an error must say that it is not.
fn flip_bytes(sound: &Path, damaged: &Path, random: &mut fastrand::Rng, figures: &mut Figures) {
    let expected = everything(&open(sound).unwrap()).unwrap();
    for file in files(sound) {
        let name = file.strip_prefix(sound).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        for _ in 0..if bytes.is_empty() { 0 } else { FLIPS } {
            let _missing = std::fs::remove_dir_all(damaged);
            copy(sound, damaged);
            let mut bytes = bytes.clone();
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u8(..8);
            std::fs::write(damaged.join(name), bytes).unwrap();
            figures.bit_flips += 1;
            match open_as(damaged, is_sealed(sound)).and_then(|bank| everything(&bank)) {
                Err(_) => figures.refused += 1,
                Ok(found) if found == expected => {}
                Ok(_) => {
                    figures.silent += 1;
                    println!("silently other content: {} at {at}", name.display());
                }
            }
        }
    }
}

/// The number of the first operation that was not acknowledged.
fn work_until_killed(bank: &Path, first: u64, milliseconds: u64) -> u64 {
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .env(BANK, bank)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines().map_while(Result::ok);
    // Half of the rounds begin with opening, the others when the first operation is done.
    let mut next = first;
    if milliseconds.is_multiple_of(2) {
        next = lines.by_ref().find_map(|line| acknowledged(&line)).map_or(first, |number| number + 1);
    }
    std::thread::sleep(Duration::from_millis(milliseconds));
    worker.kill().unwrap();
    worker.wait().unwrap();
    lines.filter_map(|line| acknowledged(&line)).last().map_or(next, |number| number + 1)
}

fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("ack ")?.parse().ok()
}

/// What the process that is killed does.
fn work(bank: &Path, first: u64) {
    let bank = open(bank).unwrap();
    for number in first.. {
        operate(&bank, number);
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {number}").unwrap();
        out.flush().unwrap();
    }
}

const WORDS: &[u8] = b"the words of operation <";

fn text(number: u64) -> String {
    format!("{}{number}>", str::from_utf8(WORDS).unwrap())
}

/// The operations whose words stand in these bytes.
fn numbers(bytes: &[u8]) -> BTreeSet<u64> {
    let places = bytes.windows(WORDS.len()).enumerate().filter(|(_, window)| *window == WORDS);
    places
        .map(|(at, _)| {
            let digits = bytes[at + WORDS.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        })
        .collect()
}

/// Operation `number`: one change at most, the same on equal banks.
fn operate(bank: &dyn Bank, number: u64) {
    let now = Timestamp::from_seconds(number as i64);
    let space = |number: u64| SpaceId::new(["a", "b"][number as usize % 2]).unwrap();
    let of = space(number / 20);
    match number % 40 {
        // The oldest of the space goes.
        19 => {
            if let Some(memory) = bank.memories(&of).unwrap().first() {
                assert!(bank.forget_memory(memory.id).unwrap());
            }
            return;
        }
        39 => {
            if let Some(turn) = bank.turns(&of).unwrap().first() {
                assert!(bank.forget_turn(turn.id).unwrap());
            }
            return;
        }
        29 => {
            let failed =
                |turn: &Turn| matches!(bank.outcome(turn.id).unwrap(), Some(TurnOutcome::Failed { .. }));
            if let Some(turn) = bank.turns(&of).unwrap().into_iter().find(failed) {
                assert!(bank.requeue(turn.id).unwrap());
            }
            return;
        }
        _ => {}
    }
    match number % 5 {
        0 | 1 => {
            let turn = NewTurn::new("Maria", &text(number), now).unwrap().in_space(space(number / 5));
            bank.append(&turn, now).unwrap();
        }
        2 => with_next(bank, |bank, turn| {
            let memory = Memory {
                id: bank.next_memory_id().unwrap(),
                space: turn.space.clone(),
                version: 1,
                text: text(number),
                speaker: "Maria".to_owned(),
                valid_from: now,
                recorded: now,
                origin: Origin::User,
                sources: vec![turn.id],
                state: MemoryState::Current,
            };
            vec![written(memory, None)]
        }),
        3 => with_next(bank, |bank, turn| {
            let Some(old) = bank.memories(&turn.space).unwrap().pop() else { return Vec::new() };
            let mut memory = old.clone();
            memory.version += 1;
            memory.text = text(number);
            memory.sources.push(turn.id);
            vec![written(memory, Some(old.version))]
        }),
        _ => {
            if let Some(id) = bank.next_waiting(None).unwrap() {
                let outcome = TurnOutcome::Failed { step: Step::Extract, reason: FailReason::CutOff };
                bank.commit(&Commit { turn: id, outcome, writes: Vec::new(), read: vec![] }).unwrap();
            }
        }
    }
}

fn with_next(bank: &dyn Bank, writes: impl FnOnce(&dyn Bank, &Turn) -> Vec<MemoryWrite>) {
    let Some(id) = bank.next_waiting(None).unwrap() else { return };
    let turn = bank.turn(id).unwrap().unwrap();
    let writes = writes(bank, &turn);
    let applied = writes.iter().map(|write| Applied {
        fact: write.memory.text.clone(),
        decided: None,
        operation: Operation::Add,
        memory: Some(write.memory.id),
        text: Some(write.memory.text.clone()),
        beside: None,
        guard: None,
    });
    let outcome = TurnOutcome::Done(applied.collect());
    bank.commit(&Commit { turn: id, outcome, writes, read: vec![] }).unwrap();
}

fn written(memory: Memory, expects: Option<u32>) -> MemoryWrite {
    let vector = LetterEmbedder.embed(&[memory.text.as_str()]).unwrap().remove(0);
    MemoryWrite { memory, expects, vector: Some((LetterEmbedder.identity().to_owned(), vector)) }
}

/// All that a bank holds.
#[derive(Debug, PartialEq)]
struct Everything {
    next: MemoryId,
    spaces: Vec<Space>,
}

#[derive(Debug, PartialEq)]
struct Space {
    turns: Vec<(Turn, Option<TurnOutcome>)>,
    memories: Vec<Vec<Memory>>,
    vectors: Vec<(UnitId, Vector)>,
    counts: Counts,
}

impl Space {
    fn texts(&self) -> impl Iterator<Item = String> + '_ {
        let turns = self.turns.iter().map(|(turn, _)| turn.text.clone());
        turns.chain(self.memories.iter().flatten().map(|memory| memory.text.clone()))
    }
}

fn everything(bank: &dyn Bank) -> Result<Everything, BankError> {
    bank.verify()?;
    let spaces = bank.spaces()?.into_iter().map(|space| {
        let turns = bank.turns(&space)?.into_iter().map(|turn| {
            let outcome = bank.outcome(turn.id)?;
            Ok((turn, outcome))
        });
        let memories = bank.memories(&space)?.into_iter().map(|memory| bank.history(memory.id));
        let mut vectors = bank.vectors(&space, LetterEmbedder.identity())?;
        vectors.sort_by_key(|(unit, _)| unit.to_string());
        Ok(Space {
            turns: turns.collect::<Result<_, BankError>>()?,
            memories: memories.collect::<Result<_, BankError>>()?,
            vectors,
            counts: bank.counts(&space)?,
        })
    });
    Ok(Everything { next: bank.next_memory_id()?, spaces: spaces.collect::<Result<_, BankError>>()? })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut all): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    all.extend(folders.iter().flat_map(|folder| files(folder)));
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let place = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(&file, place).unwrap();
    }
}
