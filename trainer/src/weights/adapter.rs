//! LoRA adapters as GGUF files that llama.cpp and keepsake-core load (docs/adapter-format.md).
//!
//! What is written is checked first, what is read is checked against the model's sizes. Whether an adapter is for this
//! role, base and wording is for core to check.
//!
//! Rooms it touches: core.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use keepsake_core::model::Role;
use keepsake_core::model::adapter::{ANSWERS_KEY, BASE_KEY, DIRECT, DISTILLED, ROLE_KEY, WORDING_KEY};

use super::blocks::{self, Block};
use super::file::{GgufFile, Packed};
use super::replace::replace;
use super::writer::{Head, pad};
use super::{Linear, Lora, Pair, Shape, WeightsError};

const ALPHA_KEY: &str = "adapter.lora.alpha";
/// The largest number of 16 bits (IEEE 754, binary16).
const LARGEST_F16: f32 = 65_504.0;

/// What an adapter was trained for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Which agent.
    pub role: Role,
    /// Whether an answer agent picks the memories that it answers from; means nothing for a manager.
    pub distils: bool,
    /// SHA-256 of the base's file, in hexadecimal.
    pub base_sha256: String,
    /// The wording of the prompts: `keepsake_core::model::adapter::wording`.
    pub wording: String,
}

/// What the numbers of an adapter are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// 16: half as large, to be shipped.
    F16,
    /// 32: exactly what was trained.
    F32,
}

/// Writes an adapter.
pub fn write_adapter(
    path: &Path,
    shape: &Shape,
    lora: &Lora,
    label: &Label,
    bits: Bits,
) -> Result<(), WeightsError> {
    lora.check_whole(shape)?;
    let largest = |pair: &Pair| pair.a.iter().chain(&pair.b).any(|value| value.abs() > LARGEST_F16);
    if bits == Bits::F16 && lora.pairs.values().any(largest) {
        return Err(WeightsError::Lora("a number does not fit into 16 bits; keep it in 32".to_owned()));
    }
    let block = match bits {
        Bits::F16 => Block::F16,
        Bits::F32 => Block::F32,
    };
    let mut head = Head::default();
    head.text("general.architecture", shape.architecture.name());
    head.text("general.type", "adapter");
    head.text("adapter.type", "lora");
    head.f32(ALPHA_KEY, lora.alpha);
    head.text(ROLE_KEY, label.role.as_str());
    head.text(BASE_KEY, &label.base_sha256);
    head.text(WORDING_KEY, &label.wording);
    if label.role == Role::Answer {
        head.text(ANSWERS_KEY, if label.distils { DISTILLED } else { DIRECT });
    }
    for ((layer, linear), pair) in &lora.pairs {
        let (outputs, inputs) = linear.size(shape);
        let name = linear.weight(*layer);
        head.tensor(&format!("{name}.lora_a"), &[pair.rank, inputs], block);
        head.tensor(&format!("{name}.lora_b"), &[outputs, pair.rank], block);
    }
    replace(path, |out| {
        let mut write = || {
            head.write(out)?;
            for values in lora.pairs.values().flat_map(|pair| [&pair.a, &pair.b]) {
                let bytes = match bits {
                    Bits::F16 => blocks::pack_f16(values),
                    Bits::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                };
                out.write_all(&bytes)?;
                pad(out, bytes.len())?;
            }
            Ok(())
        };
        write().map_err(WeightsError::io("written", path))
    })
}

/// Reads an adapter for a model of this shape.
pub fn read_adapter(path: &Path, shape: &Shape) -> Result<(Lora, Label), WeightsError> {
    let file = GgufFile::open(path)?;
    let wrong = |problem: String| WeightsError::Adapter { path: path.to_owned(), problem };
    let alpha = check_head(&file, shape).map_err(wrong)?;
    let label = label(&file).map_err(wrong)?;
    let mut halves: BTreeMap<_, (Option<Packed>, Option<Packed>)> = BTreeMap::new();
    for tensor in file.all() {
        let tensor = tensor?;
        let name = tensor.name;
        if tensor.block != Block::F32 && tensor.block != Block::F16 {
            return Err(wrong(format!("`{name}` is neither F32 nor F16; export it again")));
        }
        let (weight, is_a) = match name.rsplit_once(".lora_") {
            Some((weight, "a")) => (weight, true),
            Some((weight, "b")) => (weight, false),
            _ => return Err(wrong(format!("`{name}` is no part of a LoRA pair; export it again"))),
        };
        let at = Linear::of_weight(weight).ok_or_else(|| {
            wrong(format!("`{weight}` is not a linear that is trained here; train it without"))
        })?;
        let pair = halves.entry(at).or_default();
        let half = if is_a { &mut pair.0 } else { &mut pair.1 };
        if half.replace(tensor).is_some() {
            return Err(wrong(format!("`{name}` is in it twice; export it again")));
        }
    }
    let mut pairs = BTreeMap::new();
    for ((layer, linear), halves) in halves {
        let (Some(a), Some(b)) = halves else {
            return Err(wrong(format!(
                "`{}` has one half of its pair only; export it again",
                linear.weight(layer)
            )));
        };
        pairs.insert((layer, linear), pair(shape, linear, &a, &b)?);
    }
    let lora = Lora { alpha, pairs };
    lora.check_whole(shape)?;
    Ok((lora, label))
}

/// Checks that it is an adapter for this architecture; gives alpha.
fn check_head(file: &GgufFile, shape: &Shape) -> Result<f32, String> {
    let head = &file.head;
    if head.text("general.type") != Some("adapter") || head.text("adapter.type") != Some("lora") {
        return Err("it is not a LoRA adapter; give a file made by keepsake-trainer".to_owned());
    }
    let (found, expected) =
        (head.text("general.architecture").unwrap_or_default(), shape.architecture.name());
    if found != expected {
        return Err(format!(
            "it is for the architecture `{found}` and the base is `{expected}`; use its base"
        ));
    }
    let alpha = head.float(ALPHA_KEY).ok_or(format!("it does not say `{ALPHA_KEY}`; export it again"))?;
    Ok(alpha as f32)
}

fn label(file: &GgufFile) -> Result<Label, String> {
    let said = |key| {
        let missing = || format!("it does not say `{key}`; export it with keepsake-trainer");
        file.head.text(key).map(str::to_owned).ok_or_else(missing)
    };
    let role = said(ROLE_KEY)?;
    let role = [Role::Manager, Role::Answer]
        .into_iter()
        .find(|known| known.as_str() == role)
        .ok_or_else(|| format!("its role `{role}` is not known; export it with this version"))?;
    let distils = match file.head.text(ANSWERS_KEY) {
        None | Some(DISTILLED) => true,
        Some(DIRECT) => false,
        Some(other) => {
            return Err(format!("how it answers, `{other}`, is not known; export it with this version"));
        }
    };
    Ok(Label { role, distils, base_sha256: said(BASE_KEY)?, wording: said(WORDING_KEY)? })
}

fn pair(shape: &Shape, linear: Linear, a: &Packed, b: &Packed) -> Result<Pair, WeightsError> {
    let (outputs, inputs) = linear.size(shape);
    let rank = a.rows();
    Ok(Pair { rank, a: half(a, &[rank, inputs])?, b: half(b, &[outputs, rank])? })
}

fn half(tensor: &Packed, expected: &[usize]) -> Result<Vec<f32>, WeightsError> {
    if tensor.shape != expected {
        let (name, found) = (tensor.name.to_owned(), tensor.shape.clone());
        return Err(WeightsError::TensorShape { name, found, expected: expected.to_vec() });
    }
    let mut values = vec![0.0; tensor.rows() * tensor.columns()];
    tensor.unpack(0..tensor.rows(), &mut values);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::super::testing::{Folder, base, cut, damage, lora, shape};
    use super::*;
    use keepsake_core::model::adapter::{Misfit, check};
    use keepsake_core::testing::gguf::GgufWriter;

    fn label() -> Label {
        Label {
            role: Role::Manager,
            distils: true,
            base_sha256: "ab12".to_owned(),
            wording: "wording".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for architecture in [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3] {
            let (folder, shape) = (Folder::new(), shape(architecture));
            let mut lora = lora(&shape, 3);
            // Not every linear has a pair, and ranks may differ.
            lora.pairs.remove(&(0, Linear::Down));
            lora.pairs.insert(
                (1, Linear::V),
                Pair { rank: 1, ..super::super::testing::lora(&shape, 1).pairs[&(1, Linear::V)].clone() },
            );
            let path = folder.path().join("adapter.gguf");
            for (role, distils) in [(Role::Manager, true), (Role::Answer, true), (Role::Answer, false)] {
                let label = Label { role, distils, ..label() };
                write_adapter(&path, &shape, &lora, &label, Bits::F32).unwrap();
                assert_eq!(read_adapter(&path, &shape).unwrap(), (lora.clone(), label));
            }
            assert_eq!(folder.names(), ["adapter.gguf"]);
        }
    }

    /// B of the feed-forward part has 132 bytes here, which are filled up to 160.
    #[test]
    fn the_gaps_between_tensors_are_filled() {
        let (folder, shape) = (Folder::new(), Shape { hidden: 33, ..shape(Architecture::Llama) });
        let path = folder.path().join("adapter.gguf");
        let lora = lora(&shape, 1);
        write_adapter(&path, &shape, &lora, &label(), Bits::F32).unwrap();
        assert_eq!(read_adapter(&path, &shape).unwrap().0, lora);
    }

    #[test]
    fn core_takes_it_where_it_belongs_and_nowhere_else() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let sha256 = base(&folder, &shape).sha256().unwrap();
        let path = folder.path().join("adapter.gguf");
        let label = Label { base_sha256: sha256.clone(), ..label() };
        write_adapter(&path, &shape, &lora(&shape, 2), &label, Bits::F32).unwrap();
        check(&path, Role::Manager, &sha256, "wording").unwrap();
        assert!(matches!(check(&path, Role::Answer, &sha256, "wording"), Err(Misfit::Role { .. })));
        assert!(matches!(check(&path, Role::Manager, "cd34", "wording"), Err(Misfit::Base { .. })));
        assert!(matches!(check(&path, Role::Manager, &sha256, "other"), Err(Misfit::Wording { .. })));
    }

    /// The bytes as docs/adapter-format.md has them: fixed here, because llama.cpp and released devices read them.
    #[test]
    fn the_layout_is_the_formats() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let mut lora = lora(&shape, 2);
        lora.pairs.retain(|at, _| *at == (1, Linear::K));
        let pair = &lora.pairs[&(1, Linear::K)];
        let path = folder.path().join("adapter.gguf");
        write_adapter(&path, &shape, &lora, &label(), Bits::F32).unwrap();
        let expected = GgufWriter::new()
            .text("general.architecture", "llama")
            .text("general.type", "adapter")
            .text("adapter.type", "lora")
            .f32("adapter.lora.alpha", 6.0)
            .text("keepsake.role", "manager")
            .text("keepsake.base_sha256", "ab12")
            .text("keepsake.prompt_fingerprint", "wording")
            .tensor_f32("blk.1.attn_k.weight.lora_a", &[32, 2], &pair.a)
            .tensor_f32("blk.1.attn_k.weight.lora_b", &[2, 16], &pair.b)
            .finish();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn sixteen_bits_are_read_and_quantised_pairs_refused() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let read = |block: Block, data: &[u8]| {
            let mut head = Head::default();
            for (key, value) in [
                ("general.architecture", "llama"),
                ("general.type", "adapter"),
                ("adapter.type", "lora"),
                ("keepsake.role", "answer"),
                ("keepsake.base_sha256", "ab12"),
                ("keepsake.prompt_fingerprint", "wording"),
            ] {
                head.text(key, value);
            }
            head.f32("adapter.lora.alpha", 6.0);
            let mut bytes = Vec::new();
            for (name, sizes) in [("a", [1, 32]), ("b", [32, 1])] {
                head.tensor(&format!("blk.0.attn_q.weight.lora_{name}"), &sizes, block);
            }
            head.write(&mut bytes).unwrap();
            (0..2).for_each(|_| bytes.extend(data));
            read_adapter(&folder.file("half.gguf", &bytes), &shape)
        };
        let halves: Vec<f32> = (0..32).map(|at| at as f32 / 8.0).collect();
        let (lora, _) = read(Block::F16, &blocks::pack_f16(&halves)).unwrap();
        assert_eq!(lora.pairs[&(0, Linear::Q)], Pair { rank: 1, a: halves.clone(), b: halves });
        let said = read(Block::BF16, &[0; 64]).unwrap_err().to_string();
        assert!(said.contains("neither F32 nor F16"), "{said}");
    }

    #[test]
    fn sixteen_bits_are_half_the_file_and_the_nearest_numbers() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let (path, mut lora) = (folder.path().join("adapter.gguf"), lora(&shape, 4));
        let write = |lora: &Lora, bits| {
            write_adapter(&path, &shape, lora, &label(), bits)?;
            Ok::<_, WeightsError>((std::fs::metadata(&path).unwrap().len(), read_adapter(&path, &shape)?.0))
        };
        let (whole, _) = write(&lora, Bits::F32).unwrap();
        let (half, read) = write(&lora, Bits::F16).unwrap();
        assert!(half * 3 < whole * 2, "{half} of {whole}");
        let pairs = lora.pairs.values().zip(read.pairs.values());
        let numbers =
            pairs.flat_map(|(one, other)| one.a.iter().zip(&other.a).chain(one.b.iter().zip(&other.b)));
        assert!(numbers.clone().all(|(exact, near)| (exact - near).abs() <= exact.abs() / 2048.0));
        assert!(numbers.clone().any(|(exact, near)| exact.to_bits() != near.to_bits()));
        q(&mut lora).b[0] = 1e5;
        assert!(write(&lora, Bits::F16).unwrap_err().to_string().contains("16 bits"));
    }

    fn q(lora: &mut Lora) -> &mut Pair {
        lora.pairs.get_mut(&(1, Linear::Q)).unwrap()
    }

    #[test]
    fn pairs_that_cannot_be_are_not_written() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let path = folder.file("adapter.gguf", b"as before");
        let refused = |change: fn(&mut Lora)| {
            let mut lora = lora(&shape, 2);
            change(&mut lora);
            let error = write_adapter(&path, &shape, &lora, &label(), Bits::F32).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), b"as before");
            error.to_string()
        };
        assert!(refused(|lora| lora.pairs.clear()).contains("there are none"));
        assert!(refused(|lora| lora.alpha = 0.0).contains("alpha is 0"));
        assert!(refused(|lora| lora.alpha = f32::NAN).contains("alpha is NaN"));
        assert!(refused(|lora| q(lora).rank = 0).contains("`blk.1.attn_q.weight` has"));
        assert!(refused(|lora| q(lora).a.truncate(7)).contains("`blk.1.attn_q.weight` has 7"));
        assert!(refused(|lora| q(lora).b[3] = f32::INFINITY).contains("has diverged"));
        assert!(
            refused(|lora| {
                let pair = q(lora).clone();
                lora.pairs.insert((2, Linear::Q), pair);
            })
            .contains("2 layers")
        );
    }

    #[test]
    fn an_adapter_for_another_model_is_refused() {
        let (folder, llama) = (Folder::new(), shape(Architecture::Llama));
        let path = folder.path().join("adapter.gguf");
        write_adapter(&path, &llama, &lora(&llama, 2), &label(), Bits::F32).unwrap();
        let refused = |shape: &Shape| read_adapter(&path, shape).unwrap_err().to_string();
        assert!(refused(&shape(Architecture::Qwen2)).contains("for the architecture `llama`"));
        assert!(refused(&Shape { hidden: 128, ..llama.clone() }).contains("has the shape"));
        assert!(refused(&Shape { layers: 1, ..llama.clone() }).contains("1 layers"));
    }

    #[test]
    fn what_is_no_adapter_or_half_of_one_is_refused() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let head = |writer: GgufWriter| {
            writer
                .text("general.architecture", "llama")
                .text("general.type", "adapter")
                .text("adapter.type", "lora")
                .text("keepsake.role", "answer")
                .text("keepsake.base_sha256", "ab12")
                .text("keepsake.prompt_fingerprint", "wording")
        };
        let whole = || head(GgufWriter::new()).f32("adapter.lora.alpha", 4.0);
        let refused = |writer: GgufWriter| {
            read_adapter(&folder.file("adapter.gguf", &writer.finish()), &shape).unwrap_err().to_string()
        };
        let a = "blk.0.attn_q.weight.lora_a";
        assert!(refused(GgufWriter::new()).contains("not a LoRA adapter"));
        assert!(refused(head(GgufWriter::new())).contains("adapter.lora.alpha"));
        assert!(refused(whole()).contains("there are none"));
        assert!(refused(whole().tensor_f32(a, &[32, 1], &[0.0; 32])).contains("one half"));
        assert!(refused(whole().tensor_f32("blk.0.attn_norm.weight", &[32], &[0.0; 32])).contains("no part"));
        assert!(
            refused(whole().tensor_f32("token_embd.weight.lora_a", &[32, 1], &[0.0; 32]))
                .contains("`token_embd.weight` is not a linear")
        );
    }

    #[test]
    fn damaged_files_give_an_answer() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let path = folder.path().join("adapter.gguf");
        let mut lora = lora(&shape, 1);
        lora.pairs.retain(|at, _| *at == (0, Linear::Q));
        write_adapter(&path, &shape, &lora, &label(), Bits::F32).unwrap();
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        // The file ends with the data of B: 32 values of 4 bytes, a multiple of the alignment.
        cut(&path, 0..length, |length| assert!(read_adapter(&path, &shape).is_err(), "cut at {length}"));
        damage(&path, length, || {
            // An answer of either kind: what is read fits the model, or it is an error.
            if let Ok((lora, _)) = read_adapter(&path, &shape) {
                lora.check_whole(&shape).unwrap();
            }
        });
    }
}
