//! Whole runs in a folder: every kind trains, one that was stopped ends as one that was not, and what cannot be gone on with
//! is refused.
//!
//! Rooms it touches: run, weights; of core: model.

#![allow(clippy::unwrap_used)] // a test fails by a panic

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::tiny_base;
use keepsake_core::model::{LlamaModel, LlamaSettings, Role};
use keepsake_trainer::run::{self, Ended, RunConfig};
use keepsake_trainer::weights::Architecture;

const IMITATION: &str = "[learn]\nfrom = \"gold\"\nsamples = 3\n";
const GRPO: &str = "[learn]\nfrom = \"rewards\"\nscenes = 2\ngroup = 2\nalgorithm = { kind = \"grpo\" }\n";
const PPO: &str = "[learn]\nfrom = \"rewards\"\nscenes = 1\ngroup = 2\nalgorithm = { kind = \"ppo\" }\n";

fn config(folder: &Path, role: &str, learn: &str, steps: u64) -> RunConfig {
    let model = tiny_base(folder, Architecture::Qwen2);
    let text = format!(
        "role = \"{role}\"\nmodel = \"{}\"\nsteps = {steps}\nseed = 5\nevaluate_every = 2\nsave_every = 1\n{learn}\n\
         [learning]\npeak = 1e-3\n[world]\nstories = 1\nheld = 1\nheld_most = 2\nsessions = 1\nturns = 6\nask_every = 6\n\
         [engine]\ndevice = \"cpu\"\nthreads = 2\nrank = 2\n",
        model.display()
    );
    let file = folder.join("run.toml");
    std::fs::write(&file, text).unwrap();
    RunConfig::read(&file).unwrap()
}

fn train(config: &RunConfig, folder: &Path, resume: bool) -> Ended {
    run::train(config, folder, resume, &AtomicBool::new(false)).unwrap()
}

/// A run's files, times apart.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in ["manager.gguf", "samples.jsonl"] {
        found.insert(name.to_owned(), std::fs::read(folder.join(name)).unwrap_or_default());
    }
    let log = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let timeless = log.lines().map(|line| {
        let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        line.retain(|name, _| !name.starts_with("seconds") && !name.starts_with("speed"));
        serde_json::to_string(&line).unwrap()
    });
    found.insert("log".to_owned(), timeless.collect::<Vec<_>>().join("\n").into_bytes());
    found
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    for (name, learn) in [("imitation", IMITATION), ("grpo", GRPO), ("ppo", PPO)] {
        let (whole, halves) =
            (folder.path().join(format!("{name}-whole")), folder.path().join(format!("{name}-halves")));
        let long = config(folder.path(), "manager", learn, 4);
        let Ended::Whole { adapter } = train(&long, &whole, false) else { panic!("it was not stopped") };
        assert!(adapter.exists() && whole.join("report.md").exists());
        // Two steps first; then as many as the whole run has.
        train(&config(folder.path(), "manager", learn, 2), &halves, false);
        train(&long, &halves, true);
        assert!(files(&whole) == files(&halves), "{name}");
    }
}

#[test]
fn a_stop_saves_and_says_where_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "manager", IMITATION, 3);
    let run = folder.path().join("run");
    let ended = run::train(&config, &run, false, &AtomicBool::new(true)).unwrap();
    assert_eq!(ended, Ended::Stopped { step: 0 });
    assert!(run.join("state-0").exists());
    assert!(matches!(train(&config, &run, true), Ended::Whole { .. }));
}

#[test]
fn the_device_loads_what_was_trained_and_refuses_it_for_another_agent() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "answer", GRPO, 1);
    let Ended::Whole { adapter } = train(&config, &folder.path().join("run"), false) else {
        panic!("it was not stopped")
    };
    let settings = |role| LlamaSettings {
        adapters: [(role, adapter.clone())].into(),
        ..LlamaSettings::new(&config.model)
    };
    assert!(LlamaModel::load(&settings(Role::Answer)).is_ok());
    let refused = LlamaModel::load(&settings(Role::Manager)).err().unwrap().to_string();
    assert!(refused.contains("role answer"), "{refused}");
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let first = config(folder.path(), "manager", IMITATION, 1);
    train(&first, &run, false);
    let refused = |config: &RunConfig, resume| {
        run::train(config, &run, resume, &AtomicBool::new(false)).unwrap_err().to_string()
    };
    assert!(refused(&first, false).contains("--resume"));
    let other = RunConfig { seed: 6, ..first.clone() };
    assert!(refused(&other, true).contains("other settings"));
    let read = |text: &str| {
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, text).unwrap();
        RunConfig::read(&file).unwrap_err().to_string()
    };
    let good = first.to_toml().unwrap();
    assert!(read(&good.replace("seed", "sead")).contains("sead"));
    assert!(read(&good.replace("\"cpu\"", "\"gpu\"")).contains("cuda:0"));
    assert!(read(&good.replace("rank = 2", "rank = 0")).contains("engine.rank"));
    assert!(run::load(&RunConfig { model: "/nowhere.gguf".into(), ..first }).is_err());
}
