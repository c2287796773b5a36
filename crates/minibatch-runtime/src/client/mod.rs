//! A connected process: one storage, one member, its producers.

mod membership;
mod options;
mod seats;
mod stream_options;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use minibatch_core::{
    Cause, Clock, Error, GroupName, StreamName,
    storage::{Incarnation, Partition, Storage, StreamInfo},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Stream, SystemClock, consumer, producer::Router, upkeep::Upkeep};

pub(crate) use membership::Membership;
pub use options::ClientOptions;
pub(crate) use seats::Seat;
use seats::Seats;
pub use stream_options::StreamOptions;

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
    routers: Mutex<HashMap<(StreamName, Incarnation), Weak<Router>>>,
    seats: Seats,
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
            routers: Mutex::default(),
            seats: Seats::default(),
            upkeeps: Mutex::default(),
            membership: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Finds the stream of that name with the partitions it has, or creates it with one, for messages of type `T`.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] without asking the storage, [`Cause::Closed`] after [`Client::shutdown`], and what the
    /// storage says.
    pub async fn stream<T>(&self, name: &str) -> Result<Stream<T>, Error> {
        self.open(&StreamName::new(name)?).await
    }

    /// Finds the stream of that name, or creates it, with these options.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use minibatch_memory::MemoryStorage;
    /// # use minibatch_runtime::{Client, StreamOptions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(MemoryStorage::new()));
    /// let four = StreamOptions::default().with_partitions(4);
    /// let orders = client.stream_with::<String>("orders", &four).await?;
    /// assert_eq!(orders.partitions(), 4);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::stream`], [`Cause::StreamDiffers`] when it exists with another number of partitions, and
    /// [`Cause::OutOfRange`] for none.
    pub async fn stream_with<T>(&self, name: &str, options: &StreamOptions) -> Result<Stream<T>, Error> {
        Ok(self.handle(self.create(&StreamName::new(name)?, options.partitions).await?))
    }

    /// The dead letters of the stream `name`: messages that were given up on, with headers that say why.
    ///
    /// They stay until they are [redriven](Client::redrive), whoever else has read them, for a group of that name keeps
    /// them. Caps for them are set by [`Stream::retain`].
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn dead_letters<T>(&self, name: &str) -> Result<Stream<T>, Error> {
        self.open(&StreamName::new(name)?.dead()).await
    }

    /// The late messages of the stream `name`: those that came when their windows were over, where consumers are told so by
    /// [`OnLate::Stream`](crate::OnLate::Stream). Headers say of which group they were late, and where they lie in the
    /// stream. They are kept as those of any stream.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn late_messages<T>(&self, name: &str) -> Result<Stream<T>, Error> {
        self.open(&StreamName::new(name)?.late()).await
    }

    /// Appends the dead letters of the stream `name` to it again, as new messages with their own keys and headers, and
    /// takes them out of the dead letters; returns how many there were. Those that are given up on meanwhile stay.
    ///
    /// Of each letter one new message is made, also where this is cut short and called again.
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
        match self.create(name, 1).await {
            Err(error) if matches!(error.cause(), Cause::StreamDiffers { .. }) => {
                let found = self.storage().find_stream(name).await.map_err(|error| error.during("open stream"))?;
                Ok(self.handle(found.ok_or_else(|| Error::new(Cause::StreamDropped).during("open stream"))?))
            }
            created => created.map(|info| self.handle(info)),
        }
    }

    async fn create(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        if self.0.stop.is_cancelled() {
            return Err(Cause::Closed.into());
        }
        self.storage().open_stream(name, partitions).await.map_err(|error| error.during("open stream"))
    }

    fn handle<T>(&self, info: StreamInfo) -> Stream<T> {
        let router = self.router(&info);
        Stream::new(self.clone(), info, router)
    }

    /// All streams, by name.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn streams(&self) -> Result<Vec<StreamInfo>, Error> {
        self.storage().list_streams().await.map_err(|error| error.during("list streams"))
    }

    /// Drops a stream with its messages, groups, dead letters and late messages, for good; `false` when there was none.
    ///
    /// # Errors
    /// [`Cause::InvalidName`], and what the storage says.
    pub async fn drop_stream(&self, name: &str) -> Result<bool, Error> {
        let name = StreamName::new(name)?;
        let drop = async |name| self.storage().drop_stream(&name).await.map_err(|error| error.during("drop stream"));
        drop(name.dead()).await?;
        drop(name.late()).await?;
        drop(name).await
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

    /// The producers of a stream, one for each partition: callers share their chunks.
    fn router(&self, info: &StreamInfo) -> Arc<Router> {
        let mut routers = self.0.routers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (info.name.clone(), info.incarnation);
        if let Some(router) = routers.get(&key).and_then(Weak::upgrade) {
            return router;
        }
        routers.retain(|_, router| router.strong_count() > 0);
        let router = Arc::new(Router::new(info.clone()));
        routers.insert(key, Arc::downgrade(&router));
        router
    }

    /// The right to consume a stream as a group in this process: one consumer has it at a time, the others wait.
    pub(crate) async fn seat(&self, stream: &StreamInfo, group: &GroupName) -> Seat {
        self.0.seats.take(stream, group).await
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
