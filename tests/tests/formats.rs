//! Banks as earlier versions wrote them: each must open for ever, and hold what it held.
//!
//! A fixture is a bank's folder without the store, which is built again from the journal. To add one: write a
//! bank with the version that is about to be released, `compact` it, copy it here, and never touch it again.
//!
//! Rooms it touches: core.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::path::Path;

use keepsake_core::bank::{
    Bank, BankError, BankKey, Counts, FailReason, Recovery, SledBank, Step, TurnOutcome,
};
use keepsake_core::decision::{Guard, Operation};
use keepsake_core::types::{MemoryId, MemoryState, Origin, SpaceId, TurnId, UnitId};

fn opened(fixture: &str, key: Option<&BankKey>) -> Result<(tempfile::TempDir, SledBank), BankError> {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let bank = match key {
        Some(key) => SledBank::open_sealed(folder.path(), key),
        None => SledBank::open(folder.path()),
    }?;
    Ok((folder, bank))
}

#[test]
fn format_2_opens_plain_and_sealed() {
    let key = BankKey::new([42; 32]);
    for (fixture, key) in [("format-2-plain", None), ("format-2-sealed", Some(&key))] {
        let (_folder, bank) = opened(fixture, key).unwrap();
        assert_eq!(bank.recovered(), [Recovery::StoreRebuilt { why: "it is missing" }]);
        bank.verify().unwrap();

        let (home, other) = (SpaceId::new("home").unwrap(), SpaceId::default());
        assert_eq!(bank.spaces().unwrap(), [other.clone(), home.clone()]);
        let turns = bank.turns(&home).unwrap();
        assert_eq!(
            turns.iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>(),
            ["I adopted a dog named Buddy.", "And Scout."]
        );
        let toms = bank.turns(&other).unwrap();
        assert_eq!((toms[0].text.as_str(), toms[0].origin), ("Лиссабон! 🐕", Origin::Document));
        assert_eq!(toms[0].time.to_string(), "2024-03-03T10:00:00");

        let history = bank.history(MemoryId(1)).unwrap();
        assert_eq!(history[0].text, "Maria has a dog named Buddy.");
        assert_eq!(history[0].state, MemoryState::Superseded);
        assert_eq!(history[1].text, "Maria has two dogs, Buddy and Scout.");
        assert_eq!((history[1].state, history[1].version), (MemoryState::Current, 2));
        assert_eq!(history[1].sources, [TurnId(1), TurnId(3)]);

        let Some(TurnOutcome::Done(applied)) = bank.outcome(TurnId(3)).unwrap() else { unreachable!() };
        assert_eq!((applied[0].operation, applied[0].guard), (Operation::Update, Some(Guard::Merged)));
        let failed = TurnOutcome::Failed { step: Step::Extract, reason: FailReason::Ungrounded };
        assert_eq!(bank.outcome(TurnId(2)).unwrap(), Some(failed));
        assert_eq!(bank.next_waiting(None).unwrap(), Some(TurnId(4)));
        assert_eq!(bank.next_memory_id().unwrap(), MemoryId(2));

        let vectors = bank.vectors(&home, "letters").unwrap();
        assert_eq!(vectors[0].0, UnitId::Memory(MemoryId(1)));
        let components = vectors[0].1.as_slice();
        assert!((components[0] / components[1] - 0.75).abs() < 1e-6, "{components:?}");
        let counts = Counts { turns: 2, waiting: 1, failed: 1, ..Counts::default() };
        assert_eq!(bank.counts(&other).unwrap(), counts);
    }
    assert!(matches!(opened("format-2-sealed", None), Err(BankError::KeyNeeded { .. })));
    let wrong = BankKey::new([43; 32]);
    assert!(matches!(opened("format-2-sealed", Some(&wrong)), Err(BankError::WrongKey { .. })));
}
