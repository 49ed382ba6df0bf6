//! Ctrl-C, and a request to end: the running work stops at the next token, and nothing is lost.
//!
//! Only commands that run a model install this; the others may be ended at once, since the bank is safe
//! against it. A second signal changes nothing: ending the process while llama.cpp computes would take its
//! data from under it (a segmentation fault was seen). Who cannot wait sends SIGQUIT (Ctrl-\) or SIGKILL,
//! against which the bank is as safe.
//!
//! Rooms it touches: output, exit.

use keepsake_core::types::Cancel;

use crate::exit::Failure;
use crate::output;

/// A switch that SIGINT, SIGTERM and SIGHUP throw.
pub(crate) fn on_signal() -> Result<Cancel, Failure> {
    let cancel = Cancel::new();
    let thrown = cancel.clone();
    ctrlc::set_handler(move || {
        if !thrown.is_cancelled() {
            output::note("keepsake: stopping");
        }
        thrown.cancel();
    })
    .map_err(Failure::other)?;
    Ok(cancel)
}
