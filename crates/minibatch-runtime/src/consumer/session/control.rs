//! Pausing: this consumer alone, or its whole group by a note that all its consumers look at.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use minibatch_core::{
    Clock, Error,
    storage::{NotePlace, Storage},
};
use tokio::sync::watch;

use super::super::supervisor::Setup;
use crate::{group::control, retry::until_verdict};

/// How long what the note says is taken for granted.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Whether windows may be handed out. The note is looked at only by those who have something to hand out.
pub(super) struct Control {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    place: NotePlace,
    consumer: watch::Receiver<bool>,
    group: bool,
    looked: Option<Duration>,
    looking: bool,
}

impl Control {
    pub(super) fn new(setup: &Setup, consumer: watch::Receiver<bool>) -> Self {
        Self {
            storage: Arc::clone(setup.client.storage()),
            clock: Arc::clone(setup.client.clock()),
            place: control::place(&setup.partition, &setup.group),
            consumer,
            group: false,
            looked: None,
            looking: false,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.group || *self.consumer.borrow()
    }

    /// Returns when the consumer was paused or resumed. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if self.consumer.changed().await.is_err() {
            // its handle is gone, and so will the session be
            std::future::pending::<()>().await;
        }
    }

    /// A look at the note, where what it said last is too old.
    pub(super) fn look(&mut self) -> Option<BoxFuture<'static, Result<bool, Error>>> {
        let age = self.looked.map(|looked| self.clock.elapsed().saturating_sub(looked));
        // one who is paused looks again and again, the others when there is something to hand out
        let wait = if self.group { LOOK_INTERVAL.saturating_sub(age.unwrap_or_default()) } else { Duration::ZERO };
        if self.looking || (!self.group && age.is_some_and(|age| age < LOOK_INTERVAL)) {
            return None;
        }
        self.looking = true;
        let (storage, clock, place) = (Arc::clone(&self.storage), Arc::clone(&self.clock), self.place.clone());
        Some(Box::pin(async move {
            if !wait.is_zero() {
                clock.sleep(wait).await;
            }
            until_verdict(&*clock, "look whether the group is paused", || control::is_paused(&*storage, &place)).await
        }))
    }

    /// Nothing may be handed out before the look under way is over.
    pub(super) fn is_unsure(&self) -> bool {
        self.looking
    }

    /// Takes note of what was found; returns whether the group was known to be paused.
    pub(super) fn looked(&mut self, paused: bool) -> bool {
        let was_paused = self.group;
        (self.group, self.looking, self.looked) = (paused, false, Some(self.clock.elapsed()));
        was_paused
    }
}
