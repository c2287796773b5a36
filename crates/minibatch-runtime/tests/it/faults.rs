//! A storage whose replies are lost now and then: nothing is lost or doubled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{join_all, pending};
use minibatch_core::{
    Cause, Clock, Error, ErrorKind, GroupName, MemberId, ProducerId, Result, Slot, StreamName, Timestamp,
    chunk::{NewChunk, Record},
    storage::{
        Acquired, ChunkLog, Commit, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace, NoteStore, Partition,
        PieceId, ProducerGrant, ReadLimit, RecordSummary, Start, StreamInfo, StreamStore, Trimmed,
    },
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Window};
use minibatch_testkit::clock::ManualClock;

/// Every second reply of an operation that writes is lost, after it took effect or before.
#[derive(Debug)]
pub(crate) struct Lossy {
    storage: MemoryStorage,
    calls: AtomicU32,
    hangs: bool,
}

impl Lossy {
    pub(crate) fn new(hangs: bool) -> Self {
        Self { storage: MemoryStorage::new(), calls: AtomicU32::new(0), hangs }
    }

    async fn lose<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let lost = || Err(Error::new(Cause::unavailable("reply lost")));
        if self.hangs {
            return pending().await;
        }
        match self.calls.fetch_add(1, Relaxed) % 4 {
            0 => lost(),
            2 => {
                call.await?;
                lost()
            }
            _ => call.await,
        }
    }
}

#[async_trait]
impl StreamStore for Lossy {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo> {
        self.storage.open_stream(name, partitions).await
    }
    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>> {
        self.storage.find_stream(name).await
    }
    async fn list_streams(&self) -> Result<Vec<StreamInfo>> {
        self.storage.list_streams().await
    }
    async fn drop_stream(&self, name: &StreamName) -> Result<bool> {
        self.storage.drop_stream(name).await
    }
    async fn now(&self) -> Result<Timestamp> {
        self.storage.now().await
    }
}

#[async_trait]
impl ChunkLog for Lossy {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant> {
        self.lose(self.storage.register_producer(partition, producer)).await
    }
    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot> {
        self.lose(self.storage.append(partition, chunk)).await
    }
    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>> {
        self.lose(self.storage.read(partition, from, limit)).await
    }
    async fn wait(&self, partition: &Partition, after: Slot) -> Result<()> {
        self.lose(self.storage.wait(partition, after)).await
    }
    async fn bounds(&self, partition: &Partition) -> Result<LogBounds> {
        self.storage.bounds(partition).await
    }
    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>> {
        self.lose(self.storage.survey(partition, from, limit)).await
    }
    async fn trim(&self, partition: &Partition, cut: Slot) -> Result<Trimmed> {
        self.lose(self.storage.trim(partition, cut)).await
    }
}

#[async_trait]
impl GroupStore for Lossy {
    async fn join(&self, ttl: Duration) -> Result<MemberId> {
        self.lose(self.storage.join(ttl)).await
    }
    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<()> {
        self.storage.heartbeat(member, ttl).await
    }
    async fn leave(&self, member: &MemberId) -> Result<()> {
        self.storage.leave(member).await
    }
    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>> {
        self.lose(self.storage.living(members)).await
    }
    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<()> {
        self.lose(self.storage.restart_group(stream, group, fingerprint, start)).await
    }
    async fn open_group(&self, stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> Result<()> {
        self.storage.open_group(stream, group, fingerprint, start).await
    }
    async fn remove_group(&self, stream: &StreamInfo, group: &GroupName) -> Result<bool> {
        self.storage.remove_group(stream, group).await
    }
    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>> {
        self.storage.groups(partition).await
    }
    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired> {
        self.lose(self.storage.acquire(partition, group, member)).await
    }
    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<()> {
        self.lose(self.storage.release(partition, group, epoch)).await
    }
    async fn commit(&self, partition: &Partition, group: &GroupName, fence: Fence, commit: Commit) -> Result<Fence> {
        self.lose(self.storage.commit(partition, group, fence, commit)).await
    }
    async fn transactional(&self) -> Result<()> {
        self.storage.transactional().await
    }
    async fn write_piece(&self, partition: &Partition, group: &GroupName, piece: PieceId, bytes: Bytes) -> Result<()> {
        self.lose(self.storage.write_piece(partition, group, piece, bytes)).await
    }
    async fn read_piece(&self, partition: &Partition, group: &GroupName, piece: PieceId) -> Result<Option<Bytes>> {
        self.lose(self.storage.read_piece(partition, group, piece)).await
    }
    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<()> {
        self.lose(self.storage.retain_pieces(partition, group, keep, before)).await
    }
}

#[async_trait]
impl NoteStore for Lossy {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<()> {
        self.lose(self.storage.put_notes(place, notes)).await
    }
    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>> {
        self.lose(self.storage.notes(place, from, limit)).await
    }
    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<()> {
        self.lose(self.storage.delete_notes(place, from, until)).await
    }
}

#[tokio::test]
async fn lost_replies_lose_and_double_nothing() {
    let client = Client::new(Arc::new(Lossy::new(false)));
    let stream = client.stream::<u32>("numbers").await.unwrap();
    for first in (0..60).step_by(20) {
        let numbers: Vec<u32> = (first..first + 20).collect();
        for verdict in join_all(numbers.iter().map(|number| stream.append(number))).await {
            verdict.unwrap();
        }
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let windows = stream.streaming().window(CountWindow::new(7));
        windows
            .drain(|window: Window<u32>| {
                seen.extend(window.data);
                async {}
            })
            .await
            .unwrap();
    }
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    client.shutdown().await;
}

#[tokio::test]
async fn an_append_without_a_verdict_ends_in_time_and_is_called_unclear() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let options = ClientOptions::default().with_append_timeout(Duration::from_secs(5));
    let client = Client::with_options(Arc::new(Lossy::new(true)), given, options);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let time = async {
        clock.sleepers(1).await;
        clock.advance(Duration::from_secs(5));
    };
    let (verdict, ()) = tokio::join!(stream.append(&1), time);
    assert_eq!(verdict.unwrap_err().kind(), ErrorKind::Retry);
}
