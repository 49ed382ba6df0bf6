//! The critic's loss: squared error, with a value that may not move far in one step.
//!
//! It deliberately computes neither values nor returns ([`super::gae`] does). A token whose mask is false is
//! never looked at.
//!
//! Rooms it touches: algo.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::{BadSetting, Uneven, even, within};

/// What shapes the critic's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValueSettings {
    /// What a squared error is multiplied by. Default 0.5, so that the derivative is the error itself. The
    /// critic has its own adapter and learning rate; there is no second coefficient.
    pub coefficient: f64,
    /// How far a value may move from the old one before the error stops shrinking. Default 0.2, PPO2's; none
    /// switches it off, which Andrychowicz et al. (arXiv 2006.05990, section 3.4) found better in robot
    /// control.
    pub clip: Option<f64>,
}

impl Default for ValueSettings {
    fn default() -> Self {
        Self { coefficient: 0.5, clip: Some(0.2) }
    }
}

impl ValueSettings {
    /// Checks the settings.
    pub fn check(&self) -> Result<(), BadSetting> {
        let coefficient = self.coefficient;
        within("coefficient", coefficient, coefficient > 0.0 && coefficient.is_finite(), "above 0")?;
        let clip = self.clip.unwrap_or(f64::INFINITY);
        within("clip", clip, clip > 0.0, "above 0")
    }
}

/// A completion, as the critic sees it. Every slice has an entry for each of its tokens.
#[derive(Debug, Clone, Copy)]
pub struct Valued<'a> {
    /// Values now.
    pub values: &'a [f64],
    /// Values when the advantages were computed.
    pub old: &'a [f64],
    /// What the values should have been.
    pub returns: &'a [f64],
    /// True where a token has a loss.
    pub mask: &'a [bool],
}

/// The critic's loss of one completion.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueLoss {
    /// Its part of the step's loss.
    pub loss: f64,
    /// The derivative of the loss with respect to each token's value; 0 where the mask is false.
    pub gradient: Vec<f64>,
    /// Sums for the log.
    pub metrics: ValueMetrics,
}

/// `coefficient · max((v − R)², (clip(v, old ± c) − R)²)`, multiplied by `scale`:
/// [`super::scale::Aggregation::scale`] of the whole step's counts.
///
/// It is the loss of OpenAI's PPO2, which no paper states; Huang et al., "The 37 Implementation Details of
/// Proximal Policy Optimization" (2022), detail 9, describes it. No departures.
pub fn value_loss(
    completion: &Valued<'_>,
    settings: &ValueSettings,
    scale: f64,
) -> Result<ValueLoss, Uneven> {
    let Valued { values, old, returns, mask } = *completion;
    even(values.len(), &[("old", old.len()), ("returns", returns.len()), ("mask", mask.len())])?;
    let scale = scale * settings.coefficient;
    let mut sum =
        ValueLoss { loss: 0.0, gradient: vec![0.0; values.len()], metrics: ValueMetrics::default() };
    for at in (0..values.len()).filter(|&at| mask[at]) {
        let error = values[at] - returns[at];
        let held = old[at] + held_within(values[at] - old[at], settings.clip) - returns[at];
        let clipped = held * held > error * error;
        if clipped {
            sum.loss += scale * held * held;
            sum.metrics.clipped += 1;
        } else {
            sum.loss += scale * error * error;
            sum.gradient[at] = 2.0 * scale * error;
        }
        sum.metrics.values.push(values[at]);
        sum.metrics.returns.push(returns[at]);
        sum.metrics.errors.push(error);
    }
    sum.metrics.loss = sum.loss;
    Ok(sum)
}

/// Written with comparisons because they let what is not a number through.
fn held_within(moved: f64, clip: Option<f64>) -> f64 {
    match clip {
        Some(clip) if moved > clip => clip,
        Some(clip) if moved < -clip => -clip,
        _ => moved,
    }
}

/// Sums over loss tokens. They add up over completions and micro-batches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValueMetrics {
    /// The loss, scaled: parts add up to the step's.
    pub loss: f64,
    /// Tokens whose value had moved so far that the loss held it.
    pub clipped: u64,
    /// Values now.
    pub values: Moments,
    /// What they should have been.
    pub returns: Moments,
    /// Value − return.
    pub errors: Moments,
}

impl ValueMetrics {
    /// `1 − Var(return − value) / Var(return)`: 1 is a perfect critic, 0 one that knows no more than the
    /// mean, less than 0 one that does harm. None where the returns do not vary.
    pub fn explained_variance(&self) -> Option<f64> {
        let (errors, returns) = (self.errors.sample_variance()?, self.returns.sample_variance()?);
        (returns > 1e-12).then(|| 1.0 - errors / returns)
    }

    /// Named values for the log. What has no token to be a mean over is left out.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let mut values = vec![("value_loss", self.loss), ("value_tokens", self.values.count() as f64)];
        if let (Some(value), Some(mean)) = (self.values.mean(), self.returns.mean()) {
            values.push(("value_clip_fraction", self.clipped as f64 / self.values.count() as f64));
            values.push(("value_mean", value));
            values.push(("return_mean", mean));
        }
        values.extend(self.explained_variance().map(|share| ("explained_variance", share)));
        values
    }
}

impl AddAssign for ValueMetrics {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.clipped += other.clipped;
        self.values += other.values;
        self.returns += other.returns;
        self.errors += other.errors;
    }
}

#[cfg(test)]
mod tests {
    use super::{ValueLoss, ValueMetrics, ValueSettings, Valued, value_loss};
    use crate::algo::Uneven;
    use crate::algo::testing::{Numbers, assert_close, central_differences};

    fn one(value: f64, old: f64, target: f64, settings: &ValueSettings) -> ValueLoss {
        let completion = Valued { values: &[value], old: &[old], returns: &[target], mask: &[true] };
        value_loss(&completion, settings, 1.0).unwrap()
    }

    #[test]
    fn losses_are_those_of_the_table_worked_out_by_hand() {
        let settings = ValueSettings::default();
        // value, old, return → loss = ½·max(…), derivative = value − return where it is not held.
        let table = [
            // Inside the bounds both errors are equal: ½·0.9².
            (0.1, 0.0, 1.0, 0.405, -0.9, 0),
            // Moved towards the return beyond 0.2: held at 0.2, ½·0.8² > ½·0.5².
            (0.5, 0.0, 1.0, 0.32, 0.0, 1),
            // The same from above: held at −0.2.
            (-0.5, 0.0, -1.0, 0.32, 0.0, 1),
            // Moved away from it: its own error, ½·1.5², is the larger.
            (-0.5, 0.0, 1.0, 1.125, -1.5, 0),
            // Jumped over it, from 0 to 3: ½·2² > ½·0.8².
            (3.0, 0.0, 1.0, 2.0, 2.0, 0),
        ];
        for (value, old, target, loss, derivative, clipped) in table {
            let found = one(value, old, target, &settings);
            assert_close(&[found.loss, found.gradient[0]], &[loss, derivative], 1e-12);
            assert_eq!(found.metrics.clipped, clipped);
        }
        let found = one(0.5, 0.0, 1.0, &ValueSettings { clip: None, ..settings });
        assert_close(&[found.loss, found.gradient[0]], &[0.125, -0.5], 1e-12);
    }

    #[test]
    fn every_derivative_is_that_of_central_differences() {
        let mut numbers = Numbers::seeded(11);
        let mut seen = ValueMetrics::default();
        for round in 0..300 {
            let length = numbers.length(10);
            let mut draw = |low, high| (0..length).map(|_| numbers.between(low, high)).collect::<Vec<f64>>();
            let (old, returns, moved) = (draw(-1.0, 1.0), draw(-1.0, 1.0), draw(-0.6, 0.6));
            let values: Vec<f64> = old.iter().zip(&moved).map(|(old, moved)| old + moved).collect();
            let settings = ValueSettings { clip: [Some(0.2), None][round % 2], ..ValueSettings::default() };
            // Kinks: where the value leaves the bounds, and where both errors are equally large.
            let kink = |at: usize| {
                let held = old[at] + moved[at].clamp(-0.2, 0.2) - returns[at];
                let apart = held.abs() - (values[at] - returns[at]).abs();
                (moved[at].abs() - 0.2).abs() < 1e-4 || (moved[at].abs() > 0.2 && apart.abs() < 1e-4)
            };
            let mask: Vec<bool> = (0..length).map(|at| !kink(at) && !numbers.chance(4)).collect();
            let loss = |values: &[f64]| {
                value_loss(&Valued { values, old: &old, returns: &returns, mask: &mask }, &settings, 0.25)
            };
            let found = loss(&values).unwrap();
            let expected = central_differences(&values, |values| loss(values).unwrap().loss);
            assert_close(&found.gradient, &expected, 1e-6);
            assert!((0..length).all(|at| mask[at] || found.gradient[at] == 0.0));
            seen += found.metrics;
        }
        assert!(seen.clipped > 20 && seen.values.count() > 4 * seen.clipped, "{seen:?}");
    }

    #[test]
    fn explained_variance_is_worked_out_by_hand_and_adds_up_over_parts() {
        let metrics = |values: &[f64], returns: &[f64]| {
            let mask = vec![true; values.len()];
            value_loss(&Valued { values, old: values, returns, mask: &mask }, &ValueSettings::default(), 0.5)
                .unwrap()
                .metrics
        };
        // Returns 0, 1, 2, 3 have variance 5/3; errors ½, −½, ½, −½ have 1/3: 1 − (1/3)/(5/3) = 4/5.
        let mut parts = metrics(&[0.5], &[0.0]);
        parts += metrics(&[0.5, 2.5, 2.5], &[1.0, 2.0, 3.0]);
        assert_close(&[parts.explained_variance().unwrap()], &[0.8], 1e-12);
        // The mean alone explains nothing, and a critic that is off by a constant everything.
        assert_close(
            &[metrics(&[1.5; 4], &[0.0, 1.0, 2.0, 3.0]).explained_variance().unwrap()],
            &[0.0],
            1e-12,
        );
        assert_close(&[metrics(&[5.0, 6.0], &[0.0, 1.0]).explained_variance().unwrap()], &[1.0], 1e-12);
        assert_eq!(metrics(&[0.5, 0.6], &[1.0, 1.0]).explained_variance(), None);
        // Four errors of ½: ½ · 4 · ¼, halved by the scale. Means 6/4 and 6/4.
        let expected = [
            ("value_loss", 0.25),
            ("value_tokens", 4.0),
            ("value_clip_fraction", 0.0),
            ("value_mean", 1.5),
            ("return_mean", 1.5),
        ];
        let found = parts.values();
        for ((name, value), (expected_name, expected)) in found.iter().zip(expected) {
            assert_eq!(*name, expected_name);
            assert_close(&[*value], &[expected], 1e-12);
        }
        assert_eq!(found[5].0, "explained_variance");
        assert_eq!(ValueMetrics::default().values(), [("value_loss", 0.0), ("value_tokens", 0.0)]);
    }

    #[test]
    fn a_masked_token_may_hold_anything_and_an_unmasked_one_shows_what_is_wrong() {
        let odd =
            Valued { values: &[f64::NAN, 0.5], old: &[0.0, 0.5], returns: &[0.0, 1.0], mask: &[false, true] };
        let found = value_loss(&odd, &ValueSettings::default(), 1.0).unwrap();
        assert_close(&[found.loss, found.gradient[0], found.gradient[1]], &[0.125, 0.0, -0.5], 1e-12);
        let shown =
            value_loss(&Valued { mask: &[true, true], ..odd }, &ValueSettings::default(), 1.0).unwrap();
        assert!(shown.loss.is_nan() && shown.gradient[0].is_nan());
    }

    #[test]
    fn mixed_up_slices_and_settings_without_a_meaning_are_errors() {
        let completion = Valued { values: &[1.0], old: &[1.0], returns: &[], mask: &[true] };
        let uneven = Uneven { what: "returns", expected: 1, found: 0 };
        assert_eq!(value_loss(&completion, &ValueSettings::default(), 1.0), Err(uneven));
        let settings: ValueSettings = serde_json::from_str(r#"{"clip": null}"#).unwrap();
        assert_eq!(settings, ValueSettings { coefficient: 0.5, clip: None });
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(ValueSettings { clip: Some(-0.2), ..settings }.check().unwrap_err().what, "clip");
    }
}
