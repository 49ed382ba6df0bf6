//! A language model as judge: whether an answer means the gold answer. Always labelled with its name, never on by default.
//!
//! The verdict is asked for as in Mem0's evaluation (arXiv 2504.19413): generous, the same topic counts, any format of the
//! same date counts. LongMemEval's questions are judged by five instructions for their kinds, as its paper has them (arXiv
//! 2410.10813, appendix): temporal ones forgive a day, of what was updated the newest counts, preferences are a rubric, and
//! what was never said must be recognised. The wording is ours.
//!
//! A judge is any server that has OpenAI's `chat/completions`, or a model on this machine. Its key goes to it alone, and
//! never unencrypted over a network. Rooms it touches: evaluate; dialogues; of core: model.

use std::fmt;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use keepsake_core::model::{LanguageModel, ModelError, Request, Role, Sampling};
use keepsake_core::prompt::chat::Chat;
use keepsake_core::types::Cancel;
use keepsake_dialogues::questions::{Asked, Layout};
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::Uri;

use super::Model;

/// Largest reply of a server, bytes.
const LARGEST: u64 = 1 << 20;
/// Tokens of a verdict; a model that thinks first needs many.
const VERDICT_TOKENS: usize = 1024;
/// How often a server that is busy or not there is asked.
const ATTEMPTS: u32 = 5;
/// How long one reply may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Why there is no judge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The address is none.
    #[error(
        "{0} is no address of a judge: give one like https://host/v1 or http://localhost:8000/v1, or `local`"
    )]
    Address(String),
    /// The key would be readable on its way.
    #[error(
        "the key is not sent to {0} unencrypted: use an https address, or leave --judge-key-variable out"
    )]
    KeyInClear(String),
    /// The variable cannot be used.
    #[error(
        "the environment variable {0} holds no key that can be sent: set it, or leave --judge-key-variable out"
    )]
    Key(String),
}

/// Who judges.
pub enum Judge {
    /// The model on this machine, without adapters.
    Local {
        /// The model's name.
        name: String,
    },
    /// A server.
    Remote(Remote),
}

/// A server with OpenAI's interface.
pub struct Remote {
    agent: Agent,
    url: String,
    host: String,
    model: String,
    key: Option<String>,
    /// Before the second attempt; doubled each time.
    pause: Duration,
}

impl fmt::Display for Judge {
    /// The name that every verdict is labelled with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { name } => write!(f, "{name}, on this machine"),
            Self::Remote(remote) => write!(f, "{} at {}", remote.model, remote.host),
        }
    }
}

/// The key in an environment variable.
pub fn key_from(variable: &str) -> Result<String, JudgeError> {
    let key = std::env::var(variable).ok().filter(|key| !key.is_empty());
    let sendable = key.filter(|key| key.bytes().all(|byte| (b'!'..=b'~').contains(&byte)));
    sendable.ok_or_else(|| JudgeError::Key(variable.to_owned()))
}

impl Remote {
    /// A server at an address like `http://localhost:8000/v1`; `pause` is how long it is waited before a busy one is asked
    /// again.
    pub fn new(address: &str, model: &str, key: Option<String>, pause: Duration) -> Result<Self, JudgeError> {
        let wrong = || JudgeError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let host = uri
            .authority()
            .filter(|_| matches!(uri.scheme_str(), Some("http" | "https")))
            .ok_or_else(wrong)?;
        let host_alone = uri.host().unwrap_or_default();
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host_alone);
        if key.is_some() && uri.scheme_str() != Some("https") && !here {
            return Err(JudgeError::KeyInClear(host_alone.to_owned()));
        }
        let root = address.trim_end_matches('/').trim_end_matches("/chat/completions");
        // A name and password in an address are shown nowhere.
        let host = host.as_str().rsplit('@').next().unwrap_or_default().to_owned();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("keepsake-trainer/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self { agent, url: format!("{root}/chat/completions"), host, model: model.to_owned(), key, pause })
    }

    /// What the server says to a chat; or why it says nothing, without repeating what was sent.
    fn said(&self, chat: &Chat) -> Result<String, String> {
        let body = Body {
            model: &self.model,
            temperature: 0.0,
            max_tokens: VERDICT_TOKENS,
            messages: [
                Message { role: "system", content: &chat.system },
                Message { role: "user", content: &chat.user },
            ],
        };
        let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(self.pause * (1 << (attempt - 1)));
            }
            let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
            if let Some(key) = &self.key {
                request = request.header("Authorization", format!("Bearer {key}"));
            }
            let mut response = match request.send(&body[..]) {
                Ok(response) => response,
                Err(error) => {
                    why = format!("the judge cannot be reached: {error}");
                    continue;
                }
            };
            let status = response.status().as_u16();
            match status {
                200..=299 => {}
                408 | 409 | 429 | 500..=599 => {
                    why = format!("the judge is busy or broken: status {status}");
                    continue;
                }
                _ => return Err(format!("the judge refuses: status {status}")),
            }
            let text = response.body_mut().with_config().limit(LARGEST).read_to_string();
            let text = text.map_err(|error| format!("the judge's reply broke off: {error}"))?;
            let reply: Reply = serde_json::from_str(&text)
                .map_err(|_| "the judge's reply is none of OpenAI's shape".to_owned())?;
            let said = reply.choices.into_iter().next().and_then(|choice| choice.message.content);
            return said.ok_or_else(|| "the judge said nothing".to_owned());
        }
        Err(why)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    temperature: f32,
    max_tokens: usize,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

/// Whether an answer is right; or why there is no verdict.
pub(super) fn verdict(
    judge: &Judge,
    model: &Model<'_>,
    asked: &Asked,
    layout: Layout,
    answer: &str,
) -> Result<bool, String> {
    let chat = chat(asked, layout, answer);
    let said = match judge {
        Judge::Remote(remote) => remote.said(&chat)?,
        Judge::Local { .. } => local(model.get().map_err(|error| error.to_string())?.as_ref(), chat)?,
    };
    read(&said).ok_or_else(|| "its reply has no verdict".to_owned())
}

fn local(model: &dyn LanguageModel, chat: Chat) -> Result<String, String> {
    let request = Request {
        role: Role::Answer,
        chat: Chat { reply_start: "Verdict:".to_owned(), ..chat },
        grammar: Some(" (CORRECT|WRONG)".to_owned()),
        max_tokens: 8,
        sampling: Sampling::Greedy,
    };
    let said = model.complete(&request, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
    said.map(|completion| completion.text).map_err(|error: ModelError| error.to_string())
}

/// The last verdict in a reply: what a model thinks first may name both.
fn read(reply: &str) -> Option<bool> {
    let upper = reply.to_uppercase();
    let words = upper.split(|letter: char| !letter.is_alphabetic());
    words.rev().find_map(|word| match word {
        "CORRECT" | "YES" => Some(true),
        "WRONG" | "INCORRECT" | "NO" => Some(false),
        _ => None,
    })
}

const SYSTEM: &str = "You grade answers to questions about people's conversations. End your reply with one word: CORRECT or \
WRONG.";
const GENEROUS: &str = "Be generous: an answer is CORRECT where it names the same thing as the gold answer, in whatever \
words and however long, and a time is CORRECT where it is the same day or span in any format. It is WRONG where it names \
something else, or says that it does not know.";
const TEMPORAL: &str = " Of a number of days, weeks or months, one more or less is CORRECT too.";
const UPDATED: &str = " Where the answer also tells what was so before, it is CORRECT as long as what is so now is the gold \
answer.";
const PREFERENCE: &str = "The gold answer says what a good reply to this person would go by. An answer is CORRECT where it \
goes by what is known of the person; it need not do all that the gold answer lists.";
const ABSTAINS: &str = "The conversation does not say. An answer is CORRECT where it says that this is not known or was not \
said, and WRONG where it answers all the same.";

fn chat(asked: &Asked, layout: Layout, answer: &str) -> Chat {
    let rule = match (asked.is_answerable(), layout, asked.category.as_str()) {
        (false, ..) => ABSTAINS.to_owned(),
        (_, Layout::Longmemeval, "single-session-preference") => PREFERENCE.to_owned(),
        (_, Layout::Longmemeval, "temporal-reasoning") => format!("{GENEROUS}{TEMPORAL}"),
        (_, Layout::Longmemeval, "knowledge-update") => format!("{GENEROUS}{UPDATED}"),
        _ => GENEROUS.to_owned(),
    };
    let gold = if asked.is_answerable() {
        format!("Gold answer: {}\n", asked.gold.join(" / "))
    } else {
        String::new()
    };
    let user = format!(
        "{rule}\n\nQuestion: {}\n{gold}Answer: {answer}\n\nIs the answer CORRECT or WRONG?",
        asked.text
    );
    Chat { system: SYSTEM.to_owned(), user, reply_start: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(category: &str, gold: &[&str]) -> Asked {
        Asked {
            id: "q".into(),
            text: "When?".into(),
            gold: gold.iter().map(|gold| (*gold).to_owned()).collect(),
            category: category.into(),
            evidence: Vec::new(),
            sessions: Vec::new(),
            at: None,
        }
    }

    #[test]
    fn the_last_verdict_counts() {
        assert_eq!(read("It names the same day, so it is not WRONG. **CORRECT**"), Some(true));
        assert_eq!(read("{\"label\": \"WRONG\"}"), Some(false));
        assert_eq!(read("incorrect."), Some(false));
        assert_eq!(read("I cannot say"), None);
    }

    #[test]
    fn each_kind_of_question_has_its_rule() {
        let rule = |category: &str, layout, gold: &[&str]| chat(&asked(category, gold), layout, "x").user;
        let long = |category: &str| rule(category, Layout::Longmemeval, &["2"]);
        let five = [
            long("single-session-user"),
            long("temporal-reasoning"),
            long("knowledge-update"),
            long("single-session-preference"),
            rule("multi-session", Layout::Longmemeval, &[]),
        ];
        let unlike: std::collections::BTreeSet<&String> = five.iter().collect();
        assert_eq!(unlike.len(), 5);
        assert!(five[1].contains("one more or less") && five[4].contains("does not say"));
        assert!(!five[4].contains("Gold answer:") && five[0].contains("Gold answer: 2\n"));
        assert_eq!(rule("4", Layout::Locomo, &["2"]), five[0]);
    }

    #[test]
    fn addresses_and_keys_are_checked_before_anything_is_sent() {
        let of = |address: &str, key: Option<&str>| {
            Remote::new(address, "m", key.map(str::to_owned), Duration::ZERO)
                .map(|remote| (remote.url, remote.host))
        };
        assert_eq!(
            of("http://localhost:8000/v1/", Some("k")).unwrap(),
            ("http://localhost:8000/v1/chat/completions".to_owned(), "localhost:8000".to_owned())
        );
        assert_eq!(
            of("https://a.example/v1/chat/completions", None).unwrap().0,
            "https://a.example/v1/chat/completions"
        );
        assert!(matches!(of("http://a.example/v1", Some("k")), Err(JudgeError::KeyInClear(_))));
        assert!(of("http://a.example/v1", None).is_ok());
        assert!(matches!(of("ftp://a.example", None), Err(JudgeError::Address(_))));
        assert!(matches!(of("judge", None), Err(JudgeError::Address(_))));
        assert!(
            key_from("KEEPSAKE_NO_SUCH_VARIABLE")
                .unwrap_err()
                .to_string()
                .contains("KEEPSAKE_NO_SUCH_VARIABLE")
        );
    }
}
