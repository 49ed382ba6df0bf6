//! LongMemEval's questions, each with a haystack of its own: by session, and by round of user and assistant.
//!
//! Questions that cannot be answered (`_abs`) are left out, as the benchmark's own evaluation of retrieval does.
//!
//! Rooms it touches: exit, readers, bench.

use std::path::Path;

use jiff::civil::DateTime;
use keepsake_core::types::{InvalidInput, NewTurn, Origin, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Failure, Judged, LeftOut, Ranked, Searching, fault, references};
use crate::readers::json_fault;

#[derive(Deserialize)]
struct Item {
    question_id: String,
    question_type: String,
    question: String,
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

/// The question of an item, and where its evidence was found.
pub(super) fn ranked(
    item: &Value,
    file: &Path,
    bench: &Searching,
    left_out: &mut LeftOut,
) -> Result<Option<Ranked>, Failure> {
    let item = Item::deserialize(item).map_err(|error| fault(file, &json_fault(&error)))?;
    let wrong = |what: &str| fault(file, &format!("question {}: {what}", item.question_id));
    if item.question_id.ends_with("_abs") {
        left_out.unanswerable += 1;
        return Ok(None);
    }
    let sessions = item.haystack_sessions.len();
    if item.haystack_dates.len() != sessions || item.haystack_session_ids.len() != sessions {
        return Err(wrong("it has not as many dates and ids as sessions"));
    }
    let asked =
        time(&item.question_date).ok_or_else(|| wrong("its date is not like 2023/04/10 (Mon) 17:50"))?;
    let (mut turns, mut gold_rounds) = (Vec::new(), Vec::new());
    let haystack = item.haystack_sessions.iter().zip(&item.haystack_dates).zip(&item.haystack_session_ids);
    // Some histories have a session twice, with other dates: their places tell them apart.
    for (place, ((messages, date), id)) in haystack.enumerate() {
        let at = time(date).ok_or_else(|| wrong("a session's date is not like 2023/04/10 (Mon) 17:50"))?;
        let mut round = 0;
        for (number, message) in messages.iter().enumerate() {
            round += usize::from(message.role == "user");
            if message.content.trim().is_empty() {
                continue;
            }
            let of = format!("{id}/{round}");
            turns.push(
                turn(message, &format!("{place}/{id}"), &format!("{place}/{of}/{number}"), at)
                    .map_err(|error| wrong(&error.to_string()))?,
            );
            if message.has_answer && !gold_rounds.contains(&of) {
                gold_rounds.push(of);
            }
        }
    }
    let mut gold = item.answer_session_ids.clone();
    gold.retain(|id| item.haystack_session_ids.contains(id));
    if gold.is_empty() {
        left_out.without_evidence += 1;
        return Ok(None);
    }
    let found = references(&bench.over(turns)?, &item.question, asked)?;
    let judged =
        |gold: &[String], parts: usize| Judged::new(&item.question_type, gold, &grouped(&found, parts));
    let round = (!gold_rounds.is_empty()).then(|| judged(&gold_rounds, 1));
    Ok(Some(Ranked { judged: judged(&gold, 2), round }))
}

/// The sessions or rounds that references are of, each at the place of its best turn: the session's place and their last
/// `parts` parts are cut off.
fn grouped(references: &[String], parts: usize) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for reference in references {
        let reference = reference.split_once('/').map_or(reference.as_str(), |(_, of)| of);
        let group = (0..parts).fold(reference, |of, _| of.rsplit_once('/').map_or(of, |(of, _)| of));
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    groups
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

    #[test]
    fn sessions_and_rounds_stand_where_their_best_turn_does() {
        let found = ["0/a/1/0", "1/b/2/3", "0/a/2/2", "1/b/2/4", "2/a/1/1"].map(str::to_owned);
        assert_eq!(grouped(&found, 1), ["a/1", "b/2", "a/2"]);
        assert_eq!(grouped(&found, 2), ["a", "b"]);
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(time("2023/04/10 (Mon) 17:50").unwrap().to_string(), "2023-04-10T17:50:00");
        assert_eq!(time("10 April"), None);
    }
}
