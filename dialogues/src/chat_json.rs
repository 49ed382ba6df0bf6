//! Reads messages as JSON: `{"role": "user", "content": "…"}`, in a list, under `messages`, or one in each line.
//!
//! Turns are what the person and the assistant said. Instructions, tools and empty messages are passed over and
//! counted. A message without a time has that of the one before it. Rooms it touches: core (types).

use keepsake_core::types::{Origin, SpaceId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::chat::{Chat, ChatError, Names};
use crate::json_fault;

/// How messages are made turns where the file does not say it.
pub struct Defaults<'a> {
    /// Who speaks in the role of the user.
    pub speaker: &'a str,
    /// When the first message was said.
    pub time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Content,
    name: Option<String>,
    #[serde(alias = "created_at", alias = "create_time", alias = "time")]
    timestamp: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    #[default]
    Nothing,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Message>,
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
            Self::Nothing => String::new(),
        }
    }
}

/// Reads messages; those of one file are known by content, as in a log of lines.
pub fn read(text: &str, source: &str, defaults: &Defaults, space: &SpaceId) -> Result<Chat, ChatError> {
    let mut names = Names::new(source, space);
    let mut chat = Chat::default();
    let mut last = defaults.time;
    for (number, message) in messages(text)?.iter().enumerate().map(|(at, message)| (at + 1, message)) {
        let own = message.timestamp.as_ref().filter(|time| !time.is_null());
        let own = own.map(|time| moment(time).ok_or(ChatError::BadTime { number })).transpose()?;
        last = own.or(last);
        let said = message.content.text();
        let (speaker, origin) = match message.role.as_str() {
            "user" | "human" => (defaults.speaker, Origin::User),
            "assistant" => ("assistant", Origin::Assistant),
            _ => ("", Origin::Document),
        };
        if speaker.is_empty() || said.trim().is_empty() {
            chat.passed_over += 1;
            continue;
        }
        let time = last.ok_or(ChatError::NoTime { number })?;
        let said_at = own.map(|time| time.to_string()).unwrap_or_default();
        let turn = names.turn(message.name.as_deref().unwrap_or(speaker), &said, time, &said_at);
        let turn = turn.map_err(|source| ChatError::Turn { what: "message", number, source })?;
        chat.turns.push(turn.from_origin(origin));
    }
    Ok(chat)
}

fn messages(text: &str) -> Result<Vec<Message>, ChatError> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| ChatError::Json(json_fault(&error)));
    }
    if let Ok(conversation) = serde_json::from_str::<Conversation>(text) {
        return Ok(conversation.messages);
    }
    let mut messages = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let message = serde_json::from_str(line)
            .map_err(|error| ChatError::Json(format!("line {}: {}", number + 1, json_fault(&error))))?;
        messages.push(message);
    }
    Ok(messages)
}

/// A time as text, or in seconds since 1970 (milliseconds where seconds would be after the year 5000), UTC.
fn moment(value: &Value) -> Option<Timestamp> {
    const MILLISECONDS_FROM: f64 = 1e11;
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let seconds = if number >= MILLISECONDS_FROM { number / 1000.0 } else { number };
            (0.0..MILLISECONDS_FROM).contains(&seconds).then(|| Timestamp::from_seconds(seconds as i64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use keepsake_core::types::NewTurn;
    use serde_json::json;

    use super::*;

    fn read_text(text: &str, time: Option<&str>) -> Result<Chat, ChatError> {
        let time = time.map(|time| time.parse().unwrap());
        read(text, "log", &Defaults { speaker: "Maria", time }, &SpaceId::default())
    }

    #[test]
    fn roles_times_and_parts_are_read_in_every_shape() {
        let said = [
            json!({"role": "system", "content": "Obey."}),
            json!({"role": "user", "content": "Hi", "timestamp": "2024-03-02T10:15:00Z", "id": "x"}),
            json!({"role": "assistant", "content": null, "tool_calls": []}),
            json!({"role": "tool", "content": "42"}),
            json!({"role": "assistant", "content": [{"type": "text", "text": "Hello"}, {"type": "image"}],
                "created_at": 1_709_374_600}),
            json!({"role": "user", "name": "Tom", "content": "Later", "timestamp": 1_709_374_700_123_i64}),
            json!({"role": "user", "content": "Same time"}),
        ];
        let lines: Vec<String> = said.iter().map(ToString::to_string).collect();
        let (list, under) = (json!(said).to_string(), json!({"messages": said, "model": "m"}).to_string());
        let chat = read_text(&list, None).unwrap();
        assert_eq!(chat.passed_over, 3);
        for other in [under, lines.join("\n"), format!("{}\n\n", lines.join("\r\n"))] {
            assert_eq!(read_text(&other, None).unwrap(), chat);
        }
        let shown: Vec<String> = chat.turns.iter().map(|turn| format!("{turn:?}")).collect();
        let expected = [
            ("Maria", "Hi", "2024-03-02T10:15:00", Origin::User),
            ("assistant", "Hello", "2024-03-02T10:16:40", Origin::Assistant),
            ("Tom", "Later", "2024-03-02T10:18:20", Origin::User),
            ("Maria", "Same time", "2024-03-02T10:18:20", Origin::User),
        ];
        for (shown, (speaker, text, time, origin)) in shown.iter().zip(expected) {
            let turn = NewTurn::new(speaker, text, time.parse().unwrap()).unwrap().from_origin(origin);
            let turn = turn.in_session("log/2024-03-02").unwrap();
            let (start, end) =
                format!("{turn:?}").split_once("reference").map(|(a, _)| a.to_owned()).zip(Some("")).unwrap();
            assert!(shown.starts_with(&start), "{shown} {end}");
        }
        assert_eq!(shown.len(), expected.len());
    }

    #[test]
    fn without_a_time_one_must_be_given() {
        let text = r#"[{"role":"user","content":"Hi"},{"role":"user","content":"Hi"}]"#;
        assert!(matches!(read_text(text, None), Err(ChatError::NoTime { number: 1 })));
        let chat = read_text(text, Some("2024-03-02")).unwrap();
        assert_eq!(chat.turns.len(), 2);
        assert_ne!(chat.turns[0], chat.turns[1], "each has a reference of its own");
    }

    #[test]
    fn what_is_wrong_is_named_without_quoting_it() {
        for (text, says) in [
            (r#"[{"role":"user","content":{"a secret":1}}]"#, "it is no list of messages"),
            (
                r#"[{"content":"a secret"}]"#,
                "it is no list of messages with `role` and `content`: missing field `role`",
            ),
            (
                "{\"role\":\"user\",\"content\":\"x\",\"time\":1}\n{a secret",
                "it is no list of messages with `role` and `content`: line 2",
            ),
            (r#"[{"role":"user","content":"x","time":"a secret"}]"#, "message 1 has a time that is none"),
            (r#"[{"role":"user","content":"x","time":-5}]"#, "message 1 has a time that is none"),
            (
                r#"[{"role":"user","content":"x","time":1,"name":"a\nsecret"}]"#,
                "message 1: the speaker contains",
            ),
        ] {
            let error = read_text(text, None).unwrap_err().to_string();
            assert!(error.starts_with(says) && !error.contains("secret"), "{error}");
        }
    }
}
