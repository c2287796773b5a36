//! What moving a group does.

use minibatch_core::{Offset, storage::GroupState};

use super::locate::Place;

/// Where a group goes, in each partition, or would go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seek {
    /// The partitions in their order.
    pub partitions: Vec<PartitionSeek>,
}

/// Where a group goes in one partition, or would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionSeek {
    /// Which partition.
    pub partition: u32,
    /// The first message that the group still keeps: all before it are done.
    pub from: Offset,
    /// The first message that it reads then.
    pub to: Offset,
    /// How many messages between the two come again. So do those after `from` that are done already: there are some where
    /// windows were done out of order, or the chunk at `from` is done in part.
    pub again: u64,
    /// How many messages between the two are passed over.
    pub passed_over: u64,
    /// The place asked for may have been taken away already by retention: `to` is the first that is still kept.
    pub trimmed: bool,
}

impl PartitionSeek {
    pub(super) fn new(partition: u32, state: &GroupState, from: Place, to: Place) -> Self {
        let (before, after) = (from.position.count, to.position.count);
        Self {
            partition,
            from: state.keep_from,
            to: to.position.offset,
            again: before.saturating_sub(after),
            passed_over: after.saturating_sub(before),
            trimmed: to.trimmed,
        }
    }
}

impl Seek {
    /// How many messages come again in all partitions.
    #[must_use]
    pub fn again(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.again).sum()
    }

    /// How many messages are passed over in all partitions.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.passed_over).sum()
    }
}
