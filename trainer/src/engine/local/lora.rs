//! A LoRA on all seven linears of every layer (Hu et al., arXiv 2106.09685), or on those that an adapter which it begins as
//! has; of a critic, its value head too.
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
    /// By layer and linear. What has no pair is as the base has it, and stays so.
    pairs: Vec<[Option<Trained>; 7]>,
    /// Outputs of each linear.
    outputs: [usize; 7],
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
            Some(Trained { a: Leaf::new(&a), b: Leaf::new(&zeros([outputs, rank])) })
        };
        let pairs = (0..shape.layers).map(|_| Linear::ALL.map(&mut pair)).collect();
        let outputs = Linear::ALL.map(|linear| linear.size(shape).0);
        Self { rank, alpha, pairs, outputs, value_head: None, steps: 0 }
    }

    /// The same with a value head: a critic.
    pub(super) fn with_values(mut self, shape: &Shape, device: Device) -> Self {
        let zeros = |size: &[i64]| Leaf::new(&Tensor::zeros(size, (Kind::Float, device)));
        self.value_head = Some([zeros(&[shape.width as i64, 1]), zeros(&[1])]);
        self
    }

    /// One that was trained before, its optimiser fresh. It has the linears which that one has.
    pub(super) fn of(shape: &Shape, lora: &Lora, device: Device) -> Result<Self, EngineError> {
        let refused = |what: &str| Err(EngineError::State(what.to_owned()));
        let Some(rank) = lora.pairs.values().next().map(|pair| pair.rank) else {
            return refused("it has no matrices");
        };
        if lora.pairs.values().any(|pair| pair.rank != rank) {
            return refused("its matrices have different ranks; train with one of a single rank");
        }
        let mut new = Self::new(shape, rank, f64::from(lora.alpha), Dice::new(&[]), device);
        for (layer, pairs) in new.pairs.iter_mut().enumerate() {
            for (linear, trained) in Linear::ALL.iter().zip(pairs) {
                trained.take_if(|_| !lora.pairs.contains_key(&(layer, *linear)));
            }
        }
        new.set(lora)?;
        Ok(new)
    }

    /// Takes over matrices, and nothing else.
    pub(super) fn set(&mut self, lora: &Lora) -> Result<(), EngineError> {
        let alike = lora.pairs.values().all(|pair| pair.rank == self.rank);
        if !(alike && self.each().map(|(at, _)| at).eq(lora.pairs.keys().copied())) {
            let what = format!("its matrices are of other linears, or not of rank {}", self.rank);
            return Err(EngineError::State(what));
        }
        let trained = self.pairs.iter_mut().flatten().flatten();
        for (trained, pair) in trained.zip(lora.pairs.values()) {
            trained.a.set(&pair.a);
            trained.b.set(&pair.b);
        }
        Ok(())
    }

    /// What is added to linears, in what the base computes in.
    pub(super) fn patch(&self, kind: Kind) -> Patch {
        let scale = self.alpha / self.rank as f64;
        let added = |of_layer: &[Option<Trained>; 7], joint: Joint| {
            let linears = || joint.linears().iter().map(|linear| *linear as usize);
            let trained = linears().filter_map(|at| of_layer[at].as_ref());
            let down: Vec<Tensor> = trained.map(|pair| pair.a.value.to_kind(kind)).collect();
            let device = down.first()?.device();
            // A linear without a pair is a block of no rows.
            let nothing = |at: usize| Tensor::zeros([0, self.outputs[at] as i64], (kind, device));
            let up = |at: usize| of_layer[at].as_ref().map(|pair| (pair.b.value.tr() * scale).to_kind(kind));
            let up: Vec<Tensor> = linears().map(|at| up(at).unwrap_or_else(|| nothing(at))).collect();
            Some(Added { down: Tensor::cat(&down, 0), up: Tensor::block_diag(&up) })
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
        let pair = |trained: &Trained| Pair { rank: self.rank, a: of(&trained.a), b: of(&trained.b) };
        let pairs: BTreeMap<_, _> = self.each().map(|(at, trained)| (at, pair(trained))).collect();
        Lora { alpha: self.alpha as f32, pairs }
    }

    /// The linears that have a pair, in the order of [`Lora::pairs`].
    fn each(&self) -> impl Iterator<Item = ((usize, Linear), &Trained)> {
        let of_layer = |(layer, pairs): (usize, _)| {
            let place = move |linear: Linear| (layer, linear);
            Linear::ALL.into_iter().map(place).zip(pairs)
        };
        let all = self.pairs.iter().enumerate().flat_map(of_layer);
        all.filter_map(|(at, trained): (_, &Option<Trained>)| Some((at, trained.as_ref()?)))
    }

    /// How many steps were made, then every matrix with its moments.
    pub(super) fn save(&self) -> Vec<u8> {
        let mut bytes = self.steps.to_le_bytes().to_vec();
        self.leaves().for_each(|leaf| leaf.save(&mut bytes));
        bytes
    }

    /// Takes up what was saved of one of the same base, rank and linears. Of these only how many numbers they have is looked
    /// at: a run's identity holds the adapter that it began with.
    pub(super) fn load(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let wanted = 8 + self.leaves().map(Leaf::bytes).sum::<usize>();
        let (Some((steps, mut rest)), true) = (bytes.split_first_chunk::<8>(), bytes.len() == wanted) else {
            let what = format!("it has {} bytes, and this base, rank and linears need {wanted}", bytes.len());
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
        let matrices = self.pairs.iter().flatten().flatten().flat_map(|trained| [&trained.a, &trained.b]);
        matrices.chain(self.value_head.iter().flatten())
    }

    fn leaves_mut(&mut self) -> impl Iterator<Item = &mut Leaf> {
        let matrices =
            self.pairs.iter_mut().flatten().flatten().flat_map(|trained| [&mut trained.a, &mut trained.b]);
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
    /// By layer; none without an adapter, nor where no linear of the four has a pair.
    added: Vec<[Option<Added>; 4]>,
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

    /// The first layer to which something is added: before it there is nothing to learn.
    pub(super) fn lowest(&self) -> usize {
        self.added.iter().position(|layer| layer.iter().any(Option::is_some)).unwrap_or(0)
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
        if let Some(added) = self.added.get(layer).and_then(|layer| layer[joint as usize].as_ref()) {
            let inner = input.linear::<&Tensor>(&added.down, None);
            let _ = out.addmm_(&inner, &added.up);
        }
        out
    }
}
