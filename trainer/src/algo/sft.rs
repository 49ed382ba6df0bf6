//! The loss of imitation: the negative log-likelihood of given tokens, each with a weight.
//!
//! It deliberately knows no examples: a weight of 0 says that a token (of the prompt, say) is not imitated,
//! and it is then never looked at.
//!
//! Rooms it touches: algo.

use std::ops::AddAssign;

use super::{Uneven, even};

/// The loss of one example.
#[derive(Debug, Clone, PartialEq)]
pub struct SftLoss {
    /// Its part of the step's loss, in nats.
    pub loss: f64,
    /// The derivative of the loss with respect to each token's log-probability.
    pub gradient: Vec<f64>,
    /// Sums for the log.
    pub metrics: SftMetrics,
}

/// `−Σ w·log p / W`, where `W`, `total_weight`, is the sum of the weights of the whole optimiser step:
/// examples then add up to the step's mean whatever the micro-batches. A step without any weight has no loss.
/// Weights are 0 or more.
pub fn sft_loss(log_probabilities: &[f64], weights: &[f64], total_weight: f64) -> Result<SftLoss, Uneven> {
    even(log_probabilities.len(), &[("weights", weights.len())])?;
    let scale = if total_weight > 0.0 { 1.0 / total_weight } else { 0.0 };
    let mut sum =
        SftLoss { loss: 0.0, gradient: vec![0.0; log_probabilities.len()], metrics: SftMetrics::default() };
    for (at, (log_probability, weight)) in log_probabilities.iter().zip(weights).enumerate() {
        if *weight != 0.0 {
            sum.gradient[at] = -weight * scale;
            sum.metrics.tokens += 1;
            sum.metrics.weight += weight;
            sum.metrics.surprisal -= weight * log_probability;
        }
    }
    sum.loss = sum.metrics.surprisal * scale;
    Ok(sum)
}

/// Sums over tokens that have a weight. They add up over examples and micro-batches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SftMetrics {
    /// Tokens.
    pub tokens: u64,
    /// Their weights.
    pub weight: f64,
    /// −log-probability, in nats, times weight.
    pub surprisal: f64,
}

impl SftMetrics {
    /// Named values for the log; the means only where there is a weight.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let mut values = vec![("sft_tokens", self.tokens as f64)];
        if self.weight > 0.0 {
            let mean = self.surprisal / self.weight;
            values.extend([("sft_loss", mean), ("sft_perplexity", mean.exp())]);
        }
        values
    }
}

impl AddAssign for SftMetrics {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.weight += other.weight;
        self.surprisal += other.surprisal;
    }
}

#[cfg(test)]
mod tests {
    use super::{SftMetrics, sft_loss};
    use crate::algo::Uneven;
    use crate::algo::testing::{Numbers, assert_close, central_differences};

    #[test]
    fn the_loss_is_the_weighted_mean_worked_out_by_hand() {
        // (1·2 + 0.5·4) / 2.5, of which 1 is another example's weight; derivatives −1/2.5 and −0.5/2.5.
        let found = sft_loss(&[-2.0, f64::NEG_INFINITY, -4.0], &[1.0, 0.0, 0.5], 2.5).unwrap();
        assert_close(&[found.loss], &[1.6], 1e-12);
        assert_close(&found.gradient, &[-0.4, 0.0, -0.2], 1e-12);
        // Its own mean: 4 / 1.5.
        let mean = 4.0 / 1.5;
        let expected = [("sft_tokens", 2.0), ("sft_loss", mean), ("sft_perplexity", f64::exp(mean))];
        assert_eq!(found.metrics.values(), expected);
    }

    #[test]
    fn every_derivative_is_that_of_central_differences_and_parts_add_up() {
        let mut numbers = Numbers::seeded(13);
        for _ in 0..50 {
            let length = numbers.length(10);
            let log_probabilities: Vec<f64> = (0..length).map(|_| numbers.between(-5.0, 0.0)).collect();
            let weights: Vec<f64> = (0..length)
                .map(|_| if numbers.chance(3) { 0.0 } else { numbers.between(0.1, 2.0) })
                .collect();
            let total: f64 = weights.iter().sum();
            let whole = sft_loss(&log_probabilities, &weights, total).unwrap();
            let expected =
                central_differences(&log_probabilities, |at| sft_loss(at, &weights, total).unwrap().loss);
            assert_close(&whole.gradient, &expected, 1e-6);
            let mut metrics = SftMetrics::default();
            let (mut loss, mut gradient) = (0.0, Vec::new());
            for (part, weights) in log_probabilities.chunks(3).zip(weights.chunks(3)) {
                let found = sft_loss(part, weights, total).unwrap();
                loss += found.loss;
                gradient.extend(found.gradient);
                metrics += found.metrics;
            }
            assert_close(&[loss, metrics.weight], &[whole.loss, whole.metrics.weight], 1e-12);
            assert_eq!((gradient, metrics.tokens), (whole.gradient, whole.metrics.tokens));
        }
    }

    #[test]
    fn nothing_to_imitate_is_no_loss_and_mixed_up_slices_are_an_error() {
        let found = sft_loss(&[-2.0], &[0.0], 0.0).unwrap();
        assert_eq!((found.loss, found.gradient, found.metrics), (0.0, vec![0.0], SftMetrics::default()));
        assert_eq!(found.metrics.values(), [("sft_tokens", 0.0)]);
        let uneven = Uneven { what: "weights", expected: 1, found: 0 };
        assert_eq!(sft_loss(&[-2.0], &[], 1.0), Err(uneven));
        assert!(sft_loss(&[f64::NAN], &[1.0], 1.0).unwrap().loss.is_nan());
    }
}
