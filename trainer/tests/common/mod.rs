//! Small bases of all three architectures with random weights, for tests that compare numbers.
//!
//! Rooms it touches: core, weights, engine.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test uses some of it, and fails by a panic

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepsake_core::model::Tokenizer;
use keepsake_core::testing::gguf::GgufWriter;
use keepsake_trainer::engine::local::{LocalEngine, LocalSettings, Where};
use keepsake_trainer::engine::{Ask, Branch, Choice, Dice, Part, PolicyEngine, Scores, Tree};
use keepsake_trainer::weights::{Architecture, Base, Lora};

pub const WIDTH: u64 = 32;
pub const HIDDEN: u64 = 48;
pub const LAYERS: u32 = 2;
pub const HEADS: u32 = 4;
pub const KV_HEADS: u32 = 2;
/// Not `WIDTH / HEADS`, as in Qwen3.
pub const QWEN3_HEAD: u32 = 12;
pub const ALL: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];
pub const PART: Part = Part::Manager;
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Writes a base of this architecture into a folder.
pub fn tiny_base(folder: &Path, architecture: Architecture) -> PathBuf {
    let arch = architecture.name();
    let key = |name: &str| format!("{arch}.{name}");
    let head = if architecture == Architecture::Qwen3 { QWEN3_HEAD } else { WIDTH as u32 / HEADS };
    let mut tokens: Vec<String> = CONTROL.iter().map(|text| (*text).to_owned()).collect();
    tokens.extend((0..=255).map(|byte| letter(byte).to_string()));
    let mut kinds = vec![3; CONTROL.len()];
    kinds.resize(tokens.len(), 1);
    let vocabulary = tokens.len() as u64;
    let mut writer = GgufWriter::new()
        .text("general.architecture", arch)
        .u32(&key("context_length"), 4096)
        .u32(&key("embedding_length"), WIDTH as u32)
        .u32(&key("block_count"), LAYERS)
        .u32(&key("feed_forward_length"), HIDDEN as u32)
        .u32(&key("attention.head_count"), HEADS)
        .u32(&key("attention.head_count_kv"), KV_HEADS)
        .u32(&key("attention.key_length"), head)
        .u32(&key("attention.value_length"), head)
        .u32(&key("rope.dimension_count"), head)
        .f32(&key("rope.freq_base"), 10_000.0)
        .f32(&key("attention.layer_norm_rms_epsilon"), 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens.iter().map(String::as_str).collect::<Vec<_>>())
        .texts("tokenizer.ggml.merges", &["a b"])
        .numbers("tokenizer.ggml.token_type", &kinds)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .text("tokenizer.chat_template", CONTROL[1]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut normal = move |count: u64, scale: f32, around: f32| -> Vec<f32> {
        (0..count)
            .map(|_| around + scale * (random.f32() + random.f32() + random.f32() - 1.5) * 2.0)
            .collect()
    };
    let mut tensor = |writer: GgufWriter, name: &str, size: &[u64], scale: f32, around: f32| {
        writer.tensor_f32(name, size, &normal(size.iter().product(), scale, around))
    };
    let (queries, keys) = (u64::from(HEADS * head), u64::from(KV_HEADS * head));
    writer = tensor(writer, "token_embd.weight", &[WIDTH, vocabulary], 1.0, 0.0);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let scale = 1.0 / (WIDTH as f32).sqrt();
        writer = tensor(writer, &name("attn_norm.weight"), &[WIDTH], 0.1, 1.0);
        for (part, rows) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
            writer = tensor(writer, &name(&format!("{part}.weight")), &[WIDTH, rows], scale, 0.0);
            if architecture == Architecture::Qwen2 {
                writer = tensor(writer, &name(&format!("{part}.bias")), &[rows], 0.3, 0.0);
            }
        }
        if architecture == Architecture::Qwen3 {
            writer = tensor(writer, &name("attn_q_norm.weight"), &[u64::from(head)], 0.1, 1.0);
            writer = tensor(writer, &name("attn_k_norm.weight"), &[u64::from(head)], 0.1, 1.0);
        }
        writer = tensor(writer, &name("attn_output.weight"), &[queries, WIDTH], scale, 0.0);
        writer = tensor(writer, &name("ffn_norm.weight"), &[WIDTH], 0.1, 1.0);
        for part in ["ffn_gate.weight", "ffn_up.weight"] {
            writer = tensor(writer, &name(part), &[WIDTH, HIDDEN], scale, 0.0);
        }
        writer = tensor(writer, &name("ffn_down.weight"), &[HIDDEN, WIDTH], scale, 0.0);
    }
    writer = tensor(writer, "output_norm.weight", &[WIDTH], 0.1, 1.0);
    if architecture != Architecture::Qwen2 {
        writer = tensor(writer, "output.weight", &[WIDTH, vocabulary], 0.1, 0.0);
    }
    let path = folder.join(format!("{arch}.gguf"));
    std::fs::write(&path, writer.finish()).unwrap();
    path
}

/// How GPT-2's vocabulary writes a byte.
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !printable(*other)).count() as u32;
    char::from_u32(256 + before).unwrap()
}

/// An engine on the processor over a base file.
pub fn engine(base: &Path, change: impl FnOnce(&mut LocalSettings)) -> LocalEngine {
    let tokenizer = Arc::new(Tokenizer::open(base, None).unwrap());
    let mut settings = LocalSettings {
        device: Where::Cpu,
        threads: Some(2),
        rank: 4,
        alpha: 8.0,
        seed: 3,
        ..LocalSettings::default()
    };
    change(&mut settings);
    LocalEngine::load(&Base::open(base).unwrap(), tokenizer, settings).unwrap()
}

/// A LoRA of which both matrices do something.
pub fn busy_lora(engine: &mut LocalEngine, part: Part) -> Lora {
    engine.logprobs(Some(part), &[]).unwrap();
    let mut lora = engine.lora(part).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for pair in lora.pairs.values_mut() {
        pair.b.iter_mut().for_each(|value| *value = (random.f32() - 0.5) * 0.3);
    }
    engine.adopt(part, &lora).unwrap();
    lora
}

/// Trees of random tokens, some of them chosen among few.
pub fn trees() -> Vec<Tree> {
    let mut random = fastrand::Rng::with_seed(5);
    let mut tokens = |count: usize| (0..count).map(|_| random.i32(3..259)).collect::<Vec<_>>();
    let mut trees = Vec::new();
    for (prompt, branches) in [(9, &[5, 1, 7][..]), (4, &[3]), (1, &[2, 6])] {
        let prompt = tokens(prompt);
        let branch = |length: &usize| {
            let tokens = tokens(*length);
            let choices = tokens.iter().enumerate().map(|(at, token)| choice(at, *token)).collect();
            Branch { tokens, choices }
        };
        trees.push(Tree { prompt, branches: branches.iter().map(branch).collect() });
    }
    trees
}

/// Every third token is forced, every other one chosen among 40 that it is one of.
fn choice(at: usize, token: i32) -> Choice {
    match at % 3 {
        0 => Choice::Any,
        1 => {
            let mut bits = vec![0_u32; 9];
            for other in (0..40).map(|step| (token + 5 * step) % 259) {
                bits[other as usize / 32] |= 1 << (other % 32);
            }
            Choice::Among(bits.into())
        }
        _ => Choice::Forced,
    }
}

/// Each branch as a tree of its own.
pub fn apart(trees: &[Tree]) -> Vec<Tree> {
    let alone =
        |tree: &Tree, branch: &Branch| Tree { prompt: tree.prompt.clone(), branches: vec![branch.clone()] };
    trees.iter().flat_map(|tree| tree.branches.iter().map(move |branch| alone(tree, branch))).collect()
}

/// The largest difference between two lists, each difference in units of the larger number or 1e-3.
pub fn furthest(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let apart = |(a, b): (&f32, &f32)| (a - b).abs() / a.abs().max(b.abs()).max(1e-3);
    one.iter().zip(other).map(apart).fold(0.0, f32::max)
}

/// All numbers of a LoRA.
pub fn flat(lora: &Lora) -> Vec<f32> {
    lora.pairs.values().flat_map(|pair| pair.a.iter().chain(&pair.b)).copied().collect()
}

/// Where the tokens of each branch begin among those of all, by tree and branch.
pub fn firsts(trees: &[Tree]) -> BTreeMap<(usize, usize), usize> {
    let mut count = 0;
    let mut firsts = BTreeMap::new();
    for (tree, of) in trees.iter().enumerate() {
        for (branch, tokens) in of.branches.iter().enumerate() {
            firsts.insert((tree, branch), count);
            count += tokens.tokens.len();
        }
    }
    firsts
}

pub fn numbers(scores: &Scores) -> Vec<f32> {
    scores.values.iter().flatten().flatten().copied().collect()
}

/// A loss with a different weight for every token of the flat order: its derivative by each log-probability.
pub fn weight(at: usize) -> f32 {
    (at as f32 * 0.7).sin() + 0.2
}

/// Gradients of that loss.
pub fn gradients(engine: &mut LocalEngine, part: Part, trees: &[Tree]) -> (Vec<f32>, Vec<f32>) {
    let firsts = firsts(trees);
    let scores = engine
        .forward_backward(part, trees, &mut |tree, branch, scores| {
            let first = firsts[&(tree, branch)];
            (first..first + scores.len()).map(weight).collect()
        })
        .unwrap();
    let gradients = engine.gradients(part).unwrap();
    engine.clear(part);
    (numbers(&scores), flat(&gradients))
}

/// Trees whose prompts begin with the same forty tokens, one of them with no more; and replies that do not fit into one
/// block of attention.
pub fn alike() -> Vec<Tree> {
    let mut trees = trees();
    trees.push(Tree { prompt: Vec::new(), ..trees[1].clone() });
    let long = |length: i32| {
        let tokens: Vec<i32> = (0..length).map(|at| 3 + at * 7 % 250).collect();
        Branch { choices: vec![Choice::Any; tokens.len()], tokens }
    };
    trees.push(Tree { prompt: vec![7, 8], branches: [190, 120, 3].map(long).into() });
    for tree in &mut trees {
        let own = std::mem::take(&mut tree.prompt);
        tree.prompt = (50..90).chain(own).collect();
    }
    trees
}

/// Asks for six tokens behind each tree's prompt.
pub fn asks(trees: impl Iterator<Item = Tree>) -> Vec<Ask> {
    let ask = |(at, tree): (usize, Tree)| Ask {
        prompt: tree.prompt.into(),
        grammar: None,
        max_tokens: 6,
        temperature: 1.0,
        dice: Dice::new(&[at as u64]),
    };
    trees.enumerate().map(ask).collect()
}
