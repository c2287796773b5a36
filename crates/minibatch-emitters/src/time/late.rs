//! Messages that came too late, in windows of their own.

use std::time::Duration;

use minibatch_core::{
    Message, Offset, Timestamp,
    window::{Reason, Selection},
};
use serde::{Deserialize, Serialize};

/// How many wait at most.
pub(super) const MOST: usize = 1_000;
/// How long the first one waits at most, by log time.
pub(super) const LONGEST: Duration = Duration::from_secs(1);

/// The late messages that wait for their window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Late {
    offsets: Vec<u64>,
    /// The append time of the first one, in milliseconds.
    since: i64,
}

impl Late {
    pub(super) fn push(&mut self, message: &Message<'_>) {
        if self.offsets.is_empty() {
            self.since = message.time().as_millis();
        }
        self.offsets.push(message.offset().to_u64());
    }

    pub(super) fn contains(&self, offset: Offset) -> bool {
        self.offsets.binary_search(&offset.to_u64()).is_ok()
    }

    /// When their window is due at the latest.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let since = Timestamp::from_millis(self.since);
        (!self.offsets.is_empty()).then(|| since.plus(LONGEST))
    }

    pub(super) fn is_full(&self) -> bool {
        self.offsets.len() >= MOST
    }

    pub(super) fn take(&mut self) -> Option<Selection> {
        let offsets = std::mem::take(&mut self.offsets);
        let offsets: Vec<Offset> = offsets.into_iter().map(Offset::from_u64).collect();
        (!offsets.is_empty()).then(|| Selection::of(offsets, Reason::Late))
    }
}
