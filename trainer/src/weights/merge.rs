//! A base with its adapter merged into it, or the base alone, as a GGUF file of plain numbers.
//!
//! Each linear becomes W + alpha / rank · B·A (LoRA, arXiv 2106.09685, equation 3, with B and A multiplied out), in 32
//! bits. A file is written a few rows at a time, so that a model need not fit into memory. Everything the base's head
//! says is kept, the tokenizer included, but for its file type and alignment. Quantising is the next room's.
//!
//! Rooms it touches: none.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::thread;

use super::blocks::{self, Block};
use super::file::Packed;
use super::replace::replace;
use super::writer::{Head, pad};
use super::{Base, Linear, Lora, Pair, WeightsError, metadata};

/// Values that one thread works on at a time: 4 MiB, what a processor's cache holds.
const CHUNK: usize = 1 << 20;
/// Beyond this, F16 rounds to infinity.
const F16_END: f32 = 65_520.0;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 16 bits, norms and biases in 32: what is quantised next.
    F16,
    /// 32 bits: for comparing.
    F32,
}

impl Precision {
    fn block(self) -> Block {
        match self {
            Self::F16 => Block::F16,
            Self::F32 => Block::F32,
        }
    }

    /// llama.cpp's number for files of this precision (`llama_ftype`).
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }
}

/// Writes the base with these pairs merged into it. Without any pair, that is the base.
pub fn merge(base: &Base, lora: &Lora, out_path: &Path, precision: Precision) -> Result<(), WeightsError> {
    lora.check(base.shape())?;
    let mut head = Head::default();
    for (key, entry) in metadata::entries(&base.file)? {
        // The first is said anew; the other is about the base's file, not the model: what is written has the default.
        if key != "general.file_type" && key != "general.alignment" {
            head.copy(entry);
        }
    }
    head.u32("general.file_type", precision.file_type());
    let mut tensors = Vec::new();
    for tensor in base.file.all() {
        let tensor = tensor?;
        let block = if tensor.shape.len() > 1 { precision.block() } else { Block::F32 };
        let bytes = head.tensor(tensor.name, &tensor.shape, block);
        tensors.push((tensor, block, bytes));
    }
    replace(out_path, |out| {
        head.write(out).map_err(WeightsError::io("written", out_path))?;
        for (tensor, block, bytes) in &tensors {
            let pair = Linear::of_weight(tensor.name).and_then(|at| lora.pairs.get(&at));
            let added = pair.map(|pair| (pair, lora.scale(pair)));
            write_tensor(out, out_path, tensor, added, *block)?;
            pad(out, *bytes).map_err(WeightsError::io("written", out_path))?;
        }
        Ok(())
    })
}

/// Writes the base alone: the same model without quantisation, for comparing with llama.cpp in 32 bits.
pub fn dequantise(base: &Base, out_path: &Path, precision: Precision) -> Result<(), WeightsError> {
    merge(base, &Lora { alpha: 1.0, pairs: [].into() }, out_path, precision)
}

/// A pair and what its product counts.
type Added<'a> = Option<(&'a Pair, f32)>;

fn write_tensor(
    out: &mut BufWriter<File>,
    out_path: &Path,
    tensor: &Packed,
    added: Added,
    block: Block,
) -> Result<(), WeightsError> {
    let (rows, at_once) = (tensor.rows(), (CHUNK / tensor.columns()).max(1));
    let part = |start: usize| merged(tensor, start.min(rows)..(start + at_once).min(rows), added, block);
    for start in (0..rows).step_by(2 * at_once) {
        let (mut first, mut second) = (Ok(Vec::new()), Ok(Vec::new()));
        if start + at_once < rows {
            thread::scope(|scope| {
                scope.spawn(|| first = part(start));
                second = part(start + at_once);
            });
        } else {
            first = part(start);
        }
        for bytes in [first?, second?] {
            out.write_all(&bytes).map_err(WeightsError::io("written", out_path))?;
        }
    }
    Ok(())
}

/// These rows as they are written.
fn merged(tensor: &Packed, rows: Range<usize>, added: Added, block: Block) -> Result<Vec<u8>, WeightsError> {
    let mut values = vec![0.0; rows.len() * tensor.columns()];
    tensor.unpack(rows.clone(), &mut values);
    if let Some((pair, scale)) = added {
        add(&mut values, rows, pair, scale, tensor.columns());
    }
    if block == Block::F32 {
        return Ok(values.into_iter().flat_map(f32::to_le_bytes).collect());
    }
    if values.iter().any(|value| value.abs() >= F16_END) {
        return Err(WeightsError::Overflow(tensor.name.to_owned()));
    }
    Ok(blocks::pack_f16(&values))
}

/// Adds `scale · B·A` to these rows of a linear, `[rows, inputs]`.
fn add(values: &mut [f32], rows: Range<usize>, pair: &Pair, scale: f32, inputs: usize) {
    let mut sum = vec![0.0_f32; inputs];
    let of_rows = pair.b.chunks_exact(pair.rank).skip(rows.start);
    for (row, factors) in values.chunks_exact_mut(inputs).zip(of_rows) {
        sum.fill(0.0);
        for (factor, direction) in factors.iter().zip(pair.a.chunks_exact(inputs)) {
            for (sum, value) in sum.iter_mut().zip(direction) {
                *sum += factor * value;
            }
        }
        for (value, sum) in row.iter_mut().zip(&sum) {
            *value += scale * sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, base, lora, model, shape, values};
    use super::super::{Architecture, Bits, Shape, judge, write_adapter};
    use super::*;
    use keepsake_core::model::Role;

    const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];

    fn reopened(base: &Base, lora: &Lora, folder: &Folder, precision: Precision) -> Base {
        let path = folder.path().join("merged.gguf");
        merge(base, lora, &path, precision).unwrap();
        Base::open(&path).unwrap()
    }

    #[test]
    fn a_merged_linear_is_the_base_and_the_product() {
        for architecture in ALL {
            let (folder, shape) = (Folder::new(), shape(architecture));
            let (base, lora) = (base(&folder, &shape), lora(&shape, 3));
            let merged = reopened(&base, &lora, &folder, Precision::F32);
            for (layer, linear) in lora.pairs.keys() {
                let pair = &lora.pairs[&(*layer, *linear)];
                let name = linear.weight(*layer);
                let (before, after) = (base.tensor(&name).unwrap(), merged.tensor(&name).unwrap());
                let (outputs, inputs) = linear.size(&shape);
                assert_eq!(after.shape, [outputs, inputs]);
                for at in 0..outputs * inputs {
                    let (row, column) = (at / inputs, at % inputs);
                    // In 64 bits, one number at a time; alpha 6 at rank 3 counts 2.
                    let product: f64 = (0..3)
                        .map(|r| f64::from(pair.b[row * 3 + r]) * f64::from(pair.a[r * inputs + column]))
                        .sum();
                    let expected = f64::from(before.values[at]) + 2.0 * product;
                    assert!((f64::from(after.values[at]) - expected).abs() < 1e-5, "{name} {row} {column}");
                }
            }
            for name in ["token_embd.weight", "blk.1.attn_norm.weight", "output_norm.weight"] {
                assert_eq!(base.tensor(name).unwrap(), merged.tensor(name).unwrap(), "{name}");
            }
        }
    }

    /// The judge is llama.cpp: base and adapter side by side against the merged file, and the base alone as the
    /// control that the adapter counts at all.
    #[test]
    fn llama_cpp_says_the_same_with_the_adapter_as_with_the_merged_model() {
        let tokens = [0, 1, 2, 1, 0, 3, 2];
        for architecture in ALL {
            let (folder, shape) = (Folder::new(), shape(architecture));
            let (base, lora) = (base(&folder, &shape), lora(&shape, 3));
            let path = folder.path().join("adapter.gguf");
            let label = super::super::Label {
                role: Role::Answer,
                distils: true,
                base_sha256: base.sha256().unwrap(),
                wording: "w".to_owned(),
            };
            write_adapter(&path, &shape, &lora, &label, Bits::F32).unwrap();
            let merged = reopened(&base, &lora, &folder, Precision::F32);
            let alone = judge::logits(base.path(), None, &tokens);
            let adapted = judge::logits(base.path(), Some(&path), &tokens);
            let merged = judge::logits(merged.path(), None, &tokens);
            assert!(judge::difference(&adapted, &merged) < 1e-4, "{adapted:?} {merged:?}");
            assert!(judge::difference(&alone, &merged) > 0.05, "{alone:?} {merged:?}");
        }
    }

    #[test]
    fn a_base_without_pairs_stays_what_it_is() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Qwen2));
        let base = base(&folder, &shape);
        let path = folder.path().join("plain.gguf");
        dequantise(&base, &path, Precision::F32).unwrap();
        let plain = Base::open(&path).unwrap();
        assert_eq!(plain.shape(), base.shape());
        for tensor in &base.file.head.tensors {
            assert_eq!(base.tensor(&tensor.name).unwrap(), plain.tensor(&tensor.name).unwrap());
        }
        // The head too, byte for byte, but for the file type.
        let entries = |base: &Base| {
            let entries = metadata::entries(&base.file).unwrap();
            let mut entries: Vec<_> =
                entries.into_iter().map(|(key, entry)| (key.to_owned(), entry.to_owned())).collect();
            entries.sort();
            entries
        };
        assert_eq!(entries(&base), entries(&plain));
        assert_eq!(entries(&base).len(), 17);
        assert_eq!(plain.file.head.integer("general.file_type"), Some(0));
        assert_eq!(folder.names(), ["base.gguf", "plain.gguf"]);
    }

    /// It says how the base's file lies on disk, which is not how the merged one does.
    #[test]
    fn the_alignment_is_not_copied() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let path = folder.file("base.gguf", &model(&shape).u32("general.alignment", 32).finish());
        let out_path = folder.path().join("plain.gguf");
        dequantise(&Base::open(&path).unwrap(), &out_path, Precision::F32).unwrap();
        assert_eq!(Base::open(&out_path).unwrap().file.head.integer("general.alignment"), None);
    }

    /// Norms of 18 and tables of 5 × 18 values end between two multiples of the alignment, in 16 bits and in 32.
    #[test]
    fn the_gaps_between_tensors_are_filled() {
        let odd = Shape {
            width: 18,
            heads: 1,
            kv_heads: 1,
            head_width: 18,
            rope_width: 18,
            ..shape(Architecture::Llama)
        };
        let folder = Folder::new();
        let base = base(&folder, &odd);
        dequantise(&base, &folder.path().join("half.gguf"), Precision::F16).unwrap();
        let half = Base::open(&folder.path().join("half.gguf")).unwrap();
        dequantise(&half, &folder.path().join("again.gguf"), Precision::F32).unwrap();
        let again = Base::open(&folder.path().join("again.gguf")).unwrap();
        for tensor in &base.file.head.tensors {
            let (before, after) = (base.tensor(&tensor.name).unwrap(), again.tensor(&tensor.name).unwrap());
            assert_eq!(before.shape, after.shape);
            for (before, after) in before.values.iter().zip(&after.values) {
                assert!((before - after).abs() <= before.abs() / 2048.0 + 1e-7, "{}", tensor.name);
            }
        }
    }

    #[test]
    fn halves_are_rounded_once_and_norms_are_kept() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Qwen2));
        let base = base(&folder, &shape);
        let half = reopened(&base, &Lora { alpha: 1.0, pairs: [].into() }, &folder, Precision::F16);
        assert_eq!(half.file.head.integer("general.file_type"), Some(1));
        for name in ["blk.0.attn_norm.weight", "blk.0.attn_q.bias"] {
            assert_eq!(half.file.find(name).unwrap().block, Block::F32);
            assert_eq!(half.tensor(name).unwrap(), base.tensor(name).unwrap());
        }
        let name = "blk.1.ffn_down.weight";
        assert_eq!(half.file.find(name).unwrap().block, Block::F16);
        let pairs = base.tensor(name).unwrap().values.into_iter().zip(half.tensor(name).unwrap().values);
        for (before, after) in pairs {
            // 11 binary digits: off by half of the last at most.
            assert!((before - after).abs() <= before.abs() / 2048.0 + 1e-7, "{before} {after}");
        }
    }

    #[test]
    fn a_value_too_large_for_sixteen_bits_is_refused() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let base = base(&folder, &shape);
        let mut lora = lora(&shape, 2);
        lora.pairs.get_mut(&(1, Linear::Up)).unwrap().b.fill(1e6);
        let path = folder.file("merged.gguf", b"as before");
        let refused = merge(&base, &lora, &path, Precision::F16);
        assert!(matches!(&refused, Err(WeightsError::Overflow(name)) if name == "blk.1.ffn_up.weight"));
        // What was there still is, and nothing is left over.
        assert_eq!(std::fs::read(&path).unwrap(), b"as before");
        assert_eq!(folder.names(), ["base.gguf", "merged.gguf"]);
        merge(&base, &lora, &path, Precision::F32).unwrap();
    }

    #[test]
    fn pairs_for_another_model_are_refused() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let base = base(&folder, &shape);
        let other = Shape { hidden: shape.hidden * 2, ..shape.clone() };
        let path = folder.path().join("merged.gguf");
        let refused = merge(&base, &lora(&other, 2), &path, Precision::F32);
        assert!(matches!(refused, Err(WeightsError::Lora(_))), "{refused:?}");
    }

    /// More rows than two threads take at a time, and a last piece that is not full.
    #[test]
    fn a_large_tensor_is_written_in_pieces() {
        let (folder, small) = (Folder::new(), shape(Architecture::Llama));
        let large = Shape { vocabulary: 3 * CHUNK / small.width + 7, ..small };
        let path = folder.file("large.gguf", &model(&large).finish());
        let base = Base::open(&path).unwrap();
        let merged = reopened(&base, &lora(&large, 2), &folder, Precision::F32);
        let table = merged.tensor("token_embd.weight").unwrap();
        assert_eq!(table.shape, [large.vocabulary, large.width]);
        assert!(table.values == values("token_embd.weight", &table.shape));
    }

    /// Rows from the middle of a linear get the rows of B that are theirs.
    #[test]
    fn a_piece_of_a_linear_is_as_in_the_whole() {
        let shape = shape(Architecture::Llama);
        let lora = lora(&shape, 3);
        let pair = &lora.pairs[&(0, Linear::Gate)];
        let (mut whole, mut piece) = (vec![0.0; 64 * 32], vec![0.0; 5 * 32]);
        add(&mut whole, 0..64, pair, 2.0, 32);
        add(&mut piece, 20..25, pair, 2.0, 32);
        assert_eq!(whole[20 * 32..25 * 32], piece);
    }
}
