//! A space as a page for people: the memories that hold by who said them, then the turns by session.
//!
//! Remembered text cannot become markup: every character that Markdown or HTML would obey is escaped.
//!
//! Rooms it touches: types, prompt (for one line), bank.

use std::collections::BTreeMap;
use std::io::Write;

use super::{ExportError, Moved};
use crate::bank::Bank;
use crate::prompt::one_line;
use crate::types::{Memory, MemoryState, SpaceId, Turn};

/// Writes what these spaces hold now. Cannot be read in again.
pub fn write(bank: &dyn Bank, spaces: &[SpaceId], out: &mut dyn Write) -> Result<Moved, ExportError> {
    let mut moved = Moved::default();
    for space in spaces {
        writeln!(out, "# {}\n", escaped(space.as_str()))?;
        let mut memories: BTreeMap<String, Vec<Memory>> = BTreeMap::new();
        for memory in bank.memories(space)? {
            if memory.state == MemoryState::Current {
                moved.memories += 1;
                memories.entry(memory.speaker.clone()).or_default().push(memory);
            }
        }
        for (speaker, memories) in memories {
            writeln!(out, "## What {} said that holds\n", escaped(&speaker))?;
            for memory in memories {
                let date = memory.valid_from.date_in_words();
                writeln!(out, "- {} ({date}, {})", escaped(&memory.text), memory.id)?;
            }
            writeln!(out)?;
        }
        let mut sessions: Vec<(String, Vec<Turn>)> = Vec::new();
        for turn in bank.turns(space)? {
            moved.turns += 1;
            match sessions.iter_mut().find(|(session, _)| *session == turn.session) {
                Some((_, turns)) => turns.push(turn),
                None => sessions.push((turn.session.clone(), vec![turn])),
            }
        }
        for (session, turns) in sessions {
            writeln!(out, "## Session {}\n", escaped(&session))?;
            for turn in turns {
                let caption =
                    turn.image.map(|caption| format!(" [image: {}]", escaped(&caption))).unwrap_or_default();
                let said = format!("{}: {}{caption}", escaped(&turn.speaker), escaped(&turn.text));
                writeln!(out, "- {} — {said} ({})", turn.time.in_words(), turn.id)?;
            }
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(moved)
}

/// On one line, and nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_ascii_punctuation()
                && !matches!(c, ',' | '.' | '\'' | '"' | '?' | ';' | '/' | '%' | '$') =>
            {
                escaped.push('\\');
                escaped.push(c);
            }
            // A link needs no brackets in many readers.
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escaped("# a\n- <b>[x](http://y)"), "\\# a \\- &lt;b&gt;\\[x\\]\\(http\\://y\\)");
        assert_eq!(escaped("Tom's dog, Buddy."), "Tom's dog, Buddy.");
    }
}
