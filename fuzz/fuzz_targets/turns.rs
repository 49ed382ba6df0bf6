//! Turns as JSON lines: they are read, or refused, and never panic. Rooms it touches: core, dialogues.
#![no_main]

use keepsake_core::types::SpaceId;

libfuzzer_sys::fuzz_target!(|text: &str| drop(keepsake_dialogues::jsonl::read(
    text,
    "turns",
    &SpaceId::default()
)));
