//! Log-probabilities and gradients against PyTorch with transformers and PEFT, for all three architectures.
//!
//! The golden numbers lie in `tests/golden`; `tests/golden/make.py` makes them anew from what this test writes where
//! `KEEPSAKE_GOLDEN` names a folder. Rooms it touches: engine, weights.

mod common;

use std::path::{Path, PathBuf};

use common::{busy_lora, engine, firsts, flat, furthest, tiny_base, trees};
use keepsake_trainer::engine::{Choice, Part, PolicyEngine};
use keepsake_trainer::weights::{Architecture, read_peft, write_peft};

const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];
/// Every number within this of PyTorch's, in units of the larger one.
const BOUND: f32 = 1e-4;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn log_probabilities_and_gradients_are_pytorchs() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let mut engine = engine(&tiny_base(folder.path(), architecture), |_| {});
        busy_lora(&mut engine, Part::Manager);
        let firsts = firsts(&trees());
        let scores = engine
            .forward_backward(Part::Manager, &trees(), &mut |tree, branch, scores| {
                let first = firsts[&(tree, branch)];
                (first..first + scores.len()).map(|at| (at as f32 * 0.7).sin() + 0.2).collect()
            })
            .unwrap();
        let folder = golden(architecture.name());
        let wanted: Vec<f32> =
            serde_json::from_str(&std::fs::read_to_string(folder.join("logprobs.json")).unwrap()).unwrap();
        let found: Vec<f32> = scores.values.into_iter().flatten().flatten().collect();
        assert!(furthest(&found, &wanted) < BOUND, "{architecture:?}: {found:?}\n{wanted:?}");
        // A gradient has the shape of its matrix, and is kept as one.
        let wanted = flat(&read_peft(&folder, engine.shape()).unwrap());
        let found = flat(&engine.gradients(Part::Manager).unwrap());
        let most = wanted.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most > 0.1 && apart / most < BOUND, "{architecture:?}: {apart} of {most}");
    }
}

/// Writes what `make.py` reads.
#[test]
fn inputs_for_golden_numbers() {
    let Some(folder) = std::env::var_os("KEEPSAKE_GOLDEN").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let choice = |choice: &Choice| match choice {
        Choice::Forced => serde_json::json!("forced"),
        Choice::Any => serde_json::json!("any"),
        Choice::Among(bits) => {
            let there = |token: &usize| bits[token / 32] >> (token % 32) & 1 == 1;
            serde_json::json!((0..32 * bits.len()).filter(there).collect::<Vec<_>>())
        }
    };
    let trees: Vec<serde_json::Value> = trees()
        .iter()
        .map(|tree| {
            let branches: Vec<_> = tree
                .branches
                .iter()
                .map(|branch| {
                    serde_json::json!([branch.tokens, branch.choices.iter().map(choice).collect::<Vec<_>>()])
                })
                .collect();
            serde_json::json!({"prompt": tree.prompt, "branches": branches})
        })
        .collect();
    std::fs::write(folder.join("trees.json"), serde_json::to_vec(&trees).unwrap()).unwrap();
    for architecture in ALL {
        let mut engine = engine(&tiny_base(&folder, architecture), |_| {});
        let lora = busy_lora(&mut engine, Part::Manager);
        let peft = folder.join(format!("{}-peft", architecture.name()));
        write_peft(&peft, engine.shape(), &lora, "tiny").unwrap();
    }
}
