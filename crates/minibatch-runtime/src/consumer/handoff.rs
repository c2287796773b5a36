//! Where windows wait for whoever takes them: a queue from which the session can take back what nobody took.

use std::{
    collections::VecDeque,
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

/// The queue between a session and the consumer's handle. One taker at a time.
#[derive(Debug, Default)]
pub(super) struct Handoff {
    queue: Mutex<Queue>,
    taker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Queue {
    /// Pieces of windows that were begun before the others.
    again: VecDeque<Delivery>,
    deliveries: VecDeque<Delivery>,
    held: bool,
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

    /// Offers a piece of a window that was begun already: before all others.
    pub(super) fn offer_again(&self, delivery: Delivery) {
        self.queue().again.push_back(delivery);
        self.taker.wake();
    }

    /// Takes back what nobody took.
    pub(super) fn take_back(&self) -> VecDeque<Delivery> {
        let mut queue = self.queue();
        let mut all = std::mem::take(&mut queue.again);
        all.append(&mut queue.deliveries);
        all
    }

    /// Gives nothing more until [`Handoff::resume`]: for a taker that must not go on before its last word was heard.
    pub(super) fn hold(&self) {
        self.queue().held = true;
    }

    /// What the taker said was heard.
    pub(super) fn resume(&self) {
        let held = std::mem::take(&mut self.queue().held);
        if held {
            self.taker.wake();
        }
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
        if queue.held && !queue.closed {
            return Poll::Pending;
        }
        let queue = &mut *queue;
        match queue.again.pop_front().or_else(|| queue.deliveries.pop_front()) {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None if queue.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
