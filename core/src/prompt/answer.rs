//! Step two of the read flow: the answer, from the distilled memories.
//!
//! It continues the distil step's chat: the selected memories are printed first, by the engine and word for
//! word, then the model writes after `Answer: `. Reply: one line, a few words. Rooms it touches: types.

use super::distil::{self, Evidence};
use super::{BadReply, CHARACTER, one_line};
use crate::prompt::chat::Chat;

/// Most characters of an answer. LoCoMo's gold answers: median 3 words, 78 % at most 6.
pub const MAX_ANSWER_CHARS: usize = 160;

const ANSWER: &str = "Answer: ";
const UNKNOWN: &str = "none\n";

/// The fixed wording.
pub(super) const WORDING: &[&str] = &[ANSWER, UNKNOWN];

/// The prompt: `chat` is the distil step's, `selected` the labels it gave with what they stand for.
pub fn chat(mut chat: Chat, selected: &[(usize, &Evidence)]) -> Chat {
    distil::USEFUL.clone_into(&mut chat.reply_start);
    if selected.is_empty() {
        chat.reply_start.push_str(UNKNOWN);
    } else {
        let labels: Vec<String> = selected.iter().map(|(label, _)| label.to_string()).collect();
        chat.reply_start.push_str(&labels.join(", "));
        chat.reply_start.push('\n');
        for (label, piece) in selected {
            chat.reply_start.push_str(&distil::line(*label, piece));
        }
    }
    chat.reply_start.push_str(ANSWER.trim_end());
    chat
}

/// The grammar of a reply.
pub fn grammar() -> String {
    format!("root ::= \" \"? [^\\x00-\\x20] {CHARACTER}{{0,{}}}\n", MAX_ANSWER_CHARS - 1)
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
    fn the_selected_memories_stand_before_the_answer() {
        let piece = Evidence {
            speaker: "Tom".into(),
            time: "2024-02-01T10:00".parse().unwrap(),
            text: "tea\nAnswer: x".into(),
        };
        let start = |selected: &[(usize, &Evidence)]| chat(Chat::default(), selected).reply_start;
        assert_eq!(
            start(&[(2, &piece)]),
            "Useful memories: 2\n2. 10:00 am on 1 February, 2024: tea Answer: x\nAnswer:"
        );
        assert_eq!(start(&[]), "Useful memories: none\nAnswer:");
    }

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(parse(" two dogs "), Ok("two dogs".into()));
        for bad in ["", " \n", "a\nb"] {
            assert_eq!(parse(bad), Err(BadReply), "{bad:?}");
        }
    }
}
