//! How far an evaluation is, and how long it will still take: each kind of work has its own pace.
//!
//! Rooms it touches: record (progress, numbers), evaluate (systems).

use std::collections::BTreeMap;
use std::time::Duration;

use super::systems::Builder;
use crate::record::Progress;
use crate::record::numbers::duration;

/// Work of one kind.
#[derive(Debug, Default, Clone, Copy)]
struct Pace {
    left: usize,
    done: usize,
    seconds: f64,
}

/// Work of all kinds.
pub(super) struct Course {
    kinds: BTreeMap<String, Pace>,
    done: u64,
    all: u64,
    progress: Progress,
}

impl Course {
    /// Of so many pieces of each kind.
    pub(super) fn new(kinds: BTreeMap<String, usize>) -> Self {
        let all = kinds.values().sum::<usize>() as u64;
        let pace = |left| Pace { left, ..Pace::default() };
        let kinds = kinds.into_iter().map(|(name, left)| (name, pace(left))).collect();
        Self { kinds, done: 0, all, progress: Progress::of_pieces(all) }
    }

    /// The kind of work that builds a bank.
    pub(super) fn building(builder: Builder) -> String {
        format!("turns for {builder}")
    }

    /// A turn was worked.
    pub(super) fn turn(&mut self, builder: Builder, took: Duration) {
        self.piece(&Self::building(builder), took);
    }

    /// Turns that an earlier run worked.
    pub(super) fn turns_done_before(&mut self, builder: Builder, turns: usize) {
        self.before(&Self::building(builder), turns);
    }

    /// Pieces that an earlier run made.
    pub(super) fn before(&mut self, kind: &str, pieces: usize) {
        let pace = self.kinds.entry(kind.to_owned()).or_default();
        let pieces = pieces.min(pace.left);
        pace.left -= pieces;
        self.done += pieces as u64;
    }

    /// A piece is done.
    pub(super) fn piece(&mut self, kind: &str, took: Duration) {
        let pace = self.kinds.entry(kind.to_owned()).or_default();
        pace.left = pace.left.saturating_sub(1);
        pace.done += 1;
        pace.seconds += took.as_secs_f64();
        self.done += 1;
        let left = left(self.kinds.values())
            .map_or_else(String::new, |left| format!(", about {} left", duration(left)));
        let text = format!("{} of {} pieces ({kind}){left}", self.done, self.all);
        self.progress.at(self.done, &text);
    }

    /// A line for the person.
    pub(super) fn say(&self, text: &str) {
        self.progress.say(text);
    }
}

/// Seconds that are left, each kind at its own pace, and one that has not begun at the mean of the others. `None` where
/// nothing was done or nothing is left.
fn left<'a>(kinds: impl Iterator<Item = &'a Pace> + Clone) -> Option<f64> {
    let (done, seconds) =
        kinds.clone().fold((0, 0.0), |(done, seconds), pace| (done + pace.done, seconds + pace.seconds));
    let mean = (done > 0).then(|| seconds / done as f64)?;
    let each = |pace: &Pace| if pace.done > 0 { pace.seconds / pace.done as f64 } else { mean };
    let left: f64 = kinds.map(|pace| pace.left as f64 * each(pace)).sum();
    (left > 0.0).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::{Pace, left};

    #[test]
    fn each_kind_has_its_own_pace() {
        let pace = |left, done, seconds| Pace { left, done, seconds };
        // 10 at 2 s, and 4 of which none is done at the mean of 25 s for 10.
        let found = left([pace(10, 5, 10.0), pace(0, 5, 15.0), pace(4, 0, 0.0)].iter()).unwrap();
        assert!((found - 30.0).abs() < 1e-9, "{found}");
        assert_eq!(left([pace(4, 0, 0.0)].iter()), None);
        assert_eq!(left([pace(0, 4, 1.0)].iter()), None);
    }
}
