//! llama.cpp as the judge of our files in tests: what a model says next, with an adapter or without.
//!
//! Rooms it touches: core.

use std::path::Path;

use keepsake_core::model::Scorer;

/// The logits behind the last of these tokens.
pub(super) fn logits(model: &Path, adapter: Option<&Path>, tokens: &[i32]) -> Vec<f32> {
    Scorer::load(model, adapter).unwrap().logits(tokens, tokens.len() - 1).unwrap().swap_remove(0)
}

/// The largest difference, against the largest logit.
pub(super) fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
    ours.iter().zip(theirs).fold(0.0_f32, |most, (ours, theirs)| most.max((ours - theirs).abs())) / largest
}
