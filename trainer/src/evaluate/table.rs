//! The report as Markdown: one table of all systems, then by category, what it took, and what was left out.
//!
//! Rooms it touches: evaluate (report, measure, pictures, material); dialogues.

use keepsake_dialogues::questions::category_name;

use super::measure::{METRICS, Metric, Unit, by_name};
use super::pictures::Picture;
use super::report::{OVERALL, Report, Summary, SystemReport};

/// What is shown of each system in the first table.
const QUALITY: [&str; 9] = [
    "locomo_f1",
    "mem0_f1",
    "bleu_1",
    "exact_match",
    "squad_f1",
    "judge",
    "abstains",
    "evidence_found",
    "evidence_read",
];
/// What is shown by category too.
const BY_CATEGORY: [&str; 6] = ["locomo_f1", "mem0_f1", "bleu_1", "exact_match", "squad_f1", "judge"];
/// Of what was left out one by one, so many are listed.
const LISTED: usize = 50;

/// The page.
pub(super) fn markdown(report: &Report, pictures: &[Picture]) -> String {
    let mut text = format!("# Evaluation: {}\n\n", report.what);
    head(&mut text, report);
    if report.what == "operations" {
        for category in report.categories() {
            text.push_str(&format!("\n## {}\n\n", cell(category)));
            let shares =
                METRICS.iter().filter(|metric| has(report, category, metric.name)).collect::<Vec<_>>();
            systems(&mut text, report, category, &shares);
        }
    } else {
        text.push_str("\n## Systems\n\n");
        systems(&mut text, report, OVERALL, &present(report, &QUALITY));
        costs(&mut text, report);
        for metric in present(report, &BY_CATEGORY) {
            by_category(&mut text, report, metric);
        }
    }
    banks(&mut text, report);
    nothing(&mut text, report);
    left_out(&mut text, report);
    if !pictures.is_empty() {
        text.push_str("\n## Pictures\n");
        for Picture { file, bars } in pictures {
            text.push_str(&format!("\n![{}](pictures/{file})\n", cell(&bars.title)));
        }
    }
    text
}

fn head(text: &mut String, report: &Report) {
    text.push_str(&format!("- made: {} UTC\n", report.made.replace('T', " ")));
    for (name, value) in report.settings.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("- {}: {}\n", cell(name), cell(&value)));
    }
    match &report.judge {
        Some(judge) => text.push_str(&format!("- judge: {}\n", cell(judge))),
        None if report.what != "operations" => text.push_str("- judge: none\n"),
        None => {}
    }
    text.push_str(&format!("- items: {}", report.items.len()));
    for category in report.categories() {
        let n = report.items.iter().filter(|item| item.category == category).count();
        text.push_str(&format!("; {}: {n}", cell(&category_name(category))));
    }
    let left_out: usize = report.left_out.values().sum();
    text.push_str(&format!("; left out: {left_out}\n"));
    text.push_str(&format!(
        "- in brackets: 95 % bootstrap intervals over items, {} draws, seed {}\n",
        report.resamples, report.seed
    ));
    for note in &report.notes {
        text.push_str(&format!("- {}\n", cell(note)));
    }
}

fn present(report: &Report, names: &[&str]) -> Vec<&'static Metric> {
    let known = names.iter().filter(|name| has(report, OVERALL, name));
    known.filter_map(|name| by_name(name)).collect()
}

fn has(report: &Report, group: &str, name: &str) -> bool {
    let in_group =
        |system: &SystemReport| system.groups.get(group).is_some_and(|group| group.contains_key(name));
    report.systems.iter().any(in_group)
}

/// A row for each system, a column for each metric.
fn systems(text: &mut String, report: &Report, group: &str, metrics: &[&Metric]) {
    let heads: Vec<String> = metrics
        .iter()
        .map(|metric| format!("{} {}", metric.title, metric.unit.sign()).trim().to_owned())
        .collect();
    text.push_str(&format!(
        "| system | n | {} |\n|---|--:|{}\n",
        heads.join(" | "),
        "--:|".repeat(metrics.len())
    ));
    for system in &report.systems {
        let Some(group) = system.groups.get(group) else { continue };
        let n = group.values().map(|summary| summary.n).max().unwrap_or_default();
        let cells: Vec<String> =
            metrics.iter().map(|metric| with_interval(metric.unit, group.get(metric.name))).collect();
        text.push_str(&format!("| {} | {n} | {} |\n", cell(&system.name), cells.join(" | ")));
    }
}

fn by_category(text: &mut String, report: &Report, metric: &Metric) {
    let judge = report.judge.as_deref().filter(|_| metric.name == "judge");
    let judge = judge.map_or_else(String::new, |judge| format!(", by {}", cell(judge)));
    text.push_str(&format!(
        "\n## {} by category, {}{judge}\n\n| category | n |",
        metric.title,
        metric.unit.sign()
    ));
    for system in &report.systems {
        text.push_str(&format!(" {} |", cell(&system.name)));
    }
    text.push_str(&format!("\n|---|--:|{}\n", "--:|".repeat(report.systems.len())));
    for category in report.categories().into_iter().chain([OVERALL]) {
        let of = |system: &SystemReport| system.groups.get(category)?.get(metric.name).copied();
        let Some(n) = report.systems.iter().filter_map(of).map(|summary| summary.n).max() else { continue };
        let cells: Vec<String> =
            report.systems.iter().map(|system| with_interval(metric.unit, of(system).as_ref())).collect();
        text.push_str(&format!("| {} | {n} | {} |\n", cell(&category_name(category)), cells.join(" | ")));
    }
}

fn costs(text: &mut String, report: &Report) {
    text.push_str(
        "\n## What an answer takes\n\n| system | time p50, ms | p95, ms | prompt, tokens | written, tokens | answer, words |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for system in &report.systems {
        let Some(group) = system.groups.get(OVERALL) else { continue };
        let of = |name: &str, value: fn(&Summary) -> f64| {
            let shown =
                |summary| by_name(name).map_or(Unit::Count, |metric| metric.unit).shown(value(summary));
            group.get(name).map_or_else(String::new, shown)
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            cell(&system.name),
            of("latency_ms", |summary| summary.p50),
            of("latency_ms", |summary| summary.p95),
            of("prompt_tokens", |summary| summary.mean),
            of("generated_tokens", |summary| summary.mean),
            of("answer_words", |summary| summary.mean),
        ));
    }
}

fn banks(text: &mut String, report: &Report) {
    let built: Vec<&SystemReport> = report.systems.iter().filter(|system| system.bank.is_some()).collect();
    if built.is_empty() {
        return;
    }
    let measures: Vec<&Metric> = METRICS
        .iter()
        .filter(|metric| {
            metric.unit == Unit::Share && built.iter().any(|system| system.banks.contains_key(metric.name))
        })
        .collect();
    text.push_str(
        "\n## Banks\n\n| system | turns | failed | memories | ms a turn | tokens read a turn | written |",
    );
    for metric in &measures {
        text.push_str(&format!(" {} % |", metric.title));
    }
    text.push_str(&format!("\n|---|{}\n", "--:|".repeat(6 + measures.len())));
    for system in built {
        let Some(cost) = &system.bank else { continue };
        let each = |value: f64| value / (cost.turns as f64).max(1.0);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {:.0} | {:.0} | {:.0} |",
            cell(&system.name),
            cost.turns,
            cost.failed,
            cost.memories,
            each(cost.ms),
            each(cost.tokens.evaluated as f64),
            each(cost.tokens.generated as f64),
        ));
        for metric in &measures {
            text.push_str(&format!(" {} |", with_interval(metric.unit, system.banks.get(metric.name))));
        }
        text.push('\n');
    }
}

fn nothing(text: &mut String, report: &Report) {
    let mut rows = Vec::new();
    for system in &report.systems {
        let name = cell(&system.name);
        rows.extend(
            system
                .nothing
                .iter()
                .map(|(why, n)| format!("| {name} | {n} | {} | counted as an empty answer |\n", cell(why))),
        );
        rows.extend(
            system.failed.iter().map(|(why, n)| format!("| {name} | {n} | {} | left out |\n", cell(why))),
        );
    }
    if !rows.is_empty() {
        text.push_str("\n## Questions without an answer\n\n| system | n | why | |\n|---|--:|---|---|\n");
        text.push_str(&rows.concat());
    }
}

fn left_out(text: &mut String, report: &Report) {
    text.push_str("\n## Left out\n\n");
    if report.left_out.is_empty() {
        text.push_str("Nothing.\n");
        return;
    }
    for (why, n) in &report.left_out {
        text.push_str(&format!("- {n}: {}\n", cell(why)));
    }
    if report.left_out_each.is_empty() {
        return;
    }
    text.push_str("\nOne by one:\n\n");
    for one in report.left_out_each.iter().take(LISTED) {
        text.push_str(&format!("- {}: {}\n", cell(&one.what), cell(&one.why)));
    }
    if let more @ 1.. = report.left_out_each.len().saturating_sub(LISTED) {
        text.push_str(&format!("- and {more} more, in report.json\n"));
    }
}

fn with_interval(unit: Unit, summary: Option<&Summary>) -> String {
    summary.map_or_else(String::new, |summary| {
        let shown = |value| unit.shown(value);
        format!("{} ({} to {})", shown(summary.mean), shown(summary.low), shown(summary.high))
    })
}

/// A text in a cell, and nothing in it taken for Markdown.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '`' | '*' | '[' | ']' | '\\' => safe.extend(['\\', letter]),
            _ => safe.push(letter),
        }
    }
    safe
}
