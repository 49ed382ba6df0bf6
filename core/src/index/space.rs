//! All that can be found in one space: its vectors, its words, and what is known of each unit.
//!
//! Built from the bank, kept up to date by the engine, thrown away and built again where that is simpler: after
//! anything was forgotten. Only memories that hold are in. It ranks nothing.
//!
//! Rooms it touches: types, config, embed (for [`Vector`]), index.

use std::collections::BTreeSet;

use super::lexical::{Lexical, Scores};
use super::units::{Slot, Units};
use super::{Graph, Hnsw, Index, Mark, Scored, Snapshot};
use crate::config::Config;
use crate::embed::Vector;
use crate::types::{Memory, MemoryState, Turn, UnitId};

/// What can be found in one space.
pub struct SpaceIndex {
    units: Units,
    dense: Hnsw,
    lexical: Lexical,
    /// Units that have words but no vector yet.
    unembedded: BTreeSet<UnitId>,
}

impl SpaceIndex {
    /// An empty index.
    pub fn new(config: &Config) -> Self {
        Self {
            units: Units::default(),
            dense: Hnsw::new(),
            lexical: Lexical::new(&config.around),
            unembedded: BTreeSet::new(),
        }
    }

    /// Builds the index of a space from what the bank holds: turns oldest first.
    pub fn build(config: &Config, turns: &[Turn], memories: &[Memory], vectors: &[(UnitId, Vector)]) -> Self {
        let mut index = Self::new(config);
        for turn in turns {
            index.add_turn(turn);
        }
        for memory in memories {
            index.put_memory(memory);
        }
        for (unit, vector) in vectors {
            index.put_vector(*unit, vector);
        }
        index
    }

    /// Adds the next turn of its session; one that is in already is passed over.
    pub fn add_turn(&mut self, turn: &Turn) {
        let unit = UnitId::Turn(turn.id);
        if self.units.contains(unit) {
            return;
        }
        let slot = self.units.add_turn(turn);
        self.lexical.insert(&self.units, slot, &turn.indexed_text());
        self.unembedded.insert(unit);
    }

    /// Puts in the newest version of a memory, or takes the memory out where it no longer holds. Its vector,
    /// if it had one, is taken out too: it belongs to the old text.
    pub fn put_memory(&mut self, memory: &Memory) {
        let unit = UnitId::Memory(memory.id);
        self.dense.remove(unit);
        if memory.state == MemoryState::Current {
            let slot = self.units.put_memory(memory);
            self.lexical.insert(&self.units, slot, &memory.indexed_text());
            self.unembedded.insert(unit);
        } else {
            if let Some(slot) = self.units.remove_memory(unit) {
                self.lexical.remove(slot);
            }
            self.unembedded.remove(&unit);
        }
    }

    /// Gives a unit its vector; a unit that is not in is ignored.
    pub fn put_vector(&mut self, unit: UnitId, vector: &Vector) {
        if self.units.contains(unit) {
            self.dense.insert(unit, vector);
            self.unembedded.remove(&unit);
        }
    }

    /// Units that still need a vector, at most `count`.
    pub fn unembedded(&self, count: usize) -> Vec<UnitId> {
        self.unembedded.iter().take(count).copied().collect()
    }

    /// What is known of each unit.
    pub(crate) fn units(&self) -> &Units {
        &self.units
    }

    /// How well each unit fits the words of a text, in any form if `any_form`.
    pub(crate) fn by_words(&self, text: &str, any_form: bool) -> Scores {
        self.lexical.search(&self.units, text, any_form)
    }

    /// The units that have a term themselves; see [`super::terms`].
    pub(crate) fn with_term(&self, term: &str) -> impl Iterator<Item = Slot> {
        self.lexical.with_term(term)
    }

    /// The best `k` units by vector that `wanted` accepts.
    pub fn by_vector(&self, vector: &Vector, k: usize, wanted: &dyn Fn(UnitId) -> bool) -> Vec<Scored> {
        self.dense.nearest(vector, k, wanted)
    }

    /// As many neighbours as a search by vector gives at its usual cost; see [`Hnsw::cheap_neighbours`].
    pub(crate) fn cheap_neighbours(&self) -> usize {
        self.dense.cheap_neighbours()
    }

    /// The cosine of a vector and each of these units; `None` where it has no vector yet.
    pub fn cosines(&self, vector: &Vector, units: &[UnitId]) -> Vec<Option<f32>> {
        self.dense.cosines(vector, units)
    }

    /// Begins the making of a new graph, where one would pay; see [`Hnsw::mark`].
    pub fn stale_graph(&mut self) -> Option<Mark> {
        self.dense.needs_rebuild().then(|| self.dense.mark())
    }

    /// What it is to be made of; see [`Hnsw::snapshot`].
    pub fn snapshot(&self, mark: Mark) -> Snapshot {
        self.dense.snapshot(mark)
    }

    /// Puts a new graph in place.
    pub fn adopt_graph(&mut self, graph: Graph) {
        self.dense.adopt(graph);
    }

    /// How many units are in, turns and memories that hold.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// How many of them have a vector.
    pub fn embedded(&self) -> usize {
        self.dense.len()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
