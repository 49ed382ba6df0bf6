//! Counter-based randomness: a number in [0, 1) for each token of each reply, whatever else is written beside it.
//!
//! Rooms it touches: none.

/// Decides the tokens of one reply. Equal dice, equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dice(u64);

impl Dice {
    /// By what names the reply: run, step, prompt, sample and call, or whatever is its own.
    pub fn new(names: &[u64]) -> Self {
        names.iter().fold(Self(0x9E37_79B9_7F4A_7C15), |dice, name| dice.and(*name))
    }

    /// Dice of their own for one of its parts.
    #[must_use]
    pub fn and(self, name: u64) -> Self {
        Self(mix(self.0 ^ mix(name)))
    }

    /// The number for one token of the reply.
    pub fn throw(self, token: usize) -> f64 {
        let bits = mix(self.0 ^ mix(token as u64 ^ 0xD1B5_4A32_D192_ED03)) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// A seed made of it.
    pub fn seed(self) -> u64 {
        self.0
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), over a step of the sequence.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // equal dice give equal numbers

    use super::*;

    #[test]
    fn throws_are_even_and_depend_on_every_name() {
        let throws: Vec<f64> = (0..10_000).map(|token| Dice::new(&[1, 2]).throw(token)).collect();
        let mean = throws.iter().sum::<f64>() / 10_000.0;
        // Standard error of the mean of 10,000 even numbers: 0.0029.
        assert!((mean - 0.5).abs() < 0.012, "{mean}");
        assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
        for other in [&[1, 3][..], &[2, 2], &[2, 1], &[1, 2, 0], &[1]] {
            assert_ne!(Dice::new(other).throw(0), throws[0]);
        }
        assert_eq!(Dice::new(&[1, 2]).throw(7), throws[7]);
    }
}
