//! A group as its users hold it: to open it, to look at it, to move it.

pub(crate) mod control;
mod locate;
mod seek;
mod start;

use futures::future::try_join_all;
use minibatch_core::{
    Cause, Error, ErrorKind, GroupName, ProducerId,
    chunk::{NewChunk, Payload, ProducerStamp},
    storage::{GroupState, Partition, Start, StreamInfo},
};

use crate::Client;
pub(crate) use locate::{Point, locate};
pub use seek::{PartitionSeek, Seek};
pub use start::StartAt;

/// A group that reads a stream: see [`Stream::group`](crate::Stream::group).
#[derive(Clone, Debug)]
pub struct Group {
    client: Client,
    stream: StreamInfo,
    name: GroupName,
}

/// What to do when a group's windows were formed by another strategy than the one given.
///
/// What a strategy keeps in mind, and which of its windows are done, means nothing to another: so the group begins a new
/// generation, whose windows are numbered from 1 and have ids of their own. A consumer that still runs with the former
/// strategy is fenced, and ends with [`StrategyChanged`](Cause::StrategyChanged); what its function has at hand it cannot
/// commit, so that comes again.
///
/// Take it out of the program again when all of its processes have changed: as long as two versions both have it, each
/// takes the group from the other whenever it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStrategyChange {
    /// End with [`StrategyChanged`](Cause::StrategyChanged).
    #[default]
    Refuse,
    /// Form windows anew from the first message that the group still keeps ([`keep_from`](GroupState::keep_from)): none is
    /// passed over that was in no window done. Of those after it, all come again that were done: in windows done out of
    /// order ([`workers`](crate::Streaming::workers)), in the chunk at hand, and those that the former strategy kept for
    /// more than one window.
    Restart,
    /// Begin again there.
    StartAt(StartAt),
}

impl Group {
    pub(crate) fn new(client: Client, stream: StreamInfo, name: GroupName) -> Self {
        Self { client, stream, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &GroupName {
        &self.name
    }

    /// How far it has got, in each partition.
    ///
    /// # Errors
    /// [`GroupRemoved`](Cause::GroupRemoved) when nobody has opened it, and what the storage says.
    pub async fn states(&self) -> Result<Vec<GroupState>, Error> {
        let states = self.find().await.map_err(|error| error.during("group states"))?;
        states.ok_or_else(|| Error::new(Cause::GroupRemoved).during("group states"))
    }

    /// Moves the group: its consumers, running or not, go on from there, with windows numbered from 1 and ids of their own,
    /// by the same strategy. What their functions have at hand they cannot commit.
    ///
    /// What retention has taken away does not come again: by default that is, from time to time, what every group of the
    /// stream has finished with.
    ///
    /// Every partition's log gets a record without messages, by which a running consumer notices. One that reads no further,
    /// as its function is busy or never succeeds, notices at its next commit: within 5 s. One that is paused does before
    /// it goes on.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use minibatch_runtime::{Client, StartAt, Window};
    /// # use minibatch_emitters::CountWindow;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let numbers = client.stream::<u32>("numbers").await?;
    /// numbers.append_many(&[1, 2, 3]).await?;
    /// numbers.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await?;
    ///
    /// let group = numbers.group("default")?;
    /// let seek = group.seek_dry_run(&StartAt::Earliest).await?;
    /// assert_eq!((seek.again(), seek.passed_over()), (3, 0));
    /// group.seek(&StartAt::Earliest).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`GroupRemoved`](Cause::GroupRemoved) when nobody has opened it, [`OutOfRange`](Cause::OutOfRange) for another
    /// number of offsets than there are partitions, and what the storage says.
    ///
    /// # Cancel safety
    /// Dropped, the group may have been moved, and a consumer that has nothing to do may not have noticed: seek again.
    pub async fn seek(&self, to: &StartAt) -> Result<Seek, Error> {
        let moved = async {
            let (states, seek) = self.plan(to).await?;
            let fingerprint = states.first().ok_or(Cause::GroupRemoved)?.fingerprint.clone();
            let start = match to {
                StartAt::Earliest | StartAt::Latest => to.resolve(&self.client, &self.stream).await?,
                StartAt::Offsets(_) | StartAt::Time(_) => {
                    let offsets = seek.partitions.iter().map(|partition| Point::Offset(partition.to)).collect();
                    start::resolve(&self.client, &self.stream, offsets).await?
                }
            };
            self.restart(&fingerprint, start).await?;
            Ok(seek)
        };
        moved.await.map_err(|error: Error| error.during("seek"))
    }

    /// Says what [`Group::seek`] would do, and does nothing.
    ///
    /// # Errors
    /// As [`Group::seek`].
    pub async fn seek_dry_run(&self, to: &StartAt) -> Result<Seek, Error> {
        self.plan(to).await.map(|(_, seek)| seek).map_err(|error| error.during("seek"))
    }

    async fn plan(&self, to: &StartAt) -> Result<(Vec<GroupState>, Seek), Error> {
        let points = to.points(&self.stream)?;
        let states = self.find().await?.ok_or(Cause::GroupRemoved)?;
        let mut partitions = Vec::with_capacity(states.len());
        for (index, (state, point)) in (0..).zip(states.iter().zip(points)) {
            let wanted = [Point::Offset(state.keep_from), point];
            let [from, to] = locate(&self.client, &self.stream.partition(index), wanted).await?;
            partitions.push(PartitionSeek::new(index, state, from, to));
        }
        Ok((states, Seek { partitions }))
    }

    /// Its state in each partition, if there is such a group.
    async fn find(&self) -> Result<Option<Vec<GroupState>>, Error> {
        let storage = self.client.storage();
        let find = |index| async move {
            let groups = storage.groups(&self.stream.partition(index)).await?;
            Ok::<_, Error>(groups.into_iter().find(|(name, _)| *name == self.name).map(|(_, state)| state))
        };
        Ok(try_join_all((0..self.stream.partitions).map(find)).await?.into_iter().collect())
    }

    /// Finds the group or creates it, and does as told when it was formed by another strategy.
    pub(crate) async fn open(
        &self,
        fingerprint: &str,
        start: &StartAt,
        on_change: &OnStrategyChange,
    ) -> Result<(), Error> {
        let storage = self.client.storage();
        let resolved = match start {
            // to look for a place takes time, and a group that is there has one; where it is removed meanwhile, nothing is
            // passed over
            StartAt::Offsets(_) | StartAt::Time(_) if self.find().await?.is_some() => Start::Earliest,
            start => start.resolve(&self.client, &self.stream).await?,
        };
        match storage.open_group(&self.stream, &self.name, fingerprint, resolved).await {
            Err(error) if matches!(error.cause(), Cause::StrategyChanged { .. }) => {
                let start = match on_change {
                    OnStrategyChange::Refuse => return Err(error),
                    OnStrategyChange::Restart => {
                        let states = self.find().await?.ok_or(Cause::GroupRemoved)?;
                        if states.iter().all(|state| state.fingerprint == fingerprint) {
                            // another process of the new version was faster
                            return Ok(());
                        }
                        let unfinished = states.iter().map(|state| Point::Offset(state.keep_from)).collect();
                        start::resolve(&self.client, &self.stream, unfinished).await?
                    }
                    OnStrategyChange::StartAt(start) => start.resolve(&self.client, &self.stream).await?,
                };
                tracing::warn!(stream = %self.stream.name, group = %self.name, %error, "starting a new generation, as told");
                self.restart(fingerprint, start).await
            }
            opened => opened,
        }
    }

    /// Begins a new generation, and lets running consumers know.
    async fn restart(&self, fingerprint: &str, start: Start) -> Result<(), Error> {
        self.client.storage().restart_group(&self.stream, &self.name, fingerprint, start).await?;
        let wake = |index| async move { self.wake(&self.stream.partition(index)).await };
        try_join_all((0..self.stream.partitions).map(wake)).await.map(drop)
    }

    /// Appends a record without messages: whoever reads the partition commits at it, or learns that it is fenced.
    async fn wake(&self, partition: &Partition) -> Result<(), Error> {
        let (storage, id) = (self.client.storage(), ProducerId::reserved("seek"));
        let grant = storage.register_producer(partition, &id).await?;
        let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
        let chunk = NewChunk { producer, time: self.client.clock().now(), payload: Payload::empty() };
        match storage.append(partition, chunk).await {
            // somebody else is about to append one
            Err(error) if error.kind() == ErrorKind::Fenced => Ok(()),
            appended => appended.map(drop),
        }
    }
}
