//! A storage that lies about what it keeps, once it is told to; and that writes no punctuations.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Clock, GroupName, MemberId, ProducerId, Result, Slot, StreamName, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
    storage::{
        Acquired, ChunkLog, Commit, DerivedAppend, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace,
        NoteStore, Partition, PieceId, ProducerGrant, ReadLimit, RecordSummary, Start, StreamInfo, StreamStore, Trim,
        Trimmed,
    },
};
use minibatch_memory::MemoryStorage;

/// What it lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// The record in this slot has a message less.
    MessageLost(u64),
    /// There is no record in this slot.
    RecordLost(u64),
    /// One message more was trimmed.
    FloorCount,
    /// Twice as many messages are finished.
    Doubled,
    /// One message more was dropped.
    Dropped,
    /// One message more expired.
    Expired,
    /// The group needs less than it does.
    KeptFrom,
    /// The first partition has no groups.
    HalfRemoved,
}

#[derive(Debug)]
pub(crate) struct Liar {
    storage: MemoryStorage,
    lie: Mutex<Lie>,
}

impl Liar {
    pub(crate) fn new() -> Self {
        Self { storage: MemoryStorage::new(), lie: Mutex::new(Lie::None) }
    }

    /// One whose time is that of a clock.
    pub(crate) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { storage: MemoryStorage::with_clock(clock), lie: Mutex::new(Lie::None) }
    }

    pub(crate) fn tell(&self, lie: Lie) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }

    fn lie(&self) -> Lie {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StreamStore for Liar {
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
impl ChunkLog for Liar {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant> {
        self.storage.register_producer(partition, producer).await
    }
    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot> {
        self.storage.append(partition, chunk).await
    }
    async fn append_derived(&self, partition: &Partition, chunks: Vec<DerivedChunk>) -> Result<Vec<DerivedAppend>> {
        self.storage.append_derived(partition, chunks).await
    }
    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>> {
        self.storage.read(partition, from, limit).await
    }
    async fn wait(&self, partition: &Partition, after: Slot) -> Result<()> {
        self.storage.wait(partition, after).await
    }
    async fn bounds(&self, partition: &Partition) -> Result<LogBounds> {
        let mut bounds = self.storage.bounds(partition).await?;
        bounds.floor_count += u64::from(self.lie() == Lie::FloorCount);
        Ok(bounds)
    }
    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>> {
        let mut records = self.storage.survey(partition, from, limit).await?;
        let lie = self.lie();
        records.retain(|record| lie != Lie::RecordLost(record.slot.get()));
        for record in &mut records {
            record.messages -= u32::from(lie == Lie::MessageLost(record.slot.get()));
        }
        Ok(records)
    }
    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed> {
        self.storage.trim(partition, trim).await
    }
}

#[async_trait]
impl GroupStore for Liar {
    async fn join(&self, ttl: Duration) -> Result<MemberId> {
        self.storage.join(ttl).await
    }
    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<()> {
        self.storage.heartbeat(member, ttl).await
    }
    async fn leave(&self, member: &MemberId) -> Result<()> {
        self.storage.leave(member).await
    }
    async fn transactional(&self) -> Result<()> {
        self.storage.transactional().await
    }
    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>> {
        self.storage.living(members).await
    }
    async fn open_group(&self, stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> Result<()> {
        self.storage.open_group(stream, group, fingerprint, start).await
    }
    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<()> {
        self.storage.restart_group(stream, group, fingerprint, start).await
    }
    async fn remove_group(&self, stream: &StreamInfo, group: &GroupName, seen: Option<&[Fence]>) -> Result<bool> {
        self.storage.remove_group(stream, group, seen).await
    }
    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>> {
        let mut groups = self.storage.groups(partition).await?;
        groups.retain(|_| self.lie() != Lie::HalfRemoved || partition.index > 0);
        for (_, state) in &mut groups {
            match self.lie() {
                Lie::Doubled => state.counters.finished *= 2,
                Lie::Dropped => state.counters.dropped += 1,
                Lie::Expired => state.counters.expired += 1,
                Lie::KeptFrom => state.keep_from = state.keep_from.next(),
                _ => {}
            }
        }
        Ok(groups)
    }
    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired> {
        self.storage.acquire(partition, group, member).await
    }
    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<()> {
        self.storage.release(partition, group, epoch).await
    }
    async fn commit(&self, partition: &Partition, group: &GroupName, fence: Fence, commit: Commit) -> Result<Fence> {
        self.storage.commit(partition, group, fence, commit).await
    }
    async fn write_piece(&self, partition: &Partition, group: &GroupName, piece: PieceId, bytes: Bytes) -> Result<()> {
        self.storage.write_piece(partition, group, piece, bytes).await
    }
    async fn read_piece(&self, partition: &Partition, group: &GroupName, piece: PieceId) -> Result<Option<Bytes>> {
        self.storage.read_piece(partition, group, piece).await
    }
    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<()> {
        self.storage.retain_pieces(partition, group, keep, before).await
    }
}

#[async_trait]
impl NoteStore for Liar {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<()> {
        self.storage.put_notes(place, notes).await
    }
    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>> {
        self.storage.notes(place, from, limit).await
    }
    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<()> {
        self.storage.delete_notes(place, from, until).await
    }
}
