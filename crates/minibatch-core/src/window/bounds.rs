//! The time that a window covers.

use std::{fmt, time::Duration};

use crate::Timestamp;

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

    /// The smallest bounds that hold all of these instants; `None` of none. Time is in whole milliseconds.
    #[must_use]
    pub fn around(times: impl IntoIterator<Item = Timestamp>) -> Option<Self> {
        let mut times = times.into_iter();
        let first = times.next()?;
        let (first, last) = times.fold((first, first), |(first, last), time| (first.min(time), last.max(time)));
        Some(Self::new(first, last.plus(Duration::from_millis(1))))
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
