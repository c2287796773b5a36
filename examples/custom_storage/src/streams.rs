//! Streams by name, and their partitions.

use async_trait::async_trait;
use minibatch_core::{
    Cause, Error, StreamName, Timestamp,
    storage::{Incarnation, StreamInfo, StreamStore},
};

use crate::{CustomStorage, log::Log, now, random};

#[async_trait]
impl StreamStore for CustomStorage {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        if partitions == 0 {
            return Err(Cause::out_of_range("a stream has at least one partition").into());
        }
        let mut state = self.state();
        if let Some(stream) = state.streams.get(name) {
            return match stream.partitions {
                stored if stored == partitions => Ok(stream.clone()),
                stored => Err(Cause::stream_differs(stored, partitions).into()),
            };
        }
        let stream = StreamInfo { name: name.clone(), incarnation: Incarnation::new(random()), partitions };
        state.streams.insert(name.clone(), stream.clone());
        state.partitions.extend((0..partitions).map(|index| (stream.partition(index), Log::default())));
        Ok(stream)
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        Ok(self.state().streams.get(name).cloned())
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        Ok(self.state().streams.values().cloned().collect())
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        let mut state = self.state();
        state.partitions.retain(|partition, _| partition.stream != *name);
        self.appended.notify_waiters();
        Ok(state.streams.remove(name).is_some())
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(now())
    }
}
