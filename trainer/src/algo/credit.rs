//! What a manager's operation earns: how much better questions are answered after it than after doing
//! nothing.
//!
//! It is a bandit of one step: all operations of a group start from the same bank, so that their credits can
//! be compared. It deliberately asks no question; the rewards of the answers come in.
//!
//! Rooms it touches: algo.

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::{BadSetting, within};

/// What an operation costs, whatever it does for the answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreditSettings {
    /// The cost of anything but NOOP. Default 0.01, a guess: it decides only between operations that answer
    /// equally well.
    pub operation: f64,
    /// The cost of each token that is written into memories. Default 5e-4, a guess: a memory of 20 tokens costs as
    /// much as an operation does. Of two ways to the same answers the one that writes less is better: what has
    /// ended is deleted, not kept as a text that says so. Deleting earns nothing: forgetting must not pay.
    pub writing: f64,
    /// The most that writing may cost. Default 0.05.
    pub writing_most: f64,
    /// The cost of a turn in which core had to correct a decision: an UPDATE of a memory about something else that became
    /// an ADD, say. Default 0.02, a guess: without it a manager learns to leave deciding to core, for the answers are the
    /// same.
    pub corrected: f64,
}

impl Default for CreditSettings {
    fn default() -> Self {
        Self { operation: 0.01, writing: 5e-4, writing_most: 0.05, corrected: 0.02 }
    }
}

impl CreditSettings {
    /// Checks the settings. All costs together stay at or below 0.1, so that one question more out of ten is
    /// worth any operation.
    pub fn check(&self) -> Result<(), BadSetting> {
        let good = |cost: f64| cost >= 0.0 && cost.is_finite();
        within("operation", self.operation, good(self.operation), "0 or more")?;
        within("writing", self.writing, good(self.writing), "0 or more")?;
        within("writing_most", self.writing_most, good(self.writing_most), "0 or more")?;
        within("corrected", self.corrected, good(self.corrected), "0 or more")?;
        let all = self.operation + self.writing_most + self.corrected;
        within("operation + writing_most + corrected", all, all <= 0.1, "at most 0.1")
    }
}

/// The rewards of the answers to one question: one that is tied to the turn, or an earlier one that has to
/// stay answerable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Asked of the bank after the operation.
    pub after: Option<f64>,
    /// Asked of the same bank after NOOP.
    pub noop: Option<f64>,
}

/// An operation, and what was asked because of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operation<'a> {
    /// Tied and earlier questions.
    pub asked: &'a [Asked],
    /// Whether it was NOOP.
    pub noop: bool,
    /// How many tokens it wrote into memories that were not in what it replaced.
    pub written: usize,
    /// Whether core had to correct it.
    pub corrected: bool,
}

/// What an operation earned: `answers − baseline − operation − writing − corrected`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Credit {
    /// The reward.
    pub total: f64,
    /// The mean reward of the answers after it.
    pub answers: f64,
    /// The mean reward of the answers after NOOP.
    pub baseline: f64,
    /// What doing anything cost.
    pub operation: f64,
    /// What writing cost.
    pub writing: f64,
    /// What being corrected cost.
    pub corrected: f64,
}

/// The credit of a manager's operation, over the questions that have a reward on both sides; none where no
/// question has.
///
/// Memory-R1 (arXiv 2508.19828) rewards the answer to the one question that is tied to the turn. Departures:
/// earlier questions count too, so that destroying a memory shows; what NOOP would have earned is taken off,
/// so that a question which was answerable anyway credits nobody; and costs break ties in favour of doing
/// and writing less.
pub fn manager_credit(operation: &Operation<'_>, settings: &CreditSettings) -> Option<Credit> {
    let (mut after, mut noop) = (Moments::default(), Moments::default());
    for asked in operation.asked {
        if let (Some(with), Some(without)) = (asked.after, asked.noop) {
            after.push(with);
            noop.push(without);
        }
    }
    let (answers, baseline) = (after.mean()?, noop.mean()?);
    let done = if operation.noop { 0.0 } else { settings.operation };
    let writing = (settings.writing * operation.written as f64).min(settings.writing_most);
    let corrected = if operation.corrected { settings.corrected } else { 0.0 };
    let total = answers - baseline - done - writing - corrected;
    Some(Credit { total, answers, baseline, operation: done, writing, corrected })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use super::{Asked, Credit, CreditSettings, Operation, manager_credit};
    use crate::algo::testing::assert_close;

    fn asked(after: f64, noop: f64) -> Asked {
        Asked { after: Some(after), noop: Some(noop) }
    }

    #[test]
    fn credit_is_the_table_worked_out_by_hand() {
        let settings = CreditSettings::default();
        let credit = |asked: &[Asked], noop, written| {
            manager_credit(&Operation { asked, noop, written, corrected: false }, &settings)
        };
        // One question won of two, 20 tokens: 1 − 1/2 − 0.01 − 0.01.
        let found = credit(&[asked(1.0, 0.0), asked(1.0, 1.0)], false, 20).unwrap();
        let Credit { total, answers, baseline, operation, writing, corrected } = found;
        assert_close(
            &[total, answers, baseline, operation, writing, corrected],
            &[0.48, 1.0, 0.5, 0.01, 0.01, 0.0],
            1e-12,
        );
        // An earlier question lost by deleting: 1/2 − 1 − 0.01.
        let found = credit(&[asked(1.0, 1.0), asked(0.0, 1.0)], false, 0).unwrap();
        assert_close(&[found.total, found.writing], &[-0.51, 0.0], 1e-12);
        // NOOP is the baseline.
        assert_eq!(credit(&[asked(0.5, 0.5)], true, 0).unwrap().total, 0.0);
        // Writing has a most.
        assert_close(&[credit(&[asked(1.0, 0.0)], false, 10_000).unwrap().total], &[0.94], 1e-12);
        // The same answers after a decision that core had to correct.
        let one = [asked(1.0, 0.0)];
        let found =
            manager_credit(&Operation { asked: &one, noop: false, written: 0, corrected: true }, &settings);
        assert_close(&[found.unwrap().total], &[0.97], 1e-12);
    }

    #[test]
    fn a_question_counts_only_if_both_sides_have_a_reward() {
        let one_sided = [Asked { after: Some(1.0), noop: None }, Asked { after: None, noop: Some(0.0) }];
        let operation = |asked| Operation { asked, noop: false, written: 0, corrected: false };
        let settings = CreditSettings::default();
        assert_eq!(manager_credit(&operation(&one_sided), &settings), None);
        assert_eq!(manager_credit(&operation(&[]), &settings), None);
        let with_one = [one_sided[0], asked(1.0, 0.5), one_sided[1]];
        let found = manager_credit(&operation(&with_one), &settings).unwrap();
        assert_close(&[found.total], &[0.49], 1e-12);
    }

    #[test]
    fn costs_stay_small() {
        assert_eq!(CreditSettings::default().check(), Ok(()));
        let dear = CreditSettings { writing_most: 0.2, ..CreditSettings::default() };
        assert_eq!(dear.check().unwrap_err().what, "operation + writing_most + corrected");
        let earning = CreditSettings { operation: -0.01, ..CreditSettings::default() };
        assert_eq!(earning.check().unwrap_err().what, "operation");
        assert_eq!(serde_json::from_str::<CreditSettings>("{}").unwrap(), CreditSettings::default());
    }
}
