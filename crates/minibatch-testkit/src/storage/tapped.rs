//! A storage between which and its caller a test steps in.

use std::{fmt, future::Future, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Error, GroupName, MemberId, ProducerId, Slot, StreamName, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
    storage::{
        Acquired, ChunkLog, Commit, DerivedAppend, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace,
        NoteStore, Partition, PieceId, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Start, Storage, StreamInfo,
        StreamStore, Trim, Trimmed,
    },
};

/// What a test does with the calls on a storage: make them, count them, lose their replies, let them hang.
///
/// ```
/// use minibatch_core::Error;
/// use minibatch_testkit::storage::Tap;
///
/// /// Every call takes a turn of the scheduler before and after it, so that it can be dropped there.
/// #[derive(Debug)]
/// struct Slow;
///
/// impl Tap for Slow {
///     async fn call<T: Send>(
///         &self,
///         _operation: &'static str,
///         call: impl Future<Output = Result<T, Error>> + Send,
///     ) -> Result<T, Error> {
///         tokio::task::yield_now().await;
///         let result = call.await;
///         tokio::task::yield_now().await;
///         result
///     }
/// }
/// ```
pub trait Tap: fmt::Debug + Send + Sync + 'static {
    /// Makes the call of the method that is named `operation`, or does something else.
    fn call<T: Send>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send;

    /// What a read gives of the records that it found: all of them, unless a test hides some.
    fn found(&self, records: Vec<Record>) -> Vec<Record> {
        records
    }
}

/// A storage whose every call goes through a [`Tap`].
#[derive(Clone, Debug)]
pub struct Tapped<S, T> {
    storage: S,
    tap: T,
}

impl<S: Storage, T: Tap> Tapped<S, T> {
    /// Over a storage.
    #[must_use]
    pub fn new(storage: S, tap: T) -> Self {
        Self { storage, tap }
    }

    /// The tap.
    #[must_use]
    pub fn tap(&self) -> &T {
        &self.tap
    }
}

macro_rules! forward {
    (impl $of:ident { $(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $(, then $then:ident)?;)* }) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: Storage, T: Tap> $of for Tapped<S, T> {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out, Error> {
                let result = self.tap.call(stringify!($name), self.storage.$name($($arg),*)).await;
                $(let result = result.map(|found| self.tap.$then(found));)?
                result
            })*
        }
    };
}

forward! {
    impl StreamStore {
        fn open_stream(name: &StreamName, partitions: u32) -> StreamInfo;
        fn find_stream(name: &StreamName) -> Option<StreamInfo>;
        fn list_streams() -> Vec<StreamInfo>;
        fn drop_stream(name: &StreamName) -> bool;
        fn now() -> Timestamp;
    }
}

forward! {
    impl ChunkLog {
        fn register_producer(partition: &Partition, producer: &ProducerId) -> ProducerGrant;
        fn append(partition: &Partition, chunk: NewChunk) -> Slot;
        fn append_derived(partition: &Partition, chunks: Vec<DerivedChunk>) -> Vec<DerivedAppend>;
        fn read(partition: &Partition, from: Slot, limit: ReadLimit) -> Vec<Record>, then found;
        fn wait(partition: &Partition, after: Slot) -> ();
        fn bounds(partition: &Partition) -> LogBounds;
        fn survey(partition: &Partition, from: Slot, limit: usize) -> Vec<RecordSummary>;
        fn punctuate(partition: &Partition, after: Slot, time: Timestamp) -> Punctuated;
        fn trim(partition: &Partition, trim: Trim) -> Trimmed;
    }
}

forward! {
    impl GroupStore {
        fn join(ttl: Duration) -> MemberId;
        fn heartbeat(member: &MemberId, ttl: Duration) -> ();
        fn leave(member: &MemberId) -> ();
        fn living(members: &[MemberId]) -> Vec<MemberId>;
        fn open_group(stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> ();
        fn restart_group(stream: &StreamInfo, group: &GroupName, fingerprint: &str, start: Start) -> ();
        fn remove_group(stream: &StreamInfo, group: &GroupName, seen: Option<&[Fence]>) -> bool;
        fn groups(partition: &Partition) -> Vec<(GroupName, GroupState)>;
        fn acquire(partition: &Partition, group: &GroupName, member: &MemberId) -> Acquired;
        fn release(partition: &Partition, group: &GroupName, epoch: u64) -> ();
        fn commit(partition: &Partition, group: &GroupName, fence: Fence, commit: Commit) -> Fence;
        fn transactional() -> ();
        fn write_piece(partition: &Partition, group: &GroupName, piece: PieceId, bytes: Bytes) -> ();
        fn read_piece(partition: &Partition, group: &GroupName, piece: PieceId) -> Option<Bytes>;
        fn retain_pieces(partition: &Partition, group: &GroupName, keep: &[PieceId], before: PieceId) -> ();
    }
}

forward! {
    impl NoteStore {
        fn put_notes(place: &NotePlace, notes: Vec<Note>) -> ();
        fn notes(place: &NotePlace, from: &str, limit: usize) -> Vec<Note>;
        fn delete_notes(place: &NotePlace, from: &str, until: Option<&str>) -> ();
    }
}
