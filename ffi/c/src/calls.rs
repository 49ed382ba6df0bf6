//! The calls: each is one of core's, between checks of what comes in and views of what goes out.
//!
//! Rooms it touches: core.

use std::ffi::c_void;
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keepsake_core::bank::{BankKey, SledBank};
use keepsake_core::config::{Config, Take};
use keepsake_core::embed::{OnnxEmbedder, OnnxFiles};
use keepsake_core::model::{CacheType, LlamaModel, LlamaSettings, Role};
use keepsake_core::types::{Cancel, MemoryId, NewTurn, Origin, Question, SpaceId, Timestamp, TurnId, UnitId};
use keepsake_core::{Budget, Effort, Engine, Filter, Kind, Moment, Search, Setup, device_clock, transfer};

use crate::failure::{Failure, KeepsakeStatus, guarded};
use crate::handles::{
    CANCELS, EMBEDDERS, ENGINES, KeepsakeCancel, KeepsakeEmbedder, KeepsakeEngine, KeepsakeModel, MODELS,
};
use crate::hosts::{EmbedderOfHost, KeepsakeHostEmbedder, KeepsakeHostModel, ModelOfHost};
use crate::text::KeepsakeStr;
use crate::views::{
    self, KeepsakeAnswerFn, KeepsakeCounts, KeepsakeFoundFn, KeepsakeMemoryFn, KeepsakeOrigin,
    KeepsakeProgress, KeepsakeReceiptFn, KeepsakeTextFn, KeepsakeTurnFn, KeepsakeUnit,
};

/// Most units of one call of `keepsake_forget` and most turns of one of `keepsake_undo`: beyond, the count is taken for a
/// mistake.
const MOST_UNITS: usize = 1 << 24;

// ---- what comes in ----

/// A struct that begins with its own size: one of a newer version is longer, and must have nothing but zeros in what this
/// version does not know. This is the first version, so that a shorter one is a mistake.
///
/// # Safety
/// `pointer` must be readable for as many bytes as it says, and any bytes must be a value of `T`.
unsafe fn sized<T: Copy>(pointer: *const T, what: &str) -> Result<T, Failure> {
    /// Longer than any of our structs will ever be.
    const MOST: usize = 1 << 12;
    if pointer.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL")));
    }
    let bytes = pointer.cast::<u8>();
    // SAFETY: not NULL; every such struct begins with its size.
    let size = unsafe { bytes.cast::<usize>().read_unaligned() };
    if !(size_of::<T>()..=MOST).contains(&size) {
        return Err(Failure::invalid(format!(
            "the size of {what} is {size}: set it to sizeof of the struct"
        )));
    }
    // SAFETY: readable for `size` bytes by this function's contract, of which `T` has the first ones.
    let (value, rest) = unsafe {
        let known = size_of::<T>();
        (pointer.read_unaligned(), std::slice::from_raw_parts(bytes.add(known), size - known))
    };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Failure::invalid(format!(
            "{what} has a setting that this version does not know: update the library"
        )));
    }
    Ok(value)
}

/// Writes to where the caller wants a result.
///
/// # Safety
/// `out` must be writable, or NULL.
unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: this function's contract.
        unsafe { out.write(value) };
    }
}

/// A list of the caller's.
///
/// # Safety
/// `items` must be readable for `count` items as long as the result lives, or be NULL.
unsafe fn list<'a, T>(items: *const T, count: usize, what: &str) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if items.is_null() || count > MOST_UNITS {
        return Err(Failure::invalid(format!("the list of {what} is NULL or has {count} items")));
    }
    // SAFETY: not NULL, and this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(items, count) })
}

/// # Safety
/// As for [`KeepsakeStr::read`].
unsafe fn space(name: KeepsakeStr) -> Result<SpaceId, Failure> {
    // SAFETY: this function's contract.
    let name = unsafe { name.read("the space") }?;
    Ok(name.map_or_else(|| Ok(SpaceId::default()), SpaceId::new)?)
}

/// # Safety
/// As for [`KeepsakeStr::read`].
unsafe fn time(text: KeepsakeStr, what: &str) -> Result<Option<Timestamp>, Failure> {
    // SAFETY: this function's contract.
    let text = unsafe { text.read(what) }?;
    Ok(text.map(str::parse).transpose()?)
}

/// A key of 32 bytes, or none where the pointer is NULL.
///
/// # Safety
/// `key` must be readable for 32 bytes, or be NULL.
unsafe fn key(key: *const u8) -> Option<BankKey> {
    // SAFETY: not NULL, and this function's contract.
    (!key.is_null()).then(|| BankKey::new(unsafe { key.cast::<[u8; 32]>().read_unaligned() }))
}

fn cancel(handle: KeepsakeCancel) -> Result<Cancel, Failure> {
    Ok(CANCELS.get_optional(handle.id)?.unwrap_or_default())
}

// ---- switches ----

/// Makes a switch that stops the calls it is given to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_cancel_new(out: *mut KeepsakeCancel) -> KeepsakeStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the switch"));
        }
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeCancel { id: CANCELS.keep(Cancel::new()) }) };
        Ok(())
    })
}

/// Throws a switch: calls that have it stop at the next token. It stays thrown.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_cancel_throw(switch: KeepsakeCancel) -> KeepsakeStatus {
    guarded(|| {
        CANCELS.get(switch.id)?.cancel();
        Ok(())
    })
}

/// Closes a switch. Calls under way keep theirs.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_cancel_close(switch: KeepsakeCancel) -> KeepsakeStatus {
    guarded(|| CANCELS.close(switch.id))
}

// ---- models ----

/// Files of a language model, and how it is loaded. All zeros but `size` and `model` are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeModelFiles {
    /// `sizeof(KeepsakeModelFiles)`.
    pub size: usize,
    /// The GGUF file of the base model.
    pub model: KeepsakeStr,
    /// A LoRA adapter for the memory manager, or nothing.
    pub manager_adapter: KeepsakeStr,
    /// A LoRA adapter for the answer agent, or nothing.
    pub answer_adapter: KeepsakeStr,
    /// A folder of the app's for what is evaluated and measured once, or nothing; it may be deleted at any time.
    pub states: KeepsakeStr,
    /// The folder with llama.cpp's processor variants, where the app was shipped with them, or nothing.
    pub backends: KeepsakeStr,
    /// Tokens of prompt and reply together; 0: 4096.
    pub context_tokens: u32,
    /// Threads that compute; 0: measured when the model is first loaded, if there is a folder of states.
    pub threads: u32,
    /// Most bytes the model may take, where the host knows better than the system; 0: as the system says.
    pub memory_limit: u64,
    /// Not 0: keys and values are kept in 8 bits, which takes half the memory, and long prompts are read more slowly.
    pub small_cache: u32,
    /// 0.
    pub reserved: u32,
}

/// Checks and loads a language model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_model_load(
    files: *const KeepsakeModelFiles,
    out: *mut KeepsakeModel,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's struct and texts, as the header asks for them.
        let (files, model, adapters, states, backends) = unsafe {
            let files = sized(files, "the model's files")?;
            let adapters = [
                (Role::Manager, files.manager_adapter.read("the manager's adapter")?),
                (Role::Answer, files.answer_adapter.read("the answer agent's adapter")?),
            ];
            let (states, backends) =
                (files.states.read("the folder of states")?, files.backends.read("the backends")?);
            (files, files.model.required("the model's file")?, adapters, states, backends)
        };
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the model"));
        }
        let mut settings = LlamaSettings::new(model);
        settings.adapters =
            adapters.into_iter().filter_map(|(role, file)| Some((role, file?.into()))).collect();
        if files.context_tokens > 0 {
            settings.context_tokens = files.context_tokens;
        }
        settings.threads = Some(files.threads).filter(|threads| *threads > 0);
        settings.memory_limit = Some(files.memory_limit).filter(|limit| *limit > 0);
        settings.states = states.map(Into::into);
        settings.backends = backends.map(Into::into);
        if files.small_cache != 0 {
            settings.cache = CacheType::Q8_0;
        }
        let model = LlamaModel::load(&settings)?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeModel { id: MODELS.keep(Arc::new(model)) }) };
        Ok(())
    })
}

/// Takes a language model of the host's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_model_of_host(
    host: *const KeepsakeHostModel,
    out: *mut KeepsakeModel,
) -> KeepsakeStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the model"));
        }
        // SAFETY: the caller's struct, as the header asks for it.
        let model = ModelOfHost::new(unsafe { sized(host, "the model") }?)?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeModel { id: MODELS.keep(Arc::new(model)) }) };
        Ok(())
    })
}

/// Closes a model. Engines that have it keep it.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_model_close(model: KeepsakeModel) -> KeepsakeStatus {
    guarded(|| MODELS.close(model.id))
}

/// Files of a sentence-embedding model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeEmbedderFiles {
    /// `sizeof(KeepsakeEmbedderFiles)`.
    pub size: usize,
    /// The ONNX file.
    pub model: KeepsakeStr,
    /// Its `tokenizer.json`.
    pub tokenizer: KeepsakeStr,
    /// The shared library of ONNX Runtime, 1.24 or later.
    pub runtime: KeepsakeStr,
    /// Threads that compute; 0: 2.
    pub threads: u32,
    /// 0.
    pub reserved: u32,
}

/// Checks and loads an embedding model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_embedder_load(
    files: *const KeepsakeEmbedderFiles,
    out: *mut KeepsakeEmbedder,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's struct and texts, as the header asks for them.
        let (threads, files) = unsafe {
            let files = sized(files, "the embedder's files")?;
            let of = |text: KeepsakeStr, what: &str| text.required(what).map(Into::into);
            let onnx = OnnxFiles {
                model: of(files.model, "the embedder's file")?,
                tokenizer: of(files.tokenizer, "the embedder's tokenizer")?,
                runtime: of(files.runtime, "ONNX Runtime")?,
            };
            (files.threads, onnx)
        };
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the embedder"));
        }
        let embedder = OnnxEmbedder::open(&files, if threads == 0 { 2 } else { threads as usize })?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeEmbedder { id: EMBEDDERS.keep(Arc::new(embedder)) }) };
        Ok(())
    })
}

/// Takes an embedder of the host's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_embedder_of_host(
    host: *const KeepsakeHostEmbedder,
    out: *mut KeepsakeEmbedder,
) -> KeepsakeStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the embedder"));
        }
        // SAFETY: the caller's struct and text, as the header asks for them.
        let embedder = unsafe { EmbedderOfHost::new(sized(host, "the embedder")?) }?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeEmbedder { id: EMBEDDERS.keep(Arc::new(embedder)) }) };
        Ok(())
    })
}

/// Closes an embedder. Engines that have it keep it.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_embedder_close(embedder: KeepsakeEmbedder) -> KeepsakeStatus {
    guarded(|| EMBEDDERS.close(embedder.id))
}

// ---- the engine ----

/// What an engine is made of. All zeros but `size` are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeOptions {
    /// `sizeof(KeepsakeOptions)`.
    pub size: usize,
    /// The host's key, 32 random bytes, or NULL. A new bank is sealed by it, and one that is there must have been.
    pub key: *const u8,
    /// The language model; 0: none, so that turns are kept and can be searched, and the queue waits.
    pub model: KeepsakeModel,
    /// The embedder; 0: none, so that search is by words only.
    pub embedder: KeepsakeEmbedder,
    /// Memories and turns retrieved for a question; 0: 60.
    pub retrieved: u32,
    /// Days after which turns that came in and memories that were last changed are forgotten; 0: never.
    pub keep_days: u32,
    /// Not 0: it is noted when an answer was last given from a memory.
    pub note_use: u32,
    /// 0.
    pub reserved: u32,
}

/// Opens the bank in a folder and verifies it, or makes one there. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_open(
    folder: KeepsakeStr,
    options: *const KeepsakeOptions,
    out: *mut KeepsakeEngine,
) -> KeepsakeStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the engine"));
        }
        // SAFETY: the caller's text.
        let folder = unsafe { folder.required("the bank's folder") }?;
        let mut setup = Setup::new(device_clock);
        if !options.is_null() {
            // SAFETY: the caller's struct, as the header asks for it.
            let options = unsafe { sized(options, "the options") }?;
            let mut config = Config { note_use: options.note_use != 0, ..Config::default() };
            if options.retrieved > 0 {
                config.retrieved = Take::Best(options.retrieved as usize);
            }
            if options.keep_days > 0 {
                config.retention.age = Some(Duration::from_hours(24 * u64::from(options.keep_days)));
            }
            setup = Setup {
                model: MODELS.get_optional(options.model.id)?,
                embedder: EMBEDDERS.get_optional(options.embedder.id)?,
                // SAFETY: the caller's 32 bytes, or NULL.
                key: unsafe { key(options.key) },
                config,
                ..setup
            };
        }
        let engine = Engine::open(Path::new(folder), setup)?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeEngine { id: ENGINES.keep(engine) }) };
        Ok(())
    })
}

/// Closes an engine. Returns at once; the bank closes when the last call under way ends.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_close(engine: KeepsakeEngine) -> KeepsakeStatus {
    guarded(|| ENGINES.close(engine.id))
}

/// What was said. All zeros but `size`, `speaker`, `text` and `time` are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeNewTurn {
    /// `sizeof(KeepsakeNewTurn)`.
    pub size: usize,
    /// Who said it.
    pub speaker: KeepsakeStr,
    /// The words.
    pub text: KeepsakeStr,
    /// When, on the speaker's wall clock: `2024-03-02T10:15:00` or `2024-03-02`.
    pub time: KeepsakeStr,
    /// The sitting it belongs to, or nothing: `1`.
    pub session: KeepsakeStr,
    /// Whose memory it is for, or nothing: `default`.
    pub space: KeepsakeStr,
    /// Caption of an image that was shared, or nothing.
    pub image: KeepsakeStr,
    /// The host's own name for it, or nothing. A second turn of the space with the same one is not stored again.
    pub reference: KeepsakeStr,
    /// How far it is trusted: one of `KeepsakeOrigin`.
    pub origin: u32,
    /// 0.
    pub reserved: u32,
}

/// # Safety
/// As the header asks for it.
unsafe fn new_turn(turn: *const KeepsakeNewTurn) -> Result<NewTurn, Failure> {
    // SAFETY: this function's contract.
    unsafe {
        let turn = sized(turn, "the turn")?;
        let at = time(turn.time, "the time")?.ok_or_else(|| Failure::invalid("the time is not given"))?;
        let (speaker, text) =
            (turn.speaker.required("the speaker")?, turn.text.read("the text")?.unwrap_or(""));
        let mut new = NewTurn::new(speaker, text, at)?.in_space(space(turn.space)?);
        if let Some(session) = turn.session.read("the session")? {
            new = new.in_session(session)?;
        }
        if let Some(caption) = turn.image.read("the image's caption")? {
            new = new.with_image(caption)?;
        }
        if let Some(reference) = turn.reference.read("the reference")? {
            new = new.with_reference(reference)?;
        }
        let origins = [Origin::User, Origin::Assistant, Origin::Imported, Origin::Document];
        let origin = origins.into_iter().find(|origin| KeepsakeOrigin::from(*origin) as u32 == turn.origin);
        Ok(new.from_origin(origin.ok_or_else(|| Failure::invalid("the origin is none of KeepsakeOrigin"))?))
    }
}

/// Stores a turn, durably, and puts it into the queue: milliseconds. `id` and `is_new` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_append(
    engine: KeepsakeEngine,
    turn: *const KeepsakeNewTurn,
    id: *mut u64,
    is_new: *mut bool,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's struct and places.
        unsafe {
            let appended = engine.append(new_turn(turn)?)?;
            put(id, appended.id.0);
            put(is_new, appended.new);
        }
        Ok(())
    })
}

/// Works the queue: at most `turns` of it and for at most `milliseconds`, 0 for no limit. `show` hears of every turn and may
/// stop the work; it must not call `keepsake_process`, `keepsake_remember` or `keepsake_import`, which wait for this call. `switch` may
/// be 0, `show` and `progress` NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_process(
    engine: KeepsakeEngine,
    turns: u64,
    milliseconds: u64,
    switch: KeepsakeCancel,
    show: KeepsakeReceiptFn,
    user: *mut c_void,
    progress: *mut KeepsakeProgress,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        let budget = Budget {
            turns: (turns > 0).then(|| usize::try_from(turns).unwrap_or(usize::MAX)),
            time: (milliseconds > 0).then(|| Duration::from_millis(milliseconds)),
        };
        let enough = Cancel::new();
        let done = engine.process(&budget, &cancel(switch)?.or(&enough), &mut |receipt| {
            let go_on = views::receipt(receipt.turn.0, Some(&receipt.outcome), |view| {
                // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
                show.is_none_or(|show| unsafe { show(user, view) })
            });
            if !go_on {
                enough.cancel();
            }
        })?;
        // SAFETY: the caller's place.
        unsafe { put(progress, done.into()) };
        Ok(())
    })
}

/// Stores a turn and works the queue up to it. `switch` may be 0, `show` NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_remember(
    engine: KeepsakeEngine,
    turn: *const KeepsakeNewTurn,
    switch: KeepsakeCancel,
    show: KeepsakeReceiptFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's struct.
        let receipt = engine.remember(unsafe { new_turn(turn) }?, &cancel(switch)?)?;
        views::receipt(receipt.turn.0, Some(&receipt.outcome), |view| {
            // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
            show.is_none_or(|show| unsafe { show(user, view) })
        });
        Ok(())
    })
}

/// Answers a question from what a space holds (nothing: `default`). `piece` is shown the answer while it is written, `show`
/// the whole of it; both may be NULL, and `switch` 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_ask(
    engine: KeepsakeEngine,
    question: KeepsakeStr,
    space: KeepsakeStr,
    switch: KeepsakeCancel,
    piece: KeepsakeTextFn,
    show: KeepsakeAnswerFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's texts.
        let question =
            unsafe { Question::new(self::space(space)?, question.read("the question")?.unwrap_or(""))? };
        let mut sink = |text: &str| {
            // SAFETY: the caller's function, with the pointer it came with; the text outlives the call.
            let go_on = piece.is_none_or(|piece| unsafe { piece(user, KeepsakeStr::of(text)) });
            if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let answer = engine.ask(&question, &cancel(switch)?, &mut sink)?;
        if let Some(show) = show {
            // SAFETY: the same.
            views::answer(&answer, |view| unsafe { show(user, view) });
        }
        Ok(())
    })
}

/// What is searched for. All zeros but `size` and `text` are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeepsakeSearch {
    /// `sizeof(KeepsakeSearch)`.
    pub size: usize,
    /// The words.
    pub text: KeepsakeStr,
    /// Whose memory is searched, or nothing: `default`.
    pub space: KeepsakeStr,
    /// Said by somebody of exactly this name, or nothing: by anybody.
    pub speaker: KeepsakeStr,
    /// Said, or holding from, no earlier than this, or nothing.
    pub from_time: KeepsakeStr,
    /// Said, or holding from, no later than this, or nothing.
    pub until_time: KeepsakeStr,
    /// How many are wanted; 0: 10.
    pub count: u32,
    /// 0: memories and turns; 1: memories; 2: turns.
    pub kind: u32,
}

/// Shows the memories and turns that fit a search best, best first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_search(
    engine: KeepsakeEngine,
    search: *const KeepsakeSearch,
    show: KeepsakeFoundFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's struct and texts.
        let (space, search) = unsafe {
            let search = sized(search, "the search")?;
            let kind = match search.kind {
                0 => Kind::Any,
                1 => Kind::Memory,
                2 => Kind::Turn,
                other => return Err(Failure::invalid(format!("{other} is no kind: give 0, 1 or 2"))),
            };
            let filter = Filter {
                kind,
                speaker: search.speaker.read("the speaker")?.map(str::to_owned),
                from: time(search.from_time, "the earliest time")?,
                until: time(search.until_time, "the latest time")?,
            };
            let count = if search.count == 0 { 10 } else { search.count as usize };
            let text = search.text.required("the text")?;
            (space(search.space)?, Search { filter, ..Search::best(text, count) })
        };
        for found in engine.find(&space, &search)?.found {
            // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
            let go_on = views::found(&found, |view| show.is_some_and(|show| unsafe { show(user, view) }));
            if !go_on {
                break;
            }
        }
        Ok(())
    })
}

/// Shows memories until the caller has enough.
fn show_memories(memories: &[keepsake_core::types::Memory], show: KeepsakeMemoryFn, user: *mut c_void) {
    for memory in memories {
        // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
        if !views::memory(memory, |view| show.is_some_and(|show| unsafe { show(user, view) })) {
            return;
        }
    }
}

/// Shows the memories of a space (nothing: `default`) that hold, oldest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_memories(
    engine: KeepsakeEngine,
    space: KeepsakeStr,
    show: KeepsakeMemoryFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text.
        let memories = ENGINES.get(engine.id)?.memories(&unsafe { self::space(space) }?)?;
        show_memories(&memories, show, user);
        Ok(())
    })
}

/// Shows all versions of a memory, oldest first; none where there is no such memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_history(
    engine: KeepsakeEngine,
    memory: u64,
    show: KeepsakeMemoryFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        show_memories(&ENGINES.get(engine.id)?.history(MemoryId(memory))?, show, user);
        Ok(())
    })
}

/// Shows the memories of a space (nothing: `default`) that wait to be confirmed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_quarantined(
    engine: KeepsakeEngine,
    space: KeepsakeStr,
    show: KeepsakeMemoryFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text.
        let memories = ENGINES.get(engine.id)?.quarantined(&unsafe { self::space(space) }?)?;
        show_memories(&memories, show, user);
        Ok(())
    })
}

/// The user vouches for a quarantined memory: it holds from now on.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_confirm(engine: KeepsakeEngine, memory: u64) -> KeepsakeStatus {
    guarded(|| {
        ENGINES.get(engine.id)?.confirm(MemoryId(memory))?;
        Ok(())
    })
}

/// Shows the turns of a space (nothing: `default`), oldest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_turns(
    engine: KeepsakeEngine,
    space: KeepsakeStr,
    show: KeepsakeTurnFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text.
        for turn in ENGINES.get(engine.id)?.turns(&unsafe { self::space(space) }?)? {
            // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
            if !views::turn(&turn, |view| show.is_some_and(|show| unsafe { show(user, view) })) {
                break;
            }
        }
        Ok(())
    })
}

/// Shows one turn; nothing where there is no such turn.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_turn(
    engine: KeepsakeEngine,
    turn: u64,
    show: KeepsakeTurnFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        if let (Some(turn), Some(show)) = (ENGINES.get(engine.id)?.turn(TurnId(turn))?, show) {
            // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
            views::turn(&turn, |view| unsafe { show(user, view) });
        }
        Ok(())
    })
}

/// Shows what became of a turn.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_outcome(
    engine: KeepsakeEngine,
    turn: u64,
    show: KeepsakeReceiptFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        let outcome = ENGINES.get(engine.id)?.outcome(TurnId(turn))?;
        if let Some(show) = show {
            // SAFETY: the caller's function, with the pointer it came with; the view outlives the call.
            views::receipt(turn, outcome.as_ref(), |view| unsafe { show(user, view) });
        }
        Ok(())
    })
}

/// Puts a turn that failed back into the queue; `done` (may be NULL) is false where it did not fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_retry(
    engine: KeepsakeEngine,
    turn: u64,
    done: *mut bool,
) -> KeepsakeStatus {
    guarded(|| {
        let retried = ENGINES.get(engine.id)?.retry(TurnId(turn))?;
        // SAFETY: the caller's place.
        unsafe { put(done, retried) };
        Ok(())
    })
}

/// Takes back what these turns changed, as one step. The turns stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_undo(
    engine: KeepsakeEngine,
    turns: *const u64,
    count: usize,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's list.
        let turns: Vec<TurnId> =
            unsafe { list(turns, count, "turns") }?.iter().copied().map(TurnId).collect();
        ENGINES.get(engine.id)?.undo(&turns)?;
        Ok(())
    })
}

/// Removes memories and turns with everything kept about them, as one step: no byte of them is left in the bank. `gone` (may
/// be NULL): how many there were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_forget(
    engine: KeepsakeEngine,
    units: *const KeepsakeUnit,
    count: usize,
    gone: *mut u64,
) -> KeepsakeStatus {
    guarded(|| {
        let unit = |unit: &KeepsakeUnit| {
            if unit.is_turn != 0 { UnitId::Turn(TurnId(unit.id)) } else { UnitId::Memory(MemoryId(unit.id)) }
        };
        // SAFETY: the caller's list.
        let units: Vec<UnitId> = unsafe { list(units, count, "units") }?.iter().map(unit).collect();
        let forgotten = ENGINES.get(engine.id)?.forget_all(&units)?;
        // SAFETY: the caller's place.
        unsafe { put(gone, forgotten as u64) };
        Ok(())
    })
}

/// Removes all that a space (nothing: `default`) holds. `gone` (may be NULL): how many memories and turns there were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_forget_everything(
    engine: KeepsakeEngine,
    space: KeepsakeStr,
    gone: *mut u64,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text.
        let forgotten = ENGINES.get(engine.id)?.forget_everything(&unsafe { self::space(space) }?)?;
        // SAFETY: the caller's place.
        unsafe { put(gone, forgotten as u64) };
        Ok(())
    })
}

/// A space as it was, as an engine of its own in memory: what was recorded by a moment (UTC), or with `held` what held then on
/// the speakers' clocks, as far as is known now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_as_of(
    engine: KeepsakeEngine,
    moment: KeepsakeStr,
    held: u32,
    space: KeepsakeStr,
    out: *mut KeepsakeEngine,
) -> KeepsakeStatus {
    guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid("there is no place for the engine"));
        }
        // SAFETY: the caller's texts.
        let (space, at) = unsafe { (self::space(space)?, time(moment, "the moment")?) };
        let at = at.ok_or_else(|| Failure::invalid("the moment is not given"))?;
        let moment = if held != 0 { Moment::Held(at) } else { Moment::Recorded(at) };
        let past = ENGINES.get(engine.id)?.as_of(&space, moment)?;
        // SAFETY: not NULL, and the caller's.
        unsafe { put(out, KeepsakeEngine { id: ENGINES.keep(past) }) };
        Ok(())
    })
}

/// Writes what a space holds (nothing: all spaces) into a new file, whole or not at all: to be imported again, or with
/// `markdown` a page for people.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_export(
    engine: KeepsakeEngine,
    file: KeepsakeStr,
    space: KeepsakeStr,
    markdown: u32,
) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's texts.
        let (file, space) = unsafe { (file.required("the file")?, space.read("the space")?) };
        let spaces: Vec<SpaceId> = space.map(SpaceId::new).transpose()?.into_iter().collect();
        transfer::to_file(Path::new(file), false, |out| {
            if markdown != 0 { engine.export_markdown(&spaces, out) } else { engine.export(&spaces, out) }
        })?;
        Ok(())
    })
}

/// Takes in an export; the bank must be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_import(engine: KeepsakeEngine, file: KeepsakeStr) -> KeepsakeStatus {
    guarded(|| {
        let engine = ENGINES.get(engine.id)?;
        // SAFETY: the caller's text.
        let file = unsafe { file.required("the file") }?;
        let mut input = BufReader::new(File::open(file).map_err(transfer::ImportError::Read)?);
        engine.import(&transfer::read(&mut input)?)?;
        Ok(())
    })
}

/// Shows the names of all spaces that hold something.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_spaces(
    engine: KeepsakeEngine,
    show: KeepsakeTextFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        for space in ENGINES.get(engine.id)?.spaces()? {
            // SAFETY: the caller's function, with the pointer it came with; the name outlives the call.
            if !show.is_some_and(|show| unsafe { show(user, KeepsakeStr::of(space.as_str())) }) {
                break;
            }
        }
        Ok(())
    })
}

/// A space (nothing: `default`) in numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_counts(
    engine: KeepsakeEngine,
    space: KeepsakeStr,
    out: *mut KeepsakeCounts,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text and place.
        unsafe {
            let stats = ENGINES.get(engine.id)?.stats(&self::space(space)?)?;
            put(out, stats.counts.into());
        }
        Ok(())
    })
}

/// Says how hard the queue may be worked from now on. 0: fully; 1: resting as long as it computes; 2: not at all, and work
/// under way stops within about 60 ms.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_set_effort(engine: KeepsakeEngine, effort: u32) -> KeepsakeStatus {
    guarded(|| {
        let effort = match effort {
            0 => Effort::Full,
            1 => Effort::Gentle,
            2 => Effort::Paused,
            other => return Err(Failure::invalid(format!("{other} is no effort: give 0, 1 or 2"))),
        };
        ENGINES.get(engine.id)?.set_effort(effort);
        Ok(())
    })
}

/// Gives back memory that the system is short of. Nothing is lost; what comes next takes longer.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_release_memory(engine: KeepsakeEngine) -> KeepsakeStatus {
    guarded(|| {
        ENGINES.get(engine.id)?.release_memory();
        Ok(())
    })
}

/// Reads the whole bank on the disk again and compares it with what was written to it.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_verify(engine: KeepsakeEngine) -> KeepsakeStatus {
    guarded(|| Ok(ENGINES.get(engine.id)?.verify()?))
}

/// Writes the bank's files anew, as small as they can be.
#[unsafe(no_mangle)]
pub extern "C" fn keepsake_compact(engine: KeepsakeEngine) -> KeepsakeStatus {
    guarded(|| Ok(ENGINES.get(engine.id)?.compact()?))
}

/// Gives a sealed bank another key, both of 32 bytes. The bank must not be open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_change_key(
    folder: KeepsakeStr,
    old: *const u8,
    new: *const u8,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text and keys.
        let (folder, old, new) = unsafe { (folder.required("the bank's folder")?, key(old), key(new)) };
        let (Some(old), Some(new)) = (old, new) else {
            return Err(Failure::invalid("a key is NULL"));
        };
        Ok(SledBank::change_key(Path::new(folder), &old, &new)?)
    })
}

/// Makes a sound bank of what can be read in a folder where opening says it is damaged, with its key (NULL: none). `show` is
/// shown what could not be read, in sentences.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keepsake_repair(
    folder: KeepsakeStr,
    key: *const u8,
    show: KeepsakeTextFn,
    user: *mut c_void,
) -> KeepsakeStatus {
    guarded(|| {
        // SAFETY: the caller's text and key.
        let (folder, key) = unsafe { (folder.required("the bank's folder")?, self::key(key)) };
        for lost in SledBank::repair(Path::new(folder), key.as_ref())?.lost {
            // SAFETY: the caller's function, with the pointer it came with; the sentence outlives the call.
            if !show.is_some_and(|show| unsafe { show(user, KeepsakeStr::of(&lost.to_string())) }) {
                break;
            }
        }
        Ok(())
    })
}
