//! What the tests of several losses share: numbers by seed and central differences. Not part of the library.
//!
//! Rooms it touches: none.

/// Reproducible numbers: SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `low` to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// True once in `one_in` times.
    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        self.bits().is_multiple_of(one_in)
    }

    /// From 1 to `most`.
    pub(super) fn length(&mut self, most: u64) -> usize {
        1 + (self.bits() % most) as usize
    }
}

/// The derivative of `loss` with respect to each entry of `at`, by central differences of 1e-6. The loss has
/// to be smooth that far around `at`.
pub(super) fn central_differences(at: &[f64], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-6;
    let moved = |token: usize, by: f64| {
        let mut point = at.to_vec();
        point[token] += by;
        loss(&point)
    };
    (0..at.len()).map(|token| (moved(token, STEP) - moved(token, -STEP)) / (2.0 * STEP)).collect()
}

/// Asserts that two lists agree within `tolerance`, relative to the larger of the entry and 1.
#[track_caller]
pub(super) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(off <= tolerance * expected.abs().max(1.0), "entry {at}: {found}, expected {expected}");
    }
}
