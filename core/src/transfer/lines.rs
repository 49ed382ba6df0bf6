//! The lines of an export as serde sees them: every key is documented in `docs/export-format.md`.
//!
//! An unknown key is an error: most likely the document is of another version. Rooms it touches: types, decision,
//! bank.

use serde::{Deserialize, Serialize};

use crate::bank::{Kept, TurnOutcome};
use crate::types::{MAX_TURN_BYTES, Memory, MemoryState, NewTurn, Origin, SpaceId, Timestamp, Turn, TurnId};

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Turn(TurnLine),
    Memory(MemoryLine),
    Head(Head),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) keepsake_export: u32,
    pub(super) recorded: String,
    pub(super) next_turn: u64,
    pub(super) next_memory: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) turns: u64,
    pub(super) versions: u64,
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnLine {
    turn: String,
    space: String,
    session: String,
    speaker: String,
    time: String,
    recorded: String,
    origin: Origin,
    reference: Option<String>,
    text: String,
    image: Option<String>,
    /// None: the turn waits.
    outcome: Option<TurnOutcome>,
}

impl TurnLine {
    pub(super) fn of(turn: &Turn, outcome: Option<TurnOutcome>) -> Self {
        Self {
            turn: turn.id.to_string(),
            space: turn.space.to_string(),
            session: turn.session.clone(),
            speaker: turn.speaker.clone(),
            time: turn.time.to_string(),
            recorded: turn.recorded.to_string(),
            origin: turn.origin,
            reference: turn.reference.clone(),
            text: turn.text.clone(),
            image: turn.image.clone(),
            outcome,
        }
    }

    /// Checked as any turn from outside.
    pub(super) fn into_kept(self) -> Result<Kept, String> {
        let said = |error: crate::types::InvalidInput| error.to_string();
        let mut new = NewTurn::new(&self.speaker, &self.text, self.time.parse().map_err(said)?)
            .and_then(|new| new.in_session(&self.session))
            .map_err(said)?
            .in_space(SpaceId::new(&self.space).map_err(said)?)
            .from_origin(self.origin);
        if let Some(caption) = &self.image {
            new = new.with_image(caption).map_err(said)?;
        }
        if let Some(reference) = &self.reference {
            new = new.with_reference(reference).map_err(said)?;
        }
        let new = new.checked().map_err(said)?;
        let id: TurnId = self.turn.parse().map_err(said)?;
        let recorded = self.recorded.parse().map_err(said)?;
        Ok(Kept { turn: new.kept(id, recorded), outcome: self.outcome })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryLine {
    memory: String,
    version: u32,
    space: String,
    text: String,
    speaker: String,
    valid_from: String,
    recorded: String,
    origin: Origin,
    sources: Vec<String>,
    state: MemoryState,
}

impl MemoryLine {
    pub(super) fn of(memory: &Memory) -> Self {
        Self {
            memory: memory.id.to_string(),
            version: memory.version,
            space: memory.space.to_string(),
            text: memory.text.clone(),
            speaker: memory.speaker.clone(),
            valid_from: memory.valid_from.to_string(),
            recorded: memory.recorded.to_string(),
            origin: memory.origin,
            sources: memory.sources.iter().map(TurnId::to_string).collect(),
            state: memory.state,
        }
    }

    pub(super) fn into_memory(self) -> Result<Memory, String> {
        let said = |error: crate::types::InvalidInput| error.to_string();
        // A speaker is checked by the same rule as a turn's.
        let speaker = NewTurn::new(&self.speaker, "", Timestamp::from_seconds(0)).map_err(said)?.speaker;
        if self.text.len() > MAX_TURN_BYTES {
            return Err(format!("a memory of {} bytes", self.text.len()));
        }
        Ok(Memory {
            id: self.memory.parse().map_err(said)?,
            space: SpaceId::new(&self.space).map_err(said)?,
            version: self.version,
            text: self.text,
            speaker,
            valid_from: self.valid_from.parse().map_err(said)?,
            recorded: self.recorded.parse().map_err(said)?,
            origin: self.origin,
            sources: self.sources.iter().map(|turn| turn.parse()).collect::<Result<_, _>>().map_err(said)?,
            state: self.state,
        })
    }
}
