//! F1 and exact match of LoCoMo's official evaluation: stemmed words, and rules that depend on the question's
//! category.
//!
//! Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents" (arXiv 2402.17753), and
//! the program published with it. It deliberately does not average; a report does, over [`reported`] values.
//!
//! Rooms it touches: score.

use std::collections::BTreeSet;

use super::{porter, text};

/// `and` is an article here, unlike in SQuAD.
const ARTICLES: [&str; 4] = ["a", "an", "the", "and"];

/// What kind of question it is, by its number in the data set. Some papers swap the names; these are what the
/// questions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Category {
    /// 1: the answer is put together from several sessions, often a list.
    MultiHop,
    /// 2: about when something was.
    Temporal,
    /// 3: needs common knowledge besides; an explanation may follow a semicolon.
    OpenDomain,
    /// 4: one place in the conversation has the answer.
    SingleHop,
    /// 5: the conversation does not say.
    Adversarial,
}

/// A category that LoCoMo does not have. The data set is at fault, or not LoCoMo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("LoCoMo has categories 1 to 5, not {0}")]
pub struct UnknownCategory(pub u8);

impl TryFrom<u8> for Category {
    type Error = UnknownCategory;

    fn try_from(number: u8) -> Result<Self, UnknownCategory> {
        match number {
            1 => Ok(Self::MultiHop),
            2 => Ok(Self::Temporal),
            3 => Ok(Self::OpenDomain),
            4 => Ok(Self::SingleHop),
            5 => Ok(Self::Adversarial),
            other => Err(UnknownCategory(other)),
        }
    }
}

/// Without commas, lower-cased, without other ASCII punctuation, articles, `and` and superfluous white space.
pub fn normalise(text: &str) -> String {
    text::normalise(&text.replace(',', ""), &ARTICLES)
}

/// F1 of a question's answer, not rounded.
///
/// - multi-hop: both are split at commas; for each part of the gold answer the best F1 of any part; their
///   mean;
/// - open domain: only what stands before the gold answer's first semicolon counts;
/// - adversarial: 1 where the answer says that it is not known, else 0.
pub fn f1(prediction: &str, gold: &str, category: Category) -> f64 {
    let gold = asked(gold, category);
    match category {
        Category::MultiHop => by_part(prediction, gold),
        Category::Temporal | Category::OpenDomain | Category::SingleHop => {
            text::f1(&stems(prediction), &stems(gold))
        }
        Category::Adversarial => {
            let lower = prediction.to_lowercase();
            let abstains = ["no information available", "not mentioned"];
            f64::from(u8::from(abstains.iter().any(|phrase| lower.contains(phrase))))
        }
    }
}

/// Whether both have the same set of normalised words, whatever their order and number.
pub fn exact_match(prediction: &str, gold: &str, category: Category) -> bool {
    let (prediction, gold) = (normalise(prediction), normalise(asked(gold, category)));
    let set = |text: &'_ str| text::split(text).map(str::to_owned).collect::<BTreeSet<_>>();
    set(&prediction) == set(&gold)
}

/// A question's score as the official program writes it: to three decimals.
#[allow(clippy::missing_panics_doc)] // what was just written as a number can be read as one
pub fn reported(score: f64) -> f64 {
    // Through text, as Python rounds: the nearest decimal to the exact value, a tie to even.
    format!("{score:.3}").parse().expect("a number that was just written")
}

/// The part of a gold answer that counts.
fn asked(gold: &str, category: Category) -> &str {
    match category {
        Category::OpenDomain => gold.split(';').next().unwrap_or(gold).trim_matches(text::is_space),
        _ => gold,
    }
}

fn by_part(prediction: &str, gold: &str) -> f64 {
    let parts = |text: &str| text.split(',').map(stems).collect::<Vec<_>>();
    let (prediction, gold) = (parts(prediction), parts(gold));
    let best = |part: &Vec<String>| prediction.iter().map(|other| text::f1(other, part)).fold(0.0, f64::max);
    gold.iter().map(best).sum::<f64>() / gold.len() as f64
}

fn stems(text: &str) -> Vec<String> {
    text::split(&normalise(text)).map(porter::stem).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use super::{Category, UnknownCategory, exact_match, f1, normalise, reported};

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn cases_worked_out_by_hand() {
        assert_eq!(normalise("The beach, and 1,000 mountain-goats!"), "beach 1000 mountaingoats");
        // run swimmer happili against run swimmer happi.
        close(f1("running swimmer happily", "runs swimmers happy", Category::SingleHop), 2.0 / 3.0);
        // Three parts, of which one is found.
        close(f1("pottery", "pottery, running, reading", Category::MultiHop), 1.0 / 3.0);
        // An empty part of the gold answer finds nothing.
        close(f1("pottery", "pottery,", Category::MultiHop), 0.5);
        // What comes after the semicolon counts in category 3 alone: precision 1/1 of 2, recall 1/1 of 6.
        close(f1("Likely yes", "Likely yes; because she likes books", Category::OpenDomain), 1.0);
        close(f1("Likely yes", "Likely yes; because she likes books", Category::Temporal), 0.5);
        close(f1("It was NOT MENTIONED, sorry.", "a shop", Category::Adversarial), 1.0);
        close(f1("a shop", "a shop", Category::Adversarial), 0.0);
        assert!(exact_match("yes yes, and yes", "Yes.", Category::SingleHop));
        assert!(!exact_match("yes", "no", Category::SingleHop));
    }

    #[test]
    fn a_report_has_three_decimals() {
        // 0.3125 lies exactly between two, and goes to the even one.
        assert_eq!([2.0 / 3.0, 0.3125, 1.0].map(reported), [0.667, 0.312, 1.0]);
    }

    #[test]
    fn categories_are_those_of_the_data_set() {
        assert_eq!(Category::try_from(3), Ok(Category::OpenDomain));
        assert_eq!(Category::try_from(6), Err(UnknownCategory(6)));
    }
}
