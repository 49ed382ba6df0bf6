//! Conversations with questions about them, their gold answers and where these were said.
//!
//! A file whose shape is wrong is an error; a single question or conversation that cannot be used is left out, and said,
//! so that a run over a large file goes on. What a conversation is made of is never repeated in a message.
//!
//! Rooms it touches: core (types), jsonl, locomo.

mod friendsqa;
mod jsonl;
mod locomo;
mod longmemeval;
mod msc;

use std::collections::BTreeMap;

use keepsake_core::types::{NewTurn, Timestamp};
use serde_json::Value;

use crate::json_fault;

/// A conversation and what is asked about it.
#[derive(Debug, Clone, Default)]
pub struct Dialogue {
    /// Its name in its file.
    pub name: String,
    /// The turns, in order. Each has a reference.
    pub turns: Vec<NewTurn>,
    /// The questions.
    pub questions: Vec<Asked>,
    /// The facts that a person wrote down from each turn, by turn; empty where nobody did.
    pub noted: Vec<Vec<String>>,
}

/// A question about a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name in its file.
    pub id: String,
    /// The words.
    pub text: String,
    /// Answers that are right; none where it asks for what was never said.
    pub gold: Vec<String>,
    /// What kind of question it is, as its data set names it.
    pub category: String,
    /// References of the turns that hold the answer; those that are not in the conversation are left out.
    pub evidence: Vec<String>,
    /// LongMemEval: the sessions that hold it.
    pub sessions: Vec<String>,
    /// When it is asked; `None`: after the last turn.
    pub at: Option<Timestamp>,
}

impl Asked {
    /// Whether its answer was said.
    pub fn is_answerable(&self) -> bool {
        !self.gold.is_empty()
    }
}

/// LoCoMo numbers its categories; the paper's names for them were found to be shifted, these are the true ones.
pub fn category_name(category: &str) -> String {
    match category {
        "1" => "1 (multi-hop)".to_owned(),
        "2" => "2 (temporal)".to_owned(),
        "3" => "3 (open-domain)".to_owned(),
        "4" => "4 (single-hop)".to_owned(),
        "5" => "5 (adversarial)".to_owned(),
        other => other.to_owned(),
    }
}

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Questions {
    /// The conversations.
    pub dialogues: Vec<Dialogue>,
    /// A sentence for each thing that was left out.
    pub left_out: Vec<String>,
}

/// Whose layout a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// LoCoMo (Maharana et al., 2024): evidence is of turns.
    Locomo,
    /// LongMemEval (Wu et al., 2025), oracle or with its haystack: a question, a conversation.
    Longmemeval,
    /// The persona summaries of Multi-Session Chat (Xu et al., 2022): notes, no questions.
    Msc,
    /// FriendsQA (Yang and Choi, 2019): answers are words of a turn.
    Friendsqa,
    /// JSON lines of turns and of questions; see [`Layout::JSONL`].
    Jsonl,
}

impl Layout {
    /// The lines of a file of one's own, documented.
    pub const JSONL: &'static str = "\
One conversation a file, a JSON object a line. A turn has `time` (2024-03-02T10:15), `speaker` and `text`, and may have
`session`, `id`, `image` (a caption) and `origin` (user, assistant, document). A question has `question` and `answer` (a
text, a list of texts that are all right, or null where it was never said), and may have `evidence` (a list of the turns'
ids), `category`, `id` and `time` (when it is asked).";

    /// Whose it is, by what stands in it; or what is wrong with it.
    pub fn of(text: &str) -> Result<Self, String> {
        const UNKNOWN: &str =
            "it has none of the layouts of LoCoMo, LongMemEval, Multi-Session Chat, FriendsQA or JSON lines";
        let fault = |error: serde_json::Error| format!("line {}: {}", error.line(), json_fault(&error));
        let has = |value: &Value, key: &str| value.get(key).is_some();
        let lined =
            |value: &Value| ["dialog", "speaker", "question", "time"].iter().any(|key| has(value, key));
        let whole = match serde_json::from_str::<Value>(text) {
            Ok(whole) if !lined(&whole) => whole,
            other => {
                let (number, first) = text
                    .lines()
                    .enumerate()
                    .find(|(_, line)| !line.trim().is_empty())
                    .ok_or_else(|| "it is empty".to_owned())?;
                return match serde_json::from_str::<Value>(first) {
                    Ok(line) if has(&line, "dialog") => Ok(Self::Msc),
                    Ok(line) if lined(&line) => Ok(Self::Jsonl),
                    Ok(_) => Err(UNKNOWN.to_owned()),
                    // Of a whole document the first line is no value: what is wrong is wrong further down.
                    Err(error) => Err(match other {
                        Err(whole) if whole.line() > number + 1 => fault(whole),
                        _ => format!("line {}: {}", number + 1, json_fault(&error)),
                    }),
                };
            }
        };
        let item = whole.as_array().and_then(|items| items.first()).unwrap_or(&whole);
        match item {
            item if has(item, "conversation") => Ok(Self::Locomo),
            item if has(item, "haystack_sessions") => Ok(Self::Longmemeval),
            item if item.pointer("/data/0/paragraphs/0").is_some_and(|part| has(part, "utterances:")) => {
                Ok(Self::Friendsqa)
            }
            _ => Err(UNKNOWN.to_owned()),
        }
    }
}

/// Evidence of LoCoMo's questions to go by instead of the file's own, by conversation and number of the question.
pub type Gold = BTreeMap<(String, usize), Vec<String>>;

/// Reads a file of such evidence: JSON lines of `conv`, `qa_index` and `gold`.
pub fn gold(text: &str) -> Result<Gold, String> {
    locomo::gold(text)
}

/// The conversations of a file. `source` names those that have no name.
pub fn read(text: &str, source: &str, layout: Layout, gold: Option<&Gold>) -> Result<Questions, String> {
    match layout {
        Layout::Locomo => locomo::read(&items(text)?, source, gold),
        Layout::Longmemeval => longmemeval::read(&items(text)?),
        Layout::Msc => msc::read(text, source),
        Layout::Friendsqa => friendsqa::read(text),
        Layout::Jsonl => jsonl::read(text, source),
    }
}

/// The items of a file: a list, or one alone.
fn items(text: &str) -> Result<Vec<Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(one @ Value::Object(_)) => Ok(vec![one]),
        Ok(_) => Err("it is neither a list nor an object".to_owned()),
        Err(error) => Err(json_fault(&error)),
    }
}

/// What was read; a file of which nothing could be read is a fault.
fn nothing_but_faults(found: Questions) -> Result<Questions, String> {
    match found.left_out.first() {
        Some(what) if found.dialogues.is_empty() => Err(what.clone()),
        None if found.dialogues.is_empty() => Err("it is empty".to_owned()),
        _ => Ok(found),
    }
}

/// An answer of a file as texts: numbers are written out, nothing and an empty text are no answer.
fn answers(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => vec![text.trim().to_owned()],
        Some(Value::Number(number)) => vec![number.to_string()],
        Some(Value::Array(all)) => all.iter().flat_map(|one| answers(Some(one))).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_by_what_stands_in_them() {
        for (text, layout) in [
            (r#"[{"conversation": {}}]"#, Layout::Locomo),
            (r#"{"conversation": {}}"#, Layout::Locomo),
            (r#"[{"haystack_sessions": []}]"#, Layout::Longmemeval),
            ("{\"dialog\": []}\n{\"dialog\": []}", Layout::Msc),
            (r#"{"dialog": []}"#, Layout::Msc),
            (r#"{"data": [{"paragraphs": [{"utterances:": []}]}]}"#, Layout::Friendsqa),
            ("\n{\"time\": \"\", \"speaker\": \"\"}\n{\"question\": \"\"}", Layout::Jsonl),
            (r#"{"time": "", "speaker": ""}"#, Layout::Jsonl),
        ] {
            assert_eq!(Layout::of(text), Ok(layout), "{text}");
        }
        for (text, fault) in [
            ("[1]", "none of the layouts"),
            (r#"{"data": [{"paragraphs": [{"context": ""}]}]}"#, "none of the layouts"),
            ("", "empty"),
            ("[\n {\"conversation\": {}},\n {\"conver", "line 3: EOF"),
            ("\n{\"time\": secret}\n{}", "line 2: "),
        ] {
            let found = Layout::of(text).unwrap_err();
            assert!(found.contains(fault) && !found.contains("secret"), "{text}: {found}");
        }
    }

    #[test]
    fn answers_are_texts() {
        let of = |json: &str| answers(Some(&serde_json::from_str(json).unwrap()));
        assert_eq!(of("2022"), ["2022"]);
        assert_eq!(of(r#"["a", 3]"#), ["a", "3"]);
        assert!(of("null").is_empty() && of(r#"" ""#).is_empty() && answers(None).is_empty());
    }
}
