//! Arguments, exit codes, and what is said when something is wrong. No model is needed.
//!
//! Rooms it touches: common.

mod common;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use common::{Home, line};
use keepsake_core::testing::files_hold;

#[test]
fn help_and_version_succeed() {
    let home = Home::new();
    for args in [&["--help"][..], &["--version"], &["remember", "--help"], &["models", "--help"]] {
        let ran = home.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!ran.data.is_empty());
    }
}

#[test]
fn wrong_usage_is_2() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &[],
        &["remember", "hi"],
        &["show", "17"],
        &["remember", "hi", "--speaker", "M", "--time", "yesterday", "--keep-only"],
        &["remember", " \n", "--speaker", "M", "--keep-only"],
        &["remember", "hi", "--speaker", "a\nb", "--keep-only"],
        &["ask", " "],
        &["list", "--space", ""],
        &["list", "--threads", "0"],
    ] {
        assert_eq!(home.run(args).code, 2, "{args:?}");
    }
    assert!(!home.bank().exists(), "wrong usage makes nothing");
}

#[test]
fn a_missing_model_is_3_and_nothing_is_stored() {
    let home = Home::new();
    let remedy = "keepsake models pull";
    home.run(&["remember", "I have a dog.", "--speaker", "Maria"]).failed(3, &[remedy]);
    home.run(&["demo"]).failed(3, &[remedy]);
    let file = home.file("turns.jsonl", line("1", "Maria", "I have a dog."));
    home.run(&["ingest", &file]).failed(3, &[remedy]);
    assert_eq!(home.turns().len(), 0);
    home.run(&["ask", "What?"]).failed(3, &[remedy]);
    home.run(&["ask", "What?", "--model", "/nowhere/x.gguf"]).failed(3, &["/nowhere/x.gguf", remedy]);
    home.run(&["ask", "What?", "--model", "no-such-model"]).failed(3, &["no-such-model"]);
    home.run(&["search", "dog"]).failed(3, &[remedy]);
    assert_eq!(home.run(&["search", "dog", "--no-embedder"]).code, 0);
}

#[test]
fn an_unusable_model_is_3_and_names_the_file() {
    let home = Home::new();
    home.run(&["remember", "hi", "--speaker", "M", "--keep-only"]);
    let mut truncated = b"GGUF\x03\0\0\0".to_vec();
    truncated.extend([9; 40]);
    for (name, content) in
        [("empty.gguf", &b""[..]), ("text.gguf", b"not a model at all"), ("cut.gguf", &truncated)]
    {
        let file = home.file(name, content);
        home.run(&["ask", "What?", "--model", &file]).failed(3, &[name]);
        home.run(&["remember", "hello", "--speaker", "M", "--model", &file]).failed(3, &[name]);
    }
    let folder = home.path("folder.gguf");
    fs::create_dir(&folder).unwrap();
    home.run(&["ask", "What?", "--model", folder.to_str().unwrap()]).failed(3, &["folder.gguf"]);
    assert_eq!(home.turns().len(), 1, "nothing was stored beside the first");
}

#[test]
fn a_bank_that_cannot_be_opened_is_4() {
    let home = Home::new();
    home.run(&["list"]).failed(4, &["bank", "--bank"]);
    let file = home.file("file", "x");
    home.run(&["list", "--bank", &file]).failed(4, &[&file]);
    home.run(&["remember", "hi", "--speaker", "M", "--keep-only", "--bank", &file]).failed(4, &[&file]);
    home.run(&["remember", "hi", "--speaker", "M", "--keep-only", "--bank", "/proc/nowhere/bank"])
        .failed(4, &["/proc"]);
}

#[test]
fn a_bank_that_is_open_elsewhere_is_4() {
    let home = Home::new();
    home.run(&["remember", "hi", "--speaker", "M", "--keep-only"]);
    // A stopped reader of a long listing keeps its bank open.
    let turns: Vec<String> = (0..400).map(|n| line(&n.to_string(), "M", &"x".repeat(1000))).collect();
    let file = home.file("turns.jsonl", turns.join("\n"));
    assert_eq!(home.run(&["ingest", &file, "--keep-only"]).code, 0);
    let mut holder = home.command(&["list", "--turns", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = holder.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    home.run(&["list"]).failed(4, &["open elsewhere", home.bank().to_str().unwrap()]);
    drop(out);
    assert_eq!(holder.wait().unwrap().code(), Some(0), "a reader that goes away is no error");
    assert_eq!(home.run(&["list"]).code, 0);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let home = Home::new();
    let turns: Vec<String> = (0..300).map(|n| line(&n.to_string(), "M", &"x".repeat(1000))).collect();
    let file = home.file("turns.jsonl", turns.join("\n"));
    home.run(&["ingest", &file, "--keep-only"]);
    let mut command = home.command(&["list", "--turns"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 4]).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn what_is_not_there_is_1() {
    let home = Home::new();
    home.run(&["remember", "hi", "--speaker", "M", "--keep-only"]);
    home.run(&["show", "m1"]).failed(1, &["m1"]);
    home.run(&["show", "t9"]).failed(1, &["t9"]);
    home.run(&["history", "m1"]).failed(1, &["m1"]);
    home.run(&["forget", "m1"]).failed(1, &["m1"]);
    home.run(&["show", "t1", "--space", "other"]).failed(1, &["t1", "other"]);
    home.run(&["forget", "t1", "--space", "other"]).failed(1, &["t1", "other"]);
    assert_eq!(home.turns().len(), 1, "nothing crosses a space");
    home.run(&["ingest", "/nowhere.json"]).failed(1, &["/nowhere.json"]);
}

#[test]
fn forgetting_says_what_is_left() {
    let home = Home::new();
    home.run(&["remember", "the sentinel xyzzy", "--speaker", "M", "--keep-only"]);
    home.run(&["remember", "something else", "--speaker", "M", "--keep-only"]);
    assert!(files_hold(&home.bank(), b"xyzzy"));
    assert_eq!(home.json(&["forget", "t1"])["forgotten"], serde_json::json!(["t1"]));
    assert!(!files_hold(&home.bank(), b"xyzzy"), "no byte is left");
    home.run(&["show", "t1"]).failed(1, &["t1"]);
    assert_eq!(home.turns().len(), 1);
}

#[test]
fn what_is_due_is_named_and_then_removed() {
    let home = Home::new();
    home.run(&["remember", "the sentinel xyzzy", "--speaker", "M", "--keep-only", "--time", "2001-01-01"]);
    assert_eq!(home.run(&["expire"]).code, 2);
    assert_eq!(home.run(&["expire", "--dry-run"]).code, 2);
    // When it came in counts, not what time it is of.
    assert_eq!(home.json(&["expire", "--older-than", "365"])["due"], serde_json::json!([]));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let due = ["expire", "--older-than", "0", "--unused-for", "9"];
    assert_eq!(home.json(&[&due[..], &["--dry-run"]].concat())["due"], serde_json::json!(["t1"]));
    assert_eq!(home.turns().len(), 1);
    assert_eq!(home.json(&due)["due"], serde_json::json!(["t1"]));
    assert!(home.turns().is_empty() && !files_hold(&home.bank(), b"xyzzy"));
}

#[test]
fn a_sealed_bank_opens_with_its_key_only_and_holds_no_words() {
    let home = Home::new();
    let (key, other) = (home.file("key", [1; 32]), home.file("other", [2; 32]));
    let remember =
        ["remember", "the sentinel xyzzy", "--speaker", "Plugh", "--keep-only", "--key-file", &key];
    home.run(&remember);
    home.run(&[&remember[..], &["--space", "Quux", "--session", "Garply"]].concat());
    for words in [&b"xyzzy"[..], b"Plugh", b"Quux", b"Garply"] {
        assert!(!files_hold(&home.bank(), words));
    }
    let turns =
        |key: &str| home.json(&["list", "--turns", "--key-file", key])["turns"].as_array().unwrap().len();
    assert_eq!(turns(&key), 1);
    home.run(&["list"]).failed(4, &["sealed", "key"]);
    home.run(&["list", "--key-file", &other]).failed(4, &["another key"]);
    home.run(&["list", "--key-file", &home.file("short", "x")]).failed(4, &["1 bytes", "32"]);
    home.run(&["rekey", "--new-key-file", &other]).failed(2, &["--key-file"]);
    let rekeyed = home.json(&["rekey", "--key-file", &key, "--new-key-file", &other]);
    assert_eq!(rekeyed["bank"], home.bank().display().to_string());
    home.run(&["list", "--key-file", &key]).failed(4, &["another key"]);
    assert_eq!(turns(&other), 1);

    let plain = Home::new();
    plain.run(&["remember", "hi", "--speaker", "M", "--keep-only"]);
    plain.run(&["list", "--key-file", &key]).failed(4, &["not sealed"]);
}

#[test]
fn what_is_to_be_forgotten_or_undone_is_named_in_one_way() {
    let home = Home::new();
    for (text, session) in [("one", "a"), ("two", "a"), ("three", "b")] {
        home.run(&["remember", text, "--speaker", "M", "--session", session, "--keep-only"]);
    }
    for bad in [
        &["forget"][..],
        &["forget", "t1", "--session", "a"],
        &["undo"],
        &["undo", "--all", "--session", "a"],
    ] {
        assert_eq!(home.run(bad).code, 2, "{bad:?}");
    }
    home.run(&["undo", "m1"]).failed(2, &["m1", "history"]);
    home.run(&["undo", "t1", "--no-embedder"]).failed(1, &["t1", "not worked through"]);
    home.run(&["forget", "--session", "c"]).failed(1, &["nothing", "default"]);
    home.run(&["forget", "t1", "t9"]).failed(1, &["t9"]);
    assert_eq!(home.turns().len(), 3, "all or nothing");
    assert_eq!(home.json(&["forget", "--session", "a"])["forgotten"], serde_json::json!(["t1", "t2"]));
    assert_eq!(home.json(&["forget", "--all"])["forgotten"], serde_json::json!(["t3"]));
    assert_eq!(home.turns().len(), 0);
    assert_eq!(home.json(&["list", "--quarantined"])["memories"], serde_json::json!([]));
    home.run(&["confirm", "m1", "--no-embedder"]).failed(1, &["m1"]);
}

#[test]
fn what_needs_a_bank_makes_none() {
    let home = Home::new();
    let key = home.file("key", [1; 32]);
    home.run(&["rekey", "--key-file", &key, "--new-key-file", &key]).failed(4, &["no bank"]);
    home.run(&["stats"]).failed(4, &["no bank"]);
    home.run(&["repair"]).failed(4, &["no bank"]);
    assert!(!home.bank().exists());
    fs::create_dir_all(home.bank()).unwrap();
    for command in ["verify", "compact", "list"] {
        home.run(&[command]).failed(4, &["no bank"]);
    }
    assert_eq!(fs::read_dir(home.bank()).unwrap().count(), 0);
}

#[test]
fn the_demo_leaves_the_bank_of_the_environment_alone() {
    let home = Home::new();
    home.run(&["demo"]).failed(3, &["models pull"]);
    assert!(!home.bank().exists());
    let given = home.path("given");
    home.run(&["demo", "--bank", given.to_str().unwrap()]).failed(3, &["models pull"]);
    assert!(given.exists(), "a folder on the command line is used");
}

#[test]
fn a_damaged_bank_is_put_right_and_that_is_said() {
    let home = Home::new();
    home.run(&["remember", "hello", "--speaker", "M", "--keep-only"]);
    assert_eq!(home.json(&["verify"])["recovered"], serde_json::json!([]));
    let journal = home.bank().join("JOURNAL");
    let mut bytes = fs::read(&journal).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let put_right = home.json(&["verify"]);
    assert_eq!(put_right["recovered"].as_array().unwrap().len(), 1, "{put_right}");
    assert_eq!(home.json(&["verify"])["recovered"], serde_json::json!([]));
    assert_eq!(home.turns().len(), 1);
    assert!(home.json(&["compact"])["bytes"].as_u64().unwrap() > 0);
    assert!(!home.bank().join("damaged-1").exists(), "compact removes what was set aside");

    fs::write(&journal, "").unwrap();
    fs::remove_dir_all(home.bank().join("store-2")).unwrap();
    home.run(&["verify"]).failed(4, &["journal", "is damaged", "copy", "repair"]);
    let repaired = home.json(&["repair"]);
    assert_eq!((&repaired["turns"], repaired["lost"].as_array().unwrap().len()), (&serde_json::json!(0), 1));
    assert_eq!(home.run(&["verify"]).code, 0);
}

#[test]
fn the_default_bank_is_in_the_users_data_folder_and_private() {
    let home = Home::new();
    let mut command = home.command(&["remember", "hi", "--speaker", "M", "--keep-only"]);
    command.env_remove("KEEPSAKE_BANK").env("XDG_DATA_HOME", home.path("data"));
    assert!(command.status().unwrap().success());
    let bank = home.path("data").join("keepsake/bank");
    assert!(bank.is_dir());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(bank).unwrap().permissions().mode() & 0o077, 0);
    }
}
