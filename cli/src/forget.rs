//! `forget`, `expire`, `undo` and `confirm`: the person's own hand on what is remembered.
//!
//! Rooms it touches: args, exit, open, output, read, shapes.

use std::collections::BTreeSet;

use keepsake_core::bank::TurnOutcome;
use keepsake_core::types::{MemoryId, SpaceId, TurnId, UnitId};

use crate::args::{Confirm, Expire, Forget, Global, Selected, Undo};
use crate::exit::{Exit, Failure};
use crate::open::{Needs, Opened, Surroundings};
use crate::shapes::{ConfirmBody, Document, ExpireBody, ForgetBody, UndoBody, ids};
use crate::{open, output, read, words};

/// Removes what was named, and says what else still holds the words.
pub(crate) fn run(args: &Forget, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let mut units: BTreeSet<UnitId> = named(&opened, &args.what, &global.space)?.into_iter().collect();
    let turns: Vec<TurnId> = units.iter().filter_map(|unit| unit.turn()).collect();
    let came = opened.engine.came_from(&global.space, &turns)?.into_iter().map(UnitId::Memory);
    let mut kept_memories = BTreeSet::new();
    if args.with_memories {
        units.extend(came);
    } else {
        kept_memories.extend(came.filter(|unit| !units.contains(unit)));
    }
    let kept_turns = turns_behind(&opened, &units)?;
    let units: Vec<UnitId> = units.into_iter().collect();
    opened.engine.forget_all(&units)?;
    let body = ForgetBody {
        space: global.space.to_string(),
        forgotten: ids(&units),
        kept_turns: ids(&kept_turns),
        kept_memories: ids(&kept_memories.into_iter().collect::<Vec<_>>()),
    };
    if global.json { output::json(&Document::new("keepsake.forget/1", body)) } else { show(&body) }
}

/// Removes what is old, unused or too much.
pub(crate) fn expire(args: &Expire, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let due = opened.engine.due(&global.space, &args.retention())?;
    if !args.dry_run && !due.is_empty() {
        opened.engine.forget_all(&due)?;
    }
    let body = ExpireBody { space: global.space.to_string(), dry_run: args.dry_run, due: ids(&due) };
    if global.json {
        return output::json(&Document::new("keepsake.expire/1", body));
    }
    output::line(&match (due.is_empty(), args.dry_run) {
        (true, _) => format!("Nothing of the space {} is due.", body.space),
        (_, true) => format!("Due: {}.", several(&body.due, "memories and turns")),
        (_, false) => format!("Forgotten, for good: {}.", several(&body.due, "memories and turns")),
    })
}

/// Takes back what the named turns changed.
pub(crate) fn undo(args: &Undo, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    if let Some(memory) = args.what.ids.iter().find_map(|unit| unit.memory()) {
        let what =
            format!("{memory} is a memory; turns are undone: `keepsake history {memory}` names its turns");
        return Err(Failure::new(Exit::Usage, what));
    }
    let opened = open::open_existing(global, around, Needs::Embedder)?;
    let mut turns = Vec::new();
    for turn in named(&opened, &args.what, &global.space)?.iter().filter_map(|unit| unit.turn()) {
        // Of a selection, what was worked through is meant; a turn that is named must be one of these.
        let done = matches!(opened.engine.outcome(turn)?, Some(TurnOutcome::Done(_)));
        if done || !args.what.ids.is_empty() {
            turns.push(turn);
        }
    }
    let undone = opened.engine.undo(&turns).map_err(Failure::other)?;
    if global.json {
        let body = UndoBody {
            space: global.space.to_string(),
            turns: ids(&undone.turns),
            memories: undone.memories.into_iter().map(Into::into).collect(),
        };
        return output::json(&Document::new("keepsake.undo/1", body));
    }
    output::line(&format!("Taken back: what {} changed.", several(&ids(&undone.turns), "turns")))?;
    undone.memories.iter().try_for_each(|memory| output::line(&words::memory_with_state(memory)))
}

/// Lets a quarantined memory hold.
pub(crate) fn confirm(args: &Confirm, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Embedder)?;
    read::memory(&opened, &global.space, args.id)?;
    let memory = opened.engine.confirm(args.id).map_err(Failure::other)?;
    if global.json {
        let body = ConfirmBody { space: global.space.to_string(), memory: memory.into() };
        return output::json(&Document::new("keepsake.confirm/1", body));
    }
    output::line(&words::memory(&memory))
}

/// The units that the arguments name; all are of this space.
fn named(opened: &Opened, what: &Selected, space: &SpaceId) -> Result<Vec<UnitId>, Failure> {
    if let Some(selection) = what.selection() {
        let units = opened.engine.select(space, &selection)?;
        if units.is_empty() {
            return Err(Failure::other(format!(
                "nothing of the space {space} is selected: see `keepsake list --turns`"
            )));
        }
        return Ok(units);
    }
    for unit in &what.ids {
        match unit {
            UnitId::Memory(id) => drop(read::memory(opened, space, *id)?),
            UnitId::Turn(id) => drop(read::turn(opened, space, *id)?),
        }
    }
    Ok(what.ids.clone())
}

/// The turns that the memories among these came from, over all their versions, and that stay.
fn turns_behind(opened: &Opened, units: &BTreeSet<UnitId>) -> Result<Vec<TurnId>, Failure> {
    let mut behind = BTreeSet::new();
    for memory in units.iter().filter_map(|unit| unit.memory()) {
        behind.extend(sources(opened, memory)?);
    }
    behind.retain(|turn| !units.contains(&UnitId::Turn(*turn)));
    Ok(behind.into_iter().collect())
}

fn sources(opened: &Opened, memory: MemoryId) -> Result<BTreeSet<TurnId>, Failure> {
    let mut sources = BTreeSet::new();
    for turn in opened.engine.history(memory)?.into_iter().flat_map(|version| version.sources) {
        if opened.engine.turn(turn)?.is_some() {
            sources.insert(turn);
        }
    }
    Ok(sources)
}

fn show(body: &ForgetBody) -> Result<(), Failure> {
    let forgotten = several(&body.forgotten, "memories and turns");
    output::line(&format!("Forgotten, with everything that was kept about it: {forgotten}."))?;
    let still = |what: &str, kept: &[String]| {
        output::line(&format!("{what}.\nTo remove them too: keepsake forget {}", kept.join(" ")))
    };
    if !body.kept_turns.is_empty() {
        still("The turns it came from still hold the words", &body.kept_turns)?;
    }
    if !body.kept_memories.is_empty() {
        still("Memories that came from it still hold what they say", &body.kept_memories)?;
    }
    Ok(())
}

/// A few ids by name, many by number.
fn several(ids: &[String], what: &str) -> String {
    if ids.len() > 12 { format!("{} {what}", ids.len()) } else { ids.join(" ") }
}
