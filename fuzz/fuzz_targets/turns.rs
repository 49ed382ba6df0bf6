//! Turns as JSON lines: they are read, or refused, and never panic. Rooms it touches: core, readers.
#![no_main]

#[allow(dead_code)]
#[path = "../../cli/src/readers/mod.rs"]
mod readers;

use keepsake_core::types::SpaceId;

libfuzzer_sys::fuzz_target!(|text: &str| drop(readers::jsonl::read(text, "turns", &SpaceId::default())));
