//! Exact match and F1 of SQuAD's official evaluation, version 1.1: the reward of Memory-R1 (arXiv
//! 2508.19828).
//!
//! Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (arXiv 1606.05250),
//! section 5. It deliberately takes one gold answer; the best over several is the caller's.
//!
//! Rooms it touches: score.

use super::text;

const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// Lower-cased, without ASCII punctuation, articles and superfluous white space.
pub fn normalise(text: &str) -> String {
    text::normalise(text, &ARTICLES)
}

/// Whether both are the same once normalised.
pub fn exact_match(prediction: &str, gold: &str) -> bool {
    normalise(prediction) == normalise(gold)
}

/// F1 over the normalised words; 0 where they share none, also where both have none.
pub fn f1(prediction: &str, gold: &str) -> f64 {
    let (prediction, gold) = (normalise(prediction), normalise(gold));
    let words = |text: &'_ str| text::split(text).map(str::to_owned).collect::<Vec<_>>();
    text::f1(&words(&prediction), &words(&gold))
}

#[cfg(test)]
mod tests {
    use super::{exact_match, f1, normalise};

    #[test]
    fn cases_worked_out_by_hand() {
        assert_eq!(normalise("  The Cat's\tpyjamas, a n d an_other!"), "cats pyjamas n d another");
        assert!(exact_match("The Eiffel-Tower.", "eiffeltower"));
        assert!(!exact_match("café", "cafe"));
        // Shared: beach, mountains. Precision 2/2, recall 2/3.
        assert!((f1("beach mountains", "the beach and mountains") - 0.8).abs() < 1e-12);
        // A repeated word counts as often as the gold answer has it: precision 1/3, recall 1.
        assert!((f1("yes yes yes", "Yes.") - 0.5).abs() < 1e-12);
        assert_eq!((f1("", "x"), f1("the", "a")), (0.0, 0.0));
    }
}
