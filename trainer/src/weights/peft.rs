//! LoRA pairs as PEFT keeps them, in and out (docs/adapter-format.md).
//!
//! A and B are the same in both worlds but for one thing: llama.cpp turns neighbouring values of a head where Hugging
//! Face's Llama turns its two halves, so the rows of B for q and k change places, for that architecture only. Whatever
//! else PEFT can do to a model (DoRA, biases, other ranks for some layers) is refused.
//!
//! Rooms it touches: none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocks::{self, Block};
use super::replace::replace;
use super::{Architecture, Linear, Lora, Pair, Shape, WeightsError};

const TENSORS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// Writes `adapter_model.safetensors` and `adapter_config.json` into a folder, which is made if need be. `base_name` is
/// what PEFT is to load as the base: a name on a hub or a folder.
pub fn write_peft(folder: &Path, shape: &Shape, lora: &Lora, base_name: &str) -> Result<(), WeightsError> {
    lora.check_whole(shape)?;
    let rank = lora.rank().ok_or_else(|| {
        WeightsError::Lora("they are of several ranks, PEFT's files hold one; train with one rank".to_owned())
    })?;
    fs::create_dir_all(folder).map_err(WeightsError::io("made", folder))?;
    let tensors = serialise(shape, lora).map_err(|problem| wrong(folder, problem))?;
    let config = serde_json::to_string_pretty(&config(shape, lora, rank, base_name))
        .map_err(|error| wrong(folder, error.to_string()))?;
    for (name, bytes) in [(TENSORS, tensors), (CONFIG, config.into_bytes())] {
        let path = folder.join(name);
        replace(&path, |out| out.write_all(&bytes).map_err(WeightsError::io("written", &path)))?;
    }
    Ok(())
}

/// Reads a folder of PEFT's for a model of this shape.
pub fn read_peft(folder: &Path, shape: &Shape) -> Result<Lora, WeightsError> {
    let read = |name: &str| fs::read(folder.join(name)).map_err(WeightsError::io("read", &folder.join(name)));
    let config: Config = serde_json::from_slice(&read(CONFIG)?).map_err(|error| {
        wrong(folder, format!("{CONFIG} is not PEFT's ({error}); save it again with PEFT"))
    })?;
    config.refuse_what_is_not_lora().map_err(|problem| wrong(folder, problem))?;
    let bytes = read(TENSORS)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(folder, format!("{TENSORS} is damaged ({error}); save it again with PEFT")))?;
    let lora = Lora { alpha: config.alpha(), pairs: pairs(folder, &tensors, shape, config.r)? };
    lora.check_whole(shape)?;
    Ok(lora)
}

fn wrong(folder: &Path, problem: impl Into<String>) -> WeightsError {
    WeightsError::Adapter { path: folder.to_owned(), problem: problem.into() }
}

/// PEFT's settings, as far as they change what the pairs mean.
#[derive(Debug, Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    alpha_pattern: Option<BTreeMap<String, f64>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Config {
    /// Our alpha: the scale is alpha / rank, and for rsLoRA (arXiv 2312.03732) it is to be alpha / √rank.
    fn alpha(&self) -> f32 {
        let scale = if self.use_rslora { (self.r as f64).sqrt() } else { 1.0 };
        (self.lora_alpha * scale) as f32
    }

    fn refuse_what_is_not_lora(&self) -> Result<(), String> {
        if self.peft_type != "LORA" {
            return Err(format!("its peft_type is `{}`; only LORA can be read", self.peft_type));
        }
        let ranks = self.rank_pattern.iter().flatten().all(|(_, rank)| *rank == self.r);
        let alphas =
            self.alpha_pattern.iter().flatten().all(|(_, alpha)| (alpha - self.lora_alpha).abs() < 1e-9);
        if !ranks || !alphas {
            return Err(
                "its rank_pattern or alpha_pattern gives some layers others; train with one rank and alpha"
                    .into(),
            );
        }
        for (key, value) in &self.others {
            let is_plain = match &**key {
                "bias" => value == "none" || value.is_null(),
                // The others take something out of the base, which the pair then stands for.
                "init_lora_weights" => {
                    value.is_boolean() || value.is_null() || INITIAL.iter().any(|name| value == name)
                }
                key if MORE_THAN_LORA.contains(&key) => is_empty(value),
                _ => true,
            };
            if !is_plain {
                return Err(format!(
                    "it was trained with `{key}` = {value}, which is more than LoRA; train without"
                ));
            }
        }
        Ok(())
    }
}

/// How PEFT may have drawn A and B without touching the base.
const INITIAL: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// PEFT's settings that change what the pairs do, or that something else is trained beside them.
const MORE_THAN_LORA: [&str; 14] = [
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "megatron_config",
];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

fn config(shape: &Shape, lora: &Lora, rank: usize, base_name: &str) -> Value {
    let layers: BTreeSet<usize> = lora.pairs.keys().map(|(layer, _)| *layer).collect();
    let linears: BTreeSet<Linear> = lora.pairs.keys().map(|(_, linear)| *linear).collect();
    // PEFT takes a linear's name for that linear of all these layers; where some have no pair, each is named with its layer.
    let whole = layers.len() * linears.len() == lora.pairs.len();
    let modules: Vec<_> = if whole {
        linears.into_iter().map(|linear| module(linear).1.to_owned()).collect()
    } else {
        lora.pairs.keys().map(|(layer, linear)| module_name(*layer, *linear)).collect()
    };
    let named = (whole && layers.len() < shape.layers).then_some(layers);
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": alpha_number(lora.alpha),
        "lora_dropout": 0.0,
        "target_modules": modules,
        "layers_to_transform": named,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "modules_to_save": null,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_dora": false,
        "use_rslora": false,
    })
}

/// PEFT's alpha is a whole number where it can be.
fn alpha_number(alpha: f32) -> Value {
    if alpha.fract() == 0.0 && alpha < 1e9 { json!(alpha as u32) } else { json!(alpha) }
}

/// Where a linear is in Hugging Face's models.
fn module(linear: Linear) -> (&'static str, &'static str) {
    match linear {
        Linear::Q => ("self_attn", "q_proj"),
        Linear::K => ("self_attn", "k_proj"),
        Linear::V => ("self_attn", "v_proj"),
        Linear::Output => ("self_attn", "o_proj"),
        Linear::Gate => ("mlp", "gate_proj"),
        Linear::Up => ("mlp", "up_proj"),
        Linear::Down => ("mlp", "down_proj"),
    }
}

/// The half of a pair that a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    A,
    B,
}

fn module_name(layer: usize, linear: Linear) -> String {
    let (part, projection) = module(linear);
    format!("layers.{layer}.{part}.{projection}")
}

fn tensor_name(layer: usize, linear: Linear, half: Half) -> String {
    format!("base_model.model.model.{}.lora_{half:?}.weight", module_name(layer, linear))
}

fn parse_name(name: &str) -> Option<(usize, Linear, Half)> {
    let layer = name.strip_prefix("base_model.model.model.layers.")?.split('.').next()?.parse().ok()?;
    let all = Linear::ALL.into_iter().flat_map(|linear| [(linear, Half::A), (linear, Half::B)]);
    let mut matching = all.filter(|(linear, half)| tensor_name(layer, *linear, *half) == name);
    matching.next().map(|(linear, half)| (layer, linear, half))
}

fn serialise(shape: &Shape, lora: &Lora) -> Result<Vec<u8>, String> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let mut tensors = Vec::new();
    for ((layer, linear), pair) in &lora.pairs {
        let (outputs, inputs) = linear.size(shape);
        let b = to_hugging_face(&pair.b, shape, *linear, pair.rank);
        tensors.push((tensor_name(*layer, *linear, Half::A), vec![pair.rank, inputs], bytes(&pair.a)));
        tensors.push((tensor_name(*layer, *linear, Half::B), vec![outputs, pair.rank], bytes(&b)));
    }
    let mut views = Vec::new();
    for (name, sizes, bytes) in &tensors {
        let view = TensorView::new(Dtype::F32, sizes.clone(), bytes).map_err(|error| error.to_string())?;
        views.push((name, view));
    }
    // PyTorch's loaders ask which framework wrote the file.
    let notes = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(notes)).map_err(|error| error.to_string())
}

fn pairs(
    folder: &Path,
    tensors: &SafeTensors,
    shape: &Shape,
    rank: usize,
) -> Result<BTreeMap<(usize, Linear), Pair>, WeightsError> {
    let mut halves = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let (layer, linear, half) = parse_name(name).ok_or_else(|| {
            wrong(folder, format!("`{name}` is not half of a pair for a linear of a layer; train without"))
        })?;
        let (outputs, inputs) = linear.size(shape);
        let expected = if half == Half::A { [rank, inputs] } else { [outputs, rank] };
        if view.shape() != expected {
            let (name, found) = (name.to_owned(), view.shape().to_vec());
            return Err(WeightsError::TensorShape { name, found, expected: expected.to_vec() });
        }
        let values = values(&view).ok_or_else(|| {
            wrong(folder, format!("`{name}` is {:?}; save it as F32, F16 or BF16", view.dtype()))
        })?;
        halves.insert((layer, linear, half), values);
    }
    let mut pairs = BTreeMap::new();
    while let Some(((layer, linear, first), values)) = halves.pop_first() {
        let other = halves.remove(&(layer, linear, Half::B)).filter(|_| first == Half::A);
        let b = other.ok_or_else(|| {
            wrong(folder, format!("layer {layer} has one half of its pair for {} only", module(linear).1))
        })?;
        pairs.insert((layer, linear), Pair { rank, a: values, b: to_gguf(&b, shape, linear, rank) });
    }
    Ok(pairs)
}

fn values(view: &TensorView) -> Option<Vec<f32>> {
    let block = match view.dtype() {
        Dtype::F32 => Block::F32,
        Dtype::F16 => Block::F16,
        Dtype::BF16 => Block::BF16,
        _ => return None,
    };
    let mut values = vec![0.0; view.data().len() / block.bytes];
    blocks::unpack(block, view.data(), &mut values);
    Some(values)
}

/// B's rows as llama.cpp has them, from Hugging Face's: in each head, the two halves are interleaved.
fn to_gguf(b: &[f32], shape: &Shape, linear: Linear, rank: usize) -> Vec<f32> {
    match rotated_heads(shape, linear) {
        Some(heads) => swap_axes(b, [heads, 2, shape.head_width / 2, rank]),
        None => b.to_vec(),
    }
}

/// The way back.
fn to_hugging_face(b: &[f32], shape: &Shape, linear: Linear, rank: usize) -> Vec<f32> {
    match rotated_heads(shape, linear) {
        Some(heads) => swap_axes(b, [heads, shape.head_width / 2, 2, rank]),
        None => b.to_vec(),
    }
}

/// How many heads a linear's outputs are, if their values lie otherwise in the two worlds.
fn rotated_heads(shape: &Shape, linear: Linear) -> Option<usize> {
    match (shape.architecture, linear) {
        (Architecture::Llama, Linear::Q) => Some(shape.heads),
        (Architecture::Llama, Linear::K) => Some(shape.kv_heads),
        _ => None,
    }
}

/// From `[blocks, rows, columns, width]` to `[blocks, columns, rows, width]`.
fn swap_axes(values: &[f32], [blocks, rows, columns, width]: [usize; 4]) -> Vec<f32> {
    let mut swapped = Vec::with_capacity(values.len());
    for block in 0..blocks {
        for column in 0..columns {
            for row in 0..rows {
                let start = ((block * rows + row) * columns + column) * width;
                swapped.extend(&values[start..start + width]);
            }
        }
    }
    swapped
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Folder, cut, damage, lora, shape};
    use super::*;

    fn rewrite(folder: &Folder, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let path = folder.path().join(CONFIG);
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(config.as_object_mut().unwrap());
        fs::write(&path, config.to_string()).unwrap();
    }

    /// Two heads of width 4: Hugging Face's rows 0 1 | 2 3 of a head are its halves, which become 0 2 1 3.
    #[test]
    fn the_rows_of_a_head_are_interleaved() {
        let shape =
            Shape { heads: 2, kv_heads: 1, head_width: 4, rope_width: 4, ..shape(Architecture::Llama) };
        let hugging_face: Vec<f32> = (0..8).flat_map(|row| [row as f32, row as f32 + 0.5]).collect();
        let gguf: Vec<f32> =
            [0, 2, 1, 3, 4, 6, 5, 7].iter().flat_map(|row| [*row as f32, *row as f32 + 0.5]).collect();
        assert_eq!(to_gguf(&hugging_face, &shape, Linear::Q, 2), gguf);
        assert_eq!(to_hugging_face(&gguf, &shape, Linear::Q, 2), hugging_face);
        // One key head: its rows only.
        assert_eq!(to_gguf(&hugging_face[..8], &shape, Linear::K, 2), gguf[..8]);
        for linear in [Linear::V, Linear::Output, Linear::Gate, Linear::Up, Linear::Down] {
            assert_eq!(to_gguf(&hugging_face, &shape, linear, 2), hugging_face);
        }
        let qwen = Shape { architecture: Architecture::Qwen2, ..shape };
        assert_eq!(to_gguf(&hugging_face, &qwen, Linear::Q, 2), hugging_face);
    }

    /// Width 6, where interleaving is not its own inverse.
    #[test]
    fn the_way_back_is_the_inverse() {
        let shape = Shape { head_width: 6, rope_width: 6, ..shape(Architecture::Llama) };
        let b: Vec<f32> = (0..4 * 6 * 3).map(|at| at as f32).collect();
        let there = to_gguf(&b, &shape, Linear::Q, 3);
        assert_eq!(to_hugging_face(&there, &shape, Linear::Q, 3), b);
        assert_ne!(there, to_hugging_face(&b, &shape, Linear::Q, 3));
    }

    #[test]
    fn what_is_written_is_read() {
        for architecture in [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3] {
            let (folder, shape) = (Folder::new(), shape(architecture));
            let mut lora = lora(&shape, 3);
            lora.pairs.remove(&(0, Linear::Down));
            write_peft(folder.path(), &shape, &lora, "some/base").unwrap();
            assert_eq!(read_peft(folder.path(), &shape).unwrap(), lora);
            assert_eq!(folder.names(), [CONFIG, TENSORS]);
            // Not every linear of the layers has a pair: those that have are named one by one, and no layers.
            let config = fs::read_to_string(folder.path().join(CONFIG)).unwrap();
            assert!(config.contains("\"layers_to_transform\": null"), "{config}");
            let config: Value = serde_json::from_str(&config).unwrap();
            let modules = config["target_modules"].as_array().unwrap();
            assert_eq!(modules.len(), lora.pairs.len());
            assert!(modules.contains(&json!("layers.1.mlp.down_proj")));
            assert!(!modules.contains(&json!("layers.0.mlp.down_proj")));
        }
    }

    #[test]
    fn the_files_are_pefts() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let mut lora = lora(&shape, 2);
        lora.pairs.retain(|(layer, linear), _| *layer == 1 && [Linear::Q, Linear::Down].contains(linear));
        write_peft(folder.path(), &shape, &lora, "some/base").unwrap();
        let config: Value = serde_json::from_slice(&fs::read(folder.path().join(CONFIG)).unwrap()).unwrap();
        for (key, expected) in [
            ("peft_type", json!("LORA")),
            ("task_type", json!("CAUSAL_LM")),
            ("base_model_name_or_path", json!("some/base")),
            ("r", json!(2)),
            ("lora_alpha", json!(6)),
            ("target_modules", json!(["q_proj", "down_proj"])),
            ("layers_to_transform", json!([1])),
            ("bias", json!("none")),
        ] {
            assert_eq!(config[key], expected, "{key}");
        }
        let bytes = fs::read(folder.path().join(TENSORS)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let layer = "base_model.model.model.layers.1";
        let shape_of =
            |name: &str| tensors.tensor(&format!("{layer}.{name}.weight")).unwrap().shape().to_vec();
        assert_eq!(tensors.len(), 4);
        assert_eq!(shape_of("self_attn.q_proj.lora_A"), [2, 32]);
        assert_eq!(shape_of("self_attn.q_proj.lora_B"), [32, 2]);
        assert_eq!(shape_of("mlp.down_proj.lora_A"), [2, 64]);
        assert_eq!(shape_of("mlp.down_proj.lora_B"), [32, 2]);
        // Row 1 of the first head of B is the first value of its second half, row 8 / 2 in Hugging Face's order.
        let b = tensors.tensor(&format!("{layer}.self_attn.q_proj.lora_B.weight")).unwrap();
        let ours = &lora.pairs[&(1, Linear::Q)].b;
        assert_eq!(values(&b).unwrap()[4 * 2..5 * 2], ours[2..4]);
    }

    /// What PEFT 0.21.2 writes itself, with everything it says beside.
    #[test]
    fn pefts_own_settings_are_read() {
        const CONFIG_OF_PEFT: &str = r#"{"alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null,
            "auto_mapping": null, "base_model_name_or_path": "hf", "bias": "none", "corda_config": null,
            "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false,
            "inference_mode": true, "init_lora_weights": true, "kasa_config": null, "layer_replication": null,
            "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 6,
            "lora_bias": false, "lora_dropout": 0.0, "lora_ga_config": null, "megatron_config": null,
            "megatron_core": "megatron.core", "modules_to_save": null, "monteclora_config": null,
            "peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 4, "rank_pattern": {},
            "revision": null, "target_modules": ["gate_proj", "q_proj"], "target_parameters": null,
            "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_bdlora": null, "use_dora": false,
            "use_qalora": false, "use_rslora": false, "velora_config": null}"#;
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let lora = lora(&shape, 4);
        write_peft(folder.path(), &shape, &lora, "b").unwrap();
        folder.file(CONFIG, CONFIG_OF_PEFT.as_bytes());
        assert_eq!(read_peft(folder.path(), &shape).unwrap(), lora);
    }

    #[test]
    fn the_scale_of_rslora_is_folded_into_alpha() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Qwen2));
        write_peft(folder.path(), &shape, &lora(&shape, 4), "b").unwrap();
        rewrite(&folder, |config| {
            config.insert("use_rslora".to_owned(), json!(true));
            config.insert("lora_alpha".to_owned(), json!(8.0));
        });
        let read = read_peft(folder.path(), &shape).unwrap();
        // PEFT's scale is 8 / √4 = 4; ours is alpha / 4.
        assert!((read.alpha - 16.0).abs() < 1e-6);
        assert!((read.scale(&read.pairs[&(0, Linear::Q)]) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_more_than_lora_is_refused_by_name() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        write_peft(folder.path(), &shape, &lora(&shape, 2), "b").unwrap();
        let before = fs::read(folder.path().join(CONFIG)).unwrap();
        let with = |key: &str, value: Value| {
            fs::write(folder.path().join(CONFIG), &before).unwrap();
            rewrite(&folder, |config| drop(config.insert(key.to_owned(), value)));
            read_peft(folder.path(), &shape).map_err(|error| error.to_string())
        };
        for (key, value) in [
            ("peft_type", json!("LOHA")),
            ("bias", json!("all")),
            ("use_dora", json!(true)),
            ("fan_in_fan_out", json!(true)),
            ("init_lora_weights", json!("pissa_niter_4")),
            ("arrow_config", json!({"top_k": 3})),
            ("modules_to_save", json!(["lm_head"])),
            ("rank_pattern", json!({"q_proj": 8})),
            ("alpha_pattern", json!({"layers.0": 32})),
        ] {
            let said = with(key, value).unwrap_err();
            assert!(said.contains(key), "{said}");
        }
        // Patterns that change nothing, and absent values, do no harm.
        for (key, value) in [
            ("rank_pattern", json!({"q_proj": 2})),
            ("alpha_pattern", json!({"q_proj": 6.0})),
            ("rank_pattern", json!(null)),
            ("modules_to_save", json!([])),
            ("init_lora_weights", json!("gaussian")),
            ("loftq_config", json!({})),
        ] {
            with(key, value).unwrap();
        }
        assert!(with("r", json!(3)).unwrap_err().contains("has the shape"));
        assert!(with("r", json!("three")).unwrap_err().contains(CONFIG));
        assert!(with("lora_alpha", json!(0)).unwrap_err().contains("alpha is 0"));
    }

    #[test]
    fn halves_are_read_and_other_types_refused() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Qwen3));
        write_peft(folder.path(), &shape, &lora(&shape, 1), "b").unwrap();
        let numbers: Vec<f32> = (0..32).map(|at| at as f32 / 4.0).collect();
        let write = |kind: Dtype, a: &[u8], more: Option<&str>| {
            let b = [0_u8; 64 * 4];
            let name = |half| tensor_name(0, Linear::Q, half);
            let mut views = vec![
                (name(Half::A), TensorView::new(kind, vec![1, 32], a).unwrap()),
                (name(Half::B), TensorView::new(Dtype::F32, vec![64, 1], &b).unwrap()),
            ];
            if let Some(more) = more {
                views.push((more.to_owned(), TensorView::new(Dtype::F32, vec![64, 1], &b).unwrap()));
            }
            fs::write(folder.path().join(TENSORS), safetensors::serialize(views, None).unwrap()).unwrap();
            read_peft(folder.path(), &shape).map_err(|error| error.to_string())
        };
        let halves = blocks::pack_f16(&numbers);
        let brains: Vec<u8> = numbers
            .iter()
            .flat_map(|value| value.to_bits().to_be_bytes()[..2].iter().rev().copied().collect::<Vec<_>>())
            .collect();
        assert_eq!(write(Dtype::F16, &halves, None).unwrap().pairs[&(0, Linear::Q)].a, numbers);
        assert_eq!(write(Dtype::BF16, &brains, None).unwrap().pairs[&(0, Linear::Q)].a, numbers);
        assert!(write(Dtype::F64, &[0; 32 * 8], None).unwrap_err().contains("F64"));
        let embedding = "base_model.model.model.embed_tokens.lora_embedding_A";
        assert!(write(Dtype::F16, &halves, Some(embedding)).unwrap_err().contains(embedding));
        let lonely = tensor_name(1, Linear::Q, Half::B);
        assert!(write(Dtype::F16, &halves, Some(&lonely)).unwrap_err().contains("layer 1 has one half"));
        let beyond = tensor_name(2, Linear::Q, Half::B);
        write(Dtype::F16, &halves, Some(&beyond)).unwrap_err();
    }

    #[test]
    fn several_ranks_are_not_written() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        let (mut mixed, one) = (lora(&shape, 2), lora(&shape, 1));
        mixed.pairs.insert((0, Linear::K), one.pairs[&(0, Linear::K)].clone());
        let said = write_peft(folder.path(), &shape, &mixed, "b").unwrap_err().to_string();
        assert!(said.contains("several ranks"), "{said}");
        assert!(folder.names().is_empty());
    }

    #[test]
    fn missing_cut_and_damaged_files_give_an_answer() {
        let (folder, shape) = (Folder::new(), shape(Architecture::Llama));
        assert!(matches!(read_peft(folder.path(), &shape), Err(WeightsError::Io { .. })));
        let mut lora = lora(&shape, 1);
        lora.pairs.retain(|at, _| *at == (0, Linear::K));
        write_peft(folder.path(), &shape, &lora, "b").unwrap();
        for name in [TENSORS, CONFIG] {
            let path = folder.path().join(name);
            let length = fs::metadata(&path).unwrap().len() as usize;
            cut(&path, 0..length, |length| {
                assert!(read_peft(folder.path(), &shape).is_err(), "{name} cut at {length}");
            });
            damage(&path, length, || {
                if let Ok(read) = read_peft(folder.path(), &shape) {
                    read.check_whole(&shape).unwrap();
                }
            });
        }
    }
}
