//! What a memory was before some turns: the version to go back to.
//!
//! A turn makes at most one version of a memory, and names itself as its newest source. Pure functions over a
//! memory's history: nothing is read or written.
//!
//! Rooms it touches: types.

use std::collections::BTreeSet;

use crate::types::{Memory, MemoryId, MemoryState, Timestamp, TurnId};

/// A version that came of something else stands on what is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory {memory} was changed again after that: undo the newer change first, or forget the memory")]
pub struct ChangedSince {
    /// The memory.
    pub memory: MemoryId,
}

/// The version to write so that what these turns made of a memory no longer counts; `None` where they made nothing
/// of it that still does. What they added is retired. `history`: all versions, oldest first.
pub fn without(
    history: &[Memory],
    turns: &BTreeSet<TurnId>,
    now: Timestamp,
) -> Result<Option<Memory>, ChangedSince> {
    let Some(newest) = history.last() else { return Ok(None) };
    if newest.state == MemoryState::Retired && maker(history, history.len() - 1).is_none() {
        // An undoing retired it.
        return Ok(None);
    }
    let made_by_them = |at: usize| maker(history, at).is_some_and(|turn| turns.contains(&turn));
    let mut at = standing_for(history, history.len() - 1);
    let mut back = None;
    while made_by_them(at) {
        if at == 0 {
            back = Some(Memory { state: MemoryState::Retired, ..history[0].clone() });
            break;
        }
        at = standing_for(history, at - 1);
        back = Some(history[at].clone());
    }
    if newest.state == MemoryState::Retired
        && back.as_ref().is_some_and(|back| back.state == MemoryState::Retired)
    {
        return Ok(None);
    }
    if (0..at).any(made_by_them) {
        return Err(ChangedSince { memory: newest.id });
    }
    Ok(back.map(|back| Memory {
        version: newest.version + 1,
        recorded: now,
        state: if back.state == MemoryState::Superseded { MemoryState::Current } else { back.state },
        ..back
    }))
}

/// The turn that a version came of; none where it was an undoing, or its turn is forgotten.
fn maker(history: &[Memory], at: usize) -> Option<TurnId> {
    let before = at.checked_sub(1).map_or(&[][..], |before| &history[before].sources);
    history[at].sources.iter().rev().find(|source| !before.contains(source)).copied()
}

/// An undoing brings an earlier version back: that one stands for it.
fn standing_for(history: &[Memory], at: usize) -> usize {
    let same = |earlier: &Memory| {
        let (one, other) = (earlier, &history[at]);
        (&one.text, &one.sources, one.origin) == (&other.text, &other.sources, other.origin)
            && (one.state == MemoryState::Retired) == (other.state == MemoryState::Retired)
    };
    if maker(history, at).is_some() {
        return at;
    }
    history[..at].iter().position(same).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::memory;

    fn version(number: u32, text: &str, sources: &[u64], state: MemoryState) -> Memory {
        let sources = sources.iter().map(|id| TurnId(*id)).collect();
        Memory { version: number, sources, state, ..memory(1, text) }
    }

    fn undone(history: &[Memory], turns: &[u64]) -> Result<Option<(String, MemoryState)>, ChangedSince> {
        let turns = turns.iter().map(|id| TurnId(*id)).collect();
        let back = without(history, &turns, Timestamp::from_seconds(9))?;
        Ok(back.map(|memory| {
            assert_eq!(memory.version, history.last().unwrap().version + 1);
            assert_eq!(memory.recorded.seconds(), 9);
            (memory.text, memory.state)
        }))
    }

    use MemoryState::{Current, Retired, Superseded};

    #[test]
    fn the_last_version_is_taken_back_and_what_was_added_is_retired() {
        let history = [version(1, "a", &[1], Superseded), version(2, "b", &[1, 2], Current)];
        assert_eq!(undone(&history, &[2]), Ok(Some(("a".to_owned(), Current))));
        assert_eq!(undone(&history, &[1, 2]), Ok(Some(("a".to_owned(), Retired))));
        assert_eq!(undone(&history, &[1]), Err(ChangedSince { memory: MemoryId(1) }));
        assert_eq!(undone(&history, &[3]), Ok(None));
        assert_eq!(undone(&[], &[1]), Ok(None));
    }

    #[test]
    fn a_retired_memory_comes_back() {
        let history = [version(1, "a", &[1], Superseded), version(2, "a", &[1, 2], Retired)];
        assert_eq!(undone(&history, &[2]), Ok(Some(("a".to_owned(), Current))));
        assert_eq!(undone(&history, &[1, 2]), Ok(None), "it is retired already");
        let undone_before = [version(1, "a", &[1], Superseded), version(2, "a", &[1], Retired)];
        assert_eq!(undone(&undone_before, &[1]), Ok(None));
    }

    #[test]
    fn undoing_goes_on_from_what_an_earlier_undoing_brought_back() {
        let history = [
            version(1, "a", &[1], Superseded),
            version(2, "b", &[1, 2], Superseded),
            version(3, "c", &[1, 2, 3], Superseded),
            version(4, "b", &[1, 2], Current),
        ];
        assert_eq!(undone(&history, &[2]), Ok(Some(("a".to_owned(), Current))));
        assert_eq!(undone(&history, &[3]), Ok(None));
        assert_eq!(undone(&history, &[1, 2]), Ok(Some(("a".to_owned(), Retired))));
    }

    #[test]
    fn what_the_host_vouched_for_stays() {
        let mut vouched = version(2, "a", &[1], Current);
        vouched.origin = crate::types::Origin::User;
        let mut first = version(1, "a", &[1], Superseded);
        first.origin = crate::types::Origin::Document;
        assert_eq!(undone(&[first, vouched], &[1]), Err(ChangedSince { memory: MemoryId(1) }));
    }
}
