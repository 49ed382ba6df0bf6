//! The engine on a server of the Tinker API: Thinking Machines', or SkyRL's on several GPUs and hosts
//! (docs/tinker.md).
//!
//! **Losses.** Server losses are not used. As Thinking Machines' client does for custom losses, `forward`
//! gives the log-probabilities, the algorithm says the derivative by each, and a loss that is linear in them
//! carries it back. That happens at the step: until then gradients lie here, so that a failure leaves none on
//! the server, and their number is known, by which SkyRL's JAX server divides ([`Dialect`]). Calls are in the
//! order of their `seq_id`s.
//!
//! **No grammars.** The API has no masks. Replies are drawn from the whole vocabulary, forced text as well,
//! every token of theirs is [`Choice::Any`], and those that do not follow the grammar are failures that the
//! pipeline counts. Trees are scored over the whole vocabulary too, whatever their choices say; [`open`] says
//! so of samples to imitate, so that what the grammar would have forced is learned with the rest. On the
//! device the grammar holds.
//!
//! **Not there.** Critics, and so PPO; entropies; a way to forget gradients. What cannot be done is refused.
//!
//! A saved state is a name: its weights stay on the server.
//!
//! Rooms it touches: weights, engine.

mod archive;
mod client;
mod dialect;
mod error;
mod sequence;
mod session;
mod wire;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::client::{ApiKey, KEY_VARIABLE, Patience, Server};
use self::client::{Client, Repeat};
pub use self::dialect::Dialect;
pub use self::error::TinkerError;
use self::sequence::{Pending, Sequence, chunks};
use self::session::Session;
use super::{
    AdamW, Ask, Branch, Choice, Derivative, Dice, EngineError, Part, PolicyEngine, Scores, Stepped, Token,
    Tree, Written,
};
use crate::weights::{Lora, Shape};

/// Under which a server tells the norm of the gradients, before clipping: SkyRL's name, and Thinking
/// Machines'.
const NORMS: [&str; 2] = ["skyrl.ai/grad_norm", "unclipped_grad_l2:mean"];

/// The base, as the server and as the device have it.
#[derive(Debug, Clone)]
pub struct RemoteBase {
    /// Its name or folder on the server.
    pub name: String,
    /// Its sizes, to read adapters by.
    pub shape: Shape,
    /// Most tokens of prompt and reply.
    pub context_tokens: usize,
    /// The tokens that end a reply.
    pub ends: Vec<Token>,
}

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct TinkerSettings {
    /// Which server it is.
    pub dialect: Dialect,
    /// Rank of the LoRAs that are made. Their alpha is the server's: 32 on both.
    pub rank: usize,
    /// Decides how new LoRAs begin.
    pub seed: u64,
    /// Whether what the server leaves out of the optimiser's settings is left out, instead of refused.
    pub server_optimiser: bool,
}

/// The engine on a server.
pub struct TinkerEngine {
    client: Client,
    base: RemoteBase,
    settings: TinkerSettings,
    session: Session,
    models: BTreeMap<Slot, Model>,
}

/// A LoRA of the server's: a part's, or one that is never trained and so is the base alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Base,
    Part(Part),
}

impl From<Option<Part>> for Slot {
    fn from(part: Option<Part>) -> Self {
        part.map_or(Self::Base, Self::Part)
    }
}

/// A LoRA on the server.
struct Model {
    id: String,
    /// Requests so far; they are numbered from 1.
    requests: Cell<u64>,
    /// Where replies are drawn from, as long as nothing was changed.
    sampler: Option<Sampler>,
    /// Gradients that the next step carries to the server.
    pending: Vec<Pending>,
    /// Whether the server may hold gradients of a step that failed.
    stale: bool,
}

struct Sampler {
    session: String,
    asked: u64,
}

/// What a saved state is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    tinker: String,
    base: String,
    rank: usize,
}

/// A tree as this engine draws replies: every token of its branches from the whole vocabulary.
#[must_use]
pub fn open(tree: &Tree) -> Tree {
    let open = |branch: &Branch| {
        let choices = vec![Choice::Any; branch.tokens.len()];
        Branch { tokens: branch.tokens.clone(), choices }
    };
    Tree { prompt: tree.prompt.clone(), branches: tree.branches.iter().map(open).collect() }
}

impl TinkerEngine {
    /// Opens a session with a server that offers this base. LoRAs are made when they are first used.
    pub fn connect(
        server: &Server,
        mut base: RemoteBase,
        settings: TinkerSettings,
    ) -> Result<Self, EngineError> {
        let client = Client::new(server)?;
        let offered: wire::Capabilities = client.get("get_server_capabilities")?;
        let is_ours = |model: &&wire::SupportedModel| model.model_name.as_deref() == Some(&base.name);
        let Some(found) = offered.supported_models.iter().find(is_ours) else {
            let names = offered.supported_models.into_iter().filter_map(|model| model.model_name);
            let offered = names.collect::<Vec<_>>().join(", ");
            return Err(TinkerError::Base { wanted: base.name, offered }.into());
        };
        base.context_tokens =
            found.max_context_length.map_or(base.context_tokens, |most| most.min(base.context_tokens));
        let session = Session::open(&client)?;
        Ok(Self { client, base, settings, session, models: BTreeMap::new() })
    }

    /// Takes the LoRAs off the server and ends the session. A session that is only dropped ends there after
    /// minutes.
    pub fn close(mut self) -> Result<(), EngineError> {
        let models = std::mem::take(&mut self.models);
        models.values().try_for_each(|model| self.unload(model))?;
        Ok(())
    }

    fn create(&self, slot: Slot) -> Result<Model, TinkerError> {
        const ROUTE: &str = "create_model";
        let number = match slot {
            Slot::Base => 0,
            Slot::Part(part) => 1 + part as u64,
        };
        let request = wire::CreateModel {
            session_id: &self.session.id,
            model_seq_id: self.session.number(),
            base_model: &self.base.name,
            lora_config: wire::LoraConfig {
                rank: self.settings.rank,
                seed: seed(Dice::new(&[self.settings.seed, number])),
                train_unembed: false,
                train_mlp: true,
                train_attn: true,
            },
            r#type: "create_model",
        };
        let future: wire::Future = self.client.post(ROUTE, &request, self.settings.dialect.repeat())?;
        let created: wire::Created = self.client.wait(ROUTE, &future)?;
        let id = future.model_id.unwrap_or(created.model_id);
        Ok(Model { id, requests: Cell::new(0), sampler: None, pending: Vec::new(), stale: false })
    }

    fn ensure(&mut self, slot: Slot) -> Result<(), TinkerError> {
        if !self.models.contains_key(&slot) {
            let model = self.create(slot)?;
            self.models.insert(slot, model);
        }
        Ok(())
    }

    fn model(&self, slot: Slot) -> Result<&Model, EngineError> {
        let missing = || match slot {
            Slot::Base => EngineError::State("there is no base yet".to_owned()),
            Slot::Part(part) => EngineError::State(format!("there is no {} yet", part.name())),
        };
        self.models.get(&slot).ok_or_else(missing)
    }

    fn unload(&self, model: &Model) -> Result<(), TinkerError> {
        const ROUTE: &str = "unload_model";
        let request = wire::UnloadModel { model_id: &model.id, r#type: ROUTE };
        let future: wire::Future = self.client.post(ROUTE, &request, Repeat::Freely)?;
        self.client.wait::<wire::Ended>(ROUTE, &future)?;
        Ok(())
    }

    fn save_weights(&self, model: &Model) -> Result<String, TinkerError> {
        const ROUTE: &str = "save_weights";
        let name = self.session.name();
        let request =
            wire::SaveWeights { model_id: &model.id, seq_id: model.number(), path: &name, r#type: ROUTE };
        let future: wire::Future = self.client.post(ROUTE, &request, Repeat::Freely)?;
        let saved: wire::Saved = self.client.wait(ROUTE, &future)?;
        Ok(saved.path)
    }

    /// A new LoRA in a slot's place, with saved weights and optimiser.
    fn replace(&mut self, slot: Slot, path: &str) -> Result<(), TinkerError> {
        const ROUTE: &str = "load_weights";
        let new = self.create(slot)?;
        let request = wire::LoadWeights {
            model_id: &new.id,
            seq_id: new.number(),
            path,
            optimizer: true,
            r#type: ROUTE,
        };
        let loaded = self.client.post(ROUTE, &request, Repeat::Freely);
        let loaded = loaded.and_then(|future: wire::Future| self.client.wait::<wire::Ended>(ROUTE, &future));
        if let Err(error) = loaded {
            // The error that matters is the first; an adapter that is left goes with the session.
            let _ = self.unload(&new);
            return Err(error);
        }
        if let Some(old) = self.models.insert(slot, new) {
            self.unload(&old)?;
        }
        Ok(())
    }

    /// Gives a LoRA that failed in a step a new place, where no gradients lie. The server needs room for one
    /// more.
    fn renew(&mut self, slot: Slot) -> Result<(), EngineError> {
        let model = self.model(slot)?;
        if model.stale {
            let path = self.save_weights(model)?;
            self.replace(slot, &path)?;
        }
        Ok(())
    }

    /// Where a part's replies are drawn from.
    fn sampler(&mut self, slot: Slot) -> Result<(), EngineError> {
        const ROUTE: &str = "save_weights_for_sampler";
        let model = self.model(slot)?;
        if model.sampler.is_some() {
            return Ok(());
        }
        let request = wire::SaveForSampler {
            model_id: &model.id,
            seq_id: model.number(),
            path: None,
            sampling_session_seq_id: Some(self.session.number()),
            r#type: ROUTE,
        };
        let future: wire::Future = self.client.post(ROUTE, &request, Repeat::Freely)?;
        let saved: wire::SavedForSampler = self.client.wait(ROUTE, &future)?;
        let session = saved.sampling_session_id.ok_or_else(|| TinkerError::Reply {
            doing: ROUTE,
            problem: "it names no session to sample from".to_owned(),
        })?;
        if let Some(model) = self.models.get_mut(&slot) {
            model.sampler = Some(Sampler { session, asked: 0 });
        }
        Ok(())
    }

    /// Sends batches and waits for what they become, in order: the log-probabilities of all targets.
    fn pass(
        &self,
        model: &Model,
        pass: Pass,
        loss_fn: &'static str,
        data: &[wire::Datum],
    ) -> Result<Vec<Vec<f32>>, TinkerError> {
        let route = pass.route();
        let mut futures: Vec<(wire::Future, &[wire::Datum])> = Vec::new();
        for data in chunks(data) {
            let (model_id, seq_id) = (model.id.as_str(), model.number());
            let batch = wire::Batch { data, loss_fn };
            let future = match pass {
                Pass::Forward => {
                    let request = wire::Forward { model_id, seq_id, batch };
                    self.client.post(route, &request, Repeat::Freely)
                }
                Pass::Backward => {
                    let request = wire::ForwardBackward { model_id, seq_id, batch };
                    self.client.post(route, &request, self.settings.dialect.repeat())
                }
            };
            futures.push((future?, data));
        }
        let mut found = Vec::with_capacity(data.len());
        for (future, data) in futures {
            let passed: wire::Passed = self.client.wait(route, &future)?;
            let lengths = passed.loss_fn_outputs.iter().map(|output| output.logprobs.data.len());
            if !lengths.eq(data.iter().map(|datum| datum.model_input.len())) {
                let problem = "it has not one log-probability for each token".to_owned();
                return Err(TinkerError::Reply { doing: route, problem });
            }
            found.extend(passed.loss_fn_outputs.into_iter().map(|output| output.logprobs.data));
        }
        Ok(found)
    }

    /// The replies of trees as sequences; those without a token have none.
    fn sequences(&self, trees: &[Tree]) -> Result<Vec<Option<Sequence>>, EngineError> {
        let most = self.base.context_tokens;
        let replies = trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| (&tree.prompt, branch)));
        replies
            .map(|(prompt, branch)| {
                let tokens = prompt.len() + branch.tokens.len();
                if prompt.is_empty() {
                    return Err(EngineError::State("a prompt has no token".to_owned()));
                }
                if tokens > most {
                    return Err(EngineError::TooLong { tokens, most });
                }
                Ok((!branch.tokens.is_empty()).then(|| Sequence::new(prompt, branch)))
            })
            .collect()
    }

    /// Log-probabilities of the sequences' replies.
    fn score(&self, slot: Slot, sequences: &[Option<Sequence>]) -> Result<Vec<Vec<f32>>, EngineError> {
        let model = self.model(slot)?;
        let data: Vec<wire::Datum> = sequences
            .iter()
            .flatten()
            .map(|sequence| {
                let weights = sequence.behind_prompt(&vec![1.0; sequence.tokens.len() - sequence.prompt]);
                sequence.datum(|inputs| inputs.weights = Some(wire::Tensor::floats(weights)))
            })
            .collect();
        let mut found = self.pass(model, Pass::Forward, "cross_entropy", &data)?.into_iter();
        let reply = |sequence: &Option<Sequence>| {
            let sequence = sequence.as_ref()?;
            Some(found.next()?.split_off(sequence.prompt - 1))
        };
        Ok(sequences.iter().map(reply).map(Option::unwrap_or_default).collect())
    }

    fn optimise(&self, model: &Model, settings: &AdamW) -> Result<f64, TinkerError> {
        const ROUTE: &str = "optim_step";
        let request = wire::OptimStep {
            model_id: &model.id,
            seq_id: model.number(),
            adam_params: settings.into(),
            r#type: ROUTE,
        };
        let future: wire::Future = self.client.post(ROUTE, &request, self.settings.dialect.repeat())?;
        let done: wire::Optimised = self.client.wait(ROUTE, &future)?;
        let metrics = done.metrics.unwrap_or_default();
        match NORMS.iter().find_map(|name| metrics.get(*name)) {
            Some(Some(norm)) if norm.is_finite() => Ok(*norm),
            Some(_) => Err(TinkerError::Spoilt),
            None => Ok(f64::NAN),
        }
    }

    fn asked(&self, part: Part, asks: &[Ask]) -> Result<Vec<wire::Future>, EngineError> {
        let model = self.model(Slot::Part(part))?;
        let sampler =
            model.sampler.as_ref().ok_or(EngineError::State("there is nothing to sample from".to_owned()))?;
        let ask = |(at, ask): (usize, &Ask)| {
            let request = wire::Sample {
                num_samples: 1,
                prompt: wire::ModelInput::new(&ask.prompt),
                sampling_params: wire::SamplingParams {
                    max_tokens: ask.max_tokens,
                    seed: seed(ask.dice),
                    stop: &self.base.ends,
                    temperature: ask.temperature,
                    top_k: -1,
                    top_p: 1.0,
                },
                sampling_session_id: &sampler.session,
                seq_id: sampler.asked + at as u64,
                r#type: "sample",
            };
            Ok(self.client.post("asample", &request, Repeat::Freely)?)
        };
        asks.iter().enumerate().map(ask).collect()
    }

    fn written(&self, future: &wire::Future) -> Result<Written, TinkerError> {
        const ROUTE: &str = "asample";
        let wrong = |problem: &str| TinkerError::Reply { doing: ROUTE, problem: problem.to_owned() };
        let sampled: wire::Sampled = self.client.wait(ROUTE, future)?;
        let [sequence] =
            <[wire::Sequence; 1]>::try_from(sampled.sequences).map_err(|_| wrong("it is not one reply"))?;
        let wire::Sequence { stop_reason, tokens, logprobs } = sequence;
        let logprobs = logprobs.filter(|logprobs| logprobs.len() == tokens.len());
        let logprobs = logprobs.ok_or_else(|| wrong("it has not one log-probability for each token"))?;
        let cut_off = stop_reason == wire::StopReason::Length;
        if !cut_off && !tokens.last().is_some_and(|token| self.base.ends.contains(token)) {
            return Err(wrong("a reply ended without a token that ends one"));
        }
        let choices = vec![Choice::Any; tokens.len()];
        Ok(Written { branch: Branch { tokens, choices }, logprobs, cut_off })
    }
}

impl Model {
    /// The number of the next request.
    fn number(&self) -> u64 {
        self.requests.set(self.requests.get() + 1);
        self.requests.get()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Forward,
    Backward,
}

impl Pass {
    fn route(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "forward_backward",
        }
    }
}

impl PolicyEngine for TinkerEngine {
    fn sample(&mut self, part: Part, asks: &[Ask]) -> Result<Vec<Written>, EngineError> {
        refuse_critic(part)?;
        let most = self.base.context_tokens;
        for ask in asks {
            let tokens = ask.prompt.len() + ask.max_tokens;
            if tokens > most {
                return Err(EngineError::TooLong { tokens, most });
            }
            // SkyRL draws at a temperature and says log-probabilities at 1.
            if ask.temperature != 0.0 && (ask.temperature - 1.0).abs() > f32::EPSILON {
                return Err(TinkerError::Temperature(ask.temperature).into());
            }
        }
        let slot = Slot::Part(part);
        self.ensure(slot)?;
        self.sampler(slot)?;
        let futures = self.asked(part, asks)?;
        if let Some(sampler) = self.models.get_mut(&slot).and_then(|model| model.sampler.as_mut()) {
            sampler.asked += asks.len() as u64;
        }
        futures.iter().map(|future| Ok(self.written(future)?)).collect()
    }

    fn logprobs(&mut self, part: Option<Part>, trees: &[Tree]) -> Result<Scores, EngineError> {
        part.map_or(Ok(()), refuse_critic)?;
        self.ensure(part.into())?;
        let scores = self.score(part.into(), &self.sequences(trees)?)?;
        Ok(by_tree(trees, scores))
    }

    fn forward_backward(
        &mut self,
        part: Part,
        trees: &[Tree],
        derivative: &mut Derivative<'_>,
    ) -> Result<Scores, EngineError> {
        refuse_critic(part)?;
        let slot = Slot::Part(part);
        self.ensure(slot)?;
        let found =
            self.sequences(trees).and_then(|sequences| Ok((self.score(slot, &sequences)?, sequences)));
        let Some(model) = self.models.get_mut(&slot) else { return Ok(Scores::default()) };
        let (scores, sequences) = found.inspect_err(|_| model.pending.clear())?;
        let places =
            trees.iter().enumerate().flat_map(|(tree, of)| (0..of.branches.len()).map(move |at| (tree, at)));
        for (((tree, branch), scores), sequence) in places.zip(&scores).zip(sequences) {
            let mut slopes = derivative(tree, branch, scores);
            slopes.resize(scores.len(), 0.0);
            if let Some(sequence) = sequence.filter(|_| slopes.iter().any(|slope| *slope != 0.0)) {
                let (slopes, logprobs) = (sequence.behind_prompt(&slopes), sequence.behind_prompt(scores));
                model.pending.push(Pending { sequence, slopes, logprobs });
            }
        }
        Ok(by_tree(trees, scores))
    }

    fn follow(&mut self, _: Part, _: &[Tree], _: f64) -> Result<Vec<Vec<Vec<f32>>>, EngineError> {
        Err(EngineError::NoTeacher)
    }

    fn values(&mut self, _part: Part, _trees: &[Tree]) -> Result<Scores, EngineError> {
        Err(TinkerError::NoCritics.into())
    }

    /// The norm is not a number where the server tells none.
    fn step(&mut self, part: Part, settings: &AdamW) -> Result<Stepped, EngineError> {
        refuse_critic(part)?;
        let slot = Slot::Part(part);
        self.ensure(slot)?;
        let pending =
            self.models.get_mut(&slot).map(|model| std::mem::take(&mut model.pending)).unwrap_or_default();
        if pending.is_empty() {
            return Ok(Stepped { gradient_norm: 0.0, skipped: true });
        }
        if !pending.iter().flat_map(|one| &one.slopes).all(|slope| slope.is_finite()) {
            return Ok(Stepped { gradient_norm: f64::NAN, skipped: true });
        }
        let left_out = self.settings.dialect.leaves_out(settings).filter(|_| !self.settings.server_optimiser);
        if let Some(left_out) = left_out {
            return Err(TinkerError::Optimiser(left_out).into());
        }
        self.renew(slot)?;
        let (loss_fn, data) = self.settings.dialect.linear_loss(&pending);
        let model = self.model(slot)?;
        let passed = self.pass(model, Pass::Backward, loss_fn, &data);
        let stepped = passed.and_then(|_| self.optimise(model, settings));
        if let Some(model) = self.models.get_mut(&slot) {
            model.sampler = None;
            model.stale = stepped.is_err();
        }
        Ok(Stepped { gradient_norm: stepped?, skipped: false })
    }

    fn lora(&self, part: Part) -> Result<Lora, EngineError> {
        const ROUTE: &str = "save_weights_for_sampler";
        let model = self.model(Slot::Part(part))?;
        let name = self.session.name();
        let request = wire::SaveForSampler {
            model_id: &model.id,
            seq_id: model.number(),
            path: Some(&name),
            sampling_session_seq_id: None,
            r#type: ROUTE,
        };
        let future: wire::Future = self.client.post(ROUTE, &request, Repeat::Freely)?;
        let saved: wire::SavedForSampler = self.client.wait(ROUTE, &future)?;
        let place = saved.path.as_deref().and_then(|path| path.strip_prefix("tinker://")?.split_once('/'));
        let (run, checkpoint) = place.ok_or_else(|| TinkerError::Reply {
            doing: ROUTE,
            problem: "it names no checkpoint".to_owned(),
        })?;
        let packed = self.client.archive(run, checkpoint)?;
        archive::read(&packed, &self.base.shape)
    }

    fn save(&self, part: Part) -> Result<Vec<u8>, EngineError> {
        let tinker = self.save_weights(self.model(Slot::Part(part))?)?;
        let state = State { tinker, base: self.base.name.clone(), rank: self.settings.rank };
        serde_json::to_vec(&state).map_err(|error| EngineError::State(error.to_string()))
    }

    fn load(&mut self, part: Part, state: &[u8]) -> Result<(), EngineError> {
        refuse_critic(part)?;
        let other = |what: &str| EngineError::State(what.to_owned());
        let state: State =
            serde_json::from_slice(state).map_err(|_| other("it is none of a Tinker server's"))?;
        if state.base != self.base.name || state.rank != self.settings.rank {
            return Err(other(
                "it is for another base or rank: set engine.base and engine.rank as they were",
            ));
        }
        Ok(self.replace(Slot::Part(part), &state.tinker)?)
    }
}

fn refuse_critic(part: Part) -> Result<(), EngineError> {
    if part.is_critic() { Err(TinkerError::NoCritics.into()) } else { Ok(()) }
}

/// Servers take 31 bits.
fn seed(dice: Dice) -> u32 {
    (dice.seed() >> 33) as u32
}

/// Scores of replies, one after the other, by tree and branch. The API tells no entropies.
fn by_tree(trees: &[Tree], scores: Vec<Vec<f32>>) -> Scores {
    let mut scores = scores.into_iter();
    let values = trees.iter().map(|tree| scores.by_ref().take(tree.branches.len()).collect()).collect();
    Scores { values, entropies: Vec::new() }
}
