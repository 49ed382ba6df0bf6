//! What a run learns from and is measured on: samples and scenes, from stories and from conversations of files.
//!
//! Rooms it touches: engine, run, tasks, world; dialogues.

use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;
use keepsake_core::model::{Role, Tokenizer};
use keepsake_dialogues::questions::{self, Asked, Dialogue, Gold, Layout};
use rayon::prelude::*;

use super::{Learn, RunConfig, RunError};
use crate::algo::reward::RewardSettings;
use crate::engine::{PolicyEngine, Tree};
use crate::tasks::banks::{BanksError, built};
use crate::tasks::manager::{ManagerRewards, NONE};
use crate::tasks::tale::Tale;
use crate::tasks::{self, Scene, TaskError};
use crate::train::joint::boxed;
use crate::world::{Split, Story};

/// Stories to evaluate on begin with this seed, so that no seed is in both.
const HELD_SEED: u64 = 1 << 32;

/// The stories of a split.
pub fn stories(config: &RunConfig, split: Split) -> impl Iterator<Item = Story> {
    let (first, count) = match split {
        Split::Train => (config.seed << 33, config.world.stories),
        Split::Held => (HELD_SEED, config.world.held),
    };
    let of = if config.world.held_wordings { split } else { Split::Train };
    let settings = config.world(of);
    (first..first + count).map(move |seed| Story::new(seed, &settings))
}

/// What every story of a split gives, in order; they are worked on all processors.
fn worked<T: Send>(
    config: &RunConfig,
    split: Split,
    of: impl Fn(Story) -> Result<Vec<T>, TaskError> + Send + Sync,
) -> Result<Vec<T>, TaskError> {
    let stories: Vec<Story> = stories(config, split).collect();
    let each: Vec<Vec<T>> = stories.into_par_iter().map(of).collect::<Result<_, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

/// Conversations of the settings' files. `say` hears what was left out.
pub fn dialogues(config: &RunConfig, say: &mut dyn FnMut(&str)) -> Result<Vec<Dialogue>, RunError> {
    let text = |path: &Path| std::fs::read_to_string(path).map_err(|source| RunError::file(path, source));
    let data = |path: &Path, what: String| RunError::Config { path: path.to_owned(), what };
    let gold: Option<Gold> = match &config.data.gold {
        Some(path) => Some(questions::gold(&text(path)?).map_err(|what| data(path, what))?),
        None => None,
    };
    let mut all = Vec::new();
    for path in &config.data.files {
        let text = text(path)?;
        let layout = Layout::of(&text)
            .map_err(|what| data(path, format!("{what}; `keepsake-trainer data` says what is read")))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let found = questions::read(&text, &stem, layout, gold.as_ref()).map_err(|what| data(path, what))?;
        found.left_out.iter().for_each(|what| say(&format!("left out: {}: {what}", path.display())));
        for mut dialogue in found.dialogues {
            if config.data.turns > 0 {
                dialogue.turns.truncate(config.data.turns);
                dialogue.noted.truncate(config.data.turns);
            }
            all.push(dialogue);
        }
    }
    Ok(all)
}

/// The same; those that have notes alone with the questions that notes give.
fn asked_dialogues(config: &RunConfig, say: &mut dyn FnMut(&str)) -> Result<Vec<Dialogue>, RunError> {
    let mut dialogues = dialogues(config, say)?;
    let notes_alone = |one: &Dialogue| one.questions.is_empty() && !one.noted.iter().all(Vec::is_empty);
    for (nth, dialogue) in dialogues.iter_mut().enumerate().filter(|(_, one)| notes_alone(one)) {
        *dialogue = tasks::inquiry::asked(dialogue, config.seed ^ nth as u64)?;
    }
    Ok(dialogues)
}

/// The tales of both agents' training: the stories, and the conversations with their questions.
pub fn tales(config: &RunConfig, say: &mut dyn FnMut(&str)) -> Result<Vec<Arc<Tale>>, RunError> {
    let of_story = |story| Tale::of_story(Arc::new(story)).map(Arc::new);
    let stories = stories(config, Split::Train).map(of_story).collect::<Result<Vec<_>, _>>();
    let mut tales = stories.map_err(|error| TaskError::Pipeline(error.to_string()))?;
    tales.extend(tales_of_files(config, say)?);
    Ok(tales)
}

fn tales_of_files(config: &RunConfig, say: &mut dyn FnMut(&str)) -> Result<Vec<Arc<Tale>>, RunError> {
    let mut tales = Vec::new();
    for (nth, dialogue) in asked_dialogues(config, say)?.iter().enumerate() {
        let (tale, left_out) = Tale::of_dialogue(dialogue, config.seed ^ nth as u64);
        if left_out > 0 {
            say(&format!(
                "{}: {left_out} questions have no answer to learn from or no evidence in its turns",
                dialogue.name
            ));
        }
        if tale.questions.is_empty() {
            say(&format!("{}: nothing can be asked of it, so it is left out", dialogue.name));
            continue;
        }
        tales.push(Arc::new(tale));
    }
    Ok(tales)
}

/// The scenes that one agent learns from: stories with their gold banks, conversations with banks that the manager builds as
/// the run begins.
pub fn learnt(
    config: &RunConfig,
    role: Role,
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Box<dyn Scene>>, RunError> {
    let mut scenes = scenes(config, role, Split::Train)?;
    let tales = tales_of_files(config, say)?;
    let every = config.world.ask_every;
    let banks =
        built(engine, tokenizer, config.engine.context_tokens, &tales, every).map_err(
            |error| match error {
                BanksError::Engine(error) => RunError::Engine(error),
                BanksError::Task(error) => RunError::Task(error),
            },
        )?;
    let rewards = Arc::new(config.manager_rewards());
    let (answers, pipeline) = (Arc::new(rewards.answers.clone()), config.pipeline());
    for (tale, banks) in tales.iter().zip(&banks) {
        scenes.extend(match role {
            Role::Manager => boxed(tasks::manager::scenes_on(tale, banks, &rewards)),
            Role::Answer => boxed(tasks::answer::scenes_on(tale, banks, &pipeline, &answers, every)),
        });
    }
    Ok(scenes)
}

/// The scenes of a split's stories.
pub fn scenes(config: &RunConfig, role: Role, split: Split) -> Result<Vec<Box<dyn Scene>>, RunError> {
    let engine = config.pipeline();
    let rewards = Arc::new(match split {
        Split::Train => config.manager_rewards(),
        // Measured without noise.
        Split::Held => ManagerRewards { distil: engine.distil, ..ManagerRewards::default() },
    });
    let answers = Arc::new(match &config.learn {
        Learn::Rewards { rewards, .. } => rewards.clone(),
        Learn::Gold { .. } | Learn::Adapter { .. } => RewardSettings::default(),
    });
    let scenes = worked(config, split, |story| {
        Ok(match role {
            Role::Manager => boxed(tasks::manager::scenes(story, &engine, &rewards)?),
            Role::Answer => boxed(tasks::answer::scenes(story, &engine, &answers, config.world.ask_every)?),
        })
    })?;
    if split == Split::Held {
        return Ok(spread(scenes, config.world.held_most));
    }
    let mut rng = Rng::with_seed(config.seed);
    let mut kept = |scene: &dyn Scene| {
        role == Role::Answer || scene.gold() != NONE || rng.f64() < config.world.small_talk
    };
    Ok(scenes.into_iter().filter(|scene| kept(&**scene)).collect())
}

/// The samples of a split, as the engine reads them: of stories, and to learn from also of conversations: the manager from
/// notes of their turns, the answer agent from their questions, or those that notes give. What does not fit into the context is left out.
pub fn samples(
    config: &RunConfig,
    role: Role,
    tokenizer: &Tokenizer,
    split: Split,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Tree>, RunError> {
    let engine = config.pipeline();
    let of_story = |story: Story| tasks::sft::samples(&story, &engine, config.world.ask_every);
    let mut samples = worked(config, split, of_story)?;
    if split == Split::Train {
        let mut dialogues = match role {
            Role::Manager => dialogues(config, say)?,
            Role::Answer => asked_dialogues(config, say)?,
        };
        dialogues.retain(|dialogue| {
            let (usable, what) = match role {
                Role::Manager => {
                    (!dialogue.noted.iter().all(Vec::is_empty), "nobody wrote down what it tells")
                }
                Role::Answer => {
                    (dialogue.questions.iter().any(Asked::is_answerable), "nobody asked what it tells")
                }
            };
            if !usable {
                say(&format!("{}: {what}, so it is left out", dialogue.name));
            }
            usable
        });
        let told = match role {
            Role::Manager => {
                let each = dialogues.iter().map(|dialogue| tasks::notes::samples(dialogue, &engine));
                each.collect::<Result<Vec<_>, _>>()?.concat()
            }
            Role::Answer => tasks::sft::of_dialogues(&dialogues, &engine)?,
        };
        (0..config.data.weight).for_each(|_| samples.extend(told.iter().cloned()));
    }
    let most = config.engine.context_tokens;
    let of_sample = |sample| tasks::sft::tree(tokenizer, &sample, most);
    let trees = tasks::sft::of_role(samples, role).into_par_iter().map(of_sample);
    let trees: Vec<Tree> = trees.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Ok(if split == Split::Held { spread(trees, config.world.held_most) } else { trees })
}

/// At most so many of a list, spread evenly over it.
fn spread<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let count = all.len();
    if count <= most {
        return all;
    }
    let kept = |at: &usize| at * most / count != (at + 1) * most / count;
    all.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, one)| one).collect()
}
