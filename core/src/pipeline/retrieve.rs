//! Finding what concerns a text: words and vectors, fused by the sum of min–max normalised scores.
//!
//! Rooms it touches: types, config, embed, index.

use std::collections::HashMap;

use crate::config::Config;
use crate::embed::Vector;
use crate::index::{GRAPH_PAYS_FROM, Scored, SpaceIndex};
use crate::types::UnitId;

/// Candidates each kind of search contributes before they are fused. A guess: far beyond any `k` that is asked
/// for, so that the fused order of the first sixty hardly depends on it.
const POOL: usize = 1000;
/// The same for vectors in a space so large that a graph is searched, which gives no more.
const GRAPH_POOL: usize = 128;

/// A unit that was found, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The unit.
    pub unit: UnitId,
    /// Fused score, 0 to 1; larger is better.
    pub score: f32,
    /// BM25 score, where its words were found.
    pub lexical: Option<f32>,
    /// Cosine, where it has a vector and is among the nearest.
    pub dense: Option<f32>,
}

/// The best `k` of the units that `wanted` accepts. Without a vector the search is lexical only.
pub fn retrieve(
    index: &SpaceIndex,
    config: &Config,
    text: &str,
    vector: Option<&Vector>,
    wanted: impl Fn(UnitId) -> bool,
    k: usize,
) -> Vec<Hit> {
    let kept = |mut found: Vec<Scored>| {
        found.retain(|scored| wanted(scored.unit));
        found
    };
    let lexical = kept(index.by_words(text, POOL));
    let pool = if index.len() < GRAPH_PAYS_FROM { POOL } else { GRAPH_POOL };
    let dense = vector.map(|vector| kept(index.by_vector(vector, pool))).unwrap_or_default();
    let mut hits = fuse(&lexical, &dense, config.lexical_weight);
    hits.truncate(k);
    hits
}

/// The weighted sum of both scores, each scaled to 0–1. A unit that a search did not find scores 0 there: for
/// words that is exact (no common word), for vectors it is the bound of the pool.
fn fuse(lexical: &[Scored], dense: &[Scored], lexical_weight: f32) -> Vec<Hit> {
    let mut hits: HashMap<UnitId, Hit> = HashMap::new();
    let empty = |unit| Hit { unit, score: 0.0, lexical: None, dense: None };
    let best = lexical.first().map_or(1.0, |scored| scored.score.max(f32::MIN_POSITIVE));
    for scored in lexical {
        let hit = hits.entry(scored.unit).or_insert_with(|| empty(scored.unit));
        hit.lexical = Some(scored.score);
        hit.score += lexical_weight * scored.score / best;
    }
    let (high, low) = (dense.first().map_or(1.0, |s| s.score), dense.last().map_or(0.0, |s| s.score));
    let span = (high - low).max(f32::MIN_POSITIVE);
    for scored in dense {
        let hit = hits.entry(scored.unit).or_insert_with(|| empty(scored.unit));
        hit.dense = Some(scored.score);
        let scaled = if dense.len() == 1 { 1.0 } else { (scored.score - low) / span };
        hit.score += (1.0 - lexical_weight) * scaled;
    }
    let mut hits: Vec<Hit> = hits.into_values().collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.unit.cmp(&b.unit)));
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TurnId;

    fn scored(values: &[(u64, f32)]) -> Vec<Scored> {
        values.iter().map(|&(id, score)| Scored { unit: UnitId::Turn(TurnId(id)), score }).collect()
    }

    #[test]
    fn scores_are_scaled_and_summed() {
        let hits = fuse(&scored(&[(1, 8.0), (2, 4.0)]), &scored(&[(2, 0.9), (3, 0.5), (1, 0.1)]), 0.5);
        let by_id: Vec<(u64, f32)> = hits
            .iter()
            .map(|hit| match hit.unit {
                UnitId::Turn(TurnId(id)) | UnitId::Memory(crate::types::MemoryId(id)) => (id, hit.score),
            })
            .collect();
        // By hand: 2: .5·4/8 + .5·1 = .75; 1: .5·1 + .5·0 = .5; 3: 0 + .5·(.5−.1)/.8 = .25.
        assert_eq!(by_id.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 1, 3]);
        for ((_, score), expected) in by_id.iter().zip([0.75, 0.5, 0.25]) {
            assert!((score - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn one_kind_of_search_alone_still_orders() {
        assert_eq!(fuse(&scored(&[(1, 8.0), (2, 4.0)]), &[], 0.5).len(), 2);
        assert!((fuse(&[], &scored(&[(7, -0.2)]), 0.5)[0].score - 0.5).abs() < 1e-6);
    }
}
