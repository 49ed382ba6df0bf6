//! The commands that only read the bank: `search`, `list`, `show`, `history`, `stats`.
//!
//! None of them makes a bank or loads a language model. An id of another space is not there.
//!
//! Rooms it touches: args, exit, open, output, shapes, words.

use std::fs;
use std::path::Path;

use keepsake_core::config::Take;
use keepsake_core::types::{Memory, MemoryId, SpaceId, Turn, TurnId, UnitId};
use keepsake_core::{Engine, Filter, Findings, Found, Kind, Meaning, Parts};

use crate::args::{Global, History, List, Search, Show};
use crate::exit::Failure;
use crate::open::{Needs, Opened, Surroundings};
use crate::output::harmless;
use crate::shapes::{
    Document, HistoryBody, ListBody, SearchBody, ShowBody, StatsBody, TurnShape, ids, name, short,
};
use crate::{open, output, words};

/// The best memories and turns for a text.
pub(crate) fn search(args: &Search, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Embedder)?;
    let Findings { found, meaning } =
        opened.at(&args.past, &global.space)?.find(&global.space, &looked_for(args))?;
    if global.json {
        let found = found.into_iter().map(Into::into).collect();
        let body = SearchBody {
            space: global.space.to_string(),
            text: args.text.clone(),
            dense: meaning != Meaning::WordsOnly,
            without_vector: if let Meaning::CountedButFor(missing) = meaning { missing } else { 0 },
            found,
        };
        return output::json(&Document::new("keepsake.search/1", body));
    }
    for one in &found {
        let unit = words::unit(&one.hit.unit.to_string(), &short(one.time), &one.speaker, &one.text);
        output::line(&format!("{:.2}  {unit}", one.hit.score))?;
        if args.explain {
            output::line(&explained(one))?;
        }
    }
    match meaning {
        Meaning::Counted => {}
        Meaning::CountedButFor(missing) => {
            output::note(&format!("{missing} without a vector yet, found by words only"))
        }
        Meaning::WordsOnly => output::note("Searched by words only."),
    }
    if found.is_empty() { output::line("Nothing was found.") } else { Ok(()) }
}

fn looked_for(args: &Search) -> keepsake_core::Search {
    let take = match (args.per_speaker, args.tokens) {
        (Some(count), _) => Take::PerSpeaker(count),
        (None, Some(budget)) => Take::Tokens(budget),
        (None, None) => Take::Best(args.k),
    };
    let kind = match (args.memories, args.turns) {
        (true, _) => Kind::Memory,
        (_, true) => Kind::Turn,
        _ => Kind::Any,
    };
    let (speaker, from, until) = (args.speaker.clone(), args.from, args.until);
    keepsake_core::Search {
        text: args.text.clone(),
        take,
        filter: Filter { kind, speaker, from, until },
        asked: None,
    }
}

/// What a score is made of, part by part, and the raw scores behind the first two.
fn explained(found: &Found) -> String {
    let Parts { lexical, dense, speaker, time, dated, entity, length, question, linked } = found.hit.parts;
    let raw = |name: &str, raw: Option<f32>| raw.map_or(String::new(), |raw| format!(" ({name} {raw:.2})"));
    let named = [
        ("speaker", speaker),
        ("time", time),
        ("says when", dated),
        ("names", entity),
        ("length", length),
        ("asks", question),
        ("its memory", linked),
    ];
    let named = named.into_iter().filter(|(_, part)| *part != 0.0);
    let rest: String = named.map(|(name, part)| format!(", {name} {part:+.2}")).collect();
    let (bm25, cosine) = (raw("BM25", found.hit.lexical), raw("cosine", found.hit.dense));
    format!("      words {lexical:.2}{bm25}, meaning {dense:.2}{cosine}{rest}")
}

/// The memories that hold, and the turns where they are wanted.
pub(crate) fn list(args: &List, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let engine = opened.at(&args.past, &global.space)?;
    let memories =
        if args.quarantined { engine.quarantined(&global.space)? } else { engine.memories(&global.space)? };
    let turns = if args.turns { Some(turns(&engine, &global.space)?) } else { None };
    if global.json {
        let body = ListBody {
            space: global.space.to_string(),
            memories: memories.into_iter().map(Into::into).collect(),
            turns: turns.map(|turns| {
                turns.into_iter().map(|(turn, outcome)| TurnShape::new(turn, outcome)).collect()
            }),
        };
        return output::json(&Document::new("keepsake.list/1", body));
    }
    for memory in &memories {
        output::line(&words::memory(memory))?;
    }
    if memories.is_empty() {
        output::line("No memories.")?;
    }
    for (turn, outcome) in turns.unwrap_or_default() {
        output::line(&words::turn(&turn))?;
        for line in words::outcome(outcome.as_ref()) {
            output::line(&format!("       {line}"))?;
        }
    }
    Ok(())
}

type TurnAndOutcome = (Turn, Option<keepsake_core::bank::TurnOutcome>);

fn turns(engine: &Engine, space: &SpaceId) -> Result<Vec<TurnAndOutcome>, Failure> {
    let turns = engine.turns(space)?;
    let with_outcome = |turn: Turn| engine.outcome(turn.id).map(|outcome| (turn, outcome));
    Ok(turns.into_iter().map(with_outcome).collect::<Result<_, _>>()?)
}

/// One memory or turn in full.
pub(crate) fn show(args: &Show, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let mut body = ShowBody { space: global.space.to_string(), memory: None, turn: None };
    match args.id {
        UnitId::Memory(id) => {
            let memory = memory(&opened, &global.space, id)?;
            if !global.json {
                return show_memory(&memory);
            }
            body.memory = Some(memory.into());
        }
        UnitId::Turn(id) => {
            let turn = turn(&opened, &global.space, id)?;
            let outcome = opened.engine.outcome(id)?;
            if !global.json {
                show_turn(&turn)?;
                return words::outcome(outcome.as_ref()).iter().try_for_each(|line| field("outcome", line));
            }
            body.turn = Some(TurnShape::new(turn, outcome));
        }
    }
    output::json(&Document::new("keepsake.show/1", body))
}

/// A memory of this space.
pub(crate) fn memory(opened: &Opened, space: &SpaceId, id: MemoryId) -> Result<Memory, Failure> {
    opened
        .engine
        .memory(id)?
        .filter(|memory| memory.space == *space)
        .ok_or_else(|| missing("memory", id, space))
}

/// A turn of this space.
pub(crate) fn turn(opened: &Opened, space: &SpaceId, id: TurnId) -> Result<Turn, Failure> {
    opened.engine.turn(id)?.filter(|turn| turn.space == *space).ok_or_else(|| missing("turn", id, space))
}

fn missing(what: &str, id: impl std::fmt::Display, space: &SpaceId) -> Failure {
    Failure::other(format!("there is no {what} {id} in the space {space}: see `keepsake list --turns`"))
}

fn show_memory(memory: &Memory) -> Result<(), Failure> {
    field("memory", &format!("{}, version {}, {}", memory.id, memory.version, name(memory.state)))?;
    field("text", &memory.text)?;
    field("speaker", &memory.speaker)?;
    field("valid from", &short(memory.valid_from))?;
    field("recorded", &format!("{} UTC", short(memory.recorded)))?;
    field("origin", &name(memory.origin))?;
    field("from turns", &ids(&memory.sources).join(" "))
}

fn show_turn(turn: &Turn) -> Result<(), Failure> {
    field("turn", &format!("{}, session {}", turn.id, turn.session))?;
    field("text", &turn.text)?;
    field("image", turn.image.as_deref().unwrap_or("none"))?;
    field("speaker", &turn.speaker)?;
    field("time", &short(turn.time))?;
    field("recorded", &format!("{} UTC", short(turn.recorded)))?;
    field("origin", &name(turn.origin))?;
    field("reference", turn.reference.as_deref().unwrap_or("none"))
}

/// A name and a value; further lines of the value stand under its first.
fn field(name: &str, value: &str) -> Result<(), Failure> {
    let lines: Vec<String> = value.split('\n').map(harmless).collect();
    output::line(&format!("{name:<11} {}", lines.join("\n            ")))
}

/// All versions of a memory.
pub(crate) fn history(args: &History, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    memory(&opened, &global.space, args.id)?;
    let versions = opened.engine.history(args.id)?;
    if global.json {
        let versions = versions.into_iter().map(Into::into).collect();
        let body = HistoryBody { space: global.space.to_string(), id: args.id.to_string(), versions };
        return output::json(&Document::new("keepsake.history/1", body));
    }
    for version in &versions {
        let sources = ids(&version.sources).join(" ");
        let state = name(version.state);
        output::line(&format!(
            "v{:<3} {state:<10} {} (from {sources})",
            version.version,
            words::memory(version)
        ))?;
    }
    Ok(())
}

/// The space in numbers.
pub(crate) fn stats(global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let opened = open::open_existing(global, around, Needs::Nothing)?;
    let stats = opened.engine.stats(&global.space)?;
    let body = StatsBody {
        space: global.space.to_string(),
        bank: opened.folder.display().to_string(),
        bytes: size(&opened.folder),
        counts: stats.counts,
        failures: stats.failures,
        operations: stats.operations,
    };
    if global.json {
        return output::json(&Document::new("keepsake.stats/1", body));
    }
    show_stats(&body)
}

fn show_stats(body: &StatsBody) -> Result<(), Failure> {
    let line = |what: &str, value: String| output::line(&format!("{what:<28} {value}"));
    line("space", harmless(&body.space))?;
    line("bank", harmless(&body.bank))?;
    line("size on disk", format!("{:.1} MiB", body.bytes as f64 / 1_048_576.0))?;
    line("turns", body.counts.turns.to_string())?;
    line("  waiting", body.counts.waiting.to_string())?;
    line("  failed", body.counts.failed.to_string())?;
    for (reason, count) in &body.failures {
        line(&format!("    {reason}"), count.to_string())?;
    }
    line("memories", body.counts.current.to_string())?;
    line("  retired", body.counts.retired.to_string())?;
    line("  quarantined", body.counts.quarantined.to_string())?;
    line("  versions, all told", body.counts.versions.to_string())?;
    output::line("operations")?;
    for (operation, count) in &body.operations {
        line(&format!("  {operation}"), count.to_string())?;
    }
    Ok(())
}

/// Bytes of all files beneath a folder. A file that goes away meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, about)| if about.is_dir() { size(&path) } else { about.len() })
        .sum()
}
