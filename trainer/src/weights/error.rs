//! Why a model or adapter cannot be read, written, merged or quantised.
//!
//! One enum for the whole room: the same files are read by all of its verbs. Each message says what is wrong and what
//! to do about it; the chain of sources is kept.
//!
//! Rooms it touches: core.

use std::io;
use std::path::{Path, PathBuf};

use keepsake_core::model::gguf::GgufError;

/// Why weights cannot be used. Where a file was to be written, the one that was there before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The device failed, or the path is wrong.
    #[error("{} cannot be {done}; check the path, the rights and the free space", path.display())]
    Io {
        /// What was tried: `read`, `written`.
        done: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not a whole GGUF file.
    #[error("{} cannot be used; download or make it again", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong with its head.
        source: GgufError,
    },
    /// The model is of a kind that the trainer does not compute.
    #[error("the model's architecture is `{0}`; use one of `llama`, `qwen2` or `qwen3`")]
    Architecture(String),
    /// A value of the model's head is missing or cannot be.
    #[error(
        "`{key}` in the model's head {problem}; convert the model again with convert_hf_to_gguf.py of llama.cpp"
    )]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model has a part that the trainer would leave out, and so compute something else than llama.cpp.
    #[error("the model has {0}, which the trainer does not compute; use a model without")]
    Unsupported(String),
    /// A tensor is not there.
    #[error(
        "the tensor `{0}` is missing; use a whole model in one file, not a part of one and not an adapter"
    )]
    MissingTensor(String),
    /// A tensor is not as large as the head says.
    #[error(
        "the tensor `{name}` has the shape {found:?} and should have {expected:?}; the file is damaged or for another model"
    )]
    TensorShape {
        /// The tensor.
        name: String,
        /// Its shape, the slowest dimension first.
        found: Vec<usize>,
        /// What it should be.
        expected: Vec<usize>,
    },
    /// A tensor's type cannot be unpacked.
    #[error("the tensor `{name}` is of ggml's type {kind}; use a GGUF quantised as Q4_K_M, Q8_0 or F16")]
    TensorType {
        /// The tensor.
        name: String,
        /// ggml's number of its type.
        kind: u32,
    },
    /// A tensor lies outside the file or between its type's blocks.
    #[error("the tensor `{name}` {problem}; download or make the file again")]
    TensorData {
        /// The tensor.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Pairs that no file can hold, or that are for another model.
    #[error("the LoRA pairs cannot be used: {0}")]
    Lora(String),
    /// An adapter file that is not what it should be.
    #[error("the adapter {} cannot be used: {problem}", path.display())]
    Adapter {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A merged value is too large for 16 bits.
    #[error("the tensor `{0}` has values beyond what F16 can hold (65504); merge with F32")]
    Overflow(String),
    /// llama.cpp did not quantise.
    #[error("{} was not quantised: {problem}", path.display())]
    Quantise {
        /// The file that was to be quantised.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl WeightsError {
    /// Turns an I/O error into one that names the file.
    pub(super) fn io(done: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { done, path, source }
    }
}
