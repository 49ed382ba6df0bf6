//! The head of a model file: it is read, or refused, and never panics. Rooms it touches: core.
#![no_main]

use keepsake_core::model::gguf::Gguf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let _ = Gguf::read(file.path()).map(|gguf| gguf.of_architecture("context_length"));
});
