//! A wrapper that repeats what gave no verdict, and gives up on what does not return.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, ErrorKind, GroupName, MemberId, ProducerId, Slot, StreamName, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
    storage::{
        Acquired, ChunkLog, Commit, DerivedAppend, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace,
        NoteStore, Partition, PieceId, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Start, Storage, StreamInfo,
        StreamStore, Trim, Trimmed,
    },
};
use tokio::time::timeout_at;

use crate::pause::Pauses;

/// Forwards every call; all but `wait` are over after `patience`.
pub(crate) struct Patient {
    inner: Arc<dyn Storage>,
    patience: Duration,
}

impl Patient {
    pub(crate) fn new(inner: Arc<dyn Storage>, patience: Duration) -> Self {
        Self { inner, patience }
    }

    async fn repeat<T, C>(&self, operation: &'static str, call: impl Fn() -> C + Send) -> Result<T, Error>
    where
        C: Future<Output = Result<T, Error>> + Send,
    {
        let mut pauses = Pauses::within(self.patience);
        loop {
            let Ok(result) = timeout_at(pauses.deadline(), call()).await else {
                let hangs = format!("the call did not return within {:?}", self.patience);
                return Err(Error::new(Cause::unavailable(hangs)).during(operation));
            };
            match result {
                Err(error) if error.kind() == ErrorKind::Retry && pauses.again().await => {}
                verdict => return verdict,
            }
        }
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StreamStore for Patient {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        self.repeat("open_stream", || self.inner.open_stream(name, partitions)).await
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        self.repeat("find_stream", || self.inner.find_stream(name)).await
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        self.repeat("list_streams", || self.inner.list_streams()).await
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        self.repeat("drop_stream", || self.inner.drop_stream(name)).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.repeat("now", || self.inner.now()).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ChunkLog for Patient {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        self.repeat("register_producer", || self.inner.register_producer(partition, producer)).await
    }

    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        self.repeat("append", || self.inner.append(partition, chunk.clone())).await
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        self.repeat("append_derived", || self.inner.append_derived(partition, chunks.clone())).await
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        self.repeat("read", || self.inner.read(partition, from, limit)).await
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        let waited = self.inner.wait(partition, after).await;
        // a wait that always returns at once must not keep the case from its timeout
        tokio::task::yield_now().await;
        waited
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        self.repeat("bounds", || self.inner.bounds(partition)).await
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        self.repeat("survey", || self.inner.survey(partition, from, limit)).await
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        self.repeat("punctuate", || self.inner.punctuate(partition, after, time)).await
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        self.repeat("trim", || self.inner.trim(partition, trim)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl GroupStore for Patient {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        self.repeat("join", || self.inner.join(ttl)).await
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        self.repeat("heartbeat", || self.inner.heartbeat(member, ttl)).await
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        self.repeat("leave", || self.inner.leave(member)).await
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        self.repeat("living", || self.inner.living(members)).await
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        self.repeat("open_group", || self.inner.open_group(stream, group, fingerprint, start.clone())).await
    }

    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        self.repeat("restart_group", || self.inner.restart_group(stream, group, fingerprint, start.clone())).await
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        self.repeat("remove_group", || self.inner.remove_group(stream, group, seen)).await
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        self.repeat("groups", || self.inner.groups(partition)).await
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        self.repeat("acquire", || self.inner.acquire(partition, group, member)).await
    }

    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        self.repeat("release", || self.inner.release(partition, group, epoch)).await
    }

    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error> {
        self.repeat("commit", || self.inner.commit(partition, group, fence, commit.clone())).await
    }

    async fn transactional(&self) -> Result<(), Error> {
        self.repeat("transactional", || self.inner.transactional()).await
    }

    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        self.repeat("write_piece", || self.inner.write_piece(partition, group, piece, bytes.clone())).await
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        self.repeat("read_piece", || self.inner.read_piece(partition, group, piece)).await
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        self.repeat("retain_pieces", || self.inner.retain_pieces(partition, group, keep, before)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl NoteStore for Patient {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        self.repeat("put_notes", || self.inner.put_notes(place, notes.clone())).await
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        self.repeat("notes", || self.inner.notes(place, from, limit)).await
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        self.repeat("delete_notes", || self.inner.delete_notes(place, from, until)).await
    }
}
