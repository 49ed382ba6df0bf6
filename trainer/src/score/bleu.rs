//! BLEU-1 as Mem0's evaluation has NLTK compute it, which is what Memory-R1 reports.
//!
//! Papineni et al., "BLEU" (2002), sections 2.1 and 2.2, for one sentence with one reference and single words
//! only. NLTK's smoothing (method 1 of Chen, Cherry 2014) does not show: it changes precisions of zero, and
//! no shared word gives 0.
//!
//! It deliberately knows no longer n-grams.
//!
//! Rooms it touches: score.

use std::collections::HashMap;

use super::words::words;

/// Brevity penalty times the share of the prediction's words that the gold answer has, each at most as often
/// as there; 0 where they share none.
pub fn bleu_1(prediction: &str, gold: &str) -> f64 {
    let (prediction, gold) = (words(prediction), words(gold));
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &gold {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0u32;
    for word in &prediction {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let (length, reference) = (prediction.len() as f64, gold.len() as f64);
    let brevity = if length > reference { 1.0 } else { (1.0 - reference / length).exp() };
    brevity * f64::from(shared) / length
}

#[cfg(test)]
mod tests {
    use super::bleu_1;

    #[test]
    fn cases_worked_out_by_hand() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        // One of three words: really ? ! against really.
        close(bleu_1("Really?!", "really"), 1.0 / 3.0);
        // Every word is shared, but there are one for four.
        close(bleu_1("An", "An online board game"), (-3f64).exp());
        // A word counts as often as the gold answer has it.
        close(bleu_1("yes yes yes", "yes"), 1.0 / 3.0);
        close(bleu_1("7 May 2023", "7 May 2023"), 1.0);
        close(bleu_1("", "yes"), 0.0);
        close(bleu_1("no", "yes"), 0.0);
    }
}
