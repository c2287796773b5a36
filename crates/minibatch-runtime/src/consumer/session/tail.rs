//! The tail clock: when a strategy's deadline has come although nothing came.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use minibatch_core::{Clock, Deadline, Error, Timestamp, storage::Storage};

use super::super::supervisor::Setup;
use crate::retry::until_verdict;

/// How far the append time of the last record may be ahead of the storage's clock: the bound of `clamp_time`.
const AHEAD: Duration = Duration::from_secs(1);

/// Waits for the deadline of an idle stream.
///
/// The tail clock is the storage's clock, or the append time of the last record and the time since it was seen, whichever
/// is later: the first has passed long ago where a consumer starts late, the second runs on where the storage's clock
/// stands still or was set back, and with it the append times of what comes.
///
/// What the log is to say that it is so late, it can say only by the storage's clock. So that one is waited for with a shared
/// deadline, for as long as the last record may have been early; where it does not come the group decides for itself.
pub(super) struct TailTimer {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    append_time: Timestamp,
    seen: Duration,
    /// Nothing is left to be read.
    at_tail: bool,
    armed: Option<(Deadline, BoxFuture<'static, Result<Due, Error>>)>,
    /// The deadline that has come, and what is awaited for it.
    due: Option<(Timestamp, Due)>,
    /// The deadline that the log could not say has come.
    unsaid: Option<Timestamp>,
}

/// What is to be done when a deadline has come and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The log is to say that it is so late by the storage's clock: one record serves all deadlines that have come by then.
    Punctuation(Timestamp),
    /// The group decides so, after one more look at the tail.
    Decision,
}

impl TailTimer {
    pub(super) fn new(setup: &Setup, append_time: Timestamp) -> Self {
        let (storage, clock) = (Arc::clone(setup.client.storage()), Arc::clone(setup.client.clock()));
        let seen = clock.elapsed();
        Self { storage, clock, append_time, seen, at_tail: false, armed: None, due: None, unsaid: None }
    }

    /// An entry came: the tail is elsewhere.
    pub(super) fn saw_entry(&mut self, append_time: Timestamp) {
        let now = self.clock.elapsed();
        if append_time > self.append_time.plus(now.saturating_sub(self.seen)) {
            (self.append_time, self.seen) = (append_time, now);
        }
        self.at_tail = false;
        self.due = None;
    }

    /// A read found nothing; gives the deadline that may be granted now.
    pub(super) fn saw_tail(&mut self) -> Option<Timestamp> {
        self.at_tail = true;
        self.due.take_if(|(_, due)| *due == Due::Decision).map(|(deadline, _)| deadline)
    }

    /// The log does not say that the deadline has come: it is the group's own.
    pub(super) fn not_punctuated(&mut self, deadline: Timestamp) {
        self.unsaid = Some(deadline);
        self.due = None;
    }

    /// Whether nothing is left to be read.
    pub(super) fn is_at_tail(&self) -> bool {
        self.at_tail
    }

    /// Keeps the timer on the strategy's deadline.
    pub(super) fn arm(&mut self, deadline: Option<Deadline>) {
        let mut wanted = deadline.filter(|_| self.at_tail && self.due.is_none());
        if let Some(deadline) = wanted.as_mut().filter(|deadline| self.unsaid == Some(deadline.at)) {
            deadline.shared = false;
        }
        if self.armed.as_ref().map(|(armed, _)| *armed) != wanted {
            self.armed = wanted.map(|deadline| (deadline, self.wait_for(deadline)));
        }
    }

    /// Returns a deadline when it has come, and what is to be done. Cancel safe.
    pub(super) async fn expired(&mut self) -> Result<(Timestamp, Due), Error> {
        let Some((deadline, wait)) = &mut self.armed else { return pending().await };
        let due = (deadline.at, wait.await?);
        self.armed = None;
        self.due = Some(due);
        Ok(due)
    }

    fn wait_for(&self, deadline: Deadline) -> BoxFuture<'static, Result<Due, Error>> {
        let (storage, clock) = (Arc::clone(&self.storage), Arc::clone(&self.clock));
        let patience = if deadline.shared { AHEAD } else { Duration::ZERO };
        let by_record = self.seen + deadline.at.since(self.append_time) + patience;
        Box::pin(async move {
            loop {
                let now = until_verdict(&*clock, "now", || storage.now()).await?;
                let (by_storage, by_record) = (deadline.at.since(now), by_record.saturating_sub(clock.elapsed()));
                let wait = by_storage.min(by_record);
                match by_storage.is_zero() && deadline.shared {
                    true => return Ok(Due::Punctuation(now)),
                    false if wait.is_zero() => return Ok(Due::Decision),
                    false => clock.sleep(wait).await,
                }
            }
        })
    }
}
