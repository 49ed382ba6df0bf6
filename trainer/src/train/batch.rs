//! The calls of a batch of samples as trees: calls with the same prompt are branches of one.
//!
//! Rooms it touches: engine, rollout.

use std::collections::BTreeMap;

use keepsake_core::model::Role;

use crate::engine::{Choice, Scores, Token, Tree};
use crate::rollout::Call;

/// A batch laid out for the engine.
pub(super) struct Batch {
    pub(super) trees: Vec<Tree>,
    /// For each branch of each tree, which call it is.
    pub(super) lines: Vec<Vec<Line>>,
}

/// A call of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) sample: usize,
    pub(super) call: usize,
}

impl Batch {
    /// The calls of one agent. `samples` are the calls of each sample.
    pub(super) fn new(samples: &[&[Call]], role: Role) -> Self {
        let mut batch = Self { trees: Vec::new(), lines: Vec::new() };
        let mut known: BTreeMap<&[Token], usize> = BTreeMap::new();
        for (sample, calls) in samples.iter().enumerate() {
            for (call, asked) in calls.iter().enumerate().filter(|(_, asked)| asked.role == role) {
                let at = *known.entry(&asked.prompt).or_insert_with(|| {
                    batch.trees.push(Tree { prompt: asked.prompt.to_vec(), branches: Vec::new() });
                    batch.lines.push(Vec::new());
                    batch.trees.len() - 1
                });
                batch.trees[at].branches.push(asked.written.branch.clone());
                batch.lines[at].push(Line { sample, call });
            }
        }
        batch
    }

    /// Scores of the trees, by sample and call.
    pub(super) fn by_call(&self, scores: &Scores, samples: &[&[Call]]) -> Vec<Vec<Vec<f64>>> {
        let mut found: Vec<Vec<Vec<f64>>> =
            samples.iter().map(|calls| vec![Vec::new(); calls.len()]).collect();
        for (lines, branches) in self.lines.iter().zip(&scores.values) {
            for (line, scores) in lines.iter().zip(branches) {
                found[line.sample][line.call] = scores.iter().map(|score| f64::from(*score)).collect();
            }
        }
        found
    }
}

/// Where a call has a loss: at its choices, and nowhere if it was cut off, since nobody knows what it would have said.
pub(super) fn mask(call: &Call) -> Vec<bool> {
    let choices = &call.written.branch.choices;
    choices.iter().map(|choice| *choice != Choice::Forced && !call.written.cut_off).collect()
}
