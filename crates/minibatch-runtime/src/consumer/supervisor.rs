//! The task of one partition of a consumer: gets hold of it, works in a session, and starts another when it lost it.

use std::sync::Arc;

use minibatch_core::{
    Cause, Error, ErrorKind, GroupName, Slot, Strategy, StreamName,
    storage::{Acquired, GroupState, Partition, Start, StreamInfo},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerOptions, OnExpired, Settlement,
    handoff::{Handoff, Lane},
    session::Session,
    stats::Stats,
};
use crate::{
    Client, ConsumerState, FAREWELL_TIMEOUT, STOP_TIMEOUT, client::Membership, delivery::DeliveryMode,
    retry::until_verdict, upkeep::Upkeep,
};

/// Everything that the consumer of a partition is made of.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) client: Client,
    pub(super) stream: StreamInfo,
    pub(super) partition: Partition,
    pub(super) group: GroupName,
    pub(super) upkeep: Arc<Upkeep>,
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) fingerprint: String,
    pub(super) options: ConsumerOptions,
    /// Where dead letters go; a derived stream has none.
    pub(super) dead: Option<StreamName>,
    /// Where late messages go, unless they go to the function or nowhere.
    pub(super) late: Option<StreamName>,
    /// Whether windows hold a value in place of messages.
    pub(super) folds: bool,
    pub(super) mode: Mode,
}

/// How windows are consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are taken, and acknowledged, by whoever wants.
    Pull,
    /// By a function.
    Run,
    /// By a function, up to the end of the log as it was.
    Drain,
}

/// What all partitions of a consumer share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) handoff: Arc<Handoff>,
    pub(super) stats: Arc<Stats>,
    /// The consumer was told to pause.
    pub(super) paused: watch::Receiver<bool>,
    /// The consumer is to stop.
    pub(super) stop: CancellationToken,
    /// The consumer's handle was dropped.
    pub(super) dropped: CancellationToken,
}

/// What to do while somebody else owns the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Wait until it is free.
    Wait,
    /// Leave it alone: who is to own it is decided elsewhere.
    Leave,
}

pub(super) struct Supervisor {
    pub(super) setup: Setup,
    pub(super) handoff: Arc<Handoff>,
    pub(super) settled: mpsc::UnboundedReceiver<Settlement>,
    pub(super) stats: Arc<Stats>,
    /// The consumer is to stop, or to hand over this partition.
    pub(super) stop: CancellationToken,
    /// Of the session at work.
    pub(super) lane: Arc<Lane>,
    pub(super) paused: watch::Receiver<bool>,
    shared: Shared,
    patience: Patience,
    /// The epoch in which this process owns the partition.
    epoch: Option<u64>,
    /// The last slot to be read, where the consumer drains.
    pub(super) drain_to: Option<Slot>,
    /// The strategy forms other windows than those that are done: start again without skipping any.
    without_done: bool,
}

impl Supervisor {
    /// `stop` ends with the consumer's at the latest.
    pub(super) fn new(setup: Setup, shared: Shared, stop: CancellationToken, patience: Patience) -> Self {
        let (settlements, settled) = mpsc::unbounded_channel();
        let lane = Lane { partition: setup.partition.index, session: 0, settlements };
        Self {
            handoff: Arc::clone(&shared.handoff),
            settled,
            stats: Arc::clone(&shared.stats),
            paused: shared.paused.clone(),
            stop,
            lane: Arc::new(lane),
            setup,
            shared,
            patience,
            epoch: None,
            drain_to: None,
            without_done: false,
        }
    }

    /// Works until it is stopped, has drained or lost the partition, or the consumer's handle is dropped.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let dropped = self.shared.dropped.clone();
        let end = tokio::select! {
            // first: what is acknowledged after the handle was dropped is not done
            biased;
            () = dropped.cancelled() => Ok(()),
            end = self.work_in_time() => end,
        };
        if let Some(epoch) = self.epoch {
            self.release(epoch).await;
        }
        self.stats.tell(self.setup.partition.index, ConsumerState::Stopped, None);
        self.end_lane();
        end
    }

    /// Whether what waits is to be made a window when it stops: not where another member goes on with it.
    pub(super) fn flushes(&self) -> bool {
        self.setup.options.flush_on_stop && self.shared.stop.is_cancelled()
    }

    /// Works; once stopped, no longer than a session and a storage may take.
    async fn work_in_time(&mut self) -> Result<(), Error> {
        let (stop, clock) = (self.stop.clone(), Arc::clone(self.setup.client.clock()));
        let partition = self.setup.partition.clone();
        tokio::select! {
            end = self.work() => end,
            () = async { stop.cancelled().await; clock.sleep(STOP_TIMEOUT + FAREWELL_TIMEOUT).await } => {
                tracing::warn!(%partition, "the storage does not answer, stopping without a last commit");
                Ok(())
            }
        }
    }

    async fn work(&mut self) -> Result<(), Error> {
        if self.setup.mode == Mode::Drain {
            let (client, partition) = (&self.setup.client, &self.setup.partition);
            let bounds = until_verdict(&**client.clock(), "bounds", || client.storage().bounds(partition)).await?;
            self.drain_to = Some(bounds.tail);
        }
        let stop = self.stop.clone();
        loop {
            self.stats.tell(self.setup.partition.index, ConsumerState::Waiting, None);
            let Some(owned) = stop.run_until_cancelled(self.acquire()).await else { return Ok(()) };
            let Some((membership, state)) = owned? else { return Ok(()) };
            self.epoch = Some(state.fence.epoch);
            self.begin_lane();
            let started = stop.run_until_cancelled(Session::start(self, &membership, state, self.without_done)).await;
            let end = match started {
                Some(Ok(mut session)) => session.run(self).await,
                Some(Err(error)) => Err(error),
                None => Ok(()),
            };
            self.end_lane();
            match end {
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    tracing::warn!(partition = %self.setup.partition, %error, "lost the partition");
                    self.epoch = None;
                    if self.patience == Patience::Leave {
                        return Ok(());
                    }
                }
                Err(error) if matches!(error.cause(), Cause::WindowsDiffer { .. }) && self.may_repeat() => {
                    tracing::warn!(partition = %self.setup.partition, %error, "handing out every window again");
                    self.without_done = true;
                }
                Err(error)
                    if matches!(error.cause(), Cause::OffsetTrimmed { .. })
                        && self.setup.options.on_expired == OnExpired::GoOn =>
                {
                    tracing::debug!(partition = %self.setup.partition, %error, "the log was cut, starting at what is left");
                }
                end => return end,
            }
        }
    }

    /// Whether windows that are done may be handed out again, under other ids.
    fn may_repeat(&self) -> bool {
        !self.without_done && self.setup.options.delivery == DeliveryMode::AtLeastOnce
    }

    /// Gets hold of the partition; `None` where that is left to others.
    async fn acquire(&self) -> Result<Option<(Arc<Membership>, GroupState)>, Error> {
        let Setup { client, partition, group, fingerprint, .. } = &self.setup;
        let (storage, clock) = (client.storage(), client.clock());
        let mut lost = self.lane.session > 0;
        loop {
            let membership = client.membership().await?;
            match until_verdict(&**clock, "acquire", || storage.acquire(partition, group, membership.id())).await {
                Ok(Acquired::Owner(state)) if state.fingerprint != *fingerprint => {
                    // begun anew with another strategy, while this one ran
                    let error = Error::new(Cause::strategy_changed(&state.fingerprint, fingerprint));
                    self.release(state.fence.epoch).await;
                    return Err(error.during("acquire"));
                }
                Ok(Acquired::Owner(state)) => return Ok(Some((membership, state))),
                Ok(Acquired::Held(owner)) => {
                    tracing::debug!(%partition, %group, %owner, "partition is held");
                    if self.patience == Patience::Leave {
                        return Ok(None);
                    }
                    if std::mem::take(&mut lost) {
                        // perhaps to another strategy: to wait for it would be in vain
                        let open = || storage.open_group(&self.setup.stream, group, fingerprint, Start::Earliest);
                        until_verdict(&**clock, "acquire", open).await?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Fenced => membership.lose(),
                Err(error) => return Err(error),
            }
            clock.sleep(client.options().look_interval()).await;
        }
    }

    async fn release(&self, epoch: u64) {
        let (client, partition, group) = (&self.setup.client, &self.setup.partition, &self.setup.group);
        let released = tokio::select! {
            released = client.storage().release(partition, group, epoch) => released,
            () = client.clock().sleep(FAREWELL_TIMEOUT) => Err(Cause::unavailable("no answer in time").into()),
        };
        if let Err(error) = released {
            tracing::debug!(%partition, %group, %error, "could not release the partition; it is free when this member is dead");
        }
    }

    fn begin_lane(&mut self) {
        let Lane { partition, session, settlements } = &*self.lane;
        // a window of a session before may be what holds the queue
        self.handoff.take_back(*partition);
        self.lane = Arc::new(Lane { partition: *partition, session: session + 1, settlements: settlements.clone() });
    }

    /// What is not taken comes again.
    fn end_lane(&self) {
        self.handoff.take_back(self.lane.partition);
    }
}
