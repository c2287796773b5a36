//! The log of a partition: the trait over the plain model.

mod derived;
mod producers;
mod records;

use async_trait::async_trait;
use derived::Derived;
use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Payload, ProducerStamp, Record, RecordKind, clamp_time},
    storage::{
        ChunkLog, DerivedAppend, LogBounds, Partition, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Trim,
        Trimmed,
    },
};
use producers::{Producers, Verdict};
use records::Records;
use tokio::sync::watch;

use crate::storage::MemoryStorage;

/// Records, who wrote them, and who waits for more.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Records,
    producers: Producers,
    derived: Derived,
    /// The tail, for those who wait. Closed when the stream is dropped.
    tail: watch::Sender<Slot>,
}

impl Log {
    fn append(&mut self, chunk: NewChunk, now: Timestamp) -> Result<Slot, Error> {
        match self.producers.judge(&chunk, &self.records)? {
            Verdict::Known(slot) => Ok(slot),
            Verdict::New => {
                let time = clamp_time(chunk.time, now);
                let slot = self.push(chunk.producer.clone(), time, chunk.payload)?;
                self.producers.wrote(&chunk.producer, slot);
                Ok(slot)
            }
        }
    }

    fn append_derived(&mut self, chunk: &DerivedChunk, now: Timestamp) -> Result<DerivedAppend, Error> {
        if let Some(standing) = self.derived.standing(chunk, &self.records) {
            return Ok(standing);
        }
        let slot = self.push(chunk.stamp(), clamp_time(chunk.time, now), chunk.payload.clone())?;
        self.derived.wrote(chunk, slot);
        Ok(DerivedAppend { slot, differs: false })
    }

    fn push(&mut self, producer: ProducerStamp, time: Timestamp, payload: Payload) -> Result<Slot, Error> {
        let slot = self.records.push(producer, time, payload)?;
        self.tail.send_replace(slot);
        Ok(slot)
    }

    fn punctuate(&mut self, after: Slot, time: Timestamp, now: Timestamp) -> Result<Punctuated, Error> {
        if after == Slot::ZERO || after != self.records.bounds().tail {
            return Ok(Punctuated::Elsewhere);
        }
        let slot = self.records.punctuate(clamp_time(time, now))?;
        self.tail.send_replace(slot);
        Ok(Punctuated::Appended)
    }

    /// Deletes what lies below a slot, the last record excepted.
    fn trim(&mut self, end: Slot) -> Trimmed {
        let floor = self.records.raise_floor(end);
        let mut deleted = 0;
        while let Some(record) = self.records.pop_below(floor) {
            match record.producer {
                _ if record.kind != RecordKind::Data => {}
                ProducerStamp { id, epoch: 0, sequence } => self.derived.trimmed(&id, sequence),
                ProducerStamp { id, .. } => self.producers.forget_oldest(&id),
            }
            deleted += 1;
        }
        Trimmed { floor, deleted }
    }
}

#[async_trait]
impl ChunkLog for MemoryStorage {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("register_producer"))?;
        Ok(partition.log.producers.register(producer))
    }

    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        let mut state = self.state();
        let append = |error: Error| error.during("append");
        state.streams.partition(partition).map_err(append)?.log.append(chunk, self.time().now()).map_err(append)
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        let mut state = self.state();
        let append = |error: Error| error.during("append_derived");
        let log = &mut state.streams.partition(partition).map_err(append)?.log;
        let now = self.time().now();
        chunks.iter().map(|chunk| log.append_derived(chunk, now).map_err(append)).collect()
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let mut state = self.state();
        let read = |error: Error| error.during("read");
        state.streams.partition(partition).map_err(read)?.log.records.read(from, limit).map_err(read)
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        let wait = |error: Error| error.during("wait");
        let mut tail = self.state().streams.partition(partition).map_err(wait)?.log.tail.subscribe();
        match tail.wait_for(|tail| *tail > after).await {
            Ok(_) => Ok(()),
            Err(_closed) => Err(Error::new(minibatch_core::Cause::StreamDropped).during("wait")),
        }
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("bounds"))?;
        Ok(partition.log.records.bounds())
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        let mut state = self.state();
        let survey = |error: Error| error.during("survey");
        state.streams.partition(partition).map_err(survey)?.log.records.survey(from, limit).map_err(survey)
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let mut state = self.state();
        let punctuate = |error: Error| error.during("punctuate");
        let log = &mut state.streams.partition(partition).map_err(punctuate)?.log;
        log.punctuate(after, time, self.time().now()).map_err(punctuate)
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("trim"))?;
        let end = trim.end(partition.groups.needed_from());
        Ok(partition.log.trim(end))
    }
}
