//! A matrix that is trained, and the optimiser: AdamW with its moments in 32 bits.
//!
//! Rooms it touches: engine.

use tch::{Device, Kind, Tensor, no_grad};

use crate::engine::{AdamW, Stepped};

/// A matrix that is trained.
pub(super) struct Leaf {
    pub(super) value: Tensor,
    first: Tensor,
    second: Tensor,
}

impl Leaf {
    pub(super) fn new(value: &Tensor) -> Self {
        let (first, second) = (value.zeros_like(), value.zeros_like());
        Self { value: value.detach().set_requires_grad(true), first, second }
    }

    pub(super) fn set(&mut self, values: &[f32]) {
        no_grad(|| fill(&mut self.value, values));
    }

    pub(super) fn clear(&mut self) {
        self.value.zero_grad();
    }

    /// Bytes of [`Leaf::save`].
    pub(super) fn bytes(&self) -> usize {
        12 * self.value.numel()
    }

    /// Value and both moments, little endian.
    pub(super) fn save(&self, bytes: &mut Vec<u8>) {
        for tensor in [&self.value, &self.first, &self.second] {
            bytes.extend(numbers(tensor).iter().flat_map(|value| value.to_le_bytes()));
        }
    }

    /// Takes up what was saved.
    pub(super) fn load(&mut self, bytes: &[u8]) {
        let numbers: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let count = self.value.numel();
        no_grad(|| {
            for (tensor, numbers) in [&mut self.value, &mut self.first, &mut self.second]
                .into_iter()
                .zip(numbers.chunks_exact(count))
            {
                fill(tensor, numbers);
            }
        });
    }

    /// Algorithm 2 of Loshchilov and Hutter, arXiv 1711.05101; `corrections` are those of both moments' bias.
    fn step(&mut self, settings: &AdamW, scale: f64, corrections: (f64, f64)) {
        let gradient = self.value.grad() * scale;
        self.first = &self.first * settings.beta1 + &gradient * (1.0 - settings.beta1);
        self.second = &self.second * settings.beta2 + gradient.square() * (1.0 - settings.beta2);
        let root = (&self.second / corrections.1).sqrt() + settings.epsilon;
        let change = (&self.first / corrections.0) / root + &self.value * settings.weight_decay;
        let _ = self.value.g_sub_(&(change * settings.learning_rate));
    }
}

/// Changes leaves by their gradients and clears these. Where one is not a number, or there are none, nothing changes.
/// `steps` counts those that were made.
pub(super) fn step(leaves: &mut [&mut Leaf], steps: &mut i64, settings: &AdamW) -> Stepped {
    no_grad(|| {
        let trained = || leaves.iter().filter(|leaf| leaf.value.grad().defined());
        let squares: Vec<Tensor> =
            trained().map(|leaf| leaf.value.grad().square().sum(Kind::Double)).collect();
        let skip = |gradient_norm| Stepped { gradient_norm, skipped: true };
        if squares.is_empty() {
            return skip(0.0);
        }
        let gradient_norm = Tensor::stack(&squares, 0).sum(Kind::Double).double_value(&[]).sqrt();
        let sound = gradient_norm.is_finite();
        if sound {
            *steps += 1;
            let scale = (settings.clip / gradient_norm).min(1.0);
            let made = *steps as i32;
            let corrections = (1.0 - settings.beta1.powi(made), 1.0 - settings.beta2.powi(made));
            for leaf in leaves.iter_mut().filter(|leaf| leaf.value.grad().defined()) {
                leaf.step(settings, scale, corrections);
            }
        }
        for leaf in leaves.iter_mut() {
            leaf.clear();
        }
        if sound { Stepped { gradient_norm, skipped: false } } else { skip(gradient_norm) }
    })
}

fn fill(tensor: &mut Tensor, values: &[f32]) {
    let size = tensor.size();
    tensor.copy_(&Tensor::from_slice(values).view(&size[..]));
}

/// A tensor's numbers, row by row.
pub(super) fn numbers(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut numbers = vec![0.0; flat.numel()];
    flat.copy_data(&mut numbers, flat.numel());
    numbers
}
