//! A messenger's log, in either order of day and month. Rooms it touches: core, dialogues.
#![no_main]

use keepsake_core::types::SpaceId;
use keepsake_dialogues::{DateOrder, chat};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for order in [None, Some(DateOrder::Dmy), Some(DateOrder::Mdy)] {
        if let Ok(chat) = chat::read(text, "log", order, &SpaceId::default()) {
            assert!(chat.turns.is_empty() || chat::is_log(text) || text.lines().count() > 1000);
        }
    }
});
