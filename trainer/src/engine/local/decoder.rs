//! The frozen decoder of Llama, Qwen2 and Qwen3, in GGUF tensor layout.
//!
//! Linears that read the same input stand in one matrix, and tokens of all sequences in one row after the other, so that
//! nothing is padded. Frozen weights ask for no gradient: libtorch then computes only those of inputs (4N instead of 6N
//! operations a token). Norms are summed and rotations computed in 32 bits. What is added to a linear is the caller's.
//!
//! Rooms it touches: weights; engine::local: head, lora, pack.

use tch::{Device, Kind, Tensor};

use super::head::Head;
use super::lora::{Joint, Patch};
use super::pack::Pack;
use crate::weights::{Architecture, Base, Linear, Shape, WeightsError};

/// A base on a device.
pub(super) struct Decoder {
    pub(super) shape: Shape,
    pub(super) device: Device,
    /// What linears compute in: 32 bits on a processor, bfloat16 on a GPU.
    pub(super) kind: Kind,
    embedding: Tensor,
    pub(super) layers: Vec<Layer>,
    norm: Tensor,
    pub(super) head: Head,
    /// What turns each pair at each position, `[context, rope_width / 2]`, complex.
    rotations: Tensor,
}

/// The weights of a layer.
pub(super) struct Layer {
    attention_norm: Tensor,
    /// Queries, keys and values: `[queries + 2 · keys, width]`.
    qkv: Tensor,
    qkv_bias: Option<Tensor>,
    /// Qwen3's norms over each head.
    head_norms: Option<(Tensor, Tensor)>,
    output: Tensor,
    mlp_norm: Tensor,
    /// Gate and up: `[2 · hidden, width]`.
    gate_up: Tensor,
    down: Tensor,
}

/// Queries `[tokens, heads, head]`, keys and values `[tokens, kv_heads, head]`, rotated.
pub(super) struct Attended {
    pub(super) queries: Tensor,
    pub(super) keys: Tensor,
    pub(super) values: Tensor,
}

impl Decoder {
    /// The weights of a base.
    pub(super) fn load(base: &Base, device: Device, kind: Kind) -> Result<Self, WeightsError> {
        let read = |name: &str, _: &[usize]| -> Result<Tensor, WeightsError> {
            let weights = base.tensor(name)?;
            let size: Vec<i64> = weights.shape.iter().map(|length| *length as i64).collect();
            Ok(Tensor::from_slice(&weights.values).view(&size[..]))
        };
        let name = "rope_freqs.weight";
        let factors = if base.has(name) { Some(read(name, &[])?) } else { None };
        Self::assemble(base.shape(), factors.as_ref(), device, kind, read)
    }

    /// Random weights, made where they are used: norms of ones, all else normal with a spread of 0.02.
    pub(super) fn random(shape: &Shape, device: Device, kind: Kind, seed: u64) -> Result<Self, WeightsError> {
        tch::manual_seed(seed.cast_signed());
        Self::assemble(shape, None, device, kind, |_, size| {
            let lengths: Vec<i64> = size.iter().map(|length| *length as i64).collect();
            Ok(match size {
                [_] => Tensor::ones(&lengths[..], (Kind::Float, device)),
                _ => Tensor::randn(&lengths[..], (Kind::Float, device)) * 0.02,
            })
        })
    }

    /// Puts a decoder together; `read` gives a tensor of this name and size.
    fn assemble(
        shape: &Shape,
        factors: Option<&Tensor>,
        device: Device,
        kind: Kind,
        read: impl Fn(&str, &[usize]) -> Result<Tensor, WeightsError>,
    ) -> Result<Self, WeightsError> {
        let frozen = |tensor: Tensor| tensor.to_device(device).to_kind(kind);
        let joined = |parts: &[Tensor]| frozen(Tensor::cat(parts, 0));
        let norm = |name: &str, length: usize| read(name, &[length]).map(frozen);
        let mut layers = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let linear = |linear: Linear| {
                let (outputs, inputs) = linear.size(shape);
                read(&linear.weight(layer), &[outputs, inputs])
            };
            let qkv_bias = if shape.architecture == Architecture::Qwen2 {
                let bias =
                    |linear: Linear| read(&name(&format!("{}.bias", linear.part())), &[linear.size(shape).0]);
                Some(joined(&[bias(Linear::Q)?, bias(Linear::K)?, bias(Linear::V)?]))
            } else {
                None
            };
            let head_norms = if shape.architecture == Architecture::Qwen3 {
                let of_heads = |part: &str| norm(&name(part), shape.head_width);
                Some((of_heads("attn_q_norm.weight")?, of_heads("attn_k_norm.weight")?))
            } else {
                None
            };
            layers.push(Layer {
                attention_norm: norm(&name("attn_norm.weight"), shape.width)?,
                qkv: joined(&[linear(Linear::Q)?, linear(Linear::K)?, linear(Linear::V)?]),
                qkv_bias,
                head_norms,
                output: frozen(linear(Linear::Output)?),
                mlp_norm: norm(&name("ffn_norm.weight"), shape.width)?,
                gate_up: joined(&[linear(Linear::Gate)?, linear(Linear::Up)?]),
                down: frozen(linear(Linear::Down)?),
            });
        }
        let table = [shape.vocabulary, shape.width];
        let embedding = frozen(read("token_embd.weight", &table)?);
        let head =
            if shape.tied { embedding.shallow_clone() } else { frozen(read("output.weight", &table)?) };
        Ok(Self {
            embedding,
            layers,
            norm: read("output_norm.weight", &[shape.width])?.to_device(device).to_kind(Kind::Float),
            head: Head::new(head),
            rotations: rotations(shape, factors).to_device(device),
            shape: shape.clone(),
            device,
            kind,
        })
    }

    /// `[tokens]` to `[tokens, width]`.
    pub(super) fn embed(&self, tokens: &Tensor) -> Tensor {
        self.embedding.index_select(0, tokens)
    }

    /// The turns of positions, `[tokens, 1, rope_width / 2]`, complex.
    pub(super) fn rotation(&self, positions: &Tensor) -> Tensor {
        self.rotations.index_select(0, positions).unsqueeze(1)
    }

    /// The norm before the head, in 32 bits.
    pub(super) fn last_norm(&self, hidden: &Tensor) -> Tensor {
        rms_norm(&hidden.to_kind(Kind::Float), &self.norm, self.shape.norm_epsilon)
    }

    /// All layers over a pack, `[tokens, width]` to the same.
    pub(super) fn trunk(&self, pack: &Pack, patch: &Patch) -> Tensor {
        let mut hidden = self.embed(&pack.tokens);
        for at in 0..self.layers.len() {
            hidden = self.layer(at, &hidden, pack, patch);
        }
        hidden
    }

    /// One layer over a pack.
    pub(super) fn layer(&self, at: usize, hidden: &Tensor, pack: &Pack, patch: &Patch) -> Tensor {
        let attended = self.before_attention(at, hidden, &pack.rotation, patch);
        let mixed = pack.attend(&attended);
        self.after_attention(at, hidden, &mixed, patch)
    }

    /// From the residual stream to rotated queries and keys, and values.
    pub(super) fn before_attention(
        &self,
        at: usize,
        hidden: &Tensor,
        rotation: &Tensor,
        patch: &Patch,
    ) -> Attended {
        let (layer, shape) = (&self.layers[at], &self.shape);
        let input = self.normed(hidden, &layer.attention_norm);
        let qkv = patch.linear(at, Joint::Qkv, &input, &layer.qkv, layer.qkv_bias.as_ref());
        let (queries, keys) = (shape.heads as i64, shape.kv_heads as i64);
        let heads = qkv.view([-1, queries + 2 * keys, shape.head_width as i64]);
        let [turned, values] = two(&heads.split_with_sizes([queries + keys, keys], 1));
        let turned = match &layer.head_norms {
            Some((of_queries, of_keys)) => {
                let [queries, keys] = two(&turned.split_with_sizes([queries, keys], 1));
                Tensor::cat(&[self.normed(&queries, of_queries), self.normed(&keys, of_keys)], 1)
            }
            None => turned,
        };
        let [queries, keys] = two(&self.rotated(&turned, rotation).split_with_sizes([queries, keys], 1));
        Attended { queries, keys, values }
    }

    /// From what attention gave, `[tokens, heads · head]`, to the residual stream behind the layer.
    pub(super) fn after_attention(
        &self,
        at: usize,
        hidden: &Tensor,
        mixed: &Tensor,
        patch: &Patch,
    ) -> Tensor {
        let layer = &self.layers[at];
        let hidden = hidden + patch.linear(at, Joint::Output, mixed, &layer.output, None);
        let input = self.normed(&hidden, &layer.mlp_norm);
        let gate_up = patch.linear(at, Joint::GateUp, &input, &layer.gate_up, None);
        let [gate, up] = two(&gate_up.chunk(2, 1));
        hidden + patch.linear(at, Joint::Down, &(gate.silu() * up), &layer.down, None)
    }

    fn normed(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        rms_norm(input, weight, self.shape.norm_epsilon)
    }

    /// Rotary position embedding (Su et al., arXiv 2104.09864, eq. 34), pairs as complex numbers. In GGUF files a pair of
    /// Llama's is two neighbours, of Qwen's two halves.
    fn rotated(&self, heads: &Tensor, rotation: &Tensor) -> Tensor {
        let (width, head) = (self.shape.rope_width as i64, self.shape.head_width as i64);
        let exact = heads.to_kind(Kind::Float);
        let turned = if width == head { exact.shallow_clone() } else { exact.narrow(-1, 0, width) };
        let size = turned.size();
        let rotated = if self.shape.architecture == Architecture::Llama {
            let pairs = turned.view([size[0], size[1], width / 2, 2]).view_as_complex();
            (pairs * rotation).view_as_real().view(&size[..])
        } else {
            let half = |at: i64| turned.narrow(-1, at * width / 2, width / 2);
            let pairs = Tensor::complex(&half(0), &half(1));
            (pairs * rotation).view_as_real().transpose(2, 3).reshape(&size[..])
        };
        let rotated = if width == head {
            rotated
        } else {
            Tensor::cat(&[rotated, exact.narrow(-1, width, head - width)], -1)
        };
        rotated.to_kind(self.kind)
    }
}

/// The two parts of a splitting in two.
fn two(parts: &[Tensor]) -> [Tensor; 2] {
    [parts[0].shallow_clone(), parts[1].shallow_clone()]
}

/// Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467, eq. 4) over the last dimension; summed in 32 bits whatever
/// its input is in.
fn rms_norm(input: &Tensor, weight: &Tensor, epsilon: f64) -> Tensor {
    input.rms_norm(weight.size(), Some(weight), epsilon)
}

/// Cosine and sine of each pair's angle at each position as a complex number, `[context, rope_width / 2]`; `factors`
/// stretch the wavelengths (Llama 3.1).
fn rotations(shape: &Shape, factors: Option<&Tensor>) -> Tensor {
    let pairs: Vec<f64> = (0..shape.rope_width / 2)
        .map(|pair| shape.rope_base.powf(-2.0 * pair as f64 / shape.rope_width as f64))
        .collect();
    let mut frequencies = Tensor::from_slice(&pairs);
    if let Some(factors) = factors {
        frequencies /= factors.to_kind(Kind::Double);
    }
    let positions = Tensor::arange(shape.context as i64, (Kind::Double, Device::Cpu)).unsqueeze(1);
    let angles = positions * frequencies.unsqueeze(0);
    Tensor::complex(&angles.cos().to_kind(Kind::Float), &angles.sin().to_kind(Kind::Float))
}
