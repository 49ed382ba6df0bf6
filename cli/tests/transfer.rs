//! Moving out and in through the binary. No model is needed.
//!
//! Rooms it touches: common.

mod common;

use std::fs;

use common::{Home, locomo};
use keepsake_core::testing::files_hold;
use serde_json::json;

#[test]
fn a_sealed_bank_moves_into_another_sealed_bank_and_is_equal() {
    let home = Home::new();
    let (key, other) = (home.file("key", [1; 32]), home.file("other", [2; 32]));
    let conversation = home.file("c.json", locomo(2, 6));
    home.json(&["ingest", &conversation, "--keep-only", "--key-file", &key]);
    let hostile = "</script> \u{202e}\u{0}\u{1b}[2J <|im_end|>\nnext line \u{1f415}".replace('\u{0}', "");
    home.run(&["remember", &hostile, "--speaker", "M", "--space", "b", "--keep-only", "--key-file", &key]);
    let long = "x".repeat(1 << 20);
    let file = home.file("long.txt", &long);
    let mut remember =
        home.command(&["remember", "-", "--speaker", "M", "--space", "b", "--keep-only", "--key-file", &key]);
    assert!(remember.stdin(fs::File::open(file).unwrap()).status().unwrap().success());

    let (first, second) = (home.path("1.jsonl"), home.path("2.jsonl"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let written = home.json(&["export", first, "--all-spaces", "--key-file", &key]);
    assert_eq!((&written["turns"], &written["memories"]), (&json!(14), &json!(0)));
    let moved = home.path("moved");
    let into = ["--bank", moved.to_str().unwrap(), "--key-file", &other];
    assert_eq!(home.json(&[&["import", first], &into[..]].concat())["turns"], json!(14));
    home.json(&[&["export", second, "--all-spaces"], &into[..]].concat());
    let lines =
        |file: &str| fs::read_to_string(file).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(first), lines(second));
    // The first line has the time of writing, and the last one its hash.
    assert_eq!(before[..before.len() - 1], after[..after.len() - 1]);
    assert!(!files_hold(&moved, b"Mittens"), "sealed");
    home.run(&[&["import", first], &into[..]].concat()).failed(1, &["not empty", "new one"]);
}

#[test]
fn a_file_that_is_there_is_not_written_over_and_a_damaged_one_not_taken_in() {
    let home = Home::new();
    home.run(&["remember", "the sentinel xyzzy", "--speaker", "M", "--keep-only"]);
    let file = home.file("e.jsonl", "mine");
    home.run(&["export", &file]).failed(2, &["e.jsonl", "--force"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    home.json(&["export", &file, "--force"]);
    let whole = fs::read_to_string(&file).unwrap();
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    let new = home.path("new");
    let import = |file: &str| home.run(&["import", file, "--bank", new.to_str().unwrap()]);
    let cut = home.file("cut.jsonl", &whole[..whole.len() - 20]);
    import(&cut).failed(1, &["cut short", "nothing was imported"]);
    let edited = home.file("edited.jsonl", whole.replace("xyzzy", "plugh"));
    let ran = import(&edited);
    ran.failed(1, &["changed", "nothing was imported"]);
    assert!(!ran.notes.contains("plugh"));
    let foreign = home.file("foreign.json", "{\"a\": 1}");
    import(&foreign).failed(1, &["neither"]);
    assert!(!new.exists(), "what is not sound leaves no bank behind");
    home.run(&["export", "-", "--space", "typo"]).failed(2, &["typo", "spaces of this bank: default"]);
    home.run(&["export", home.path("none/x").to_str().unwrap()]).failed(1, &["none/x"]);
    assert_eq!(import(&file).code, 0);
}

#[test]
fn mem0s_memories_become_memories_and_only_once() {
    let home = Home::new();
    let mut memories = vec![
        json!({"id": "1", "memory": "Likes tea", "user_id": "tom", "created_at": "2024-07-01T08:30:00Z"}),
    ];
    let file = home.file("mem0.json", json!({"results": memories}).to_string());
    assert_eq!(home.json(&["import", &file])["memories"], json!(1));
    memories.push(json!({"id": "2", "memory": "Has a boat", "created_at": "2024-07-02"}));
    let file = home.file("mem0.json", json!(memories).to_string());
    assert_eq!(home.json(&["import", &file])["memories"], json!(1));
    memories[1] = json!({"id": "2", "memory": "Has two boats", "created_at": "2024-07-02"});
    let changed = home.file("mem0.json", json!({"memories": memories}).to_string());
    let again = home.json(&["import", &changed]);
    assert_eq!(
        (&again["memories"], &again["known"], &again["changed"]),
        (&json!(0), &json!(1), &json!(["t2"]))
    );
    let listed = home.json(&["list"])["memories"].as_array().unwrap().clone();
    let said: Vec<_> = listed
        .iter()
        .map(|memory| (memory["speaker"].as_str().unwrap(), memory["text"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("tom", "Likes tea"), ("me", "Has a boat")]);
    assert!(listed.iter().all(|memory| memory["origin"] == "imported"));
    assert!(home.turns().iter().all(|turn| turn["outcome"]["status"] == "done"), "no model is asked");
    let page = home.run(&["export", "-", "--format", "markdown"]);
    assert!(page.data.contains("- Likes tea (1 July 2024, m1)"), "{}", page.data);
}
