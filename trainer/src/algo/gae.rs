//! Advantages and returns of PPO: generalised advantage estimation over the tokens of a completion, and
//! whitening.
//!
//! An episode is one completion: its only reward from outside comes with its last loss token. A token whose
//! mask is false is no decision and is stepped over: the state after a loss token is the one before the next
//! loss token.
//!
//! It deliberately computes no value; the critic's come in. A completion without a reward gets a mask of only
//! false.
//!
//! Rooms it touches: algo.

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::{BadSetting, Uneven, even, within};

/// How rewards become advantages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaeSettings {
    /// What a reward one token later is worth. Default 1: a completion has one reward and no reason to hurry.
    pub gamma: f64,
    /// How far an advantage looks beyond the next value. Default 1: the whole rest, without bias from a
    /// critic that is still bad. Evidence: Hu et al., Open-Reasoner-Zero (arXiv 2503.24290), which trains
    /// stably with γ = λ = 1.
    pub lambda: f64,
    /// The cost of a nat away from the reference, for each token. Default 0: see
    /// [`super::policy::PolicySettings::kl`], of which only one should be used.
    pub kl: f64,
}

impl Default for GaeSettings {
    fn default() -> Self {
        Self { gamma: 1.0, lambda: 1.0, kl: 0.0 }
    }
}

impl GaeSettings {
    /// Checks the settings.
    pub fn check(&self) -> Result<(), BadSetting> {
        within("gamma", self.gamma, (0.0..=1.0).contains(&self.gamma), "from 0 to 1")?;
        within("lambda", self.lambda, (0.0..=1.0).contains(&self.lambda), "from 0 to 1")?;
        within("kl", self.kl, self.kl >= 0.0 && self.kl.is_finite(), "0 or more")
    }
}

/// A completion. Every slice has an entry for each of its tokens.
#[derive(Debug, Clone, Copy)]
pub struct Episode<'a> {
    /// The reward of the whole completion.
    pub reward: f64,
    /// The critic's value of the state that a token was drawn in.
    pub values: &'a [f64],
    /// True where a token has a loss.
    pub mask: &'a [bool],
    /// For the cost of leaving the reference. Needed where [`GaeSettings::kl`] is not 0.
    pub divergence: Option<Divergence<'a>>,
}

/// Log-probabilities, in nats, of a completion's tokens.
#[derive(Debug, Clone, Copy)]
pub struct Divergence<'a> {
    /// By the policy that drew them, as the trainer computes it.
    pub old: &'a [f64],
    /// By the model with the adapter switched off.
    pub reference: &'a [f64],
}

/// Advantages and returns by token; 0 where the mask is false.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// How much better a token was than the critic expected.
    pub advantages: Vec<f64>,
    /// What the critic should have said: advantage + value.
    pub returns: Vec<f64>,
}

/// Why there are no estimates. Nothing was computed; the caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GaeError {
    /// Slices of different lengths.
    #[error(transparent)]
    Uneven(#[from] Uneven),
    /// The settings ask for a divergence from a reference that is not there.
    #[error("kl is not 0, but the reference's log-probabilities were not computed")]
    NoReference,
}

/// Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation" (arXiv
/// 1506.02438), equation 16, summed from the last token to the first: `δ_t = r_t + γ·V_{t+1} − V_t` and `A_t
/// = δ_t + γλ·A_{t+1}`, where nothing follows the last token.
///
/// A token's own reward is `−kl·(old − reference)`, as in Ouyang et al., InstructGPT (arXiv 2203.02155),
/// equation 2.
pub fn estimates(episode: &Episode<'_>, settings: &GaeSettings) -> Result<Estimates, GaeError> {
    let Episode { reward, values, mask, divergence } = *episode;
    even(values.len(), &[("mask", mask.len())])?;
    if let Some(Divergence { old, reference }) = divergence {
        even(values.len(), &[("old", old.len()), ("reference", reference.len())])?;
    } else if settings.kl != 0.0 {
        return Err(GaeError::NoReference);
    }
    let cost = |at: usize| match divergence {
        Some(Divergence { old, reference }) if settings.kl != 0.0 => settings.kl * (old[at] - reference[at]),
        _ => 0.0,
    };
    let mut found = Estimates { advantages: vec![0.0; values.len()], returns: vec![0.0; values.len()] };
    // What comes with the token, the value after it and the advantage after it.
    let (mut outside, mut next_value, mut next_advantage) = (reward, 0.0, 0.0);
    for at in (0..values.len()).rev().filter(|&at| mask[at]) {
        let surprise = outside - cost(at) + settings.gamma * next_value - values[at];
        let advantage = surprise + settings.gamma * settings.lambda * next_advantage;
        found.advantages[at] = advantage;
        found.returns[at] = advantage + values[at];
        (outside, next_value, next_advantage) = (0.0, values[at], advantage);
    }
    Ok(found)
}

/// Advantages of a completion, and its mask.
pub type Masked<'a> = (&'a mut [f64], &'a [bool]);

/// Makes mean 0 and variance 1 of the advantages of a rollout batch: of all its loss tokens together, never
/// of a micro-batch. Others become 0. It returns what mean and variance were. Fewer than two loss tokens stay
/// as they are.
///
/// Andrychowicz et al., "What Matters In On-Policy Reinforcement Learning?" (arXiv 2006.05990), section 3.3,
/// choice C67; the sample's variance, and 1e-8 beside it, are those of the public trainers. Departure: over
/// tokens, not over completions.
pub fn whiten(batch: &mut [Masked<'_>]) -> Result<Moments, Uneven> {
    for (advantages, mask) in batch.iter() {
        even(advantages.len(), &[("mask", mask.len())])?;
    }
    let loss_tokens = batch.iter().flat_map(|(advantages, mask)| advantages.iter().zip(*mask));
    let moments: Moments =
        loss_tokens.filter(|(_, counts)| **counts).map(|(advantage, _)| *advantage).collect();
    let (mean, deviation) = match (moments.mean(), moments.sample_variance()) {
        (Some(mean), Some(variance)) => (mean, (variance + 1e-8).sqrt()),
        _ => (0.0, 1.0),
    };
    for (advantages, mask) in batch.iter_mut() {
        for (advantage, counts) in advantages.iter_mut().zip(*mask) {
            *advantage = if *counts { (*advantage - mean) / deviation } else { 0.0 };
        }
    }
    Ok(moments)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use super::{Divergence, Episode, Estimates, GaeError, GaeSettings, estimates, whiten};
    use crate::algo::Uneven;
    use crate::algo::testing::{Numbers, assert_close};

    const SHORT_SIGHTED: GaeSettings = GaeSettings { gamma: 0.9, lambda: 0.8, kl: 0.0 };

    fn episode<'a>(values: &'a [f64], mask: &'a [bool]) -> Episode<'a> {
        Episode { reward: 1.0, values, mask, divergence: None }
    }

    fn assert_estimates(found: &Estimates, advantages: &[f64], returns: &[f64]) {
        assert_close(&found.advantages, advantages, 1e-12);
        assert_close(&found.returns, returns, 1e-12);
    }

    #[test]
    fn estimates_are_those_of_the_table_worked_out_by_hand() {
        // γ = 0.9, λ = 0.8, γλ = 0.72, values 0.5, 0.4, 0.3, reward 1 at the end:
        //   t   δ                        A
        //   3   1 − 0.3          = 0.7   0.7
        //   2   0.9·0.3 − 0.4  = −0.13   −0.13 + 0.72·0.7   = 0.374
        //   1   0.9·0.4 − 0.5  = −0.14   −0.14 + 0.72·0.374 = 0.12928
        let found = estimates(&episode(&[0.5, 0.4, 0.3], &[true; 3]), &SHORT_SIGHTED).unwrap();
        assert_estimates(&found, &[0.129_28, 0.374, 0.7], &[0.629_28, 0.774, 1.0]);
        // γ = λ = 1: the reward is every token's return.
        let found = estimates(&episode(&[0.5, 0.4, 0.3], &[true; 3]), &GaeSettings::default()).unwrap();
        assert_estimates(&found, &[0.5, 0.6, 0.7], &[1.0; 3]);
    }

    #[test]
    fn tokens_without_a_loss_are_stepped_over_and_may_hold_anything() {
        let mask = [false, true, false, true, true, false];
        let values = [f64::NAN, 0.5, f64::NAN, 0.4, 0.3, f64::INFINITY];
        let found = estimates(&episode(&values, &mask), &SHORT_SIGHTED).unwrap();
        assert_estimates(
            &found,
            &[0.0, 0.129_28, 0.0, 0.374, 0.7, 0.0],
            &[0.0, 0.629_28, 0.0, 0.774, 1.0, 0.0],
        );
        let none = estimates(&episode(&[0.5, 0.4], &[false; 2]), &SHORT_SIGHTED).unwrap();
        assert_estimates(&none, &[0.0; 2], &[0.0; 2]);
    }

    #[test]
    fn leaving_the_reference_costs_where_it_happens() {
        // kl 0.1; old − reference = 1, −2, 0: rewards −0.1, 0.2, 1. With γ = λ = 1 a return is the sum of the
        // rest.
        let divergence = Divergence { old: &[-1.0, -3.0, -1.0], reference: &[-2.0, -1.0, -1.0] };
        let with = Episode { divergence: Some(divergence), ..episode(&[0.0; 3], &[true; 3]) };
        let settings = GaeSettings { kl: 0.1, ..GaeSettings::default() };
        let found = estimates(&with, &settings).unwrap();
        assert_estimates(&found, &[1.1, 1.2, 1.0], &[1.1, 1.2, 1.0]);
        let without = Episode { divergence: None, ..with };
        assert_eq!(estimates(&without, &settings), Err(GaeError::NoReference));
        // Log-probabilities that nobody asked the cost of change nothing.
        assert_eq!(estimates(&with, &GaeSettings::default()), estimates(&without, &GaeSettings::default()));
    }

    #[test]
    fn the_recursion_is_the_discounted_sum_of_surprises() {
        // The oracle: equation 16 as it stands, A_t = Σ_l (γλ)^l δ_{t+l}.
        let mut numbers = Numbers::seeded(7);
        for _ in 0..100 {
            let length = numbers.length(20);
            let values: Vec<f64> = (0..length).map(|_| numbers.between(-1.0, 1.0)).collect();
            let mask = vec![true; length];
            let surprise = |at: usize| {
                let next = values.get(at + 1).copied();
                next.map_or(1.0, |next| 0.9 * next) - values[at]
            };
            let expected: Vec<f64> = (0..length)
                .map(|from| (from..length).map(|at| 0.72f64.powi((at - from) as i32) * surprise(at)).sum())
                .collect();
            let found = estimates(&episode(&values, &mask), &SHORT_SIGHTED).unwrap();
            assert_close(&found.advantages, &expected, 1e-12);
        }
    }

    #[test]
    fn whitening_is_over_all_loss_tokens_of_the_batch() {
        // 1, 3 and 5: mean 3, sample variance 4.
        let (mut first, mut second) = ([1.0, 100.0, 3.0], [5.0, f64::NAN]);
        let mut batch: Vec<super::Masked<'_>> =
            vec![(&mut first, &[true, false, true]), (&mut second, &[true, false])];
        let moments = whiten(&mut batch).unwrap();
        assert_close(&[moments.mean().unwrap(), moments.sample_variance().unwrap()], &[3.0, 4.0], 1e-12);
        assert_close(&first, &[-1.0, 0.0, 0.0], 1e-8);
        assert_close(&second, &[1.0, 0.0], 1e-8);
    }

    #[test]
    fn equal_or_single_advantages_do_not_blow_up() {
        let mut equal = [0.5; 3];
        whiten(&mut [(&mut equal, &[true; 3])]).unwrap();
        assert_eq!(equal, [0.0; 3]);
        let mut single = [0.5, 9.0];
        whiten(&mut [(&mut single, &[true, false])]).unwrap();
        assert_eq!(single, [0.5, 0.0]);
    }

    #[test]
    fn mixed_up_slices_and_settings_without_a_meaning_are_errors() {
        let uneven = Uneven { what: "mask", expected: 2, found: 1 };
        let found = estimates(&episode(&[0.5, 0.4], &[true]), &SHORT_SIGHTED);
        assert_eq!(found, Err(GaeError::Uneven(uneven)));
        let mut advantages = [0.5, 0.4];
        assert_eq!(whiten(&mut [(&mut advantages, &[true])]), Err(uneven));
        assert_eq!(GaeSettings { lambda: 1.1, ..SHORT_SIGHTED }.check().unwrap_err().what, "lambda");
        assert_eq!(serde_json::from_str::<GaeSettings>("{}").unwrap(), GaeSettings::default());
        assert_eq!(GaeSettings::default().check(), Ok(()));
    }
}
