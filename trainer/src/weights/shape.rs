//! What a model is made of: its architecture, its sizes, and the tensors it must have.
//!
//! Read from the head alone, and checked so strictly that a model which opens is one the trainer computes as llama.cpp
//! does: a tensor or a setting that it would leave out is refused by name. It reads no weights.
//!
//! Rooms it touches: core.

use std::collections::BTreeMap;

use keepsake_core::model::gguf::Gguf;

use super::WeightsError;

/// llama.cpp stops the process over a model of more (`LLAMA_MAX_LAYERS`).
const MOST_LAYERS: usize = 512;

/// A kind of model that can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama 2 and 3, Mistral, SmolLM2: RoPE on neighbouring values.
    Llama,
    /// Qwen 2 and 2.5: biases on q, k and v; RoPE on halves.
    Qwen2,
    /// Qwen 3, dense: norms on the heads of q and k; RoPE on halves.
    Qwen3,
}

impl Architecture {
    const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    /// Its name in GGUF heads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// The sizes of a model. None is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The kind of model.
    pub architecture: Architecture,
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Values per token between blocks.
    pub width: usize,
    /// Values per token inside the feed-forward part.
    pub hidden: usize,
    /// Query heads per layer.
    pub heads: usize,
    /// Key and value heads per layer; divides `heads`.
    pub kv_heads: usize,
    /// Values per head, the same for queries, keys and values.
    pub head_width: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Tokens the model was trained to hold.
    pub context: usize,
    /// The base of RoPE's angles.
    pub rope_base: f64,
    /// Values of a head that RoPE turns; even, and all of them, as llama.cpp asks of these architectures.
    pub rope_width: usize,
    /// What RMS norms add to the mean of squares.
    pub norm_epsilon: f64,
    /// No `output.weight`: the head is `token_embd.weight`.
    pub tied: bool,
}

/// A linear layer that a LoRA pair can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Linear {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// What attention gives back.
    Output,
    /// The feed-forward part's gate.
    Gate,
    /// The feed-forward part's way up.
    Up,
    /// The feed-forward part's way down.
    Down,
}

impl Linear {
    /// All of a layer.
    pub const ALL: [Self; 7] = [Self::Q, Self::K, Self::V, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// Its part of a ggml tensor's name: `blk.{layer}.{part}.weight`.
    pub fn part(self) -> &'static str {
        match self {
            Self::Q => "attn_q",
            Self::K => "attn_k",
            Self::V => "attn_v",
            Self::Output => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// The name of its weight in layer `layer`.
    pub fn weight(self, layer: usize) -> String {
        format!("blk.{layer}.{}.weight", self.part())
    }

    /// `(outputs, inputs)` in a model of this shape.
    pub fn size(self, shape: &Shape) -> (usize, usize) {
        let (queries, keys) = (shape.heads * shape.head_width, shape.kv_heads * shape.head_width);
        match self {
            Self::Q => (queries, shape.width),
            Self::K | Self::V => (keys, shape.width),
            Self::Output => (shape.width, queries),
            Self::Gate | Self::Up => (shape.hidden, shape.width),
            Self::Down => (shape.width, shape.hidden),
        }
    }

    /// The layer and linear that a weight's name is of.
    pub(super) fn of_weight(name: &str) -> Option<(usize, Self)> {
        let (layer, part) = name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
        let linear = Self::ALL.into_iter().find(|linear| linear.part() == part)?;
        let layer: usize = layer.parse().ok()?;
        (linear.weight(layer) == name).then_some((layer, linear)) // not `blk.+1` or `blk.01`
    }
}

/// Reads the sizes from a head and checks that exactly the tensors they ask for are there.
pub(super) fn read(head: &Gguf) -> Result<Shape, WeightsError> {
    let shape = sizes(&Keys::new(head)?)?;
    check_tensors(&shape, head)?;
    Ok(shape)
}

fn sizes(keys: &Keys) -> Result<Shape, WeightsError> {
    keys.refuse_what_is_not_computed()?;
    let (width, heads) = (keys.size("embedding_length")?, keys.size("attention.head_count")?);
    let head_width = keys.size_or("attention.key_length", width / heads)?;
    let (vocabulary, tied) = keys.vocabulary(width)?;
    let shape = Shape {
        architecture: keys.architecture,
        layers: keys.size("block_count")?,
        width,
        hidden: keys.size("feed_forward_length")?,
        heads,
        kv_heads: keys.size_or("attention.head_count_kv", heads)?,
        head_width,
        vocabulary,
        context: keys.size("context_length")?,
        rope_base: keys.positive_or("rope.freq_base", Some(10_000.0))?,
        rope_width: keys.size_or("rope.dimension_count", head_width)?,
        norm_epsilon: keys.positive_or("attention.layer_norm_rms_epsilon", None)?,
        tied,
    };
    if !shape.heads.is_multiple_of(shape.kv_heads) {
        return Err(keys.wrong("attention.head_count_kv", "does not divide the number of heads"));
    }
    // llama.cpp stops the process where they differ.
    if shape.rope_width != shape.head_width || !shape.head_width.is_multiple_of(2) {
        return Err(keys.wrong("rope.dimension_count", "is odd or not the width of a head"));
    }
    // Not `head_width`, where values have no width of their own: llama.cpp's default.
    if keys.size_or("attention.value_length", width / heads)? != head_width {
        return Err(WeightsError::Unsupported("values of another width than its keys".to_owned()));
    }
    if shape.layers > MOST_LAYERS {
        return Err(keys.wrong("block_count", "is more than llama.cpp takes"));
    }
    Ok(shape)
}

/// The keys of a head that begin with the architecture's name.
struct Keys<'a> {
    head: &'a Gguf,
    architecture: Architecture,
}

impl<'a> Keys<'a> {
    fn new(head: &'a Gguf) -> Result<Self, WeightsError> {
        let name = head.text("general.architecture").unwrap_or_default();
        let architecture = Architecture::ALL.into_iter().find(|known| known.name() == name);
        match architecture {
            Some(architecture) => Ok(Self { head, architecture }),
            None => Err(WeightsError::Architecture(name.to_owned())),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name())
    }

    fn wrong(&self, key: &str, problem: &str) -> WeightsError {
        WeightsError::Key { key: self.key(key), problem: problem.to_owned() }
    }

    fn size(&self, key: &str) -> Result<usize, WeightsError> {
        match self.head.integer(&self.key(key)) {
            // So that the product of two never overflows.
            Some(size) if (1..=u64::from(u32::MAX)).contains(&size) => Ok(size as usize),
            Some(_) => Err(self.wrong(key, "is 0 or too large")),
            None => Err(self.wrong(key, "is missing or not one whole number")),
        }
    }

    /// As [`Self::size`], or `default` where the head says nothing; a list of one number per layer is not nothing.
    fn size_or(&self, key: &str, default: usize) -> Result<usize, WeightsError> {
        if self.says(key) { self.size(key) } else { Ok(default) }
    }

    fn positive_or(&self, key: &str, default: Option<f64>) -> Result<f64, WeightsError> {
        match (self.head.float(&self.key(key)), default) {
            (Some(value), _) if value.is_finite() && value > 0.0 => Ok(value),
            (None, Some(default)) if !self.says(key) => Ok(default),
            _ => Err(self.wrong(key, "is missing or not a number above 0")),
        }
    }

    fn says(&self, key: &str) -> bool {
        let key = &*self.key(key);
        self.head.integer(key).is_some()
            || self.head.float(key).is_some()
            || self.head.text(key).is_some()
            || self.head.array_length(key).is_some()
    }

    /// Tokens in the embedding, and whether it is the head as well.
    fn vocabulary(&self, width: usize) -> Result<(usize, bool), WeightsError> {
        let find = |name: &str| self.head.tensors.iter().find(|tensor| tensor.name == name);
        let name = "token_embd.weight";
        let embedding = find(name).ok_or_else(|| WeightsError::MissingTensor(name.to_owned()))?;
        match row_major(&embedding.shape)[..] {
            [vocabulary, found] if found == width && vocabulary > 0 => {
                Ok((vocabulary, find("output.weight").is_none()))
            }
            _ => Err(WeightsError::TensorShape {
                name: name.to_owned(),
                found: row_major(&embedding.shape),
                expected: vec![self.head.array_length("tokenizer.ggml.tokens").unwrap_or(0) as usize, width],
            }),
        }
    }

    fn refuse_what_is_not_computed(&self) -> Result<(), WeightsError> {
        if self.head.integer("split.count").is_some_and(|parts| parts > 1) {
            return Err(WeightsError::Unsupported(
                "several files (merge them with llama-gguf-split of llama.cpp)".to_owned(),
            ));
        }
        if self.head.of_architecture("attention.causal") == Some(0) {
            return Err(WeightsError::Unsupported("attention in both directions".to_owned()));
        }
        if self.head.of_architecture("expert_count").is_some_and(|experts| experts > 0) {
            return Err(WeightsError::Unsupported("experts".to_owned()));
        }
        self.refuse_rope_scaling()
    }

    /// llama.cpp takes the type for `linear` where there is none, and a factor of 0 for "not said".
    fn refuse_rope_scaling(&self) -> Result<(), WeightsError> {
        let changes = |key: &str| {
            let factor = self.head.float(&self.key(key)).unwrap_or(1.0);
            factor != 0.0 && (factor - 1.0).abs() > 1e-9
        };
        let kind = self.head.text(&self.key("rope.scaling.type")).unwrap_or("linear");
        let is_scaled = match kind {
            "none" => false,
            "linear" => changes("rope.scaling.factor") || changes("rope.scale_linear"),
            _ => true,
        };
        if is_scaled || changes("rope.scaling.attn_factor") {
            return Err(WeightsError::Unsupported(format!("RoPE scaling (`{kind}`)")));
        }
        Ok(())
    }
}

/// Whether a tensor of the list must be there.
#[derive(Clone, Copy, PartialEq)]
enum Must {
    Be,
    MayBe,
}

fn check_tensors(shape: &Shape, head: &Gguf) -> Result<(), WeightsError> {
    let mut found = BTreeMap::new();
    for tensor in &head.tensors {
        if found.insert(&*tensor.name, tensor).is_some() {
            let problem = "is in the file twice";
            return Err(WeightsError::TensorData { name: tensor.name.clone(), problem });
        }
    }
    let mut take = |name: String, expected: Vec<usize>, must: Must| match found.remove(&*name) {
        None if must == Must::MayBe => Ok(()),
        None => Err(WeightsError::MissingTensor(name)),
        Some(tensor) if row_major(&tensor.shape) == expected => Ok(()),
        Some(tensor) => Err(WeightsError::TensorShape { name, found: row_major(&tensor.shape), expected }),
    };
    let table = vec![shape.vocabulary, shape.width];
    take("token_embd.weight".to_owned(), table.clone(), Must::Be)?;
    take("output.weight".to_owned(), table, Must::MayBe)?;
    take("output_norm.weight".to_owned(), vec![shape.width], Must::Be)?;
    if shape.architecture == Architecture::Llama {
        take("rope_freqs.weight".to_owned(), vec![shape.rope_width / 2], Must::MayBe)?;
    }
    // A head that promises more layers than the file has tensors ends at the first that is missing.
    for layer in 0..shape.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        for linear in Linear::ALL {
            let (outputs, inputs) = linear.size(shape);
            take(linear.weight(layer), vec![outputs, inputs], Must::Be)?;
        }
        take(name("attn_norm.weight"), vec![shape.width], Must::Be)?;
        take(name("ffn_norm.weight"), vec![shape.width], Must::Be)?;
        match shape.architecture {
            Architecture::Llama => {}
            Architecture::Qwen2 => {
                for linear in [Linear::Q, Linear::K, Linear::V] {
                    let bias = name(&format!("{}.bias", linear.part()));
                    take(bias, vec![linear.size(shape).0], Must::Be)?;
                }
            }
            Architecture::Qwen3 => {
                take(name("attn_q_norm.weight"), vec![shape.head_width], Must::Be)?;
                take(name("attn_k_norm.weight"), vec![shape.head_width], Must::Be)?;
            }
        }
    }
    match found.into_keys().next() {
        Some(left_over) => Err(WeightsError::Unsupported(format!("a tensor `{left_over}`"))),
        None => Ok(()),
    }
}

/// ggml's shape with the slowest dimension first.
pub(super) fn row_major(shape: &[u64]) -> Vec<usize> {
    shape.iter().rev().map(|length| *length as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weights_name_is_its_layer_and_linear() {
        for linear in Linear::ALL {
            assert_eq!(Linear::of_weight(&linear.weight(17)), Some((17, linear)));
        }
        for other in [
            "blk.0.attn_q.bias",
            "blk.01.attn_q.weight",
            "blk.+1.attn_q.weight",
            "output.weight",
            "blk..attn_q.weight",
        ] {
            assert_eq!(Linear::of_weight(other), None, "{other}");
        }
    }
}
