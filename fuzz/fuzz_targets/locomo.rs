//! Conversations of the LoCoMo data set. Rooms it touches: core, dialogues.
#![no_main]

use keepsake_core::types::SpaceId;

libfuzzer_sys::fuzz_target!(|text: &str| drop(keepsake_dialogues::locomo::read(
    text,
    "locomo",
    &SpaceId::default()
)));
