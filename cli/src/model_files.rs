//! `models`: lists, fetches and locates the models of the catalogue.
//!
//! How a file is fetched stands in `models`. Rooms it touches: args, exit, found, models, open, output, shapes.

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Global, Models};
use crate::exit::Failure;
use crate::models::{Catalogue, Entry, Pulled, Source, State, Store, pull};
use crate::open::Surroundings;
use crate::shapes::{Document, ModelShape, ModelsBody, name};
use crate::{found, output};

/// Lists, fetches or locates.
pub(crate) fn run(args: &Models, global: &Global, around: &Surroundings) -> Result<(), Failure> {
    let (catalogue, store) = (Catalogue::built_in(), found::store(around.models.as_deref())?);
    match args {
        Models::List => list(&catalogue, &store, global),
        Models::Pull { names } => {
            pull_all(&wanted(&catalogue, names)?, &store)?;
            if global.json { list(&catalogue, &store, global) } else { Ok(()) }
        }
        Models::Path { name } => {
            let path = found::present(&store, found::named(&catalogue, name)?)?;
            output::line(&path.display().to_string())
        }
    }
}

fn list(catalogue: &Catalogue, store: &Store, global: &Global) -> Result<(), Failure> {
    if global.json {
        let models = catalogue.entries().iter().map(|entry| shape(entry, store)).collect();
        let body = ModelsBody { folder: store.folder().display().to_string(), models };
        return output::json(&Document::new("keepsake.models/1", body));
    }
    for entry in catalogue.entries() {
        let (size, role, state) =
            (entry.size as f64 / 1_048_576.0, name(entry.role), name(store.state(entry)));
        let default = if entry.default { "default" } else { "" };
        let name = &entry.name;
        output::line(&format!(
            "{name:<24} {role:<10} {size:>7.1} MiB  {state:<8} {default:<8} {}",
            entry.licence
        ))?;
    }
    Ok(())
}

fn shape(entry: &Entry, store: &Store) -> ModelShape {
    ModelShape {
        name: entry.name.clone(),
        role: entry.role,
        default: entry.default,
        state: store.state(entry),
        path: store.path(entry).display().to_string(),
        bytes: entry.size,
        sha256: entry.sha256.clone(),
        licence: entry.licence.clone(),
        sources: entry.sources.iter().map(source).collect(),
    }
}

/// A wheel by its package, anything else by its address.
fn source(source: &Source) -> String {
    match source {
        Source::Wheel { package, .. } => format!("pypi:{package}"),
        Source::Https { url } => url.clone(),
    }
}

/// The named models; without a name, the defaults.
fn wanted<'a>(catalogue: &'a Catalogue, names: &[String]) -> Result<Vec<&'a Entry>, Failure> {
    if names.is_empty() {
        return Ok(catalogue.entries().iter().filter(|entry| entry.default).collect());
    }
    names.iter().map(|name| found::named(catalogue, name)).collect()
}

fn pull_all(entries: &[&Entry], store: &Store) -> Result<(), Failure> {
    for entry in entries {
        if store.state(entry) != State::Present {
            output::note(&format!("keepsake: fetching {} ({} MiB)", entry.name, entry.size / 1_048_576));
        }
        let bar = bar(entry.size);
        let pulled = pull(store, entry, &mut |bytes| bar.set_position(bytes));
        bar.finish_and_clear();
        let path = store.path(entry);
        match pulled? {
            Pulled::Fetched => output::note(&format!("keepsake: {} is at {}", entry.name, path.display())),
            Pulled::AlreadyThere => output::note(&format!("keepsake: {} is there already", entry.name)),
        }
    }
    Ok(())
}

/// Drawn only on a terminal.
fn bar(bytes: u64) -> ProgressBar {
    let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    ProgressBar::new(bytes)
        .with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
