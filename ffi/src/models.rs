//! Loaded models: from files, or the host's own.
//!
//! Rooms it touches: core.

use std::sync::Arc;

use keepsake_core::{embed, model};

use crate::KeepsakeError;
use crate::hosts::{EmbedderOfHost, HostEmbedder, HostLanguageModel, ModelOfHost};

/// Files of a language model, and how it is loaded.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ModelFiles {
    /// The GGUF file of the base model.
    pub model: String,
    /// A LoRA adapter for the memory manager.
    #[uniffi(default = None)]
    pub manager_adapter: Option<String>,
    /// A LoRA adapter for the answer agent.
    #[uniffi(default = None)]
    pub answer_adapter: Option<String>,
    /// Tokens of prompt and reply together.
    #[uniffi(default = 4096)]
    pub context_tokens: u32,
    /// Threads that compute; none: measured when the model is first loaded, if there is a folder of states.
    #[uniffi(default = None)]
    pub threads: Option<u32>,
    /// A folder of the app's for what is evaluated and measured once; it may be deleted at any time.
    #[uniffi(default = None)]
    pub states: Option<String>,
    /// Whether keys and values are kept in 8 bits instead of 16: half the memory, and long prompts are read more slowly.
    #[uniffi(default = false)]
    pub small_cache: bool,
    /// Most bytes the model may take, where the host knows better than the system.
    #[uniffi(default = None)]
    pub memory_limit: Option<u64>,
    /// The folder with llama.cpp's processor variants, where the app was shipped with them.
    #[uniffi(default = None)]
    pub backends: Option<String>,
}

/// A language model, loaded. Engines may share one.
#[derive(uniffi::Object)]
pub struct LanguageModel(pub(crate) Arc<dyn model::LanguageModel>);

#[uniffi::export]
impl LanguageModel {
    /// Checks and loads a model's files.
    #[cfg(feature = "llama")]
    #[uniffi::constructor]
    pub fn load(files: ModelFiles) -> Result<Arc<Self>, KeepsakeError> {
        let adapters =
            [(model::Role::Manager, files.manager_adapter), (model::Role::Answer, files.answer_adapter)];
        let settings = model::LlamaSettings {
            adapters: adapters.into_iter().filter_map(|(role, file)| Some((role, file?.into()))).collect(),
            context_tokens: files.context_tokens,
            threads: files.threads,
            cache: if files.small_cache { model::CacheType::Q8_0 } else { model::CacheType::F16 },
            memory_limit: files.memory_limit,
            backends: files.backends.map(Into::into),
            states: files.states.map(Into::into),
            ..model::LlamaSettings::new(files.model)
        };
        let loaded = model::LlamaModel::load(&settings).map_err(KeepsakeError::of)?;
        Ok(Arc::new(Self(Arc::new(loaded))))
    }

    /// The host's own.
    #[uniffi::constructor]
    pub fn of_host(host: Arc<dyn HostLanguageModel>) -> Result<Arc<Self>, KeepsakeError> {
        let model = ModelOfHost::new(host).map_err(KeepsakeError::of)?;
        Ok(Arc::new(Self(Arc::new(model))))
    }
}

/// Files of a sentence-embedding model.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EmbedderFiles {
    /// The ONNX file.
    pub model: String,
    /// Its `tokenizer.json`.
    pub tokenizer: String,
    /// The shared library of ONNX Runtime, 1.24 or later.
    pub runtime: String,
    /// Threads that compute.
    #[uniffi(default = 2)]
    pub threads: u32,
}

/// A sentence-embedding model, loaded. Engines may share one.
#[derive(uniffi::Object)]
pub struct Embedder(pub(crate) Arc<dyn embed::Embedder>);

#[uniffi::export]
impl Embedder {
    /// Checks and loads a model's files.
    #[cfg(feature = "onnx")]
    #[uniffi::constructor]
    pub fn load(files: EmbedderFiles) -> Result<Arc<Self>, KeepsakeError> {
        let threads = files.threads as usize;
        let files = embed::OnnxFiles {
            model: files.model.into(),
            tokenizer: files.tokenizer.into(),
            runtime: files.runtime.into(),
        };
        let loaded = embed::OnnxEmbedder::open(&files, threads).map_err(KeepsakeError::of)?;
        Ok(Arc::new(Self(Arc::new(loaded))))
    }

    /// The host's own.
    #[uniffi::constructor]
    pub fn of_host(host: Arc<dyn HostEmbedder>) -> Result<Arc<Self>, KeepsakeError> {
        let embedder = EmbedderOfHost::new(host).map_err(KeepsakeError::of)?;
        Ok(Arc::new(Self(Arc::new(embedder))))
    }
}
