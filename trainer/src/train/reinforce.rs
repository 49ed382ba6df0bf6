//! Reinforcement: GRPO (Shao et al., arXiv 2402.03300) and PPO (Schulman et al., arXiv 1707.06347) over scenes.
//!
//! A step draws scenes, lets a group of samples play each, compares their rewards, and changes the policy. Losses and
//! advantages are `algo`'s, with their papers and departures; what happens in which order is here. Where the answer agent
//! learns beside the manager its groups are nested: several answers to each question about each sample's bank.
//!
//! Rooms it touches: algo, engine, rollout, tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use keepsake_core::model::{Role, Tokenizer};
use serde::{Deserialize, Serialize};

use super::batch::{Batch, mask};
use super::{MOST_SKIPPED, Named, TrainError, Watch, speed};
use crate::algo::advantage::{Baseline, GroupCounts, group_advantages};
use crate::algo::gae::{Divergence, Episode, GaeSettings, estimates, whiten};
use crate::algo::policy::{Completion, PolicySettings, policy_loss};
use crate::algo::policy_metrics::PolicyMetrics;
use crate::algo::scale::StepCounts;
use crate::algo::schedule::Schedule;
use crate::algo::value::{ValueMetrics, ValueSettings, Valued, value_loss};
use crate::engine::{AdamW, Dice, Part, PolicyEngine, Tree};
use crate::record::SampleLine;
use crate::rollout::{Call, Play, Temperatures, play};
use crate::tasks::{Played, Scene, TaskError};
use crate::world::Operations;

/// How advantages come about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Algorithm {
    /// Rewards are compared within a group; there is no critic.
    Grpo {
        /// With what.
        #[serde(default)]
        baseline: Baseline,
    },
    /// A critic says what was to be expected.
    Ppo {
        /// Advantages from values.
        #[serde(default)]
        gae: GaeSettings,
        /// The critic's loss.
        #[serde(default)]
        value: ValueSettings,
        /// The critic's learning rate, in those of the policy. 10: Memory-R1, section 4.1.
        #[serde(default = "ten")]
        critic_rate: f64,
        /// Steps in which only the critic learns, so that its first guesses move nobody.
        #[serde(default)]
        critic_first: u64,
    },
}

fn ten() -> f64 {
    10.0
}

/// Everything that shapes a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ReinforceSettings {
    /// Who learns.
    pub role: Role,
    /// Whether the answer agent learns beside the manager: from its groups of answers to each question, nested in the
    /// manager's samples. GRPO only, and scenes must be judged by it.
    pub nested: bool,
    /// Whether both agents are saved, and their numbers told apart.
    pub joint: bool,
    /// Steps before in which only the other agent learnt.
    pub others: u64,
    /// How.
    pub algorithm: Algorithm,
    /// The loss.
    pub policy: PolicySettings,
    /// The learning rate.
    pub learning: Schedule,
    /// The optimiser; its own learning rate does not count.
    pub optimiser: AdamW,
    /// Optimiser steps, of all epochs and minibatches together one.
    pub steps: u64,
    /// Scenes of a step.
    pub scenes: usize,
    /// Samples that play each.
    pub group: usize,
    /// How often a batch is gone through. Of more than once, the first pass's log-probabilities count as old.
    pub epochs: usize,
    /// Parts that a batch is divided into, with a change of the policy after each.
    pub minibatches: usize,
    /// Temperature that the learner samples at; its log-probabilities are taken at 1, so leave it at 1.
    pub temperature: f32,
    /// Steps between evaluations; 0: none.
    pub evaluate_every: u64,
    /// Whether there is one behind the last step too.
    pub evaluates_end: bool,
    /// Steps between saved states; 0: at the end only.
    pub save_every: u64,
    /// What all randomness comes from.
    pub seed: u64,
    /// Most tokens of a prompt and its reply.
    pub context_tokens: usize,
}

/// A sample of a step. What has an entry for each call has, in it, one for each token.
struct Sample {
    scene: usize,
    played: Played,
    calls: Vec<Call>,
    /// Where a call has a loss.
    masks: Vec<Vec<bool>>,
    advantages: Vec<Vec<f64>>,
    /// Log-probabilities before the policy changed, where they are needed.
    old: Option<Vec<Vec<f64>>>,
    /// Those of the base alone, where they are needed.
    reference: Option<Vec<Vec<f64>>>,
    /// What the values should have been, of PPO.
    returns: Vec<Vec<f64>>,
    /// Values before the critic changed, of PPO.
    values: Vec<Vec<f64>>,
    /// How much better than its group it was.
    advantage: f64,
}

/// Scenes that are evaluated on, greedily, with the name of that evaluation.
pub type Held<'a> = (&'a str, &'a [Box<dyn Scene>]);

/// Trains an agent from `first` to the last step. `scenes` are drawn in an order of their own for every pass through
/// them; `held` are what it is evaluated on, greedily.
pub fn reinforce(
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    scenes: &[Box<dyn Scene>],
    held: &[Held<'_>],
    settings: &ReinforceSettings,
    first: u64,
    watch: &mut dyn Watch,
) -> Result<(), TrainError> {
    if settings.nested && matches!(settings.algorithm, Algorithm::Ppo { .. }) {
        return Err(TrainError::Algorithm(
            "nested groups are compared with each other: take grpo".to_owned(),
        ));
    }
    if scenes.is_empty() {
        return Err(TaskError::Empty(
            "no scenes were made: give more stories, or conversations with questions".to_owned(),
        )
        .into());
    }
    settings.policy.check()?;
    settings.learning.check()?;
    let mut run = Run { engine, tokenizer, scenes, settings, skipped: BTreeMap::new() };
    for step in first..settings.steps {
        if watch.stops() {
            return watch.save(step, &run.state()?);
        }
        if settings.evaluate_every > 0 && step.is_multiple_of(settings.evaluate_every) {
            run.evaluate(held, step, watch)?;
        }
        if settings.save_every > 0 && step > first && step.is_multiple_of(settings.save_every) {
            watch.save(step, &run.state()?)?;
        }
        let (values, samples) = run.step(step)?;
        watch.step(step, &values, &samples)?;
    }
    if settings.evaluate_every > 0 && settings.evaluates_end {
        run.evaluate(held, settings.steps, watch)?;
    }
    let state = run.state()?;
    watch.save(settings.steps, &state)
}

/// Plays scenes greedily: mean rewards, and operations against gold.
pub fn evaluate(
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    scenes: &[Box<dyn Scene>],
    context_tokens: usize,
) -> Result<(Named, Vec<Played>), TrainError> {
    let mut all = Vec::with_capacity(scenes.len());
    // So many at once that a pass is well filled and the cache of keys and values stays small.
    for some in scenes.chunks(32) {
        let episodes = some.iter().map(|scene| (Dice::new(&[]), player(&**scene))).collect();
        let played = play(engine, tokenizer, context_tokens, Temperatures::GREEDY, episodes)?;
        for (played, _) in played {
            all.push(played?);
        }
    }
    let played: Vec<&Played> = all.iter().collect();
    let values = means(&played);
    Ok((values, all))
}

fn player(scene: &dyn Scene) -> Play<'_, Result<Played, TaskError>> {
    Box::new(move |model| scene.play(model))
}

struct Run<'a> {
    engine: &'a mut dyn PolicyEngine,
    tokenizer: &'a Arc<Tokenizer>,
    scenes: &'a [Box<dyn Scene>],
    settings: &'a ReinforceSettings,
    /// Steps in a row that were left out, of each agent.
    skipped: BTreeMap<Role, u32>,
}

impl Run<'_> {
    /// What is saved: policies, and critics where there are some.
    fn state(&mut self) -> Result<Vec<(Part, Vec<u8>)>, TrainError> {
        let settings = self.settings;
        let roles = if settings.joint { vec![Role::Manager, Role::Answer] } else { vec![settings.role] };
        let mut parts: Vec<Part> = roles.iter().map(|role| Part::policy(*role)).collect();
        if matches!(settings.algorithm, Algorithm::Ppo { .. }) {
            parts.extend(roles.iter().map(|role| Part::critic(*role)));
        }
        // A run of no steps has made none.
        for part in &parts {
            if part.is_critic() {
                self.engine.values(*part, &[])?;
            } else {
                self.engine.logprobs(Some(*part), &[])?;
            }
        }
        parts.into_iter().map(|part| Ok((part, self.engine.save(part)?))).collect()
    }

    fn evaluate(&mut self, held: &[Held<'_>], step: u64, watch: &mut dyn Watch) -> Result<(), TrainError> {
        for (name, scenes) in held.iter().filter(|(_, scenes)| !scenes.is_empty()) {
            let (values, _) = evaluate(self.engine, self.tokenizer, scenes, self.settings.context_tokens)?;
            watch.evaluated(step, name, &values)?;
        }
        Ok(())
    }

    fn step(&mut self, step: u64) -> Result<(Named, Vec<SampleLine>), TrainError> {
        let started = Instant::now();
        let mut samples = self.sample(step)?;
        let sampling = started.elapsed().as_secs_f64();
        let rate = self.rate(step);
        let of_answers = if self.settings.role == Role::Answer { self.prefix(Role::Answer) } else { "" };
        let means = means(&samples.iter().map(|sample| &sample.played).collect::<Vec<_>>());
        let mut values: Named =
            means.into_iter().map(|(name, value)| (format!("{of_answers}{name}"), value)).collect();
        values.push(("learning_rate".to_owned(), rate));
        let (mut tokens, learning, before) = (0, Instant::now(), self.engine.work());
        for role in self.learners() {
            let prefix = self.prefix(role);
            let counts = self.compare(step, role, &mut samples)?;
            let mut own: Named =
                counts.values().into_iter().map(|(name, value)| (format!("groups/{name}"), value)).collect();
            own.extend(lengths(&samples, role));
            tokens += self.learn(step, role, &mut samples, &mut own)?;
            values.extend(own.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        }
        let learning = learning.elapsed().as_secs_f64();
        values.push(("seconds/sample".to_owned(), sampling));
        values.push(("seconds/train".to_owned(), learning));
        values.extend(speed(self.engine.work(), before, tokens, learning));
        let lines = samples.iter().map(|sample| SampleLine {
            about: self.scenes[sample.scene].about(),
            said: sample.played.said.clone(),
            reward: sample.played.reward,
            advantage: sample.advantage,
        });
        Ok((values, lines.collect()))
    }

    /// Who learns in a step.
    fn learners(&self) -> Vec<Role> {
        let first = self.settings.role;
        if self.settings.nested { vec![first, Role::Answer] } else { vec![first] }
    }

    /// What stands before the names of an agent's numbers: in a run of both, theirs are told apart.
    fn prefix(&self, role: Role) -> &'static str {
        if self.settings.joint && role == Role::Answer { "answer/" } else { "" }
    }

    /// The learning rate; an agent that learns later than the other is warmed up too.
    fn rate(&self, step: u64) -> f64 {
        let Schedule { peak, warm_up, .. } = self.settings.learning;
        let own = Schedule::constant(peak, warm_up).rate(step - self.settings.others);
        self.settings.learning.rate(step).min(own)
    }

    /// Lets groups play the step's scenes.
    fn sample(&mut self, step: u64) -> Result<Vec<Sample>, TrainError> {
        let settings = self.settings;
        let drawn: Vec<usize> = (0..settings.scenes)
            .map(|nth| scene_of(settings.seed, step * settings.scenes as u64 + nth as u64, self.scenes.len()))
            .collect();
        let mut episodes: Vec<(Dice, Play<'_, _>)> = Vec::with_capacity(drawn.len() * settings.group);
        for (nth, scene) in drawn.iter().enumerate() {
            for sample in 0..settings.group {
                let dice = Dice::new(&[settings.seed, step, nth as u64, sample as u64]);
                episodes.push((dice, player(&*self.scenes[*scene])));
            }
        }
        let mut temperatures = Temperatures::training(settings.role);
        for role in self.learners() {
            match role {
                Role::Manager => temperatures.manager = settings.temperature,
                Role::Answer => temperatures.answer = settings.temperature,
            }
        }
        let played = play(self.engine, self.tokenizer, settings.context_tokens, temperatures, episodes)?;
        let mut samples = Vec::with_capacity(played.len());
        for (at, (played, calls)) in played.into_iter().enumerate() {
            samples.push(Sample {
                scene: drawn[at / settings.group],
                played: played?,
                masks: calls.iter().map(mask).collect(),
                advantages: calls.iter().map(|call| vec![0.0; call.written.logprobs.len()]).collect(),
                old: None,
                reference: None,
                returns: Vec::new(),
                values: Vec::new(),
                calls,
                advantage: 0.0,
            });
        }
        Ok(samples)
    }

    /// Compares an agent's samples within each group: those of a scene, or, of the answer agent that learns beside the
    /// manager, the answers to one question about one bank.
    fn compare(&self, step: u64, role: Role, samples: &mut [Sample]) -> Result<GroupCounts, TrainError> {
        let baseline = match self.settings.algorithm {
            Algorithm::Grpo { baseline } => baseline,
            Algorithm::Ppo { .. } => Baseline::default(),
        };
        let of = |rewards: &[Option<f64>]| {
            group_advantages(rewards, baseline).map_err(|source| TrainError::Reward { step, source })
        };
        let mut counts = GroupCounts::default();
        if role != self.settings.role {
            for sample in samples {
                for nested in &sample.played.answers {
                    let rewards: Vec<Option<f64>> = nested.draws.iter().map(|draw| draw.reward).collect();
                    let found = of(&rewards)?;
                    counts.count(&found);
                    for (draw, advantage) in nested.draws.iter().zip(&found.values) {
                        let own = sample.advantages.get_mut(draw.calls.clone()).into_iter().flatten();
                        own.flatten().for_each(|token| *token = *advantage);
                    }
                }
            }
            return Ok(counts);
        }
        for group in samples.chunks_mut(self.settings.group) {
            let rewards: Vec<Option<f64>> = group.iter().map(|sample| sample.played.reward).collect();
            let found = of(&rewards)?;
            counts.count(&found);
            for (sample, advantage) in group.iter_mut().zip(&found.values) {
                sample.advantage = *advantage;
                let calls = sample.calls.iter().zip(&mut sample.advantages);
                let own = calls.filter(|(call, _)| call.role == role).flat_map(|(_, tokens)| tokens);
                own.for_each(|token| *token = *advantage);
            }
        }
        Ok(counts)
    }

    /// Changes an agent's policy, and its critic where there is one: how many tokens that took.
    fn learn(
        &mut self,
        step: u64,
        role: Role,
        samples: &mut [Sample],
        values: &mut Named,
    ) -> Result<usize, TrainError> {
        let settings = self.settings;
        let rate = self.rate(step);
        // Where all of a group did alike there is nothing to compare, and nothing is computed.
        let is_ppo = matches!(settings.algorithm, Algorithm::Ppo { .. });
        let teaches = |sample: &&mut Sample| {
            let mut own = sample.calls.iter().zip(&sample.advantages).filter(|(call, _)| call.role == role);
            own.any(|(_, tokens)| is_ppo || tokens.iter().any(|advantage| *advantage != 0.0))
        };
        let mut chosen: Vec<&mut Sample> = samples.iter_mut().filter(teaches).collect();
        if chosen.is_empty() {
            values.push(("gradient/norm".to_owned(), 0.0));
            return Ok(0);
        }
        self.look_back(role, &mut chosen)?;
        if let Algorithm::Ppo { gae, value, critic_rate, critic_first } = settings.algorithm {
            self.estimate(&mut chosen, &gae)?;
            self.criticise(&chosen, &value, rate * critic_rate, values)?;
            if step - settings.others < critic_first {
                return Ok(0);
            }
        }
        let mut sum = Update::default();
        let minibatch = chosen.len().div_ceil(settings.minibatches.max(1));
        for _ in 0..settings.epochs.max(1) {
            for part in chosen.chunks(minibatch) {
                self.update(role, part, rate, &mut sum)?;
            }
        }
        values.extend(sum.values());
        let skipped = self.skipped.entry(role).or_default();
        *skipped = if sum.skipped == sum.steps { *skipped + 1 } else { 0 };
        if *skipped >= MOST_SKIPPED {
            return Err(TrainError::Diverged { count: *skipped, step });
        }
        Ok(sum.tokens)
    }

    /// Log-probabilities of the policy before it changes, and of the base alone, where they are needed.
    fn look_back(&mut self, role: Role, chosen: &mut [&mut Sample]) -> Result<(), TrainError> {
        let settings = self.settings;
        let penalised = matches!(settings.algorithm, Algorithm::Ppo { gae, .. } if gae.kl != 0.0);
        let needs_old = settings.epochs.max(1) * settings.minibatches.max(1) > 1 || penalised;
        let needs_reference = settings.policy.kl != 0.0 || penalised;
        if !needs_old && !needs_reference {
            return Ok(());
        }
        let batch = Batch::new(&calls(chosen), role);
        if needs_old {
            let policy = Some(Part::policy(role));
            let old = batch.by_call(&self.engine.logprobs(policy, &batch.trees)?, &calls(chosen));
            chosen.iter_mut().zip(old).for_each(|(sample, old)| sample.old = Some(old));
        }
        if needs_reference {
            let found = batch.by_call(&self.engine.logprobs(None, &batch.trees)?, &calls(chosen));
            chosen.iter_mut().zip(found).for_each(|(sample, found)| sample.reference = Some(found));
        }
        Ok(())
    }

    /// One change of the policy.
    fn update(
        &mut self,
        role: Role,
        part: &[&mut Sample],
        rate: f64,
        sum: &mut Update,
    ) -> Result<(), TrainError> {
        let settings = self.settings;
        let policy = Part::policy(role);
        let batch = Batch::new(&calls(part), role);
        let counts = counts(part, role);
        let mut failed = None;
        let scores = self.engine.forward_backward(policy, &batch.trees, &mut |tree, branch, scores| {
            let line = batch.lines[tree][branch];
            let (sample, call) = (&part[line.sample], line.call);
            let new = wide(scores);
            let completion = Completion {
                new: &new,
                old: sample.old.as_ref().map_or(&new[..], |old| &old[call]),
                sampler: &wide(&sample.calls[call].written.logprobs),
                reference: sample.reference.as_ref().map(|reference| &reference[call][..]),
                advantages: &sample.advantages[call],
                mask: &sample.masks[call],
            };
            let scale = settings.policy.aggregation.scale(counts, completion.mask);
            let loss = policy_loss(&completion, &settings.policy, scale);
            handed(loss.map(|loss| (loss.gradient, sum.metrics += loss.metrics).0), &mut failed)
        })?;
        failed.map_or(Ok(()), |failed| Err(TrainError::Algorithm(failed)))?;
        sum.tokens += batch.trees.iter().map(Tree::tokens).sum::<usize>();
        sum.choices += counts.tokens;
        sum.entropy += scores.entropies.iter().flatten().flatten().map(|nats| f64::from(*nats)).sum::<f64>();
        let stepped = self.engine.step(policy, &AdamW { learning_rate: rate, ..settings.optimiser })?;
        sum.steps += 1;
        sum.norm += stepped.gradient_norm;
        sum.skipped += u32::from(stepped.skipped);
        Ok(())
    }

    /// Advantages and returns of PPO: the calls of a sample are one episode, at whose end the reward comes. Advantages
    /// are whitened over the whole batch.
    fn estimate(&mut self, chosen: &mut [&mut Sample], gae: &GaeSettings) -> Result<(), TrainError> {
        let failed = |error: &dyn std::fmt::Display| TrainError::Algorithm(error.to_string());
        let critic = Part::critic(self.settings.role);
        let batch = Batch::new(&calls(chosen), self.settings.role);
        let values = batch.by_call(&self.engine.values(critic, &batch.trees)?, &calls(chosen));
        let (mut masks, mut advantages) = (Vec::new(), Vec::new());
        for (sample, values) in chosen.iter_mut().zip(values) {
            // Calls of the other agent have no values.
            let own = values.iter().zip(&sample.masks).filter(|(values, _)| !values.is_empty());
            let mask: Vec<bool> = own.flat_map(|(_, mask)| mask.iter().copied()).collect();
            let (reference, old) = (&sample.reference, &sample.old);
            let flat =
                reference.as_ref().zip(old.as_ref()).map(|(one, other)| (one.concat(), other.concat()));
            let divergence = flat.as_ref().map(|(reference, old)| Divergence { old, reference });
            let reward = sample.played.reward.unwrap_or_default();
            let episode = Episode { reward, values: &values.concat(), mask: &mask, divergence };
            let mut found = estimates(&episode, gae).map_err(|error| failed(&error))?;
            if sample.played.reward.is_none() {
                found.advantages.fill(0.0);
            }
            sample.returns = apart(&found.returns, &values);
            sample.values = values;
            advantages.push(found.advantages);
            masks.push(mask);
        }
        let pairs = advantages.iter_mut().map(Vec::as_mut_slice).zip(masks.iter().map(Vec::as_slice));
        whiten(&mut pairs.collect::<Vec<_>>()).map_err(|error| failed(&error))?;
        for (sample, advantages) in chosen.iter_mut().zip(advantages) {
            sample.advantages = apart(&advantages, &sample.values);
        }
        Ok(())
    }

    /// Teaches the critic what the returns were.
    fn criticise(
        &mut self,
        chosen: &[&mut Sample],
        value: &ValueSettings,
        rate: f64,
        values: &mut Named,
    ) -> Result<(), TrainError> {
        let (role, aggregation) = (self.settings.role, self.settings.policy.aggregation);
        let batch = Batch::new(&calls(chosen), role);
        let counts = counts(chosen, role);
        let (mut metrics, mut failed) = (ValueMetrics::default(), None);
        let critic = Part::critic(role);
        self.engine.forward_backward(critic, &batch.trees, &mut |tree, branch, scores| {
            let line = batch.lines[tree][branch];
            let (sample, call) = (&chosen[line.sample], line.call);
            let now = Valued {
                values: &wide(scores),
                old: &sample.values[call],
                returns: &sample.returns[call],
                mask: &sample.masks[call],
            };
            let loss = value_loss(&now, value, aggregation.scale(counts, now.mask));
            handed(loss.map(|loss| (loss.gradient, metrics += loss.metrics).0), &mut failed)
        })?;
        failed.map_or(Ok(()), |failed| Err(TrainError::Algorithm(failed)))?;
        self.engine.step(critic, &AdamW { learning_rate: rate, ..self.settings.optimiser })?;
        values.extend(metrics.values().into_iter().map(|(name, value)| (format!("critic/{name}"), value)));
        Ok(())
    }
}

/// Sums over the changes of one step.
#[derive(Default)]
struct Update {
    metrics: PolicyMetrics,
    tokens: usize,
    choices: u64,
    entropy: f64,
    steps: u32,
    norm: f64,
    skipped: u32,
}

impl Update {
    fn values(&self) -> Named {
        let mut values: Named = self
            .metrics
            .values()
            .into_iter()
            .map(|(name, value)| (format!("policy/{name}"), value))
            .collect();
        values.push(("policy/entropy".to_owned(), self.entropy / self.choices.max(1) as f64));
        values.push(("gradient/norm".to_owned(), self.norm / f64::from(self.steps.max(1))));
        values.push(("gradient/skipped".to_owned(), f64::from(self.skipped)));
        values
    }
}

fn calls<'a>(samples: &'a [&mut Sample]) -> Vec<&'a [Call]> {
    samples.iter().map(|sample| &sample.calls[..]).collect()
}

/// What a step consists of.
fn counts(samples: &[&mut Sample], role: Role) -> StepCounts {
    let mut counts = StepCounts::default();
    for sample in samples {
        let own = sample.calls.iter().zip(&sample.masks).filter(|(call, _)| call.role == role);
        own.for_each(|(_, mask)| counts.count(mask));
    }
    counts
}

/// A loss's derivative as the engine takes it; none, and the failure noted, where there is none.
fn handed<E: std::fmt::Display>(gradient: Result<Vec<f64>, E>, failed: &mut Option<String>) -> Vec<f32> {
    match gradient {
        Ok(gradient) => gradient.iter().map(|value| *value as f32).collect(),
        Err(error) => {
            *failed = Some(error.to_string());
            Vec::new()
        }
    }
}

fn wide(scores: &[f32]) -> Vec<f64> {
    scores.iter().map(|score| f64::from(*score)).collect()
}

/// Numbers of an episode, by call; `like` has as many in each call.
fn apart(numbers: &[f64], like: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut rest = numbers;
    let mut take = |own: &Vec<f64>| {
        let (first, others) = rest.split_at(own.len());
        rest = others;
        first.to_vec()
    };
    like.iter().map(&mut take).collect()
}

/// Mean lengths of an agent's prompts and replies, tokens.
fn lengths(samples: &[Sample], role: Role) -> Named {
    let own = || samples.iter().flat_map(|sample| &sample.calls).filter(|call| call.role == role);
    let mean = |of: fn(&Call) -> usize| own().map(of).sum::<usize>() as f64 / own().count().max(1) as f64;
    vec![
        ("length/prompt".to_owned(), mean(|call| call.prompt.len())),
        ("length/reply".to_owned(), mean(|call| call.written.logprobs.len())),
    ]
}

/// Which scene the run's `number`-th is: every pass through all scenes is a shuffling of its own.
fn scene_of(seed: u64, number: u64, scenes: usize) -> usize {
    let (pass, at) = (number / scenes as u64, number % scenes as u64);
    let mut order: Vec<usize> = (0..scenes).collect();
    fastrand::Rng::with_seed(Dice::new(&[seed, 0x5CE7E, pass]).seed()).shuffle(&mut order);
    order[at as usize]
}

/// Means over plays: rewards and their parts, and operations against gold.
pub fn means(played: &[&Played]) -> Named {
    let mean = |numbers: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut count) = (0.0, 0_u32);
        numbers.for_each(|number| (sum, count) = (sum + number, count + 1));
        sum / f64::from(count.max(1))
    };
    let mut values =
        vec![("reward/mean".to_owned(), mean(&mut played.iter().filter_map(|played| played.reward)))];
    let names: std::collections::BTreeSet<&str> =
        played.iter().flat_map(|played| played.parts.iter().map(|(name, _)| name.as_str())).collect();
    for name in names {
        let of_name =
            |played: &&Played| played.parts.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
        values.push((format!("reward/{name}"), mean(&mut played.iter().filter_map(of_name))));
    }
    let mut operations = Operations::default();
    for played in played {
        operations += played.operations;
    }
    if operations.facts > 0 {
        values.push(("operations/accuracy".to_owned(), operations.accuracy()));
        values.push(("operations/applied".to_owned(), operations.applied_accuracy()));
        values.push(("operations/update_targets".to_owned(), operations.updates.accuracy()));
        values.push(("operations/delete_targets".to_owned(), operations.deletes.accuracy()));
        values.push(("operations/fragmentation".to_owned(), operations.fragmentation()));
    }
    values
}
