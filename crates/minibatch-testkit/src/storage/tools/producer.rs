//! Producers, and what they append.

use std::sync::Arc;

use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{ChunkBuilder, Encoded, NewChunk, Payload, ProducerStamp},
    storage::{Partition, ProducerGrant},
};
use serde::Serialize;

use crate::storage::{
    case::Client,
    failure::{Verdict, ensure_eq},
};

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
