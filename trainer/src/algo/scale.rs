//! What the sum over a completion's tokens is multiplied by, so that a step's losses add up to a mean.
//!
//! The counts are those of the whole optimiser step. A completion's part of the loss then does not depend on
//! the micro-batch it runs in, and the parts are simply added. It deliberately knows no loss.
//!
//! Rooms it touches: algo.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{BadSetting, within};

/// How a step's loss is the mean of its tokens' losses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Aggregation {
    /// Every token counts the same: 1 / (loss tokens of the step). Evidence: DAPO (arXiv 2503.14476), section
    /// 3.3, equation 12, taken over the step instead of over one group.
    #[default]
    GlobalTokens,
    /// Every completion counts the same: 1 / (completions of the step · its own loss tokens). GRPO (arXiv
    /// 2402.03300), equation 3. Long wrong completions are held back less than short ones.
    SequenceMeans,
    /// 1 / (completions of the step · a constant): Dr. GRPO (arXiv 2503.20783), section 3.1, whose constant
    /// is the most tokens a completion may have.
    ConstantLength {
        /// The constant, in tokens.
        tokens: u32,
    },
}

/// What a step consists of. Only completions with at least one loss token count: one that was masked as a
/// whole must not make the others smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepCounts {
    /// Loss tokens.
    pub tokens: u64,
    /// Completions.
    pub completions: u64,
}

impl StepCounts {
    /// Counts one more completion; `mask` is true where a token has a loss.
    pub fn count(&mut self, mask: &[bool]) {
        let tokens = loss_tokens(mask);
        self.tokens += tokens;
        self.completions += u64::from(tokens > 0);
    }
}

impl AddAssign for StepCounts {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.completions += other.completions;
    }
}

impl Aggregation {
    /// Checks the settings.
    pub fn check(self) -> Result<(), BadSetting> {
        match self {
            Self::ConstantLength { tokens } => {
                within("aggregation.tokens", f64::from(tokens), tokens > 0, "at least 1")
            }
            Self::GlobalTokens | Self::SequenceMeans => Ok(()),
        }
    }

    /// The scale of the completion with this mask, in a step of these counts, which include it. 0 where there
    /// is nothing to divide by.
    pub fn scale(self, step: StepCounts, mask: &[bool]) -> f64 {
        let parts = match self {
            Self::GlobalTokens => step.tokens as f64,
            Self::SequenceMeans => step.completions as f64 * loss_tokens(mask) as f64,
            Self::ConstantLength { tokens } => step.completions as f64 * f64::from(tokens),
        };
        if parts > 0.0 { 1.0 / parts } else { 0.0 }
    }
}

fn loss_tokens(mask: &[bool]) -> u64 {
    mask.iter().filter(|counts| **counts).count() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use super::{Aggregation, StepCounts};

    #[test]
    fn scales_are_those_worked_out_by_hand() {
        // Three completions of 2, 3 and 0 loss tokens: 5 tokens, 2 completions.
        let masks = [vec![true, false, true], vec![true; 3], vec![false; 4]];
        let mut step = StepCounts::default();
        for mask in &masks {
            step.count(mask);
        }
        assert_eq!(step, StepCounts { tokens: 5, completions: 2 });
        let scales = |aggregation: Aggregation| masks.each_ref().map(|mask| aggregation.scale(step, mask));
        assert_eq!(scales(Aggregation::GlobalTokens), [1.0 / 5.0; 3]);
        assert_eq!(scales(Aggregation::SequenceMeans), [1.0 / 4.0, 1.0 / 6.0, 0.0]);
        assert_eq!(scales(Aggregation::ConstantLength { tokens: 8 }), [1.0 / 16.0; 3]);
        assert_eq!(Aggregation::GlobalTokens.scale(StepCounts::default(), &[]), 0.0);
    }

    #[test]
    fn a_constant_of_no_tokens_is_refused() {
        let read: Aggregation = serde_json::from_str(r#"{"kind": "constant_length", "tokens": 0}"#).unwrap();
        assert_eq!(read.check().unwrap_err().what, "aggregation.tokens");
    }
}
