//! Where windows wait for whoever takes them: a queue for each partition, from which its session can take back what nobody
//! took.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use minibatch_core::{
    storage::Generation,
    window::{FormedWindow, WindowId},
};
use tokio::sync::mpsc;

use super::Settlement;

/// A window on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Where it comes from, and is settled.
    pub(crate) lane: Arc<Lane>,
    pub(crate) run: GroupRun,
    pub(crate) id: WindowId,
    pub(crate) formed: FormedWindow,
    pub(crate) attempt: u32,
}

/// The windows of a group over a partition, as far as they are done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupRun {
    pub(crate) generation: Generation,
    /// Every window before this one is durably done.
    pub(crate) done_before: u64,
}

impl GroupRun {
    /// For windows that no session formed.
    pub(super) const NONE: Self = Self { generation: Generation::new(0), done_before: 0 };
}

impl Delivery {
    /// Whether it is a piece of a window.
    pub(crate) fn is_piece(&self) -> bool {
        self.id != WindowId::new(self.run.generation, self.lane.partition, self.formed.ordinal)
    }
}

/// The way of windows from one session, and back.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) partition: u32,
    /// Which session of the partition: a later one knows nothing of its windows.
    pub(crate) session: u64,
    pub(crate) settlements: mpsc::UnboundedSender<Settlement>,
}

impl Lane {
    /// For windows that no session formed: nothing is to be told of them.
    pub(super) fn of_none(partition: u32) -> Self {
        let (settlements, _) = mpsc::unbounded_channel();
        Self { partition, session: 0, settlements }
    }
}

/// The queues between the sessions and the consumer's handle. One taker at a time, who takes from each in turn.
#[derive(Debug, Default)]
pub(super) struct Handoff {
    queues: Mutex<Queues>,
    taker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Queues {
    by_partition: BTreeMap<u32, Queue>,
    /// The partition that was taken from last.
    last: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    /// Pieces of windows that were begun before the others.
    again: VecDeque<Delivery>,
    deliveries: VecDeque<Delivery>,
    /// Nothing is given before the taker's last word is heard.
    held: bool,
}

impl Handoff {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn offer(&self, delivery: Delivery) {
        self.queues().of(delivery.lane.partition).deliveries.push_back(delivery);
        self.taker.wake();
    }

    /// Offers a piece of a window that was begun already: before all others of its partition.
    pub(super) fn offer_again(&self, delivery: Delivery) {
        self.queues().of(delivery.lane.partition).again.push_back(delivery);
        self.taker.wake();
    }

    /// Takes back what nobody took of a partition.
    pub(super) fn take_back(&self, partition: u32) -> VecDeque<Delivery> {
        self.queues().by_partition.remove(&partition).unwrap_or_default().all()
    }

    /// Takes back what nobody took.
    pub(super) fn take_all_back(&self) -> impl Iterator<Item = Delivery> {
        std::mem::take(&mut self.queues().by_partition).into_values().flat_map(Queue::all)
    }

    /// Gives nothing more of a partition until [`Handoff::resume`]: for a taker that must not go on before its next word is
    /// heard. A lane that nobody listens to holds nothing.
    pub(super) fn hold(&self, lane: &Lane) {
        let mut queues = self.queues();
        if !lane.settlements.is_closed() {
            queues.of(lane.partition).held = true;
        }
    }

    /// What the taker said of a partition was heard.
    pub(super) fn resume(&self, partition: u32) {
        let held = self.queues().by_partition.get_mut(&partition).map(|queue| std::mem::take(&mut queue.held));
        if held == Some(true) {
            self.taker.wake();
        }
    }

    /// No more windows will come.
    pub(super) fn close(&self) {
        self.queues().closed = true;
        self.taker.wake();
    }

    /// The next window; `None` when no more will come of any partition.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let ready @ Poll::Ready(_) = self.queues().take() {
            return ready;
        }
        self.taker.register(context.waker());
        // a window may have come between the look and the registration
        self.queues().take()
    }
}

impl Queues {
    fn of(&mut self, partition: u32) -> &mut Queue {
        self.by_partition.entry(partition).or_default()
    }

    fn take(&mut self) -> Poll<Option<Delivery>> {
        let last = self.last;
        let after = self.by_partition.range_mut((Bound::Excluded(last), Bound::Unbounded));
        let next = after.filter_map(Queue::next_of).next();
        let next = next.or_else(|| self.by_partition.range_mut(..=last).filter_map(Queue::next_of).next());
        if let Some(delivery) = next {
            self.last = delivery.lane.partition;
            return Poll::Ready(Some(delivery));
        }
        match self.closed {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl Queue {
    fn next_of((_, queue): (&u32, &mut Self)) -> Option<Delivery> {
        if queue.held {
            return None;
        }
        queue.again.pop_front().or_else(|| queue.deliveries.pop_front())
    }

    fn all(self) -> VecDeque<Delivery> {
        let mut all = self.again;
        all.extend(self.deliveries);
        all
    }
}
