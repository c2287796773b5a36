//! What is appended.

use minibatch_testkit::history::Key;
use serde::{Deserialize, Serialize};

/// Stands in every message, and must stand in nobody's log.
pub(crate) const CANARY: &str = "payload-canary";

/// A numbered message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    lane: u32,
    number: u64,
    padding: String,
}

impl Note {
    pub(crate) fn new(key: Key, padding: usize) -> Self {
        Self { lane: key.lane, number: key.number, padding: CANARY.repeat(padding + 1) }
    }

    pub(crate) fn key(&self) -> Key {
        Key { lane: self.lane, number: self.number }
    }
}
