//! A conversation of one's own with questions, as JSON lines; the keys are documented at `Layout::JSONL`.
//!
//! Rooms it touches: core (types), jsonl, questions.

use keepsake_core::types::{NewTurn, SpaceId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;

use super::{Asked, Dialogue, Questions, answers};
use crate::{json_fault, jsonl};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    question: String,
    answer: Option<Value>,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    time: Option<String>,
}

pub(super) fn read(text: &str, source: &str) -> Result<Questions, String> {
    let is_question =
        |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|line| line.get("question").is_some());
    // Lines keep their numbers.
    let turns: Vec<&str> = text.lines().map(|line| if is_question(line) { "" } else { line }).collect();
    let turns =
        jsonl::read(&turns.join("\n"), source, &SpaceId::default()).map_err(|error| error.to_string())?;
    let mut found = Questions::default();
    let mut dialogue = Dialogue { name: source.to_owned(), turns, ..Dialogue::default() };
    let said: HashSet<&str> = dialogue.turns.iter().filter_map(NewTurn::reference).collect();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| is_question(line)) {
        match asked(line, number + 1, source, &said) {
            Ok(asked) => dialogue.questions.push(asked),
            Err(what) => found.left_out.push(format!("line {}: {what}", number + 1)),
        }
    }
    found.dialogues.push(dialogue);
    Ok(found)
}

fn asked(line: &str, number: usize, source: &str, said: &HashSet<&str>) -> Result<Asked, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| json_fault(&error))?;
    let gold = answers(line.answer.as_ref());
    // Null is an answer: it was never said. An empty text is a slip.
    if gold.is_empty() && line.answer.is_some_and(|answer| !answer.is_null()) {
        return Err("it has no answer: give one, or null where it was never said".to_owned());
    }
    let at: Option<Timestamp> =
        line.time.map(|time| time.parse().map_err(|error| format!("{error}"))).transpose()?;
    let evidence: Vec<String> = line.evidence.iter().map(|id| format!("{source}/{id}")).collect();
    if let Some(missing) = evidence.iter().find(|one| !said.contains(one.as_str())) {
        let id = missing.strip_prefix(source).unwrap_or(missing).trim_start_matches('/');
        return Err(format!("there is no turn with the id {id}"));
    }
    Ok(Asked {
        id: line.id.unwrap_or_else(|| format!("{source}/{number}")),
        text: line.question,
        gold,
        category: line.category.unwrap_or_else(|| "all".to_owned()),
        evidence,
        sessions: Vec::new(),
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_and_questions_stand_in_one_file() {
        let text = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"I moved to Leeds.","id":"a"}
{"question":"Where does Maria live?","answer":["Leeds","in Leeds"],"evidence":["a"],"category":"home","time":"2024-04-01"}
{"question":"Who is Bob?","answer":null}
{"question":"What?","answer":""}
{"question":"What?","answer":"x","evidence":["b"]}
{"question":"What?","anwser":"x"}"#;
        let found = read(text, "f").unwrap();
        let dialogue = &found.dialogues[0];
        assert_eq!((dialogue.turns.len(), dialogue.questions.len()), (1, 2));
        assert_eq!(dialogue.questions[0].gold, ["Leeds", "in Leeds"]);
        assert_eq!(dialogue.questions[0].evidence, ["f/a"]);
        assert!(dialogue.questions[0].at.is_some() && !dialogue.questions[1].is_answerable());
        assert_eq!(dialogue.questions[1].id, "f/3");
        assert_eq!(found.left_out.len(), 3);
        assert_eq!(found.left_out[1], "line 5: there is no turn with the id b");
        assert!(found.left_out[2].starts_with("line 6: unknown field `anwser`"), "{:?}", found.left_out);
        assert_eq!(read("\n{\"time\": 3}", "f").unwrap_err().split(':').next(), Some("line 2"));
    }
}
