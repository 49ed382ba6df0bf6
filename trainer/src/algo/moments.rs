//! Mean and variance of numbers that come in parts: what whitening, critic and advantages need.
//!
//! It keeps no numbers, only their count, mean and squared deviations, so that parts of a batch add up to the
//! whole without the cancellation of a sum of squares. Chan, Golub, LeVeque, "Updating Formulae and a
//! Pairwise Algorithm for Computing Sample Variances", 1979, equations 2.1a and 2.1b.
//!
//! Rooms it touches: none.

use std::ops::AddAssign;

/// Count, mean and spread of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Σ (x − mean)².
    deviations: f64,
}

impl Moments {
    /// Takes one more number in.
    pub fn push(&mut self, value: f64) {
        *self += Self { count: 1, mean: value, deviations: 0.0 };
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; none of no numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Their variance as a sample, Σ (x − mean)² / (n − 1); none of fewer than two.
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.deviations / (self.count - 1) as f64)
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.push(value));
        moments
    }
}

impl AddAssign for Moments {
    fn add_assign(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        self.deviations += other.deviations + apart * apart * self.count as f64 * share;
        self.mean += apart * share;
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;
    use crate::algo::testing::assert_close;

    #[test]
    fn mean_and_variance_are_those_worked_out_by_hand() {
        let moments: Moments = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        assert_eq!(moments.count(), 8);
        // (2 + 4·3 + 5·2 + 7 + 9) / 8 = 5, and (9 + 1·3 + 0·2 + 4 + 16) / 7 = 32 / 7.
        assert_close(
            &[moments.mean().unwrap(), moments.sample_variance().unwrap()],
            &[5.0, 32.0 / 7.0],
            1e-12,
        );
        assert_eq!((Moments::default().mean(), Moments::default().sample_variance()), (None, None));
    }

    #[test]
    fn parts_add_up_to_the_whole_even_far_from_zero() {
        // 1e9 + {0, 1, 2, 3}: mean 1e9 + 1.5, sample variance 5/3. A sum of squares would lose it.
        let mut parts: Moments = [1e9, 1e9 + 1.0].into_iter().collect();
        parts += [1e9 + 2.0, 1e9 + 3.0].into_iter().collect();
        parts += Moments::default();
        assert_close(
            &[parts.mean().unwrap() - 1e9, parts.sample_variance().unwrap()],
            &[1.5, 5.0 / 3.0],
            1e-6,
        );
    }
}
