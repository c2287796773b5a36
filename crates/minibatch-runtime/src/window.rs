//! A window as the user's function gets it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use minibatch_core::{
    Cause, Error, GroupName, Offset, StreamName, Timestamp,
    storage::Effect,
    window::{Bounds, Reason, WindowId},
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Effects,
    consumer::{Delivery, Settlement},
};

/// A mini-batch: messages, and what the strategy says of them.
///
/// A window that was pulled is to be [acknowledged](Window::ack); dropped, it comes again.
pub struct Window<T> {
    /// The messages, in the window's order.
    pub data: Vec<T>,
    /// Names the window for good: the same id, the same members.
    pub id: WindowId,
    /// Its number in its group and partition: 1, 2, 3, …
    pub ordinal: u64,
    /// The time it covers.
    pub bounds: Bounds,
    /// Why it was emitted.
    pub reason: Reason,
    /// The key that its messages share, where the strategy goes by key.
    pub key: Option<String>,
    /// Which attempt this is: 1, 2, 3, …
    pub attempt: u32,
    /// The stream that the messages come from.
    pub stream: StreamName,
    /// The partition of the stream that they come from: 0, 1, …
    pub partition: u32,
    /// The group that the window belongs to.
    pub group: GroupName,
    receipt: Receipt,
}

/// What comes with a message beside its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageMeta {
    /// Which partition of the stream it is in: 0, 1, …
    pub partition: u32,
    /// Where it is there.
    pub offset: Offset,
    /// Its append time.
    pub time: Timestamp,
    /// The key it was appended with.
    pub key: Option<String>,
    /// The headers it was appended with.
    pub headers: Vec<(String, String)>,
}

/// Where windows come from.
#[derive(Clone, Debug)]
pub(crate) struct WindowSource {
    pub(crate) stream: StreamName,
    pub(crate) group: GroupName,
    /// Whether windows may have effects.
    pub(crate) transactional: bool,
}

/// The duty to settle a window that was pulled; dropped unsettled, it hands the window back.
///
/// A window that is run by a function has none: what the function returns settles it.
struct Receipt {
    delivery: Delivery,
    rejections: Arc<Rejections>,
    effects: Effects,
    settlements: Option<mpsc::UnboundedSender<Settlement>>,
}

/// A message of a window that goes to the dead letters, by its place among the members.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) place: usize,
    pub(crate) reason: String,
}

/// The messages of a window that go to the dead letters when it is done. Outlives the window, which its function takes.
#[derive(Debug)]
pub(crate) struct Rejections {
    /// Those that are not a `T`, in the window's order.
    undecodable: Vec<Rejected>,
    /// Those that the function rejects.
    given_up: Mutex<Vec<Rejected>>,
}

impl Rejections {
    fn given_up(&self) -> MutexGuard<'_, Vec<Rejected>> {
        // a list is whole whatever panicked
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All, in the window's order; of a message rejected twice the first.
    pub(crate) fn all(&self) -> Vec<Rejected> {
        let mut all = self.undecodable.clone();
        all.extend(self.given_up().iter().cloned());
        all.sort_by_key(|rejected| rejected.place);
        all.dedup_by_key(|rejected| rejected.place);
        all
    }

    /// The place among all members of a message that decoded.
    fn place_of(&self, index: usize) -> usize {
        self.undecodable.iter().fold(index, |place, rejected| if rejected.place <= place { place + 1 } else { place })
    }
}

impl<T> Window<T> {
    /// Decodes a delivery; messages that are not a `T` are left out and told apart.
    ///
    /// `settlements` is where a pulled window is settled.
    pub(crate) fn open(
        source: &WindowSource,
        delivery: Delivery,
        settlements: Option<mpsc::UnboundedSender<Settlement>>,
    ) -> Self
    where
        T: DeserializeOwned,
    {
        let formed = &delivery.formed;
        let mut data = Vec::with_capacity(formed.members.len());
        let mut undecodable = Vec::new();
        for (place, message) in formed.members.iter().enumerate() {
            match message.decode() {
                Ok(value) => data.push(value),
                Err(error) => undecodable.push(Rejected { place, reason: report(&error) }),
            }
        }
        let rejections = Rejections { undecodable, given_up: Mutex::default() };
        Self {
            data,
            id: delivery.id,
            ordinal: formed.ordinal,
            bounds: formed.bounds,
            reason: formed.reason,
            key: formed.key.clone(),
            attempt: delivery.attempt,
            stream: source.stream.clone(),
            partition: delivery.lane.partition,
            group: source.group.clone(),
            receipt: Receipt {
                delivery,
                rejections: Arc::new(rejections),
                effects: Effects::new(source.transactional),
                settlements,
            },
        }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// What comes with each message, in the order of [`Window::data`].
    pub fn meta(&self) -> impl Iterator<Item = MessageMeta> {
        let rejected = &self.receipt.rejections.undecodable;
        let decoded = move |place: &usize| rejected.binary_search_by_key(place, |rejected| rejected.place).is_err();
        let members = self.receipt.delivery.formed.members.iter().enumerate();
        members.filter(move |(place, _)| decoded(place)).map(|(_, message)| MessageMeta {
            partition: self.partition,
            offset: message.offset(),
            time: message.time(),
            key: message.key().map(ToOwned::to_owned),
            headers: message.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    }

    /// What is to be written with the window, where the consumer is [transactional](crate::Streaming::transactional): take
    /// it before [`Window::data`] is moved.
    #[must_use]
    pub fn effects(&self) -> Effects {
        self.receipt.effects.clone()
    }

    /// Says that a pulled window is done, at once; awaited, it returns when that is durable.
    ///
    /// Awaiting every window costs a commit each. To share commits, keep the futures and await them later, or drop them:
    /// the next commit takes all that was acknowledged by then. Inside a function that is run on windows it does nothing:
    /// what the function returns settles the window.
    pub fn ack(mut self) -> Ack {
        let (durable, verdict) = oneshot::channel();
        if self.receipt.settlements.is_none() {
            return Ack(None);
        }
        self.receipt.settle(|delivery, rejected, effects| Settlement::Done {
            delivery,
            rejected,
            effects,
            durable: Some(durable),
        });
        Ack(Some(verdict))
    }

    /// Gives up on the message that was handed out at `index` of [`Window::data`]: when the window is done it goes to the
    /// dead letters with this reason, and the others are done. When the attempt fails, nothing is rejected.
    ///
    /// # Errors
    /// [`OutOfRange`](Cause::OutOfRange) where the window had no such message.
    pub fn reject(&self, index: usize, reason: impl fmt::Display) -> Result<(), Error> {
        let place = self.receipt.rejections.place_of(index);
        if place >= self.receipt.delivery.formed.members.len() {
            return Err(Error::new(Cause::out_of_range("a window's messages are numbered from 0")).during("reject"));
        }
        self.receipt.rejections.given_up().push(Rejected { place, reason: reason.to_string() });
        Ok(())
    }

    /// Hands a pulled window back as failed: it comes again, or goes to the dead letters after its last attempt. Inside a
    /// function that is run on windows it does nothing.
    pub fn fail(mut self, reason: impl fmt::Display) {
        let reason = reason.to_string();
        self.receipt.settle(|delivery, _, _| Settlement::Failed { delivery, reason });
    }

    /// Not one of its messages decoded.
    pub(crate) fn is_rejected(&self) -> bool {
        self.data.is_empty() && !self.receipt.rejections.undecodable.is_empty()
    }

    /// What is rejected of it, also after its function took it.
    pub(crate) fn rejections(&self) -> Arc<Rejections> {
        Arc::clone(&self.receipt.rejections)
    }
}

/// Resolves when an acknowledged window is durably done.
///
/// # Errors
/// [`Closed`](Cause::Closed) when the consumer ended before, or the database refused its [effects](Window::effects): the
/// window will come again.
///
/// # Cancel safety
/// Dropped, the window is done all the same, with the next commit.
#[derive(Debug)]
#[must_use = "await it to know that the window is durably done; `drop` it to share commits"]
pub struct Ack(Option<oneshot::Receiver<()>>);

impl Future for Ack {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(verdict) => Pin::new(verdict).poll(context).map_err(|_| Error::new(Cause::Closed).during("ack")),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Receipt {
    /// Settles the window if that is still owed.
    fn settle(&mut self, how: impl FnOnce(Delivery, Vec<Rejected>, Vec<Effect>) -> Settlement) {
        if let Some(settlements) = self.settlements.take() {
            // a consumer that has ended does not need to know, and the window comes again
            let _ = settlements.send(how(self.delivery.clone(), self.rejections.all(), self.effects.take()));
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.settle(|delivery, _, _| Settlement::Failed { delivery, reason: "the window was dropped".to_owned() });
    }
}

/// An error with what lies underneath, as it is kept with a dead letter.
fn report(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl<T> fmt::Debug for Window<T> {
    /// Never the data: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("id", &self.id)
            .field("ordinal", &self.ordinal)
            .field("bounds", &self.bounds)
            .field("reason", &self.reason)
            .field("attempt", &self.attempt)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
