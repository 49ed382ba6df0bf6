//! The metrics against values that the reference programs gave, where those are: beside the repository, in
//! `../shared/data/metrics`, or where `KEEPSAKE_METRICS` says. Elsewhere the cases in each file have to do.
//!
//! Not part of the library. Rooms it touches: score.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::locomo::Category;
use super::{bleu, locomo, mem0, porter, squad, words};

/// The text of a file of reference values.
fn vectors(name: &str) -> Option<String> {
    let given = std::env::var_os("KEEPSAKE_METRICS").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|at| at.join("shared/data/metrics"));
    let path = given.into_iter().chain(above).map(|folder| folder.join(name)).find(|path| path.is_file());
    if path.is_none() {
        println!("{name} is not there: only the committed cases were tried");
    }
    path.map(|path| std::fs::read_to_string(path).unwrap())
}

#[derive(Deserialize)]
struct Compared {
    id: u32,
    prediction: String,
    answer: Value,
    category: u8,
    locomo_f1: f64,
    locomo_f1_plain: f64,
    locomo_f1_multi: f64,
    locomo_norm_prediction: String,
    locomo_em_set: bool,
    locomo_stems_prediction: Vec<String>,
    mem0_f1: f64,
    mem0_bleu1: f64,
    mem0_exact_match: u8,
    squad_em: u8,
    squad_f1: f64,
    squad_norm_prediction: String,
    squad_norm_answer: String,
}

#[test]
fn every_metric_is_that_of_its_program() {
    let Some(text) = vectors("metric_vectors.jsonl") else { return };
    let mut lines = 0;
    for line in text.lines() {
        let expected: Compared = serde_json::from_str(line).unwrap();
        let answer = match &expected.answer {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (prediction, id) = (expected.prediction.as_str(), expected.id);
        let category = Category::try_from(expected.category).unwrap();
        // The vectors' gold answer of category 3 is cut before either F1 is computed.
        let gold = match category {
            Category::OpenDomain => answer.split(';').next().unwrap().trim(),
            _ => &answer,
        };
        let same = |name: &str, found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{id} {name}: {found}, expected {expected}");
        };
        same("locomo", locomo::f1(prediction, &answer, category), expected.locomo_f1);
        same("plain", locomo::f1(prediction, gold, Category::SingleHop), expected.locomo_f1_plain);
        same("multi", locomo::f1(prediction, gold, Category::MultiHop), expected.locomo_f1_multi);
        same("mem0", mem0::f1(prediction, &answer), expected.mem0_f1);
        same("bleu", bleu::bleu_1(prediction, &answer), expected.mem0_bleu1);
        same("squad", squad::f1(prediction, &answer), expected.squad_f1);
        assert_eq!(locomo::exact_match(prediction, &answer, category), expected.locomo_em_set, "{id}");
        assert_eq!(u8::from(mem0::exact_match(prediction, &answer)), expected.mem0_exact_match, "{id}");
        assert_eq!(u8::from(squad::exact_match(prediction, &answer)), expected.squad_em, "{id}");
        assert_eq!(locomo::normalise(prediction), expected.locomo_norm_prediction, "{id}");
        assert_eq!(squad::normalise(prediction), expected.squad_norm_prediction, "{id}");
        assert_eq!(squad::normalise(&answer), expected.squad_norm_answer, "{id}");
        let normalised = locomo::normalise(prediction);
        let stems: Vec<String> = normalised.split_whitespace().map(porter::stem).collect();
        assert_eq!(stems, expected.locomo_stems_prediction, "{id}");
        lines += 1;
    }
    assert_eq!(lines, 725);
}

#[test]
fn every_stem_is_that_of_nltk() {
    let Some(text) = vectors("porter_vectors.tsv") else { return };
    let pairs: Vec<(&str, &str)> = text.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert_eq!(pairs.len(), 6611);
    for (word, stem) in pairs {
        assert_eq!(porter::stem(word), stem, "{word}");
    }
}

#[derive(Deserialize)]
struct Tokenised {
    text: String,
    tokens: Vec<String>,
    n_sent: usize,
}

#[test]
fn every_word_and_sentence_is_that_of_nltk() {
    let Some(text) = vectors("nltk_tokenize_vectors.jsonl") else { return };
    let mut lines = 0;
    for line in text.lines() {
        let expected: Tokenised = serde_json::from_str(line).unwrap();
        assert_eq!(words::words(&expected.text), expected.tokens, "{}", expected.text);
        let chars: Vec<char> = expected.text.chars().collect();
        assert_eq!(super::sentences::sentences(&chars).len(), expected.n_sent, "{}", expected.text);
        lines += 1;
    }
    assert_eq!(lines, 2612);
}
