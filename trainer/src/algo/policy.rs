//! The policy loss: PPO, CISPO or GSPO, corrected for the sampler, with a penalty for leaving the reference.
//!
//! For each completion it returns the loss, its exact derivative with respect to the log-probability of each
//! token, and sums for the log. The same loss serves GRPO and PPO: they differ in where the advantages come
//! from ([`super::advantage`], [`super::gae`]).
//!
//! It deliberately knows no group, critic or micro-batch: advantages and scale come in. A token whose mask is
//! false (the prompt's, one the grammar forced, one of a truncated completion) is never looked at, so that
//! its log-probability may be anything.
//!
//! A log-probability that enters the loss and is not finite gives a loss and a derivative that are not
//! numbers: the optimiser skips such a step and counts it.
//!
//! Rooms it touches: algo.

use serde::{Deserialize, Serialize};

use super::policy_metrics::PolicyMetrics;
use super::scale::Aggregation;
use super::{BadSetting, Uneven, even, within};

/// Everything that shapes the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// How the ratio enters. Default: PPO's.
    pub form: Form,
    /// What is done about a sampler that computes other probabilities than the trainer. Default: token
    /// weights.
    pub mismatch: Mismatch,
    /// The weight of the divergence from the reference. Default 0. Evidence: DAPO (arXiv 2503.14476), section
    /// 2.3; the adapter's rank holds the policy near the reference already. Re-implementations of Memory-R1
    /// use 1e-3.
    pub kl: f64,
    /// Log-ratios are cut at ± this many nats before they are exponentiated. Default 20, as in the public
    /// trainers: exp(20) = 4.9e8 is far outside every clip, and its square is still finite in f32.
    pub log_ratio_clamp: f64,
    /// How tokens are averaged. Default: over all loss tokens of the step.
    pub aggregation: Aggregation,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            form: Form::default(),
            mismatch: Mismatch::default(),
            kl: 0.0,
            log_ratio_clamp: 20.0,
            aggregation: Aggregation::default(),
        }
    }
}

/// How the ratio `r = exp(new − old)` of a token enters the loss. `A` is its advantage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// `−min(r·A, clip(r)·A)`, by token.
    Ppo(Ppo),
    /// `−stop(clip(r))·A·new`, by token: a token that left the bounds still teaches, with a bounded weight.
    Cispo(Cispo),
    /// `−min(s·A, clip(s)·A)` with one ratio `s` for the completion.
    Gspo(Gspo),
}

impl Default for Form {
    fn default() -> Self {
        Self::Ppo(Ppo::default())
    }
}

/// Schulman et al., "Proximal Policy Optimization Algorithms" (arXiv 1707.06347), equation 7. Departure: the
/// bounds differ (DAPO's clip-higher, arXiv 2503.14476, equation 10), and the loss of a worse token is
/// bounded (dual clip).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ppo {
    /// The lower bound is 1 − this. Default 0.2. Evidence: PPO, table 1; kept by DAPO.
    pub clip_low: f64,
    /// The upper bound is 1 + this. Default 0.28. Evidence: DAPO, section 4.1: room for unlikely tokens to
    /// grow.
    pub clip_high: f64,
    /// A worse token's loss is at most −A times this, however much likelier it became. Default 3; none
    /// switches it off. Evidence: Ye et al., "Mastering Complex Control in MOBA Games" (arXiv 1912.09729),
    /// whose dual-clip PPO this is, with its constant.
    pub dual_clip: Option<f64>,
}

impl Default for Ppo {
    fn default() -> Self {
        Self { clip_low: 0.2, clip_high: 0.28, dual_clip: Some(3.0) }
    }
}

/// MiniMax-M1 (arXiv 2506.13585), equations 4 and 5. The clipped ratio is a constant: the derivative goes
/// through the log-probability alone, and the value of the loss says nothing about progress. No departures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cispo {
    /// The least weight. Default 0: the paper sets no lower bound.
    pub floor: f64,
    /// The largest weight (in the paper's letters 1 + ε high). Default 5. Evidence: the value that TRL
    /// advises, after ScaleRL (arXiv 2510.13786), which finds a wide plateau around it.
    pub ceiling: f64,
}

impl Default for Cispo {
    fn default() -> Self {
        Self { floor: 0.0, ceiling: 5.0 }
    }
}

/// Zheng et al., "Group Sequence Policy Optimization" (arXiv 2507.18071), equations 5 and 7: the ratio is the
/// geometric mean of the tokens' ratios, so that each log-probability carries 1/n of its derivative.
///
/// Departures: tokens may have different advantages (equal ones give the paper's loss; this is not its
/// GSPO-token). It is the paper's mean over completions under [`Aggregation::SequenceMeans`] only; other
/// aggregations weigh completions by their length. The log-ratio of each token is clamped before the mean is
/// taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gspo {
    /// The lower bound is 1 − this. Default 3e-4. Evidence: the paper, section 5.1; a geometric mean moves
    /// far less than a token's ratio.
    pub clip_low: f64,
    /// The upper bound is 1 + this. Default 4e-4. Evidence: the paper, section 5.1.
    pub clip_high: f64,
}

impl Default for Gspo {
    fn default() -> Self {
        Self { clip_low: 3e-4, clip_high: 4e-4 }
    }
}

/// Importance weights `min(exp(old − sampler), cap)` that correct the gradient for tokens drawn by a sampler
/// whose kernels and precision differ from the trainer's. They are constants, and multiply the policy's part
/// of the loss only.
///
/// Yao et al., "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training" (2025): truncated
/// importance sampling. Its cap is 2; TRL's example is the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "level", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mismatch {
    /// Every weight is 1. The metrics are still there.
    Off,
    /// A weight for each token: biased, of little variance.
    Token {
        /// The largest weight. Default 2.
        #[serde(default = "default_cap")]
        cap: f64,
    },
    /// One weight for the completion, of the sum over its loss tokens: without bias but for the cap, of more
    /// variance.
    Sequence {
        /// The largest weight. Default 2.
        #[serde(default = "default_cap")]
        cap: f64,
    },
}

fn default_cap() -> f64 {
    2.0
}

impl Default for Mismatch {
    fn default() -> Self {
        Self::Token { cap: default_cap() }
    }
}

impl PolicySettings {
    /// Checks that every setting has a meaning. The loss itself does not ask again.
    pub fn check(&self) -> Result<(), BadSetting> {
        let share = |what, value: f64| within(what, value, value > 0.0 && value <= 1.0, "above 0, at most 1");
        let some = |what, value: f64| within(what, value, value > 0.0, "above 0");
        match self.form {
            Form::Ppo(Ppo { clip_low, clip_high, dual_clip }) => {
                share("form.clip_low", clip_low)?;
                some("form.clip_high", clip_high)?;
                let dual = dual_clip.unwrap_or(f64::INFINITY);
                within("form.dual_clip", dual, dual > 1.0 + clip_high, "above the upper bound of the ratio")?;
            }
            Form::Cispo(Cispo { floor, ceiling }) => {
                within("form.floor", floor, (0.0..=1.0).contains(&floor), "from 0 to 1")?;
                within("form.ceiling", ceiling, ceiling >= 1.0, "at least 1")?;
            }
            Form::Gspo(Gspo { clip_low, clip_high }) => {
                share("form.clip_low", clip_low)?;
                some("form.clip_high", clip_high)?;
            }
        }
        if let Mismatch::Token { cap } | Mismatch::Sequence { cap } = self.mismatch {
            within("mismatch.cap", cap, cap >= 1.0, "at least 1")?;
        }
        within("kl", self.kl, self.kl >= 0.0 && self.kl.is_finite(), "0 or more")?;
        let clamp = self.log_ratio_clamp;
        within(
            "log_ratio_clamp",
            clamp,
            clamp > 0.0 && clamp <= 80.0,
            "above 0, at most 80 (f32 ends at 88)",
        )?;
        self.aggregation.check()
    }
}

/// One completion. Every slice has an entry for each of its tokens; log-probabilities are in nats, at the
/// temperature and under the grammar mask that the tokens were drawn with.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    /// By the policy as it is now.
    pub new: &'a [f64],
    /// By the policy of the step's first pass. With one step for each batch these are the same numbers as
    /// `new`; they are constants all the same.
    pub old: &'a [f64],
    /// What the sampler reported.
    pub sampler: &'a [f64],
    /// By the model with the adapter switched off. Needed where [`PolicySettings::kl`] is not 0.
    pub reference: Option<&'a [f64]>,
    /// Advantages.
    pub advantages: &'a [f64],
    /// True where a token has a loss.
    pub mask: &'a [bool],
}

/// The loss of one completion.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyLoss {
    /// Its part of the step's loss.
    pub loss: f64,
    /// The derivative of the loss with respect to each token's `new`, what the form holds constant held
    /// constant. 0 where the mask is false.
    pub gradient: Vec<f64>,
    /// Sums for the log.
    pub metrics: PolicyMetrics,
}

/// Why there is no loss. Nothing was computed; the caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Slices of different lengths.
    #[error(transparent)]
    Uneven(#[from] Uneven),
    /// The settings ask for a divergence from a reference that is not there.
    #[error("kl is not 0, but the reference's log-probabilities were not computed")]
    NoReference,
}

/// The loss of a completion, multiplied by `scale`: [`Aggregation::scale`] of the whole step's counts.
pub fn policy_loss(
    completion: &Completion<'_>,
    settings: &PolicySettings,
    scale: f64,
) -> Result<PolicyLoss, PolicyError> {
    let Completion { new, old, sampler, reference, advantages, mask } = *completion;
    even(
        new.len(),
        &[
            ("old", old.len()),
            ("sampler", sampler.len()),
            ("reference", reference.map_or(new.len(), <[f64]>::len)),
            ("advantages", advantages.len()),
            ("mask", mask.len()),
        ],
    )?;
    if settings.kl != 0.0 && reference.is_none() {
        return Err(PolicyError::NoReference);
    }
    let bound = settings.log_ratio_clamp;
    let tokens: Vec<Token> = (0..new.len())
        .filter(|&at| mask[at])
        .map(|at| Token {
            at,
            new: new[at],
            advantage: advantages[at],
            moved: LogRatio::clamped(new[at] - old[at], bound),
            mismatch: LogRatio::clamped(old[at] - sampler[at], bound),
            reference: reference.map(|reference| LogRatio::clamped(reference[at] - new[at], bound)),
        })
        .collect();
    let weights = importance_weights(&tokens, settings);
    let mut sum = PolicyLoss { loss: 0.0, gradient: vec![0.0; new.len()], metrics: PolicyMetrics::default() };
    match settings.form {
        Form::Ppo(clip) => add_ppo(&mut sum, &tokens, &weights, clip, scale),
        Form::Cispo(bounds) => add_cispo(&mut sum, &tokens, &weights, bounds, scale),
        Form::Gspo(clip) => add_gspo(&mut sum, &tokens, &weights, clip, scale),
    }
    add_reference(&mut sum, &tokens, settings.kl * scale);
    observe(&mut sum.metrics, &tokens, &weights);
    sum.loss = sum.metrics.policy_loss + sum.metrics.kl_loss;
    Ok(sum)
}

/// A token that has a loss.
struct Token {
    /// Its place in the completion.
    at: usize,
    new: f64,
    advantage: f64,
    /// new − old.
    moved: LogRatio,
    /// old − sampler.
    mismatch: LogRatio,
    /// reference − new.
    reference: Option<LogRatio>,
}

/// A log-ratio, in nats, cut at both sides.
#[derive(Clone, Copy)]
struct LogRatio {
    value: f64,
    /// Whether it was cut: then its derivative is 0.
    cut: bool,
}

impl LogRatio {
    /// What is not finite becomes not a number, so that it shows: a clamp would hide it.
    fn clamped(value: f64, bound: f64) -> Self {
        if !value.is_finite() {
            Self { value: f64::NAN, cut: false }
        } else if value > bound {
            Self { value: bound, cut: true }
        } else if value < -bound {
            Self { value: -bound, cut: true }
        } else {
            Self { value, cut: false }
        }
    }

    fn ratio(self) -> f64 {
        self.value.exp()
    }

    /// The derivative of the ratio with respect to the log-probability above the line.
    fn slope(self) -> f64 {
        if self.cut { 0.0 } else { self.ratio() }
    }

    /// Schulman's k3, `exp(d) − 1 − d`, exact near 0.
    fn k3(self) -> f64 {
        self.value.exp_m1() - self.value
    }
}

/// An importance weight, and whether the cap made it smaller.
struct Weight {
    value: f64,
    capped: bool,
}

fn importance_weights(tokens: &[Token], settings: &PolicySettings) -> Vec<Weight> {
    let capped = |ratio: f64, cap: f64| {
        if ratio > cap { Weight { value: cap, capped: true } } else { Weight { value: ratio, capped: false } }
    };
    match settings.mismatch {
        Mismatch::Off => tokens.iter().map(|_| Weight { value: 1.0, capped: false }).collect(),
        Mismatch::Token { cap } => tokens.iter().map(|token| capped(token.mismatch.ratio(), cap)).collect(),
        Mismatch::Sequence { cap } => {
            let sum = tokens.iter().map(|token| token.mismatch.value).sum();
            let ratio = LogRatio::clamped(sum, settings.log_ratio_clamp).ratio();
            tokens.iter().map(|_| capped(ratio, cap)).collect()
        }
    }
}

/// What a ratio and an advantage give.
struct Clipped {
    loss: f64,
    /// The derivative of the loss with respect to the ratio.
    slope: f64,
    side: Side,
}

enum Side {
    Inside,
    Low,
    High,
    Dual,
}

/// `−min(r·A, clip(r)·A)`, and for A < 0 at most `−c·A`.
fn clipped(ratio: f64, advantage: f64, clip: Ppo) -> Clipped {
    let flat = |bound: f64, side| Clipped { loss: -bound * advantage, slope: 0.0, side };
    let (low, high) = (1.0 - clip.clip_low, 1.0 + clip.clip_high);
    match clip.dual_clip {
        Some(dual) if advantage < 0.0 && ratio > dual => flat(dual, Side::Dual),
        _ if advantage > 0.0 && ratio > high => flat(high, Side::High),
        _ if advantage < 0.0 && ratio < low => flat(low, Side::Low),
        _ => Clipped { loss: -ratio * advantage, slope: -advantage, side: Side::Inside },
    }
}

fn count(side: &Side, metrics: &mut PolicyMetrics) {
    match side {
        Side::Inside => {}
        Side::Low => metrics.clipped_low += 1,
        Side::High => metrics.clipped_high += 1,
        Side::Dual => metrics.clipped_dual += 1,
    }
}

fn add_ppo(sum: &mut PolicyLoss, tokens: &[Token], weights: &[Weight], clip: Ppo, scale: f64) {
    for (token, weight) in tokens.iter().zip(weights) {
        let term = clipped(token.moved.ratio(), token.advantage, clip);
        sum.metrics.policy_loss += scale * weight.value * term.loss;
        sum.gradient[token.at] += scale * weight.value * term.slope * token.moved.slope();
        sum.metrics.ratio += token.moved.ratio();
        count(&term.side, &mut sum.metrics);
    }
}

fn add_cispo(sum: &mut PolicyLoss, tokens: &[Token], weights: &[Weight], bounds: Cispo, scale: f64) {
    for (token, weight) in tokens.iter().zip(weights) {
        let ratio = token.moved.ratio();
        let (held, side) = if ratio > bounds.ceiling {
            (bounds.ceiling, Side::High)
        } else if ratio < bounds.floor {
            (bounds.floor, Side::Low)
        } else {
            (ratio, Side::Inside)
        };
        let pull = -scale * weight.value * held * token.advantage;
        sum.metrics.policy_loss += pull * token.new;
        sum.gradient[token.at] += pull;
        sum.metrics.ratio += ratio;
        count(&side, &mut sum.metrics);
    }
}

fn add_gspo(sum: &mut PolicyLoss, tokens: &[Token], weights: &[Weight], clip: Gspo, scale: f64) {
    let length = tokens.len() as f64;
    let ratio = (tokens.iter().map(|token| token.moved.value).sum::<f64>() / length).exp();
    let clip = Ppo { clip_low: clip.clip_low, clip_high: clip.clip_high, dual_clip: None };
    let mut slope = 0.0;
    for (token, weight) in tokens.iter().zip(weights) {
        let term = clipped(ratio, token.advantage, clip);
        sum.metrics.policy_loss += scale * weight.value * term.loss;
        slope += scale * weight.value * term.slope;
        sum.metrics.ratio += ratio;
        count(&term.side, &mut sum.metrics);
    }
    for token in tokens.iter().filter(|token| !token.moved.cut) {
        sum.gradient[token.at] += slope * ratio / length;
    }
}

/// `kl · k3(reference − new)`: DeepSeekMath (arXiv 2402.03300), equation 4, as a loss. Its derivative is
/// `kl · (1 − exp(reference − new))`. No departure but the clamp.
fn add_reference(sum: &mut PolicyLoss, tokens: &[Token], kl: f64) {
    for (token, reference) in tokens.iter().filter_map(|token| Some((token, token.reference?))) {
        sum.metrics.reference_tokens += 1;
        sum.metrics.reference_k3 += reference.k3();
        if kl != 0.0 {
            sum.metrics.kl_loss += kl * reference.k3();
            sum.gradient[token.at] -= if reference.cut { 0.0 } else { kl * reference.value.exp_m1() };
        }
    }
}

fn observe(metrics: &mut PolicyMetrics, tokens: &[Token], weights: &[Weight]) {
    for (token, weight) in tokens.iter().zip(weights) {
        let cut = token.moved.cut || token.mismatch.cut || token.reference.is_some_and(|ratio| ratio.cut);
        metrics.tokens += 1;
        metrics.clamped += u64::from(cut);
        metrics.old_k1 -= token.moved.value;
        metrics.old_k3 += token.moved.k3();
        metrics.mismatch_k1 -= token.mismatch.value;
        metrics.mismatch_k3 += token.mismatch.k3();
        metrics.weight += weight.value;
        metrics.weight_capped += u64::from(weight.capped);
        metrics.surprisal -= token.new;
    }
}

#[cfg(test)]
mod tests;
