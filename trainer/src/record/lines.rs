//! JSON lines as a run writes them: reading them back, and cutting off what a killed run wrote too much.
//!
//! Every line ends with a line feed, so a last line that has none and cannot be read was being written when
//! the run was killed: it is no line. Any other line that cannot be read is an error.
//!
//! Rooms it touches: files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{RecordError, files};

/// A line of the log.
#[derive(Debug, Deserialize)]
pub(super) struct LogLine {
    pub(super) step: u64,
    /// Since the run began, without the time between its pieces.
    pub(super) seconds: f64,
    /// By name; `None` where it was not finite.
    #[serde(flatten)]
    pub(super) values: BTreeMap<String, Option<f64>>,
}

/// A line of the samples.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    pub(super) step: u64,
    pub(super) about: String,
    pub(super) said: String,
    /// `None` where it could not be scored.
    pub(super) reward: Option<f64>,
    /// `None` where it was not finite.
    pub(super) advantage: Option<f64>,
}

/// A line that belongs to a step.
pub(super) trait OfStep: DeserializeOwned {
    fn step(&self) -> u64;
}

impl OfStep for LogLine {
    fn step(&self) -> u64 {
        self.step
    }
}

impl OfStep for Sample {
    fn step(&self) -> u64 {
        self.step
    }
}

/// The lines of a file; none if it is not there.
pub(super) fn read<T: OfStep>(path: &Path) -> Result<Vec<T>, RecordError> {
    let bytes = files::read(path)?;
    Ok(parse(path, &bytes)?.into_iter().map(|(_, line)| line).collect())
}

/// Cuts off the lines of this step and later ones; returns those that stay, which stay byte for byte.
pub(super) fn cut<T: OfStep>(path: &Path, from_step: u64) -> Result<Vec<T>, RecordError> {
    let bytes = files::read(path)?;
    let mut kept = Vec::with_capacity(bytes.len());
    let mut lines = Vec::new();
    for (text, line) in parse::<T>(path, &bytes)? {
        if line.step() < from_step {
            kept.extend_from_slice(text);
            kept.push(b'\n');
            lines.push(line);
        }
    }
    if kept != bytes {
        files::replace(path, &kept)?;
    }
    Ok(lines)
}

/// The lines of a file, whatever they hold, and a file that ends with the last of them: what a killed process wrote half
/// is cut off, so that more can be added.
pub(crate) fn whole<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RecordError> {
    let bytes = files::read(path)?;
    let parsed = parse(path, &bytes)?;
    let length: usize = parsed.iter().map(|(text, _)| text.len() + 1).sum();
    if length != bytes.len() {
        let mut kept = Vec::with_capacity(length);
        for (text, _) in &parsed {
            kept.extend_from_slice(text);
            kept.push(b'\n');
        }
        files::replace(path, &kept)?;
    }
    Ok(parsed.into_iter().map(|(_, line)| line).collect())
}

fn parse<'a, T: DeserializeOwned>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(&'a [u8], T)>, RecordError> {
    let mut parsed = Vec::new();
    for (nth, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n");
        match serde_json::from_slice(text.unwrap_or(line)) {
            Ok(read) => parsed.push((text.unwrap_or(line), read)),
            Err(_) if text.is_none() => (),
            Err(error) => {
                return Err(RecordError::Line {
                    path: path.to_owned(),
                    line: nth + 1,
                    column: error.column(),
                });
            }
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::{LogLine, OfStep, cut, read};

    const THREE: &str =
        "{\"step\":0,\"seconds\":1.5,\"a\":1}\n{\"step\":1,\"seconds\":2}\n{\"step\":2,\"seconds\":3}\n";

    fn steps(lines: &[LogLine]) -> Vec<u64> {
        lines.iter().map(OfStep::step).collect()
    }

    #[test]
    fn a_torn_last_line_is_none_and_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        // Cut after each byte, in the middle of a character too: a whole line is a line, with or without its
        // line feed.
        let whole = format!("{THREE}{{\"step\":3,\"seconds\":4,\"é\":null}}\n");
        for length in THREE.len()..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..length]).unwrap();
            let expected: &[u64] = if length + 1 < whole.len() { &[0, 1, 2] } else { &[0, 1, 2, 3] };
            assert_eq!(steps(&read(&path).unwrap()), expected, "{length} bytes read");
            assert_eq!(steps(&cut(&path, 9).unwrap()), expected, "{length} bytes cut");
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, if expected.len() == 3 { THREE } else { &whole }, "{length} bytes kept");
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let damaged = [
            ("\"seconds\":2}", "\"seconds\":2", 21),
            ("{\"step\":1,\"seconds\":2}", "", 0),
            ("2}", "\"x\"}", 23),
        ];
        for (from, to, column) in damaged {
            let text = THREE.replacen(from, to, 1);
            std::fs::write(&path, &text).unwrap();
            let expected = format!(
                "{}, line 2, column {column}: not a line that a run writes; correct it or take it out",
                path.display()
            );
            assert_eq!(read::<LogLine>(&path).unwrap_err().to_string(), expected);
            assert_eq!(cut::<LogLine>(&path, 0).unwrap_err().to_string(), expected);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
