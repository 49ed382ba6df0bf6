//! LoCoMo's questions and their evidence, with the defects of its evidence lists mended.
//!
//! Rooms it touches: exit, output, readers, bench.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use keepsake_core::types::SpaceId;
use serde::Deserialize;
use serde_json::Value;

use super::{Failure, Judged, LeftOut, Ranked, Searching, fault, references};
use crate::output;
use crate::readers::{json_fault, locomo};

/// The category whose questions ask for what was never said.
const ADVERSARIAL: u32 = 5;

/// Evidence by conversation and number of the question.
pub(super) type Gold = BTreeMap<(String, usize), Vec<String>>;

#[derive(Deserialize)]
struct Sample {
    #[serde(default)]
    sample_id: Option<String>,
    #[serde(default)]
    qa: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    question: String,
    category: u32,
    #[serde(default)]
    evidence: Vec<String>,
}

#[derive(Deserialize)]
struct GoldLine {
    conv: String,
    qa_index: usize,
    gold: Vec<String>,
}

/// Reads a file of evidence.
pub(super) fn gold(file: &Path) -> Result<Gold, Failure> {
    let text = fs::read_to_string(file).map_err(|error| fault(file, &error.to_string()))?;
    let line = |(number, line): (usize, &str)| {
        let read: Result<GoldLine, _> = serde_json::from_str(line);
        read.map(|line| ((line.conv, line.qa_index), line.gold))
            .map_err(|error| fault(file, &format!("line {}: {}", number + 1, json_fault(&error))))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

/// The questions of a conversation, and where their evidence was found.
pub(super) fn ranked(
    item: &Value,
    file: &Path,
    gold: Option<&Gold>,
    bench: &Searching,
    left_out: &mut LeftOut,
) -> Result<Vec<Ranked>, Failure> {
    let sample = Sample::deserialize(item).map_err(|error| fault(file, &json_fault(&error)))?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = sample.sample_id.unwrap_or_else(|| format!("{stem}-1"));
    let turns = locomo::read(&item.to_string(), &stem, &SpaceId::default());
    let turns = turns.map_err(|error| fault(file, &error.to_string()))?;
    let engine = bench.over(turns)?;
    let turns = engine.turns(&SpaceId::default())?;
    let Some(last) = turns.iter().map(|turn| turn.time).max() else { return Ok(Vec::new()) };
    let reference = |id: &str| format!("{name}/{id}");
    let said: HashSet<&str> = turns.iter().filter_map(|turn| turn.reference.as_deref()).collect();
    if gold.is_some_and(|gold| !gold.keys().any(|(conversation, _)| *conversation == name)) {
        output::note(&format!("--gold has nothing of {name}: the file's own evidence counts"));
    }
    let mut ranked = Vec::new();
    for (number, asked) in sample.qa.iter().enumerate() {
        if asked.category == ADVERSARIAL {
            left_out.unanswerable += 1;
            continue;
        }
        let ids = match gold.and_then(|gold| gold.get(&(name.clone(), number))) {
            Some(ids) => ids.clone(),
            None => mended(&asked.evidence),
        };
        let mut evidence: Vec<String> = ids.iter().map(|id| reference(id)).collect();
        evidence.retain(|one| said.contains(one.as_str()));
        if evidence.is_empty() {
            left_out.without_evidence += 1;
            continue;
        }
        let found = references(&engine, &asked.question, last)?;
        let judged = Judged::new(&asked.category.to_string(), &evidence, &found);
        ranked.push(Ranked { judged, round: None });
    }
    Ok(ranked)
}

/// The ids in an evidence list: several in one text are parted, `D:11:26` is read as `D11:26`, leading zeros go, and each
/// counts once.
fn mended(evidence: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for part in
        evidence.iter().flat_map(|text| text.split(|c: char| c == ';' || c == ',' || c.is_whitespace()))
    {
        let numbers: Vec<u32> =
            part.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        if let ([session, turn], true) = (numbers.as_slice(), part.starts_with('D')) {
            let id = format!("D{session}:{turn}");
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_lists_are_mended() {
        let list = |texts: &[&str]| mended(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&["D8:6; D9:17"]), ["D8:6", "D9:17"]);
        assert_eq!(list(&["D9:1 D4:4 D4:6"]), ["D9:1", "D4:4", "D4:6"]);
        assert_eq!(list(&["D:11:26", "D30:05", "D11:26"]), ["D11:26", "D30:5"]);
        assert!(list(&["D", "", "n/a", "D10"]).is_empty());
    }
}
