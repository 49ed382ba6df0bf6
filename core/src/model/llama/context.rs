//! One context of llama.cpp: how it is laid out, what its streams hold, and steps of evaluation.
//!
//! The queue's work has several short streams side by side, an answer one long stream. Only one context exists at a
//! time; it is as large as what was asked of it needs. Rooms it touches: model.

use std::num::NonZeroU32;
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::CacheType;
use super::pace::Pace;
use super::streams::{Place, Streams};
use super::worker::{Adapters, Plan};
use crate::model::Role;

/// Most tokens of a prompt and its reply that are worked beside others.
pub(super) const LANE_TOKENS: u32 = 1024;
/// Most tokens that several streams evaluate in one step. From 64 tokens of one stream on, llama.cpp adds up attention
/// in another order: below, a token's values do not depend on what it is evaluated with.
pub(super) const LANE_STEP: u32 = 63;
/// Tokens of one step of a long stream, and how large the logits buffer of llama.cpp may become (128 × a vocabulary of
/// 49,152 × 4 bytes = 24 MiB).
pub(super) const LONG_STEP: u32 = 128;
/// A long stream has a multiple of so many tokens, so that it is not made anew for every question.
const LONG_GRAIN: u32 = 1024;

/// How a context is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Streams side by side for the queue's work, with room for so many tokens each. A prompt that is too long for
    /// [`LANE_TOKENS`] has one for itself.
    Lanes { count: u32, tokens: u32 },
    /// One stream for an answer, with room for so many tokens.
    Long(u32),
}

impl Shape {
    /// What a prompt and its reply of so many tokens need, alone.
    pub(super) fn for_tokens(role: Role, tokens: usize, lanes: u32, context_tokens: u32) -> Self {
        let lane_tokens = LANE_TOKENS.min(context_tokens);
        let grains = (tokens as u64).div_ceil(u64::from(LONG_GRAIN));
        let long = (grains * u64::from(LONG_GRAIN)).min(u64::from(context_tokens)) as u32;
        match role {
            Role::Manager if tokens <= lane_tokens as usize => {
                Self::Lanes { count: lanes, tokens: lane_tokens }
            }
            Role::Manager => Self::Lanes { count: 1, tokens: long },
            Role::Answer => Self::Long(long),
        }
    }

    /// Whether a context of this shape does for another.
    fn holds(self, other: Self) -> bool {
        match (self, other) {
            (Self::Long(has), Self::Long(needs)) => has >= needs,
            (Self::Lanes { count, tokens }, Self::Lanes { count: wanted, tokens: needs }) => {
                count == wanted && tokens >= needs
            }
            _ => false,
        }
    }

    /// Whether a token's values are the same whatever it is evaluated with: see [`LANE_STEP`], and the types of keys and
    /// values in [`Context::new`].
    pub(super) fn is_exact(self, plan: &Plan) -> bool {
        let kept = plan.settings.cache == CacheType::F16 && plan.head_width.is_multiple_of(32);
        kept && matches!(self, Self::Lanes { .. })
    }

    /// Names how keys and values are kept: what one shape wrote, another one cannot read. llama.cpp takes a stream's state
    /// only into a context of as many streams.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Lanes { count: 1, .. } => "lane",
            Self::Lanes { .. } => "lanes",
            Self::Long(_) => "long",
        }
    }
}

/// A context with its batch.
pub(super) struct Context<'model> {
    pub(super) shape: Shape,
    llama: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    streams: Streams,
    /// The agent whose adapter it runs with.
    role: Option<Role>,
    /// Whether a copy was asked for that llama.cpp only makes with the next step.
    copying: bool,
}

impl<'model> Context<'model> {
    /// A new, empty one that computes with so many threads.
    pub(super) fn new(
        plan: &Plan,
        model: &'model LlamaModel,
        shape: Shape,
        threads: u32,
    ) -> Result<Self, Failure> {
        let (streams, tokens, step) = match shape {
            Shape::Lanes { count, tokens } => (count, count * tokens, LANE_STEP),
            Shape::Long(tokens) => (1, tokens, LONG_STEP),
        };
        // Keys in 8 bits beside values in 16: then llama.cpp adds up attention in one order, whether one token is
        // evaluated or several.
        let (keys, values) = match (shape, plan.settings.cache) {
            _ if !plan.head_width.is_multiple_of(32) => (KvCacheType::F16, KvCacheType::F16),
            (_, CacheType::Q8_0) => (KvCacheType::Q8_0, KvCacheType::Q8_0),
            (Shape::Lanes { .. }, CacheType::F16) => (KvCacheType::Q8_0, KvCacheType::F16),
            (Shape::Long(_), CacheType::F16) => (KvCacheType::F16, KvCacheType::F16),
        };
        let threads = threads.clamp(1, 512) as i32;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(tokens))
            .with_n_batch(step)
            .with_n_ubatch(step)
            .with_n_seq_max(streams)
            .with_kv_unified(false)
            .with_type_k(keys)
            .with_type_v(values)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        Ok(Self {
            shape,
            llama: model.new_context(plan.backend, params)?,
            batch: LlamaBatch::new(step as usize, 1),
            streams: Streams::new(streams as usize),
            role: None,
            copying: false,
        })
    }

    /// Whether it does for this shape.
    pub(super) fn holds(&self, shape: Shape) -> bool {
        self.shape.holds(shape)
    }

    /// Runs with this agent's adapter from now on.
    pub(super) fn take_role(&mut self, role: Role, adapters: &mut Adapters) -> Result<(), Failure> {
        if self.role == Some(role) {
            return Ok(());
        }
        let had = self.role.is_some_and(|role| adapters.contains_key(&role));
        if let Some(adapter) = adapters.get_mut(&role) {
            self.llama.lora_adapter_set(adapter, 1.0)?;
        } else if had && let Some(adapter) = adapters.values_mut().next() {
            // llama.cpp's call takes an adapter but removes them all.
            self.llama.lora_adapter_remove(adapter)?;
        }
        self.role = Some(role);
        Ok(())
    }

    /// Takes a stream for a prompt whose fixed start has so many tokens: which, and how much of the prompt it holds.
    pub(super) fn place(
        &mut self,
        adapter: Option<Role>,
        tokens: &[LlamaToken],
        start: usize,
        busy: &[usize],
    ) -> Result<(usize, usize), Failure> {
        // The last token is evaluated in any case, because its logits are wanted.
        let tokens = &tokens[..tokens.len().saturating_sub(1)];
        let shape = self.shape;
        // Less than the start is not worth a copy: the start has a snapshot.
        let place =
            self.streams.place(adapter, tokens, busy, |length| match (shape, length.checked_sub(start)) {
                (_, None) => 0,
                (Shape::Lanes { .. }, _) => length,
                // A long prompt is read on from where a step of it begins, so that its steps are always the same.
                (Shape::Long(_), Some(behind)) => start + behind / LONG_STEP as usize * LONG_STEP as usize,
            });
        let Place { stream, from, length } = place;
        if let Some(from) = from {
            self.llama.copy_kv_cache_seq(from as i32, stream as i32, None, None)?;
            self.copying = true;
        }
        self.cut(stream, length)?;
        Ok((stream, length))
    }

    /// Whether its streams hold what is noted. Not so while a copy waits for the next step: what is put into one of the
    /// two streams before that would be copied too, or overwritten.
    pub(super) fn is_settled(&self) -> bool {
        !self.copying
    }

    /// Empties a stream.
    pub(super) fn empty(&mut self, stream: usize) -> Result<(), Failure> {
        self.streams.hold(stream, &[]);
        self.cut(stream, 0)
    }

    /// Forgets what a stream holds behind so many tokens.
    pub(super) fn keep(&mut self, stream: usize, length: usize) -> Result<(), Failure> {
        self.streams.keep(stream, length);
        self.cut(stream, length)
    }

    fn cut(&mut self, stream: usize, length: usize) -> Result<(), Failure> {
        self.llama.kv_cache_seq_rm(stream as i32, Some(length as u32), None)?;
        Ok(())
    }

    /// What a stream holds, to be put back later.
    pub(super) fn snapshot(&self, stream: usize) -> Result<SeqState, Failure> {
        Ok(self.llama.state_seq_get(stream as i32, LlamaStateSeqFlags::empty())?)
    }

    /// Puts a snapshot of these tokens into a stream, in the place of what it held.
    pub(super) fn put_back(
        &mut self,
        stream: usize,
        tokens: &[LlamaToken],
        snapshot: &SeqState,
    ) -> Result<(), Failure> {
        self.llama.state_seq_set(snapshot, stream as i32)?;
        self.streams.hold(stream, tokens);
        Ok(())
    }

    /// Lets `load` fill an empty stream with these tokens; it stays empty where that fails.
    pub(super) fn fill(
        &mut self,
        stream: usize,
        tokens: &[LlamaToken],
        load: impl FnOnce(&mut LlamaContext<'model>) -> bool,
    ) -> Result<bool, Failure> {
        self.empty(stream)?;
        if load(&mut self.llama) {
            self.streams.hold(stream, tokens);
            return Ok(true);
        }
        self.empty(stream)?;
        Ok(false)
    }

    /// The context itself, to be read.
    pub(super) fn llama(&self) -> &LlamaContext<'model> {
        &self.llama
    }

    /// Evaluates these tokens behind what each stream holds, in one step: milliseconds it took. Streams come in the order
    /// of their numbers.
    pub(super) fn evaluate(&mut self, parts: &[Part<'_>], pace: &mut Pace) -> Result<f64, Failure> {
        self.batch.clear();
        for part in parts {
            for (offset, token) in part.tokens.iter().enumerate() {
                let wanted = offset + part.logits >= part.tokens.len();
                self.batch.add(*token, (part.at + offset) as i32, &[part.stream as i32], wanted)?;
            }
        }
        let started = Instant::now();
        self.llama.decode(&mut self.batch)?;
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        // A step with a guess is neither one of a single token nor one of a prompt.
        let guesses = parts.iter().any(|part| part.logits > 1);
        if !std::mem::take(&mut self.copying) && !guesses {
            pace.measured(self.batch.n_tokens() as usize, milliseconds);
        }
        for part in parts {
            self.streams.extend(part.stream, part.tokens);
        }
        Ok(milliseconds)
    }

    /// The logits of a token by its number in the step that was evaluated last.
    pub(super) fn logits(&self, nth: usize) -> &[f32] {
        self.llama.get_logits_ith(nth as i32)
    }
}

/// What one stream has in a step.
pub(super) struct Part<'a> {
    pub(super) stream: usize,
    /// The position of its first token.
    pub(super) at: usize,
    pub(super) tokens: &'a [LlamaToken],
    /// Of how many of the last ones the logits are wanted.
    pub(super) logits: usize,
}

/// Why llama.cpp did not do something, in its words.
pub(super) struct Failure(pub(super) String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
