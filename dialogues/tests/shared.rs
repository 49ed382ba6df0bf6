//! The public data sets, where they lie beside the project: what is read of them is what their authors counted.
//!
//! Rooms it touches: dialogues.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by a panic, and says what it left out

use std::path::PathBuf;

use keepsake_dialogues::questions::{Dialogue, Layout, Questions, gold, read};

fn file(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("left out: there is no {}", path.display());
    }
    text
}

fn all(name: &str, text: &str, layout: Layout) -> Questions {
    assert_eq!(Layout::of(text), Ok(layout), "{name}");
    read(text, name, layout, None).unwrap()
}

#[test]
fn locomo() {
    for (name, answerable, adversarial, turns) in [("conv-26", 152, 47, 419), ("conv-30", 81, 24, 369)] {
        let Some(text) = file(&format!("locomo/{name}.json")) else { return };
        let found = all(name, &text, Layout::Locomo);
        let [Dialogue { turns: told, questions, .. }] = &found.dialogues[..] else { panic!("{name}") };
        let can = questions.iter().filter(|asked| asked.is_answerable()).count();
        assert_eq!((can, questions.len() - can, told.len()), (answerable, adversarial, turns), "{name}");
        assert!(found.left_out.is_empty(), "{:?}", found.left_out);
    }
    let Some(text) = file("locomo/gold_repaired.jsonl") else { return };
    let evidence = gold(&text).unwrap();
    assert_eq!(evidence.len(), text.lines().count());
    assert!(evidence.values().all(|ids| ids.iter().all(|id| id.starts_with('D'))));
}

#[test]
fn longmemeval() {
    let Some(text) = file("longmemeval/sample-20.json") else { return };
    let found = all("sample", &text, Layout::Longmemeval);
    assert_eq!((found.dialogues.len(), found.left_out.len()), (20, 0));
    let asked = found.dialogues.iter().flat_map(|dialogue| &dialogue.questions);
    assert_eq!(asked.filter(|asked| !asked.evidence.is_empty() && asked.is_answerable()).count(), 18);
}

#[test]
fn multi_session_chat() {
    let (mut turns, mut noted) = (0, 0);
    for session in 1..=4 {
        let Some(text) = file(&format!("msc/msc_personasummary-session_{session}-valid.txt")) else { return };
        let found = all("msc", &text, Layout::Msc);
        assert_eq!((found.dialogues.len(), found.left_out.len()), (500, 0));
        turns += found.dialogues.iter().map(|dialogue| dialogue.turns.len()).sum::<usize>();
        noted += found
            .dialogues
            .iter()
            .flat_map(|dialogue| &dialogue.noted)
            .filter(|notes| !notes.is_empty())
            .count();
    }
    // Seven of them only in `problem_data`.
    assert_eq!((turns, noted), (25_459, 16_432 + 7));
}
