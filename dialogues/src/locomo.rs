//! Reads conversations of the LoCoMo data set (Maharana et al., 2024): the turns, nothing else.
//!
//! Traps of the real files that are handled: dates for sessions that have no turns, images that are there
//! only as captions, and questions of every JSON type, which are not looked at. A turn has the time of its
//! session; its reference is `sample/dia_id`, so that a file can be read in twice without doubling. A conversation
//! without a `sample_id` is named after the file.
//!
//! Rooms it touches: core (types).

use std::collections::HashSet;

use jiff::civil::DateTime;
use keepsake_core::types::{InvalidInput, NewTurn, SpaceId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::json_fault;

/// Why a file was not read. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum LocomoError {
    #[error("it is not a LoCoMo file: {0}")]
    NotLocomo(String),
    #[error("conversation {sample}: `{key}` is not as LoCoMo has it: {what}")]
    Session { sample: String, key: String, what: String },
    #[error(
        "conversation {sample}: `{key}_date_time` is missing or not a time like \"1:56 pm on 8 May, 2023\""
    )]
    Date { sample: String, key: String },
    #[error("conversation {sample}, turn {dia_id}: {source}")]
    Turn { sample: String, dia_id: String, source: InvalidInput },
    #[error(
        "conversation {sample} has two turns {dia_id}: give each its own `dia_id`, and each conversation its own `sample_id`"
    )]
    Twice { sample: String, dia_id: String },
}

#[derive(Deserialize)]
struct Sample {
    #[serde(default)]
    sample_id: Option<String>,
    /// `session_3`, `session_3_date_time`, and the speakers' names.
    conversation: Map<String, Value>,
}

#[derive(Deserialize)]
struct LocomoTurn {
    speaker: String,
    dia_id: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    blip_caption: Option<String>,
}

/// The turns of all conversations in a file, a list of them or one alone, in order.
pub fn read(text: &str, source: &str, space: &SpaceId) -> Result<Vec<NewTurn>, LocomoError> {
    let not_locomo = |error: serde_json::Error| LocomoError::NotLocomo(json_fault(&error));
    let samples: Vec<Sample> = match serde_json::from_str(text).map_err(not_locomo)? {
        one @ Value::Object(_) => serde_json::from_value(one).map(|one| vec![one]),
        many => serde_json::from_value(many),
    }
    .map_err(not_locomo)?;
    let (mut turns, mut ids) = (Vec::new(), HashSet::new());
    for (number, sample) in samples.iter().enumerate() {
        let name = sample.sample_id.clone().unwrap_or_else(|| format!("{source}-{}", number + 1));
        for session in sessions(&sample.conversation) {
            turns.extend(read_session(&name, &sample.conversation, session, space, &mut ids)?);
        }
    }
    Ok(turns)
}

/// The sessions, by number, with what stands under their keys (which need not be the number as we would write it).
fn sessions(conversation: &Map<String, Value>) -> Vec<(u32, &String, &Value)> {
    let numbered = conversation.iter().filter_map(|(key, turns)| {
        let number = key.strip_prefix("session_")?.parse().ok()?;
        Some((number, key, turns))
    });
    let mut sessions: Vec<(u32, &String, &Value)> = numbered.collect();
    sessions.sort_unstable_by_key(|(number, key, _)| (*number, *key));
    sessions
}

fn read_session(
    sample: &str,
    conversation: &Map<String, Value>,
    (number, key, turns): (u32, &String, &Value),
    space: &SpaceId,
    ids: &mut HashSet<(String, String)>,
) -> Result<Vec<NewTurn>, LocomoError> {
    let turns: Vec<LocomoTurn> = Vec::deserialize(turns).map_err(|error| LocomoError::Session {
        sample: sample.to_owned(),
        key: key.clone(),
        what: json_fault(&error),
    })?;
    if turns.is_empty() {
        return Ok(Vec::new());
    }
    let time = conversation
        .get(&format!("{key}_date_time"))
        .and_then(Value::as_str)
        .and_then(session_time)
        .ok_or_else(|| LocomoError::Date { sample: sample.to_owned(), key: key.clone() })?;
    let session = format!("{sample}/{number}");
    // A turn without words or a caption says nothing.
    let says = |turn: &LocomoTurn| {
        [Some(&turn.text), turn.blip_caption.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| !text.trim().is_empty())
    };
    turns
        .into_iter()
        .filter(says)
        .map(|turn| {
            if !ids.insert((sample.to_owned(), turn.dia_id.clone())) {
                return Err(LocomoError::Twice { sample: sample.to_owned(), dia_id: turn.dia_id });
            }
            new_turn(sample, &session, &turn, time, space).map_err(|source| LocomoError::Turn {
                sample: sample.to_owned(),
                dia_id: turn.dia_id,
                source,
            })
        })
        .collect()
}

/// Reads `1:56 pm on 8 May, 2023`.
fn session_time(text: &str) -> Option<Timestamp> {
    DateTime::strptime("%I:%M %p on %d %B, %Y", text.trim()).ok().map(Timestamp::from)
}

fn new_turn(
    sample: &str,
    session: &str,
    turn: &LocomoTurn,
    time: Timestamp,
    space: &SpaceId,
) -> Result<NewTurn, InvalidInput> {
    let mut new = NewTurn::new(&turn.speaker, &turn.text, time)?
        .in_space(space.clone())
        .in_session(session)?
        .with_reference(&format!("{sample}/{}", turn.dia_id))?;
    if let Some(caption) = &turn.blip_caption {
        new = new.with_image(caption)?;
    }
    new.checked()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(id: &str, text: &str) -> Value {
        json!({"speaker": "Ana", "dia_id": id, "text": text})
    }

    #[test]
    fn turns_come_in_the_order_of_session_numbers_and_what_is_empty_is_passed_over() {
        let file = json!([{
            "sample_id": "s",
            "qa": [{"question": "?", "answer": 2022}],
            "conversation": {
                "speaker_a": "Ana",
                "session_10": [turn("D10:1", "ten"), turn("D10:2", " ")],
                "session_10_date_time": "12:00 am on 1 January, 2024",
                "session_2": [turn("D2:1", "two"), {"speaker": "Ana", "dia_id": "D2:2", "blip_caption": "a cat"}],
                "session_2_date_time": "1:56 pm on 8 May, 2023",
                "session_3": [],
                "session_35_date_time": "1:56 pm on 8 May, 2023",
            },
        }]);
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let new = |session: &str, id: &str, text, time| {
            let new = NewTurn::new("Ana", text, at(time)).unwrap();
            new.in_session(session).unwrap().with_reference(id).unwrap()
        };
        let turns = read(&file.to_string(), "f", &SpaceId::default()).unwrap();
        let caption = new("s/2", "s/D2:2", "", "2023-05-08T13:56").with_image("a cat").unwrap();
        let expected = vec![
            new("s/2", "s/D2:1", "two", "2023-05-08T13:56"),
            caption,
            new("s/10", "s/D10:1", "ten", "2024-01-01"),
        ];
        assert_eq!(turns, expected);
        assert_eq!(read(&file[0].to_string(), "f", &SpaceId::default()).unwrap(), expected);
    }

    /// Found by fuzzing.
    #[test]
    fn a_session_whose_number_is_written_otherwise_is_read() {
        let date = "1:00 pm on 1 May, 2023";
        let file =
            json!({"conversation": {"session_007": [turn("D7:1", "x")], "session_007_date_time": date}});
        let turns = read(&file.to_string(), "f", &SpaceId::default()).unwrap();
        let expected = NewTurn::new("Ana", "x", "2023-05-01T13:00".parse().unwrap()).unwrap();
        let expected = expected.in_session("f-1/7").unwrap().with_reference("f-1/D7:1").unwrap();
        assert_eq!(turns, [expected]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says = |file: Value| read(&file.to_string(), "f", &SpaceId::default()).unwrap_err().to_string();
        assert!(says(json!({"a": 1})).contains("conversation"));
        assert!(
            says(json!({"conversation": {"session_1": [turn("D1:1", "x")]}})).contains("session_1_date_time")
        );
        let date = "1:00 pm on 1 May, 2023";
        let dated = |turns: Value| json!({"conversation": {"session_1": turns, "session_1_date_time": date}});
        assert!(says(dated(json!([{"speaker": "Ana", "text": "x"}]))).contains("dia_id"));
        let nobody = json!([{"speaker": " ", "dia_id": "D1:9", "text": "x"}]);
        assert!(says(dated(nobody)).contains("D1:9"));
        assert!(
            says(dated(json!([turn("D1:1", "x"), turn("D1:1", "y")]))).contains("f-1 has two turns D1:1")
        );
    }
}
