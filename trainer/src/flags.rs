//! A run's settings from flags: the most used ones, over those of a file.
//!
//! Rooms it touches: run.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use keepsake_trainer::run::{RunConfig, RunError};
use toml::{Table, Value};

/// Steps of a run about which nothing is said.
const STEPS: i64 = 200;
/// Its warm-up where only the rate is said: the default of settings files.
const WARM_UP: i64 = 5;

/// What is trained, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// One agent, by imitation of gold replies; --role says which
    Sft,
    /// The answer agent, from rewards
    Answer,
    /// The memory manager, from rewards
    Manager,
    /// Both, from rewards, on banks that the manager builds
    Joint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algo {
    Grpo,
    Ppo,
}

/// Settings that go before those of a file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// What is trained; left out: as the settings file says
    what: Option<What>,
    /// The settings file; docs/trainer.md has all fields
    #[arg(long)]
    config: Option<PathBuf>,
    /// Whose replies are imitated: manager or answer
    #[arg(long)]
    role: Option<String>,
    /// The algorithm [default: grpo]
    #[arg(long)]
    algo: Option<Algo>,
    /// The GGUF file of the base
    #[arg(long)]
    model: Option<PathBuf>,
    /// Optimiser steps [default: 200]
    #[arg(long)]
    steps: Option<u64>,
    /// What all randomness comes from
    #[arg(long)]
    seed: Option<u64>,
    /// Peak of the learning rate
    #[arg(long)]
    rate: Option<f64>,
    /// Samples of a step (sft), or scenes
    #[arg(long)]
    batch: Option<u64>,
    /// Samples that play each scene
    #[arg(long)]
    group: Option<u64>,
    /// Stories of the synthetic world
    #[arg(long)]
    stories: Option<u64>,
    /// A file of conversations with questions; may be given several times
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// The manager's adapter to begin with
    #[arg(long, value_name = "FILE")]
    begin_manager: Option<PathBuf>,
    /// The answer agent's adapter to begin with
    #[arg(long, value_name = "FILE")]
    begin_answer: Option<PathBuf>,
    /// best, cpu or cuda:0
    #[arg(long)]
    device: Option<String>,
}

impl Flags {
    /// The settings.
    pub(crate) fn settings(&self) -> Result<RunConfig, RunError> {
        let file = self.config.as_deref();
        let mut table = file.map_or_else(|| Ok(Table::new()), RunConfig::table)?;
        self.put(&mut table).map_err(|what| {
            let path = file.unwrap_or(Path::new("the command line")).to_owned();
            RunError::Config { path, what }
        })?;
        RunConfig::from_table(table, file.unwrap_or(Path::new("the command line")))
    }

    /// The settings of the run in a folder, where nothing else is said: it is gone on with.
    pub(crate) fn or_those_of(&self, run: &Path) -> Result<RunConfig, RunError> {
        if self.config.is_none() && self.what.is_none() && self.model.is_none() {
            let config = Some(run.join("config.toml"));
            return Self { config, ..self.clone() }.settings();
        }
        self.settings()
    }

    /// Flags that do not go together.
    fn check(&self) -> Result<(), String> {
        match self.what {
            Some(What::Sft) if self.algo.is_some() => {
                Err("--algo is for training from rewards: leave it out with sft".to_owned())
            }
            Some(What::Sft) if self.role.is_none() && self.config.is_none() => {
                Err("say whose replies are imitated: --role manager, or --role answer".to_owned())
            }
            Some(What::Answer | What::Manager | What::Joint) if self.role.is_some() => {
                Err("--role is for sft: the word behind train says who learns".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn put(&self, table: &mut Table) -> Result<(), String> {
        self.check()?;
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        let number = |number: &u64| Value::from(*number as i64);
        let mut set = |names: &[&str], value: Option<Value>| match value {
            Some(value) => put(table, names, value),
            None => Ok(()),
        };
        if let Some(what) = self.what {
            let (role, from) = match what {
                What::Sft => (self.role.as_deref(), "gold"),
                What::Answer => (Some("answer"), "rewards"),
                What::Manager => (Some("manager"), "rewards"),
                What::Joint => (Some("joint"), "rewards"),
            };
            set(&["role"], role.map(Value::from))?;
            set(&["learn", "from"], Some(Value::from(from)))?;
        } else {
            set(&["role"], self.role.as_deref().map(Value::from))?;
        }
        set(&["model"], self.model.as_ref().map(path))?;
        set(&["steps"], self.steps.as_ref().map(number))?;
        set(&["seed"], self.seed.as_ref().map(number))?;
        set(&["learning", "peak"], self.rate.map(Value::from))?;
        set(&["learn", "group"], self.group.as_ref().map(number))?;
        set(&["world", "stories"], self.stories.as_ref().map(number))?;
        let data = (!self.data.is_empty()).then(|| self.data.iter().map(path).collect::<Vec<_>>());
        set(&["data", "files"], data.map(Value::from))?;
        set(&["begin", "manager"], self.begin_manager.as_ref().map(path))?;
        set(&["begin", "answer"], self.begin_answer.as_ref().map(path))?;
        set(&["engine", "device"], self.device.as_deref().map(Value::from))?;

        let learn = |table: &Table, name: &str| table.get("learn").and_then(|learn| learn.get(name)).cloned();
        if self.rate.is_some()
            && table.get("learning").is_some_and(|learning| learning.get("warm_up").is_none())
        {
            put(table, &["learning", "warm_up"], Value::from(WARM_UP))?;
        }
        let by_rewards = learn(table, "from").is_some_and(|from| from.as_str() == Some("rewards"));
        if let Some(batch) = &self.batch {
            put(table, &["learn", if by_rewards { "scenes" } else { "samples" }], number(batch))?;
        }
        let known =
            learn(table, "algorithm").and_then(|algorithm| Some(algorithm.get("kind")?.as_str()?.to_owned()));
        let wanted = match self.algo {
            Some(Algo::Grpo) => Some("grpo"),
            Some(Algo::Ppo) => Some("ppo"),
            None if known.is_none() => Some("grpo"),
            None => None,
        };
        // The other algorithm's settings would not be understood.
        if let Some(kind) = wanted.filter(|kind| by_rewards && known.as_deref() != Some(kind)) {
            let algorithm = Table::from_iter([("kind".to_owned(), Value::from(kind))]);
            put(table, &["learn", "algorithm"], Value::from(algorithm))?;
        }
        // The world's reader knows no conversations.
        let manages = table.get("role").is_some_and(|role| role.as_str() != Some("answer"));
        if by_rewards && manages && !self.data.is_empty() && learn(table, "judge").is_none() {
            let judge = Table::from_iter([("by".to_owned(), Value::from("agent"))]);
            put(table, &["learn", "judge"], Value::from(judge))?;
        }
        if table.get("steps").is_none() {
            put(table, &["steps"], Value::from(STEPS))?;
        }
        Ok(())
    }
}

/// Sets a value in tables inside each other.
fn put(table: &mut Table, names: &[&str], value: Value) -> Result<(), String> {
    match names {
        [] => Ok(()),
        [name] => {
            table.insert((*name).to_owned(), value);
            Ok(())
        }
        [name, rest @ ..] => {
            let inner = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
            let inner = inner.as_table_mut().ok_or_else(|| format!("{name} is no table"))?;
            put(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepsake_trainer::run::{Learn, Learner};
    use keepsake_trainer::tasks::manager::Judge;
    use keepsake_trainer::train::reinforce::Algorithm;

    #[test]
    fn flags_alone_are_settings() {
        let flags = Flags {
            what: Some(What::Joint),
            algo: Some(Algo::Ppo),
            model: Some("m.gguf".into()),
            batch: Some(3),
            rate: Some(1e-4),
            data: vec!["a.json".into()],
            stories: Some(0),
            begin_answer: Some("answer.gguf".into()),
            ..Flags::default()
        };
        let config = flags.settings().unwrap();
        assert!(matches!(config.learn, Learn::Rewards { judge: Judge::Agent { answers: 1 }, .. }));
        assert_eq!(config.learning.warm_up, 5);
        let config = Flags { data: Vec::new(), stories: Some(2), ..flags }.settings().unwrap();
        assert_eq!((config.role, config.steps, config.world.stories), (Learner::Joint, 200, 2));
        assert_eq!(config.begin.answer.as_deref(), Some(Path::new("answer.gguf")));
        let Learn::Rewards { algorithm, scenes, .. } = config.learn else { panic!("{config:?}") };
        assert!(matches!(algorithm, Algorithm::Ppo { .. }) && scenes == 3);
    }

    #[test]
    fn flags_go_before_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        let text = "role = \"manager\"\nmodel = \"m.gguf\"\nsteps = 5\n[learn]\nfrom = \"rewards\"\nscenes = 2\n\
                    algorithm = { kind = \"ppo\", critic_rate = 2.0 }\n";
        std::fs::write(file.path(), text).unwrap();
        let flags =
            |flags: Flags| Flags { config: Some(file.path().to_owned()), ..flags }.settings().unwrap();
        let kept = flags(Flags::default());
        let Learn::Rewards { algorithm: Algorithm::Ppo { critic_rate, .. }, .. } = kept.learn else {
            panic!("{kept:?}")
        };
        assert!((critic_rate - 2.0).abs() < 1e-9 && kept.steps == 5);
        let other = flags(Flags {
            what: Some(What::Answer),
            algo: Some(Algo::Grpo),
            steps: Some(7),
            ..Flags::default()
        });
        assert_eq!((other.role, other.steps), (Learner::Answer, 7));
        let by_role = flags(Flags { role: Some("answer".into()), steps: Some(1), ..Flags::default() });
        assert_eq!(by_role.role, Learner::Answer);
        let run = file.path().parent().unwrap().join("run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("config.toml"), text).unwrap();
        assert_eq!(Flags { steps: Some(9), ..Flags::default() }.or_those_of(&run).unwrap().steps, 9);
        let refused = |flags: Flags| flags.settings().unwrap_err().to_string();
        let sft = || Flags { what: Some(What::Sft), ..Flags::default() };
        assert!(refused(sft()).contains("--role manager"));
        assert!(refused(Flags { algo: Some(Algo::Ppo), ..sft() }).contains("--algo"));
        let role = Some("answer".to_owned());
        assert!(
            refused(Flags { what: Some(What::Joint), role, ..Flags::default() })
                .contains("--role is for sft")
        );
        let missing = Flags { config: Some("/nowhere.toml".into()), ..Flags::default() }.settings();
        assert!(missing.unwrap_err().to_string().contains("/nowhere.toml"));
    }
}
