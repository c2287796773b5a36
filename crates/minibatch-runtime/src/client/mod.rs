//! A connected process: one storage, one member, its producers.

mod membership;
mod options;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use minibatch_core::{
    Cause, Clock, Error, StreamName,
    storage::{Partition, Storage, StreamInfo},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Stream, SystemClock, consumer, producer::Producer, upkeep::Upkeep};

pub(crate) use membership::Membership;
pub use options::ClientOptions;

/// A connection to a storage, shared by all its clones: opens streams, keeps the process alive for the other members.
///
/// ```
/// use std::sync::Arc;
/// use minibatch_memory::MemoryStorage;
/// use minibatch_runtime::Client;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// let client = Client::new(Arc::new(MemoryStorage::new()));
/// let numbers = client.stream::<u32>("numbers").await?;
/// numbers.append(&7).await?;
/// client.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    options: ClientOptions,
    producers: Mutex<HashMap<Partition, Weak<Producer>>>,
    upkeeps: Mutex<HashMap<Partition, Weak<Upkeep>>>,
    membership: tokio::sync::Mutex<Option<Arc<Membership>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Client {
    /// A client of `storage`, with the system's clock.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self::with_options(storage, Arc::new(SystemClock::new()), ClientOptions::default())
    }

    /// A client with a clock of one's own and other options.
    #[must_use]
    pub fn with_options(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, options: ClientOptions) -> Self {
        Self(Arc::new(Inner {
            storage,
            clock,
            options,
            producers: Mutex::default(),
            upkeeps: Mutex::default(),
            membership: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Finds the stream of that name, or creates it, for messages of type `T`.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] without asking the storage, [`Cause::StreamDiffers`] when it exists with several
    /// partitions, [`Cause::Closed`] after [`Client::shutdown`], and what the storage says.
    pub async fn stream<T>(&self, name: &str) -> Result<Stream<T>, Error> {
        self.open(&StreamName::new(name)?).await
    }

    /// The dead letters of the stream `name`: messages that were given up on, with headers that say why.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn dead_letters<T>(&self, name: &str) -> Result<Stream<T>, Error> {
        self.open(&StreamName::new(name)?.dead()).await
    }

    /// Appends the dead letters of the stream `name` to it again, as new messages with their own keys and headers, and
    /// takes them out of the dead letters; returns how many there were. Those that are given up on meanwhile stay.
    ///
    /// Of each letter at least one new message is made: more, where this is cut short and called again.
    ///
    /// # Errors
    /// [`Cause::InvalidName`], and what the storage says.
    ///
    /// # Cancel safety
    /// Dropped, those appended last may be appended again by the next call.
    pub async fn redrive(&self, name: &str) -> Result<u64, Error> {
        consumer::redrive(self, &StreamName::new(name)?).await
    }

    pub(crate) async fn open<T>(&self, name: &StreamName) -> Result<Stream<T>, Error> {
        if self.0.stop.is_cancelled() {
            return Err(Cause::Closed.into());
        }
        let info = self.storage().open_stream(name, 1).await.map_err(|error| error.during("open stream"))?;
        let producer = self.producer(info.partition(0));
        Ok(Stream::new(self.clone(), info, producer))
    }

    /// All streams, by name.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn streams(&self) -> Result<Vec<StreamInfo>, Error> {
        self.storage().list_streams().await.map_err(|error| error.during("list streams"))
    }

    /// Drops a stream with its messages, groups and dead letters, for good; `false` when there was none.
    ///
    /// # Errors
    /// [`Cause::InvalidName`], and what the storage says.
    pub async fn drop_stream(&self, name: &str) -> Result<bool, Error> {
        let name = StreamName::new(name)?;
        self.storage().drop_stream(&name.dead()).await.map_err(|error| error.during("drop stream"))?;
        self.storage().drop_stream(&name).await.map_err(|error| error.during("drop stream"))
    }

    /// Stops consumers and producers of this client, waits for what they have in flight, and leaves the other members.
    ///
    /// Appends that were called before are finished; calls afterwards give [`Cause::Closed`]. A second call returns at
    /// once.
    ///
    /// Returns within 45 s whatever functions and storage do: 30 s for what is out, 5 s each for a storage that does not
    /// answer to commit, to release, to leave. What has no verdict then comes again at the next start.
    ///
    /// # Cancel safety
    /// Dropped, everything stops nevertheless; call it again to wait for that and to leave.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let mut membership = self.0.membership.lock().await;
        if let Some(member) = membership.as_ref() {
            member.leave().await;
            *membership = None;
        }
    }

    /// The storage underneath.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.0.storage
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The one producer of a partition: callers share its chunks.
    fn producer(&self, partition: Partition) -> Arc<Producer> {
        let mut producers = self.0.producers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = producers.get(&partition).and_then(Weak::upgrade) {
            return producer;
        }
        producers.retain(|_, producer| producer.strong_count() > 0);
        let producer = Arc::new(Producer::start(self, partition.clone()));
        producers.insert(partition, Arc::downgrade(&producer));
        producer
    }

    /// What looks after a stream, by its first partition.
    pub(crate) fn upkeep(&self, info: &StreamInfo) -> Arc<Upkeep> {
        let mut upkeeps = self.0.upkeeps.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = info.partition(0);
        if let Some(upkeep) = upkeeps.get(&partition).and_then(Weak::upgrade) {
            return upkeep;
        }
        upkeeps.retain(|_, upkeep| upkeep.strong_count() > 0);
        let upkeep = Arc::new(Upkeep::new(self.clone(), info.clone()));
        upkeeps.insert(partition, Arc::downgrade(&upkeep));
        upkeep.touch();
        upkeep
    }

    /// The membership of this process, joined when first needed and again when it was lost.
    pub(crate) async fn membership(&self) -> Result<Arc<Membership>, Error> {
        let mut current = self.0.membership.lock().await;
        if let Some(membership) = current.as_ref().filter(|membership| !membership.is_lost()) {
            return Ok(Arc::clone(membership));
        }
        let membership = Arc::new(Membership::join(self).await?);
        *current = Some(Arc::clone(&membership));
        Ok(membership)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("storage", &self.0.storage).finish_non_exhaustive()
    }
}
