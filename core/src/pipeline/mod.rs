//! The order of events: the write flow and the read flow of design section 2, as functions without state.
//!
//! Everything that can fail stands before the commit. This room starts no threads, holds no locks and knows
//! no files.
//!
//! Rooms it touches: types, when, decision, config, prompt, model, embed, bank, index.

pub mod ahead;
pub mod answer;
pub mod guard;
pub mod remember;
pub mod retrieve;
pub mod undo;

use std::ops::ControlFlow;

use crate::model::{Completion, LanguageModel, ModelError, Request, Stop};
use crate::types::Cancel;

/// Asks the model; a stopped completion is an `Err(None)`, so that no half reply is ever parsed.
fn complete(
    model: &dyn LanguageModel,
    request: &Request,
    cancel: &Cancel,
    sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Completion, Option<ModelError>> {
    let completion = model.complete(request, cancel, sink).map_err(Some)?;
    if completion.stop == Stop::Cancelled { Err(None) } else { Ok(completion) }
}
