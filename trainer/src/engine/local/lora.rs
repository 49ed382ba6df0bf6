//! A LoRA on all seven linears of every layer (Hu et al., arXiv 2106.09685); of a critic, its value head too.
//!
//! A and B are kept in 32 bits whatever the base computes in. It knows no losses.
//!
//! Rooms it touches: weights, engine, engine::local::leaf.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, with_grad};

use super::leaf::{self, Leaf, numbers};
use crate::engine::{AdamW, Dice, EngineError, Stepped};
use crate::weights::{Linear, Lora, Pair, Shape};

/// A LoRA in training.
pub(super) struct Adapter {
    rank: usize,
    alpha: f64,
    pairs: Vec<[Trained; 7]>,
    /// A critic's: `[width, 1]` and `[1]`, zero at first.
    value_head: Option<[Leaf; 2]>,
    /// Optimiser steps that were made.
    steps: i64,
}

/// The two matrices of a linear.
struct Trained {
    a: Leaf,
    b: Leaf,
}

impl Adapter {
    /// One that changes nothing yet: A even in ±1/√inputs (Kaiming-uniform with a = √5, as PEFT has it), B zero.
    pub(super) fn new(shape: &Shape, rank: usize, alpha: f64, dice: Dice, device: Device) -> Self {
        let mut random = fastrand::Rng::with_seed(dice.seed());
        let zeros = |size: [usize; 2]| Tensor::zeros(size.map(|length| length as i64), (Kind::Float, device));
        let mut pair = |linear: Linear| {
            let (outputs, inputs) = linear.size(shape);
            let bound = 1.0 / (inputs as f64).sqrt();
            let a: Vec<f32> =
                (0..rank * inputs).map(|_| ((random.f64() * 2.0 - 1.0) * bound) as f32).collect();
            let a = Tensor::from_slice(&a).view([rank as i64, inputs as i64]).to_device(device);
            Trained { a: Leaf::new(&a), b: Leaf::new(&zeros([outputs, rank])) }
        };
        let pairs = (0..shape.layers).map(|_| Linear::ALL.map(&mut pair)).collect();
        Self { rank, alpha, pairs, value_head: None, steps: 0 }
    }

    /// The same with a value head: a critic.
    pub(super) fn with_values(mut self, shape: &Shape, device: Device) -> Self {
        let zeros = |size: &[i64]| Leaf::new(&Tensor::zeros(size, (Kind::Float, device)));
        self.value_head = Some([zeros(&[shape.width as i64, 1]), zeros(&[1])]);
        self
    }

    /// One that was trained before, its optimiser fresh.
    pub(super) fn of(shape: &Shape, lora: &Lora, device: Device) -> Result<Self, EngineError> {
        let misfit = |what: &str| EngineError::State(what.to_owned());
        let rank =
            lora.pairs.values().next().map(|pair| pair.rank).ok_or_else(|| misfit("it has no matrices"))?;
        let mut new = Self::new(shape, rank, f64::from(lora.alpha), Dice::new(&[]), device);
        new.set(lora)?;
        Ok(new)
    }

    /// Takes over matrices, and nothing else.
    pub(super) fn set(&mut self, lora: &Lora) -> Result<(), EngineError> {
        let misfit = || EngineError::State("a linear has no matrices, or of another rank".to_owned());
        for (layer, pairs) in self.pairs.iter_mut().enumerate() {
            for (linear, trained) in Linear::ALL.iter().zip(pairs) {
                let pair = lora.pairs.get(&(layer, *linear)).filter(|pair| pair.rank == self.rank);
                let pair = pair.ok_or_else(misfit)?;
                trained.a.set(&pair.a);
                trained.b.set(&pair.b);
            }
        }
        Ok(())
    }

    /// What is added to linears, in what the base computes in.
    pub(super) fn patch(&self, kind: Kind) -> Patch {
        let scale = self.alpha / self.rank as f64;
        let added = |of_layer: &[Trained; 7], joint: Joint| {
            let trained = || joint.linears().iter().map(|linear| &of_layer[*linear as usize]);
            let down: Vec<Tensor> = trained().map(|pair| pair.a.value.to_kind(kind)).collect();
            let up: Vec<Tensor> = trained().map(|pair| (pair.b.value.tr() * scale).to_kind(kind)).collect();
            Added { down: Tensor::cat(&down, 0), up: Tensor::block_diag(&up) }
        };
        let layers = self.pairs.iter().map(|of_layer| Joint::ALL.map(|joint| added(of_layer, joint)));
        Patch { added: layers.collect() }
    }

    /// Whether it has a value head.
    pub(super) fn is_critic(&self) -> bool {
        self.value_head.is_some()
    }

    /// A critic's values of hidden states `[rows, width]`: `[rows]`.
    pub(super) fn values(&self, hidden: &Tensor) -> Tensor {
        match &self.value_head {
            Some([weights, bias]) => (hidden.matmul(&weights.value) + &bias.value).squeeze_dim(1),
            None => Tensor::zeros([hidden.size()[0]], (Kind::Float, hidden.device())),
        }
    }

    /// The derivative by the hidden states, from that by each value; the value head's own gradients grow.
    pub(super) fn values_back(&self, hidden: &Tensor, derivative: &[f32]) -> Tensor {
        with_grad(|| {
            let hidden = hidden.detach().set_requires_grad(true);
            let derivative = Tensor::from_slice(derivative).to_device(hidden.device());
            (self.values(&hidden) * derivative).sum(Kind::Float).backward();
            hidden.grad()
        })
    }

    /// A step of AdamW; gradients are cleared.
    pub(super) fn step(&mut self, settings: &AdamW) -> Stepped {
        let mut steps = self.steps;
        let mut leaves: Vec<&mut Leaf> = self.leaves_mut().collect();
        let stepped = leaf::step(&mut leaves, &mut steps, settings);
        self.steps = steps;
        stepped
    }

    /// Forgets the gradients.
    pub(super) fn clear(&mut self) {
        self.leaves_mut().for_each(Leaf::clear);
    }

    /// The matrices as they are.
    pub(super) fn lora(&self) -> Lora {
        self.matrices(|leaf| numbers(&leaf.value))
    }

    /// Their gradients; `None` where there are none.
    pub(super) fn gradients(&self) -> Option<Lora> {
        let there = self.leaves().all(|leaf| leaf.value.grad().defined());
        there.then(|| self.matrices(|leaf| numbers(&leaf.value.grad())))
    }

    fn matrices(&self, of: impl Fn(&Leaf) -> Vec<f32>) -> Lora {
        let mut pairs = BTreeMap::new();
        for (layer, trained) in self.pairs.iter().enumerate() {
            for (linear, trained) in Linear::ALL.iter().zip(trained) {
                pairs
                    .insert((layer, *linear), Pair { rank: self.rank, a: of(&trained.a), b: of(&trained.b) });
            }
        }
        Lora { alpha: self.alpha as f32, pairs }
    }

    /// How many steps were made, then every matrix with its moments.
    pub(super) fn save(&self) -> Vec<u8> {
        let mut bytes = self.steps.to_le_bytes().to_vec();
        self.leaves().for_each(|leaf| leaf.save(&mut bytes));
        bytes
    }

    /// Takes up what was saved of one of the same base and rank.
    pub(super) fn load(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let wanted = 8 + self.leaves().map(Leaf::bytes).sum::<usize>();
        let (Some((steps, mut rest)), true) = (bytes.split_first_chunk::<8>(), bytes.len() == wanted) else {
            let what = format!("it has {} bytes, and this base and rank need {wanted}", bytes.len());
            return Err(EngineError::State(what));
        };
        self.steps = i64::from_le_bytes(*steps);
        for leaf in self.leaves_mut() {
            let (own, others) = rest.split_at(leaf.bytes());
            leaf.load(own);
            rest = others;
        }
        Ok(())
    }

    fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        let matrices = self.pairs.iter().flatten().flat_map(|trained| [&trained.a, &trained.b]);
        matrices.chain(self.value_head.iter().flatten())
    }

    fn leaves_mut(&mut self) -> impl Iterator<Item = &mut Leaf> {
        let matrices = self.pairs.iter_mut().flatten().flat_map(|trained| [&mut trained.a, &mut trained.b]);
        matrices.chain(self.value_head.iter_mut().flatten())
    }
}

/// Linears of a layer that read the same input and stand in one matrix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Joint {
    Qkv,
    Output,
    GateUp,
    Down,
}

impl Joint {
    const ALL: [Self; 4] = [Self::Qkv, Self::Output, Self::GateUp, Self::Down];

    fn linears(self) -> &'static [Linear] {
        match self {
            Self::Qkv => &[Linear::Q, Linear::K, Linear::V],
            Self::Output => &[Linear::Output],
            Self::GateUp => &[Linear::Gate, Linear::Up],
            Self::Down => &[Linear::Down],
        }
    }
}

/// What is added to the linears of a base: `W x + (alpha / rank) · B (A x)`; nothing without an adapter.
///
/// The matrices are cast and joined once for a whole pass; their gradients go back through that.
pub(super) struct Patch {
    /// By layer; none without an adapter.
    added: Vec<[Added; 4]>,
}

/// The matrices of joined linears.
struct Added {
    /// A of all, `[linears · rank, inputs]`.
    down: Tensor,
    /// B of each, transposed and scaled, on a diagonal: `[linears · rank, outputs of all]`.
    up: Tensor,
}

impl Patch {
    /// The base as it is.
    pub(super) fn none() -> Self {
        Self { added: Vec::new() }
    }

    /// Joined linears of a layer: `[tokens, inputs]` to `[tokens, outputs of all]`.
    pub(super) fn linear(
        &self,
        layer: usize,
        joint: Joint,
        input: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Tensor {
        let mut out = input.linear(weight, bias);
        if let Some(added) = self.added.get(layer).map(|layer| &layer[joint as usize]) {
            let inner = input.linear::<&Tensor>(&added.down, None);
            let _ = out.addmm_(&inner, &added.up);
        }
        out
    }
}
