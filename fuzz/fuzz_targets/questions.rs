//! Conversations with questions, in every layout: they are read, or refused, and never panic. Rooms it touches: dialogues.
#![no_main]

use keepsake_dialogues::questions::{Layout, read};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Layout::of(text);
    for layout in [Layout::Locomo, Layout::Longmemeval, Layout::Msc, Layout::Jsonl] {
        if let Ok(found) = read(text, "file", layout, None) {
            assert!(
                found.dialogues.iter().all(|one| one.noted.is_empty() || one.noted.len() == one.turns.len())
            );
        }
    }
});
