//! A producer with an id of the user's own: it goes on after a restart where it was, and fences whoever had the id before.

use std::{fmt, marker::PhantomData};

use minibatch_core::{
    Cause, Error, ErrorKind, Offset, ProducerId, Slot,
    chunk::{ChunkBuilder, Encoded, NewChunk, Payload, ProducerStamp},
    storage::{Partition, ProducerGrant},
};
use serde::Serialize;

use super::{Appended, MessageId};
use crate::{Client, retry::until_verdict};

/// A producer whose id outlives its process: each chunk that it appends has the next sequence, and a sequence is appended
/// once, whoever sends it again and whenever.
///
/// A source that can be read again from a place goes on where it was: number the batches of the source, and append each
/// under its number.
///
/// ```
/// # use std::sync::Arc;
/// # use minibatch_runtime::Client;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
/// let lines = ["one", "two", "three", "four"].map(str::to_owned);
/// let words = client.stream::<String>("words").await?;
/// let mut loader = words.producer("loader-1").await?;
///
/// let done = loader.last_sequence();
/// for (sequence, batch) in (1..).zip(lines.chunks(2)).skip_while(|(sequence, _)| *sequence <= done) {
///     loader.append_batch(sequence, batch).await?;
/// }
/// assert_eq!(loader.last_sequence(), 2);
/// // a source that did not know how far it was may send a batch again
/// loader.append_batch(2, &lines[2..]).await?;
/// assert_eq!(words.bounds().await?[0].tail.get(), 2);
/// # Ok(())
/// # }
/// ```
///
/// It appends to the stream's first partition, one chunk at a time: that is what makes its sequences an order. To append
/// from many tasks at once use [`Stream::append`](crate::Stream::append), whose calls share chunks.
///
/// # One at a time
/// Opening a producer fences every other of the same id, in this process or another: as soon as the newer one has appended,
/// what the older one appends gives [`Fenced`](Cause::Fenced). Drop it then, and look why two were started; opening it anew
/// would fence the newer one.
///
/// # Without a verdict
/// An append that is dropped, or that gives [`Unavailable`](Cause::Unavailable), may have taken effect. The next call first
/// finds out, and the order holds. Whether to repeat the messages only a batch of a number of its own can tell:
/// [`append_batch`](Self::append_batch) is safe to repeat, the others append their messages once more.
pub struct StableProducer<T> {
    client: Client,
    partition: Partition,
    id: ProducerId,
    grant: ProducerGrant,
    /// Sent, and without a verdict: nothing else may be sent before it has one.
    unclear: Option<NewChunk>,
    messages: PhantomData<fn(T)>,
}

impl<T> StableProducer<T> {
    pub(crate) async fn open(client: &Client, partition: Partition, id: ProducerId) -> Result<Self, Error> {
        check_open(client)?;
        let (storage, clock) = (client.storage(), &**client.clock());
        let grant = until_verdict(clock, "open producer", || storage.register_producer(&partition, &id)).await?;
        Ok(Self { client: client.clone(), partition, id, grant, unclear: None, messages: PhantomData })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ProducerId {
        &self.id
    }

    /// The sequence of the last chunk that is certainly appended, by this producer or an earlier one of its id; 0 before
    /// the first.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.grant.next_sequence.saturating_sub(1)
    }

    /// Appends a payload under the sequence after the last, or under one that was used for the same before.
    async fn append_payload(&mut self, sequence: u64, payload: Payload) -> Result<Slot, Error> {
        let producer = ProducerStamp { id: self.id.clone(), epoch: self.grant.epoch, sequence };
        self.unclear = Some(NewChunk { producer, time: self.client.clock().now(), payload });
        self.settle().await.map(Option::unwrap_or_default)
    }

    /// Sends what has no verdict until it has one; returns its slot.
    async fn settle(&mut self) -> Result<Option<Slot>, Error> {
        let Some(chunk) = &self.unclear else { return Ok(None) };
        let (storage, clock) = (self.client.storage(), self.client.clock());
        let append = until_verdict(&**clock, "append", || storage.append(&self.partition, chunk.clone()));
        let verdict = tokio::select! {
            verdict = append => verdict,
            () = clock.sleep(self.client.options().append_timeout) => {
                let reason = "the messages may still be appended; append_timeout says how long to wait";
                return Err(Error::new(Cause::unavailable(reason)).during("append"));
            }
        };
        let next = chunk.producer.sequence.saturating_add(1);
        self.unclear = None;
        let slot = verdict?;
        self.grant.next_sequence = self.grant.next_sequence.max(next);
        Ok(Some(slot))
    }

    /// Finds out about an append that was given up on. What it failed for, nobody asks any more.
    async fn settle_former(&mut self) -> Result<(), Error> {
        check_open(&self.client)?;
        match self.settle().await {
            Err(error) if error.kind() == ErrorKind::Retry => Err(error),
            _ => Ok(()),
        }
    }

    async fn append_encoded(&mut self, encoded: &Encoded) -> Result<Appended, Error> {
        self.settle_former().await?;
        let mut done = Appended::default();
        while done.count < encoded.len() {
            let mut chunk = ChunkBuilder::new();
            let count = chunk.fill(encoded, done.count);
            let slot = match self.append_payload(self.grant.next_sequence, chunk.finish()).await {
                Err(error) if done.count > 0 => {
                    let cause =
                        Cause::partly_appended(done.count, encoded.len(), vec![(self.partition.index, done.count)]);
                    return Err(Error::new(cause).during("append").with_source(error));
                }
                slot => slot?,
            };
            let last = Offset::new(slot, u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(1))?;
            done.advance(self.partition.index, Offset::first_of(slot), last, count);
        }
        Ok(done)
    }
}

impl<T: Serialize> StableProducer<T> {
    /// Appends one message under the next sequence; durable when it returns.
    ///
    /// # Errors
    /// As [`Stream::append`](crate::Stream::append), and [`Fenced`](Cause::Fenced) when another producer of this id was
    /// opened.
    ///
    /// # Cancel safety
    /// Dropped, the message may still be appended; the next call waits for the verdict.
    pub async fn append(&mut self, message: &T) -> Result<MessageId, Error> {
        let appended = self.append_many([message]).await?;
        let first = appended.shares.first().map(|share| share.first).unwrap_or_default();
        Ok(MessageId::new(self.partition.index, first))
    }

    /// Appends messages in their order, each chunk of them under the next sequence; durable when it returns.
    ///
    /// # Errors
    /// As [`StableProducer::append`], and [`PartlyAppended`](Cause::PartlyAppended) when only the first so many are
    /// durable.
    ///
    /// # Cancel safety
    /// Dropped, all, some (from the first on) or none may still be appended; the next call waits for the verdict.
    pub async fn append_many<'a>(&mut self, messages: impl IntoIterator<Item = &'a T>) -> Result<Appended, Error>
    where
        T: 'a,
    {
        let encoded = Encoded::values(messages).map_err(|error| error.during("append"))?;
        self.append_encoded(&encoded).await
    }

    /// Appends a batch under a number of the caller's own: 1, 2, 3, … with none left out. Under one that is used already it
    /// checks that the batch is the same, as far as it is still kept, and appends nothing. An empty batch takes its number.
    ///
    /// Returns the slot of the batch; of one that was trimmed since, a slot below what is kept.
    ///
    /// # Errors
    /// - [`BatchTooLarge`](Cause::BatchTooLarge) before anything is written: a batch is one chunk, so it has up to
    ///   [4,096](minibatch_core::chunk::CHUNK_MAX_MESSAGES) messages and about
    ///   [1 MiB](minibatch_core::chunk::CHUNK_TARGET_BYTES).
    /// - [`OutOfOrderSequence`](Cause::OutOfOrderSequence) for a number that leaves one out.
    /// - [`SequenceConflict`](Cause::SequenceConflict) when the number was used for other messages. Values must encode to
    ///   the same bytes each time: a map without an order of its own does not.
    /// - As [`StableProducer::append`].
    ///
    /// # Cancel safety
    /// Dropped, the batch may still be appended: repeat it under the same number.
    pub async fn append_batch(&mut self, sequence: u64, batch: &[T]) -> Result<Slot, Error> {
        let encoded = Encoded::values(batch).map_err(|error| error.during("append"))?;
        let mut chunk = ChunkBuilder::new();
        let fitting = chunk.fill(&encoded, 0);
        if fitting < encoded.len() {
            return Err(Error::new(Cause::batch_too_large(encoded.len(), fitting)).during("append"));
        }
        self.settle_former().await?;
        self.append_payload(sequence, chunk.finish()).await
    }
}

fn check_open(client: &Client) -> Result<(), Error> {
    match client.stopping().is_cancelled() {
        true => Err(Error::new(Cause::Closed).during("append")),
        false => Ok(()),
    }
}

impl<T> fmt::Debug for StableProducer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StableProducer")
            .field("partition", &self.partition)
            .field("id", &self.id)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
