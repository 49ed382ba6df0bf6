//! A bank's folder of which one file is other bytes. The first byte says which file.
//!
//! It opens and verifies, or an error says why not; then what `repair` makes of it opens and verifies.
//!
//! Rooms it touches: core.
#![no_main]

use std::path::Path;

use keepsake_core::bank::{Bank, BankError, BankKey, SledBank};

const FORMAT: &[u8] = include_bytes!("../../tests/fixtures/format-2-sealed/FORMAT");
const KEY: &[u8] = include_bytes!("../../tests/fixtures/format-2-sealed/KEY");
const SEALED: &[u8] = include_bytes!("../../tests/fixtures/format-2-sealed/JOURNAL");
const PLAIN_FORMAT: &[u8] = include_bytes!("../../tests/fixtures/format-2-plain/FORMAT");
const PLAIN: &[u8] = include_bytes!("../../tests/fixtures/format-2-plain/JOURNAL");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let sealed = which % 2 == 0;
    let (format, journal) = if sealed { (FORMAT, SEALED) } else { (PLAIN_FORMAT, PLAIN) };
    let mut files = vec![("FORMAT", format), ("JOURNAL", journal)];
    if sealed {
        files.push(("KEY", KEY));
    }
    let at = usize::from(which / 2) % files.len();
    files[at].1 = bytes;
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let key = sealed.then(|| BankKey::new([42; 32]));
    match opened(folder.path(), key.as_ref()) {
        Ok(bank) => read_all(&bank),
        Err(_) => {
            if SledBank::repair(folder.path(), key.as_ref()).is_ok() {
                read_all(&opened(folder.path(), key.as_ref()).unwrap());
            }
        }
    }
});

fn opened(folder: &Path, key: Option<&BankKey>) -> Result<SledBank, BankError> {
    match key {
        Some(key) => SledBank::open_sealed(folder, key),
        None => SledBank::open(folder),
    }
}

fn read_all(bank: &SledBank) {
    bank.verify().unwrap();
    for space in bank.spaces().unwrap() {
        bank.turns(&space).unwrap();
        for memory in bank.memories(&space).unwrap() {
            bank.history(memory.id).unwrap();
        }
    }
}
