//! What llama.cpp predicts, token by token: for comparing a trained adapter with its trainer.
//!
//! Everything is kept in 32 bits and nothing is shared between calls: this is for exactness, not for speed. It writes no
//! replies. Rooms it touches: model.

use std::num::NonZeroU32;
use std::path::Path;

use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_2::token::LlamaToken;

use super::{backend, read_head};
use crate::model::ModelError;
use crate::model::adapter::Misfit;

/// Tokens of one step.
const STEP: usize = 512;

/// A model, and perhaps an adapter, in llama.cpp.
pub struct Scorer {
    backend: &'static LlamaBackend,
    model: LlamaModel,
    adapter: Option<LlamaLoraAdapter>,
}

impl Scorer {
    /// Loads a model file with an adapter, whatever agent and wording it is for.
    pub fn load(model: &Path, adapter: Option<&Path>) -> Result<Self, ModelError> {
        read_head(model)?;
        let backend = backend(None)?;
        let unusable =
            || ModelError::Unusable { path: model.to_owned(), what: "llama.cpp cannot load it".to_owned() };
        let mut loaded = LlamaModel::load_from_file(backend, model, &LlamaModelParams::default())
            .map_err(|_| unusable())?;
        let adapter = adapter.map(|path| {
            loaded
                .lora_adapter_init(path)
                .map_err(|_| ModelError::Adapter { path: path.to_owned(), why: Misfit::Refused })
        });
        Ok(Self { backend, adapter: adapter.transpose()?, model: loaded })
    }

    /// Logits over the vocabulary after each token from place `from` on: `[tokens - from, vocabulary]`.
    pub fn logits(&mut self, tokens: &[i32], from: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        let failed = |error: &dyn std::fmt::Display| ModelError::Failed(error.to_string());
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(tokens.len().next_multiple_of(256) as u32))
            .with_n_batch(STEP as u32)
            .with_n_ubatch(STEP as u32)
            .with_flash_attention_policy(0)
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32);
        let mut context = self.model.new_context(self.backend, params).map_err(|error| failed(&error))?;
        if let Some(adapter) = &mut self.adapter {
            context.lora_adapter_set(adapter, 1.0).map_err(|error| failed(&error))?;
        }
        let mut rows = Vec::with_capacity(tokens.len().saturating_sub(from));
        for (nth, step) in tokens.chunks(STEP).enumerate() {
            let mut batch = LlamaBatch::new(step.len(), 1);
            let first = nth * STEP;
            for (at, token) in step.iter().enumerate() {
                batch
                    .add(LlamaToken(*token), (first + at) as i32, &[0], first + at >= from)
                    .map_err(|error| failed(&error))?;
            }
            context.decode(&mut batch).map_err(|error| failed(&error))?;
            let wanted = (0..step.len()).filter(|at| first + at >= from);
            rows.extend(wanted.map(|at| context.get_logits_ith(at as i32).to_vec()));
        }
        Ok(rows)
    }
}
