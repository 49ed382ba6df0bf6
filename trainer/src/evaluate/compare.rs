//! Two reports against each other, item by item: what differs, how sure that is, and how probable it is by chance.
//!
//! Reports that are not of the same items are refused: a difference of means over other questions says nothing.
//!
//! Rooms it touches: evaluate (report, stats, measure); dialogues.

use std::collections::{BTreeMap, BTreeSet};

use keepsake_dialogues::questions::category_name;

use super::measure::{METRICS, Metric, by_name};
use super::report::{Item, OVERALL, Report};
use super::stats::{Paired, Sample, paired};

/// Why two reports are not compared.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompareError {
    /// They have no item in common.
    #[error(
        "the two reports share no question: evaluate both with the same --data, --split, --turns, --limit and --seed"
    )]
    NothingShared,
    /// They have some in common.
    #[error(
        "the two reports share {shared} questions and {other} are in one of them only: evaluate both with the same --data, \
         --split, --turns, --limit and --seed, or compare what they share with --shared"
    )]
    PartlyShared {
        /// In both.
        shared: usize,
        /// In one.
        other: usize,
    },
    /// A system is not there.
    #[error("{report} has no system {wanted}; it has {known}: name one of these with {flag}")]
    NoSystem {
        /// Of which report.
        report: &'static str,
        /// What was wanted.
        wanted: String,
        /// What there is.
        known: String,
        /// How to name one.
        flag: &'static str,
    },
    /// No system is in both.
    #[error("the reports have no system in common: name one of each with --a ({a}) and --b ({b})")]
    NoPair {
        /// Those of the first.
        a: String,
        /// Those of the second.
        b: String,
    },
}

/// Which systems are compared; `None`: each that both have, or the only one of each.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Of the first report.
    pub a: Option<String>,
    /// Of the second.
    pub b: Option<String>,
    /// Whether only the items that both have are compared, where others are there.
    pub shared: bool,
}

/// Two systems compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The first report's system.
    pub a: String,
    /// The second's.
    pub b: String,
    /// By metric and category: how many items, and what differs.
    pub rows: Vec<(&'static str, String, usize, Paired)>,
}

/// Compares, from `resamples` draws.
pub fn compare(
    a: &Report,
    b: &Report,
    choice: &Choice,
    resamples: usize,
    seed: u64,
) -> Result<Vec<Comparison>, CompareError> {
    let key = |item: &Item| (item.id.clone(), item.fingerprint.clone());
    let of_a: BTreeMap<_, &Item> = a.items.iter().map(|item| (key(item), item)).collect();
    let of_b: BTreeMap<_, &Item> = b.items.iter().map(|item| (key(item), item)).collect();
    let shared: Vec<(&Item, &Item)> =
        of_a.iter().filter_map(|(key, item)| Some((*item, *of_b.get(key)?))).collect();
    let other = of_a.len() + of_b.len() - 2 * shared.len();
    if shared.is_empty() {
        return Err(CompareError::NothingShared);
    }
    if other > 0 && !choice.shared {
        return Err(CompareError::PartlyShared { shared: shared.len(), other });
    }
    let pairs = pairs(a, b, choice)?;
    Ok(pairs.into_iter().map(|(a, b)| of_systems(&shared, a, b, resamples, seed)).collect())
}

fn names(report: &Report) -> Vec<String> {
    report.systems.iter().map(|system| system.name.clone()).collect()
}

/// Which system against which.
fn pairs(a: &Report, b: &Report, choice: &Choice) -> Result<Vec<(String, String)>, CompareError> {
    let (of_a, of_b) = (names(a), names(b));
    let checked = |wanted: &String, known: &[String], report, flag| {
        let missing =
            || CompareError::NoSystem { report, wanted: wanted.clone(), known: known.join(", "), flag };
        known.contains(wanted).then(|| wanted.clone()).ok_or_else(missing)
    };
    let first =
        choice.a.as_ref().map(|wanted| checked(wanted, &of_a, "the first report", "--a")).transpose()?;
    let second =
        choice.b.as_ref().map(|wanted| checked(wanted, &of_b, "the second report", "--b")).transpose()?;
    let alone = |names: &[String]| (names.len() == 1).then(|| names[0].clone());
    let found = match (first, second) {
        (Some(a), Some(b)) => vec![(a, b)],
        // The same one in the other report, or its only one.
        (Some(a), None) if of_b.contains(&a) => vec![(a.clone(), a)],
        (None, Some(b)) if of_a.contains(&b) => vec![(b.clone(), b)],
        (Some(a), None) => alone(&of_b).map(|b| (a, b)).into_iter().collect(),
        (None, Some(b)) => alone(&of_a).map(|a| (a, b)).into_iter().collect(),
        (None, None) => match (alone(&of_a), alone(&of_b)) {
            (Some(a), Some(b)) => vec![(a, b)],
            _ => of_a
                .iter()
                .filter(|name| of_b.contains(name))
                .map(|name| (name.clone(), name.clone()))
                .collect(),
        },
    };
    if found.is_empty() {
        return Err(CompareError::NoPair { a: of_a.join(", "), b: of_b.join(", ") });
    }
    Ok(found)
}

fn of_systems(shared: &[(&Item, &Item)], a: String, b: String, resamples: usize, seed: u64) -> Comparison {
    let categories: BTreeSet<&str> = shared.iter().map(|(item, _)| item.category.as_str()).collect();
    let mut rows = Vec::new();
    for Metric { name, .. } in METRICS.iter().filter(|metric| metric.name != "gold_words") {
        // One category alone is all.
        let groups = categories.iter().copied().filter(|_| categories.len() > 1).map(Some).chain([None]);
        for group in groups {
            let inside = shared.iter().filter(|(item, _)| group.is_none_or(|group| item.category == group));
            let both = |(one, other): &(&Item, &Item)| {
                let value = |item: &Item, system: &str| {
                    let (value, weight) = item.values.get(system)?.get(*name)?;
                    Some(Sample { value: *value, weight: *weight })
                };
                Some((value(one, &a)?, value(other, &b)?))
            };
            let pairs: Vec<(Sample, Sample)> = inside.filter_map(both).collect();
            if let Some(found) = paired(&pairs, resamples, seed) {
                rows.push((*name, group.unwrap_or(OVERALL).to_owned(), pairs.len(), found));
            }
        }
    }
    Comparison { a, b, rows }
}

impl Comparison {
    /// A table, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("{} (A) against {} (B); B − A with its 95 % interval", self.a, self.b),
            format!(
                "{:<28}{:<34}{:>6}{:>10}{:>10}{:>10}  {:<22}{:>8}",
                "metric", "category", "n", "A", "B", "B − A", "interval", "p"
            ),
        ];
        for (name, category, n, found) in &self.rows {
            let Some(metric) = by_name(name) else { continue };
            let shown = |value| metric.unit.shown(value);
            let signed = |value: f64| format!("{}{}", if value > 0.0 { "+" } else { "" }, shown(value));
            let interval = format!("{} to {}", signed(found.low), signed(found.high));
            let title = format!("{} {}", metric.title, metric.unit.sign());
            let better = match metric.more_is_better {
                Some(more) if found.p < 0.05 && (found.difference > 0.0) == more => "  B better",
                Some(_) if found.p < 0.05 => "  A better",
                _ => "",
            };
            lines.push(format!(
                "{:<28}{:<34}{n:>6}{:>10}{:>10}{:>10}  {interval:<22}{:>8.4}{better}",
                title.trim(),
                category_name(category),
                shown(found.a),
                shown(found.b),
                signed(found.difference),
                found.p,
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::measure::Values;
    use crate::evaluate::report::{SCHEMA, SystemReport};

    fn report(systems: &[&str], items: &[(&str, &str, f64)]) -> Report {
        let values = |value: f64| {
            let values = Values::from([("locomo_f1".to_owned(), (value, 1.0))]);
            systems.iter().map(|system| ((*system).to_owned(), values.clone())).collect()
        };
        Report {
            schema: SCHEMA.to_owned(),
            what: "qa".into(),
            made: String::new(),
            settings: serde_json::Value::Null,
            resamples: 10,
            seed: 1,
            judge: None,
            items: items
                .iter()
                .map(|(id, category, value)| Item {
                    id: (*id).into(),
                    category: (*category).into(),
                    fingerprint: String::new(),
                    values: values(*value),
                })
                .collect(),
            systems: systems
                .iter()
                .map(|name| SystemReport { name: (*name).into(), ..SystemReport::default() })
                .collect(),
            left_out: BTreeMap::new(),
            left_out_each: Vec::new(),
            notes: Vec::new(),
        }
    }

    const ITEMS: [(&str, &str, f64); 3] = [("a", "1", 0.0), ("b", "1", 0.2), ("c", "2", 0.4)];

    #[test]
    fn differences_are_by_metric_and_category() {
        let better: Vec<(&str, &str, f64)> =
            ITEMS.iter().map(|(id, of, value)| (*id, *of, value + 0.5)).collect();
        let found =
            compare(&report(&["s"], &ITEMS), &report(&["t"], &better), &Choice::default(), 100, 1).unwrap();
        let [one] = &found[..] else { panic!("{found:?}") };
        assert_eq!((one.a.as_str(), one.b.as_str()), ("s", "t"));
        let groups: Vec<(&str, usize)> =
            one.rows.iter().map(|(_, group, n, _)| (group.as_str(), *n)).collect();
        assert_eq!(groups, [("1", 2), ("2", 1), (OVERALL, 3)]);
        let (.., all) = one.rows.last().unwrap();
        // All three better by a half: of 8 ways 2 are as far.
        assert!((all.difference - 0.5).abs() < 1e-9 && (all.p - 0.25).abs() < 1e-12);
        assert!(one.lines().iter().any(|line| line.contains("1 (multi-hop)") && line.contains("+50.0")));
    }

    #[test]
    fn other_questions_are_refused_with_the_remedy() {
        let (one, other) = (report(&["s"], &ITEMS), report(&["s"], &[("x", "1", 0.0)]));
        let refused = compare(&one, &other, &Choice::default(), 10, 1).unwrap_err();
        assert!(refused.to_string().contains("share no question") && refused.to_string().contains("--data"));
        let less = report(&["s"], &ITEMS[..2]);
        let refused = compare(&one, &less, &Choice::default(), 10, 1).unwrap_err();
        assert_eq!(refused, CompareError::PartlyShared { shared: 2, other: 1 });
        let shared = Choice { shared: true, ..Choice::default() };
        assert_eq!(compare(&one, &less, &shared, 10, 1).unwrap()[0].rows[0].2, 2);
        // The same ids, and another gold.
        let mut changed = one.clone();
        changed.items.iter_mut().for_each(|item| item.fingerprint = "other".into());
        assert_eq!(compare(&one, &changed, &shared, 10, 1), Err(CompareError::NothingShared));
    }

    #[test]
    fn systems_are_chosen_by_name() {
        let table = report(&["rag", "keepsake"], &ITEMS);
        let of = |a: Option<&str>, b: Option<&str>| {
            let choice = Choice { a: a.map(str::to_owned), b: b.map(str::to_owned), shared: false };
            let found = compare(&table, &table, &choice, 10, 1)?;
            Ok::<_, CompareError>(found.into_iter().map(|one| (one.a, one.b)).collect::<Vec<_>>())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(of(None, None).unwrap(), [pair("rag", "rag"), pair("keepsake", "keepsake")]);
        assert_eq!(of(Some("rag"), Some("keepsake")).unwrap(), [pair("rag", "keepsake")]);
        assert!(of(Some("mem0"), None).unwrap_err().to_string().contains("rag, keepsake"));
        let other = report(&["x", "y"], &ITEMS);
        assert!(matches!(
            compare(&table, &other, &Choice::default(), 10, 1),
            Err(CompareError::NoPair { .. })
        ));
    }
}
