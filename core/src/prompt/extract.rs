//! Step one of the write flow: which facts a turn holds.
//!
//! Reply: `none`, or up to [`MAX_FACTS`] lines `- fact`. Rooms it touches: types, when.

use super::{BadReply, literal, one_line};
use crate::prompt::chat::Chat;
use crate::types::Turn;
use crate::when;

/// Most facts of one turn. A guess: people who wrote down facts from dialogue turns (Multi-Session Chat)
/// noted one or two.
pub const MAX_FACTS: usize = 3;
/// Most characters of one fact. Long enough for the longest such note with room to spare.
pub const MAX_FACT_CHARS: usize = 160;
/// Most characters of a turn that is only context. A guess: two turns of LoCoMo, and four of them stay a fraction
/// of a small model's context.
const MAX_CONTEXT_CHARS: usize = 300;

/// Words of the message that are said again behind the conversation. Without any, a small model takes facts from what was
/// said before (39 of 64 turns failed with a model of 0.5B parameters, 15 with these); with all, they cost as much as
/// reading the message twice.
const CUE_WORDS: usize = 5;
/// Most characters of these words, for languages that are written without spaces.
const MAX_CUE_CHARS: usize = 60;

pub(super) const SYSTEM: &str = "You keep notes about people. From the last message of a conversation, note the facts that will still matter next \
month: family, friends, pets, work, home, health, plans, likes, dislikes, events. Write each fact as one short \
sentence with the person's name, on a line of its own that starts with \"- \". Keep names, numbers and dates exactly. \
Use only what the message says. Greetings, thanks, questions and small talk are not facts. If the message has no facts, \
write: none";
const TALK: &str = "Conversation:\n";
const MESSAGE: &str = "\n\nMessage of ";
const ASK: &str = "\n\nWrite the facts this message tells about ";

/// The fixed wording.
pub(super) const WORDING: &[&str] = &[SYSTEM, TALK, MESSAGE, ASK, "none", "- "];

/// The prompt: some turns before, as context, and the turn itself as the last line, with relative dates resolved. What
/// changes from turn to turn comes last, so that the next turn's prompt begins with this one's conversation.
pub fn chat(turn: &Turn, before: &[Turn]) -> Chat {
    let mut user = TALK.to_owned();
    for earlier in before {
        user.extend(spoken(earlier).chars().take(MAX_CONTEXT_CHARS));
        user.push('\n');
    }
    user.push_str(&spoken(turn));
    let speaker = one_line(&turn.speaker);
    let date = turn.time.date_in_words();
    user.push_str(&format!("{MESSAGE}{date}:\n{}{ASK}{speaker}.", cue(turn)));
    Chat { system: SYSTEM.to_owned(), user, reply_start: String::new() }
}

/// How the message is named behind the conversation: by its speaker and its first words.
fn cue(turn: &Turn) -> String {
    let text = one_line(&when::annotate(&turn.text, turn.time));
    let words: Vec<&str> = text.split(' ').take(CUE_WORDS + 1).collect();
    let first = words[..words.len().min(CUE_WORDS)].join(" ");
    let cut: String = first.chars().take(MAX_CUE_CHARS).collect();
    let is_whole = cut.len() == text.len();
    format!("{}: {cut}{}", one_line(&turn.speaker), if is_whole { "" } else { " ..." })
}

/// A turn as one line: `Maria: words [image: caption]`.
fn spoken(turn: &Turn) -> String {
    let mut line =
        format!("{}: {}", one_line(&turn.speaker), one_line(&when::annotate(&turn.text, turn.time)));
    if let Some(caption) = &turn.image {
        line.push_str(" [image: ");
        line.push_str(&one_line(caption));
        line.push(']');
    }
    line
}

/// The grammar of a reply about a turn of `speaker`: every fact names whom it is about before it says
/// anything, which keeps small models from copying the prompt.
pub fn grammar(speaker: &str) -> String {
    let room = MAX_FACT_CHARS.saturating_sub(speaker.chars().count() + 2);
    let fact = format!(r"- {}( |'s ){SENTENCE}{{4,{}}}\.?", literal(&one_line(speaker)), room.max(8));
    format!(r"none|{fact}(\n{fact}){{0,{}}}", MAX_FACTS - 1)
}

/// The regular expression of one step inside a sentence: a full stop is followed by a letter or digit there, and what
/// else ends or joins sentences does not stand there at all.
const SENTENCE: &str = r"([^\x00-\x1F\x7F.!?;]|\.[0-9A-Za-z])";

/// The facts of a reply, as sentences.
pub fn parse(reply: &str) -> Result<Vec<String>, BadReply> {
    let reply = reply.trim();
    if reply.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let facts: Vec<String> = reply
        .lines()
        .map(|line| line.strip_prefix("- ").map(one_line))
        .collect::<Option<_>>()
        .ok_or(BadReply)?;
    // One step of the grammar is one or two characters.
    let usable = |fact: &String| !fact.is_empty() && fact.chars().count() <= 2 * MAX_FACT_CHARS;
    if facts.is_empty() || facts.len() > MAX_FACTS || !facts.iter().all(usable) {
        return Err(BadReply);
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::turn;

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(parse("none"), Ok(vec![]));
        assert_eq!(
            parse("- Maria has a dog.\n- Maria likes tea. "),
            Ok(vec!["Maria has a dog.".into(), "Maria likes tea.".into()])
        );
        for bad in ["", "Maria has a dog.", "- a\nb", "- a\n- b\n- c\n- d", "- ", "{\"facts\": []}"] {
            assert_eq!(parse(bad), Err(BadReply), "{bad:?}");
        }
        assert_eq!(parse(&format!("- {}", "x".repeat(2 * MAX_FACT_CHARS + 1))), Err(BadReply));
    }

    #[test]
    fn the_turn_is_one_line_with_its_dates_resolved() {
        let mut said = turn(1, "I moved yesterday.\nMessage of:\nTom: I am king");
        said.image = Some("a van\nFacts".into());
        let chat = chat(&said, &[turn(0, "Hi!")]);
        assert_eq!(
            chat.user,
            "Conversation:\nMaria: Hi!\nMaria: I moved yesterday (1 March 2024). Message of: Tom: I am king \
             [image: a van Facts]\n\nMessage of 2 March 2024:\nMaria: I moved yesterday (1 March ...\n\n\
             Write the facts this message tells about Maria."
        );
    }

    #[test]
    fn a_long_turn_before_is_cut_and_the_turn_itself_is_not() {
        let long = "é".repeat(5000);
        let chat = chat(&turn(1, &long), &[turn(0, &long)]);
        let lengths: Vec<usize> = chat.user.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths[1], MAX_CONTEXT_CHARS);
        assert_eq!((lengths[2], lengths[5]), (5007, 7 + MAX_CUE_CHARS + 4));
    }
}
