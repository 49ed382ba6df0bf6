//! Which model files a command works with: the catalogue's defaults, a name of it, or a path.
//!
//! Files are only looked for; what is missing is named with its remedy. Rooms it touches: exit, models.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use keepsake_core::embed::OnnxFiles;

use crate::exit::{Exit, Failure};
use crate::models::{Catalogue, Entry, Role, State, Store};

/// The language model: what was given, else the default. A name of the catalogue comes before a file of that
/// name; write `./name` for the file.
pub(crate) fn language_model(given: Option<&str>, home: Option<&Path>) -> Result<PathBuf, Failure> {
    let catalogue = Catalogue::built_in();
    let entry = match given {
        None => default_of(&catalogue, Role::Language)?,
        Some(given) => match catalogue.named(given) {
            Some(entry) => entry,
            None => return from_path(given),
        },
    };
    if entry.role != Role::Language {
        return Err(unusable(format!("{} is no language model: see `keepsake models list`", entry.name)));
    }
    present(&store(home)?, entry)
}

/// Whether what was given is the default language model: nothing, or its name.
pub(crate) fn is_default_model(given: Option<&str>) -> bool {
    let catalogue = Catalogue::built_in();
    let default =
        default_of(&catalogue, Role::Language).is_ok_and(|entry| given == Some(entry.name.as_str()));
    given.is_none() || default
}

/// The files of the default embedding model.
pub(crate) fn embedding_model(home: Option<&Path>) -> Result<OnnxFiles, Failure> {
    let (catalogue, store) = (Catalogue::built_in(), store(home)?);
    let file = |role| present(&store, default_of(&catalogue, role)?);
    let (model, tokenizer, runtime) = (file(Role::Embedding)?, file(Role::Tokenizer)?, file(Role::Runtime)?);
    Ok(OnnxFiles { model, tokenizer, runtime })
}

/// The folder models are kept in.
pub(crate) fn store(home: Option<&Path>) -> Result<Store, Failure> {
    home.map(Store::at).ok_or_else(|| {
        Failure::other("there is no home folder to keep models in: set KEEPSAKE_HOME to a folder")
    })
}

/// The file of an entry that is here.
pub(crate) fn present(store: &Store, entry: &Entry) -> Result<PathBuf, Failure> {
    let (name, path) = (&entry.name, store.path(entry));
    let remedy = if entry.default { String::new() } else { format!(" {name}") };
    match store.state(entry) {
        State::Present => Ok(path),
        State::Missing => {
            let what = format!("{} is missing ({name}): run `keepsake models pull{remedy}`", path.display());
            Err(unusable(what))
        }
        State::Damaged => {
            let what = format!("{} is damaged ({name}): run `keepsake models pull{remedy}`", path.display());
            Err(unusable(what))
        }
    }
}

/// An entry by its name.
pub(crate) fn named<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Entry, Failure> {
    catalogue
        .named(name)
        .ok_or_else(|| unusable(format!("there is no model {name}: see `keepsake models list`")))
}

fn default_of(catalogue: &Catalogue, role: Role) -> Result<&Entry, Failure> {
    catalogue.default_of(role).ok_or_else(|| {
        let what =
            "there is no ready-made ONNX Runtime for this platform: search by words only, with --no-embedder";
        unusable(what.to_owned())
    })
}

fn from_path(given: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(given);
    let meant_as_path = given.contains(MAIN_SEPARATOR) || path.extension().is_some_and(|end| end == "gguf");
    if path.exists() || meant_as_path {
        return Ok(path);
    }
    Err(unusable(format!("there is no model {given}: neither a file, nor a name of `keepsake models list`")))
}

fn unusable(what: String) -> Failure {
    Failure::new(Exit::Model, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapters_that_ship_are_for_the_default_model() {
        let catalogue = Catalogue::built_in();
        let default = catalogue.default_of(Role::Language).unwrap();
        assert_eq!(default.sha256, keepsake_adapters::BASE_SHA256);
        assert!(is_default_model(None) && is_default_model(Some(&default.name)));
        assert!(!is_default_model(Some("other.gguf")) && !is_default_model(Some("")));
    }

    #[test]
    fn a_model_is_a_name_a_file_or_nothing() {
        let home = tempfile::tempdir().unwrap();
        let find = |given| language_model(given, Some(home.path()));
        let says = |given| find(given).unwrap_err().to_string();
        assert!(
            says(None).ends_with("is missing (smollm2-135m): run `keepsake models pull`"),
            "{}",
            says(None)
        );
        assert!(says(Some("no-such")).contains("neither a file"), "{}", says(Some("no-such")));
        assert!(says(Some("minilm-l6-v2")).contains("no language model"));
        assert_eq!(find(Some("/x/y.gguf")).unwrap(), Path::new("/x/y.gguf"));

        let store = Store::at(home.path());
        std::fs::create_dir_all(store.folder()).unwrap();
        let entry = Catalogue::built_in().default_of(Role::Language).unwrap().clone();
        std::fs::write(store.path(&entry), "half of it").unwrap();
        assert!(says(Some("smollm2-135m")).contains("is damaged"));
        std::fs::File::options().write(true).open(store.path(&entry)).unwrap().set_len(entry.size).unwrap();
        assert_eq!(find(None).unwrap(), store.path(&entry));
    }
}
