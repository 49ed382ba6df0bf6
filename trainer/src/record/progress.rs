//! What a person sees while a run goes on: a bar on a terminal, elsewhere a line from time to time.
//!
//! The only part of the library that writes to a terminal, and to standard error alone.
//!
//! Rooms it touches: numbers.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Values;
use super::numbers::{duration, grouped};

/// How often a line is written where there is no terminal to draw on.
const LINE_EVERY: Duration = Duration::from_secs(30);
const TEMPLATE: &str = "{bar:30} {msg} [{elapsed}]";

/// A bar that counts steps. It goes when it is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    pace: Pace,
    lines: bool,
    last: Option<Instant>,
}

impl Progress {
    /// Before the first of the steps `from_step..steps`.
    pub fn new(from_step: u64, steps: u64) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let target = if lines { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        bar.set_style(style());
        bar.set_position(from_step);
        bar.set_message(format!("{} of {} steps", grouped(from_step as f64), grouped(steps as f64)));
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, pace: Pace { from_step, steps, started: Instant::now() }, lines, last: None }
    }

    /// Before the first of so many pieces of any other work.
    pub fn of_pieces(pieces: u64) -> Self {
        let progress = Self::new(0, pieces);
        progress.bar.set_message("");
        progress
    }

    /// So many pieces are done; `text` says what a person should know.
    pub fn at(&mut self, done: u64, text: &str) {
        let now = Instant::now();
        let due = done == self.pace.steps || self.last.is_none_or(|last| now - last >= LINE_EVERY);
        if self.lines && due {
            self.last = Some(now);
            self.say(text);
        }
        self.bar.set_position(done);
        self.bar.set_message(text.to_owned());
    }

    /// A step is done, and gave what [`super::Recorder::step`] is given.
    pub fn step(&mut self, step: u64, values: &Values) {
        let text = self.pace.line(Instant::now(), step + 1, values);
        self.at(step + 1, &text);
    }

    /// A line for the person, above the bar.
    pub fn say(&self, text: &str) {
        if self.lines {
            // Training goes on whether or not someone still listens.
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            self.bar.println(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How fast the steps of this process are done.
#[derive(Debug)]
struct Pace {
    from_step: u64,
    steps: u64,
    started: Instant,
}

impl Pace {
    /// Steps done, what matters most of the last one, and the time that is left at the mean pace so far.
    fn line(&self, now: Instant, done: u64, values: &Values) -> String {
        let value = |name: &str| values.iter().find(|(is, _)| is == name).map(|(_, value)| *value);
        let mut text = format!("{} of {} steps", grouped(done as f64), grouped(self.steps as f64));
        if let Some(reward) = value("reward/mean").or(value("answer/reward/mean")) {
            text.push_str(&format!(", reward {reward:.3}"));
        } else if let Some(loss) = value("sft/loss") {
            text.push_str(&format!(", loss {loss:.3}"));
        }
        if let Some(tokens) = value("speed/tokens_per_second") {
            text.push_str(&format!(", {} tokens/s", grouped(tokens)));
        }
        let (here, left) = (done.saturating_sub(self.from_step), self.steps.saturating_sub(done));
        if here > 0 && left > 0 {
            let each = (now - self.started).as_secs_f64() / here as f64;
            text.push_str(&format!(", {} left", duration(each * left as f64)));
        }
        text
    }
}

fn style() -> ProgressStyle {
    // Only a wrong template fails, and a test tries this one.
    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use indicatif::ProgressStyle;

    use super::{Pace, Progress, TEMPLATE};

    #[test]
    fn a_line_says_how_far_how_good_how_fast_and_how_long() {
        let started = Instant::now();
        let pace = Pace { from_step: 1_000, steps: 1_200, started };
        let now = started + Duration::from_secs(50);
        let values = [("speed/tokens_per_second", 6_234.6), ("reward/mean", 0.512_34), ("sft/loss", 1.0)];
        let values = values.map(|(name, value)| (name.to_owned(), value));
        // 50 s for 10 steps, and 190 left.
        let expected = "1,010 of 1,200 steps, reward 0.512, 6,235 tokens/s, 15 min 50 s left";
        assert_eq!(pace.line(now, 1_010, &values), expected);
        assert_eq!(pace.line(now, 1_200, &values[2..]), "1,200 of 1,200 steps, loss 1.000");
        assert_eq!(pace.line(now, 1_000, &[]), "1,000 of 1,200 steps");
    }

    #[test]
    fn the_template_is_sound_and_the_bar_counts() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        let mut progress = Progress::new(3, 5);
        progress.step(3, &[]);
        assert_eq!((progress.bar.position(), progress.bar.length()), (4, Some(5)));
    }
}
