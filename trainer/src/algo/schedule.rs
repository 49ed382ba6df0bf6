//! The learning rate of each step: a linear warm-up, then constant or falling.
//!
//! It deliberately holds no state: the rate depends on the step's number alone, so that a resumed run goes on
//! exactly.
//!
//! Rooms it touches: algo.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{BadSetting, within};

/// When the learning rate is what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The largest rate.
    pub peak: f64,
    /// The steps until it is reached. Default 0.
    #[serde(default)]
    pub warm_up: u64,
    /// What comes then. Default: nothing, as in Memory-R1 (arXiv 2508.19828), whose warm-up is of no stated
    /// length.
    #[serde(default)]
    pub decay: Decay,
}

/// What the rate does after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// It falls in a straight line to `floor` times the peak.
    Linear {
        /// The step, counted from 0, from which it stays at the floor.
        end: u64,
        /// A share of the peak. Default 0.
        #[serde(default)]
        floor: f64,
    },
    /// It falls along half a cosine: Loshchilov, Hutter, "SGDR" (arXiv 1608.03983), equation 5, without
    /// restarts.
    Cosine {
        /// The step, counted from 0, from which it stays at the floor.
        end: u64,
        /// A share of the peak. Default 0.
        #[serde(default)]
        floor: f64,
    },
}

impl Schedule {
    /// A schedule that stays at `peak` after `warm_up` steps.
    pub fn constant(peak: f64, warm_up: u64) -> Self {
        Self { peak, warm_up, decay: Decay::Constant }
    }

    /// Checks the settings.
    pub fn check(&self) -> Result<(), BadSetting> {
        within("peak", self.peak, self.peak >= 0.0 && self.peak.is_finite(), "0 or more")?;
        match self.decay {
            Decay::Constant => Ok(()),
            Decay::Linear { end, floor } | Decay::Cosine { end, floor } => {
                within("decay.end", end as f64, end > self.warm_up, "after the warm-up")?;
                within("decay.floor", floor, (0.0..=1.0).contains(&floor), "from 0 to 1")
            }
        }
    }

    /// The rate of an optimiser step, counted from 0. The first already moves: it has 1 / `warm_up` of the
    /// peak.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.peak * (step + 1) as f64 / self.warm_up as f64;
        }
        let fallen = |end: u64| {
            let length = end.saturating_sub(self.warm_up).max(1);
            ((step - self.warm_up) as f64 / length as f64).min(1.0)
        };
        self.peak
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear { end, floor } => 1.0 - (1.0 - floor) * fallen(end),
                Decay::Cosine { end, floor } => {
                    floor + (1.0 - floor) * 0.5 * (1.0 + (PI * fallen(end)).cos())
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decay, Schedule};
    use crate::algo::testing::assert_close;

    fn rates(schedule: Schedule, steps: &[u64]) -> Vec<f64> {
        assert_eq!(schedule.check(), Ok(()));
        steps.iter().map(|step| schedule.rate(*step)).collect()
    }

    #[test]
    fn rates_are_those_of_the_table_worked_out_by_hand() {
        let steps = [0, 1, 3, 4, 8, 12, 20, 1000];
        let constant = Schedule::constant(2.0, 4);
        // Warm-up 1/4, 2/4, 4/4; then the peak.
        assert_close(&rates(constant, &steps), &[0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 1e-12);
        // From step 4 to 20 in sixteenths: 0, 4/16, 8/16, 16/16 of the way from 2 to 0.2.
        let linear = Schedule { decay: Decay::Linear { end: 20, floor: 0.1 }, ..constant };
        assert_close(&rates(linear, &steps), &[0.5, 1.0, 2.0, 2.0, 1.55, 1.1, 0.2, 0.2], 1e-12);
        // The same times, (1 + cos 45°) / 2 and (1 + cos 90°) / 2 left of 1.8.
        let cosine = Schedule { decay: Decay::Cosine { end: 20, floor: 0.1 }, ..constant };
        let quarter = 0.2 + 0.9 * (1.0 + 0.5f64.sqrt());
        assert_close(&rates(cosine, &steps), &[0.5, 1.0, 2.0, 2.0, quarter, 1.1, 0.2, 0.2], 1e-12);
    }

    #[test]
    fn without_a_warm_up_the_first_step_has_the_peak() {
        assert_close(&rates(Schedule::constant(3e-5, 0), &[0, 1]), &[3e-5, 3e-5], 1e-12);
    }

    #[test]
    fn settings_are_read_and_those_without_a_meaning_refused() {
        let read = |text: &str| serde_json::from_str::<Schedule>(text);
        assert_eq!(read(r#"{"peak": 0.5}"#).unwrap(), Schedule::constant(0.5, 0));
        let linear = read(r#"{"peak": 1, "warm_up": 5, "decay": {"kind": "linear", "end": 5}}"#).unwrap();
        assert_eq!(linear.check().unwrap_err().what, "decay.end");
        assert_eq!(Schedule::constant(f64::NAN, 0).check().unwrap_err().what, "peak");
        assert!(read(r#"{"peak": 1, "warmup": 5}"#).is_err());
    }
}
