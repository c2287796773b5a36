//! The tail clock: when a strategy's deadline has come although nothing came.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use minibatch_core::{Clock, Error, Timestamp, storage::Storage};

use super::super::supervisor::Setup;
use crate::retry::until_verdict;

/// Waits for the deadline of an idle stream.
///
/// The tail clock is the storage's clock, or the append time of the last record and the time since it was seen, whichever
/// is later: the first has passed long ago where a consumer starts late, the second runs on where the storage's clock
/// stands still or was set back, and with it the append times of what comes.
pub(super) struct TailTimer {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    append_time: Timestamp,
    seen: Duration,
    /// Nothing is left to be read.
    at_tail: bool,
    armed: Option<(Timestamp, BoxFuture<'static, Result<(), Error>>)>,
    /// The deadline that has come, waiting for one more look at the tail.
    due: Option<Timestamp>,
}

impl TailTimer {
    pub(super) fn new(setup: &Setup, append_time: Timestamp) -> Self {
        let (storage, clock) = (Arc::clone(setup.client.storage()), Arc::clone(setup.client.clock()));
        let seen = clock.elapsed();
        Self { storage, clock, append_time, seen, at_tail: false, armed: None, due: None }
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
        self.due.take()
    }

    /// Whether nothing is left to be read.
    pub(super) fn is_at_tail(&self) -> bool {
        self.at_tail
    }

    /// Keeps the timer on the strategy's deadline.
    pub(super) fn arm(&mut self, deadline: Option<Timestamp>) {
        let wanted = deadline.filter(|_| self.at_tail && self.due.is_none());
        if self.armed.as_ref().map(|(armed, _)| *armed) != wanted {
            self.armed = wanted.map(|deadline| (deadline, self.wait_for(deadline)));
        }
    }

    /// Returns when the deadline has come and the tail is to be looked at once more. Cancel safe.
    pub(super) async fn expired(&mut self) -> Result<(), Error> {
        let Some((deadline, wait)) = &mut self.armed else { return pending().await };
        let deadline = *deadline;
        wait.await?;
        self.armed = None;
        self.due = Some(deadline);
        Ok(())
    }

    fn wait_for(&self, deadline: Timestamp) -> BoxFuture<'static, Result<(), Error>> {
        let (storage, clock) = (Arc::clone(&self.storage), Arc::clone(&self.clock));
        let by_record = deadline.since(self.append_time).saturating_sub(clock.elapsed().saturating_sub(self.seen));
        Box::pin(async move {
            let now = until_verdict(&*clock, "now", || storage.now()).await?;
            let wait = by_record.min(deadline.since(now));
            if !wait.is_zero() {
                clock.sleep(wait).await;
            }
            Ok(())
        })
    }
}
