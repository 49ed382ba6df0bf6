//! The rules the source keeps: headers, rooms without cycles, licences, and no network code in core.
//!
//! Rooms it touches: none.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test both are the verdict

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn all_sources() -> Vec<PathBuf> {
    let folders = [
        "adapters/src",
        "core/src",
        "dialogues/src",
        "cli/src",
        "cli/tests",
        "tests/src",
        "tests/tests",
        "tests/benches",
        "fuzz/fuzz_targets",
        "rivals/src",
        "trainer/src",
        "trainer/tests",
        "trainer/benches",
    ];
    folders.iter().flat_map(|folder| sources(&root().join(folder))).collect()
}

#[test]
fn every_file_says_what_it_is_for_and_which_rooms_it_touches() {
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(header.len() > 60, "{} has no header that says what it is for", path.display());
        if path.file_name().is_some_and(|name| name != "lib.rs") {
            assert!(
                header.contains("ooms it touches:"),
                "{} does not say which rooms it touches",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_unfinished_is_in_the_source() {
    let marks = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["todo", "!("],
        ["unimplemented", "!("],
        ["dbg", "!("],
        ["#[ign", "ore"],
    ];
    for path in all_sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in marks.map(|parts| parts.concat()) {
            assert!(!text.contains(&mark), "{} contains {mark}", path.display());
        }
    }
}

/// The rooms of core from the top down; one may use those above it. `testing` serves tests only.
const ROOMS: [&str; 12] = [
    "heap", "types", "when", "decision", "config", "prompt", "model", "embed", "bank", "transfer", "index",
    "pipeline",
];

#[test]
fn the_rooms_of_core_form_a_dag() {
    let order: BTreeMap<&str, usize> = ROOMS.iter().enumerate().map(|(at, room)| (*room, at)).collect();
    let core = root().join("core/src");
    let mut seen = BTreeSet::new();
    for path in sources(&core) {
        let inside = path.strip_prefix(&core).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs");
        let Some(at) = order.get(room) else { continue };
        seen.insert(room.to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let uses = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
        for used in uses.flat_map(|line| line.split("crate::").skip(1)) {
            let room_used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let conformance = path.file_name().is_some_and(|name| name == "conformance.rs");
            assert!(room_used != "engine", "{}: a room uses the engine", path.display());
            assert!(room_used != "testing" || conformance, "{}: shipped code uses testing", path.display());
            if let Some(above) = order.get(room_used.as_str()) {
                assert!(
                    above <= at || conformance,
                    "{}: {room} uses {room_used}, which is below it",
                    path.display()
                );
            }
        }
    }
    assert_eq!(seen.len(), ROOMS.len(), "a room is missing: {seen:?}");
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every dependency can be used under one of these.
#[test]
fn every_dependency_has_a_licence_we_may_ship() {
    const ALLOWED: [&str; 12] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "CDLA-Permissive-2.0",
        "Unlicense",
        "CC0-1.0",
        "MPL-2.0",
        "0BSD",
    ];
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        let fits = licence.split(" AND ").all(|all| {
            all.split(" OR ").any(|one| {
                let one = one.trim_matches(['(', ')', ' ']);
                ALLOWED.contains(&one) || one == "Apache-2.0 WITH LLVM-exception"
            })
        });
        assert!(fits, "{} has the licence {licence:?}", package["name"]);
    }
}

/// Invariant 5: core links no network code. The cli is the only place that fetches.
#[test]
fn core_reaches_no_network_crate() {
    const NETWORK: [&str; 12] = [
        "ureq",
        "reqwest",
        "hyper",
        "tokio",
        "mio",
        "socket2",
        "rustls",
        "native-tls",
        "openssl",
        "curl",
        "quinn",
        "async-std",
    ];
    let metadata = metadata();
    let nodes: BTreeMap<&str, &serde_json::Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let core = nodes
        .keys()
        .find(|id| id.contains("core#") && id.contains("keepsake"))
        .or_else(|| nodes.keys().find(|id| id.contains("keepsake-core")));
    let mut open = vec![*core.expect("core is in the workspace")];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let shipped =
                dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if shipped {
                open.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    assert!(reached.len() > 20, "the tree of core was not read");
    for id in reached {
        let name = id.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap();
        let name = name.split('@').next().unwrap();
        assert!(!NETWORK.contains(&name), "core reaches {id}");
    }
}
