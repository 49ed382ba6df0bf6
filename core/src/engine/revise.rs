//! The person's own hand on what is remembered: undo, confirm, forgetting by what things have in common, moving out
//! and in.
//!
//! Nothing here asks a model. Rooms it touches: types, bank, transfer, pipeline.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::PoisonError;

use super::error::{AppendError, ForgetError, ReviseError};
use super::{Engine, Inner, follow, lock, write};
use crate::bank::{BankError, Contents, MemoryWrite, TurnOutcome};
use crate::pipeline::remember;
use crate::pipeline::undo;
use crate::transfer::{self, ExportError, Moved};
use crate::types::{Memory, MemoryId, MemoryState, NewTurn, Origin, SpaceId, TurnId, UnitId};

/// What turns and memories of a space may have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// Turns of a session.
    Session(String),
    /// Turns whose reference begins with this name and a slash: those of one file.
    Source(String),
    /// What somebody said: turns, and memories of which any version is theirs.
    Speaker(String),
    /// What came from an origin: turns, and memories of which any version did.
    Origin(Origin),
    /// Everything.
    All,
}

/// What an undoing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The turns, which are now [`TurnOutcome::Undone`].
    pub turns: Vec<TurnId>,
    /// The memories that changed, as they are now.
    pub memories: Vec<Memory>,
}

/// What came of memories of another system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many are new here, each with the turn that it came from.
    pub memories: u64,
    /// How many were here already.
    pub known: u64,
    /// The turns that have the reference of one, but say something else: the other system changed it since. They stay
    /// as they are; forget one and import again to take in what it says now.
    pub changed: Vec<TurnId>,
}

impl Engine {
    /// Takes back what these turns changed, as one step: memories go back to the version before, what was added is
    /// retired, what was retired holds again. The turns stay, marked as undone; `retry` works one again. Refused
    /// where something newer stands on a change.
    pub fn undo(&self, turns: &[TurnId]) -> Result<Undone, ReviseError> {
        let inner = &*self.0;
        let _writer = lock(&inner.writer);
        let turns: BTreeSet<TurnId> = turns.iter().copied().collect();
        let mut touched = BTreeSet::new();
        for turn in &turns {
            let Some(TurnOutcome::Done(applied)) = inner.bank.outcome(*turn)? else {
                return Err(ReviseError::NothingDone { turn: *turn });
            };
            touched.extend(applied.iter().flat_map(|one| [one.memory, one.beside]).flatten());
        }
        let now = (inner.setup.clock)();
        let mut memories = Vec::new();
        for memory in touched {
            memories.extend(undo::without(&inner.bank.history(memory)?, &turns, now)?);
        }
        let turns: Vec<TurnId> = turns.into_iter().collect();
        inner.revise(&memories, &turns)?;
        Ok(Undone { turns, memories })
    }

    /// The memories of a space that wait to be confirmed, by id: what an untrusted origin says against the user.
    pub fn quarantined(&self, space: &SpaceId) -> Result<Vec<Memory>, BankError> {
        let mut memories = self.0.bank.memories(space)?;
        memories.retain(|memory| memory.state == MemoryState::Quarantined);
        Ok(memories)
    }

    /// The user vouches for a quarantined memory: it holds from now on, as the user's own word.
    pub fn confirm(&self, memory: MemoryId) -> Result<Memory, ReviseError> {
        let inner = &*self.0;
        let _writer = lock(&inner.writer);
        let old = inner.bank.memory(memory)?.filter(|old| old.state == MemoryState::Quarantined);
        let old = old.ok_or(ReviseError::NotQuarantined { memory })?;
        let confirmed = Memory {
            version: old.version + 1,
            recorded: (inner.setup.clock)(),
            origin: Origin::User,
            state: MemoryState::Current,
            ..old
        };
        inner.revise(std::slice::from_ref(&confirmed), &[])?;
        Ok(confirmed)
    }

    /// The turns and memories of a space that a selection names, turns first.
    pub fn select(&self, space: &SpaceId, selection: &Selection) -> Result<Vec<UnitId>, BankError> {
        let bank = &self.0.bank;
        let turns = bank.turns(space)?.into_iter().filter(|turn| match selection {
            Selection::Session(session) => turn.session == *session,
            Selection::Source(source) => {
                let rest = turn.reference.as_deref().and_then(|reference| reference.strip_prefix(source));
                rest.is_some_and(|rest| rest.starts_with('/'))
            }
            Selection::Speaker(speaker) => turn.speaker == *speaker,
            Selection::Origin(origin) => turn.origin == *origin,
            Selection::All => true,
        });
        let mut units: Vec<UnitId> = turns.map(|turn| UnitId::Turn(turn.id)).collect();
        for memory in bank.memories(space)? {
            let any = |is: &dyn Fn(&Memory) -> bool| -> Result<bool, BankError> {
                Ok(bank.history(memory.id)?.iter().any(is))
            };
            let named = match selection {
                Selection::Session(_) | Selection::Source(_) => false,
                Selection::Speaker(speaker) => any(&|version| version.speaker == *speaker)?,
                Selection::Origin(origin) => any(&|version| version.origin == *origin)?,
                Selection::All => true,
            };
            if named {
                units.push(UnitId::Memory(memory.id));
            }
        }
        Ok(units)
    }

    /// The memories, by id, of which any version came from one of these turns.
    pub fn came_from(&self, space: &SpaceId, turns: &[TurnId]) -> Result<Vec<MemoryId>, BankError> {
        let turns: BTreeSet<&TurnId> = turns.iter().collect();
        let mut came = Vec::new();
        for memory in self.0.bank.memories(space)? {
            let mut sources = self.0.bank.history(memory.id)?.into_iter().flat_map(|version| version.sources);
            if sources.any(|source| turns.contains(&source)) {
                came.push(memory.id);
            }
        }
        Ok(came)
    }

    /// Removes memories and turns with everything kept about them, as one step: nothing finds them any more.
    /// Memories that came from a forgotten turn stay ([`Engine::came_from`] names them). How many there were.
    pub fn forget_all(&self, units: &[UnitId]) -> Result<usize, ForgetError> {
        Ok(self.0.forget(units)?)
    }

    /// Removes all that a space holds, also what is worked meanwhile. How many memories and turns there were.
    pub fn forget_everything(&self, space: &SpaceId) -> Result<usize, ForgetError> {
        let mut gone = 0;
        loop {
            let units = self.select(space, &Selection::All)?;
            if units.is_empty() {
                return Ok(gone);
            }
            gone += self.forget_all(&units)?;
        }
    }

    /// Writes what spaces hold as an export, all of them where none are named; see `docs/export-format.md`.
    pub fn export(&self, spaces: &[SpaceId], out: &mut dyn Write) -> Result<Moved, ExportError> {
        let _writer = lock(&self.0.writer);
        transfer::write(self.0.bank.as_ref(), &self.spaces_or_all(spaces)?, (self.0.setup.clock)(), out)
    }

    /// Writes what spaces hold as a page for people, all of them where none are named.
    pub fn export_markdown(&self, spaces: &[SpaceId], out: &mut dyn Write) -> Result<Moved, ExportError> {
        let _writer = lock(&self.0.writer);
        transfer::markdown::write(self.0.bank.as_ref(), &self.spaces_or_all(spaces)?, out)
    }

    fn spaces_or_all(&self, spaces: &[SpaceId]) -> Result<Vec<SpaceId>, BankError> {
        if spaces.is_empty() { self.0.bank.spaces() } else { Ok(spaces.to_vec()) }
    }

    /// Takes in what [`transfer::read`] read of an export; the bank must be empty. Vectors are made when the queue is
    /// next worked.
    pub fn import(&self, contents: &Contents) -> Result<Moved, BankError> {
        let inner = &*self.0;
        let (_working, _writer) = (lock(&inner.working), lock(&inner.writer));
        let restored = inner.bank.restore(contents);
        inner.spaces.write().unwrap_or_else(PoisonError::into_inner).clear();
        restored?;
        Ok(Moved { turns: contents.turns.len() as u64, memories: contents.memories.len() as u64 })
    }

    /// Takes in memories of another system, without asking a model: each becomes a turn with one memory that says the
    /// same. One whose reference its space has already is passed over.
    pub fn import_memories(&self, memories: Vec<NewTurn>) -> Result<Imported, AppendError> {
        let inner = &*self.0;
        let _working = lock(&inner.working);
        let mut imported = Imported::default();
        for turn in memories {
            let appended = match self.append(turn.from_origin(Origin::Imported)) {
                Err(AppendError::Bank(BankError::ReferenceTaken { turn })) => {
                    imported.changed.push(turn);
                    continue;
                }
                appended => appended?,
            };
            let Some(turn) = inner.bank.turn(appended.id)? else { continue };
            // One that is known but waits was stored by a call that was cut short before its memory.
            if inner.bank.outcome(turn.id)?.is_some() {
                imported.known += 1;
                continue;
            }
            inner.commit(
                &turn.space,
                &remember::as_it_is(&turn, inner.bank.next_memory_id()?, turn.recorded),
            )?;
            imported.memories += 1;
        }
        Ok(imported)
    }

    /// [`Engine::forget_all`] for one unit. False where there was nothing to remove.
    pub fn forget(&self, unit: UnitId) -> Result<bool, ForgetError> {
        Ok(self.forget_all(&[unit])? > 0)
    }
}

impl Inner {
    pub(super) fn forget(&self, units: &[UnitId]) -> Result<usize, BankError> {
        let _writer = lock(&self.writer);
        let mut spaces = BTreeSet::new();
        for unit in units {
            spaces.extend(match unit {
                UnitId::Memory(id) => self.bank.memory(*id)?.map(|memory| memory.space),
                UnitId::Turn(id) => self.bank.turn(*id)?.map(|turn| turn.space),
            });
        }
        let gone = self.bank.forget(units);
        for space in &spaces {
            self.drop_index(space);
        }
        gone
    }

    /// Writes these versions with their vectors, and takes the turns as undone. The writer lock is held.
    fn revise(&self, memories: &[Memory], undone: &[TurnId]) -> Result<(), ReviseError> {
        let mut writes: Vec<MemoryWrite> = memories
            .iter()
            .map(|memory| MemoryWrite {
                memory: memory.clone(),
                expects: memory.version.checked_sub(1),
                vector: None,
            })
            .collect();
        if let Some(embedder) = &self.setup.embedder {
            remember::embed_writes(embedder.as_ref(), &mut writes)?;
        }
        let revised = self.bank.revise(&writes, undone);
        let spaces: BTreeSet<&SpaceId> = memories.iter().map(|memory| &memory.space).collect();
        for space in spaces {
            if revised.is_err() {
                self.drop_index(space);
            } else if let Some(index) = self.built(space) {
                let mut index = write(&index);
                writes
                    .iter()
                    .filter(|one| one.memory.space == *space)
                    .for_each(|one| follow(&mut index, one));
            }
        }
        Ok(revised?)
    }
}
