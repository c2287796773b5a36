//! The log of a partition.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, Offset, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Payload, ProducerStamp, Record, RecordKind, clamp_time},
    storage::{
        ChunkLog, DerivedAppend, LogBounds, Partition, Position, ProducerGrant, Punctuated, ReadLimit, RecordSummary,
        Trim, Trimmed, UsedNumbers,
    },
};

use crate::{CustomStorage, groups::Group, now};

/// Everything that belongs to one partition.
#[derive(Debug)]
pub(crate) struct Log {
    records: BTreeMap<Slot, Record>,
    pub(crate) bounds: LogBounds,
    producers: HashMap<ProducerId, Producer>,
    /// The numbers of derived chunks, trimmed or not.
    derived: HashMap<ProducerId, UsedNumbers>,
    pub(crate) groups: BTreeMap<GroupName, Group>,
    pub(crate) notes: BTreeMap<(Option<GroupName>, &'static str, String), Bytes>,
    /// The last epoch that a group was given: all groups share the count, so that none is given twice.
    pub(crate) last_epoch: u64,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    last_sequence: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            bounds: LogBounds { floor: Slot::ZERO, floor_time: Timestamp::MIN, floor_count: 0, tail: Slot::ZERO },
            producers: HashMap::new(),
            derived: HashMap::new(),
            groups: BTreeMap::new(),
            notes: BTreeMap::new(),
            last_epoch: 0,
        }
    }
}

impl Log {
    /// The place of a slot: the greatest time of the records before it, and how many messages they had.
    pub(crate) fn position(&self, slot: Slot) -> Position {
        let start = Position { offset: Offset::first_of(slot), ..self.bounds.first() };
        self.records.range(..slot).fold(start, |place, (_, record)| Position {
            time: place.time.max(record.time),
            count: place.count + u64::from(record.payload.count()),
            ..place
        })
    }

    fn append(&mut self, chunk: NewChunk) -> Result<Slot, Error> {
        let known = self.producers.entry(chunk.producer.id.clone()).or_default();
        if chunk.producer.epoch < known.epoch {
            return Err(Cause::fenced(chunk.producer.epoch).into());
        }
        let (expected, got) = (known.last_sequence + 1, chunk.producer.sequence);
        if got == 0 || got > expected {
            return Err(Cause::out_of_order_sequence(expected, got).into());
        }
        if got < expected {
            let mut records = self.records.values();
            return match records
                .find(|record| record.producer.id == chunk.producer.id && record.producer.sequence == got)
            {
                Some(record) if record.payload == chunk.payload => Ok(record.slot),
                Some(_) => Err(Cause::sequence_conflict(got).into()),
                None => Ok(self.bounds.floor.previous()),
            };
        }
        known.last_sequence = got;
        Ok(self.push(RecordKind::Data, chunk.producer, chunk.time, chunk.payload))
    }

    fn append_derived(&mut self, chunk: DerivedChunk) -> DerivedAppend {
        let used = self.derived.entry(chunk.id.clone()).or_default();
        if used.contains(chunk.number) {
            let stamp = chunk.stamp();
            return match self.records.values().find(|record| record.producer == stamp) {
                Some(record) => DerivedAppend { slot: record.slot, differs: record.payload != chunk.payload },
                None => DerivedAppend { slot: self.bounds.floor.previous(), differs: false },
            };
        }
        used.insert(chunk.number, chunk.below);
        let slot = self.push(RecordKind::Data, chunk.stamp(), chunk.time, chunk.payload);
        DerivedAppend { slot, differs: false }
    }

    fn punctuate(&mut self, after: Slot, time: Timestamp) -> Punctuated {
        if after == Slot::ZERO || after != self.bounds.tail {
            return Punctuated::Elsewhere;
        }
        let stamp = ProducerStamp::punctuation(after.next());
        self.push(RecordKind::Punctuation, stamp, time, Payload::empty());
        Punctuated::Appended
    }

    fn push(&mut self, kind: RecordKind, producer: ProducerStamp, time: Timestamp, payload: Payload) -> Slot {
        let (slot, time) = (self.bounds.tail.next(), clamp_time(time, now()));
        self.records.insert(slot, Record { slot, kind, producer, time, payload });
        self.bounds.tail = slot;
        slot
    }

    fn read(&self, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let from = from.max(Slot::FIRST);
        match self.records.keys().next() {
            Some(&low) if from < low => return Err(Cause::offset_trimmed(low).into()),
            _ => {}
        }
        let mut records = Vec::new();
        let (mut messages, mut bytes) = (0, 0);
        for record in self.records.range(from..).map(|(_, record)| record) {
            messages += record.payload.count() as usize;
            bytes += record.payload.bytes().len();
            records.push(record.clone());
            if messages >= limit.messages || bytes >= limit.bytes {
                break;
            }
        }
        Ok(records)
    }

    fn trim(&mut self, trim: Trim) -> Trimmed {
        let needed = self.groups.values().map(|group| group.state.keep_from.slot()).min();
        let floor = trim.end(needed).min(self.bounds.tail).max(self.bounds.floor);
        let before = self.records.len();
        if floor > self.bounds.floor {
            self.bounds.floor_time = self.position(floor.next()).time;
            self.bounds.floor_count = self.position(floor).count;
            self.bounds.floor = floor;
            self.records = self.records.split_off(&floor);
        }
        Trimmed { floor, deleted: (before - self.records.len()) as u64 }
    }
}

#[async_trait]
impl ChunkLog for CustomStorage {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        let mut state = self.state();
        let known = state.partition(partition)?.producers.entry(producer.clone()).or_default();
        known.epoch += 1;
        Ok(ProducerGrant { epoch: known.epoch, next_sequence: known.last_sequence + 1 })
    }

    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        let slot = self.state().partition(partition)?.append(chunk)?;
        self.appended.notify_waiters();
        Ok(slot)
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        let mut state = self.state();
        let log = state.partition(partition)?;
        let appended = chunks.into_iter().map(|chunk| log.append_derived(chunk)).collect();
        self.appended.notify_waiters();
        Ok(appended)
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        self.state().partition(partition)?.read(from, limit)
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        loop {
            // from here on an append is noticed, so that none slips in between looking and waiting
            let appended = self.appended.notified();
            if self.state().partition(partition)?.bounds.tail > after {
                return Ok(());
            }
            appended.await;
        }
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        Ok(self.state().partition(partition)?.bounds)
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        let records = self.state().partition(partition)?.read(from, all)?;
        Ok(records.iter().take(limit.max(1)).map(Record::summary).collect())
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let punctuated = self.state().partition(partition)?.punctuate(after, time);
        self.appended.notify_waiters();
        Ok(punctuated)
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        Ok(self.state().partition(partition)?.trim(trim))
    }
}
