//! A stream as its users hold it.

use std::{fmt, marker::PhantomData, sync::Arc};

use minibatch_core::{
    Error, GroupName, Offset, ProducerId, Slot, StreamName,
    chunk::{Encoded, Extras},
    storage::{GroupState, LogBounds, StreamInfo, Trimmed},
};
use serde::Serialize;

use crate::{Appended, Client, StableProducer, Streaming, consumer::NoWindow, producer::Producer};

/// A durable, ordered stream of messages of type `T`. Cheap to clone; all clones of a client share its appends.
pub struct Stream<T> {
    client: Client,
    info: StreamInfo,
    producer: Arc<Producer>,
    messages: PhantomData<fn() -> T>,
}

impl<T> Stream<T> {
    pub(crate) fn new(client: Client, info: StreamInfo, producer: Arc<Producer>) -> Self {
        Self { client, info, producer, messages: PhantomData }
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.info.name
    }

    /// The client it was opened with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Consumes the stream in windows: choose when one is ready, then run a function or pull.
    pub fn streaming(&self) -> Streaming<T, NoWindow> {
        Streaming::new(self.clone())
    }

    /// Opens the producer `id` of this stream, and fences every other of that id: for a source that goes on after a restart
    /// where it was.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), [`Closed`](minibatch_core::Cause::Closed) after a shutdown, and
    /// what the storage says.
    ///
    /// # Cancel safety
    /// Dropped, other producers of the id may be fenced nevertheless.
    pub async fn producer(&self, id: &str) -> Result<StableProducer<T>, Error> {
        StableProducer::open(&self.client, self.info.partition(0), ProducerId::new(id)?).await
    }

    /// Both ends of the log.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn bounds(&self) -> Result<LogBounds, Error> {
        self.client.storage().bounds(&self.info.partition(0)).await.map_err(|error| error.during("bounds"))
    }

    /// Removes what every group has finished with. Consumers do it by themselves from time to time.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn trim(&self) -> Result<Trimmed, Error> {
        self.client.storage().trim(&self.info.partition(0), Slot::ZERO).await.map_err(|error| error.during("trim"))
    }

    /// The groups that read the stream, and how far each has got.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn groups(&self) -> Result<Vec<(GroupName, GroupState)>, Error> {
        self.client.storage().groups(&self.info.partition(0)).await.map_err(|error| error.during("groups"))
    }

    /// Removes a group that nobody will continue, so that it keeps no messages any more; `false` when there was none.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), and what the storage says.
    pub async fn remove_group(&self, group: &str) -> Result<bool, Error> {
        let group = GroupName::new(group)?;
        self.client.storage().remove_group(&self.info, &group).await.map_err(|error| error.during("remove group"))
    }

    pub(crate) fn info(&self) -> &StreamInfo {
        &self.info
    }

    pub(crate) async fn append_encoded(&self, encoded: Encoded) -> Result<Appended, Error> {
        self.producer.append(encoded).await
    }

    /// Returns once everything appended through this client's handles of the stream before is durable or has failed.
    ///
    /// # Errors
    /// [`Unavailable`](minibatch_core::Cause::Unavailable) when that takes longer than the append timeout,
    /// [`Closed`](minibatch_core::Cause::Closed) after a shutdown.
    pub async fn flush(&self) -> Result<(), Error> {
        self.producer.flush().await
    }
}

impl<T: Serialize> Stream<T> {
    /// Appends one message; durable when it returns.
    ///
    /// Calls that are made while an append is in flight share the next chunk, so appending from many tasks is fast.
    ///
    /// # Errors
    /// [`Encode`](minibatch_core::Cause::Encode), [`MessageTooLarge`](minibatch_core::Cause::MessageTooLarge) before
    /// anything is written; [`Unavailable`](minibatch_core::Cause::Unavailable) without a verdict in time: the message
    /// may be appended or not.
    ///
    /// # Cancel safety
    /// Dropped, the message may still be appended.
    pub async fn append(&self, message: &T) -> Result<Offset, Error> {
        self.append_with(message, &Extras::default()).await
    }

    /// Appends one message with a key or headers.
    ///
    /// # Errors
    /// As [`Stream::append`].
    ///
    /// # Cancel safety
    /// As [`Stream::append`].
    pub async fn append_with(&self, message: &T, extras: &Extras) -> Result<Offset, Error> {
        let encoded = Encoded::with_extras(message, extras).map_err(|error| error.during("append"))?;
        let appended = self.append_encoded(encoded).await?;
        Ok(appended.first.unwrap_or_default())
    }

    /// Appends messages in their order; durable when it returns. Nothing is appended when one cannot be encoded.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use minibatch_runtime::Client;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let words = client.stream::<String>("words").await?;
    /// let appended = words.append_many(&["mini".to_owned(), "batch".to_owned()]).await?;
    /// assert_eq!(appended.count, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Stream::append`], and [`PartlyAppended`](minibatch_core::Cause::PartlyAppended) when only the first so many
    /// are durable: append the rest again.
    ///
    /// # Cancel safety
    /// Dropped, all, some (from the first on) or none may still be appended.
    pub async fn append_many<'a>(&self, messages: impl IntoIterator<Item = &'a T>) -> Result<Appended, Error>
    where
        T: 'a,
    {
        let encoded = Encoded::values(messages).map_err(|error| error.during("append"))?;
        self.append_encoded(encoded).await
    }
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        let (client, info, producer) = (self.client.clone(), self.info.clone(), Arc::clone(&self.producer));
        Self { client, info, producer, messages: PhantomData }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.info.name).finish_non_exhaustive()
    }
}
