//! LoCoMo's questions, with the defects of their evidence lists mended.
//!
//! Rooms it touches: core (types), locomo, questions.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use keepsake_core::types::{NewTurn, SpaceId};
use serde::Deserialize;
use serde_json::Value;

use super::{Asked, Dialogue, Gold, Questions, answers, nothing_but_faults};
use crate::{json_fault, locomo};

/// The categories; their names are [`super::category_name`]'s.
const CATEGORIES: RangeInclusive<u32> = 1..=5;
/// The category whose questions ask for what was never said.
const ADVERSARIAL: u32 = 5;

#[derive(Deserialize)]
struct Sample {
    #[serde(default)]
    sample_id: Option<String>,
    #[serde(default)]
    qa: Vec<Value>,
}

#[derive(Deserialize)]
struct Question {
    #[serde(rename = "question")]
    text: String,
    category: u32,
    #[serde(default)]
    answer: Option<Value>,
    #[serde(default)]
    evidence: Vec<String>,
}

#[derive(Deserialize)]
struct GoldLine {
    conv: String,
    qa_index: usize,
    gold: Vec<String>,
}

pub(super) fn gold(text: &str) -> Result<Gold, String> {
    let line = |(number, line): (usize, &str)| {
        let read: Result<GoldLine, _> = serde_json::from_str(line);
        read.map(|line| ((line.conv, line.qa_index), line.gold))
            .map_err(|error| format!("line {}: {}", number + 1, json_fault(&error)))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

pub(super) fn read(items: &[Value], source: &str, gold: Option<&Gold>) -> Result<Questions, String> {
    let mut found = Questions::default();
    for (number, item) in items.iter().enumerate() {
        let place = format!("{source}-{}", number + 1);
        let (name, turns, qa) = match conversation(item, &place, source) {
            Ok(read) => read,
            Err(what) => {
                found.left_out.push(format!("conversation {}: {what}", number + 1));
                continue;
            }
        };
        if gold.is_some_and(|gold| !gold.keys().any(|(conversation, _)| *conversation == name)) {
            found.left_out.push(format!("there is no separate evidence for {name}: the file's own counts"));
        }
        let mut dialogue = Dialogue { name, turns, ..Dialogue::default() };
        let said: HashSet<&str> = dialogue.turns.iter().filter_map(NewTurn::reference).collect();
        for (number, question) in qa.iter().enumerate() {
            let id = format!("{}/{number}", dialogue.name);
            match asked(question, &id, &dialogue.name, number, gold, &said) {
                Ok(asked) => dialogue.questions.push(asked),
                Err(what) => found.left_out.push(format!("question {id}: {what}")),
            }
        }
        found.dialogues.push(dialogue);
    }
    nothing_but_faults(found)
}

/// A conversation's name, turns and questions.
fn conversation(
    item: &Value,
    place: &str,
    source: &str,
) -> Result<(String, Vec<NewTurn>, Vec<Value>), String> {
    let Value::Object(alone) = item else { return Err("it is no object".to_owned()) };
    let sample = Sample::deserialize(item).map_err(|error| json_fault(&error))?;
    // A conversation without a name is named by its place, which it does not know alone.
    let name = sample.sample_id.unwrap_or_else(|| place.to_owned());
    let mut alone = alone.clone();
    alone.insert("sample_id".to_owned(), Value::String(name.clone()));
    let turns = locomo::read(&Value::Object(alone).to_string(), source, &SpaceId::default());
    Ok((name, turns.map_err(|error| error.to_string())?, sample.qa))
}

fn asked(
    question: &Value,
    id: &str,
    name: &str,
    number: usize,
    gold: Option<&Gold>,
    said: &HashSet<&str>,
) -> Result<Asked, String> {
    let question = Question::deserialize(question).map_err(|error| json_fault(&error))?;
    if !CATEGORIES.contains(&question.category) {
        return Err(format!("there is no category {}", question.category));
    }
    let answerable = question.category != ADVERSARIAL;
    let answer = if answerable { answers(question.answer.as_ref()) } else { Vec::new() };
    if answerable && answer.is_empty() {
        return Err("it has no answer".to_owned());
    }
    let ids = match gold.and_then(|gold| gold.get(&(name.to_owned(), number))) {
        Some(ids) => ids.clone(),
        None => mended(&question.evidence),
    };
    let mut evidence: Vec<String> = ids.iter().map(|id| format!("{name}/{id}")).collect();
    evidence.retain(|one| said.contains(one.as_str()));
    Ok(Asked {
        id: id.to_owned(),
        text: question.text,
        gold: answer,
        category: question.category.to_string(),
        evidence,
        sessions: Vec::new(),
        at: None,
    })
}

/// The ids in an evidence list: several in one text are parted, `D:11:26` is read as `D11:26`, leading zeros go, and each
/// counts once.
fn mended(evidence: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for part in
        evidence.iter().flat_map(|text| text.split(|c: char| c == ';' || c == ',' || c.is_whitespace()))
    {
        let numbers: Vec<u32> =
            part.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        if let ([session, turn], true) = (numbers.as_slice(), part.starts_with('D')) {
            let id = format!("D{session}:{turn}");
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn evidence_lists_are_mended() {
        let list = |texts: &[&str]| mended(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&["D8:6; D9:17"]), ["D8:6", "D9:17"]);
        assert_eq!(list(&["D9:1 D4:4 D4:6"]), ["D9:1", "D4:4", "D4:6"]);
        assert_eq!(list(&["D:11:26", "D30:05", "D11:26"]), ["D11:26", "D30:5"]);
        assert!(list(&["D", "", "n/a", "D10"]).is_empty());
    }

    #[test]
    fn questions_are_read_and_those_that_cannot_be_used_are_said() {
        let turn = json!({"speaker": "Maria", "dia_id": "D1:1", "text": "I moved in 2022."});
        let qa = json!([
            {"question": "When did Maria move?", "answer": 2022, "category": 2, "evidence": ["D1:1", "D9:9"]},
            {"question": "Who is Bob?", "category": 5, "adversarial_answer": "a dog", "evidence": ["D1:1"]},
            {"question": "a secret", "category": 4, "evidence": []},
            {"question": "a secret", "answer": "x", "category": 7},
            {"question": 3, "category": 1},
        ]);
        let item = json!({
            "qa": qa,
            "conversation": {"session_1": [turn], "session_1_date_time": "1:56 pm on 8 May, 2023"},
        });
        let found = read(&[item], "f", None).unwrap();
        let questions = &found.dialogues[0].questions;
        assert_eq!(questions.len(), 2);
        assert_eq!(questions[0].gold, ["2022"]);
        assert_eq!((questions[0].category.as_str(), questions[0].evidence.len()), ("2", 1));
        assert_eq!(questions[0].evidence[0], *found.dialogues[0].turns[0].reference().unwrap());
        assert!(!questions[1].is_answerable());
        assert_eq!(
            found.left_out[..2],
            ["question f-1/2: it has no answer", "question f-1/3: there is no category 7"]
        );
        assert!(!found.left_out.concat().contains("secret") && found.left_out.len() == 3);
        let other = read(&[json!([]), json!({"conversation": 3}), json!({"conversation": {}})], "f", None);
        assert_eq!(other.unwrap().left_out[0], "conversation 1: it is no object");
        assert!(read(&[json!([])], "f", None).unwrap_err().contains("no object"));
    }

    #[test]
    fn separate_evidence_goes_before_the_files_own() {
        let gold = gold("{\"conv\": \"c\", \"qa_index\": 0, \"gold\": [\"D1:2\"]}\n").unwrap();
        assert_eq!(gold[&("c".to_owned(), 0)], ["D1:2"]);
        assert!(super::gold("\n{}").unwrap_err().starts_with("line 2: missing field"));
    }
}
