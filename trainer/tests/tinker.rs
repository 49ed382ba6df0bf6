//! The engine on a Tinker server, against a small server in this file that has the API's shapes.
//!
//! Its "model" is a vector of logits, one for each token, whatever came before: log-probabilities, gradients
//! and plain gradient steps have closed forms here, so that what arrives at the server can be compared with
//! what the loss's derivative says. Losses are reduced as Thinking Machines or as SkyRL's JAX server does.
//! Replies are as recorded from SkyRL 0.3.0.
//!
//! Rooms it touches: engine, weights.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test both are the verdict

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use keepsake_trainer::engine::tinker::{
    ApiKey, Dialect, Patience, RemoteBase, Server, TinkerEngine, TinkerError, TinkerSettings, open,
};
use keepsake_trainer::engine::{
    AdamW, Ask, Branch, Choice, Dice, EngineError, Part, PolicyEngine, Token, Tree,
};
use keepsake_trainer::weights::{Architecture, Linear, Lora, Pair, Shape, write_peft};
use serde_json::{Value, json};

const VOCABULARY: usize = 7;
const END: Token = 6;
const BASE: &str = "tiny";

/// What goes wrong with a request, once.
enum Fault {
    /// This status and body, and nothing is done.
    Status(u16, &'static str),
    /// This body in place of the result.
    Says(&'static str),
    /// The connection closes after it was done.
    Breaks,
}

/// A LoRA of the server's.
#[derive(Clone)]
struct Model {
    logits: [f64; VOCABULARY],
    gradient: [f64; VOCABULARY],
    sequences: usize,
}

#[derive(Default)]
struct State {
    jax: bool,
    models: BTreeMap<String, Model>,
    saved: BTreeMap<String, [f64; VOCABULARY]>,
    samplers: BTreeMap<String, String>,
    results: BTreeMap<String, (u16, Value)>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    /// Route, body, and the key that came with it.
    heard: Vec<(String, Value, Option<String>)>,
    archive: Vec<u8>,
    /// Where archives are said to lie.
    store: Option<String>,
}

/// The server; ends with the test.
struct Fake {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    fn start(jax: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { jax, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn fault(&self, route: &'static str, fault: Fault) {
        self.state().faults.entry(route).or_default().push_back(fault);
    }

    /// Bodies of the requests to a route.
    fn heard(&self, route: &str) -> Vec<Value> {
        self.state()
            .heard
            .iter()
            .filter(|(heard, ..)| heard == route)
            .map(|(_, body, _)| body.clone())
            .collect()
    }

    fn server(&self) -> Server {
        let ms = Duration::from_millis;
        let patience =
            Patience { first: ms(2), longest: ms(8), trouble: ms(400), request: ms(2000), work: ms(4000) };
        Server { url: self.url.clone(), key: None, patience }
    }

    fn engine(&self) -> TinkerEngine {
        let dialect = if self.state().jax { Dialect::SkyrlJax } else { Dialect::Tinker };
        self.engine_of(dialect)
    }

    fn engine_of(&self, dialect: Dialect) -> TinkerEngine {
        TinkerEngine::connect(&self.server(), base(), settings(dialect)).unwrap()
    }
}

fn settings(dialect: Dialect) -> TinkerSettings {
    TinkerSettings { dialect, rank: 2, seed: 1, server_optimiser: false }
}

fn base() -> RemoteBase {
    RemoteBase { name: BASE.to_owned(), shape: shape(), context_tokens: 24, ends: vec![END] }
}

fn shape() -> Shape {
    Shape {
        architecture: Architecture::Llama,
        layers: 1,
        width: 4,
        hidden: 4,
        heads: 1,
        kv_heads: 1,
        head_width: 4,
        vocabulary: VOCABULARY,
        context: 24,
        rope_base: 10_000.0,
        rope_width: 4,
        norm_epsilon: 1e-5,
        tied: false,
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let (mut length, mut key) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "x-api-key" => key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let route = path.strip_prefix("/api/v1/").unwrap_or(&path).to_owned();
    let mut state = shared.lock().unwrap();
    state.heard.push((route.clone(), body.clone(), key));
    let fault = state.faults.get_mut(route.as_str()).and_then(VecDeque::pop_front);
    let (status, extra, bytes) = match fault {
        Some(Fault::Status(status, says)) => (status, String::new(), says.as_bytes().to_vec()),
        Some(Fault::Says(says)) => (200, String::new(), says.as_bytes().to_vec()),
        Some(Fault::Breaks) => {
            state.answer(&route, &body);
            return;
        }
        None => state.answer(&route, &body),
    };
    let head =
        format!("HTTP/1.1 {status} X\r\n{extra}Connection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
}

impl State {
    fn answer(&mut self, route: &str, body: &Value) -> (u16, String, Vec<u8>) {
        if route.ends_with("/archive") {
            let place = self.store.clone().unwrap_or_default() + "/store/adapter.tar.gz";
            return (302, format!("Location: {place}\r\n"), Vec::new());
        }
        if route == "/store/adapter.tar.gz" {
            return (200, String::new(), self.archive.clone());
        }
        let (status, value) = self.said(route, body);
        (status, String::new(), value.to_string().into_bytes())
    }

    fn said(&mut self, route: &str, body: &Value) -> (u16, Value) {
        let now = |result: Value| (200, result);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match route {
            "create_session" => {
                now(json!({"type": "create_session", "info_message": null, "session_id": "session_1"}))
            }
            "session_heartbeat" => now(json!({"type": "session_heartbeat"})),
            "get_server_capabilities" => now(json!({"supported_models": [{"model_name": BASE}]})),
            "retrieve_future" => {
                let missing = (404, json!({"detail": "Future not found"}));
                self.results.get(&text("request_id")).cloned().unwrap_or(missing)
            }
            "create_model" => {
                let id = format!("model_{}", self.heard.len());
                let model = Model { logits: [0.0; VOCABULARY], gradient: [0.0; VOCABULARY], sequences: 0 };
                self.models.insert(id.clone(), model);
                let (_, mut future) = self.later(json!({"model_id": id, "base_model": BASE}));
                future["model_id"] = json!(id);
                now(future)
            }
            "asample" => {
                let model = self.samplers[&text("sampling_session_id")].clone();
                let drawn = self.drawn(&model, body);
                self.later(json!({"sequences": [drawn], "prompt_logprobs": null}))
            }
            _ if self.models.contains_key(&text("model_id")) => self.of_model(route, &text("model_id"), body),
            _ => (404, json!({"detail": "Model not found"})),
        }
    }

    fn of_model(&mut self, route: &str, id: &str, body: &Value) -> (u16, Value) {
        let path = body["path"].as_str().unwrap_or_default().to_owned();
        match route {
            "forward" => {
                let outputs = self.pass(id, &body["forward_input"], false);
                self.later(outputs)
            }
            "forward_backward" => {
                let outputs = self.pass(id, &body["forward_backward_input"], true);
                self.later(outputs)
            }
            "optim_step" => {
                let norm = self.step(id, body["adam_params"]["learning_rate"].as_f64().unwrap());
                let name = if self.jax { "skyrl.ai/grad_norm" } else { "unclipped_grad_l2:mean" };
                self.later(json!({"metrics": {name: norm}}))
            }
            "save_weights" => {
                let path = format!("tinker://{id}/weights/{path}");
                self.saved.insert(path.clone(), self.models[id].logits);
                self.later(json!({"path": path, "type": "save_weights"}))
            }
            "load_weights" => {
                self.models.get_mut(id).unwrap().logits = self.saved[&path];
                self.later(json!({"type": "load_weights"}))
            }
            "save_weights_for_sampler" if path.is_empty() => {
                let session = format!("sampling_{}", self.heard.len());
                self.samplers.insert(session.clone(), id.to_owned());
                self.later(
                    json!({"path": null, "type": "save_weights_for_sampler", "sampling_session_id": session}),
                )
            }
            "save_weights_for_sampler" => {
                let path = format!("tinker://{id}/{path}");
                self.later(
                    json!({"path": path, "type": "save_weights_for_sampler", "sampling_session_id": null}),
                )
            }
            "unload_model" => {
                self.models.remove(id);
                self.later(json!({"model_id": id, "status": "unloaded", "type": "unload_model"}))
            }
            other => (404, json!({"detail": other})),
        }
    }

    fn later(&mut self, result: Value) -> (u16, Value) {
        let id = self.results.len().to_string();
        self.results.insert(id.clone(), (200, result));
        (200, json!({"future_id": id, "status": "pending", "request_id": id}))
    }

    /// Log-probabilities of targets; with gradients, what the loss adds to those of the logits.
    fn pass(&mut self, id: &str, batch: &Value, backward: bool) -> Value {
        let jax = self.jax;
        let model = self.models.get_mut(id).unwrap();
        let mut outputs = Vec::new();
        for datum in batch["data"].as_array().unwrap() {
            let inputs = &datum["loss_fn_inputs"];
            let floats = |name: &str| -> Option<Vec<f64>> {
                let data = inputs[name]["data"].as_array()?;
                Some(data.iter().map(|value| value.as_f64().unwrap()).collect())
            };
            let targets: Vec<usize> =
                floats("target_tokens").unwrap().into_iter().map(|token| token as usize).collect();
            assert_eq!(datum["model_input"]["chunks"][0]["tokens"].as_array().unwrap().len(), targets.len());
            let found = logprobs(&model.logits);
            let weights = floats("weights").unwrap_or_else(|| vec![1.0; targets.len()]);
            let by_logprob: Vec<f64> = match batch["loss_fn"].as_str().unwrap() {
                "cross_entropy" => weights.iter().map(|weight| -weight).collect(),
                "importance_sampling" => {
                    let (old, advantages) = (floats("logprobs").unwrap(), floats("advantages").unwrap());
                    let ratio = |at: usize| (found[targets[at]] - old[at]).exp();
                    (0..targets.len()).map(|at| -weights[at] * advantages[at] * ratio(at)).collect()
                }
                other => panic!("{other}"),
            };
            if backward {
                let scale = if jax { weights.iter().sum::<f64>().max(1e-9) } else { 1.0 };
                for (target, slope) in targets.iter().zip(by_logprob) {
                    for (token, gradient) in model.gradient.iter_mut().enumerate() {
                        let own = f64::from(u8::from(token == *target));
                        *gradient += slope / scale * (own - found[token].exp());
                    }
                }
                model.sequences += 1;
            }
            let found: Vec<f64> = targets.iter().map(|token| found[*token]).collect();
            let tensor = json!({"data": found, "dtype": "float32", "shape": [targets.len()]});
            outputs.push(json!({"elementwise_loss": tensor, "logprobs": tensor}));
        }
        json!({"loss_fn_output_type": "scalar", "loss_fn_outputs": outputs, "metrics": {}})
    }

    /// A plain gradient step: the norm of what it was made by.
    fn step(&mut self, id: &str, rate: f64) -> f64 {
        let jax = self.jax;
        let model = self.models.get_mut(id).unwrap();
        let scale = if jax { model.sequences as f64 } else { 1.0 };
        let gradient = model.gradient.map(|value| value / scale);
        for (logit, gradient) in model.logits.iter_mut().zip(gradient) {
            *logit -= rate * gradient;
        }
        (model.gradient, model.sequences) = ([0.0; VOCABULARY], 0);
        gradient.iter().map(|value| value * value).sum::<f64>().sqrt()
    }

    /// The seed in base seven, until the end.
    fn drawn(&self, model: &str, body: &Value) -> Value {
        let params = &body["sampling_params"];
        let (most, mut seed) = (params["max_tokens"].as_u64().unwrap(), params["seed"].as_u64().unwrap());
        let found = logprobs(&self.models[model].logits);
        let (mut tokens, mut scores) = (Vec::new(), Vec::new());
        while (tokens.len() as u64) < most && tokens.last() != Some(&(END as u64)) {
            tokens.push(seed % VOCABULARY as u64);
            scores.push(found[(seed % VOCABULARY as u64) as usize]);
            seed /= VOCABULARY as u64;
        }
        let reason = if tokens.last() == Some(&(END as u64)) { "stop" } else { "length" };
        json!({"stop_reason": reason, "tokens": tokens, "logprobs": scores})
    }
}

fn logprobs(logits: &[f64; VOCABULARY]) -> [f64; VOCABULARY] {
    let all = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    logits.map(|logit| logit - all)
}

fn branch(tokens: &[Token]) -> Branch {
    Branch { tokens: tokens.to_vec(), choices: vec![Choice::Any; tokens.len()] }
}

/// Replies of several lengths, one of them empty.
fn trees() -> Vec<Tree> {
    vec![
        Tree { prompt: vec![1, 2, 3], branches: vec![branch(&[4, 0, END]), branch(&[]), branch(&[5, END])] },
        Tree { prompt: vec![2], branches: vec![branch(&[3, 3, 1, 0, END])] },
    ]
}

/// Of both signs, and with the sum 0 over the first reply.
fn slope(tree: usize, branch: usize, at: usize) -> f32 {
    match (tree, branch) {
        (0, 0) => [0.5, -0.75, 0.25][at],
        (0, 2) => [-0.1, 0.0][at],
        _ => 0.3 - 0.2 * at as f32,
    }
}

/// The gradient by the logits, from the definition: Σ slope · (1[token] − p).
fn expected_gradient(trees: &[Tree], p: f64) -> [f64; VOCABULARY] {
    let mut gradient = [0.0; VOCABULARY];
    for (tree, of) in trees.iter().enumerate() {
        for (nth, branch) in of.branches.iter().enumerate() {
            for (at, target) in branch.tokens.iter().enumerate() {
                for (token, gradient) in gradient.iter_mut().enumerate() {
                    let own = f64::from(u8::from(token as Token == *target));
                    *gradient += f64::from(slope(tree, nth, at)) * (own - p);
                }
            }
        }
    }
    gradient
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
}

fn unclipped() -> AdamW {
    AdamW { learning_rate: 0.5, clip: f64::INFINITY, ..AdamW::default() }
}

/// Hands the slopes in, in one call or a tree at a time.
fn learn(engine: &mut TinkerEngine, trees: &[Tree], apart: bool) -> Result<(), EngineError> {
    let slopes = |first: usize| {
        move |tree: usize, branch: usize, scores: &[f32]| {
            (0..scores.len()).map(|at| slope(first + tree, branch, at)).collect::<Vec<f32>>()
        }
    };
    if !apart {
        return engine.forward_backward(Part::Manager, trees, &mut slopes(0)).map(|_| ());
    }
    for (at, tree) in trees.iter().enumerate() {
        engine.forward_backward(Part::Manager, std::slice::from_ref(tree), &mut slopes(at))?;
    }
    Ok(())
}

#[test]
fn a_step_follows_the_derivative_whatever_the_server_divides_by() {
    // All tokens are alike at first: probability 1/7.
    let gradient = expected_gradient(&trees(), 1.0 / VOCABULARY as f64);
    let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
    let stepped = logprobs(&gradient.map(|value| -0.5 * value));
    for (jax, apart) in [(false, false), (false, true), (true, false), (true, true)] {
        let fake = Fake::start(jax);
        let mut engine = fake.engine();
        let scores = engine.logprobs(None, &trees()).unwrap();
        near(f64::from(scores.values[1][0][4]), -(VOCABULARY as f64).ln());
        assert_eq!(scores.values[0][1], Vec::<f32>::new());
        assert_eq!(scores.entropies, Vec::<Vec<Vec<f32>>>::new());

        learn(&mut engine, &trees(), apart).unwrap();
        // Nothing is on the server before the step.
        assert!(fake.heard("forward_backward").is_empty());
        let found = engine.step(Part::Manager, &unclipped()).unwrap();
        assert!(!found.skipped);
        near(found.gradient_norm, norm);
        let scores = engine.logprobs(Some(Part::Manager), &trees()).unwrap();
        for (token, score) in trees()[1].branches[0].tokens.iter().zip(&scores.values[1][0]) {
            near(f64::from(*score), stepped[*token as usize]);
        }
        // The base is as it was, and so is the other agent.
        for part in [None, Some(Part::Answer)] {
            let scores = engine.logprobs(part, &trees()).unwrap();
            near(f64::from(scores.values[0][0][0]), -(VOCABULARY as f64).ln());
        }
        // Without gradients there is no step.
        assert!(engine.step(Part::Manager, &unclipped()).unwrap().skipped);
        assert_eq!(fake.heard("optim_step").len(), 1);
        engine.close().unwrap();
        assert!(fake.state().models.is_empty());
    }
}

#[test]
fn requests_have_the_shapes_of_the_api() {
    let fake = Fake::start(false);
    let mut engine = fake.engine();
    learn(&mut engine, &trees(), false).unwrap();
    engine.step(Part::Manager, &AdamW { learning_rate: 0.5, clip: 2.0, ..AdamW::default() }).unwrap();
    let model = &fake.heard("create_model")[0];
    let seed = model["lora_config"]["seed"].as_u64().unwrap();
    assert!(seed < 1 << 31);
    let lora =
        json!({"rank": 2, "seed": seed, "train_unembed": false, "train_mlp": true, "train_attn": true});
    let expected = json!({
        "session_id": "session_1", "model_seq_id": 1, "base_model": "tiny", "lora_config": lora,
        "type": "create_model",
    });
    assert_eq!(*model, expected);
    let sent = &fake.heard("forward_backward")[0];
    assert_eq!(sent["seq_id"], 2);
    assert_eq!(sent["forward_backward_input"]["loss_fn"], "cross_entropy");
    let datum = json!({
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": [1, 2, 3, 4, 0]}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": [2, 3, 4, 0, END], "dtype": "int64", "shape": [5]},
            "weights": {"data": [0.0, 0.0, -0.5, 0.75, -0.25], "dtype": "float32", "shape": [5]},
        },
    });
    let found = &sent["forward_backward_input"]["data"];
    // The empty reply is left out.
    assert_eq!((found.as_array().unwrap().len(), positive_zeros(&found[0])), (3, positive_zeros(&datum)));
    let adam = json!({
        "learning_rate": 0.5, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.0,
        "grad_clip_norm": 2.0,
    });
    let step = &fake.heard("optim_step")[0];
    assert_eq!(
        (&step["adam_params"], &step["seq_id"], &step["type"]),
        (&adam, &json!(3), &json!("optim_step"))
    );
}

/// −0 and 0 are the same number and not the same text.
fn positive_zeros(value: &Value) -> String {
    value.to_string().replace("-0.0", "0.0")
}

#[test]
fn replies_are_drawn_by_dice_and_anew_after_a_step() {
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    let ask = |name: u64| Ask {
        prompt: vec![1, 2].into(),
        grammar: Some("[ab]".to_owned()),
        max_tokens: 12,
        temperature: 1.0,
        dice: Dice::new(&[name]),
    };
    let asks: Vec<Ask> = (0..20).map(ask).collect();
    let first = engine.sample(Part::Answer, &asks).unwrap();
    assert_eq!(first, engine.sample(Part::Answer, &asks).unwrap());
    assert!(first.windows(2).any(|pair| pair[0].branch != pair[1].branch));
    assert!(first.iter().any(|written| written.cut_off) && first.iter().any(|written| !written.cut_off));
    for written in &first {
        assert_eq!(written.cut_off, written.branch.tokens.last() != Some(&END));
        assert!(written.branch.choices.iter().all(|choice| *choice == Choice::Any));
        assert_eq!(written.logprobs.len(), written.branch.tokens.len());
    }
    let heard = fake.heard("asample");
    assert_eq!(heard[3]["sampling_params"]["stop"], json!([END]));
    let seq: Vec<u64> = heard.iter().map(|asked| asked["seq_id"].as_u64().unwrap()).collect();
    assert_eq!(seq, (0..40).collect::<Vec<u64>>());
    assert_eq!(fake.heard("save_weights_for_sampler").len(), 1);

    engine.forward_backward(Part::Answer, &trees(), &mut |_, _, scores| vec![-1.0; scores.len()]).unwrap();
    engine.step(Part::Answer, &unclipped()).unwrap();
    let again = engine.sample(Part::Answer, &asks).unwrap();
    assert_eq!(fake.heard("save_weights_for_sampler").len(), 2);
    assert_ne!(again[0].logprobs, first[0].logprobs);

    for (problem, says) in [
        (
            "ended without a token",
            r#"{"sequences": [{"stop_reason": "stop", "tokens": [1], "logprobs": [-1.0]}]}"#,
        ),
        (
            "one log-probability",
            r#"{"sequences": [{"stop_reason": "length", "tokens": [1], "logprobs": null}]}"#,
        ),
        ("not one reply", r#"{"sequences": []}"#),
    ] {
        fake.fault("retrieve_future", Fault::Says(says));
        let error = engine.sample(Part::Answer, &asks[..1]).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn a_state_is_saved_on_the_server_and_loaded_by_its_name() {
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    assert!(matches!(engine.save(Part::Manager), Err(EngineError::State(_))));
    learn(&mut engine, &trees(), false).unwrap();
    engine.step(Part::Manager, &unclipped()).unwrap();
    let before = engine.logprobs(Some(Part::Manager), &trees()).unwrap();
    let state = engine.save(Part::Manager).unwrap();
    learn(&mut engine, &trees(), false).unwrap();
    engine.step(Part::Manager, &unclipped()).unwrap();
    assert_ne!(engine.logprobs(Some(Part::Manager), &trees()).unwrap(), before);
    engine.load(Part::Manager, &state).unwrap();
    assert_eq!(engine.logprobs(Some(Part::Manager), &trees()).unwrap(), before);
    // Into a new session too, and nothing is left behind.
    let mut other = fake.engine();
    other.load(Part::Manager, &state).unwrap();
    assert_eq!(other.logprobs(Some(Part::Manager), &trees()).unwrap(), before);
    assert_eq!(fake.state().models.len(), 2);

    let mut base = base();
    base.name = "other".to_owned();
    let found = TinkerEngine::connect(&fake.server(), base, settings(Dialect::SkyrlJax));
    let Err(EngineError::Server(TinkerError::Base { wanted, offered })) = found else { panic!() };
    assert_eq!((wanted.as_str(), offered.as_str()), ("other", BASE));
    let wrong_rank = String::from_utf8(state).unwrap().replace("\"rank\":2", "\"rank\":8");
    for state in [wrong_rank.as_bytes(), b"{}", b"\x00"] {
        assert!(matches!(other.load(Part::Manager, state), Err(EngineError::State(_))));
    }
}

/// An adapter of the shape, in PEFT's files, in an archive as SkyRL packs them.
fn adapter() -> (Lora, Vec<u8>) {
    let mut pairs = BTreeMap::new();
    for linear in Linear::ALL {
        let (outputs, inputs) = linear.size(&shape());
        let numbers = |count: usize, first: f32| (0..count).map(|at| first + at as f32).collect();
        pairs.insert(
            (0, linear),
            Pair { rank: 2, a: numbers(2 * inputs, 0.5), b: numbers(2 * outputs, -3.0) },
        );
    }
    let lora = Lora { alpha: 32.0, pairs };
    let folder = tempfile::tempdir().unwrap();
    write_peft(folder.path(), &shape(), &lora, BASE).unwrap();
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let mut archive = tar::Builder::new(gzip);
    archive.append_dir_all("", folder.path()).unwrap();
    (lora, archive.into_inner().unwrap().finish().unwrap())
}

#[test]
fn an_adapter_comes_from_the_servers_archive_and_the_key_does_not_follow_it() {
    let (lora, archive) = adapter();
    let (fake, store) = (Fake::start(false), Fake::start(false));
    store.state().archive.clone_from(&archive);
    fake.state().store = Some(store.url.clone());
    // Any variable that cargo sets will do as a key.
    let key = ApiKey::from_variable("CARGO_PKG_NAME").unwrap();
    let server = Server { key, ..fake.server() };
    let mut engine = TinkerEngine::connect(&server, base(), settings(Dialect::Tinker)).unwrap();
    engine.logprobs(Some(Part::Manager), &[]).unwrap();
    assert_eq!(engine.lora(Part::Manager).unwrap(), lora);
    assert!(fake.state().heard.iter().all(|(.., key)| key.as_deref() == Some("keepsake-trainer")));
    assert_eq!(store.state().heard[0].2, None);

    store.state().archive.truncate(archive.len() / 2);
    let error = engine.lora(Part::Manager).unwrap_err();
    assert!(matches!(error, EngineError::Server(TinkerError::Archive(_))), "{error}");
    store.fault("/store/adapter.tar.gz", Fault::Status(403, ""));
    let error = engine.lora(Part::Manager).unwrap_err();
    assert!(matches!(error, EngineError::Server(TinkerError::Refused { status: 403, .. })), "{error}");
    assert!(ApiKey::from_variable("KEEPSAKE_NOT_SET_ANYWHERE").unwrap().is_none());
}

#[test]
fn a_future_may_take_several_polls() {
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    engine.logprobs(None, &[]).unwrap();
    for _ in 0..3 {
        let pending = r#"{"type": "try_again", "request_id": "1", "queue_state": "active"}"#;
        fake.fault("retrieve_future", Fault::Says(pending));
        fake.fault("retrieve_future", Fault::Status(408, r#"{"detail": "Timeout waiting for result"}"#));
        fake.fault("retrieve_future", Fault::Status(503, ""));
        fake.fault("retrieve_future", Fault::Status(429, ""));
        fake.fault("retrieve_future", Fault::Breaks);
    }
    fake.fault("retrieve_future", Fault::Status(400, ""));
    let scores = engine.logprobs(None, &trees()).unwrap();
    assert_eq!(scores.values[1][0].len(), 5);
    assert_eq!(fake.heard("forward").len(), 1);

    let failed = |engine: &mut TinkerEngine| engine.logprobs(None, &trees()).unwrap_err().to_string();
    // As SkyRL says it, and as Thinking Machines does.
    fake.fault("retrieve_future", Fault::Status(400, r#"{"detail": "Model m not loaded"}"#));
    assert!(failed(&mut engine).contains("Model m not loaded"));
    fake.fault("retrieve_future", Fault::Says(r#"{"error": "out of memory", "category": "server"}"#));
    assert!(failed(&mut engine).contains("out of memory"));
    fake.fault("retrieve_future", Fault::Status(410, ""));
    assert!(failed(&mut engine).contains("no longer kept"));
    fake.fault("retrieve_future", Fault::Status(404, r#"{"detail": "Future not found"}"#));
    assert!(failed(&mut engine).contains("404"));
    for _ in 0..200 {
        fake.fault("retrieve_future", Fault::Status(500, ""));
    }
    assert!(failed(&mut engine).contains("no success"));
}

#[test]
fn what_helps_is_tried_again_and_the_rest_is_not() {
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    for status in [408, 409, 429, 500, 502, 503, 599] {
        fake.fault("forward", Fault::Status(status, ""));
    }
    fake.fault("forward", Fault::Breaks);
    engine.logprobs(None, &trees()).unwrap();
    assert_eq!(fake.heard("forward").len(), 9);

    for status in [400, 401, 402, 403, 404, 413, 422] {
        let before = fake.heard("forward").len();
        let echo =
            r#"{"detail": [{"loc": ["body", "x"], "msg": "Field required", "input": "what was said"}]}"#;
        fake.fault("forward", Fault::Status(status, echo));
        let error = engine.logprobs(None, &trees()).unwrap_err();
        let EngineError::Server(TinkerError::Refused { status: found, .. }) = &error else {
            panic!("{error}")
        };
        assert_eq!((*found, fake.heard("forward").len()), (status, before + 1));
        let said = error.to_string();
        assert!(said.contains("body.x: Field required") && !said.contains("what was said"), "{said}");
    }
    for says in ["", "<html>", "{}", r#"{"request_id": 7}"#, "null"] {
        fake.fault("forward", Fault::Says(says));
        let error = engine.logprobs(None, &trees()).unwrap_err();
        assert!(matches!(error, EngineError::Server(TinkerError::Reply { .. })), "{says}: {error}");
    }
    for says in
        ["[1", r#"{"loss_fn_outputs": []}"#, r#"{"loss_fn_outputs": [{"logprobs": {"data": ["x"]}}]}"#]
    {
        fake.fault("retrieve_future", Fault::Says(says));
        let error = engine.logprobs(None, &trees()).unwrap_err();
        assert!(matches!(error, EngineError::Server(TinkerError::Reply { .. })), "{says}: {error}");
    }
    for _ in 0..200 {
        fake.fault("forward", Fault::Status(503, r#"{"detail": "busy"}"#));
    }
    let error = engine.logprobs(None, &trees()).unwrap_err().to_string();
    assert!(error.contains("no success") && error.contains("busy"), "{error}");

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { url: format!("http://{gone}"), ..fake.server() };
    let found = TinkerEngine::connect(&server, base(), settings(Dialect::SkyrlJax));
    assert!(matches!(found, Err(EngineError::Server(TinkerError::GaveUp { .. }))));
}

#[test]
fn gradients_do_not_reach_a_server_twice() {
    let gradient = expected_gradient(&trees(), 1.0 / VOCABULARY as f64);
    let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    for fault in [Fault::Breaks, Fault::Status(502, "")] {
        learn(&mut engine, &trees(), false).unwrap();
        fake.fault("forward_backward", fault);
        let before = fake.heard("forward_backward").len();
        let error = engine.step(Part::Manager, &unclipped()).unwrap_err();
        assert!(matches!(error, EngineError::Server(TinkerError::Uncertain { .. })), "{error}");
        assert_eq!(fake.heard("forward_backward").len(), before + 1);
        // What was left there is left behind: the next step has its own gradients only.
        learn(&mut engine, &trees(), false).unwrap();
        near(
            engine.step(Part::Manager, &AdamW { learning_rate: 0.0, ..unclipped() }).unwrap().gradient_norm,
            norm,
        );
        assert_eq!(fake.state().models.len(), 1);
    }
    // That it was not taken is certain here.
    learn(&mut engine, &trees(), false).unwrap();
    fake.fault("forward_backward", Fault::Status(429, ""));
    fake.fault("optim_step", Fault::Status(503, ""));
    near(engine.step(Part::Manager, &unclipped()).unwrap().gradient_norm, norm);

    // Thinking Machines' server is taken to know a request by its number; this one does not, and so shows
    // that it came twice.
    let fake = Fake::start(false);
    let mut engine = fake.engine();
    learn(&mut engine, &trees(), false).unwrap();
    fake.fault("forward_backward", Fault::Breaks);
    near(engine.step(Part::Manager, &unclipped()).unwrap().gradient_norm, 2.0 * norm);
    let sent = fake.heard("forward_backward");
    assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));

    // Gradients of a call that failed are gone, those that are no numbers make no step.
    learn(&mut engine, &trees(), false).unwrap();
    fake.fault("forward", Fault::Status(422, ""));
    learn(&mut engine, &trees(), false).unwrap_err();
    assert!(engine.step(Part::Manager, &unclipped()).unwrap().skipped);
    engine
        .forward_backward(Part::Manager, &trees(), &mut |_, _, scores| vec![f32::NAN; scores.len()])
        .unwrap();
    let stepped = engine.step(Part::Manager, &unclipped()).unwrap();
    assert!(stepped.skipped && stepped.gradient_norm.is_nan());
    assert_eq!(fake.heard("optim_step").len(), 1);
    learn(&mut engine, &trees(), false).unwrap();
    fake.fault("optim_step", Fault::Says(r#"{"request_id": "none"}"#));
    fake.state()
        .results
        .insert("none".to_owned(), (200, json!({"metrics": {"unclipped_grad_l2:mean": null}})));
    let error = engine.step(Part::Manager, &unclipped()).unwrap_err();
    assert!(matches!(error, EngineError::Server(TinkerError::Spoilt)), "{error}");
}

#[test]
fn what_a_server_cannot_do_is_refused() {
    let fake = Fake::start(true);
    let mut engine = fake.engine();
    let critic = Part::ManagerCritic;
    let refused = [
        engine.values(critic, &trees()).map(|_| ()),
        engine.logprobs(Some(critic), &trees()).map(|_| ()),
        engine.forward_backward(critic, &trees(), &mut |_, _, _| Vec::new()).map(|_| ()),
        engine.step(critic, &unclipped()).map(|_| ()),
        engine.sample(critic, &[]).map(|_| ()),
        engine.load(critic, b"{}"),
    ];
    for result in refused {
        assert!(matches!(result, Err(EngineError::Server(TinkerError::NoCritics))));
    }
    assert!(fake.heard("create_model").is_empty());

    let ask =
        Ask { prompt: vec![1].into(), grammar: None, max_tokens: 4, temperature: 0.7, dice: Dice::new(&[]) };
    let error = engine.sample(Part::Answer, std::slice::from_ref(&ask)).unwrap_err();
    assert!(matches!(error, EngineError::Server(TinkerError::Temperature(_))), "{error}");
    let long = Ask { temperature: 1.0, max_tokens: 24, ..ask };
    let error = engine.sample(Part::Answer, &[long]).unwrap_err();
    assert!(matches!(error, EngineError::TooLong { tokens: 25, most: 24 }));
    let long = Tree { prompt: vec![1; 20], branches: vec![branch(&[2; 5])] };
    assert!(matches!(engine.logprobs(None, &[long]), Err(EngineError::TooLong { tokens: 25, most: 24 })));
    let empty = Tree { prompt: Vec::new(), branches: vec![branch(&[2])] };
    assert!(engine.logprobs(None, &[empty]).is_err());

    // Clipping is Adam's default and not this server's.
    for (dialect, settings) in [(Dialect::SkyrlJax, AdamW::default()), (Dialect::SkyrlTrain, unclipped())] {
        let mut engine = fake.engine_of(dialect);
        learn(&mut engine, &trees(), false).unwrap();
        let error = engine.step(Part::Manager, &settings).unwrap_err();
        assert!(matches!(error, EngineError::Server(TinkerError::Optimiser(_))), "{error}");
        let lenient = TinkerSettings { server_optimiser: true, ..self::settings(dialect) };
        let mut engine = TinkerEngine::connect(&fake.server(), base(), lenient).unwrap();
        learn(&mut engine, &trees(), false).unwrap();
        assert!(!engine.step(Part::Manager, &settings).unwrap().skipped);
    }
}

#[test]
fn an_opened_tree_has_only_free_choices() {
    let choices = vec![Choice::Forced, Choice::Among(vec![1].into()), Choice::Any];
    let tree = Tree { prompt: vec![1], branches: vec![Branch { tokens: vec![1, 2, 3], choices }] };
    assert_eq!(open(&tree).branches, [branch(&[1, 2, 3])]);
    assert_eq!(open(&tree).prompt, tree.prompt);
}
