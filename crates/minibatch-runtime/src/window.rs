//! A window as the user's function gets it.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use minibatch_core::{
    Cause, Error, GroupName, Offset, StreamName, Timestamp,
    window::{Bounds, Folded, Reason, WindowId},
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Effects, Failure,
    consumer::{Delivery, GivenBack, Passed, Rejected, Settlement},
    producer::Origin,
};

/// A mini-batch: messages, and what the strategy says of them.
///
/// A window that was pulled is to be [acknowledged](Window::ack); dropped, it has failed and comes again. After its
/// attempts it comes in pieces, to find the messages at fault: each piece is a window with an id of its own, and the
/// ordinal and bounds of the whole.
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
    /// Whether a window holds a value in place of messages: any other member could not be folded.
    pub(crate) folds: bool,
}

/// The duty to settle a window that was pulled; dropped unsettled, it hands the window back.
///
/// A window that is run by a function has none: what the function returns settles it.
struct Receipt {
    delivery: Delivery,
    verdicts: Arc<Verdicts>,
    effects: Effects,
    /// All messages are done at once: none can be given back.
    whole: bool,
    settlements: Option<mpsc::UnboundedSender<Settlement>>,
}

/// What is said of single messages of a window. Outlives the window, which its function takes.
#[derive(Debug)]
pub(crate) struct Verdicts {
    /// Those that are not a `T`, in the window's order.
    undecodable: Vec<Rejected>,
    /// What the function says, the first word on a message first.
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    rejected: BTreeMap<usize, String>,
    given_back: BTreeMap<usize, Duration>,
}

impl Verdicts {
    fn said(&self) -> MutexGuard<'_, Said> {
        // a list is whole whatever panicked
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said of a window that succeeded.
    pub(crate) fn passed(&self, called: bool) -> Passed {
        let said = self.said();
        let rejected = said.rejected.iter().map(|(&place, reason)| Rejected { place, reason: reason.clone() });
        let mut rejected: Vec<Rejected> = self.undecodable.iter().cloned().chain(rejected).collect();
        rejected.sort_by_key(|rejected| rejected.place);
        let given_back = said.given_back.iter().map(|(&place, &after)| GivenBack { place, after }).collect();
        Passed { rejected, given_back, effects: Vec::new(), called, took: None }
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
            let value = match source.folds && !message.is_folded() {
                true => Err(Cause::decode(message.offset()).into()),
                false => message.decode(),
            };
            match value {
                Ok(value) => data.push(value),
                Err(error) => undecodable.push(Rejected { place, reason: report(&error) }),
            }
        }
        let verdicts = Arc::new(Verdicts { undecodable, said: Mutex::default() });
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
                verdicts,
                effects: Effects::new(source.transactional),
                whole: false,
                settlements,
            },
        }
    }

    /// What follows from it is appended under this.
    pub(crate) fn origin(&self) -> Origin {
        Origin::of(&self.receipt.delivery)
    }

    /// No message of it can be given back.
    pub(crate) fn settle_whole(&mut self) {
        self.receipt.whole = true;
    }

    /// How many messages [`Window::data`] stands for, where the consumer [aggregates](crate::Streaming::aggregate) them.
    #[must_use]
    pub fn folded(&self) -> Option<u64> {
        self.receipt.delivery.formed.folded.as_ref().map(Folded::messages)
    }

    /// How many messages there are in it: one where they are [aggregated](crate::Streaming::aggregate).
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
        let rejected = &self.receipt.verdicts.undecodable;
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
        let called = !self.is_rejected();
        let effects = self.receipt.effects.take();
        self.receipt.settle(|delivery, verdicts| Settlement::Done {
            delivery,
            passed: Passed { effects, ..verdicts.passed(called) },
            durable: Some(durable),
        });
        Ack(Some(verdict))
    }

    /// Gives up on the message that was handed out at `index` of [`Window::data`]: when the window is done it goes to the
    /// dead letters with this reason, and the others are done. When the attempt fails, nothing is rejected. Of a message
    /// that is rejected or [given back](Window::retry) more than once the first word counts.
    ///
    /// # Errors
    /// [`OutOfRange`](Cause::OutOfRange) where the window had no such message.
    pub fn reject(&self, index: usize, reason: impl fmt::Display) -> Result<(), Error> {
        let place = self.place(index).map_err(|error| error.during("reject"))?;
        let mut said = self.receipt.verdicts.said();
        if !said.given_back.contains_key(&place) {
            said.rejected.entry(place).or_insert_with(|| reason.to_string());
        }
        Ok(())
    }

    /// Gives the message that was handed out at `index` of [`Window::data`] back for later: the others are done with the
    /// window, and this one comes again after the wait, by itself or with those of the same wait, as a window with an id
    /// of its own and the reason [`Retry`](Reason::Retry). When the attempt fails, nothing is given back.
    ///
    /// Each time is an attempt: given back once more at its last one, the message is given up on. Nothing waits for it,
    /// whatever the order; it survives a restart. Of a message that is [rejected](Window::reject) or given back more than
    /// once the first word counts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use minibatch_runtime::Window;
    /// # async fn ship(order: &str) -> bool { order != "out of stock" }
    /// async fn orders(window: Window<String>) -> minibatch_core::Result<()> {
    ///     for (index, order) in window.data.iter().enumerate() {
    ///         if !ship(order).await {
    ///             window.retry(index, Duration::from_secs(600))?;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`](Cause::OutOfRange) where the window had no such message, [`Misconfigured`](Cause::Misconfigured)
    /// where its output goes [into another stream](crate::Streaming::into): what stands there already could lack it.
    pub fn retry(&self, index: usize, after: Duration) -> Result<(), Error> {
        if self.receipt.whole {
            let what =
                "a window whose output goes into a stream is done as a whole: reject the message, or return an error";
            return Err(Error::new(Cause::misconfigured(what)).during("retry"));
        }
        let place = self.place(index).map_err(|error| error.during("retry"))?;
        let mut said = self.receipt.verdicts.said();
        if !said.rejected.contains_key(&place) {
            said.given_back.entry(place).or_insert(after);
        }
        Ok(())
    }

    /// The place among all members of the message that was handed out at `index`.
    fn place(&self, index: usize) -> Result<usize, Error> {
        let place = self.receipt.verdicts.place_of(index);
        match place < self.receipt.delivery.formed.members.len() {
            true => Ok(place),
            false => Err(Cause::out_of_range("a window's messages are numbered from 0").into()),
        }
    }

    /// Hands a pulled window back as failed: it comes again, in the end in pieces, until the messages at fault are found.
    /// Inside a function that is run on windows it does nothing.
    pub fn fail(mut self, reason: impl fmt::Display) {
        self.receipt.fail(reason.to_string());
    }

    /// Not one of its messages decoded.
    pub(crate) fn is_rejected(&self) -> bool {
        self.data.is_empty() && !self.receipt.verdicts.undecodable.is_empty()
    }

    /// What is said of its messages, also after its function took it.
    pub(crate) fn verdicts(&self) -> Arc<Verdicts> {
        Arc::clone(&self.receipt.verdicts)
    }
}

/// Resolves when an acknowledged window is durably done.
///
/// # Errors
/// [`Closed`](Cause::Closed) when the consumer ended before: the window will come again.
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
    fn settle(&mut self, how: impl FnOnce(Delivery, &Verdicts) -> Settlement) {
        if let Some(settlements) = self.settlements.take() {
            // a consumer that has ended does not need to know, and the window comes again
            let _ = settlements.send(how(self.delivery.clone(), &self.verdicts));
        }
    }

    fn fail(&mut self, reason: String) {
        self.settle(|delivery, _| Settlement::Failed { delivery, failure: Failure::new(reason), in_order: false });
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.settlements.is_some() {
            self.fail("the window was dropped".to_owned());
        }
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
