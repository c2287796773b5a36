//! Streams: a map by name.

use std::collections::btree_map::Entry;

use async_trait::async_trait;
use minibatch_core::{
    Cause, Error, StreamName, Timestamp,
    storage::{StreamInfo, StreamStore},
};

use crate::{
    random,
    state::{PartitionState, Stream},
    storage::MemoryStorage,
};

#[async_trait]
impl StreamStore for MemoryStorage {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        if partitions == 0 {
            return Err(Error::new(Cause::out_of_range("a stream has at least one partition")).during("open_stream"));
        }
        let mut state = self.state();
        let stream = match state.streams.0.entry(name.clone()) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(free) => free.insert(Stream {
                incarnation: random::incarnation(),
                partitions: (0..partitions).map(|_| PartitionState::default()).collect(),
            }),
        };
        if stream.count() != partitions {
            return Err(Error::new(Cause::stream_differs(stream.count(), partitions)).during("open_stream"));
        }
        Ok(info(name, stream))
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        Ok(self.state().streams.0.get(name).map(|stream| info(name, stream)))
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        Ok(self.state().streams.0.iter().map(|(name, stream)| info(name, stream)).collect())
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        let dropped = self.state().streams.0.remove(name);
        // outside the lock: freeing a long log takes a while, and whoever waits on it wakes up
        Ok(dropped.is_some())
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.time().now())
    }
}

fn info(name: &StreamName, stream: &Stream) -> StreamInfo {
    StreamInfo { name: name.clone(), incarnation: stream.incarnation, partitions: stream.count() }
}
