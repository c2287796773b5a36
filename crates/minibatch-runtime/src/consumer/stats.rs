//! What a consumer has done, counted as it happens.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Failing, PartitionStatus, Summary};
use crate::ConsumerState;

/// How the messages of a window ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) late: u64,
    pub(super) dead: u64,
    pub(super) skipped: u64,
}

/// Counts shared between a consumer's task and its handle.
#[derive(Debug, Default)]
pub(super) struct Stats {
    windows: AtomicU64,
    messages: AtomicU64,
    late: AtomicU64,
    failures: AtomicU64,
    dead: AtomicU64,
    skipped: AtomicU64,
    discarded: AtomicU64,
    /// By partition.
    states: Mutex<BTreeMap<u32, PartitionStatus>>,
}

impl Stats {
    pub(super) fn done(&self, ended: Tally) {
        self.windows.fetch_add(1, Relaxed);
        self.messages.fetch_add(ended.messages, Relaxed);
        self.late.fetch_add(ended.late, Relaxed);
        self.dead.fetch_add(ended.dead, Relaxed);
        self.skipped.fetch_add(ended.skipped, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Chunks of output were not appended.
    pub(super) fn discarded(&self, chunks: u64) {
        self.discarded.fetch_add(chunks, Relaxed);
    }

    pub(super) fn tell(&self, partition: u32, state: ConsumerState, failing: Option<Failing>) {
        self.states().insert(partition, PartitionStatus { partition, state, failing });
    }

    pub(super) fn status(&self) -> Vec<PartitionStatus> {
        self.states().values().cloned().collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<u32, PartitionStatus>> {
        // a map is whole whatever panicked
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            windows: self.windows.load(Relaxed),
            messages: self.messages.load(Relaxed),
            late: self.late.load(Relaxed),
            failures: self.failures.load(Relaxed),
            dead: self.dead.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
        }
    }
}
