//! FriendsQA (Yang and Choi, 2019): scenes of a television series, and questions whose answers are words of a turn.
//!
//! The file is tokenised ("do n't", "hey , you"), names no dates and marks an answer by turn. Words are put together again,
//! each scene is given a day, and an answer that is the speaker of a turn is the speaker's name as the turn has it.
//!
//! Rooms it touches: core (types), questions.

use keepsake_core::types::{InvalidInput, NewTurn, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Asked, Dialogue, Questions, nothing_but_faults};
use crate::json_fault;

/// 2 January 2023, 12:00: the day of the first scene. Each other one has the next.
const FIRST: i64 = 1_672_660_800;
const DAY: i64 = 86_400;
/// Seconds between two turns.
const PAUSE: i64 = 30;

#[derive(Deserialize)]
struct File {
    data: Vec<Value>,
}

#[derive(Deserialize)]
struct Scene {
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    /// The file's own misprint has a colon.
    #[serde(rename = "utterances:")]
    utterances: Vec<Utterance>,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Utterance {
    uid: u64,
    speakers: Vec<String>,
    #[serde(rename = "utterance")]
    text: String,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    #[serde(rename = "question")]
    text: String,
    answers: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    answer_text: String,
    utterance_id: u64,
}

pub(super) fn read(text: &str) -> Result<Questions, String> {
    let file: File = serde_json::from_str(text).map_err(|error| json_fault(&error))?;
    let mut found = Questions::default();
    for (number, item) in file.data.iter().enumerate() {
        let scene = Scene::deserialize(item).map_err(|error| json_fault(&error));
        let day = Timestamp::from_seconds(FIRST + DAY * number as i64);
        match scene.and_then(|scene| dialogues(&scene, day).map_err(|error| error.to_string())) {
            Ok(dialogues) => found.dialogues.extend(dialogues),
            Err(what) => found.left_out.push(format!("scene {}: {what}", number + 1)),
        }
    }
    nothing_but_faults(found)
}

/// The parts of a scene, each a conversation of its own.
fn dialogues(scene: &Scene, day: Timestamp) -> Result<Vec<Dialogue>, InvalidInput> {
    let named =
        |nth: usize| if nth == 0 { scene.title.clone() } else { format!("{}/{}", scene.title, nth + 1) };
    scene.paragraphs.iter().enumerate().map(|(nth, part)| dialogue(&named(nth), part, day)).collect()
}

fn dialogue(name: &str, part: &Paragraph, day: Timestamp) -> Result<Dialogue, InvalidInput> {
    let mut dialogue = Dialogue { name: name.to_owned(), ..Dialogue::default() };
    let reference = |uid: u64| format!("{name}/{uid}");
    for (at, said) in part.utterances.iter().enumerate().filter(|(_, said)| !said.text.trim().is_empty()) {
        let time = Timestamp::from_seconds(day.seconds() + PAUSE * at as i64);
        let turn = NewTurn::new(&speaker(said), &together(&said.text), time)?.in_session(name)?;
        dialogue.turns.push(turn.with_reference(&reference(said.uid))?);
    }
    for question in &part.qas {
        let golds = question.answers.iter().map(|span| answer(&span.answer_text));
        let golds: Vec<String> = golds.filter(|gold| !gold.is_empty()).collect();
        if golds.is_empty() {
            continue;
        }
        let mut evidence: Vec<String> =
            question.answers.iter().map(|span| reference(span.utterance_id)).collect();
        evidence.sort_unstable();
        evidence.dedup();
        dialogue.questions.push(Asked {
            id: question.id.clone(),
            text: together(&question.text),
            gold: golds,
            category: question.text.split_whitespace().next().unwrap_or_default().to_lowercase(),
            evidence,
            sessions: Vec::new(),
            at: None,
        });
    }
    Ok(dialogue)
}

/// What is told beside the dialogue has no speaker.
fn speaker(said: &Utterance) -> String {
    let names: Vec<&str> =
        said.speakers.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "Narrator".to_owned() } else { names.join(" and ") }
}

/// An answer without the marks around it.
fn answer(text: &str) -> String {
    let edge = |letter: char| letter.is_whitespace() || [',', '.', '!', '?', ';', ':'].contains(&letter);
    together(text.trim_matches(edge))
}

/// Tokens as one writes them: "do n't worry , I 'm fine ." is "don't worry, I'm fine."
fn together(tokens: &str) -> String {
    /// Two tokens of one word.
    const WORDS: [(&str, &str); 6] =
        [("gon", "na"), ("wan", "na"), ("got", "ta"), ("can", "not"), ("gim", "me"), ("lem", "me")];
    const ENDINGS: [&str; 8] = ["n't", "'s", "'m", "'re", "'ve", "'ll", "'d", "'"];
    let mut text = String::new();
    let mut opens = false;
    let mut before = "";
    for token in tokens.split_whitespace() {
        let ends =
            token.chars().all(|letter| ",.!?;:)]}%".contains(letter)) || token == "..." || token == "''";
        let goes_on = ENDINGS.iter().any(|ending| token.eq_ignore_ascii_case(ending));
        let word = WORDS.iter().any(|(first, last)| before.eq_ignore_ascii_case(first) && token == *last);
        if !(text.is_empty() || ends || goes_on || word || opens) {
            text.push(' ');
        }
        text.push_str(match token {
            "``" | "''" => "\"",
            token => token,
        });
        opens = matches!(token, "(" | "[" | "``" | "$");
        before = token;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_together() {
        for (tokens, text) in [
            ("Hey , do n't worry , I 'm fine .", "Hey, don't worry, I'm fine."),
            ("What 's Ross ' plan ?", "What's Ross' plan?"),
            ("Get 'em , 'cause I 'll go", "Get 'em, 'cause I'll go"),
            ("We 're gon na pay $ 20 , okay ?", "We're gonna pay $20, okay?"),
            ("( laughs ) She said `` no ''", "(laughs) She said \"no\""),
        ] {
            assert_eq!(together(tokens), text);
        }
        assert_eq!(answer("the couch ,"), "the couch");
    }

    #[test]
    fn questions_name_the_turns_of_their_answers() {
        let text = r#"{"data":[{"title":"s01","paragraphs":[{"utterances:":[
            {"uid":0,"speakers":["Joey","Ross"],"utterance":"Hi ."},{"uid":1,"speakers":[],"utterance":"They sit ."}],
            "qas":[{"id":"q1","question":"Who said hi ?","answers":[
                {"answer_text":"Joey","utterance_id":0},{"answer_text":"Ross","utterance_id":0}]},
              {"id":"q2","question":"Why ?","answers":[]},
              {"id":"q3","question":"What ?","answers":[{"answer_text":"...","utterance_id":1}]}]}]},{"title":3}]}"#;
        let found = read(text).unwrap();
        let dialogue = &found.dialogues[0];
        let said: Vec<(&str, &str)> =
            dialogue.turns.iter().map(|turn| (turn.speaker(), turn.text())).collect();
        assert_eq!(said, [("Joey and Ross", "Hi."), ("Narrator", "They sit.")]);
        let asked = &dialogue.questions[..];
        assert_eq!(
            (asked.len(), asked[0].text.as_str(), asked[0].category.as_str()),
            (1, "Who said hi?", "who")
        );
        assert_eq!(
            (&asked[0].gold[..], &asked[0].evidence[..]),
            (&["Joey".to_owned(), "Ross".into()][..], &["s01/0".to_owned()][..])
        );
        assert_eq!(found.left_out, ["scene 2: a value does not fit, expected a string"]);
        assert!(read("{}").is_err() && read(r#"{"data":[]}"#).is_err());
    }
}
