//! What a consumer is doing, for those who look in its own process.

use std::fmt;

use minibatch_core::Timestamp;

use crate::ConsumerState;

/// What a consumer does with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStatus {
    /// Which partition.
    pub partition: u32,
    /// What it does with it.
    pub state: ConsumerState,
    /// Where nothing succeeds: since when, and why.
    pub failing: Option<Failing>,
}

/// Why nothing succeeds.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failing {
    /// Since when, by this process's clock.
    pub since: Timestamp,
    /// The function's own words, when it failed last.
    pub error: String,
}

impl fmt::Debug for Failing {
    /// Never the function's words: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").field("since", &self.since).finish_non_exhaustive()
    }
}
