//! LoRA pairs in memory, in the layout of GGUF files, and whether they fit a model.
//!
//! It reads and writes nothing.
//!
//! Rooms it touches: none.

use std::collections::BTreeMap;

use super::{Linear, Shape, WeightsError};

/// The pairs of an adapter. They add `alpha / rank · B (A x)` to what a linear gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Lora {
    /// The numerator of the scale; rsLoRA's √rank is folded into it.
    pub alpha: f32,
    /// By layer and linear. What has no pair is as the base has it.
    pub pairs: BTreeMap<(usize, Linear), Pair>,
}

/// One linear's pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The values between A and B.
    pub rank: usize,
    /// `[rank, inputs]`, row-major.
    pub a: Vec<f32>,
    /// `[outputs, rank]`, row-major.
    pub b: Vec<f32>,
}

/// What the weights of a mean come to at least: by less, nothing can be told from rounding.
const LEAST_TOTAL: f32 = 1e-3;

impl Lora {
    /// The mean of adapters by weight, of A and B each (model soups, arXiv 2203.05482; a departure: there whole models are
    /// averaged, whose products these are only near). A weight may be negative: one adapter, plus another, less what that one
    /// began as, has in A and in B what both runs changed (task arithmetic, arXiv 2212.04089). It is of use where all began as
    /// the same adapter; of others the directions of the rank mean different things. Alpha, linears and ranks must be the same.
    pub fn mean(parts: &[(Self, f32)]) -> Result<Self, WeightsError> {
        let refused = |what: &str| Err(WeightsError::Lora(what.to_owned()));
        let total: f32 = parts.iter().map(|(_, weight)| weight).sum();
        let Some(((first, _), _)) = parts.split_first().filter(|(_, others)| !others.is_empty()) else {
            return refused("a mean needs two adapters or more");
        };
        if !parts.iter().all(|(_, weight)| weight.is_finite())
            || !(LEAST_TOTAL..f32::INFINITY).contains(&total)
        {
            return refused(
                "the weights of a mean must be numbers whose sum is 0.001 at least, for example 1, 1 and -1",
            );
        }
        let form = |lora: &Self| -> Vec<_> {
            lora.pairs.iter().map(|(at, pair)| (*at, pair.rank, pair.a.len(), pair.b.len())).collect()
        };
        if parts
            .iter()
            .any(|(lora, _)| lora.alpha.to_bits() != first.alpha.to_bits() || form(lora) != form(first))
        {
            return refused(
                "they differ in alpha, rank or linears: take the mean of adapters that began as the same one",
            );
        }
        let mut mean = Self { alpha: first.alpha, pairs: BTreeMap::new() };
        for (at, pair) in &first.pairs {
            let of = |values: fn(&Pair) -> &[f32]| -> Vec<f32> {
                let mut sum = vec![0.0; values(pair).len()];
                for (lora, weight) in parts {
                    sum.iter_mut()
                        .zip(values(&lora.pairs[at]))
                        .for_each(|(sum, value)| *sum += weight / total * value);
                }
                sum
            };
            let (a, b) = (of(|pair| &pair.a), of(|pair| &pair.b));
            mean.pairs.insert(*at, Pair { rank: pair.rank, a, b });
        }
        Ok(mean)
    }

    /// What a pair's product counts.
    pub(super) fn scale(&self, pair: &Pair) -> f32 {
        self.alpha / pair.rank as f32
    }

    /// As [`Self::check`], and that there are any: an adapter without pairs is a mistake.
    pub(super) fn check_whole(&self, shape: &Shape) -> Result<(), WeightsError> {
        if self.pairs.is_empty() {
            return Err(WeightsError::Lora("there are none; train at least one linear".to_owned()));
        }
        self.check(shape)
    }

    /// Checks that the pairs fit the model, and that every number is one.
    pub(super) fn check(&self, shape: &Shape) -> Result<(), WeightsError> {
        // llama.cpp takes an alpha of 0 for "not said" and applies the pairs with a scale of 1.
        if !self.pairs.is_empty() && (!self.alpha.is_finite() || self.alpha <= 0.0) {
            return Err(WeightsError::Lora(format!("alpha is {}; it must be above 0", self.alpha)));
        }
        self.pairs.iter().try_for_each(|((layer, linear), pair)| {
            let name = linear.weight(*layer);
            pair.check(shape, *layer, *linear)
                .map_err(|problem| WeightsError::Lora(format!("`{name}` {problem}")))
        })
    }

    /// The rank that all pairs have, if they do.
    pub(super) fn rank(&self) -> Option<usize> {
        let mut ranks = self.pairs.values().map(|pair| pair.rank);
        let first = ranks.next()?;
        ranks.all(|rank| rank == first).then_some(first)
    }
}

impl Pair {
    fn check(&self, shape: &Shape, layer: usize, linear: Linear) -> Result<(), String> {
        let (outputs, inputs) = linear.size(shape);
        if layer >= shape.layers {
            return Err(format!(
                "is not in a model of {} layers; use the base it was trained on",
                shape.layers
            ));
        }
        let fits = |values: &[f32], side: usize| side.checked_mul(self.rank) == Some(values.len());
        if self.rank == 0 || !fits(&self.a, inputs) || !fits(&self.b, outputs) {
            return Err(format!(
                "has {} and {} values at rank {} for {outputs} outputs and {inputs} inputs; use the base it was trained on",
                self.a.len(),
                self.b.len(),
                self.rank
            ));
        }
        if !self.a.iter().chain(&self.b).all(|value| value.is_finite()) {
            return Err(
                "has a value that is no number: the training has diverged, go back to an earlier state"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{lora, shape};
    use super::*;
    use crate::weights::Architecture;

    #[test]
    fn a_mean_is_by_weight_and_of_adapters_of_one_form() {
        let shape = shape(Architecture::Llama);
        let one = lora(&shape, 2);
        let mut other = one.clone();
        let at = (1, Linear::Q);
        let pair = other.pairs.get_mut(&at).unwrap();
        (pair.a[0], pair.b[3]) = (pair.a[0] + 4.0, pair.b[3] - 4.0);
        // Three parts of the one, one of the other: a quarter of the way.
        let mean = Lora::mean(&[(one.clone(), 1.5), (other.clone(), 0.5)]).unwrap();
        let moved = |of: fn(&Pair) -> &Vec<f32>, index: usize| {
            of(&mean.pairs[&at])[index] - of(&one.pairs[&at])[index]
        };
        assert!(
            (moved(|pair| &pair.a, 0) - 1.0).abs() < 1e-6 && (moved(|pair| &pair.b, 3) + 1.0).abs() < 1e-6
        );
        assert!(moved(|pair| &pair.a, 1).abs() < 1e-6);
        let same = Lora::mean(&[(one.clone(), 0.5), (one.clone(), 0.5)]).unwrap();
        assert_eq!(same, one);
        let refused = |parts: &[(Lora, f32)]| Lora::mean(parts).unwrap_err().to_string();
        assert!(refused(&[(one.clone(), 1.0)]).contains("two adapters"));
        // What the other has more than the one, taken on top of itself.
        let further = Lora::mean(&[(other.clone(), 1.0), (other.clone(), 1.0), (one.clone(), -1.0)]).unwrap();
        assert!((further.pairs[&at].a[0] - one.pairs[&at].a[0] - 8.0).abs() < 1e-5);
        for weight in [-0.9995, -1.0, -2.0, f32::NAN, f32::INFINITY] {
            assert!(
                refused(&[(one.clone(), 1.0), (other.clone(), weight)]).contains("0.001 at least"),
                "{weight}"
            );
        }
        let mut less = other.clone();
        less.pairs.remove(&at);
        let louder = Lora { alpha: 7.0, ..other };
        for strange in [lora(&shape, 3), less, louder] {
            assert!(refused(&[(one.clone(), 1.0), (strange, 1.0)]).contains("began as the same"));
        }
    }
}
