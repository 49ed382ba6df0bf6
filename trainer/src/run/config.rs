//! A run's settings: one TOML file, every field with its unit and default; unknown fields are refused.
//!
//! Rooms it touches: algo, engine, tasks, train, world.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepsake_core::config::{Config, Distil};
use keepsake_core::model::Role;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RunError;
use crate::algo::credit::CreditSettings;
use crate::algo::policy::PolicySettings;
use crate::algo::reward::RewardSettings;
use crate::algo::schedule::Schedule;
use crate::engine::AdamW;
use crate::engine::local::{LocalSettings, Where};
use crate::tasks::manager::{Judge, ManagerRewards};
use crate::train::joint::{JointSettings, Together};
use crate::train::reinforce::{Algorithm, ReinforceSettings};
use crate::train::sft::SftSettings;
use crate::world::{Split, WorldSettings};

/// Everything that shapes a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Who learns: `manager`, `answer` or `joint`.
    pub role: Learner,
    /// The GGUF file of the base. Trained on what ships, unpacked.
    pub model: PathBuf,
    /// GGUF adapters that training begins with, usually those that imitation gave: of who learns, and of the other agent
    /// where it plays too.
    #[serde(default)]
    pub begin: Begin,
    /// Optimiser steps.
    pub steps: u64,
    /// What all randomness comes from.
    #[serde(default)]
    pub seed: u64,
    /// What is learnt from: gold replies, another adapter, or rewards.
    pub learn: Learn,
    /// The learning rate. Default for rewards: 5e-5 after 5 steps, the upper end of what is usual for LoRA
    /// (docs/trainer.md).
    #[serde(default = "default_learning")]
    pub learning: Schedule,
    /// The optimiser; the learning rate in it does not count.
    #[serde(default)]
    pub optimiser: AdamW,
    /// Whether the answer agent picks memories before it answers, as in Memory-R1, or answers from the best hits at once.
    /// Its adapter says so, and a device with it does the same. Default true; SmolLM2-135M learns the second better
    /// (docs/trainer.md).
    #[serde(default = "yes")]
    pub distils: bool,
    /// The synthetic world.
    #[serde(default)]
    pub world: WorldConfig,
    /// Conversations of files, beside it.
    #[serde(default)]
    pub data: DataConfig,
    /// How both agents learn together.
    #[serde(default)]
    pub joint: JointConfig,
    /// The engine.
    #[serde(default)]
    pub engine: EngineConfig,
    /// Steps between evaluations on held-out stories; 0: none.
    #[serde(default = "twenty")]
    pub evaluate_every: u64,
    /// Steps between saved states; 0: at the end only.
    #[serde(default = "twenty")]
    pub save_every: u64,
}

/// Who learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// The memory manager.
    Manager,
    /// The answer agent.
    Answer,
    /// Both.
    Joint,
}

impl Learner {
    /// The agents that learn.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Manager => &[Role::Manager],
            Self::Answer => &[Role::Answer],
            Self::Joint => &[Role::Manager, Role::Answer],
        }
    }
}

/// GGUF adapters that training begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Begin {
    /// The manager's.
    pub manager: Option<PathBuf>,
    /// The answer agent's.
    pub answer: Option<PathBuf>,
}

impl Begin {
    /// The adapter of an agent.
    pub fn of(&self, role: Role) -> Option<&Path> {
        match role {
            Role::Manager => self.manager.as_deref(),
            Role::Answer => self.answer.as_deref(),
        }
    }
}

/// Conversations of files that are learnt from. Their questions are asked; gold operations they have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Files of LoCoMo, LongMemEval, FriendsQA or JSON lines with questions, or of Multi-Session Chat, whose notes are
    /// imitated or asked for (`keepsake-trainer data`); each is told by what stands in it.
    pub files: Vec<PathBuf>,
    /// Evidence of LoCoMo's questions to go by instead of the files' own.
    pub gold: Option<PathBuf>,
    /// Most turns of a conversation, the first ones; 0: all.
    pub turns: usize,
    /// How often each of their samples stands among those of the stories, to imitate. 1.
    pub weight: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { files: Vec::new(), gold: None, turns: 0, weight: 1 }
    }
}

/// How both agents learn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointConfig {
    /// `alternating`, or `nested` in every step.
    pub together: Together,
    /// Steps of a phase: then the manager builds the banks anew, and of `alternating` the other agent learns. 20: a guess;
    /// building the banks costs about as much as so many steps.
    pub phase: u64,
}

impl Default for JointConfig {
    fn default() -> Self {
        Self { together: Together::Alternating, phase: 20 }
    }
}

/// What is learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub enum Learn {
    /// Gold replies, imitated.
    Gold {
        /// Samples of a step.
        #[serde(default = "sixteen")]
        samples: usize,
    },
    /// What another adapter would choose along gold replies, with all its probabilities (knowledge distillation; Hinton et al.,
    /// arXiv 1503.02531): part of what an adapter of fewer linears or a lower rank has lost comes back by it. The loss is the
    /// divergence from that adapter; held-out samples are measured against gold.
    Adapter {
        /// The GGUF adapter, of the same agent, base, wording and way to answer.
        adapter: PathBuf,
        /// Samples of a step.
        #[serde(default = "sixteen")]
        samples: usize,
    },
    /// Rewards.
    Rewards {
        /// `grpo` or `ppo`, with their own settings.
        algorithm: Algorithm,
        /// Scenes of a step.
        #[serde(default = "eight")]
        scenes: usize,
        /// Samples that play each. 8: what public re-implementations of Memory-R1 use.
        #[serde(default = "eight")]
        group: usize,
        /// How often a batch is gone through.
        #[serde(default = "one")]
        epochs: usize,
        /// Parts of a batch, with a change of the policy after each.
        #[serde(default = "one")]
        minibatches: usize,
        /// The loss.
        #[serde(default)]
        policy: PolicySettings,
        /// How answers are judged. Default: exact match.
        #[serde(default)]
        rewards: RewardSettings,
        /// Who answers the questions that the manager is judged by: `{ by = "reader" }`, without a model, of stories only;
        /// or `{ by = "agent", answers = 4 }`.
        #[serde(default)]
        judge: Judge,
        /// What doing anything and writing costs the manager.
        #[serde(default)]
        credit: CreditSettings,
    },
}

impl Learn {
    /// The adapter whose probabilities are imitated.
    pub fn teacher(&self) -> Option<&Path> {
        match self {
            Self::Adapter { adapter, .. } => Some(adapter),
            Self::Gold { .. } | Self::Rewards { .. } => None,
        }
    }
}

/// The synthetic world that is learnt in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldConfig {
    /// Stories to learn from.
    pub stories: u64,
    /// Stories to evaluate on, none of which is learnt from.
    pub held: u64,
    /// Whether their names, values and wordings are never learnt from either. Default true; without, an evaluation says how
    /// well a policy learnt, not how far it carries.
    pub held_wordings: bool,
    /// Most scenes or samples that an evaluation takes, spread evenly.
    pub held_most: usize,
    /// Sittings of a story.
    pub sessions: usize,
    /// Turns of each.
    pub turns: usize,
    /// Turns after which questions are asked, of the answer agent.
    pub ask_every: usize,
    /// Of the turns that tell nothing, the part that a manager is rewarded on. 1; a trained one does nothing there, so that
    /// there is little to compare.
    pub small_talk: f64,
}

impl Default for WorldConfig {
    fn default() -> Self {
        let WorldSettings { sessions, turns, .. } = WorldSettings::default();
        let (stories, held, held_most, ask_every) = (64, 8, 128, 12);
        Self { stories, held, held_wordings: true, held_most, sessions, turns, ask_every, small_talk: 1.0 }
    }
}

/// The engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// `best`, `cpu`, or `cuda:0`.
    pub device: String,
    /// Threads of the processor; left out: as many as libtorch takes.
    pub threads: Option<usize>,
    /// Rank of a LoRA that is made; one that is begun with keeps its own. 16: docs/trainer.md.
    pub rank: usize,
    /// Its alpha, likewise.
    pub alpha: f64,
    /// Most tokens of one pass.
    pub pack_tokens: usize,
    /// Most tokens of replies and prompts' endings behind a beginning that different prompts share; 0: none is shared.
    pub shared_tokens: usize,
    /// Whether layers are computed again on the way back: less memory, a third more work.
    pub recompute: bool,
    /// Most tokens of a prompt and its reply.
    pub context_tokens: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let LocalSettings { threads, rank, alpha, pack_tokens, shared_tokens, recompute, .. } =
            LocalSettings::default();
        let device = "best".to_owned();
        Self { device, threads, rank, alpha, pack_tokens, shared_tokens, recompute, context_tokens: 4096 }
    }
}

fn default_learning() -> Schedule {
    Schedule::constant(5e-5, 5)
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn eight() -> usize {
    8
}

fn sixteen() -> usize {
    16
}

fn twenty() -> u64 {
    20
}

impl RunConfig {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        Self::from_table(Self::table(path)?, path)
    }

    /// What stands in a file.
    pub fn table(path: &Path) -> Result<toml::Table, RunError> {
        let text = std::fs::read_to_string(path).map_err(|source| RunError::file(path, source))?;
        text.parse().map_err(|error: toml::de::Error| RunError::Config {
            path: path.to_owned(),
            what: error.to_string(),
        })
    }

    /// The settings that a table holds; `path` is where it comes from.
    pub fn from_table(table: toml::Table, path: &Path) -> Result<Self, RunError> {
        let config: Self = table.try_into().map_err(|error: toml::de::Error| RunError::Config {
            path: path.to_owned(),
            what: error.to_string(),
        })?;
        config.check().map_err(|what| RunError::Config { path: path.to_owned(), what })?;
        Ok(config)
    }

    /// The file's text.
    pub fn to_toml(&self) -> Result<String, RunError> {
        toml::to_string(self)
            .map_err(|error| RunError::Config { path: PathBuf::new(), what: error.to_string() })
    }

    fn check(&self) -> Result<(), String> {
        let positive = [
            ("joint.phase", self.joint.phase),
            ("steps", self.steps),
            ("world.sessions", self.world.sessions as u64),
            ("world.turns", self.world.turns as u64),
            ("engine.rank", self.engine.rank as u64),
            ("engine.pack_tokens", self.engine.pack_tokens as u64),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} is 0, but has to be at least 1"));
        }
        if self.data.files.is_empty() && (self.data.gold.is_some() || self.data.turns > 0) {
            return Err("data.gold and data.turns are about data.files, which are none".to_owned());
        }
        let imitates = matches!(self.learn, Learn::Gold { .. } | Learn::Adapter { .. });
        match self.data.weight {
            0 => return Err("data.weight is 0: leave data.files out instead".to_owned()),
            1 => {}
            _ if self.data.files.is_empty() || !imitates => {
                return Err("data.weight is about imitating data.files: leave it out".to_owned());
            }
            _ => {}
        }
        if !(0.0..=1.0).contains(&self.world.small_talk) {
            return Err("world.small_talk is a part: 0 to 1".to_owned());
        }
        let is_rewarded = self.role == Learner::Manager && matches!(self.learn, Learn::Rewards { .. });
        if !is_rewarded && self.world.small_talk < 1.0 {
            return Err("world.small_talk is about a manager that is rewarded: leave it out".to_owned());
        }
        if self.world.stories == 0 && self.data.files.is_empty() {
            return Err("there is nothing to learn from: give world.stories or data.files".to_owned());
        }
        self.engine.device()?;
        self.learning.check().map_err(|error| error.to_string())?;
        match &self.learn {
            Learn::Gold { samples: 0 } | Learn::Adapter { samples: 0, .. } => {
                Err("learn.samples is 0, but has to be at least 1".to_owned())
            }
            Learn::Gold { .. } | Learn::Adapter { .. } if self.role == Learner::Joint => {
                Err("both agents learn together from rewards only: give learn.from = \"rewards\"".to_owned())
            }
            Learn::Gold { .. } | Learn::Adapter { .. } => Ok(()),
            Learn::Rewards { judge: Judge::Reader, .. }
                if self.role != Learner::Answer && !self.data.files.is_empty() =>
            {
                let what = "without a model only stories can be answered: give learn.judge = { by = \"agent\" }, or no data";
                Err(what.to_owned())
            }
            Learn::Rewards { judge, .. }
                if self.is_nested() && !matches!(judge, Judge::Agent { answers: 2.. }) =>
            {
                Err("nested groups need learn.judge = { by = \"agent\", answers = 2 } or more".to_owned())
            }
            Learn::Rewards { judge: Judge::Agent { answers: 2.. }, .. } if !self.is_nested() => {
                let what = "it would give the same answer each time: give learn.judge = { by = \"agent\" }; several answers are for \
                            joint.together = \"nested\"";
                Err(what.to_owned())
            }
            Learn::Rewards { algorithm: Algorithm::Ppo { .. }, .. } if self.is_nested() => {
                Err("nested groups are compared with each other: give learn.algorithm = { kind = \"grpo\" }"
                    .to_owned())
            }
            Learn::Rewards { scenes, group, policy, rewards, credit, .. } => {
                if *scenes == 0 || *group < 2 {
                    return Err("learn.scenes has to be at least 1 and learn.group at least 2".to_owned());
                }
                policy.check().map_err(|error| error.to_string())?;
                credit.check().map_err(|error| error.to_string())?;
                rewards.check().map_err(|error| error.to_string())
            }
        }
    }

    fn is_nested(&self) -> bool {
        self.role == Learner::Joint && self.joint.together == Together::Nested
    }

    /// What must be the same for a run to go on: everything but how long it is and what it is measured by, and the files
    /// that it learns from and begins with.
    pub fn identity(&self) -> Result<String, RunError> {
        let same = Self { steps: 0, evaluate_every: 0, save_every: 0, ..self.clone() };
        let same = Self { engine: EngineConfig { threads: None, ..same.engine.clone() }, ..same };
        let mut hash = Sha256::new_with_prefix(same.to_toml()?.as_bytes());
        let begin = [Role::Manager, Role::Answer].into_iter().filter_map(|role| self.begin.of(role));
        let files = self.data.files.iter().chain(&self.data.gold).map(PathBuf::as_path);
        for path in files.chain(begin).chain(self.learn.teacher()) {
            hash.update(Sha256::digest(std::fs::read(path).map_err(|source| RunError::file(path, source))?));
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The world's settings.
    pub fn world(&self, split: Split) -> WorldSettings {
        WorldSettings { split, sessions: self.world.sessions, turns: self.world.turns }
    }

    /// The engine's settings.
    pub fn local(&self) -> Result<LocalSettings, RunError> {
        let device = self
            .engine
            .device()
            .map_err(|what| RunError::Config { path: PathBuf::from("engine.device"), what })?;
        let EngineConfig { threads, rank, alpha, pack_tokens, shared_tokens, recompute, .. } = self.engine;
        Ok(LocalSettings {
            device,
            threads,
            rank,
            alpha,
            pack_tokens,
            shared_tokens,
            recompute,
            seed: self.seed,
        })
    }

    /// Settings of imitation, where it is that.
    pub fn sft(&self) -> Option<SftSettings> {
        let (Learn::Gold { samples } | Learn::Adapter { samples, .. }, [role]) =
            (&self.learn, self.role.roles())
        else {
            return None;
        };
        Some(SftSettings {
            role: *role,
            follows: self.learn.teacher().is_some(),
            learning: self.learning,
            optimiser: self.optimiser,
            steps: self.steps,
            samples: *samples,
            evaluate_every: self.evaluate_every,
            save_every: self.save_every,
            seed: self.seed,
        })
    }

    /// Settings of reinforcement, where it is that.
    pub fn reinforce(&self) -> Option<ReinforceSettings> {
        let Learn::Rewards { algorithm, scenes, group, epochs, minibatches, policy, .. } = self.learn else {
            return None;
        };
        Some(ReinforceSettings {
            role: self.role.roles()[0],
            nested: false,
            joint: false,
            others: 0,
            algorithm,
            policy,
            learning: self.learning,
            optimiser: self.optimiser,
            steps: self.steps,
            scenes,
            group,
            epochs,
            minibatches,
            temperature: 1.0,
            evaluate_every: self.evaluate_every,
            evaluates_end: true,
            save_every: self.save_every,
            seed: self.seed,
            context_tokens: self.engine.context_tokens,
        })
    }
}

impl RunConfig {
    /// How core's pipeline works in this run.
    pub fn pipeline(&self) -> Config {
        // The policy always counts as trained: it is.
        Config { distil: if self.distils { Distil::Trained } else { Distil::Never }, ..Config::default() }
    }

    /// How the manager is judged.
    pub fn manager_rewards(&self) -> ManagerRewards {
        match &self.learn {
            Learn::Rewards { judge, rewards, credit, .. } => ManagerRewards {
                judge: *judge,
                answers: rewards.clone(),
                credit: *credit,
                distil: self.pipeline().distil,
                ..ManagerRewards::default()
            },
            Learn::Gold { .. } | Learn::Adapter { .. } => ManagerRewards::default(),
        }
    }

    /// Settings of joint training, where it is that.
    pub fn together(&self) -> Option<JointSettings> {
        let steps = self.reinforce().filter(|_| self.role == Learner::Joint)?;
        let JointConfig { together, phase } = self.joint;
        let manager = Arc::new(self.manager_rewards());
        Some(JointSettings { together, phase, manager, ask_every: self.world.ask_every, steps })
    }
}

impl EngineConfig {
    fn device(&self) -> Result<Where, String> {
        match self.device.as_str() {
            "best" => Ok(Where::Best),
            "cpu" => Ok(Where::Cpu),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Where::Cuda)
                .ok_or_else(|| format!("{other:?} is no device: give \"best\", \"cpu\" or \"cuda:0\"")),
        }
    }
}
