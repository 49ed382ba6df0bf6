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

    /// [`Index::nearest`] for a query that is rounded already.
    pub(super) fn nearest_to(&self, query: &Query, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored> {
        let score = |(unit, score): (&UnitId, f32)| Scored { unit: *unit, score };
        best(self.units.iter().zip(self.rows.cosines(query)).map(score), k, wanted)
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

/// The `k` best that are wanted, best first, in a heap that never holds more than `k`: O(n log k), and O(k) memory.
/// Only what is good enough is asked for.
pub(super) fn best(
    scored: impl Iterator<Item = Scored>,
    k: usize,
    wanted: &dyn Fn(UnitId) -> bool,
) -> Vec<Scored> {
    let mut heap = BinaryHeap::new();
    for candidate in scored {
        if heap.len() < k {
            if wanted(candidate.unit) {
                heap.push(WorstFirst(candidate));
            }
        } else if let Some(mut worst) = heap.peek_mut()
            && Scored::best_first(&candidate, &worst.0).is_lt()
            && wanted(candidate.unit)
        {
            *worst = WorstFirst(candidate);
        }
    }
    heap.into_sorted_vec().into_iter().map(|WorstFirst(scored)| scored).collect()
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
        let kept = best(all.iter().copied(), 3, &|_| true);
        assert_eq!(kept, [scored(9, 0.9), scored(2, 0.5), scored(3, 0.5)]);
        let small = |unit: UnitId| unit.turn().is_some_and(|turn| turn.0 < 3);
        assert_eq!(best(all.into_iter(), 3, &small), [scored(2, 0.5), scored(1, 0.1)]);
    }
}
