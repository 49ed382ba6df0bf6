//! Multi-Session Chat's persona summaries: turns, and the facts that a person wrote down from each.
//!
//! The files name no speakers, dates or questions. The two speakers are given names and the turns a day, so that
//! they can be handed to the pipeline; nothing else is added. Dialogues of several session files that go on with each other
//! are read one by one.
//!
//! Rooms it touches: core (types), questions.

use keepsake_core::types::{InvalidInput, NewTurn, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Dialogue, Questions, nothing_but_faults};
use crate::json_fault;

/// Names that say nothing about a person, for the two speakers.
const NAMES: [&str; 2] = ["Alex", "Sam"];
/// 2 January 2023, 12:00.
const FIRST: i64 = 1_672_660_800;
/// Seconds between two turns.
const PAUSE: i64 = 30;

#[derive(Deserialize)]
struct Line {
    dialog: Vec<Message>,
    #[serde(default)]
    initial_data_id: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    text: String,
    id: String,
    /// The facts, one list; absent where there is nothing to keep.
    #[serde(default)]
    problem_data: Option<Value>,
    #[serde(default)]
    persona_text: Option<String>,
}

pub(super) fn read(text: &str, source: &str) -> Result<Questions, String> {
    let mut found = Questions::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = number + 1;
        let read = serde_json::from_str::<Line>(line).map_err(|error| json_fault(&error));
        let name = |line: &Line| line.initial_data_id.clone().unwrap_or_else(|| format!("{source}/{number}"));
        match read.and_then(|line| dialogue(&name(&line), &line).map_err(|error| error.to_string())) {
            Ok(dialogue) => found.dialogues.push(dialogue),
            Err(what) => found.left_out.push(format!("line {number}: {what}")),
        }
    }
    nothing_but_faults(found)
}

fn dialogue(name: &str, line: &Line) -> Result<Dialogue, InvalidInput> {
    let mut dialogue = Dialogue { name: name.to_owned(), ..Dialogue::default() };
    let first = line.dialog.first().map(|message| message.id.as_str());
    for (at, message) in line.dialog.iter().enumerate().filter(|(_, message)| !message.text.trim().is_empty())
    {
        let speaker = NAMES[usize::from(Some(message.id.as_str()) != first)];
        let time = Timestamp::from_seconds(FIRST + PAUSE * at as i64);
        let turn = NewTurn::new(speaker, &message.text, time)?.in_session(name)?;
        dialogue.turns.push(turn.with_reference(&format!("{name}/{at}"))?);
        dialogue.noted.push(notes(message));
    }
    Ok(dialogue)
}

/// The facts of a turn, each a sentence.
fn notes(message: &Message) -> Vec<String> {
    let listed = message.problem_data.as_ref().and_then(|data| data.get("persona")?.as_str());
    let Some(text) = message.persona_text.as_deref().or(listed) else { return Vec::new() };
    let sentences = text.split_inclusive(['.', '!', '?']).map(str::trim).filter(|one| one.len() > 1);
    sentences.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_stand_beside_their_turns() {
        let text = r#"{"initial_data_id":"valid_0","dialog":[{"text":"I have two dogs. You?","id":"bot_0","persona_text":"I have two dogs. I like dogs."},{"text":"None.","id":"bot_1"}]}
{"dialog": 3}"#;
        let found = read(text, "f").unwrap();
        let dialogue = &found.dialogues[0];
        let speakers: Vec<&str> = dialogue.turns.iter().map(NewTurn::speaker).collect();
        assert_eq!((dialogue.name.as_str(), &speakers[..]), ("valid_0", &["Alex", "Sam"][..]));
        assert_eq!(dialogue.noted, [vec!["I have two dogs.".to_owned(), "I like dogs.".into()], vec![]]);
        assert_eq!(found.left_out, ["line 2: a value does not fit, expected a sequence"]);
        assert!(read("{}", "f").is_err());
    }
}
