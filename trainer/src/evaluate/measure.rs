//! The metrics of an answer, by name: what each is called, in what unit, and which way is better.
//!
//! Their definitions are `score`'s, which reproduces the reference programs; here they are put together for a question,
//! which may have several right answers: then the best counts.
//!
//! Rooms it touches: score, evaluate (material, journal); dialogues.

use std::collections::BTreeMap;

use keepsake_dialogues::questions::{Asked, Layout};

use super::journal::Answered;
use crate::score::locomo::{self, Category};
use crate::score::{bleu, mem0, squad};

/// Values of an item by metric, each with its weight.
pub type Values = BTreeMap<String, (f64, f64)>;

/// In what a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1, shown in percent.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Tokens.
    Tokens,
    /// Words.
    Words,
    /// Things.
    Count,
}

impl Unit {
    /// A value as people read it.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1}", 100.0 * value),
            Self::Milliseconds | Self::Tokens => format!("{value:.0}"),
            Self::Words | Self::Count => format!("{value:.1}"),
        }
    }

    /// What stands behind it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Share => "%",
            Self::Milliseconds => "ms",
            Self::Tokens => "tokens",
            Self::Words => "words",
            Self::Count => "",
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in files.
    pub name: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// In what it counts.
    pub unit: Unit,
    /// Whether more is better; `None` where neither is.
    pub more_is_better: Option<bool>,
}

const fn metric(name: &'static str, title: &'static str, unit: Unit, more: Option<bool>) -> Metric {
    Metric { name, title, unit, more_is_better: more }
}

/// All metrics, in the order of tables.
pub const METRICS: [Metric; 29] = [
    metric("locomo_f1", "F1 (LoCoMo)", Unit::Share, Some(true)),
    metric("mem0_f1", "F1 (Mem0)", Unit::Share, Some(true)),
    metric("bleu_1", "BLEU-1", Unit::Share, Some(true)),
    metric("exact_match", "exact match", Unit::Share, Some(true)),
    metric("squad_f1", "F1 (SQuAD)", Unit::Share, Some(true)),
    metric("judge", "judge", Unit::Share, Some(true)),
    metric("abstains", "says it was not said", Unit::Share, Some(true)),
    metric("evidence_found", "evidence retrieved", Unit::Share, Some(true)),
    metric("evidence_read", "evidence read", Unit::Share, Some(true)),
    metric("latency_ms", "time", Unit::Milliseconds, Some(false)),
    metric("prompt_tokens", "prompt", Unit::Tokens, Some(false)),
    metric("generated_tokens", "written", Unit::Tokens, Some(false)),
    metric("answer_words", "answer", Unit::Words, None),
    metric("gold_words", "gold answer", Unit::Words, None),
    metric("operation_accuracy", "operations as gold", Unit::Share, Some(true)),
    metric("update_targets", "UPDATE of the right memory", Unit::Share, Some(true)),
    metric("delete_targets", "DELETE of the right memory", Unit::Share, Some(true)),
    metric("fragmentation", "UPDATEs split up", Unit::Share, Some(false)),
    metric("bank_precision", "bank precision", Unit::Share, Some(true)),
    metric("bank_recall", "bank recall", Unit::Share, Some(true)),
    metric("bank_f1", "bank F1", Unit::Share, Some(true)),
    metric("kept", "notes kept", Unit::Share, Some(true)),
    metric("lost", "notes lost", Unit::Share, Some(false)),
    metric("invented", "words invented", Unit::Share, Some(false)),
    metric("invented_memories", "memories that invent", Unit::Share, Some(false)),
    metric("duplicates", "duplicates", Unit::Share, Some(false)),
    metric("failed_turns", "turns failed", Unit::Share, Some(false)),
    metric("memories", "memories", Unit::Count, None),
    metric("turn_ms", "time a turn", Unit::Milliseconds, Some(false)),
];

/// A metric by its name.
pub fn by_name(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The values of an answer; none where it does not count. No answer counts as an empty one.
///
/// LoCoMo's questions are scored by its official rules for their categories, those of other layouts as its single-hop
/// ones. What was never said has no gold: only LoCoMo's rule for it can score it.
pub fn values(asked: &Asked, layout: Layout, answered: &Answered) -> Values {
    let mut values = Values::new();
    if answered.failed.is_some() {
        return values;
    }
    let text = answered.text.as_deref().unwrap_or_default();
    let mut put = |name: &str, value: f64| {
        values.insert(name.to_owned(), (value, 1.0));
    };
    if asked.is_answerable() {
        let numbered = asked.category.parse().ok().and_then(|number: u8| Category::try_from(number).ok());
        let category = numbered.filter(|_| layout == Layout::Locomo).unwrap_or(Category::SingleHop);
        let best =
            |score: &dyn Fn(&str) -> f64| asked.gold.iter().map(|gold| score(gold)).fold(0.0, f64::max);
        put("locomo_f1", best(&|gold| locomo::reported(locomo::f1(text, gold, category))));
        put("mem0_f1", best(&|gold| mem0::f1(text, gold)));
        put("bleu_1", best(&|gold| bleu::bleu_1(text, gold)));
        put("exact_match", best(&|gold| f64::from(u8::from(squad::exact_match(text, gold)))));
        put("squad_f1", best(&|gold| squad::f1(text, gold)));
        put("gold_words", asked.gold.first().map_or(0.0, |gold| words(gold)));
    } else {
        let abstains = locomo::f1(text, "", Category::Adversarial);
        put("abstains", abstains);
        if layout == Layout::Locomo {
            put("locomo_f1", abstains);
        }
    }
    if !asked.evidence.is_empty() {
        let all = asked.evidence.len() as f64;
        // What was retrieved by no one is no figure of a system that retrieves nothing.
        if !answered.found.is_empty() {
            put("evidence_found", answered.found.iter().flatten().count() as f64 / all);
        }
        put("evidence_read", answered.read.iter().filter(|read| **read).count() as f64 / all);
    }
    // What was not answered took no time to answer, and has no length.
    if answered.text.is_some() {
        put("latency_ms", answered.latency_ms);
        put("answer_words", words(text));
    }
    if answered.tokens.calls > 0 {
        put("prompt_tokens", answered.tokens.prompt as f64);
        put("generated_tokens", answered.tokens.generated as f64);
    }
    values
}

fn words(text: &str) -> f64 {
    text.split_whitespace().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::journal::Tokens;

    fn asked(category: &str, gold: &[&str]) -> Asked {
        Asked {
            id: "q".into(),
            text: "What?".into(),
            gold: gold.iter().map(|gold| (*gold).to_owned()).collect(),
            category: category.into(),
            evidence: vec!["a".into(), "b".into()],
            sessions: Vec::new(),
            at: None,
        }
    }

    fn answered(text: Option<&str>) -> Answered {
        Answered {
            system: "s".into(),
            question: "q".into(),
            text: text.map(str::to_owned),
            nothing: text.is_none().then(|| "nothing was found for it".to_owned()),
            failed: None,
            latency_ms: 5.0,
            tokens: Tokens { calls: 1, prompt: 40, evaluated: 30, generated: 3 },
            found: vec![Some(3), None],
            read: vec![false, false],
        }
    }

    fn of(values: &Values, name: &str) -> f64 {
        values[name].0
    }

    #[test]
    fn the_best_of_several_right_answers_counts() {
        let values = values(&asked("home", &["London", "in Leeds"]), Layout::Jsonl, &answered(Some("Leeds")));
        // leed against in leed: precision 1, recall 1/2.
        assert!((of(&values, "locomo_f1") - 0.667).abs() < 1e-12);
        assert!((of(&values, "squad_f1") - 2.0 / 3.0).abs() < 1e-12 && of(&values, "exact_match") < 1e-12);
        assert!((of(&values, "evidence_found") - 0.5).abs() < 1e-12 && of(&values, "evidence_read") < 1e-12);
        assert!((of(&values, "gold_words") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn locomos_categories_have_their_rules() {
        let gold = ["pottery, running"];
        let multi = values(&asked("1", &gold), Layout::Locomo, &answered(Some("pottery")));
        assert!((of(&multi, "locomo_f1") - 0.5).abs() < 1e-12);
        // The same number in a file of one's own means nothing: 1 of 1 words, 1 of 2.
        let own = values(&asked("1", &gold), Layout::Jsonl, &answered(Some("pottery")));
        assert!((of(&own, "locomo_f1") - 0.667).abs() < 1e-12);
        let never = values(&asked("5", &[]), Layout::Locomo, &answered(Some("Not mentioned.")));
        assert!(
            of(&never, "abstains") > 0.9 && of(&never, "locomo_f1") > 0.9 && !never.contains_key("bleu_1")
        );
    }

    #[test]
    fn no_answer_is_an_empty_one_and_a_failure_is_none() {
        let nothing = values(&asked("4", &["Leeds"]), Layout::Locomo, &answered(None));
        assert!(of(&nothing, "locomo_f1") < 1e-12 && !nothing.contains_key("latency_ms"));
        let failed = Answered { failed: Some("broke".into()), ..answered(None) };
        assert!(values(&asked("4", &["Leeds"]), Layout::Locomo, &failed).is_empty());
    }

    #[test]
    fn names_are_unlike() {
        let names: std::collections::BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
    }
}
