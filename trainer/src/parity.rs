//! Whether an adapter does on the device what it did in training: log-probabilities in llama.cpp against the trainer's.
//!
//! On the base unpacked to 32 bits both compute the same function, and differ by rounding alone. On the base as it ships
//! llama.cpp rounds activations to 8 bits: that mismatch is reported beside it, as a divergence.
//!
//! Rooms it touches: engine, run, weights, world; of core: model.

use std::path::Path;
use std::sync::Arc;

use keepsake_core::config::{Config, Distil};
use keepsake_core::model::{ModelError, Scorer, Tokenizer};
use serde::Serialize;

use crate::engine::local::{LocalEngine, LocalSettings, Where};
use crate::engine::{Choice, EngineError, Part, PolicyEngine, Tree};
use crate::tasks::{self, TaskError};
use crate::weights::{Base, Precision, WeightsError, dequantise, read_adapter};
use crate::world::{Split, Story, WorldSettings};

/// Replies that are compared, about 20 tokens each.
const REPLIES: usize = 24;
/// The largest mean difference, in nats, that is taken for rounding (issue: 1e-3).
pub const BOUND: f64 = 1e-3;

/// What was found, over the choices of held-out gold replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Found {
    /// Choices compared.
    pub tokens: usize,
    /// Mean |Δ log-probability| on the base in 32 bits, nats.
    pub mean_abs_dlogprob: f64,
    /// The largest one.
    pub max_abs_dlogprob: f64,
    /// The bound on the mean.
    pub bound: f64,
    /// Mean |log-probability with the adapter − without|: what the comparison is sensitive to.
    pub adapter_effect: f64,
    /// On the base as it ships: mean |Δ log-probability|.
    pub shipped_mean_abs_dlogprob: f64,
    /// On the base as it ships: divergence of llama.cpp from the trainer over everything that could have been chosen,
    /// nats a token.
    pub shipped_kl: f64,
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParityError {
    /// The base or the adapter cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// llama.cpp failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The trainer failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There was nothing to compare with.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// There is no room for the unpacked base.
    #[error(
        "the base cannot be unpacked beside the temporary files: {0}; set TMPDIR to a folder with more space"
    )]
    Room(std::io::Error),
}

/// Compares an adapter on a base.
pub fn parity(model: &Path, adapter: &Path) -> Result<Found, ParityError> {
    let base = Base::open(model)?;
    let (lora, label) = read_adapter(adapter, base.shape())?;
    let tokenizer = Arc::new(Tokenizer::open(model, None)?);
    let mut trees = Vec::new();
    let story = Story::new(1 << 33, &WorldSettings { split: Split::Held, ..WorldSettings::default() });
    let distil = if label.distils { Distil::Always } else { Distil::Never };
    let config = Config { distil, ..Config::default() };
    for sample in tasks::sft::of_role(tasks::sft::samples(&story, &config, 12)?, label.role) {
        trees.extend(tasks::sft::tree(&tokenizer, &sample, 4096)?);
    }
    let every = trees.len().div_ceil(REPLIES).max(1);
    let trees: Vec<Tree> = trees.into_iter().step_by(every).collect();

    let settings = LocalSettings { device: Where::Cpu, ..LocalSettings::default() };
    let mut engine = LocalEngine::load(&base, Arc::clone(&tokenizer), settings)?;
    let part = Part::policy(label.role);
    engine.adopt(part, &lora)?;
    let trained = engine.logprobs(Some(part), &trees)?.values;
    let untrained = engine.logprobs(None, &trees)?.values;

    let folder = tempfile::tempdir().map_err(ParityError::Room)?;
    let exact = folder.path().join("base-f32.gguf");
    dequantise(&base, &exact, Precision::F32)?;
    let mut on_exact = Scorer::load(&exact, Some(adapter))?;
    let mut shipped = Scorer::load(model, Some(adapter))?;

    let (mut differences, mut effects, mut on_shipped, mut divergence) =
        (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for ((tree, trained), untrained) in trees.iter().zip(&trained).zip(&untrained) {
        let exactly = distributions(&mut on_exact, tree)?;
        let as_shipped = distributions(&mut shipped, tree)?;
        let branch = &tree.branches[0];
        let choices = (0..branch.tokens.len()).filter(|at| branch.choices[*at] != Choice::Forced);
        for at in choices {
            let token = branch.tokens[at] as usize;
            let (in_training, before) = (f64::from(trained[0][at]), f64::from(untrained[0][at]));
            differences.push((exactly[at][token] - in_training).abs());
            effects.push((in_training - before).abs());
            on_shipped.push((as_shipped[at][token] - in_training).abs());
            // Exact llama.cpp stands for the trainer, whose whole distributions are not kept.
            let pairs = exactly[at].iter().zip(&as_shipped[at]).filter(|(p, _)| p.is_finite());
            divergence += pairs.map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        }
    }
    let tokens = differences.len();
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / tokens.max(1) as f64;
    Ok(Found {
        tokens,
        mean_abs_dlogprob: mean(&differences),
        max_abs_dlogprob: differences.iter().copied().fold(0.0, f64::max),
        bound: BOUND,
        adapter_effect: mean(&effects),
        shipped_mean_abs_dlogprob: mean(&on_shipped),
        shipped_kl: divergence / tokens.max(1) as f64,
    })
}

/// For every token of a tree's only reply the log-probabilities of what it could have been; of forced ones, of all.
fn distributions(scorer: &mut Scorer, tree: &Tree) -> Result<Vec<Vec<f64>>, ModelError> {
    let branch = &tree.branches[0];
    let read = [&tree.prompt[..], &branch.tokens[..branch.tokens.len().saturating_sub(1)]].concat();
    let logits = scorer.logits(&read, tree.prompt.len() - 1)?;
    Ok(logits.iter().zip(&branch.choices).map(|(logits, choice)| log_softmax(logits, choice)).collect())
}

fn log_softmax(logits: &[f32], choice: &Choice) -> Vec<f64> {
    let allowed = |token: usize| match choice {
        Choice::Among(bits) => bits.get(token / 32).is_some_and(|word| word >> (token % 32) & 1 == 1),
        Choice::Any | Choice::Forced => true,
    };
    let logits: Vec<f64> = logits
        .iter()
        .enumerate()
        .map(|(token, logit)| if allowed(token) { f64::from(*logit) } else { f64::NEG_INFINITY })
        .collect();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
    logits.iter().map(|logit| logit - most - sum.ln()).collect()
}
