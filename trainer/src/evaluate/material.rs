//! What is evaluated on: conversations with questions from files, and stories of the synthetic world.
//!
//! A file, conversation or question that cannot be used is left out and told; the rest goes on. What lies beyond a limit is
//! only counted.
//!
//! Rooms it touches: world, tasks; dialogues; of core: config, bank, types.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use keepsake_core::bank::Contents;
use keepsake_core::config::Config;
use keepsake_core::types::{NewTurn, Timestamp};
use keepsake_dialogues::questions::{self, Asked, Dialogue, Gold, Layout};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::EvaluateError;
use crate::tasks;
use crate::world::{self, Story, Teacher, WorldSettings};

/// Which conversations of LoCoMo: Memory-R1's split, which its published percentages prove (arXiv 2508.19828, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// All that the files have.
    #[default]
    All,
    /// Conversation 26.
    Train,
    /// Conversation 30.
    Validation,
    /// The other eight.
    Test,
}

impl Part {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Train => name == "conv-26",
            Self::Validation => name == "conv-30",
            Self::Test => !["conv-26", "conv-30"].contains(&name),
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::All => "any split",
            Self::Train => "the training split (conv-26)",
            Self::Validation => "the validation split (conv-30)",
            Self::Test => "the test split (all but conv-26 and conv-30)",
        }
    }
}

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct MaterialSettings {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Their layout; `None`: by what stands in each.
    pub layout: Option<Layout>,
    /// LoCoMo: evidence to go by instead of the files' own.
    pub gold: Option<PathBuf>,
    /// Which conversations of LoCoMo.
    pub part: Part,
    /// Stories of the synthetic world, beside the files.
    pub stories: u64,
    /// How large these are.
    pub world: WorldSettings,
    /// Most conversations of the files.
    pub conversations: Option<usize>,
    /// Most turns of each conversation; questions whose evidence comes later are left out.
    pub turns: Option<usize>,
    /// Most questions, drawn by seed.
    pub limit: Option<usize>,
    /// Whether what was never said is asked too.
    pub unanswerable: bool,
    /// What the draw comes from.
    pub seed: u64,
}

/// A conversation.
#[derive(Debug, Clone)]
pub struct Case {
    /// A name of its own, fit for a file.
    pub name: String,
    /// Whose layout it came in; of stories the one for files of one's own.
    pub layout: Layout,
    /// The turns, each with a reference.
    pub turns: Vec<NewTurn>,
    /// The questions.
    pub questions: Vec<Asked>,
    /// Facts that a person wrote down from each turn; empty where nobody did.
    pub noted: Vec<Vec<String>>,
    /// The bank as it should be after the last turn, where that is known.
    pub gold: Option<Arc<Contents>>,
    /// The story that it is, where it is one.
    pub story: Option<Arc<Story>>,
}

impl Case {
    /// When a question is asked.
    pub fn asked_at(&self, asked: &Asked) -> Timestamp {
        let last = || self.turns.iter().map(NewTurn::time).max();
        asked.at.or_else(last).unwrap_or_else(|| Timestamp::from_seconds(0))
    }
}

/// Something that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The conversations.
    pub cases: Vec<Case>,
    /// What was left out, each.
    pub left_out: Vec<LeftOut>,
    /// How much was left out, by why, what lies beyond a limit included.
    pub totals: BTreeMap<String, usize>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// SHA-256 of all that was read, hexadecimal: the same material has the same.
    pub sha256: String,
}

impl Material {
    /// How many questions.
    pub fn questions(&self) -> usize {
        self.cases.iter().map(|case| case.questions.len()).sum()
    }

    fn leave(&mut self, what: String, why: &str) {
        self.count(why, 1);
        self.left_out.push(LeftOut { what, why: why.to_owned() });
    }

    fn count(&mut self, why: &str, many: usize) {
        if many > 0 {
            *self.totals.entry(why.to_owned()).or_default() += many;
        }
    }
}

/// Reads files and tells stories.
pub fn material(settings: &MaterialSettings) -> Result<Material, EvaluateError> {
    let mut found = Material::default();
    let mut hash = Sha256::new();
    let gold = settings.gold.as_deref().map(|file| gold(file, &mut hash)).transpose()?;
    let mut fault = None;
    for file in &settings.files {
        match read(file, settings.layout, gold.as_ref(), &mut hash) {
            Ok((layout, read)) => {
                let name = file.display().to_string();
                for sentence in read.left_out {
                    match sentence.split_once(": ") {
                        Some((what, why)) if !what.starts_with("there is no") => {
                            found.leave(format!("{name}: {what}"), why);
                        }
                        _ => found.notes.push(format!("{name}: {sentence}")),
                    }
                }
                let cases = read.dialogues.into_iter().map(|dialogue| case(dialogue, layout));
                let (kept, other): (Vec<Case>, Vec<Case>) =
                    cases.partition(|case| layout != Layout::Locomo || settings.part.has(&case.name));
                let other: usize = other.iter().map(|case| case.questions.len().max(1)).sum();
                found.count("of another split", other);
                if settings.part != Part::All && layout != Layout::Locomo {
                    let why = "only LoCoMo has splits: leave --split out, or evaluate its files alone";
                    return Err(EvaluateError::file(file, why));
                }
                found.cases.extend(kept);
            }
            Err(what) => {
                found.leave(file.display().to_string(), &what);
                fault.get_or_insert((file.clone(), what));
            }
        }
    }
    for seed in 0..settings.stories {
        // Held-out stories begin where the trainer's do.
        found.cases.push(story((1 << 32) + seed, settings)?);
        hash.update(format!("story {seed} {:?}", settings.world));
    }
    if found.cases.is_empty() {
        return Err(match fault {
            Some((file, what)) => EvaluateError::file(&file, &what),
            None if settings.files.is_empty() => {
                EvaluateError::Nothing("give a file with --data, or stories with --stories".to_owned())
            }
            None => EvaluateError::Nothing(format!(
                "the files have no conversation of {}: leave --split out, or give other files",
                settings.part.in_words()
            )),
        });
    }
    found.sha256 = hex(hash);
    cut(&mut found, settings);
    Ok(found)
}

fn read(
    file: &Path,
    layout: Option<Layout>,
    gold: Option<&Gold>,
    hash: &mut Sha256,
) -> Result<(Layout, questions::Questions), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("it cannot be read: {error}"))?;
    hash.update(&text);
    let layout = layout.map_or_else(|| Layout::of(&text), Ok)?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    Ok((layout, questions::read(&text, &stem, layout, gold)?))
}

fn gold(file: &Path, hash: &mut Sha256) -> Result<Gold, EvaluateError> {
    let text = fs::read_to_string(file).map_err(|error| EvaluateError::file(file, &error.to_string()))?;
    hash.update(&text);
    questions::gold(&text).map_err(|what| EvaluateError::file(file, &what))
}

fn case(dialogue: Dialogue, layout: Layout) -> Case {
    let Dialogue { name, turns, questions, noted } = dialogue;
    Case { name, layout, turns, questions, noted, gold: None, story: None }
}

/// A story as a conversation, with the bank that it should come to where the world's teacher can show it.
fn story(seed: u64, settings: &MaterialSettings) -> Result<Case, EvaluateError> {
    let story = Story::new(seed, &settings.world);
    let most = settings.turns.unwrap_or(usize::MAX).min(story.turns.len());
    let failed = |error: &dyn std::fmt::Display| EvaluateError::Nothing(error.to_string());
    let name = format!("story-{}", seed - (1 << 32));
    let reference = |at: usize| format!("{name}/{at}");
    let turns = story.turns[..most]
        .iter()
        .enumerate()
        .map(|(at, turn)| turn.new_turn()?.with_reference(&reference(at)));
    let turns: Vec<NewTurn> = turns.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
    let last = most.saturating_sub(1);
    let questions = story.answerable(last).enumerate().map(|(nth, question)| Asked {
        id: format!("{name}/q{nth}"),
        text: question.text.clone(),
        gold: vec![question.answer.clone()],
        category: format!("{:?}", question.seeks).to_lowercase(),
        evidence: question.evidence.iter().map(|at| reference(*at)).collect(),
        sessions: Vec::new(),
        at: None,
    });
    let questions = questions.collect();
    let teacher = Arc::new(Teacher::new());
    let engine = world::engine(Arc::clone(&teacher), Config::default());
    world::teach(&story, 0..most, &teacher, &engine, &mut |_, _| ()).map_err(|error| failed(&error))?;
    let bank = tasks::contents(&engine).map_err(|error| failed(&error))?;
    let gold = (teacher.missed() == 0).then(|| Arc::new(bank));
    let story = Some(Arc::new(story));
    Ok(Case { name, layout: Layout::Jsonl, turns, questions, noted: Vec::new(), gold, story })
}

/// Keeps what the limits allow, and names that are unlike.
fn cut(found: &mut Material, settings: &MaterialSettings) {
    let most = settings.conversations.unwrap_or(usize::MAX);
    let mut cases = std::mem::take(&mut found.cases);
    let (mut nth, mut beyond) = (0, 0);
    cases.retain(|case| {
        nth += usize::from(case.story.is_none());
        let keeps = case.story.is_some() || nth <= most;
        beyond += if keeps { 0 } else { case.questions.len().max(1) };
        keeps
    });
    found.count("beyond --conversations", beyond);
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    for case in &mut cases {
        case.name = named(&case.name, &mut names);
        case.turns.truncate(settings.turns.unwrap_or(usize::MAX));
        case.noted.truncate(case.turns.len());
        let said: HashSet<&str> = case.turns.iter().filter_map(NewTurn::reference).collect();
        let mut kept = Vec::new();
        let last = case.turns.iter().map(NewTurn::time).max();
        for asked in std::mem::take(&mut case.questions) {
            let early = case.layout == Layout::Jsonl && asked.at.is_some() && asked.at < last;
            let whole = settings.turns.is_none()
                || (!asked.evidence.is_empty()
                    && asked.evidence.iter().all(|one| said.contains(one.as_str())));
            if !asked.is_answerable() && !settings.unanswerable {
                found.count("asks for what was never said (--unanswerable asks it all the same)", 1);
            } else if !whole {
                found.count("its evidence is not among the turns that --turns keeps", 1);
            } else if early {
                found.leave(format!("question {}", asked.id), "it is asked before the last turn was said");
            } else if ids.insert(asked.id.clone()) {
                kept.push(asked);
            } else {
                found.leave(format!("question {}", asked.id), "a question before it has the same id");
            }
        }
        case.questions = kept;
    }
    let all = cases.iter().map(|case| case.questions.len()).sum();
    if let Some(limit) = settings.limit.filter(|limit| *limit < all) {
        let mut order: Vec<usize> = (0..all).collect();
        Rng::with_seed(settings.seed).shuffle(&mut order);
        let kept: HashSet<usize> = order.into_iter().take(limit).collect();
        let mut nth = 0;
        for case in &mut cases {
            case.questions.retain(|_| {
                nth += 1;
                kept.contains(&(nth - 1))
            });
        }
        found.count("beyond --limit", all - limit);
    }
    found.cases = cases;
}

/// A name of letters, digits and a few signs, unlike all before it.
fn named(name: &str, names: &mut HashSet<String>) -> String {
    let fit = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let plain: String = name.trim_start_matches('.').chars().take(80).map(fit).collect();
    let numbered = |nth: usize| if nth == 1 { plain.clone() } else { format!("{plain}-{nth}") };
    let mut nth = 1;
    while !names.insert(numbered(nth)) {
        nth += 1;
    }
    numbered(nth)
}

/// A hash in hexadecimal.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    const TALK: &str = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"I have a dog.","id":"a"}
{"time":"2024-03-02T10:16","speaker":"Tom","text":"And I a cat.","id":"b"}
{"question":"Who has a dog?","answer":"Maria","evidence":["a"],"id":"one"}
{"question":"Who has a cat?","answer":"Tom","evidence":["b"],"id":"two"}
{"question":"Who has a cow?","answer":null,"id":"three"}
{"question":"Who?","answer":"","id":"four"}
{"question":"Who?","answer":"x","evidence":["a"],"id":"one"}"#;

    #[test]
    fn what_cannot_be_used_is_told_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let talk = write(folder.path(), "talk.jsonl", TALK);
        let wrong = write(folder.path(), "wrong.json", "[1]");
        let files = vec![wrong.clone(), talk, folder.path().join("nowhere.json")];
        let settings = MaterialSettings { files, ..MaterialSettings::default() };
        let found = material(&settings).unwrap();
        assert_eq!((found.cases.len(), found.questions()), (1, 2));
        let whys: Vec<&str> = found.left_out.iter().map(|one| one.why.as_str()).collect();
        assert!(whys[0].contains("none of the layouts") && whys[2].contains("cannot be read"), "{whys:?}");
        assert!(whys[1].contains("it has no answer"), "{whys:?}");
        assert_eq!(whys[3], "a question before it has the same id");
        assert_eq!(found.totals.values().sum::<usize>(), 5);
        let all = material(&MaterialSettings { unanswerable: true, ..settings.clone() }).unwrap();
        assert_eq!(all.questions(), 3);
        let first = MaterialSettings { turns: Some(1), ..settings.clone() };
        assert_eq!(material(&first).unwrap().questions(), 1);
        let one = MaterialSettings { limit: Some(1), ..settings.clone() };
        let one = material(&one).unwrap();
        assert_eq!((one.questions(), one.totals["beyond --limit"]), (1, 1));
        let none = MaterialSettings { files: vec![wrong], ..settings };
        assert!(material(&none).unwrap_err().to_string().contains("wrong.json"));
    }

    #[test]
    fn splits_are_of_locomo_alone() {
        let folder = tempfile::tempdir().unwrap();
        let conversation = |name: &str| {
            format!(
                r#"{{"sample_id": "{name}", "conversation": {{"session_1_date_time": "1:56 pm on 8 May, 2023",
                "session_1": [{{"speaker": "A", "dia_id": "D1:1", "text": "I have a dog."}}]}},
                "qa": [{{"question": "Who?", "answer": "A", "category": 4, "evidence": ["D1:1"]}}]}}"#
            )
        };
        let text = format!("[{}, {}]", conversation("conv-26"), conversation("conv-41"));
        let files = vec![write(folder.path(), "locomo.json", &text)];
        let of = |part| material(&MaterialSettings { files: files.clone(), part, ..Default::default() });
        let names = |found: Material| found.cases.into_iter().map(|case| case.name).collect::<Vec<_>>();
        assert_eq!(names(of(Part::All).unwrap()), ["conv-26", "conv-41"]);
        assert_eq!(names(of(Part::Train).unwrap()), ["conv-26"]);
        assert_eq!(names(of(Part::Test).unwrap()), ["conv-41"]);
        assert!(of(Part::Validation).unwrap_err().to_string().contains("conv-30"));
        let files = vec![write(folder.path(), "talk.jsonl", TALK)];
        let other = material(&MaterialSettings { files, part: Part::Test, ..Default::default() });
        assert!(other.unwrap_err().to_string().contains("--split"));
    }

    #[test]
    fn stories_come_with_questions_and_the_bank_that_they_should_come_to() {
        let settings = MaterialSettings { stories: 2, turns: Some(20), ..MaterialSettings::default() };
        let found = material(&settings).unwrap();
        assert_eq!(found.cases.len(), 2);
        for case in &found.cases {
            assert_eq!(case.turns.len(), 20);
            assert!(case.questions.len() > 3, "{}", case.questions.len());
            let gold = case.gold.as_ref().unwrap();
            assert!(!gold.memories.is_empty() && gold.turns.len() == 20);
        }
        assert_eq!(found.sha256, material(&settings).unwrap().sha256);
    }

    #[test]
    fn names_fit_into_files_and_are_unlike() {
        let mut names = HashSet::new();
        let given = ["../a b", "../a b", "x/2"].map(|name| named(name, &mut names));
        assert_eq!(given, ["-a-b", "-a-b-2", "x-2"]);
    }
}
