//! Memories, turns and operations as lines of text for a person.
//!
//! Every stored text is made harmless here before it goes on. Nothing is printed.
//!
//! Rooms it touches: output, shapes.

use keepsake_core::Used;
use keepsake_core::bank::TurnOutcome;
use keepsake_core::decision::{Applied, Guard, Operation};
use keepsake_core::types::{Memory, MemoryState, Turn};

use crate::output::{harmless, listed};
use crate::shapes::{name, short};

/// `m17  2024-03-02 10:15  Maria: Maria adopted a dog named Buddy.`
pub(crate) fn memory(memory: &Memory) -> String {
    unit(&memory.id.to_string(), &short(memory.valid_from), &memory.speaker, &memory.text)
}

/// The same, with what has become of it where it does not hold.
pub(crate) fn memory_with_state(memory: &Memory) -> String {
    let state = match memory.state {
        MemoryState::Current => String::new(),
        state => format!(" ({})", name(state)),
    };
    self::memory(memory) + &state
}

/// A memory or turn in one line.
pub(crate) fn unit(id: &str, time: &str, speaker: &str, text: &str) -> String {
    format!("{id:<6} {time}  {}: {}", harmless(speaker), listed(text))
}

/// A memory or turn behind an answer.
pub(crate) fn used(used: &Used) -> String {
    unit(&used.unit.to_string(), &short(used.time), &used.speaker, &used.text)
}

/// A turn in one line, with its image.
pub(crate) fn turn(turn: &Turn) -> String {
    let image =
        turn.image.as_deref().map(|caption| format!(" [image: {}]", listed(caption))).unwrap_or_default();
    unit(&turn.id.to_string(), &short(turn.time), &turn.speaker, &turn.text) + &image
}

/// What became of a turn, a line for each operation.
pub(crate) fn outcome(outcome: Option<&TurnOutcome>) -> Vec<String> {
    match outcome {
        None => vec!["waits in the queue".to_owned()],
        Some(TurnOutcome::Failed { step, reason }) => {
            vec![format!("FAILED {} ({}); nothing was kept of this turn", name(step), name(reason))]
        }
        Some(TurnOutcome::Done(applied)) if applied.is_empty() => vec!["nothing to keep".to_owned()],
        Some(TurnOutcome::Done(applied)) => applied.iter().map(operation).collect(),
        Some(TurnOutcome::Undone(_)) => vec!["UNDONE; nothing of this turn is kept any more".to_owned()],
        Some(_) => vec!["an outcome this version does not know".to_owned()],
    }
}

/// `UPDATE m3 Maria has two dogs, Buddy and Scout. (merged: …)`
fn operation(applied: &Applied) -> String {
    let id = applied.memory.map(|id| format!(" {id}")).unwrap_or_default();
    // For NOOP the fact is what the person wants to see, not the memory that made it unnecessary.
    let (id, text) = match (applied.operation, &applied.text) {
        (Operation::Noop, _) | (_, None) => (String::new(), &applied.fact),
        (_, Some(text)) => (id, text),
    };
    let beside = applied.beside.map(|id| format!(" → {id} {}", listed(&applied.fact))).unwrap_or_default();
    let guard = applied.guard.map(|guard| format!(" ({})", why(guard, applied))).unwrap_or_default();
    format!("{}{id} {}{beside}{guard}", name(applied.operation), listed(text))
}

fn why(guard: Guard, applied: &Applied) -> String {
    let decided = applied.decided.map(name).unwrap_or_default();
    match guard {
        Guard::Ungrounded => "not kept: it says what the turn does not".to_owned(),
        Guard::AlreadyKnown => match applied.memory {
            Some(id) => format!("already known as {id}"),
            None => "already known".to_owned(),
        },
        Guard::Merged => "merged: the update would have dropped what still holds".to_owned(),
        Guard::KeptBeside => format!("kept beside: the {decided} would have lost what still holds"),
        Guard::NotKnown => "kept: no memory says this".to_owned(),
        Guard::OtherSubject => format!("kept beside: the {decided} was of a memory about somebody else"),
        Guard::Invented => "the fact's own words: the update brought what nobody said".to_owned(),
        Guard::NotContradicted => {
            format!("kept both: nothing contradicts what the {decided} would have retired")
        }
        Guard::Earlier => "kept both: it was said before what the memory says".to_owned(),
        Guard::Vouched => "now in the user's own words".to_owned(),
        Guard::Untrusted => {
            "quarantined: its origin may not change what the user stated; `keepsake confirm` makes it hold"
                .to_owned()
        }
        other => name(other),
    }
}

#[cfg(test)]
mod tests {
    use keepsake_core::bank::{FailReason, Step};
    use keepsake_core::types::MemoryId;

    use super::*;

    fn applied(operation: Operation, guard: Option<Guard>) -> Applied {
        Applied {
            fact: "Maria has a second dog named Scout.".into(),
            decided: Some(Operation::Update),
            operation,
            memory: Some(MemoryId(3)),
            text: Some("Maria has a dog named Buddy. \u{1b}[2J".into()),
            beside: None,
            guard,
        }
    }

    #[test]
    fn operations_say_what_was_done_and_why() {
        let line = |applied| outcome(Some(&TurnOutcome::Done(vec![applied]))).remove(0);
        assert_eq!(
            line(applied(Operation::Update, None)),
            r"UPDATE m3 Maria has a dog named Buddy. \u{1b}[2J"
        );
        assert!(
            line(applied(Operation::Update, Some(Guard::Merged)))
                .ends_with("(merged: the update would have dropped what still holds)")
        );
        let noop = line(applied(Operation::Noop, Some(Guard::AlreadyKnown)));
        assert_eq!(noop, "NOOP Maria has a second dog named Scout. (already known as m3)");
    }

    #[test]
    fn a_failure_is_never_shown_as_nothing_to_keep() {
        let failed = TurnOutcome::Failed { step: Step::Manage, reason: FailReason::UnknownId };
        assert_eq!(outcome(Some(&failed)), ["FAILED manage (unknown_id); nothing was kept of this turn"]);
        assert_eq!(outcome(Some(&TurnOutcome::Done(vec![]))), ["nothing to keep"]);
        assert_eq!(outcome(None), ["waits in the queue"]);
    }
}
