//! Dense search for large banks: a frozen graph, a scanned tail of what came later, and tombstones.
//!
//! instant-distance builds a graph once and can neither insert nor delete. So what is inserted later waits
//! in a tail that is scanned, what is removed is no longer let through, and a rebuild makes one graph of
//! what is left. Without a rebuild this is [`Exact`], and below [`GRAPH_PAYS_FROM`] vectors that is the better
//! choice. It deliberately starts no thread and no rebuild: whoever owns the index knows when the device is idle.
//!
//! The layers and the order of insertion are seeded; the edges still vary a little between builds, because
//! instant-distance inserts in parallel.
//!
//! Rooms it touches: types, embed (for [`Vector`]), index.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use instant_distance::{Builder, Search};

use super::exact::Best;
use super::rows::{Query, Rows};
use super::{Exact, Index, Scored};
use crate::embed::Vector;
use crate::types::UnitId;

/// Candidates a search of the graph keeps, and so the most it can return. A guess: at 100,000 vectors 100
/// gave recall@60 0.990 in 0.93 ms; the rest is room for tombstones.
const EF_SEARCH: usize = 256;
/// Candidates while building: the value measured in dependencies.md.
const EF_CONSTRUCTION: usize = 100;
/// Any constant will do; it only has to stay the same.
const SEED: u64 = 0x6b65_6570_7361_6b65;
/// Vectors from which a graph pays. Measured at 100,000 (docs/retrieval.md): it is 1.7 times as fast as the scan, takes twice
/// the memory and minutes of all processors to build, which it has to be again at every start and after every erasing.
/// A guess that twice as many are worth that.
const GRAPH_PAYS_FROM: usize = 200_000;
/// One part in this many may be tail or tombstones. A guess: a tail of 20,000 is scanned in less than the time a
/// search of the graph takes.
const STALE_PART: usize = 10;

/// A graph with a tail. All live vectors are either in `live` or in `tail`, never in both.
#[derive(Default)]
pub struct Hnsw {
    graph: Option<Built>,
    /// Units of the graph that are still in and still have the vector the graph knows, with their rows.
    live: HashMap<UnitId, u32>,
    /// What was inserted or replaced since the graph was built.
    tail: Exact,
    /// What was inserted, replaced or removed since the last mark.
    changed: HashSet<UnitId>,
    /// How many marks were set.
    marks: u64,
    /// Set by the first vector.
    dimensions: usize,
}

impl Hnsw {
    /// An empty index. The first vector that is inserted sets its dimensions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the vectors of a scan. They become the tail, which costs nothing: the graph comes with the
    /// first rebuild.
    pub fn from_exact(scan: Exact) -> Self {
        Self { dimensions: scan.dimensions(), tail: scan, ..Self::default() }
    }

    /// Builds one graph of all vectors and waits for it: about 5 minutes of processor time for 100,000 of
    /// 384 dimensions. [`Hnsw::snapshot`] does the same without keeping others waiting.
    ///
    /// Until then the graph keeps removed vectors in memory, though no search finds them: rebuild after an
    /// erase.
    pub fn rebuild(&mut self) {
        let mark = self.mark();
        let graph = self.snapshot(mark).build();
        let adopted = self.adopt(graph);
        debug_assert!(adopted, "nobody else can set a mark meanwhile");
    }

    /// Whether a rebuild pays: enough vectors for a graph, and a tenth of them scanned or removed.
    pub fn needs_rebuild(&self) -> bool {
        let stale = self.tail.len().max(self.tombstones());
        self.len() >= GRAPH_PAYS_FROM && stale > self.len() / STALE_PART
    }

    /// As many neighbours as a search gives at its usual cost: with a graph, more are found by looking at every vector.
    pub(crate) fn cheap_neighbours(&self) -> usize {
        if self.graph.is_some() { EF_SEARCH / 2 } else { usize::MAX }
    }

    /// The first of four steps of a rebuild in the background: from here on it is noted what changes.
    pub fn mark(&mut self) -> Mark {
        self.changed.clear();
        self.marks += 1;
        Mark(self.marks)
    }

    /// The second step: a copy of all vectors, a tenth of a second for 200,000. Readers may go on meanwhile.
    pub fn snapshot(&self, mark: Mark) -> Snapshot {
        let tail = self.tail.units().map(|(unit, row)| (unit, self.tail.rows(), row));
        let mut vectors: Vec<_> = tail.chain(self.live_in_graph()).collect();
        // Rows of the tail stand in the order of past removals; the graph must not depend on that.
        vectors.sort_unstable_by_key(|(unit, ..)| *unit);
        let mut rows = Rows::new(self.dimensions);
        for (_, from, row) in &vectors {
            rows.push_row(from, *row);
        }
        let units = vectors.into_iter().map(|(unit, ..)| unit).collect();
        Snapshot { mark, units, rows: Arc::new(rows) }
    }

    /// The last step: puts a new graph in place, in time that goes with what changed since its mark; that stays as it
    /// is now. False, and nothing done, where a later mark was set.
    pub fn adopt(&mut self, graph: Graph) -> bool {
        if graph.mark.0 != self.marks {
            return false;
        }
        self.live = graph.live;
        let mut tail = Exact::new();
        for unit in &self.changed {
            self.live.remove(unit);
            tail.take_over(&self.tail, *unit);
        }
        self.tail = tail;
        self.graph = graph.built;
        true
    }

    /// How many vectors of the graph no search may find any more.
    fn tombstones(&self) -> usize {
        self.graph.as_ref().map_or(0, |graph| graph.units.len()) - self.live.len()
    }

    /// Every live unit of the graph with its row.
    fn live_in_graph(&self) -> impl Iterator<Item = (UnitId, &Rows, usize)> {
        let rows = self.graph.as_ref().map(|graph| graph.rows.as_ref());
        self.live.iter().filter_map(move |(unit, row)| Some((*unit, rows?, *row as usize)))
    }

    /// The nearest live units of the graph, at least `k` where it has as many.
    fn nearest_in_graph(
        &self,
        vector: &Vector,
        query: &Query,
        k: usize,
        wanted: &dyn Fn(UnitId) -> bool,
    ) -> Vec<Scored> {
        let Some(graph) = &self.graph else { return Vec::new() };
        let found = |unit: UnitId| self.live.contains_key(&unit) && wanted(unit);
        let score = |unit, row| Scored { unit, score: graph.rows.cosine(query, row) };
        if k <= EF_SEARCH / 2 {
            let mut search = Search::default();
            let near = graph.nodes.search(&Point::of(vector), &mut search).map(|item| item.point.row);
            let unit_of = |row: u32| (graph.units[row as usize], row as usize);
            let near = near.map(unit_of).filter(|(unit, _)| found(*unit));
            let near: Vec<Scored> = near.map(|(unit, row)| score(unit, row)).collect();
            if near.len() >= k.min(self.live.len()) {
                return near;
            }
        }
        // More wanted than a search can return, or what is wanted is not what is near: look at every vector.
        let mut best = Best::new(k);
        graph.rows.scan(query, |row, score| best.offer(score, || graph.units[row], &found));
        best.into_vec()
    }
}

impl Index for Hnsw {
    fn insert(&mut self, unit: UnitId, vector: &Vector) -> bool {
        if self.is_empty() {
            self.graph = None;
            self.dimensions = vector.dimensions();
        }
        if vector.dimensions() != self.dimensions {
            return false;
        }
        self.live.remove(&unit);
        self.changed.insert(unit);
        self.tail.insert(unit, vector)
    }

    fn remove(&mut self, unit: UnitId) -> bool {
        let was_in = self.live.remove(&unit).is_some() || self.tail.remove(unit);
        if was_in {
            self.changed.insert(unit);
        }
        was_in
    }

    fn contains(&self, unit: UnitId) -> bool {
        self.live.contains_key(&unit) || self.tail.contains(unit)
    }

    fn nearest(&self, query: &Vector, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored> {
        if k == 0 || query.dimensions() != self.dimensions {
            return Vec::new();
        }
        let rounded = Query::new(query);
        let mut found = self.nearest_in_graph(query, &rounded, k, wanted);
        found.extend(self.tail.nearest_to(&rounded, k, wanted));
        found.sort_unstable_by(Scored::best_first);
        found.truncate(k);
        found
    }

    fn cosines(&self, query: &Vector, units: &[UnitId]) -> Vec<Option<f32>> {
        if query.dimensions() != self.dimensions {
            return vec![None; units.len()];
        }
        let query = Query::new(query);
        let in_graph = |unit: &UnitId| {
            let row = self.live.get(unit)?;
            self.graph.as_ref().map(|graph| graph.rows.cosine(&query, *row as usize))
        };
        units.iter().map(|unit| self.tail.cosine_to(*unit, &query).or_else(|| in_graph(unit))).collect()
    }

    fn len(&self) -> usize {
        self.live.len() + self.tail.len()
    }
}

/// When the making of a graph began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// What a graph is to be made of: every live vector at one moment.
pub struct Snapshot {
    mark: Mark,
    /// By row.
    units: Vec<UnitId>,
    rows: Arc<Rows>,
}

impl Snapshot {
    /// The third step, and the slow one, on all cores; it touches no index.
    pub fn build(self) -> Graph {
        let Self { mark, units, rows } = self;
        let live = units.iter().copied().zip(0..).collect();
        let points = (0..rows.len()).map(|row| Point { rows: Arc::clone(&rows), row: row as u32 }).collect();
        let builder = Builder::default().seed(SEED).ef_construction(EF_CONSTRUCTION).ef_search(EF_SEARCH);
        let built = (!units.is_empty()).then(|| Built { nodes: builder.build_hnsw(points).0, units, rows });
        Graph { mark, live, built }
    }
}

/// A finished graph, for [`Hnsw::adopt`].
pub struct Graph {
    mark: Mark,
    /// All its units, with their rows.
    live: HashMap<UnitId, u32>,
    built: Option<Built>,
}

struct Built {
    nodes: instant_distance::Hnsw<Point>,
    /// By row.
    units: Vec<UnitId>,
    rows: Arc<Rows>,
}

/// A row of a block that all points share: building clones its points.
#[derive(Clone)]
struct Point {
    rows: Arc<Rows>,
    row: u32,
}

impl Point {
    /// A query as a block of its own.
    fn of(vector: &Vector) -> Self {
        let mut rows = Rows::new(vector.dimensions());
        rows.push(vector);
        Self { rows: Arc::new(rows), row: 0 }
    }
}

impl instant_distance::Point for Point {
    /// Falls as the cosine rises: 0 for the same direction, 2 for the opposite one.
    fn distance(&self, other: &Self) -> f32 {
        1.0 - self.rows.cosine_between(self.row as usize, &other.rows, other.row as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TurnId;

    fn unit(number: u64) -> UnitId {
        UnitId::Turn(TurnId(number))
    }

    /// Unit vectors on half a circle: the larger the number, up to 1,000, the further from the first, by a cosine of
    /// 0.002 each. The circle lies askew in 384 dimensions, where rounding moves a cosine by about 0.0003.
    fn at(number: u64) -> Vector {
        let cosine = 1.0 - number as f32 / 500.0;
        let sine = (1.0 - cosine * cosine).max(0.0).sqrt();
        // Both axes are uneven, so that roundings cancel out.
        let axis = |at: usize| (at as f32 * 0.7).sin() + 0.3 * (at as f32 * 2.3).cos();
        let length = |odd| (0..384).filter(|at| at % 2 == odd).map(|at| axis(at).powi(2)).sum::<f32>().sqrt();
        let (even, odd) = (cosine / length(0), sine / length(1));
        let values = (0..384).map(|at| axis(at) * if at % 2 == 0 { even } else { odd });
        Vector::normalised(values.collect()).unwrap()
    }

    fn circle(count: u64) -> Hnsw {
        let mut index = Hnsw::new();
        for number in 0..count {
            assert!(index.insert(unit(number), &at(number)));
        }
        index.rebuild();
        index
    }

    fn numbers(found: &[Scored]) -> Vec<UnitId> {
        found.iter().map(|scored| scored.unit).collect()
    }

    #[test]
    fn tombstones_that_crowd_around_the_query_do_not_hide_what_lives() {
        let mut index = circle(1000);
        // More dead neighbours than a search can return: only a look at every vector finds the living.
        for number in 0..EF_SEARCH as u64 + 50 {
            assert!(index.remove(unit(number)));
        }
        let first = EF_SEARCH as u64 + 50;
        assert_eq!(
            numbers(&index.nearest(&at(0), 3, &|_| true)),
            [unit(first), unit(first + 1), unit(first + 2)]
        );
    }

    #[test]
    fn more_than_a_search_can_return_is_found_by_looking_at_all() {
        let index = circle(600);
        assert_eq!(index.nearest(&at(0), 500, &|_| true).len(), 500);
    }

    #[test]
    fn what_changes_while_a_graph_is_built_stays_as_it_is_now() {
        let mut index = circle(20);
        index.insert(unit(20), &at(20));
        let mark = index.mark();
        index.insert(unit(60), &at(60)); // is in the copy and has changed since the mark
        let snapshot = index.snapshot(mark);
        index.remove(unit(0)); // was in the old graph
        index.remove(unit(20)); // was in the tail
        index.insert(unit(1), &at(900)); // moves far away
        index.insert(unit(50), &at(50)); // is new
        assert!(index.adopt(snapshot.build()));
        assert_eq!(index.len(), 21);
        assert!(index.tail.contains(unit(60)) && !index.live.contains_key(&unit(60)));
        assert_eq!(numbers(&index.nearest(&at(0), 2, &|_| true)), [unit(2), unit(3)]);
        assert_eq!(numbers(&index.nearest(&at(900), 2, &|_| true)), [unit(1), unit(60)]);
        assert!(!index.contains(unit(0)) && !index.contains(unit(20)));
    }

    #[test]
    fn a_scan_is_taken_over_with_all_it_holds() {
        let mut scan = Exact::new();
        scan.insert(unit(1), &at(1));
        scan.insert(unit(2), &at(2));
        let mut index = Hnsw::from_exact(scan);
        for _ in 0..2 {
            assert_eq!(numbers(&index.nearest(&at(0), 5, &|_| true)), [unit(1), unit(2)]);
            assert!(!index.insert(unit(3), &Vector::normalised(vec![1.0]).unwrap()));
            index.rebuild();
        }
    }

    #[test]
    fn a_graph_of_an_earlier_snapshot_is_refused() {
        let mut index = circle(5);
        let mark = index.mark();
        let early = index.snapshot(mark);
        index.remove(unit(0));
        index.rebuild();
        assert!(!index.adopt(early.build()));
        assert!(!index.contains(unit(0)));
    }

    #[test]
    fn a_rebuild_leaves_no_removed_vector_behind() {
        let mut index = circle(10);
        index.remove(unit(3));
        assert_eq!(index.tombstones(), 1);
        index.rebuild();
        assert_eq!(index.tombstones(), 0);
        let graph = index.graph.as_ref().unwrap();
        assert_eq!((graph.units.len(), graph.rows.len()), (9, 9));
        assert!(!graph.units.contains(&unit(3)));
    }

    #[test]
    fn an_emptied_index_forgets_its_graph_with_the_next_vector() {
        let mut index = circle(3);
        for number in 0..3 {
            index.remove(unit(number));
        }
        index.insert(unit(9), &Vector::normalised(vec![1.0, 2.0, 3.0]).unwrap());
        assert_eq!((index.len(), index.tombstones()), (1, 0));
    }

    #[test]
    fn small_banks_need_no_graph_and_large_ones_only_when_a_tenth_is_stale() {
        let vector = Vector::normalised(vec![1.0]).unwrap();
        let mut index = Hnsw::new();
        for number in 0..GRAPH_PAYS_FROM as u64 {
            assert!(!index.needs_rebuild());
            index.insert(unit(number), &vector);
        }
        assert!(index.needs_rebuild());
    }
}
