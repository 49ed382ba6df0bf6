//! What the policy loss tells the log: sums that add up over completions and micro-batches, and their means
//! by name.
//!
//! It deliberately computes no loss. Every Kullback-Leibler divergence is estimated from the sampled tokens,
//! k1 and k3 as in Schulman, "Approximating KL Divergence" (2020): with `d` the log-ratio of the other policy
//! to the one that the tokens were drawn from, `k1 = −d` (no bias, may be negative) and `k3 = exp(d) − 1 − d`
//! (no bias, never negative).
//!
//! Rooms it touches: none.

use std::ops::AddAssign;

/// Sums over loss tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PolicyMetrics {
    /// Loss tokens.
    pub tokens: u64,
    /// The policy's part of the loss, scaled: parts add up to the step's.
    pub policy_loss: f64,
    /// The reference's part of the loss, scaled and with its coefficient.
    pub kl_loss: f64,
    /// Tokens whose ratio was cut at the lower bound.
    pub clipped_low: u64,
    /// Tokens whose ratio was cut at the upper bound.
    pub clipped_high: u64,
    /// Tokens whose loss was cut by the dual clip.
    pub clipped_dual: u64,
    /// Tokens of which some log-ratio was clamped. More than a handful mean that two policies have nothing in
    /// common.
    pub clamped: u64,
    /// The ratio that the loss used, new to old.
    pub ratio: f64,
    /// k1 of old to new, in nats.
    pub old_k1: f64,
    /// k3 of old to new, in nats.
    pub old_k3: f64,
    /// Loss tokens that the reference has a log-probability for.
    pub reference_tokens: u64,
    /// k3 of new to reference, in nats.
    pub reference_k3: f64,
    /// k1 of sampler to old, in nats.
    pub mismatch_k1: f64,
    /// k3 of sampler to old, in nats.
    pub mismatch_k3: f64,
    /// Importance weights, after the cap.
    pub weight: f64,
    /// Tokens whose weight was capped.
    pub weight_capped: u64,
    /// −log-probability now, in nats: an estimate of the entropy while the tokens are the policy's own.
    pub surprisal: f64,
}

impl PolicyMetrics {
    /// Named values for the log: parts of the loss as they are, everything else as means over loss tokens.
    /// What has no token to be a mean over is left out.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let mut values = vec![
            ("policy_loss", self.policy_loss),
            ("kl_loss", self.kl_loss),
            ("loss_tokens", self.tokens as f64),
        ];
        if self.tokens > 0 {
            let mean = |sum: f64| sum / self.tokens as f64;
            values.extend([
                ("clip_fraction_low", mean(self.clipped_low as f64)),
                ("clip_fraction_high", mean(self.clipped_high as f64)),
                ("clip_fraction_dual", mean(self.clipped_dual as f64)),
                ("clamped_fraction", mean(self.clamped as f64)),
                ("ratio_mean", mean(self.ratio)),
                ("approx_kl_k1", mean(self.old_k1)),
                ("approx_kl_k3", mean(self.old_k3)),
                ("mismatch_kl_k1", mean(self.mismatch_k1)),
                ("mismatch_kl_k3", mean(self.mismatch_k3)),
                ("importance_weight_mean", mean(self.weight)),
                ("importance_weight_capped_fraction", mean(self.weight_capped as f64)),
                ("entropy_estimate", mean(self.surprisal)),
            ]);
        }
        if self.reference_tokens > 0 {
            values.push(("reference_kl_k3", self.reference_k3 / self.reference_tokens as f64));
        }
        values
    }
}

impl AddAssign for PolicyMetrics {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.policy_loss += other.policy_loss;
        self.kl_loss += other.kl_loss;
        self.clipped_low += other.clipped_low;
        self.clipped_high += other.clipped_high;
        self.clipped_dual += other.clipped_dual;
        self.clamped += other.clamped;
        self.ratio += other.ratio;
        self.old_k1 += other.old_k1;
        self.old_k3 += other.old_k3;
        self.reference_tokens += other.reference_tokens;
        self.reference_k3 += other.reference_k3;
        self.mismatch_k1 += other.mismatch_k1;
        self.mismatch_k3 += other.mismatch_k3;
        self.weight += other.weight;
        self.weight_capped += other.weight_capped;
        self.surprisal += other.surprisal;
    }
}

#[cfg(test)]
mod tests {
    use super::PolicyMetrics;

    #[test]
    fn means_are_over_loss_tokens_and_nothing_is_a_mean_over_none() {
        let mut metrics = PolicyMetrics { policy_loss: -0.5, ..PolicyMetrics::default() };
        assert_eq!(metrics.values(), [("policy_loss", -0.5), ("kl_loss", 0.0), ("loss_tokens", 0.0)]);
        metrics += PolicyMetrics {
            tokens: 4,
            policy_loss: 0.75,
            clipped_low: 1,
            clipped_high: 2,
            clipped_dual: 3,
            clamped: 4,
            ratio: 6.0,
            old_k1: 8.0,
            old_k3: 10.0,
            reference_tokens: 2,
            reference_k3: 3.0,
            mismatch_k1: 12.0,
            mismatch_k3: 14.0,
            weight: 16.0,
            weight_capped: 1,
            surprisal: 18.0,
            kl_loss: 0.125,
        };
        // Each sum above divided by 4, the reference's by 2.
        let expected = [
            ("policy_loss", 0.25),
            ("kl_loss", 0.125),
            ("loss_tokens", 4.0),
            ("clip_fraction_low", 0.25),
            ("clip_fraction_high", 0.5),
            ("clip_fraction_dual", 0.75),
            ("clamped_fraction", 1.0),
            ("ratio_mean", 1.5),
            ("approx_kl_k1", 2.0),
            ("approx_kl_k3", 2.5),
            ("mismatch_kl_k1", 3.0),
            ("mismatch_kl_k3", 3.5),
            ("importance_weight_mean", 4.0),
            ("importance_weight_capped_fraction", 0.25),
            ("entropy_estimate", 4.5),
            ("reference_kl_k3", 1.5),
        ];
        assert_eq!(metrics.values(), expected);
    }
}
