//! Evaluations from files to reports, with a scripted model: every system, stopping and going on, judges, what cannot be
//! used.
//!
//! Rooms it touches: evaluate; dialogues; of core: testing.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test both are the verdict

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keepsake_core::model::{LanguageModel, ModelError, Request};
use keepsake_core::testing::{LetterEmbedder, Reply, ScriptedModel};
use keepsake_trainer::evaluate::compare::{Choice, compare};
use keepsake_trainer::evaluate::judge::{Judge, Remote};
use keepsake_trainer::evaluate::material::{Material, MaterialSettings, material};
use keepsake_trainer::evaluate::report::{OVERALL, Report};
use keepsake_trainer::evaluate::systems::System;
use keepsake_trainer::evaluate::{
    Ended, EvaluateError, Given, OperationsSettings, Plan, Tools, operations, qa,
};
use serde_json::{Value, json};

const TALK: &str = r#"{"time":"2024-03-02T10:15","speaker":"Maria","text":"Maria has a dog named Bo.","id":"a"}
{"time":"2024-03-02T10:16","speaker":"Tom","text":"Nice to hear.","id":"b"}
{"time":"2024-03-02T10:17","speaker":"Tom","text":"Tom has a cat named Lou.","id":"c"}
{"time":"2024-03-02T10:18","speaker":"Maria","text":"Maria has a job at the bakery in Leeds.","id":"d"}
{"time":"2024-03-02T10:19","speaker":"Tom","text":"Sounds like fun.","id":"e"}
{"question":"What is the name of Maria's dog?","answer":"Bo","evidence":["a"],"category":"pets","id":"dog"}
{"question":"What is the name of Tom's cat?","answer":["Lou","cat Lou"],"evidence":["c"],"category":"pets","id":"cat"}
{"question":"Where has Maria a job?","answer":"at the bakery","evidence":["d"],"category":"work","id":"job"}
"#;

/// Replies as a model would that keeps every "has" and answers with the name that it reads last.
fn reply(request: &Request) -> Reply {
    let (system, user) = (request.chat.system.as_str(), request.chat.user.as_str());
    let has = |line: &str| line.contains(" has ") && !line.contains('?');
    if let Some((talk, _)) =
        user.strip_prefix("Conversation:\n").and_then(|user| user.split_once("\n\nMessage of "))
    {
        let said =
            talk.lines().next_back().and_then(|line| line.split_once(": ")).map_or("", |(_, text)| text);
        return Reply::Says(if has(said) { format!("- {said}") } else { "none".to_owned() });
    }
    if user.contains("\nNew fact: ") {
        return "ADD".into();
    }
    if system.starts_with("You organise") {
        let said = user.rsplit_once(": ").map_or("", |(_, text)| text);
        let facts: Vec<&str> = if has(said) { vec![said] } else { vec![] };
        return Reply::Says(json!({ "facts": facts }).to_string());
    }
    if let Some((_, facts)) = user.split_once("New facts:\n") {
        let facts: Vec<String> = serde_json::from_str(facts.lines().next().unwrap()).unwrap();
        let memory: Vec<Value> =
            facts.iter().map(|fact| json!({"id": "9", "text": fact, "event": "ADD"})).collect();
        return Reply::Says(json!({ "memory": memory }).to_string());
    }
    if user.contains("\nQuestion: ") {
        let asked =
            ["dog", "cat", "job"].into_iter().find(|word| user.lines().next_back().unwrap().contains(word));
        let holds = |line: &&str| asked.is_some_and(|word| line.contains(word)) && line.contains(". ");
        let lines = user.lines().filter(holds).filter(|line| !line.starts_with("Question"));
        let labels: Vec<&str> = lines.filter_map(|line| Some(line.split_once('.')?.0)).take(5).collect();
        return Reply::Says(if labels.is_empty() { "none".to_owned() } else { labels.join(", ") });
    }
    let known = [("dog", "Bo", " Bo"), ("cat", "Lou", " it is Lou"), ("job", "bakery", " the bakery")];
    let question = user.lines().next_back().unwrap_or_default();
    let said = known.iter().find(|(asks, ..)| question.contains(asks));
    match said {
        Some((_, needs, says)) if user.contains(needs) => (*says).into(),
        _ => " unknown".into(),
    }
}

struct Run {
    folder: tempfile::TempDir,
    material: Material,
    systems: Vec<System>,
    embedder: bool,
}

impl Run {
    fn of(text: &str, systems: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("talk.jsonl");
        fs::write(&file, text).unwrap();
        let settings = MaterialSettings { files: vec![file], ..MaterialSettings::default() };
        Self {
            material: material(&settings).unwrap(),
            folder,
            systems: systems.iter().map(|name| name.parse().unwrap()).collect(),
            embedder: true,
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn plan<'a>(&'a self, what: &'static str, out: &'a Path, resume: bool) -> Plan<'a> {
        Plan {
            what,
            material: &self.material,
            systems: &self.systems,
            settings: json!({"model": "scripted"}),
            resamples: 200,
            seed: 1,
            out,
            resume,
        }
    }

    fn asks(
        &self,
        rule: impl Fn(&Request) -> Reply + Send + Sync + 'static,
        judge: Option<Judge>,
    ) -> Result<Report, EvaluateError> {
        let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(rule));
        let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
        let stop = AtomicBool::new(false);
        let tools = Tools { load: &load, embedder: self.letters(), given: None, judge, stop: &stop };
        assert_eq!(qa(&self.plan("qa", &self.out(), false), &tools)?, Ended::Whole);
        Report::read(&self.out())
    }

    fn letters(&self) -> Option<Arc<dyn keepsake_core::embed::Embedder>> {
        self.embedder.then(|| Arc::new(LetterEmbedder) as _)
    }
}

fn mean(report: &Report, system: &str, group: &str, metric: &str) -> f64 {
    let system = report.systems.iter().find(|one| one.name == system).unwrap();
    system.groups[group][metric].mean
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn the_whole_table_is_asked_scored_and_drawn() {
    let table: Vec<String> = System::table(true).iter().map(System::to_string).collect();
    let run = Run::of(TALK, &table.iter().map(String::as_str).collect::<Vec<_>>());
    let report = run.asks(reply, None).unwrap();
    assert_eq!(report.systems.len(), 13);
    for name in &table {
        // Bo, it is Lou, the bakery: 1; best of 2·⅓/1⅓ and 2·⅓·½/⅚; at bakery against bakery, 2·½/1½.
        close(mean(&report, name, "pets", "locomo_f1"), f64::midpoint(1.0, 0.5));
        close(mean(&report, name, "work", "locomo_f1"), 0.667);
        close(mean(&report, name, OVERALL, "exact_match"), 1.0 / 3.0);
        close(mean(&report, name, OVERALL, "evidence_read"), 1.0);
        assert_eq!(
            report.systems.iter().find(|one| one.name == *name).unwrap().groups[OVERALL]["mem0_f1"].n,
            3
        );
    }
    close(mean(&report, "keepsake-memories", OVERALL, "evidence_found"), 1.0);
    // Nothing is retrieved for the full context.
    assert!(!report.systems[1].groups[OVERALL].contains_key("evidence_found"));
    let bank = |name: &str| report.systems.iter().find(|one| one.name == name).unwrap().bank.clone();
    assert_eq!(bank("rag"), None);
    for name in ["mem0", "keepsake", "keepsake+adapters"] {
        let cost = bank(name).unwrap();
        assert_eq!((cost.turns, cost.failed, cost.memories), (5, 0, 3), "{name}");
    }
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    for name in &table {
        assert!(page.contains(&format!("| {name} | 3 |")), "{name} is not in\n{page}");
    }
    for file in ["f1", "f1-mem0", "bleu", "evidence", "latency", "answer-length"] {
        let svg = fs::read_to_string(run.out().join(format!("pictures/{file}.svg"))).unwrap();
        assert!(svg.contains("keepsake-distil-60+adapters") && !svg.contains("NaN"), "{file}");
        assert!(page.contains(&format!("pictures/{file}.svg")));
    }
    // The report may be passed on where the data may not.
    let json = fs::read_to_string(run.out().join("report.json")).unwrap();
    for said in ["bakery", "Lou", "What is the name"] {
        assert!(!json.contains(said) && !page.contains(said), "{said} is in the report");
    }
    let again = qa(&run.plan("qa", &run.out(), false), &tools_that_fail(&AtomicBool::new(false)));
    assert!(again.unwrap_err().to_string().contains("--resume"));
}

/// A model that cannot be loaded.
fn tools_that_fail(stop: &AtomicBool) -> Tools<'_> {
    let load: &dyn Fn(bool) -> Result<Arc<dyn LanguageModel>, ModelError> =
        &|_| Err(ModelError::Failed("it is not to be loaded".into()));
    Tools { load, embedder: Some(Arc::new(LetterEmbedder)), given: None, judge: None, stop }
}

/// What two runs must have in common: all but time.
fn without_time(folder: &Path) -> (Vec<Value>, Value, Vec<String>) {
    let lines = fs::read_to_string(folder.join("answers.jsonl")).unwrap();
    let mut answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut answers {
        line["latency_ms"].take();
    }
    let mut report: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
    report["made"].take();
    for item in report["items"].as_array_mut().unwrap() {
        for (_, values) in item["values"].as_object_mut().unwrap() {
            values["latency_ms"].take();
        }
    }
    for system in report["systems"].as_array_mut().unwrap() {
        for (_, group) in system["groups"].as_object_mut().unwrap() {
            group["latency_ms"].take();
        }
        if let Some(bank) = system.get_mut("bank") {
            bank["ms"].take();
        }
    }
    let banks = ["keepsake", "mem0"]
        .map(|name| fs::read_to_string(folder.join("banks").join(name).join("talk.jsonl")).unwrap());
    (answers, report, banks.to_vec())
}

#[test]
fn a_run_that_is_stopped_again_and_again_comes_to_the_same() {
    let systems = ["rag", "full-context", "mem0", "keepsake", "keepsake-distil-30"];
    let whole = Run::of(TALK, &systems);
    whole.asks(reply, None).unwrap();
    let run = Run::of(TALK, &systems);
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let mut stopped = 0;
    loop {
        let (thrown, counted) = (Arc::clone(&stop), Arc::clone(&calls));
        let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(move |request| {
            // Every third call is the last one of its run.
            thrown.store((counted.fetch_add(1, Ordering::Relaxed) + 1) % 3 == 0, Ordering::Relaxed);
            reply(request)
        }));
        let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
        stop.store(false, Ordering::Relaxed);
        let tools = Tools { load: &load, embedder: run.letters(), given: None, judge: None, stop: &stop };
        match qa(&run.plan("qa", &run.out(), stopped > 0), &tools).unwrap() {
            Ended::Whole => break,
            Ended::Stopped => stopped += 1,
        }
        // A process that was killed leaves half a line.
        let path = run.out().join("answers.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"system\":\"rag\",\"que")).unwrap();
        assert!(stopped < 50);
    }
    assert!(stopped > 5, "it was stopped {stopped} times only");
    let (answers, report, banks) = without_time(&run.out());
    let (answers_whole, report_whole, banks_whole) = without_time(&whole.out());
    assert_eq!(answers, answers_whole);
    assert_eq!(banks, banks_whole);
    assert_eq!(report, report_whole);
    // All is there: the model is not even loaded.
    let stop = AtomicBool::new(false);
    assert_eq!(qa(&run.plan("qa", &run.out(), true), &tools_that_fail(&stop)).unwrap(), Ended::Whole);
}

#[test]
fn what_cannot_be_used_is_counted_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let locomo = r#"[{"sample_id": "conv-30", "conversation": {"session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [{"speaker": "Maria", "dia_id": "D1:1", "text": "Maria has a dog named Bo."}]},
        "qa": [{"question": "What is the name of the dog?", "answer": "Bo", "category": 4, "evidence": ["D1:1"]},
               {"question": "What?", "category": 4, "evidence": []},
               {"question": "What?", "answer": "x", "category": 7},
               {"question": "Has Maria a cow?", "answer": "no", "category": 1, "evidence": ["D1:1"]},
               {"question": "Does the dog of Maria break?", "answer": "no", "category": 1, "evidence": ["D1:1"]},
               {"question": "Who is Bob?", "adversarial_answer": "x", "category": 5, "evidence": ["D1:1"]}]}]"#;
    let files = vec![write("wrong.json", "{\"a\": 1}"), write("locomo.json", locomo)];
    let material = material(&MaterialSettings { files, ..MaterialSettings::default() }).unwrap();
    let run = Run { folder, material, systems: vec!["keepsake".parse().unwrap()], embedder: false };
    let report = run
        .asks(
            |request| match request.chat.user.lines().next_back().unwrap_or_default() {
                asked if asked.contains("cow") => " \n".into(),
                asked if asked.contains("break") => Reply::Fails,
                _ => reply(request),
            },
            None,
        )
        .unwrap();
    assert_eq!(report.items.len(), 3);
    let left_out = |part: &str| report.left_out.iter().find(|(why, _)| why.contains(part)).map(|(_, n)| *n);
    assert_eq!(left_out("none of the layouts"), Some(1));
    assert_eq!(left_out("it has no answer"), Some(1));
    assert_eq!(left_out("there is no category 7"), Some(1));
    assert_eq!(left_out("never said"), Some(1));
    assert_eq!(left_out("the model failed"), Some(1));
    let system = &report.systems[0];
    assert_eq!((system.nothing.values().sum::<usize>(), system.failed.values().sum::<usize>()), (1, 1));
    // Bo, and an answer that is none; what broke does not count.
    assert_eq!(system.groups[OVERALL]["locomo_f1"].n, 2);
    close(mean(&report, "keepsake", OVERALL, "locomo_f1"), 0.5);
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(page.contains("counted as an empty answer") && page.contains("words only"), "{page}");
    // What broke is asked again, and the rest is not.
    let stop = AtomicBool::new(false);
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(|_| " no".into()));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let tools = Tools { load: &load, embedder: None, given: None, judge: None, stop: &stop };
    assert_eq!(qa(&run.plan("qa", &run.out(), true), &tools).unwrap(), Ended::Whole);
    let report = Report::read(&run.out()).unwrap();
    assert!(report.systems[0].failed.is_empty());
    close(mean(&report, "keepsake", OVERALL, "locomo_f1"), 2.0 / 3.0);
}

#[test]
fn a_bank_that_cannot_be_built_costs_its_own_questions_alone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let other = TALK.replace("Bo", "Zoe").replace("\"id\":\"", "\"id\":\"z").replace("[\"", "[\"z");
    let files =
        vec![write("talk.jsonl", TALK), write("other.jsonl", &other.replace("[\"zLou\"", "[\"Lou\""))];
    let material = material(&MaterialSettings { files, ..MaterialSettings::default() }).unwrap();
    assert_eq!(material.questions(), 6);
    let systems = vec!["rag".parse().unwrap(), "keepsake".parse().unwrap()];
    let run = Run { folder, material, systems, embedder: true };
    let breaks = |request: &Request| {
        let extracts = request.chat.user.starts_with("Conversation:");
        if extracts && request.chat.user.contains("Zoe") { Reply::Fails } else { reply(request) }
    };
    let report = run.asks(breaks, None).unwrap();
    let n = |report: &Report, system: usize| report.systems[system].groups[OVERALL]["locomo_f1"].n;
    assert_eq!((n(&report, 0), n(&report, 1)), (6, 3));
    let (why, lost) = report.left_out.iter().next().unwrap();
    assert!(why.contains("its bank could not be built") && *lost == 3, "{why}");
    // The next run builds it.
    let stop = AtomicBool::new(false);
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(reply));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let tools = Tools { load: &load, embedder: run.letters(), given: None, judge: None, stop: &stop };
    assert_eq!(qa(&run.plan("qa", &run.out(), true), &tools).unwrap(), Ended::Whole);
    let report = Report::read(&run.out()).unwrap();
    assert_eq!((n(&report, 0), n(&report, 1), report.left_out.len()), (6, 6, 0));
}

#[test]
fn a_model_that_says_nothing_at_all_is_reported_not_fatal() {
    let run = Run::of(TALK, &["rag", "full-context", "mem0", "keepsake", "keepsake-distil-60"]);
    let report = run.asks(|_| "".into(), None).unwrap();
    for system in &report.systems {
        assert_eq!(system.nothing.values().sum::<usize>(), 3, "{}", system.name);
        close(mean(&report, &system.name, OVERALL, "locomo_f1"), 0.0);
    }
    assert_eq!(report.systems[3].bank.as_ref().unwrap().failed, 5);
}

/// A server with OpenAI's interface that says what a test wants; what it heard.
fn judge_server(
    says: impl Fn(&str, usize) -> (u16, String) + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&heard);
    std::thread::spawn(move || {
        for (nth, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            let (start, body) = request(&stream);
            keeps.lock().unwrap().push(format!("{start}\n{body}"));
            let (status, text) = says(&body, nth);
            let reply = json!({"choices": [{"message": {"role": "assistant", "content": text}}]}).to_string();
            let mut stream = &stream;
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                reply.len()
            );
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(reply.as_bytes()));
        }
    });
    (address, heard)
}

fn request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn a_judge_is_asked_over_http_and_every_verdict_has_its_name() {
    let (address, heard) = judge_server(|body, nth| match nth {
        0 => (503, String::new()),
        _ if body.contains("Where has Maria") => (200, "I would not say.".into()),
        _ if body.contains("Answer: Bo") => (200, "The same name. CORRECT".into()),
        _ => (200, "It says more. WRONG".into()),
    });
    let host = address.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let remote =
        Remote::new(&address, "tiny-judge", Some("secret-key".into()), Duration::from_millis(2)).unwrap();
    let run = Run::of(TALK, &["keepsake"]);
    let report = run.asks(reply, Some(Judge::Remote(remote))).unwrap();
    let name = format!("tiny-judge at {host}");
    assert_eq!(report.judge.as_deref(), Some(name.as_str()));
    let group = &report.systems[0].groups[OVERALL]["judge"];
    assert_eq!(group.n, 2);
    close(group.mean, 0.5);
    assert_eq!(report.left_out["an answer that the judge gave no verdict on"], 1);
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(page.contains(&format!("judge by category, %, by {name}")), "{page}");
    assert!(fs::read_to_string(run.out().join("pictures/judge.svg")).unwrap().contains(&name));
    let heard = heard.lock().unwrap();
    // Three questions, and the first of them twice.
    assert_eq!(heard.len(), 4);
    assert!(heard[0].starts_with("POST /v1/chat/completions"), "{}", heard[0]);
    let with_key = |one: &&String| one.to_ascii_lowercase().contains("authorization: bearer secret-key");
    assert_eq!(heard.iter().filter(with_key).count(), 4);
    assert!(heard[1].contains("\"model\":\"tiny-judge\"") && heard[1].contains("\"temperature\":0.0"));
    for file in ["settings.json", "judgements.jsonl", "report.json", "report.md", "answers.jsonl"] {
        assert!(!fs::read_to_string(run.out().join(file)).unwrap().contains("secret-key"), "{file}");
    }
}

#[test]
fn a_judge_that_refuses_costs_its_verdicts_and_nothing_else() {
    let (address, heard) = judge_server(|_, _| (401, String::new()));
    let remote = Remote::new(&address, "j", None, Duration::from_millis(1)).unwrap();
    let report = Run::of(TALK, &["keepsake"]).asks(reply, Some(Judge::Remote(remote))).unwrap();
    assert!(!report.systems[0].groups[OVERALL].contains_key("judge"));
    assert_eq!(report.left_out["an answer that the judge gave no verdict on"], 3);
    // A refusal is final.
    assert_eq!(heard.lock().unwrap().len(), 3);
}

#[test]
fn the_model_itself_judges_where_that_is_wanted() {
    let run = Run::of(TALK, &["keepsake"]);
    let judge = Judge::Local { name: "m.gguf".into() };
    let report = run
        .asks(
            |request| {
                if request.chat.reply_start == "Verdict:" {
                    let same = request.chat.user.contains("Gold answer: Bo\nAnswer: Bo");
                    return if same { " CORRECT".into() } else { " WRONG".into() };
                }
                reply(request)
            },
            Some(judge),
        )
        .unwrap();
    close(mean(&report, "keepsake", OVERALL, "judge"), 1.0 / 3.0);
    assert_eq!(report.judge.as_deref(), Some("m.gguf, on this machine"));
}

#[test]
fn banks_are_taken_where_they_are_given() {
    let built = Run::of(TALK, &["keepsake"]);
    built.asks(reply, None).unwrap();
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(reply));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let stop = AtomicBool::new(false);
    let folder = built.out().join("banks/keepsake");
    for path in [folder.clone(), folder.join("talk.jsonl")] {
        let run = Run::of(TALK, &["keepsake-memories"]);
        let given = Some(Given::Path(path));
        let tools = Tools { load: &load, embedder: run.letters(), given, judge: None, stop: &stop };
        assert_eq!(qa(&run.plan("qa", &run.out(), false), &tools).unwrap(), Ended::Whole);
        let report = Report::read(&run.out()).unwrap();
        close(mean(&report, "keepsake-memories", OVERALL, "evidence_read"), 1.0);
        assert_eq!(report.systems[0].bank, None);
    }
    let run = Run::of(TALK, &["keepsake"]);
    let given = Some(Given::Gold);
    let tools = Tools { load: &load, embedder: None, given, judge: None, stop: &stop };
    let refused = qa(&run.plan("qa", &run.out(), false), &tools).unwrap_err().to_string();
    assert!(refused.contains("--stories"), "{refused}");
}

fn stories(turns: usize) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let settings = MaterialSettings { stories: 2, turns: Some(turns), ..MaterialSettings::default() };
    let material = material(&settings).unwrap();
    Run { folder, material, systems: vec!["keepsake".parse().unwrap()], embedder: false }
}

#[test]
fn stories_have_gold_banks_to_be_asked() {
    let run = stories(16);
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(|_| " tea".into()));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let stop = AtomicBool::new(false);
    let tools = Tools { load: &load, embedder: None, given: Some(Given::Gold), judge: None, stop: &stop };
    assert_eq!(qa(&run.plan("end-to-end", &run.out(), false), &tools).unwrap(), Ended::Whole);
    let report = Report::read(&run.out()).unwrap();
    assert!(report.items.len() > 6);
    close(report.systems[0].banks["bank_f1"].mean, 1.0);
    close(report.systems[0].banks["duplicates"].mean, 0.0);
}

#[test]
fn operations_are_measured_from_gold_and_on_own_banks() {
    let run = stories(12);
    // A manager that keeps nothing: every NOOP of a turn without facts is done, and no fact is.
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(|_| "none".into()));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let stop = AtomicBool::new(false);
    let tools = Tools { load: &load, embedder: None, given: None, judge: None, stop: &stop };
    let out = run.out();
    let plan = run.plan("operations", &out, false);
    let ended = operations(&plan, &tools, OperationsSettings::default()).unwrap();
    assert_eq!(ended, Ended::Whole);
    let report = Report::read(&run.out()).unwrap();
    // 12 turns of each story from the gold bank, and each story whole.
    assert_eq!(report.items.len(), 2 * 12 + 2);
    let system = &report.systems[0];
    close(system.groups["story turns, from the gold bank"]["operation_accuracy"].mean, 0.0);
    close(system.groups["stories, on its own bank"]["bank_recall"].mean, 0.0);
    close(system.groups["stories, on its own bank"]["failed_turns"].mean, 0.0);
    let page = fs::read_to_string(run.out().join("report.md")).unwrap();
    assert!(
        page.contains("operations as gold %") && run.out().join("pictures/operations.svg").exists(),
        "{page}"
    );
    let same = compare(&report, &report, &Choice::default(), 100, 1).unwrap();
    assert!(same[0].rows.iter().all(|(.., found)| found.difference.abs() < 1e-12 && found.p > 0.99));
}

#[test]
fn what_people_noted_is_kept_or_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("msc.txt");
    let line = json!({"initial_data_id": "v", "dialog": [
        {"text": "Alex has two black dogs.", "id": "a", "persona_text": "I have two dogs."},
        {"text": "Sounds fine, I sing jazz.", "id": "b", "persona_text": "I sing jazz."},
    ]});
    fs::write(&file, line.to_string()).unwrap();
    let material = material(&MaterialSettings { files: vec![file], ..MaterialSettings::default() }).unwrap();
    let run = Run {
        folder,
        material,
        systems: vec!["keepsake".parse().unwrap(), "mem0".parse().unwrap()],
        embedder: true,
    };
    let model: Arc<dyn LanguageModel> = Arc::new(ScriptedModel::by_rule(reply));
    let load = |_: bool| Ok::<_, ModelError>(Arc::clone(&model));
    let stop = AtomicBool::new(false);
    let tools = Tools { load: &load, embedder: run.letters(), given: None, judge: None, stop: &stop };
    let out = run.out();
    operations(&run.plan("operations", &out, false), &tools, OperationsSettings::default()).unwrap();
    let report = Report::read(&run.out()).unwrap();
    for system in ["keepsake", "mem0"] {
        close(mean(&report, system, "conversations", "kept"), 0.5);
        close(mean(&report, system, "conversations", "lost"), 0.5);
        close(mean(&report, system, "conversations", "invented"), 0.0);
    }
}
