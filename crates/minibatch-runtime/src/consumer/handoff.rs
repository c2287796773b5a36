//! Where windows wait for whoever takes them: a queue for each partition, from which its session can take back what nobody
//! took.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::{Bound, Range},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use minibatch_core::window::{FormedWindow, WindowId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Settlement;

/// A window on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Where it comes from, and is settled.
    pub(crate) lane: Arc<Lane>,
    pub(crate) id: WindowId,
    pub(crate) formed: FormedWindow,
    pub(crate) attempt: u32,
}

/// The way of windows from one session, and back.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) partition: u32,
    /// Which session of the partition: a later one knows nothing of its windows.
    pub(crate) session: u64,
    pub(crate) settlements: mpsc::UnboundedSender<Settlement>,
    /// Cancelled when the session ends or is asked to: its windows are tried no more.
    pub(crate) ending: CancellationToken,
}

impl Lane {
    /// For windows that no session formed: nothing is to be told of them.
    pub(super) fn of_none(partition: u32) -> Self {
        let (settlements, _) = mpsc::unbounded_channel();
        Self { partition, session: 0, settlements, ending: CancellationToken::new() }
    }
}

impl Delivery {
    /// The piece of the window that has the members at these places.
    pub(super) fn piece(&self, places: &Range<usize>) -> Self {
        let mut piece = self.clone();
        if *places != (0..self.formed.members.len()) {
            piece.id = self.id.piece(places.clone());
            piece.formed.members = self.formed.members.slice(places.clone());
        }
        piece
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
    by_partition: BTreeMap<u32, VecDeque<Delivery>>,
    /// The partition that was taken from last.
    last: u32,
    closed: bool,
}

impl Handoff {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn offer(&self, delivery: Delivery) {
        self.queues().by_partition.entry(delivery.lane.partition).or_default().push_back(delivery);
        self.taker.wake();
    }

    /// Takes back what nobody took of a partition.
    pub(super) fn take_back(&self, partition: u32) -> VecDeque<Delivery> {
        self.queues().by_partition.remove(&partition).unwrap_or_default()
    }

    /// Takes back what nobody took.
    pub(super) fn take_all_back(&self) -> impl Iterator<Item = Delivery> {
        std::mem::take(&mut self.queues().by_partition).into_values().flatten()
    }

    /// No more windows will come.
    pub(super) fn close(&self) {
        self.queues().closed = true;
        self.taker.wake();
    }

    /// The next window of a partition that is `open` to whoever takes; `None` when no more will come of any.
    pub(super) fn poll_take(&self, context: &mut Context<'_>, open: impl Fn(u32) -> bool) -> Poll<Option<Delivery>> {
        if let ready @ Poll::Ready(_) = self.queues().take(&open) {
            return ready;
        }
        self.taker.register(context.waker());
        // a window may have come between the look and the registration
        self.queues().take(&open)
    }
}

impl Queues {
    fn take(&mut self, open: &impl Fn(u32) -> bool) -> Poll<Option<Delivery>> {
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        let mut in_turn = self.by_partition.range(after).chain(self.by_partition.range(..=self.last));
        let next = in_turn.find(|(partition, queue)| !queue.is_empty() && open(**partition)).map(|(next, _)| *next);
        if let Some(next) = next {
            self.last = next;
            return self
                .by_partition
                .get_mut(&next)
                .and_then(VecDeque::pop_front)
                .map_or(Poll::Pending, |delivery| Poll::Ready(Some(delivery)));
        }
        match self.closed {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}
