//! A model at work: reads prompts and writes replies, several side by side.
//!
//! What a prompt shares with one that was read before is not evaluated again; the fixed start of each is kept, on the
//! disk too where the host gave a folder. With [`LlamaSettings::shortcuts`](super::LlamaSettings::shortcuts) off nothing
//! of this is done: one prompt at a time, from its first token.
//!
//! Rooms it touches: model.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llama_cpp_2::context::session::SeqState;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::calibrate::{self, Calibration};
use super::context::{Context, Failure, LANE_STEP, LONG_STEP, Part, Shape};
use super::grammar::Grammars;
use super::lane::Lane;
use super::pace::Pace;
use super::state::{Start, States};
use super::vocabulary::Vocabulary;
use super::worker::{Adapters, Plan};
use crate::heap;
use crate::model::{Completion, ModelError, Request, Role};

/// Replies written side by side. Default 4: see docs/inference.md.
pub(super) const LANES: u32 = 4;
/// Most starts kept in memory: those of extract, manage, distil and answer, twice.
const MOST_STARTS: usize = 8;

/// A model at work.
pub(super) struct Session<'model> {
    plan: &'model Plan,
    model: &'model Arc<LlamaModel>,
    adapters: &'model mut Adapters,
    vocabulary: Arc<Vocabulary>,
    grammars: Grammars,
    states: Option<States>,
    /// The one that the last request needed.
    context: Option<Context<'model>>,
    starts: Vec<KnownStart>,
    threads: u32,
    pace: Pace,
    /// Models with a recurrent state cannot step back or begin in the middle.
    shortcuts: bool,
}

/// An evaluated start.
struct KnownStart {
    adapter: Option<Role>,
    kind: &'static str,
    tokens: Vec<LlamaToken>,
    snapshot: SeqState,
}

impl<'model> Session<'model> {
    pub(super) fn new(
        plan: &'model Plan,
        model: &'model Arc<LlamaModel>,
        adapters: &'model mut Adapters,
    ) -> Result<Self, ModelError> {
        let settings = &plan.settings;
        let vocabulary = Vocabulary::new(Arc::clone(model), plan.format)
            .ok_or_else(|| ModelError::ChatFormat { path: settings.model.clone() })?;
        let vocabulary = Arc::new(vocabulary);
        let shortcuts = settings.shortcuts && !model.is_recurrent() && !model.is_hybrid();
        let states = settings.states.as_deref().filter(|_| shortcuts).and_then(|folder| {
            States::new(settings, folder)
                .inspect_err(|error| log::warn!("prompts' starts are not kept on the disk: {error}"))
                .ok()
        });
        let calibration = match settings.threads {
            Some(_) => None,
            None => states.as_ref().and_then(|states| Calibration::of_device(plan, model, states)),
        };
        let mut session = Self {
            plan,
            model,
            adapters,
            grammars: Grammars::new(&vocabulary)?,
            vocabulary,
            states,
            context: None,
            starts: Vec::new(),
            threads: settings
                .threads
                .or(calibration.map(|found| found.threads))
                .unwrap_or_else(calibrate::by_rule),
            pace: calibration.map_or_else(Pace::default, Calibration::pace),
            shortcuts,
        };
        // A model that cannot work is told when it is loaded.
        let smallest = Shape::for_tokens(Role::Manager, 1, session.lanes(), plan.context_tokens);
        session.open(smallest, Role::Manager).map_err(|Failure(what)| ModelError::Failed(what))?;
        Ok(session)
    }

    /// Frees the context and what is kept in memory; both are made again when they are needed.
    pub(super) fn release_memory(&mut self) {
        self.context = None;
        self.starts.clear();
        heap::give_back();
    }

    /// How many tokens `text` has as content.
    pub(super) fn count(&self, text: &str) -> usize {
        self.vocabulary.plain(text.as_bytes()).len()
    }

    /// Completes chats, in order; each has its own result. `emit` is given the text of each by its number.
    pub(super) fn complete(
        &mut self,
        requests: &[Request],
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Vec<Result<Completion, ModelError>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut ready: Vec<Lane> = Vec::new();
        for request in requests {
            let lane = self.lane(request);
            let joins = lane.as_ref().is_ok_and(|lane| self.fits(&ready, lane));
            if !joins {
                results.extend(self.work(std::mem::take(&mut ready), results.len(), stopped, emit));
            }
            match lane {
                Ok(lane) => ready.push(lane),
                Err(error) => results.push(Err(error)),
            }
        }
        results.extend(self.work(ready, results.len(), stopped, emit));
        results
    }

    fn lane(&self, request: &Request) -> Result<Lane, ModelError> {
        let prompt = self.vocabulary.prompt(self.plan.format, &request.chat);
        let room = (self.plan.context_tokens as usize).saturating_sub(request.max_tokens.max(1));
        if prompt.tokens.len() > room {
            return Err(ModelError::PromptTooLong { tokens: prompt.tokens.len(), room });
        }
        let constraint =
            request.grammar.as_deref().map(|expression| self.grammars.of(expression)).transpose()?;
        Lane::new(request, prompt, constraint, self.shortcuts)
    }

    /// How many replies are written side by side.
    fn lanes(&self) -> u32 {
        if self.shortcuts { LANES } else { 1 }
    }

    fn shape(&self, lane: &Lane) -> Shape {
        Shape::for_tokens(lane.role, lane.most_tokens(), self.lanes(), self.plan.context_tokens)
    }

    /// Whether a reply can be written beside these.
    fn fits(&self, ready: &[Lane], lane: &Lane) -> bool {
        let Some(first) = ready.first() else { return true };
        let Shape::Lanes { count, .. } = self.shape(lane) else { return false };
        self.shape(first) == self.shape(lane) && ready.len() < count as usize
    }

    /// Writes these replies side by side. An error is that of all of them.
    fn work(
        &mut self,
        mut lanes: Vec<Lane>,
        first: usize,
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Vec<Result<Completion, ModelError>> {
        match self.run(&mut lanes, stopped, &mut |at, text| emit(first + at, text)) {
            Ok(()) => lanes.into_iter().map(|lane| Ok(lane.finish())).collect(),
            Err(Failure(what)) => {
                // What they hold is not known any more.
                self.release_memory();
                lanes.iter().map(|_| Err(ModelError::Failed(what.clone()))).collect()
            }
        }
    }

    fn run(
        &mut self,
        lanes: &mut [Lane],
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Result<(), Failure> {
        let Some(first) = lanes.first() else { return Ok(()) };
        if stopped() {
            return Ok(());
        }
        let (shape, role) = (self.shape(first), first.role);
        self.open(shape, role)?;
        let mut busy = Vec::new();
        for (at, lane) in lanes.iter_mut().enumerate() {
            if stopped() {
                break;
            }
            self.place(lane, &busy)?;
            busy.push(lane.stream);
            self.read(lane, stopped, &mut |text| emit(at, text))?;
        }
        self.write(lanes, stopped, emit)?;
        if !self.context.as_ref().is_some_and(Context::is_settled) {
            self.context = None;
        }
        Ok(())
    }

    /// Reads a prompt, and chooses the first token of the reply. The fixed start ends a step.
    fn read(
        &mut self,
        lane: &mut Lane,
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(String),
    ) -> Result<(), Failure> {
        while lane.reads() && !stopped() {
            let pending = lane.pending();
            let to_start = lane.start.checked_sub(lane.evaluated).filter(|left| *left > 0);
            let step = self.step_tokens(lane.role).min(to_start.unwrap_or(usize::MAX)).min(pending.len());
            let is_last = step == pending.len();
            let Some(context) = &mut self.context else { break };
            let milliseconds = context.evaluate(&[part(lane, &pending[..step])], &mut self.pace)?;
            lane.evaluated(step, milliseconds);
            rest(self.plan, lane.role, milliseconds, stopped);
            if is_last {
                choose(lane, context.logits(step - 1), &self.vocabulary, emit)?;
            } else if to_start == Some(step) {
                self.keep_start(lane)?;
            }
        }
        Ok(())
    }

    /// Writes until every reply has ended or is stopped.
    fn write(
        &mut self,
        lanes: &mut [Lane],
        stopped: &mut dyn FnMut() -> bool,
        emit: &mut dyn FnMut(usize, String),
    ) -> Result<(), Failure> {
        let exact = self.context.as_ref().is_some_and(|context| context.shape.is_exact(self.plan));
        // Streams come in order.
        let mut order: Vec<usize> = (0..lanes.len()).collect();
        order.sort_by_key(|&at| lanes[at].stream);
        loop {
            order.retain(|&at| lanes[at].stop.is_none());
            if order.is_empty() || stopped() {
                return Ok(());
            }
            // Each has as many tokens in the step; forced text may leave one of them with more for later.
            let most = self.step_tokens(lanes[order[0]].role) / order.len();
            let fewest = order.iter().map(|&at| lanes[at].pending().len()).min().unwrap_or(0);
            let count = fewest.min(most.max(1));
            // Where several are written, their own tokens fill a step better than guesses.
            let guess = match order[..] {
                [at] if exact => lanes[at].guess(most.saturating_sub(count)),
                _ => Vec::new(),
            };
            let texts: Vec<_> =
                order.iter().map(|&at| [&lanes[at].pending()[..count], &guess].concat()).collect();
            let parts = order.iter().zip(&texts).map(|(&at, tokens)| part(&lanes[at], tokens));
            let parts: Vec<Part<'_>> = parts.collect();
            let Some(context) = &mut self.context else { return Ok(()) };
            let milliseconds = context.evaluate(&parts, &mut self.pace)?;
            rest(self.plan, lanes[order[0]].role, milliseconds, stopped);
            for (nth, &at) in order.iter().enumerate() {
                let lane = &mut lanes[at];
                lane.evaluated(count, milliseconds / order.len() as f64);
                let last = (nth + 1) * count - 1;
                go_on(lane, context, last, &guess, &self.vocabulary, &mut |text| emit(at, text))?;
            }
        }
    }

    /// Tokens of the next step. Somebody waits for an answer, and it comes soonest in whole steps; the queue is worked
    /// beside other things, and stops in time.
    fn step_tokens(&self, role: Role) -> usize {
        match role {
            Role::Answer => LONG_STEP as usize,
            Role::Manager => self.pace.tokens(LANE_STEP as usize),
        }
    }

    /// Sees to a context of this shape, the one there is or a new one in its place, that runs as this agent.
    fn open(&mut self, shape: Shape, role: Role) -> Result<(), Failure> {
        if !self.context.as_ref().is_some_and(|context| context.holds(shape)) {
            // Two at a time would take twice the memory.
            self.context = None;
            self.context = Some(Context::new(self.plan, self.model, shape, self.threads)?);
            heap::give_back();
        }
        match &mut self.context {
            Some(context) => context.take_role(role, self.adapters),
            None => Ok(()),
        }
    }

    fn opened(&mut self) -> Result<&mut Context<'model>, Failure> {
        self.context.as_mut().ok_or_else(|| Failure("it has no context".to_owned()))
    }

    /// Gives a lane a stream, with as much of its prompt as is held somewhere.
    fn place(&mut self, lane: &mut Lane, busy: &[usize]) -> Result<(), Failure> {
        if !self.shortcuts {
            return self.opened()?.empty(lane.stream);
        }
        let adapter = self.adapter(lane.role);
        (lane.stream, lane.evaluated) = self.opened()?.place(adapter, &lane.tokens, lane.start, busy)?;
        if lane.fixed && lane.evaluated < lane.start && self.recall_start(lane)? {
            lane.evaluated = lane.start;
        }
        Ok(())
    }

    fn adapter(&self, role: Role) -> Option<Role> {
        self.adapters.contains_key(&role).then_some(role)
    }

    /// Puts a lane's fixed start into its stream, from memory or from the disk; false where it is in neither.
    fn recall_start(&mut self, lane: &Lane) -> Result<bool, Failure> {
        let adapter = self.adapter(lane.role);
        let Some(context) = &mut self.context else { return Ok(false) };
        let tokens = &lane.tokens[..lane.start];
        let start = Start { adapter, kind: context.shape.kind(), tokens };
        if let Some(at) = self.starts.iter().position(|known| known.is(start)) {
            match context.put_back(lane.stream, tokens, &self.starts[at].snapshot) {
                Ok(()) => return Ok(true),
                // It is read anew: what was only kept for speed must not keep a turn from being worked.
                Err(Failure(what)) => {
                    log::warn!("a prompt's start could not be put back: {what}");
                    self.starts.remove(at);
                    context.empty(lane.stream)?;
                    return Ok(false);
                }
            }
        }
        let Some(states) = &self.states else { return Ok(false) };
        let sequence = lane.stream as i32;
        let loaded = context.fill(lane.stream, tokens, |llama| states.load(llama, sequence, start))?;
        if loaded {
            self.remember_start(lane)?;
        }
        Ok(loaded)
    }

    /// Keeps the fixed start that a lane's stream holds, and nothing else, for later.
    fn keep_start(&mut self, lane: &Lane) -> Result<(), Failure> {
        if !lane.fixed || !self.shortcuts {
            return Ok(());
        }
        self.remember_start(lane)?;
        let adapter = self.adapter(lane.role);
        if let (Some(states), Some(context)) = (&self.states, &self.context) {
            let start = Start { adapter, kind: context.shape.kind(), tokens: &lane.tokens[..lane.start] };
            if let Err(error) = states.save(context.llama(), lane.stream as i32, start) {
                log::warn!("a prompt's start was not kept on the disk: {error}");
            }
        }
        Ok(())
    }

    fn remember_start(&mut self, lane: &Lane) -> Result<(), Failure> {
        let adapter = self.adapter(lane.role);
        let context = self.opened()?;
        let snapshot = context.snapshot(lane.stream)?;
        let kind = context.shape.kind();
        if self.starts.len() == MOST_STARTS {
            self.starts.remove(0);
        }
        let tokens = lane.tokens[..lane.start].to_vec();
        self.starts.push(KnownStart { adapter, kind, tokens, snapshot });
        Ok(())
    }
}

impl KnownStart {
    fn is(&self, start: Start<'_>) -> bool {
        (self.adapter, self.kind, &self.tokens[..]) == (start.adapter, start.kind, start.tokens)
    }
}

/// Rests as long as a step took, where the queue is to be worked gently and nobody waits for an answer.
fn rest(plan: &Plan, role: Role, milliseconds: f64, stopped: &mut dyn FnMut() -> bool) {
    /// Short enough that a thrown switch is noticed.
    const NAP: Duration = Duration::from_millis(10);
    let ends = Instant::now() + Duration::from_secs_f64(milliseconds / 1000.0);
    let rests = || plan.gentle.load(Ordering::Relaxed) && plan.answers_wait.load(Ordering::Relaxed) == 0;
    while role == Role::Manager && rests() && !stopped() {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(NAP));
    }
}

/// The next tokens of a lane, its own and perhaps guessed ones behind them.
fn part<'a>(lane: &Lane, tokens: &'a [LlamaToken]) -> Part<'a> {
    let own = lane.pending().len();
    Part { stream: lane.stream, at: lane.evaluated, tokens, logits: (tokens.len() + 1).saturating_sub(own) }
}

/// Lets a lane choose its next token once nothing is pending, and for as long as what it chooses was guessed and is
/// evaluated with it. `last` is the number of its last token in the step, before the guess.
fn go_on(
    lane: &mut Lane,
    context: &mut Context<'_>,
    last: usize,
    guess: &[LlamaToken],
    vocabulary: &Vocabulary,
    emit: &mut dyn FnMut(String),
) -> Result<(), Failure> {
    let mut right = 0;
    while lane.pending().is_empty() && lane.stop.is_none() {
        choose(lane, context.logits(last + right), vocabulary, emit)?;
        right += lane.guessed(&guess[right..]);
    }
    if !guess.is_empty() {
        lane.draft.was(right, guess.len());
        context.keep(lane.stream, lane.evaluated)?;
    }
    Ok(())
}

/// Lets a lane choose its next token.
fn choose(
    lane: &mut Lane,
    logits: &[f32],
    vocabulary: &Vocabulary,
    emit: &mut dyn FnMut(String),
) -> Result<(), Failure> {
    let started = Instant::now();
    lane.go_on(logits, vocabulary, emit)?;
    lane.usage.generation_ms += started.elapsed().as_secs_f64() * 1000.0;
    Ok(())
}
