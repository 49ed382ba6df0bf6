//! `keepsake-trainer evaluate` and `compare`: from arguments to an evaluation, and what a person hears of it.
//!
//! Rooms it touches: evaluate; dialogues; of core: model, embed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use keepsake_core::embed::{Embedder, OnnxEmbedder, OnnxFiles};
use keepsake_core::model::{LanguageModel, LlamaModel, LlamaSettings, Role};
use keepsake_core::prompt;
use keepsake_dialogues::questions::Layout;
use keepsake_trainer::evaluate::compare::{self, Choice};
use keepsake_trainer::evaluate::judge::{self, Judge, Remote};
use keepsake_trainer::evaluate::material::{Material, MaterialSettings, Part, material};
use keepsake_trainer::evaluate::report::Report;
use keepsake_trainer::evaluate::systems::System;
use keepsake_trainer::evaluate::{
    Ended, EvaluateError, Given, OperationsSettings, Plan, Tools, operations, qa,
};
use keepsake_trainer::world::{Split, WorldSettings};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Failure;

#[derive(Subcommand)]
pub(crate) enum Evaluate {
    /// Ask every question of banks that the engine builds, or that are given
    #[command(after_help = HELP)]
    Qa(Qa),
    /// What managers do: against gold operations on stories; kept, lost, invented and twice on conversations
    #[command(after_help = HELP)]
    Operations(Operations),
    /// Banks and answers of the whole table of systems
    #[command(after_help = HELP)]
    EndToEnd(Qa),
}

const HELP: &str = "\
Examples:
  keepsake-trainer evaluate qa --data locomo10.json --split test --model base.gguf --out runs/qa
  keepsake-trainer evaluate qa --data talk.jsonl --bank bank-folder --model base.gguf --out runs/mine
  keepsake-trainer evaluate end-to-end --data conv-30.json --gold gold.jsonl --model base.gguf \\
      --manager manager.gguf --answer answer.gguf --out runs/table
  keepsake-trainer evaluate operations --stories 8 --data msc.txt --model base.gguf --out runs/operations
  keepsake-trainer compare runs/qa runs/other
Layouts of files: keepsake-trainer data. What each figure means: docs/evaluation.md.";

#[derive(Args)]
pub(crate) struct Common {
    /// A file of conversations; may be given several times
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// The files' layout [default: by their content]
    #[arg(long)]
    format: Option<Format>,
    /// LoCoMo: which conversations, by Memory-R1's split
    #[arg(long, default_value = "all")]
    split: SplitName,
    /// LoCoMo: evidence to go by instead of the files' own, JSON lines of `conv`, `qa_index`, `gold`
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,
    /// Held-out stories of the synthetic world, beside the files
    #[arg(long, value_name = "N", default_value_t = 0)]
    stories: u64,
    /// The GGUF file of the model
    #[arg(long)]
    model: PathBuf,
    /// The manager's adapter
    #[arg(long, value_name = "FILE")]
    manager: Option<PathBuf>,
    /// The answer agent's adapter
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// The folder with the embedding model, its tokenizer and ONNX Runtime [default: the model's folder]
    #[arg(long, value_name = "FOLDER")]
    embedder: Option<PathBuf>,
    /// Search by words only
    #[arg(long, conflicts_with = "embedder")]
    no_embedder: bool,
    /// Which systems, with commas between; `keepsake-trainer evaluate qa --help` names them
    #[arg(long, value_delimiter = ',', long_help = format!("Which systems, with commas between: {}", System::NAMES))]
    systems: Vec<System>,
    /// Most questions, drawn by seed; of operations: most turns of stories
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Most turns of each conversation; questions whose evidence comes later are left out
    #[arg(long, value_name = "N")]
    turns: Option<usize>,
    /// Most conversations of the files
    #[arg(long, value_name = "N")]
    conversations: Option<usize>,
    /// The folder that everything is kept in
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Go on with the evaluation that is there
    #[arg(long)]
    resume: bool,
    /// What all randomness comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draws for each interval
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// Threads that compute [default: as the engine chooses]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=512))]
    threads: Option<u32>,
    /// Tokens of prompt and reply together
    #[arg(long, default_value_t = 4096)]
    context: u32,
}

#[derive(Args)]
pub(crate) struct Qa {
    #[command(flatten)]
    common: Common,
    /// Take banks instead of building them: an export, a bank's folder, a folder of exports named after the conversations,
    /// or `gold`, of stories
    #[arg(long, value_name = "PATH")]
    bank: Option<PathBuf>,
    /// Ask also for what was never said
    #[arg(long)]
    unanswerable: bool,
    /// Have answers judged: the address of a server with OpenAI's interface, or `local`, the model itself
    #[arg(long, value_name = "ADDRESS")]
    judge: Option<String>,
    /// The judge's model, as its server names it
    #[arg(long, value_name = "NAME")]
    judge_model: Option<String>,
    /// The environment variable that holds the judge's key
    #[arg(long, value_name = "NAME")]
    judge_key_variable: Option<String>,
}

#[derive(Args)]
pub(crate) struct Operations {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Compare {
    /// A report.json, or the folder that holds it
    a: PathBuf,
    /// The other one
    b: PathBuf,
    /// The first report's system [default: each that both have]
    #[arg(long = "a", value_name = "SYSTEM")]
    system_a: Option<String>,
    /// The second report's system
    #[arg(long = "b", value_name = "SYSTEM")]
    system_b: Option<String>,
    /// Compare what both have, where some questions are in one only
    #[arg(long)]
    shared: bool,
    /// Draws for each interval and p value
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// What the draws come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Locomo,
    Longmemeval,
    Msc,
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SplitName {
    All,
    Train,
    Validation,
    Test,
}

/// Evaluates, and says where the report is.
pub(crate) fn evaluate(what: &Evaluate, stop: &AtomicBool) -> Result<(), Failure> {
    let (name, common, qa_only) = match what {
        Evaluate::Qa(arguments) => ("qa", &arguments.common, Some(arguments)),
        Evaluate::EndToEnd(arguments) => ("end-to-end", &arguments.common, Some(arguments)),
        Evaluate::Operations(arguments) => ("operations", &arguments.common, None),
    };
    let material = read(common, qa_only.is_some_and(|arguments| arguments.unanswerable), name)?;
    let has_adapters = common.manager.is_some() || common.answer.is_some();
    let embedder = embedder(common)?;
    let systems = systems(name, common, has_adapters, embedder.is_some())?;
    let judge = qa_only.map(|arguments| judge(arguments, &common.model)).transpose()?.flatten();
    let given = qa_only
        .and_then(|arguments| arguments.bank.as_ref())
        .map(|path| if path.as_os_str() == "gold" { Given::Gold } else { Given::Path(path.clone()) });
    let settings = settings(common, &material, &systems, embedder.as_deref(), judge.as_ref(), qa_only)?;
    let load = |adapters: bool| {
        let given = [(Role::Manager, &common.manager), (Role::Answer, &common.answer)];
        let adapters: BTreeMap<Role, PathBuf> = given
            .into_iter()
            .filter_map(|(role, path)| Some((role, path.clone().filter(|_| adapters)?)))
            .collect();
        let settings = LlamaSettings {
            adapters,
            threads: common.threads,
            context_tokens: common.context,
            ..LlamaSettings::new(&common.model)
        };
        LlamaModel::load(&settings).map(|model| Arc::new(model) as Arc<dyn LanguageModel>)
    };
    let tools = Tools { load: &load, embedder, given, judge, stop };
    let plan = Plan {
        what: name,
        material: &material,
        systems: &systems,
        settings,
        resamples: common.resamples as usize,
        seed: common.seed,
        out: &common.out,
        resume: common.resume,
    };
    let ended = if qa_only.is_some() {
        qa(&plan, &tools)?
    } else {
        operations(&plan, &tools, OperationsSettings { limit: common.limit })?
    };
    match ended {
        Ended::Whole => println!("{}", common.out.join("report.md").display()),
        Ended::Stopped => println!("stopped, and saved: go on with --resume"),
    }
    Ok(())
}

/// Compares, a line each.
pub(crate) fn compare(arguments: &Compare) -> Result<Vec<String>, Failure> {
    let (a, b) = (Report::read(&arguments.a)?, Report::read(&arguments.b)?);
    let choice =
        Choice { a: arguments.system_a.clone(), b: arguments.system_b.clone(), shared: arguments.shared };
    let found = compare::compare(&a, &b, &choice, arguments.resamples as usize, arguments.seed)?;
    let mut lines = Vec::new();
    for one in found {
        lines.extend(one.lines());
        lines.push(String::new());
    }
    if a.judge != b.judge {
        let named = |judge: &Option<String>| judge.clone().unwrap_or_else(|| "nobody".to_owned());
        lines.push(format!(
            "A was judged by {}, B by {}: their verdicts do not compare",
            named(&a.judge),
            named(&b.judge)
        ));
    }
    lines.push("p: permutation test of pairs, two-sided, not corrected for the number of rows".to_owned());
    Ok(lines)
}

/// Reads what is evaluated on, and tells what is left out.
fn read(common: &Common, unanswerable: bool, what: &str) -> Result<Material, Failure> {
    let settings = MaterialSettings {
        files: common.data.clone(),
        layout: common.format.map(|format| match format {
            Format::Locomo => Layout::Locomo,
            Format::Longmemeval => Layout::Longmemeval,
            Format::Msc => Layout::Msc,
            Format::Jsonl => Layout::Jsonl,
        }),
        gold: common.gold.clone(),
        part: match common.split {
            SplitName::All => Part::All,
            SplitName::Train => Part::Train,
            SplitName::Validation => Part::Validation,
            SplitName::Test => Part::Test,
        },
        stories: common.stories,
        world: WorldSettings { split: Split::Held, ..WorldSettings::default() },
        conversations: common.conversations,
        turns: common.turns,
        limit: common.limit.filter(|_| what != "operations"),
        unanswerable,
        seed: common.seed,
    };
    let found = material(&settings)?;
    for one in &found.left_out {
        eprintln!("left out: {}: {}", one.what, one.why);
    }
    found.notes.iter().for_each(|note| eprintln!("{note}"));
    for (why, n) in &found.totals {
        eprintln!("left out, {n}: {why}");
    }
    let turns: usize = found.cases.iter().map(|case| case.turns.len()).sum();
    eprintln!("{} conversations, {turns} turns, {} questions", found.cases.len(), found.questions());
    Ok(found)
}

fn systems(
    what: &str,
    common: &Common,
    has_adapters: bool,
    has_embedder: bool,
) -> Result<Vec<System>, EvaluateError> {
    let mut systems = common.systems.clone();
    if systems.is_empty() {
        systems = System::table(has_adapters);
        match what {
            // The engine as it would be used.
            "qa" => systems.retain(|system| {
                let name = system.to_string();
                name == "keepsake" && !has_adapters || name == "keepsake+adapters"
            }),
            "operations" => systems.retain(|system| {
                ["keepsake", "keepsake+adapters", "mem0"].contains(&system.to_string().as_str())
            }),
            _ => {}
        }
        if !has_embedder && systems.iter().copied().any(is_mem0) {
            eprintln!("left out: mem0: it looks memories up by meaning, and there is no embedder");
            systems.retain(|system| !is_mem0(*system));
        }
    }
    let mut unlike = Vec::new();
    for system in systems {
        if system.has_adapters() && !has_adapters {
            return Err(EvaluateError::NoAdapters(system));
        }
        if !unlike.contains(&system) {
            unlike.push(system);
        }
    }
    Ok(unlike)
}

fn is_mem0(system: System) -> bool {
    matches!(system, System::Mem0 { .. })
}

/// The embedder of a folder, by the ends of its files' names. Where none was asked for and the model's folder has none,
/// words alone are searched.
fn embedder(common: &Common) -> Result<Option<Arc<dyn Embedder>>, Failure> {
    if common.no_embedder {
        return Ok(None);
    }
    let folder = match (&common.embedder, common.model.parent()) {
        (Some(folder), _) => folder.as_path(),
        (None, Some(folder)) => folder,
        (None, None) => Path::new("."),
    };
    let names = std::fs::read_dir(folder).map(|entries| {
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths
    });
    let paths = names.unwrap_or_default();
    let file = |fits: &dyn Fn(&str) -> bool| {
        let name = |path: &&PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Hidden ones are locks, or on their way.
        paths.iter().find(|path| !name(path).starts_with('.') && fits(&name(path))).cloned()
    };
    let ends = |name: &str, end: &str| name.to_lowercase().ends_with(end);
    let files = (
        file(&|name| ends(name, ".onnx")),
        file(&|name| ends(name, "tokenizer.json")),
        file(&|name| {
            name.contains("onnxruntime") && [".so", ".dylib", ".dll"].iter().any(|end| name.contains(end))
        }),
    );
    let (Some(model), Some(tokenizer), Some(runtime)) = files else {
        if common.embedder.is_some() {
            return Err(Failure::Other(format!(
                "{} has no embedding model: it needs a .onnx file, its tokenizer.json and the library of ONNX Runtime, as \
                 `keepsake models pull` lays them down",
                folder.display()
            )));
        }
        eprintln!(
            "there is no embedder beside the model: everything is searched by words only; see --embedder"
        );
        return Ok(None);
    };
    let threads = common.threads.unwrap_or(2) as usize;
    let opened = OnnxEmbedder::open(&OnnxFiles { model, tokenizer, runtime }, threads);
    Ok(Some(Arc::new(opened.map_err(|error| Failure::Other(error.to_string()))?)))
}

fn judge(arguments: &Qa, model: &Path) -> Result<Option<Judge>, Failure> {
    let Some(address) = arguments.judge.as_deref() else { return Ok(None) };
    if address == "local" {
        return Ok(Some(Judge::Local { name: file_name(model) }));
    }
    let name = arguments.judge_model.as_deref().ok_or_else(|| {
        Failure::Other("name the judge's model with --judge-model, as its server names it".to_owned())
    })?;
    let key = arguments.judge_key_variable.as_deref().map(judge::key_from).transpose();
    let key = key.map_err(EvaluateError::from)?;
    let remote = Remote::new(address, name, key, Duration::from_secs(1)).map_err(EvaluateError::from)?;
    Ok(Some(Judge::Remote(remote)))
}

/// What the report says of a run, and what a run that goes on must have in common with it.
fn settings(
    common: &Common,
    material: &Material,
    systems: &[System],
    embedder: Option<&dyn Embedder>,
    judge: Option<&Judge>,
    qa: Option<&Qa>,
) -> Result<Value, Failure> {
    let adapter = |path: &Option<PathBuf>| -> Result<Value, Failure> {
        path.as_deref().map_or(Ok(Value::Null), |path| named(path).map(Value::from))
    };
    let mut settings = json!({
        "model": named(&common.model)?,
        "embedder": embedder.map_or("none", |embedder| embedder.identity()),
        "data": common.data.iter().map(|path| file_name(path)).collect::<Vec<_>>().join(", "),
        "data_sha256": material.sha256,
        "split": format!("{:?}", common.split).to_lowercase(),
        "systems": systems.iter().map(System::to_string).collect::<Vec<_>>().join(", "),
        "context_tokens": common.context,
        "machine": machine(),
        "program": concat!("keepsake-trainer ", env!("CARGO_PKG_VERSION")),
        "prompts": format!("{}, {}", prompt::manager_fingerprint(), prompt::answer_fingerprint()),
    });
    let optional = [
        ("manager", adapter(&common.manager)?),
        ("answer", adapter(&common.answer)?),
        ("evidence", common.gold.as_deref().map(file_name).into()),
        ("stories", Some(common.stories).filter(|stories| *stories > 0).into()),
        ("limit", common.limit.into()),
        ("turns", common.turns.into()),
        ("conversations", common.conversations.into()),
        ("threads", common.threads.into()),
        ("judge", judge.map(Judge::to_string).into()),
        ("bank", qa.and_then(|qa| qa.bank.as_ref()).map(|path| path.display().to_string()).into()),
        ("unanswerable", qa.map(|qa| qa.unanswerable).filter(|asked| *asked).into()),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
        settings[name] = value;
    }
    Ok(settings)
}

/// A file's name, and the first digits of its SHA-256.
fn named(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(format!("{} cannot be read: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut piece).map_err(failed)?;
        if length == 0 {
            break;
        }
        hash.update(&piece[..length]);
    }
    let digits: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{} ({digits})", file_name(path)))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The processor, as far as the system tells.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(std::env::consts::ARCH);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {processors} processors", name.trim_start_matches(['\t', ':', ' ']))
}
