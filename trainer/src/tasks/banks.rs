//! Banks that the manager builds as it is: what both agents are trained on when they are trained together.
//!
//! Gold banks never show an agent the mistakes that it will have to live with (exposure bias); these do. Tales are worked
//! beside each other, so that their model calls stand in one batch.
//!
//! Rooms it touches: tasks, rollout, engine; of core: bank, engine, model.

use std::collections::BTreeMap;
use std::sync::Arc;

use keepsake_core::Engine;
use keepsake_core::bank::{Contents, MemoryBank};
use keepsake_core::config::Config;
use keepsake_core::model::{LanguageModel, Tokenizer};
use keepsake_core::types::{Cancel, Timestamp};

use super::tale::Tale;
use super::{TaskError, contents, failed, setup};
use crate::engine::{Dice, EngineError, PolicyEngine};
use crate::rollout::{Play, Temperatures, play};

/// Tales that are worked beside each other: so many fill a pass, and their keys and values stay small.
const AT_ONCE: usize = 32;

/// The banks of a tale at the moments that matter.
#[derive(Debug, Clone, Default)]
pub struct Banks(BTreeMap<usize, Arc<Contents>>);

impl Banks {
    /// The bank before a turn; after the last one, before the one that would follow.
    pub fn before(&self, turn: usize) -> Option<&Arc<Contents>> {
        self.0.get(&turn)
    }
}

/// Why no banks were built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BanksError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A tale could not be worked.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// Works tales, greedily. Kept are the banks before turns that something can be asked about, and after every `every`-th.
pub fn built(
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    context_tokens: usize,
    tales: &[Arc<Tale>],
    every: usize,
) -> Result<Vec<Banks>, BanksError> {
    let episode = |tale: &Arc<Tale>| -> (Dice, Play<'_, Result<Banks, TaskError>>) {
        let tale = Arc::clone(tale);
        (Dice::new(&[]), Box::new(move |model| work(&tale, model, every)))
    };
    let mut built = Vec::with_capacity(tales.len());
    for some in tales.chunks(AT_ONCE) {
        let episodes = some.iter().map(episode).collect();
        for (banks, _) in play(engine, tokenizer, context_tokens, Temperatures::GREEDY, episodes)? {
            built.push(banks?);
        }
    }
    Ok(built)
}

fn work(tale: &Tale, model: Arc<dyn LanguageModel>, every: usize) -> Result<Banks, TaskError> {
    let engine = Engine::with_bank(
        Arc::new(MemoryBank::new()),
        setup(model, Config::default(), Timestamp::from_seconds(0)),
    );
    let mut banks = Banks::default();
    for (at, turn) in tale.turns.iter().enumerate() {
        if tale.tied(at).next().is_some() {
            banks.0.insert(at, Arc::new(contents(&engine)?));
        }
        engine.remember(turn.clone(), &Cancel::new()).map_err(|error| failed(&error))?;
        if !tale.asked_after(at, every).is_empty() {
            banks.0.insert(at + 1, Arc::new(contents(&engine)?));
        }
    }
    Ok(banks)
}
