//! How often windows are shown.

use std::{fmt, num::NonZeroUsize, time::Duration};

use minibatch_core::{Cause, Error, Timestamp};
use serde::{Deserialize, Serialize};

use crate::millis::Millis;

/// How often open windows are shown: so many messages after the firing before, or so long.
///
/// What streaming engines know as a count trigger and as a periodic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Every(Given);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Given {
    Messages(usize),
    Time(Duration),
}

impl Every {
    /// With the n-th message since the firing before.
    #[must_use]
    pub const fn messages(n: usize) -> Self {
        Self(Given::Messages(n))
    }

    /// So long after the first message since the firing before, by log time and in whole milliseconds.
    #[must_use]
    pub const fn time(time: Duration) -> Self {
        Self(Given::Time(time))
    }

    /// # Errors
    /// [`Cause::InvalidWindow`] for 0 messages, and for a time that is none or not in whole milliseconds.
    pub(super) fn interval(self) -> Result<Interval, Error> {
        match self.0 {
            Given::Messages(n) => NonZeroUsize::new(n)
                .map(Interval::Messages)
                .ok_or_else(|| Cause::invalid_window("a firing shows at least one message").into()),
            Given::Time(time) => Millis::new(time).map(Interval::Time),
        }
    }
}

/// The same, as what makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interval {
    Messages(NonZeroUsize),
    Time(Millis),
}

/// What came since the firing before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct News {
    messages: u64,
    /// The append time of the first of them, in milliseconds.
    since: i64,
}

impl News {
    pub(super) fn push(&mut self, time: Timestamp) {
        if self.messages == 0 {
            self.since = time.as_millis();
        }
        self.messages += 1;
    }

    pub(super) fn is_empty(self) -> bool {
        self.messages == 0
    }
}

impl Interval {
    /// How many messages are missing for a firing: without a timer that runs, the one that starts it.
    pub(super) fn missing(self, news: News) -> usize {
        match self {
            Self::Messages(n) => n.get().saturating_sub(usize::try_from(news.messages).unwrap_or(usize::MAX)),
            Self::Time(_) if news.is_empty() => 1,
            Self::Time(_) => usize::MAX,
        }
    }

    /// When there is a firing at the latest.
    pub(super) fn deadline(self, news: News) -> Option<Timestamp> {
        match self {
            Self::Time(time) if !news.is_empty() => Some(time.after(Timestamp::from_millis(news.since))),
            _ => None,
        }
    }
}

impl fmt::Display for Interval {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(n) => write!(f, "every={n}"),
            Self::Time(time) => write!(f, "every={time}"),
        }
    }
}
