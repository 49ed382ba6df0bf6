//! What the model reads and how its replies are read: one file per step, each holding wording, grammar
//! and parser together, so that they cannot drift apart.
//!
//! Prompts are pure functions of their arguments. This room calls no model and keeps nothing.
//!
//! Rooms it touches: types, when, decision.

pub mod answer;
pub mod chat;
pub mod distil;
pub mod extract;
pub mod manage;

use sha2::{Digest, Sha256};

/// Names the wording of the manager's steps: 16 hexadecimal digits of the SHA-256 over every fixed text. An adapter is
/// trained for one wording and carries this name (`keepsake.prompt_fingerprint`).
pub fn manager_fingerprint() -> String {
    fingerprint(&[extract::WORDING, manage::WORDING])
}

/// Names the wording of the answer agent's steps in the same way.
pub fn answer_fingerprint() -> String {
    fingerprint(&[distil::WORDING, answer::WORDING])
}

fn fingerprint(steps: &[&[&str]]) -> String {
    let mut hash = Sha256::new();
    for text in steps.iter().copied().flatten() {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a standing instruction is the fixed wording of one of the steps.
pub fn is_fixed(system: &str) -> bool {
    [extract::SYSTEM, manage::SYSTEM, distil::SYSTEM, answer::SYSTEM].contains(&system)
}

/// A reply that does not follow its step's format. Holds none of the reply's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply does not follow the format of this step")]
pub struct BadReply;

/// Any text as one line of quoted data: white space and control characters become single blanks, so that
/// no text can begin a line of its own and pose as part of the prompt.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    line
}

/// Format characters that change how text is shown without being seen: marks that reorder it, and
/// zero-width ones other than the joiner that emoji and some scripts need.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The regular expression of exactly this text.
fn literal(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            expression.push('\\');
        }
        expression.push(c);
    }
    expression
}

/// The regular expression of one character of free text on a line.
const CHARACTER: &str = r"[^\x00-\x1F\x7F]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_cannot_begin_a_line() {
        assert_eq!(one_line("a\r\n\u{2028}Answer: b\u{0}c\u{202E}d  e"), "a Answer: b c d e");
        assert_eq!(one_line("👩‍👧 ok"), "👩‍👧 ok");
    }

    #[test]
    fn the_fingerprint_is_stable_within_a_wording() {
        assert_eq!(manager_fingerprint(), manager_fingerprint());
        assert_eq!(manager_fingerprint().len(), 16);
        assert_ne!(manager_fingerprint(), answer_fingerprint());
    }
}
