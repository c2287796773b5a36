//! Every so often, whatever has gathered.

use std::time::Duration;

use minibatch_core::{
    Buffer, Error, Explanation, Fingerprint, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};

use crate::{millis::Millis, strategy::strategy};

/// Every `d`, whatever has gathered since the last window.
///
/// The time runs from the append time of a window's first message: without messages there is no window. At the end of the
/// log a window is out as soon as `d` is over, without waiting to be certain that no message of that interval is still on
/// its way; it makes no promise in which interval a message lands. For that there is
/// [`FixedTimeWindow`](crate::FixedTimeWindow).
///
/// ```text
/// time                          0 · · · · 5 · · · · 10· · · · 15
/// messages                        a b     c   d         e f
///
/// RelaxedTimeWindow::new(5 s)     a b     c|  d        |e f      |
/// ```
///
/// # Behaviour
/// - closes when log time reaches its first message's time + `d`; a message of that very time is in the next window
/// - reason: [`Reason::MaxWait`]; bounds: from the first message's append time to just after the last one's
/// - at the end of the log a decision, recorded with the group: the same group gets the same windows after a crash,
///   another group need not; on a backlog the log alone decides
/// - remembers nothing beside the buffer
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct RelaxedTimeWindow {
    every: Duration,
}

impl RelaxedTimeWindow {
    /// A window every so often, in whole milliseconds.
    pub const fn new(every: Duration) -> Self {
        Self { every }
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) for a duration of nothing, one that is not in whole
    /// milliseconds, and one of more than 63 bits.
    pub fn build(&self) -> Result<RelaxedTimeEmitter, Error> {
        Ok(RelaxedTimeEmitter { every: Millis::new(self.every)? })
    }
}

strategy!(RelaxedTimeWindow);

/// The emitter of a [`RelaxedTimeWindow`].
#[derive(Clone, Debug)]
pub struct RelaxedTimeEmitter {
    every: Millis,
}

impl WindowEmitter for RelaxedTimeEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        let Some(first) = buffer.first() else { return Readiness::wait() };
        let deadline = self.every.after(first.time());
        if deadline <= now { Readiness::Ready } else { Readiness::wait_for(usize::MAX).until(deadline) }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        Selection::first(buffer.len(), Reason::MaxWait)
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let waits = Explanation::at(now);
        match buffer.first() {
            Some(first) => waits.until(self.every.after(first.time())),
            None => waits.other("a first message"),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("relaxed_time", 1, &self.every.to_string())
    }
}
