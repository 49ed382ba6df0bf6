//! A switch that the host throws to stop a running call.
//!
//! Rooms it touches: core.

use std::sync::Arc;

use keepsake_core::types;

/// Stops a running call at the next token. Thrown once, it stays thrown: use another one for the next call.
#[derive(Debug, Default, uniffi::Object)]
pub struct Cancel(types::Cancel);

#[uniffi::export]
impl Cancel {
    /// A switch that is off.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Throws it.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was thrown.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The host's switch, or one that nobody throws.
pub(crate) fn of(cancel: Option<&Arc<Cancel>>) -> types::Cancel {
    cancel.map_or_else(types::Cancel::new, |cancel| cancel.0.clone())
}
