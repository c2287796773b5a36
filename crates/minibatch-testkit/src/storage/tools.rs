//! What the cases are written with: producers, payloads, reading to the end, many tasks at once.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use minibatch_core::{
    Cause, Error, GroupName, MemberId, Offset, ProducerId, Slot, Timestamp,
    chunk::{ChunkBuilder, Encoded, NewChunk, Payload, ProducerStamp, Record},
    storage::{Acquired, Commit, Counters, GroupState, Partition, ProducerGrant, ReadLimit, Start, StreamInfo},
};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    case::Client,
    failure::{Failure, Verdict, ensure_eq},
};
use crate::pause::Pauses;

/// Long enough to live as long as any case.
pub(crate) const LONG_LIFE: Duration = Duration::from_secs(3_600);
/// As short as a life can be.
pub(crate) const SHORT_LIFE: Duration = Duration::from_millis(1);
/// As much as there is.
pub(crate) const ALL: ReadLimit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
/// The strategy that the cases pretend to run.
pub(crate) const STRATEGY: &str = "count v1 n=3";

/// A registered producer that counts its sequences.
pub(crate) struct Producer {
    storage: Client,
    partition: Partition,
    pub(crate) id: ProducerId,
    pub(crate) grant: ProducerGrant,
    next: u64,
}

impl Producer {
    pub(crate) async fn register(storage: &Client, partition: &Partition, id: &str) -> Verdict<Self> {
        let id = ProducerId::stored(id);
        let grant = storage.register_producer(partition, &id).await?;
        let next = grant.next_sequence;
        Ok(Self { storage: Arc::clone(storage), partition: partition.clone(), id, grant, next })
    }

    /// Appends the next chunk.
    pub(crate) async fn append(&mut self, payload: Payload) -> Verdict<Slot> {
        let slot = self.try_append(self.next, payload).await?;
        self.next += 1;
        Ok(slot)
    }

    /// Appends the next chunk with a time of the producer's own.
    pub(crate) async fn append_at(&mut self, time: Timestamp, payload: Payload) -> Verdict<Slot> {
        let slot = self.storage.append(&self.partition, self.chunk_at(self.next, time, payload)).await?;
        self.next += 1;
        Ok(slot)
    }

    /// Appends `count` chunks of one message each, which says its number from 1 on.
    pub(crate) async fn append_many(&mut self, count: u64) -> Verdict<Slot> {
        let mut last = Slot::ZERO;
        for number in 1..=count {
            last = self.append(payload(&[number])?).await?;
        }
        Ok(last)
    }

    /// Appends under a given sequence, and does not count it.
    pub(crate) async fn try_append(&self, sequence: u64, payload: Payload) -> Result<Slot, Error> {
        self.storage.append(&self.partition, self.chunk(sequence, payload).await?).await
    }

    /// What [`Self::try_append`] appends: timed by the storage's own clock.
    pub(crate) async fn chunk(&self, sequence: u64, payload: Payload) -> Result<NewChunk, Error> {
        Ok(self.chunk_at(sequence, self.storage.now().await?, payload))
    }

    pub(crate) fn chunk_at(&self, sequence: u64, time: Timestamp, payload: Payload) -> NewChunk {
        let producer = ProducerStamp { id: self.id.clone(), epoch: self.grant.epoch, sequence };
        NewChunk { producer, time, payload }
    }

    /// The sequence of the next chunk.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The same producer through another client.
    pub(crate) fn through(&self, storage: &Client) -> Self {
        Self {
            storage: Arc::clone(storage),
            partition: self.partition.clone(),
            id: self.id.clone(),
            grant: self.grant,
            next: self.next,
        }
    }
}

/// The payload of these values.
pub(crate) fn payload<T: Serialize>(values: &[T]) -> Verdict<Payload> {
    let encoded = Encoded::values(values)?;
    chunk_of(&encoded)
}

/// The payload of these messages, which must fit one chunk.
pub(crate) fn chunk_of(encoded: &Encoded) -> Verdict<Payload> {
    let mut chunk = ChunkBuilder::new();
    let taken = chunk.fill(encoded, 0);
    ensure_eq!(taken, encoded.len(), "suite: messages in one chunk");
    Ok(chunk.finish())
}

/// Reads from `from` to the end, `limit` at a time, and checks that no slot is left out.
pub(crate) async fn read_from(
    storage: &Client,
    partition: &Partition,
    from: Slot,
    limit: ReadLimit,
) -> Verdict<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = from.max(Slot::FIRST);
    loop {
        let more = storage.read(partition, next, limit).await?;
        if more.is_empty() {
            return Ok(records);
        }
        next = check_run(&more, next)?;
        records.extend(more);
    }
}

/// Checks that the records fill the slots from `from` on without a hole; returns the slot after them.
pub(crate) fn check_run(records: &[Record], from: Slot) -> Verdict<Slot> {
    let mut next = from;
    for record in records {
        ensure_eq!(record.slot, next, "slot of the next record");
        next = next.next();
    }
    Ok(next)
}

/// Reads everything.
pub(crate) async fn read_all(storage: &Client, partition: &Partition) -> Verdict<Vec<Record>> {
    read_from(storage, partition, Slot::ZERO, ALL).await
}

/// What a record must be everywhere: slot, producer, its epoch and sequence, time, payload.
pub(crate) type Identity = (Slot, ProducerId, u64, u64, Timestamp, Payload);

/// A record's [`Identity`].
pub(crate) fn identity(record: &Record) -> Identity {
    let ProducerStamp { id, epoch, sequence } = record.producer.clone();
    (record.slot, id, epoch, sequence, record.time, record.payload.clone())
}

pub(crate) fn slot(number: u64) -> Verdict<Slot> {
    Ok(Slot::new(number)?)
}

/// The offset of the first message in slot `number`.
pub(crate) fn offset(number: u64) -> Verdict<Offset> {
    Ok(Offset::first_of(slot(number)?))
}

pub(crate) fn group(name: &str) -> Verdict<GroupName> {
    Ok(GroupName::new(name)?)
}

/// The stream of a partition, which has no other.
pub(crate) fn stream_of(partition: &Partition) -> StreamInfo {
    StreamInfo { name: partition.stream.clone(), incarnation: partition.incarnation, partitions: 1 }
}

/// Opens a group on the stream of `partition`, which has no other, at its beginning.
pub(crate) async fn open_group(storage: &Client, partition: &Partition, name: &str) -> Verdict<GroupName> {
    let name = group(name)?;
    storage.open_group(&stream_of(partition), &name, STRATEGY, Start::Earliest).await?;
    Ok(name)
}

/// The group's state of the partition, as listed.
pub(crate) async fn state(storage: &Client, partition: &Partition, group: &GroupName) -> Verdict<GroupState> {
    let listed = storage.groups(partition).await?;
    let found = listed.into_iter().find(|(name, _)| name == group);
    found.map(|(_, state)| state).ok_or_else(|| Failure::new(format!("groups does not list group {group}")))
}

/// Makes a living member that lives as long as the case.
pub(crate) async fn member(storage: &Client) -> Verdict<MemberId> {
    Ok(storage.join(LONG_LIFE).await?)
}

/// Acquires what must be free.
pub(crate) async fn own(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    member: &MemberId,
) -> Verdict<GroupState> {
    match storage.acquire(partition, group, member).await? {
        Acquired::Owner(state) => Ok(state),
        Acquired::Held(by) => Err(Failure::new(format!("a free partition is held by {by}"))),
    }
}

/// Acquires what a member holds that is about to die.
pub(crate) async fn take_over(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    member: &MemberId,
    patience: Duration,
) -> Verdict<GroupState> {
    let mut pauses = Pauses::within(patience);
    loop {
        match storage.acquire(partition, group, member).await? {
            Acquired::Owner(state) => return Ok(state),
            Acquired::Held(_) if pauses.again().await => {}
            Acquired::Held(by) => {
                return Err(Failure::new(format!("dead member {by} still holds the partition after {patience:?}")));
            }
        }
    }
}

/// A commit that asks for nothing but to keep from `keep_from` on.
pub(crate) fn commit_at(keep_from: Offset, checkpoint: &'static [u8]) -> Commit {
    let counters = Counters { finished: keep_from.slot().get(), ..Counters::default() };
    Commit { checkpoint: checkpoint.into(), keep_from, counters }
}

/// Lets a group of its own owner finish with everything below slot `keep_from`.
pub(crate) async fn finish_below(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    keep_from: u64,
) -> Verdict {
    let member = member(storage).await?;
    let owned = own(storage, partition, group, &member).await?;
    storage.commit(partition, group, owned.fence, commit_at(offset(keep_from)?, b"done")).await?;
    storage.release(partition, group, owned.fence.epoch).await?;
    Ok(())
}

/// Trims until the first slot is deleted, and checks on the way that reading it never skips. Returns the lowest slot
/// that the storage says is kept, and how many records all trims together deleted.
pub(crate) async fn trim_until_deleted(
    storage: &Client,
    partition: &Partition,
    patience: Duration,
) -> Verdict<(Slot, u64)> {
    let mut pauses = Pauses::within(patience);
    let mut deleted = 0;
    loop {
        deleted += storage.trim(partition).await?.deleted;
        match storage.read(partition, Slot::FIRST, ALL).await {
            Ok(records) => {
                check_run(&records, Slot::FIRST)?;
            }
            Err(error) => match error.cause() {
                Cause::OffsetTrimmed { low, .. } => return Ok((*low, deleted)),
                _ => return Err(error.into()),
            },
        }
        if !pauses.again().await {
            let what = "trim never deleted what no group needs (give the suite a storage with a short grace)";
            return Err(Failure::new(format!("{what}: waited {patience:?}")));
        }
    }
}

/// Runs the tasks at once and returns what they return, in their order.
pub(crate) async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Verdict<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Verdict<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (number, task) in tasks.into_iter().enumerate() {
        running.spawn(async move { (number, task.await) });
    }
    let mut results = Vec::new();
    while let Some(joined) = running.join_next().await {
        let (number, result) = joined.map_err(|error| Failure::new(format!("a task of the case failed: {error}")))?;
        results.push((number, result?));
    }
    results.sort_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Polls `future` at most `polls` times, then drops it; true when it was ready by then.
pub(crate) async fn dropped_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// One client and the other in turn.
pub(crate) fn turns<'a>(a: &'a Client, b: &'a Client) -> impl Iterator<Item = &'a Client> {
    [a, b].into_iter().cycle()
}
