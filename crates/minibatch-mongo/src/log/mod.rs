//! The log of a partition: the trait over the protocol's parts.

mod append;
mod chunk;
mod derived;
mod holes;
mod numbers;
mod producers;
mod punctuation;
mod read;
mod resolve;
mod slots;
mod stored;
mod survey;
mod times;
mod trim;
mod wait;

use async_trait::async_trait;
use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
    storage::{
        ChunkLog, DerivedAppend, LogBounds, Partition, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Trim,
        Trimmed,
    },
};

pub(crate) use self::{
    append::Appending,
    chunk::{comparable, signed},
    holes::Holes,
    read::ChunkSize,
    trim::Trimming,
};
use crate::{MongoStorage, client::Client};

#[async_trait]
impl ChunkLog for MongoStorage {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        let granted = self.client.register_producer(partition, producer).await;
        granted.map_err(|error| error.during("register_producer"))
    }

    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        self.client.append(partition, chunk).await.map_err(|error| error.during("append"))
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        self.client.append_derived(partition, &chunks).await.map_err(|error| error.during("append_derived"))
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        self.client.read(partition, from, limit).await.map_err(|error| error.during("read"))
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        self.client.wait(partition, after).await.map_err(|error| error.during("wait"))
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        self.client.bounds(partition).await.map_err(|error| error.during("bounds"))
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        self.client.survey(partition, from, limit).await.map_err(|error| error.during("survey"))
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        self.client.punctuate(partition, after, time).await.map_err(|error| error.during("punctuate"))
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        self.client.trim(partition, trim).await.map_err(|error| error.during("trim"))
    }
}

impl Client {
    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        // the floor before the tail: the other way round the floor could be the higher
        let document = self.read_partition(partition).await?;
        let tail = self.read_tail(partition, document.floor).await?;
        Ok(document.bounds(tail))
    }
}
