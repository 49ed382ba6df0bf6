//! GGUF models through llama.cpp: one worker thread owns model, adapters and context.
//!
//! llama.cpp's context belongs to one thread, so calls are jobs on a channel and replies stream back over
//! another. This file knows no wording.
//!
//! Rooms it touches: types, prompt (chat pieces, fingerprint), model.

mod calibrate;
mod choose;
mod context;
mod draft;
mod grammar;
mod lane;
mod memory;
mod pace;
mod scorer;
mod session;
mod state;
mod streams;
mod tokenizer;
mod vocabulary;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use llama_cpp_2::llama_backend::LlamaBackend;
use once_cell::sync::OnceCell;

pub use self::scorer::Scorer;
pub use self::tokenizer::{Tokenizer, Writing};
use self::worker::{Event, Job};
use super::gguf::{Gguf, GgufError};
use super::{Completion, LanguageModel, ModelError, Request, Role, Skill, adapter};
use crate::prompt::chat::ChatFormat;
use crate::types::Cancel;

/// What to load, and how.
#[derive(Debug, Clone)]
pub struct LlamaSettings {
    /// The GGUF file of the base model.
    pub model: PathBuf,
    /// A LoRA adapter for each agent that has one.
    pub adapters: BTreeMap<Role, PathBuf>,
    /// Tokens of prompt and reply together. Default 4096: the paper's prompt limit (section 4.1), and what
    /// 60 memories need. Cut down to what the model was trained for.
    pub context_tokens: u32,
    /// Threads that compute. `None`, the default: as many as a short measurement finds good when the model is first loaded
    /// (about a second with the default model, a few with large ones), from 1 to half the processors (both of two) and
    /// at most 4. It is kept in `states`; without that folder nothing is measured, and the most of these are taken.
    pub threads: Option<u32>,
    /// Most bytes the model may take, where the host knows better than the system (an iOS app's own limit).
    pub memory_limit: Option<u64>,
    /// How keys and values of what was read are kept.
    pub cache: CacheType,
    /// The folder with llama.cpp's processor variants; `None`: the folder `lib` beside the program or library, or else
    /// where they were built.
    pub backends: Option<PathBuf>,
    /// A folder for the evaluated starts of prompts, so that a cold start does not evaluate them again: a few MB for
    /// each, without a word of a person, made again where they are missing or damaged; and for what was measured of
    /// this device. `None`: in memory only.
    pub states: Option<PathBuf>,
    /// Whether what was evaluated before is used again, several replies are written at once, and text that the
    /// grammar forces is not chosen token by token. Default true. Without, the same tokens are read, more
    /// slowly, and replies differ only where rounding decides (docs/inference.md): for comparison and tests.
    pub shortcuts: bool,
}

impl LlamaSettings {
    /// The defaults for this model file.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            adapters: BTreeMap::new(),
            context_tokens: 4096,
            threads: None,
            memory_limit: None,
            cache: CacheType::default(),
            backends: None,
            states: None,
            shortcuts: true,
        }
    }
}

/// How keys and values are kept. What fewer bits cost is measured by `make bench-caches` (docs/inference.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CacheType {
    /// In 16 bits; keys of the queue's work in 8.
    #[default]
    F16,
    /// In 8 bits (8.5 with their scales): half the memory, long prompts are read more slowly, and a turn need not come to the same to the bit
    /// as one worked alone. As `F16` for models whose attention heads are not a multiple of 32 wide.
    Q8_0,
}

/// A loaded model. Dropping it frees the model once a running completion has ended.
pub struct LlamaModel {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Option<JoinHandle<()>>,
    context_tokens: usize,
    skills: BTreeSet<Skill>,
    at_once: usize,
    gentle: Arc<AtomicBool>,
    answers_wait: Arc<AtomicUsize>,
}

impl LlamaModel {
    /// Checks file, adapters and memory, then loads. Nothing is loaded where a check fails.
    pub fn load(settings: &LlamaSettings) -> Result<Self, ModelError> {
        let head = read_head(&settings.model)?;
        let format = chat_format(&settings.model, &head)?;
        let skills = check_adapters(settings)?;
        let trained = head.of_architecture("context_length").unwrap_or(u64::from(settings.context_tokens));
        let context_tokens = u64::from(settings.context_tokens).min(trained) as u32;
        memory::check(settings, &head, context_tokens)?;
        let backend = backend(settings.backends.as_deref())?;

        let (jobs, inbox) = channel();
        let (ready, loaded) = channel();
        let head_width = memory::head_width(&head);
        let (gentle, answers_wait) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let plan = worker::Plan {
            settings: settings.clone(),
            context_tokens,
            head_width,
            format,
            backend,
            gentle: Arc::clone(&gentle),
            answers_wait: Arc::clone(&answers_wait),
        };
        let thread = std::thread::Builder::new()
            .name("keepsake-model".to_owned())
            .spawn(move || worker::run(&plan, &inbox, &ready))
            .map_err(|error| ModelError::Failed(format!("no thread for the model: {error}")))?;
        receive(&loaded)??;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Some(thread),
            context_tokens: context_tokens as usize,
            skills,
            at_once: if settings.shortcuts { session::LANES as usize } else { 1 },
            gentle,
            answers_wait,
        })
    }

    /// Lets the thread complete these; the text of a single one goes to `sink`.
    fn ask(
        &self,
        requests: &[Request],
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Vec<Result<Completion, ModelError>>, ModelError> {
        let (reply, events) = channel();
        let answers = requests.iter().filter(|request| request.role == Role::Answer).count();
        let _waiting = Waiting::new(&self.answers_wait, answers);
        // A switch of this call alone, so that a sink that breaks does not throw the caller's.
        let stop = Cancel::new();
        self.send(Job::Complete {
            requests: requests.to_vec(),
            cancel: cancel.clone(),
            stop: stop.clone(),
            reply,
        })?;
        loop {
            match receive(&events)? {
                Event::Text(text) => {
                    if !stop.is_cancelled() && sink(&text).is_break() {
                        stop.cancel();
                    }
                }
                Event::Done(results) => return Ok(results),
            }
        }
    }

    fn send(&self, job: Job) -> Result<(), ModelError> {
        let jobs = self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(thread_ended)
    }
}

/// Counts answers that are waited for, for as long as it lives.
struct Waiting<'a> {
    counter: &'a AtomicUsize,
    count: usize,
}

impl<'a> Waiting<'a> {
    fn new(counter: &'a AtomicUsize, count: usize) -> Self {
        counter.fetch_add(count, Ordering::Relaxed);
        Self { counter, count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Drop for LlamaModel {
    fn drop(&mut self) {
        *self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the model's thread ended by a panic");
        }
    }
}

impl LanguageModel for LlamaModel {
    fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    fn is_trained_to(&self, skill: Skill) -> bool {
        self.skills.contains(&skill)
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        let (reply, answer) = channel();
        self.send(Job::Count { text: text.to_owned(), reply })?;
        receive(&answer)
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        self.ask(std::slice::from_ref(request), cancel, sink)?.pop().unwrap_or_else(|| Err(thread_ended()))
    }

    fn complete_all(&self, requests: &[Request], cancel: &Cancel) -> Vec<Result<Completion, ModelError>> {
        self.ask(requests, cancel, &mut |_| ControlFlow::Continue(()))
            .unwrap_or_else(|_| requests.iter().map(|_| Err(thread_ended())).collect())
    }

    fn set_gentle(&self, gentle: bool) {
        self.gentle.store(gentle, Ordering::Relaxed);
    }

    fn release_memory(&self) {
        // A thread that has ended holds nothing.
        let _ = self.send(Job::ReleaseMemory);
    }
}

fn receive<T>(channel: &Receiver<T>) -> Result<T, ModelError> {
    channel.recv().map_err(|_| thread_ended())
}

fn thread_ended() -> ModelError {
    ModelError::Failed("its thread ended; load the model again".to_owned())
}

fn read_head(path: &Path) -> Result<Gguf, ModelError> {
    if !path.is_file() {
        return Err(ModelError::Missing { path: path.to_owned() });
    }
    let unusable = |what: String| ModelError::Unusable { path: path.to_owned(), what };
    let head = Gguf::read(path).map_err(|error| {
        unusable(match &error {
            GgufError::Io(source) => format!("{error}: {source}"),
            _ => error.to_string(),
        })
    })?;
    if head.text("general.type") == Some("adapter") {
        return Err(unusable("it is a LoRA adapter, not a model".to_owned()));
    }
    if head.tensors.is_empty() {
        return Err(unusable("it holds no weights".to_owned()));
    }
    Ok(head)
}

fn chat_format(path: &Path, head: &Gguf) -> Result<ChatFormat, ModelError> {
    head.text("tokenizer.chat_template")
        .and_then(ChatFormat::detect)
        .ok_or_else(|| ModelError::ChatFormat { path: path.to_owned() })
}

/// What the adapters were trained to do; each must be for its place here.
fn check_adapters(settings: &LlamaSettings) -> Result<BTreeSet<Skill>, ModelError> {
    if settings.adapters.is_empty() {
        return Ok(BTreeSet::new());
    }
    let base = adapter::file_sha256(&settings.model).map_err(|error| ModelError::Unusable {
        path: settings.model.clone(),
        what: format!("it cannot be read: {error}"),
    })?;
    let mut skills = BTreeSet::new();
    for (role, path) in &settings.adapters {
        let skill = adapter::check(path, *role, &base, &adapter::wording(*role))
            .map_err(|why| ModelError::Adapter { path: path.clone(), why })?;
        skills.extend(skill);
    }
    Ok(skills)
}

/// llama.cpp is started once in a process and never stopped.
fn backend(folder: Option<&Path>) -> Result<&'static LlamaBackend, ModelError> {
    static BACKEND: OnceCell<LlamaBackend> = OnceCell::new();
    BACKEND.get_or_try_init(|| {
        // llama.cpp writes to standard error otherwise, from here on and before.
        llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default().with_logs_enabled(false));
        load_variants(folder);
        let backend = LlamaBackend::init().map_err(|error| ModelError::Failed(error.to_string()))?;
        if llama_cpp_2::list_llama_ggml_backend_devices().is_empty() {
            return Err(ModelError::Failed(
                "llama.cpp found no code for this processor: keep the folder `lib` beside the program"
                    .to_owned(),
            ));
        }
        Ok(backend)
    })
}

#[cfg(target_os = "linux")]
fn load_variants(folder: Option<&Path>) {
    let beside = folder.is_none().then(beside_library).flatten();
    match folder.or(beside.as_deref()).filter(|folder| folder.to_str().is_some()) {
        Some(folder) => llama_cpp_2::llama_backend::load_backends_from_path(folder),
        None => llama_cpp_2::llama_backend::load_backends(),
    }
}

/// The folder `lib` beside the program or shared library that this code is part of, if there is one: what is shipped has
/// llama.cpp's variants there.
#[cfg(target_os = "linux")]
fn beside_library() -> Option<PathBuf> {
    let here = beside_library as fn() -> Option<PathBuf> as usize;
    // `start-end rights offset device inode path`, in hexadecimal.
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let file = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let inside = |bound: &str| usize::from_str_radix(bound, 16).ok();
        let path = rest.find('/').map(|at| &rest[at..])?;
        (inside(start)? <= here && here < inside(end)?).then(|| PathBuf::from(path))
    })?;
    Some(file.parent()?.join("lib")).filter(|folder| folder.is_dir())
}

#[cfg(not(target_os = "linux"))]
fn load_variants(_folder: Option<&Path>) {}
