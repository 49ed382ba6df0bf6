//! What inference does to be fast changes no decision: kept starts, copied prompts, forced text, several at once.
//!
//! Replies are compared with a tiny model that computes without rounding to eight bits, see [`tiny_model`]; the rest is
//! tried with the default model, of whose words nothing is asserted. Rooms it touches: core.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test both are the verdict

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keepsake_core::bank::{MemoryBank, TurnOutcome};
use keepsake_core::model::{
    CacheType, Completion, LanguageModel, LlamaModel, LlamaSettings, ModelError, Request, Role, Sampling,
    Stop, Usage,
};
use keepsake_core::prompt::{answer, extract, manage};
use keepsake_core::testing::ScriptedModel;
use keepsake_core::types::{Cancel, NewTurn, SpaceId};
use keepsake_core::{Budget, Ended, Engine};
use keepsake_tests::{language_model_file, said, setup, tiny_model};

/// Two models that compute at once on two processors wait for each other: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load(change: impl FnOnce(&mut LlamaSettings)) -> LlamaModel {
    let mut settings = LlamaSettings { threads: Some(2), ..LlamaSettings::new(language_model_file()) };
    change(&mut settings);
    LlamaModel::load(&settings).unwrap()
}

/// The tiny model, in both ways: plain and ours.
fn tiny() -> [Arc<LlamaModel>; 2] {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tiny_model()).unwrap();
    [false, true].map(|shortcuts| {
        Arc::new(load(|settings| {
            file.path().clone_into(&mut settings.model);
            settings.shortcuts = shortcuts;
        }))
    })
}

fn complete(model: &dyn LanguageModel, request: &Request) -> Completion {
    model.complete(request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap()
}

const SAID: [(&str, &str); 6] = [
    ("Maria", "I adopted a dog named Buddy yesterday, a brown terrier."),
    ("Tom", "Lovely! I ran a half marathon two weeks ago."),
    ("Maria", "Buddy is three years old and eats my slippers."),
    ("Tom", "I'm moving to Lisbon in September, and my dad Graham is not happy."),
    ("Maria", "I play tennis every Tuesday with my sister Ana."),
    ("Tom", "Ha! See you soon."),
];

fn turns() -> Vec<NewTurn> {
    SAID.iter().map(|(speaker, text)| said(speaker, text)).collect()
}

/// What every turn came to, worked as one queue.
fn outcomes(model: Arc<dyn LanguageModel>) -> Vec<TurnOutcome> {
    let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup().with_model(model));
    for turn in turns() {
        engine.append(turn).unwrap();
    }
    let mut outcomes = Vec::new();
    engine
        .process(&Budget::default(), &Cancel::new(), &mut |done| outcomes.push(done.outcome.clone()))
        .unwrap();
    outcomes
}

#[test]
fn the_queue_comes_to_the_same_with_and_without_shortcuts() {
    let _alone = alone();
    let [plain, ours] = tiny();
    let plain = outcomes(plain);
    assert_eq!(plain.len(), SAID.len());
    assert_eq!(plain, outcomes(ours.clone()));
    assert_eq!(plain, outcomes(ours), "nor does it matter what the model was asked before");
}

/// The kernels of other processors may add up a row of several tokens in another order.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_default_model_comes_to_the_same_too() {
    let _alone = alone();
    let [plain, ours] = [false, true].map(|shortcuts| {
        let model = Arc::new(load(|settings| settings.shortcuts = shortcuts));
        outcomes(model)
    });
    assert_eq!(plain, ours);
}

#[test]
fn working_gently_or_without_memory_changes_no_reply() {
    let _alone = alone();
    let ours = load(|_| ());
    let ask = || complete(&ours, &extraction(SAID[0].1));
    let (first, again) = (ask(), ask());
    ours.set_gentle(true);
    let gentle = ask();
    ours.set_gentle(false);
    ours.release_memory();
    let anew = ask();
    assert!([&again, &gentle, &anew].iter().all(|done| done.text == first.text));
    let evaluated = [&first, &again, &anew].map(|done| done.usage.evaluated_tokens);
    assert!(evaluated[0] > evaluated[1] && evaluated[0] == evaluated[2], "{evaluated:?}");
}

fn request(system: &str, user: &str, grammar: Option<&str>, max_tokens: usize) -> Request {
    let chat = keepsake_core::prompt::chat::Chat {
        system: system.into(),
        user: user.into(),
        reply_start: String::new(),
    };
    let grammar = grammar.map(str::to_owned);
    Request { role: Role::Manager, chat, grammar, max_tokens, sampling: Sampling::Greedy }
}

/// Requests of every kind: free, with forced text at the start, in the middle and at the end, too long for the context.
fn requests() -> Vec<Request> {
    let long = "Tom likes tea. ".repeat(2_000);
    vec![
        request("You answer.", "Tell a story about a dog.", None, 24),
        request(
            "You answer.",
            "Tell a story about a dog and a cat.",
            Some("Once upon a time[a-z ]{8,60}, the end."),
            48,
        ),
        request("You answer.", &long, None, 8),
        request(
            "You decide.",
            "Is tea a drink?",
            Some("It is (certainly|impossible)\\. That is (true|false)\\."),
            24,
        ),
        request("You decide.", "Is tea a drink?", Some("ADD|NOOP|DELETE (1|2)"), 8),
        request(
            "You answer.",
            "Tell a story about a dog and a bird.",
            Some("Once upon a time[a-z ]{8,60}, the end."),
            3,
        ),
        // Too long for a lane, so that it has a context for itself; twice, with a short one behind.
        request("You answer.", &"Tom likes tea. ".repeat(300), None, 8),
        request("You answer.", &"Tom likes tea. ".repeat(320), None, 8),
        request("You answer.", "Tell a story about a dog.", None, 24),
    ]
}

#[test]
fn several_at_once_say_what_each_says_alone_and_what_the_plain_path_says() {
    let _alone = alone();
    let [plain, ours] = tiny();
    let said = |result: Result<Completion, ModelError>| result.map(|done| (done.text, done.stop)).ok();
    let alone = |model: &LlamaModel| -> Vec<Option<(String, Stop)>> {
        let go_on = &mut |_: &str| ControlFlow::Continue(());
        requests().iter().map(|request| said(model.complete(request, &Cancel::new(), go_on))).collect()
    };
    let together: Vec<_> = ours.complete_all(&requests(), &Cancel::new()).into_iter().map(said).collect();
    let expected = alone(&plain);
    assert_eq!(together, expected);
    assert_eq!(alone(&ours), expected);
    assert!(expected[2].is_none(), "too long for the context, and in nobody's way");
    assert!(expected[3].as_ref().unwrap().0.starts_with("It is "));
    let cancel = Cancel::new();
    cancel.cancel();
    for stopped in ours.complete_all(&requests()[..2], &cancel) {
        assert_eq!(stopped.unwrap().stop, Stop::Cancelled);
    }
}

#[test]
fn forced_text_is_not_chosen() {
    let _alone = alone();
    let ours = load(|_| ());
    // One word is open; the model is asked once for it, and the rest costs one step more.
    let mut pieces = 0;
    let request = request(
        "You decide.",
        "Is tea a drink?",
        Some("It is a fact that tea is (a drink|no drink), as is widely known among people."),
        64,
    );
    let done = ours
        .complete(&request, &Cancel::new(), &mut |_| {
            pieces += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(done.stop, Stop::EndOfTurn);
    assert!(done.text.starts_with("It is a fact that tea is ") && done.text.ends_with(" among people."));
    assert!(done.usage.generated_tokens >= 15 && pieces as u64 <= done.usage.generated_tokens);
    let plain = complete(&load(|settings| settings.shortcuts = false), &request);
    assert_eq!(plain.text, done.text);
    assert!(plain.usage.generation_ms > done.usage.generation_ms, "it saves the steps");
}

#[test]
fn a_full_context_makes_room_for_what_comes() {
    let _alone = alone();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tiny_model()).unwrap();
    let [plain, ours] = [false, true].map(|shortcuts| {
        load(|settings| {
            file.path().clone_into(&mut settings.model);
            settings.context_tokens = 1_024;
            settings.shortcuts = shortcuts;
        })
    });
    // Prompts that fill the context, each of another start, between ones whose start is to be kept.
    for nth in 0..6 {
        let filling = request(&format!("You are number {nth}."), &"tea ".repeat(230), None, 8);
        let ours_first = extraction_within(SAID[nth % SAID.len()].1, 8);
        for request in [filling, ours_first] {
            let says = |model: &LlamaModel| {
                model
                    .complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(()))
                    .map(|done| done.text)
            };
            assert_eq!(says(&ours).unwrap(), says(&plain).unwrap());
        }
    }
}

#[test]
fn a_turn_that_is_too_long_for_the_others_is_worked_between_them() {
    let _alone = alone();
    let [plain, ours] = tiny();
    let long = format!("{} and one more.", "I bought a green apple".repeat(60));
    let asked = [SAID[0].1, &long, SAID[2].1, &long].map(extraction);
    for request in &asked {
        assert_eq!(complete(&*ours, request).text, complete(&*plain, request).text);
    }
    // The standing instruction is kept for both kinds of contexts.
    let usage = complete(&*ours, &asked[0]).usage;
    assert!(usage.evaluated_tokens < usage.prompt_tokens, "{usage:?}");
    let usage = complete(&*ours, &asked[1]).usage;
    assert!(usage.evaluated_tokens < usage.prompt_tokens, "{usage:?}");
}

/// A request of ours: its standing instruction is fixed wording.
fn extraction(text: &str) -> Request {
    extraction_within(text, 40)
}

fn extraction_within(text: &str, max_tokens: usize) -> Request {
    let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup());
    let id = engine.append(said("Maria", text)).unwrap().id;
    let chat = extract::chat(&engine.turn(id).unwrap().unwrap(), &[]);
    Request { grammar: Some(extract::grammar("Maria")), chat, ..request("", "", None, max_tokens) }
}

fn states(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_start_is_evaluated_once_and_read_from_the_disk_afterwards() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let model = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(model.path(), tiny_model()).unwrap();
    let with_states = || {
        load(|settings| {
            model.path().clone_into(&mut settings.model);
            settings.states = Some(folder.path().to_owned());
        })
    };
    let ask = |model: &LlamaModel, text: &str| {
        let done = complete(model, &extraction(text));
        (done.text, done.usage.prompt_tokens - done.usage.evaluated_tokens)
    };
    let first = with_states();
    let (said_first, held_first) = ask(&first, SAID[0].1);
    assert_eq!(held_first, 0);
    let (_, held) = ask(&first, SAID[2].1);
    assert!(held > 100, "{held}");
    let [file] = &states(folder.path())[..] else { panic!("one start, one file") };
    let sound = std::fs::read(file).unwrap();

    let (said_second, held) = ask(&with_states(), SAID[0].1);
    assert!(held > 100, "a cold start goes on from the file: {held}");
    assert_eq!(said_second, said_first);

    // Damaged, cut and foreign files are not used, and made again.
    let damaged: [Vec<u8>; 3] = [
        sound.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 5_000)).collect(),
        sound[..sound.len() / 2].to_vec(),
        b"something else".to_vec(),
    ];
    for bytes in damaged {
        std::fs::write(file, &bytes).unwrap();
        let (said_again, held) = ask(&with_states(), SAID[0].1);
        assert_eq!((said_again.as_str(), held), (said_first.as_str(), 0));
        assert_eq!(std::fs::read(file).unwrap().len(), sound.len(), "it is there again");
        assert!(ask(&with_states(), SAID[0].1).1 > 100);
    }

    // What a person said is in no file, and no other instruction than ours gets a file.
    complete(&first, &request("You know that Maria has a dog.", "Who has a dog?", None, 2));
    assert_eq!(states(folder.path()), std::slice::from_ref(file));
}

#[test]
fn a_device_is_measured_once_and_smaller_keys_and_values_have_states_of_their_own() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let load = |cache: CacheType| {
        let model = load(|settings| {
            settings.threads = None;
            settings.cache = cache;
            settings.states = Some(folder.path().to_owned());
        });
        complete(&model, &extraction(SAID[0].1)).usage
    };
    let evaluated = |usage: Usage| usage.evaluated_tokens;
    let cold = evaluated(load(CacheType::F16));
    let of_kind = |extension: &str| {
        let mut files = states(folder.path());
        files.retain(|file| file.extension().is_some_and(|is| is == extension));
        files
    };
    let [measured] = &of_kind("speed")[..] else { panic!("one device, one model") };
    let found: serde_json::Value = serde_json::from_slice(&std::fs::read(measured).unwrap()).unwrap();
    assert!(found["threads"].as_u64().unwrap() >= 1 && found["single_ms"].as_f64().unwrap() > 0.0, "{found}");
    std::fs::write(measured, r#"{"threads":1,"single_ms":3.5,"long_ms":70.0}"#).unwrap();
    let written = std::fs::read(measured).unwrap();
    assert!(evaluated(load(CacheType::F16)) < cold);
    assert_eq!(std::fs::read(measured).unwrap(), written, "what is kept is not measured again");

    assert_eq!(of_kind("state").len(), 1);
    assert_eq!(evaluated(load(CacheType::Q8_0)), cold, "what 16 bits hold cannot be read into 8");
    assert_eq!(of_kind("state").len(), 2);
    assert!(evaluated(load(CacheType::Q8_0)) < cold);
}

#[test]
fn another_wording_model_or_adapter_has_states_of_its_own() {
    use keepsake_core::model::adapter::{BASE_KEY, ROLE_KEY, WORDING_KEY, file_sha256};
    use keepsake_core::testing::gguf::GgufWriter;

    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("states");
    let held = |model: &LlamaModel, request: &Request| {
        let usage = complete(model, request).usage;
        usage.prompt_tokens - usage.evaluated_tokens
    };
    let copy = folder.path().join("copy.gguf");
    std::fs::copy(language_model_file(), &copy).unwrap();
    let load_copy = |adapter: Option<&Path>| {
        load(|settings| {
            settings.model = copy.clone();
            settings.states = Some(kept.clone());
            settings.adapters.extend(adapter.map(|path| (Role::Manager, path.to_owned())));
        })
    };
    let extraction = extraction(SAID[0].1);
    assert_eq!(held(&load_copy(None), &extraction), 0);
    assert!(held(&load_copy(None), &extraction) > 100);

    // Another wording: that of another step.
    let evidence = answer::chat("Who has a dog?", &[]);
    let question = Request { chat: evidence, role: Role::Answer, ..extraction.clone() };
    assert_eq!(held(&load_copy(None), &question), 0);

    // An adapter.
    let path = folder.path().join("adapter.gguf");
    let (a, b) = (vec![0.01; 576 * 4], vec![0.02; 4 * 576]);
    let bytes = GgufWriter::new()
        .text("general.architecture", "llama")
        .text("general.type", "adapter")
        .text("adapter.type", "lora")
        .f32("adapter.lora.alpha", 8.0)
        .text(ROLE_KEY, "manager")
        .text(BASE_KEY, &file_sha256(&copy).unwrap())
        .text(WORDING_KEY, &keepsake_core::prompt::manager_fingerprint())
        .tensor_f32("blk.0.attn_q.weight.lora_a", &[576, 4], &a)
        .tensor_f32("blk.0.attn_q.weight.lora_b", &[4, 576], &b)
        .finish();
    std::fs::write(&path, bytes).unwrap();
    let adapted = load_copy(Some(&path));
    assert_eq!(held(&adapted, &extraction), 0, "under the adapter it is another state");
    assert!(held(&adapted, &extraction) > 100);
    assert!(held(&adapted, &question) > 20, "without it the base's own is right: from the disk");

    // Other weights.
    let mut bytes = std::fs::read(&copy).unwrap();
    let last = bytes.len() - 1_000;
    bytes[last] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    assert_eq!(held(&load_copy(None), &extraction), 0);
}

/// Throws the switch when so many pieces of replies were given out, and works on several at once.
struct Stopping {
    inner: ScriptedModel,
    left: AtomicUsize,
    cancel: Cancel,
}

impl LanguageModel for Stopping {
    fn context_tokens(&self) -> usize {
        self.inner.context_tokens()
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        self.inner.count_tokens(text)
    }

    fn at_once(&self) -> usize {
        3
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        self.inner.complete(request, cancel, &mut |piece| {
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.cancel.cancel();
            }
            sink(piece)
        })
    }
}

#[test]
fn stopped_at_any_token_the_bank_is_as_it_was_and_work_goes_on_from_there() {
    let says = |request: &Request| {
        let name =
            if request.chat.user.contains("facts this message tells about Tom") { "Tom" } else { "Maria" };
        let is_extraction = request.chat.system.contains("notes");
        if is_extraction { format!("- {name} likes green tea.").as_str().into() } else { "ADD".into() }
    };
    let said = [
        said("Tom", "I like green tea."),
        said("Maria", "I like green tea."),
        said("Tom", "I like green tea!"),
    ];
    let texts = |engine: &Engine| -> Vec<String> {
        engine.memories(&SpaceId::default()).unwrap().into_iter().map(|memory| memory.text).collect()
    };
    let expected = ["Tom likes green tea.", "Maria likes green tea."];
    let mut stopped_at_once = 0;
    for pieces in 1..100 {
        let cancel = Cancel::new();
        let model = Stopping {
            inner: ScriptedModel::by_rule(says),
            left: AtomicUsize::new(pieces),
            cancel: cancel.clone(),
        };
        let engine = Engine::with_bank(Arc::new(MemoryBank::new()), setup().with_model(Arc::new(model)));
        for turn in said.clone() {
            engine.append(turn).unwrap();
        }
        let mut done = 0;
        let progress = engine.process(&Budget::default(), &cancel, &mut |_| done += 1).unwrap();
        let waiting = engine.stats(&SpaceId::default()).unwrap().counts.waiting;
        assert_eq!((done, waiting as usize), (progress.turns, said.len() - progress.turns));
        assert_eq!(texts(&engine), &expected[..progress.turns.min(2)], "whole turns, after {pieces} pieces");
        stopped_at_once += usize::from(progress.ended == Ended::Cancelled && progress.turns == 0);
        engine.process(&Budget::default(), &Cancel::new(), &mut |_| ()).unwrap();
        assert_eq!(texts(&engine), expected);
        if progress.ended == Ended::Empty {
            assert!(pieces > 12 && stopped_at_once > 3, "{pieces} {stopped_at_once}");
            return;
        }
    }
    panic!("it was never left to end");
}

#[test]
fn the_grammars_of_the_steps_take_any_name() {
    let _alone = alone();
    let ours = load(|_| ());
    for name in ["Zoë", "O'Neil", "A/B \\ (c) [d] {2} *+?|^$.#&-~<>\"", "名前", "👩‍👧"] {
        let grammar = extract::grammar(name);
        let done = complete(&ours, &request("You note facts.", "I like tea.", Some(&grammar), 48));
        // What was cut off at its limit may end inside a name.
        let whole = done.text.rsplit_once('\n').map_or(done.text.as_str(), |(whole, _)| whole);
        let facts = extract::parse(if done.stop == Stop::Length { whole } else { &done.text }).unwrap();
        assert!(facts.iter().all(|fact| fact.starts_with(name)), "{name}: {}", done.text);
    }
    let shown = keepsake_core::decision::Shown::default();
    let done = complete(&ours, &request("You decide.", "New fact: tea.", Some(&manage::grammar(&shown)), 8));
    assert!(["ADD", "NOOP"].contains(&done.text.as_str()), "{}", done.text);
}
