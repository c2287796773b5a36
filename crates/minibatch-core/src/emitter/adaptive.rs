//! Strategies that go by how a function fares.

use std::time::Duration;

/// A strategy whose windows get another size by how a consumer's function fares with them.
///
/// What was measured is not in the log. So the size to go on with is *decided*: the consumer asks, records the answer with its
/// group as a [`Resize`](crate::checkpoint::DecisionKind::Resize), and tells it, now and at the same place of every replay.
pub trait Adaptive {
    /// The size to go on with, after a function was measured; `None` to go on as now. Asked for every window on which the
    /// function succeeded.
    fn adapt(&self, served: Served) -> Option<usize>;

    /// Goes on with windows of that size, as it was decided.
    fn resize(&mut self, size: usize);
}

/// How long a function took for a window on which it succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// How many messages the window was formed of.
    pub messages: u64,
    /// How long the function ran, by the consumer's monotonic clock.
    pub took: Duration,
}

impl Served {
    /// So many messages in that time.
    #[must_use]
    pub const fn new(messages: u64, took: Duration) -> Self {
        Self { messages, took }
    }
}
