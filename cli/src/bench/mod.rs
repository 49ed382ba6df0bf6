//! `keepsake bench`: how well retrieval finds the evidence of questions, on files that name it.
//!
//! The bank is in memory and gone afterwards; no language model is asked. Values are percent, as metrics of the field
//! define them: of each question's evidence, whether any, which fraction, and whether all of it is among the first k.
//!
//! It has a grammar of its own, since its `--json` takes a file. Rooms it touches: exit, found, open, output,
//! dialogues.

mod plot;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use keepsake_core::bank::MemoryBank;
use keepsake_core::config::{Around, Config, Ranking, Take};
use keepsake_core::embed::OnnxEmbedder;
use keepsake_core::types::{Cancel, NewTurn, SpaceId, Timestamp};
use keepsake_core::{Budget, Engine, Filter, Kind, Search, Setup};
use keepsake_dialogues::questions::{self, Asked, Dialogue, Gold, Layout};
use keepsake_dialogues::recall::{Judged, Recall};
use serde::Serialize;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::Surroundings;
use crate::{found, output};

/// What is measured.
#[derive(Debug, Parser)]
#[command(name = "keepsake bench", after_help = "Example:\n  keepsake bench retrieval conversation.json")]
struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How much of the evidence of each question is among the first 5, 10, 30 and 60 turns
    Retrieval(Retrieval),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  keepsake bench retrieval conv-26.json conv-30.json --gold gold_repaired.jsonl
  keepsake bench retrieval conv-26.json --mode lexical --json recall.json --plot recall.svg
  keepsake bench retrieval longmemeval_s.json --format longmemeval")]
struct Retrieval {
    /// Conversations with questions and their evidence
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The files' format [default: by their content]
    #[arg(long)]
    format: Option<Format>,
    /// LoCoMo: evidence to go by instead of the files' own, JSON lines of `conv`, `qa_index`, `category`, `gold`
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// What is searched by
    #[arg(long, default_value = "hybrid")]
    mode: Mode,
    /// The bare min–max sum of words and vectors, without what else ranking goes by
    #[arg(long)]
    plain: bool,
    /// Write the figures to a file, as JSON
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Draw the fraction found against k, as SVG
    #[arg(long, value_name = "OUT")]
    plot: Option<PathBuf>,
    /// Threads of the embedding model
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=512))]
    threads: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Turns are the units, and the evidence is of turns
    Locomo,
    /// Turns are the units; evidence counts by session, and by round of user and assistant
    Longmemeval,
    /// JSON lines of turns and questions: `keepsake-trainer data`
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Words, without an embedding model
    Lexical,
    /// Vectors alone
    Dense,
    /// Both
    Hybrid,
}

/// `keepsake.bench.retrieval/1`
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    mode: Mode,
    #[serde(flatten)]
    recall: Recall,
    /// LongMemEval: the same by round; the rest is by session.
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<Recall>,
    left_out: LeftOut,
}

/// Questions that do not count.
#[derive(Debug, Default, Serialize)]
struct LeftOut {
    /// They have none, or none that is in the conversation.
    without_evidence: usize,
    /// They ask for what was never said.
    unanswerable: usize,
}

/// A question with the units that are found for it: whatever the format counts, best first.
struct Ranked {
    judged: Judged,
    round: Option<Judged>,
}

/// Runs what stands behind `bench`.
pub(crate) fn run(args: &[OsString], global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let name = OsString::from("keepsake bench");
    let What::Retrieval(args) = Bench::parse_from([name].into_iter().chain(args.iter().cloned())).what;
    if args.plot.as_ref().is_some_and(|plot| plot.extension().is_none_or(|end| end != "svg")) {
        return Err(Failure::new(
            crate::exit::Exit::Usage,
            "--plot writes SVG: give a file that ends in .svg",
        ));
    }
    if args.mode != Mode::Lexical && global.no_embedder {
        let why = "without an embedder only words can be measured: give --mode lexical";
        return Err(Failure::new(crate::exit::Exit::Usage, why));
    }
    let embedder = if args.mode == Mode::Lexical {
        None
    } else {
        let files = found::embedding_model(around.models.as_deref())?;
        Some(Arc::new(OnnxEmbedder::open(&files, args.threads as usize)?))
    };
    let bench = Searching { embedder, config: config(args.mode, args.plain) };
    let mut left_out = LeftOut::default();
    let mut ranked = Vec::new();
    let gold = args.gold.as_deref().map(gold).transpose()?;
    for file in &args.files {
        let (layout, dialogues) = dialogues(file, args.format, gold.as_ref())?;
        for dialogue in dialogues {
            ranked.extend(of_dialogue(dialogue, layout, &bench, &mut left_out)?);
        }
    }
    let rounds: Vec<Judged> = ranked.iter().filter_map(|one| one.round.clone()).collect();
    let judged: Vec<Judged> = ranked.into_iter().map(|one| one.judged).collect();
    if judged.is_empty() {
        return Err(Failure::other("no question has evidence in its conversation: nothing can be measured"));
    }
    let report = Report {
        schema: "keepsake.bench.retrieval/1",
        mode: args.mode,
        recall: Recall::of(&judged),
        rounds: (!rounds.is_empty()).then(|| Recall::of(&rounds)),
        left_out,
    };
    show(&report)?;
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::other)?;
        write(file, &format!("{text}\n"))?;
    }
    if let Some(file) = &args.plot {
        write(file, &plot::svg(&report.recall)?)?;
    }
    Ok(())
}

fn config(mode: Mode, plain: bool) -> Config {
    let bare = Ranking {
        forms: false,
        neighbour: 0.0,
        speaker: 0.0,
        time: 0.0,
        dated: 0.0,
        entity: 0.0,
        length: 0.0,
        question: 0.0,
        linked: 0.0,
        nameless: false,
        ..Ranking::default()
    };
    let ranking = match (mode, plain) {
        (Mode::Dense, _) => Ranking { lexical: 0.0, ..bare },
        (_, true) => bare,
        (_, false) => return Config::default(),
    };
    let around = Around { before: vec![1.0; 2], after: vec![1.0; 2] };
    Config { ranking, around, ..Config::default() }
}

fn gold(file: &Path) -> Result<Gold, Failure> {
    questions::gold(&text(file)?).map_err(|what| fault(file, &what))
}

/// The conversations of a file. What cannot be used is said.
fn dialogues(
    file: &Path,
    format: Option<Format>,
    gold: Option<&Gold>,
) -> Result<(Layout, Vec<Dialogue>), Failure> {
    let text = text(file)?;
    let layout = match format {
        Some(Format::Locomo) => Ok(Layout::Locomo),
        Some(Format::Longmemeval) => Ok(Layout::Longmemeval),
        Some(Format::Jsonl) => Ok(Layout::Jsonl),
        None => Layout::of(&text).and_then(|layout| match layout {
            Layout::Msc => Err("Multi-Session Chat has notes and no questions".to_owned()),
            layout => Ok(layout),
        }),
    };
    let layout = layout.map_err(|what| fault(file, &format!("{what}; or name its --format")))?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let found = questions::read(&text, &stem, layout, gold).map_err(|what| fault(file, &what))?;
    found.left_out.iter().for_each(|what| output::note(&format!("left out: {}: {what}", file.display())));
    Ok((layout, found.dialogues))
}

/// What is found for the questions of a conversation.
fn of_dialogue(
    dialogue: Dialogue,
    layout: Layout,
    bench: &Searching,
    left_out: &mut LeftOut,
) -> Result<Vec<Ranked>, Failure> {
    let by_session = layout == Layout::Longmemeval;
    let mut counts = |asked: &&Asked| {
        let evidence = if by_session { &asked.sessions } else { &asked.evidence };
        left_out.unanswerable += usize::from(!asked.is_answerable());
        left_out.without_evidence += usize::from(asked.is_answerable() && evidence.is_empty());
        asked.is_answerable() && !evidence.is_empty()
    };
    let judged: Vec<&Asked> = dialogue.questions.iter().filter(|asked| counts(asked)).collect();
    let last = dialogue.turns.iter().map(NewTurn::time).max();
    let Some(last) = last.filter(|_| !judged.is_empty()) else { return Ok(Vec::new()) };
    let engine = bench.over(dialogue.turns)?;
    let ranked = |asked: &Asked| {
        let found = references(&engine, &asked.text, asked.at.unwrap_or(last))?;
        Ok(if by_session { by_sessions(asked, &found) } else { by_turns(asked, &found) })
    };
    judged.into_iter().map(ranked).collect()
}

fn by_turns(asked: &Asked, found: &[String]) -> Ranked {
    Ranked { judged: Judged::new(&asked.category, &asked.evidence, found), round: None }
}

/// By session, and by round of user and assistant: a reference is `place/session/round/number`.
fn by_sessions(asked: &Asked, found: &[String]) -> Ranked {
    let rounds = grouped(&asked.evidence, 1);
    let judged = |gold: &[String], parts: usize| Judged::new(&asked.category, gold, &grouped(found, parts));
    let round = (!rounds.is_empty()).then(|| judged(&rounds, 1));
    Ranked { judged: judged(&asked.sessions, 2), round }
}

/// The sessions or rounds that references are of, each at the place of its best turn: the session's place and their last
/// `parts` parts are cut off.
fn grouped(references: &[String], parts: usize) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for reference in references {
        let reference = reference.split_once('/').map_or(reference.as_str(), |(_, of)| of);
        let group = (0..parts).fold(reference, |of, _| of.rsplit_once('/').map_or(of, |(of, _)| of));
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    groups
}

fn text(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| fault(file, &error.to_string()))
}

fn fault(file: &Path, what: &str) -> Failure {
    Failure::other(format!("{}: {what}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| fault(file, &format!("it cannot be written: {error}")))
}

/// How every conversation is searched.
struct Searching {
    embedder: Option<Arc<OnnxEmbedder>>,
    config: Config,
}

impl Searching {
    /// A conversation, ready to be searched.
    fn over(&self, turns: Vec<NewTurn>) -> Result<Engine, Failure> {
        let mut setup = Setup::new(keepsake_core::device_clock).with_config(self.config.clone());
        if let Some(embedder) = &self.embedder {
            setup = setup.with_embedder(embedder.clone());
        }
        let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup);
        for turn in turns {
            engine.append(turn)?;
        }
        engine.process(&Budget::default(), &Cancel::new(), &mut |_| ())?;
        Ok(engine)
    }
}

/// The references of the turns that are found, best first.
fn references(engine: &Engine, question: &str, asked: Timestamp) -> Result<Vec<String>, Failure> {
    let search = Search {
        take: Take::Best(usize::MAX),
        filter: Filter { kind: Kind::Turn, ..Filter::default() },
        asked: Some(asked),
        ..Search::best(question, 0)
    };
    let mut references = Vec::new();
    for found in engine.find(&SpaceId::default(), &search)?.found {
        let turn = found.hit.unit.turn().map(|turn| engine.turn(turn)).transpose()?.flatten();
        references.extend(turn.and_then(|turn| turn.reference));
    }
    Ok(references)
}

fn show(report: &Report) -> Result<(), Failure> {
    let LeftOut { without_evidence, unanswerable } = report.left_out;
    output::line(&format!(
        "{} questions; left out: {without_evidence} without evidence, {unanswerable} that ask for what was not said",
        report.recall.n
    ))?;
    let by = if report.rounds.is_some() { "sessions" } else { "turns" };
    report.recall.lines(by).iter().try_for_each(|line| output::line(line))?;
    let rounds = report.rounds.as_ref().map(|rounds| rounds.lines("rounds")).unwrap_or_default();
    rounds.iter().try_for_each(|line| output::line(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_rounds_stand_where_their_best_turn_does() {
        let found = ["0/a/1/0", "1/b/2/3", "0/a/2/2", "1/b/2/4", "2/a/1/1"].map(str::to_owned);
        assert_eq!(grouped(&found, 1), ["a/1", "b/2", "a/2"]);
        assert_eq!(grouped(&found, 2), ["a", "b"]);
    }
}
