//! The frozen decoder of Llama, Qwen2 and Qwen3, in GGUF tensor layout.
//!
//! Linears that read the same input stand in one matrix, and tokens of all sequences in one row after the other, so that
//! nothing is padded. Frozen weights ask for no gradient: libtorch then computes only those of inputs (4N instead of 6N
//! operations a token). Norms and rotations are computed in 32 bits. What is added to a linear is the caller's.
//!
//! Rooms it touches: weights, engine::local::lora.

use tch::{Device, Kind, Tensor};

use super::lora::Patch;
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
    /// `[vocabulary, width]`, 32 bits.
    pub(super) head: Tensor,
    /// Angle of each pair for each position, as cosine and sine: `[context, rope_width / 2]`.
    cosines: Tensor,
    sines: Tensor,
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
    pub(super) fn load(base: &Base, device: Device, kind: Kind) -> Result<Self, WeightsError> {
        let shape = base.shape().clone();
        let read = |name: &str| -> Result<Tensor, WeightsError> {
            let weights = base.tensor(name)?;
            let size: Vec<i64> = weights.shape.iter().map(|length| *length as i64).collect();
            Ok(Tensor::from_slice(&weights.values).view(&size[..]))
        };
        let frozen = |tensor: Tensor| tensor.to_device(device).to_kind(kind);
        let joined = |parts: &[Tensor]| frozen(Tensor::cat(parts, 0));
        let exact = |tensor: Tensor| tensor.to_device(device).to_kind(Kind::Float);
        let mut layers = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let linear = |linear: Linear| read(&name(&format!("{}.weight", linear.part())));
            let qkv = [linear(Linear::Q)?, linear(Linear::K)?, linear(Linear::V)?];
            let qkv_bias = if base.has(&name("attn_q.bias")) {
                let bias = |part: &str| read(&name(&format!("{part}.bias")));
                Some(joined(&[bias("attn_q")?, bias("attn_k")?, bias("attn_v")?]))
            } else {
                None
            };
            let head_norms = if shape.architecture == Architecture::Qwen3 {
                let norm = |part: &str| read(&name(part)).map(exact);
                Some((norm("attn_q_norm.weight")?, norm("attn_k_norm.weight")?))
            } else {
                None
            };
            layers.push(Layer {
                attention_norm: exact(read(&name("attn_norm.weight"))?),
                qkv: joined(&qkv),
                qkv_bias,
                head_norms,
                output: frozen(linear(Linear::Output)?),
                mlp_norm: exact(read(&name("ffn_norm.weight"))?),
                gate_up: joined(&[linear(Linear::Gate)?, linear(Linear::Up)?]),
                down: frozen(linear(Linear::Down)?),
            });
        }
        let embedding = read("token_embd.weight")?;
        let head = if shape.tied { embedding.shallow_clone() } else { read("output.weight")? };
        let factors = if base.has("rope_freqs.weight") { Some(read("rope_freqs.weight")?) } else { None };
        let (cosines, sines) = rotations(&shape, factors.as_ref());
        Ok(Self {
            embedding: frozen(embedding),
            layers,
            norm: exact(read("output_norm.weight")?),
            head: exact(head),
            cosines: exact(cosines),
            sines: exact(sines),
            shape,
            device,
            kind,
        })
    }

    /// `[tokens]` to `[tokens, width]`.
    pub(super) fn embed(&self, tokens: &Tensor) -> Tensor {
        self.embedding.index_select(0, tokens)
    }

    /// Cosines and sines of positions, `[tokens, 1, rope_width / 2]` each.
    pub(super) fn rotation(&self, positions: &Tensor) -> (Tensor, Tensor) {
        (
            self.cosines.index_select(0, positions).unsqueeze(1),
            self.sines.index_select(0, positions).unsqueeze(1),
        )
    }

    /// The norm before the head, in 32 bits.
    pub(super) fn last_norm(&self, hidden: &Tensor) -> Tensor {
        rms_norm(&hidden.to_kind(Kind::Float), &self.norm, self.shape.norm_epsilon)
    }

    /// All layers over a pack, `[tokens, width]` to the same.
    pub(super) fn trunk(&self, pack: &Pack, patch: &Patch<'_>) -> Tensor {
        let mut hidden = self.embed(&pack.tokens);
        for at in 0..self.layers.len() {
            hidden = self.layer(at, &hidden, pack, patch);
        }
        hidden
    }

    /// One layer over a pack.
    pub(super) fn layer(&self, at: usize, hidden: &Tensor, pack: &Pack, patch: &Patch<'_>) -> Tensor {
        let attended = self.before_attention(at, hidden, &pack.rotation, patch);
        let mixed = pack.attend(&attended, self.shape.heads != self.shape.kv_heads);
        self.after_attention(at, hidden, &mixed, patch)
    }

    /// From the residual stream to rotated queries and keys, and values.
    pub(super) fn before_attention(
        &self,
        at: usize,
        hidden: &Tensor,
        rotation: &(Tensor, Tensor),
        patch: &Patch<'_>,
    ) -> Attended {
        let (layer, shape) = (&self.layers[at], &self.shape);
        let input = self.normed(hidden, &layer.attention_norm);
        let qkv = patch.linears(
            at,
            &[Linear::Q, Linear::K, Linear::V],
            &input,
            &layer.qkv,
            layer.qkv_bias.as_ref(),
        );
        let head = shape.head_width as i64;
        let heads = |tensor: &Tensor| tensor.view([-1, tensor.size()[1] / head, head]);
        let [queries, keys, values] = [heads(&qkv[0]), heads(&qkv[1]), heads(&qkv[2])];
        let (queries, keys) = match &layer.head_norms {
            Some((of_queries, of_keys)) => (self.normed(&queries, of_queries), self.normed(&keys, of_keys)),
            None => (queries, keys),
        };
        Attended { queries: self.rotated(&queries, rotation), keys: self.rotated(&keys, rotation), values }
    }

    /// From what attention gave, `[tokens, heads · head]`, to the residual stream behind the layer.
    pub(super) fn after_attention(
        &self,
        at: usize,
        hidden: &Tensor,
        mixed: &Tensor,
        patch: &Patch<'_>,
    ) -> Tensor {
        let layer = &self.layers[at];
        let hidden = hidden + patch.linear(at, Linear::Output, mixed, &layer.output);
        let input = self.normed(&hidden, &layer.mlp_norm);
        let gate_up = patch.linears(at, &[Linear::Gate, Linear::Up], &input, &layer.gate_up, None);
        let inner = gate_up[0].silu() * &gate_up[1];
        hidden + patch.linear(at, Linear::Down, &inner, &layer.down)
    }

    fn normed(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        rms_norm(&input.to_kind(Kind::Float), weight, self.shape.norm_epsilon).to_kind(self.kind)
    }

    /// Rotary position embedding (Su et al., arXiv 2104.09864, eq. 34). In GGUF files a pair of Llama's is two neighbours,
    /// of Qwen's two halves.
    fn rotated(&self, heads: &Tensor, (cosines, sines): &(Tensor, Tensor)) -> Tensor {
        let (width, head) = (self.shape.rope_width as i64, self.shape.head_width as i64);
        let exact = heads.to_kind(Kind::Float);
        let turned = if width == head { exact.shallow_clone() } else { exact.narrow(-1, 0, width) };
        let size = turned.size();
        let neighbours = self.shape.architecture == Architecture::Llama;
        let pairs = if neighbours {
            turned.view([size[0], size[1], width / 2, 2])
        } else {
            turned.view([size[0], size[1], 2, width / 2])
        };
        let axis = if neighbours { 3 } else { 2 };
        let (first, second) = (pairs.select(axis, 0), pairs.select(axis, 1));
        let rotated =
            Tensor::stack(&[&first * cosines - &second * sines, &first * sines + &second * cosines], axis)
                .view(&size[..]);
        let rotated = if width == head {
            rotated
        } else {
            Tensor::cat(&[rotated, exact.narrow(-1, width, head - width)], -1)
        };
        rotated.to_kind(self.kind)
    }
}

/// Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467, eq. 4) over the last dimension.
fn rms_norm(input: &Tensor, weight: &Tensor, epsilon: f64) -> Tensor {
    let scale = (input.square().mean_dim(-1, true, Kind::Float) + epsilon).rsqrt();
    input * scale * weight
}

/// Cosine and sine of each pair's angle at each position, `[context, rope_width / 2]`; `factors` stretch the
/// wavelengths (Llama 3.1).
fn rotations(shape: &Shape, factors: Option<&Tensor>) -> (Tensor, Tensor) {
    let pairs: Vec<f64> = (0..shape.rope_width / 2)
        .map(|pair| shape.rope_base.powf(-2.0 * pair as f64 / shape.rope_width as f64))
        .collect();
    let mut frequencies = Tensor::from_slice(&pairs);
    if let Some(factors) = factors {
        frequencies /= factors.to_kind(Kind::Double);
    }
    let positions = Tensor::arange(shape.context as i64, (Kind::Double, Device::Cpu)).unsqueeze(1);
    let angles = positions * frequencies.unsqueeze(0);
    (angles.cos().to_kind(Kind::Float), angles.sin().to_kind(Kind::Float))
}
