//! Consumers of one group in one process take turns: they are one member, and would fence each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use minibatch_core::{
    GroupName, StreamName,
    storage::{Incarnation, StreamInfo},
};
use tokio::sync::OwnedMutexGuard;

type Key = (StreamName, Incarnation, GroupName);

/// Who of this process consumes, by stream and group.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>);

/// The right to consume a stream as a group in this process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _held: OwnedMutexGuard<()>,
}

impl Seats {
    pub(super) async fn take(&self, stream: &StreamInfo, group: &GroupName) -> Seat {
        let seat = self.seat((stream.name.clone(), stream.incarnation, group.clone()));
        Seat { _held: seat.lock_owned().await }
    }

    fn seat(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seats.get(&key).and_then(Weak::upgrade) {
            return seat;
        }
        // at most as many are forgotten as there are: what 10,000 groups cost is spread over their coming
        if seats.len() == seats.capacity() {
            seats.retain(|_, seat| seat.strong_count() > 0);
        }
        let seat = Arc::default();
        seats.insert(key, Arc::downgrade(&seat));
        seat
    }
}
