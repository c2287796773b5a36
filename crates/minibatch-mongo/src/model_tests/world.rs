//! A model server with its clients, in virtual time: hours pass in seconds, and a seed gives the same run again.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Clock, Error, ErrorKind, GroupName, Offset, ProducerId, Slot, StreamName, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, NewChunk, ProducerStamp, Record},
    storage::{
        Acquired, ChunkLog, Commit, Counters, Fence, GroupStore, Partition, ReadLimit, Start, StreamInfo, StreamStore,
    },
};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{
    MongoOptions, MongoStorage,
    database::model::{Connection, Faults, Server},
};

/// Tokio's clock, which stands still while anybody works and jumps when all wait.
#[derive(Debug)]
struct VirtualClock(Instant);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time")]
    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

/// One client of a server, and its connection.
pub(super) fn client(server: &Arc<Server>, faults: Faults, seed: u64) -> (MongoStorage, Arc<Connection>) {
    let connection = server.connect(faults, seed);
    let database: Arc<Connection> = Arc::clone(&connection);
    let clock = Arc::new(VirtualClock(Instant::now()));
    (MongoStorage::over(database, clock, MongoOptions::default(), seed), connection)
}

/// Runs a world for each of some seeds: 40 from 0 on, or the one that `MINIBATCH_SEED` names, or as many from there on as
/// `MINIBATCH_SEEDS` says.
pub(super) fn for_seeds<F: Future<Output = ()>>(world: impl Fn(u64) -> F) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("MINIBATCH_SEED");
    let count = number("MINIBATCH_SEEDS").unwrap_or(if first.is_some() { 1 } else { 40 });
    for seed in (first.unwrap_or(0)..).take(usize::try_from(count).unwrap()) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let named = SeedOnPanic(seed);
        runtime.block_on(world(seed));
        drop(named);
    }
}

/// Says which seed it was.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("MINIBATCH_SEED={} gives this run again", self.0);
        }
    }
}

/// Waits in virtual time.
#[expect(clippy::disallowed_methods, reason = "virtual time")]
pub(super) async fn pass(duration: Duration) {
    sleep(duration).await;
}

/// Repeats a call until it has a verdict.
pub(super) async fn verdict<T, F: Future<Output = Result<T, Error>>>(call: impl Fn() -> F) -> Result<T, Error> {
    loop {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Retry => pass(Duration::from_millis(100)).await,
            verdict => return verdict,
        }
    }
}

pub(super) const STRATEGY: &str = "count v1 n=3";

/// A new stream's only partition, and a group that reads it from the start.
pub(super) async fn stream(storage: &MongoStorage) -> (StreamInfo, GroupName) {
    let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
    let group = GroupName::new("readers").unwrap();
    storage.open_group(&stream, &group, STRATEGY, Start::Earliest).await.unwrap();
    // so that not even a deposed primary has not heard of it
    pass(Duration::from_secs(20)).await;
    (stream, group)
}

/// A chunk of one text.
pub(super) fn chunk(id: &ProducerId, epoch: u64, sequence: u64, text: &str) -> NewChunk {
    let mut builder = ChunkBuilder::new();
    builder.fill(&Encoded::values(&[text]).unwrap(), 0);
    let producer = ProducerStamp { id: id.clone(), epoch, sequence };
    NewChunk { producer, time: Timestamp::from_millis(1_700_000_000_000), payload: builder.finish() }
}

/// The text of such a chunk.
pub(super) fn text(record: &Record) -> String {
    let chunk = Chunk::open(record, record.time).unwrap();
    chunk.message(0).unwrap().decode().unwrap()
}

/// Owns the group's partition and has finished with everything it read.
pub(super) struct Reader {
    storage: MongoStorage,
    partition: Partition,
    group: GroupName,
    fence: Fence,
    next: Slot,
    pub(super) records: Vec<Record>,
}

impl Reader {
    pub(super) async fn new(storage: &MongoStorage, partition: &Partition, group: &GroupName) -> Self {
        let member = verdict(|| storage.join(Duration::from_secs(1_000_000))).await.unwrap();
        let acquired = verdict(|| storage.acquire(partition, group, &member)).await.unwrap();
        let Acquired::Owner(state) = acquired else { panic!("held") };
        Self {
            storage: storage.clone(),
            partition: partition.clone(),
            group: group.clone(),
            fence: state.fence,
            next: state.keep_from.slot(),
            records: Vec::new(),
        }
    }

    /// Reads what there is, and commits that it needs none of it any more. `false` when there was nothing.
    pub(super) async fn step(&mut self) -> bool {
        let limit = ReadLimit { messages: 10, bytes: 1 << 20 };
        let records = verdict(|| self.storage.read(&self.partition, self.next, limit)).await.unwrap();
        let Some(last) = records.last() else { return false };
        self.next = last.slot.next();
        self.records.extend(records);
        let counters = Counters { finished: self.records.len() as u64, ..Counters::default() };
        let keep_from = Offset::first_of(self.next);
        let commit = Commit { checkpoint: Bytes::from_static(b"none"), keep_from, counters, effects: Vec::new() };
        let commit = || self.storage.commit(&self.partition, &self.group, self.fence, commit.clone());
        self.fence = verdict(commit).await.unwrap();
        true
    }
}
