//! The time that a window covers.

use std::{fmt, time::Duration};

use crate::{Message, Timestamp};

/// A half-open interval of time: `start <= t < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl Bounds {
    /// From `start` to just before `end`.
    #[must_use]
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// The smallest bounds that hold the append times of both messages, the earlier first.
    #[must_use]
    pub fn of(first: &Message<'_>, last: &Message<'_>) -> Self {
        Self::new(first.time(), last.time().plus(Duration::from_millis(1)))
    }

    /// Whether `time` lies inside.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}
