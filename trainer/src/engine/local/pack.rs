//! Trees laid out for the decoder: all tokens in one row, prompts once, replies behind their prompt.
//!
//! A token sees its prompt and its own reply up to itself. It holds no weights. Rooms it touches: engine,
//! engine::local::decoder.

use tch::{Device, Kind, Tensor};

use super::decoder::{Attended, Decoder};
use crate::engine::{Choice, EngineError, Tree};

/// Trees laid out for one pass.
pub(super) struct Pack {
    /// `[tokens]`.
    pub(super) tokens: Tensor,
    /// Cosines and sines for each token.
    pub(super) rotation: (Tensor, Tensor),
    spans: Vec<Span>,
    /// For every token of a branch the token that it is predicted from, `[predicted]`.
    pub(super) sources: Tensor,
    /// The predicted tokens, `[predicted]`.
    pub(super) targets: Tensor,
    /// What each of them was chosen from.
    pub(super) choices: Vec<Choice>,
}

/// Where a tree lies.
struct Span {
    start: i64,
    prompt: i64,
    /// Tokens of all its branches.
    replies: i64,
    /// Of each branch, where it begins and how many of its tokens are read.
    branches: Vec<(i64, i64)>,
    /// What is added to the scores of reply tokens, `[1, 1, replies, prompt + replies]`: 0 or minus infinity.
    mask: Option<Tensor>,
}

impl Pack {
    pub(super) fn new(trees: &[Tree], decoder: &Decoder) -> Result<Self, EngineError> {
        let (mut tokens, mut positions, mut spans) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::new());
        let (mut sources, mut targets, mut choices) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::new());
        for tree in trees {
            let (start, prompt) = (tokens.len(), tree.prompt.len());
            tokens.extend(tree.prompt.iter().map(|token| i64::from(*token)));
            positions.extend(0..prompt as i64);
            let mut branches = Vec::new();
            for branch in &tree.branches {
                let most = decoder.shape.context;
                if prompt + branch.tokens.len() > most {
                    return Err(EngineError::TooLong { tokens: prompt + branch.tokens.len(), most });
                }
                // Nothing is predicted from the last token, so it is not read.
                let read = branch.tokens.len().saturating_sub(1);
                let first = tokens.len() as i64;
                if read + 1 == branch.tokens.len() {
                    sources.push((start + prompt) as i64 - 1);
                    sources.extend(first..first + read as i64);
                }
                tokens.extend(branch.tokens[..read].iter().map(|token| i64::from(*token)));
                positions.extend((prompt..prompt + read).map(|at| at as i64));
                targets.extend(branch.tokens.iter().map(|token| i64::from(*token)));
                choices.extend(branch.choices.iter().cloned());
                branches.push((first, read as i64));
            }
            let replies = tokens.len() - start - prompt;
            let mask = (replies > 0).then(|| mask(prompt, &branches, decoder.kind, decoder.device));
            let (start, prompt, replies) = (start as i64, prompt as i64, replies as i64);
            spans.push(Span { start, prompt, replies, branches, mask });
        }
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(decoder.device);
        Ok(Self {
            tokens: place(&tokens),
            rotation: decoder.rotation(&place(&positions)),
            spans,
            sources: place(&sources),
            targets: place(&targets),
            choices,
        })
    }

    /// What was read of each branch with its prompt before it, out of what there is for every token.
    pub(super) fn branches<'a>(&'a self, of: &'a Tensor) -> impl Iterator<Item = Tensor> + 'a {
        self.spans.iter().flat_map(move |span| {
            let prompt = of.narrow(0, span.start, span.prompt);
            let whole = move |(first, read): &(i64, i64)| match read {
                0 => prompt.shallow_clone(),
                read => Tensor::cat(&[&prompt, &of.narrow(0, *first, *read)], 0),
            };
            span.branches.iter().map(whole)
        })
    }

    /// The last token of each branch that is read, or of its prompt, `[branches]`.
    pub(super) fn lasts(&self) -> Tensor {
        let last = |span: &Span, (first, read): &(i64, i64)| match read {
            0 => span.start + span.prompt - 1,
            read => first + read - 1,
        };
        let of_span = |span: &Span| span.branches.iter().map(|branch| last(span, branch)).collect::<Vec<_>>();
        let all: Vec<i64> = self.spans.iter().flat_map(of_span).collect();
        Tensor::from_slice(&all).to_device(self.tokens.device())
    }

    /// How many pairs of tokens attention compares.
    pub(super) fn pairs(&self) -> f64 {
        let of = |span: &Span| span.prompt * span.prompt / 2 + span.replies * (span.prompt + span.replies);
        self.spans.iter().map(of).sum::<i64>() as f64
    }

    /// How many tokens were chosen.
    pub(super) fn choosing(&self) -> usize {
        self.choices.iter().filter(|choice| **choice != Choice::Forced).count()
    }

    /// Attention in each tree: `[tokens, heads · head]`. `grouped`: several heads share keys and values.
    pub(super) fn attend(&self, attended: &Attended, grouped: bool) -> Tensor {
        let Attended { queries, keys, values } = attended;
        let mut mixed = Vec::with_capacity(2 * self.spans.len());
        for span in &self.spans {
            let part = |tensor: &Tensor, from: i64, count: i64| {
                tensor.narrow(0, from, count).transpose(0, 1).unsqueeze(0)
            };
            let mut attend = |from: i64, count: i64, seen: i64, mask: Option<&Tensor>| {
                let out = Tensor::scaled_dot_product_attention(
                    &part(queries, from, count),
                    &part(keys, span.start, seen),
                    &part(values, span.start, seen),
                    mask,
                    0.0,
                    mask.is_none(),
                    None,
                    grouped,
                );
                mixed.push(out.squeeze_dim(0).transpose(0, 1));
            };
            attend(span.start, span.prompt, span.prompt, None);
            if let Some(mask) = &span.mask {
                attend(span.start + span.prompt, span.replies, span.prompt + span.replies, Some(mask));
            }
        }
        Tensor::cat(&mixed, 0).flatten(1, 2)
    }
}

/// Each reply token sees the prompt and, of its own branch, itself and what is before it.
fn mask(prompt: usize, branches: &[(i64, i64)], kind: Kind, device: Device) -> Tensor {
    let lengths = branches.iter().map(|(_, read)| *read as usize);
    let replies: usize = lengths.clone().sum();
    let mut hidden = vec![f32::NEG_INFINITY; replies * (prompt + replies)];
    let (mut row, mut first) = (0, 0);
    for length in lengths {
        for at in 0..length {
            let line = &mut hidden[row * (prompt + replies)..][..prompt + replies];
            line[..prompt].fill(0.0);
            line[prompt + first..=prompt + first + at].fill(0.0);
            row += 1;
        }
        first += length;
    }
    let size = [1, 1, replies as i64, (prompt + replies) as i64];
    Tensor::from_slice(&hidden).view(size).to_device(device).to_kind(kind)
}
