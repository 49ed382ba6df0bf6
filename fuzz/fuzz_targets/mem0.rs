//! What Mem0 gives out: it is read, or refused, and never panics. Rooms it touches: core, dialogues.
#![no_main]

use keepsake_core::types::SpaceId;

libfuzzer_sys::fuzz_target!(|text: &str| drop(keepsake_dialogues::mem0::read(
    text,
    "me",
    None,
    &SpaceId::default()
)));
