//! The units of one space in a table: what ranking goes by beside words and vectors.
//!
//! A unit keeps its place (a slot) for as long as it is in; places of units that left are given again. Turns of
//! a session stand in a chain, in the order they came. Texts are not kept.
//!
//! Rooms it touches: types, when.

use std::collections::HashMap;

use crate::types::{Memory, Timestamp, Turn, TurnId, UnitId};
use crate::when;

/// A place in the table.
pub(crate) type Slot = u32;
/// No place: the end of a chain.
const NONE: Slot = Slot::MAX;

/// What is known of a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct About {
    /// Which it is.
    pub(crate) unit: UnitId,
    /// Who said it.
    pub(crate) speaker: Speaker,
    /// When, on the speaker's wall clock.
    pub(crate) time: Timestamp,
    /// Length of what was said, in bytes.
    pub(crate) bytes: u32,
    /// Whether it ends as a question.
    pub(crate) asks: bool,
    /// Whether it says when something was or will be.
    pub(crate) dated: bool,
    /// The turns a memory was taken from.
    pub(crate) sources: Box<[TurnId]>,
}

/// A number for everybody of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Speaker(u32);

/// All units of a space.
#[derive(Default)]
pub(crate) struct Units {
    slots: Vec<Option<Linked>>,
    free: Vec<Slot>,
    slot_of: HashMap<UnitId, Slot>,
    /// The last turn of every session.
    last: HashMap<String, Slot>,
    speakers: Vec<String>,
    speaker_of: HashMap<String, Speaker>,
}

struct Linked {
    about: About,
    before: Slot,
    after: Slot,
}

impl Units {
    /// Puts the next turn of its session in.
    pub(super) fn add_turn(&mut self, turn: &Turn) -> Slot {
        let about = About {
            unit: UnitId::Turn(turn.id),
            speaker: self.speaker(&turn.speaker),
            time: turn.time,
            bytes: bytes(&turn.text) + turn.image.as_deref().map_or(0, bytes),
            asks: asks(&turn.text),
            dated: dated(&turn.text, turn.time),
            sources: Box::default(),
        };
        let slot = self.put(about);
        if let Some(before) = self.last.insert(turn.session.clone(), slot) {
            self.linked(before).after = slot;
            self.linked(slot).before = before;
        }
        slot
    }

    /// Puts a memory in, or its new version in its place.
    pub(super) fn put_memory(&mut self, memory: &Memory) -> Slot {
        let about = About {
            unit: UnitId::Memory(memory.id),
            speaker: self.speaker(&memory.speaker),
            time: memory.valid_from,
            bytes: bytes(&memory.text),
            asks: asks(&memory.text),
            dated: dated(&memory.text, memory.valid_from),
            sources: memory.sources.as_slice().into(),
        };
        self.put(about)
    }

    /// Takes a memory out: the place it had. Turns stay until the whole table goes.
    pub(super) fn remove_memory(&mut self, unit: UnitId) -> Option<Slot> {
        debug_assert!(unit.memory().is_some(), "a turn is part of a chain");
        let slot = self.slot_of.remove(&unit)?;
        self.slots[slot as usize] = None;
        self.free.push(slot);
        Some(slot)
    }

    fn put(&mut self, about: About) -> Slot {
        let unit = about.unit;
        let slot = self.slot_of.get(&unit).copied().or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as Slot
        });
        self.slots[slot as usize] = Some(Linked { about, before: NONE, after: NONE });
        self.slot_of.insert(unit, slot);
        slot
    }

    fn speaker(&mut self, name: &str) -> Speaker {
        if let Some(known) = self.speaker_of.get(name) {
            return *known;
        }
        let speaker = Speaker(self.speakers.len() as u32);
        self.speakers.push(name.to_owned());
        self.speaker_of.insert(name.to_owned(), speaker);
        speaker
    }

    /// Everybody who said something, by their numbers.
    pub(crate) fn speakers(&self) -> impl Iterator<Item = (Speaker, &str)> {
        self.speakers.iter().enumerate().map(|(number, name)| (Speaker(number as u32), name.as_str()))
    }

    /// The place of a unit.
    pub(crate) fn slot(&self, unit: UnitId) -> Option<Slot> {
        self.slot_of.get(&unit).copied()
    }

    /// What is known of the unit at a place, where there is one.
    pub(crate) fn about(&self, slot: Slot) -> Option<&About> {
        self.slots.get(slot as usize)?.as_ref().map(|linked| &linked.about)
    }

    /// Every unit with its place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &About)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(slot, linked)| Some((slot as Slot, &linked.as_ref()?.about)))
    }

    /// A unit and up to `reach` turns of its session on either side, with their offsets: those before it at −1, −2 and so
    /// on.
    pub(crate) fn around(&self, slot: Slot, reach: usize) -> impl Iterator<Item = (isize, Slot)> {
        let step = move |sign: isize, next: fn(&Linked) -> Slot| {
            let follow = move |at: &Slot| self.slots.get(*at as usize)?.as_ref().map(next);
            std::iter::successors(Some(slot), follow)
                .zip(0_isize..)
                .skip(1)
                .take(reach)
                .take_while(|(slot, _)| *slot != NONE)
                .map(move |(slot, distance)| (sign * distance, slot))
        };
        std::iter::once((0, slot))
            .chain(step(-1, |linked| linked.before))
            .chain(step(1, |linked| linked.after))
    }

    pub(super) fn len(&self) -> usize {
        self.slot_of.len()
    }

    pub(super) fn contains(&self, unit: UnitId) -> bool {
        self.slot_of.contains_key(&unit)
    }

    fn linked(&mut self, slot: Slot) -> &mut Linked {
        self.slots[slot as usize].as_mut().expect("a chain holds only turns, and turns stay")
    }
}

fn bytes(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn asks(text: &str) -> bool {
    text.trim_end().ends_with(['?', '？', '؟'])
}

fn dated(text: &str, at: Timestamp) -> bool {
    !when::spans(text, Some(at)).is_empty()
}

#[cfg(test)]
pub(super) mod samples {
    use crate::types::{Memory, MemoryId, MemoryState, Origin, SpaceId, Timestamp, Turn, TurnId};

    /// A turn of the first of January 1970, said by Ana.
    pub(crate) fn turn(id: u64, session: &str, text: &str) -> Turn {
        Turn {
            id: TurnId(id),
            space: SpaceId::default(),
            session: session.to_owned(),
            speaker: "Ana".to_owned(),
            text: text.to_owned(),
            image: None,
            time: Timestamp::from_seconds(0),
            recorded: Timestamp::from_seconds(0),
            origin: Origin::User,
            reference: None,
        }
    }

    /// The first version of a memory of the same day, said by Ana.
    pub(crate) fn memory(id: u64, text: &str) -> Memory {
        Memory {
            id: MemoryId(id),
            space: SpaceId::default(),
            version: 1,
            text: text.to_owned(),
            speaker: "Ana".to_owned(),
            valid_from: Timestamp::from_seconds(0),
            recorded: Timestamp::from_seconds(0),
            origin: Origin::User,
            sources: Vec::new(),
            state: MemoryState::Current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{memory, turn};
    use super::*;
    use crate::types::MemoryId;

    #[test]
    fn turns_of_a_session_are_neighbours_whatever_comes_between() {
        let mut units = Units::default();
        let a: Vec<Slot> = (0..8)
            .map(|id| {
                units.put_memory(&memory(id, "between"));
                units.add_turn(&turn(2 * id + 1, "b", "other"));
                units.add_turn(&turn(2 * id, "a", "word"))
            })
            .collect();
        let near: Vec<(isize, Slot)> = units.around(a[3], 2).collect();
        assert_eq!(near, [(0, a[3]), (-1, a[2]), (-2, a[1]), (1, a[4]), (2, a[5])]);
        assert_eq!(units.around(a[0], 2).collect::<Vec<_>>(), [(0, a[0]), (1, a[1]), (2, a[2])]);
        let memory = units.slot(UnitId::Memory(MemoryId(1))).unwrap();
        assert_eq!(units.around(memory, 2).collect::<Vec<_>>(), [(0, memory)]);
    }

    #[test]
    fn a_place_is_given_again_and_a_new_version_keeps_its_own() {
        let mut units = Units::default();
        let first = units.put_memory(&memory(1, "a"));
        assert_eq!(units.put_memory(&memory(1, "is it b?")), first);
        assert!(units.about(first).unwrap().asks && !units.about(first).unwrap().dated);
        assert_eq!(units.remove_memory(UnitId::Memory(MemoryId(1))), Some(first));
        assert_eq!(units.remove_memory(UnitId::Memory(MemoryId(1))), None);
        assert!(units.about(first).is_none() && units.len() == 0);
        assert_eq!(units.add_turn(&turn(1, "a", "b")), first);
        assert_eq!(units.iter().count(), 1);
    }
}
