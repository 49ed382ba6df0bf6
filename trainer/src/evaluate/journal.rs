//! What an evaluation has done so far, in its folder: a line for each answer and each judgement, added as it is made, so
//! that a run that was stopped goes on where it was.
//!
//! `settings.json` says what the lines are of; a folder with other settings is refused. Nothing here is scored.
//!
//! Rooms it touches: record, evaluate (systems); dialogues.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keepsake_core::model::Usage;
use keepsake_dialogues::questions::Asked;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EvaluateError;
use super::systems::System;
use crate::record::files::{self, Growing};
use crate::record::{RecordError, lines};

const SETTINGS: &str = "settings.json";

/// What a system said to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The system's name.
    pub system: String,
    /// The question's id.
    pub question: String,
    /// The answer; `None` where there is none.
    pub text: Option<String>,
    /// Why there is none, where that is the system's doing: it counts as an empty answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// Why there is none, where something broke: it does not count, and is asked again when the run goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// From the question to the whole answer, retrieval included, milliseconds.
    pub latency_ms: f64,
    /// What it cost.
    pub tokens: Tokens,
    /// For each piece of the question's evidence, the place of the first unit that holds it among what was retrieved,
    /// from 0.
    pub found: Vec<Option<usize>>,
    /// For each, whether the answer was given from it.
    pub read: Vec<bool>,
}

impl Answered {
    /// No answer.
    pub(super) fn none(system: System, asked: &Asked) -> Self {
        Self {
            system: system.to_string(),
            question: asked.id.clone(),
            text: None,
            nothing: None,
            failed: None,
            latency_ms: 0.0,
            tokens: Tokens::default(),
            found: Vec::new(),
            read: Vec::new(),
        }
    }
}

/// What model calls cost, as a file keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Calls.
    pub calls: u64,
    /// Tokens of prompts.
    pub prompt: u64,
    /// Of these, tokens that were evaluated; the others were still in the cache.
    pub evaluated: u64,
    /// Tokens written.
    pub generated: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self {
            calls: u64::from(usage.calls),
            prompt: usage.prompt_tokens,
            evaluated: usage.evaluated_tokens,
            generated: usage.generated_tokens,
        }
    }
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.prompt += other.prompt;
        self.evaluated += other.evaluated;
        self.generated += other.generated;
    }
}

/// Values of one item under one system, by metric, each with its weight. Also a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// The system's name.
    pub(super) system: String,
    /// The item's id.
    pub(super) item: String,
    /// What kind of item it is.
    pub(super) category: String,
    /// Value and weight, by metric.
    pub(super) values: BTreeMap<String, (f64, f64)>,
}

/// What a judge made of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Judgement {
    /// The system's name.
    pub(super) system: String,
    /// The question's id.
    pub(super) question: String,
    /// Whether the answer is right; `None` where the judge gave no usable verdict.
    pub(super) correct: Option<bool>,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

/// A file of lines that grows.
pub(super) struct Journal {
    file: Growing,
}

impl Journal {
    /// The lines that are there and hold, and the file to add to. Those that do not hold are taken out.
    pub(super) fn open<T>(path: &Path, holds: impl Fn(&T) -> bool) -> Result<(Vec<T>, Self), RecordError>
    where
        T: serde::de::DeserializeOwned + Serialize,
    {
        let all: Vec<T> = lines::whole(path)?;
        let before = all.len();
        let kept: Vec<T> = all.into_iter().filter(|line| holds(line)).collect();
        if kept.len() < before {
            let text: String = kept.iter().map(|line| format!("{}\n", line_of(line))).collect();
            files::replace(path, text.as_bytes())?;
        }
        Ok((kept, Self { file: Growing::open(path)? }))
    }

    /// Adds a line, whole or not at all.
    pub(super) fn add<T: Serialize>(&mut self, line: &T) -> Result<(), RecordError> {
        self.file.add(format!("{}\n", line_of(line)).as_bytes())
    }
}

/// A line of numbers and texts is always JSON.
fn line_of<T: Serialize>(line: &T) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

/// Makes an evaluation's folder, or finds the one with these settings in it where it is to be gone on with.
pub(super) fn open_folder(folder: &Path, settings: &Value, resume: bool) -> Result<(), EvaluateError> {
    let path = folder.join(SETTINGS);
    match fs::read_to_string(&path) {
        Ok(text) => {
            if !resume {
                return Err(EvaluateError::Occupied(folder.to_owned()));
            }
            let known: Value = serde_json::from_str(&text)
                .map_err(|error| EvaluateError::file(&path, &format!("it is no JSON: {error}")))?;
            let differing = differing(&known, settings);
            if !differing.is_empty() {
                return Err(EvaluateError::Other { folder: folder.to_owned(), what: differing.join(", ") });
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(|error| EvaluateError::file(folder, &error.to_string()))?;
            Ok(files::replace(&path, format!("{settings:#}\n").as_bytes())?)
        }
        Err(error) => Err(EvaluateError::file(&path, &error.to_string())),
    }
}

/// The settings that two have not in common.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (one, other) = (one.as_object().unwrap_or(&empty), other.as_object().unwrap_or(&empty));
    let mut names: Vec<String> =
        one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).cloned().collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_folder_is_gone_on_with_under_the_same_settings_only() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/b");
        let settings = json!({"model": "m", "seed": 1});
        open_folder(&out, &settings, false).unwrap();
        open_folder(&out, &settings, true).unwrap();
        assert!(open_folder(&out, &settings, false).unwrap_err().to_string().contains("--resume"));
        let other = open_folder(&out, &json!({"model": "n", "seed": 1, "turns": 3}), true).unwrap_err();
        assert!(other.to_string().contains("model, turns"), "{other}");
    }

    #[test]
    fn half_a_line_and_lines_that_do_not_hold_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judgements.jsonl");
        let line = |question: &str, failed: Option<&str>| Judgement {
            system: "s".into(),
            question: question.into(),
            correct: failed.is_none().then_some(true),
            failed: failed.map(str::to_owned),
        };
        let (none, mut journal) = Journal::open(&path, |_: &Judgement| true).unwrap();
        assert!(none.is_empty());
        journal.add(&line("a", None)).unwrap();
        journal.add(&line("b", Some("busy"))).unwrap();
        drop(journal);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"system\":\"s")).unwrap();
        let (kept, mut journal) = Journal::open(&path, |one: &Judgement| one.failed.is_none()).unwrap();
        assert_eq!(kept, [line("a", None)]);
        journal.add(&line("c", None)).unwrap();
        let (kept, _) = Journal::open(&path, |_: &Judgement| true).unwrap();
        assert_eq!(kept, [line("a", None), line("c", None)]);
    }
}
