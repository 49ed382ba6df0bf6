//! How much a model had to compute, and what the device can: for the share of it that training reaches.
//!
//! Counted are the model's own operations (model FLOP utilisation: Chowdhery et al., PaLM, arXiv 2204.02311, appendix B):
//! for each token that is read, two for each weight on the way there and, of frozen weights, two on the way back.
//!
//! Rooms it touches: engine, weights.

use std::time::Instant;

use tch::{Cuda, Device, Kind, Tensor, no_grad};

use super::pack::Pack;
use crate::weights::{Linear, Shape};

/// Width of the square matrices whose product the device is measured by.
const CPU_WIDTH: i64 = 2048;
const GPU_WIDTH: i64 = 8192;
const ROUNDS: usize = 6;

/// Operations of one pass on the way there; `trained`: and back.
pub(super) fn operations(shape: &Shape, rank: usize, pack: &Pack, trained: bool) -> f64 {
    let sizes = || Linear::ALL.iter().map(|linear| linear.size(shape));
    let frozen: usize = sizes().map(|(outputs, inputs)| outputs * inputs).sum();
    let added: usize = sizes().map(|(outputs, inputs)| rank * (outputs + inputs)).sum();
    let (frozen, added) = ((frozen * shape.layers) as f64, (added * shape.layers) as f64);
    let attention = pack.pairs() * (shape.heads * shape.head_width * shape.layers) as f64;
    let head = (pack.choosing() * shape.width * shape.vocabulary) as f64;
    let tokens = pack.tokens.size()[0] as f64;
    let there = 2.0 * tokens * (frozen + added) + 4.0 * attention + 2.0 * head;
    let back = 2.0 * tokens * (frozen + 2.0 * added) + 8.0 * attention + 2.0 * head;
    if trained { there + back } else { there }
}

/// Operations of a second of plain large matrix products on a device; the best of some.
pub(super) fn most_per_second(device: Device, kind: Kind) -> f64 {
    let width = if device == Device::Cpu { CPU_WIDTH } else { GPU_WIDTH };
    let wait = || {
        if let Device::Cuda(number) = device {
            Cuda::synchronize(number as i64);
        }
    };
    no_grad(|| {
        // Of zeros or ones the same product is faster than of weights.
        let matrix = Tensor::randn([width, width], (Kind::Float, device)).to_kind(kind);
        let product = || {
            wait();
            let started = Instant::now();
            let _ = matrix.matmul(&matrix);
            wait();
            started.elapsed().as_secs_f64()
        };
        // The first ones prepare a device.
        let least = (0..ROUNDS).map(|_| product()).fold(f64::INFINITY, f64::min);
        2.0 * (width as f64).powi(3) / least.max(1e-9)
    })
}
