//! The base model: an open GGUF file whose sizes are known and whose tensors are read one by one.
//!
//! Opening reads the head and checks it whole; weights are unpacked when they are asked for. Nothing is kept.
//!
//! Rooms it touches: core.

use std::path::Path;

use keepsake_core::model::adapter;

use super::file::GgufFile;
use super::{Shape, WeightsError, shape};

/// An open base model.
#[derive(Debug)]
pub struct Base {
    pub(super) file: GgufFile,
    shape: Shape,
}

/// A tensor in 32 bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Row-major, the slowest dimension first: a linear is `[outputs, inputs]`.
    pub shape: Vec<usize>,
    /// As many as the product of `shape`.
    pub values: Vec<f32>,
}

impl Base {
    /// Opens a model file and checks that it is one the trainer computes as llama.cpp does, and that all of it can be
    /// unpacked.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = GgufFile::open(path)?;
        let shape = shape::read(&file.head)?;
        for tensor in file.all() {
            tensor?;
        }
        Ok(Self { file, shape })
    }

    /// Its sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Whether it has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.file.has(name)
    }

    /// A tensor in 32 bits, exactly as llama.cpp unpacks it.
    pub fn tensor(&self, name: &str) -> Result<Weights, WeightsError> {
        self.file.unpack(name)
    }

    /// SHA-256 of the file, in hexadecimal: what an adapter says it was trained on. Reads the whole file.
    pub fn sha256(&self) -> Result<String, WeightsError> {
        adapter::file_sha256(self.path()).map_err(WeightsError::io("read", self.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, add, base, cut, damage, model, shape, tensors, values};
    use super::super::{Architecture, Linear};
    use super::*;
    use keepsake_core::testing::gguf::GgufWriter;

    const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];

    fn refused(folder: &Folder, writer: GgufWriter) -> String {
        Base::open(&folder.file("wrong.gguf", &writer.finish())).unwrap_err().to_string()
    }

    #[test]
    fn sizes_and_tensors_are_read() {
        for architecture in ALL {
            for tied in [true, false] {
                let expected = Shape { tied, ..shape(architecture) };
                let folder = Folder::new();
                let base = base(&folder, &expected);
                assert_eq!(*base.shape(), expected);
                assert_eq!(base.has("output.weight"), !tied);
                for (name, sizes) in tensors(&expected) {
                    let tensor = base.tensor(&name).unwrap();
                    assert_eq!(tensor.values, values(&name, &sizes));
                    assert_eq!(tensor.shape, sizes);
                }
                for linear in Linear::ALL {
                    let (outputs, inputs) = linear.size(&expected);
                    assert_eq!(base.tensor(&linear.weight(1)).unwrap().shape, [outputs, inputs]);
                }
            }
        }
    }

    #[test]
    fn a_row_is_what_one_output_is_made_of() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let weights = base(&folder, &shape).tensor("blk.0.ffn_up.weight").unwrap();
        // ggml has [inputs, outputs] with the inputs side by side; here [outputs, inputs], the same order in memory.
        assert_eq!(weights.shape, [64, 32]);
        assert_eq!(weights.values[32..64], values("blk.0.ffn_up.weight", &[2, 32])[32..]);
    }

    #[test]
    fn defaults_are_llama_cpps() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let writer =
            model(&shape).f32("llama.rope.freq_base", 500_000.0).u32("llama.rope.dimension_count", 8);
        let base = Base::open(&folder.file("base.gguf", &writer.finish())).unwrap();
        assert!((base.shape().rope_base - 500_000.0).abs() < 1e-9);
        let said_nothing = super::super::testing::base(&folder, &shape);
        assert!((said_nothing.shape().rope_base - 10_000.0).abs() < 1e-9);
        assert_eq!(said_nothing.shape().rope_width, 8);
    }

    #[test]
    fn every_tensor_must_be_there_and_no_other() {
        for architecture in ALL {
            let (folder, shape) = (Folder::new(), shape(architecture));
            for (missing, _) in tensors(&shape) {
                let without = |writer: GgufWriter| {
                    tensors(&shape)
                        .iter()
                        .filter(|(name, _)| *name != missing)
                        .fold(writer, |writer, (name, sizes)| add(writer, name, sizes))
                };
                let said = refused(&folder, without(head(&shape)));
                assert!(said.contains(&format!("`{missing}` is missing")), "{said}");
            }
            let said = refused(&folder, add(model(&shape), "blk.0.attn_output.bias", &[32]));
            assert!(said.contains("`blk.0.attn_output.bias`"), "{said}");
            let said = refused(&folder, add(model(&shape), "output_norm.weight", &[32]));
            assert!(said.contains("twice"), "{said}");
        }
        // Llama 3's factors for RoPE are known, and are a llama's only.
        let (folder, llama) = (Folder::new(), shape(Architecture::Llama));
        let path = folder.file("llama3.gguf", &add(model(&llama), "rope_freqs.weight", &[4]).finish());
        assert_eq!(Base::open(&path).unwrap().tensor("rope_freqs.weight").unwrap().values.len(), 4);
        assert!(
            refused(&folder, add(model(&llama), "rope_freqs.weight", &[8])).contains("has the shape [8]")
        );
        let qwen = shape(Architecture::Qwen2);
        assert!(
            refused(&folder, add(model(&qwen), "rope_freqs.weight", &[4])).contains("`rope_freqs.weight`")
        );
    }

    /// The head of a model, without tensors.
    fn head(shape: &Shape) -> GgufWriter {
        let arch = shape.architecture.name();
        let key = |key: &str| format!("{arch}.{key}");
        GgufWriter::new()
            .text("general.architecture", arch)
            .u32(&key("context_length"), 128)
            .u32(&key("embedding_length"), 32)
            .u32(&key("block_count"), 2)
            .u32(&key("feed_forward_length"), 64)
            .u32(&key("attention.head_count"), 4)
            .u32(&key("attention.head_count_kv"), 2)
            .u32(&key("attention.key_length"), shape.head_width as u32)
            .u32(&key("attention.value_length"), shape.head_width as u32)
            .f32(&key("attention.layer_norm_rms_epsilon"), 1e-5)
    }

    /// The last of two entries with one key counts, so a model is spoilt by adding one.
    #[test]
    fn what_would_be_computed_otherwise_is_refused_by_name() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let linear = || model(&shape).text("llama.rope.scaling.type", "linear");
        let cases: [(GgufWriter, &str); 20] = [
            (model(&shape).text("general.architecture", "gemma3"), "`gemma3`"),
            (model(&shape).u32("llama.block_count", 3), "`blk.2.attn_q.weight` is missing"),
            (model(&shape).u32("llama.block_count", 0), "`llama.block_count`"),
            (model(&shape).u32("llama.embedding_length", 16), "has the shape [5, 32]"),
            (model(&shape).u32("llama.attention.head_count_kv", 3), "does not divide"),
            (model(&shape).numbers("llama.attention.head_count_kv", &[2, 1]), "not one whole number"),
            (model(&shape).numbers("llama.feed_forward_length", &[64, 64]), "not one whole number"),
            (model(&shape).u32("llama.rope.dimension_count", 4), "`llama.rope.dimension_count`"),
            (model(&shape).f32("llama.attention.layer_norm_rms_epsilon", 0.0), "a number above 0"),
            (model(&shape).text("llama.rope.scaling.type", "yarn"), "RoPE scaling (`yarn`)"),
            (model(&shape).text("llama.rope.scaling.type", "su"), "RoPE scaling (`su`)"),
            (model(&shape).f32("llama.rope.scaling.factor", 4.0), "RoPE scaling (`linear`)"),
            (linear().f32("llama.rope.scaling.factor", 4.0), "RoPE scaling (`linear`)"),
            (model(&shape).f32("llama.rope.scaling.attn_factor", 1.2), "RoPE scaling"),
            (model(&shape).u32("llama.block_count", 513), "more than llama.cpp takes"),
            (model(&shape).u32("llama.attention.value_length", 4), "another width"),
            (model(&shape).u32("llama.attention.key_length", 16), "another width"),
            (model(&shape).u32("llama.expert_count", 8), "experts"),
            (model(&shape).u32("split.count", 2), "several files"),
            (model(&shape).u32("llama.attention.causal", 0), "both directions"),
        ];
        for (writer, expected) in cases {
            let said = refused(&folder, writer);
            assert!(said.contains(expected), "{said} does not say {expected}");
        }
        for unscaled in [
            linear(),
            linear().f32("llama.rope.scaling.factor", 1.0),
            model(&shape).text("llama.rope.scaling.type", "none").f32("llama.rope.scaling.factor", 4.0),
        ] {
            Base::open(&folder.file("unscaled.gguf", &unscaled.finish())).unwrap();
        }
    }

    #[test]
    fn a_type_that_is_not_unpacked_is_named_with_the_remedy() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let mut bytes = model(&shape).finish();
        // In a tensor's entry: name, count of dimensions, dimensions, type.
        let name = b"blk.1.ffn_up.weight";
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4 + 16;
        bytes[at] = 10; // Q2_K
        let error = Base::open(&folder.file("wrong.gguf", &bytes)).unwrap_err();
        assert!(
            matches!(&error, WeightsError::TensorType { name, kind: 10 } if name == "blk.1.ffn_up.weight")
        );
        assert!(error.to_string().contains("use a GGUF quantised as Q4_K_M, Q8_0 or F16"));
        bytes[at] = 14; // Q6_K, of 256 values: a row of 32 is no whole block
        let error = Base::open(&folder.file("wrong.gguf", &bytes)).unwrap_err();
        assert!(error.to_string().contains("not whole blocks"), "{error}");
    }

    #[test]
    fn a_tensor_large_enough_for_two_threads_is_the_same() {
        let (folder, small) = (Folder::new(), shape(Architecture::Llama));
        let large = Shape { vocabulary: 16_385, ..small };
        let base = Base::open(&folder.file("large.gguf", &model(&large).finish())).unwrap();
        let table = base.tensor("token_embd.weight").unwrap();
        assert!(table.values == values("token_embd.weight", &[16_385, 32]));
    }

    #[test]
    fn cut_and_damaged_files_give_an_answer() {
        let (folder, whole) = (Folder::new(), Shape { layers: 1, ..shape(Architecture::Qwen2) });
        let path = folder.file("base.gguf", &model(&whole).finish());
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        let head = length - Base::open(&path).unwrap().file.head.tensor_bytes as usize;
        let lengths = (0..head).step_by(3).chain((head..length).step_by(997)).chain([length - 1]);
        cut(&path, lengths, |length| assert!(Base::open(&path).is_err(), "cut at {length}"));
        damage(&path, head, || {
            // An answer of either kind: every tensor of what opens can be read.
            if let Ok(base) = Base::open(&path) {
                for tensor in &base.file.head.tensors {
                    assert!(!base.tensor(&tensor.name).unwrap().values.is_empty());
                }
            }
        });
        assert!(matches!(Base::open(Path::new("/nowhere")), Err(WeightsError::Io { .. })));
    }

    /// The default model, where this machine has it.
    #[test]
    fn the_default_model_opens() {
        let home = std::env::var_os("HOME").unwrap_or_default();
        let path = Path::new(&home).join(".cache/keepsake/models/SmolLM2-135M-Instruct.Q4_1.gguf");
        if !path.is_file() {
            println!("skipped: {} is not there", path.display());
            return;
        }
        let base = Base::open(&path).unwrap();
        let shape = base.shape();
        // config.json of HuggingFaceTB/SmolLM2-135M-Instruct.
        assert_eq!((shape.layers, shape.width, shape.hidden), (30, 576, 1536));
        assert_eq!((shape.heads, shape.kv_heads, shape.head_width, shape.rope_width), (9, 3, 64, 64));
        assert_eq!((shape.vocabulary, shape.context, shape.tied), (49_152, 8192, true));
        assert!((shape.rope_base - 100_000.0).abs() < 1e-9);
        let table = base.tensor("token_embd.weight").unwrap();
        assert_eq!(table.shape, [49_152, 576]);
        let mean_square = table.values.iter().map(|value| f64::from(value * value)).sum::<f64>()
            / table.values.len() as f64;
        assert!((0.001..1.0).contains(&mean_square), "{mean_square}");
    }
}
