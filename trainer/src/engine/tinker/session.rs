//! A session with a server, kept alive as long as it is held.
//!
//! It hands out what must not come twice in a session: numbers, and names of checkpoints.
//!
//! Rooms it touches: none.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::TinkerError;
use super::client::{Client, Repeat};
use super::wire;

/// How often a session says that it is still there: as Thinking Machines' client does. SkyRL ends one after
/// 300 s.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A session with the server, kept alive as long as it is held.
pub(super) struct Session {
    pub(super) id: String,
    numbers: Cell<u64>,
    /// Dropped to end the thread.
    over: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

impl Session {
    pub(super) fn open(client: &Client) -> Result<Self, TinkerError> {
        let request = wire::CreateSession {
            tags: ["keepsake"],
            user_metadata: BTreeMap::new(),
            sdk_version: concat!("keepsake-", env!("CARGO_PKG_VERSION")),
            r#type: "create_session",
        };
        let wire::Session { session_id: id } = client.post("create_session", &request, Repeat::Freely)?;
        let (over, ends) = channel();
        let (client, of) = (client.clone(), id.clone());
        let heart = std::thread::spawn(move || {
            // One that is missed is made up for by the next; a session that has ended is told by what is
            // asked in it.
            while ends.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                client.try_post(
                    "session_heartbeat",
                    &wire::Heartbeat { session_id: &of, r#type: "session_heartbeat" },
                );
            }
        });
        Ok(Self { id, numbers: Cell::new(0), over: Some(over), heart: Some(heart) })
    }

    /// A number that this session has not had.
    pub(super) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// A name for a checkpoint that no session has had.
    pub(super) fn name(&self) -> String {
        let kept = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        format!("keepsake-{}-{}", self.id.chars().filter(kept).collect::<String>(), self.number())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.over = None;
        if let Some(heart) = self.heart.take() {
            // It does not panic; were it to, the session ends all the same.
            let _ = heart.join();
        }
    }
}
