//! The local engine: what it computes does not depend on how it is laid out, and its gradients are those of its loss.
//!
//! Rooms it touches: engine, weights.

#![allow(clippy::unwrap_used)] // a test fails by a panic

mod common;

use std::sync::Arc;

use common::{
    ALL, PART, alike, apart, asks, busy_lora, engine, flat, furthest, gradients, numbers, tiny_base, trees,
    weight,
};
use keepsake_trainer::engine::local::{LocalEngine, LocalSettings, Where};
use keepsake_trainer::engine::{AdamW, Ask, Branch, Choice, Dice, Part, PolicyEngine, Tree};
use keepsake_trainer::weights::{Architecture, Linear, Lora, Shape};

#[test]
fn sharing_a_prompt_packing_and_recomputing_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let base = tiny_base(folder.path(), architecture);
        let mut shared = engine(&base, |_| {});
        let lora = busy_lora(&mut shared, PART);
        let (scores, gradient) = gradients(&mut shared, PART, &trees());
        assert!(gradient.iter().any(|value| value.abs() > 0.1), "{architecture:?}");
        let layouts: [(&str, usize, bool, Vec<Tree>); 4] = [
            ("a tree a pass", 1, false, trees()),
            ("recomputed", 2048, true, trees()),
            ("unshared in one pass", 2048, false, apart(&trees())),
            ("unshared, a sequence a pass", 1, true, apart(&trees())),
        ];
        for (name, pack_tokens, recompute, trees) in layouts {
            let mut other = engine(&base, |settings| {
                (settings.pack_tokens, settings.recompute) = (pack_tokens, recompute)
            });
            other.adopt(PART, &lora).unwrap();
            let (other_scores, other_gradient) = gradients(&mut other, PART, &trees);
            assert!(furthest(&scores, &other_scores) < 1e-5, "{architecture:?}, {name}");
            assert!(absolute(&gradient, &other_gradient) < 1e-5, "{architecture:?}, {name}");
            assert_eq!(numbers(&other.logprobs(Some(PART), &trees).unwrap()), other_scores);
        }
    }
}

#[test]
fn a_beginning_that_different_prompts_share_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let base = tiny_base(folder.path(), architecture);
        let mut shared = engine(&base, |_| {});
        let mut apart = engine(&base, |settings| settings.shared_tokens = 0);
        let lora = busy_lora(&mut shared, PART);
        apart.adopt(PART, &lora).unwrap();
        let (scores, gradient) = gradients(&mut shared, PART, &alike());
        let (other_scores, other_gradient) = gradients(&mut apart, PART, &alike());
        let off = absolute_from(&scores, &other_scores);
        assert!(off < 1e-5, "{architecture:?}: {off}");
        assert!(absolute(&gradient, &other_gradient) < 1e-5, "{architecture:?}");

        let asks = asks(alike().into_iter().rev());
        let (written, other) = (shared.sample(PART, &asks).unwrap(), apart.sample(PART, &asks).unwrap());
        for (one, other) in written.iter().zip(&other) {
            assert_eq!(one.branch, other.branch, "{architecture:?}");
            let off = absolute_from(&one.logprobs, &other.logprobs);
            assert!(off < 1e-5, "{architecture:?}: {off}");
        }
    }
}

#[test]
fn random_weights_of_a_shape_can_be_trained_and_sampled() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let file = tiny_base(folder.path(), architecture);
        let like = engine(&file, |_| {});
        // A vocabulary that is larger than the tokenizer's.
        let shape = Shape { vocabulary: 300, ..like.shape().clone() };
        let settings = LocalSettings { device: Where::Cpu, rank: 4, ..LocalSettings::default() };
        let mut random = LocalEngine::random(&shape, Arc::clone(like.tokenizer()), settings).unwrap();
        let lora = busy_lora(&mut random, PART);
        random.adopt(PART, &lora).unwrap();
        let (scores, gradient) = gradients(&mut random, PART, &trees());
        assert!(scores.iter().all(|score| score.is_finite() && *score <= 0.0), "{architecture:?}");
        assert!(gradient.iter().all(|value| value.is_finite()), "{architecture:?}");
        assert!(gradient.iter().any(|value| *value != 0.0), "{architecture:?}");
        let prompt: Arc<[i32]> = vec![50, 60, 70].into();
        let ask = Ask { prompt, grammar: None, max_tokens: 9, temperature: 1.0, dice: Dice::new(&[1]) };
        let written = random.sample(PART, &[ask]).unwrap();
        assert!(written[0].branch.tokens.iter().all(|token| *token < 259), "{:?}", written[0].branch.tokens);
    }
}

/// The largest difference, in units of the largest number.
fn absolute(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let most = one.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / most
}

/// Moves every number of a LoRA along a direction.
fn moved(lora: &Lora, direction: &[f32], by: f32) -> Lora {
    let mut moved = lora.clone();
    let numbers = moved.pairs.values_mut().flat_map(|pair| pair.a.iter_mut().chain(&mut pair.b));
    numbers.zip(direction).for_each(|(number, along)| *number += by * along);
    moved
}

/// Whether a gradient is that of finite differences of a loss around a LoRA, along eight directions.
fn assert_gradient(what: &str, lora: &Lora, gradient: &[f32], loss: &mut dyn FnMut(&Lora) -> f64) {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..8 {
        let direction: Vec<f32> = gradient.iter().map(|_| random.f32() - 0.5).collect();
        let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        // Five-point stencil: its error is that of the fourth power of the step.
        let step = 4e-3_f32;
        let mut at = |times: f32| loss(&moved(lora, &direction, times * step));
        let (near, far) = (at(1.0) - at(-1.0), at(2.0) - at(-2.0));
        let found = (8.0 * near - far) / (12.0 * f64::from(step));
        let scale = exact.abs().max(1.0);
        assert!((exact - found).abs() / scale < 1e-3, "{what}: {exact} against {found}");
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let folder = tempfile::tempdir().unwrap();
    for (architecture, part) in
        ALL.into_iter().zip([PART, PART, PART]).chain([(Architecture::Llama, Part::ManagerCritic)])
    {
        let base = tiny_base(folder.path(), architecture);
        let mut engine = engine(&base, |_| {});
        let lora = busy_lora(&mut engine, part);
        if part.is_critic() {
            // A value head of zeros hands nothing back.
            engine.forward_backward(part, &trees(), &mut |_, _, scores| vec![1.0; scores.len()]).unwrap();
            engine.step(part, &AdamW { learning_rate: 0.3, ..AdamW::default() }).unwrap();
            engine.adopt_matrices(part, &lora).unwrap();
        }
        let (_, gradient) = gradients(&mut engine, part, &trees());
        let mut loss = |lora: &Lora| -> f64 {
            engine.adopt_matrices(part, lora).unwrap();
            let scores = if part.is_critic() {
                engine.values(part, &trees())
            } else {
                engine.logprobs(Some(part), &trees())
            };
            numbers(&scores.unwrap())
                .iter()
                .enumerate()
                .map(|(at, score)| f64::from(weight(at) * score))
                .sum()
        };
        assert_gradient(&format!("{architecture:?} {part:?}"), &lora, &gradient, &mut loss);
    }
}

/// A LoRA whose B is turned: another policy with the same linears.
fn turned(lora: &Lora) -> Lora {
    let mut turned = lora.clone();
    turned.pairs.values_mut().for_each(|pair| pair.b.iter_mut().for_each(|value| *value *= -0.7));
    turned
}

/// Divergences from the teacher, flat, and the gradients of a quarter of their sum.
fn followed(engine: &mut LocalEngine, trees: &[Tree]) -> (Vec<f32>, Vec<f32>) {
    let divergences = engine.follow(PART, trees, 0.25).unwrap();
    let gradient = flat(&engine.gradients(PART).unwrap());
    engine.clear(PART);
    (divergences.into_iter().flatten().flatten().collect(), gradient)
}

#[test]
fn a_teacher_is_followed_by_the_divergence_from_it() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let base = tiny_base(folder.path(), architecture);
        let mut engine = engine(&base, |_| {});
        let lora = busy_lora(&mut engine, PART);
        let refused = engine.follow(PART, &trees(), 1.0).unwrap_err().to_string();
        assert!(refused.contains("no adapter to learn from"), "{refused}");
        engine.teach(&turned(&lora)).unwrap();
        let refused = engine.follow(Part::ManagerCritic, &trees(), 1.0).unwrap_err().to_string();
        assert!(refused.contains("critic"), "{refused}");

        // Worked out from the whole distributions: each token of the vocabulary a reply of its own.
        let tokens = 0..engine.shape().vocabulary as i32;
        let any = |token| Branch { tokens: vec![token], choices: vec![Choice::Any] };
        let every = Tree { prompt: vec![5, 9, 77], branches: tokens.map(any).collect() };
        let [own, wanted] = [lora.clone(), turned(&lora)].map(|lora| {
            engine.adopt(PART, &lora).unwrap();
            numbers(&engine.logprobs(Some(PART), std::slice::from_ref(&every)).unwrap())
        });
        engine.adopt(PART, &lora).unwrap();
        let by_hand: f32 = wanted.iter().zip(&own).map(|(q, p)| q.exp() * (q - p)).sum();
        let one = Tree { branches: vec![every.branches[8].clone()], ..every };
        let found = followed(&mut engine, &[one]).0[0];
        assert!(
            by_hand > 0.01 && (found / by_hand - 1.0).abs() < 1e-4,
            "{architecture:?}: {found}, {by_hand}"
        );

        let (divergences, gradient) = followed(&mut engine, &trees());
        let choices = trees().into_iter().flat_map(|tree| tree.branches).flat_map(|branch| branch.choices);
        for (choice, divergence) in choices.zip(&divergences) {
            assert_eq!(*divergence > 0.0, choice != Choice::Forced, "{choice:?}: {divergence}");
        }
        let mut loss = |lora: &Lora| -> f64 {
            engine.adopt_matrices(PART, lora).unwrap();
            followed(&mut engine, &trees()).0.iter().map(|divergence| 0.25 * f64::from(*divergence)).sum()
        };
        assert_gradient(&format!("{architecture:?}"), &lora, &gradient, &mut loss);
        // From itself nobody diverges.
        assert!(loss(&turned(&lora)).abs() < 1e-5);
    }
}

#[test]
fn a_teacher_is_followed_the_same_however_trees_are_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    let base = tiny_base(folder.path(), Architecture::Llama);
    let mut expected: Option<(Vec<f32>, Vec<f32>)> = None;
    // In one pass with a shared beginning these are more rows than one chunk of logits has.
    for (pack_tokens, shared_tokens, recompute) in
        [(2048, 640, false), (2048, 0, true), (1, 640, true), (1, 0, false)]
    {
        let mut engine = engine(&base, |settings| {
            (settings.pack_tokens, settings.shared_tokens, settings.recompute) =
                (pack_tokens, shared_tokens, recompute);
        });
        let lora = busy_lora(&mut engine, PART);
        engine.teach(&turned(&lora)).unwrap();
        let before = engine.work().unwrap().operations;
        let found = followed(&mut engine, &alike());
        // There and back, and there once more for the teacher.
        let followed = engine.work().unwrap().operations - before;
        gradients(&mut engine, PART, &alike());
        let learnt = engine.work().unwrap().operations - before - followed;
        engine.logprobs(Some(PART), &alike()).unwrap();
        let there = engine.work().unwrap().operations - before - followed - learnt;
        assert!((followed / (learnt + there) - 1.0).abs() < 1e-9, "{followed}, {learnt}, {there}");
        let expected = expected.get_or_insert_with(|| found.clone());
        assert!(absolute_from(&found.0, &expected.0) < 1e-5, "{pack_tokens} {shared_tokens}");
        assert!(absolute(&found.1, &expected.1) < 1e-5, "{pack_tokens} {shared_tokens}");
    }
}

#[test]
fn an_adapter_of_some_linears_trains_those_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    // Of what reads the same input all, some and none; and nothing in a layer.
    let apart = vec![(0, Linear::Q), (0, Linear::V), (0, Linear::Gate), (0, Linear::Up), (1, Linear::Output)];
    let whole_layer = |layer: usize| Linear::ALL.map(|linear| (layer, linear)).to_vec();
    for (architecture, left_out, recompute) in [
        (Architecture::Llama, apart.clone(), false),
        (Architecture::Qwen2, apart, true),
        (Architecture::Qwen3, whole_layer(0), false),
        (Architecture::Llama, whole_layer(0), true),
        (Architecture::Llama, whole_layer(1), true),
    ] {
        let base = tiny_base(folder.path(), architecture);
        let mut engine = engine(&base, |settings| settings.recompute = recompute);
        let mut zeros = busy_lora(&mut engine, PART);
        let mut some = zeros.clone();
        for at in &left_out {
            some.pairs.remove(at);
            zeros.pairs.get_mut(at).unwrap().b.fill(0.0);
        }
        engine.adopt(PART, &zeros).unwrap();
        let (expected, all) = gradients(&mut engine, PART, &trees());
        let mut all = all.into_iter();
        let mut wanted = Vec::new();
        for (at, pair) in &zeros.pairs {
            let own = all.by_ref().take(pair.a.len() + pair.b.len());
            if some.pairs.contains_key(at) { wanted.extend(own) } else { own.for_each(drop) }
        }
        engine.adopt(PART, &some).unwrap();
        let (found, gradient) = gradients(&mut engine, PART, &trees());
        assert!(absolute_from(&found, &expected) < 1e-5, "{architecture:?}");
        assert!(absolute(&wanted, &gradient) < 1e-5, "{architecture:?}");

        engine.forward_backward(PART, &trees(), &mut |_, _, scores| vec![1.0; scores.len()]).unwrap();
        assert!(!engine.step(PART, &AdamW::default()).unwrap().skipped);
        let stepped = engine.lora(PART).unwrap();
        assert!(stepped.pairs.keys().eq(some.pairs.keys()));
        assert!(stepped.pairs.iter().all(|(at, pair)| *pair != some.pairs[at]));
        let saved = engine.save(PART).unwrap();
        engine.adopt(PART, &some).unwrap();
        engine.load(PART, &saved).unwrap();
        assert_eq!(engine.lora(PART).unwrap(), stepped);
        let fewer = Lora { pairs: some.pairs.clone().into_iter().skip(1).collect(), ..some.clone() };
        for strange in [zeros, fewer] {
            let refused = engine.adopt_matrices(PART, &strange).unwrap_err().to_string();
            assert!(refused.contains("other linears"), "{refused}");
        }
        let mut mixed = some.clone();
        let pair = mixed.pairs.values_mut().next().unwrap();
        (pair.rank, pair.a, pair.b) = (pair.rank * 2, pair.a.repeat(2), pair.b.repeat(2));
        assert!(engine.adopt(PART, &mixed).unwrap_err().to_string().contains("different ranks"));
    }
}

#[test]
fn what_is_written_has_the_trainers_log_probabilities_and_depends_on_its_own_dice() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in ALL {
        let mut engine = engine(&tiny_base(folder.path(), architecture), |_| {});
        busy_lora(&mut engine, PART);
        let prompts: [Arc<[i32]>; 2] = [Arc::from([5, 9, 77, 130]), Arc::from([8])];
        let ask = |prompt: usize, sample: u64, temperature: f32| Ask {
            prompt: Arc::clone(&prompts[prompt]),
            grammar: Some("(ADD|NOOP|UPDATE (1|2): [a-z]{1,12})".to_owned()),
            max_tokens: 16,
            temperature,
            dice: Dice::new(&[1, prompt as u64, sample]),
        };
        let asks: Vec<Ask> =
            (0..12).map(|at| ask(at % 2, at as u64, if at < 10 { 1.0 } else { 0.0 })).collect();
        let written = engine.sample(PART, &asks).unwrap();
        let texts: Vec<String> = written.iter().map(|w| engine.tokenizer().text(&w.branch.tokens)).collect();
        for (text, written) in texts.iter().zip(&written) {
            let valid = ["ADD", "NOOP"].contains(&&**text)
                || text.starts_with("UPDATE ") && (10..=21).contains(&text.len());
            assert!(valid || written.cut_off, "{text}");
        }
        assert!(texts.iter().collect::<std::collections::BTreeSet<_>>().len() > 2, "{texts:?}");
        // Alone, a reply is the same.
        for (ask, beside) in asks.iter().zip(&written) {
            let alone = &engine.sample(PART, std::slice::from_ref(ask)).unwrap()[0];
            assert_eq!(alone.branch, beside.branch);
        }
        let by_prompt = |prompt: usize| {
            let branches =
                (0..12).filter(|at| at % 2 == prompt).map(|at| written[at].branch.clone()).collect();
            Tree { prompt: prompts[prompt].to_vec(), branches }
        };
        let scores = engine.logprobs(Some(PART), &[by_prompt(0), by_prompt(1)]).unwrap();
        for (at, written) in written.iter().enumerate() {
            let trained = &scores.values[at % 2][at / 2];
            assert!(
                absolute_from(trained, &written.logprobs) < 2e-5,
                "{architecture:?}: {trained:?}, {:?}",
                written.logprobs
            );
            let forced = |choice: &Choice| *choice == Choice::Forced;
            assert!(
                written
                    .branch
                    .choices
                    .iter()
                    .zip(trained)
                    .all(|(choice, score)| !forced(choice) || *score == 0.0)
            );
        }
    }
}

fn absolute_from(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_saved_part_goes_on_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let base = tiny_base(folder.path(), Architecture::Qwen3);
    for part in [Part::Answer, Part::AnswerCritic] {
        let mut first = engine(&base, |_| {});
        let learn = |engine: &mut LocalEngine| {
            engine.forward_backward(part, &trees(), &mut |_, _, scores| vec![-1.0; scores.len()]).unwrap();
            let stepped = engine.step(part, &AdamW::default()).unwrap();
            assert!(!stepped.skipped && stepped.gradient_norm > 0.0);
        };
        learn(&mut first);
        let saved = first.save(part).unwrap();
        learn(&mut first);
        let mut second = engine(&base, |settings| settings.seed = 99);
        second.load(part, &saved).unwrap();
        learn(&mut second);
        assert_eq!(first.save(part).unwrap(), second.save(part).unwrap());
        assert!(second.load(part, &saved[1..]).is_err());
    }
}

#[test]
fn a_gradient_that_is_no_number_changes_nothing_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(&tiny_base(folder.path(), Architecture::Llama), |_| {});
    let learn = |engine: &mut LocalEngine, value: f32| {
        engine.forward_backward(PART, &trees(), &mut |_, _, scores| vec![value; scores.len()]).unwrap();
        engine.step(PART, &AdamW::default()).unwrap()
    };
    assert!(!learn(&mut engine, -1.0).skipped);
    let before = engine.save(PART).unwrap();
    assert!(learn(&mut engine, f32::NAN).skipped);
    assert_eq!(engine.save(PART).unwrap(), before);
    assert!(!learn(&mut engine, -1.0).skipped, "the next step is not spoilt by it");
}

#[test]
fn operations_are_counted_once_for_what_is_computed_once() {
    let folder = tempfile::tempdir().unwrap();
    let base = tiny_base(folder.path(), Architecture::Llama);
    let counted = |trees: &[Tree], trained: bool| {
        let mut engine = engine(&base, |_| {});
        if trained {
            gradients(&mut engine, PART, trees);
        } else {
            engine.logprobs(Some(PART), trees).unwrap();
        }
        let work = engine.work().unwrap();
        assert!(work.most_per_second > 1e8, "{work:?}");
        work.operations
    };
    // Two layers of 32 x (32 + 16 + 16 + 32) + 3 x 32 x 48 weights; a LoRA of rank 4 beside each; 259 tokens.
    let frozen = 2 * (32 * 96 + 3 * 32 * 48);
    let added = 2 * 4 * (64 + 48 + 48 + 64 + 3 * 80);
    let tree = Tree { prompt: vec![1], branches: trees()[1].branches.clone() };
    let tokens = tree.prompt.len() + tree.branches[0].tokens.len() - 1;
    let chosen = tree.branches[0].choices.iter().filter(|choice| **choice != Choice::Forced).count();
    // The prompt's one token, compared with itself, counts as half a pair, which is none.
    let pairs = (tokens - 1) + (tokens - 1) * (tokens - 1) / 2;
    let by_hand = 2 * tokens * (frozen + added) + 4 * pairs * 32 * 2 + 2 * chosen * 32 * 259;
    assert_eq!(counted(std::slice::from_ref(&tree), false) as usize, by_hand);
    let back = 2 * tokens * (frozen + 2 * added) + 8 * pairs * 32 * 2 + 2 * chosen * 32 * 259;
    assert_eq!(counted(&[tree], true) as usize, by_hand + back);
    let each: f64 = alike().iter().map(|tree| counted(std::slice::from_ref(tree), true)).sum();
    assert!(counted(&alike(), true) < each);
}
