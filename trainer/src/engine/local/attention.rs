//! Attention in trees: a token sees its prompt and its own reply up to itself.
//!
//! On a processor tree by tree and in blocks of replies, so that little is computed that is hidden; on a GPU all trees of a
//! pass at once, padded to the longest, because there every call costs more than what it computes in vain. It knows no
//! weights. Rooms it touches: engine::local::decoder, engine::local::pack.

use tch::{Device, Kind, Tensor};

use super::decoder::Attended;
use super::pack::Span;

/// How the attention of a pass is laid out.
pub(super) enum Attention {
    /// Of each tree, its prompt's tokens and its branches in blocks.
    Blocks(Vec<(i64, Vec<Block>)>),
    /// All trees at once.
    Padded(Padded),
}

/// Branches whose attention is computed together: each of their tokens is compared with all of theirs, and most of that is
/// hidden, so that few large blocks and many small ones both cost. 256: measured on a processor, flat around it.
pub(super) struct Block {
    /// Tokens of its branches.
    tokens: i64,
    /// What is added to their scores, `[1, 1, tokens, prompt + tokens]`: 0 or minus infinity.
    mask: Tensor,
}

const BLOCK_TOKENS: i64 = 256;

/// Prompts and branches of all trees, each as long as the longest.
pub(super) struct Padded {
    trees: i64,
    /// Places of a prompt, and of a tree's branches together.
    prompt: i64,
    behind: i64,
    /// The row in the pack of each place, `[trees · prompt]` and `[trees · behind]`; of empty places any.
    of_prompts: Tensor,
    of_branches: Tensor,
    /// What is added to the scores of branches, `[trees, 1, behind, prompt + behind]`: 0 or minus infinity.
    mask: Tensor,
    /// The place of each row, prompts' places first.
    places: Tensor,
}

/// What a GPU's kernels want the number of keys to be a multiple of.
const ALIGNED: i64 = 16;

impl Attention {
    /// The layout that suits a device.
    pub(super) fn new(spans: &[Span], kind: Kind, device: Device) -> Self {
        if device == Device::Cpu { Self::blocks(spans, kind) } else { Self::padded(spans, kind, device) }
    }

    fn blocks(spans: &[Span], kind: Kind) -> Self {
        Self::Blocks(spans.iter().map(|span| (span.prompt, blocks(span, kind))).collect())
    }

    fn padded(spans: &[Span], kind: Kind, device: Device) -> Self {
        let behind = |span: &Span| span.branches.iter().map(|(_, read)| read).sum::<i64>();
        let most = |of: &dyn Fn(&Span) -> i64| spans.iter().map(of).max().unwrap_or(0);
        let (most_prompt, most_behind) = (most(&|span| span.prompt), most(&behind));
        let prompt = most_prompt + (ALIGNED - (most_prompt + most_behind) % ALIGNED) % ALIGNED;
        let trees = spans.len() as i64;
        // Empty places have different rows, for what flows back to a row is added up one by one.
        let tokens: i64 = spans.iter().map(|span| span.prompt + behind(span)).sum();
        let mut empty = (0..tokens).cycle();
        let (mut of_prompts, mut of_branches) = (Vec::new(), Vec::new());
        let (mut branch_of, mut lengths, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (at, span) in spans.iter().enumerate() {
            let at = at as i64;
            lengths.push(span.prompt);
            let mut rows = |first: i64, count: i64, places: i64, into: &mut Vec<i64>| {
                into.extend(first..first + count);
                into.extend(empty.by_ref().take((places - count) as usize));
            };
            let all = behind(span);
            rows(span.start, span.prompt, prompt, &mut of_prompts);
            // Of empty places every one sees itself, so that no softmax is over nothing.
            rows(span.start + span.prompt, all, most_behind, &mut of_branches);
            places.extend((0..span.prompt).map(|place| at * prompt + place));
            places.extend((0..all).map(|place| trees * prompt + at * most_behind + place));
            let end = branch_of.len() + most_behind as usize;
            for (branch, (_, read)) in span.branches.iter().enumerate() {
                branch_of.extend(std::iter::repeat_n(branch as i64, *read as usize));
            }
            branch_of.resize(end, -1);
        }
        let place = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
        let count = |until: i64| Tensor::arange(until, (Kind::Int64, device));
        let in_prompt = count(prompt).view([1, 1, prompt]).lt_tensor(&place(&lengths).view([trees, 1, 1]));
        let branch_of = place(&branch_of).view([trees, most_behind]);
        let order = count(most_behind);
        let before = order.unsqueeze(0).le_tensor(&order.unsqueeze(1));
        let own = branch_of.unsqueeze(1).eq_tensor(&branch_of.unsqueeze(2)).logical_and(&before);
        let seen = Tensor::cat(&[in_prompt.expand([trees, most_behind, prompt], false), own], 2);
        let mask =
            Tensor::zeros(seen.size(), (kind, device)).masked_fill(&seen.logical_not(), f64::NEG_INFINITY);
        Self::Padded(Padded {
            trees,
            prompt,
            behind: most_behind,
            of_prompts: place(&of_prompts),
            of_branches: place(&of_branches),
            mask: mask.unsqueeze(1),
            places: place(&places),
        })
    }

    /// Attention in each tree: `[tokens, heads · head]`.
    pub(super) fn attend(&self, attended: &Attended) -> Tensor {
        match self {
            Self::Blocks(trees) => in_blocks(trees, attended),
            Self::Padded(padded) => padded.attend(attended),
        }
    }
}

impl Padded {
    fn attend(&self, Attended { queries, keys, values }: &Attended) -> Tensor {
        let size = queries.size();
        let (heads, head, shared) = (size[1], size[2], keys.size()[1]);
        let placed = |tensor: &Tensor, rows: &Tensor, places: i64| {
            tensor.index_select(0, rows).view([self.trees, places, -1, head]).transpose(1, 2)
        };
        let of_prompts = |tensor: &Tensor| placed(tensor, &self.of_prompts, self.prompt);
        let of_branches = |tensor: &Tensor| placed(tensor, &self.of_branches, self.behind);
        let rows = |tensor: &Tensor| tensor.transpose(1, 2).reshape([-1, heads * head]);
        let (prompt_keys, prompt_values) = (of_prompts(keys), of_prompts(values));
        let prompts = attention(&of_prompts(queries), &prompt_keys, &prompt_values, None, heads != shared);
        if self.behind == 0 {
            return rows(&prompts).index_select(0, &self.places);
        }
        // Kernels that take a mask want keys for every head.
        let with_own = |of_prompt: &Tensor, own: &Tensor| {
            let all = Tensor::cat(&[of_prompt, &of_branches(own)], 2);
            all.repeat_interleave_self_int(heads / shared, 1, None)
        };
        let (keys, values) = (with_own(&prompt_keys, keys), with_own(&prompt_values, values));
        let branches = attention(&of_branches(queries), &keys, &values, Some(&self.mask), false);
        Tensor::cat(&[rows(&prompts), rows(&branches)], 0).index_select(0, &self.places)
    }
}

fn in_blocks(trees: &[(i64, Vec<Block>)], attended: &Attended) -> Tensor {
    let grouped = attended.queries.size()[1] != attended.keys.size()[1];
    let sizes: Vec<i64> = trees
        .iter()
        .flat_map(|(prompt, blocks)| [*prompt].into_iter().chain(blocks.iter().map(|block| block.tokens)))
        .collect();
    // Parts of one splitting: their gradients are put together at once, not added up part by part.
    let parts = |tensor: &Tensor| tensor.split_with_sizes(&sizes[..], 0).into_iter();
    let (mut queries, mut keys, mut values) =
        (parts(&attended.queries), parts(&attended.keys), parts(&attended.values));
    let mut next = || Some((queries.next()?, keys.next()?, values.next()?));
    let attend = |queries: &Tensor, keys: &Tensor, values: &Tensor, mask: Option<&Tensor>| {
        let heads = |tensor: &Tensor| tensor.transpose(0, 1).unsqueeze(0);
        let out = attention(&heads(queries), &heads(keys), &heads(values), mask, grouped);
        out.squeeze_dim(0).transpose(0, 1)
    };
    let mut mixed = Vec::with_capacity(sizes.len());
    for (_, blocks) in trees {
        let Some((queries, prompt_keys, prompt_values)) = next() else { break };
        mixed.push(attend(&queries, &prompt_keys, &prompt_values, None));
        for block in blocks {
            let Some((queries, keys, values)) = next() else { break };
            let keys = Tensor::cat(&[&prompt_keys, &keys], 0);
            let values = Tensor::cat(&[&prompt_values, &values], 0);
            mixed.push(attend(&queries, &keys, &values, Some(&block.mask)));
        }
    }
    Tensor::cat(&mixed, 0).flatten(1, 2)
}

/// libtorch's attention, `[any, heads, tokens, head]`; without a mask each token sees those up to itself. `grouped`: several
/// heads share keys and values.
fn attention(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
    grouped: bool,
) -> Tensor {
    Tensor::scaled_dot_product_attention(queries, keys, values, mask, 0.0, mask.is_none(), None, grouped)
}

/// Branches in blocks, in order; branches of which nothing is read are in none.
fn blocks(span: &Span, kind: Kind) -> Vec<Block> {
    let mut lengths: Vec<Vec<usize>> = Vec::new();
    for read in span.branches.iter().map(|(_, read)| *read as usize).filter(|read| *read > 0) {
        match lengths.last_mut() {
            Some(block) if block.iter().sum::<usize>() + read <= BLOCK_TOKENS as usize => block.push(read),
            _ => lengths.push(vec![read]),
        }
    }
    let block = |lengths: Vec<usize>| Block {
        tokens: lengths.iter().sum::<usize>() as i64,
        mask: mask(span.prompt as usize, &lengths, kind),
    };
    lengths.into_iter().map(block).collect()
}

/// Each reply token sees the prompt and, of its own branch, itself and what is before it.
fn mask(prompt: usize, lengths: &[usize], kind: Kind) -> Tensor {
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
    Tensor::from_slice(&hidden).view(size).to_kind(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(of: &[(i64, &[i64])]) -> Vec<Span> {
        let mut start = 0;
        let span = |(prompt, reads): &(i64, &[i64])| {
            let mut first = start + prompt;
            let branches = reads.iter().map(|read| ((first, *read), first += read).0).collect();
            let span = Span { start, prompt: *prompt, branches };
            start = first;
            span
        };
        of.iter().map(span).collect()
    }

    #[test]
    fn both_layouts_say_the_same_and_have_the_same_gradients() {
        tch::manual_seed(1);
        // A branch that is not read, a tree without branches; more than one block; prompts alone.
        let packs: [&[(i64, &[i64])]; 3] =
            [&[(5, &[3, 0, 300]), (9, &[1, 4]), (2, &[])], &[(7, &[0]), (3, &[0])], &[(16, &[])]];
        for pack in packs {
            let spans = spans(pack);
            let tokens = pack.iter().map(|(prompt, reads)| prompt + reads.iter().sum::<i64>()).sum::<i64>();
            let random = |heads: i64| Tensor::randn([tokens, heads, 8], (Kind::Float, Device::Cpu));
            let weights = Tensor::randn([tokens, 32], (Kind::Float, Device::Cpu));
            let (queries, keys, values) = (random(4), random(2), random(2));
            let of = |attention: &Attention| {
                let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
                let attended = Attended { queries: leaf(&queries), keys: leaf(&keys), values: leaf(&values) };
                let mixed = attention.attend(&attended);
                (&mixed * &weights).sum(Kind::Float).backward();
                [mixed.detach(), attended.queries.grad(), attended.keys.grad(), attended.values.grad()]
            };
            let blocks = of(&Attention::blocks(&spans, Kind::Float));
            let padded = of(&Attention::padded(&spans, Kind::Float, Device::Cpu));
            for (one, other) in blocks.iter().zip(&padded) {
                let off = (one - other).abs().max().double_value(&[]);
                assert!(off < 1e-4, "{pack:?}: {off}");
            }
        }
    }
}
