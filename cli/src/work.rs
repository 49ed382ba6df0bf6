//! Works the queue with a bar that shows rate and time left.
//!
//! What each turn gives is the caller's to show. Rooms it touches: exit, output.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use keepsake_core::bank::Bank;
use keepsake_core::types::Cancel;
use keepsake_core::{Budget, Ended, Engine, Progress, Receipt};

use crate::exit::Failure;
use crate::output;

/// How often a line is written where there is no terminal to draw on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Turns that wait, over all spaces.
pub(crate) fn waiting(bank: &dyn Bank) -> Result<u64, Failure> {
    let mut waiting = 0;
    for space in bank.spaces()? {
        waiting += bank.counts(&space)?.waiting;
    }
    Ok(waiting)
}

/// Works the whole queue. `observe` hears of every turn.
pub(crate) fn work(
    engine: &Engine,
    bank: &dyn Bank,
    cancel: &Cancel,
    mut observe: impl FnMut(&Receipt),
) -> Result<Progress, Failure> {
    let mut meter = Meter::new(waiting(bank)?);
    let worked = engine.process(&Budget::default(), cancel, &mut |receipt| {
        log::info!("worked through turn {}", receipt.turn);
        observe(receipt);
        meter.step();
    });
    meter.clear();
    Ok(worked?)
}

/// The failure of work that the person stopped, which says how to go on.
pub(crate) fn stopped(bank: &dyn Bank) -> Result<Failure, Failure> {
    let waiting = waiting(bank)?;
    Ok(Failure::other(format!("stopped; turns that wait: {waiting}. The same command goes on with them")))
}

/// Whether all that waited was worked through.
pub(crate) fn finished(progress: &Progress) -> bool {
    progress.ended == Ended::Empty
}

/// A bar on a terminal; elsewhere a line from time to time.
pub(crate) struct Meter {
    bar: ProgressBar,
    lines: bool,
    started: Instant,
    last: Instant,
}

impl Meter {
    pub(crate) fn new(turns: u64) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let target = if lines { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(turns), target);
        bar.set_style(style());
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, lines, started: Instant::now(), last: Instant::now() }
    }

    pub(crate) fn step(&mut self) {
        self.bar.inc(1);
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        if self.lines && done < all && self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            let each = self.started.elapsed().as_secs_f64() / done as f64;
            let left = each * (all - done) as f64;
            output::note(&format!("{done} of {all} turns, {:.0} a minute, {left:.0} s left", 60.0 / each));
        }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _infallible = write!(out, "{:.0} a minute", state.per_sec() * 60.0);
    };
    // Only a wrong template fails, and a test draws this one.
    ProgressStyle::with_template("{bar:30} {pos} of {len} turns, {rate}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_sound() {
        assert!(ProgressStyle::with_template("{bar:30} {pos} of {len} turns, {rate}, {eta} left").is_ok());
        let mut meter = Meter::new(2);
        meter.step();
        assert_eq!(meter.bar.position(), 1);
    }
}
