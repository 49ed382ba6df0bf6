//! Everything that is written to standard output and standard error passes through here.
//!
//! Standard output carries data, as text or as one JSON document; standard error carries notes. Stored text
//! is somebody else's: it is made harmless before a terminal sees it. This room knows no commands.
//!
//! Rooms it touches: exit.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::exit::Failure;

/// Most characters of a stored text where several are listed; `show` and `--json` give all of it.
const LISTED_CHARS: usize = 300;

/// Writes a line of data. `text` must have been made [`harmless`] where it contains stored text.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Writes a piece of data at once, without ending the line.
pub(crate) fn piece(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a JSON document. Every value arrives exactly; characters a terminal could obey are written as
/// `\u` escapes.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::other)?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // Line breaks of the layout itself. Inside strings JSON has escaped them already.
        if c != '\n' && is_obeyed(c) {
            let _infallible = write!(escaped, "\\u{:04x}", c as u32);
        } else {
            escaped.push(c);
        }
    }
    line(&escaped)
}

/// Writes a note. A closed standard error is no reason to stop.
pub(crate) fn note(text: &str) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// Stored text for a terminal: what could move the cursor, change colours or the title, or reorder the line
/// is shown as an escape (`\u{1b}`), so that a memory cannot act on the terminal or fake other output.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// As [`harmless`], cut where several texts are listed.
pub(crate) fn listed(text: &str) -> String {
    match text.char_indices().nth(LISTED_CHARS) {
        Some((end, _)) => format!("{}…", harmless(&text[..end])),
        None => harmless(text),
    }
}

/// Control characters (C0, DEL, C1: all of them below U+00A0, in the basic plane) and the marks that change
/// the direction of what follows. Letters that run right to left are not among them.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        assert_eq!(harmless("a\u{1b}]0;owned\u{7}b"), r"a\u{1b}]0;owned\u{7}b");
        assert_eq!(harmless("\u{9b}2J\u{7f}\u{0}"), r"\u{9b}2J\u{7f}\u{0}");
        assert_eq!(harmless("two\nlines\r"), r"two\nlines\r");
        assert_eq!(harmless("\u{202e}txt\u{2069}"), r"\u{202e}txt\u{2069}");
    }

    #[test]
    fn letters_of_every_script_and_emoji_stay() {
        for text in ["שלום עולם", "مرحبا", "👩‍👩‍👧", "naïve — “ok”"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_listed_text_is_cut_between_characters() {
        let long = "é".repeat(LISTED_CHARS + 1);
        assert_eq!(listed(&long).chars().count(), LISTED_CHARS + 1);
        assert!(listed(&long).ends_with('…'));
        assert_eq!(listed("short"), "short");
    }
}
