//! A two-layer model learns a small table from rewards alone, with every algorithm; and goes on to the bit after a pause.
//!
//! Rooms it touches: train, rollout, engine, tasks; of core: model, prompt.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test fails by a panic, and says how far it came

mod common;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use common::{engine, tiny_base};
use keepsake_core::model::{LanguageModel, Request, Role, Sampling};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::types::Cancel;
use keepsake_trainer::algo::advantage::Baseline;
use keepsake_trainer::algo::gae::GaeSettings;
use keepsake_trainer::algo::policy::PolicySettings;
use keepsake_trainer::algo::schedule::Schedule;
use keepsake_trainer::algo::value::ValueSettings;
use keepsake_trainer::engine::local::LocalEngine;
use keepsake_trainer::engine::{AdamW, Part, PolicyEngine};
use keepsake_trainer::record::{SampleLine, Values};
use keepsake_trainer::tasks::{Draw, Nested, Played, Scene, TaskError};
use keepsake_trainer::train::reinforce::{Algorithm, ReinforceSettings, evaluate, reinforce};
use keepsake_trainer::train::{TrainError, Watch};
use keepsake_trainer::weights::Architecture;

/// Each of four letters wants a word of its own.
const WORDS: [&str; 4] = ["north", "south", "east", "west"];

/// A letter that wants its word.
struct Letter(usize);

/// What an agent says to a letter.
fn said(model: &dyn LanguageModel, role: Role, letter: usize) -> Result<String, TaskError> {
    let letter = char::from(b'a' + 5 * letter as u8);
    let request = Request {
        role,
        chat: Chat { system: "s".into(), user: letter.to_string().repeat(6), reply_start: String::new() },
        grammar: Some(format!("({})", WORDS.join("|"))),
        max_tokens: 8,
        sampling: Sampling::Greedy,
    };
    let reply = model.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
    Ok(reply.map_err(|error| TaskError::Pipeline(error.to_string()))?.text)
}

impl Scene for Letter {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let reply = said(&*model, Role::Manager, self.0)?;
        let reward = Some(f64::from(u8::from(reply == WORDS[self.0])));
        Ok(Played { reward, said: reply, ..Played::default() })
    }

    fn about(&self) -> String {
        format!("letter {}", self.0)
    }

    fn gold(&self) -> String {
        WORDS[self.0].to_owned()
    }
}

/// The same, behind which the answer agent is asked for the word of the opposite letter, three times.
struct Both(usize);

impl Scene for Both {
    fn play(&self, model: Arc<dyn LanguageModel>) -> Result<Played, TaskError> {
        let mut played = Letter(self.0).play(Arc::clone(&model))?;
        let mut draws = Vec::new();
        for call in 1..4 {
            let right = said(&*model, Role::Answer, self.0)? == WORDS[3 - self.0];
            draws.push(Draw { reward: Some(f64::from(u8::from(right))), calls: call..call + 1 });
        }
        let shares = draws.iter().filter_map(|draw| draw.reward).sum::<f64>() / 3.0;
        played.parts = vec![("answers".to_owned(), shares)];
        played.answers = vec![Nested { draws }];
        Ok(played)
    }

    fn about(&self) -> String {
        Letter(self.0).about()
    }

    fn gold(&self) -> String {
        Letter(self.0).gold()
    }
}

fn scenes() -> Vec<Box<dyn Scene>> {
    (0..4).map(|letter| Box::new(Letter(letter)) as Box<dyn Scene>).collect()
}

#[derive(Default)]
struct Notes {
    rewards: Vec<f64>,
    state: Vec<(Part, Vec<u8>)>,
    /// Ends the run before this step.
    stop_at: Option<u64>,
}

impl Watch for Notes {
    fn step(&mut self, _: u64, values: &Values, samples: &[SampleLine]) -> Result<(), TrainError> {
        assert!(!samples.is_empty() && values.iter().all(|(_, value)| value.is_finite()), "{values:?}");
        // The log of a run refuses a name that is given twice.
        let names: BTreeSet<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), values.len(), "{values:?}");
        self.rewards.push(values.iter().find(|(name, _)| name == "reward/mean").unwrap().1);
        Ok(())
    }

    fn evaluated(&mut self, _: u64, _: &str, _: &Values) -> Result<(), TrainError> {
        Ok(())
    }

    fn stops(&self) -> bool {
        self.stop_at.is_some_and(|stop| self.rewards.len() as u64 >= stop)
    }

    fn save(&mut self, _: u64, parts: &[(Part, Vec<u8>)]) -> Result<(), TrainError> {
        self.state = parts.to_vec();
        Ok(())
    }
}

fn settings(algorithm: Algorithm, steps: u64) -> ReinforceSettings {
    ReinforceSettings {
        role: Role::Manager,
        nested: false,
        joint: false,
        others: 0,
        algorithm,
        policy: PolicySettings::default(),
        learning: Schedule::constant(0.004, 5),
        optimiser: AdamW::default(),
        steps,
        scenes: 4,
        group: 16,
        epochs: 1,
        minibatches: 1,
        temperature: 1.0,
        evaluate_every: 0,
        evaluates_end: false,
        save_every: 0,
        seed: 1,
        context_tokens: 512,
    }
}

fn ppo() -> Algorithm {
    Algorithm::Ppo {
        gae: GaeSettings::default(),
        value: ValueSettings::default(),
        critic_rate: 5.0,
        critic_first: 2,
    }
}

fn train(folder: &Path, settings: &ReinforceSettings, notes: &mut Notes, first: u64) -> LocalEngine {
    let mut engine = engine(&tiny_base(folder, Architecture::Llama), |_| {});
    for (part, state) in &notes.state {
        engine.load(*part, state).unwrap();
    }
    let tokenizer = Arc::clone(engine.tokenizer());
    reinforce(&mut engine, &tokenizer, &scenes(), &[], settings, first, notes).unwrap();
    engine
}

/// From chance, one in four, to nearly always right, greedily on all letters.
fn learns(settings: &ReinforceSettings) {
    let folder = tempfile::tempdir().unwrap();
    let mut notes = Notes::default();
    let mut engine = train(folder.path(), settings, &mut notes, 0);
    assert!(notes.rewards[0] < 0.5, "it begins at chance: {}", notes.rewards[0]);
    let tokenizer = Arc::clone(engine.tokenizer());
    let (values, _) = evaluate(&mut engine, &tokenizer, &scenes(), 512).unwrap();
    println!(
        "{:?}: first {:.2}, last {:.2}, greedily {:.2}",
        settings.algorithm,
        notes.rewards[0],
        notes.rewards.last().unwrap(),
        values[0].1
    );
    let last = &notes.rewards[notes.rewards.len() - 5..];
    assert!(last.iter().sum::<f64>() / 5.0 > 0.9, "{:?}", notes.rewards);
    assert!(values[0].1 > 0.9);
}

#[test]
fn grpo_learns_the_table() {
    learns(&settings(Algorithm::Grpo { baseline: Baseline::default() }, 160));
}

#[test]
fn grpo_with_several_steps_a_batch_and_a_reference_learns_the_table() {
    let policy = PolicySettings { kl: 1e-3, ..PolicySettings::default() };
    let algorithm = Algorithm::Grpo { baseline: Baseline::Standardised { epsilon: 1e-4 } };
    learns(&ReinforceSettings { policy, epochs: 2, minibatches: 2, ..settings(algorithm, 70) });
}

#[test]
fn ppo_learns_the_table() {
    learns(&ReinforceSettings { learning: Schedule::constant(0.002, 5), ..settings(ppo(), 240) });
}

/// Both agents learn in the same steps, each from its own groups.
#[test]
fn nested_groups_teach_both_agents() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&tiny_base(folder.path(), Architecture::Llama), |_| {});
    let tokenizer = Arc::clone(engine.tokenizer());
    let scenes: Vec<Box<dyn Scene>> = (0..4).map(|letter| Box::new(Both(letter)) as Box<dyn Scene>).collect();
    let algorithm = Algorithm::Grpo { baseline: Baseline::default() };
    let settings = ReinforceSettings { nested: true, joint: true, group: 12, ..settings(algorithm, 120) };
    let mut notes = Notes::default();
    reinforce(&mut engine, &tokenizer, &scenes, &[], &settings, 0, &mut notes).unwrap();
    assert_eq!(notes.state.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Manager, Part::Answer]);
    let (values, _) = evaluate(&mut engine, &tokenizer, &scenes, 512).unwrap();
    println!("{values:?}");
    assert!(values.iter().take(2).all(|(_, value)| *value > 0.9), "{values:?}");
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::Grpo { baseline: Baseline::default() }, ppo()] {
        let settings = settings(algorithm, 7);
        let (mut whole, mut parts) = (Notes::default(), Notes { stop_at: Some(4), ..Notes::default() });
        train(folder.path(), &settings, &mut whole, 0);
        train(folder.path(), &settings, &mut parts, 0);
        assert_eq!(parts.rewards.len(), 4);
        assert_ne!(whole.state, parts.state);
        parts.stop_at = None;
        train(folder.path(), &settings, &mut parts, 4);
        assert_eq!(whole.rewards, parts.rewards);
        assert!(whole.state == parts.state, "the states differ");
    }
}
