//! Starts the program once more with what libtorch must find in its environment before it is loaded.
//!
//! Its threads are to sleep while they wait, after they have tried for a tenth of a millisecond: on a machine that does other
//! things too, threads that spin for longer take several times as long, and those that sleep at once a sixth more. And libtorch finds a GPU only where its CUDA library is loaded with it, which a program that is linked for
//! machines without one does not do by itself. Rooms it touches: none.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in a program that was started once more.
const STARTED: &str = "KEEPSAKE_TRAINER_STARTED";

/// Starts the program once more; comes back where that was done already, or cannot be done.
pub fn once_more() {
    #[cfg(target_os = "linux")]
    if std::env::var_os(STARTED).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).env(STARTED, "1");
        if std::env::var_os("OMP_WAIT_POLICY").is_none() {
            command.env("OMP_WAIT_POLICY", "passive");
            if std::env::var_os("GOMP_SPINCOUNT").is_none() {
                command.env("GOMP_SPINCOUNT", "3000");
            }
        }
        if Path::new("/dev/nvidiactl").exists()
            && let Some(library) = cuda_library()
        {
            let others = std::env::var_os("LD_PRELOAD").unwrap_or_default();
            let mut all = library.into_os_string();
            if !others.is_empty() {
                all.push(":");
                all.push(others);
            }
            command.env("LD_PRELOAD", all);
        }
        // It only comes back with a failure: then the program runs as it was started.
        let _ = command.exec();
    }
}

/// libtorch's CUDA library, beside the library that this program has loaded.
fn cuda_library() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let loaded = maps
        .lines()
        .find_map(|line| line.split_whitespace().last().filter(|path| path.ends_with("libtorch_cpu.so")))?;
    Some(Path::new(loaded).with_file_name("libtorch_cuda.so")).filter(|path| path.exists())
}
