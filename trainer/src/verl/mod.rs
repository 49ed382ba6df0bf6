//! The same environment in verl: rows of prompts with what replies are judged by, and the judge as a command.
//!
//! [`export`] writes a folder for verl: `train.parquet`, `held.parquet`, and `reward.py`, which verl calls as
//! its `custom_reward_function` and which asks `keepsake-trainer reward`, that is [`serve_rewards`]. A row is
//! one call of the pipeline: a step of a turn for the manager, the answer to a question for the answer agent.
//! Columns are those that verl's own data sets have (package `verl`, 0.9.1: `RLHFDataset` and its reward
//! managers).
//!
//! What differs there: verl renders the chat by the model's own template, so that the start of a reply which
//! the device gives ("Answer:") is not given and is taken off where it is written; no grammar holds, so that
//! replies which do not follow theirs are failures; and rows for distilling are not made, since nothing but a
//! model can judge one.
//!
//! It trains nothing and starts nothing.
//!
//! Rooms it touches: world, algo; of core: config, model, prompt, types, engine.

mod rows;
mod samples;
mod scene;
mod serve;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keepsake_core::RememberError;
use keepsake_core::model::Role;
use keepsake_core::prompt::chat::Chat;

pub use self::samples::{Made, samples};
pub use self::scene::{AnswerScene, Asked, ManagerScene, Rewards, Scene, StoryKey, Told};
pub use self::serve::serve_rewards;
use crate::world::TeachError;

/// A call with what its reply is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is read.
    pub chat: Chat,
    /// The teacher's reply; nothing is judged by it.
    pub gold: String,
    /// What decides.
    pub scene: Scene,
}

impl Sample {
    /// Which agent replies.
    pub fn role(&self) -> Role {
        match self.scene {
            Scene::Answer(_) => Role::Answer,
            Scene::Manager(_) => Role::Manager,
        }
    }
}

/// Why rows were not made or written. Files that were there before are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerlError {
    /// A story could not be worked.
    #[error(transparent)]
    Teach(#[from] TeachError),
    /// A bank could not be moved, or a question not be asked.
    #[error("the pipeline failed: {0}")]
    Pipeline(String),
    /// The device failed, or the path is wrong.
    #[error("{} cannot be written; check the path, the rights and the free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The rows are none that the format holds.
    #[error("{} cannot be written as parquet: {problem}", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        problem: String,
    },
    /// There is nothing to write.
    #[error("there are no {0} rows: give more stories")]
    Empty(&'static str),
}

impl From<RememberError> for VerlError {
    fn from(error: RememberError) -> Self {
        Self::Teach(error.into())
    }
}

/// Writes everything that verl needs into a folder, which is made if need be. verl wants both kinds of rows.
pub fn export(train: &[Sample], held: &[Sample], folder: &Path) -> Result<(), VerlError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| VerlError::Io { path, source }
    };
    for (name, samples) in [("train", train), ("held", held)] {
        if samples.is_empty() {
            return Err(VerlError::Empty(name));
        }
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (split, samples) in [("train", train), ("held", held)] {
        rows::write(samples, split, &folder.join(format!("{split}.parquet")))?;
    }
    let path = folder.join("reward.py");
    fs::write(&path, include_str!("reward.py")).map_err(failed(&path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)] // values that are exact are compared exactly

    use std::collections::BTreeSet;
    use std::fs::File;

    use keepsake_core::config::Config;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, Row};
    use serde_json::{Value, json};

    use super::scene::{Judge, Judged};
    use super::*;
    use crate::world::{Split, WorldSettings};

    fn small() -> Vec<Sample> {
        let world = WorldSettings { split: Split::Train, sessions: 2, turns: 8 };
        samples(3, &world, &Config::default(), &Made { every: 4, ..Made::default() }).unwrap()
    }

    fn judged(sample: &Sample, reply: &str) -> Judged {
        Judge::default().judge(&sample.scene, reply).unwrap()
    }

    fn earned(sample: &Sample, reply: &str) -> f64 {
        judged(sample, reply).reward.unwrap()
    }

    #[test]
    fn gold_replies_earn_most_and_broken_ones_fail() {
        let (mut better, mut extractions) = (0, 0);
        for sample in small().iter().filter(|sample| sample.role() == Role::Manager) {
            let Scene::Manager(scene) = &sample.scene else { panic!() };
            extractions += usize::from(scene.call == 0);
            let gold = judged(sample, &sample.gold);
            assert_eq!(gold.parts["failed"], 0.0);
            let gold = gold.reward.unwrap();
            let lazy = if scene.call == 0 { "none" } else { "NOOP" };
            let lazy = earned(sample, lazy);
            // Doing something costs a little; where it decides an answer it is worth much more.
            assert!(gold > lazy - 0.07, "{gold} {lazy} {sample:?}");
            better += usize::from(gold > lazy + 0.05);
            let broken = judged(sample, "I would rather ADD 1");
            assert_eq!(broken.parts["failed"], 1.0);
            assert!(broken.reward.unwrap() < gold);
            // The same again: the replay changes nothing.
            assert_eq!(earned(sample, &sample.gold), gold);
        }
        assert!(extractions >= 14 && better >= 5, "{extractions} {better}");
    }

    #[test]
    fn facts_that_gold_does_not_know_are_added_and_cost() {
        let samples = small();
        let mut added = 0;
        for sample in &samples {
            let Scene::Manager(scene) = &sample.scene else { continue };
            if scene.call > 0 || sample.gold != "none" {
                continue;
            }
            // What the turn does not say core refuses; what it says, idle as it is, can be noted.
            let Told { speaker, text, .. } = &scene.turn;
            let said =
                judged(sample, &format!("- {speaker} {}", text.split(['.', '?', '!']).next().unwrap()));
            let invented = judged(sample, "- Nobody owns a castle on the moon.");
            assert_eq!(invented.parts["failed"], 1.0);
            let gold = earned(sample, "none");
            assert!(invented.reward.unwrap() < gold && said.reward.unwrap() < gold);
            added += u32::from(said.parts["failed"] == 0.0);
        }
        assert!(added > 0);
    }

    #[test]
    fn answers_are_judged_by_exact_match_with_or_without_their_given_start() {
        let samples = small();
        let answers: Vec<&Sample> = samples.iter().filter(|sample| sample.role() == Role::Answer).collect();
        assert!(answers.len() >= 4, "{}", answers.len());
        for sample in answers {
            assert_eq!(sample.chat.reply_start, "Answer:");
            for reply in [
                sample.gold.clone(),
                format!("Answer:{}", sample.gold),
                format!(" Answer: The {} ", sample.gold),
            ] {
                let found = judged(sample, &reply);
                assert_eq!((found.reward, found.parts["exact_match"]), (Some(1.0), 1.0), "{reply}");
            }
            for reply in ["", "two\nlines", "Answer:", "something else"] {
                assert_eq!(earned(sample, reply), 0.0, "{reply}");
            }
        }
    }

    fn served(lines: &str) -> Vec<Value> {
        let mut output = Vec::new();
        serve_rewards(lines.as_bytes(), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_answered_by_a_line() {
        let sample = small().into_iter().find(|sample| sample.role() == Role::Answer).unwrap();
        let scene = sample.scene.to_json().unwrap();
        let object: Value = serde_json::from_str(&scene).unwrap();
        let lines = [
            json!({"role": "answer", "scene": scene, "reply": sample.gold}),
            json!({"role": "answer", "scene": object, "reply": "no"}),
            json!({"role": "answer", "scene": {"question": "?", "gold": ["a"]}, "reply": "a"}),
            json!({"role": "answer", "scene": {"question": "?", "gold": []}, "reply": "a"}),
            json!({"role": "manager", "scene": scene, "reply": "no"}),
            json!({"role": "answer", "scene": {"gold": "a secret"}, "reply": "a secret"}),
            json!({"role": "judge", "scene": {}, "reply": ""}),
            json!({"scene": "a secret"}),
        ];
        let found = served(&lines.each_ref().map(Value::to_string).join("\n\n"));
        assert_eq!(found[0], json!({"reward": 1.0, "parts": {"exact_match": 1.0}}));
        assert_eq!(found[1], json!({"reward": 0.0, "parts": {"exact_match": 0.0}}));
        assert_eq!(found[2]["reward"], 1.0);
        assert_eq!(found[3], json!({"reward": null, "parts": {}}));
        assert_eq!(found.len(), lines.len());
        for (answer, line) in found.iter().zip(&lines).skip(4) {
            let error = answer["error"].as_str().unwrap();
            assert!(!error.contains("secret"), "{line}: {error}");
        }
    }

    #[test]
    fn rows_of_another_world_are_refused() {
        let mut sample = small().into_iter().find(|sample| sample.role() == Role::Manager).unwrap();
        let Scene::Manager(scene) = &mut sample.scene else { panic!() };
        scene.story.seed += 1;
        let line = json!({"role": "manager", "scene": sample.scene.to_json().unwrap(), "reply": "none"});
        assert!(served(&line.to_string())[0]["error"].as_str().unwrap().contains("world has changed"));
    }

    fn object(row: &Row) -> Value {
        row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
    }

    fn value(field: &Field) -> Value {
        match field {
            Field::Str(text) => json!(text),
            Field::Long(number) => json!(number),
            Field::Group(row) => object(row),
            Field::ListInternal(list) => list.elements().iter().map(value).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_are_read_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let samples = small();
        assert!(matches!(export(&samples, &[], folder.path()), Err(VerlError::Empty("held"))));
        export(&samples, &samples[..2], folder.path()).unwrap();
        let reader =
            SerializedFileReader::new(File::open(folder.path().join("train.parquet")).unwrap()).unwrap();
        let rows: Vec<Value> = reader.get_row_iter(None).unwrap().map(|row| object(&row.unwrap())).collect();
        assert_eq!(rows.len(), samples.len());
        let mut scenes = BTreeSet::new();
        for (at, (row, sample)) in rows.iter().zip(&samples).enumerate() {
            let prompt = json!([
                {"content": sample.chat.system, "role": "system"},
                {"content": sample.chat.user, "role": "user"},
            ]);
            assert_eq!(row["prompt"], prompt);
            let role = sample.role().as_str();
            assert_eq!(
                (&row["data_source"], &row["ability"]),
                (&json!(format!("keepsake/{role}")), &json!("memory"))
            );
            let extra = json!({"index": at, "role": role, "split": "train", "gold": sample.gold});
            assert_eq!(row["extra_info"], extra);
            assert_eq!(row["reward_model"]["style"], "rule");
            let truth = row["reward_model"]["ground_truth"].as_str().unwrap();
            assert_eq!(Scene::from_json(sample.role(), truth).unwrap(), sample.scene);
            scenes.insert(truth.to_owned());
        }
        assert!(scenes.len() > samples.len() / 2);
        let command = fs::read_to_string(folder.path().join("reward.py")).unwrap();
        assert!(command.contains("def compute_score("));
    }
}
