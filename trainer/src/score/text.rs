//! What Python's `str` and `re` mean by white space, letters and punctuation, and the overlap that every F1
//! is made of.
//!
//! Known departure: Rust counts the combining vowel signs of Indic scripts as letters, Python does not.
//!
//! Rooms it touches: none.

use std::collections::HashMap;

/// `str.isspace`, `str.split()` and `\s`: Rust's white space and the four information separators.
pub(super) fn is_space(char: char) -> bool {
    char.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&char)
}

/// `\w`.
pub(super) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// `str.split()`.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}

/// Lower-cases, deletes ASCII punctuation, deletes the whole words in `stop`, and makes one space of all
/// white space.
pub(super) fn normalise(text: &str, stop: &[&str]) -> String {
    let bare: String = text.to_lowercase().chars().filter(|char| !char.is_ascii_punctuation()).collect();
    let mut kept = String::with_capacity(bare.len());
    let mut rest = bare.as_str();
    while let Some(first) = rest.chars().next() {
        // A run of word characters, or of others: between the two lies a word boundary.
        let end = rest.find(|char| is_word(char) != is_word(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        kept.push_str(if stop.contains(&run) { " " } else { run });
        rest = after;
    }
    split(&kept).collect::<Vec<_>>().join(" ")
}

/// The harmonic mean of precision and recall of two bags of tokens; 0 where they share none.
pub(super) fn f1<T: AsRef<str>>(prediction: &[T], gold: &[T]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for token in gold {
        *left.entry(token.as_ref()).or_default() += 1;
    }
    let mut shared = 0u32;
    for token in prediction {
        if let Some(count) = left.get_mut(token.as_ref()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let precision = f64::from(shared) / prediction.len() as f64;
    let recall = f64::from(shared) / gold.len() as f64;
    2.0 * precision * recall / (precision + recall)
}
