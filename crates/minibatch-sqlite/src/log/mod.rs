//! The log of a partition.

mod append;
mod derived;
mod producers;
mod read;
pub(crate) mod space;
mod survey;
mod trim;

use async_trait::async_trait;
use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
    storage::{
        ChunkLog, DerivedAppend, LogBounds, Partition, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Trim,
        Trimmed,
    },
};
use std::sync::Arc;

use crate::{partition::PartitionRow, storage::SqliteStorage};

#[async_trait]
impl ChunkLog for SqliteStorage {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        let (partition, producer) = (partition.clone(), producer.clone());
        self.writer().run("register_producer", move |tx| producers::register(tx, &partition, &producer)).await
    }

    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        let (partition, wall) = (partition.clone(), Arc::clone(self.wall()));
        self.writer().run("append", move |tx| append::append(tx, partition, &chunk, &wall)).await
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        let (partition, wall) = (partition.clone(), Arc::clone(self.wall()));
        self.writer().run("append_derived", move |tx| append::append_derived(tx, partition, &chunks, &wall)).await
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let partition = partition.clone();
        let records = self.readers().run("read", move |view| read::read(view, &partition, from, limit)).await?;
        if let Some(last) = records.last() {
            self.wall().saw(last.time);
        }
        Ok(records)
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        // first the waiting, then the look: what comes in between is not missed
        let mut waiting = self.watcher().wait(partition).map_err(|error| error.during("wait"))?;
        if self.bounds(partition).await.map_err(|error| error.during("wait"))?.tail > after {
            return Ok(());
        }
        waiting.past(after).await.map_err(|error| error.during("wait"))
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        let partition = partition.clone();
        self.readers().run("bounds", move |view| Ok(PartitionRow::find(view, &partition)?.bounds())).await
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        let partition = partition.clone();
        self.readers().run("survey", move |view| survey::survey(view, &partition, from, limit)).await
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let (partition, wall) = (partition.clone(), Arc::clone(self.wall()));
        self.writer().run("punctuate", move |tx| append::punctuate(tx, partition, after, time, &wall)).await
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        let mut deleted = 0;
        loop {
            let partition = partition.clone();
            let step = self.writer().run("trim", move |tx| trim::step(tx, &partition, trim)).await?;
            deleted += step.deleted;
            if step.deleted == 0 {
                if deleted > 0 {
                    space::give_back_some(self.writer(), "trim").await?;
                }
                return Ok(Trimmed { floor: step.floor, deleted });
            }
        }
    }
}
