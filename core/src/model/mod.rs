//! Language models: the seam, and what is asked and answered through it.
//!
//! A model turns a chat into text, under a grammar where one is given. It knows nothing of memories,
//! banks or wording.
//!
//! Rooms it touches: types (for [`Cancel`]), prompt::chat (for [`Chat`]).

pub mod adapter;
pub mod gguf;
#[cfg(feature = "llama")]
mod llama;

#[cfg(feature = "llama")]
pub use self::llama::{CacheType, LlamaModel, LlamaSettings, Scorer, Tokenizer, Writing};

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::prompt::chat::Chat;
use crate::types::Cancel;

/// Which agent speaks; each may have a LoRA adapter of its own (Memory-R1, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Decides what to keep: extraction and operations.
    Manager,
    /// Distils memories and answers.
    Answer,
}

impl Role {
    /// The word used in adapter files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Answer => "answer",
        }
    }
}

/// What is asked only of a model that was trained to do it: others do it worse than a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skill {
    /// Deciding that a fact is not worth keeping.
    Decide,
    /// Picking the memories that an answer is given from.
    Distil,
}

/// A language model. Blocking; may be called from many threads, which then wait for each other.
pub trait LanguageModel: Send + Sync {
    /// Tokens of prompt and reply together that it can hold.
    fn context_tokens(&self) -> usize;

    /// Whether it was trained to do this with this version's prompts.
    fn is_trained_to(&self, _skill: Skill) -> bool {
        false
    }

    /// How many tokens `text` has as content (control tokens in it are plain text).
    fn count_tokens(&self, text: &str) -> Result<usize, ModelError>;

    /// Completes a chat. Every piece of text goes to `sink` as soon as it exists; a sink that breaks
    /// stops the completion like a thrown `cancel`, which is looked at for every token.
    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError>;

    /// How many completions it works on at once. One of more is asked ahead for what will probably be needed.
    fn at_once(&self) -> usize {
        1
    }

    /// Completes chats that do not depend on each other: for each, in order, what [`LanguageModel::complete`] gives.
    fn complete_all(&self, requests: &[Request], cancel: &Cancel) -> Vec<Result<Completion, ModelError>> {
        let go_on = &mut |_: &str| ControlFlow::Continue(());
        requests.iter().map(|request| self.complete(request, cancel, go_on)).collect()
    }

    /// The device is hot or its battery low: from now on the manager's work, for which nobody waits, is to rest as long
    /// as it computes; or no longer. A model that cannot does nothing.
    fn set_gentle(&self, _gentle: bool) {}

    /// The system is short of memory: gives back what can be made again. The next completion takes a little longer.
    fn release_memory(&self) {}
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Which agent speaks.
    pub role: Role,
    /// What it reads.
    pub chat: Chat,
    /// A regular expression that the whole reply must follow: literals, classes, groups, alternatives and counted
    /// repetitions, as in Rust's `regex`. A model that cannot be constrained ignores it; replies are parsed and
    /// checked all the same.
    pub grammar: Option<String>,
    /// Most tokens of the reply.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Sampling {
    /// The likeliest token each time.
    Greedy,
    /// From the whole distribution, at a temperature above 0, reproducibly by seed.
    Temperature {
        /// 1 leaves the model's distribution as it is.
        temperature: f32,
        /// Same seed, same reply (on the same build).
        seed: u32,
    },
}

/// A model's reply with what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The text, without the end-of-turn token.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// The cost.
    pub usage: Usage,
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model ended its turn, or the grammar allowed nothing more.
    EndOfTurn,
    /// The token limit was reached.
    Length,
    /// The caller stopped it.
    Cancelled,
}

/// What model calls cost. Adds up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Calls made.
    pub calls: u32,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Of these, tokens that were evaluated; the others were still in the cache.
    pub evaluated_tokens: u64,
    /// Tokens written.
    pub generated_tokens: u64,
    /// Time spent reading prompts, milliseconds.
    pub prompt_ms: f64,
    /// Time spent writing, milliseconds.
    pub generation_ms: f64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        // A host's own model says what it likes.
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.evaluated_tokens = self.evaluated_tokens.saturating_add(other.evaluated_tokens);
        self.generated_tokens = self.generated_tokens.saturating_add(other.generated_tokens);
        self.prompt_ms += other.prompt_ms;
        self.generation_ms += other.generation_ms;
    }
}

/// Why a model cannot be loaded or did not answer. The bank is untouched in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no such file.
    #[error("the model file {path} does not exist: run `keepsake models pull`, or give another path")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a whole, readable GGUF model.
    #[error("the model file {path} cannot be used: {what}; fetch it again with `keepsake models pull`")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Loading it would need more memory than there is.
    #[error(
        "the model file {path} needs {needed_mib} MiB of memory and {available_mib} MiB are available: \
         close other programs, use a smaller model, or a smaller context"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Weights, KV cache and working memory together.
        needed_mib: u64,
        /// What the system says is available.
        available_mib: u64,
    },
    /// A LoRA adapter does not belong here.
    #[error("the adapter {path} cannot be used: {why}")]
    Adapter {
        /// The file.
        path: PathBuf,
        /// Which of base, role or prompt wording does not fit, and the remedy.
        why: adapter::Misfit,
    },
    /// The prompt does not fit into the context.
    #[error("the prompt has {tokens} tokens and the model's context has room for {room}")]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens a prompt may have, beside the reply.
        room: usize,
    },
    /// The chat format is not known.
    #[error(
        "the model file {path} has a chat format this version does not know: use a model with ChatML, Llama 3 or Gemma"
    )]
    ChatFormat {
        /// The file.
        path: PathBuf,
    },
    /// The model failed while running, or a foreign model reported a failure.
    #[error("the model failed: {0}")]
    Failed(String),
}
