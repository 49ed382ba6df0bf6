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
use keepsake_core::model::{LlamaModel, LlamaSettings, Role, Tokenizer, adapter};
use keepsake_trainer::engine::{Choice, Part, PolicyEngine};
use keepsake_trainer::run::{self, Ended, RunConfig, RunError, material};
use keepsake_trainer::tasks::manager::NONE;
use keepsake_trainer::weights::{Architecture, Base, Bits, Label, Lora, read_adapter, write_adapter};
use keepsake_trainer::world::Split;

const IMITATION: &str = "[learn]\nfrom = \"gold\"\nsamples = 3\n";
const GRPO: &str = "[learn]\nfrom = \"rewards\"\nscenes = 2\ngroup = 2\nalgorithm = { kind = \"grpo\" }\n";
const PPO: &str = "[learn]\nfrom = \"rewards\"\nscenes = 1\ngroup = 2\nalgorithm = { kind = \"ppo\" }\n";

const NESTED: &str = "[joint]\ntogether = \"nested\"\nphase = 3\n[learn]\nfrom = \"rewards\"\nscenes = 1\ngroup = 2\n\
                      algorithm = { kind = \"grpo\" }\njudge = { by = \"agent\", answers = 2 }\n";
const ALTERNATING: &str = "[joint]\nphase = 2\n[learn]\nfrom = \"rewards\"\nscenes = 2\ngroup = 2\n\
                           algorithm = { kind = \"ppo\" }\n";

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
    for name in ["manager.gguf", "answer.gguf", "samples.jsonl"] {
        found.insert(name.to_owned(), std::fs::read(folder.join(name)).unwrap_or_default());
    }
    for entry in std::fs::read_dir(folder.join("state-6")).unwrap() {
        let path = entry.unwrap().path();
        found.insert(path.file_name().unwrap().display().to_string(), std::fs::read(&path).unwrap());
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
    for (name, role, learn) in [
        ("imitation", "manager", IMITATION),
        ("grpo", "manager", GRPO),
        ("ppo", "manager", PPO),
        ("nested", "joint", NESTED),
        ("alternating", "joint", ALTERNATING),
    ] {
        let (whole, halves) =
            (folder.path().join(format!("{name}-whole")), folder.path().join(format!("{name}-halves")));
        let long = config(folder.path(), role, learn, 6);
        let Ended::Whole { adapters } = train(&long, &whole, false) else { panic!("it was not stopped") };
        assert!(adapters[0].exists() && whole.join("report.md").exists());
        // Five steps first, which ends inside a phase; then as many as the whole run has.
        train(&config(folder.path(), role, learn, 5), &halves, false);
        train(&long, &halves, true);
        assert!(files(&whole) == files(&halves), "{name}");
        // A curve is drawn by the name under which its value is logged.
        for (file, headings) in drawn(name) {
            let svg = std::fs::read_to_string(whole.join("pictures").join(file)).unwrap();
            let missing = headings.iter().find(|heading| !svg.contains(**heading));
            assert!(missing.is_none(), "{name}: {file} has no {missing:?}");
        }
    }
}

#[test]
fn an_adapter_of_fewer_linears_learns_from_the_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let begun = config(folder.path(), "manager", IMITATION, 1);
    train(&begun, &place("begun"), false);
    let base = Base::open(&begun.model).unwrap();
    let (mut teacher, label) = read_adapter(&place("begun/manager.gguf"), base.shape()).unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    teacher.pairs.values_mut().flat_map(|pair| &mut pair.b).for_each(|value| *value = random.f32() - 0.5);
    let half = teacher.prune(0.5, &base).unwrap();
    for (name, lora) in [("teacher.gguf", &teacher), ("half.gguf", &half)] {
        write_adapter(&place(name), base.shape(), lora, &label, Bits::F32).unwrap();
    }
    let from = format!("[learn]\nfrom = \"adapter\"\nadapter = {:?}\nsamples = 3\n", place("teacher.gguf"));
    let learn = format!("[begin]\nmanager = {:?}\n{from}", place("half.gguf"));
    let long = config(folder.path(), "manager", &learn, 6);
    train(&long, &place("whole"), false);
    train(&config(folder.path(), "manager", &learn, 5), &place("halves"), false);
    train(&long, &place("halves"), true);
    assert!(files(&place("whole")) == files(&place("halves")));

    let (lora, _) = read_adapter(&place("whole/manager.gguf"), base.shape()).unwrap();
    assert!(lora.pairs.keys().eq(half.pairs.keys()));
    let mut loaded = run::load(&long).unwrap();
    run::teach(&long, &mut loaded).unwrap();
    let (mut engine, part) = (loaded.engine, Part::policy(Role::Manager));
    let trees =
        material::samples(&long, Role::Manager, &loaded.tokenizer, Split::Train, &mut |_| {}).unwrap();
    let mut apart = |lora: &Lora| -> f32 {
        engine.adopt(part, lora).unwrap();
        engine.follow(part, &trees, 1.0).unwrap().iter().flatten().flatten().sum()
    };
    let (before, after, own) = (apart(&half), apart(&lora), apart(&teacher));
    assert!(after < 0.95 * before && own < 1e-3 * before, "{before}, {after}, {own}");

    // What is logged is that divergence, of a choice: of all samples it was this much before.
    let choices = trees.iter().flat_map(|tree| &tree.branches).flat_map(|branch| &branch.choices);
    let mean = f64::from(before) / choices.filter(|choice| **choice != Choice::Forced).count() as f64;
    let lines = std::fs::read_to_string(place("whole/log.jsonl")).unwrap();
    let logged = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["sft/loss"].as_f64();
    let first = lines.lines().find_map(logged).unwrap();
    assert!((0.3..3.0).contains(&(first / mean)), "{first}, {mean}");

    // Another teacher is another run.
    std::fs::copy(place("half.gguf"), place("teacher.gguf")).unwrap();
    let other = run::train(&long, &place("whole"), true, &AtomicBool::new(false));
    assert!(matches!(other, Err(RunError::State { .. })), "{other:?}");
    // One of another agent, way to answer or wording is none.
    let refused = |role: &str, label: &Label| {
        write_adapter(&place("teacher.gguf"), base.shape(), &teacher, label, Bits::F32).unwrap();
        let config = config(folder.path(), role, &from, 1);
        run::train(&config, &place("refused"), true, &AtomicBool::new(false)).unwrap_err().to_string()
    };
    assert!(refused("answer", &label).contains("no adapter of the answer agent"));
    let answers = Label { role: Role::Answer, wording: adapter::wording(Role::Answer), ..label.clone() };
    let direct = refused("answer", &Label { distils: false, ..answers.clone() });
    assert!(direct.contains("distils = false"), "{direct}");
    assert!(
        refused("answer", &Label { wording: label.wording.clone(), ..answers }).contains("another version")
    );
}

/// What the pictures of a run show at least.
fn drawn(name: &str) -> Vec<(&'static str, &'static [&'static str])> {
    let time: (&str, &[&str]) = ("time.svg", &["Seconds by phase", "Speed", "Model FLOP utilisation"]);
    let gradient: (&str, &[&str]) = ("gradient.svg", &["Norm before clipping"]);
    if name == "imitation" {
        return vec![
            time,
            gradient,
            ("loss.svg", &["Loss of fine-tuning", "Learning rate"]),
            ("evaluation.svg", &["Loss of held"]),
        ];
    }
    let mut all: Vec<(&str, &[&str])> = vec![
        time,
        gradient,
        ("reward.svg", &["Mean reward", "Parts of the reward", "Groups whose rewards were all equal"]),
        ("policy.svg", &["Entropy", "Kullback-Leibler divergence", "Probability ratio"]),
        ("length.svg", &["Reply", "Prompt"]),
        ("evaluation.svg", &["Reward mean", "Operations accuracy"]),
    ];
    if name == "ppo" {
        all.push(("loss.svg", &["Loss of the policy", "Loss of the critic"]));
    }
    all
}

#[test]
fn a_stop_saves_and_says_where_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "manager", IMITATION, 3);
    let run = folder.path().join("run");
    let ended = run::train(&config, &run, false, &AtomicBool::new(true)).unwrap();
    // What was learnt so far can be used.
    assert_eq!(ended, Ended::Stopped { step: 0, adapters: vec![run.join("manager.gguf")] });
    assert!(run.join("manager.gguf").exists() && run.join("state-0").exists());
    assert!(matches!(train(&config, &run, true), Ended::Whole { .. }));
}

#[test]
fn the_device_loads_what_was_trained_and_refuses_it_for_another_agent() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "answer", GRPO, 1);
    let Ended::Whole { adapters } = train(&config, &folder.path().join("run"), false) else {
        panic!("it was not stopped")
    };
    let adapter = &adapters[0];
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

/// Two turns with a question about both.
const TALK: &str = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"I have a dog.","id":"a"}
{"time":"2024-03-02T10:16","speaker":"Maria","text":"He is called Scout.","id":"b"}
{"question":"Which pet does Maria have?","answer":"a dog called Scout","evidence":["a","b"]}
{"question":"What is a secret?","answer":""}"#;

#[test]
fn conversations_of_files_are_learnt_from() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.jsonl");
    std::fs::write(&talk, TALK).unwrap();
    let judged = "judge = { by = \"agent\" }\n";
    for (role, learn) in [("manager", GRPO), ("answer", GRPO), ("joint", ALTERNATING)] {
        let mut config = config(folder.path(), role, &format!("{learn}{judged}"), 2);
        config.world.stories = 0;
        config.data.files = vec![talk.clone()];
        let run = folder.path().join(role);
        assert!(matches!(train(&config, &run, false), Ended::Whole { .. }));
        let samples = std::fs::read_to_string(run.join("samples.jsonl")).unwrap();
        let about = if role == "answer" { "Which pet" } else { "Maria: He is called Scout." };
        assert!(samples.contains(about) && !samples.contains("secret"), "{samples}");
    }
}

#[test]
fn notes_without_questions_are_asked_for_and_rewarded() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.txt");
    std::fs::write(&talk, NOTED).unwrap();
    let mut config = config(folder.path(), "answer", GRPO, 1);
    config.world.stories = 0;
    config.data.files = vec![talk];
    let run = folder.path().join("run");
    assert!(matches!(train(&config, &run, false), Ended::Whole { .. }));
    let samples = std::fs::read_to_string(run.join("samples.jsonl")).unwrap();
    assert!(samples.contains("Where does ") && samples.contains("Leeds"), "{samples}");
}

/// Turns that tell nothing are left out in part, those that tell something never, and those to measure on neither.
#[test]
fn of_small_talk_a_manager_is_rewarded_on_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), "manager", GRPO, 1);
    (config.world.stories, config.world.held, config.world.turns) = (8, 1, 12);
    config.world.held_most = 256;
    let mut golds = |part: f64, split: Split| -> [usize; 2] {
        config.world.small_talk = part;
        let scenes = material::scenes(&config, Role::Manager, split).unwrap();
        let idle = scenes.iter().filter(|scene| scene.gold() == NONE).count();
        [idle, scenes.len() - idle]
    };
    let [idle, telling] = golds(1.0, Split::Train);
    assert!(idle > 10 && telling > 10, "{idle} {telling}");
    assert_eq!(golds(0.0, Split::Train), [0, telling]);
    let [some, still] = golds(0.5, Split::Train);
    assert!(some > 0 && some < idle && still == telling, "{some} of {idle}, {still}");
    let measured = golds(0.0, Split::Held);
    assert!(measured[0] > 0 && measured == golds(1.0, Split::Held), "{measured:?}");
}

/// A conversation of Multi-Session Chat: notes, and nobody who asks.
const NOTED: &str = r#"{"initial_data_id":"valid_0","dialog":[{"text":"I live in Leeds.","id":"bot_0","persona_text":"I live in Leeds."},{"text":"I have a cat.","id":"bot_1","persona_text":"I have a cat."}]}"#;

#[test]
fn notes_without_questions_are_learnt_from_by_both_agents() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.txt");
    std::fs::write(&talk, NOTED).unwrap();
    for (role, least) in [("manager", 2), ("answer", 1)] {
        let mut config = config(folder.path(), role, IMITATION, 1);
        config.world.stories = 0;
        config.data.files = vec![talk.clone()];
        let tokenizer = Tokenizer::open(&config.model, None).unwrap();
        let mut said = Vec::new();
        let role = config.role.roles()[0];
        let mut hears = |what: &str| said.push(what.to_owned());
        let trees = material::samples(&config, role, &tokenizer, Split::Train, &mut hears).unwrap();
        assert!(trees.len() >= least && said.is_empty(), "{role:?}: {} {said:?}", trees.len());
    }
}

#[test]
fn the_recipes_of_the_adapters_that_ship_are_settings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters");
    let of = |name: &str| std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = of("recipes").chain(of("held")).collect();
    assert!(all.len() >= 9, "{all:?}");
    for path in all {
        let read = RunConfig::read(&path);
        assert!(read.is_ok(), "{path:?}: {:?}", read.err());
    }
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |role: &str, learn: &str| {
        config(folder.path(), "manager", IMITATION, 1);
        let text = std::fs::read_to_string(folder.path().join("run.toml")).unwrap();
        let file = folder.path().join("bad.toml");
        let text = text.replace("\"manager\"", &format!("\"{role}\"")).replace(IMITATION, learn);
        std::fs::write(&file, text).unwrap();
        RunConfig::read(&file).unwrap_err().to_string()
    };
    assert!(refused("joint", IMITATION).contains("from rewards only"));
    let follows = "[learn]\nfrom = \"adapter\"\nadapter = \"a.gguf\"\nsamples = 0\n";
    assert!(refused("manager", follows).contains("samples is 0"));
    assert!(refused("joint", &follows.replace('0', "1")).contains("from rewards only"));
    assert!(refused("manager", &follows.replace("adapter = \"a.gguf\"", "")).contains("missing field"));
    assert!(refused("joint", &NESTED.replace("answers = 2", "answers = 1")).contains("answers = 2"));
    assert!(refused("joint", &NESTED.replace("grpo", "ppo")).contains("grpo"));
    assert!(refused("manager", &format!("{GRPO}[data]\nfiles = [\"a\"]\n")).contains("by = \"agent\""));
}
