//! Generates the bindings: `uniffi-bindgen` of the release that the library is built with, and with `c-header CRATE OUT` the
//! C header. Python's gets buffers that are quicker than UniFFI's, `buffers.py`. `make bindings` runs it.
//!
//! Rooms it touches: none.

use std::error::Error;
use std::fs;
use std::path::Path;

/// What `buffers.py` stands in for in UniFFI's Python: from the first up to the second.
const REPLACED: [&str; 2] =
    ["class _UniffiRustBufferStream:\n", "# A handful of classes and functions to support"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().skip_while(|one| *one != name).nth(1);
    match &arguments[1..] {
        [command, folder, out] if command == "c-header" => {
            cbindgen::generate(folder)?.write_to_file(out);
        }
        _ => {
            uniffi::uniffi_bindgen_main();
            if let (Some("python"), Some(folder)) =
                (option("--language").map(String::as_str), option("--out-dir"))
            {
                let binding = Path::new(folder).join("keepsake.py");
                fs::write(&binding, with_own_buffers(&fs::read_to_string(&binding)?)?)?;
            }
        }
    }
    Ok(())
}

fn with_own_buffers(python: &str) -> Result<String, &'static str> {
    let [from, to] = REPLACED;
    let (before, rest) =
        python.split_once(from).ok_or("UniFFI's buffers are not where buffers.py would go")?;
    let (_, after) = rest.split_once(to).ok_or("UniFFI's buffers do not end where buffers.py would end")?;
    Ok([before, include_str!("buffers.py"), to, after].concat())
}
