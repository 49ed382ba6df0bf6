//! A language model that knows the gold: it answers every step of core's pipeline as a trained one should, and keeps
//! what it was asked with what it said, as samples to learn from.
//!
//! It finds its way by the prompt alone, like any model: a memory is named as it is shown. Where retrieval
//! does not show the memory that gold names, no reply is right: an UPDATE becomes an ADD, so that nothing is lost, and a
//! DELETE a NOOP. Such a turn is counted and gives no samples, and neither does what follows in that story, whose bank is
//! no longer gold.
//!
//! Rooms it touches: world (question, story); of core: config, model, prompt, types, bank, engine.

use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keepsake_core::bank::MemoryBank;
use keepsake_core::config::Config;
use keepsake_core::model::{Completion, LanguageModel, ModelError, Request, Role, Skill, Stop, Usage};
use keepsake_core::prompt::{distil, manage, one_line};
use keepsake_core::types::{Cancel, InvalidInput, Timestamp};
use keepsake_core::{Engine, Receipt, RememberError, Setup, when};

use super::question::Question;
use super::story::{Gold, GoldFact, GoldMemory, Story};

/// What the teacher is asked about next.
#[derive(Debug, Clone, Default)]
pub enum Lesson {
    /// Nothing: every reply fails.
    #[default]
    None,
    /// A turn of a story.
    Turn {
        /// Its facts.
        facts: Vec<GoldFact>,
        /// The bank before it.
        bank: Vec<GoldMemory>,
    },
    /// A turn whose facts a person wrote down: they are added, for what the bank should be nobody knows.
    Notes(Vec<String>),
    /// A question.
    Question {
        /// The gold answer.
        answer: String,
        /// The memories that give it, best first.
        memories: Vec<String>,
        /// The turns that told it, as prompts show them.
        turns: Vec<String>,
    },
}

impl Lesson {
    /// A turn of a story.
    pub fn turn(story: &Story, turn: usize) -> Self {
        let bank = turn.checked_sub(1).map_or_else(Vec::new, |before| story.turns[before].bank.clone());
        Self::Turn { facts: story.turns[turn].facts.clone(), bank }
    }

    /// A question, asked after a turn.
    pub fn question(story: &Story, question: &Question, turn: usize) -> Self {
        let texts = story.turns[turn].texts();
        let gives = |text: &&str| {
            super::answerer::answer(question, &[*text]).is_some_and(|answer| question.accepts(&answer))
        };
        // That something is no more, no memory says.
        let memories =
            if question.is_negative() { Vec::new() } else { texts.into_iter().filter(gives).collect() };
        let said = question.evidence.iter().map(|at| &story.turns[*at]);
        Self::Question {
            answer: question.answer.clone(),
            memories: memories.into_iter().map(str::to_owned).collect(),
            turns: said.map(|turn| one_line(&when::annotate(&turn.text, turn.time))).collect(),
        }
    }
}

/// What a model is to learn: what it reads, and what it is to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What the pipeline asked.
    pub request: Request,
    /// The gold reply.
    pub reply: String,
}

/// The teacher.
#[derive(Debug, Default)]
pub struct Teacher(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    lesson: Lesson,
    samples: Vec<Sample>,
    missed: usize,
    /// The bank is no longer gold.
    astray: bool,
}

/// A reply, and whether it is one to learn from.
struct Reply {
    text: String,
    found: bool,
}

impl Teacher {
    /// One without a lesson.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what is asked about next.
    pub fn give(&self, lesson: Lesson) {
        self.state().lesson = lesson;
    }

    /// Takes the samples of what was asked so far.
    pub fn samples(&self) -> Vec<Sample> {
        std::mem::take(&mut self.state().samples)
    }

    /// How often the memory that gold names was not shown.
    pub fn missed(&self) -> usize {
        self.state().missed
    }

    /// Nothing in it is half done when a panic elsewhere poisons the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LanguageModel for Teacher {
    fn context_tokens(&self) -> usize {
        32_768
    }

    fn is_trained_to(&self, _skill: Skill) -> bool {
        true
    }

    /// One for four bytes, about what usual vocabularies have.
    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        Ok(text.len().div_ceil(4))
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let mut state = self.state();
        let reply = reply(&state.lesson, request)
            .ok_or_else(|| ModelError::Failed("the teacher was asked beside its lesson".to_owned()))?;
        if reply.found && !state.astray {
            state.samples.push(Sample { request: request.clone(), reply: reply.text.clone() });
        }
        if !reply.found && request.role == Role::Manager {
            state.missed += 1;
            // The bank stays gold where nothing was to be done.
            state.astray |= changes_the_bank(&state.lesson, request);
        }
        drop(state);
        let stopped = cancel.is_cancelled() || sink(&reply.text).is_break();
        let stop = if stopped { Stop::Cancelled } else { Stop::EndOfTurn };
        Ok(Completion { text: reply.text, stop, usage: Usage { calls: 1, ..Usage::default() } })
    }
}

fn reply(lesson: &Lesson, request: &Request) -> Option<Reply> {
    let user = request.chat.user.as_str();
    match (lesson, request.role) {
        (Lesson::Turn { facts, bank }, Role::Manager) => match fact_in(facts, user) {
            Some(fact) => Some(managed(fact, bank, user)),
            None if user.contains(NEW_FACT) => None,
            None => {
                let facts = facts.iter().map(|fact| fact.text.as_str());
                Some(Reply { text: extracted(facts), found: true })
            }
        },
        (Lesson::Notes(facts), Role::Manager) => {
            let text = if user.contains(NEW_FACT) {
                "ADD".to_owned()
            } else {
                extracted(facts.iter().map(String::as_str))
            };
            Some(Reply { text, found: true })
        }
        (Lesson::Question { memories, turns, .. }, Role::Answer) if user.contains(QUESTION) => {
            Some(distilled(memories, turns, user))
        }
        (Lesson::Question { answer, memories, turns }, Role::Answer) => {
            let shown = |text: &String| user.contains(&format!("{SAID}{text}\n"));
            // A memory tells all of an answer, a turn its part of it; what nobody told nobody has to show.
            let found = memories.iter().any(shown)
                || (turns.iter().all(shown) && (memories.is_empty() || !turns.is_empty()));
            Some(Reply { text: format!(" {answer}"), found })
        }
        _ => None,
    }
}

/// What stands before the fact in a prompt of the manage step, and before the question in one of the distil step.
const NEW_FACT: &str = "\nNew fact: ";
const QUESTION: &str = "\nQuestion: ";
/// What stands before what was said in a prompt of the answer step.
const SAID: &str = " said: ";

fn fact_in<'a>(facts: &'a [GoldFact], user: &str) -> Option<&'a GoldFact> {
    let (_, asked) = user.rsplit_once(NEW_FACT)?;
    facts.iter().find(|fact| asked.lines().next() == Some(fact.text.as_str()))
}

fn changes_the_bank(lesson: &Lesson, request: &Request) -> bool {
    let Lesson::Turn { facts, .. } = lesson else { return false };
    fact_in(facts, &request.chat.user).is_some_and(|fact| fact.gold != Gold::Noop)
}

fn extracted<'a>(facts: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = facts.map(|fact| format!("- {fact}")).collect();
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn managed(fact: &GoldFact, bank: &[GoldMemory], user: &str) -> Reply {
    let known = fact.memory.and_then(|number| bank.iter().find(|memory| memory.number == number));
    let shown = manage::shown_in(user);
    let known = known.and_then(|memory| shown.iter().position(|line| *line == memory.text));
    let text = match (&fact.gold, known) {
        (Gold::Add, _) | (Gold::Update { .. }, None) => "ADD".to_owned(),
        (Gold::Noop, _) | (Gold::Delete { .. }, None) => "NOOP".to_owned(),
        (Gold::Update { text, .. }, Some(at)) => manage::update(&shown, at, text),
        (Gold::Delete { .. }, Some(at)) => manage::delete(&shown, at),
    };
    Reply { text, found: known.is_some() || fact.gold == Gold::Add }
}

fn distilled(memories: &[String], turns: &[String], user: &str) -> Reply {
    let find = |wanted: &[String]| -> Vec<String> {
        let shown = labels(user).filter_map(|(label, line)| Some((label, line.split_once(": ")?.1)));
        let useful = shown.filter(|(_, text)| wanted.iter().any(|wanted| wanted == text));
        useful.map(|(label, _)| label.to_string()).take(distil::MAX_SELECTED).collect()
    };
    let useful = [memories, turns].into_iter().map(find).find(|useful| !useful.is_empty());
    let text = useful.as_ref().map_or_else(|| "none".to_owned(), |useful| useful.join(", "));
    let untold = memories.is_empty() && turns.is_empty();
    Reply { text, found: useful.is_some() || untold }
}

/// The numbered lines of a prompt.
fn labels(user: &str) -> impl Iterator<Item = (usize, &str)> {
    user.lines().filter_map(|line| {
        let (label, text) = line.split_once(". ")?;
        Some((label.parse().ok()?, text))
    })
}

/// An engine in memory whose model is the teacher.
pub fn engine(teacher: Arc<Teacher>, config: Config) -> Engine {
    // When something was recorded matters to nothing here.
    let clock = || Timestamp::from_seconds(0);
    Engine::with_bank(Arc::new(MemoryBank::new()), Setup::new(clock).with_model(teacher).with_config(config))
}

/// Why a story could not be worked.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// A turn is none that a host could hand in: the story is at fault.
    #[error(transparent)]
    Turn(#[from] InvalidInput),
    /// The engine failed on a turn.
    #[error(transparent)]
    Engine(#[from] RememberError),
}

/// Works these turns of a story in an engine that has seen those before them and nothing else. `each` hears of every
/// turn.
pub fn teach(
    story: &Story,
    turns: Range<usize>,
    teacher: &Teacher,
    engine: &Engine,
    each: &mut dyn FnMut(usize, &Receipt),
) -> Result<(), TeachError> {
    for at in turns {
        teacher.give(Lesson::turn(story, at));
        let receipt = engine.remember(story.turns[at].new_turn()?, &Cancel::new())?;
        each(at, &receipt);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::answerer::answer;
    use super::super::measures::{Done, Operations, bank_score, operation, pair};
    use super::super::question::Seeks;
    use super::super::{Split, WorldSettings};
    use super::*;
    use keepsake_core::bank::TurnOutcome;
    use keepsake_core::config::Distil;
    use keepsake_core::decision::{Applied, Guard, Operation};
    use keepsake_core::prompt::extract::{MAX_FACT_CHARS, MAX_FACTS};
    use keepsake_core::prompt::manage;
    use keepsake_core::types::SpaceId;
    use std::collections::BTreeMap;

    fn stories(seeds: Range<u64>) -> impl Iterator<Item = Story> {
        let splits = [Split::Train, Split::Held];
        seeds.map(move |seed| {
            let split = splits[seed as usize % 2];
            Story::new(seed, &WorldSettings { split, ..WorldSettings::default() })
        })
    }

    fn applied(receipt: &Receipt) -> &[Applied] {
        match &receipt.outcome {
            TurnOutcome::Done(applied) => applied,
            other => panic!("{other:?}"),
        }
    }

    fn texts(engine: &Engine) -> Vec<String> {
        engine.memories(&SpaceId::default()).unwrap().into_iter().map(|memory| memory.text).collect()
    }

    fn sorted<T: Ord>(mut texts: Vec<T>) -> Vec<T> {
        texts.sort();
        texts
    }

    /// The heart of this world: what is held to be gold is what core does when it is told so.
    #[test]
    fn core_makes_exactly_the_gold_bank_of_gold_replies() {
        let (mut operations, mut facts, mut asked, mut missed, mut whole) =
            (Operations::default(), 0, 0, 0, 0);
        let mut acts: BTreeMap<_, usize> = BTreeMap::new();
        let count = 200;
        for story in stories(0..count) {
            let teacher = Arc::new(Teacher::new());
            let engine = engine(teacher.clone(), Config::default());
            let mut before: Vec<(u64, String)> = Vec::new();
            teach(&story, 0..story.turns.len(), &teacher, &engine, &mut |at, receipt| {
                let turn = &story.turns[at];
                if teacher.missed() == 0 {
                    let done = applied(receipt);
                    assert_eq!(done.len(), turn.facts.len(), "{turn:?}");
                    for (fact, done) in pair(turn, done) {
                        let done = done.unwrap();
                        let known = done.guard == Some(Guard::AlreadyKnown) && fact.gold == Gold::Noop;
                        assert!(done.guard.is_none() || known, "{fact:?} {done:?}");
                        assert_eq!(
                            (&done.fact, done.operation),
                            (&fact.text, operation(&fact.gold)),
                            "{fact:?}"
                        );
                        let text_of = |done: &Applied| {
                            let same = before
                                .iter()
                                .find(|(id, _)| done.memory.is_some_and(|memory| memory.0 == *id));
                            same.map(|(_, text)| text.clone())
                        };
                        let old = fact.memory.filter(|_| fact.gold != Gold::Add);
                        let old = old
                            .and_then(|number| story.turns[at - 1].bank.iter().find(|m| m.number == number));
                        let old = old.map(|memory| memory.text.as_str());
                        operations.count(&fact.gold, old, Some(&Done::new(done, text_of)));
                        *acts.entry((fact.act, operation(&fact.gold) as u8)).or_default() += 1;
                        facts += 1;
                    }
                    let bank = texts(&engine);
                    assert_eq!(
                        sorted(bank.clone()),
                        sorted(turn.texts().into_iter().map(str::to_owned).collect())
                    );
                    let bank: Vec<&str> = bank.iter().map(String::as_str).collect();
                    for question in story.answerable(at) {
                        let given = answer(question, &bank);
                        assert!(
                            given.as_ref().is_some_and(|given| question.accepts(given)),
                            "{question:?} {given:?}"
                        );
                        asked += 1;
                    }
                }
                before = engine
                    .memories(&SpaceId::default())
                    .unwrap()
                    .into_iter()
                    .map(|m| (m.id.0, m.text))
                    .collect();
            })
            .unwrap();
            missed += teacher.missed();
            if teacher.missed() == 0 {
                let bank = texts(&engine);
                let bank: Vec<&str> = bank.iter().map(String::as_str).collect();
                assert!(bank_score(&story, story.turns.len() - 1, &bank).f1() > 0.999);
                whole += 1;
            }
        }
        println!(
            "{count} stories, {whole} of them whole, {facts} facts, {missed} memories not shown, {asked} questions"
        );
        println!("{acts:?}");
        assert!(missed * 500 <= facts, "{missed} of {facts}");
        assert!(
            (operations.accuracy() - 1.0).abs() < 1e-9 && operations.fragmentation() < 1e-9,
            "{operations:?}"
        );
        let (updates, deletes) = (operations.updates, operations.deletes);
        assert!(updates.gold > 100 && updates.right == updates.gold, "{updates:?}");
        assert!(deletes.gold > 20 && deletes.right == deletes.gold, "{deletes:?}");
    }

    /// `prompt::extract::grammar`, written out.
    fn follows_the_grammar(fact: &str, speaker: &str) -> bool {
        let Some(rest) = fact.strip_prefix(speaker) else { return false };
        let Some(rest) = rest.strip_prefix("'s ").or_else(|| rest.strip_prefix(' ')) else { return false };
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        let inside = |letter: char| !letter.is_control() && !['.', '!', '?', ';'].contains(&letter);
        rest.chars().count() >= 4 && rest.chars().all(inside) && fact.chars().count() <= MAX_FACT_CHARS
    }

    #[test]
    fn gold_replies_follow_the_grammars() {
        for story in stories(0..300) {
            for turn in &story.turns {
                assert!(turn.facts.len() <= MAX_FACTS);
                for fact in &turn.facts {
                    assert!(follows_the_grammar(&fact.text, &turn.speaker), "{fact:?}");
                    assert!(!fact.text.contains('{') && !turn.text.contains('{'), "{turn:?}");
                    if let Gold::Update { text, .. } = &fact.gold {
                        let fits = text.chars().count() <= manage::MAX_MEMORY_CHARS;
                        assert!(fits && text.starts_with(|first: char| first.is_alphanumeric()), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn samples_hold_what_was_asked_and_gold() {
        let story = stories(2..3).next().unwrap();
        let teacher = Arc::new(Teacher::new());
        let engine = engine(teacher.clone(), Config::default());
        let (mut facts, mut unasked) = (0, 0);
        teach(&story, 0..story.turns.len(), &teacher, &engine, &mut |_, receipt| {
            facts += applied(receipt).len();
            unasked += applied(receipt).iter().filter(|one| one.decided.is_none()).count();
        })
        .unwrap();
        assert_eq!(teacher.missed(), 0);
        let samples = teacher.samples();
        assert_eq!(samples.len(), story.turns.len() + facts - unasked);
        let replies = |start: &str| samples.iter().filter(|sample| sample.reply.starts_with(start)).count();
        assert!(["none", "- ", "ADD", "UPDATE ", "NOOP"].into_iter().all(|start| replies(start) > 0));
        assert!(
            samples
                .iter()
                .all(|sample| sample.request.role == Role::Manager && sample.request.grammar.is_some())
        );
        assert!(teacher.samples().is_empty());
    }

    #[test]
    fn a_memory_that_is_not_shown_ends_the_samples_of_a_story() {
        let gold = Gold::Update { memory: 0, text: "Tom lives in York.".into() };
        let fact = GoldFact {
            text: "Tom lives in York.".into(),
            gold,
            act: super::super::Act::Change,
            topic: "home",
            memory: Some(0),
            slot: 0,
        };
        let bank = vec![GoldMemory { number: 0, text: "Tom lives in Hull.".into() }];
        let reply = |shown: &str| {
            managed(&fact, &bank, &format!("Memories:\n- x\n- {shown}\n\nNew fact: y\nAnswer:"))
        };
        assert_eq!(reply("Tom lives in Hull.").text, "UPDATE Tom lives in Hull. -> Tom lives in York.");
        let missed = reply("Tom likes tea.");
        assert_eq!((missed.text.as_str(), missed.found), ("ADD", false));
    }

    /// Asked, taught nothing because what is answered from was not shown, answered from turns alone.
    fn taught(distil: Distil) -> (usize, usize, usize) {
        let (mut asked, mut unseen, mut by_turns) = (0, 0, 0);
        for story in stories(0..6) {
            let teacher = Arc::new(Teacher::new());
            let engine = engine(teacher.clone(), Config { distil, ..Config::default() });
            let last = story.turns.len() - 1;
            teach(&story, 0..last + 1, &teacher, &engine, &mut |_, _| {}).unwrap();
            assert_eq!(teacher.missed(), 0);
            teacher.samples();
            for question in story.answerable(last) {
                teacher.give(Lesson::question(&story, question, last));
                let wanted = keepsake_core::types::Question::new(SpaceId::default(), &question.text).unwrap();
                let given = engine.ask(&wanted, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap();
                assert!(question.accepts(&given.text.unwrap()), "{question:?}");
                by_turns += usize::from(given.used.iter().all(|used| used.unit.memory().is_none()));
                asked += 1;
                let samples = teacher.samples();
                let answers = samples.iter().filter(|sample| !sample.request.chat.user.contains(QUESTION));
                let answers: Vec<&Sample> = answers.collect();
                unseen += usize::from(answers.is_empty());
                for sample in answers {
                    assert_eq!(sample.reply, format!(" {}", question.answer));
                    let shown = sample.request.chat.user.contains(&question.answer);
                    assert!(shown || question.seeks != Seeks::Value, "{question:?} {sample:?}");
                }
                let picks = samples.iter().filter(|sample| sample.request.chat.user.contains(QUESTION));
                let none = picks.clone().any(|sample| sample.reply == "none");
                assert_eq!(none, distil != Distil::Never && question.seeks == Seeks::Untold, "{question:?}");
                assert!(samples.iter().all(|sample| sample.request.role == Role::Answer));
            }
            assert_eq!(teacher.missed(), 0);
        }
        (asked, unseen, by_turns)
    }

    #[test]
    fn the_answer_agent_is_taught_what_helps_and_what_it_says() {
        for (distil, most) in [(Distil::Trained, 0.02), (Distil::Never, 0.2)] {
            let (asked, unseen, by_turns) = taught(distil);
            println!(
                "{distil:?}: {asked} questions asked, for {unseen} nothing useful was found, {by_turns} answered from turns alone"
            );
            assert!(asked > 200 && (unseen as f64) < most * asked as f64, "{unseen} of {asked}");
        }
    }

    #[test]
    fn an_unasked_question_is_no_lesson() {
        let teacher = Teacher::new();
        let chat = keepsake_core::prompt::chat::Chat::default();
        let sampling = keepsake_core::model::Sampling::Greedy;
        let request = Request { role: Role::Manager, chat, grammar: None, max_tokens: 8, sampling };
        assert!(teacher.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).is_err());
        assert_eq!((operation(&Gold::Add), teacher.missed()), (Operation::Add, 0));
    }
}
