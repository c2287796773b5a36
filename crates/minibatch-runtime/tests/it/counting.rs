//! A storage that counts what it is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    GroupName, MemberId, ProducerId, Result, Slot, StreamName, Timestamp,
    chunk::{NewChunk, Record},
    storage::{
        Acquired, ChunkLog, Commit, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace, NoteStore, Partition,
        PieceId, ProducerGrant, ReadLimit, RecordSummary, Start, Storage, StreamInfo, StreamStore, Trimmed,
    },
};

#[derive(Debug)]
pub(crate) struct Counting {
    storage: Arc<dyn Storage>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counting {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, calls: Mutex::default() }
    }

    /// The calls since this was asked last, by the operation's name.
    pub(crate) fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn count(&self, operation: &'static str) -> &dyn Storage {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        &*self.storage
    }
}

macro_rules! counted {
    ($store:ident { $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $store for Counting {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                self.count(stringify!($name)).$name($($argument),*).await
            })*
        }
    };
}

counted!(StreamStore {
    open_stream(name: &StreamName, partitions: u32) -> StreamInfo;
    find_stream(name: &StreamName) -> Option<StreamInfo>;
    list_streams() -> Vec<StreamInfo>;
    drop_stream(name: &StreamName) -> bool;
    now() -> Timestamp;
});

counted!(ChunkLog {
    register_producer(partition: &Partition, producer: &ProducerId) -> ProducerGrant;
    append(partition: &Partition, chunk: NewChunk) -> Slot;
    read(partition: &Partition, from: Slot, limit: ReadLimit) -> Vec<Record>;
    wait(partition: &Partition, after: Slot) -> ();
    bounds(partition: &Partition) -> LogBounds;
    survey(partition: &Partition, from: Slot, limit: usize) -> Vec<RecordSummary>;
    trim(partition: &Partition, cut: Slot) -> Trimmed;
});

counted!(GroupStore {
    join(ttl: Duration) -> MemberId;
    heartbeat(member: &MemberId, ttl: Duration) -> ();
    leave(member: &MemberId) -> ();
    living(members: &[MemberId]) -> Vec<MemberId>;
    open_group(stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> ();
    restart_group(stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> ();
    remove_group(stream: &StreamInfo, group: &GroupName) -> bool;
    groups(partition: &Partition) -> Vec<(GroupName, GroupState)>;
    acquire(partition: &Partition, group: &GroupName, member: &MemberId) -> Acquired;
    release(partition: &Partition, group: &GroupName, epoch: u64) -> ();
    commit(partition: &Partition, group: &GroupName, fence: Fence, commit: Commit) -> Fence;
    write_piece(partition: &Partition, group: &GroupName, piece: PieceId, bytes: Bytes) -> ();
    read_piece(partition: &Partition, group: &GroupName, piece: PieceId) -> Option<Bytes>;
    retain_pieces(partition: &Partition, group: &GroupName, keep: &[PieceId], before: PieceId) -> ();
});

counted!(NoteStore {
    put_notes(place: &NotePlace, notes: Vec<Note>) -> ();
    notes(place: &NotePlace, from: &str, limit: usize) -> Vec<Note>;
    delete_notes(place: &NotePlace, from: &str, until: Option<&str>) -> ();
});
