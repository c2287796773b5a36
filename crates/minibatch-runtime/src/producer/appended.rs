//! What became of messages that were appended.

use std::fmt;

use minibatch_core::Offset;

/// Names a message in its stream: its partition, and where it is there.
///
/// Ids of one partition are ordered as its messages are; across partitions there is no order in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct MessageId {
    /// Which partition: 0, 1, …
    pub partition: u32,
    /// Where it is there.
    pub offset: Offset,
}

impl MessageId {
    pub(crate) fn new(partition: u32, offset: Offset) -> Self {
        Self { partition, offset }
    }
}

impl fmt::Display for MessageId {
    /// As `2/7:3`: partition, slot, index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// What an append of several messages did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// How many messages were appended.
    pub count: usize,
    /// Where they are, by partition: one share, unless they had keys of several partitions.
    pub shares: Vec<AppendedShare>,
}

/// The messages of an append that went to one partition, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendedShare {
    /// Which partition: 0, 1, …
    pub partition: u32,
    /// How many messages, at least one.
    pub count: usize,
    /// Where the first is. Messages of other calls may lie between the first and the last.
    pub first: Offset,
    /// Where the last is.
    pub last: Offset,
}
