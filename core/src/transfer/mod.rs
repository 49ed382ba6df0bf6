//! Moving out and in: a bank as a document that people and programs can read.
//!
//! The format is JSON, one object in each line, and is described in `docs/export-format.md`; Markdown is for reading
//! only. Everything is there but vectors, which the next embedder makes again. A document carries counts and a
//! SHA-256 of itself, so that one that was cut or edited is refused before anything is written.
//!
//! Rooms it touches: types, decision, bank.

mod file;
mod lines;
pub mod markdown;

pub use self::file::to_file;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};

use sha2::{Digest, Sha256};

use self::lines::{End, Head, Line, MemoryLine, TurnLine};
use crate::bank::{Bank, BankError, Contents, Kept};
use crate::types::{MemoryId, MemoryState, SpaceId, Timestamp, TurnId};

/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// Most bytes of one line. Room for every character of the longest turn as an escape, many times over.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Nothing was written out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
    /// The document cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Why a document was not taken in. Nothing of it was. Quotes nothing of what it holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The document cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It begins like no export.
    #[error("this is no export of a bank: its first line does not say `keepsake_export`")]
    NotAnExport,
    /// It was written by a newer version.
    #[error("the export has version {found}, this program reads up to {VERSION}: update it")]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// A line is not as the format has it.
    #[error("line {line} of the export: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Each line is as the format has it, but not all of them together.
    #[error("the lines of the export do not fit together: {what}")]
    Contradiction {
        /// What is wrong.
        what: String,
    },
    /// It was cut or changed since it was written.
    #[error("the export is cut short, or was changed since it was written: export again")]
    NotWhole,
}

/// How much was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Turns.
    pub turns: u64,
    /// Memories, each with all its versions.
    pub memories: u64,
}

/// Writes what these spaces hold.
pub fn write(
    bank: &dyn Bank,
    spaces: &[SpaceId],
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<Moved, ExportError> {
    let mut out = Hashed { out, hash: Sha256::new() };
    out.line(&Line::Head(Head {
        keepsake_export: VERSION,
        recorded: now.to_string(),
        next_turn: bank.next_turn_id()?.0,
        next_memory: bank.next_memory_id()?.0,
    }))?;
    let (mut moved, mut versions) = (Moved::default(), 0);
    for space in spaces {
        for turn in bank.turns(space)? {
            let outcome = bank.outcome(turn.id)?;
            out.line(&Line::Turn(TurnLine::of(&turn, outcome)))?;
            moved.turns += 1;
        }
        for memory in bank.memories(space)? {
            for version in bank.history(memory.id)? {
                out.line(&Line::Memory(MemoryLine::of(&version)))?;
                versions += 1;
            }
            moved.memories += 1;
        }
    }
    let end = End { turns: moved.turns, versions, sha256: out.digest() };
    out.line(&Line::End(end))?;
    out.out.flush()?;
    Ok(moved)
}

/// Reads a document and checks all of it, for [`Bank::restore`]. Holds as much in memory as the document has bytes.
pub fn read(input: &mut dyn BufRead) -> Result<Contents, ImportError> {
    let mut contents = Contents { turns: Vec::new(), memories: Vec::new(), next_turn: 1, next_memory: 1 };
    let mut versions = 0;
    let mut hash = Sha256::new();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        io::Read::take(&mut *input, MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Err(if number == 1 { ImportError::NotAnExport } else { ImportError::NotWhole });
        }
        let wrong = |what: String| ImportError::Line { line: number, what };
        let line: Line = match serde_json::from_slice(&bytes) {
            Ok(line) => line,
            Err(_) if number == 1 => return Err(not_ours(&bytes)),
            Err(_) if bytes.last() != Some(&b'\n') => return Err(ImportError::NotWhole),
            Err(error) => return Err(wrong(fault(&error))),
        };
        match line {
            Line::Head(head) if number == 1 && head.keepsake_export == VERSION => {
                (contents.next_turn, contents.next_memory) = (head.next_turn, head.next_memory);
            }
            Line::Head(head) if number == 1 => {
                return Err(ImportError::TooNew { found: head.keepsake_export });
            }
            _ if number == 1 => return Err(ImportError::NotAnExport),
            Line::Head(_) => return Err(wrong("a second beginning".to_owned())),
            Line::Turn(turn) => contents.turns.push(turn.into_kept().map_err(wrong)?),
            Line::Memory(memory) => {
                let memory = memory.into_memory().map_err(wrong)?;
                versions += 1;
                match contents.memories.last_mut() {
                    Some(before) if before.last().is_some_and(|last| last.id == memory.id) => {
                        before.push(memory)
                    }
                    _ => contents.memories.push(vec![memory]),
                }
            }
            Line::End(end) => {
                let counts = (contents.turns.len() as u64, versions);
                if end.sha256 != hex(&hash.finalize()) || counts != (end.turns, end.versions) {
                    return Err(ImportError::NotWhole);
                }
                check(&mut contents).map_err(|what| ImportError::Contradiction { what })?;
                let nothing_follows = input.fill_buf()?.is_empty();
                return if nothing_follows { Ok(contents) } else { Err(ImportError::NotWhole) };
            }
        }
        hash.update(&bytes);
    }
    Err(ImportError::NotWhole)
}

/// What a first line is that is none of this version's.
fn not_ours(line: &[u8]) -> ImportError {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    match value.and_then(|value| u32::try_from(value.get("keepsake_export")?.as_u64()?).ok()) {
        Some(found) if found > VERSION => ImportError::TooNew { found },
        _ => ImportError::NotAnExport,
    }
}

/// What serde says, without the value it stumbled over.
fn fault(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "it has not the keys or values of the format" } else { "it is not JSON" };
    format!("{what} (column {})", error.column())
}

/// Checks what no line alone can say.
fn check(contents: &mut Contents) -> Result<(), String> {
    contents.turns.sort_by_key(|kept| kept.turn.id);
    contents.memories.sort_by_key(|versions| versions.first().map(|memory| memory.id));
    let mut turns: BTreeMap<TurnId, &SpaceId> = BTreeMap::new();
    let mut references = BTreeSet::new();
    for Kept { turn, .. } in &contents.turns {
        if turn.id.0 == 0 || turn.id.0 >= contents.next_turn || turns.insert(turn.id, &turn.space).is_some() {
            return Err(format!("the id {} is there twice, or not below the next one", turn.id));
        }
        if turn.reference.as_ref().is_some_and(|reference| !references.insert((&turn.space, reference))) {
            return Err(format!("the reference of {} is there twice", turn.id));
        }
    }
    let mut before = MemoryId(0);
    for versions in &contents.memories {
        let Some(newest) = versions.last() else { return Err("a memory without versions".to_owned()) };
        if newest.id <= before || newest.id.0 >= contents.next_memory {
            return Err(format!("the id {} is there twice, or not below the next one", newest.id));
        }
        before = newest.id;
        for (at, memory) in versions.iter().enumerate() {
            let is_newest = at + 1 == versions.len();
            let state_fits =
                memory.state != if is_newest { MemoryState::Superseded } else { MemoryState::Current };
            if memory.version as usize != at + 1 || memory.space != newest.space || !state_fits {
                return Err(format!("the versions of {} do not follow each other", memory.id));
            }
            if memory.sources.iter().any(|turn| turns.get(turn) != Some(&&memory.space)) {
                return Err(format!("{} names a turn that its space does not have", memory.id));
            }
        }
    }
    Ok(())
}

/// Lines, and their hash.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Hashed<'_> {
    fn line(&mut self, line: &Line) -> Result<(), io::Error> {
        let mut line = inert(&serde_json::to_string(line)?);
        line.push('\n');
        self.hash.update(&line);
        self.out.write_all(line.as_bytes())
    }

    fn digest(&self) -> String {
        hex(&self.hash.clone().finalize())
    }
}

/// JSON in which every character that ends a line anywhere (also U+0085 and U+2028), that a terminal could obey, or
/// that changes the direction of what follows is written as a `\u` escape. All of them stand in strings.
fn inert(json: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escaped = |c: char| if acts(c) { format!("\\u{:04x}", c as u32) } else { c.to_string() };
    if json.contains(acts) { json.chars().map(escaped).collect() } else { json.to_owned() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::MemoryBank;
    use crate::types::{Memory, NewTurn};

    fn document() -> Vec<u8> {
        let bank = MemoryBank::new();
        let far: Timestamp = Timestamp::from_seconds(i64::MIN);
        for (text, reference) in [("hello \u{0}\u{202e} \"quoted\"\n", "a/1"), ("</script>", "a/2")] {
            let turn = NewTurn::new("Maria", text, far).unwrap().with_reference(reference).unwrap();
            bank.append(&turn, Timestamp::from_seconds(7)).unwrap();
        }
        let mut out = Vec::new();
        write(&bank, &bank.spaces().unwrap(), Timestamp::from_seconds(9), &mut out).unwrap();
        out
    }

    fn read_text(text: &[u8]) -> Result<Contents, ImportError> {
        read(&mut &*text)
    }

    #[test]
    fn what_was_cut_or_edited_is_refused() {
        let whole = document();
        assert_eq!(read_text(&whole).unwrap().turns.len(), 2);
        for end in 0..whole.len() - 1 {
            assert!(read_text(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut edited = whole.clone();
            edited[at] ^= 1;
            assert!(read_text(&edited).is_err(), "edited at {at}");
        }
        let text = String::from_utf8(whole).unwrap();
        let newer = text.replacen("\"keepsake_export\":1", "\"keepsake_export\":2", 1);
        assert!(matches!(read_text(newer.as_bytes()), Err(ImportError::TooNew { found: 2 })));
        assert!(matches!(read_text(b"{\"a\": 1}\n"), Err(ImportError::NotAnExport)));
        let error = read_text(text.replacen("\"origin\":\"user\"", "\"origin\":\"secret\"", 1).as_bytes())
            .unwrap_err();
        assert!(error.to_string().starts_with("line 2") && !error.to_string().contains("secret"), "{error}");
        let more = format!("{text}{text}");
        assert!(matches!(read_text(more.as_bytes()), Err(ImportError::NotWhole)));
    }

    #[test]
    fn no_character_acts_and_every_one_arrives() {
        let text = "\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{200f}\u{2028}\u{2029}\u{202e}\u{2069}\r\n 👩‍👧 \\u0000";
        let bank = MemoryBank::new();
        let turn = NewTurn::new("Maria", text, Timestamp::from_seconds(-1)).unwrap();
        bank.append(&turn, Timestamp::from_seconds(7)).unwrap();
        let mut out = Vec::new();
        write(&bank, &bank.spaces().unwrap(), Timestamp::from_seconds(9), &mut out).unwrap();
        let file = std::str::from_utf8(&out).unwrap();
        assert!(
            !file.chars().any(|c| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c))
        );
        assert_eq!(file.lines().count(), 3);
        assert_eq!(read_text(&out).unwrap().turns[0].turn.text, text);
    }

    #[test]
    fn what_no_line_alone_can_say_is_checked() {
        let sound = read_text(&document()).unwrap();
        let memory = Memory { sources: vec![TurnId(1)], ..crate::testing::memory(1, "a") };
        let with = |versions: Vec<Memory>| {
            let mut contents = Contents { memories: vec![versions], next_memory: 5, ..sound.clone() };
            check(&mut contents)
        };
        assert_eq!(with(vec![memory.clone()]), Ok(()));
        let other_turn = Memory { sources: vec![TurnId(9)], ..memory.clone() };
        let superseded = Memory { state: MemoryState::Superseded, ..memory.clone() };
        let third = Memory { version: 3, ..memory.clone() };
        let too_high = Memory { id: MemoryId(5), ..memory.clone() };
        for bad in
            [vec![], vec![other_turn], vec![superseded.clone()], vec![superseded, third], vec![too_high]]
        {
            assert!(with(bad.clone()).is_err(), "{bad:?}");
        }
        let mut twice = sound.clone();
        twice.turns.push(sound.turns[0].clone());
        assert!(check(&mut twice).is_err());
        let mut same_reference = sound.clone();
        same_reference.turns[1].turn.reference = Some("a/1".to_owned());
        assert!(check(&mut same_reference).is_err());
    }
}
