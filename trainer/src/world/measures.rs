//! What a manager did against what it should have done: operations, targets, fragmentation, and the bank that came of it.
//!
//! Pure functions. What was decided counts for operations and targets, what was applied for fragmentation and the bank,
//! so that what core's guards repair is seen. Rooms it touches: world (reader, story); of core: decision.

use std::collections::BTreeMap;

use keepsake_core::decision::{Applied, Guard, Operation};

use super::reader::values;
use super::story::{Gold, GoldFact, GoldTurn, Story};

/// What was done with one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What the manager said; NOOP where core knew the fact and asked nobody. `None` where nobody was asked because the
    /// fact is none of the turn's: that is nobody's right decision.
    pub decided: Option<Operation>,
    /// What became of it.
    pub applied: Operation,
    /// The text that the touched memory had before, where there was one.
    pub target: Option<String>,
    /// Whether a memory was made for the fact, alone or beside a retired one.
    pub made: bool,
}

impl Done {
    /// From what the pipeline reports; `before` gives the text that a memory had before the turn.
    pub fn new(applied: &Applied, before: impl FnOnce(&Applied) -> Option<String>) -> Self {
        let touches = matches!(applied.operation, Operation::Update | Operation::Delete);
        Self {
            decided: applied
                .decided
                .or_else(|| (applied.guard == Some(Guard::AlreadyKnown)).then_some(Operation::Noop)),
            applied: applied.operation,
            target: if touches { before(applied) } else { None },
            made: applied.operation == Operation::Add || applied.beside.is_some(),
        }
    }
}

/// Counts over facts. Adds up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operations {
    /// Facts with gold.
    pub facts: usize,
    /// Of these, whose decided operation is gold.
    pub right: usize,
    /// Of these, whose applied operation is gold: what core's guards corrected counts as it became.
    pub became: usize,
    /// Facts whose gold is an UPDATE, that were updated, and that were so in the right memory.
    pub updates: Targets,
    /// The same of DELETE.
    pub deletes: Targets,
    /// Of the facts whose gold is an UPDATE, those for which a memory was made instead: with the old one retired, or
    /// kept beside.
    pub fragmented: Fragments,
}

/// How often an operation met its memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets {
    /// Facts whose gold it is.
    pub gold: usize,
    /// Of these, for which it was applied.
    pub applied: usize,
    /// Of these, to the memory that gold names.
    pub right: usize,
}

/// A memory in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragments {
    /// DELETE and ADD.
    pub replaced: usize,
    /// ADD alone: what was there before stays as it is.
    pub beside: usize,
}

impl Operations {
    /// Counts one fact; `None` where the turn gave no such fact. `old` is the text of the memory that gold names, before.
    pub fn count(&mut self, gold: &Gold, old: Option<&str>, done: Option<&Done>) {
        self.facts += 1;
        let operation = operation(gold);
        self.right += usize::from(done.is_some_and(|done| done.decided == Some(operation)));
        self.became +=
            usize::from(done.is_some_and(|done| done.decided.is_some() && done.applied == operation));
        let targets = match gold {
            Gold::Update { .. } => &mut self.updates,
            Gold::Delete { .. } => &mut self.deletes,
            Gold::Add | Gold::Noop => return,
        };
        targets.gold += 1;
        let Some(done) = done else { return };
        if done.applied == operation {
            targets.applied += 1;
            targets.right += usize::from(done.target.as_deref() == old);
        }
        if operation == Operation::Update && done.made {
            let replaced = done.applied == Operation::Delete;
            self.fragmented.replaced += usize::from(replaced);
            self.fragmented.beside += usize::from(!replaced);
        }
    }

    /// The part of all facts whose decided operation is gold; 1 where there are none.
    pub fn accuracy(&self) -> f64 {
        part(self.right, self.facts)
    }

    /// The part of all facts whose applied operation is gold; 1 where there are none.
    pub fn applied_accuracy(&self) -> f64 {
        part(self.became, self.facts)
    }

    /// The part of all gold UPDATEs that were split up.
    pub fn fragmentation(&self) -> f64 {
        let pieces = self.fragmented.replaced + self.fragmented.beside;
        if self.updates.gold == 0 { 0.0 } else { part(pieces, self.updates.gold) }
    }
}

impl Targets {
    /// The part of all such gold operations that met their memory; 1 where there are none.
    pub fn accuracy(&self) -> f64 {
        part(self.right, self.gold)
    }
}

impl std::ops::AddAssign for Operations {
    fn add_assign(&mut self, other: Self) {
        self.facts += other.facts;
        self.right += other.right;
        self.became += other.became;
        for (mine, others) in [(&mut self.updates, other.updates), (&mut self.deletes, other.deletes)] {
            mine.gold += others.gold;
            mine.applied += others.applied;
            mine.right += others.right;
        }
        self.fragmented.replaced += other.fragmented.replaced;
        self.fragmented.beside += other.fragmented.beside;
    }
}

/// The operation of gold.
pub fn operation(gold: &Gold) -> Operation {
    match gold {
        Gold::Add => Operation::Add,
        Gold::Update { .. } => Operation::Update,
        Gold::Delete { .. } => Operation::Delete,
        Gold::Noop => Operation::Noop,
    }
}

/// Pairs the facts of a turn with what was done, by what is the same in both: the fact's words, or else, where a manager
/// was given other facts, their order.
pub fn pair<'a>(turn: &'a GoldTurn, applied: &'a [Applied]) -> Vec<(&'a GoldFact, Option<&'a Applied>)> {
    let mut left: Vec<Option<&Applied>> = applied.iter().map(Some).collect();
    let mut pairs: Vec<(&GoldFact, Option<&Applied>)> = Vec::new();
    for fact in &turn.facts {
        let same = left.iter().position(|one| one.is_some_and(|one| one.fact == fact.text));
        pairs.push((fact, same.and_then(|at| left[at].take())));
    }
    for (_, done) in pairs.iter_mut().filter(|(_, done)| done.is_none()) {
        *done = left.iter_mut().find_map(Option::take);
    }
    pairs
}

/// How much of what should be known is, and how much of what is known should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BankScore {
    /// The part of what the bank says that is gold.
    pub precision: f64,
    /// The part of gold that the bank says.
    pub recall: f64,
}

impl BankScore {
    /// The harmonic mean; 0 where either is.
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 { 2.0 * self.precision * self.recall / sum } else { 0.0 }
    }
}

/// Compares a bank with gold after a turn, by what its texts say: whose attribute has which value. What is said twice
/// counts as too much once; so does a memory that says nothing of the story at all.
pub fn bank_score(story: &Story, turn: usize, memories: &[&str]) -> BankScore {
    let (gold, _) = said(story, &story.turns[turn].texts());
    let (given, idle) = said(story, memories);
    let both: usize =
        gold.iter().map(|(what, count)| (*count).min(given.get(what).copied().unwrap_or_default())).sum();
    let count = |said: &BTreeMap<(usize, String), usize>| said.values().sum::<usize>();
    BankScore { precision: part(both, count(&given) + idle), recall: part(both, count(&gold)) }
}

/// How often which attribute is said to have which value, and how many memories say nothing of the kind.
fn said(story: &Story, memories: &[&str]) -> (BTreeMap<(usize, String), usize>, usize) {
    let (mut said, mut idle) = (BTreeMap::new(), 0);
    for memory in memories {
        let mut any = false;
        for (slot, about) in story.slots.iter().enumerate() {
            for value in values(about, memory) {
                *said.entry((slot, value)).or_insert(0) += 1;
                any = true;
            }
        }
        idle += usize::from(!any);
    }
    (said, idle)
}

fn part(some: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { some as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::{Split, WorldSettings};
    use super::*;

    #[test]
    fn a_fact_that_was_dropped_unasked_is_no_right_decision() {
        let unasked = |guard| {
            let applied = Applied {
                fact: "Tom is a king.".into(),
                decided: None,
                operation: Operation::Noop,
                memory: None,
                text: None,
                beside: None,
                guard: Some(guard),
            };
            let mut counts = Operations::default();
            counts.count(&Gold::Noop, None, Some(&Done::new(&applied, |_| None)));
            counts.right
        };
        assert_eq!((unasked(Guard::AlreadyKnown), unasked(Guard::Ungrounded)), (1, 0));
    }

    fn done(decided: Operation, applied: Operation, target: Option<&str>, made: bool) -> Done {
        Done { decided: Some(decided), applied, target: target.map(str::to_owned), made }
    }

    #[test]
    fn operations_targets_and_fragments_are_counted_apart() {
        use Operation::{Add, Delete, Noop, Update};
        let update = Gold::Update { memory: 0, text: "new".into() };
        let delete = Gold::Delete { memory: 0 };
        let mut counted = Operations::default();
        // Right; the wrong memory; split up in two ways; a guard repaired it; no such fact.
        counted.count(&update, Some("old"), Some(&done(Update, Update, Some("old"), false)));
        counted.count(&update, Some("old"), Some(&done(Update, Update, Some("other"), false)));
        counted.count(&update, Some("old"), Some(&done(Delete, Delete, Some("old"), true)));
        counted.count(&update, Some("old"), Some(&done(Add, Add, None, true)));
        counted.count(&delete, Some("old"), Some(&done(Delete, Add, None, true)));
        counted.count(&delete, Some("old"), Some(&done(Delete, Delete, Some("old"), false)));
        counted.count(&Gold::Noop, None, Some(&done(Noop, Noop, None, false)));
        counted.count(&Gold::Add, None, None);
        assert_eq!((counted.facts, counted.right), (8, 5));
        assert_eq!(counted.updates, Targets { gold: 4, applied: 2, right: 1 });
        assert_eq!(counted.deletes, Targets { gold: 2, applied: 1, right: 1 });
        assert_eq!(counted.fragmented, Fragments { replaced: 1, beside: 1 });
        assert!((counted.fragmentation() - 0.5).abs() < 1e-9 && (counted.accuracy() - 0.625).abs() < 1e-9);
        let mut twice = counted;
        twice += counted;
        assert_eq!((twice.facts, twice.updates.gold, twice.fragmented.beside), (16, 8, 2));
    }

    #[test]
    fn the_gold_bank_is_right_and_every_departure_costs() {
        let story = Story::new(3, &WorldSettings { split: Split::Train, ..WorldSettings::default() });
        let last = story.turns.len() - 1;
        let gold = story.turns[last].texts();
        let score = |memories: &[&str]| bank_score(&story, last, memories);
        let whole = score(&gold);
        assert!(whole.f1() > 0.999, "{whole:?}");
        let less = score(&gold[1..]);
        assert!(less.recall < 1.0 && less.precision > 0.999, "{less:?}");
        let twice: Vec<&str> = gold.iter().chain(&gold[..1]).copied().collect();
        assert!(score(&twice).precision < 1.0 && score(&twice).recall > 0.999);
        let idle: Vec<&str> = gold.iter().chain(&["The sky is blue."]).copied().collect();
        assert!(score(&idle).precision < 1.0);
        assert!(score(&[]).f1() < 1e-9);
    }
}
