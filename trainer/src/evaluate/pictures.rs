//! Which pictures a report has: quality by category with intervals, evidence, time, length of answers; of banks their
//! measures.
//!
//! Rooms it touches: evaluate (report, measure, bars); dialogues.

use keepsake_dialogues::questions::category_name;

use super::bars::{Bars, Block, Row};
use super::measure::{Metric, by_name};
use super::report::{OVERALL, Report, Summary, SystemReport};

/// A picture with the file that it is written to.
pub(super) struct Picture {
    pub(super) file: &'static str,
    pub(super) bars: Bars,
}

/// All files there may be.
pub(super) const FILES: [&str; 8] = [
    "f1.svg",
    "f1-mem0.svg",
    "bleu.svg",
    "judge.svg",
    "evidence.svg",
    "latency.svg",
    "answer-length.svg",
    "operations.svg",
];
const INTERVAL: &str = "bar: mean; whisker: 95 % interval";

/// The pictures of a report that it has values for.
pub(super) fn pictures(report: &Report) -> Vec<Picture> {
    let mut found: Vec<Picture> = Vec::new();
    if report.what == "operations" {
        let blocks = report.categories().into_iter().flat_map(|category| {
            let metrics = super::measure::METRICS.iter().filter(|metric| metric.unit.sign() == "%");
            metrics.filter_map(move |metric| {
                let heading = format!("{}: {}", metric.title, category);
                block(report, metric, category, heading)
            })
        });
        let remark = format!("{INTERVAL}; %");
        let bars = Bars { title: "What managers did".to_owned(), remark, blocks: blocks.collect() };
        found.push(Picture { file: "operations.svg", bars });
    } else {
        for (file, name) in [
            ("f1.svg", "locomo_f1"),
            ("f1-mem0.svg", "mem0_f1"),
            ("bleu.svg", "bleu_1"),
            ("judge.svg", "judge"),
        ] {
            found.extend(quality(report, file, name));
        }
        found.push(evidence(report));
        found.push(latency(report));
        found.push(lengths(report));
    }
    found.retain(|picture| !picture.bars.blocks.is_empty());
    found
}

/// A metric by category, all first.
fn quality(report: &Report, file: &'static str, name: &str) -> Option<Picture> {
    let metric = by_name(name)?;
    let groups = std::iter::once(OVERALL).chain(report.categories());
    let blocks: Vec<Block> = groups
        .filter_map(|group| {
            let n = report
                .systems
                .iter()
                .filter_map(|system| Some(system.groups.get(group)?.get(name)?.n))
                .max()?;
            block(report, metric, group, format!("{}, n = {n}", category_name(group)))
        })
        .collect();
    let judge = report.judge.as_deref().filter(|_| name == "judge").map(|judge| format!(" ({judge})"));
    let title = format!("{}{} by category", metric.title, judge.unwrap_or_default());
    Some(Picture { file, bars: Bars { title, remark: format!("{INTERVAL}; %"), blocks } })
}

fn evidence(report: &Report) -> Picture {
    let blocks = ["evidence_found", "evidence_read"].into_iter().filter_map(|name| {
        let metric = by_name(name)?;
        block(report, metric, OVERALL, metric.title.to_owned())
    });
    let title = "Evidence: among what was retrieved, and in the prompt of the answer".to_owned();
    Picture {
        file: "evidence.svg",
        bars: Bars { title, remark: format!("{INTERVAL}; %"), blocks: blocks.collect() },
    }
}

fn latency(report: &Report) -> Picture {
    let rows = rows(report, "latency_ms", OVERALL, |summary| {
        let seconds = |ms: f64| ms / 1000.0;
        let text = format!("{:.2} s, p95 {:.2} s", seconds(summary.p50), seconds(summary.p95));
        (seconds(summary.p50), (seconds(summary.p50), seconds(summary.p95)), text)
    });
    let remark =
        "bar: median; whisker: up to the 95th percentile; seconds from the question to the whole answer";
    Picture { file: "latency.svg", bars: one("Time of an answer", remark, rows) }
}

fn lengths(report: &Report) -> Picture {
    let shown =
        |summary: &Summary| (summary.mean, (summary.low, summary.high), format!("{:.1}", summary.mean));
    let mut rows = rows(report, "answer_words", OVERALL, shown);
    let gold = report.systems.iter().find_map(|system| system.groups.get(OVERALL)?.get("gold_words"));
    if let Some(gold) = gold {
        let (value, whisker, text) = shown(gold);
        rows.push(Row {
            name: "gold answers".to_owned(),
            colour: report.systems.len(),
            value,
            whisker,
            text,
        });
    }
    Picture { file: "answer-length.svg", bars: one("Length of answers", &format!("{INTERVAL}; words"), rows) }
}

fn one(title: &str, remark: &str, rows: Vec<Row>) -> Bars {
    let blocks =
        if rows.is_empty() { Vec::new() } else { vec![Block { heading: "overall".to_owned(), rows }] };
    Bars { title: title.to_owned(), remark: remark.to_owned(), blocks }
}

/// A metric in percent, a bar for each system that has it.
fn block(report: &Report, metric: &Metric, group: &str, heading: String) -> Option<Block> {
    let shown = |summary: &Summary| {
        let percent = |value: f64| 100.0 * value;
        let text = format!(
            "{:.1} ({:.1} to {:.1})",
            percent(summary.mean),
            percent(summary.low),
            percent(summary.high)
        );
        (percent(summary.mean), (percent(summary.low), percent(summary.high)), text)
    };
    let rows = rows(report, metric.name, group, shown);
    (!rows.is_empty()).then_some(Block { heading, rows })
}

fn rows(
    report: &Report,
    metric: &str,
    group: &str,
    shown: impl Fn(&Summary) -> (f64, (f64, f64), String),
) -> Vec<Row> {
    let of = |system: &SystemReport| system.groups.get(group)?.get(metric).copied();
    let known =
        report.systems.iter().enumerate().filter_map(|(colour, system)| Some((colour, system, of(system)?)));
    known
        .map(|(colour, system, summary)| {
            let (value, whisker, text) = shown(&summary);
            Row { name: system.name.clone(), colour, value, whisker, text }
        })
        .collect()
}
