//! A space as it was: a copy in memory that answers, searches and lists like the engine it came from.
//!
//! Rooms it touches: types, bank, pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::SearchError;
use super::{Engine, lock};
use crate::bank::{Bank, BankError, Contents, Kept, MemoryBank};
use crate::pipeline::remember;
use crate::types::{Memory, MemoryState, SpaceId, Timestamp, TurnId, UnitId};

/// A moment that is looked back at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// What was known then: turns and versions that the host's clock had seen by this time.
    Recorded(Timestamp),
    /// What held then, as far as is known now: turns said and versions valid by this time, on the speakers' clocks.
    Held(Timestamp),
}

impl Engine {
    /// The space as it was at a moment, as an engine of its own over a copy in memory: nothing that is done to it is
    /// kept. What was forgotten since is not in it. A turn's outcome is the one it has now. Takes time and memory in
    /// proportion to the space.
    pub fn as_of(&self, space: &SpaceId, moment: Moment) -> Result<Self, SearchError> {
        let (contents, vectors) = self.contents_as_of(space, moment)?;
        let bank = MemoryBank::new();
        bank.restore(&contents)?;
        if let Some(embedder) = &self.0.setup.embedder {
            bank.put_vectors(embedder.identity(), &vectors.known)?;
            let texts: Vec<String> = vectors.missing.iter().map(Memory::indexed_text).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let made = remember::embed_all(embedder.as_ref(), &texts)?;
            let units = vectors.missing.iter().map(|memory| UnitId::Memory(memory.id));
            bank.put_vectors(embedder.identity(), &units.zip(made).collect::<Vec<_>>())?;
        }
        Ok(Self::with_bank(Arc::new(bank), self.0.setup.clone()))
    }

    fn contents_as_of(&self, space: &SpaceId, moment: Moment) -> Result<(Contents, Vectors), BankError> {
        let inner = &*self.0;
        // Nothing changes while it is copied.
        let _writer = lock(&inner.writer);
        let bank = inner.bank.as_ref();
        let (mut turns, mut times) = (Vec::new(), BTreeMap::new());
        for turn in bank.turns(space)? {
            let (known, time) = match moment {
                Moment::Recorded(moment) => (turn.recorded <= moment, turn.recorded),
                Moment::Held(moment) => (turn.time <= moment, turn.time),
            };
            times.insert(turn.id, time);
            if known {
                let outcome = bank.outcome(turn.id)?;
                turns.push(Kept { turn, outcome });
            }
        }
        let mut vectors = Vectors { known: Vec::new(), missing: Vec::new() };
        let mut memories = Vec::new();
        for newest in bank.memories(space)? {
            let mut versions = bank.history(newest.id)?;
            versions.retain(|version| moment.includes(version, &times));
            let Some(last) = versions.last_mut() else { continue };
            if last.state == MemoryState::Superseded {
                last.state = MemoryState::Current;
            }
            if last.version != newest.version && last.state == MemoryState::Current {
                vectors.missing.push(last.clone());
            }
            memories.push(versions);
        }
        if let Some(embedder) = &inner.setup.embedder {
            vectors.known = bank.vectors(space, embedder.identity())?;
        }
        let (next_turn, next_memory) = (bank.next_turn_id()?.0, bank.next_memory_id()?.0);
        Ok((Contents { turns, memories, next_turn, next_memory }, vectors))
    }
}

/// The vectors of the newest versions, and the versions that have none because they are older.
struct Vectors {
    known: Vec<(UnitId, crate::embed::Vector)>,
    missing: Vec<Memory>,
}

impl Moment {
    /// Whether a version was there. What was retired stopped to hold when the turn was said that retired it.
    fn includes(self, version: &Memory, turns: &BTreeMap<TurnId, Timestamp>) -> bool {
        match self {
            Self::Recorded(moment) => version.recorded <= moment,
            Self::Held(moment) => {
                let retired = version.sources.last().filter(|_| version.state == MemoryState::Retired);
                *retired.and_then(|turn| turns.get(turn)).unwrap_or(&version.valid_from) <= moment
            }
        }
    }
}
