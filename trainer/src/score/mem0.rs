//! F1 and exact match of Mem0's evaluation, which Memory-R1 most likely reports. Its BLEU is in
//! [`super::bleu`].
//!
//! Chhikara et al., "Mem0" (arXiv 2504.19413). There is no normalisation but lower case, and the F1 is over
//! sets of words. It deliberately does not judge: that takes a language model.
//!
//! Rooms it touches: score.

use std::collections::BTreeSet;

use super::text;

/// F1 over the sets of lower-cased words, where `.`, `,`, `!` and `?` separate words; 0 where they share
/// none.
pub fn f1(prediction: &str, gold: &str) -> f64 {
    let words = |text: &str| {
        let spaced = text.to_lowercase().replace(['.', ',', '!', '?'], " ");
        let set: BTreeSet<String> = text::split(&spaced).map(str::to_owned).collect();
        set.into_iter().collect::<Vec<_>>()
    };
    text::f1(&words(prediction), &words(gold))
}

/// Whether both are the same without regard to case and outer white space.
pub fn exact_match(prediction: &str, gold: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().trim_matches(text::is_space).to_owned();
    plain(prediction) == plain(gold)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use super::{exact_match, f1};

    #[test]
    fn cases_worked_out_by_hand() {
        // {1, 000, dollars} and {1000, dollars} share one: precision 1/3, recall 1/2.
        assert!((f1("1,000 dollars", "1000 dollars") - 0.4).abs() < 1e-12);
        assert!((f1("yes yes yes", "Yes!") - 1.0).abs() < 1e-12);
        assert_eq!(f1("", "yes"), 0.0);
        assert!(exact_match(" Café\n", "café") && !exact_match("Really?!", "really"));
    }
}
