//! All that can be found in one space: its vectors and its words.
//!
//! Built from the bank, kept up to date by the engine, thrown away and built again where that is simpler. A
//! turn's words are indexed with those of its neighbours in the session, because a reply often holds the words
//! and its question the sense. Only memories that hold are in.
//!
//! Rooms it touches: types, config, embed (for [`Vector`]), index.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Graph, Hnsw, Index, Lexical, Scored, Snapshot};
use crate::config::Config;
use crate::embed::Vector;
use crate::types::{Memory, MemoryState, Turn, UnitId};

/// What can be found in one space.
pub struct SpaceIndex {
    dense: Hnsw,
    lexical: Lexical,
    /// The last turns of every session with their words: what a coming turn is a neighbour of.
    recent: HashMap<String, VecDeque<Recent>>,
    /// Units that have words but no vector yet.
    unembedded: BTreeSet<UnitId>,
    neighbours: usize,
}

struct Recent {
    unit: UnitId,
    text: String,
    /// Text of the neighbours so far, before and after.
    around: String,
}

impl SpaceIndex {
    /// An empty index.
    pub fn new(config: &Config) -> Self {
        Self {
            dense: Hnsw::new(),
            lexical: Lexical::new(),
            recent: HashMap::new(),
            unembedded: BTreeSet::new(),
            neighbours: config.neighbours,
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

    /// Adds the next turn of its session.
    pub fn add_turn(&mut self, turn: &Turn) {
        let unit = UnitId::Turn(turn.id);
        let text = turn.indexed_text();
        let recent = self.recent.entry(turn.session.clone()).or_default();
        let mut around = String::new();
        for earlier in recent.iter_mut() {
            around.push(' ');
            around.push_str(&earlier.text);
            earlier.around.push(' ');
            earlier.around.push_str(&text);
            self.lexical.insert(earlier.unit, &format!("{}{}", earlier.text, earlier.around));
        }
        self.lexical.insert(unit, &format!("{text}{around}"));
        recent.push_back(Recent { unit, text, around });
        if recent.len() > self.neighbours {
            recent.pop_front();
        }
        self.unembedded.insert(unit);
    }

    /// Puts in the newest version of a memory, or takes the memory out where it no longer holds. Its vector,
    /// if it had one, is taken out too: it belongs to the old text.
    pub fn put_memory(&mut self, memory: &Memory) {
        let unit = UnitId::Memory(memory.id);
        self.dense.remove(unit);
        if memory.state == MemoryState::Current {
            self.lexical.insert(unit, &memory.indexed_text());
            self.unembedded.insert(unit);
        } else {
            self.lexical.remove(unit);
            self.unembedded.remove(&unit);
        }
    }

    /// Gives a unit its vector; a unit that is not in is ignored.
    pub fn put_vector(&mut self, unit: UnitId, vector: &Vector) {
        if self.lexical.contains(unit) {
            self.dense.insert(unit, vector);
            self.unembedded.remove(&unit);
        }
    }

    /// Units that still need a vector, at most `count`.
    pub fn unembedded(&self, count: usize) -> Vec<UnitId> {
        self.unembedded.iter().take(count).copied().collect()
    }

    /// The best `k` units by words.
    pub fn by_words(&self, text: &str, k: usize) -> Vec<Scored> {
        self.lexical.search(text, k)
    }

    /// The best `k` units by vector.
    pub fn by_vector(&self, vector: &Vector, k: usize) -> Vec<Scored> {
        self.dense.nearest(vector, k)
    }

    /// What a new graph is to be made of, where one would pay; see [`Hnsw::snapshot`].
    pub fn stale_graph(&mut self) -> Option<Snapshot> {
        self.dense.needs_rebuild().then(|| self.dense.snapshot())
    }

    /// Puts a new graph in place.
    pub fn adopt_graph(&mut self, graph: Graph) {
        self.dense.adopt(graph);
    }

    /// How many units are in, turns and memories that hold.
    pub fn len(&self) -> usize {
        self.lexical.len()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
