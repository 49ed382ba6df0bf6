//! LongMemEval's questions, each with a conversation of its own.
//!
//! A turn's reference is `place/session/round/number`; a round is what a user says and what the assistant replies.
//! Questions whose names end in `_abs` ask for what was never said.
//!
//! Rooms it touches: core (types), questions.

use jiff::civil::DateTime;
use keepsake_core::types::{InvalidInput, NewTurn, Origin, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Asked, Dialogue, Questions, answers, nothing_but_faults};
use crate::json_fault;

#[derive(Deserialize)]
struct Item {
    question_id: String,
    question_type: String,
    question: String,
    #[serde(default)]
    answer: Option<Value>,
    question_date: String,
    haystack_dates: Vec<String>,
    haystack_session_ids: Vec<String>,
    haystack_sessions: Vec<Vec<Message>>,
    answer_session_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
    #[serde(default)]
    has_answer: bool,
}

pub(super) fn read(items: &[Value]) -> Result<Questions, String> {
    let mut found = Questions::default();
    for (number, item) in items.iter().enumerate() {
        let read = Item::deserialize(item).map_err(|error| json_fault(&error));
        let name = read.as_ref().map_or_else(|_| (number + 1).to_string(), |item| item.question_id.clone());
        match read.and_then(dialogue) {
            Ok(dialogue) => found.dialogues.push(dialogue),
            Err(what) => found.left_out.push(format!("question {name}: {what}")),
        }
    }
    nothing_but_faults(found)
}

fn dialogue(item: Item) -> Result<Dialogue, String> {
    let sessions = item.haystack_sessions.len();
    if item.haystack_dates.len() != sessions || item.haystack_session_ids.len() != sessions {
        return Err("it has not as many dates and ids as sessions".to_owned());
    }
    let asked = time(&item.question_date).ok_or("its date is not like 2023/04/10 (Mon) 17:50")?;
    let gold = if item.question_id.ends_with("_abs") { Vec::new() } else { answers(item.answer.as_ref()) };
    if gold.is_empty() && !item.question_id.ends_with("_abs") {
        return Err("it has no answer".to_owned());
    }
    let (mut turns, mut evidence) = (Vec::new(), Vec::new());
    let haystack = item.haystack_sessions.iter().zip(&item.haystack_dates).zip(&item.haystack_session_ids);
    // Some histories have a session twice, with other dates: their places tell them apart.
    for (place, ((messages, date), id)) in haystack.enumerate() {
        let at = time(date).ok_or("a session's date is not like 2023/04/10 (Mon) 17:50")?;
        let mut round = 0;
        for (number, message) in messages.iter().enumerate() {
            round += usize::from(message.role == "user");
            if message.content.trim().is_empty() {
                continue;
            }
            let reference = format!("{place}/{id}/{round}/{number}");
            let turn = turn(message, &format!("{place}/{id}"), &reference, at);
            turns.push(turn.map_err(|error| error.to_string())?);
            if message.has_answer {
                evidence.push(reference);
            }
        }
    }
    let mut gold_sessions = item.answer_session_ids;
    gold_sessions.retain(|id| item.haystack_session_ids.contains(id));
    let asked = Asked {
        id: item.question_id.clone(),
        text: item.question,
        gold,
        category: item.question_type,
        evidence,
        sessions: gold_sessions,
        at: Some(asked),
    };
    Ok(Dialogue { name: item.question_id, turns, questions: vec![asked], noted: Vec::new() })
}

fn turn(message: &Message, session: &str, reference: &str, at: Timestamp) -> Result<NewTurn, InvalidInput> {
    let origin = if message.role == "user" { Origin::User } else { Origin::Assistant };
    let turn = NewTurn::new(&message.role, &message.content, at)?.in_session(session)?;
    turn.from_origin(origin).with_reference(reference)
}

/// Reads `2023/04/10 (Mon) 17:50`.
fn time(text: &str) -> Option<Timestamp> {
    DateTime::strptime("%Y/%m/%d (%a) %H:%M", text.trim()).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_are_read() {
        assert_eq!(time("2023/04/10 (Mon) 17:50").unwrap().to_string(), "2023-04-10T17:50:00");
        assert_eq!(time("10 April"), None);
    }

    #[test]
    fn a_question_has_a_conversation_and_its_evidence() {
        let item = |id: &str, dates: &[&str]| {
            json!({
                "question_id": id, "question_type": "single", "question": "Where?", "answer": "Leeds",
                "question_date": "2023/04/11 (Tue) 09:00", "haystack_dates": dates,
                "haystack_session_ids": ["s"], "answer_session_ids": ["s", "not here"],
                "haystack_sessions": [[
                    {"role": "user", "content": "I moved to Leeds.", "has_answer": true},
                    {"role": "assistant", "content": "Nice."}, {"role": "user", "content": " "},
                ]],
            })
        };
        let date = ["2023/04/10 (Mon) 17:50"];
        let found = read(&[item("a", &date), item("b_abs", &date), item("c", &[]), json!({})]).unwrap();
        let [one, absent] = &found.dialogues[..] else { panic!("{found:?}") };
        assert_eq!(one.turns.len(), 2);
        let asked = &one.questions[0];
        assert_eq!(
            (&asked.gold[..], &asked.evidence[..]),
            (&["Leeds".to_owned()][..], &["0/s/1/0".to_owned()][..])
        );
        assert_eq!(asked.sessions, ["s"]);
        assert!(!absent.questions[0].is_answerable());
        assert_eq!(found.left_out[0], "question c: it has not as many dates and ids as sessions");
        assert_eq!(found.left_out[1], "question 4: missing field `question_id`");
    }
}
