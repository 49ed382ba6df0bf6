//! What the host may bring along: a language model, an embedder, sinks and observers. And how core sees them.
//!
//! Whatever a host's code throws becomes an error of ours, without its words, which could quote a memory.
//! Rooms it touches: core.

use std::ops::ControlFlow;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use keepsake_core::embed::{EmbedError, Vector};
use keepsake_core::model::{Completion, ModelError, Request, Role, Sampling, Stop, Usage};
use keepsake_core::{embed, model, types};

/// What the host's code fails with.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum HostError {
    /// It failed; the reason gets into error messages, and so must quote nothing that was remembered.
    #[error("{reason}")]
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: "the host's code threw what it does not declare".to_owned() }
    }
}

/// Takes an answer while it is written.
#[uniffi::export(with_foreign)]
pub trait AnswerSink: Send + Sync {
    /// The next piece of text. False stops the answer.
    fn text(&self, piece: String) -> Result<bool, HostError>;
}

/// Hears of turns while the queue is worked.
#[uniffi::export(with_foreign)]
pub trait WorkObserver: Send + Sync {
    /// A turn was worked through, and what came of it is in the bank. Must not call the engine's `process`,
    /// `remember` or `import_from`, which wait for this call to end.
    fn worked(&self, receipt: crate::Receipt) -> Result<(), HostError>;
}

/// A language model of the host's. Must not call the engine: it may hold a lock then.
#[uniffi::export(with_foreign)]
pub trait HostLanguageModel: Send + Sync {
    /// Tokens of prompt and reply together that it can hold. Asked once.
    fn context_tokens(&self) -> Result<u32, HostError>;

    /// How many tokens a text has.
    fn count_tokens(&self, text: String) -> Result<u64, HostError>;

    /// Completes a chat. May hand pieces to `reply` while it writes; what it returns is the whole reply.
    fn complete(&self, request: HostRequest, reply: Arc<Reply>) -> Result<HostCompletion, HostError>;
}

/// What a host's model is asked.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct HostRequest {
    /// Whether it speaks as the answer agent; as the memory manager otherwise.
    pub answers: bool,
    /// The standing instruction.
    pub system: String,
    /// What it is to work on. Remembered text in it is content, never an instruction.
    pub user: String,
    /// How the reply begins; what the model returns goes on from there.
    pub reply_start: String,
    /// A regular expression that the whole reply should follow; it is checked in any case.
    pub grammar: Option<String>,
    /// Most tokens of the reply.
    pub max_tokens: u32,
    /// None: the likeliest token each time.
    pub temperature: Option<f32>,
    /// With a temperature: the same seed gives the same reply.
    pub seed: u32,
}

/// What a host's model replied.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct HostCompletion {
    /// The whole reply, without `reply_start`.
    pub text: String,
    /// Whether it ran into the token limit.
    #[uniffi(default = false)]
    pub cut_off: bool,
    /// Tokens of the prompt, where it counts them.
    #[uniffi(default = 0)]
    pub prompt_tokens: u64,
    /// Tokens written, where it counts them.
    #[uniffi(default = 0)]
    pub generated_tokens: u64,
}

/// Where a host's model hands its reply while it is written.
#[derive(uniffi::Object)]
pub struct Reply {
    pieces: Mutex<Option<Sender<String>>>,
    cancel: types::Cancel,
    /// Thrown where whoever reads the pieces wants no more.
    enough: types::Cancel,
}

#[uniffi::export]
impl Reply {
    /// The next piece of text. False: no more is wanted, so return what there is.
    pub fn piece(&self, text: String) -> bool {
        if let Some(pieces) = &*self.pieces.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = pieces.send(text);
        }
        !self.is_stopped()
    }

    /// Whether no more is wanted. To be asked every few tokens by a model that hands in no pieces.
    pub fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled() || self.enough.is_cancelled()
    }
}

/// Ends the pieces of a reply, however the host's call ends: the host may hold on to the reply.
struct Closes<'a>(&'a Reply);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        *self.0.pieces.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A host's language model as core sees it.
pub(crate) struct ModelOfHost {
    host: Arc<dyn HostLanguageModel>,
    context_tokens: usize,
}

impl ModelOfHost {
    pub(crate) fn new(host: Arc<dyn HostLanguageModel>) -> Result<Self, ModelError> {
        let context_tokens = host.context_tokens().map_err(failed)? as usize;
        if context_tokens == 0 {
            return Err(ModelError::Failed("the host's model has no context".to_owned()));
        }
        Ok(Self { host, context_tokens })
    }
}

fn failed(error: HostError) -> ModelError {
    let HostError::Failed { reason } = error;
    ModelError::Failed(reason)
}

impl model::LanguageModel for ModelOfHost {
    fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        // A model that counts wrongly counts no more than there can be.
        Ok(self.host.count_tokens(text.to_owned()).map_err(failed)?.min(u64::from(u32::MAX)) as usize)
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &types::Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let (sender, pieces) = channel();
        let reply = Arc::new(Reply {
            pieces: Mutex::new(Some(sender)),
            cancel: cancel.clone(),
            enough: types::Cancel::new(),
        });
        let mut handed = String::new();
        // The host's call blocks, and the sink is this thread's.
        let done = std::thread::scope(|scope| {
            let host = scope.spawn(|| {
                let _closes = Closes(&reply);
                self.host.complete(host_request(request), Arc::clone(&reply))
            });
            for piece in pieces {
                if !reply.enough.is_cancelled() && sink(&piece).is_break() {
                    reply.enough.cancel();
                }
                handed.push_str(&piece);
            }
            host.join()
        });
        let done = done.map_err(|_| ModelError::Failed("the host's model panicked".to_owned()))?;
        let done = done.map_err(failed)?;
        // A model that handed in nothing, or not all of it.
        if let Some(rest) = done.text.strip_prefix(&handed).filter(|rest| !rest.is_empty())
            && !reply.is_stopped()
            && sink(rest).is_break()
        {
            reply.enough.cancel();
        }
        let stop = match (reply.is_stopped(), done.cut_off) {
            (true, _) => Stop::Cancelled,
            (_, true) => Stop::Length,
            _ => Stop::EndOfTurn,
        };
        let usage = Usage {
            calls: 1,
            prompt_tokens: done.prompt_tokens,
            evaluated_tokens: done.prompt_tokens,
            generated_tokens: done.generated_tokens,
            ..Usage::default()
        };
        Ok(Completion { text: done.text, stop, usage })
    }
}

fn host_request(request: &Request) -> HostRequest {
    let (temperature, seed) = match request.sampling {
        Sampling::Temperature { temperature, seed } => (Some(temperature), seed),
        _ => (None, 0),
    };
    HostRequest {
        answers: request.role == Role::Answer,
        system: request.chat.system.clone(),
        user: request.chat.user.clone(),
        reply_start: request.chat.reply_start.clone(),
        grammar: request.grammar.clone(),
        max_tokens: u32::try_from(request.max_tokens).unwrap_or(u32::MAX),
        temperature,
        seed,
    }
}

/// An embedder of the host's. Must not call the engine: it may hold a lock then.
#[uniffi::export(with_foreign)]
pub trait HostEmbedder: Send + Sync {
    /// Names the model and everything else that changes its vectors: those of different identities are never compared.
    /// Asked once.
    fn identity(&self) -> Result<String, HostError>;

    /// Components of every vector. Asked once.
    fn dimensions(&self) -> Result<u32, HostError>;

    /// One vector for each text, in order; they need not have length 1.
    fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, HostError>;
}

/// A host's embedder as core sees it.
pub(crate) struct EmbedderOfHost {
    host: Arc<dyn HostEmbedder>,
    identity: String,
    dimensions: usize,
}

impl EmbedderOfHost {
    pub(crate) fn new(host: Arc<dyn HostEmbedder>) -> Result<Self, EmbedError> {
        let identity = host.identity().map_err(not_embedded)?;
        let dimensions = host.dimensions().map_err(not_embedded)? as usize;
        if !(1..=65_536).contains(&dimensions) {
            return Err(EmbedError::Failed(format!("the host's embedder has {dimensions} dimensions")));
        }
        Ok(Self { host, identity, dimensions })
    }
}

fn not_embedded(error: HostError) -> EmbedError {
    let HostError::Failed { reason } = error;
    EmbedError::Failed(reason)
}

impl embed::Embedder for EmbedderOfHost {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        let wanted = texts.len();
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        let vectors = self.host.embed(texts).map_err(not_embedded)?;
        let wrong = |what: String| EmbedError::Failed(format!("the host's embedder gave {what}"));
        if vectors.len() != wanted {
            return Err(wrong(format!("{} vectors for {wanted} texts", vectors.len())));
        }
        let checked = vectors.into_iter().map(|values| {
            if values.len() != self.dimensions {
                return Err(wrong(format!("{} components instead of {}", values.len(), self.dimensions)));
            }
            Vector::normalised(values).ok_or_else(|| wrong("a vector without a direction".to_owned()))
        });
        checked.collect()
    }
}
