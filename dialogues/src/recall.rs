//! Evidence recall: of each question's evidence, what is among the first k.
//!
//! Retrieval is measured by it (`keepsake bench retrieval`), and answers are beside it (`keepsake-trainer evaluate`).
//!
//! Rooms it touches: questions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::questions::category_name;

/// The k that are reported.
pub const KS: [usize; 4] = [5, 10, 30, 60];

/// A question's evidence and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The kind of question.
    pub category: String,
    /// For each piece of evidence, its place from 0; `None` where it was not found.
    places: Vec<Option<usize>>,
}

impl Judged {
    /// Where `gold` stands among what was found.
    pub fn new(category: &str, gold: &[String], found: &[String]) -> Self {
        let place = |wanted: &String| found.iter().position(|found| found == wanted);
        Self { category: category.to_owned(), places: gold.iter().map(place).collect() }
    }

    /// Where `gold` stands, by its places from 0.
    pub fn at(category: &str, places: Vec<Option<usize>>) -> Self {
        Self { category: category.to_owned(), places }
    }

    /// The places.
    pub fn places(&self) -> &[Option<usize>] {
        &self.places
    }

    fn hits(&self, k: usize) -> usize {
        self.places.iter().flatten().filter(|place| **place < k).count()
    }
}

/// Figures of many questions, percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// How many questions.
    pub n: usize,
    /// By k.
    pub at: BTreeMap<usize, At>,
    /// The same for each kind of question.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_category: BTreeMap<String, Recall>,
}

/// Of the questions, the percentage; of the evidence, the mean over questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct At {
    /// At least one piece is there.
    pub any: f64,
    /// The mean part that is there.
    pub fraction: f64,
    /// Every piece is there.
    pub all: f64,
}

impl Recall {
    /// Over these questions, each with at least one piece of evidence.
    pub fn of(judged: &[Judged]) -> Self {
        let mut by: BTreeMap<String, Vec<&Judged>> = BTreeMap::new();
        for one in judged {
            by.entry(one.category.clone()).or_default().push(one);
        }
        let all: Vec<&Judged> = judged.iter().collect();
        let by_category = by.into_iter().map(|(category, judged)| (category, Self::alone(&judged))).collect();
        Self { by_category, ..Self::alone(&all) }
    }

    fn alone(judged: &[&Judged]) -> Self {
        let percent = |of: &dyn Fn(&Judged) -> f64| {
            let mean = judged.iter().map(|one| of(one)).sum::<f64>() / judged.len() as f64;
            (mean * 10_000.0).round() / 100.0
        };
        let at = KS.map(|k| {
            let at = At {
                any: percent(&|one| f64::from(one.hits(k) > 0)),
                fraction: percent(&|one| one.hits(k) as f64 / one.places.len() as f64),
                all: percent(&|one| f64::from(one.hits(k) == one.places.len())),
            };
            (k, at)
        });
        Self { n: judged.len(), at: at.into(), by_category: BTreeMap::new() }
    }

    /// A table.
    pub fn lines(&self, units: &str) -> Vec<String> {
        let heads = ["any", "fraction", "all"].map(|what| {
            KS.iter()
                .map(|k| format!("{:>9}", format!("{what}@{k}").replace("fraction", "part")))
                .collect::<String>()
        });
        let mut lines = vec![format!("{units:<30}{:>6}{}", "n", heads.concat())];
        let by_category = self.by_category.iter().map(|(category, recall)| (category.as_str(), recall));
        for (name, recall) in by_category.chain([("overall", self)]) {
            let column = |of: fn(&At) -> f64| {
                recall.at.values().map(|at| format!("{:>9.2}", of(at))).collect::<String>()
            };
            let columns = [column(|at| at.any), column(|at| at.fraction), column(|at| at.all)].concat();
            lines.push(format!("{:<30}{:>6}{columns}", category_name(name), recall.n));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    #[test]
    fn any_fraction_and_all_are_means_over_questions() {
        let found: Vec<String> = (0..100).map(|at| format!("t{at}")).collect();
        let judged = [
            Judged::new("1", &strings(["t0", "t9", "t30", "gone"]), &found),
            Judged::new("4", &strings(["t5"]), &found),
        ];
        let recall = Recall::of(&judged);
        // By hand. At 5: 1 of 4 and 0 of 1; at 10: 2 of 4 and 1 of 1; at 60: 3 of 4 and 1 of 1.
        let at = |k: usize| (recall.at[&k].any, recall.at[&k].fraction, recall.at[&k].all);
        assert_eq!(at(5), (50.0, 12.5, 0.0));
        assert_eq!(at(10), (100.0, 75.0, 50.0));
        assert_eq!(at(30), (100.0, 75.0, 50.0));
        assert_eq!(at(60), (100.0, 87.5, 50.0));
        assert!((recall.by_category["1"].at[&60].fraction - 75.0).abs() < 1e-9);
        assert_eq!((recall.n, recall.by_category["4"].n), (2, 1));
        assert!(recall.lines("turns").iter().any(|line| line.starts_with("1 (multi-hop)")));
    }
}
