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

impl Lora {
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
