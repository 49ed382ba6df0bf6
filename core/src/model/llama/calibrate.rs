//! How many threads suit a device, and how fast it is then: found by a short measurement, and kept.
//!
//! More threads are not always faster: a phone's small cores hold up its large ones. So as few are taken as come close
//! to the fastest. The measurement takes about a second with the default model and is kept in the folder of states, a
//! month long, for this model and this number of processors. Rooms it touches: model.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

use super::context::{Context, Failure, LANE_STEP, Part, Shape};
use super::pace::Pace;
use super::state::{States, UNFINISHED};
use super::worker::Plan;
use crate::model::Role;

/// Most threads that are tried: never all of a large processor, which belongs to the person who uses it.
const MOST_THREADS: u32 = 4;
/// How much slower fewer threads may be: they use less energy.
const SLOWER: f64 = 1.1;
/// Steps of one token that are measured, the fastest of which counts.
const SINGLE_STEPS: usize = 6;
/// Steps of one token for each long one in the queue's work: a turn of the demo reads about 130 tokens in steps of 63
/// and is written in about 30 steps.
const SINGLE_FOR_LONG: f64 = 16.0;
/// How long is measured at most, about: a large model is slow with any number of threads.
const MOST_TIME: Duration = Duration::from_secs(3);
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// How fast a number of threads is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration {
    pub(super) threads: u32,
    /// Milliseconds of a step of one token.
    single_ms: f64,
    /// Milliseconds of a step of [`LANE_STEP`] tokens.
    long_ms: f64,
}

/// Threads where nothing is measured, and the most that are tried.
pub(super) fn by_rule() -> u32 {
    most_threads(processors())
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, usize::from) as u32
}

/// Half the processors, or both of two.
fn most_threads(processors: u32) -> u32 {
    if processors <= 2 { processors.max(1) } else { (processors / 2).min(MOST_THREADS) }
}

/// What is kept in this file, if it is sound and not old.
fn kept(file: &Path) -> Option<Calibration> {
    let written = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
    // One from the future is of a clock that was wrong.
    if written.elapsed().ok()? > KEPT_FOR {
        return None;
    }
    let kept: Calibration = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let times = [kept.single_ms, kept.long_ms];
    let sound =
        (1..=MOST_THREADS).contains(&kept.threads) && times.iter().all(|ms| ms.is_finite() && *ms > 0.0);
    sound.then_some(kept)
}

/// Keeps one in this file, whole or not at all.
fn keep(file: &Path, calibration: &Calibration) -> std::io::Result<()> {
    let unfinished = file.with_extension(format!("{}.{}", std::process::id(), UNFINISHED));
    fs::write(&unfinished, serde_json::to_vec(calibration)?)?;
    fs::rename(&unfinished, file)
}

/// Measures from `most` threads down, for as long as that does not make the work slower and `measure` has the time.
fn choose<E>(
    most: u32,
    mut measure: impl FnMut(u32) -> Result<Option<Calibration>, E>,
) -> Result<Option<Calibration>, E> {
    let Some(mut best) = measure(most)? else { return Ok(None) };
    let mut chosen = best;
    for threads in (1..most).rev() {
        let Some(fewer) = measure(threads)? else { break };
        if fewer.cost() > best.cost() * SLOWER {
            break;
        }
        chosen = fewer;
        if fewer.cost() < best.cost() {
            best = fewer;
        }
    }
    Ok(Some(chosen))
}

impl Calibration {
    /// What was measured of this device, now or before. `None` where it cannot be measured.
    pub(super) fn of_device(plan: &Plan, model: &LlamaModel, states: &States) -> Option<Self> {
        let file = states.calibration(processors());
        if let Some(kept) = kept(&file) {
            return Some(kept);
        }
        let shape = Shape::for_tokens(Role::Manager, 1, 1, plan.context_tokens);
        let (most, started) = (by_rule(), Instant::now());
        let found = choose(most, |threads| {
            if threads < most && started.elapsed() > MOST_TIME {
                return Ok(None);
            }
            Self::measure(&mut Context::new(plan, model, shape, threads)?, threads).map(Some)
        });
        let found =
            found.inspect_err(|Failure(what)| log::warn!("threads are not measured: {what}")).ok()??;
        if let Err(error) = keep(&file, &found) {
            log::warn!("what was measured of this device is not kept: {error}");
        }
        Some(found)
    }

    /// How long steps take.
    pub(super) fn pace(self) -> Pace {
        Pace::new(self.single_ms, LANE_STEP as usize, self.long_ms)
    }

    /// Measures in an empty context that runs with so many threads.
    fn measure(context: &mut Context<'_>, threads: u32) -> Result<Self, Failure> {
        let (mut at, mut pace) = (0, Pace::default());
        let mut step = |count: usize| {
            // Any token does.
            let tokens = vec![LlamaToken(0); count];
            let part = Part { stream: 0, at, tokens: &tokens, logits: 1 };
            at += count;
            context.evaluate(&[part], &mut pace)
        };
        // The first step wakes the threads.
        step(1)?;
        let mut single_ms = f64::INFINITY;
        for _ in 0..SINGLE_STEPS {
            single_ms = single_ms.min(step(1)?);
        }
        let long_ms = step(LANE_STEP as usize)?.min(step(LANE_STEP as usize)?);
        Ok(Self { threads, single_ms, long_ms })
    }

    fn cost(&self) -> f64 {
        SINGLE_FOR_LONG * self.single_ms + self.long_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen of these times for one, two, ... threads, and how many were measured.
    fn chosen(times: &[f64]) -> (u32, usize) {
        let mut measured = 0;
        let found = choose(times.len() as u32, |threads| {
            measured += 1;
            let time = times[threads as usize - 1];
            Ok::<_, ()>(Some(Calibration { threads, single_ms: time, long_ms: time }))
        });
        (found.unwrap().unwrap().threads, measured)
    }

    #[test]
    fn as_few_threads_are_taken_as_come_close_to_the_fastest() {
        assert_eq!(chosen(&[40.0, 21.0, 14.0, 11.0]), (4, 2));
        assert_eq!(chosen(&[40.0, 21.0, 15.0, 14.5]), (3, 3));
        assert_eq!(chosen(&[40.0, 20.0, 15.0, 30.0]), (3, 3), "a slow core holds up the others");
        assert_eq!(chosen(&[10.0, 10.0]), (1, 2));
        assert_eq!(chosen(&[10.0]), (1, 1));
        assert_eq!([1, 2, 3, 4, 8, 64].map(most_threads), [1, 2, 1, 2, 4, 4]);
    }

    #[test]
    fn what_is_damaged_or_old_is_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kept");
        assert_eq!(kept(&file), None);
        let calibration = Calibration { threads: 2, single_ms: 11.0, long_ms: 250.5 };
        keep(&file, &calibration).unwrap();
        assert_eq!(kept(&file), Some(calibration));
        for damaged in [
            "",
            "{",
            r#"{"threads":0,"single_ms":1.0,"long_ms":1.0}"#,
            r#"{"threads":2,"single_ms":-1.0,"long_ms":1.0}"#,
        ] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(kept(&file), None, "{damaged}");
        }
        keep(&file, &calibration).unwrap();
        let old = std::time::SystemTime::now() - KEPT_FOR - Duration::from_hours(1);
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert_eq!(kept(&file), None);
    }
}
