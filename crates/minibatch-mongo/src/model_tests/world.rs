//! A model server with its clients, in virtual time: hours pass in seconds, and a seed gives the same run again.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Clock, Error, ErrorKind, GroupName, Offset, ProducerId, Slot, StreamName, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, NewChunk, ProducerStamp, Record, RecordKind},
    storage::{
        Acquired, ChunkLog, Commit, Counters, Fence, GroupStore, Partition, ReadLimit, Start, StreamInfo, StreamStore,
    },
};
use tokio::time::{Instant, sleep};

use super::mutants::Mutant;
use crate::{
    MongoOptions, MongoStorage,
    database::{
        Change, Collection, Database, Filter, Update,
        model::{Connection, Faults, Rules, Server},
    },
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
    World { server: Arc::clone(server), mutant: None, options: MongoOptions::default() }.client(faults, seed)
}

/// A server and what is wrong with it or with its clients, if anything is.
pub(super) struct World {
    pub(super) server: Arc<Server>,
    mutant: Option<Mutant>,
    options: MongoOptions,
}

impl World {
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        let server = Server::with_rules(mutant.map_or_else(Rules::default, Mutant::rules));
        Self { server, mutant, options: MongoOptions::default() }
    }

    /// Trimmers that wait so long before they delete.
    pub(super) fn with_grace(mut self, grace: Duration) -> Self {
        self.options = self.options.with_trim_grace(grace);
        self
    }

    /// One client, and its connection.
    pub(super) fn client(&self, faults: Faults, seed: u64) -> (MongoStorage, Arc<Connection>) {
        let connection = self.server.connect(faults, seed);
        let mut options = self.options.clone();
        let mut clock: Arc<dyn Clock> = Arc::new(VirtualClock(Instant::now()));
        let connected: Arc<Connection> = Arc::clone(&connection);
        let mut database: Arc<dyn Database> = connected;
        if let Some(mutant) = self.mutant {
            (options, clock, database) = mutant.client(options, clock, database);
        }
        (MongoStorage::over(database, clock, options, seed), connection)
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

/// Whether it is a chunk of that text.
pub(super) fn is_text(record: &Record, wanted: &str) -> bool {
    record.kind == RecordKind::Data && text(record) == wanted
}

/// A client with a producer of its own.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) storage: MongoStorage,
    pub(super) connection: Arc<Connection>,
    pub(super) partition: Partition,
    id: ProducerId,
    epoch: u64,
}

impl Writer {
    pub(super) async fn new(server: &Arc<Server>, partition: &Partition, id: &str, seed: u64) -> Self {
        let (storage, connection) = client(server, Faults::NONE, seed);
        let id = ProducerId::new(id).unwrap();
        let epoch = storage.register_producer(partition, &id).await.unwrap().epoch;
        Self { storage, connection, partition: partition.clone(), id, epoch }
    }

    pub(super) async fn append(&self, sequence: u64, text: &str) -> Slot {
        let chunk = chunk(&self.id, self.epoch, sequence, text);
        verdict(|| self.storage.append(&self.partition, chunk.clone())).await.unwrap()
    }

    /// Reserves the slot after the last, and leaves it empty.
    pub(super) async fn reserve(&self) {
        let tail = self.storage.bounds(&self.partition).await.unwrap().tail;
        let beyond = Update::default()
            .and("head", Change::Beyond { other: "floor_slot", value: tail.to_i64(), unless: ("reserver", 0) });
        let this = Filter::of(&self.partition);
        self.connection.find_and_update(Collection::Partitions, this, beyond, false).await.unwrap();
    }
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
    pub(super) async fn new(storage: &MongoStorage, partition: &Partition, group: &GroupName) -> Result<Self, Error> {
        let member = verdict(|| storage.join(Duration::from_secs(1_000_000))).await?;
        let acquired = verdict(|| storage.acquire(partition, group, &member)).await?;
        let Acquired::Owner(state) = acquired else { panic!("held") };
        Ok(Self {
            storage: storage.clone(),
            partition: partition.clone(),
            group: group.clone(),
            fence: state.fence,
            next: state.keep_from.slot(),
            records: Vec::new(),
        })
    }

    /// Reads all there is, waiting where a slot is empty.
    pub(super) async fn catch_up(&mut self) -> Result<(), Error> {
        loop {
            while self.step().await? {}
            if verdict(|| self.storage.bounds(&self.partition)).await?.tail < self.next {
                return Ok(());
            }
            pass(Duration::from_millis(100)).await;
        }
    }

    /// Reads what there is, and commits that it needs none of it any more. `false` when there was nothing.
    pub(super) async fn step(&mut self) -> Result<bool, Error> {
        let limit = ReadLimit { messages: 10, bytes: 1 << 20 };
        let records = verdict(|| self.storage.read(&self.partition, self.next, limit)).await?;
        let Some(last) = records.last() else { return Ok(false) };
        self.next = last.slot.next();
        self.records.extend(records);
        let counters = Counters { finished: self.records.len() as u64, ..Counters::default() };
        let keep_from = Offset::first_of(self.next);
        let commit = Commit { checkpoint: Bytes::from_static(b"none"), keep_from, counters, effects: Vec::new() };
        let commit = || self.storage.commit(&self.partition, &self.group, self.fence, commit.clone());
        self.fence = verdict(commit).await?;
        Ok(true)
    }
}
