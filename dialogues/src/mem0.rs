//! Reads what Mem0 gives out: a list of memories, alone or under `results` or `memories`.
//!
//! Unknown keys are passed over: Mem0's versions differ in them. Rooms it touches: core (types).

use keepsake_core::types::{InvalidInput, NewTurn, SpaceId, Timestamp};
use serde::Deserialize;

use crate::json_fault;

/// Why a document was not read. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum Mem0Error {
    #[error("it is neither an export of this program nor one of Mem0's: {0}")]
    NotMem0(String),
    #[error("memory {number}: {source}")]
    Memory { number: usize, source: InvalidInput },
    #[error("memory {number} has no `created_at` or `updated_at`: say with --time from when such ones are")]
    NoTime { number: usize },
    #[error("it has no memories")]
    Empty,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    List(Vec<Exported>),
    Results { results: Vec<Exported> },
    Memories { memories: Vec<Exported> },
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    memory: String,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

/// The memories as turns. Who a memory is about is its `user_id`, else `speaker`; its reference is `mem0/<id>`, so
/// that a document can be taken in twice. One without a time has `time`.
pub fn read(
    text: &str,
    speaker: &str,
    time: Option<Timestamp>,
    space: &SpaceId,
) -> Result<Vec<NewTurn>, Mem0Error> {
    let shape = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    let memories = match shape.map_err(|error| Mem0Error::NotMem0(json_fault(&error)))? {
        Shape::List(list) | Shape::Results { results: list } | Shape::Memories { memories: list } => list,
    };
    if memories.is_empty() {
        return Err(Mem0Error::Empty);
    }
    (1..)
        .zip(&memories)
        .map(|(number, memory)| {
            let found = memory.created_at.as_ref().or(memory.updated_at.as_ref()).map(|time| time.parse());
            let time = found.transpose().map_err(|source| Mem0Error::Memory { number, source })?.or(time);
            new_turn(memory, speaker, time.ok_or(Mem0Error::NoTime { number })?, space)
                .map_err(|source| Mem0Error::Memory { number, source })
        })
        .collect()
}

fn new_turn(
    memory: &Exported,
    speaker: &str,
    time: Timestamp,
    space: &SpaceId,
) -> Result<NewTurn, InvalidInput> {
    let turn = NewTurn::new(memory.user_id.as_deref().unwrap_or(speaker), &memory.memory, time)?
        .in_session(memory.run_id.as_deref().unwrap_or("mem0"))?
        .with_reference(&format!("mem0/{}", memory.id))?
        .checked()?;
    Ok(turn.in_space(space.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_one(value: &serde_json::Value) -> Result<Vec<NewTurn>, Mem0Error> {
        read(&value.to_string(), "me", None, &SpaceId::default())
    }

    #[test]
    fn every_shape_is_read() {
        let memory = json!({"id": "a-1", "memory": "Likes tea", "hash": "x", "metadata": null, "categories": ["food"],
            "user_id": "tom", "created_at": "2024-07-01T08:30:00.123456-07:00", "updated_at": null});
        let time = "2024-07-01T08:30:00.123456".parse().unwrap();
        let turn = NewTurn::new("tom", "Likes tea", time).unwrap().in_session("mem0").unwrap();
        let expected = [turn.with_reference("mem0/a-1").unwrap()];
        for shape in
            [json!([memory]), json!({"results": [memory]}), json!({"memories": [memory], "total": 1})]
        {
            assert_eq!(read_one(&shape).unwrap(), expected, "{shape}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_the_words() {
        let good = json!({"id": "a", "memory": "x", "created_at": "2024-07-01"});
        for (bad, says) in [
            (json!({"id": "b", "memory": "a secret"}), "memory 2 has no `created_at`"),
            (json!({"id": "b", "memory": " ", "created_at": "2024-07-01"}), "memory 2: the turn is empty"),
            (json!({"id": "b", "created_at": "2024-07-01"}), "neither"),
        ] {
            let error = read_one(&json!([good, bad])).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        assert!(matches!(read_one(&json!([])), Err(Mem0Error::Empty)));
    }

    #[test]
    fn one_without_a_time_has_the_given_one() {
        let given: Timestamp = "2020-01-02".parse().unwrap();
        let dated_at = |time: &str| json!({"id": "a", "memory": "x", "updated_at": time});
        for (memory, is_from) in
            [(dated_at("2024-07-01"), "2024-07-01"), (json!({"id": "a", "memory": "x"}), "2020-01-02")]
        {
            let turns = read(&json!([memory]).to_string(), "me", Some(given), &SpaceId::default()).unwrap();
            let expected = read_one(&json!([dated_at(is_from)])).unwrap();
            assert_eq!(turns, expected);
        }
    }
}
