//! `forget`: removes a memory or a turn, and says what else still holds the words.
//!
//! Rooms it touches: args, exit, open, output, read, shapes.

use std::collections::BTreeSet;

use keepsake_core::types::{MemoryId, SpaceId, TurnId, UnitId};

use crate::args::{Forget, Global};
use crate::exit::Failure;
use crate::open::{Needs, Opened, Surroundings};
use crate::shapes::{Document, ForgetBody};
use crate::{open, output, read};

/// Forgets.
pub(crate) fn run(args: &Forget, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let mut body = ForgetBody {
        space: global.space.to_string(),
        forgotten: args.id.to_string(),
        kept_turns: Vec::new(),
        kept_memories: Vec::new(),
    };
    match args.id {
        UnitId::Memory(id) => body.kept_turns = turns_behind(&opened, &global.space, id)?,
        UnitId::Turn(id) => body.kept_memories = memories_from(&opened, &global.space, id)?,
    }
    if !opened.engine.forget(args.id)? {
        return Err(Failure::other(format!("{} was forgotten already", args.id)));
    }
    if global.json { output::json(&Document::new("keepsake.forget/1", body)) } else { show(&body) }
}

/// The turns that are still there, over all versions of the memory.
fn turns_behind(opened: &Opened, space: &SpaceId, id: MemoryId) -> Result<Vec<String>, Failure> {
    read::memory(opened, space, id)?;
    let versions = opened.engine.history(id)?;
    let sources: BTreeSet<TurnId> = versions.into_iter().flat_map(|version| version.sources).collect();
    let mut kept = Vec::new();
    for turn in sources {
        if opened.engine.turn(turn)?.is_some() {
            kept.push(turn.to_string());
        }
    }
    Ok(kept)
}

/// The memories, also retired ones and those of old versions, that came from the turn.
fn memories_from(opened: &Opened, space: &SpaceId, id: TurnId) -> Result<Vec<String>, Failure> {
    read::turn(opened, space, id)?;
    let mut kept = Vec::new();
    for memory in opened.bank.memories(space)? {
        let versions = opened.engine.history(memory.id)?;
        if versions.iter().any(|version| version.sources.contains(&id)) {
            kept.push(memory.id.to_string());
        }
    }
    Ok(kept)
}

fn show(body: &ForgetBody) -> Result<(), Failure> {
    output::line(&format!("{} is forgotten, with everything that was kept about it.", body.forgotten))?;
    let still = |what: &str, kept: &[String]| {
        let commands: Vec<String> = kept.iter().map(|id| format!("keepsake forget {id}")).collect();
        output::line(&format!("{what}: {}\nTo remove them too: {}", kept.join(" "), commands.join("; ")))
    };
    if !body.kept_turns.is_empty() {
        still("The turns it came from still hold the words", &body.kept_turns)?;
    }
    if !body.kept_memories.is_empty() {
        still("Memories that came from it still hold what they say", &body.kept_memories)?;
    }
    Ok(())
}
