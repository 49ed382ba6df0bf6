//! Why a training server did not do what it was asked.
//!
//! One enum for the whole room, since all of its verbs talk to the same server. It never holds a key, a token
//! or a text: of what a server says, its echo of the request is left out.
//!
//! Rooms it touches: none.

use std::time::Duration;

/// Why the engine on a server failed. Weights are as they were unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TinkerError {
    /// The address is none.
    #[error("`{0}` is no address of a server: give one like http://127.0.0.1:8000")]
    Address(String),
    /// A key would be readable on its way.
    #[error("the key would travel unencrypted to {0}: use https, or leave the key out")]
    KeyInClear(String),
    /// The key has characters that no header takes.
    #[error("the key in {0} has characters that cannot be sent: set it again, without line breaks")]
    Key(String),
    /// The server's base is another one.
    #[error("the server offers no base `{wanted}` but {offered}: name one of these, or start it with that")]
    Base {
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// The server does not answer, or not in a state to.
    #[error("{doing}: no success in {} s ({why}): does the server run at its address?", tried.as_secs())]
    GaveUp {
        /// The route.
        doing: &'static str,
        /// For how long it was tried.
        tried: Duration,
        /// What the last attempt met.
        why: String,
    },
    /// The result takes longer than the engine waits.
    #[error("{doing}: not done after {} s: raise patience.work, or see to the server", waited.as_secs())]
    TooSlow {
        /// The route.
        doing: &'static str,
        /// For how long it was waited.
        waited: Duration,
    },
    /// The server refuses.
    #[error("{doing}: the server refused ({status}{}): {}", colon(said), remedy(*status))]
    Refused {
        /// The route.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        said: String,
    },
    /// The server took it up and failed.
    #[error("{doing}: the server failed ({said}): its log says more")]
    Failed {
        /// The route.
        doing: &'static str,
        /// What the server says.
        said: String,
    },
    /// Nobody knows whether the server took a request that must not be made twice.
    #[error("{doing}: it broke ({why}) before the server said whether it took it: load the last saved state")]
    Uncertain {
        /// The route.
        doing: &'static str,
        /// What broke.
        why: String,
    },
    /// What the server says is not what this API says.
    #[error("{doing}: the reply is not the API's ({problem}): is a Tinker server of a known version there?")]
    Reply {
        /// The route.
        doing: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The API has no such thing.
    #[error("a Tinker server has no critics: choose grpo instead of ppo, or the local engine")]
    NoCritics,
    /// Log-probabilities would not be those that replies were drawn by.
    #[error(
        "a Tinker server gives log-probabilities at temperature 1, not {0}: sample at 1, or greedily at 0"
    )]
    Temperature(f32),
    /// The server would leave a setting of the optimiser out.
    #[error("this server leaves out the optimiser's {0}: set engine.server_optimiser to go on without")]
    Optimiser(&'static str),
    /// The step was made with gradients that are no numbers. The weights on the server are spoilt.
    #[error("the gradient was no number and this server stepped all the same: load the last saved state")]
    Spoilt,
    /// The adapter cannot be had.
    #[error("the adapter that the server packed cannot be read: {0}")]
    Archive(String),
}

fn colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => "see whether the key is set and holds",
        402 => "the account needs credit",
        404 => "the session may have ended; load the last saved state in a new one",
        413 => "send less at once",
        422 => "the server may be of a version that this client does not know",
        _ => "change what it complains of",
    }
}
