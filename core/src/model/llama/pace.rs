//! How many tokens a step of the queue's work may have, so that a thrown switch is noticed in time.
//!
//! Rooms it touches: none.

/// How long a step may take, milliseconds: a cancellation waits for its end, and has 100.
const STEP_MS: f64 = 60.0;
/// Fewest tokens of a step, however slow it is: with fewer a prompt is never read.
const FEWEST_TOKENS: usize = 4;
/// A step of fewer tokens tells what every step costs, one of more what each token does.
const SMALL_STEP: usize = 8;

/// How long the last steps took: a part that every step costs, however few tokens it has, and a part for each token.
pub(super) struct Pace {
    step_ms: f64,
    token_ms: f64,
}

impl Default for Pace {
    /// A guess on the slow side, until the first step of a prompt.
    fn default() -> Self {
        Self { step_ms: 0.0, token_ms: 4.0 }
    }
}

impl Pace {
    /// From the milliseconds of a step of one token, and of one of so many.
    pub(super) fn new(single_ms: f64, tokens: usize, long_ms: f64) -> Self {
        let token_ms = (long_ms - single_ms).max(long_ms / 10.0) / tokens as f64;
        Self { step_ms: single_ms, token_ms }
    }

    /// Tokens of the next step, at most `most`.
    pub(super) fn tokens(&self, most: usize) -> usize {
        // Where even a step of one token takes too long, fewer tokens would only make more of them.
        let left = (STEP_MS - self.step_ms).max(STEP_MS / 2.0);
        ((left / self.token_ms) as usize).max(FEWEST_TOKENS).min(most)
    }

    pub(super) fn measured(&mut self, tokens: usize, milliseconds: f64) {
        if tokens < SMALL_STEP {
            self.step_ms += 0.2 * (milliseconds - self.step_ms);
        } else {
            let of_tokens = (milliseconds - self.step_ms).max(milliseconds / 10.0);
            self.token_ms += 0.5 * (of_tokens / tokens as f64 - self.token_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_as_many_tokens_as_end_in_time() {
        let mut pace = Pace::default();
        let mut settle = |tokens: usize, milliseconds: f64| {
            (0..40).for_each(|_| pace.measured(tokens, milliseconds));
            pace.tokens(128)
        };
        assert_eq!(settle(1, 10.0), 12); // (60 − 10) ÷ 4
        assert!((99..=100).contains(&settle(100, 60.0))); // (60 − 10) ÷ 0.5
        assert_eq!(settle(100, 100_000.0), FEWEST_TOKENS);
        assert_eq!(settle(100, 12.0), 128);
        assert_eq!(Pace::new(10.0, 50, 60.0).tokens(128), 50);
        // On a busy machine every step is slow, and small ones waste most.
        assert!(settle(1, 80.0) >= 64);
    }
}
