//! What a completion earns: a weighted sum of parts. The credit of a manager's operation is in
//! [`super::credit`].
//!
//! A part that cannot be computed (no gold answer, no verdict where one is needed) makes the whole reward
//! unscorable, never zero: a judge that was out of order is not the policy's fault. A reply that has no
//! answer in it is, and scores as wrong.
//!
//! It deliberately runs no judge and no answer agent, and parses no reply: their results come in.
//!
//! Rooms it touches: algo, score.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::{BadSetting, within};
use crate::score::{bleu, squad};

/// The most that form may weigh, as a share of the weights of the parts that say whether an answer is right.
/// A guess, small enough that a right answer in bad form earns five times what good form with a wrong answer
/// does.
const FORM_SHARE: f64 = 0.2;

/// What a reward consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardSettings {
    /// The parts, each at most once. Default: exact match alone, as in Memory-R1 (arXiv 2508.19828).
    pub parts: Vec<Part>,
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self { parts: vec![Part { weight: 1.0, of: Kind::ExactMatch }] }
    }
}

/// One part of a reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What its value is multiplied by. Below 0 only for [`Kind::External`].
    pub weight: f64,
    /// Its value.
    pub of: Kind,
}

/// What a part measures. With several gold answers the best counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Kind {
    /// 1 where answer and gold answer are the same under SQuAD's normalisation, else 0.
    ExactMatch,
    /// SQuAD's F1, from 0 to 1.
    F1,
    /// BLEU-1, from 0 to 1.
    Bleu1,
    /// 1 for an exact match, else part of it.
    Composite(Composite),
    /// 1 where the reply has the form that was asked for, else 0. Its weight is capped: see
    /// [`RewardSettings::check`].
    Format,
    /// From 0 to −1 as the reply grows from `soft` to `hard` tokens. DAPO (arXiv 2503.14476), equation 13,
    /// where `hard` is its `L_max` and `soft` its `L_max − L_cache`. No departures.
    OverLength {
        /// So many tokens cost nothing.
        soft: u32,
        /// So many tokens or more cost everything.
        hard: u32,
    },
    /// A value that the caller computes, under this name.
    External {
        /// The name, which no other part has.
        name: String,
    },
}

impl Kind {
    /// What the part is called in logs.
    pub fn name(&self) -> &str {
        match self {
            Self::ExactMatch => "exact_match",
            Self::F1 => "f1",
            Self::Bleu1 => "bleu1",
            Self::Composite(_) => "composite",
            Self::Format => "format",
            Self::OverLength { .. } => "over_length",
            Self::External { name } => name,
        }
    }
}

/// 1 for an exact match; else `f1_share · F1 + judge_share · gate`, the second only for an answer that a
/// judge accepts.
///
/// The gate is 1 for an answer of no more words than the gold answer or `free_words`, whichever is longer,
/// and falls to 0 at twice that. It is there because a judge alone teaches verbosity (Memory-R1: F1 33.7,
/// judge 63.6 with a judge as reward) and exact match alone teaches brevity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Composite {
    /// Default 0.5.
    pub f1_share: f64,
    /// Default 0.3, a guess: with a full F1 it stays below an exact match.
    pub judge_share: f64,
    /// In words. Default 6: what the prompt asks for, and what 78 % of LoCoMo's gold answers keep.
    pub free_words: u32,
}

impl Default for Composite {
    fn default() -> Self {
        Self { f1_share: 0.5, judge_share: 0.3, free_words: 6 }
    }
}

/// Why reward settings mean nothing. Whoever wrote them has to change them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadReward {
    /// A number is out of range.
    #[error(transparent)]
    Number(#[from] BadSetting),
    /// There are no parts.
    #[error("a reward needs at least one part")]
    Empty,
    /// Two parts have one name.
    #[error("the reward has the part {0} twice")]
    Twice(String),
}

impl RewardSettings {
    /// Checks the settings. Among other things, form weighs so little that a right answer in bad form earns
    /// more than good form with a wrong answer of the same length.
    pub fn check(&self) -> Result<(), BadReward> {
        if self.parts.is_empty() {
            return Err(BadReward::Empty);
        }
        let mut names = BTreeSet::new();
        let (mut form, mut answer) = (0.0, 0.0);
        for Part { weight, of } in &self.parts {
            if !names.insert(of.name()) {
                return Err(BadReward::Twice(of.name().to_owned()));
            }
            let may_be_negative = matches!(of, Kind::External { .. });
            within("weight", *weight, weight.is_finite(), "finite")?;
            within("weight", *weight, may_be_negative || *weight >= 0.0, "0 or more")?;
            match of {
                Kind::Format => form += weight,
                Kind::OverLength { soft, hard } => {
                    within("over_length.hard", f64::from(*hard), hard > soft, "more than soft")?;
                }
                Kind::Composite(composite) => {
                    composite.check()?;
                    answer += weight;
                }
                Kind::ExactMatch | Kind::F1 | Kind::Bleu1 | Kind::External { .. } => {
                    answer += weight.max(0.0)
                }
            }
        }
        within(
            "format's weight",
            form,
            form <= FORM_SHARE * answer,
            "at most a fifth of the answer's parts",
        )?;
        Ok(())
    }
}

impl Composite {
    fn check(&self) -> Result<(), BadSetting> {
        let Self { f1_share, judge_share, free_words } = *self;
        within("composite.f1_share", f1_share, f1_share >= 0.0, "0 or more")?;
        within("composite.judge_share", judge_share, judge_share >= 0.0, "0 or more")?;
        let both = f1_share + judge_share;
        within("composite.f1_share + judge_share", both, both < 1.0, "less than an exact match, 1")?;
        within("composite.free_words", f64::from(free_words), free_words > 0, "at least 1")
    }

    fn value(&self, answer: &str, gold: &str, judge: Option<bool>) -> f64 {
        if squad::exact_match(answer, gold) {
            return 1.0;
        }
        let words = |text: &str| text.split_whitespace().count() as f64;
        let limit = words(gold).max(f64::from(self.free_words));
        let gate = (2.0 - words(answer) / limit).clamp(0.0, 1.0);
        let accepted = if judge == Some(true) { gate } else { 0.0 };
        self.f1_share * squad::f1(answer, gold) + self.judge_share * accepted
    }
}

/// What a reply turned out to be.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// The answer in it; none where it has none, which scores as wrong.
    pub answer: Option<&'a str>,
    /// Gold answers. Without one the parts that compare with it are unscorable.
    pub gold: &'a [&'a str],
    /// Whether the reply has the form that was asked for.
    pub well_formed: bool,
    /// The length of the reply, in tokens.
    pub tokens: u32,
    /// A judge's verdict, where one was asked.
    pub judge: Option<bool>,
    /// Values for [`Kind::External`], by name. One that is not finite is as good as none.
    pub external: &'a BTreeMap<String, f64>,
}

/// A reward.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// The weighted sum; none where a part is.
    pub total: Option<f64>,
    /// The parts' names and values, without their weights.
    pub parts: Vec<(String, Option<f64>)>,
}

/// The reward of a reply.
pub fn reward(outcome: &Outcome<'_>, settings: &RewardSettings) -> Reward {
    let values: Vec<Option<f64>> = settings.parts.iter().map(|part| value(outcome, &part.of)).collect();
    let weighted = settings.parts.iter().zip(&values).map(|(part, value)| Some(part.weight * (*value)?));
    let names = settings.parts.iter().map(|part| part.of.name().to_owned());
    Reward { total: weighted.sum(), parts: names.zip(values.iter().copied()).collect() }
}

fn value(outcome: &Outcome<'_>, kind: &Kind) -> Option<f64> {
    match kind {
        Kind::ExactMatch => {
            best(outcome, |answer, gold| f64::from(u8::from(squad::exact_match(answer, gold))))
        }
        Kind::F1 => best(outcome, squad::f1),
        Kind::Bleu1 => best(outcome, bleu::bleu_1),
        Kind::Composite(composite) => {
            best(outcome, |answer, gold| composite.value(answer, gold, outcome.judge))
        }
        Kind::Format => Some(f64::from(u8::from(outcome.well_formed))),
        Kind::OverLength { soft, hard } => {
            let over = f64::from(outcome.tokens.saturating_sub(*soft));
            Some(-(over / f64::from(hard.saturating_sub(*soft).max(1))).min(1.0))
        }
        Kind::External { name } => outcome.external.get(name).copied().filter(|value| value.is_finite()),
    }
}

/// The best over the gold answers of something from 0 to 1; none without a gold answer.
fn best(outcome: &Outcome<'_>, score: impl Fn(&str, &str) -> f64) -> Option<f64> {
    let scores = outcome.gold.iter().map(|gold| outcome.answer.map_or(0.0, |answer| score(answer, gold)));
    scores.reduce(f64::max)
}

/// Rewards of many replies, for the log. They add up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RewardSums {
    /// Of the whole reward, over scorable replies.
    pub total: Moments,
    /// Replies that could not be scored.
    pub unscorable: u64,
    /// Of each part, over the replies that have it.
    pub parts: BTreeMap<String, Moments>,
}

impl RewardSums {
    /// Counts one more.
    pub fn count(&mut self, reward: &Reward) {
        match reward.total {
            Some(total) => self.total.push(total),
            None => self.unscorable += 1,
        }
        for (name, value) in &reward.parts {
            if let Some(value) = value {
                self.parts.entry(name.clone()).or_default().push(*value);
            }
        }
    }

    /// Named values for the log: mean and standard deviation of the reward, the mean of each part.
    pub fn values(&self) -> Vec<(String, f64)> {
        let mut values = vec![("rewards_unscorable".to_owned(), self.unscorable as f64)];
        values.extend(self.total.mean().map(|mean| ("reward_mean".to_owned(), mean)));
        values
            .extend(self.total.sample_variance().map(|variance| ("reward_std".to_owned(), variance.sqrt())));
        let mean = |(name, part): (&String, &Moments)| Some((format!("reward/{name}"), part.mean()?));
        values.extend(self.parts.iter().filter_map(mean));
        values
    }
}

impl AddAssign for RewardSums {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.unscorable += other.unscorable;
        for (name, part) in other.parts {
            *self.parts.entry(name).or_default() += part;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{BadReward, Composite, Kind, Outcome, Part, Reward, RewardSettings, RewardSums, reward};
    use crate::algo::testing::assert_close;

    static NOTHING: BTreeMap<String, f64> = BTreeMap::new();

    fn outcome<'a>(answer: Option<&'a str>, gold: &'a [&'a str]) -> Outcome<'a> {
        Outcome { answer, gold, well_formed: true, tokens: 0, judge: None, external: &NOTHING }
    }

    fn of(parts: Vec<(f64, Kind)>) -> RewardSettings {
        RewardSettings { parts: parts.into_iter().map(|(weight, of)| Part { weight, of }).collect() }
    }

    fn alone(outcome: &Outcome<'_>, kind: Kind) -> Option<f64> {
        reward(outcome, &of(vec![(1.0, kind)])).total
    }

    #[test]
    fn text_parts_are_those_worked_out_by_hand() {
        let composite = Kind::Composite(Composite::default());
        // F1: beach, mountains of three: 0.8. BLEU-1: 2/2, exp(1 − 3/2).
        let half_right = outcome(Some("beach mountains"), &["beach and mountains"]);
        assert_eq!(alone(&half_right, Kind::ExactMatch), Some(0.0));
        assert_close(&[alone(&half_right, Kind::F1).unwrap()], &[0.8], 1e-12);
        assert_close(&[alone(&half_right, Kind::Bleu1).unwrap()], &[(-0.5f64).exp()], 1e-12);
        assert_close(&[alone(&half_right, composite.clone()).unwrap()], &[0.4], 1e-12);
        // The best of several gold answers.
        let right = outcome(Some("The beach"), &["mountains", "beach"]);
        for kind in [Kind::ExactMatch, Kind::F1, composite.clone()] {
            assert_eq!(alone(&right, kind), Some(1.0));
        }
        // No answer is wrong; no gold answer is nobody's fault.
        for kind in [Kind::ExactMatch, Kind::F1, Kind::Bleu1, composite] {
            assert_eq!(alone(&outcome(None, &["beach"]), kind.clone()), Some(0.0));
            assert_eq!(alone(&outcome(Some("beach"), &[]), kind), None);
        }
    }

    #[test]
    fn a_judge_counts_as_long_as_the_answer_is_short() {
        let composite = Kind::Composite(Composite::default());
        let judged = |answer: &str, gold: &str, judge| {
            alone(&Outcome { judge, ..outcome(Some(answer), &[gold]) }, composite.clone()).unwrap()
        };
        // No word in common. Six words are free; 9 of 6 are half way to twice as many; 12 are too many.
        let long = |words: usize| vec!["x"; words].join(" ");
        let found = [6, 9, 12, 40].map(|words| judged(&long(words), "y", Some(true)));
        assert_close(&found, &[0.3, 0.15, 0.0, 0.0], 1e-12);
        // A gold answer of ten words allows ten.
        assert_close(&[judged(&long(10), &["y"; 10].join(" "), Some(true))], &[0.3], 1e-12);
        assert_eq!([Some(false), None].map(|judge| judged("x", "y", judge)), [0.0, 0.0]);
        // With F1 0.8 beside it: 0.4 + 0.3. An exact match stays 1 whatever the judge says.
        assert_close(&[judged("beach mountains", "beach and mountains", Some(true))], &[0.7], 1e-12);
        assert_eq!(judged("beach", "beach", Some(false)), 1.0);
    }

    #[test]
    fn length_form_and_external_values_are_those_worked_out_by_hand() {
        let over = Kind::OverLength { soft: 100, hard: 140 };
        let lengths = [0, 100, 110, 120, 140, 500];
        let found =
            lengths.map(|tokens| alone(&Outcome { tokens, ..outcome(None, &[]) }, over.clone()).unwrap());
        // In fortieths above 100: 10/40, 20/40, 40/40.
        assert_close(&found, &[0.0, 0.0, -0.25, -0.5, -1.0, -1.0], 1e-12);
        let malformed = Outcome { well_formed: false, ..outcome(None, &[]) };
        assert_eq!(alone(&malformed, Kind::Format), Some(0.0));
        let external = BTreeMap::from([("bank".to_owned(), 0.25), ("broken".to_owned(), f64::NAN)]);
        let with = Outcome { external: &external, ..malformed };
        let named = |name: &str| Kind::External { name: name.to_owned() };
        let found = ["bank", "broken", "missing"].map(|name| alone(&with, named(name)));
        assert_eq!(found, [Some(0.25), None, None]);
    }

    #[test]
    fn a_reward_is_the_weighted_sum_and_unscorable_if_a_part_is() {
        let external = BTreeMap::from([("cost".to_owned(), 0.5)]);
        let settings = of(vec![
            (2.0, Kind::F1),
            (0.25, Kind::Format),
            (-1.0, Kind::External { name: "cost".to_owned() }),
        ]);
        assert_eq!(settings.check(), Ok(()));
        let found = Outcome { external: &external, ..outcome(Some("yes yes yes"), &["yes"]) };
        let found = reward(&found, &settings);
        // F1 1/2: 2 · 0.5 + 0.25 − 0.5.
        assert_close(&[found.total.unwrap()], &[0.75], 1e-12);
        let named = |name: &str, value| (name.to_owned(), value);
        let parts = vec![named("f1", Some(0.5)), named("format", Some(1.0)), named("cost", Some(0.5))];
        assert_eq!(found.parts, parts);
        let unscorable = reward(&outcome(Some("yes"), &["yes"]), &settings);
        assert_eq!((unscorable.total, unscorable.parts[2].1), (None, None));

        let mut sums = RewardSums::default();
        sums.count(&found);
        let mut more = RewardSums::default();
        more.count(&unscorable);
        more.count(&Reward { total: Some(0.25), parts: vec![] });
        sums += more;
        // Totals 0.75 and 0.25: mean 1/2, sample variance 2 · (1/4)² = 1/8. F1 0.5 and 1.
        let expected = [
            ("rewards_unscorable", 1.0),
            ("reward_mean", 0.5),
            ("reward_std", 0.125f64.sqrt()),
            ("reward/cost", 0.5),
            ("reward/f1", 0.75),
            ("reward/format", 1.0),
        ];
        for ((name, value), (expected_name, expected)) in sums.values().iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert_close(&[*value], &[expected], 1e-12);
        }
    }

    #[test]
    fn settings_are_read_and_those_without_a_meaning_refused() {
        let read = |text: &str| serde_json::from_str::<RewardSettings>(text);
        assert_eq!(read("{}").unwrap(), of(vec![(1.0, Kind::ExactMatch)]));
        let text = r#"{"parts": [
            {"weight": 1, "of": {"kind": "composite", "free_words": 8}},
            {"weight": 0.5, "of": {"kind": "over_length", "soft": 100, "hard": 128}}
        ]}"#;
        let expected = of(vec![
            (1.0, Kind::Composite(Composite { free_words: 8, ..Composite::default() })),
            (0.5, Kind::OverLength { soft: 100, hard: 128 }),
        ]);
        let found = read(text).unwrap();
        assert_eq!((&found, found.check()), (&expected, Ok(())));
        assert_eq!(read(&serde_json::to_string(&expected).unwrap()).unwrap(), expected);
        assert!(read(r#"{"parts": [{"weight": 1, "of": {"kind": "composite", "free": 8}}]}"#).is_err());

        let number = |parts| match of(parts).check() {
            Err(BadReward::Number(bad)) => bad.what,
            other => panic!("{other:?}"),
        };
        assert_eq!(number(vec![(1.0, Kind::ExactMatch), (0.21, Kind::Format)]), "format's weight");
        assert_eq!(number(vec![(0.1, Kind::Format)]), "format's weight");
        assert_eq!(number(vec![(-1.0, Kind::F1)]), "weight");
        assert_eq!(number(vec![(f64::NAN, Kind::F1)]), "weight");
        let over = Kind::OverLength { soft: 128, hard: 128 };
        assert_eq!(number(vec![(1.0, Kind::F1), (1.0, over)]), "over_length.hard");
        let generous = Composite { judge_share: 0.5, ..Composite::default() };
        assert_eq!(number(vec![(1.0, Kind::Composite(generous))]), "composite.f1_share + judge_share");
        assert_eq!(of(vec![]).check(), Err(BadReward::Empty));
        assert_eq!(
            of(vec![(1.0, Kind::F1), (1.0, Kind::F1)]).check(),
            Err(BadReward::Twice("f1".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn form_alone_never_beats_a_right_answer(
            form in 0.0f64..1.0, exact in 0.0f64..2.0, f1 in 0.01f64..2.0, tokens in 0u32..200,
        ) {
            let settings = of(vec![
                (exact, Kind::ExactMatch),
                (f1, Kind::F1),
                (form, Kind::Format),
                (1.0, Kind::OverLength { soft: 50, hard: 100 }),
            ]);
            prop_assume!(settings.check().is_ok());
            let right = Outcome { well_formed: false, tokens, ..outcome(Some("beach"), &["beach"]) };
            let formal = Outcome { tokens, ..outcome(None, &["beach"]) };
            let earned = |outcome| reward(outcome, &settings).total.unwrap();
            prop_assert!(earned(&right) > earned(&formal));
        }

        #[test]
        fn a_composite_is_below_an_exact_match(
            answer in "[abc]( [abcd]){0,8}",
            gold in "[abc]( [abcd]){0,8}",
            judge in prop::option::of(any::<bool>()),
        ) {
            let outcome = Outcome { judge, ..outcome(Some(&answer), &[]) };
            let golds = [gold.as_str()];
            let outcome = Outcome { gold: &golds, ..outcome };
            let found = alone(&outcome, Kind::Composite(Composite::default())).unwrap();
            let exact = alone(&outcome, Kind::ExactMatch).unwrap();
            let bounds = if exact > 0.0 { 1.0..=1.0 } else { 0.0..=0.8 };
            prop_assert!(bounds.contains(&found));
        }
    }
}
