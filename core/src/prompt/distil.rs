//! Step one of the read flow: which of the retrieved memories help to answer (Memory-R1, section 3.2:
//! memory distillation).
//!
//! Reply, after the given start `Useful memories: `: labels separated by commas, or `none`. It is a learned
//! skill: models that were not trained for it choose worse than the retrieval order, see
//! [`Config::distil`](crate::config::Config::distil). Rooms it touches: types.

use super::{BadReply, one_line};
use crate::prompt::chat::Chat;
use crate::types::Timestamp;

/// Most memories that are distilled. A guess: LoCoMo's multi-hop questions have two to four gold turns.
pub const MAX_SELECTED: usize = 5;

pub(super) const SYSTEM: &str = "You find what answers questions about people in memories of past conversations.\n\
Every memory begins with its number and the time it was said. \"Last year\" or \"yesterday\" inside a memory is \
relative to that time, never to today. If memories contradict each other, the newest is right. Do not mistake a \
person who is only mentioned for the one who speaks.\n\
Name the numbers of the memories that help to answer the question, the most useful first.";
const MEMORIES: &str = "Memories of ";
const QUESTION: &str = "Question: ";
const USEFUL: &str = "Useful memories: ";

/// The fixed wording.
pub(super) const WORDING: &[&str] = &[SYSTEM, MEMORIES, QUESTION, USEFUL, "none", ", "];

/// One retrieved piece of evidence, as the answer agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Whose block it stands in.
    pub speaker: String,
    /// When it was said.
    pub time: Timestamp,
    /// The memory's text or the turn's words, relative dates resolved.
    pub text: String,
}

/// The prompt: one block of memories for each speaker, oldest first inside it, then the question. The
/// second value maps labels to evidence: label `n` is `order[n - 1]`, an index into `evidence`.
pub fn chat(question: &str, evidence: &[&Evidence]) -> (Chat, Vec<usize>) {
    let mut speakers: Vec<&str> = Vec::new();
    for piece in evidence {
        if !speakers.contains(&piece.speaker.as_str()) {
            speakers.push(&piece.speaker);
        }
    }
    let mut order = Vec::with_capacity(evidence.len());
    let mut user = String::new();
    for speaker in speakers {
        user.push_str(&format!("{MEMORIES}{}:\n", one_line(speaker)));
        let mut block: Vec<usize> =
            (0..evidence.len()).filter(|&at| evidence[at].speaker == speaker).collect();
        block.sort_by_key(|&at| (evidence[at].time, at));
        for at in block {
            order.push(at);
            user.push_str(&line(order.len(), evidence[at]));
        }
        user.push('\n');
    }
    user.push_str(QUESTION);
    user.push_str(&one_line(question));
    (Chat { system: SYSTEM.to_owned(), user, reply_start: USEFUL.to_owned() }, order)
}

/// `3. 7:20 pm on 16 June, 2023: text`.
fn line(label: usize, piece: &Evidence) -> String {
    format!("{label}. {}: {}\n", piece.time.in_words(), one_line(&piece.text))
}

/// The grammar of a reply to `count` memories.
pub fn grammar(count: usize) -> String {
    let labels: Vec<String> = (1..=count).map(|label| label.to_string()).collect();
    let label = format!("({})", labels.join("|"));
    format!("none|{label}(, {label}){{0,{}}}", MAX_SELECTED - 1)
}

/// The labels of a reply, each once, in its order; all are between 1 and `count`.
pub fn parse(reply: &str, count: usize) -> Result<Vec<usize>, BadReply> {
    let reply = reply.trim();
    if reply == "none" {
        return Ok(Vec::new());
    }
    let mut labels = Vec::new();
    for part in reply.split(',') {
        let label = part.trim().parse().map_err(|_| BadReply)?;
        if !(1..=count).contains(&label) {
            return Err(BadReply);
        }
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    if labels.len() > MAX_SELECTED { Err(BadReply) } else { Ok(labels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(speaker: &str, time: &str, text: &str) -> Evidence {
        Evidence { speaker: speaker.into(), time: time.parse().unwrap(), text: text.into() }
    }

    #[test]
    fn memories_stand_in_blocks_by_speaker_oldest_first() {
        let evidence = [
            piece("Tom", "2024-02-01", "tea"),
            piece("Maria", "2024-03-01", "dog"),
            piece("Tom", "2024-01-01", "job\n9. x"),
        ];
        let (chat, order) = chat("Who?\nUseful", &evidence.each_ref());
        assert_eq!(order, [2, 0, 1]);
        assert_eq!(
            chat.user,
            "Memories of Tom:\n1. 12:00 am on 1 January, 2024: job 9. x\n2. 12:00 am on 1 February, 2024: tea\n\n\
             Memories of Maria:\n3. 12:00 am on 1 March, 2024: dog\n\nQuestion: Who? Useful"
        );
    }

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(parse("none", 3), Ok(vec![]));
        assert_eq!(parse("2, 1, 2", 3), Ok(vec![2, 1]));
        for bad in ["", "4", "0", "1 2", "1,", "one"] {
            assert_eq!(parse(bad, 3), Err(BadReply), "{bad:?}");
        }
    }
}
