//! A GPU beside the processor: the same bases, trees and LoRAs. Not among the tests that run everywhere: `make test-gpu`.
//!
//! Rooms it touches: engine, weights.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test fails by a panic; this one prints what it measured

mod common;

use common::{ALL, PART, alike, asks, busy_lora, engine, gradients, numbers, tiny_base};
use keepsake_trainer::engine::local::Where;
use keepsake_trainer::engine::{Ask, PolicyEngine, Tree, Written};

/// Of the same base, in bfloat16 as GPUs compute: its rounding is what they differ by, 0.004 of a log-probability in the
/// mean for this Llama and 0.045 for this Qwen2, whose biases are large (one H200).
#[test]
fn a_gpu_says_what_the_processor_says() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let base = tiny_base(folder.path(), architecture);
        let mut cpu = engine(&base, |_| {});
        let mut gpu = engine(&base, |settings| settings.device = Where::Cuda(0));
        let lora = busy_lora(&mut cpu, PART);
        gpu.adopt(PART, &lora).unwrap();
        let (scores, gradient) = gradients(&mut cpu, PART, &alike());
        let (other_scores, other_gradient) = gradients(&mut gpu, PART, &alike());
        let off = mean_from(&scores, &other_scores);
        let alike_as = cosine(&gradient, &other_gradient);
        println!("{architecture:?}: log-probabilities off by {off}, cosine of gradients {alike_as}");
        assert!(off < 0.1, "{architecture:?}: {off}");
        assert!(alike_as > 0.999, "{architecture:?}: {alike_as}");

        let asks = asks(alike().into_iter());
        let written = gpu.sample(PART, &asks).unwrap();
        let tree = |(ask, written): (&Ask, &Written)| Tree {
            prompt: ask.prompt.to_vec(),
            branches: vec![written.branch.clone()],
        };
        let said: Vec<Tree> = asks.iter().zip(&written).map(tree).collect();
        let sampled: Vec<f32> = written.iter().flat_map(|written| written.logprobs.clone()).collect();
        let off = mean_from(&sampled, &numbers(&gpu.logprobs(Some(PART), &said).unwrap()));
        println!("{architecture:?}: sampler and trainer off by {off}");
        assert!(off < 0.1, "{architecture:?}: {off}");
    }
}

/// The mean difference.
fn mean_from(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum::<f32>() / one.len() as f32
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}
