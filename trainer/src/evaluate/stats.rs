//! How sure a mean is, and whether two systems differ on the same items: the bootstrap, and a permutation test of pairs.
//!
//! Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), sections 13.3 (percentile interval) and 15.2
//! (permutation test). Items are drawn, which takes them for independent of each other; questions about one conversation
//! are less so, and intervals are then too narrow. Everything random comes from a seed.
//!
//! It deliberately corrects for nothing: who compares many metrics reads many p values.
//!
//! Rooms it touches: none.

use fastrand::Rng;

/// What an interval leaves out on either side.
const TAIL: f64 = 0.025;
/// With at most so many pairs that differ, every way of swapping them is gone through.
const EXACT: usize = 16;
/// Sums of the same numbers in another order are this near each other, against their size.
const ROUNDING: f64 = 1e-12;

/// A value of one item, and how much of it there is: a share of 5 words has weight 5, so that the mean over items is
/// the share of all words. Weights are 0 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value.
    pub value: f64,
    /// Its weight.
    pub weight: f64,
}

impl Sample {
    /// A value of weight 1.
    pub fn one(value: f64) -> Self {
        Self { value, weight: 1.0 }
    }

    /// So many of so many.
    pub fn share(some: usize, all: usize) -> Self {
        Self { value: if all == 0 { 0.0 } else { some as f64 / all as f64 }, weight: all as f64 }
    }
}

/// A mean with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The weighted mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Two systems on the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// The first one's mean.
    pub a: f64,
    /// The other's.
    pub b: f64,
    /// b − a.
    pub difference: f64,
    /// The lower end of the difference's 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How probable a difference of at least this size, either way, is where it does not matter which system is which.
    pub p: f64,
    /// Whether `p` counts every way of swapping, or draws some.
    pub exact: bool,
}

/// The weighted mean; `None` where nothing weighs anything.
pub fn mean(samples: impl IntoIterator<Item = Sample>) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for Sample { value, weight } in samples {
        sum += value * weight;
        weights += weight;
    }
    (weights > 0.0).then(|| sum / weights)
}

/// The mean with its interval, from `resamples` draws; `None` where nothing weighs anything.
pub fn interval(samples: &[Sample], resamples: usize, seed: u64) -> Option<Interval> {
    let whole = mean(samples.iter().copied())?;
    let drawn = bootstrap(samples.len(), resamples, seed, &|at| mean(at.iter().map(|at| samples[*at])));
    let (low, high) = ends(&drawn, whole);
    Some(Interval { mean: whole, low, high })
}

/// The difference of two systems with its interval, from `resamples` draws of pairs, and its p value: of all ways to swap
/// the systems within pairs where few differ, else of as many as `resamples`. `None` where nothing weighs anything.
pub fn paired(pairs: &[(Sample, Sample)], resamples: usize, seed: u64) -> Option<Paired> {
    let means = |pairs: &mut dyn Iterator<Item = (Sample, Sample)>| {
        let (mut a, mut b) = (Sums::default(), Sums::default());
        for (one, other) in pairs {
            a.add(one);
            b.add(other);
        }
        Some((a.mean()?, b.mean()?))
    };
    let (a, b) = means(&mut pairs.iter().copied())?;
    let difference = b - a;
    let of_drawn = |at: &[usize]| means(&mut at.iter().map(|at| pairs[*at])).map(|(a, b)| b - a);
    let (low, high) = ends(&bootstrap(pairs.len(), resamples, seed, &of_drawn), difference);

    let differ: Vec<usize> = (0..pairs.len()).filter(|at| pairs[*at].0 != pairs[*at].1).collect();
    let least = difference.abs() * (1.0 - ROUNDING) - f64::MIN_POSITIVE;
    let as_far = |swapped: &dyn Fn(usize) -> bool| {
        let mut nth = 0;
        let mut pairs = pairs.iter().map(|(one, other)| {
            if one == other {
                return (*one, *other);
            }
            nth += 1;
            if swapped(nth - 1) { (*other, *one) } else { (*one, *other) }
        });
        means(&mut pairs).is_none_or(|(a, b)| (b - a).abs() >= least)
    };
    let exact = differ.len() <= EXACT;
    let p = if exact {
        let ways = 1_u32 << differ.len();
        let far = (0..ways).filter(|way| as_far(&|nth| way >> nth & 1 == 1)).count();
        far as f64 / f64::from(ways)
    } else {
        let mut rng = Rng::with_seed(seed ^ 0x5A5A_A5A5);
        let mut far = 0;
        for _ in 0..resamples {
            let signs: Vec<bool> = (0..differ.len()).map(|_| rng.bool()).collect();
            far += usize::from(as_far(&|nth| signs[nth]));
        }
        // What was seen is one of the ways.
        (far + 1) as f64 / (resamples + 1) as f64
    };
    Some(Paired { a, b, difference, low, high, p, exact })
}

/// The value below which this part of sorted numbers lies, between neighbours by their distance; numpy's default.
/// `None` of none.
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = part.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[derive(Default)]
struct Sums {
    values: f64,
    weights: f64,
}

impl Sums {
    fn add(&mut self, sample: Sample) {
        self.values += sample.value * sample.weight;
        self.weights += sample.weight;
    }

    fn mean(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.values / self.weights)
    }
}

/// A statistic of items that are drawn with replacement, again and again, sorted. Draws of which it has no value are none.
fn bootstrap(
    items: usize,
    resamples: usize,
    seed: u64,
    statistic: &dyn Fn(&[usize]) -> Option<f64>,
) -> Vec<f64> {
    let mut rng = Rng::with_seed(seed);
    let mut drawn = vec![0; items];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for at in &mut drawn {
            *at = rng.usize(0..items);
        }
        values.extend(statistic(&drawn));
    }
    values.sort_by(f64::total_cmp);
    values
}

fn ends(sorted: &[f64], otherwise: f64) -> (f64, f64) {
    let end = |part| quantile(sorted, part).unwrap_or(otherwise);
    (end(TAIL), end(1.0 - TAIL))
}

#[cfg(test)]
mod tests {
    use super::{Interval, Sample, interval, mean, paired, quantile};

    const RESAMPLES: usize = 10_000;

    fn ones(values: &[f64]) -> Vec<Sample> {
        values.iter().copied().map(Sample::one).collect()
    }

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found}, expected {expected}");
    }

    fn pairs(a: &[f64], b: &[f64]) -> Vec<(Sample, Sample)> {
        ones(a).into_iter().zip(ones(b)).collect()
    }

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 3, 4], [0, 0.25, 0.5, 0.95, 1])
        let found = [0.0, 0.25, 0.5, 0.95, 1.0].map(|part| quantile(&[1.0, 2.0, 3.0, 4.0], part).unwrap());
        for (found, expected) in found.into_iter().zip([1.0, 1.75, 2.5, 3.85, 4.0]) {
            close(found, expected, 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_mean_is_weighted_and_has_its_interval() {
        // 1 of 4 words and 3 of 4: half of all; 0 of 0 counts for nothing.
        let shares = [Sample::share(1, 4), Sample::share(3, 4), Sample::share(0, 0)];
        close(mean(shares).unwrap(), 0.5, 1e-12);
        close(mean([Sample::share(0, 1), Sample::share(9, 9)]).unwrap(), 0.9, 1e-12);
        assert_eq!(mean([Sample::share(0, 0)]), None);
        assert_eq!(interval(&[], RESAMPLES, 1), None);
        let same = interval(&ones(&[0.3; 7]), RESAMPLES, 1).unwrap();
        close(same.low, 0.3, 1e-12);
        close(same.high, 0.3, 1e-12);
        // Of 0 and 1 a quarter of all draws has the mean 0, and a quarter 1.
        let two = interval(&ones(&[0.0, 1.0]), RESAMPLES, 1).unwrap();
        assert_eq!(two, Interval { mean: 0.5, low: 0.0, high: 1.0 });
        // 400 of which half are 1: the binomial's 1.96 standard deviations of 0.025.
        let many: Vec<f64> = (0..400).map(|nth| f64::from(nth % 2)).collect();
        let many = interval(&ones(&many), RESAMPLES, 1).unwrap();
        close(many.low, 0.451, 0.004);
        close(many.high, 0.549, 0.004);
        assert_eq!(interval(&ones(&[0.1, 0.7, 0.2]), 100, 9), interval(&ones(&[0.1, 0.7, 0.2]), 100, 9));
    }

    #[test]
    fn few_pairs_are_swapped_in_every_way() {
        // By hand. All better by 1: of 8 ways only none and all swapped are as far.
        let all = paired(&pairs(&[0.0; 3], &[1.0; 3]), RESAMPLES, 1).unwrap();
        assert!(all.exact);
        close(all.p, 0.25, 1e-12);
        close(all.difference, 1.0, 1e-12);
        // By 1, 2 and 3, and one equal: the same 2 of 8.
        let some = paired(&pairs(&[0.0, 0.0, 0.0, 5.0], &[1.0, 2.0, 3.0, 5.0]), RESAMPLES, 1).unwrap();
        close(some.p, 0.25, 1e-12);
        close(some.difference, 1.5, 1e-12);
        // 1, 1 and −1: every way is at least a third away.
        close(paired(&pairs(&[0.0, 0.0, 1.0], &[1.0, 1.0, 0.0]), RESAMPLES, 1).unwrap().p, 1.0, 1e-12);
        // 5 of 6 better by 1, one worse: sums of at least 4 of six signs, 2 · (1 + 6) of 64.
        let five = paired(&pairs(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]), 9, 1);
        close(five.unwrap().p, 14.0 / 64.0, 1e-12);
        let equal = paired(&pairs(&[0.2, 0.4], &[0.2, 0.4]), RESAMPLES, 1).unwrap();
        assert!(equal.exact && equal.p >= 1.0 && equal.low.abs() < 1e-12 && equal.high.abs() < 1e-12);
    }

    #[test]
    fn many_pairs_are_drawn() {
        // 30 differences, 20 of them 1 and 10 −1: the sign test's two-sided p of 20 of 30 is 0.0987.
        let a: Vec<f64> = (0..30).map(|nth| f64::from(u8::from(nth >= 20))).collect();
        let b: Vec<f64> = a.iter().map(|value| 1.0 - value).collect();
        let found = paired(&pairs(&a, &b), RESAMPLES, 1).unwrap();
        assert!(!found.exact);
        close(found.p, 0.0987, 0.01);
        // Mean 1/3, standard deviation 0.943 / √30.
        close(found.low, 1.0 / 3.0 - 1.96 * 0.172, 0.02);
        close(found.high, 1.0 / 3.0 + 1.96 * 0.172, 0.02);
        // All the same way: nothing that was drawn is as far.
        let sure = paired(&pairs(&[0.0; 40], &[1.0; 40]), 999, 1).unwrap();
        close(sure.p, 0.001, 1e-12);
    }

    #[test]
    fn weights_count_in_pairs_too() {
        let pair = |a: (usize, usize), b: (usize, usize)| (Sample::share(a.0, a.1), Sample::share(b.0, b.1));
        // 1 of 10 words against 9 of 10, and 0 of 1 against 0 of 1.
        let found = paired(&[pair((1, 10), (9, 10)), pair((0, 1), (0, 1))], RESAMPLES, 1).unwrap();
        close(found.difference, 8.0 / 11.0, 1e-12);
        close(found.p, 1.0, 1e-12);
    }
}
