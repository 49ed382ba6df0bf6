//! Which units may be found at all.
//!
//! Rooms it touches: types, index.

use crate::index::{About, Units};
use crate::types::{Timestamp, UnitId};

/// What units must be to be found; the default accepts all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Memories, turns or both.
    pub kind: Kind,
    /// Said by somebody of exactly this name.
    pub speaker: Option<String>,
    /// Said, or holding from, no earlier than this, on the speaker's wall clock.
    pub from: Option<Timestamp>,
    /// Said, or holding from, no later than this, on the speaker's wall clock.
    pub until: Option<Timestamp>,
}

/// A kind of unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    #[default]
    Any,
    /// Memories that hold.
    Memory,
    /// Turns.
    Turn,
}

impl Filter {
    /// Whether a unit passes. A speaker who said nothing in this space lets nothing pass.
    pub(crate) fn of<'a>(&'a self, units: &Units) -> impl Fn(&About) -> bool + use<'a> {
        let speaker = self
            .speaker
            .as_ref()
            .map(|wanted| units.speakers().find(|(_, name)| name == wanted).map(|(speaker, _)| speaker));
        move |about| {
            let kind = match self.kind {
                Kind::Any => true,
                Kind::Memory => matches!(about.unit, UnitId::Memory(_)),
                Kind::Turn => matches!(about.unit, UnitId::Turn(_)),
            };
            kind && speaker.is_none_or(|speaker| speaker == Some(about.speaker))
                && self.from.is_none_or(|from| from <= about.time)
                && self.until.is_none_or(|until| about.time <= until)
        }
    }
}
