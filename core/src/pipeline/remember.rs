//! The write flow for one turn: extract, then for every fact retrieve, manage, ratify and judge.
//!
//! The result is a [`Commit`] that the caller hands to the bank: nothing is written here, and a turn is
//! written as a whole or not at all. A later fact of the turn sees what an earlier one decided.
//!
//! Rooms it touches: types, when, decision, config, prompt, model, embed, bank, index, pipeline.

use std::ops::ControlFlow;

use super::ahead::Ahead;
use super::complete;
use super::guard::{self, Said, Verdict};
use super::retrieve::{self, Query};
use crate::bank::{Bank, BankError, Commit, FailReason, MemoryWrite, Step, TurnOutcome};
use crate::config::{Config, Take};
use crate::decision::{Applied, Guard, Operation, Shown};
use crate::embed::{EmbedError, Embedder, Vector};
use crate::index::{About, SpaceIndex, terms};
use crate::model::{LanguageModel, ModelError, Request, Role, Sampling, Skill, Stop, Usage};
use crate::prompt::{BadReply, extract, manage};
use crate::types::{Cancel, Fact, Memory, MemoryId, MemoryState, Timestamp, Turn, UnitId};
use crate::when;

/// Tokens for a reply of the extraction step: three facts of a hundred and sixty characters.
const EXTRACT_TOKENS: usize = 160;

/// After how many turns what was said before begins at another one.
const CONTEXT_STEP: usize = 4;

/// How many of the best hits of a line are compared with it. A memory that stands in it word for word is among the
/// first; others share at most some of its words.
const RECALLED_FROM: usize = 8;

/// Lends an index to a closure.
pub type ReadIndex<'a> = dyn Fn(&mut dyn FnMut(&SpaceIndex)) + 'a;

/// What the write flow works with.
pub struct Tools<'a> {
    /// The bank, which is only read.
    pub bank: &'a dyn Bank,
    /// The model.
    pub model: &'a dyn LanguageModel,
    /// The embedder, where there is one.
    pub embedder: Option<&'a dyn Embedder>,
    /// The settings.
    pub config: &'a Config,
    /// Reads the index of the turn's space, for as short as the call lasts.
    pub index: &'a ReadIndex<'a>,
    /// Record time, UTC.
    pub now: Timestamp,
}

/// Why a turn could not be worked through. It still waits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// It was stopped.
    #[error("stopped before the turn was worked through; it still waits")]
    Cancelled,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The bank failed.
    #[error(transparent)]
    Bank(#[from] BankError),
}

impl From<Option<ModelError>> for WorkError {
    fn from(error: Option<ModelError>) -> Self {
        error.map_or(Self::Cancelled, Self::Model)
    }
}

/// Works a turn through: what is to be committed, and what it cost.
pub fn work(tools: &Tools<'_>, turn: &Turn, cancel: &Cancel) -> Result<(Commit, Usage), WorkError> {
    let mut usage = Usage::default();
    let (recalled, said) = recalled(tools, turn)?;
    let Some(turn) = &said else {
        let outcome = TurnOutcome::Done(recalled);
        return Ok((Commit { turn: turn.id, outcome, writes: Vec::new(), read: Vec::new() }, usage));
    };
    let before = before(tools, turn)?;
    let mut read: Vec<UnitId> = before.iter().map(|before| UnitId::Turn(before.id)).collect();
    let (outcome, writes) = match extract_facts(tools, turn, &before, cancel, &mut usage)? {
        Err(reason) => (failed(Step::Extract, reason), Vec::new()),
        Ok(facts) => match manage_facts(tools, turn, facts, cancel, &mut usage)? {
            Err(reason) => (failed(Step::Manage, reason), Vec::new()),
            Ok((mut applied, mut draft)) => {
                read.append(&mut draft.read);
                applied.splice(0..0, recalled);
                (TurnOutcome::Done(applied), draft.into_writes(tools)?)
            }
        },
    };
    Ok((Commit { turn: turn.id, outcome, writes, read }, usage))
}

/// What will be asked first of each of these turns, as far as can be told before the turns ahead of it are worked.
pub fn first_request(tools: &Tools<'_>, turn: &Turn) -> Result<Option<Request>, WorkError> {
    let (_, said) = recalled(tools, turn)?;
    let Some(turn) = &said else { return Ok(None) };
    Ok(Some(extract_request(turn, &before(tools, turn)?)))
}

/// What was said before a turn. It begins at the same turn for several turns in a row, so that their prompts begin alike:
/// between one less than the setting says and two more.
fn before(tools: &Tools<'_>, turn: &Turn) -> Result<Vec<Turn>, BankError> {
    let wanted = tools.config.context_turns;
    let fewest = wanted.saturating_sub(1);
    let mut before = tools.bank.preceding(turn, fewest + CONTEXT_STEP - 1)?;
    if wanted == 0 {
        before.clear();
    } else if before.len() >= fewest + CONTEXT_STEP - 1 {
        let most = before.len() - fewest;
        let begins = |turn: &Turn| turn.id.0.is_multiple_of(CONTEXT_STEP as u64);
        let surplus = before.iter().take(most + 1).position(begins).unwrap_or(before.len() - wanted);
        before.drain(..surplus);
    }
    Ok(before)
}

fn failed(step: Step, reason: FailReason) -> TurnOutcome {
    TurnOutcome::Failed { step, reason }
}

/// Lines that a memory stands in, word for word, are what the engine itself gave out, handed back by the host in a
/// prompt: nothing new. They, and the turn without them; `None` where nothing else was said.
fn recalled(tools: &Tools<'_>, turn: &Turn) -> Result<(Vec<Applied>, Option<Turn>), WorkError> {
    let (mut recalled, mut rest) = (Vec::new(), Vec::new());
    for line in turn.text.lines() {
        match memory_in(tools, turn, line)? {
            Some(memory) => {
                let known = nothing_done(line.to_owned(), None, Some(&memory), Some(Guard::AlreadyKnown));
                recalled.push(known);
            }
            None => rest.push(line),
        }
    }
    if recalled.is_empty() {
        return Ok((recalled, Some(turn.clone())));
    }
    let nothing_else = turn.image.is_none() && rest.iter().all(|line| line.trim().is_empty());
    let said = (!nothing_else).then(|| Turn { text: rest.join("\n"), ..turn.clone() });
    Ok((recalled, said))
}

/// The memory that a line quotes.
fn memory_in(tools: &Tools<'_>, turn: &Turn, line: &str) -> Result<Option<Memory>, BankError> {
    let mut near = Vec::new();
    (tools.index)(&mut |index| {
        let memories_only = |about: &About| about.unit.memory().is_some();
        let query = Query { text: line, vector: None, asked: None };
        let take = Take::Best(RECALLED_FROM);
        near = retrieve::retrieve(index, tools.config, &query, &memories_only, take);
    });
    for memory in near.into_iter().filter_map(|hit| hit.unit.memory()) {
        if let Some(memory) = tools.bank.memory(memory)?
            && memory.state == MemoryState::Current
            && memory.origin.vouches_for(turn.origin)
            && guard::quotes(line, &memory.text)
        {
            return Ok(Some(memory));
        }
    }
    Ok(None)
}

/// A fact, or the text of one that is not about its turn.
enum Extracted {
    Fact(Fact),
    Ungrounded(String),
}

type OrReason<T> = Result<T, FailReason>;

fn extract_facts(
    tools: &Tools<'_>,
    turn: &Turn,
    before: &[Turn],
    cancel: &Cancel,
    usage: &mut Usage,
) -> Result<OrReason<Vec<Extracted>>, WorkError> {
    let mut read = |before: &[Turn]| {
        let request = extract_request(turn, before);
        ask(tools.model, &request, cancel, usage, extract::parse)
    };
    let sentences = match read(before)? {
        // What was said before is a help, no condition.
        Err(FailReason::TooLong) if !before.is_empty() => read(&[])?,
        sentences => sentences,
    };
    let sentences = match sentences {
        Ok(sentences) => sentences,
        Err(reason) => return Ok(Err(reason)),
    };
    let (said, around) = (when::annotate(&turn.text, turn.time), around_text(turn, before));
    let caption = turn.image.as_deref().unwrap_or_default();
    let seen = before.iter().filter_map(|earlier| earlier.image.as_deref()).collect::<Vec<_>>().join(" \n ");
    let mut facts: Vec<Extracted> = Vec::new();
    for sentence in sentences {
        let text = when::annotate(&sentence, turn.time);
        let twice = facts.iter().any(|known| matches!(known, Extracted::Fact(fact) if fact.text == text));
        if !guard::grounded(&sentence, &said, caption, &around, &seen) {
            facts.push(Extracted::Ungrounded(sentence));
        } else if !twice {
            let when = when::event_time(&sentence, turn.time).unwrap_or(turn.time);
            facts.push(Extracted::Fact(Fact { text, when }));
        }
    }
    let nothing_usable =
        !facts.is_empty() && facts.iter().all(|fact| matches!(fact, Extracted::Ungrounded(_)));
    Ok(if nothing_usable { Err(FailReason::Ungrounded) } else { Ok(facts) })
}

fn extract_request(turn: &Turn, before: &[Turn]) -> Request {
    Request {
        role: Role::Manager,
        chat: extract::chat(turn, before),
        grammar: Some(extract::grammar(&turn.speaker)),
        max_tokens: EXTRACT_TOKENS,
        sampling: Sampling::Greedy,
    }
}

/// What else a fact of this turn may name: its speaker and date, and what was said before.
fn around_text(turn: &Turn, before: &[Turn]) -> String {
    let mut text = format!("{} \n {}", turn.speaker, turn.time.in_words());
    for earlier in before {
        let said = when::annotate(&earlier.text, earlier.time);
        text.push_str(&format!(" \n {} \n {said}", earlier.speaker));
    }
    text
}

/// Decides about the facts of a turn, in their order. The memories they are compared with are the same for all of them,
/// so that what the model reads begins alike; a later fact also sees what an earlier one made or changed.
fn manage_facts(
    tools: &Tools<'_>,
    turn: &Turn,
    facts: Vec<Extracted>,
    cancel: &Cancel,
    usage: &mut Usage,
) -> Result<OrReason<(Vec<Applied>, Draft)>, WorkError> {
    let (next, now) = (tools.bank.next_memory_id()?, tools.now);
    let mut draft = Draft { turn: turn.clone(), now, next, writes: Vec::new(), read: Vec::new() };
    draft.read = related(tools, &facts)?;
    let ahead = Ahead::new(tools.model);
    if ahead.at_once() > 1 {
        ahead.ask(&independent(tools, &draft, &facts)?, cancel);
    }
    let tools = Tools { model: &ahead, ..*tools };
    let decided = decide(&tools, &mut draft, facts, cancel, usage);
    *usage += ahead.wasted();
    Ok(decided?.map(|applied| (applied, draft)))
}

/// What the model will be asked about those facts that share no word with one before them, beside the speaker's name:
/// whatever is decided about the others, nothing new is shown for these. None for less than two.
fn independent(tools: &Tools<'_>, draft: &Draft, facts: &[Extracted]) -> Result<Vec<Request>, WorkError> {
    let (mut requests, mut before) = (Vec::new(), Vec::new());
    for extracted in facts {
        let Extracted::Fact(fact) = extracted else { continue };
        let words = draft.words(&fact.text);
        if !words.iter().any(|word| before.contains(word)) {
            let shown = draft.shown(tools.bank, fact)?;
            let asks = known(&draft.turn, fact, &shown).is_none();
            requests.extend(asks.then(|| manage_request(fact, &shown)));
        }
        before.extend(words);
    }
    Ok(if requests.len() > 1 { requests } else { Vec::new() })
}

fn decide(
    tools: &Tools<'_>,
    draft: &mut Draft,
    facts: Vec<Extracted>,
    cancel: &Cancel,
    usage: &mut Usage,
) -> Result<OrReason<Vec<Applied>>, WorkError> {
    let turn = &draft.turn.clone();
    let mut applied = Vec::new();
    for extracted in facts {
        let fact = match extracted {
            Extracted::Fact(fact) => fact,
            Extracted::Ungrounded(text) => {
                applied.push(nothing_done(text, None, None, Some(Guard::Ungrounded)));
                continue;
            }
        };
        let shown = draft.shown(tools.bank, &fact)?;
        match known(turn, &fact, &shown) {
            Some(Known::Already(memory)) => {
                applied.push(nothing_done(fact.text, None, Some(memory), Some(Guard::AlreadyKnown)));
                continue;
            }
            Some(Known::Unvouched(old)) => {
                let verdict = Verdict::Replace { old: old.clone(), text: fact.text.clone() };
                applied.push(draft.apply(fact, None, verdict, Some(Guard::Vouched)));
                continue;
            }
            None => {}
        }
        let request = manage_request(&fact, &shown);
        let decision = match ask(tools.model, &request, cancel, usage, |reply| manage::parse(reply, &shown))?
        {
            Ok(decision) => decision,
            Err(reason) => return Ok(Err(reason)),
        };
        let operation = decision.operation();
        let Ok(ratified) = shown.ratify(decision) else { return Ok(Err(FailReason::UnknownId)) };
        let earlier = is_earlier(tools.bank, turn, ratified.names())?;
        let said = Said { fact: &fact.text, origin: turn.origin, earlier };
        let (mut verdict, mut guard) = guard::judge(&ratified, said);
        // A trained manager may find a fact not worth keeping; another one was only told to say what is known.
        let keeps_out = operation == Operation::Noop && !tools.model.is_trained_to(Skill::Decide);
        if keeps_out && !guard::may_be_known(&fact.text, turn.origin, shown.memories()) {
            (verdict, guard) = (Verdict::Add, Some(Guard::NotKnown));
        }
        if guard == Some(Guard::Untrusted)
            && let Some(waiting) = quarantined(tools.bank, turn, &fact)?
        {
            applied.push(nothing_done(fact.text, Some(operation), Some(&waiting), Some(Guard::AlreadyKnown)));
            continue;
        }
        applied.push(draft.apply(fact, Some(operation), verdict, guard));
    }
    Ok(Ok(applied))
}

/// What is known of a fact without asking a model.
enum Known<'a> {
    /// A memory says it word for word.
    Already(&'a Memory),
    /// A memory of a less trusted origin says it.
    Unvouched(&'a Memory),
}

fn known<'a>(turn: &Turn, fact: &Fact, shown: &'a Shown) -> Option<Known<'a>> {
    let already = guard::already_known(&fact.text, turn.origin, shown.memories()).map(Known::Already);
    already.or_else(|| guard::unvouched(&fact.text, turn.origin, shown.memories()).map(Known::Unvouched))
}

fn manage_request(fact: &Fact, shown: &Shown) -> Request {
    Request {
        role: Role::Manager,
        chat: manage::chat(fact, shown),
        grammar: Some(manage::grammar(shown)),
        max_tokens: manage::max_tokens(shown),
        sampling: Sampling::Greedy,
    }
}

/// The memory that says this already and waits to be confirmed.
fn quarantined(bank: &dyn Bank, turn: &Turn, fact: &Fact) -> Result<Option<Memory>, BankError> {
    let waits = |memory: &Memory| memory.state == MemoryState::Quarantined && memory.text == fact.text;
    Ok(bank.memories(&turn.space)?.into_iter().find(waits))
}

/// Whether the turn was said before the last turn that the memory was taken from.
fn is_earlier(bank: &dyn Bank, turn: &Turn, memory: Option<&Memory>) -> Result<bool, BankError> {
    let Some(memory) = memory else { return Ok(false) };
    let mut last = None;
    for source in memory.sources.iter().filter(|source| **source != turn.id) {
        last = last.max(bank.turn(*source)?.map(|source| source.time));
    }
    Ok(last.is_some_and(|last| turn.time < last))
}

/// Asks the model and reads its reply; a reply that cannot be used is a reason, not an error.
fn ask<T>(
    model: &dyn LanguageModel,
    request: &Request,
    cancel: &Cancel,
    usage: &mut Usage,
    parse: impl Fn(&str) -> Result<T, BadReply>,
) -> Result<OrReason<T>, WorkError> {
    let completion = match complete(model, request, cancel, &mut |_| ControlFlow::Continue(())) {
        Ok(completion) => completion,
        Err(Some(ModelError::PromptTooLong { .. })) => return Ok(Err(FailReason::TooLong)),
        Err(error) => return Err(error.into()),
    };
    *usage += completion.usage;
    if completion.stop == Stop::Length {
        return Ok(Err(FailReason::CutOff));
    }
    Ok(parse(&completion.text).map_err(|BadReply| FailReason::Unparseable))
}

/// The memories of the bank that the facts of a turn may concern, oldest first: of each fact the best, then of each the
/// second best, until there are enough.
fn related(tools: &Tools<'_>, facts: &[Extracted]) -> Result<Vec<UnitId>, WorkError> {
    let texts = facts.iter().filter_map(|extracted| match extracted {
        Extracted::Fact(fact) => Some(fact.text.as_str()),
        Extracted::Ungrounded(_) => None,
    });
    let texts: Vec<&str> = texts.collect();
    let mut vectors: Vec<Option<Vector>> = vec![None; texts.len()];
    if let Some(embedder) = tools.embedder
        && !texts.is_empty()
    {
        vectors = embed_all(embedder, &texts)?.into_iter().map(Some).collect();
    }
    let most = tools.config.shown_memories;
    let mut found = Vec::new();
    (tools.index)(&mut |index| {
        let memories_only = |about: &About| about.unit.memory().is_some();
        for (text, vector) in texts.iter().zip(&vectors) {
            let query = Query { text, vector: vector.as_ref(), asked: None };
            let hits = retrieve::retrieve(index, tools.config, &query, &memories_only, Take::Best(most));
            found.extend(hits.into_iter().enumerate().map(|(rank, hit)| (rank, hit.unit)));
        }
    });
    found.sort_by_key(|(rank, _)| *rank);
    let mut units: Vec<UnitId> = Vec::new();
    for (_, unit) in found {
        if units.len() < most && !units.contains(&unit) {
            units.push(unit);
        }
    }
    units.sort();
    Ok(units)
}

/// Embeds, and holds an embedder to its promise of one vector for each text.
pub(crate) fn embed_all(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
    let vectors = embedder.embed(texts)?;
    let fits = vectors.iter().all(|vector| vector.dimensions() == embedder.dimensions());
    if vectors.len() == texts.len() && fits {
        return Ok(vectors);
    }
    Err(EmbedError::Failed(format!(
        "it gave {} vectors for {} texts, or of a wrong size",
        vectors.len(),
        texts.len()
    )))
}

/// The changes of one turn, not yet in the bank.
struct Draft {
    turn: Turn,
    now: Timestamp,
    next: MemoryId,
    writes: Vec<(Memory, Option<u32>)>,
    /// The memories of the bank that were found for the turn.
    read: Vec<UnitId>,
}

impl Draft {
    /// The memories that this turn made and that hold.
    fn new_memories(&self) -> Vec<Memory> {
        self.writes
            .iter()
            .filter(|(memory, expects)| expects.is_none() && memory.state == MemoryState::Current)
            .map(|(memory, _)| memory.clone())
            .collect()
    }

    /// What a text is about, beside the turn's speaker.
    fn words(&self, text: &str) -> Vec<String> {
        let name = terms(&self.turn.speaker);
        terms(text).into_iter().filter(|word| !name.contains(word)).collect()
    }

    /// The memories that a fact may concern, as this draft has them: those of the bank that were found for the turn, and
    /// those it made itself that share a word with the fact, beside its speaker's name.
    fn shown(&self, bank: &dyn Bank, fact: &Fact) -> Result<Shown, BankError> {
        let mut memories = Vec::new();
        for unit in &self.read {
            if let UnitId::Memory(id) = unit {
                memories.extend(self.current(bank, *id)?);
            }
        }
        let words = self.words(&fact.text);
        let shares = |memory: &Memory| self.words(&memory.text).iter().any(|word| words.contains(word));
        memories.extend(self.new_memories().into_iter().filter(shares));
        Ok(Shown::new(memories))
    }

    /// A memory as it stands with this draft, if it holds.
    fn current(&self, bank: &dyn Bank, id: MemoryId) -> Result<Option<Memory>, BankError> {
        let memory = match self.writes.iter().find(|(memory, _)| memory.id == id) {
            Some((memory, _)) => Some(memory.clone()),
            None => bank.memory(id)?,
        };
        Ok(memory.filter(|memory| memory.state == MemoryState::Current))
    }

    fn apply(
        &mut self,
        fact: Fact,
        decided: Option<Operation>,
        verdict: Verdict,
        guard: Option<Guard>,
    ) -> Applied {
        let done = |fact: Fact, operation, memory: &Memory, beside| Applied {
            fact: fact.text,
            decided,
            operation,
            memory: Some(memory.id),
            text: Some(memory.text.clone()),
            beside,
            guard,
        };
        match verdict {
            Verdict::Nothing => nothing_done(fact.text, decided, None, guard),
            Verdict::Add => {
                let quarantined = guard == Some(Guard::Untrusted);
                let state = if quarantined { MemoryState::Quarantined } else { MemoryState::Current };
                let memory = self.add(&fact, state);
                done(fact, Operation::Add, &memory, None)
            }
            Verdict::Replace { old, text } => {
                let mut memory = self.new_version(old);
                memory.text = text;
                memory.origin = self.turn.origin;
                memory.valid_from = fact.when;
                self.put(memory.clone());
                done(fact, Operation::Update, &memory, None)
            }
            Verdict::Retire { old, keep_fact } => {
                let mut memory = self.new_version(old);
                memory.state = MemoryState::Retired;
                self.put(memory.clone());
                let beside = keep_fact.then(|| self.add(&fact, MemoryState::Current).id);
                done(fact, Operation::Delete, &memory, beside)
            }
        }
    }

    fn add(&mut self, fact: &Fact, state: MemoryState) -> Memory {
        let memory = Memory {
            id: self.next,
            space: self.turn.space.clone(),
            version: 1,
            text: fact.text.clone(),
            speaker: self.turn.speaker.clone(),
            valid_from: fact.when,
            recorded: self.now,
            origin: self.turn.origin,
            sources: vec![self.turn.id],
            state,
        };
        self.next = MemoryId(self.next.0 + 1);
        self.writes.push((memory.clone(), None));
        memory
    }

    /// The version that comes after `old`: one step per turn, however many facts touch it.
    fn new_version(&self, mut old: Memory) -> Memory {
        if !self.writes.iter().any(|(memory, _)| memory.id == old.id) {
            old.version += 1;
        }
        old.recorded = self.now;
        if !old.sources.contains(&self.turn.id) {
            old.sources.push(self.turn.id);
        }
        old
    }

    fn put(&mut self, memory: Memory) {
        if let Some((known, _)) = self.writes.iter_mut().find(|(known, _)| known.id == memory.id) {
            *known = memory
        } else {
            let expects = Some(memory.version - 1);
            self.writes.push((memory, expects));
        }
    }

    /// The writes with the vectors of the memories that hold: the last step that can fail.
    fn into_writes(self, tools: &Tools<'_>) -> Result<Vec<MemoryWrite>, EmbedError> {
        let mut writes: Vec<MemoryWrite> = self
            .writes
            .into_iter()
            .map(|(memory, expects)| MemoryWrite { memory, expects, vector: None })
            .collect();
        if let Some(embedder) = tools.embedder {
            embed_writes(embedder, &mut writes)?;
        }
        Ok(writes)
    }
}

/// Gives the memories that hold their vectors.
pub(crate) fn embed_writes(embedder: &dyn Embedder, writes: &mut [MemoryWrite]) -> Result<(), EmbedError> {
    let holding: Vec<usize> =
        (0..writes.len()).filter(|&at| writes[at].memory.state == MemoryState::Current).collect();
    let texts: Vec<String> = holding.iter().map(|&at| writes[at].memory.indexed_text()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if texts.is_empty() {
        return Ok(());
    }
    for (at, vector) in holding.into_iter().zip(embed_all(embedder, &texts)?) {
        writes[at].vector = Some((embedder.identity().to_owned(), vector));
    }
    Ok(())
}

/// The commit of a turn that is a memory already, word for word.
pub(crate) fn as_it_is(turn: &Turn, id: MemoryId, now: Timestamp) -> Commit {
    let fact = Fact { text: turn.text.clone(), when: turn.time };
    let mut draft = Draft { turn: turn.clone(), now, next: id, writes: Vec::new(), read: Vec::new() };
    let applied = draft.apply(fact, None, Verdict::Add, None);
    let write = |(memory, expects)| MemoryWrite { memory, expects, vector: None };
    let writes = draft.writes.into_iter().map(write).collect();
    Commit { turn: turn.id, outcome: TurnOutcome::Done(vec![applied]), writes, read: Vec::new() }
}

fn nothing_done(
    fact: String,
    decided: Option<Operation>,
    known: Option<&Memory>,
    guard: Option<Guard>,
) -> Applied {
    Applied {
        fact,
        decided,
        operation: Operation::Noop,
        memory: known.map(|memory| memory.id),
        text: known.map(|memory| memory.text.clone()),
        beside: None,
        guard,
    }
}
