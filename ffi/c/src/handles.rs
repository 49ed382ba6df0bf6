//! What is open, by number. A number is never given twice in a process.
//!
//! Rooms it touches: core.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keepsake_core::Engine;
use keepsake_core::embed::Embedder;
use keepsake_core::model::LanguageModel;
use keepsake_core::types::Cancel;

use crate::failure::Failure;

/// An open bank with all that works on it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeEngine {
    /// Its number; 0 is none.
    pub id: u64,
}

/// A language model, loaded.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeModel {
    /// Its number; 0 is none.
    pub id: u64,
}

/// A sentence-embedding model, loaded.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeEmbedder {
    /// Its number; 0 is none.
    pub id: u64,
}

/// A switch that stops running calls.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepsakeCancel {
    /// Its number; 0 is none.
    pub id: u64,
}

pub(crate) static ENGINES: Table<Engine> = Table::new("engine");
pub(crate) static MODELS: Table<Arc<dyn LanguageModel>> = Table::new("language model");
pub(crate) static EMBEDDERS: Table<Arc<dyn Embedder>> = Table::new("embedder");
pub(crate) static CANCELS: Table<Cancel> = Table::new("switch");

/// All that is open of one kind.
pub(crate) struct Table<T> {
    what: &'static str,
    open: Mutex<BTreeMap<u64, T>>,
}

impl<T: Clone> Table<T> {
    const fn new(what: &'static str) -> Self {
        Self { what, open: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps a value: its number.
    pub(crate) fn keep(&self, value: T) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, value);
        id
    }

    /// The value of a number.
    pub(crate) fn get(&self, id: u64) -> Result<T, Failure> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&id).cloned().ok_or_else(|| Failure::bad_handle(self.what))
    }

    /// The value of a number that may be 0, for none.
    pub(crate) fn get_optional(&self, id: u64) -> Result<Option<T>, Failure> {
        if id == 0 { Ok(None) } else { self.get(id).map(Some) }
    }

    /// Forgets a number; its value lives on in calls under way.
    pub(crate) fn close(&self, id: u64) -> Result<(), Failure> {
        let gone = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        // Dropped outside the lock: closing a bank takes a while.
        gone.map(drop).ok_or_else(|| Failure::bad_handle(self.what))
    }
}
