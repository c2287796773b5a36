//! The user's end of a consumer.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use minibatch_core::{Cause, Error};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    ConsumerOptions, Delivery, PartitionStatus, Settlement, Summary,
    handoff::{Handoff, Lane},
    stats::Stats,
};
use crate::{Client, Window, window::WindowSource};

/// A running consumer, to pull windows from. Also a [`futures::Stream`].
///
/// ```
/// # use std::sync::Arc;
/// # use minibatch_emitters::CountWindow;
/// # use minibatch_runtime::Client;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
/// let numbers = client.stream::<u32>("numbers").await?;
/// numbers.append_many(&[1, 2, 3, 4]).await?;
///
/// let mut consumer = numbers.streaming().window(CountWindow::new(2)).open().await?;
/// while let Some(window) = consumer.next().await? {
///     let last = window.data.contains(&4);
///     window.ack().await?;
///     if last {
///         break;
///     }
/// }
/// consumer.shutdown().await?;
/// # Ok(())
/// # }
/// ```
///
/// Dropped, it stops at once and gives its partitions back: what is not committed comes again at the next start.
/// [`Consumer::shutdown`] finishes first.
///
/// # Several partitions, several members
/// Where the stream has several [partitions](crate::StreamOptions::partitions), the consumers of a group share them: each
/// client (a *member* of the group) works on its fair share, no two on the same partition. Those who come and go are
/// noticed within about a second. Who has more than its share then finishes the windows at hand of what it gives up (at
/// most 30 s), commits, and lets go; the other goes on from there. What a member had that died is taken over within
/// [`member_ttl`](crate::ClientOptions::member_ttl). Of several consumers of one group in one client one works, and the
/// next when it ends.
///
/// What can be relied on:
/// - A window's messages are of one partition: [`Window::partition`].
/// - The windows of a partition are handed out in order, by one consumer of the group at a time; what a former one has at
///   hand it cannot acknowledge any more.
/// - Between partitions there is no order. They are handed out in turn, and one whose windows fail holds up none but its
///   own.
/// - Each has a strategy of its own with its buffer ([`max_buffer_bytes`](ConsumerOptions::max_buffer_bytes) is for each);
///   the [bytes read ahead](ConsumerOptions::prefetch_bytes) are shared by all.
/// - An error that ends the work on one partition ends the consumer, after it has committed what is done of the others.
#[must_use = "a consumer that is dropped stops"]
pub struct Consumer<T> {
    pub(super) client: Client,
    pub(super) source: WindowSource,
    pub(super) options: ConsumerOptions,
    handoff: Arc<Handoff>,
    pub(super) stats: Arc<Stats>,
    pub(super) stop: CancellationToken,
    pause: watch::Sender<bool>,
    _dropped: DropGuard,
    task: Option<JoinHandle<Result<(), Error>>>,
    messages: PhantomData<fn() -> T>,
}

pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) source: WindowSource,
    pub(super) options: ConsumerOptions,
    pub(super) handoff: Arc<Handoff>,
    pub(super) stats: Arc<Stats>,
    pub(super) stop: CancellationToken,
    pub(super) pause: watch::Sender<bool>,
    pub(super) dropped: DropGuard,
    pub(super) task: JoinHandle<Result<(), Error>>,
}

impl<T> Consumer<T> {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            client: parts.client,
            source: parts.source,
            options: parts.options,
            handoff: parts.handoff,
            stats: parts.stats,
            stop: parts.stop,
            pause: parts.pause,
            _dropped: parts.dropped,
            task: Some(parts.task),
            messages: PhantomData,
        }
    }

    /// Asks the consumer to stop: no more windows are formed, and [`Consumer::next`] gives `None` once those taken are
    /// settled.
    pub fn stop(&self) {
        self.stop.cancel();
        // what waits here was not taken yet: the session need not wait for it
        for delivery in self.handoff.take_all_back() {
            Settlement::Returned { delivery }.send();
        }
    }

    /// Stops, waits until the windows taken are settled (at most 30 s), commits and gives the partition back.
    ///
    /// # Errors
    /// What ended the consumer, if anything did.
    pub async fn shutdown(mut self) -> Result<Summary, Error> {
        self.stop();
        while let Some(delivery) = self.next_delivery().await? {
            Settlement::Returned { delivery }.send();
        }
        Ok(self.summary())
    }

    /// Hands out nothing more until [`Consumer::resume`], but what is on its way. What is out is finished, and partitions
    /// are kept. For the whole group, in all processes, there is [`Group::pause`](crate::Group::pause).
    pub fn pause(&self) {
        self.pause.send_replace(true);
    }

    /// Goes on after [`Consumer::pause`].
    pub fn resume(&self) {
        self.pause.send_replace(false);
    }

    /// What it does with each partition that it has had so far.
    #[must_use]
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.stats.status()
    }

    /// What it has done so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.stats.summary()
    }

    /// Gets no more windows of a partition before what is settled of it next is heard.
    pub(super) fn hold(&self, lane: &Lane) {
        self.handoff.hold(lane);
    }

    /// The next window, not decoded yet; `None` at the end.
    pub(super) async fn next_delivery(&mut self) -> Result<Option<Delivery>, Error> {
        poll_fn(|context| self.poll_take(context)).await
    }

    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Delivery>, Error>> {
        match ready!(self.handoff.poll_take(context)) {
            Some(delivery) => Poll::Ready(Ok(Some(delivery))),
            None => self.poll_end(context).map_ok(|()| None),
        }
    }

    /// How the task ended; told once.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(task) = &mut self.task else { return Poll::Ready(Ok(())) };
        let end = ready!(Pin::new(task).poll(context));
        self.task = None;
        Poll::Ready(end.unwrap_or_else(|_| Err(Cause::bug("the consumer's task panicked").into())))
    }
}

impl<T: DeserializeOwned> Consumer<T> {
    /// The next window; `None` when the consumer was stopped.
    ///
    /// Windows may be taken before earlier ones are settled. Messages that are not a `T` are left out of the window, and
    /// go to the dead letters when it is acknowledged.
    ///
    /// # Errors
    /// What ended the consumer. Losing the partition to another member is no error: it waits to get it back.
    ///
    /// # Cancel safety
    /// Dropped, no window is lost.
    pub async fn next(&mut self) -> Result<Option<Window<T>>, Error> {
        poll_fn(|context| self.poll_window(context)).await
    }

    fn poll_window(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Window<T>>, Error>> {
        while let Some(delivery) = ready!(self.poll_take(context))? {
            let settlements = delivery.lane.settlements.clone();
            let window = Window::open(&self.source, delivery, Some(settlements));
            if !window.is_rejected() {
                return Poll::Ready(Ok(Some(window)));
            }
            drop(window.ack());
        }
        Poll::Ready(Ok(None))
    }
}

impl<T: DeserializeOwned> futures::Stream for Consumer<T> {
    type Item = Result<Window<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_window(context).map(Result::transpose)
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("source", &self.source)
            .field("summary", &self.summary())
            .finish_non_exhaustive()
    }
}
