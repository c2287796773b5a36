//! What a consumer is doing, for those who look.

use std::fmt;

use minibatch_core::Timestamp;

/// What a consumer does with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStatus {
    /// Which partition.
    pub partition: u32,
    /// What it does with it.
    pub state: WorkState,
}

/// What a consumer does with a partition.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkState {
    /// It waits until the partition is given to it.
    Waiting,
    /// It works, or there is nothing to do.
    Running,
    /// Nothing succeeds, so the function is at fault, or what it depends on. Nothing is given up on; something is tried
    /// now and then until it succeeds.
    #[non_exhaustive]
    Failing {
        /// Since when, by this process's clock.
        since: Timestamp,
        /// The function's own words, when it failed last.
        error: String,
    },
    /// It, or the whole group, was told to pause: nothing is handed out.
    Paused,
    /// It has ended.
    Stopped,
}

impl fmt::Debug for WorkState {
    /// Never the function's words: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("Waiting"),
            Self::Running => f.write_str("Running"),
            Self::Failing { since, .. } => f.debug_struct("Failing").field("since", since).finish_non_exhaustive(),
            Self::Paused => f.write_str("Paused"),
            Self::Stopped => f.write_str("Stopped"),
        }
    }
}
