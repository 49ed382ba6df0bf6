//! Model and adapter files: the base as it lies on disk, LoRA pairs in and out, and a base with its adapter merged.
//!
//! Everything here is in the layout of GGUF files, as llama.cpp has it (docs/adapter-format.md): only what reads and
//! writes PEFT's files permutes. Nothing here computes with tensors beyond unpacking them, adding a LoRA pair, measuring it and
//! lowering its rank; the engine does that.
//!
//! Rooms it touches: core.

mod adapter;
mod base;
mod blocks;
mod error;
mod file;
#[cfg(test)]
mod judge;
mod lora;
mod lower;
mod merge;
mod metadata;
mod peft;
mod prune;
mod quantise;
mod replace;
mod shape;
#[cfg(test)]
mod testing;
mod writer;

pub use self::adapter::{Bits, Label, read_adapter, write_adapter};
pub use self::base::{Base, Weights};
pub use self::error::WeightsError;
pub use self::lora::{Lora, Pair};
pub use self::merge::{Precision, dequantise, merge};
pub use self::peft::{read_peft, write_peft};
pub use self::quantise::quantise;
pub use self::shape::{Architecture, Linear, Shape};
