//! The thread that owns a llama.cpp model: loads it, then works jobs until the last sender is gone.
//!
//! Nothing here panics on a job: a failure is a reply. Rooms it touches: types, prompt::chat, model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, Sender};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use super::LlamaSettings;
use super::session::Session;
use crate::model::adapter::Misfit;
use crate::model::{Completion, ModelError, Request, Role};
use crate::prompt::chat::ChatFormat;
use crate::types::Cancel;

/// The adapters that are loaded.
pub(super) type Adapters = BTreeMap<Role, LlamaLoraAdapter>;

/// Everything the thread needs to load.
pub(super) struct Plan {
    pub(super) settings: LlamaSettings,
    pub(super) context_tokens: u32,
    /// Width of an attention head.
    pub(super) head_width: u64,
    pub(super) format: ChatFormat,
    pub(super) backend: &'static LlamaBackend,
    /// Whether the queue's work rests as long as it computes.
    pub(super) gentle: Arc<AtomicBool>,
    /// How many answers were asked for and are not given yet.
    pub(super) answers_wait: Arc<AtomicUsize>,
}

/// Work for the thread.
pub(super) enum Job {
    Count { text: String, reply: Sender<usize> },
    ReleaseMemory,
    Complete { requests: Vec<Request>, cancel: Cancel, stop: Cancel, reply: Sender<Event> },
}

/// What comes back from completions.
pub(super) enum Event {
    /// More text of the only request.
    Text(String),
    /// The results of all, in order.
    Done(Vec<Result<Completion, ModelError>>),
}

/// The thread's body: answers once on `ready`, then works `inbox`.
pub(super) fn run(plan: &Plan, inbox: &Receiver<Job>, ready: &Sender<Result<(), ModelError>>) {
    let (model, mut adapters) = match load(plan) {
        Ok(loaded) => loaded,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut session = match Session::new(plan, &model, &mut adapters) {
        Ok(session) => session,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    for job in inbox {
        // A caller that no longer listens is no error: its reply is dropped.
        match job {
            Job::ReleaseMemory => session.release_memory(),
            Job::Count { text, reply } => drop(reply.send(session.count(&text))),
            Job::Complete { requests, cancel, stop, reply } => {
                let alone = requests.len() == 1;
                let mut stopped = || cancel.is_cancelled() || stop.is_cancelled();
                let mut emit = |_, text| {
                    if alone {
                        drop(reply.send(Event::Text(text)));
                    }
                };
                let results = session.complete(&requests, &mut stopped, &mut emit);
                drop(reply.send(Event::Done(results)));
            }
        }
    }
}

fn load(plan: &Plan) -> Result<(Arc<LlamaModel>, Adapters), ModelError> {
    let path = &plan.settings.model;
    let unusable = |what: &str| ModelError::Unusable { path: path.clone(), what: what.to_owned() };
    if path.to_str().is_none() {
        return Err(unusable("its path is not valid UTF-8"));
    }
    let mut model = LlamaModel::load_from_file(plan.backend, path, &LlamaModelParams::default())
        .map_err(|_| unusable("llama.cpp cannot load it"))?;
    let mut adapters = Adapters::new();
    for (role, path) in &plan.settings.adapters {
        // Adapters are loaded before a context exists: llama.cpp reserves memory for them then.
        let adapter = model
            .lora_adapter_init(path)
            .map_err(|_| ModelError::Adapter { path: path.clone(), why: Misfit::Refused })?;
        adapters.insert(*role, adapter);
    }
    Ok((Arc::new(model), adapters))
}
