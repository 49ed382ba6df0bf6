//! What a model decided, and the only door through which a decision reaches the bank.
//!
//! A [`Decision`] is a model's reply, parsed and nothing more: it speaks of labels, the places of memories
//! in the list that was shown. [`Shown::ratify`] turns it into a [`Ratified`], which only this file
//! can make and which names only memories that were shown. Whether applying it is wise is judged
//! afterwards, in the pipeline's guard.
//!
//! Rooms it touches: types.

use serde::{Deserialize, Serialize};

use crate::types::{Memory, MemoryId};

/// The four operations of Memory-R1 (arXiv 2508.19828, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new memory.
    Add,
    /// A new version of a memory that was shown.
    Update,
    /// A memory that was shown no longer holds.
    Delete,
    /// Nothing to do.
    Noop,
}

/// A model's reply to "what should be done with this fact?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Keep the fact as a new memory.
    Add,
    /// Give the memory under this label a new text.
    Update {
        /// Label, from 1.
        label: usize,
        /// The new text.
        text: String,
    },
    /// Retire the memory under this label.
    Delete {
        /// Label, from 1.
        label: usize,
    },
    /// Nothing.
    Noop,
}

impl Decision {
    /// Which operation it is.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Add => Operation::Add,
            Self::Update { .. } => Operation::Update,
            Self::Delete { .. } => Operation::Delete,
            Self::Noop => Operation::Noop,
        }
    }
}

/// The memories a manager was shown for one fact; the first has label 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown(Vec<Memory>);

impl Shown {
    /// Shows these, in this order.
    pub fn new(memories: Vec<Memory>) -> Self {
        Self(memories)
    }

    /// The memories, label 1 first.
    pub fn memories(&self) -> &[Memory] {
        &self.0
    }

    /// Accepts a decision if every memory it names was shown.
    pub fn ratify(&self, decision: Decision) -> Result<Ratified, NotShown> {
        let at = |label: usize| {
            label.checked_sub(1).and_then(|index| self.0.get(index)).cloned().ok_or(NotShown { label })
        };
        Ok(Ratified(match decision {
            Decision::Add => Ruling::Add,
            Decision::Update { label, text } => Ruling::Update { old: at(label)?, text },
            Decision::Delete { label } => Ruling::Delete { old: at(label)? },
            Decision::Noop => Ruling::Noop,
        }))
    }
}

/// A decision named a memory that was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply names a memory that was not shown")]
pub struct NotShown {
    /// The label it named.
    pub label: usize,
}

/// A decision every id of which was shown. Only [`Shown::ratify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratified(Ruling);

impl Ratified {
    /// What was ruled.
    pub fn ruling(&self) -> &Ruling {
        &self.0
    }

    /// The memory that is to be changed or retired.
    pub fn names(&self) -> Option<&Memory> {
        match &self.0 {
            Ruling::Update { old, .. } | Ruling::Delete { old } => Some(old),
            Ruling::Add | Ruling::Noop => None,
        }
    }
}

/// The content of a [`Ratified`] decision: labels have become memories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Keep the fact as a new memory.
    Add,
    /// Give `old` a new text.
    Update {
        /// The memory as it was shown.
        old: Memory,
        /// The new text.
        text: String,
    },
    /// Retire `old`.
    Delete {
        /// The memory as it was shown.
        old: Memory,
    },
    /// Nothing.
    Noop,
}

/// What was done with one fact: part of a turn's record and of its receipt. Shows the person what was
/// decided, by whom, and where the engine did something else than the model said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The fact.
    pub fact: String,
    /// What the model said; `None` where the engine did not need to ask it.
    pub decided: Option<Operation>,
    /// What was done.
    pub operation: Operation,
    /// The memory that was made, changed or retired.
    pub memory: Option<MemoryId>,
    /// Its text afterwards, or the text that was retired.
    pub text: Option<String>,
    /// The memory that keeps the fact beside a retired one.
    pub beside: Option<MemoryId>,
    /// Why the engine departed from what the model said.
    pub guard: Option<Guard>,
}

/// Why the engine did not apply a decision as it was, or decided by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Guard {
    /// The fact says what its turn, and what was said just before it, does not: nothing was written.
    Ungrounded,
    /// The bank already says this: nothing to do.
    AlreadyKnown,
    /// No memory that was shown says this, although the model found that one does: it was kept.
    NotKnown,
    /// The new text dropped something that still holds: both texts were joined.
    Merged,
    /// Joining would have made an overlong or muddled memory: the fact was kept as a memory of its own.
    KeptBeside,
    /// The memory that was to be changed is about somebody else: the fact was kept as a memory of its own.
    OtherSubject,
    /// The new text brought names, numbers, dates or other words that neither the old one nor the fact has: the fact's
    /// own words were used.
    Invented,
    /// Nothing in the fact contradicts the memory that was to be retired: both were kept.
    NotContradicted,
    /// The fact's origin may not touch what the user stated: it is quarantined until the host confirms it.
    Untrusted,
    /// The fact was said before what the memory was taken from, so that it cannot contradict it: both were kept.
    Earlier,
    /// What only a less trusted origin had said is now said by this one: the memory is its from now on.
    Vouched,
}

impl Guard {
    /// The word used in records and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ungrounded => "ungrounded",
            Self::AlreadyKnown => "already_known",
            Self::NotKnown => "not_known",
            Self::Merged => "merged",
            Self::KeptBeside => "kept_beside",
            Self::OtherSubject => "other_subject",
            Self::Invented => "invented",
            Self::NotContradicted => "not_contradicted",
            Self::Untrusted => "untrusted",
            Self::Earlier => "earlier",
            Self::Vouched => "vouched",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::memory;

    #[test]
    fn only_labels_that_were_shown_are_ratified() {
        let shown = Shown::new(vec![memory(7, "has a dog named Buddy"), memory(9, "lives in Leeds")]);
        let ratified = shown.ratify(Decision::Delete { label: 2 }).unwrap();
        assert_eq!(ratified.ruling(), &Ruling::Delete { old: memory(9, "lives in Leeds") });
        for label in [0, 3, usize::MAX] {
            assert_eq!(shown.ratify(Decision::Delete { label }), Err(NotShown { label }));
            let update = Decision::Update { label, text: "x".into() };
            assert_eq!(shown.ratify(update), Err(NotShown { label }));
        }
        assert_eq!(Shown::default().ratify(Decision::Noop).unwrap().ruling(), &Ruling::Noop);
    }
}
