//! An export, as it is and with a last line that fits it. What is read is written as an export that reads the same. Rooms it touches: core.
#![no_main]

use std::fmt::Write;

use keepsake_core::bank::{Bank, MemoryBank};
use keepsake_core::transfer;
use keepsake_core::types::Timestamp;
use sha2::{Digest, Sha256};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    there_and_back(bytes);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let Some((_, before)) = lines.split_last() else { return };
    let begins = |start: &[u8]| before.iter().filter(|line| line.starts_with(start)).count();
    let (turns, versions) = (begins(b"{\"turn\""), begins(b"{\"memory\""));
    let mut document = before.concat();
    let mut sha256 = String::new();
    for byte in Sha256::digest(&document) {
        write!(sha256, "{byte:02x}").unwrap();
    }
    let last = format!("{{\"turns\":{turns},\"versions\":{versions},\"sha256\":\"{sha256}\"}}\n");
    document.extend_from_slice(last.as_bytes());
    there_and_back(&document);
});

fn there_and_back(mut document: &[u8]) {
    let Ok(contents) = transfer::read(&mut document) else { return };
    let (bank, again) = (MemoryBank::new(), MemoryBank::new());
    bank.restore(&contents).unwrap();
    let first = written(&bank);
    again.restore(&transfer::read(&mut first.as_slice()).unwrap()).unwrap();
    assert_eq!(first, written(&again));
}

fn written(bank: &MemoryBank) -> Vec<u8> {
    let mut out = Vec::new();
    transfer::write(bank, &bank.spaces().unwrap(), Timestamp::from_seconds(0), &mut out).unwrap();
    out
}
