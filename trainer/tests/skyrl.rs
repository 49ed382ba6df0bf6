//! The engine on SkyRL's server: a tiny model is taught a reply through it.
//!
//! Opt-in: it runs where KEEPSAKE_SKYRL_URL is the address of a server and KEEPSAKE_SKYRL_MODEL its base,
//! which `trainer/tests/skyrl.sh` sees to. Without them it says so and checks nothing.
//!
//! Rooms it touches: engine, weights.
#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::time::Instant;

use keepsake_trainer::engine::tinker::{
    Dialect, Patience, RemoteBase, Server, TinkerEngine, TinkerError, TinkerSettings,
};
use keepsake_trainer::engine::{
    AdamW, Ask, Branch, Choice, Dice, EngineError, Part, PolicyEngine, Scores, Token, Tree,
};
use keepsake_trainer::weights::{Architecture, Shape};

const END: Token = 2;
/// What the gradient is looked at on, and what is taught.
const PART: Part = Part::Manager;
const TAUGHT: Part = Part::Answer;
/// Steps of the lesson; the state is saved half way.
const STEPS: usize = 60;

/// That of the model which the script makes.
fn shape() -> Shape {
    Shape {
        architecture: Architecture::Llama,
        layers: 2,
        width: 32,
        hidden: 48,
        heads: 4,
        kv_heads: 2,
        head_width: 8,
        vocabulary: 259,
        context: 512,
        rope_base: 10_000.0,
        rope_width: 8,
        norm_epsilon: 1e-6,
        tied: false,
    }
}

fn engine(url: String, model: String) -> TinkerEngine {
    let server = Server { url, key: None, patience: Patience::default() };
    let base = RemoteBase { name: model, shape: shape(), context_tokens: 512, ends: vec![END] };
    // SkyRL's JAX backend does not clip.
    let settings = TinkerSettings { dialect: Dialect::SkyrlJax, rank: 4, seed: 7, server_optimiser: true };
    TinkerEngine::connect(&server, base, settings).unwrap()
}

fn branch(tokens: &[Token]) -> Branch {
    Branch { tokens: tokens.to_vec(), choices: vec![Choice::Any; tokens.len()] }
}

fn trees() -> Vec<Tree> {
    vec![
        Tree {
            prompt: vec![1, 70, 71, 72, 1],
            branches: vec![branch(&[80, 81, END]), branch(&[90, 91, 92, 93, END])],
        },
        Tree { prompt: vec![1, 75, 1], branches: vec![branch(&[100, END])] },
    ]
}

/// Of both signs; over the first reply their sum is 0, over the second it is below.
fn slope(tree: usize, branch: usize, at: usize) -> f32 {
    match (tree, branch) {
        (0, 0) => [0.5, -0.75, 0.25][at],
        (0, _) => 0.1 - 0.2 * at as f32,
        _ => 0.4 - 0.3 * at as f32,
    }
}

fn loss(scores: &Scores) -> f32 {
    let mut loss = 0.0;
    for (tree, branches) in scores.values.iter().enumerate() {
        for (nth, scores) in branches.iter().enumerate() {
            loss += scores.iter().enumerate().map(|(at, score)| slope(tree, nth, at) * score).sum::<f32>();
        }
    }
    loss
}

/// Hands the derivatives in, times a factor.
fn learn(engine: &mut TinkerEngine, trees: &[Tree], first: usize, factor: f32) -> Scores {
    let mut slopes = |tree: usize, branch: usize, scores: &[f32]| -> Vec<f32> {
        (0..scores.len()).map(|at| factor * slope(first + tree, branch, at)).collect()
    };
    engine.forward_backward(PART, trees, &mut slopes).unwrap()
}

fn step(engine: &mut TinkerEngine, part: Part, learning_rate: f64) -> f64 {
    let stepped = engine.step(part, &AdamW { learning_rate, ..AdamW::default() }).unwrap();
    assert!(!stepped.skipped);
    stepped.gradient_norm
}

/// One step towards what the trees say.
fn imitate(engine: &mut TinkerEngine, trees: &[Tree]) {
    engine.forward_backward(TAUGHT, trees, &mut |_, _, scores| vec![-0.25; scores.len()]).unwrap();
    step(engine, TAUGHT, 5e-3);
}

fn near(one: &[f32], other: &[f32], apart: f32) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert!((one - other).abs() < apart, "{one} {other}");
    }
}

fn flat(scores: &Scores) -> Vec<f32> {
    scores.values.iter().flatten().flatten().copied().collect()
}

#[test]
fn a_tiny_model_is_trained_through_the_server() {
    let (Ok(url), Ok(model)) = (std::env::var("KEEPSAKE_SKYRL_URL"), std::env::var("KEEPSAKE_SKYRL_MODEL"))
    else {
        println!(
            "not run: KEEPSAKE_SKYRL_URL and KEEPSAKE_SKYRL_MODEL name no server; trainer/tests/skyrl.sh does"
        );
        return;
    };
    let started = Instant::now();
    let tell = |what: String| println!("{:6.1} s  {what}", started.elapsed().as_secs_f64());
    let mut engine = engine(url, model);

    let base = flat(&engine.logprobs(None, &trees()).unwrap());
    let fresh = engine.logprobs(Some(PART), &trees()).unwrap();
    near(&base, &flat(&fresh), 1e-4);
    tell("a new LoRA changes nothing".to_owned());

    // The gradient is linear in the derivatives, and does not care how they come in.
    learn(&mut engine, &trees(), 0, 1.0);
    let norm = step(&mut engine, PART, 0.0);
    learn(&mut engine, &trees(), 0, 2.0);
    let doubled = step(&mut engine, PART, 0.0);
    for (at, tree) in trees().iter().enumerate() {
        learn(&mut engine, std::slice::from_ref(tree), at, 1.0);
    }
    let apart = step(&mut engine, PART, 0.0);
    assert!(norm > 1e-3 && (doubled / norm - 2.0).abs() < 1e-3 && (apart / norm - 1.0).abs() < 1e-3);
    tell(format!("norm of the gradient {norm:.5}; of twice the loss {doubled:.5}; in two calls {apart:.5}"));
    near(&base, &flat(&engine.logprobs(Some(PART), &trees()).unwrap()), 1e-4);

    let before = loss(&fresh);
    for _ in 0..4 {
        learn(&mut engine, &trees(), 0, 1.0);
        step(&mut engine, PART, 3e-3);
    }
    let after = loss(&engine.logprobs(Some(PART), &trees()).unwrap());
    assert!(after < before - 0.01, "{before} {after}");
    tell(format!("a loss with slopes of both signs falls: {before:.4} to {after:.4}"));

    let lesson = Tree { prompt: vec![1, 104, 105, 1], branches: vec![branch(&[110, 111, 112, END])] };
    let lessons = [lesson.clone()];
    let likely = |engine: &mut TinkerEngine| -> f32 {
        engine.logprobs(Some(TAUGHT), &lessons).unwrap().values[0][0].iter().sum()
    };
    let untaught = likely(&mut engine);
    (0..STEPS / 2).for_each(|_| imitate(&mut engine, &lessons));
    let (state, half) = (engine.save(TAUGHT).unwrap(), likely(&mut engine));
    (STEPS / 2..STEPS).for_each(|_| imitate(&mut engine, &lessons));
    let taught = likely(&mut engine);
    tell(format!("log-probability of a taught reply: {untaught:.2}, {half:.2}, {taught:.2}"));
    assert!(untaught < half && half < taught && taught > -0.5);

    let ask = |temperature: f32, name: u64| Ask {
        prompt: lesson.prompt.clone().into(),
        grammar: None,
        max_tokens: 12,
        temperature,
        dice: Dice::new(&[name]),
    };
    let greedy = engine.sample(TAUGHT, &[ask(0.0, 0)]).unwrap();
    assert_eq!((&greedy[0].branch, greedy[0].cut_off), (&lesson.branches[0], false));
    let asks: Vec<Ask> = (1..5).map(|name| ask(1.0, name)).collect();
    let drawn = engine.sample(TAUGHT, &asks).unwrap();
    assert_eq!(drawn, engine.sample(TAUGHT, &asks).unwrap());
    let branches = drawn.iter().map(|written| written.branch.clone()).collect();
    let drawn_from = [Tree { prompt: lesson.prompt.clone(), branches }];
    let scores = engine.logprobs(Some(TAUGHT), &drawn_from).unwrap();
    for (written, scores) in drawn.iter().zip(&scores.values[0]) {
        near(&written.logprobs, scores, 1e-3);
    }
    tell("drawn greedily it is that reply; log-probabilities are the same in drawing and scoring".to_owned());

    engine.load(TAUGHT, &state).unwrap();
    let back = likely(&mut engine);
    near(&[back], &[half], 1e-3);
    (STEPS / 2..STEPS).for_each(|_| imitate(&mut engine, &lessons));
    let again = likely(&mut engine);
    near(&[again], &[taught], 1e-2);
    tell(format!("from the saved state ({back:.2}) training comes to the same: {again:.2}"));

    let lora = engine.lora(TAUGHT).unwrap();
    assert!(lora.pairs.len() == 14 && (lora.alpha - 32.0).abs() < 1e-6);
    assert!(lora.pairs.values().all(|pair| pair.rank == 4 && pair.b.iter().any(|value| *value != 0.0)));
    tell(format!("the adapter comes as PEFT's files: {} pairs", lora.pairs.len()));

    let refused = engine.values(Part::ManagerCritic, &trees());
    assert!(matches!(refused, Err(EngineError::Server(TinkerError::NoCritics))));
    engine.close().unwrap();
    tell("the LoRAs are taken off the server".to_owned());
}
