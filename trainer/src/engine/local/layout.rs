//! Trees in the form in which they are computed: prompts that begin alike share that beginning.
//!
//! The standing instruction is a third to a half of every prompt, and decisions of a turn share its memories too. Callers
//! never see it: scores and derivatives are those of the trees as they were given.
//!
//! Rooms it touches: engine.

use std::ops::Range;

use crate::engine::{Branch, Choice, Derivative, Token, Tree};

/// Common beginnings that are worth it, tokens.
const WORTH: usize = 32;

/// Trees as they are computed, and what they were.
pub(super) struct Layout {
    /// In the order of prompts.
    pub(super) trees: Vec<Tree>,
    /// For each branch of each tree, which one it was.
    origins: Vec<Vec<Origin>>,
    /// Branches of each tree as they were given.
    branches: Vec<usize>,
}

/// Where a branch comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tree: usize,
    branch: usize,
    /// Tokens before it that belong to its prompt.
    forced: usize,
}

impl Layout {
    /// Joins trees where that saves work. At most `most` tokens of branches stand behind one beginning, for attention
    /// compares each with all others; 0: trees stay as they are.
    pub(super) fn new(trees: &[Tree], most: usize) -> Self {
        let mut order: Vec<usize> = (0..trees.len()).collect();
        if most > 0 {
            order.sort_by(|one, other| trees[*one].prompt.cmp(&trees[*other].prompt));
        }
        let branches = trees.iter().map(|tree| tree.branches.len()).collect();
        let mut layout = Self { trees: Vec::new(), origins: Vec::new(), branches };
        for at in order {
            let tree = trees[at].clone();
            let origin = |branch| Origin { tree: at, branch, forced: 0 };
            let origins: Vec<Origin> = (0..tree.branches.len()).map(origin).collect();
            let common = layout.trees.last().map_or(0, |last| common(&last.prompt, &tree.prompt));
            match (layout.trees.last_mut(), layout.origins.last_mut()) {
                (Some(last), Some(of_last)) if is_worth(last, &tree, common, most) => {
                    behind(common, last, of_last);
                    let (mut tree, mut origins) = (tree, origins);
                    behind(common, &mut tree, &mut origins);
                    last.branches.extend(tree.branches);
                    of_last.extend(origins);
                }
                _ => {
                    layout.trees.push(tree);
                    layout.origins.push(origins);
                }
            }
        }
        layout
    }

    /// Passes of at most so many tokens, in order: where each begins and ends.
    pub(super) fn passes(&self, most: usize) -> Vec<Range<usize>> {
        let mut passes: Vec<Range<usize>> = Vec::new();
        let mut held = 0;
        for (at, tree) in self.trees.iter().enumerate() {
            held += tree.tokens();
            match passes.last_mut() {
                Some(pass) if held <= most => pass.end = at + 1,
                _ => {
                    passes.push(at..at + 1);
                    held = tree.tokens();
                }
            }
        }
        passes
    }

    /// Where the branches of a tree come from.
    pub(super) fn origins(&self, tree: usize) -> &[Origin] {
        &self.origins[tree]
    }

    /// A place for a score of every branch as it was given.
    pub(super) fn places(&self) -> Vec<Vec<Vec<f32>>> {
        self.branches.iter().map(|branches| vec![Vec::new(); *branches]).collect()
    }

    /// Puts what was found for the tokens of a pass where it belongs.
    pub(super) fn put(&self, pass: Range<usize>, found: &[f32], places: &mut [Vec<Vec<f32>>]) {
        self.each(pass, found, |origin, own| places[origin.tree][origin.branch] = own.to_vec());
    }

    /// The derivative by the score of each token of a pass, asked for branch by branch.
    pub(super) fn derivatives(
        &self,
        pass: Range<usize>,
        scores: &[f32],
        derivative: &mut Derivative<'_>,
    ) -> Vec<f32> {
        let mut all = Vec::with_capacity(scores.len());
        self.each(pass, scores, |origin, own| {
            all.resize(all.len() + origin.forced, 0.0);
            let end = all.len() + own.len();
            all.extend(derivative(origin.tree, origin.branch, own));
            all.resize(end, 0.0);
        });
        all
    }

    /// The numbers of each branch's own tokens.
    fn each(&self, pass: Range<usize>, numbers: &[f32], mut of: impl FnMut(Origin, &[f32])) {
        let mut rest = numbers;
        for at in pass {
            for (branch, origin) in self.trees[at].branches.iter().zip(&self.origins[at]) {
                let (whole, others) = rest.split_at(branch.tokens.len().min(rest.len()));
                rest = others;
                // A critic's or a policy's scores always cover all tokens; of entropies a critic has none.
                if whole.len() == branch.tokens.len() {
                    of(*origin, &whole[origin.forced..]);
                }
            }
        }
    }
}

fn common(one: &[Token], other: &[Token]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Whether less is computed when both stand behind what they have in common.
fn is_worth(one: &Tree, other: &Tree, common: usize, most: usize) -> bool {
    let rest = |of: &Tree| of.branches.len() * (of.prompt.len() - common) + of.tokens() - of.prompt.len();
    let behind = rest(one) + rest(other);
    common >= WORTH && behind <= most && common + behind < one.tokens() + other.tokens()
}

/// Moves what a prompt has behind its first `common` tokens into its branches.
fn behind(common: usize, tree: &mut Tree, origins: &mut [Origin]) {
    let forced = tree.prompt.split_off(common);
    if forced.is_empty() {
        return;
    }
    for (branch, origin) in tree.branches.iter_mut().zip(origins) {
        let choices =
            vec![Choice::Forced; forced.len()].into_iter().chain(std::mem::take(&mut branch.choices));
        *branch = Branch { choices: choices.collect(), tokens: [&forced[..], &branch.tokens].concat() };
        origin.forced += forced.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(prompt: &[Token], replies: &[&[Token]]) -> Tree {
        let branch =
            |tokens: &&[Token]| Branch { tokens: tokens.to_vec(), choices: vec![Choice::Any; tokens.len()] };
        Tree { prompt: prompt.to_vec(), branches: replies.iter().map(branch).collect() }
    }

    /// The score of a token is the token.
    fn scores(layout: &Layout) -> Vec<f32> {
        let branches = layout.trees.iter().flat_map(|tree| &tree.branches);
        branches.flat_map(|branch| branch.tokens.iter().map(|token| *token as f32)).collect()
    }

    #[test]
    fn what_begins_alike_is_one_tree_and_says_the_same() {
        let start: Vec<Token> = (0..40).collect();
        let with = |rest: &[Token]| [&start[..], rest].concat();
        let trees =
            vec![tree(&with(&[7, 9]), &[&[3, 4], &[5]]), tree(&[9], &[&[2]]), tree(&with(&[7, 8]), &[&[1]])];
        let layout = Layout::new(&trees, 100);
        assert_eq!(layout.trees.len(), 2);
        assert_eq!(layout.trees[0].prompt, with(&[7]));
        let said: Vec<_> = layout.trees[0].branches.iter().map(|branch| &branch.tokens[..]).collect();
        assert_eq!(said, [&[8, 1][..], &[9, 3, 4], &[9, 5]]);
        let free = |branch: &Branch| branch.choices.iter().filter(|choice| **choice == Choice::Any).count();
        assert_eq!(layout.trees[0].branches.iter().map(free).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(layout.passes(20), [0..1, 1..2]);

        let mut places = layout.places();
        layout.put(0..2, &scores(&layout), &mut places);
        assert_eq!(places, [vec![vec![3.0, 4.0], vec![5.0]], vec![vec![2.0]], vec![vec![1.0]]]);
        let mut asked = Vec::new();
        let found = layout.derivatives(0..2, &scores(&layout), &mut |tree, branch, own| {
            asked.push((tree, branch, own.to_vec()));
            vec![1.0; own.len()]
        });
        assert_eq!(asked[0], (2, 0, vec![1.0]));
        assert_eq!(found, [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);

        // Seven tokens of branches are too many; and none at all.
        assert_eq!(Layout::new(&trees, 6).trees.len(), 3);
        assert_eq!(Layout::new(&trees, 0).trees, trees);
    }

    #[test]
    fn what_would_be_computed_more_often_stays_apart() {
        let start: Vec<Token> = (0..40).collect();
        let long: Vec<Token> = start.iter().copied().chain(100..140).collect();
        // Four replies share eighty tokens: behind forty, the other forty would be there four times.
        let trees = [tree(&start, &[&[1]]), tree(&long, &[&[1], &[2], &[3], &[4]])];
        assert_eq!(Layout::new(&trees, 1000).trees, trees);
    }
}
