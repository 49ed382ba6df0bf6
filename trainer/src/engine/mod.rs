//! Policy engines: the seam between the algorithms and what computes log-probabilities and their gradients.
//!
//! An engine holds a frozen base and, for each [`Part`], a LoRA. It knows no rewards or memories, and of losses only the
//! divergence from another adapter, which needs all probabilities: any other says what its derivative by each
//! log-probability is, and the engine carries that through the model.
//!
//! Rooms it touches: weights.

mod dice;
pub mod local;
pub mod tinker;

use std::sync::Arc;

use keepsake_core::model::Role;
use serde::{Deserialize, Serialize};

pub use self::dice::Dice;
use crate::weights::{Lora, WeightsError};

/// A token's number in the base's vocabulary.
pub type Token = i32;

/// A LoRA of its own on the shared base: an agent's policy, or the critic that PPO trains beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The policy of the memory manager.
    Manager,
    /// The policy of the answer agent.
    Answer,
    /// The critic of the memory manager.
    ManagerCritic,
    /// The critic of the answer agent.
    AnswerCritic,
    /// The manager as it was when a phase of joint training began. It stands in saved states; no engine computes with it.
    LaggedManager,
}

impl Part {
    /// The policy of an agent.
    pub fn policy(role: Role) -> Self {
        match role {
            Role::Manager => Self::Manager,
            Role::Answer => Self::Answer,
        }
    }

    /// The critic of an agent.
    pub fn critic(role: Role) -> Self {
        match role {
            Role::Manager => Self::ManagerCritic,
            Role::Answer => Self::AnswerCritic,
        }
    }

    /// Whether it gives values instead of log-probabilities.
    pub fn is_critic(self) -> bool {
        matches!(self, Self::ManagerCritic | Self::AnswerCritic)
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Answer => "answer",
            Self::ManagerCritic => "manager-critic",
            Self::AnswerCritic => "answer-critic",
            Self::LaggedManager => "lagged-manager",
        }
    }
}

/// What a token was chosen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// There was no choice: the grammar forced it. Its log-probability is 0 and nothing is learned from it.
    Forced,
    /// Any token of the vocabulary.
    Any,
    /// The tokens whose bit is set: bit `t % 32` of word `t / 32` for token `t`.
    Among(Arc<[u32]>),
}

/// A reply, token by token; the token that ends a turn is one of them where it was chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Branch {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// For each, what it was chosen from.
    pub choices: Vec<Choice>,
}

/// A prompt with the replies that were written to it. It is evaluated once for all of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// The prompt; at least one token.
    pub prompt: Vec<Token>,
    /// The replies.
    pub branches: Vec<Branch>,
}

impl Tree {
    /// Tokens of prompt and branches.
    pub fn tokens(&self) -> usize {
        self.prompt.len() + self.branches.iter().map(|branch| branch.tokens.len()).sum::<usize>()
    }
}

/// One reply that is wanted.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The prompt; replies to equal prompts share its evaluation.
    pub prompt: Arc<[Token]>,
    /// The regular expression that the reply follows.
    pub grammar: Option<String>,
    /// Most tokens of the reply.
    pub max_tokens: usize,
    /// 0: the likeliest token each time. Training samples at 1.
    pub temperature: f32,
    /// What decides its tokens.
    pub dice: Dice,
}

/// A reply that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The reply.
    pub branch: Branch,
    /// Natural log-probability of each token, among those it was chosen from and at the temperature it was chosen at.
    pub logprobs: Vec<f32>,
    /// Whether it ran into its token limit.
    pub cut_off: bool,
}

/// What a pass over trees found, in the order of trees, branches and tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// Natural log-probability of each token (policies), or the value before it (critics).
    pub values: Vec<Vec<Vec<f32>>>,
    /// Entropy of each choice, nats; empty for critics.
    pub entropies: Vec<Vec<Vec<f32>>>,
}

/// Given tree, branch and the branch's scores: the loss's derivative by each of them.
pub type Derivative<'a> = dyn FnMut(usize, usize, &[f32]) -> Vec<f32> + 'a;

/// Settings of one optimiser step (AdamW; Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Step size at the end of warm-up.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment. 0.95 forgets a spike sooner than 0.999, usual for short runs.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay. None by default: LoRA starts at zero change and is small.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down to it.
    pub clip: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { learning_rate: 5e-5, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.0, clip: 1.0 }
    }
}

/// What an optimiser step did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stepped {
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// Whether it was left out, because a gradient was not a number.
    pub skipped: bool,
}

/// What computes. One part is worked at a time; gradients add up until [`PolicyEngine::step`].
pub trait PolicyEngine {
    /// Writes replies, in order.
    fn sample(&mut self, part: Part, asks: &[Ask]) -> Result<Vec<Written>, EngineError>;

    /// Log-probabilities of the branches' tokens, without gradients; under the base alone where no part is named.
    fn logprobs(&mut self, part: Option<Part>, trees: &[Tree]) -> Result<Scores, EngineError>;

    /// The same of a policy, or the values of a critic; then the derivative of a loss is asked for each branch, and the
    /// gradients of the part's LoRA grow by it.
    fn forward_backward(
        &mut self,
        part: Part,
        trees: &[Tree],
        derivative: &mut Derivative<'_>,
    ) -> Result<Scores, EngineError>;

    /// Knowledge distillation (Hinton et al., arXiv 1503.02531; at temperature 1): the gradients of a policy's LoRA grow by those
    /// of `scale · Σ KL(teacher ‖ policy)` over the branches' choices. Gives the KL of each token, nats, 0 where it was forced;
    /// in the order of trees, branches and tokens.
    fn follow(&mut self, part: Part, trees: &[Tree], scale: f64) -> Result<Vec<Vec<Vec<f32>>>, EngineError>;

    /// Values of a critic before each token of the branches, without gradients.
    fn values(&mut self, part: Part, trees: &[Tree]) -> Result<Scores, EngineError>;

    /// Changes a part by its gradients, and clears them. Where one is not a number nothing changes.
    fn step(&mut self, part: Part, settings: &AdamW) -> Result<Stepped, EngineError>;

    /// A part's LoRA as it is.
    fn lora(&self, part: Part) -> Result<Lora, EngineError>;

    /// Everything about a part that training goes on from, as bytes.
    fn save(&self, part: Part) -> Result<Vec<u8>, EngineError>;

    /// Takes up what [`PolicyEngine::save`] gave.
    fn load(&mut self, part: Part, state: &[u8]) -> Result<(), EngineError>;

    /// What passes over trees have computed so far; `None` where it is not known.
    fn work(&self) -> Option<Work> {
        None
    }
}

/// What was computed, and what could be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// The model's floating-point operations since the engine was loaded.
    pub operations: f64,
    /// Those of a second of plain large matrix products on the same device.
    pub most_per_second: f64,
}

impl Work {
    /// The share of what the device can do that was reached since `before`, over so many seconds: model FLOP utilisation.
    pub fn share_since(self, before: Self, seconds: f64) -> f64 {
        (self.operations - before.operations) / (seconds * self.most_per_second).max(1.0)
    }
}

/// Why an engine did not do what it was asked. Its parts are as they were; gradients that had added up are cleared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The base or an adapter cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The grammar of a reply cannot be followed.
    #[error(transparent)]
    Grammar(#[from] keepsake_core::model::ModelError),
    /// A prompt or reply is longer than the base can read.
    #[error(
        "a sample has {tokens} tokens and the base reads {most}: leave it out, or use a base with a longer context"
    )]
    TooLong {
        /// Tokens of prompt and reply.
        tokens: usize,
        /// What the base reads.
        most: usize,
    },
    /// There is not enough memory.
    #[error(
        "out of memory on {device}: lower batch.pack_tokens, switch on engine.recompute, or use a smaller group; \
         nothing was lost"
    )]
    OutOfMemory {
        /// Where.
        device: String,
    },
    /// libtorch failed.
    #[error("libtorch failed: {0}")]
    Torch(String),
    /// The device is not there.
    #[error("{0}")]
    NoDevice(String),
    /// A policy was to follow a teacher, and there is none.
    #[error(
        "there is no adapter to learn from: give one to an engine on this machine; a training server takes none"
    )]
    NoTeacher,
    /// A training server did not do it.
    #[error(transparent)]
    Server(#[from] tinker::TinkerError),
    /// A saved state does not fit.
    #[error("the saved state does not fit: {0}")]
    State(String),
}
