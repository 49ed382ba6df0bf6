//! Lets many episodes of core's pipeline run beside each other, and their model calls in one batch.
//!
//! Every episode has a thread of its own and a [`Seat`], the language model that core sees. A call waits at the
//! [`Desk`] until every episode that still runs waits too; then the engine writes all replies at once. So what stands in
//! a batch depends on the episodes only, never on how fast threads run. Core's pipeline runs unchanged.
//!
//! Rooms it touches: engine; of core: model.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keepsake_core::model::{
    Completion, LanguageModel, ModelError, Request, Role, Skill, Stop, Tokenizer, Usage,
};
use keepsake_core::types::Cancel;

use crate::engine::{Ask, Dice, EngineError, Part, PolicyEngine, Token, Written};

/// One model call of an episode.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which agent was asked.
    pub role: Role,
    /// What it read.
    pub prompt: Arc<[Token]>,
    /// What it wrote.
    pub written: Written,
}

/// How replies are chosen in a rollout.
#[derive(Debug, Clone, Copy)]
pub struct Temperatures {
    /// Of the manager.
    pub manager: f32,
    /// Of the answer agent.
    pub answer: f32,
}

impl Temperatures {
    /// The likeliest token each time, for evaluation.
    pub const GREEDY: Self = Self { manager: 0.0, answer: 0.0 };

    /// One agent draws as it would in training, the other is as it is on the device.
    pub fn training(role: Role) -> Self {
        match role {
            Role::Manager => Self { manager: 1.0, answer: 0.0 },
            Role::Answer => Self { manager: 0.0, answer: 1.0 },
        }
    }

    fn of(self, role: Role) -> f32 {
        match role {
            Role::Manager => self.manager,
            Role::Answer => self.answer,
        }
    }
}

/// An episode: plays with the model it is given.
pub type Play<'a, T> = Box<dyn FnOnce(Arc<dyn LanguageModel>) -> T + Send + 'a>;

/// Plays episodes beside each other: for each, in order, what it came to and the calls it made. `names` are what the
/// randomness of an episode is made of; equal names, equal replies.
pub fn play<T: Send>(
    engine: &mut dyn PolicyEngine,
    tokenizer: &Arc<Tokenizer>,
    context_tokens: usize,
    temperatures: Temperatures,
    episodes: Vec<(Dice, Play<'_, T>)>,
) -> Result<Vec<(T, Vec<Call>)>, EngineError> {
    let desk = Arc::new(Desk::new(episodes.len()));
    let seats: Vec<Arc<Seat>> = episodes
        .iter()
        .enumerate()
        .map(|(number, (dice, _))| {
            let (desk, tokenizer) = (Arc::clone(&desk), Arc::clone(tokenizer));
            Arc::new(Seat {
                desk,
                tokenizer,
                number,
                dice: *dice,
                context_tokens,
                calls: Mutex::new(Vec::new()),
            })
        })
        .collect();
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(seats.len());
        for (seat, (_, episode)) in seats.iter().zip(episodes) {
            let (seat, desk) = (Arc::clone(seat), Arc::clone(&desk));
            threads.push(scope.spawn(move || {
                let _leaves = Leaving(desk);
                episode(seat)
            }));
        }
        let served = desk.serve(engine, temperatures);
        let results: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        served?;
        let ended = || EngineError::Torch("an episode ended by a panic".to_owned());
        results
            .into_iter()
            .zip(&seats)
            .map(|(result, seat)| {
                Ok((result.map_err(|_| ended())?, std::mem::take(&mut *locked(&seat.calls))))
            })
            .collect()
    })
}

/// Where calls wait.
struct Desk {
    state: Mutex<State>,
    /// A call waits, or an episode has ended: the engine's side looks. Hundreds of episodes are not to be woken for that.
    arrived: Condvar,
    /// Replies are there.
    answered: Condvar,
}

struct State {
    /// Episodes that still run.
    running: usize,
    waiting: Vec<Waiting>,
    /// By seat.
    replies: Vec<Option<Result<Written, String>>>,
    /// Why nothing more is answered.
    failed: Option<String>,
}

struct Waiting {
    seat: usize,
    role: Role,
    ask: Ask,
}

impl Desk {
    fn new(episodes: usize) -> Self {
        let state = State {
            running: episodes,
            waiting: Vec::new(),
            replies: (0..episodes).map(|_| None).collect(),
            failed: None,
        };
        Self { state: Mutex::new(state), arrived: Condvar::new(), answered: Condvar::new() }
    }

    /// Answers calls until all episodes have ended. After a failure the rest are refused, so that every thread ends.
    fn serve(&self, engine: &mut dyn PolicyEngine, temperatures: Temperatures) -> Result<(), EngineError> {
        let mut outcome = Ok(());
        loop {
            let mut state = locked(&self.state);
            while state.running > 0 && state.waiting.len() < state.running {
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.running == 0 {
                return outcome;
            }
            let mut batch = std::mem::take(&mut state.waiting);
            drop(state);
            batch.sort_by_key(|waiting| waiting.seat);
            let mut written: Vec<(usize, Result<Written, String>)> = Vec::with_capacity(batch.len());
            for role in [Role::Manager, Role::Answer] {
                let of_role: Vec<&Waiting> = batch.iter().filter(|waiting| waiting.role == role).collect();
                if of_role.is_empty() {
                    continue;
                }
                let temperature = temperatures.of(role);
                let asks: Vec<Ask> =
                    of_role.iter().map(|waiting| Ask { temperature, ..waiting.ask.clone() }).collect();
                match engine.sample(Part::policy(role), &asks) {
                    Ok(replies) => written
                        .extend(of_role.iter().map(|waiting| waiting.seat).zip(replies.into_iter().map(Ok))),
                    Err(error) => {
                        let what = error.to_string();
                        written.extend(of_role.iter().map(|waiting| (waiting.seat, Err(what.clone()))));
                        locked(&self.state).failed = Some(what);
                        outcome = outcome.and(Err(error));
                    }
                }
            }
            let mut state = locked(&self.state);
            for (seat, reply) in written {
                state.replies[seat] = Some(reply);
            }
            drop(state);
            self.answered.notify_all();
        }
    }

    /// Waits for the reply to a call.
    fn ask(&self, waiting: Waiting) -> Result<Written, String> {
        let seat = waiting.seat;
        let mut state = locked(&self.state);
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        state.waiting.push(waiting);
        if state.waiting.len() == state.running {
            self.arrived.notify_one();
        }
        loop {
            if let Some(reply) = state.replies[seat].take() {
                return reply;
            }
            state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// An episode that runs; ends with it, by a panic too.
struct Leaving(Arc<Desk>);

impl Drop for Leaving {
    fn drop(&mut self) {
        locked(&self.0.state).running -= 1;
        self.0.arrived.notify_one();
    }
}

/// The language model of one episode.
struct Seat {
    desk: Arc<Desk>,
    tokenizer: Arc<Tokenizer>,
    number: usize,
    dice: Dice,
    context_tokens: usize,
    calls: Mutex<Vec<Call>>,
}

impl LanguageModel for Seat {
    fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// What is trained here will be loaded as an adapter of its agent there.
    fn is_trained_to(&self, _skill: Skill) -> bool {
        true
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        Ok(self.tokenizer.content(text).len())
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let prompt: Arc<[Token]> = self.tokenizer.prompt(&request.chat).into();
        let room = self.context_tokens.saturating_sub(request.max_tokens);
        if prompt.len() > room {
            return Err(ModelError::PromptTooLong { tokens: prompt.len(), room });
        }
        let call = locked(&self.calls).len() as u64;
        let ask = Ask {
            prompt: Arc::clone(&prompt),
            grammar: request.grammar.clone(),
            max_tokens: request.max_tokens,
            temperature: 0.0,
            dice: self.dice.and(call),
        };
        let written = self
            .desk
            .ask(Waiting { seat: self.number, role: request.role, ask })
            .map_err(ModelError::Failed)?;
        let text = self.tokenizer.text(&written.branch.tokens);
        let stopped = cancel.is_cancelled() || sink(&text).is_break();
        let stop = match written.cut_off {
            _ if stopped => Stop::Cancelled,
            true => Stop::Length,
            false => Stop::EndOfTurn,
        };
        let usage = Usage {
            calls: 1,
            prompt_tokens: prompt.len() as u64,
            generated_tokens: written.branch.tokens.len() as u64,
            ..Usage::default()
        };
        locked(&self.calls).push(Call { role: request.role, prompt, written });
        Ok(Completion { text, stop, usage })
    }
}

/// Nothing in these is half done when a panic elsewhere poisons the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
