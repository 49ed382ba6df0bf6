//! What the tests of this room share: folders that clean up after themselves, small models, and numbers by seed.
//!
//! Rooms it touches: core.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use keepsake_core::testing::gguf::GgufWriter;
use tempfile::TempDir;

use super::{Architecture, Base, Linear, Lora, Pair, Shape};

/// A new folder; dropping it deletes it.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Cuts a file to each of these lengths, has it looked at, and makes it whole again.
pub(super) fn cut(path: &Path, lengths: impl IntoIterator<Item = usize>, mut look: impl FnMut(usize)) {
    let whole = std::fs::read(path).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let mut lengths: Vec<_> = lengths.into_iter().collect();
    lengths.sort_unstable();
    for length in lengths.into_iter().rev() {
        file.set_len(length as u64).unwrap();
        look(length);
    }
    std::fs::write(path, whole).unwrap();
}

/// Puts another byte at each of the first places of a file, has it looked at, and puts the right one back.
pub(super) fn damage(path: &Path, places: usize, mut look: impl FnMut()) {
    let whole = std::fs::read(path).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let put = |at: usize, byte: u8| {
        (&file).seek(SeekFrom::Start(at as u64)).unwrap();
        (&file).write_all(&[byte]).unwrap();
    };
    for (at, right) in whole[..places].iter().enumerate() {
        for byte in [0, 1, b'9', b'"', 0x7F, 0xFF] {
            put(at, byte);
            look();
        }
        put(at, *right);
    }
}

/// Sizes that all differ where a mistake would mix them up.
pub(super) fn shape(architecture: Architecture) -> Shape {
    Shape {
        architecture,
        layers: 2,
        width: 32,
        hidden: 64,
        heads: 4,
        kv_heads: 2,
        head_width: if architecture == Architecture::Qwen3 { 16 } else { 8 },
        vocabulary: 5,
        context: 128,
        rope_base: 10_000.0,
        rope_width: if architecture == Architecture::Qwen3 { 16 } else { 8 },
        norm_epsilon: f64::from(1e-5_f32),
        tied: true,
    }
}

/// A model of this shape with random weights and a vocabulary of single letters. Tests damage it before it is finished.
pub(super) fn model(shape: &Shape) -> GgufWriter {
    let arch = shape.architecture.name();
    let key = |key: &str| format!("{arch}.{key}");
    let mut writer = GgufWriter::new()
        .text("general.architecture", arch)
        .text("general.name", "letters")
        .u32("general.file_type", 0)
        .u32(&key("context_length"), shape.context as u32)
        .u32(&key("embedding_length"), shape.width as u32)
        .u32(&key("block_count"), shape.layers as u32)
        .u32(&key("feed_forward_length"), shape.hidden as u32)
        .u32(&key("attention.head_count"), shape.heads as u32)
        .u32(&key("attention.head_count_kv"), shape.kv_heads as u32)
        .f32(&key("attention.layer_norm_rms_epsilon"), shape.norm_epsilon as f32)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &["a", "b", "ab", "<s>", "</s>"])
        .texts("tokenizer.ggml.merges", &["a b"])
        .numbers("tokenizer.ggml.token_type", &[1, 1, 1, 3, 3])
        .u32("tokenizer.ggml.bos_token_id", 3)
        .u32("tokenizer.ggml.eos_token_id", 4);
    if shape.architecture == Architecture::Qwen3 {
        writer = writer.u32(&key("attention.key_length"), shape.head_width as u32);
        writer = writer.u32(&key("attention.value_length"), shape.head_width as u32);
    }
    for (name, sizes) in tensors(shape) {
        writer = add(writer, &name, &sizes);
    }
    writer
}

/// Adds a tensor of random numbers, its shape the slowest dimension first.
pub(super) fn add(writer: GgufWriter, name: &str, shape: &[usize]) -> GgufWriter {
    let ggml: Vec<u64> = shape.iter().rev().map(|length| *length as u64).collect();
    writer.tensor_f32(name, &ggml, &values(name, shape))
}

/// The values of a model's tensor: small enough in a matrix that what goes in comes out about as large.
pub(super) fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let scale = if let [_, inputs] = shape { 1.0 / (*inputs as f32).sqrt() } else { 1.0 };
    numbers(name, shape.iter().product()).into_iter().map(|value| value * scale).collect()
}

/// The names and shapes of a model's tensors, as the architectures' descriptions in llama.cpp have them.
pub(super) fn tensors(shape: &Shape) -> Vec<(String, Vec<usize>)> {
    let mut tensors = vec![("token_embd.weight".to_owned(), vec![shape.vocabulary, shape.width])];
    let (queries, keys) = (shape.heads * shape.head_width, shape.kv_heads * shape.head_width);
    for layer in 0..shape.layers {
        let mut add =
            |part: &str, sizes: &[usize]| tensors.push((format!("blk.{layer}.{part}"), sizes.to_vec()));
        add("attn_norm.weight", &[shape.width]);
        add("attn_q.weight", &[queries, shape.width]);
        add("attn_k.weight", &[keys, shape.width]);
        add("attn_v.weight", &[keys, shape.width]);
        add("attn_output.weight", &[shape.width, queries]);
        add("ffn_norm.weight", &[shape.width]);
        add("ffn_gate.weight", &[shape.hidden, shape.width]);
        add("ffn_up.weight", &[shape.hidden, shape.width]);
        add("ffn_down.weight", &[shape.width, shape.hidden]);
        if shape.architecture == Architecture::Qwen2 {
            add("attn_q.bias", &[queries]);
            add("attn_k.bias", &[keys]);
            add("attn_v.bias", &[keys]);
        }
        if shape.architecture == Architecture::Qwen3 {
            add("attn_q_norm.weight", &[shape.head_width]);
            add("attn_k_norm.weight", &[shape.head_width]);
        }
    }
    tensors.push(("output_norm.weight".to_owned(), vec![shape.width]));
    if !shape.tied {
        tensors.push(("output.weight".to_owned(), vec![shape.vocabulary, shape.width]));
    }
    tensors
}

pub(super) fn base(folder: &Folder, shape: &Shape) -> Base {
    Base::open(&folder.file("base.gguf", &model(shape).finish())).unwrap()
}

/// Pairs for every linear of every layer.
pub(super) fn lora(shape: &Shape, rank: usize) -> Lora {
    let mut pairs = std::collections::BTreeMap::new();
    for layer in 0..shape.layers {
        for linear in Linear::ALL {
            let (outputs, inputs) = linear.size(shape);
            let name = linear.weight(layer);
            let a = numbers(&format!("{name}.a"), rank * inputs);
            let b = numbers(&format!("{name}.b"), outputs * rank);
            pairs.insert((layer, linear), Pair { rank, a, b });
        }
    }
    Lora { alpha: 6.0, pairs }
}

/// Numbers between −1 and 1, the same for the same name (FNV-1a as the seed of xorshift64*).
pub(super) fn numbers(seed: &str, count: usize) -> Vec<f32> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let mut state = seed.bytes().fold(0xCBF2_9CE4_8422_2325, hash) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}
