//! Replies behind their prompts, as the API takes them: every token but the last, and the token behind each.
//!
//! It knows no server and no loss. Rooms it touches: engine.

use super::wire;
use crate::engine::{Branch, Token};

/// Most sequences of a request, and most bytes, at about ten a token: as Thinking Machines' client has them.
const MOST_SEQUENCES: usize = 1024;
const MOST_BYTES: usize = 5_000_000;
const BYTES_A_TOKEN: usize = 10;

/// A sequence with the loss's derivative by each token behind its first.
pub(super) struct Pending {
    pub(super) sequence: Sequence,
    /// 0 on the prompt.
    pub(super) slopes: Vec<f32>,
    /// As they were when the derivative was made; 0 on the prompt.
    pub(super) logprobs: Vec<f32>,
}

/// A prompt with one reply.
pub(super) struct Sequence {
    pub(super) tokens: Vec<Token>,
    /// Tokens of the prompt; at least one.
    pub(super) prompt: usize,
}

impl Sequence {
    pub(super) fn new(prompt: &[Token], branch: &Branch) -> Self {
        Self { tokens: prompt.iter().chain(&branch.tokens).copied().collect(), prompt: prompt.len() }
    }

    fn inputs(&self) -> &[Token] {
        &self.tokens[..self.tokens.len() - 1]
    }

    fn targets(&self) -> &[Token] {
        &self.tokens[1..]
    }

    /// One number for each target: 0 on the prompt.
    pub(super) fn behind_prompt(&self, reply: &[f32]) -> Vec<f32> {
        let mut values = vec![0.0; self.prompt - 1];
        values.extend(reply);
        values
    }

    pub(super) fn datum(&self, fill: impl FnOnce(&mut wire::Inputs)) -> wire::Datum {
        let target_tokens = wire::Tensor::tokens(self.targets().to_vec());
        let mut inputs = wire::Inputs { target_tokens, weights: None, logprobs: None, advantages: None };
        fill(&mut inputs);
        wire::Datum { model_input: wire::ModelInput::new(self.inputs()), loss_fn_inputs: inputs }
    }
}

/// Data in requests that are not too large.
pub(super) fn chunks(data: &[wire::Datum]) -> Vec<&[wire::Datum]> {
    let (mut chunks, mut first, mut bytes) = (Vec::new(), 0, 0);
    for (at, datum) in data.iter().enumerate() {
        // The tokens, the targets, and a number or two for each.
        let own = 4 * BYTES_A_TOKEN * datum.model_input.len();
        if at > first && (bytes + own > MOST_BYTES || at - first == MOST_SEQUENCES) {
            chunks.push(&data[first..at]);
            (first, bytes) = (at, 0);
        }
        bytes += own;
    }
    if first < data.len() {
        chunks.push(&data[first..]);
    }
    chunks
}
