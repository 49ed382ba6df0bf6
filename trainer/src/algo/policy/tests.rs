//! What the policy loss must be: tables worked out by hand, central differences in every region, and what may
//! not matter.
//!
//! Not part of the library. Rooms it touches: algo.

use super::{
    Cispo, Completion, Form, Gspo, Mismatch, PolicyError, PolicyLoss, PolicySettings, Ppo, policy_loss,
};
use crate::algo::Uneven;
use crate::algo::policy_metrics::PolicyMetrics;
use crate::algo::scale::{Aggregation, StepCounts};
use crate::algo::testing::{Numbers, assert_close, central_differences};

/// A completion that owns its numbers.
#[derive(Clone, Default)]
struct Drawn {
    new: Vec<f64>,
    old: Vec<f64>,
    sampler: Vec<f64>,
    reference: Vec<f64>,
    advantages: Vec<f64>,
    mask: Vec<bool>,
}

impl Drawn {
    fn with(&self, new: &[f64], settings: &PolicySettings, scale: f64) -> PolicyLoss {
        let completion = Completion {
            new,
            old: &self.old,
            sampler: &self.sampler,
            reference: Some(&self.reference),
            advantages: &self.advantages,
            mask: &self.mask,
        };
        policy_loss(&completion, settings, scale).unwrap()
    }

    fn loss(&self, settings: &PolicySettings, scale: f64) -> PolicyLoss {
        self.with(&self.new, settings, scale)
    }

    /// One token: its log-ratio new to old, and its advantage. Sampler, old and reference agree.
    fn moved(log_ratio: f64, advantage: f64) -> Self {
        let (old, new) = (vec![-1.0], vec![-1.0 + log_ratio]);
        Self {
            sampler: old.clone(),
            reference: new.clone(),
            new,
            old,
            advantages: vec![advantage],
            mask: vec![true],
        }
    }

    /// Up to 12 tokens whose log-ratios lie in every region that `form` distinguishes, and not near its
    /// kinks.
    fn random(numbers: &mut Numbers, form: Form) -> Self {
        let length = numbers.length(12);
        let same_advantage = numbers.between(-2.0, 2.0);
        let mut drawn = Self::default();
        for _ in 0..length {
            let old = numbers.between(-4.0, -0.5);
            let log_ratio = match numbers.length(5) {
                1 => numbers.between(-0.15, 0.2),
                2 => numbers.between(-1.0, -0.3),
                3 => numbers.between(0.3, 1.0),
                4 => numbers.between(1.2, 1.5),
                _ => numbers.between(1.7, 2.2),
            };
            // A geometric mean is near 1 only if every ratio is.
            let log_ratio =
                if matches!(form, Form::Gspo(_)) { (log_ratio - 0.45) / 500.0 } else { log_ratio };
            drawn.old.push(old);
            drawn.new.push(old + log_ratio);
            drawn.sampler.push(old + numbers.between(-1.0, 1.0));
            drawn.reference.push(old + numbers.between(-1.5, 1.5));
            let own = numbers.between(-2.0, 2.0);
            drawn.advantages.push(if matches!(form, Form::Gspo(_)) { same_advantage } else { own });
            drawn.mask.push(!numbers.chance(4));
        }
        drawn
    }
}

const FORMS: [Form; 3] = [
    Form::Ppo(Ppo { clip_low: 0.2, clip_high: 0.28, dual_clip: Some(3.0) }),
    // Bounds between the regions of `Drawn::random`.
    Form::Cispo(Cispo { floor: 0.78, ceiling: 3.0 }),
    Form::Gspo(Gspo { clip_low: 3e-4, clip_high: 4e-4 }),
];
const MISMATCHES: [Mismatch; 3] =
    [Mismatch::Off, Mismatch::Token { cap: 1.5 }, Mismatch::Sequence { cap: 1.5 }];

fn settings(form: Form, mismatch: Mismatch, kl: f64) -> PolicySettings {
    PolicySettings { form, mismatch, kl, ..PolicySettings::default() }
}

fn plain(form: Form) -> PolicySettings {
    settings(form, Mismatch::Off, 0.0)
}

/// The mean log-ratio over loss tokens is within 2e-5 of a bound of GSPO, so that a difference might cross
/// it.
fn near_a_kink(drawn: &Drawn, form: Form) -> bool {
    let Form::Gspo(Gspo { clip_low, clip_high }) = form else { return false };
    let moved: Vec<f64> =
        (0..drawn.new.len()).filter(|&at| drawn.mask[at]).map(|at| drawn.new[at] - drawn.old[at]).collect();
    let ratio = (moved.iter().sum::<f64>() / moved.len().max(1) as f64).exp();
    [1.0 - clip_low, 1.0 + clip_high].iter().any(|bound| (ratio - bound).abs() < 2e-5)
}

#[test]
fn every_derivative_is_that_of_central_differences() {
    let mut numbers = Numbers::seeded(1);
    for form in [FORMS[0], FORMS[2], Form::Ppo(Ppo { dual_clip: None, ..Ppo::default() })] {
        let mut seen = PolicyMetrics::default();
        for round in 0..300 {
            let settings = settings(form, MISMATCHES[round % 3], [0.0, 0.3][round % 2]);
            let mut drawn = Drawn::random(&mut numbers, form);
            if round % 4 > 1 {
                // Tokens of one completion that pull different ways.
                drawn.advantages.iter_mut().step_by(2).for_each(|advantage| *advantage = -*advantage);
            }
            if near_a_kink(&drawn, form) {
                continue;
            }
            let found = drawn.loss(&settings, 0.25);
            let expected = central_differences(&drawn.new, |new| drawn.with(new, &settings, 0.25).loss);
            assert_close(&found.gradient, &expected, 1e-6);
            seen += found.metrics;
        }
        let dual = matches!(form, Form::Ppo(Ppo { dual_clip: Some(_), .. }));
        assert!(seen.clipped_low > 20 && seen.clipped_high > 20 && seen.weight_capped > 20, "{seen:?}");
        assert_eq!(seen.clipped_dual > 20, dual, "{seen:?}");
        assert!(seen.tokens > 2 * (seen.clipped_low + seen.clipped_high), "{seen:?}");
    }
}

#[test]
fn cispo_holds_its_weight_constant() {
    let mut numbers = Numbers::seeded(2);
    let mut seen = PolicyMetrics::default();
    for round in 0..300 {
        let settings = settings(FORMS[1], MISMATCHES[round % 3], [0.0, 0.3][round % 2]);
        let drawn = Drawn::random(&mut numbers, FORMS[1]);
        let found = drawn.loss(&settings, 0.25);
        // The oracle: the paper's equation 4, its weights computed once, at the point itself.
        let held: Vec<f64> =
            (0..drawn.new.len())
                .map(|at| {
                    if drawn.mask[at] { (drawn.new[at] - drawn.old[at]).exp().clamp(0.78, 3.0) } else { 0.0 }
                })
                .collect();
        let weight = |at: usize| {
            let apart = |at: usize| drawn.old[at] - drawn.sampler[at];
            let counted = (0..drawn.new.len()).filter(|&at| drawn.mask[at]);
            match settings.mismatch {
                Mismatch::Off => 1.0,
                Mismatch::Token { cap } => apart(at).exp().min(cap),
                Mismatch::Sequence { cap } => counted.map(apart).sum::<f64>().exp().min(cap),
            }
        };
        let loss = |new: &[f64]| -> f64 {
            (0..new.len())
                .filter(|&at| drawn.mask[at])
                .map(|at| {
                    let far = drawn.reference[at] - new[at];
                    let policy = -held[at] * weight(at) * drawn.advantages[at] * new[at];
                    0.25 * (policy + settings.kl * (far.exp() - 1.0 - far))
                })
                .sum()
        };
        assert_close(&found.gradient, &central_differences(&drawn.new, loss), 1e-6);
        assert_close(&[found.loss], &[loss(&drawn.new)], 1e-12);
        seen += found.metrics;
    }
    assert!(seen.clipped_low > 20 && seen.clipped_high > 20 && seen.weight_capped > 20, "{seen:?}");
}

#[test]
fn ppo_gives_the_table_worked_out_by_hand() {
    // log-ratio, advantage → loss, derivative = −A·r where nothing is cut; bounds 0.8, 1.28 and dual 3.
    let (double, half, five) = (2f64.ln(), 0.5f64.ln(), 5f64.ln());
    let table = [
        (0.0, 1.5, -1.5, -1.5),
        (0.0, -1.5, 1.5, 1.5),
        (double, 1.0, -1.28, 0.0),
        (double, -1.0, 2.0, 2.0),
        (half, 1.0, -0.5, -0.5),
        (half, -1.0, 0.8, 0.0),
        (five, 1.0, -1.28, 0.0),
        (five, -1.0, 3.0, 0.0),
        (double, 0.0, 0.0, 0.0),
    ];
    for (log_ratio, advantage, loss, derivative) in table {
        let found = Drawn::moved(log_ratio, advantage).loss(&plain(FORMS[0]), 1.0);
        assert_close(&[found.loss, found.gradient[0]], &[loss, derivative], 1e-12);
    }
    // Without the dual clip the loss of the last but one is r = 5, and so is its derivative.
    let without = plain(Form::Ppo(Ppo { dual_clip: None, ..Ppo::default() }));
    let found = Drawn::moved(five, -1.0).loss(&without, 1.0);
    assert_close(&[found.loss, found.gradient[0]], &[5.0, 5.0], 1e-12);
}

#[test]
fn gspo_gives_the_table_worked_out_by_hand() {
    // Two tokens, log-ratios ln 4 and 0: the geometric mean of 4 and 1 is 2. Bounds 0.5 and 2.5, so that it
    // is inside: both tokens lose −2, and each derivative is 2 tokens · −2 / 2.
    let mut drawn = Drawn::moved(4f64.ln(), 1.0);
    let other = Drawn::moved(0.0, 1.0);
    drawn.new.extend(&other.new);
    drawn.old.extend(&other.old);
    drawn.sampler.extend(&other.sampler);
    drawn.reference.extend(&other.reference);
    drawn.advantages.extend(&other.advantages);
    drawn.mask.push(true);
    let wide = plain(Form::Gspo(Gspo { clip_low: 0.5, clip_high: 1.5 }));
    let found = drawn.loss(&wide, 1.0);
    assert_close(&[found.loss, found.gradient[0], found.gradient[1]], &[-4.0, -2.0, -2.0], 1e-12);
    assert_close(&[found.metrics.ratio], &[4.0], 1e-12);
    // The upper bound at 1.5 cuts both tokens.
    let narrow = plain(Form::Gspo(Gspo { clip_low: 0.5, clip_high: 0.5 }));
    let found = drawn.loss(&narrow, 1.0);
    assert_close(&[found.loss, found.gradient[0], found.gradient[1]], &[-3.0, 0.0, 0.0], 1e-12);
    assert_eq!((found.metrics.clipped_high, found.metrics.clipped_low), (2, 0));
}

#[test]
fn importance_weights_are_capped_constants() {
    // exp(old − sampler): 1/2, 3 and, of a token without a loss, 1000. Sum over loss tokens: ln(3/2).
    let mut drawn = Drawn {
        new: vec![-1.0; 3],
        old: vec![-1.0; 3],
        sampler: vec![-1.0 + 2f64.ln(), -1.0 - 3f64.ln(), -1.0 - 1000f64.ln()],
        reference: vec![-1.0; 3],
        advantages: vec![1.0; 3],
        mask: vec![true, true, false],
    };
    let gradient =
        |drawn: &Drawn, mismatch| drawn.loss(&settings(Form::default(), mismatch, 0.0), 1.0).gradient;
    assert_close(&gradient(&drawn, Mismatch::Off), &[-1.0, -1.0, 0.0], 1e-12);
    assert_close(&gradient(&drawn, Mismatch::Token { cap: 2.0 }), &[-0.5, -2.0, 0.0], 1e-12);
    assert_close(&gradient(&drawn, Mismatch::Sequence { cap: 2.0 }), &[-1.5, -1.5, 0.0], 1e-12);
    assert_close(&gradient(&drawn, Mismatch::Sequence { cap: 1.25 }), &[-1.25, -1.25, 0.0], 1e-12);
    let found = drawn.loss(&settings(Form::default(), Mismatch::Token { cap: 2.0 }, 0.0), 1.0).metrics;
    assert_eq!((found.tokens, found.weight_capped), (2, 1));
    // k1 = −Σ d with d = −ln 2 and ln 3; k3 = Σ exp(d) − 1 − d = 1/2 + 3 − 2 − ln(3/2).
    let expected = [2.5, 2f64.ln() - 3f64.ln(), 1.5 - 1.5f64.ln()];
    assert_close(&[found.weight, found.mismatch_k1, found.mismatch_k3], &expected, 1e-12);
    // Far apart, the log-ratio is clamped before anything is exponentiated.
    drawn.sampler[1] = -800.0;
    let found = drawn.loss(&settings(Form::default(), Mismatch::Token { cap: 2.0 }, 0.0), 1.0).metrics;
    assert_eq!((found.clamped, found.weight_capped), (1, 1));
}

#[test]
fn the_reference_pulls_as_k3_does() {
    // reference − new = ln 2: k3 = 2 − 1 − ln 2, derivative 1 − 2.
    let mut drawn = Drawn::moved(0.0, 0.0);
    drawn.reference[0] += 2f64.ln();
    let found = drawn.loss(&settings(Form::default(), Mismatch::Off, 0.1), 0.5);
    assert_close(
        &[found.loss, found.gradient[0], found.metrics.reference_k3],
        &[0.05 * (1.0 - 2f64.ln()), -0.05, 1.0 - 2f64.ln()],
        1e-12,
    );
    // Without a coefficient it is measured all the same, and pulls nothing.
    let found = drawn.loss(&plain(Form::default()), 0.5);
    assert_eq!((found.loss, found.gradient[0], found.metrics.reference_tokens), (0.0, 0.0, 1));
    assert_close(&[found.metrics.reference_k3], &[1.0 - 2f64.ln()], 1e-12);
    // Beyond the clamp the derivative is 0.
    drawn.reference[0] = 25.0;
    let found = drawn.loss(&settings(Form::default(), Mismatch::Off, 0.1), 0.5);
    assert_close(&[found.gradient[0], found.metrics.reference_k3], &[0.0, 20f64.exp() - 21.0], 1e-12);
    assert_eq!(found.metrics.clamped, 1);
}

#[test]
fn log_ratios_are_clamped_and_then_have_no_derivative() {
    // A worse token, no dual clip, 25 nats likelier than before: −min(r·A, …) with r = exp(20).
    let form = Form::Ppo(Ppo { dual_clip: None, ..Ppo::default() });
    let found = Drawn::moved(25.0, -1.0).loss(&plain(form), 1.0);
    assert_close(&[found.loss, found.gradient[0]], &[20f64.exp(), 0.0], 1e-12);
    assert_eq!(found.metrics.clamped, 1);
    // A better token, 25 nats less likely.
    let found = Drawn::moved(-25.0, 1.0).loss(&plain(form), 1.0);
    assert_close(&[found.loss, found.gradient[0]], &[-(-20f64).exp(), 0.0], 1e-12);
    // GSPO clamps by token, before the mean: here nothing is left to differ by.
    let form = Form::Gspo(Gspo { clip_low: 1.0, clip_high: 1e9 });
    let found = Drawn::moved(25.0, -1.0).loss(&plain(form), 1.0);
    assert_close(&[found.loss, found.gradient[0]], &[20f64.exp(), 0.0], 1e-12);
}

#[test]
fn at_ratio_one_all_forms_have_the_same_gradient() {
    let mut numbers = Numbers::seeded(3);
    for round in 0..60 {
        let mut drawn = Drawn::random(&mut numbers, FORMS[2]); // equal advantages, which GSPO needs
        drawn.new.clone_from(&drawn.old);
        let gradient =
            |form| drawn.loss(&settings(form, MISMATCHES[round % 3], [0.0, 0.2][round % 2]), 0.5).gradient;
        let [ppo, cispo, gspo] = FORMS.map(gradient);
        assert_close(&cispo, &ppo, 1e-12);
        // A sum of weights divided by n: equal to the token's own only where all weights are.
        if !matches!(MISMATCHES[round % 3], Mismatch::Token { .. }) {
            assert_close(&gspo, &ppo, 1e-12);
        } else if round % 2 == 0 {
            assert_close(&[gspo.iter().sum()], &[ppo.iter().sum()], 1e-12);
        }
    }
    let drawn = Drawn::moved(0.0, 0.75);
    // −scale·A: plain REINFORCE.
    assert_close(&drawn.loss(&plain(FORMS[0]), 0.5).gradient, &[-0.375], 1e-12);
}

#[test]
fn a_token_without_a_loss_is_never_looked_at() {
    let mut numbers = Numbers::seeded(4);
    for round in 0..90 {
        let settings = settings(FORMS[round % 3], MISMATCHES[(round / 3) % 3], 0.1);
        let drawn = Drawn::random(&mut numbers, settings.form);
        let mut odd = drawn.clone();
        let mut kept = Drawn::default();
        for at in 0..drawn.mask.len() {
            if drawn.mask[at] {
                kept.new.push(drawn.new[at]);
                kept.old.push(drawn.old[at]);
                kept.sampler.push(drawn.sampler[at]);
                kept.reference.push(drawn.reference[at]);
                kept.advantages.push(drawn.advantages[at]);
                kept.mask.push(true);
            } else {
                odd.new[at] = f64::NEG_INFINITY;
                odd.old[at] = f64::NAN;
                odd.sampler[at] = f64::INFINITY;
                odd.reference[at] = f64::NAN;
                odd.advantages[at] = f64::NAN;
            }
        }
        let (found, kept) = (odd.loss(&settings, 0.25), kept.loss(&settings, 0.25));
        assert_eq!((found.loss, found.metrics), (kept.loss, kept.metrics));
        let (outside, inside): (Vec<_>, Vec<_>) =
            found.gradient.iter().zip(&drawn.mask).partition(|(_, counts)| !**counts);
        assert!(outside.iter().all(|(derivative, _)| **derivative == 0.0));
        assert!(inside.iter().map(|(derivative, _)| **derivative).eq(kept.gradient));
    }
}

#[test]
fn a_step_does_not_depend_on_its_micro_batches() {
    let mut numbers = Numbers::seeded(5);
    for form in FORMS {
        for aggregation in
            [Aggregation::GlobalTokens, Aggregation::SequenceMeans, Aggregation::ConstantLength { tokens: 9 }]
        {
            let settings = PolicySettings { aggregation, ..settings(form, Mismatch::default(), 0.1) };
            let batch: Vec<Drawn> = (0..8).map(|_| Drawn::random(&mut numbers, form)).collect();
            // The oracle: means taken over the whole step at once.
            let sums: Vec<(f64, f64)> = batch
                .iter()
                .map(|drawn| {
                    (drawn.loss(&settings, 1.0).loss, drawn.loss(&settings, 1.0).metrics.tokens as f64)
                })
                .filter(|(_, tokens)| *tokens > 0.0)
                .collect();
            let all_tokens: f64 = sums.iter().map(|(_, tokens)| tokens).sum();
            let completions = sums.len() as f64;
            let expected: f64 = match aggregation {
                Aggregation::GlobalTokens => sums.iter().map(|(loss, _)| loss).sum::<f64>() / all_tokens,
                Aggregation::SequenceMeans => {
                    sums.iter().map(|(loss, tokens)| loss / tokens).sum::<f64>() / completions
                }
                Aggregation::ConstantLength { tokens } => {
                    sums.iter().map(|(loss, _)| loss / f64::from(tokens)).sum::<f64>() / completions
                }
            };
            for size in [1, 3, 8] {
                let mut step = StepCounts::default();
                for micro in batch.chunks(size) {
                    let mut part = StepCounts::default();
                    for drawn in micro {
                        part.count(&drawn.mask);
                    }
                    step += part;
                }
                let mut metrics = PolicyMetrics::default();
                let mut loss = 0.0;
                for micro in batch.chunks(size) {
                    let mut part = PolicyMetrics::default();
                    for drawn in micro {
                        let scale = aggregation.scale(step, &drawn.mask);
                        let found = drawn.loss(&settings, scale);
                        part += found.metrics;
                        loss += found.loss;
                        let whole = drawn.loss(&settings, 1.0).gradient;
                        let scaled: Vec<f64> = whole.iter().map(|derivative| derivative * scale).collect();
                        assert_close(&found.gradient, &scaled, 1e-12);
                    }
                    metrics += part;
                }
                let summed = metrics.policy_loss + metrics.kl_loss;
                assert_close(
                    &[loss, summed, metrics.tokens as f64],
                    &[expected, expected, all_tokens],
                    1e-12,
                );
            }
        }
    }
}

#[test]
fn divergence_from_the_old_policy_is_estimated_by_hand() {
    // d = ln 2 and −ln 4: k1 = ln 2, k3 = (2 − 1 − ln 2) + (1/4 − 1 + ln 4) = 1/4 + ln 2. Ratios 2 and 1/4,
    // surprisal 2 − ln 2 + ln 4.
    let mut metrics = PolicyMetrics::default();
    for log_ratio in [2f64.ln(), -4f64.ln()] {
        metrics += Drawn::moved(log_ratio, 1.0).loss(&plain(FORMS[1]), 1.0).metrics;
    }
    let found = [metrics.old_k1, metrics.old_k3, metrics.ratio, metrics.surprisal];
    assert_close(&found, &[2f64.ln(), 0.25 + 2f64.ln(), 2.25, 2.0 + 2f64.ln()], 1e-12);
}

#[test]
fn what_is_not_finite_shows_in_the_gradient() {
    for form in FORMS {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let good = Drawn::moved(0.0, 1.0);
            let cases = [
                Drawn { new: vec![odd], ..good.clone() },
                Drawn { old: vec![odd], ..good.clone() },
                Drawn { sampler: vec![odd], ..good.clone() },
                Drawn { reference: vec![odd], ..good.clone() },
                Drawn { advantages: vec![f64::NAN], ..good },
            ];
            for drawn in cases {
                let found = drawn.loss(&settings(form, Mismatch::default(), 0.1), 1.0);
                assert!(found.loss.is_nan() && found.gradient[0].is_nan(), "{form:?}");
            }
        }
    }
}

#[test]
fn mixed_up_slices_and_a_missing_reference_are_errors() {
    let completion = Completion {
        new: &[-1.0, -2.0],
        old: &[-1.0, -2.0],
        sampler: &[-1.0, -2.0],
        reference: None,
        advantages: &[1.0],
        mask: &[true, true],
    };
    let uneven = Uneven { what: "advantages", expected: 2, found: 1 };
    let found = policy_loss(&completion, &PolicySettings::default(), 1.0);
    assert_eq!(found, Err(PolicyError::Uneven(uneven)));
    let completion = Completion { advantages: &[1.0, 1.0], ..completion };
    assert!(policy_loss(&completion, &PolicySettings::default(), 1.0).is_ok());
    let with_kl = PolicySettings { kl: 1e-3, ..PolicySettings::default() };
    assert_eq!(policy_loss(&completion, &with_kl, 1.0), Err(PolicyError::NoReference));
    let completion = Completion { reference: Some(&[-1.0]), ..completion };
    assert!(matches!(policy_loss(&completion, &with_kl, 1.0), Err(PolicyError::Uneven(_))));
}

#[test]
fn a_completion_without_loss_tokens_weighs_nothing() {
    for form in FORMS {
        let mut drawn = Drawn::moved(0.3, 1.0);
        drawn.mask[0] = false;
        let found = drawn.loss(&settings(form, Mismatch::Sequence { cap: 2.0 }, 0.1), 1.0);
        assert_eq!((found.loss, found.gradient, found.metrics), (0.0, vec![0.0], PolicyMetrics::default()));
    }
}

#[test]
fn settings_are_read_with_their_defaults() {
    let read = |text: &str| serde_json::from_str::<PolicySettings>(text);
    assert_eq!(read("{}").unwrap(), PolicySettings::default());
    let custom =
        r#"{"form": {"kind": "ppo", "dual_clip": null}, "mismatch": {"level": "sequence"}, "kl": 0.001}"#;
    let expected = PolicySettings {
        form: Form::Ppo(Ppo { clip_low: 0.2, clip_high: 0.28, dual_clip: None }),
        mismatch: Mismatch::Sequence { cap: 2.0 },
        kl: 1e-3,
        log_ratio_clamp: 20.0,
        aggregation: Aggregation::GlobalTokens,
    };
    assert_eq!(read(custom).unwrap(), expected);
    for form in FORMS {
        let written = serde_json::to_string(&plain(form)).unwrap();
        assert_eq!(read(&written).unwrap(), plain(form));
    }
    assert!(read(r#"{"form": {"kind": "gspo", "dual_clip": 3}}"#).is_err());
    assert!(read(r#"{"clip": 3}"#).is_err());
}

#[test]
fn settings_without_a_meaning_are_refused_by_name() {
    let good = PolicySettings::default();
    let ppo = |ppo| PolicySettings { form: Form::Ppo(ppo), ..good };
    let cases = [
        (ppo(Ppo { clip_low: 1.5, ..Ppo::default() }), "form.clip_low"),
        (ppo(Ppo { clip_high: 0.0, ..Ppo::default() }), "form.clip_high"),
        (ppo(Ppo { dual_clip: Some(1.2), ..Ppo::default() }), "form.dual_clip"),
        (PolicySettings { form: Form::Cispo(Cispo { floor: 2.0, ceiling: 5.0 }), ..good }, "form.floor"),
        (PolicySettings { form: Form::Cispo(Cispo { floor: 0.0, ceiling: 0.5 }), ..good }, "form.ceiling"),
        (
            PolicySettings { form: Form::Gspo(Gspo { clip_low: 0.0, clip_high: 1.0 }), ..good },
            "form.clip_low",
        ),
        (PolicySettings { mismatch: Mismatch::Token { cap: 0.5 }, ..good }, "mismatch.cap"),
        (PolicySettings { kl: f64::NAN, ..good }, "kl"),
        (PolicySettings { log_ratio_clamp: 0.0, ..good }, "log_ratio_clamp"),
        (
            PolicySettings { aggregation: Aggregation::ConstantLength { tokens: 0 }, ..good },
            "aggregation.tokens",
        ),
    ];
    for (settings, name) in cases {
        assert_eq!(settings.check().unwrap_err().what, name);
    }
    for form in FORMS.into_iter().chain([Form::default(), Form::Cispo(Cispo::default())]) {
        assert_eq!(plain(form).check(), Ok(()));
    }
}
