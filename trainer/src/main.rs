//! `keepsake-trainer`: trains, exports and compares from a shell.
//!
//! It prints results on standard output, progress on standard error. Rooms it touches: all of the trainer's.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that prints

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

mod evaluating;
mod flags;

use clap::{Args, Parser, Subcommand};
use keepsake_core::config::Config;
use keepsake_core::model::{LanguageModel, LlamaModel, LlamaSettings, Role};
use keepsake_dialogues::questions::Layout;
use keepsake_trainer::evaluate::EvaluateError;
use keepsake_trainer::evaluate::compare::CompareError;
use keepsake_trainer::parity::{ParityError, parity};
use keepsake_trainer::record;
use keepsake_trainer::run::{self, Begin, Ended, RunConfig, RunError};
use keepsake_trainer::tasks::{Played, Scene};
use keepsake_trainer::train::reinforce::{evaluate, means};
use keepsake_trainer::verl::{self, Made, VerlError};
use keepsake_trainer::weights::{self, Base, Precision, WeightsError};
use keepsake_trainer::world::{Split, WorldSettings};

use self::flags::Flags;

/// Trains Keepsake's agents on the model that ships, and exports adapters that the device loads.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train: sft, answer, manager or joint; or as a settings file says
    #[command(after_help = TRAIN_HELP)]
    Train(Train),
    /// Play held-out scenes greedily: rewards, and operations against gold
    Held(Held),
    /// Compare an adapter in llama.cpp with the trainer, token by token
    Parity(Parity),
    /// Write an adapter in 16 bits, half as large, to be shipped
    Halve(Halve),
    /// Make one adapter of several that began as the same one: the mean of their weights
    Mean(Mean),
    /// Make an adapter of a lower rank that is nearest to it: faster to evaluate, and smaller
    Lower(Lower),
    /// Make an adapter of fewer linears, those that it changes most: faster to evaluate, and smaller
    Prune(Prune),
    /// Turn an adapter into PEFT's files
    ToPeft(ToPeft),
    /// Turn PEFT's files into an adapter
    FromPeft(FromPeft),
    /// Merge an adapter into its base: a whole model
    Merge(Merge),
    /// Write rows that verl trains on, and the reward that it calls
    ExportVerl(ExportVerl),
    /// Judge replies, a JSON line each, for another trainer
    Reward,
    /// Measure answers and banks, beside other ways: qa, operations or end-to-end
    #[command(subcommand)]
    Evaluate(evaluating::Evaluate),
    /// Test two reports of evaluations against each other, question by question
    Compare(evaluating::Compare),
    /// Say which files of conversations are read
    Data,
    /// Write the report of a run anew
    Report {
        /// The run's folder
        folder: PathBuf,
    },
}

const TRAIN_HELP: &str = "\
Examples:
  keepsake-trainer train sft --role manager --model base.gguf --run runs/manager-sft
  keepsake-trainer train manager --algo grpo --model base.gguf --begin-manager runs/manager-sft/manager.gguf --run runs/manager
  keepsake-trainer train joint --config joint.toml --run runs/joint
  keepsake-trainer train --run runs/joint --resume";

fn data_help() -> String {
    format!(
        "LoCoMo: its JSON files, a list of conversations or one alone.\n\
         LongMemEval: its JSON files, oracle or with haystacks.\n\
         Multi-Session Chat: the persona summaries, a conversation a line; notes, no questions.\n\
         FriendsQA: its JSON files.\n\
         JSON lines of your own. {}",
        Layout::JSONL
    )
}

#[derive(Args)]
struct Train {
    #[command(flatten)]
    flags: Flags,
    /// The folder that the run is kept in
    #[arg(long)]
    run: PathBuf,
    /// Go on with the run that is there
    #[arg(long)]
    resume: bool,
}

#[derive(Args)]
struct Held {
    /// The settings file
    #[arg(long)]
    config: PathBuf,
    /// Who plays: manager or answer [default: who learns by the settings; of both the manager]
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// An adapter; without one the base alone plays
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// Play with the device's own engine, llama.cpp over the base as it ships
    #[arg(long)]
    on_device: bool,
    /// A file for what was done in each scene and what was to be done, JSON lines
    #[arg(long)]
    lines: Option<PathBuf>,
}

#[derive(Args)]
struct Parity {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter
    #[arg(long)]
    adapter: PathBuf,
}

#[derive(Args)]
struct Halve {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter
    #[arg(long)]
    adapter: PathBuf,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

#[derive(Args)]
struct Mean {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// An adapter and how much it counts, for example runs/ppo/manager.gguf=0.5; given twice or more. A negative weight takes
    /// away what an adapter has
    #[arg(long = "adapter", value_name = "FILE=WEIGHT", required = true, value_parser = weighted)]
    adapters: Vec<(PathBuf, f32)>,
    /// The file to write, in 32 bits
    #[arg(long)]
    out: PathBuf,
}

fn weighted(text: &str) -> Result<(PathBuf, f32), String> {
    let (path, weight) = text.rsplit_once('=').ok_or("give FILE=WEIGHT")?;
    let weight = weight.parse().map_err(|_| format!("{weight} is no number"))?;
    Ok((path.into(), weight))
}

#[derive(Args)]
struct Lower {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter
    #[arg(long)]
    adapter: PathBuf,
    /// The rank, lower than the adapter's
    #[arg(long)]
    rank: usize,
    /// The file to write, in 32 bits
    #[arg(long)]
    out: PathBuf,
}

#[derive(Args)]
struct Prune {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter
    #[arg(long)]
    adapter: PathBuf,
    /// The share of its linears that stay adapted, for example 0.5
    #[arg(long)]
    keep: f64,
    /// The file to write, in 32 bits
    #[arg(long)]
    out: PathBuf,
}

#[derive(Args)]
struct ToPeft {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter
    #[arg(long)]
    adapter: PathBuf,
    /// The folder to write
    #[arg(long)]
    out: PathBuf,
    /// The name of the base in PEFT's configuration
    #[arg(long, default_value = "")]
    base_name: String,
}

#[derive(Args)]
struct FromPeft {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The folder with adapter_model.safetensors and adapter_config.json
    #[arg(long)]
    peft: PathBuf,
    /// Whose adapter it is: manager or answer
    #[arg(long, value_parser = role)]
    role: Role,
    /// An answer agent that was trained to answer from the best hits at once, without picking memories first
    #[arg(long)]
    direct: bool,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

#[derive(Args)]
struct Merge {
    /// The base
    #[arg(long)]
    model: PathBuf,
    /// The adapter; without one the base alone is unpacked
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
    /// Quantise to this type afterwards, for example Q4_K_M
    #[arg(long)]
    quantise: Option<String>,
    /// Write 32 bits instead of 16
    #[arg(long)]
    f32: bool,
}

#[derive(Args)]
struct ExportVerl {
    /// The folder to write
    #[arg(long)]
    out: PathBuf,
    /// Stories to learn from
    #[arg(long, default_value_t = 8)]
    stories: u64,
    /// Stories to evaluate on
    #[arg(long, default_value_t = 1)]
    held: u64,
}

fn role(name: &str) -> Result<Role, String> {
    [Role::Manager, Role::Answer]
        .into_iter()
        .find(|role| role.as_str() == name)
        .ok_or_else(|| "give manager or answer".to_owned())
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Parity(#[from] ParityError),
    #[error(transparent)]
    Record(#[from] record::RecordError),
    #[error(transparent)]
    Verl(#[from] VerlError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("{0}")]
    Other(String),
}

fn main() -> ExitCode {
    keepsake_trainer::start::once_more();
    // libtorch's failures come back as errors; what its binding prints on the way says the same at great length.
    std::panic::set_hook(Box::new(|_| {}));
    match work(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("keepsake-trainer: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn work(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(arguments) => train(&arguments),
        Command::Held(arguments) => held(&arguments),
        Command::Parity(Parity { model, adapter }) => {
            let found = parity(&model, &adapter)?;
            println!(
                "{}",
                serde_json::to_string_pretty(&found).map_err(|error| Failure::Other(error.to_string()))?
            );
            Ok(())
        }
        Command::Halve(Halve { model, adapter, out }) => {
            rewrite(&model, &adapter, &out, weights::Bits::F16, |lora, _| Ok(lora))
        }
        Command::Mean(arguments) => mean(&arguments),
        Command::Lower(Lower { model, adapter, rank, out }) => {
            rewrite(&model, &adapter, &out, weights::Bits::F32, |lora, _| lora.lower(rank))
        }
        Command::Prune(Prune { model, adapter, keep, out }) => {
            rewrite(&model, &adapter, &out, weights::Bits::F32, |lora, base| lora.prune(keep, base))
        }
        Command::ToPeft(ToPeft { model, adapter, out, base_name }) => {
            let base = Base::open(&model)?;
            let (lora, _) = weights::read_adapter(&adapter, base.shape())?;
            Ok(weights::write_peft(&out, base.shape(), &lora, &base_name)?)
        }
        Command::FromPeft(FromPeft { model, peft, role, direct, out }) => {
            let base = Base::open(&model)?;
            let lora = weights::read_peft(&peft, base.shape())?;
            let wording = keepsake_core::model::adapter::wording(role);
            let label = weights::Label { role, distils: !direct, base_sha256: base.sha256()?, wording };
            Ok(weights::write_adapter(&out, base.shape(), &lora, &label, weights::Bits::F32)?)
        }
        Command::Merge(arguments) => merge(&arguments),
        Command::ExportVerl(arguments) => export_verl(&arguments),
        Command::Reward => {
            let judged = verl::serve_rewards(std::io::stdin().lock(), std::io::stdout().lock());
            judged.map_err(|error| Failure::Other(format!("the replies cannot be read or answered: {error}")))
        }
        Command::Evaluate(arguments) => {
            let stop = Arc::new(AtomicBool::new(false));
            stop_on_signals(&stop)
                .map_err(|error| Failure::Other(format!("Ctrl-C cannot be caught: {error}")))?;
            Ok(evaluating::evaluate(&arguments, &stop)?)
        }
        Command::Compare(arguments) => {
            evaluating::compare(&arguments)?.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        Command::Data => {
            println!("{}", data_help());
            Ok(())
        }
        Command::Report { folder } => Ok(record::report(&folder)?),
    }
}

fn train(Train { flags, run, resume }: &Train) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let settings = if *resume { flags.or_those_of(run)? } else { flags.settings()? };
    stop_on_signals(&stop).map_err(|error| Failure::Other(format!("Ctrl-C cannot be caught: {error}")))?;
    let ended = run::train(&settings, run, *resume, &stop)?;
    let (Ended::Whole { adapters } | Ended::Stopped { adapters, .. }) = &ended;
    for adapter in adapters {
        println!("{}", adapter.display());
    }
    if let Ended::Stopped { step, .. } = ended {
        println!("stopped before step {step}, and saved: go on with --resume");
    }
    Ok(())
}

/// Ctrl-C, a termination, and a hang-up save the run and end it; a hang-up does not where the program was started to
/// outlive it (`nohup`).
fn stop_on_signals(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    let mut signals = vec![signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    #[cfg(unix)]
    if !ignores_hang_up() {
        signals.push(signal_hook::consts::SIGHUP);
    }
    for signal in signals {
        signal_hook::flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Whether a hang-up is ignored, by what Linux says of the process; elsewhere it is not known.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let signals = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    signals.is_some_and(|mask| mask >> (signal_hook::consts::SIGHUP - 1) & 1 == 1)
}

fn held(Held { config, role, adapter, on_device, lines }: &Held) -> Result<(), Failure> {
    let mut config = RunConfig::read(config)?;
    let role = role.unwrap_or(config.role.roles()[0]);
    config.begin = match role {
        Role::Manager => Begin { manager: adapter.clone(), answer: None },
        Role::Answer => Begin { manager: None, answer: adapter.clone() },
    };
    let scenes = run::material::scenes(&config, role, Split::Held)?;
    let played = if *on_device {
        let adapters = adapter.iter().map(|path| (role, path.clone())).collect();
        let settings = LlamaSettings { adapters, ..LlamaSettings::new(&config.model) };
        let model = Arc::new(LlamaModel::load(&settings).map_err(RunError::from)?);
        let mut played: Vec<Played> = Vec::with_capacity(scenes.len());
        for scene in &scenes {
            played.push(scene.play(Arc::clone(&model) as Arc<dyn LanguageModel>).map_err(RunError::from)?);
        }
        played
    } else {
        let mut loaded = run::load(&config)?;
        evaluate(&mut loaded.engine, &loaded.tokenizer, &scenes, config.engine.context_tokens)
            .map_err(RunError::from)?
            .1
    };
    if let Some(path) = lines {
        write_lines(path, &scenes, &played)
            .map_err(|error| Failure::Other(format!("{} cannot be written: {error}", path.display())))?;
    }
    let values = means(&played.iter().collect::<Vec<_>>());
    println!("scenes\t{}", scenes.len());
    for (name, value) in &values {
        println!("{name}\t{value:.3}");
    }
    Ok(())
}

fn write_lines(path: &Path, scenes: &[Box<dyn Scene>], played: &[Played]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for (scene, played) in scenes.iter().zip(played) {
        let Played { reward, said, operations, parts, .. } = played;
        let (facts, right) = (operations.facts, operations.right);
        let touched = parts.iter().find(|(name, _)| name == "touched").map(|(_, value)| value);
        let line = serde_json::json!({
            "about": scene.about(), "gold": scene.gold(), "said": said, "reward": reward, "touched": touched,
            "facts": facts, "right": right
        });
        writeln!(file, "{line}")?;
    }
    file.flush()
}

fn export_verl(ExportVerl { out, stories, held }: &ExportVerl) -> Result<(), Failure> {
    let rows = |split, first: u64, count: u64| -> Result<Vec<verl::Sample>, VerlError> {
        let settings = WorldSettings { split, ..WorldSettings::default() };
        let mut rows = Vec::new();
        for seed in first..first + count {
            rows.extend(verl::samples(seed, &settings, &Config::default(), &Made::default())?);
        }
        Ok(rows)
    };
    Ok(verl::export(&rows(Split::Train, 0, *stories)?, &rows(Split::Held, 1 << 32, *held)?, out)?)
}

/// Writes an adapter of this base anew, changed.
fn rewrite(
    model: &Path,
    adapter: &Path,
    out: &Path,
    bits: weights::Bits,
    change: impl FnOnce(weights::Lora, &Base) -> Result<weights::Lora, WeightsError>,
) -> Result<(), Failure> {
    let base = Base::open(model)?;
    let (lora, label) = weights::read_adapter(adapter, base.shape())?;
    is_of(&base, &label)?;
    Ok(weights::write_adapter(out, base.shape(), &change(lora, &base)?, &label, bits)?)
}

fn is_of(base: &Base, label: &weights::Label) -> Result<(), Failure> {
    if label.base_sha256 == base.sha256()? {
        return Ok(());
    }
    let path = base.path().display();
    Err(Failure::Other(format!(
        "the adapter was trained on another base than {path}: give that one as --model"
    )))
}

fn mean(arguments: &Mean) -> Result<(), Failure> {
    let base = Base::open(&arguments.model)?;
    let (mut parts, mut labels) = (Vec::new(), Vec::new());
    for (path, weight) in &arguments.adapters {
        let (lora, label) = weights::read_adapter(path, base.shape())?;
        parts.push((lora, *weight));
        labels.push(label);
    }
    let lora = weights::Lora::mean(&parts)?;
    let label = &labels[0];
    if let Some(other) = labels.iter().position(|other| other != label) {
        let what = "is of another agent, base, wording or way to answer than the first: take the mean of adapters that began as \
                    the same one";
        return Err(Failure::Other(format!("{} {what}", arguments.adapters[other].0.display())));
    }
    is_of(&base, label)?;
    Ok(weights::write_adapter(&arguments.out, base.shape(), &lora, label, weights::Bits::F32)?)
}

fn merge(Merge { model, adapter, out, quantise, f32 }: &Merge) -> Result<(), Failure> {
    let base = Base::open(model)?;
    let precision = if *f32 { Precision::F32 } else { Precision::F16 };
    let whole = match quantise {
        Some(_) => out.with_extension("whole.gguf"),
        None => out.clone(),
    };
    match adapter {
        Some(adapter) => {
            let (lora, _) = weights::read_adapter(adapter, base.shape())?;
            weights::merge(&base, &lora, &whole, precision)?;
        }
        None => weights::dequantise(&base, &whole, precision)?,
    }
    if let Some(kind) = quantise {
        let quantised = weights::quantise(&whole, out, kind);
        let _ = std::fs::remove_file(&whole);
        quantised?;
    }
    Ok(())
}
