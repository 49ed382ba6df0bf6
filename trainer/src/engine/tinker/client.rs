//! Blocking HTTP to a Tinker server: requests, what is tried again, and futures that are asked for until they
//! are done.
//!
//! Statuses and waits are those of Thinking Machines' client (`execute_with_retries` and `_result_async` of
//! package `tinker`, 0.15.0): 408, 409, 429 and 5xx are tried again, as is a broken connection, after 1, 2, 4
//! … 30 s for five minutes. Departures: a request that must not be made twice is not repeated where the
//! server may have taken it already ([`Repeat::Never`]), because SkyRL does not know a repeated request by
//! its `seq_id`; and a 400 with a reason is final, which is how SkyRL reports a failed future. Redirects are
//! followed for an adapter's archive only, and without the key.
//!
//! It deliberately knows no models, losses or parts. Rooms it touches: none.

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::TinkerError;
use super::wire::{Detail, Future, Outcome, Problem, RetrieveFuture};

/// The environment variable in which Thinking Machines' client looks for its key.
pub const KEY_VARIABLE: &str = "TINKER_API_KEY";

/// Largest reply or archive, bytes: the adapter of a large model.
const LARGEST: u64 = 8 << 30;

/// Most of what a server says that an error repeats, in characters.
const MOST_SAID: usize = 300;

/// How often a 400 without a reason is asked again: proxies make them up now and then.
const BARE_400S: u32 = 3;

/// A key to a server. It is shown nowhere.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key in an environment variable, if it is set. SkyRL's server asks for none.
    pub fn from_variable(name: &str) -> Result<Option<Self>, TinkerError> {
        let Some(key) = std::env::var_os(name).filter(|key| !key.is_empty()) else { return Ok(None) };
        let sendable = |key: &String| key.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        let key = key.into_string().ok().filter(sendable).ok_or_else(|| TinkerError::Key(name.to_owned()))?;
        Ok(Some(Self(key)))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// How long what is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the second attempt; doubled each time.
    pub first: Duration,
    /// The longest wait between two attempts.
    pub longest: Duration,
    /// Attempts without success, together.
    pub trouble: Duration,
    /// One request and its reply. An adapter's archive is given `work`.
    pub request: Duration,
    /// A result. The first pass of a server compiles, which takes minutes.
    pub work: Duration,
}

impl Default for Patience {
    /// `first`, `longest`, `trouble` and `request` as Thinking Machines' client has them; `work` as its stuck
    /// detection.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            first: seconds(1),
            longest: seconds(30),
            trouble: seconds(300),
            request: seconds(60),
            work: seconds(7200),
        }
    }
}

impl Patience {
    fn wait(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(self.longest)
    }
}

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its address without `/api/v1`.
    pub url: String,
    /// What opens it.
    pub key: Option<ApiKey>,
    /// How long what is waited for.
    pub patience: Patience,
}

/// Whether a request may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second one does no harm, or the server knows that it is the same.
    Freely,
    /// Only where the server cannot have taken the first.
    Never,
}

/// Talks to a server.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    /// Without a slash at the end.
    root: String,
    key: Option<ApiKey>,
    patience: Patience,
}

impl Client {
    pub(super) fn new(server: &Server) -> Result<Self, TinkerError> {
        let root = server.url.trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        let host = host(&root).ok_or_else(|| TinkerError::Address(server.url.clone()))?;
        if server.key.is_some() && !root.starts_with("https://") && !is_this_machine(host) {
            return Err(TinkerError::KeyInClear(host.to_owned()));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            // Shorter than servers keep a silent connection, so that none is found closed.
            .max_idle_age(Duration::from_secs(2))
            .user_agent(concat!("keepsake-trainer/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self { agent, root, key: server.key.clone(), patience: server.patience })
    }

    /// Asks for something that is answered at once.
    pub(super) fn post<A: DeserializeOwned>(
        &self,
        route: &'static str,
        request: &impl Serialize,
        repeat: Repeat,
    ) -> Result<A, TinkerError> {
        let body = serde_json::to_vec(request).map_err(|error| reply_error(route, &error))?;
        let limit = self.patience.request;
        let reply = self.until_success(route, repeat, &mut || self.exchange(route, Some(&body), limit))?;
        parse(route, &reply)
    }

    pub(super) fn get<A: DeserializeOwned>(&self, route: &'static str) -> Result<A, TinkerError> {
        let limit = self.patience.request;
        let reply = self.until_success(route, Repeat::Freely, &mut || self.exchange(route, None, limit))?;
        parse(route, &reply)
    }

    /// Asks once, whatever comes of it.
    pub(super) fn try_post(&self, route: &'static str, request: &impl Serialize) -> bool {
        let Ok(body) = serde_json::to_vec(request) else { return false };
        self.exchange(route, Some(&body), Duration::from_secs(10)).is_ok_and(|reply| reply.is_success())
    }

    /// The result of a future; `route` is what it was asked from.
    pub(super) fn wait<A: DeserializeOwned>(
        &self,
        route: &'static str,
        future: &Future,
    ) -> Result<A, TinkerError> {
        let request = RetrieveFuture { request_id: &future.request_id };
        let body = serde_json::to_vec(&request).map_err(|error| reply_error(route, &error))?;
        let started = Instant::now();
        let mut trouble: Option<(Instant, u32)> = None;
        let mut bare = 0;
        loop {
            if started.elapsed() > self.patience.work {
                return Err(TinkerError::TooSlow { doing: route, waited: self.patience.work });
            }
            let why = match self.exchange("retrieve_future", Some(&body), self.patience.request) {
                Ok(reply) if reply.is_success() => {
                    if let Some(result) = outcome(route, &reply)? {
                        return Ok(result);
                    }
                    trouble = None;
                    thread::sleep(self.patience.first.min(Duration::from_millis(100)));
                    continue;
                }
                // The server held the request as long as it liked to.
                Ok(reply) if reply.status == 408 => {
                    trouble = None;
                    continue;
                }
                Err(Line { still_working: true, .. }) => {
                    trouble = None;
                    continue;
                }
                Ok(reply) if reply.status == 400 => match said(&reply.body) {
                    said if said.is_empty() && bare < BARE_400S => {
                        bare += 1;
                        "status 400".to_owned()
                    }
                    said => return Err(TinkerError::Failed { doing: route, said }),
                },
                Ok(reply) if reply.status == 410 => {
                    let said = "the result is no longer kept".to_owned();
                    return Err(TinkerError::Failed { doing: route, said });
                }
                Ok(reply) if reply.is_temporary() => reply.in_words(),
                Ok(reply) => return Err(reply.refused(route)),
                Err(line) => line.why,
            };
            let (since, attempt) = trouble.unwrap_or((Instant::now(), 0));
            trouble = Some((since, attempt + 1));
            let wait = self.patience.wait(attempt);
            if since.elapsed() + wait > self.patience.trouble {
                return Err(TinkerError::GaveUp { doing: route, tried: self.patience.trouble, why });
            }
            thread::sleep(wait);
        }
    }

    /// The archive of a checkpoint: SkyRL and Thinking Machines both answer with where it lies.
    pub(super) fn archive(&self, run: &str, checkpoint: &str) -> Result<Vec<u8>, TinkerError> {
        const ROUTE: &str = "archive";
        let path = format!("training_runs/{run}/checkpoints/{checkpoint}/archive");
        let limit = self.patience.work;
        let mut found =
            self.until_success(ROUTE, Repeat::Freely, &mut || self.exchange(&path, None, limit))?;
        // One step to where it is signed for, and one within the store.
        for _ in 0..3 {
            let Some(place) = found.place.take() else { return Ok(found.body) };
            let place =
                self.absolute(&place).ok_or_else(|| TinkerError::Archive("it lies nowhere".to_owned()))?;
            let call = || self.agent.get(&place).config().timeout_global(Some(limit)).build().call();
            found = self.until_success(ROUTE, Repeat::Freely, &mut || Reply::read(call()))?;
        }
        Err(TinkerError::Archive("the server sends from place to place".to_owned()))
    }

    fn absolute(&self, place: &str) -> Option<String> {
        if place.starts_with('/') && !place.starts_with("//") {
            let (scheme, rest) = self.root.split_once("://")?;
            return Some(format!("{scheme}://{}{place}", rest.split('/').next()?));
        }
        host(place).map(|_| place.to_owned())
    }

    /// Tries again where that helps.
    fn until_success(
        &self,
        route: &'static str,
        repeat: Repeat,
        once: &mut dyn FnMut() -> Result<Reply, Line>,
    ) -> Result<Reply, TinkerError> {
        let started = Instant::now();
        for attempt in 0.. {
            let (why, asked_for) = match once() {
                Ok(reply) if reply.is_success() || reply.place.is_some() => return Ok(reply),
                Ok(reply) if !reply.is_temporary() => return Err(reply.refused(route)),
                Ok(reply) if repeat == Repeat::Never && !reply.was_not_taken() => {
                    return Err(TinkerError::Uncertain { doing: route, why: reply.in_words() });
                }
                Ok(reply) => (reply.in_words(), reply.wait),
                Err(line) if repeat == Repeat::Never && line.sent => {
                    return Err(TinkerError::Uncertain { doing: route, why: line.why });
                }
                Err(line) => (line.why, None),
            };
            let wait = asked_for.unwrap_or_else(|| self.patience.wait(attempt));
            if started.elapsed() + wait > self.patience.trouble {
                return Err(TinkerError::GaveUp { doing: route, tried: self.patience.trouble, why });
            }
            thread::sleep(wait);
        }
        Err(TinkerError::GaveUp {
            doing: route,
            tried: started.elapsed(),
            why: "too many attempts".to_owned(),
        })
    }

    /// One request with its reply.
    fn exchange(&self, route: &str, body: Option<&[u8]>, limit: Duration) -> Result<Reply, Line> {
        let url = format!("{}/api/v1/{route}", self.root);
        let key = self.key.as_ref().map(|key| key.0.as_str());
        Reply::read(if let Some(body) = body {
            let request = self.agent.post(&url).header("Content-Type", "application/json");
            let request = key.iter().fold(request, |request, key| request.header("X-API-Key", *key));
            request.config().timeout_global(Some(limit)).build().send(body)
        } else {
            let request = self.agent.get(&url);
            let request = key.iter().fold(request, |request, key| request.header("X-API-Key", *key));
            request.config().timeout_global(Some(limit)).build().call()
        })
    }
}

/// What came back.
struct Reply {
    status: u16,
    body: Vec<u8>,
    /// Where a redirect leads.
    place: Option<String>,
    /// How long the server asks to wait.
    wait: Option<Duration>,
    /// Whether the server says that trying again helps.
    hint: Option<bool>,
}

/// A connection that broke.
struct Line {
    why: String,
    /// Whether the server may have the request.
    sent: bool,
    /// Whether it had it and took its time.
    still_working: bool,
}

impl Reply {
    fn read(answer: Result<Response<Body>, ureq::Error>) -> Result<Self, Line> {
        let mut response = answer.map_err(|error| Line::of(&error))?;
        let mut body = Vec::new();
        let mut reader = response.body_mut().with_config().limit(LARGEST).reader();
        reader.read_to_end(&mut body).map_err(|error| Line {
            why: format!("the reply ended early: {}", error.kind()),
            sent: true,
            still_working: false,
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let place =
            (300..400).contains(&status).then(|| text(headers, "location")).flatten().map(str::to_owned);
        let hint = text(headers, "x-should-retry").and_then(|hint| hint.parse().ok());
        Ok(Self { status, body, place, wait: wait(headers), hint })
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_temporary(&self) -> bool {
        self.hint.unwrap_or(matches!(self.status, 408 | 409 | 429 | 500..=599))
    }

    /// Statuses by which a server says that it did not begin. Behind others a proxy may stand that gave up
    /// too early.
    fn was_not_taken(&self) -> bool {
        matches!(self.status, 409 | 429 | 503)
    }

    fn in_words(&self) -> String {
        let said = said(&self.body);
        if said.is_empty() {
            format!("status {}", self.status)
        } else {
            format!("status {}: {said}", self.status)
        }
    }

    fn refused(&self, route: &'static str) -> TinkerError {
        TinkerError::Refused { doing: route, status: self.status, said: said(&self.body) }
    }
}

impl Line {
    fn of(error: &ureq::Error) -> Self {
        use ureq::{Error, Timeout};
        let not_sent = match error {
            Error::HostNotFound | Error::ConnectionFailed | Error::BadUri(_) => true,
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
            Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            _ => false,
        };
        let still_working = matches!(error, Error::Timeout(Timeout::Global | Timeout::RecvResponse));
        Self { why: error.to_string(), sent: !not_sent, still_working }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// How long a server asks to wait, where that is reasonable: up to a minute.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| text(headers, name)?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    (seconds > 0.0 && seconds <= 60.0).then(|| Duration::from_secs_f64(seconds))
}

/// The result in a retrieved future, if it is there yet.
fn outcome<A: DeserializeOwned>(route: &'static str, reply: &Reply) -> Result<Option<A>, TinkerError> {
    let Outcome { r#type, error } = parse(route, reply)?;
    if r#type.as_deref() == Some("try_again") {
        return Ok(None);
    }
    match error {
        Some(said) => Err(TinkerError::Failed { doing: route, said: short(&said) }),
        None => parse(route, reply).map(Some),
    }
}

fn parse<A: DeserializeOwned>(route: &'static str, reply: &Reply) -> Result<A, TinkerError> {
    serde_json::from_slice(&reply.body).map_err(|error| reply_error(route, &error))
}

/// What is wrong and where, without the value it stumbled over.
fn reply_error(route: &'static str, error: &serde_json::Error) -> TinkerError {
    let what = if error.is_data() { "it lacks a value, or has one of another kind" } else { "it is no JSON" };
    TinkerError::Reply {
        doing: route,
        problem: format!("{what}, at byte {} of line {}", error.column(), error.line()),
    }
}

/// What a server says about a failure, without its echo of the request.
fn said(body: &[u8]) -> String {
    let Ok(Problem { detail, error, message }) = serde_json::from_slice(body) else { return String::new() };
    let said = match detail {
        Some(Detail::Said(said)) => Some(said),
        Some(Detail::Fields(fields)) => {
            let place = |field: &super::wire::Field| {
                let part =
                    |part: &serde_json::Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
                field.loc.iter().map(part).collect::<Vec<_>>().join(".")
            };
            Some(
                fields
                    .iter()
                    .map(|field| format!("{}: {}", place(field), field.msg))
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        }
        None => error.or(message),
    };
    said.map_or_else(String::new, |said| short(&said))
}

/// One line of it: its beginning, and its end, where Python says what the matter was.
fn short(said: &str) -> String {
    let shown: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line: Vec<char> = shown.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    if line.len() <= MOST_SAID {
        return line.into_iter().collect();
    }
    let (first, last) = (&line[..MOST_SAID / 3], &line[line.len() - 2 * MOST_SAID / 3..]);
    first.iter().chain(&['…']).chain(last).collect()
}

/// The host of an address, with its port.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    // A name before an `@` would be a second way to send a key.
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty() && !host.contains(['@', ' ']))
}

fn is_this_machine(host: &str) -> bool {
    let name = host.strip_prefix('[').map_or_else(|| host.split(':').next(), |rest| rest.split(']').next());
    name.is_some_and(|name| {
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, key: Option<&str>) -> Server {
        Server {
            url: url.to_owned(),
            key: key.map(|key| ApiKey(key.to_owned())),
            patience: Patience::default(),
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> =
            [0, 1, 2, 4, 5, 40].map(|attempt| Patience::default().wait(attempt).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 16, 30, 30]);
    }

    #[test]
    fn a_key_travels_encrypted_or_stays_on_this_machine() {
        for url in
            ["https://tinker.example/x", "http://127.0.0.1:8000", "http://localhost:1/", "http://[::1]:8000"]
        {
            assert!(Client::new(&server(url, Some("tml-secret"))).is_ok(), "{url}");
        }
        for url in ["http://tinker.example", "http://127.example:80", "http://10.0.0.7:8000"] {
            let refused = Client::new(&server(url, Some("tml-secret")));
            assert!(matches!(refused, Err(TinkerError::KeyInClear(_))), "{url}");
            assert!(Client::new(&server(url, None)).is_ok());
        }
        for url in ["", "tinker.example", "ftp://a", "http://", "http://user:pass@host"] {
            assert!(matches!(Client::new(&server(url, None)), Err(TinkerError::Address(_))), "{url}");
        }
        let shown = format!("{:?}", server("http://127.0.0.1:1", Some("tml-secret")));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_a_server_says_is_repeated_without_its_echo_of_the_request() {
        // As SkyRL's server says them.
        let field =
            r#"{"type":"missing","loc":["body","lora_config"],"msg":"Field required","input":[4711]}"#;
        let fields = format!(r#"{{"detail":[{field}]}}"#);
        assert_eq!(said(fields.as_bytes()), "body.lora_config: Field required");
        assert_eq!(said(br#"{"detail":"Model not found"}"#), "Model not found");
        assert_eq!(said(b"<html>502</html>"), "");
        assert_eq!(said(br#"{"error":"a\nb","category":"user"}"#), "a b");
        assert_eq!(short(&"x".repeat(400)).chars().count(), MOST_SAID + 1);
    }

    #[test]
    fn a_place_is_kept_to_the_web() {
        let client = Client::new(&server("http://127.0.0.1:8000/base/", None)).unwrap();
        assert_eq!(client.absolute("/a/b").as_deref(), Some("http://127.0.0.1:8000/a/b"));
        assert_eq!(
            client.absolute("https://store.example/x?sig=1").as_deref(),
            Some("https://store.example/x?sig=1")
        );
        for place in ["//evil.example", "file:///etc/passwd", ""] {
            assert_eq!(client.absolute(place), None, "{place}");
        }
    }
}
