//! A language model and an embedder of the host's, and how core sees them.
//!
//! Rooms it touches: core.

use std::ffi::c_void;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use keepsake_core::embed::{EmbedError, Embedder, Vector};
use keepsake_core::model::{Completion, LanguageModel, ModelError, Request, Role, Sampling, Stop, Usage};
use keepsake_core::types::Cancel;

use crate::failure::Failure;
use crate::text::KeepsakeStr;

/// What a host's model is asked.
#[repr(C)]
pub struct KeepsakeRequest {
    /// Whether it speaks as the answer agent; as the memory manager otherwise.
    pub answers: bool,
    /// The standing instruction.
    pub system: KeepsakeStr,
    /// What it is to work on. Remembered text in it is content, never an instruction.
    pub user: KeepsakeStr,
    /// How the reply begins; the model goes on from there.
    pub reply_start: KeepsakeStr,
    /// A regular expression that the whole reply should follow, or nothing; it is checked in any case.
    pub grammar: KeepsakeStr,
    /// Most tokens of the reply.
    pub max_tokens: u32,
    /// 0: the likeliest token each time.
    pub temperature: f32,
    /// With a temperature: the same seed gives the same reply.
    pub seed: u32,
}

/// Where a host's model writes its reply; good until its `complete` returns, and on the thread of that call only.
pub struct KeepsakeReply {
    sink: *mut Sink,
    text: String,
    /// The beginning of a character that is not whole yet.
    rest: Vec<u8>,
    stopped: bool,
    /// Whether it was given something else than text.
    broken: bool,
    cancel: Cancel,
}

type Sink = dyn FnMut(&str) -> ControlFlow<()>;

/// Writes the next piece of a reply: UTF-8, whose characters may be cut between two pieces. False: no more is wanted, so
/// return.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_reply_write(reply: *mut KeepsakeReply, piece: KeepsakeStr) -> bool {
    // SAFETY: the host hands back the pointer that its `complete` was given, while that runs; NULL is refused.
    let Some(reply) = (unsafe { reply.as_mut() }) else { return false };
    let written = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the host's bytes, readable during the call.
        let bytes = unsafe { piece.bytes("the piece") }?;
        reply.write(bytes.unwrap_or_default())
    }));
    if let Ok(Ok(go_on)) = written {
        return go_on;
    }
    reply.broken = true;
    false
}

impl KeepsakeReply {
    /// Takes more bytes, and hands on as many as are whole characters: whether more is wanted.
    fn write(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(Failure::invalid("the piece is not UTF-8")),
        };
        let taken: Vec<u8> = self.rest.drain(..whole).collect();
        let piece = String::from_utf8_lossy(&taken);
        self.text.push_str(&piece);
        // SAFETY: `complete` below keeps the sink alive for as long as the host may write.
        let sink = unsafe { &mut *self.sink };
        self.stopped |= self.cancel.is_cancelled() || (!piece.is_empty() && sink(&piece).is_break());
        Ok(!self.stopped)
    }
}

/// A language model of the host's. Its functions are called from whichever thread calls the engine, one at a time for each
/// call of the engine.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeHostModel {
    /// `sizeof(KeepsakeHostModel)`.
    pub size: usize,
    /// Handed to every function.
    pub user: *mut c_void,
    /// Tokens of prompt and reply together that it can hold.
    pub context_tokens: u32,
    /// How many tokens a text has.
    pub count_tokens: Option<unsafe extern "C" fn(user: *mut c_void, text: KeepsakeStr) -> u64>,
    /// Completes a chat, writing to `reply`: 0 where the reply is whole, 1 where it ran into the token limit, anything else
    /// where the model failed.
    pub complete: Option<
        unsafe extern "C" fn(
            user: *mut c_void,
            request: *const KeepsakeRequest,
            reply: *mut KeepsakeReply,
        ) -> i32,
    >,
    /// Called once, when the model is used no longer; never where it was refused. May be NULL.
    pub drop: Option<unsafe extern "C" fn(user: *mut c_void)>,
}

/// A host's language model as core sees it.
pub(crate) struct ModelOfHost(KeepsakeHostModel);

// SAFETY: the header asks that the functions may be called from any thread with their `user`.
unsafe impl Send for ModelOfHost {}
// SAFETY: the same.
unsafe impl Sync for ModelOfHost {}

impl ModelOfHost {
    pub(crate) fn new(host: KeepsakeHostModel) -> Result<Self, Failure> {
        if host.count_tokens.is_none() || host.complete.is_none() || host.context_tokens == 0 {
            return Err(Failure::invalid("the model has no count_tokens, no complete or no context"));
        }
        Ok(Self(host))
    }
}

impl Drop for ModelOfHost {
    fn drop(&mut self) {
        if let Some(drop) = self.0.drop {
            // SAFETY: the host's function, called once, with the pointer it came with.
            unsafe { drop(self.0.user) };
        }
    }
}

impl LanguageModel for ModelOfHost {
    fn context_tokens(&self) -> usize {
        self.0.context_tokens as usize
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        let count = self.0.count_tokens.ok_or_else(failed)?;
        // SAFETY: the host's function, with the pointer it came with and a text that outlives the call.
        let count = unsafe { count(self.0.user, KeepsakeStr::of(text)) };
        // A model that counts wrongly counts no more than there can be.
        Ok(usize::try_from(count).unwrap_or(usize::MAX).min(u32::MAX as usize))
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let complete = self.0.complete.ok_or_else(failed)?;
        let (temperature, seed) = match request.sampling {
            Sampling::Temperature { temperature, seed } => (temperature, seed),
            _ => (0.0, 0),
        };
        let asked = KeepsakeRequest {
            answers: request.role == Role::Answer,
            system: KeepsakeStr::of(&request.chat.system),
            user: KeepsakeStr::of(&request.chat.user),
            reply_start: KeepsakeStr::of(&request.chat.reply_start),
            grammar: KeepsakeStr::of_optional(request.grammar.as_deref()),
            max_tokens: u32::try_from(request.max_tokens).unwrap_or(u32::MAX),
            temperature,
            seed,
        };
        // SAFETY: only the lifetime is forgotten; `reply` does not leave this function, and the host must not keep it.
        let sink: *mut Sink =
            unsafe { std::mem::transmute::<&mut dyn FnMut(&str) -> ControlFlow<()>, &mut Sink>(sink) };
        let mut reply = KeepsakeReply {
            sink,
            text: String::new(),
            rest: Vec::new(),
            stopped: false,
            broken: false,
            cancel: cancel.clone(),
        };
        // SAFETY: the host's function, with the pointer it came with; request and reply outlive the call.
        let ended = unsafe { complete(self.0.user, &raw const asked, &raw mut reply) };
        let stop = match ended {
            _ if reply.broken || !reply.rest.is_empty() => return Err(failed()),
            _ if reply.stopped || cancel.is_cancelled() => Stop::Cancelled,
            0 => Stop::EndOfTurn,
            1 => Stop::Length,
            _ => return Err(failed()),
        };
        Ok(Completion { text: reply.text, stop, usage: Usage { calls: 1, ..Usage::default() } })
    }
}

fn failed() -> ModelError {
    ModelError::Failed("the host's model failed".to_owned())
}

/// An embedder of the host's. Its functions are called from whichever thread calls the engine, several at a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeHostEmbedder {
    /// `sizeof(KeepsakeHostEmbedder)`.
    pub size: usize,
    /// Handed to every function.
    pub user: *mut c_void,
    /// Names the model and everything else that changes its vectors. Copied.
    pub identity: KeepsakeStr,
    /// Components of every vector.
    pub dimensions: u32,
    /// Writes the vector of a text to `vector`, which has room for `dimensions` numbers: 0 where it did. It need not have
    /// length 1.
    pub embed: Option<unsafe extern "C" fn(user: *mut c_void, text: KeepsakeStr, vector: *mut f32) -> i32>,
    /// Called once, when the embedder is used no longer; never where it was refused. May be NULL.
    pub drop: Option<unsafe extern "C" fn(user: *mut c_void)>,
}

/// A host's embedder as core sees it.
pub(crate) struct EmbedderOfHost {
    host: KeepsakeHostEmbedder,
    identity: String,
}

// SAFETY: the header asks that the functions may be called from any thread with their `user`.
unsafe impl Send for EmbedderOfHost {}
// SAFETY: the same.
unsafe impl Sync for EmbedderOfHost {}

impl EmbedderOfHost {
    /// # Safety
    /// The identity must be readable.
    pub(crate) unsafe fn new(host: KeepsakeHostEmbedder) -> Result<Self, Failure> {
        // SAFETY: this function's contract.
        let identity = unsafe { host.identity.required("the embedder's identity") }?.to_owned();
        if host.embed.is_none() || !(1..=65_536).contains(&host.dimensions) {
            return Err(Failure::invalid(
                "the embedder has no embed, or not between 1 and 65,536 dimensions",
            ));
        }
        Ok(Self { host, identity })
    }
}

impl Drop for EmbedderOfHost {
    fn drop(&mut self) {
        if let Some(drop) = self.host.drop {
            // SAFETY: the host's function, called once, with the pointer it came with.
            unsafe { drop(self.host.user) };
        }
    }
}

impl Embedder for EmbedderOfHost {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.host.dimensions as usize
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        let failed = |what: &str| EmbedError::Failed(format!("the host's embedder {what}"));
        let embed = self.host.embed.ok_or_else(|| failed("failed"))?;
        let one = |text: &&str| {
            let mut vector = vec![0.0; self.dimensions()];
            // SAFETY: the host's function, with the pointer it came with; the vector has the room that it is told of.
            let ended = unsafe { embed(self.host.user, KeepsakeStr::of(text), vector.as_mut_ptr()) };
            if ended != 0 {
                return Err(failed("failed"));
            }
            Vector::normalised(vector).ok_or_else(|| failed("gave a vector without a direction"))
        };
        texts.iter().map(one).collect()
    }
}
