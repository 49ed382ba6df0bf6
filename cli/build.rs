//! Puts llama.cpp's shared libraries beside the binary, so that it runs as it was built.
//!
//! On Linux llama.cpp is built as shared libraries with one variant of its CPU code for every generation of
//! processor; the best is chosen at start. `llama-cpp-sys-2` leaves them in its own build folder. This script
//! copies what is needed to `<target>/<profile>/lib` and lets the binary look there (`$ORIGIN/lib`), so the
//! binary and that folder together can be moved anywhere. Elsewhere llama.cpp is linked in and nothing is done.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The libraries the binary is linked to, by the names the loader asks for.
const LINKED: [&str; 3] = ["libllama.so.0", "libggml.so.0", "libggml-base.so.0"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(backends) = env::var_os("DEP_LLAMA_BACKENDS_DIR") else { return Ok(()) };
    let backends = PathBuf::from(backends);
    let linked = backends.parent().ok_or("llama.cpp's backends folder has no parent")?.join("lib");
    let beside_binary = profile_folder()?.join("lib");
    fs::create_dir_all(&beside_binary)?;

    for name in LINKED {
        copy(&linked.join(name), &beside_binary.join(name))?;
    }
    for entry in fs::read_dir(&backends)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("libggml-cpu-") {
            copy(&entry.path(), &beside_binary.join(entry.file_name()))?;
        }
    }
    println!("cargo:rerun-if-changed={}", backends.display());
    println!("cargo:rerun-if-changed={}", beside_binary.display());
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/lib");
    Ok(())
}

/// `<target>/<profile>`, from `<target>/<profile>/build/<package>-<hash>/out`.
fn profile_folder() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    Ok(out.ancestors().nth(3).ok_or("OUT_DIR is not where cargo puts it")?.to_owned())
}

/// Copies through a name of its own, so that a running binary never sees half a library. What is there already
/// is left alone: touching it would make cargo run this script again.
fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if is_copy(from, to).unwrap_or(false) {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    fs::copy(from, &unfinished)
        .map_err(|error| format!("{} could not be copied: {error}", from.display()))?;
    fs::rename(&unfinished, to)?;
    Ok(())
}

fn is_copy(from: &Path, to: &Path) -> std::io::Result<bool> {
    let (source, target) = (fs::metadata(from)?, fs::metadata(to)?);
    Ok(source.len() == target.len() && target.modified()? >= source.modified()?)
}
