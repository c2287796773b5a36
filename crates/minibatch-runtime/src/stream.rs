//! A stream as its users hold it.

use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use futures::future::try_join_all;
use minibatch_core::{
    Cause, Error, GroupName, ProducerId, StreamName,
    chunk::{Encoded, Extras},
    storage::{GroupState, LogBounds, Partition, StreamInfo, Trimmed},
};
use serde::Serialize;

use crate::{
    Appended, Audit, Backlog, Client, Group, GroupStatus, KeptWindows, MessageId, Retention, StableProducer, Streaming,
    audit,
    consumer::NoWindow,
    producer::{Origin, Routed, Router},
    retry::until_verdict,
    status,
    upkeep::Upkeep,
};

/// A durable stream of messages of type `T`. Cheap to clone; all clones of a client share its appends.
///
/// # Partitions
/// A stream has one partition, unless it was created with [more](Client::stream_with). Each is a log of its own, in which
/// the messages have one order for all readers. A message with a key goes to the [partition of its
/// key](Stream::partition_of), for as long as the stream lives: so messages of one key stay in order. Calls whose messages
/// have no key take turns: all messages of one call go to one partition, in their order, those of the next call to the
/// next. Between partitions there is no order.
pub struct Stream<T> {
    client: Client,
    info: StreamInfo,
    router: Arc<Router>,
    upkeep: Arc<Upkeep>,
    messages: PhantomData<fn() -> T>,
}

impl<T> Stream<T> {
    pub(crate) fn new(client: Client, info: StreamInfo, router: Arc<Router>) -> Self {
        let upkeep = client.upkeep(&info);
        Self { client, info, router, upkeep, messages: PhantomData }
    }

    /// The same stream, read as messages of another type.
    pub(crate) fn of<U>(self) -> Stream<U> {
        let Self { client, info, router, upkeep, messages: PhantomData } = self;
        Stream { client, info, router, upkeep, messages: PhantomData }
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.info.name
    }

    /// How many partitions it has.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.info.partitions
    }

    /// The partition of messages with this key.
    #[must_use]
    pub fn partition_of(&self, key: &str) -> u32 {
        self.info.partition_of(key)
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

    /// A group that reads the stream, by its name: to look at it or to move it.
    ///
    /// # Errors
    /// [`InvalidName`](Cause::InvalidName).
    pub fn group(&self, name: &str) -> Result<Group, Error> {
        Ok(Group::new(self.client.clone(), self.info.clone(), GroupName::new(name)?))
    }

    /// Opens the producer `id` of this stream, and fences every other of that id: for a source that goes on after a restart
    /// where it was. It appends to partition 0.
    ///
    /// # Errors
    /// [`InvalidName`](Cause::InvalidName), [`Closed`](Cause::Closed) after a shutdown, and what the storage says.
    ///
    /// # Cancel safety
    /// Dropped, other producers of the id may be fenced nevertheless.
    pub async fn producer(&self, id: &str) -> Result<StableProducer<T>, Error> {
        StableProducer::open(&self.client, self.info.partition(0), ProducerId::new(id)?).await
    }

    /// Both ends of each partition's log.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn bounds(&self) -> Result<Vec<LogBounds>, Error> {
        let storage = self.client.storage();
        self.each(|partition| async move { storage.bounds(&partition).await })
            .await
            .map_err(|error| error.during("bounds"))
    }

    /// Removes what the stream's [retention](Stream::retain) no longer keeps from each partition. Consumers do it by
    /// themselves from time to time, and where there is a cap all clients that have the stream open.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn trim(&self) -> Result<Vec<Trimmed>, Error> {
        self.each(|partition| async move { self.upkeep.trim(partition.index).await })
            .await
            .map_err(|error| error.during("trim"))
    }

    /// Sets how long the stream keeps its messages.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use minibatch_runtime::{Client, Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let readings = client.stream::<f64>("readings").await?;
    /// readings.retain(Retention::default().with_max_age(Duration::from_secs(3600))).await?;
    /// assert_eq!(readings.retention().await?.max_age, Some(Duration::from_secs(3600)));
    /// # client.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the storage says.
    pub async fn retain(&self, retention: Retention) -> Result<(), Error> {
        self.upkeep.retain(retention).await.map_err(|error| error.during("retain"))
    }

    /// How long the stream keeps its messages.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn retention(&self) -> Result<Retention, Error> {
        self.upkeep.retention().await.map_err(|error| error.during("retention"))
    }

    /// Sets how far producers may run ahead of the slowest group: appends beyond wait, or fail.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn limit_backlog(&self, backlog: Backlog) -> Result<(), Error> {
        self.upkeep.limit_backlog(backlog).await.map_err(|error| error.during("limit backlog"))
    }

    /// How far producers may run ahead of the slowest group.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        self.upkeep.backlog().await.map_err(|error| error.during("backlog"))
    }

    /// What a group's consumers told of themselves, a partition each, where one ever told.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), and what the storage says.
    pub async fn status(&self, group: &str) -> Result<Vec<GroupStatus>, Error> {
        let group = GroupName::new(group)?;
        status::read(&self.client, &self.info, &group).await.map_err(|error| error.during("status"))
    }

    /// The windows that a group's consumers [kept](Streaming::keep), to be listed and run again.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName).
    pub fn kept_windows(&self, group: &str) -> Result<KeptWindows<T>, Error> {
        Ok(KeptWindows::new(self.clone(), GroupName::new(group)?))
    }

    /// The groups that read the stream by name, and how far each has got in each partition.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn groups(&self) -> Result<Vec<(GroupName, Vec<GroupState>)>, Error> {
        let storage = self.client.storage();
        let list = |partition| async move { storage.groups(&partition).await };
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, state) in self.each(list).await.map_err(|error| error.during("groups"))?.into_iter().flatten() {
            groups.entry(name).or_default().push(state);
        }
        Ok(groups.into_iter().collect())
    }

    /// Asks the same of all partitions at once.
    async fn each<R, F>(&self, ask: impl Fn(Partition) -> F) -> Result<Vec<R>, Error>
    where
        F: Future<Output = Result<R, Error>>,
    {
        try_join_all((0..self.info.partitions).map(|index| ask(self.info.partition(index)))).await
    }

    /// Removes a group that nobody will continue, so that it keeps no messages any more; `false` when there was none. Its
    /// consumers end with [`GroupRemoved`](Cause::GroupRemoved).
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), and what the storage says.
    pub async fn remove_group(&self, group: &str) -> Result<bool, Error> {
        let group = GroupName::new(group)?;
        self.client.storage().remove_group(&self.info, &group, None).await.map_err(|error| error.during("remove group"))
    }

    /// Where every message is, for a group: finished, dead, skipped, dropped, expired or waiting, counted by the log, by the
    /// group's checkpoint and by its counters. Reads the group and every record that is kept, without its messages.
    ///
    /// # Errors
    /// [`GroupRemoved`](minibatch_core::Cause::GroupRemoved) where there is no such group,
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), and what the storage says.
    pub async fn audit(&self, group: &str) -> Result<Audit, Error> {
        let group = GroupName::new(group)?;
        audit::audit(&self.client, &self.info, &group).await.map_err(|error| error.during("audit"))
    }

    pub(crate) fn upkeep(&self) -> &Arc<Upkeep> {
        &self.upkeep
    }

    pub(crate) fn info(&self) -> &StreamInfo {
        &self.info
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) async fn append_routed(&self, routed: Routed) -> Result<Appended, Error> {
        let (messages, bytes) = routed.weight();
        if messages > 0 {
            self.upkeep.admit(messages, bytes).await?;
        }
        self.router.append(&self.client, routed).await
    }

    pub(crate) async fn append_encoded(&self, encoded: Encoded) -> Result<Appended, Error> {
        self.append_routed(self.router.route(encoded)).await
    }

    /// Appends what follows from something, once; returns how many chunks another was there in place of.
    pub(crate) async fn append_derived(&self, origin: &Origin, routed: &Routed) -> Result<u64, Error> {
        let (messages, bytes) = routed.weight();
        if messages > 0 {
            self.upkeep.admit(messages, bytes).await?;
        }
        let (storage, clock) = (self.client.storage(), &**self.client.clock());
        let mut discarded = 0;
        for (index, encoded) in routed.shares() {
            let (partition, chunks) = (self.info.partition(index), origin.chunks(encoded, clock.now())?);
            let append = || storage.append_derived(&partition, chunks.clone());
            let appended = until_verdict(clock, "append", append).await?;
            discarded += appended.iter().filter(|appended| appended.differs).count() as u64;
        }
        Ok(discarded)
    }

    /// Returns once everything appended through this client's handles of the stream before is durable or has failed.
    ///
    /// # Errors
    /// [`Unavailable`](minibatch_core::Cause::Unavailable) when that takes longer than the append timeout,
    /// [`Closed`](minibatch_core::Cause::Closed) after a shutdown.
    pub async fn flush(&self) -> Result<(), Error> {
        self.router.flush(&self.client).await
    }
}

impl<T: Serialize> Stream<T> {
    /// Appends one message; durable when it returns.
    ///
    /// Calls that are made while an append is in flight share the next chunk, so appending from many tasks is fast.
    ///
    /// # Errors
    /// [`Encode`](minibatch_core::Cause::Encode), [`MessageTooLarge`](minibatch_core::Cause::MessageTooLarge), and
    /// [`BacklogFull`](minibatch_core::Cause::BacklogFull) where the stream's [backlog](Stream::limit_backlog) is, before
    /// anything is written; [`Unavailable`](minibatch_core::Cause::Unavailable) without a verdict in time: the message
    /// may be appended or not.
    ///
    /// # Cancel safety
    /// Dropped, the message may still be appended.
    pub async fn append(&self, message: &T) -> Result<MessageId, Error> {
        self.append_with(message, &Extras::default()).await
    }

    /// Appends one message with a key or headers. The key says to which [partition](Stream::partition_of) it goes.
    ///
    /// # Errors
    /// As [`Stream::append`].
    ///
    /// # Cancel safety
    /// As [`Stream::append`].
    pub async fn append_with(&self, message: &T, extras: &Extras) -> Result<MessageId, Error> {
        let routed = self.router.route_one(message, extras).map_err(|error| error.during("append"))?;
        let appended = self.append_routed(routed).await?;
        let share = appended.shares.first().ok_or_else(|| Cause::bug("an append without messages was acknowledged"))?;
        Ok(MessageId::new(share.partition, share.first))
    }

    /// Appends messages to one partition in their order; durable when it returns. Nothing is appended when one cannot be
    /// encoded.
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

    /// Appends messages with keys or headers, each to the [partition of its key](Stream::partition_of), those without one
    /// to one partition together; in their order in each. Durable when it returns. Nothing is appended when one cannot be
    /// encoded.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use minibatch_core::chunk::Extras;
    /// # use minibatch_runtime::{Client, StreamOptions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let trips = client.stream_with::<f64>("trips", &StreamOptions::default().with_partitions(4)).await?;
    /// let taxi = |name: &str| Extras { key: Some(name.to_owned()), ..Extras::default() };
    /// let (one, two) = (taxi("one"), taxi("two"));
    /// let appended = trips.append_many_with([(&7.5, &one), (&8.0, &two), (&2.5, &one)]).await?;
    /// assert_eq!(appended.count, 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Stream::append`], and [`PartlyAppended`](minibatch_core::Cause::PartlyAppended) when only the first so many of
    /// each partition are durable, which it tells by partition.
    ///
    /// # Cancel safety
    /// Dropped, all, some (from the first of each partition on) or none may still be appended.
    pub async fn append_many_with<'a>(
        &self,
        messages: impl IntoIterator<Item = (&'a T, &'a Extras)>,
    ) -> Result<Appended, Error>
    where
        T: 'a,
    {
        let routed = self.router.route_all(messages).map_err(|error| error.during("append"))?;
        self.append_routed(routed).await
    }
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        let (client, info, router) = (self.client.clone(), self.info.clone(), Arc::clone(&self.router));
        Self { client, info, router, upkeep: Arc::clone(&self.upkeep), messages: PhantomData }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.info.name).finish_non_exhaustive()
    }
}
