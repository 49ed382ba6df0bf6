//! A run from its settings to its files: makes scenes or samples, loads the engine, trains, saves and reports.
//!
//! The run's folder holds everything: `config.toml`, the newest state, the log, and in the end the adapter and a report.
//!
//! Rooms it touches: engine, record, tasks, train, weights, world.

mod config;
pub mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepsake_core::config::Config;
use keepsake_core::model::{ModelError, Role, Tokenizer};
use keepsake_core::prompt;

pub use self::config::{EngineConfig, Learn, RunConfig, WorldConfig};
use crate::algo::reward::RewardSettings;
use crate::engine::local::LocalEngine;
use crate::engine::{EngineError, Part, PolicyEngine, Tree};
use crate::record::{self, Progress, RecordError, Recorder, SampleLine, Values};
use crate::tasks::manager::ManagerRewards;
use crate::tasks::{self, Scene, TaskError};
use crate::train::reinforce::reinforce;
use crate::train::sft::imitate;
use crate::train::{TrainError, Watch};
use crate::weights::{Base, Label, WeightsError, read_adapter, write_adapter};
use crate::world::{Split, Story};

/// Stories to evaluate on begin with this seed, so that no seed is in both.
const HELD_SEED: u64 = 1 << 32;

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
    /// All steps were made; the adapter is there.
    Whole {
        /// The adapter.
        adapter: PathBuf,
    },
    /// It was stopped before this step, and saved.
    Stopped {
        /// The step that it goes on with.
        step: u64,
    },
}

/// The base of a run, loaded.
pub struct Loaded {
    /// The engine, with the adapter that the run begins with.
    pub engine: LocalEngine,
    /// The base's tokens and grammars.
    pub tokenizer: Arc<Tokenizer>,
    /// The base's file.
    pub base: Base,
}

/// Loads the base and the adapter that a run begins with.
pub fn load(config: &RunConfig) -> Result<Loaded, RunError> {
    let base = Base::open(&config.model)?;
    let tokenizer = Arc::new(Tokenizer::open(&config.model, None)?);
    let mut engine = LocalEngine::load(&base, Arc::clone(&tokenizer), config.local()?)?;
    if let Some(path) = &config.begin {
        let (lora, label) = read_adapter(path, base.shape())?;
        if label.base_sha256 != base.sha256()? {
            let what = "it was trained on another base; use that one, or begin without it".to_owned();
            return Err(RunError::Config { path: path.clone(), what });
        }
        engine.adopt(Part::policy(config.role), &lora)?;
    }
    Ok(Loaded { engine, tokenizer, base })
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

    let Loaded { mut engine, tokenizer, base } = load(config)?;
    let first = state.as_ref().map_or(0, |state| state.step);
    for (part, bytes) in state.iter().flat_map(|state| &state.parts) {
        engine.load(*part, bytes)?;
    }
    let mut watch = Files {
        folder,
        identity,
        recorder: Recorder::open(folder, first)?,
        progress: Progress::new(first, config.steps),
        stop,
        saved: None,
    };
    watch.progress.say(&format!("{} on {}", config.model.display(), engine.device()));
    if let Some(settings) = config.sft() {
        let trees = samples(config, &tokenizer, Split::Train)?;
        let held = samples(config, &tokenizer, Split::Held)?;
        watch.progress.say(&format!("{} samples, {} held out", trees.len(), held.len()));
        imitate(&mut engine, &trees, &held, &settings, first, &mut watch)?;
    } else if let Some(settings) = config.reinforce() {
        let (learnt, held) = (scenes(config, Split::Train)?, scenes(config, Split::Held)?);
        watch.progress.say(&format!("{} scenes, {} held out", learnt.len(), held.len()));
        reinforce(&mut engine, &tokenizer, &learnt, &held, &settings, first, &mut watch)?;
    }
    let stopped = watch.saved.filter(|step| *step < config.steps);
    drop(watch);
    record::report(folder)?;
    if let Some(step) = stopped {
        return Ok(Ended::Stopped { step });
    }
    let adapter = folder.join(format!("{}.gguf", config.role.as_str()));
    export(&engine, &base, config.role, &adapter)?;
    Ok(Ended::Whole { adapter })
}

/// Writes a policy's LoRA as an adapter that the device loads for this base, agent and wording.
pub fn export(engine: &dyn PolicyEngine, base: &Base, role: Role, path: &Path) -> Result<(), RunError> {
    let lora = engine.lora(Part::policy(role))?;
    let label = Label { role, base_sha256: base.sha256()?, wording: prompt::fingerprint() };
    Ok(write_adapter(path, base.shape(), &lora, &label)?)
}

/// The stories of a split.
pub fn stories(config: &RunConfig, split: Split) -> impl Iterator<Item = Story> {
    let (first, count) = match split {
        Split::Train => (config.seed << 33, config.world.stories),
        Split::Held => (HELD_SEED, config.world.held),
    };
    let settings = config.world(split);
    (first..first + count).map(move |seed| Story::new(seed, &settings))
}

/// The scenes of a split.
pub fn scenes(config: &RunConfig, split: Split) -> Result<Vec<Box<dyn Scene>>, RunError> {
    let engine = Config::default();
    let rewards = match &config.learn {
        Learn::Rewards { rewards, .. } => rewards.clone(),
        Learn::Gold { .. } => RewardSettings::default(),
    };
    let rewards = Arc::new(rewards);
    let mut scenes: Vec<Box<dyn Scene>> = Vec::new();
    for story in stories(config, split) {
        match config.role {
            Role::Manager => {
                let of_story = tasks::manager::scenes(story, &engine, ManagerRewards::default())?;
                scenes.extend(of_story.into_iter().map(|scene| Box::new(scene) as Box<dyn Scene>));
            }
            Role::Answer => {
                let of_story = tasks::answer::scenes(&story, &engine, &rewards, config.world.ask_every)?;
                scenes.extend(of_story.into_iter().map(|scene| Box::new(scene) as Box<dyn Scene>));
            }
        }
    }
    Ok(if split == Split::Held { spread(scenes, config.world.held_most) } else { scenes })
}

/// The samples of a split, as the engine reads them. What does not fit into the context is left out.
pub fn samples(config: &RunConfig, tokenizer: &Tokenizer, split: Split) -> Result<Vec<Tree>, RunError> {
    let engine = Config::default();
    let mut trees = Vec::new();
    for story in stories(config, split) {
        let samples = tasks::sft::samples(&story, &engine, config.world.ask_every)?;
        for sample in tasks::sft::of_role(samples, config.role) {
            trees.extend(tasks::sft::tree(tokenizer, &sample, config.engine.context_tokens)?);
        }
    }
    Ok(if split == Split::Held { spread(trees, config.world.held_most) } else { trees })
}

/// At most so many of a list, spread evenly over it.
fn spread<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let count = all.len();
    if count <= most {
        return all;
    }
    let kept = |at: &usize| at * most / count != (at + 1) * most / count;
    all.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, one)| one).collect()
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
