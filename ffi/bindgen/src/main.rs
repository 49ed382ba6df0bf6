//! Generates the bindings: `uniffi-bindgen` of the release that the library is built with, and with `c-header CRATE OUT` the
//! C header. `make bindings` runs it.
//!
//! Rooms it touches: none.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [command, folder, out] if command == "c-header" => {
            cbindgen::generate(folder)?.write_to_file(out);
        }
        _ => uniffi::uniffi_bindgen_main(),
    }
    Ok(())
}
