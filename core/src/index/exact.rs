//! Dense search by looking at every vector: without a build step, and the oracle for the graph.
//!
//! Vectors are held as bytes, one scale for each ([`Rows`]): 388 bytes instead of 1,536 at 384 dimensions, and a
//! quarter of the memory to walk through for each query. The query keeps 16 bits, so that only the side of the
//! vectors is rounded.
//!
//! Rooms it touches: types, embed (for [`Vector`]), index.

use std::collections::{BinaryHeap, HashMap};

use super::rows::{Query, Rows};
use super::{Index, Scored};
use crate::embed::Vector;
use crate::types::UnitId;

/// All vectors in one block of memory.
#[derive(Debug, Default)]
pub struct Exact {
    rows: Rows,
    /// Which unit a row belongs to.
    units: Vec<UnitId>,
    /// Which row a unit has: the inverse of `units`.
    row_of: HashMap<UnitId, u32>,
}

impl Exact {
    /// An empty index. The first vector that is inserted sets its dimensions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Components of every vector in it; zero before the first.
    pub(super) fn dimensions(&self) -> usize {
        self.rows.dimensions()
    }

    /// Every unit with its row, in no particular order.
    pub(super) fn units(&self) -> impl Iterator<Item = (UnitId, usize)> {
        self.units.iter().copied().zip(0..)
    }

    /// The vectors.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Takes in the vector that others have of a unit, if any.
    pub(super) fn take_over(&mut self, others: &Self, unit: UnitId) {
        let Some(row) = others.row_of.get(&unit) else { return };
        if self.units.is_empty() {
            self.rows = Rows::new(others.dimensions());
        }
        self.row_of.insert(unit, self.units.len() as u32);
        self.units.push(unit);
        self.rows.push_row(&others.rows, *row as usize);
    }

    /// [`Index::nearest`] for a query that is rounded already.
    pub(super) fn nearest_to(&self, query: &Query, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored> {
        let mut best = Best::new(k);
        self.rows.scan(query, |row, score| best.offer(score, || self.units[row], wanted));
        best.into_vec()
    }

    /// [`Index::cosine`] for a query that is rounded already.
    pub(super) fn cosine_to(&self, unit: UnitId, query: &Query) -> Option<f32> {
        self.row_of.get(&unit).map(|row| self.rows.cosine(query, *row as usize))
    }
}

impl Index for Exact {
    fn insert(&mut self, unit: UnitId, vector: &Vector) -> bool {
        if self.units.is_empty() {
            self.rows = Rows::new(vector.dimensions());
        }
        if vector.dimensions() != self.dimensions() {
            return false;
        }
        if let Some(row) = self.row_of.get(&unit) {
            self.rows.replace(*row as usize, vector);
        } else {
            self.row_of.insert(unit, self.units.len() as u32);
            self.units.push(unit);
            self.rows.push(vector);
        }
        true
    }

    /// The last row moves into the gap, so that the block stays without holes.
    fn remove(&mut self, unit: UnitId) -> bool {
        let Some(row) = self.row_of.remove(&unit) else {
            return false;
        };
        self.rows.swap_remove(row as usize);
        self.units.swap_remove(row as usize);
        if let Some(moved) = self.units.get(row as usize) {
            self.row_of.insert(*moved, row);
        }
        true
    }

    fn contains(&self, unit: UnitId) -> bool {
        self.row_of.contains_key(&unit)
    }

    fn nearest(&self, query: &Vector, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored> {
        if k == 0 || query.dimensions() != self.dimensions() {
            return Vec::new();
        }
        self.nearest_to(&Query::new(query), k, wanted)
    }

    fn cosines(&self, query: &Vector, units: &[UnitId]) -> Vec<Option<f32>> {
        if query.dimensions() != self.dimensions() {
            return vec![None; units.len()];
        }
        let query = Query::new(query);
        units.iter().map(|unit| self.cosine_to(*unit, &query)).collect()
    }

    fn len(&self) -> usize {
        self.units.len()
    }
}

/// The `k` best of what is offered, in a heap that never holds more than `k`: O(n log k), and O(k) memory.
pub(super) struct Best {
    heap: BinaryHeap<WorstFirst>,
    k: usize,
    /// What is worse than this is not kept: the worst that is, once there are `k`.
    least: f32,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        Self { heap: BinaryHeap::new(), k, least: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY } }
    }

    /// Keeps a unit where it is good enough and wanted; only then it is looked up and asked for.
    pub(super) fn offer(&mut self, score: f32, unit: impl Fn() -> UnitId, wanted: &dyn Fn(UnitId) -> bool) {
        if score >= self.least {
            self.take(Scored { unit: unit(), score }, wanted);
        }
    }

    fn take(&mut self, candidate: Scored, wanted: &dyn Fn(UnitId) -> bool) {
        let full = self.heap.len() >= self.k;
        let better = self.heap.peek().is_some_and(|worst| Scored::best_first(&candidate, &worst.0).is_lt());
        if (full && !better) || !wanted(candidate.unit) {
            return;
        }
        if full {
            self.heap.pop();
        }
        self.heap.push(WorstFirst(candidate));
        if self.heap.len() == self.k {
            self.least = self.heap.peek().map_or(self.least, |worst| worst.0.score);
        }
    }

    /// Best first.
    pub(super) fn into_vec(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|WorstFirst(scored)| scored).collect()
    }
}

/// Ordered by [`Scored::best_first`], so that the top of a max-heap is the worst that is kept.
struct WorstFirst(Scored);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Scored::best_first(&self.0, &other.0)
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WorstFirst {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TurnId;

    fn scored(unit: u64, score: f32) -> Scored {
        Scored { unit: UnitId::Turn(TurnId(unit)), score }
    }

    #[test]
    fn the_heap_keeps_the_best_and_breaks_ties_by_unit() {
        let all = [scored(4, 0.5), scored(2, 0.5), scored(9, 0.9), scored(1, 0.1), scored(3, 0.5)];
        let best = |k: usize, wanted: &dyn Fn(UnitId) -> bool| {
            let mut best = Best::new(k);
            for scored in &all {
                best.offer(scored.score, || scored.unit, wanted);
            }
            best.into_vec()
        };
        assert_eq!(best(3, &|_| true), [scored(9, 0.9), scored(2, 0.5), scored(3, 0.5)]);
        assert_eq!(best(0, &|_| true), []);
        let small = |unit: UnitId| unit.turn().is_some_and(|turn| turn.0 < 3);
        assert_eq!(best(3, &small), [scored(2, 0.5), scored(1, 0.1)]);
    }
}
