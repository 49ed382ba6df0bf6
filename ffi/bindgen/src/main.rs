//! `uniffi-bindgen` of the release that the library is built with. `make bindings` runs it.
//!
//! Rooms it touches: none.

fn main() {
    uniffi::uniffi_bindgen_main();
}
