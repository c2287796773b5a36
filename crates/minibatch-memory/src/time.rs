//! The storage's clock: the system's unless one is given. The only module that reads the ambient clock.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use minibatch_core::{Clock, Timestamp};

pub(crate) enum Time {
    System { started: Instant },
    Given(Arc<dyn Clock>),
}

#[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
impl Time {
    pub(crate) fn system() -> Self {
        Self::System { started: Instant::now() }
    }

    /// The wall clock, which stamps records.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System { .. } => {
                let now = SystemTime::now();
                match now.duration_since(UNIX_EPOCH) {
                    Ok(after) => Timestamp::EPOCH.plus(after),
                    Err(before) => Timestamp::EPOCH.minus(before.duration()),
                }
            }
            Self::Given(clock) => clock.now(),
        }
    }

    /// The steady clock, by which members die.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::System { started } => started.elapsed(),
            Self::Given(clock) => clock.elapsed(),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { .. } => f.write_str("System"),
            Self::Given(clock) => clock.fmt(f),
        }
    }
}
