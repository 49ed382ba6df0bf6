//! Adds to a run's files what each step gave.
//!
//! It reads nothing but what has to be cut off when a run goes on, and keeps no values in memory. One run
//! writes to a folder at a time; that is for the caller to see to.
//!
//! Rooms it touches: lines, events, files.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::files::Growing;
use super::lines::{LogLine, Sample};
use super::{LOG, NOT_FINITE, RecordError, SAMPLES, Values, events, lines};

/// A sample for people to read.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SampleLine {
    /// What it was about.
    pub about: String,
    /// What the agent did or said.
    pub said: String,
    /// What that was worth; `None` where it could not be scored.
    pub reward: Option<f64>,
    /// How much better that was than what it is compared with.
    pub advantage: f64,
}

/// The files of a run that is going on.
///
/// What a call added is kept even if the process is killed the moment after. A call that fails leaves no half
/// line.
#[derive(Debug)]
pub struct Recorder {
    log: Growing,
    samples: Growing,
    events: Growing,
    /// Seconds that earlier pieces of the run took.
    before: f64,
    started: Instant,
}

impl Recorder {
    /// Begins a run (`from_step` 0), or goes on with one whose next step is `from_step`: what is there of
    /// that step and later ones will be done again and is cut off, so that in the end the files are those of
    /// a run that was never interrupted, times apart. Record a step with its samples before writing the
    /// checkpoint that comes after it, and [`Recorder::sync`].
    pub fn open(folder: &Path, from_step: u64) -> Result<Self, RecordError> {
        let tensorboard = folder.join("tensorboard");
        fs::create_dir_all(&tensorboard).map_err(RecordError::io("made", &tensorboard))?;
        let (log, samples, event_file) = (folder.join(LOG), folder.join(SAMPLES), events::path(&tensorboard));
        let kept: Vec<LogLine> = lines::cut(&log, from_step)?;
        lines::cut::<Sample>(&samples, from_step)?;
        events::cut(&event_file, from_step)?;
        let mut recorder = Self {
            log: Growing::open(&log)?,
            samples: Growing::open(&samples)?,
            events: Growing::open(&event_file)?,
            before: kept.iter().map(|line| line.seconds).fold(0.0, f64::max),
            started: Instant::now(),
        };
        if recorder.events.is_empty() {
            recorder.events.add(&events::header(wall_time()))?;
        }
        Ok(recorder)
    }

    /// Adds the values of a step. One that is not finite is null in the log and counted in
    /// `record/not_finite`.
    pub fn step(&mut self, step: u64, values: &Values) -> Result<(), RecordError> {
        check_names(values)?;
        let not_finite = values.iter().filter(|(_, value)| !value.is_finite()).count();
        let warning = (not_finite > 0).then(|| (NOT_FINITE.to_owned(), not_finite as f64));
        let values: Vec<(String, f64)> = values.iter().cloned().chain(warning).collect();
        let seconds = self.before + self.started.elapsed().as_secs_f64();
        self.log.add(&line(&Line { step, seconds, values: &values }))?;
        self.events.add(&events::scalars(wall_time(), step, &values))
    }

    /// Adds the values of an evaluation, as `eval/<name>/<value>`. Its step says whether a run that goes on
    /// makes it again, as with any other line.
    pub fn evaluation(&mut self, step: u64, name: &str, values: &Values) -> Result<(), RecordError> {
        let named = |(value, number): &(String, f64)| (format!("eval/{name}/{value}"), *number);
        self.step(step, &values.iter().map(named).collect::<Vec<_>>())
    }

    /// Adds samples of a step.
    pub fn samples(&mut self, step: u64, samples: &[SampleLine]) -> Result<(), RecordError> {
        let of_step = |sample| line(&StepSample { step, sample });
        self.samples.add(&samples.iter().flat_map(of_step).collect::<Vec<u8>>())
    }

    /// Waits until all of it is on the disk, so that no checkpoint that is written next knows more than the
    /// log, even if the power fails.
    pub fn sync(&self) -> Result<(), RecordError> {
        [&self.log, &self.samples, &self.events].into_iter().try_for_each(Growing::sync)
    }
}

/// A line of the log as it is written; its order is kept.
struct Line<'a> {
    step: u64,
    seconds: f64,
    values: &'a Values,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.values.len()))?;
        map.serialize_entry("step", &self.step)?;
        // To the millisecond.
        map.serialize_entry("seconds", &((self.seconds * 1e3).round() / 1e3))?;
        for (name, value) in self.values {
            // serde_json writes what is not finite as null.
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A line of the samples as it is written.
#[derive(serde::Serialize)]
struct StepSample<'a> {
    step: u64,
    #[serde(flatten)]
    sample: &'a SampleLine,
}

fn line(content: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(content).expect("its keys are texts, and nothing else can fail");
    text.push(b'\n');
    text
}

fn check_names(values: &Values) -> Result<(), RecordError> {
    let mut taken = HashSet::from(["", "step", "seconds", NOT_FINITE]);
    match values.iter().find(|(name, _)| !taken.insert(name)) {
        Some((name, _)) => Err(RecordError::Name { name: name.clone() }),
        None => Ok(()),
    }
}

/// Seconds since 1970, by the machine's clock.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::testing::{Event, read_events};
    use super::{LOG, LogLine, Recorder, SAMPLES, SampleLine, lines};

    fn values(step: u64) -> Vec<(String, f64)> {
        let loss = if step == 3 { f64::NAN } else { 1.0 / (step + 1) as f64 };
        vec![("reward/mean".to_owned(), 0.25 * step as f64), ("policy/loss".to_owned(), loss)]
    }

    /// What training does with a recorder; an evaluation every third step.
    fn work(recorder: &mut Recorder, steps: std::ops::Range<u64>) {
        for step in steps {
            recorder.step(step, &values(step)).unwrap();
            let about = format!("a \"question\"\nof step {step}");
            let said = "ünïcode | \u{1F600}".to_owned();
            let reward = (step != 1).then_some(0.5);
            recorder.samples(step, &[SampleLine { about, said, reward, advantage: -0.125 }]).unwrap();
            if step % 3 == 2 {
                recorder.evaluation(step, "held-out", &[("reward".to_owned(), step as f64)]).unwrap();
            }
            recorder.sync().unwrap();
        }
    }

    fn event_file(folder: &Path) -> std::path::PathBuf {
        super::events::path(&folder.join("tensorboard"))
    }

    /// The log, samples and events of a run, without times.
    fn content(folder: &Path) -> (Vec<String>, String, Vec<String>) {
        let log = fs::read_to_string(folder.join(LOG)).unwrap();
        let without_seconds = |line: &str| {
            let (step, rest) = line.split_once(",\"seconds\":").unwrap();
            format!("{step}{}", &rest[rest.find([',', '}']).unwrap()..])
        };
        let events = read_events(&fs::read(event_file(folder)).unwrap());
        // As text, so that what is no number equals itself.
        let events =
            events.into_iter().map(|event| format!("{:?}", Event { wall_time: 0.0, ..event })).collect();
        (
            log.lines().map(without_seconds).collect(),
            fs::read_to_string(folder.join(SAMPLES)).unwrap(),
            events,
        )
    }

    #[test]
    fn a_resumed_run_leaves_the_files_of_an_uninterrupted_one() {
        let (whole, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        work(&mut Recorder::open(whole.path(), 0).unwrap(), 0..10);
        // Killed at 8 and at 9, with the last checkpoints at 5 and 0; then from 7, and from where it ended.
        for steps in [0..8, 5..9, 0..9, 7..10, 10..10] {
            work(&mut Recorder::open(resumed.path(), steps.start).unwrap(), steps);
        }
        assert_eq!(content(resumed.path()), content(whole.path()));
        let (log, samples, events) = content(whole.path());
        assert_eq!((log.len(), samples.lines().count(), events.len()), (13, 10, 1 + 2 * 10 + 3 + 1));
        assert_eq!(log[1], r#"{"step":1,"reward/mean":0.25,"policy/loss":0.5}"#);
        assert_eq!(log[3], r#"{"step":2,"eval/held-out/reward":2.0}"#);
        assert_eq!(log[4], r#"{"step":3,"reward/mean":0.75,"policy/loss":null,"record/not_finite":1.0}"#);
        assert!(samples.starts_with(r#"{"step":0,"about":"a \"question\"\nof step 0","said":"#));
    }

    #[test]
    fn whatever_a_killed_run_left_unfinished_is_cut() {
        let (whole, torn) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        work(&mut Recorder::open(whole.path(), 0).unwrap(), 0..4);
        let files = [torn.path().join(LOG), torn.path().join(SAMPLES), event_file(torn.path())];
        for missing in 1..40 {
            work(&mut Recorder::open(torn.path(), 0).unwrap(), 0..4);
            for file in &files {
                let bytes = fs::read(file).unwrap();
                fs::write(file, &bytes[..bytes.len() - missing]).unwrap();
            }
            work(&mut Recorder::open(torn.path(), 3).unwrap(), 3..4);
            assert_eq!(content(torn.path()), content(whole.path()), "{missing} bytes were missing");
        }
    }

    #[test]
    fn seconds_grow_over_interruptions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOG);
        let pause = std::time::Duration::from_millis(30);
        for (from, to) in [(0, 3), (2, 5)] {
            let mut recorder = Recorder::open(folder.path(), from).unwrap();
            for step in from..to {
                std::thread::sleep(pause);
                recorder.step(step, &[]).unwrap();
            }
        }
        let seconds: Vec<f64> =
            lines::read::<LogLine>(&path).unwrap().iter().map(|line| line.seconds).collect();
        assert_eq!(seconds.len(), 5);
        assert!(
            seconds[0] >= 0.03 && seconds.windows(2).all(|pair| pair[1] - pair[0] >= 0.028),
            "{seconds:?}"
        );
    }

    #[test]
    fn a_damaged_line_stops_a_resumed_run_before_anything_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        work(&mut Recorder::open(folder.path(), 0).unwrap(), 0..4);
        let path = folder.path().join(LOG);
        let damaged = fs::read_to_string(&path).unwrap().replacen("{\"step\":1", "{\"step\":one", 1);
        fs::write(&path, &damaged).unwrap();
        let error = Recorder::open(folder.path(), 1).unwrap_err().to_string();
        assert!(error.contains("log.jsonl, line 2, column 9:"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }

    #[test]
    fn names_that_the_log_cannot_hold_are_refused_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::open(folder.path(), 0).unwrap();
        for names in [&["step"][..], &["seconds"], &[""], &["record/not_finite"], &["a", "b", "a"]] {
            let values: Vec<_> = names.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
            let error = recorder.step(0, &values).unwrap_err().to_string();
            assert!(error.contains(&format!("a value is named {:?}", names[0])), "{error}");
        }
        assert_eq!(fs::read(folder.path().join(LOG)).unwrap(), b"");
    }

    #[test]
    fn what_is_not_finite_in_a_sample_can_still_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::open(folder.path(), 0).unwrap();
        let sample = SampleLine {
            about: String::new(),
            said: String::new(),
            reward: Some(f64::INFINITY),
            advantage: f64::NAN,
        };
        recorder.samples(0, &[sample]).unwrap();
        let read: Vec<lines::Sample> = lines::read(&folder.path().join(SAMPLES)).unwrap();
        assert_eq!((read[0].reward, read[0].advantage), (None, None));
    }
}
