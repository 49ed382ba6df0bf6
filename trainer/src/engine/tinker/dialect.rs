//! What servers of one API do differently: how a loss is divided, what the optimiser takes, what may be
//! repeated.
//!
//! It sends nothing. Rooms it touches: engine.

use serde::{Deserialize, Serialize};

use super::client::Repeat;
use super::sequence::Pending;
use super::wire;
use crate::engine::AdamW;

/// Which server it is: they differ in what the API leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Dialect {
    /// Thinking Machines'. Losses are sums, the optimiser does all of [`AdamW`], and a repeated request is
    /// taken to be known by its `seq_id`, as its own client takes it.
    Tinker,
    /// SkyRL with the backend `fsdp` or `megatron`. Losses are sums; of the optimiser only the learning rate
    /// is ours.
    SkyrlTrain,
    /// SkyRL with the backend `jax`, in one process or in Ray workers. A sequence's loss is divided by the
    /// sum of its weights and by the number of sequences since the last step (`skyrl/backends/jax.py`), so
    /// that `cross_entropy` with weights of both signs means nothing; `importance_sampling` divides by
    /// numbers that are known. Clips nothing.
    SkyrlJax,
}

impl Dialect {
    /// What of the optimiser's settings the server would leave out.
    pub(super) fn leaves_out(self, settings: &AdamW) -> Option<&'static str> {
        match self {
            Self::Tinker => None,
            Self::SkyrlTrain => Some("betas, epsilon, weight decay and clipping"),
            Self::SkyrlJax => settings.clip.is_finite().then_some("clipping"),
        }
    }

    /// Whether a change may be asked for twice.
    pub(super) fn repeat(self) -> Repeat {
        if self == Self::Tinker { Repeat::Freely } else { Repeat::Never }
    }

    /// The loss that is linear in the log-probabilities and has these derivatives, as the server's own losses
    /// have it.
    pub(super) fn linear_loss(self, pending: &[Pending]) -> (&'static str, Vec<wire::Datum>) {
        let sequences = pending.len() as f32;
        let datum = |one: &Pending| match self {
            // −Σ w·log p, so that w is the derivative turned round.
            Self::Tinker | Self::SkyrlTrain => one.sequence.datum(|inputs| {
                inputs.weights = Some(wire::Tensor::floats(one.slopes.iter().map(|slope| -slope).collect()));
            }),
            // −Σ A·p/p₀ over targets and sequences, at p = p₀.
            Self::SkyrlJax => one.sequence.datum(|inputs| {
                let scale = one.slopes.len() as f32 * sequences;
                inputs.advantages =
                    Some(wire::Tensor::floats(one.slopes.iter().map(|slope| -slope * scale).collect()));
                inputs.logprobs = Some(wire::Tensor::floats(one.logprobs.clone()));
            }),
        };
        let loss_fn = if self == Self::SkyrlJax { "importance_sampling" } else { "cross_entropy" };
        (loss_fn, pending.iter().map(datum).collect())
    }
}
