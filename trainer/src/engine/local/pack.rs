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
    /// Of each branch, where it begins and how many of its tokens are read.
    branches: Vec<(i64, i64)>,
    blocks: Vec<Block>,
}

/// Branches whose attention is computed together: each of their tokens is compared with all of theirs, and most of that is
/// hidden, so that few large blocks and many small ones both cost. 256: measured on a processor, flat around it.
struct Block {
    /// Tokens of its branches.
    tokens: i64,
    /// What is added to their scores, `[1, 1, tokens, prompt + tokens]`: 0 or minus infinity.
    mask: Tensor,
}

const BLOCK_TOKENS: i64 = 256;

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
            let blocks = blocks(prompt, &branches, decoder.kind, decoder.device);
            spans.push(Span { start: start as i64, prompt: prompt as i64, branches, blocks });
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
        let of_branch = |span: &Span, read: i64| read * span.prompt + read * read / 2;
        let of = |span: &Span| {
            let branches = span.branches.iter().map(|(_, read)| of_branch(span, *read));
            span.prompt * span.prompt / 2 + branches.sum::<i64>()
        };
        self.spans.iter().map(of).sum::<i64>() as f64
    }

    /// How many tokens were chosen.
    pub(super) fn choosing(&self) -> usize {
        self.choices.iter().filter(|choice| **choice != Choice::Forced).count()
    }

    /// Attention in each tree: `[tokens, heads · head]`. `grouped`: several heads share keys and values.
    pub(super) fn attend(&self, attended: &Attended, grouped: bool) -> Tensor {
        let sizes: Vec<i64> = self
            .spans
            .iter()
            .flat_map(|span| [span.prompt].into_iter().chain(span.blocks.iter().map(|block| block.tokens)))
            .collect();
        // Parts of one splitting: their gradients are put together at once, not added up part by part.
        let parts = |tensor: &Tensor| tensor.split_with_sizes(&sizes[..], 0).into_iter();
        let (mut queries, mut keys, mut values) =
            (parts(&attended.queries), parts(&attended.keys), parts(&attended.values));
        let mut next = || Some((queries.next()?, keys.next()?, values.next()?));
        let attend = |queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>| {
            let heads = |tensor: &Tensor| tensor.transpose(0, 1).unsqueeze(0);
            let (queries, keys, values) = (heads(queries), heads(keys), heads(values));
            let out = Tensor::scaled_dot_product_attention(
                &queries,
                &keys,
                &values,
                mask,
                0.0,
                mask.is_none(),
                None,
                grouped,
            );
            out.squeeze_dim(0).transpose(0, 1)
        };
        let mut mixed = Vec::with_capacity(sizes.len());
        for span in &self.spans {
            let Some((queries, prompt_keys, prompt_values)) = next() else { break };
            mixed.push(attend(&queries, &prompt_keys, &prompt_values, None));
            for block in &span.blocks {
                let Some((queries, keys, values)) = next() else { break };
                let keys = Tensor::cat(&[&prompt_keys, &keys], 0);
                let values = Tensor::cat(&[&prompt_values, &values], 0);
                mixed.push(attend(&queries, &keys, &values, Some(&block.mask)));
            }
        }
        Tensor::cat(&mixed, 0).flatten(1, 2)
    }
}

/// Branches in blocks, in order; branches of which nothing is read are in none.
fn blocks(prompt: usize, branches: &[(i64, i64)], kind: Kind, device: Device) -> Vec<Block> {
    let mut lengths: Vec<Vec<usize>> = Vec::new();
    for read in branches.iter().map(|(_, read)| *read as usize).filter(|read| *read > 0) {
        match lengths.last_mut() {
            Some(block) if block.iter().sum::<usize>() + read <= BLOCK_TOKENS as usize => block.push(read),
            _ => lengths.push(vec![read]),
        }
    }
    let block = |lengths: Vec<usize>| Block {
        tokens: lengths.iter().sum::<usize>() as i64,
        mask: mask(prompt, &lengths, kind, device),
    };
    lengths.into_iter().map(block).collect()
}

/// Each reply token sees the prompt and, of its own branch, itself and what is before it.
fn mask(prompt: usize, lengths: &[usize], kind: Kind, device: Device) -> Tensor {
    let replies: usize = lengths.iter().sum();
    let mut hidden = vec![f32::NEG_INFINITY; replies * (prompt + replies)];
    let (mut row, mut first) = (0, 0);
    for length in lengths {
        for at in 0..*length {
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
