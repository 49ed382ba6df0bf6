//! Group advantages: how much better each sample of a prompt did than the others of its group.
//!
//! They need no critic; those of PPO come from [`super::gae`]. It deliberately does not drop or resample
//! groups: the result says what is wrong with one, and the caller decides.
//!
//! Rooms it touches: algo.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::moments::Moments;

/// What a reward is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Baseline {
    /// `r − mean`. Evidence: Liu et al., "Understanding R1-Zero-Like Training" (Dr. GRPO, arXiv 2503.20783),
    /// section 3.1: dividing by the standard deviation favours prompts that are nearly always or nearly never
    /// solved.
    #[default]
    MeanOnly,
    /// `(r − mean) / (std + epsilon)`: GRPO, Shao et al., DeepSeekMath (arXiv 2402.03300), section 4.1.2. The
    /// paper does not say which deviation; this is the sample's (n − 1), as in the public trainers. The
    /// epsilon is theirs too.
    Standardised {
        /// Keeps groups that hardly differ from blowing up. Default 1e-4.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
    /// `r − mean of the others`: RLOO, the estimator of Ahmadian et al., "Back to Basics" (arXiv 2402.14740),
    /// section 2. It is the first times n / (n − 1).
    LeaveOneOut,
    /// `(r − mean) / mean`: Tajwar et al., "Maximum Likelihood Reinforcement Learning" (arXiv 2602.02710),
    /// algorithm 1; it weighs prompts that are seldom solved more. Departures: the paper knows only rewards
    /// of 0 and 1, for which an advantage never exceeds n − 1. Others are cut at ±(n − 1), and a group whose
    /// mean is not positive has no advantages ([`GroupState::MeanNotPositive`]), because the division would
    /// turn their sign.
    MaxRl,
}

fn default_epsilon() -> f64 {
    1e-4
}

/// What a group can teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupState {
    /// Its rewards differ.
    Informative,
    /// All its rewards are equal: every advantage is 0.
    NoVariance,
    /// Fewer than two samples have a reward, so that there is nothing to compare: every advantage is 0.
    TooFew,
    /// Its mean reward is zero or less, which [`Baseline::MaxRl`] has no meaning for: every advantage is 0.
    MeanNotPositive,
}

/// The advantages of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupAdvantages {
    /// By sample. That of an unscorable one is 0.
    pub values: Vec<f64>,
    /// What the group can teach.
    pub state: GroupState,
    /// How many samples have a reward.
    pub scored: usize,
}

/// A reward that is not a number, or not finite. Its part has a fault: no advantages were computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reward of sample {sample} of the group is not finite")]
pub struct NotFinite {
    /// Its place in the group.
    pub sample: usize,
}

/// The advantages of samples drawn from one policy for one prompt. `None` is a sample that could not be
/// scored: it does not enter the baseline and has advantage 0.
pub fn group_advantages(rewards: &[Option<f64>], baseline: Baseline) -> Result<GroupAdvantages, NotFinite> {
    let odd = |reward: &Option<f64>| reward.is_some_and(|reward| !reward.is_finite());
    if let Some(sample) = rewards.iter().position(odd) {
        return Err(NotFinite { sample });
    }
    let moments: Moments = rewards.iter().flatten().copied().collect();
    let scored = moments.count() as usize;
    let state = state(&moments, baseline);
    let values = match (state, moments.mean(), moments.sample_variance()) {
        (GroupState::Informative, Some(mean), Some(variance)) => {
            let others = (scored - 1) as f64;
            let advantage = |reward: f64| match baseline {
                Baseline::MeanOnly => reward - mean,
                Baseline::Standardised { epsilon } => (reward - mean) / (variance.sqrt() + epsilon),
                Baseline::LeaveOneOut => (reward - mean) * scored as f64 / others,
                Baseline::MaxRl => ((reward - mean) / mean).clamp(-others, others),
            };
            rewards.iter().map(|reward| reward.map_or(0.0, advantage)).collect()
        }
        _ => vec![0.0; rewards.len()],
    };
    Ok(GroupAdvantages { values, state, scored })
}

/// Equal rewards have a variance of exactly 0: the mean of what is equal is not moved by one more.
fn state(moments: &Moments, baseline: Baseline) -> GroupState {
    match (moments.mean(), moments.sample_variance()) {
        (Some(_), Some(variance)) if variance <= 0.0 => GroupState::NoVariance,
        (Some(mean), Some(_)) if baseline == Baseline::MaxRl && mean <= 0.0 => GroupState::MeanNotPositive,
        (Some(_), Some(_)) => GroupState::Informative,
        _ => GroupState::TooFew,
    }
}

/// How many groups of a step could teach something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCounts {
    /// Groups in all.
    pub groups: u64,
    /// Those of [`GroupState::NoVariance`].
    pub no_variance: u64,
    /// Those of [`GroupState::TooFew`].
    pub too_few: u64,
    /// Those of [`GroupState::MeanNotPositive`].
    pub mean_not_positive: u64,
    /// Samples in all.
    pub samples: u64,
    /// Samples without a reward.
    pub unscorable: u64,
}

impl GroupCounts {
    /// Counts one more group.
    pub fn count(&mut self, group: &GroupAdvantages) {
        self.groups += 1;
        self.samples += group.values.len() as u64;
        self.unscorable += (group.values.len() - group.scored) as u64;
        match group.state {
            GroupState::Informative => {}
            GroupState::NoVariance => self.no_variance += 1,
            GroupState::TooFew => self.too_few += 1,
            GroupState::MeanNotPositive => self.mean_not_positive += 1,
        }
    }

    /// Named shares for the log; none of no groups.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        if self.groups == 0 {
            return Vec::new();
        }
        let of_groups = |count: u64| count as f64 / self.groups as f64;
        vec![
            ("groups", self.groups as f64),
            ("zero_variance_fraction", of_groups(self.no_variance)),
            ("too_few_fraction", of_groups(self.too_few)),
            ("mean_not_positive_fraction", of_groups(self.mean_not_positive)),
            ("unscorable_fraction", self.unscorable as f64 / self.samples.max(1) as f64),
        ]
    }
}

impl AddAssign for GroupCounts {
    fn add_assign(&mut self, other: Self) {
        self.groups += other.groups;
        self.no_variance += other.no_variance;
        self.too_few += other.too_few;
        self.mean_not_positive += other.mean_not_positive;
        self.samples += other.samples;
        self.unscorable += other.unscorable;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use proptest::prelude::*;

    use super::{Baseline, GroupCounts, GroupState, NotFinite, group_advantages};
    use crate::algo::testing::assert_close;

    const EPSILON: f64 = 1e-4;

    fn informative(rewards: &[Option<f64>], baseline: Baseline) -> Vec<f64> {
        let group = group_advantages(rewards, baseline).unwrap();
        assert_eq!(group.state, GroupState::Informative);
        group.values
    }

    #[test]
    fn every_baseline_gives_the_table_worked_out_by_hand() {
        // Rewards 1, 0, 0, 0 and one that could not be scored: mean 1/4, squared deviations 9/16 + 3/16 =
        // 3/4, sample deviation sqrt(3/4 / 3) = 1/2.
        let rewards = [Some(1.0), Some(0.0), None, Some(0.0), Some(0.0)];
        let table = [
            (Baseline::MeanOnly, 0.75, -0.25),
            (Baseline::Standardised { epsilon: EPSILON }, 0.75 / 0.5001, -0.25 / 0.5001),
            // 1 − 0, and 0 − 1/3.
            (Baseline::LeaveOneOut, 1.0, -1.0 / 3.0),
            // (3/4) / (1/4), (−1/4) / (1/4).
            (Baseline::MaxRl, 3.0, -1.0),
        ];
        for (baseline, right, wrong) in table {
            assert_close(&informative(&rewards, baseline), &[right, wrong, 0.0, wrong, wrong], 1e-12);
        }
    }

    #[test]
    fn maxrl_is_bounded_where_rewards_may_be_negative() {
        // Mean 0.02: the largest would be (1 − 0.02) / 0.02 = 49, the smallest −49; n − 1 = 1 bounds both.
        assert_close(&informative(&[Some(1.0), Some(-0.96)], Baseline::MaxRl), &[1.0, -1.0], 1e-12);
        let group = group_advantages(&[Some(0.5), Some(-1.0)], Baseline::MaxRl).unwrap();
        assert_eq!((group.values, group.state), (vec![0.0, 0.0], GroupState::MeanNotPositive));
    }

    #[test]
    fn groups_without_a_comparison_say_so_and_teach_nothing() {
        let cases = [
            // 0.1 added up seven times is not seven times 0.1 in binary: the state must not depend on that.
            (vec![Some(0.1); 7], GroupState::NoVariance, 7),
            (vec![Some(1.0), None, None], GroupState::TooFew, 1),
            (vec![None, None], GroupState::TooFew, 0),
            (vec![], GroupState::TooFew, 0),
        ];
        let mut counts = GroupCounts::default();
        for (rewards, state, scored) in cases {
            for baseline in [
                Baseline::MeanOnly,
                Baseline::Standardised { epsilon: EPSILON },
                Baseline::LeaveOneOut,
                Baseline::MaxRl,
            ] {
                let group = group_advantages(&rewards, baseline).unwrap();
                assert_eq!((group.state, group.scored), (state, scored));
                assert_eq!(group.values, vec![0.0; rewards.len()]);
                let mut one = GroupCounts::default();
                one.count(&group);
                counts += one;
            }
        }
        // Four baselines, each with one group of no variance and three of too few; 12 samples, of which 4
        // unscorable.
        let four = GroupCounts {
            groups: 16,
            no_variance: 4,
            too_few: 12,
            mean_not_positive: 0,
            samples: 48,
            unscorable: 16,
        };
        assert_eq!(counts, four);
        assert!(counts.values().contains(&("zero_variance_fraction", 0.25)));
        assert!(GroupCounts::default().values().is_empty());
    }

    #[test]
    fn a_reward_that_is_not_finite_is_an_error() {
        let group = group_advantages(&[Some(1.0), Some(f64::NAN)], Baseline::MeanOnly);
        assert_eq!(group, Err(NotFinite { sample: 1 }));
    }

    #[test]
    fn settings_are_read_with_their_defaults() {
        let read = |text: &str| serde_json::from_str::<Baseline>(text).unwrap();
        assert_eq!(read(r#"{"kind": "standardised"}"#), Baseline::Standardised { epsilon: EPSILON });
        assert_eq!(read(r#"{"kind": "max_rl"}"#), Baseline::MaxRl);
        assert!(serde_json::from_str::<Baseline>(r#"{"kind": "standardised", "epsilom": 1}"#).is_err());
    }

    proptest! {
        #[test]
        fn advantages_add_up_to_zero_and_an_unscorable_sample_changes_none(
            rewards in prop::collection::vec(-1.0f64..1.0, 2..12), at in 0usize..12,
        ) {
            let rewards: Vec<Option<f64>> = rewards.into_iter().map(Some).collect();
            let mut with_one_more = rewards.clone();
            let at = at.min(rewards.len());
            with_one_more.insert(at, None);
            let baselines =
                [Baseline::MeanOnly, Baseline::Standardised { epsilon: EPSILON }, Baseline::LeaveOneOut];
            for baseline in baselines {
                let alone = group_advantages(&rewards, baseline).unwrap().values;
                prop_assert!(alone.iter().sum::<f64>().abs() < 1e-9);
                let mut without = group_advantages(&with_one_more, baseline).unwrap().values;
                prop_assert_eq!(without.remove(at), 0.0);
                prop_assert_eq!(without, alone);
            }
        }
    }
}
