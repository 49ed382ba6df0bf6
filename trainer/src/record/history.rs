//! A run's log by value: each name's numbers over the steps, and what can be said of them.
//!
//! It says what a number is, never whether that is good, and draws nothing.
//!
//! Rooms it touches: lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lines::{self, LogLine};
use super::{LOG, RecordError};

/// Everything that a log holds.
#[derive(Debug, Default)]
pub(super) struct History {
    steps: BTreeSet<u64>,
    seconds: f64,
    series: BTreeMap<String, Series>,
}

/// The numbers of one value in the order they were logged.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    /// Step and number; `None` where it was not finite.
    pub(super) points: Vec<(u64, Option<f64>)>,
}

impl History {
    pub(super) fn read(folder: &Path) -> Result<Self, RecordError> {
        let path = folder.join(LOG);
        // A folder without a log is no run.
        std::fs::metadata(&path).map_err(RecordError::io("read", &path))?;
        let mut history = Self::default();
        for LogLine { step, seconds, values } in lines::read(&path)? {
            history.seconds = history.seconds.max(seconds);
            // The values of an evaluation make no step.
            if values.is_empty() || values.keys().any(|name| !name.starts_with("eval/")) {
                history.steps.insert(step);
            }
            for (name, value) in values {
                history.series.entry(name).or_default().points.push((step, value));
            }
        }
        Ok(history)
    }

    /// The steps that were recorded.
    pub(super) fn steps(&self) -> &BTreeSet<u64> {
        &self.steps
    }

    /// How long the run took.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// The numbers of a value, if any of them is finite.
    pub(super) fn series(&self, name: &str) -> Option<&Series> {
        self.series.get(name).filter(|series| series.finite().next().is_some())
    }

    /// Values that were not finite, by name: how many.
    pub(super) fn not_finite(&self) -> impl Iterator<Item = (&str, usize)> {
        let missing = |series: &Series| series.points.iter().filter(|(_, value)| value.is_none()).count();
        self.series
            .iter()
            .map(move |(name, series)| (name.as_str(), missing(series)))
            .filter(|(_, count)| *count > 0)
    }
}

impl Series {
    pub(super) fn finite(&self) -> impl DoubleEndedIterator<Item = (u64, f64)> {
        self.points.iter().filter_map(|(step, value)| Some((*step, (*value)?)))
    }

    pub(super) fn lowest(&self) -> Option<(u64, f64)> {
        self.finite().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The first of the highest.
    pub(super) fn highest(&self) -> Option<(u64, f64)> {
        self.finite().rev().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub(super) fn sum(&self) -> f64 {
        self.finite().map(|(_, value)| value).sum()
    }

    /// The mean of the last so many numbers.
    pub(super) fn mean_of_last(&self, count: usize) -> Option<f64> {
        mean(self.finite().rev().take(count).map(|(_, value)| value))
    }

    /// At each point, the mean of this many points around it, fewer at the ends: unlike an exponential mean
    /// it does not lag behind.
    pub(super) fn smoothed(&self, window: usize) -> Self {
        let half = window / 2;
        let around = |at: usize| {
            let points = &self.points[at.saturating_sub(half)..(at + half + 1).min(self.points.len())];
            mean(points.iter().filter_map(|(_, value)| *value))
        };
        Self { points: self.points.iter().enumerate().map(|(at, (step, _))| (*step, around(at))).collect() }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::super::LOG;
    use super::{History, Series};

    #[test]
    fn a_log_is_read_by_name_and_evaluations_are_no_steps() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"step\":0,\"seconds\":1,\"eval/a/reward\":0.5}\n{\"step\":0,\"seconds\":2,\"a\":null,\"b\":null}\n\
                    {\"step\":1,\"seconds\":3,\"a\":7}\n{\"step\":2,\"seconds\":4,\"eval/a/reward\":0.75}\n";
        std::fs::write(folder.path().join(LOG), text).unwrap();
        let history = History::read(folder.path()).unwrap();
        assert_eq!(history.steps().iter().copied().collect::<Vec<_>>(), [0, 1]);
        assert!((history.seconds() - 4.0).abs() < f64::EPSILON);
        assert_eq!(history.series("a").unwrap().points, [(0, None), (1, Some(7.0))]);
        assert_eq!(history.series("eval/a/reward").unwrap().points, [(0, Some(0.5)), (2, Some(0.75))]);
        assert!(history.series("b").is_none() && history.series("c").is_none());
        assert_eq!(history.names().collect::<Vec<_>>(), ["a", "b", "eval/a/reward"]);
        assert_eq!(history.not_finite().collect::<Vec<_>>(), [("a", 1), ("b", 1)]);
    }

    #[test]
    fn a_folder_without_a_log_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let error = History::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("log.jsonl cannot be read: "), "{error}");
    }

    #[test]
    fn what_is_said_of_a_series_leaves_out_what_is_not_finite() {
        let numbers = [Some(1.0), Some(4.0), None, Some(4.0), Some(-2.0)];
        let series = Series { points: (10..).zip(numbers).collect() };
        assert_eq!((series.lowest(), series.highest()), (Some((14, -2.0)), Some((11, 4.0))));
        assert_eq!(
            (series.sum(), series.mean_of_last(2), series.mean_of_last(9)),
            (7.0, Some(1.0), Some(1.75))
        );
        // Of 1 4; 1 4; 4 4; 4 −2; 4 −2.
        let means = [2.5, 2.5, 4.0, 1.0, 1.0].map(Some);
        assert_eq!(series.smoothed(3).points, (10..).zip(means).collect::<Vec<_>>());
        assert_eq!(Series::default().mean_of_last(3), None);
    }
}
