//! Finding what concerns a text: words and vectors, fused by the sum of min–max normalised scores, and what else
//! tells evidence from the rest.
//!
//! Every unit that is found says what its score is made of. All weights stand in [`Ranking`].
//!
//! Rooms it touches: types, when, config, embed, index.

mod filter;
mod question;

pub use self::filter::{Filter, Kind};
pub(crate) use self::question::without_speakers;

use std::collections::{BTreeSet, HashMap};

use self::question::Asked;
use crate::config::{Config, Ranking, Take};
use crate::embed::Vector;
use crate::index::{About, Scores, Slot, SpaceIndex};
use crate::types::{Timestamp, UnitId};

/// Candidates that each kind of search contributes; a space of up to twice as many is looked at whole. LoCoMo's
/// conversations with 150 of 500 turns each: the same recall@10, 0.4 points less @60.
const POOL: usize = 500;
/// Bytes of text for a token of a usual vocabulary, about, and tokens of a line beside its text.
const TOKEN_BYTES: usize = 4;
const LINE_TOKENS: usize = 24;

/// A unit that was found, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The unit.
    pub unit: UnitId,
    /// The sum of `parts`; larger is better.
    pub score: f32,
    /// BM25 of the words, with those around; `None` where it has none of the query's.
    pub lexical: Option<f32>,
    /// Cosine of its vector; `None` where it has none.
    pub dense: Option<f32>,
    /// What the score is made of.
    pub parts: Parts,
}

/// What a score is made of; see [`Ranking`] for each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "each is named after the setting that explains it")]
pub struct Parts {
    pub lexical: f32,
    pub dense: f32,
    pub speaker: f32,
    pub time: f32,
    pub dated: f32,
    pub entity: f32,
    pub length: f32,
    pub question: f32,
    pub linked: f32,
}

impl Parts {
    fn sum(self) -> f32 {
        let Self { lexical, dense, speaker, time, dated, entity, length, question, linked } = self;
        lexical + dense + speaker + time + dated + entity + length + question + linked
    }
}

/// Whether a search went by vectors, or by words only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Every unit has its vector.
    Counted,
    /// So many units have no vector yet and were found by words only: they wait for [`Engine::process`](crate::Engine::process).
    CountedButFor(usize),
    /// By words only: the engine has no embedder, or most units have no vector yet.
    WordsOnly,
}

/// What was found for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Whether meaning counted.
    pub meaning: Meaning,
}

/// What is searched for.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    /// The words.
    pub(crate) text: &'a str,
    /// Their vector; without one the search is by words only.
    pub(crate) vector: Option<&'a Vector>,
    /// When it is asked, on the asker's wall clock: what "last week" is resolved against.
    pub(crate) asked: Option<Timestamp>,
}

/// The best of the units that `wanted` accepts, best first. `wanted` is asked before anything is counted, so that it
/// may accept ever so few.
pub(crate) fn retrieve(
    index: &SpaceIndex,
    config: &Config,
    query: &Query<'_>,
    wanted: &dyn Fn(&About) -> bool,
    take: Take,
) -> Vec<Hit> {
    let mut hits = ranked(index, config, query, wanted, take);
    hits.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score).then_with(|| a.unit.cmp(&b.unit)));
    taken(index, hits, take)
}

fn ranked(
    index: &SpaceIndex,
    config: &Config,
    query: &Query<'_>,
    wanted: &dyn Fn(&About) -> bool,
    take: Take,
) -> Vec<(Slot, Hit)> {
    let (units, ranking) = (index.units(), &config.ranking);
    let words = index.by_words(query.text, ranking.forms);
    let candidates = candidates(index, query.vector, &words, wanted, pool(take));
    let cosines = Cosines::new(index, config, query.vector, &candidates);
    let asked = Asked::read(index, query.text, query.asked);

    let most_lexical =
        candidates.iter().map(|slot| words.of(*slot)).fold(0.0, f32::max).max(f32::MIN_POSITIVE);
    let mut hits: HashMap<Slot, Hit> = HashMap::with_capacity(candidates.len());
    for slot in &candidates {
        let Some(about) = units.about(*slot) else { continue };
        let by_words = words.of(*slot) / most_lexical;
        let parts = Parts {
            lexical: ranking.lexical * by_words,
            dense: (1.0 - ranking.lexical) * cosines.scaled(*slot, by_words),
            ..boosts(ranking, &asked, *slot, about)
        };
        let lexical = Some(words.of(*slot)).filter(|score| *score > 0.0);
        hits.insert(*slot, Hit { unit: about.unit, score: 0.0, lexical, dense: cosines.own(*slot), parts });
    }
    link(index, ranking, &mut hits);
    // Beside words, vectors and links nothing makes a find.
    hits.retain(|_, hit| hit.lexical.is_some() || hit.dense.is_some() || hit.parts.linked > 0.0);
    hits.into_iter().map(|(slot, hit)| (slot, Hit { score: hit.parts.sum(), ..hit })).collect()
}

/// How many candidates each kind of search contributes, so that there are as many as are wanted. How many of each
/// speaker there are among the best cannot be told: all are looked at.
fn pool(take: Take) -> usize {
    match take {
        Take::Best(count) => count.max(POOL),
        Take::PerSpeaker(_) => usize::MAX,
        Take::Tokens(tokens) => (tokens / LINE_TOKENS).max(POOL),
    }
}

/// All units of a small space; of a large one, the best by words and by vector, and the turns behind memories.
fn candidates(
    index: &SpaceIndex,
    vector: Option<&Vector>,
    words: &Scores,
    wanted: &dyn Fn(&About) -> bool,
    pool: usize,
) -> Vec<Slot> {
    let units = index.units();
    let accepted = |slot: Slot| units.about(slot).is_some_and(wanted);
    if index.len() <= pool.saturating_mul(2) {
        return units.iter().filter(|(_, about)| wanted(about)).map(|(slot, _)| slot).collect();
    }
    let mut candidates: BTreeSet<Slot> = best_by_words(words, &accepted, pool).into_iter().collect();
    if let Some(vector) = vector {
        let near = if pool > POOL { pool } else { POOL.min(index.cheap_neighbours()) };
        let near = index.by_vector(vector, near, &|unit| units.slot(unit).is_some_and(accepted));
        candidates.extend(near.iter().filter_map(|scored| units.slot(scored.unit)));
    }
    let behind =
        candidates.iter().filter_map(|slot| units.about(*slot)).flat_map(|about| about.sources.iter());
    let behind = behind.filter_map(|turn| units.slot(UnitId::Turn(*turn)));
    let behind: Vec<Slot> = behind.filter(|slot| accepted(*slot)).collect();
    candidates.extend(behind);
    candidates.into_iter().collect()
}

/// The best by words, at most `pool`. Only what is good enough so far is asked for.
fn best_by_words(words: &Scores, accepted: &dyn Fn(Slot) -> bool, pool: usize) -> Vec<Slot> {
    let (mut found, mut least) = (Vec::new(), 0.0_f32);
    let cut = |found: &mut Vec<(Slot, f32)>| {
        if found.len() > pool {
            found.select_nth_unstable_by(pool - 1, |a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            found.truncate(pool);
        }
    };
    for (slot, score) in words.found() {
        if score >= least && accepted(slot) {
            found.push((slot, score));
            if found.len() == pool.saturating_mul(4) {
                cut(&mut found);
                least = found.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
            }
        }
    }
    cut(&mut found);
    found.into_iter().map(|(slot, _)| slot).collect()
}

/// The cosines of all candidates, each with its neighbours'.
struct Cosines {
    own: HashMap<Slot, f32>,
    /// The weighted mean of a candidate's and its neighbours'.
    around: HashMap<Slot, f32>,
    low: f32,
    high: f32,
}

impl Cosines {
    fn new(index: &SpaceIndex, config: &Config, vector: Option<&Vector>, candidates: &[Slot]) -> Self {
        let units = index.units();
        let near = |slot: Slot| {
            let weighted = units.around(slot, config.around.reach()).map(|(offset, near)| {
                let part = if offset == 0 { 1.0 } else { config.ranking.neighbour };
                (part * config.around.weight(offset), near)
            });
            weighted.filter(|(weight, _)| *weight > 0.0)
        };
        let looked_at: BTreeSet<Slot> =
            candidates.iter().flat_map(|slot| near(*slot)).map(|(_, slot)| slot).collect();
        let ids: Vec<(Slot, UnitId)> =
            looked_at.into_iter().filter_map(|slot| Some((slot, units.about(slot)?.unit))).collect();
        let known = vector
            .map(|vector| index.cosines(vector, &ids.iter().map(|(_, unit)| *unit).collect::<Vec<_>>()));
        let known = ids.iter().map(|(slot, _)| *slot).zip(known.unwrap_or_default());
        let own: HashMap<Slot, f32> = known.filter_map(|(slot, cosine)| Some((slot, cosine?))).collect();
        let mean = |slot: Slot| {
            own.get(&slot)?;
            let (mut sum, mut weights) = (0.0, 0.0);
            for (weight, near) in near(slot) {
                if let Some(cosine) = own.get(&near) {
                    sum += weight * cosine;
                    weights += weight;
                }
            }
            Some((slot, sum / weights))
        };
        let around: HashMap<Slot, f32> = candidates.iter().filter_map(|slot| mean(*slot)).collect();
        let (low, high) = around
            .values()
            .fold((f32::MAX, f32::MIN), |(low, high), cosine| (low.min(*cosine), high.max(*cosine)));
        Self { own, around, low, high }
    }

    fn own(&self, slot: Slot) -> Option<f32> {
        self.own.get(&slot).copied()
    }

    /// 0 for the least of all candidates, 1 for the most. `otherwise` for one without a vector, which must not lose by
    /// that to any that has one, and for all where cosines tell nothing apart; 0 where none has a vector.
    fn scaled(&self, slot: Slot, otherwise: f32) -> f32 {
        let span = self.high - self.low;
        match self.around.get(&slot) {
            Some(cosine) if span > 0.0 => (cosine - self.low) / span,
            _ if self.around.is_empty() => 0.0,
            _ => otherwise,
        }
    }
}

/// What a unit has beside words and vectors.
fn boosts(ranking: &Ranking, asked: &Asked, slot: Slot, about: &About) -> Parts {
    let when = |holds: bool, weight: f32| if holds { weight } else { 0.0 };
    Parts {
        speaker: when(asked.names_speaker(about.speaker), ranking.speaker),
        time: when(asked.speaks_of(about.time), ranking.time),
        dated: when(asked.asks_when() && about.dated, ranking.dated),
        entity: ranking.entity * asked.names_in(slot),
        length: ranking.length * (about.bytes as f32).ln_1p(),
        question: when(about.asks, -ranking.question),
        ..Parts::default()
    }
}

/// A memory that fits brings the turns it came from.
fn link(index: &SpaceIndex, ranking: &Ranking, hits: &mut HashMap<Slot, Hit>) {
    let mut links: Vec<(Slot, f32)> = Vec::new();
    for (slot, hit) in &*hits {
        let sources = index.units().about(*slot).map_or(&[][..], |about| &about.sources);
        let turns = sources.iter().filter_map(|turn| index.units().slot(UnitId::Turn(*turn)));
        links.extend(turns.map(|turn| (turn, ranking.linked * (hit.parts.lexical + hit.parts.dense))));
    }
    for (turn, linked) in links {
        if let Some(hit) = hits.get_mut(&turn) {
            hit.parts.linked = hit.parts.linked.max(linked);
        }
    }
}

fn taken(index: &SpaceIndex, hits: Vec<(Slot, Hit)>, take: Take) -> Vec<Hit> {
    let about = |slot: Slot| index.units().about(slot);
    match take {
        Take::Best(count) => hits.into_iter().map(|(_, hit)| hit).take(count).collect(),
        Take::PerSpeaker(count) => {
            let mut of: HashMap<_, usize> = HashMap::new();
            let mut within = |slot| {
                let so_far = about(slot).map(|about| of.entry(about.speaker).or_default());
                so_far.is_some_and(|so_far| {
                    *so_far += 1;
                    *so_far <= count
                })
            };
            hits.into_iter().filter(|(slot, _)| within(*slot)).map(|(_, hit)| hit).collect()
        }
        Take::Tokens(budget) => {
            let mut spent = 0;
            let mut within = |slot| {
                let bytes = about(slot).map_or(0, |about| about.bytes as usize);
                let tokens = bytes.div_ceil(TOKEN_BYTES) + LINE_TOKENS;
                let fits = spent + tokens <= budget;
                spent += if fits { tokens } else { 0 };
                fits
            };
            hits.into_iter().filter(|(slot, _)| within(*slot)).map(|(_, hit)| hit).collect()
        }
    }
}
