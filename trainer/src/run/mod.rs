//! A run from its settings to its files: makes scenes or samples, loads the engine, trains, saves and reports.
//!
//! The run's folder holds everything: `config.toml`, the newest state, the log, and in the end the adapter and a report.
//!
//! Rooms it touches: engine, record, tasks, train, weights, world.

mod config;
pub mod material;
pub mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepsake_core::model::adapter;
use keepsake_core::model::{ModelError, Role, Tokenizer};

pub use self::config::{
    Begin, DataConfig, EngineConfig, JointConfig, Learn, Learner, RunConfig, WorldConfig,
};
use crate::engine::local::LocalEngine;
use crate::engine::{EngineError, Part, PolicyEngine};
use crate::record::{self, Progress, RecordError, Recorder, SampleLine, Values};
use crate::tasks::TaskError;
use crate::train::joint::{Start, together};
use crate::train::reinforce::{Held, reinforce};
use crate::train::sft::imitate;
use crate::train::{TrainError, Watch};
use crate::weights::{Base, Bits, Label, Lora, WeightsError, read_adapter, write_adapter};
use crate::world::Split;

/// Why a run could not be made, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The settings cannot be used.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file, or the setting.
        path: PathBuf,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A saved state cannot be gone on from.
    #[error("the saved state {}: {what}", path.display())]
    State {
        /// Where it is.
        path: PathBuf,
        /// Why, and the remedy.
        what: String,
    },
    /// There is a run in the folder already.
    #[error("{} holds a run already: go on with it with --resume, or give another folder", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The base or an adapter cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The base's tokens cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A scene could not be made.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The log could not be kept.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl RunError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All steps were made; an adapter of each agent that learnt is there.
    Whole {
        /// The adapters.
        adapters: Vec<PathBuf>,
    },
    /// It was stopped before this step, and saved.
    Stopped {
        /// The step that it goes on with.
        step: u64,
        /// The adapters as they are so far.
        adapters: Vec<PathBuf>,
    },
}

/// The base of a run, loaded.
pub struct Loaded {
    /// The engine, with the adapters that the run begins with.
    pub engine: LocalEngine,
    /// The base's tokens and grammars.
    pub tokenizer: Arc<Tokenizer>,
    /// The base's file.
    pub base: Base,
}

/// Loads the base and the adapters that a run begins with.
pub fn load(config: &RunConfig) -> Result<Loaded, RunError> {
    let base = Base::open(&config.model)?;
    let tokenizer = Arc::new(Tokenizer::open(&config.model, None)?);
    let mut engine = LocalEngine::load(&base, Arc::clone(&tokenizer), config.local()?)?;
    for role in [Role::Manager, Role::Answer] {
        let Some(path) = config.begin.of(role) else { continue };
        let (lora, _) = own_adapter(&base, role, path)?;
        engine.adopt(Part::policy(role), &lora).map_err(|error| refused(path, error.to_string()))?;
    }
    Ok(Loaded { engine, tokenizer, base })
}

/// Gives the engine the adapter that the run learns from, where it learns from one.
pub fn teach(config: &RunConfig, loaded: &mut Loaded) -> Result<(), RunError> {
    let (Some(path), [role]) = (config.learn.teacher(), config.role.roles()) else { return Ok(()) };
    let (lora, label) = own_adapter(&loaded.base, *role, path)?;
    if label.wording != adapter::wording(*role) {
        let what = "it was trained for prompts of another version; learn from one of this version";
        return Err(refused(path, what));
    }
    if *role == Role::Answer && label.distils != config.distils {
        let what = format!("it was trained with distils = {}; give the same", label.distils);
        return Err(refused(path, what));
    }
    loaded.engine.teach(&lora).map_err(|error| refused(path, error.to_string()))
}

/// An adapter of this agent and base.
fn own_adapter(base: &Base, role: Role, path: &Path) -> Result<(Lora, Label), RunError> {
    let (lora, label) = read_adapter(path, base.shape())?;
    if label.base_sha256 != base.sha256()? {
        return Err(refused(path, "it was trained on another base; use that one, or another adapter"));
    }
    if label.role != role {
        return Err(refused(path, format!("it is no adapter of the {} agent", role.as_str())));
    }
    Ok((lora, label))
}

fn refused(path: &Path, what: impl Into<String>) -> RunError {
    RunError::Config { path: path.to_owned(), what: what.into() }
}

/// Trains as the settings say, in a folder. `resume`: goes on with the run that is there. `stop` ends it before its next
/// step, saved.
pub fn train(config: &RunConfig, folder: &Path, resume: bool, stop: &AtomicBool) -> Result<Ended, RunError> {
    let kept = folder.join("config.toml");
    if kept.exists() && !resume {
        return Err(RunError::Occupied { path: folder.to_owned() });
    }
    let identity = config.identity()?;
    let state = state::newest(folder, &identity)?;
    std::fs::create_dir_all(folder).map_err(|source| RunError::file(folder, source))?;
    std::fs::write(&kept, config.to_toml()?).map_err(|source| RunError::file(&kept, source))?;

    let mut loaded = load(config)?;
    teach(config, &mut loaded)?;
    let Loaded { mut engine, tokenizer, base } = loaded;
    let first = state.as_ref().map_or(0, |state| state.step);
    let mut watch = Files {
        folder,
        identity,
        recorder: Recorder::open(folder, first)?,
        progress: Progress::new(first, config.steps),
        stop,
        saved: None,
    };
    watch.progress.say(&format!("{} on {}", config.model.display(), engine.device()));
    // What begins the run builds banks; what was saved goes on from there.
    let saved = |engine: &mut LocalEngine| -> Result<Option<Vec<u8>>, RunError> {
        let mut lagged = None;
        for (part, bytes) in state.iter().flat_map(|state| &state.parts) {
            match part {
                Part::LaggedManager => lagged = Some(bytes.clone()),
                part => engine.load(*part, bytes)?,
            }
        }
        Ok(lagged)
    };
    let say = |watch: &Files<'_>, what: &str| watch.progress.say(what);
    let held_scenes = |role| material::scenes(config, role, Split::Held);
    if let Some(settings) = config.sft() {
        let mut hears = |what: &str| say(&watch, what);
        let trees = material::samples(config, settings.role, &tokenizer, Split::Train, &mut hears)?;
        let held = material::samples(config, settings.role, &tokenizer, Split::Held, &mut hears)?;
        say(&watch, &format!("{} samples, {} held out", trees.len(), held.len()));
        saved(&mut engine)?;
        imitate(&mut engine, &trees, &held, &settings, first, &mut watch)?;
    } else if let Some(settings) = config.together() {
        let tales = material::tales(config, &mut |what| say(&watch, what))?;
        let (managers, answers) = (held_scenes(Role::Manager)?, held_scenes(Role::Answer)?);
        let held: [Held<'_>; 2] = [("held_manager", &managers), ("held_answer", &answers)];
        say(&watch, &format!("{} tales, {} scenes held out", tales.len(), managers.len() + answers.len()));
        let start = Start { step: first, builder: saved(&mut engine)? };
        together(&mut engine, &tokenizer, &tales, &held, &settings, start, &mut watch)?;
    } else if let Some(settings) = config.reinforce() {
        let learnt =
            material::learnt(config, settings.role, &mut engine, &tokenizer, &mut |what| say(&watch, what))?;
        let held = held_scenes(settings.role)?;
        say(&watch, &format!("{} scenes, {} held out", learnt.len(), held.len()));
        saved(&mut engine)?;
        reinforce(&mut engine, &tokenizer, &learnt, &[("held", &held)], &settings, first, &mut watch)?;
    }
    let stopped = watch.saved.filter(|step| *step < config.steps);
    drop(watch);
    record::report(folder)?;
    let mut adapters = Vec::new();
    for role in config.role.roles() {
        let path = folder.join(format!("{}.gguf", role.as_str()));
        export(&engine, &base, *role, config.distils, &path)?;
        adapters.push(path);
    }
    Ok(match stopped {
        Some(next) => Ended::Stopped { step: next, adapters },
        None => Ended::Whole { adapters },
    })
}

/// Writes a policy's LoRA as an adapter that the device loads for this base, agent and wording.
pub fn export(
    engine: &dyn PolicyEngine,
    base: &Base,
    role: Role,
    distils: bool,
    path: &Path,
) -> Result<(), RunError> {
    let lora = engine.lora(Part::policy(role))?;
    let label = Label { role, distils, base_sha256: base.sha256()?, wording: adapter::wording(role) };
    Ok(write_adapter(path, base.shape(), &lora, &label, Bits::F32)?)
}

/// Keeps what a run does in its folder.
struct Files<'a> {
    folder: &'a Path,
    identity: String,
    recorder: Recorder,
    progress: Progress,
    stop: &'a AtomicBool,
    /// The step of the newest state.
    saved: Option<u64>,
}

impl Watch for Files<'_> {
    fn step(&mut self, step: u64, values: &Values, samples: &[SampleLine]) -> Result<(), TrainError> {
        let kept = self.recorder.step(step, values).and_then(|()| self.recorder.samples(step, samples));
        self.progress.step(step, values);
        kept.map_err(|error| TrainError::Watch(error.to_string()))
    }

    fn evaluated(&mut self, step: u64, name: &str, values: &Values) -> Result<(), TrainError> {
        let line: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        self.progress.say(&format!("step {step}, {name}: {}", line.join(", ")));
        self.recorder.evaluation(step, name, values).map_err(|error| TrainError::Watch(error.to_string()))
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn save(&mut self, step: u64, parts: &[(Part, Vec<u8>)]) -> Result<(), TrainError> {
        let saved = self.recorder.sync().map_err(RunError::from);
        let saved = saved.and_then(|()| state::save(self.folder, step, &self.identity, parts));
        saved.map_err(|error| TrainError::Watch(error.to_string()))?;
        self.saved = Some(step);
        Ok(())
    }
}
