//! Readers of other people's files: each takes a text and gives turns, or questions with their gold, or one sentence that
//! says where it fails. And `recall`: how much of the questions' evidence was found.
//!
//! They open no files and print nothing, so that they can be fuzzed. Rooms it touches: core (types).

#![allow(missing_docs)] // errors say what they are in their own texts

pub mod chat;
pub mod chat_json;
pub mod jsonl;
pub mod locomo;
pub mod mem0;
pub mod questions;
pub mod recall;

/// Whether the day or the month comes first in dates like 02/03/2024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    Dmy,
    Mdy,
}

/// What is wrong with a JSON text, without its content: serde quotes values, and a value may be what somebody
/// said. Names of keys stay, since a misspelt one is the usual fault.
pub fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let about_a_key =
        ["unknown field", "missing field", "duplicate field"].iter().any(|start| what.starts_with(start));
    if !error.is_data() || about_a_key {
        return what.to_owned();
    }
    let expected = what.rfind(", expected ").map_or("", |at| &what[at..]);
    format!("a value does not fit{expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_fault_quotes_no_content() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shape {
            #[allow(dead_code, reason = "only its name and type matter")]
            text: Option<keepsake_core::types::Origin>,
        }
        let fault = |json: &str| json_fault(&serde_json::from_str::<Shape>(json).unwrap_err());
        for json in [
            r#"{"text": "a, expected secret at line 3"}"#,
            r#"{"text": ["a secret at line 3"]}"#,
            r#""a secret""#,
        ] {
            assert!(!fault(json).contains("secret"), "{}", fault(json));
        }
        assert_eq!(fault(r#"{"txet": 1}"#), "unknown field `txet`, expected `text`");
        assert_eq!(fault("{"), "EOF while parsing an object");
    }
}
