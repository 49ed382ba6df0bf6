//! Measures the bank on disk, side by side with rusqlite (WAL, synchronous FULL) and redb on the same records.
//!
//! Prints a table and writes `target/bench/bank.json`. Nothing here passes or fails: ratios are read by people,
//! with the machine named. All three commit one memory with its vector at a time, durably; only ours also
//! seals it, writes a journal and keeps indexes by space, session and source.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement that cannot be made ends the run; it prints

use std::path::Path;
use std::time::Instant;

use keepsake_core::bank::{Bank, BankKey, Commit, MemoryWrite, SledBank, TurnOutcome};
use keepsake_core::embed::Vector;
use keepsake_core::testing::memory;
use keepsake_core::types::{Memory, MemoryId, NewTurn, SpaceId, Timestamp, TurnId};
use keepsake_tests::machine;

const COMMITS: usize = 500;
const DIMENSIONS: usize = 384;
const MANY: u64 = 100_000;
const SOME: u64 = 10_000;
const OVERWRITES: u32 = 10;
const EMBEDDER: &str = "bench";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    // One after the other three times, the best of each: the disk is shared.
    let mut rates = [0.0_f64; 4];
    for round in 0..3 {
        let place = |name: &str| folder.path().join(format!("{name}-{round}"));
        let measured = [
            ours(&place("plain"), None),
            ours(&place("sealed"), Some(key())),
            sqlite(&place("sqlite")),
            redb(&place("redb")),
        ];
        rates.iter_mut().zip(measured).for_each(|(best, rate)| *best = best.max(rate));
    }
    let [plain, sealed, sqlite, redb] = rates;
    let large = folder.path().join("large");
    fill(&large, MANY);
    let report = serde_json::json!({
        "machine": machine(),
        "commits_per_second": {"plain": plain, "sealed": sealed, "rusqlite": sqlite, "redb": redb},
        "sealed_to_rusqlite": sealed / sqlite,
        "sealed_to_redb": sealed / redb,
        "reopen_100000_ms": reopen(&large),
        "erase_one_of_10000_ms": erase(&folder.path().join("some")),
        "space": churn(&folder.path().join("churn")),
    });
    let text = serde_json::to_string_pretty(&report).unwrap();
    println!("{text}");
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/bench");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("bank.json"), text).unwrap();
}

fn key() -> BankKey {
    BankKey::new([5; 32])
}

fn text(at: u64) -> String {
    format!("Anna went to the market and bought {at} apples, which she ate on the way home.")
}

fn vector(at: u64) -> Vector {
    let mut random = fastrand::Rng::with_seed(at);
    Vector::normalised((0..DIMENSIONS).map(|_| random.f32() - 0.5).collect()).unwrap()
}

fn write(id: u64, version: u32, turn: TurnId) -> MemoryWrite {
    let memory = Memory {
        id: MemoryId(id),
        version,
        sources: vec![turn],
        ..memory(id, &text(id * 100 + u64::from(version)))
    };
    MemoryWrite {
        memory,
        expects: version.checked_sub(1).filter(|old| *old > 0),
        vector: Some((EMBEDDER.to_owned(), vector(id))),
    }
}

fn turn(bank: &SledBank) -> TurnId {
    let turn = NewTurn::new("Anna", "I went to the market.", Timestamp::from_seconds(0)).unwrap();
    bank.append(&turn, Timestamp::from_seconds(0)).unwrap().id
}

fn open(folder: &Path, key: Option<BankKey>) -> SledBank {
    key.map_or_else(|| SledBank::open(folder), |key| SledBank::open_sealed(folder, &key)).unwrap()
}

/// Commits a second of one memory with its vector; the turns are there before.
fn ours(folder: &Path, key: Option<BankKey>) -> f64 {
    let bank = open(folder, key);
    let commits: Vec<Commit> = (1..=COMMITS as u64)
        .map(|id| {
            let turn = turn(&bank);
            Commit {
                turn,
                outcome: TurnOutcome::Done(Vec::new()),
                writes: vec![write(id, 1, turn)],
                read: vec![],
            }
        })
        .collect();
    rate(|at| bank.commit(&commits[at]).unwrap())
}

/// The same record as text and the vector's bytes.
fn record(id: u64) -> (u64, String, Vec<u8>) {
    let write = write(id, 1, TurnId(id));
    let bytes = write.vector.unwrap().1.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect();
    (id, format!("{:?}", write.memory), bytes)
}

fn sqlite(file: &Path) -> f64 {
    let db = rusqlite::Connection::open(file).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.execute("CREATE TABLE memory (id INTEGER PRIMARY KEY, record TEXT, vector BLOB)", ()).unwrap();
    let records: Vec<_> = (1..=COMMITS as u64).map(record).collect();
    rate(|at| {
        let mut insert = db.prepare_cached("INSERT INTO memory VALUES (?1, ?2, ?3)").unwrap();
        let (id, record, vector) = &records[at];
        insert.execute((*id as i64, record, vector)).unwrap();
    })
}

fn redb(file: &Path) -> f64 {
    const TABLE: redb::TableDefinition<'_, u64, (&str, &[u8])> = redb::TableDefinition::new("memory");
    let db = redb::Database::create(file).unwrap();
    let records: Vec<_> = (1..=COMMITS as u64).map(record).collect();
    rate(|at| {
        let change = db.begin_write().unwrap();
        let (id, record, vector) = &records[at];
        change.open_table(TABLE).unwrap().insert(id, (record.as_str(), vector.as_slice())).unwrap();
        change.commit().unwrap();
    })
}

fn rate(mut commit: impl FnMut(usize)) -> f64 {
    let started = Instant::now();
    (0..COMMITS).for_each(&mut commit);
    COMMITS as f64 / started.elapsed().as_secs_f64()
}

/// A sealed bank of this many memories, a hundred from each turn.
fn fill(folder: &Path, count: u64) {
    let bank = open(folder, Some(key()));
    for block in 0..count / 100 {
        let turn = turn(&bank);
        let writes = (1..=100).map(|at| write(block * 100 + at, 1, turn)).collect();
        bank.commit(&Commit { turn, outcome: TurnOutcome::Done(Vec::new()), writes, read: vec![] }).unwrap();
    }
}

/// Milliseconds to open and verify, the best of three.
fn reopen(folder: &Path) -> f64 {
    let times = (0..3).map(|_| {
        let started = Instant::now();
        let bank = open(folder, Some(key()));
        let took = started.elapsed().as_secs_f64() * 1000.0;
        assert!(bank.recovered().is_empty());
        took
    });
    times.fold(f64::INFINITY, f64::min)
}

fn erase(folder: &Path) -> f64 {
    fill(folder, SOME);
    let bank = open(folder, Some(key()));
    let started = Instant::now();
    assert!(bank.forget_memory(MemoryId(SOME / 2)).unwrap());
    started.elapsed().as_secs_f64() * 1000.0
}

/// Bytes before and after `compact`, when every memory was written ten times; and what lives, as records.
fn churn(folder: &Path) -> serde_json::Value {
    let bank = open(folder, Some(key()));
    for version in 1..=OVERWRITES {
        for block in 0..SOME / 100 {
            let turn = turn(&bank);
            let writes = (1..=100).map(|at| write(block * 100 + at, version, turn)).collect();
            bank.commit(&Commit { turn, outcome: TurnOutcome::Done(Vec::new()), writes, read: vec![] })
                .unwrap();
        }
    }
    let before = bank.size_on_disk().unwrap();
    bank.compact().unwrap();
    let after = bank.size_on_disk().unwrap();
    let space = SpaceId::default();
    let versions =
        bank.memories(&space).unwrap().into_iter().flat_map(|memory| bank.history(memory.id).unwrap());
    let records: u64 = versions.map(|memory| bincode_size(&memory)).sum();
    let live = records + SOME * DIMENSIONS as u64 * 4;
    serde_json::json!({"before": before, "after": after, "live": live, "after_to_live": after as f64 / live as f64})
}

/// Bytes of a memory's record without envelope and seal, about: its texts and 60 bytes of numbers.
fn bincode_size(memory: &Memory) -> u64 {
    (memory.text.len() + memory.speaker.len() + memory.space.as_str().len() + 60) as u64
}
