//! The task of a consumer: which partitions it works on, each with a supervisor, until the last of them has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use minibatch_core::{Cause, Error, storage::StreamInfo};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer,
    handle::Parts,
    handoff::Handoff,
    members::Members,
    stats::Stats,
    supervisor::{Mode, Patience, Setup, Shared, Supervisor},
};
use crate::{delivery::DeliveryMode, window::WindowSource};

/// The least that a partition reads ahead, however many there are.
const PREFETCH_MIN_BYTES: usize = 256 << 10;

/// Starts the task of a consumer; the handle is its owner. The setup is that of partition 0.
pub(super) fn start<T>(mut setup: Setup) -> Consumer<T> {
    let stream = setup.stream.clone();
    let dropped = CancellationToken::new();
    let (pause, paused) = watch::channel(false);
    let shared = Shared {
        handoff: Arc::new(Handoff::default()),
        stats: Arc::new(Stats::default()),
        paused,
        stop: setup.client.stopping().child_token(),
        dropped: dropped.clone(),
    };
    let (client, options) = (setup.client.clone(), setup.options.clone());
    let share = options.prefetch_bytes / usize::try_from(stream.partitions.max(1)).unwrap_or(usize::MAX);
    setup.options.prefetch_bytes = share.max(PREFETCH_MIN_BYTES.min(options.prefetch_bytes));
    let source = WindowSource {
        stream: stream.name.clone(),
        group: setup.group.clone(),
        transactional: options.delivery == DeliveryMode::Transactional,
        folds: setup.folds,
    };
    let crew =
        Crew { setup, stream, shared: shared.clone(), at_work: BTreeMap::new(), tasks: JoinSet::new(), failed: None };
    let task = client.tasks().spawn(crew.run());
    let Shared { handoff, stats, stop, .. } = shared;
    Consumer::new(Parts { client, source, options, handoff, stats, stop, pause, dropped: dropped.drop_guard(), task })
}

struct Crew {
    setup: Setup,
    stream: StreamInfo,
    shared: Shared,
    /// The partitions that have a supervisor, and how to stop it.
    at_work: BTreeMap<u32, CancellationToken>,
    tasks: JoinSet<(u32, Result<(), Error>)>,
    /// What ended a partition, and so the consumer.
    failed: Option<Error>,
}

impl Crew {
    async fn run(mut self) -> Result<(), Error> {
        let end = self.work().await;
        // nobody may wait for a window, or for an acknowledgement, that will not come
        self.shared.handoff.take_all_back().for_each(drop);
        self.shared.handoff.close();
        end
    }

    async fn work(&mut self) -> Result<(), Error> {
        let seat = self.shared.run_until_over(self.setup.client.seat(&self.stream, &self.setup.group)).await;
        let Some(_seat) = seat else { return Ok(()) };
        if self.stream.partitions > 1 && self.setup.mode != Mode::Drain {
            return self.share().await;
        }
        for index in 0..self.stream.partitions {
            self.begin(index, Patience::Wait);
        }
        self.wind_up().await
    }

    /// Works on a fair share of the partitions, whoever comes and goes.
    async fn share(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        let mut members = Members::new(&self.setup, self.stream.partitions);
        while let Some(wanted) = shared.run_until_over(members.look(self.at_work.keys().copied().collect())).await {
            match wanted {
                Ok(wanted) => self.change_to(&wanted),
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
            if shared.run_until_over(self.wait()).await.is_none() {
                break;
            }
        }
        let end = self.wind_up().await;
        members.leave().await;
        end
    }

    /// Returns when it is time for another look at the members.
    async fn wait(&mut self) {
        let client = self.setup.client.clone();
        let mut pause = client.clock().sleep(client.options().look_interval());
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next() => if self.ended(ended) { return },
                () = &mut pause => return,
            }
        }
    }

    /// Gives up what is not wanted any more, and tries to get what is.
    fn change_to(&mut self, wanted: &BTreeSet<u32>) {
        for (index, stop) in &self.at_work {
            if !wanted.contains(index) {
                tracing::debug!(partition = %self.stream.partition(*index), "handing over to another member");
                stop.cancel();
            }
        }
        for index in wanted {
            if !self.at_work.contains_key(index) {
                self.begin(*index, Patience::Leave);
            }
        }
    }

    fn begin(&mut self, index: u32, patience: Patience) {
        let setup = Setup { partition: self.stream.partition(index), ..self.setup.clone() };
        let stop = self.shared.stop.child_token();
        let supervisor = Supervisor::new(setup, self.shared.clone(), stop.clone(), patience);
        self.tasks.spawn(async move { (index, supervisor.run().await) });
        self.at_work.insert(index, stop);
    }

    /// Takes note of a supervisor that has ended; says whether it had been told to, so that others wait for it.
    fn ended(&mut self, ended: Result<(u32, Result<(), Error>), JoinError>) -> bool {
        match ended {
            Ok((index, end)) => {
                if let Err(error) = end {
                    self.fail(error);
                }
                self.at_work.remove(&index).is_some_and(|stop| stop.is_cancelled())
            }
            Err(_) => {
                self.fail(Cause::bug("the consumer's task panicked").into());
                false
            }
        }
    }

    /// Stops all partitions with the first error of one.
    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
        self.shared.stop.cancel();
    }

    /// Waits for the supervisors to end.
    async fn wind_up(&mut self) -> Result<(), Error> {
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended);
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    /// What the future gives, unless the consumer is to stop or is dropped before.
    async fn run_until_over<F: Future>(&self, future: F) -> Option<F::Output> {
        self.stop.run_until_cancelled(self.dropped.run_until_cancelled(future)).await.flatten()
    }
}
