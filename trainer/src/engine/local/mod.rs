//! The engine on this machine, over libtorch: one program for processors and CUDA.
//!
//! The base is the GGUF file that ships, unpacked; each part has a LoRA on its linears. libtorch reports failure by a
//! panic of its binding: [`guarded`] turns one into an error, with the gradients cleared. Its parts do not change outside
//! of a step.
//!
//! Rooms it touches: weights, engine.

mod attention;
mod decoder;
mod head;
mod layout;
mod leaf;
mod lora;
mod pack;
mod sample;
mod work;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use keepsake_core::model::Tokenizer;
use tch::{Cuda, Device, Kind, Tensor, no_grad};

use self::decoder::Decoder;
use self::head::Chosen;
use self::layout::Layout;
use self::leaf::numbers;
use self::lora::{Adapter, Patch};
use self::pack::Pack;
use super::{
    AdamW, Ask, Derivative, Dice, EngineError, Part, PolicyEngine, Scores, Stepped, Tree, Work, Written,
};
use crate::weights::{Base, Lora, Shape, WeightsError};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Where {
    /// A GPU if libtorch finds one, the processor otherwise.
    #[default]
    Best,
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// Where to compute.
    pub device: Where,
    /// libtorch's threads of the processor; `None`: as many as it takes. Grammars and stories take all processors.
    pub threads: Option<usize>,
    /// Rank of the LoRAs that are made.
    pub rank: usize,
    /// Their alpha.
    pub alpha: f64,
    /// Most tokens of one pass; trees that are longer are a pass alone.
    pub pack_tokens: usize,
    /// Most tokens of all replies and prompts' endings that stand behind a beginning which their prompts share. With so
    /// few, attention's share of the work stays below a tenth. 0: nothing is shared between different prompts.
    pub shared_tokens: usize,
    /// Whether layers are computed again on the way back instead of being kept: a third more work, a fraction of the
    /// memory.
    pub recompute: bool,
    /// Decides how new LoRAs begin.
    pub seed: u64,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            device: Where::Best,
            threads: None,
            rank: 16,
            alpha: 32.0,
            pack_tokens: 2048,
            shared_tokens: 640,
            recompute: false,
            seed: 0,
        }
    }
}

/// The engine on this machine.
pub struct LocalEngine {
    decoder: Decoder,
    tokenizer: Arc<Tokenizer>,
    settings: LocalSettings,
    adapters: BTreeMap<Part, Adapter>,
    /// What policies may learn from; it does not change.
    teacher: Option<Adapter>,
    /// Operations of passes so far.
    operations: Cell<f64>,
    most_per_second: f64,
}

impl LocalEngine {
    /// Loads a base onto a device.
    pub fn load(
        base: &Base,
        tokenizer: Arc<Tokenizer>,
        settings: LocalSettings,
    ) -> Result<Self, EngineError> {
        Self::with(tokenizer, settings, |device, kind| Decoder::load(base, device, kind))
    }

    /// Random weights of a shape, made on the device: to measure by, where a base of that shape is not at hand. The
    /// tokenizer may be another base's with a smaller vocabulary.
    pub fn random(
        shape: &Shape,
        tokenizer: Arc<Tokenizer>,
        settings: LocalSettings,
    ) -> Result<Self, EngineError> {
        let seed = settings.seed;
        Self::with(tokenizer, settings, |device, kind| Decoder::random(shape, device, kind, seed))
    }

    fn with(
        tokenizer: Arc<Tokenizer>,
        settings: LocalSettings,
        decoder: impl FnOnce(Device, Kind) -> Result<Decoder, WeightsError>,
    ) -> Result<Self, EngineError> {
        let device = device(settings.device)?;
        if let Some(threads) = settings.threads {
            tch::set_num_threads(threads as i32);
        }
        let kind = if device == Device::Cpu { Kind::Float } else { Kind::BFloat16 };
        let decoder = guarded(device, || decoder(device, kind).map_err(EngineError::from))?;
        let most_per_second = guarded(device, || Ok(work::most_per_second(device, kind)))?;
        let (adapters, teacher, operations) = (BTreeMap::new(), None, Cell::new(0.0));
        Ok(Self { decoder, tokenizer, settings, adapters, teacher, operations, most_per_second })
    }

    /// The base's dimensions.
    pub fn shape(&self) -> &Shape {
        &self.decoder.shape
    }

    /// The tokens and grammars of the base.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// What it computes on, in words.
    pub fn device(&self) -> String {
        format!("{:?}", self.decoder.device)
    }

    /// Gives a part a LoRA that was trained before.
    pub fn adopt(&mut self, part: Part, lora: &Lora) -> Result<(), EngineError> {
        let (shape, device) = (&self.decoder.shape, self.decoder.device);
        let adapter = Adapter::of(shape, lora, device)?;
        self.adapters
            .insert(part, if part.is_critic() { adapter.with_values(shape, device) } else { adapter });
        Ok(())
    }

    /// Gives the engine the adapter that [`PolicyEngine::follow`] goes by.
    pub fn teach(&mut self, lora: &Lora) -> Result<(), EngineError> {
        self.teacher = Some(Adapter::of(&self.decoder.shape, lora, self.decoder.device)?);
        Ok(())
    }

    /// Gives a part these matrices and keeps all else of it: optimiser and value head.
    pub fn adopt_matrices(&mut self, part: Part, lora: &Lora) -> Result<(), EngineError> {
        self.ensure(part);
        self.adapters.get_mut(&part).map_or(Ok(()), |adapter| adapter.set(lora))
    }

    /// The gradients of a part as they have added up, in the place of its matrices; `None` before the first.
    pub fn gradients(&self, part: Part) -> Option<Lora> {
        self.adapters.get(&part).and_then(Adapter::gradients)
    }

    /// Forgets the gradients of a part.
    pub fn clear(&mut self, part: Part) {
        if let Some(adapter) = self.adapters.get_mut(&part) {
            adapter.clear();
        }
    }

    /// Sees to a part's LoRA: a new one changes nothing yet.
    fn ensure(&mut self, part: Part) {
        let (decoder, settings) = (&self.decoder, &self.settings);
        self.adapters.entry(part).or_insert_with(|| {
            let dice = Dice::new(&[settings.seed, part as u64]);
            let new = Adapter::new(&decoder.shape, settings.rank, settings.alpha, dice, decoder.device);
            if part.is_critic() { new.with_values(&decoder.shape, decoder.device) } else { new }
        });
    }

    fn critic(&self, part: Part) -> Option<&Adapter> {
        self.adapters.get(&part).filter(|adapter| adapter.is_critic())
    }

    fn patch(&self, part: Option<Part>) -> Patch {
        let adapter = part.and_then(|part| self.adapters.get(&part));
        adapter.map_or_else(Patch::none, |adapter| adapter.patch(self.decoder.kind))
    }

    fn count(&self, pack: &Pack, trained: bool) {
        let more = work::operations(&self.decoder.shape, self.settings.rank, pack, trained);
        self.operations.set(self.operations.get() + more);
    }

    /// Hidden states before each token of the branches, after the last norm, `[predicted, width]`.
    fn predicting(&self, pack: &Pack, patch: &Patch) -> Tensor {
        let hidden = self.decoder.trunk(pack, patch);
        self.decoder.last_norm(&hidden.index_select(0, &pack.sources))
    }

    /// One pass with gradients: `back` gives the loss's derivative by the predicting hidden states, `[predicted, width]`.
    fn learn(&self, pack: &Pack, patch: &Patch, back: impl FnOnce(&Tensor) -> Tensor) {
        if self.settings.recompute {
            return self.learn_again(pack, patch, back);
        }
        let predicting = self.predicting(pack, patch);
        let gradient = back(&predicting.detach());
        (predicting * gradient).sum(Kind::Float).backward();
    }

    /// The same, with every layer computed twice and only its input kept.
    fn learn_again(&self, pack: &Pack, patch: &Patch, back: impl FnOnce(&Tensor) -> Tensor) {
        let layers = self.decoder.layers.len();
        let mut inputs = Vec::with_capacity(layers + 1);
        no_grad(|| {
            let mut hidden = self.decoder.embed(&pack.tokens);
            for at in 0..layers {
                let next = self.decoder.layer(at, &hidden, pack, patch);
                inputs.push(std::mem::replace(&mut hidden, next));
            }
            inputs.push(hidden);
        });
        let last = inputs.pop().unwrap_or_default().set_requires_grad(true);
        let predicting = self.decoder.last_norm(&last.index_select(0, &pack.sources));
        let gradient = back(&predicting.detach());
        (predicting * gradient).sum(Kind::Float).backward();
        let mut gradient = last.grad();
        let lowest = patch.lowest();
        for (at, input) in inputs.into_iter().enumerate().skip(lowest).rev() {
            let input = if at > lowest { input.set_requires_grad(true) } else { input };
            let output = self.decoder.layer(at, &input, pack, patch);
            (output * gradient).to_kind(Kind::Float).sum(Kind::Float).backward();
            gradient = input.grad();
        }
    }

    /// Scores of trees without gradients; `scores` of a pack.
    fn scored(
        &self,
        trees: &[Tree],
        part: Option<Part>,
        of: impl Fn(&Pack, Tensor) -> (Vec<f32>, Vec<f32>),
    ) -> Result<Scores, EngineError> {
        let layout = Layout::new(trees, self.settings.shared_tokens);
        let mut all = Scores { values: layout.places(), entropies: layout.places() };
        for pass in layout.passes(self.settings.pack_tokens) {
            let pack = Pack::new(&layout.trees[pass.clone()], &self.decoder)?;
            let (values, entropies) = no_grad(|| of(&pack, self.predicting(&pack, &self.patch(part))));
            self.count(&pack, false);
            layout.put(pass.clone(), &values, &mut all.values);
            layout.put(pass, &entropies, &mut all.entropies);
        }
        Ok(all)
    }

    /// Runs libtorch; where it fails the gradients are cleared.
    fn run<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let device = self.decoder.device;
        let result = guarded(device, || work(self));
        if result.is_err() {
            self.adapters.values_mut().for_each(Adapter::clear);
        }
        result
    }
}

impl PolicyEngine for LocalEngine {
    fn sample(&mut self, part: Part, asks: &[Ask]) -> Result<Vec<Written>, EngineError> {
        self.ensure(part);
        self.run(|engine| {
            let limits = (engine.settings.shared_tokens, engine.settings.pack_tokens);
            no_grad(|| {
                sample::sample(&engine.decoder, &engine.patch(Some(part)), &engine.tokenizer, asks, limits)
            })
        })
    }

    fn logprobs(&mut self, part: Option<Part>, trees: &[Tree]) -> Result<Scores, EngineError> {
        if let Some(part) = part {
            self.ensure(part);
        }
        self.run(|engine| {
            engine.scored(trees, part, |pack, hidden| {
                let found =
                    Chosen::new(&engine.decoder.head, &hidden, &pack.targets, &pack.choices).find(false);
                (found.logprobs, found.entropies)
            })
        })
    }

    fn forward_backward(
        &mut self,
        part: Part,
        trees: &[Tree],
        derivative: &mut Derivative<'_>,
    ) -> Result<Scores, EngineError> {
        self.ensure(part);
        self.run(|engine| {
            let layout = Layout::new(trees, engine.settings.shared_tokens);
            let mut all = Scores { values: layout.places(), entropies: layout.places() };
            for pass in layout.passes(engine.settings.pack_tokens) {
                let pack = Pack::new(&layout.trees[pass.clone()], &engine.decoder)?;
                engine.count(&pack, true);
                let patch = engine.patch(Some(part));
                engine.learn(&pack, &patch, |hidden| {
                    no_grad(|| {
                        let mut by_row = |values: &[f32], all: &mut Scores| {
                            layout.put(pass.clone(), values, &mut all.values);
                            layout.derivatives(pass.clone(), values, derivative)
                        };
                        if let Some(critic) = engine.critic(part) {
                            let by_row = by_row(&numbers(&critic.values(hidden)), &mut all);
                            return critic.values_back(hidden, &by_row);
                        }
                        let mut chosen =
                            Chosen::new(&engine.decoder.head, hidden, &pack.targets, &pack.choices);
                        let found = chosen.find(true);
                        layout.put(pass.clone(), &found.entropies, &mut all.entropies);
                        let by_row = by_row(&found.logprobs, &mut all);
                        chosen.back(&by_row)
                    })
                });
            }
            Ok(all)
        })
    }

    fn follow(&mut self, part: Part, trees: &[Tree], scale: f64) -> Result<Vec<Vec<Vec<f32>>>, EngineError> {
        self.ensure(part);
        self.run(|engine| {
            if part.is_critic() {
                return Err(EngineError::State("it is a critic".to_owned()));
            }
            let teacher = engine.teacher.as_ref().ok_or(EngineError::NoTeacher)?;
            let layout = Layout::new(trees, engine.settings.shared_tokens);
            let mut all = layout.places();
            for pass in layout.passes(engine.settings.pack_tokens) {
                let pack = Pack::new(&layout.trees[pass.clone()], &engine.decoder)?;
                engine.count(&pack, true);
                engine.count(&pack, false);
                let head =
                    |hidden: &Tensor| Chosen::new(&engine.decoder.head, hidden, &pack.targets, &pack.choices);
                let wanted = no_grad(|| engine.predicting(&pack, &teacher.patch(engine.decoder.kind)));
                engine.learn(&pack, &engine.patch(Some(part)), |hidden| {
                    let (divergences, gradient) = no_grad(|| head(hidden).towards(&head(&wanted), scale));
                    layout.put(pass.clone(), &divergences, &mut all);
                    gradient
                });
            }
            Ok(all)
        })
    }

    fn values(&mut self, part: Part, trees: &[Tree]) -> Result<Scores, EngineError> {
        self.ensure(part);
        self.run(|engine| {
            let critic =
                engine.critic(part).ok_or_else(|| EngineError::State("it is no critic".to_owned()))?;
            engine.scored(trees, Some(part), |_, hidden| (numbers(&critic.values(&hidden)), Vec::new()))
        })
    }

    fn step(&mut self, part: Part, settings: &AdamW) -> Result<Stepped, EngineError> {
        self.ensure(part);
        self.run(|engine| {
            let adapter = engine.adapters.get_mut(&part);
            Ok(adapter
                .map_or(Stepped { gradient_norm: 0.0, skipped: true }, |adapter| adapter.step(settings)))
        })
    }

    fn work(&self) -> Option<Work> {
        Some(Work { operations: self.operations.get(), most_per_second: self.most_per_second })
    }

    fn lora(&self, part: Part) -> Result<Lora, EngineError> {
        let adapter = self.adapters.get(&part);
        adapter
            .map(Adapter::lora)
            .ok_or_else(|| EngineError::State(format!("there is no {} yet", part.name())))
    }

    fn save(&self, part: Part) -> Result<Vec<u8>, EngineError> {
        let missing = || EngineError::State(format!("there is no {} yet", part.name()));
        self.adapters.get(&part).map(Adapter::save).ok_or_else(missing)
    }

    fn load(&mut self, part: Part, state: &[u8]) -> Result<(), EngineError> {
        self.ensure(part);
        self.run(|engine| engine.adapters.get_mut(&part).map_or(Ok(()), |adapter| adapter.load(state)))
    }
}

fn device(wanted: Where) -> Result<Device, EngineError> {
    let there = Cuda::device_count().max(0) as usize;
    match wanted {
        Where::Best if Cuda::is_available() => Ok(Device::Cuda(0)),
        Where::Best | Where::Cpu => Ok(Device::Cpu),
        Where::Cuda(number) if number < there => Ok(Device::Cuda(number)),
        Where::Cuda(number) => Err(EngineError::NoDevice(format!(
            "there is no GPU number {number}: libtorch finds {there}; choose another one, or `cpu`"
        ))),
    }
}

/// Runs libtorch: a panic of its binding becomes an error.
fn guarded<T>(device: Device, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()))
            .unwrap_or_else(|| "no reason was given".to_owned());
        let memory = ["out of memory", "not enough memory", "can't allocate"];
        if memory.iter().any(|sign| what.contains(sign)) {
            return Err(EngineError::OutOfMemory { device: format!("{device:?}") });
        }
        // What libtorch says comes quoted, and behind it where in libtorch.
        let said = what.split_once("Torch(\"").map_or(&*what, |(_, said)| said);
        let said = said.split("\\n").next().unwrap_or_default().lines().next().unwrap_or_default();
        Err(EngineError::Torch(said.to_owned()))
    })
}
