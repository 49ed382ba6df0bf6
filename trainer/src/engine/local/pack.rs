//! Trees laid out for the decoder: all tokens in one row, prompts once, replies behind their prompt.
//!
//! It holds no weights. Rooms it touches: engine, engine::local::decoder, engine::local::attention.

use tch::Tensor;

use super::attention::Attention;
use super::decoder::{Attended, Decoder};
use crate::engine::{Choice, EngineError, Tree};

/// Trees laid out for one pass.
pub(super) struct Pack {
    /// `[tokens]`.
    pub(super) tokens: Tensor,
    /// What turns each token's queries and keys.
    pub(super) rotation: Tensor,
    spans: Vec<Span>,
    attention: Attention,
    /// For every token of a branch the token that it is predicted from, `[predicted]`.
    pub(super) sources: Tensor,
    /// The predicted tokens, `[predicted]`.
    pub(super) targets: Tensor,
    /// What each of them was chosen from.
    pub(super) choices: Vec<Choice>,
}

/// Where a tree lies.
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) prompt: i64,
    /// Of each branch, where it begins and how many of its tokens are read.
    pub(super) branches: Vec<(i64, i64)>,
}

impl Span {
    /// How it is attended to: of a single branch every token sees all before it, as in a prompt.
    fn attended(&self) -> Self {
        let Self { start, prompt, branches } = self;
        match branches[..] {
            [(_, read)] => Self { start: *start, prompt: prompt + read, branches: Vec::new() },
            _ => Self { start: *start, prompt: *prompt, branches: branches.clone() },
        }
    }
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
            spans.push(Span { start: start as i64, prompt: prompt as i64, branches });
        }
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(decoder.device);
        Ok(Self {
            tokens: place(&tokens),
            rotation: decoder.rotation(&place(&positions)),
            attention: Attention::new(
                &spans.iter().map(Span::attended).collect::<Vec<_>>(),
                decoder.kind,
                decoder.device,
            ),
            spans,
            sources: place(&sources),
            targets: place(&targets),
            choices,
        })
    }

    /// The rows that are read of each branch, those of its prompt first.
    pub(super) fn wholes(&self) -> impl Iterator<Item = impl Iterator<Item = i64>> {
        self.spans.iter().flat_map(|span| {
            let prompt = span.start..span.start + span.prompt;
            span.branches.iter().map(move |(first, read)| prompt.clone().chain(*first..first + read))
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

    /// Attention in each tree: `[tokens, heads · head]`.
    pub(super) fn attend(&self, attended: &Attended) -> Tensor {
        self.attention.attend(attended)
    }
}
