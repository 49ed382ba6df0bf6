//! Messages of chat models, as JSON. Rooms it touches: core, dialogues.
#![no_main]

use keepsake_core::types::{SpaceId, Timestamp};
use keepsake_dialogues::chat_json::{Defaults, read};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let defaults = Defaults { speaker: "user", time: Some(Timestamp::from_seconds(0)) };
    let _ = read(text, "log", &defaults, &SpaceId::default());
});
