//! Runs the real binary in folders of its own, and makes the files it reads.
//!
//! Rooms it touches: none; the tests of this folder touch it.
#![allow(dead_code, reason = "every test file uses another part")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A home folder with nothing in it, and a bank inside.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bank(&self) -> PathBuf {
        self.path("bank")
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The binary, without anything of the environment it could lean on. Its model folder is empty.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepsake"));
        command.args(args).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("KEEPSAKE_HOME", self.path("models"));
        command.env("KEEPSAKE_BANK", self.bank());
        command
    }

    /// The same with the models of this machine. Tests share its processors: waiting threads must not spin.
    pub(crate) fn command_with_models(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env_remove("KEEPSAKE_HOME").env("OMP_WAIT_POLICY", "passive");
        for name in ["HOME", "KEEPSAKE_HOME", "XDG_CACHE_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    pub(crate) fn run_with_models(&self, args: &[&str]) -> Ran {
        let ran = Ran::from(self.command_with_models(args).output().unwrap());
        assert_ne!(ran.code, 3, "the default models are needed: run `make setup` first\n{}", ran.notes);
        ran
    }

    /// The document of a command that must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.notes);
        serde_json::from_str(&ran.data).unwrap()
    }

    pub(crate) fn json_with_models(&self, args: &[&str]) -> Value {
        let ran = self.run_with_models(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.notes);
        serde_json::from_str(&ran.data).unwrap()
    }

    /// All turns, oldest first.
    pub(crate) fn turns(&self) -> Vec<Value> {
        self.json(&["list", "--turns"])["turns"].as_array().unwrap().clone()
    }
}

/// Held by a test that runs a model: two at once take more than twice as long.
pub(crate) fn one_model_at_a_time() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit code; -1 where a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) data: String,
    /// Standard error.
    pub(crate) notes: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            notes: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// It failed with this code, and one sentence that contains all of these.
    pub(crate) fn failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let message: Vec<&str> = self.notes.lines().filter(|line| line.starts_with("keepsake: ")).collect();
        assert_eq!(message.len(), 1, "one sentence: {self:?}");
        for part in says {
            assert!(message[0].contains(part), "{part:?} in {self:?}");
        }
        assert!(!self.notes.contains("panicked"), "{self:?}");
    }
}

/// A LoCoMo file: `sessions` sessions of `turns` turns, and the traps of the real ones.
pub(crate) fn locomo(sessions: usize, turns: usize) -> String {
    let mut conversation = serde_json::Map::new();
    conversation.insert("speaker_a".into(), "Maria".into());
    for session in 1..=sessions {
        let said: Vec<Value> = (1..=turns)
            .map(|turn| {
                let speaker = if turn % 2 == 0 { "Tom" } else { "Maria" };
                let text = format!("My cat number {session}{turn} is called Mittens{turn}.");
                serde_json::json!({"speaker": speaker, "dia_id": format!("D{session}:{turn}"), "text": text,
                    "img_url": ["https://example.org/x.jpg"], "blip_caption": "a cat"})
            })
            .collect();
        conversation.insert(format!("session_{session}"), said.into());
        conversation
            .insert(format!("session_{session}_date_time"), format!("1:5{session} pm on 8 May, 2023").into());
    }
    conversation.insert("session_30_date_time".into(), "1:56 pm on 9 May, 2023".into());
    let qa = serde_json::json!([{"question": "When?", "answer": 2022, "category": 2}]);
    serde_json::json!([{"sample_id": "made-1", "conversation": conversation, "qa": qa}]).to_string()
}

/// A line of JSONL.
pub(crate) fn line(id: &str, speaker: &str, text: &str) -> String {
    serde_json::json!({"time": "2024-03-02T10:15", "id": id, "speaker": speaker, "text": text}).to_string()
}

/// The keys of a document as paths: `used[].id`.
pub(crate) fn paths(value: &Value) -> std::collections::BTreeSet<String> {
    fn walk(value: &Value, at: &str, found: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    found.insert(path.clone());
                    walk(value, &path, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, &format!("{at}[]"), found)),
            _ => {}
        }
    }
    let mut found = std::collections::BTreeSet::new();
    walk(value, "", &mut found);
    found
}
