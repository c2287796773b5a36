//! A storage of one's own, in a few pages: maps of the standard library behind a mutex.
//!
//! It shows what a third party writes: [`StreamStore`](minibatch_core::storage::StreamStore) in `streams.rs`,
//! [`ChunkLog`](minibatch_core::storage::ChunkLog) in `log.rs`, [`GroupStore`](minibatch_core::storage::GroupStore) in
//! `groups.rs`, [`NoteStore`](minibatch_core::storage::NoteStore) in `notes.rs`, and `tests/conformance.rs`, which checks all three. It looks for everything from the beginning, and is
//! as slow as that: `minibatch-memory` is the one to use.

mod groups;
mod log;
mod notes;
mod streams;

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use minibatch_core::{
    Cause, Error, MemberId, StreamName, Timestamp,
    storage::{Partition, StreamInfo},
};
use tokio::sync::Notify;

/// The storage. An `Arc` of it is a storage too, which all its users share.
#[derive(Debug, Default)]
pub struct CustomStorage {
    state: Mutex<State>,
    appended: Notify,
}

#[derive(Debug, Default)]
struct State {
    streams: BTreeMap<StreamName, StreamInfo>,
    partitions: HashMap<Partition, log::Log>,
    members: HashMap<MemberId, Timestamp>,
}

impl CustomStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The partition, or why there is none.
    fn partition(&mut self, partition: &Partition) -> Result<&mut log::Log, Error> {
        match self.streams.get(&partition.stream) {
            Some(stream) if stream.incarnation == partition.incarnation => {
                let missing = Cause::invalid_partition(partition.index, stream.partitions);
                self.partitions.get_mut(partition).ok_or_else(|| missing.into())
            }
            _ => Err(Cause::StreamDropped.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a storage brings its own clock")]
fn now() -> Timestamp {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(Timestamp::EPOCH, |now| Timestamp::EPOCH.plus(now))
}

fn random() -> i64 {
    RandomState::new().hash_one(()).cast_signed()
}
