//! What is said of a stream when it is created.

/// What is said of a stream when it is created: see [`Client::stream_with`](super::Client::stream_with).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// How many partitions it has, for good. 1.
    ///
    /// Messages of one partition are ordered, and worked on by one member of a group at a time: so this is how many
    /// members can share a group's work. Take a multiple of how many machines there may be one day.
    pub partitions: u32,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { partitions: 1 }
    }
}

impl StreamOptions {
    /// With another [`StreamOptions::partitions`].
    #[must_use]
    pub fn with_partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }
}
