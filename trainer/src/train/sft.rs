//! Imitation: supervised fine-tuning on gold replies, or on what another adapter would choose along them.
//!
//! Rooms it touches: algo, engine.

use std::time::Instant;

use keepsake_core::model::Role;

use super::{MOST_SKIPPED, Named, TrainError, Watch, speed};
use crate::algo::schedule::Schedule;
use crate::algo::sft::{SftMetrics, sft_loss};
use crate::engine::{AdamW, Choice, Dice, Part, PolicyEngine, Tree};
use crate::tasks::TaskError;

/// Everything that shapes a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SftSettings {
    /// Who learns.
    pub role: Role,
    /// Whether the probabilities of the engine's teacher are imitated ([`PolicyEngine::follow`]) instead of the gold replies'
    /// tokens. Held-out samples are measured against gold either way.
    pub follows: bool,
    /// The learning rate.
    pub learning: Schedule,
    /// The optimiser; its own learning rate does not count.
    pub optimiser: AdamW,
    /// Optimiser steps.
    pub steps: u64,
    /// Samples of a step.
    pub samples: usize,
    /// Steps between evaluations on held-out samples; 0: none.
    pub evaluate_every: u64,
    /// Steps between saved states; 0: at the end only.
    pub save_every: u64,
    /// What the order of samples comes from.
    pub seed: u64,
}

/// Trains an agent from `first` to the last step. `held` are what the loss is measured on.
pub fn imitate(
    engine: &mut dyn PolicyEngine,
    trees: &[Tree],
    held: &[Tree],
    settings: &SftSettings,
    first: u64,
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    if trees.is_empty() {
        return Err(TaskError::Empty(
            "no samples were made: give more stories, or conversations with notes".to_owned(),
        )
        .into());
    }
    settings.learning.check()?;
    let part = Part::policy(settings.role);
    let mut skipped = 0;
    for step in first..settings.steps {
        if watch.stops() {
            return save(engine, part, step, watch);
        }
        if settings.evaluate_every > 0 && step.is_multiple_of(settings.evaluate_every) && !held.is_empty() {
            watch.evaluated(step, "held", &measure(engine, part, held)?)?;
        }
        if settings.save_every > 0 && step > first && step.is_multiple_of(settings.save_every) {
            save(engine, part, step, watch)?;
        }
        let (started, before) = (Instant::now(), engine.work());
        let number = |nth: usize| step * settings.samples as u64 + nth as u64;
        let sample = |nth: usize| trees[sample_of(settings.seed, number(nth), trees.len())].clone();
        let drawn: Vec<Tree> = (0..settings.samples).map(sample).collect();
        let choices = |tree: &Tree| {
            tree.branches.iter().flat_map(|branch| &branch.choices).filter(|c| **c != Choice::Forced).count()
        };
        let total = drawn.iter().map(choices).sum::<usize>() as f64;
        let mut values = if settings.follows {
            followed(engine, part, &drawn, total)?
        } else {
            imitated(engine, part, &drawn, total)?
        };
        let rate = settings.learning.rate(step);
        let stepped = engine.step(part, &AdamW { learning_rate: rate, ..settings.optimiser })?;
        skipped = if stepped.skipped { skipped + 1 } else { 0 };
        if skipped >= MOST_SKIPPED {
            return Err(TrainError::Diverged { count: skipped, step });
        }
        let seconds = started.elapsed().as_secs_f64();
        let tokens: usize = drawn.iter().map(Tree::tokens).sum();
        values.push(("learning_rate".to_owned(), rate));
        values.push(("gradient/norm".to_owned(), stepped.gradient_norm));
        values.push(("gradient/skipped".to_owned(), f64::from(u8::from(stepped.skipped))));
        values.push(("seconds/train".to_owned(), seconds));
        values.extend(speed(engine.work(), before, tokens, seconds));
        watch.step(step, &values, &[])?;
    }
    if settings.evaluate_every > 0 && !held.is_empty() {
        watch.evaluated(settings.steps, "held", &measure(engine, part, held)?)?;
    }
    save(engine, part, settings.steps, watch)
}

/// Gradients of the mean surprisal at the choices of the gold replies, of which there are `total`; and what is logged of it.
fn imitated(
    engine: &mut dyn PolicyEngine,
    part: Part,
    drawn: &[Tree],
    total: f64,
) -> Result<Named, TrainError> {
    let (mut metrics, mut failed) = (SftMetrics::default(), None);
    engine.forward_backward(part, drawn, &mut |tree, branch, scores| {
        let choices = &drawn[tree].branches[branch].choices;
        let weights: Vec<f64> =
            choices.iter().map(|choice| f64::from(u8::from(*choice != Choice::Forced))).collect();
        let scores: Vec<f64> = scores.iter().map(|score| f64::from(*score)).collect();
        match sft_loss(&scores, &weights, total) {
            Ok(loss) => {
                metrics += loss.metrics;
                loss.gradient.iter().map(|value| *value as f32).collect()
            }
            Err(error) => {
                failed = Some(error.to_string());
                Vec::new()
            }
        }
    })?;
    if let Some(failed) = failed {
        return Err(TrainError::Algorithm(failed));
    }
    Ok(metrics.values().into_iter().map(|(name, value)| (name.replacen('_', "/", 1), value)).collect())
}

/// Gradients of the mean divergence from the teacher at those choices, which is the loss that is logged.
fn followed(
    engine: &mut dyn PolicyEngine,
    part: Part,
    drawn: &[Tree],
    total: f64,
) -> Result<Named, TrainError> {
    let scale = 1.0 / total.max(1.0);
    let divergences = engine.follow(part, drawn, scale)?;
    let sum: f64 = divergences.iter().flatten().flatten().map(|divergence| f64::from(*divergence)).sum();
    Ok(vec![("sft/tokens".to_owned(), total), ("sft/loss".to_owned(), sum * scale)])
}

fn save(
    engine: &mut dyn PolicyEngine,
    part: Part,
    step: u64,
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    engine.logprobs(Some(part), &[])?;
    let state = engine.save(part)?;
    watch.save(step, &[(part, state)])
}

/// Loss, and the share of samples that greedy choosing would write as gold.
fn measure(engine: &mut dyn PolicyEngine, part: Part, trees: &[Tree]) -> Result<Named, TrainError> {
    let scores = engine.logprobs(Some(part), trees)?;
    let (mut loss, mut tokens, mut sure, mut branches) = (0.0, 0_u32, 0_u32, 0_u32);
    for (tree, scores) in trees.iter().zip(&scores.values) {
        for (branch, scores) in tree.branches.iter().zip(scores) {
            branches += 1;
            let chosen = branch.choices.iter().zip(scores).filter(|(choice, _)| **choice != Choice::Forced);
            let chosen: Vec<f64> = chosen.map(|(_, score)| f64::from(*score)).collect();
            // More likely than all others together: greedy choosing takes it for certain.
            sure += u32::from(chosen.iter().all(|score| *score > -std::f64::consts::LN_2));
            loss -= chosen.iter().sum::<f64>();
            tokens += chosen.len() as u32;
        }
    }
    Ok(vec![
        ("loss".to_owned(), loss / f64::from(tokens.max(1))),
        ("written_as_gold_at_least".to_owned(), f64::from(sure) / f64::from(branches.max(1))),
    ])
}

fn sample_of(seed: u64, number: u64, samples: usize) -> usize {
    let (pass, at) = (number / samples as u64, number % samples as u64);
    let mut order: Vec<usize> = (0..samples).collect();
    fastrand::Rng::with_seed(Dice::new(&[seed, 0x5AFE, pass]).seed()).shuffle(&mut order);
    order[at as usize]
}
