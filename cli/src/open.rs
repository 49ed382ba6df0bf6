//! From options to an open bank, and to an engine with the models a command needs.
//!
//! The bank is opened before a model is loaded: a wrong folder is cheaper to find. Nothing is fetched here.
//!
//! Rooms it touches: args, exit, found, output.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepsake_adapters::Files;
use keepsake_core::bank::{Bank, BankKey, SledBank};
use keepsake_core::config::Config;
use keepsake_core::embed::OnnxEmbedder;
use keepsake_core::model::{CacheType, LlamaModel, LlamaSettings, ModelError, Role};
use keepsake_core::types::SpaceId;
use keepsake_core::{Engine, OpenError, Setup, device_clock};

use crate::args::{Global, Past};
use crate::exit::{Exit, Failure};
use crate::{found, output};

/// What surrounds the process. Read once, in `main`.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The user's home folder.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub(crate) data: Option<OsString>,
    /// Where models are kept.
    pub(crate) models: Option<PathBuf>,
    /// The folder of this program.
    pub(crate) program: Option<PathBuf>,
}

/// Which models a command works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None.
    Nothing,
    /// The embedding model, unless the person wants none.
    Embedder,
    /// The language model, and the embedding model unless the person wants none.
    Models,
}

/// An open bank with the engine over it.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) bank: Arc<dyn Bank>,
    pub(crate) folder: PathBuf,
    /// The language model's name, where one was loaded.
    pub(crate) model: Option<String>,
}

impl Opened {
    /// The engine, or a copy of a space as it was.
    pub(crate) fn at(&self, past: &Past, space: &SpaceId) -> Result<Engine, Failure> {
        Ok(match past.moment() {
            Some(moment) => self.engine.as_of(space, moment)?,
            None => self.engine.clone(),
        })
    }
}

/// Opens the bank, making it where it is not there yet.
pub(crate) fn open(global: &Global, around: &Surroundings, needs: Needs) -> Result<Opened, Failure> {
    let folder = bank_folder(global, around)?;
    make_private(&folder)?;
    open_in(folder, global, around, needs)
}

/// Opens a bank that is there already: reading makes none.
pub(crate) fn open_existing(global: &Global, around: &Surroundings, needs: Needs) -> Result<Opened, Failure> {
    let folder = existing_folder(global, around)?;
    open_in(folder, global, around, needs)
}

/// Where the bank is that must be there already.
pub(crate) fn existing_folder(global: &Global, around: &Surroundings) -> Result<PathBuf, Failure> {
    let folder = bank_folder(global, around)?;
    if !SledBank::is_there(&folder) {
        let what = format!(
            "there is no bank at {}: give another --bank, or remember something first",
            folder.display()
        );
        return Err(Failure::new(Exit::Bank, what));
    }
    Ok(folder)
}

/// Opens the bank in `folder`.
pub(crate) fn open_in(
    folder: PathBuf,
    global: &Global,
    around: &Surroundings,
    needs: Needs,
) -> Result<Opened, Failure> {
    let key = key(global)?;
    let bank: Arc<dyn Bank> = Arc::new(open_bank(&folder, key.as_ref())?);
    for recovery in bank.recovered() {
        output::note(&format!("the bank was put right: {recovery}"));
    }
    let config = Config { note_use: true, ..Config::default() };
    let mut setup = Setup::new(device_clock).with_config(config);
    let mut name = None;
    if needs == Needs::Models {
        let settings = language_model(global, around)?;
        name = Some(settings.model.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        setup = setup.with_model(Arc::new(load(settings, global)?));
    }
    if needs != Needs::Nothing && !global.no_embedder {
        let files = found::embedding_model(around.models.as_deref())?;
        setup = setup.with_embedder(Arc::new(OnnxEmbedder::open(&files, threads(global))?));
    }
    let engine = Engine::with_bank(Arc::clone(&bank), setup);
    Ok(Opened { engine, bank, folder, model: name })
}

/// The bank alone, without an engine.
pub(crate) fn open_bank(folder: &Path, key: Option<&BankKey>) -> Result<SledBank, Failure> {
    let bank = match key {
        Some(key) => SledBank::open_sealed(folder, key),
        None => SledBank::open(folder),
    };
    Ok(bank.map_err(OpenError::from)?)
}

/// The key in the file that was given.
pub(crate) fn key(global: &Global) -> Result<Option<BankKey>, Failure> {
    global.key_file.as_deref().map(read_key).transpose()
}

/// The key in a file.
pub(crate) fn read_key(file: &Path) -> Result<BankKey, Failure> {
    let failed = |what: String| {
        let what = format!("the key file {} {what}: give one of 32 random bytes", file.display());
        Failure::new(Exit::Bank, what)
    };
    let bytes = std::fs::read(file).map_err(|error| failed(format!("cannot be read ({error})")))?;
    let length = bytes.len();
    let bytes = bytes.try_into().map_err(|_| failed(format!("has {length} bytes")))?;
    Ok(BankKey::new(bytes))
}

/// Where the bank is.
fn bank_folder(global: &Global, around: &Surroundings) -> Result<PathBuf, Failure> {
    global.bank.clone().or_else(|| default_bank(around)).ok_or_else(|| {
        Failure::new(Exit::Bank, "there is no home folder to keep a bank in: give a folder with --bank")
    })
}

fn default_bank(around: &Surroundings) -> Option<PathBuf> {
    // The specification: a relative path is to be ignored.
    let given = around.data.as_ref().map(PathBuf::from).filter(|folder| folder.is_absolute());
    let data = match (given, cfg!(target_os = "macos")) {
        (Some(folder), _) => folder,
        (None, true) => around.home.as_ref()?.join("Library/Application Support"),
        (None, false) => around.home.as_ref()?.join(".local/share"),
    };
    Some(data.join("keepsake").join("bank"))
}

/// Makes the bank's folder for its owner alone. One that is there stays as it is.
fn make_private(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        let what = format!("the bank at {} cannot be made: {error}; give another --bank", folder.display());
        Failure::new(Exit::Bank, what)
    })
}

fn language_model(global: &Global, around: &Surroundings) -> Result<LlamaSettings, Failure> {
    let mut settings =
        LlamaSettings::new(found::language_model(global.model.as_deref(), around.models.as_deref())?);
    let adapters = [(Role::Manager, &global.adapter_manager), (Role::Answer, &global.adapter_answer)];
    settings.adapters = adapters.into_iter().filter_map(|(role, path)| Some((role, path.clone()?))).collect();
    if has_shipped(global) {
        add_shipped(&mut settings, around);
    }
    settings.context_tokens = global.context.unwrap_or(settings.context_tokens);
    settings.threads = global.threads;
    if global.small_cache {
        settings.cache = CacheType::Q8_0;
    }
    settings.states = states(around);
    // Beside the program where it was built or shipped; else llama.cpp looks where it was built.
    settings.backends = around.program.as_ref().map(|folder| folder.join("lib")).filter(|lib| lib.is_dir());
    Ok(settings)
}

/// Whether the adapters that ship are meant: those of the default model, unless the person wants none.
fn has_shipped(global: &Global) -> bool {
    found::is_default_model(global.model.as_deref()) && !global.no_adapters
}

/// Loads the model. An adapter that nobody gave is no reason to fail: where it does not fit, that is said.
fn load(mut settings: LlamaSettings, global: &Global) -> Result<LlamaModel, Failure> {
    loop {
        match LlamaModel::load(&settings) {
            Err(ModelError::Adapter { path, why }) if has_shipped(global) && !is_given(global, &path) => {
                output::note(&format!("the model works without the adapter that ships: {why}"));
                settings.adapters.retain(|_, other| *other != path);
            }
            loaded => return Ok(loaded?),
        }
    }
}

fn is_given(global: &Global, adapter: &Path) -> bool {
    [&global.adapter_manager, &global.adapter_answer].into_iter().flatten().any(|given| given == adapter)
}

/// Gives the default model the adapters that ship, for each agent that none was given for.
fn add_shipped(settings: &mut LlamaSettings, around: &Surroundings) {
    let Some(home) = &around.models else { return };
    match keepsake_adapters::unpack(&home.join("adapters")) {
        Ok(Files { manager, answer }) => {
            for (role, path) in [(Role::Manager, manager), (Role::Answer, answer)] {
                settings.adapters.entry(role).or_insert(path);
            }
        }
        Err(error) => output::note(&format!(
            "the model works without its adapters: they cannot be written to {} ({error})",
            home.display()
        )),
    }
}

/// Where evaluated starts of prompts are kept: in our own folder, beside the models.
fn states(around: &Surroundings) -> Option<PathBuf> {
    around.models.as_ref().map(|home| home.join("states"))
}

/// Threads of the embedding model. Default 2: what its speed was measured with (`core::embed`); short texts gain
/// little beyond.
fn threads(global: &Global) -> usize {
    global.threads.map_or(2, |threads| threads as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(data: Option<&str>) -> Surroundings {
        Surroundings {
            home: Some("/home/maria".into()),
            data: data.map(Into::into),
            models: None,
            program: None,
        }
    }

    #[test]
    fn starts_of_prompts_lie_in_our_own_folder() {
        let home = Surroundings { models: Some("/cache/keepsake".into()), ..around(None) };
        assert_eq!(states(&home), Some("/cache/keepsake/states".into()));
        assert_eq!(states(&around(None)), None);
    }

    #[test]
    fn the_bank_lies_in_the_users_data_folder() {
        let at = |data| default_bank(&around(data)).unwrap();
        assert_eq!(at(Some("/data")), Path::new("/data/keepsake/bank"));
        let own = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        let own = Path::new("/home/maria").join(own).join("keepsake/bank");
        assert_eq!(at(None), own);
        assert_eq!(at(Some("relative")), own);
        assert_eq!(default_bank(&Surroundings { home: None, ..around(None) }), None);
    }
}
