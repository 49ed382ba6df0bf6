//! Joint training: both agents, on banks that the manager builds as it is.
//!
//! A run is made of phases. At the beginning of each the manager works all tales; what both learn in the phase begins with
//! these banks. Alternating, one agent learns in a phase and the other is its partner, as it was when the phase began
//! (lagged: neither chases a moving target). Nested, both learn in every step: the answer agent from groups of answers
//! about each of the manager's samples.
//!
//! Rooms it touches: engine, tasks, train.

use std::sync::Arc;

use keepsake_core::config::Config;
use keepsake_core::model::{Role, Tokenizer};
use serde::{Deserialize, Serialize};

use super::reinforce::{Held, ReinforceSettings, reinforce};
use super::{TrainError, Watch};
use crate::engine::{Part, PolicyEngine};
use crate::record::{SampleLine, Values};
use crate::tasks::banks::{Banks, BanksError, built};
use crate::tasks::manager::ManagerRewards;
use crate::tasks::tale::Tale;
use crate::tasks::{self, Scene, TaskError};

/// How both agents learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Together {
    /// In turns, the manager first.
    #[default]
    Alternating,
    /// In every step.
    Nested,
}

/// Everything that shapes a run.
#[derive(Debug, Clone)]
pub struct JointSettings {
    /// How both learn.
    pub together: Together,
    /// Steps of a phase.
    pub phase: u64,
    /// How the manager is judged.
    pub manager: Arc<ManagerRewards>,
    /// Turns after which questions are asked, of the answer agent.
    pub ask_every: usize,
    /// All else; who learns in a phase is decided here.
    pub steps: ReinforceSettings,
}

/// Where a run begins.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The first step.
    pub step: u64,
    /// The manager that built the banks of the phase that is gone on with: [`Part::LaggedManager`] of the saved state.
    pub builder: Option<Vec<u8>>,
}

/// Trains both agents to the last step.
pub fn together(
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    tales: &[Arc<Tale>],
    held: &[Held<'_>],
    settings: &JointSettings,
    start: Start,
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    let JointSettings { together, phase, steps, .. } = settings;
    let mut known: Option<(Vec<u8>, Vec<Banks>)> = None;
    let Start { mut step, mut builder } = start;
    if step > 0 && step >= steps.steps {
        // Nothing is left of it: no banks are built.
        return Ok(());
    }
    loop {
        let nth = step / phase.max(&1);
        let begin = nth * phase;
        let end = (begin + phase).min(steps.steps);
        engine.logprobs(Some(Part::Manager), &[])?;
        let now = engine.save(Part::Manager)?;
        let lagged = builder.take().filter(|_| step > begin).unwrap_or_else(|| now.clone());
        let banks = match known.take() {
            Some((by, banks)) if by == lagged => banks,
            _ => {
                engine.load(Part::Manager, &lagged)?;
                let banks = built(engine, tokenizer, steps.context_tokens, tales, settings.ask_every);
                engine.load(Part::Manager, &now)?;
                banks.map_err(|error| match error {
                    BanksError::Engine(error) => TrainError::Engine(error),
                    BanksError::Task(error) => TrainError::Task(error),
                })?
            }
        };
        let nested = *together == Together::Nested;
        let role = if nested || nth.is_multiple_of(2) { Role::Manager } else { Role::Answer };
        let scenes = scenes(role, tales, &banks, settings);
        if scenes.is_empty() {
            let what =
                "nothing can be asked of these tales: give more stories, or conversations with questions";
            return Err(TaskError::Empty(what.to_owned()).into());
        }
        let of_phase = ReinforceSettings {
            role,
            nested,
            joint: true,
            others: if nested { 0 } else { begin - (nth / 2) * phase },
            steps: end,
            evaluates_end: end == steps.steps,
            ..steps.clone()
        };
        let mut lagging = Lagging { watch: &mut *watch, lagged: &lagged };
        reinforce(engine, tokenizer, &scenes, held, &of_phase, step, &mut lagging)?;
        known = Some((lagged, banks));
        step = end;
        if step >= steps.steps || watch.stops() {
            return Ok(());
        }
    }
}

fn scenes(role: Role, tales: &[Arc<Tale>], banks: &[Banks], settings: &JointSettings) -> Vec<Box<dyn Scene>> {
    let answers = Arc::new(settings.manager.answers.clone());
    let config = Config { distil: settings.manager.distil, ..Config::default() };
    let of_tale = |(tale, banks): (&Arc<Tale>, &Banks)| -> Vec<Box<dyn Scene>> {
        match role {
            Role::Manager => boxed(tasks::manager::scenes_on(tale, banks, &settings.manager)),
            Role::Answer => {
                boxed(tasks::answer::scenes_on(tale, banks, &config, &answers, settings.ask_every))
            }
        }
    };
    tales.iter().zip(banks).flat_map(of_tale).collect()
}

/// Scenes of one kind among all.
pub(crate) fn boxed<S: Scene + 'static>(scenes: Vec<S>) -> Vec<Box<dyn Scene>> {
    scenes.into_iter().map(|scene| Box::new(scene) as Box<dyn Scene>).collect()
}

/// Keeps with every state the manager that built the phase's banks.
struct Lagging<'a> {
    watch: &'a mut dyn Watch,
    lagged: &'a [u8],
}

impl Watch for Lagging<'_> {
    fn step(&mut self, step: u64, values: &Values, samples: &[SampleLine]) -> Result<(), TrainError> {
        self.watch.step(step, values, samples)
    }

    fn evaluated(&mut self, step: u64, name: &str, values: &Values) -> Result<(), TrainError> {
        self.watch.evaluated(step, name, values)
    }

    fn stops(&self) -> bool {
        self.watch.stops()
    }

    fn save(&mut self, step: u64, parts: &[(Part, Vec<u8>)]) -> Result<(), TrainError> {
        let all = [parts, &[(Part::LaggedManager, self.lagged.to_vec())]].concat();
        self.watch.save(step, &all)
    }
}
