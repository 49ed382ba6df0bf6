//! The report of an evaluation: every item's values, and what they come to for each system, with intervals.
//!
//! One shape for questions, turns, stories and conversations: an item has a category and, for each system, values with
//! weights. `report.json` holds no text of a conversation, question or answer, so that it may be passed on where the data
//! may not; `answers.jsonl` beside it does.
//!
//! Rooms it touches: evaluate (journal, material, measure, stats, banks); dialogues (recall); of core: engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use keepsake_core::device_clock;
use keepsake_dialogues::recall::Recall;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::banks::Cost;
use super::material::LeftOut;
use super::measure::Values;
use super::stats::{Sample, interval, quantile};
use super::{EvaluateError, Plan, pictures, table};
use crate::record::{RecordError, files};

/// What `report.json` says it is.
pub const SCHEMA: &str = "keepsake.evaluation/1";
/// The group of all items.
pub const OVERALL: &str = "overall";

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its shape.
    pub schema: String,
    /// What was evaluated: `qa`, `end-to-end` or `operations`.
    pub what: String,
    /// When it was written, UTC.
    pub made: String,
    /// Model, data, machine, limits.
    pub settings: Value,
    /// Draws for each interval, and what they came from.
    pub resamples: usize,
    /// The seed.
    pub seed: u64,
    /// Who judged, if anybody.
    pub judge: Option<String>,
    /// What the figures are over.
    pub items: Vec<Item>,
    /// The systems, in the order of tables.
    pub systems: Vec<SystemReport>,
    /// How much does not count, by why.
    pub left_out: BTreeMap<String, usize>,
    /// The same, each.
    pub left_out_each: Vec<LeftOut>,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// A question, turn, story or conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// What kind it is.
    pub category: String,
    /// Names what was asked, with its gold: two reports are of the same item where it is the same.
    pub fingerprint: String,
    /// Values with weights, by system and metric.
    pub values: BTreeMap<String, Values>,
}

/// What a system came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemReport {
    /// Its name.
    pub name: String,
    /// By category, and over all items, the metrics.
    pub groups: BTreeMap<String, BTreeMap<String, Summary>>,
    /// Answers that were none, by why; each counts as an empty one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nothing: BTreeMap<String, usize>,
    /// Questions that broke, by why; they do not count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, usize>,
    /// What building the banks took, all conversations together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<Cost>,
    /// What the banks are like, over conversations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub banks: BTreeMap<String, Summary>,
    /// Evidence among the first units that were retrieved, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Value>,
}

/// A metric over items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many items have a value that weighs anything.
    pub n: usize,
    /// The weighted mean.
    pub mean: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The median of the items' values.
    pub p50: f64,
    /// The value that 95 of 100 items stay below.
    pub p95: f64,
}

/// What a metric comes to; `None` where no value weighs anything.
pub fn summary(samples: &[Sample], resamples: usize, seed: u64) -> Option<Summary> {
    let samples: Vec<Sample> = samples.iter().copied().filter(|sample| sample.weight > 0.0).collect();
    let found = interval(&samples, resamples, seed)?;
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    Some(Summary {
        n: samples.len(),
        mean: found.mean,
        low: found.low,
        high: found.high,
        p50: quantile(&values, 0.5)?,
        p95: quantile(&values, 0.95)?,
    })
}

/// What values come to, by metric.
pub(super) fn summaries<'a>(
    values: &(impl Iterator<Item = &'a Values> + Clone),
    resamples: usize,
    seed: u64,
) -> BTreeMap<String, Summary> {
    let names: BTreeSet<&str> = values.clone().flat_map(|values| values.keys().map(String::as_str)).collect();
    let of_name = |name: &str| {
        let samples: Vec<Sample> = values
            .clone()
            .filter_map(|values| values.get(name))
            .map(|(value, weight)| Sample { value: *value, weight: *weight })
            .collect();
        summary(&samples, resamples, seed)
    };
    names.into_iter().filter_map(|name| Some((name.to_owned(), of_name(name)?))).collect()
}

/// What a system's values come to, by category and over all.
pub(super) fn groups(
    items: &[Item],
    system: &str,
    resamples: usize,
    seed: u64,
) -> BTreeMap<String, BTreeMap<String, Summary>> {
    let of = |category: Option<&str>| {
        let inside = items.iter().filter(|item| category.is_none_or(|category| item.category == category));
        let values: Vec<&Values> = inside.filter_map(|item| item.values.get(system)).collect();
        summaries(&values.iter().copied(), resamples, seed)
    };
    let categories: BTreeSet<&str> = items.iter().map(|item| item.category.as_str()).collect();
    let mut groups: BTreeMap<_, _> =
        categories.into_iter().map(|category| (category.to_owned(), of(Some(category)))).collect();
    groups.insert(OVERALL.to_owned(), of(None));
    groups
}

/// Evidence recall as `keepsake bench retrieval` reports it.
pub(super) fn recall(recall: &Recall) -> Option<Value> {
    serde_json::to_value(recall).ok()
}

impl Report {
    /// One of a plan in which nothing was found yet.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            what: plan.what.to_owned(),
            made: device_clock().to_string(),
            settings: plan.settings.clone(),
            resamples: plan.resamples,
            seed: plan.seed,
            judge: None,
            items: Vec::new(),
            systems: Vec::new(),
            left_out: BTreeMap::new(),
            left_out_each: plan.material.left_out.clone(),
            notes: Vec::new(),
        }
    }

    /// The categories, in order.
    pub fn categories(&self) -> BTreeSet<&str> {
        self.items.iter().map(|item| item.category.as_str()).collect()
    }

    /// Writes `report.json`, `report.md` and the pictures, in place of earlier ones.
    pub fn write(&self, folder: &Path) -> Result<(), EvaluateError> {
        let drawn = pictures::pictures(self);
        let below = folder.join("pictures");
        fs::create_dir_all(&below).map_err(|error| EvaluateError::file(&below, &error.to_string()))?;
        for picture in &drawn {
            let svg = picture
                .bars
                .draw()
                .map_err(|error| RecordError::Picture { picture: picture.file, why: error.to_string() })?;
            files::replace(&below.join(picture.file), svg.as_bytes())?;
        }
        for file in pictures::FILES.iter().filter(|file| drawn.iter().all(|picture| picture.file != **file)) {
            let _ = fs::remove_file(below.join(file));
        }
        files::replace(&folder.join("report.md"), table::markdown(self, &drawn).as_bytes())?;
        let json = serde_json::to_string_pretty(self).map_err(EvaluateError::pipeline)?;
        Ok(files::replace(&folder.join("report.json"), format!("{json}\n").as_bytes())?)
    }

    /// Reads a report: its file, or the folder that holds it.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = fs::read_to_string(&file).map_err(|error| {
            EvaluateError::file(
                &file,
                &format!("it cannot be read: {error}; give a report.json, or its folder"),
            )
        })?;
        let report: Self = serde_json::from_str(&text)
            .map_err(|_| EvaluateError::file(&file, "it is no report of an evaluation"))?;
        if report.schema != SCHEMA {
            return Err(EvaluateError::file(&file, &format!("it is no {SCHEMA}: evaluate again")));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, category: &str, value: (f64, f64)) -> Item {
        let values = Values::from([("kept".to_owned(), value)]);
        Item {
            id: id.into(),
            category: category.into(),
            fingerprint: String::new(),
            values: BTreeMap::from([("s".to_owned(), values)]),
        }
    }

    #[test]
    fn a_group_is_over_its_own_items_and_weights_count() {
        let items = [item("a", "x", (1.0, 3.0)), item("b", "x", (0.0, 1.0)), item("c", "y", (0.5, 4.0))];
        let groups = groups(&items, "s", 100, 1);
        let mean = |group: &str| groups[group]["kept"].mean;
        assert!((mean("x") - 0.75).abs() < 1e-12 && (mean("y") - 0.5).abs() < 1e-12);
        assert!((mean(OVERALL) - 5.0 / 8.0).abs() < 1e-12);
        assert_eq!((groups["x"]["kept"].n, groups[OVERALL]["kept"].n), (2, 3));
        assert!(summary(&[Sample::share(0, 0)], 100, 1).is_none());
    }
}
