//! Every question of every conversation, asked of every system; then judged, where there is a judge, and reported.
//!
//! The base comes first, then what has adapters, so that one model is loaded at a time. Every answer is a line as soon as it
//! is there.
//!
//! Rooms it touches: evaluate (all of it), record; dialogues; of core: engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Instant;

use keepsake_dialogues::questions::Asked;
use keepsake_dialogues::recall::{Judged, Recall};
use sha2::{Digest, Sha256};

use super::ask::Asking;
use super::banks::{Banks, Cost};
use super::course::Course;
use super::journal::{self, Answered, Journal, Judgement};
use super::judge::{Judge, verdict};
use super::material::{Case, hex};
use super::measure::{Values, values};
use super::operations::of_bank;
use super::report::{self, Item, Report, SystemReport, groups, summaries};
use super::systems::{Builder, System};
use super::{Ended, EvaluateError, Model, Plan, Tools};

/// Asks, judges and reports.
pub fn qa(plan: &Plan<'_>, tools: &Tools<'_>) -> Result<Ended, EvaluateError> {
    if plan.material.questions() == 0 {
        let why = "none of the conversations has a question that can be asked (files of notes alone have none: \
                   `evaluate operations` looks at the banks that come of them)";
        return Err(EvaluateError::Nothing(why.to_owned()));
    }
    if plan.systems.iter().any(|system| matches!(system, System::Mem0 { .. })) && tools.embedder.is_none() {
        return Err(EvaluateError::NoEmbedder);
    }
    journal::open_folder(plan.out, &plan.settings, plan.resume)?;
    let (mut answers, mut journal) =
        Journal::open(&plan.out.join("answers.jsonl"), |line: &Answered| line.failed.is_none())?;
    let (mut judgements, mut judged) =
        Journal::open(&plan.out.join("judgements.jsonl"), |line: &Judgement| line.failed.is_none())?;
    let mut course = Course::new(work(plan, tools));
    for system in plan.systems {
        let before = answers.iter().filter(|line| line.system == system.to_string()).count();
        course.before(&asking(*system), before);
    }
    let folder = plan.out.join("banks");
    let banks = Banks {
        folder: &folder,
        embedder: tools.embedder.clone(),
        given: tools.given.as_ref(),
        stop: tools.stop,
    };
    let mut of_banks: BTreeMap<(String, String), Values> = BTreeMap::new();
    for adapters in [false, true] {
        let systems: Vec<System> =
            plan.systems.iter().copied().filter(|system| system.has_adapters() == adapters).collect();
        let model = Model::new(tools.load, adapters);
        for case in &plan.material.cases {
            let whole = ask_case(
                case,
                &systems,
                &model,
                &banks,
                tools,
                &mut answers,
                &mut journal,
                &mut course,
                &mut of_banks,
            )?;
            if !whole {
                return Ok(Ended::Stopped);
            }
        }
    }
    if let Some(judge) = &tools.judge {
        let model = Model::new(tools.load, false);
        if !judge_all(plan, tools, judge, &model, &answers, &mut judgements, &mut judged, &mut course)? {
            return Ok(Ended::Stopped);
        }
    }
    drop(course);
    made(plan, tools, &answers, &judgements, &banks, &of_banks).write(plan.out)?;
    Ok(Ended::Whole)
}

/// The kind of work that asking a system is.
fn asking(system: System) -> String {
    format!("answers of {system}")
}

/// How many pieces of each kind there are.
fn work(plan: &Plan<'_>, tools: &Tools<'_>) -> BTreeMap<String, usize> {
    let turns: usize = asked(plan).map(|case| case.turns.len()).sum();
    let questions = plan.material.questions();
    let mut work = BTreeMap::new();
    for system in plan.systems {
        let built = match system.builder() {
            Builder::Turns => false,
            Builder::Manager { .. } => tools.given.is_none(),
            Builder::Mem0 { .. } => true,
        };
        if built {
            work.insert(Course::building(system.builder()), turns);
        }
        work.insert(asking(*system), questions);
        if tools.judge.is_some() {
            *work.entry("verdicts".to_owned()).or_insert(0) += questions;
        }
    }
    work
}

/// The conversations that something is asked about.
fn asked<'a>(plan: &'a Plan<'_>) -> impl Iterator<Item = &'a Case> {
    plan.material.cases.iter().filter(|case| !case.questions.is_empty())
}

/// Asks all of a conversation's questions; false where the run was stopped.
#[allow(clippy::too_many_arguments)] // a run's state, handed down once
fn ask_case(
    case: &Case,
    systems: &[System],
    model: &Model<'_>,
    banks: &Banks<'_>,
    tools: &Tools<'_>,
    answers: &mut Vec<Answered>,
    journal: &mut Journal,
    course: &mut Course,
    of_banks: &mut BTreeMap<(String, String), Values>,
) -> Result<bool, EvaluateError> {
    if case.questions.is_empty() {
        return Ok(true);
    }
    let builders: BTreeSet<Builder> = systems.iter().map(|system| system.builder()).collect();
    for builder in builders {
        let done = systems.iter().filter(|system| system.builder() == builder).all(|system| {
            let name = system.to_string();
            let own = answers.iter().filter(|line| line.system == name);
            let known: BTreeSet<&str> = own.map(|line| line.question.as_str()).collect();
            case.questions.iter().all(|asked| known.contains(asked.id.as_str()))
        });
        // What a bank is like is told from it; turns alone tell nothing.
        if done && builder == Builder::Turns {
            continue;
        }
        let built = match banks.of(case, builder, model, course) {
            Ok(Some(built)) => built,
            Ok(None) => return Ok(false),
            Err(EvaluateError::Pipeline(why)) => {
                let why = format!("its bank could not be built: {why}");
                course.say(&format!("{builder}, {}: {why}", case.name));
                for system in systems.iter().filter(|system| system.builder() == builder) {
                    fail_all(*system, case, &why, answers, journal, course)?;
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        if builder != Builder::Turns {
            of_banks.insert((builder.to_string(), case.name.clone()), of_bank(case, &built.bank)?);
        }
        for system in systems.iter().copied().filter(|system| system.builder() == builder) {
            let name = system.to_string();
            let known: BTreeSet<String> =
                answers.iter().filter(|line| line.system == name).map(|line| line.question.clone()).collect();
            let left: Vec<&Asked> =
                case.questions.iter().filter(|asked| !known.contains(&asked.id)).collect();
            if left.is_empty() {
                continue;
            }
            let asking_it = Asking::new(
                system,
                case,
                std::sync::Arc::clone(&built.bank),
                model.get()?,
                tools.embedder.clone(),
            )?;
            for asked in left {
                if tools.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let started = Instant::now();
                let line = asking_it.ask(asked)?;
                if let Some(why) = line.failed.as_ref().or(line.nothing.as_ref()) {
                    course.say(&format!("{name}, question {}: no answer: {why}", asked.id));
                }
                journal.add(&line)?;
                answers.push(line);
                course.piece(&asking(system), started.elapsed());
            }
        }
    }
    Ok(true)
}

/// Notes that none of a conversation's questions could be asked.
fn fail_all(
    system: System,
    case: &Case,
    why: &str,
    answers: &mut Vec<Answered>,
    journal: &mut Journal,
    course: &mut Course,
) -> Result<(), EvaluateError> {
    let name = system.to_string();
    for asked in &case.questions {
        if answers.iter().any(|line| line.system == name && line.question == asked.id) {
            continue;
        }
        let line = Answered { failed: Some(why.to_owned()), ..Answered::none(system, asked) };
        journal.add(&line)?;
        answers.push(line);
        course.before(&asking(system), 1);
    }
    Ok(())
}

/// Has all answers judged that are not yet; false where the run was stopped.
#[allow(clippy::too_many_arguments)] // a run's state, handed down once
fn judge_all(
    plan: &Plan<'_>,
    tools: &Tools<'_>,
    judge: &Judge,
    model: &Model<'_>,
    answers: &[Answered],
    judgements: &mut Vec<Judgement>,
    journal: &mut Journal,
    course: &mut Course,
) -> Result<bool, EvaluateError> {
    let questions: HashMap<&str, (&Case, &Asked)> = questions(plan).collect();
    let known: BTreeSet<(String, String)> =
        judgements.iter().map(|one| (one.system.clone(), one.question.clone())).collect();
    course.before("verdicts", known.len());
    for line in answers.iter().filter(|line| line.failed.is_none()) {
        if known.contains(&(line.system.clone(), line.question.clone())) {
            continue;
        }
        let Some((case, asked)) = questions.get(line.question.as_str()) else { continue };
        if tools.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let started = Instant::now();
        // No answer needs no judge: it is right about nothing but what was never said.
        let found = match &line.text {
            Some(text) => verdict(judge, model, asked, case.layout, text),
            None => Ok(!asked.is_answerable()),
        };
        if let Err(why) = &found {
            course.say(&format!("{}, question {}: not judged: {why}", line.system, line.question));
        }
        let judgement = Judgement {
            system: line.system.clone(),
            question: line.question.clone(),
            correct: found.as_ref().ok().copied(),
            failed: found.err(),
        };
        journal.add(&judgement)?;
        judgements.push(judgement);
        course.piece("verdicts", started.elapsed());
    }
    Ok(true)
}

fn questions<'a>(plan: &'a Plan<'_>) -> impl Iterator<Item = (&'a str, (&'a Case, &'a Asked))> {
    let of_case = |case: &'a Case| case.questions.iter().map(move |asked| (asked.id.as_str(), (case, asked)));
    plan.material.cases.iter().flat_map(of_case)
}

/// The report of what was answered.
fn made(
    plan: &Plan<'_>,
    tools: &Tools<'_>,
    answers: &[Answered],
    judgements: &[Judgement],
    banks: &Banks<'_>,
    of_banks: &BTreeMap<(String, String), Values>,
) -> Report {
    let by_name: HashMap<(&str, &str), &Answered> =
        answers.iter().map(|line| ((line.system.as_str(), line.question.as_str()), line)).collect();
    let verdicts: HashMap<(&str, &str), bool> = judgements
        .iter()
        .filter_map(|one| Some(((one.system.as_str(), one.question.as_str()), one.correct?)))
        .collect();
    let names: Vec<String> = plan.systems.iter().map(System::to_string).collect();
    let mut items = Vec::new();
    for (id, (case, asked)) in questions(plan) {
        let mut of_systems = BTreeMap::new();
        for name in &names {
            let Some(line) = by_name.get(&(name.as_str(), id)) else { continue };
            let mut found = values(asked, case.layout, line);
            if let Some(correct) = verdicts.get(&(name.as_str(), id)) {
                found.insert("judge".to_owned(), (f64::from(u8::from(*correct)), 1.0));
            }
            of_systems.insert(name.clone(), found);
        }
        items.push(Item {
            id: id.to_owned(),
            category: asked.category.clone(),
            fingerprint: fingerprint(asked),
            values: of_systems,
        });
    }
    let systems = plan.systems.iter().map(|system| {
        let name = system.to_string();
        let mut report = SystemReport {
            groups: groups(&items, &name, plan.resamples, plan.seed),
            recall: recall(plan, &name, &by_name),
            ..SystemReport::default()
        };
        for line in answers.iter().filter(|line| line.system == name) {
            let counted = match (&line.failed, &line.nothing) {
                (Some(why), _) => report.failed.entry(why.clone()),
                (None, Some(why)) => report.nothing.entry(why.clone()),
                (None, None) => continue,
            };
            *counted.or_default() += 1;
        }
        let builder = system.builder();
        if tools.given.is_none() || matches!(builder, Builder::Mem0 { .. }) {
            report.bank = cost(plan, banks, builder);
        }
        let own = of_banks.iter().filter(|((of, _), _)| *of == builder.to_string()).map(|(_, values)| values);
        report.banks = summaries(&own, plan.resamples, plan.seed);
        SystemReport { name, ..report }
    });
    let mut notes = plan.material.notes.clone();
    if tools.embedder.is_none() {
        notes.push("no embedder: everything was retrieved by words only".to_owned());
    }
    if let Some(given) = &tools.given {
        notes.push(format!("banks were not built but taken: {given:?}"));
    }
    let unjudged = judgements.iter().filter(|one| one.correct.is_none()).count();
    let mut left_out = plan.material.totals.clone();
    if unjudged > 0 {
        left_out.insert("an answer that the judge gave no verdict on".to_owned(), unjudged);
    }
    for line in answers {
        if let Some(why) = &line.failed {
            *left_out.entry(format!("{}: {why}", line.system)).or_default() += 1;
        }
    }
    let judge = tools.judge.as_ref().map(Judge::to_string);
    Report { judge, systems: systems.collect(), items, left_out, notes, ..Report::of(plan) }
}

/// Building all conversations' banks; `None` where nothing was built.
fn cost(plan: &Plan<'_>, banks: &Banks<'_>, builder: Builder) -> Option<Cost> {
    let mut all = Cost { whole: true, ..Cost::default() };
    let costs: Vec<Cost> = asked(plan).filter_map(|case| banks.cost(case, builder)).collect();
    for cost in &costs {
        all.turns += cost.turns;
        all.failed += cost.failed;
        all.ms += cost.ms;
        all.tokens += cost.tokens;
        all.memories += cost.memories;
    }
    (!costs.is_empty()).then_some(all)
}

/// Evidence recall as `keepsake bench retrieval` has it, of a system that retrieves.
fn recall(
    plan: &Plan<'_>,
    system: &str,
    answers: &HashMap<(&str, &str), &Answered>,
) -> Option<serde_json::Value> {
    let of_question = |(id, (_, asked)): (&str, (&Case, &Asked))| {
        let line =
            answers.get(&(system, id)).filter(|line| line.failed.is_none() && !line.found.is_empty())?;
        (asked.is_answerable() && !asked.evidence.is_empty())
            .then(|| Judged::at(&asked.category, line.found.clone()))
    };
    let judged: Vec<Judged> = questions(plan).filter_map(of_question).collect();
    (!judged.is_empty()).then(|| report::recall(&Recall::of(&judged))).flatten()
}

/// Names a question with its gold.
fn fingerprint(asked: &Asked) -> String {
    let mut hash = Sha256::new();
    for part in [&asked.text, &asked.category].into_iter().chain(&asked.gold) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(hash)[..16].to_owned()
}
