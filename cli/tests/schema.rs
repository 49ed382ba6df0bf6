//! SCHEMA.md and the documents that are really written have the same keys. Needs the default models.
//!
//! Rooms it touches: common.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it must be")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Home, line, paths};
use serde_json::Value;

/// Objects whose keys are names of things, not of the schema.
const BY_NAME: &str = "Counts by name";

#[test]
fn every_document_has_the_documented_keys() {
    let home = Home::new();
    let documented = Schema::read(include_str!("../SCHEMA.md"));
    let file = home.file("turns.jsonl", line("a", "Maria", "I adopted a dog named Buddy yesterday."));
    // Words of three people, so that at least one turn gives a memory whatever the model makes of them.
    let remember =
        |text: &str| home.json_with_models(&["remember", text, "--speaker", "Tom", "--time", "2024-03-02"]);

    documented.check(&home.json_with_models(&["ingest", &file]));
    documented.check(&remember("I moved to Leeds last week and work as a nurse at St James's Hospital."));
    documented.check(&remember("My sister Ana plays tennis every Tuesday."));
    documented.check(&home.json_with_models(&["ask", "What is the name of Maria's dog?"]));
    documented.check(&home.json_with_models(&["search", "dog named Buddy"]));
    documented.check(&home.json(&["list"]));
    documented.check(&home.json(&["list", "--turns"]));
    documented.check(&home.json(&["stats"]));
    documented.check(&home.json(&["show", "t1"]));
    let memories = home.json(&["list"])["memories"].as_array().unwrap().clone();
    for memory in memories.iter().take(1) {
        let id = memory["id"].as_str().unwrap();
        documented.check(&home.json(&["show", id]));
        documented.check(&home.json(&["history", id]));
        let turn = memory["sources"].as_array().unwrap().last().unwrap().as_str().unwrap();
        documented.check(&home.json_with_models(&["undo", turn]));
        documented.check(&home.json(&["forget", id]));
    }
    documented.check(&home.json(&["forget", "t1"]));
    documented.check(&home.json(&["expire", "--keep", "1", "--dry-run"]));
    let (export, elsewhere) = (home.path("e.jsonl"), home.path("elsewhere"));
    let (export, elsewhere) = (export.to_str().unwrap(), elsewhere.to_str().unwrap());
    documented.check(&home.json(&["export", export]));
    documented.check(&home.json(&["import", export, "--bank", elsewhere]));
    let mem0 = home.file("mem0.json", r#"[{"id": "1", "memory": "Likes tea", "created_at": "2024-07-01"}]"#);
    documented.check(&home.json(&["import", &mem0]));
    documented.check(&home.json_with_models(&["models", "list"]));
    let demo = home.json_with_models(&["demo", "--turns", "3"]);
    assert_eq!(demo["operations"].as_array().unwrap().len(), 3);
    documented.check(&demo);
}

/// The keys of every document, as paths, by the document's name.
struct Schema(BTreeMap<String, Expected>);

#[derive(Default)]
struct Expected {
    /// Paths a document may have.
    allowed: BTreeSet<String>,
    /// Beneath these, any name may stand.
    by_name: BTreeSet<String>,
}

impl Schema {
    /// Reads the tables: a heading, then a row for each key.
    fn read(text: &str) -> Self {
        let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut heading = String::new();
        for text in text.lines() {
            if let Some(name) = text.strip_prefix("### ").or_else(|| text.strip_prefix("## ")) {
                name.clone_into(&mut heading);
            } else if let Some(row) = text.strip_prefix("| `") {
                let (key, rest) = row.split_once("` | ").unwrap();
                let kind = rest.split(" | ").next().unwrap();
                tables.entry(heading.clone()).or_default().push((key.to_owned(), kind.to_owned()));
            }
        }
        let documents = tables.keys().filter(|name| name.contains('/'));
        Self(documents.map(|name| (name.clone(), Expected::of(name, &tables))).collect())
    }

    /// Every key is documented, and every documented key that stands in no empty list or null is there.
    fn check(&self, document: &Value) {
        let name = document["schema"].as_str().unwrap();
        let expected = self.0.get(name).unwrap_or_else(|| panic!("{name} is not in SCHEMA.md"));
        let real = paths(document);
        for path in &real {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            assert!(
                expected.allowed.contains(path) || expected.by_name.contains(parent),
                "{name}: `{path}` is written but not documented"
            );
        }
        for path in &expected.allowed {
            assert!(
                real.contains(path) || stands_in_nothing(document, path),
                "{name}: `{path}` is documented but not written"
            );
        }
    }
}

impl Expected {
    fn of(table: &str, tables: &BTreeMap<String, Vec<(String, String)>>) -> Self {
        let mut expected = Self::default();
        expected.add(table, "", tables);
        expected
    }

    fn add(&mut self, table: &str, beneath: &str, tables: &BTreeMap<String, Vec<(String, String)>>) {
        for (key, kind) in &tables[table] {
            let path = if beneath.is_empty() { key.clone() } else { format!("{beneath}.{key}") };
            // `used[].id` documents `used` as well.
            let steps: Vec<&str> = path.split('.').collect();
            for end in 1..=steps.len() {
                self.allowed.insert(steps[..end].join(".").trim_end_matches("[]").to_owned());
            }
            let list = kind.strip_prefix("list of ");
            let object = list.unwrap_or(kind).trim_end_matches(" or null");
            if object == BY_NAME {
                self.by_name.insert(path);
            } else if tables.contains_key(object) {
                let beneath = if list.is_some() { format!("{path}[]") } else { path };
                self.add(object, &beneath, tables);
            }
        }
    }
}

/// Whether everything on the way to the path's last key is null or an empty list.
fn stands_in_nothing(document: &Value, path: &str) -> bool {
    let mut values = vec![document];
    let Some((parents, _)) = path.rsplit_once('.') else { return false };
    for step in parents.split('.') {
        let of_each = step.ends_with("[]");
        let below = values.iter().map(|value| &value[step.trim_end_matches("[]")]);
        values = if of_each {
            below.filter_map(Value::as_array).flatten().collect()
        } else {
            below.filter(|value| !value.is_null()).collect()
        };
    }
    values.is_empty()
}
