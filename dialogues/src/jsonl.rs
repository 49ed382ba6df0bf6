//! Reads JSONL of turns: one JSON object in each line. The keys are documented in the help of `ingest`.
//!
//! An unknown key is an error, since it is most likely a misspelt one. Rooms it touches: core (types).

use std::collections::HashMap;

use keepsake_core::types::{InvalidInput, NewTurn, Origin, SpaceId};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::json_fault;

/// Why a file was not read. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum JsonlError {
    #[error("line {line}: {what}")]
    Json { line: usize, what: String },
    #[error("line {line}: {source}")]
    Turn { line: usize, source: InvalidInput },
    #[error("line {line} has the id of line {first}: give it another")]
    Twice { line: usize, first: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    time: String,
    speaker: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    origin: Option<Origin>,
}

/// The turns of a file, in order. Empty lines are passed over. An id becomes the reference `source/id`, so
/// that ids need only be unique within a file. A line without an id is known by its content, so that a file
/// that has grown, also in the middle, can be read in again: nothing is lost and nothing doubled.
pub fn read(text: &str, source: &str, space: &SpaceId) -> Result<Vec<NewTurn>, JsonlError> {
    let mut turns = Vec::new();
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = number + 1;
        let read: Line = serde_json::from_str(line)
            .map_err(|error| JsonlError::Json { line: number, what: json_fault(&error) })?;
        if let Some(id) = &read.id
            && let Some(first) = ids.insert(id.clone(), number)
        {
            return Err(JsonlError::Twice { line: number, first });
        }
        let id = read.id.clone().unwrap_or_else(|| by_content(line, &mut seen));
        let turn = new_turn(&read, &format!("{source}/{id}"), space)
            .map_err(|source| JsonlError::Turn { line: number, source })?;
        turns.push(turn);
    }
    Ok(turns)
}

/// The start of the line's SHA-256 (64 bits: no accident makes two lines of a file alike), and which of the
/// equal lines it is.
pub(crate) fn by_content(line: &str, seen: &mut HashMap<String, u32>) -> String {
    let digest = Sha256::digest(line.trim());
    let start: [u8; 8] = std::array::from_fn(|at| digest[at]);
    let hash = format!("{:016x}", u64::from_be_bytes(start));
    let times = seen.entry(hash.clone()).or_default();
    *times += 1;
    format!("{hash}-{times}")
}

fn new_turn(line: &Line, reference: &str, space: &SpaceId) -> Result<NewTurn, InvalidInput> {
    let mut turn = NewTurn::new(&line.speaker, &line.text, line.time.parse()?)?
        .in_space(space.clone())
        .with_reference(reference)?;
    if let Some(session) = &line.session {
        turn = turn.in_session(session)?;
    }
    if let Some(caption) = &line.image {
        turn = turn.with_image(caption)?;
    }
    if let Some(origin) = line.origin {
        turn = turn.from_origin(origin);
    }
    turn.checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(text: &str) -> Result<Vec<NewTurn>, JsonlError> {
        read(text, "f", &SpaceId::default())
    }

    #[test]
    fn every_key_is_read() {
        let line = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"Hi","session":"2","id":"D1","#;
        let line = format!(r#"{line}"image":"a dog","origin":"document"}}"#);
        let time = "2024-03-02T10:15".parse().unwrap();
        let turn = NewTurn::new("Maria", "Hi", time).unwrap().in_session("2").unwrap();
        let turn =
            turn.with_reference("f/D1").unwrap().with_image("a dog").unwrap().from_origin(Origin::Document);
        assert_eq!(read_one(&format!("\n{line}\n\n")).unwrap(), [turn]);
    }

    #[test]
    fn lines_without_ids_are_known_by_content_wherever_they_stand() {
        let line = |text: &str| format!(r#"{{"time":"2024-03-02","speaker":"Maria","text":"{text}"}}"#);
        let (ok, hi) = (line("ok"), line("hi"));
        let before = read_one(&format!("{ok}\n{ok}\n")).unwrap();
        let after = read_one(&format!("{hi}\n\n{ok}\n{ok}\n")).unwrap();
        assert_eq!(after[1..], before);
        assert_ne!(before[0], before[1]);
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_wrong() {
        let good = r#"{"time":"2024-03-02","speaker":"Maria","text":"Hi"}"#;
        for (bad, what) in [
            ("{", "line 2: EOF"),
            (r#"{"time":"2024-03-02","speaker":"M","txet":"Hi"}"#, "line 2: unknown field `txet`"),
            (r#"{"speaker":"M","text":"Hi"}"#, "line 2: missing field `time`"),
            (r#"{"time":"yesterday","speaker":"M","text":"Hi"}"#, "line 2: the time"),
            (r#"{"time":"2024-03-02","speaker":"M","text":" "}"#, "line 2: the turn is empty"),
            (r#"{"time":"2024-03-02","speaker":"","text":"Hi"}"#, "line 2: the speaker is empty"),
        ] {
            let error = read_one(&format!("{good}\n{bad}\n")).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
        let with_id = good.replace('{', r#"{"id":"D1","#);
        let error = read_one(&format!("{with_id}\n{good}\n{with_id}\n")).unwrap_err().to_string();
        assert_eq!(error, "line 3 has the id of line 1: give it another");
    }
}
