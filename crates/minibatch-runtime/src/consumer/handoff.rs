//! Where windows wait for whoever takes them: a queue from which the session can take back what nobody took.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use minibatch_core::window::{FormedWindow, WindowId};

/// A window on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Which session formed it: a later one knows nothing of it.
    pub(crate) session: u64,
    pub(crate) id: WindowId,
    pub(crate) formed: FormedWindow,
    pub(crate) attempt: u32,
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

/// The queue between a session and the consumer's handle. One taker at a time.
#[derive(Debug, Default)]
pub(super) struct Handoff {
    queue: Mutex<Queue>,
    taker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    closed: bool,
}

impl Handoff {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn offer(&self, delivery: Delivery) {
        self.queue().deliveries.push_back(delivery);
        self.taker.wake();
    }

    /// Takes back what nobody took.
    pub(super) fn take_back(&self) -> VecDeque<Delivery> {
        std::mem::take(&mut self.queue().deliveries)
    }

    /// No more windows will come.
    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.taker.wake();
    }

    /// The next window; `None` when no more will come.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let ready @ Poll::Ready(_) = self.try_take() {
            return ready;
        }
        self.taker.register(context.waker());
        // a window may have come between the look and the registration
        self.try_take()
    }

    fn try_take(&self) -> Poll<Option<Delivery>> {
        let mut queue = self.queue();
        match queue.deliveries.pop_front() {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None if queue.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
