//! The mathematics of training: rewards, advantages, losses with their derivatives, and the learning rate.
//!
//! Everything here is a pure function over slices. A loss takes the log-probabilities (or values) of one
//! completion and returns its value, its derivative with respect to each of them, and sums for the log. The
//! engine turns that derivative into gradients of the weights.
//!
//! It deliberately holds no tensor, samples nothing, reads no clock and does not know which model is trained.
//! All numbers are `f64`, log-probabilities are in nats, and a slice of a completion has one entry for each
//! of its tokens.
//!
//! Rooms it touches: score (for rewards).

pub mod advantage;
pub mod credit;
pub mod gae;
pub mod moments;
pub mod policy;
pub mod policy_metrics;
pub mod reward;
pub mod scale;
pub mod schedule;
pub mod sft;
pub mod value;

#[cfg(test)]
mod testing;

/// A slice of a completion that does not have one entry for each of its tokens. The caller mixed two
/// completions up; nothing was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} entries where the completion has {expected} tokens")]
pub struct Uneven {
    /// The slice.
    pub what: &'static str,
    /// Tokens of the completion.
    pub expected: usize,
    /// Entries of the slice.
    pub found: usize,
}

/// Checks that every named slice has as many entries as the completion has tokens.
fn even(expected: usize, slices: &[(&'static str, usize)]) -> Result<(), Uneven> {
    match slices.iter().find(|(_, found)| *found != expected) {
        Some(&(what, found)) => Err(Uneven { what, expected, found }),
        None => Ok(()),
    }
}

/// A setting outside the range in which its formula means anything. Whoever wrote the settings has to change
/// it; nothing was computed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{what} is {value}, but has to be {needs}")]
pub struct BadSetting {
    /// The setting's name.
    pub what: &'static str,
    /// What was given.
    pub value: f64,
    /// The range, in words.
    pub needs: &'static str,
}

/// Checks one setting.
fn within(what: &'static str, value: f64, good: bool, needs: &'static str) -> Result<(), BadSetting> {
    if good { Ok(()) } else { Err(BadSetting { what, value, needs }) }
}
