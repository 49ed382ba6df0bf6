//! What Mem0 gives out: it is read, or refused, and never panics. Rooms it touches: core, readers.
#![no_main]

#[allow(dead_code)]
#[path = "../../cli/src/readers/mod.rs"]
mod readers;

use keepsake_core::types::SpaceId;

libfuzzer_sys::fuzz_target!(|text: &str| drop(readers::mem0::read(text, "me", None, &SpaceId::default())));
