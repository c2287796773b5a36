//! The task of a consumer: gets hold of the partition, works in a session, and starts another when it lost it.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Error, ErrorKind, GroupName, Slot, Strategy, StreamName,
    storage::{Acquired, GroupState, Partition},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer, ConsumerOptions, Settlement, WorkState, handle::Parts, handoff::Handoff, session::Session, stats::Stats,
};
use crate::{Client, client::Membership, retry::until_verdict, window::WindowSource};

/// Everything that a consumer is made of.
pub(super) struct Setup {
    pub(super) client: Client,
    pub(super) partition: Partition,
    pub(super) group: GroupName,
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) options: ConsumerOptions,
    /// Where dead letters go; a dead stream has none.
    pub(super) dead: Option<StreamName>,
    /// Whether to stop at the end of the log as it is now.
    pub(super) drain: bool,
}

/// Starts the task of a consumer; the handle is its owner.
pub(super) fn start<T>(setup: Setup) -> Consumer<T> {
    let (settlements, settled) = mpsc::unbounded_channel();
    let (handoff, stats) = (Arc::new(Handoff::default()), Arc::new(Stats::default()));
    let (pause, paused) = watch::channel(false);
    let (stop, dropped) = (setup.client.stopping().child_token(), CancellationToken::new());
    let (client, options) = (setup.client.clone(), setup.options.clone());
    let source = WindowSource { stream: setup.partition.stream.clone(), group: setup.group.clone() };
    let supervisor = Supervisor {
        setup,
        handoff: Arc::clone(&handoff),
        settled,
        stats: Arc::clone(&stats),
        stop: stop.clone(),
        paused,
        sessions: 0,
        epoch: None,
        drain_to: None,
        without_done: false,
    };
    let task = client.tasks().spawn(supervisor.run(dropped.clone()));
    let dropped = dropped.drop_guard();
    Consumer::new(Parts { client, source, options, handoff, settlements, stats, stop, pause, dropped, task })
}

pub(super) struct Supervisor {
    pub(super) setup: Setup,
    pub(super) handoff: Arc<Handoff>,
    pub(super) settled: mpsc::UnboundedReceiver<Settlement>,
    pub(super) stats: Arc<Stats>,
    pub(super) stop: CancellationToken,
    pub(super) paused: watch::Receiver<bool>,
    pub(super) sessions: u64,
    /// The epoch in which this process owns the partition.
    epoch: Option<u64>,
    /// The last slot to be read, where the consumer drains.
    pub(super) drain_to: Option<Slot>,
    /// The strategy forms other windows than those that are done: start again without skipping any.
    without_done: bool,
}

impl Supervisor {
    /// Works until the end, or until the consumer's handle is dropped.
    async fn run(mut self, dropped: CancellationToken) -> Result<(), Error> {
        let end = dropped.run_until_cancelled(self.work()).await.unwrap_or(Ok(()));
        if let Some(epoch) = self.epoch {
            self.release(epoch).await;
        }
        self.stats.tell(self.setup.partition.index, WorkState::Stopped);
        // nobody may wait for a window, or for an acknowledgement, that will not come
        self.handoff.take_back();
        self.handoff.close();
        end
    }

    async fn work(&mut self) -> Result<(), Error> {
        if self.setup.drain {
            let (client, partition) = (&self.setup.client, &self.setup.partition);
            let bounds = until_verdict(&**client.clock(), "bounds", || client.storage().bounds(partition)).await?;
            self.drain_to = Some(bounds.tail);
        }
        let stop = self.stop.clone();
        loop {
            self.stats.tell(self.setup.partition.index, WorkState::Waiting);
            let Some(owned) = stop.run_until_cancelled(self.acquire()).await else { return Ok(()) };
            let (membership, state) = owned?;
            self.epoch = Some(state.fence.epoch);
            self.sessions += 1;
            let started = stop.run_until_cancelled(Session::start(self, &membership, state, self.without_done)).await;
            let end = match started {
                Some(Ok(mut session)) => session.run(self).await,
                Some(Err(error)) => Err(error),
                None => Ok(()),
            };
            self.handoff.take_back();
            match end {
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    tracing::warn!(partition = %self.setup.partition, %error, "lost the partition, waiting to get it back");
                }
                Err(error) if matches!(error.cause(), Cause::WindowsDiffer { .. }) && !self.without_done => {
                    tracing::warn!(partition = %self.setup.partition, %error, "handing out every window again");
                    self.without_done = true;
                }
                end => return end,
            }
        }
    }

    /// Waits until this process owns the partition.
    async fn acquire(&self) -> Result<(Arc<Membership>, GroupState), Error> {
        let (client, partition, group) = (&self.setup.client, &self.setup.partition, &self.setup.group);
        let (storage, clock) = (client.storage(), client.clock());
        // an owner that dies wakes nobody: its death is a time that passes
        let pause = (client.options().member_ttl / 10).min(Duration::from_secs(1));
        loop {
            let membership = client.membership().await?;
            match until_verdict(&**clock, "acquire", || storage.acquire(partition, group, membership.id())).await {
                Ok(Acquired::Owner(state)) => return Ok((membership, state)),
                Ok(Acquired::Held(owner)) => tracing::debug!(%partition, %group, %owner, "partition is held, waiting"),
                Err(error) if error.kind() == ErrorKind::Fenced => membership.lose(),
                Err(error) => return Err(error),
            }
            clock.sleep(pause).await;
        }
    }

    async fn release(&self, epoch: u64) {
        let (client, partition, group) = (&self.setup.client, &self.setup.partition, &self.setup.group);
        if let Err(error) = client.storage().release(partition, group, epoch).await {
            tracing::debug!(%partition, %group, %error, "could not release the partition; it is free when this member is dead");
        }
    }
}
