//! What a consumer has done, counted as it happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Summary;

/// Counts shared between a consumer's task and its handle.
#[derive(Debug, Default)]
pub(super) struct Stats {
    windows: AtomicU64,
    messages: AtomicU64,
    failures: AtomicU64,
    dead: AtomicU64,
}

impl Stats {
    pub(super) fn done(&self, messages: u64, dead: u64) {
        self.windows.fetch_add(1, Relaxed);
        self.messages.fetch_add(messages, Relaxed);
        self.dead.fetch_add(dead, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            windows: self.windows.load(Relaxed),
            messages: self.messages.load(Relaxed),
            failures: self.failures.load(Relaxed),
            dead: self.dead.load(Relaxed),
        }
    }
}
