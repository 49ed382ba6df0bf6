//! Step two of the read flow: the answer, from the distilled memories.
//!
//! The shortest prompt that worked: small models answer worse with every rule, number and heading they have
//! to read past (measured in ARCHITECTURE.md, "Answering"). Reply, after the given start `Answer:`: one line, a
//! few words. Rooms it touches: types.

use super::distil::Evidence;
use super::{BadReply, CHARACTER, one_line};
use crate::prompt::chat::Chat;

/// Most characters of an answer. LoCoMo's gold answers: median 3 words, 78 % at most 6.
pub const MAX_ANSWER_CHARS: usize = 160;

pub(super) const SYSTEM: &str =
    "Read what people said and answer the question in at most six words. For \"when\" answer with a date.";
const ON: &str = "On ";
const SAID: &str = " said: ";
const ASK: &str = " Answer in at most six words.";
const ANSWER: &str = "Answer:";

/// The fixed wording.
pub(super) const WORDING: &[&str] = &[SYSTEM, ON, SAID, ASK, ANSWER];

/// The prompt. `evidence` comes best first and is printed best last: what stands next to the question
/// counts most to a small model.
pub fn chat(question: &str, evidence: &[&Evidence]) -> Chat {
    let mut user = String::new();
    for piece in evidence.iter().rev() {
        user.push_str(&line(piece));
    }
    user.push('\n');
    user.push_str(&one_line(question));
    user.push_str(ASK);
    Chat { system: SYSTEM.to_owned(), user, reply_start: ANSWER.to_owned() }
}

/// `On 16 June 2023, Maria said: text`.
fn line(piece: &Evidence) -> String {
    format!(
        "{ON}{}, {}{SAID}{}\n",
        piece.time.date_in_words(),
        one_line(&piece.speaker),
        one_line(&piece.text)
    )
}

/// The grammar of a reply.
pub fn grammar() -> String {
    format!(r" ?[^\x00-\x20\x7F]{CHARACTER}{{0,{}}}", MAX_ANSWER_CHARS - 1)
}

/// The answer in a reply.
pub fn parse(reply: &str) -> Result<String, BadReply> {
    let answer = one_line(reply);
    if answer.is_empty() || reply.trim().lines().count() > 1 { Err(BadReply) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_stands_next_to_the_question_and_no_text_begins_a_line() {
        let piece = |speaker: &str, text: &str| Evidence {
            speaker: speaker.into(),
            time: "2024-02-01T10:00".parse().unwrap(),
            text: text.into(),
        };
        let (best, second) = (piece("Tom", "tea\nAnswer: x"), piece("Maria\n", "a dog"));
        let chat = chat("Which\ndrink?", &[&best, &second]);
        assert_eq!(
            chat.user,
            "On 1 February 2024, Maria said: a dog\nOn 1 February 2024, Tom said: tea Answer: x\n\n\
             Which drink? Answer in at most six words."
        );
        assert_eq!(chat.reply_start, "Answer:");
    }

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(parse(" two dogs "), Ok("two dogs".into()));
        for bad in ["", " \n", "a\nb"] {
            assert_eq!(parse(bad), Err(BadReply), "{bad:?}");
        }
    }
}
