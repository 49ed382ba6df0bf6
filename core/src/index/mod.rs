//! Finding units by vector and by word: the seam for dense search, and lexical search beside it.
//!
//! An index holds one space and is only a cache: it can always be built again from the bank. It stores
//! nothing and decides nothing.
//!
//! Rooms it touches: types, config, embed (for [`Vector`]).

#[cfg(test)]
mod conformance;
mod exact;
mod hnsw;
mod lexical;
mod rows;
mod space;
mod terms;
mod units;

pub use self::exact::Exact;
pub use self::hnsw::{Graph, Hnsw, Mark, Snapshot};
pub(crate) use self::lexical::Scores;
pub use self::space::SpaceIndex;
pub(crate) use self::terms::is_stop_word;
pub use self::terms::{forms, terms};
pub(crate) use self::units::{About, Slot, Speaker, Units};

use crate::embed::Vector;
use crate::types::UnitId;

/// A unit and how well it fits; larger is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The unit.
    pub unit: UnitId,
    /// Cosine for dense search (−1 to 1), BM25 for lexical search (0 and up).
    pub score: f32,
}

impl Scored {
    /// Best first; equal scores by unit, so that results do not depend on insertion order.
    pub fn best_first(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.score.total_cmp(&a.score).then_with(|| a.unit.cmp(&b.unit))
    }
}

/// Nearest neighbours by cosine over the vectors of one space.
pub trait Index: Send + Sync {
    /// Adds a unit's vector, or replaces it. All vectors of one index have the same dimensions; another
    /// is ignored and `false` returned.
    fn insert(&mut self, unit: UnitId, vector: &Vector) -> bool;

    /// Takes a unit out. False where it was not in.
    fn remove(&mut self, unit: UnitId) -> bool;

    /// Whether a unit is in.
    fn contains(&self, unit: UnitId) -> bool;

    /// The `k` units nearest to `query` of those that `wanted` accepts, best first, ties by
    /// [`Scored::best_first`]. However few are accepted, they are found.
    fn nearest(&self, query: &Vector, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored>;

    /// The cosine of `query` and each of these units; `None` where it is not in.
    fn cosines(&self, query: &Vector, units: &[UnitId]) -> Vec<Option<f32>>;

    /// How many units are in.
    fn len(&self) -> usize;

    /// Whether nothing is in.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
