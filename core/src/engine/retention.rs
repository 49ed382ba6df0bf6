//! Forgetting unasked: what a policy keeps no longer.
//!
//! Rooms it touches: types, config, bank.

use std::cmp::Reverse;
use std::time::Duration;

use super::error::ProcessError;
use super::{Engine, Inner, lock};
use crate::bank::BankError;
use crate::config::Retention;
use crate::types::{MemoryId, MemoryState, SpaceId, Timestamp, UnitId};

/// How long the policy is not looked at again.
const BETWEEN: Duration = Duration::from_hours(24);

impl Engine {
    /// The turns and memories of a space that `retention` keeps no longer, turns first. Nothing is changed:
    /// [`Engine::forget_all`] forgets them.
    pub fn due(&self, space: &SpaceId, retention: &Retention) -> Result<Vec<UnitId>, BankError> {
        self.0.due(space, retention, (self.0.setup.clock)())
    }
}

impl Inner {
    fn due(&self, space: &SpaceId, retention: &Retention, now: Timestamp) -> Result<Vec<UnitId>, BankError> {
        let passed =
            |since: Timestamp, most: Option<Duration>| most.is_some_and(|most| ago(now, since) > most);
        let turns = self.bank.turns(space)?.into_iter().filter(|turn| passed(turn.recorded, retention.age));
        let mut due: Vec<UnitId> = turns.map(|turn| UnitId::Turn(turn.id)).collect();
        // What stays, by when it was last touched.
        let mut held: Vec<(Timestamp, MemoryId)> = Vec::new();
        for memory in self.bank.memories(space)? {
            let used = self.bank.last_use(memory.id)?;
            let touched = used.map_or(memory.recorded, |used| used.max(memory.recorded));
            if passed(memory.recorded, retention.age) || passed(touched, retention.unused) {
                due.push(UnitId::Memory(memory.id));
            } else if memory.state == MemoryState::Current {
                held.push((touched, memory.id));
            }
        }
        if let Some(most) = retention.memories {
            held.sort_unstable_by_key(|(touched, id)| (Reverse(*touched), Reverse(*id)));
            due.extend(held.iter().skip(most).map(|(_, id)| UnitId::Memory(*id)));
        }
        Ok(due)
    }

    /// Forgets what the settings keep no longer, once a day: how many turns and memories.
    pub(super) fn forget_due(&self) -> Result<usize, ProcessError> {
        let (retention, now) = (&self.setup.config.retention, (self.setup.clock)());
        if *retention == Retention::default() {
            return Ok(0);
        }
        let mut looked = lock(&self.retained);
        if looked.is_some_and(|looked| ago(now, looked) < BETWEEN) {
            return Ok(0);
        }
        let mut due = Vec::new();
        for space in self.bank.spaces()? {
            due.extend(self.due(&space, retention, now)?);
        }
        let forgotten = if due.is_empty() { 0 } else { self.forget(&due)? };
        *looked = Some(now);
        Ok(forgotten)
    }
}

/// Nothing where `since` is to come.
fn ago(now: Timestamp, since: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(now.seconds() - since.seconds()).unwrap_or_default())
}
