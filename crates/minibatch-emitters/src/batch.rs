//! Whatever comes first: so many messages, so many bytes, so much time, or a message that ends the window.

use std::{fmt, sync::Arc, time::Duration};

use minibatch_core::{
    Buffer, Cause, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Readiness, Timestamp,
    WindowEmitter,
    window::{Reason, Selection},
};
use serde::de::DeserializeOwned;

use crate::{millis::Millis, strategy::strategy};

/// A window closes at the first of its limits: messages, bytes, time, or a message that ends it.
///
/// ```text
/// time                          0 · · · · 5 · · · · 10· · · · 15
/// messages                        a b     c   d         e f
///
/// BatchWindow::new()              a b]    c  |d  |      e f]
///     .size(2).max_wait(2 s)
/// ```
///
/// # Behaviour
/// - `size`: closes with that message. Reason [`Reason::Count`]
/// - `bytes`: closes before the message that would take it over the limit, or with the one that just fills it. **A window
///   never has more bytes than this, unless it is one single message that has.** Bytes are counted as in
///   [`Message::size`]. Reason [`Reason::Bytes`]
/// - `until`: closes with the message of which the predicate holds. Reason [`Reason::Predicate`]
/// - `max_wait`: closes when log time reaches the append time of its first message and this much more; a message of that
///   very time is in the next window. Reason [`Reason::MaxWait`]. At the end of the log this is a decision, recorded with
///   the group: the same group gets the same windows after a crash, another group need not
/// - `min_size`: `max_wait` waits on until there are so many messages, and closes the window with the one that makes them
///   up. The other limits do not wait for it
/// - where one message brings several about, bytes come before count before predicate
/// - bounds: from the first message's append time to just after the last one's
/// - **without `max_wait` an open window waits for ever if nothing more comes**
/// - remembers nothing beside the buffer
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_emitters::BatchWindow;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Reading {
///     alarm: bool,
/// }
///
/// let strategy = BatchWindow::new()
///     .size(1_000)
///     .max_wait(Duration::from_secs(2))
///     .until_value(|reading: &Reading| reading.alarm);
/// let emitter = strategy.build()?;
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct BatchWindow {
    size: Option<usize>,
    bytes: Option<usize>,
    max_wait: Option<Duration>,
    min_size: usize,
    until: Option<Predicate>,
}

impl BatchWindow {
    /// No limit yet: at least one is needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many messages.
    pub const fn size(mut self, messages: usize) -> Self {
        self.size = Some(messages);
        self
    }

    /// At most so many bytes, each message's as in [`Message::size`], unless a single message has more.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// At most so long after its first message, in whole milliseconds.
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// Not fewer messages when `max_wait` closes the window: else it waits on until there are so many, **for ever if nothing
    /// more comes**.
    pub const fn min_size(mut self, messages: usize) -> Self {
        self.min_size = messages;
        self
    }

    /// Up to and with a message of which `predicate` holds. It is asked once for each message.
    ///
    /// The predicate must say the same of the same message each time, in every process. It is no part of the fingerprint:
    /// a group notices another predicate when after a restart it forms other windows than those already done.
    pub fn until(mut self, predicate: impl Fn(&Message<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.until = Some(Predicate(Arc::new(predicate)));
        self
    }

    /// Up to and with a message whose value fulfils `predicate`. A message that is not a `T` does not end a window.
    ///
    /// Otherwise as [`BatchWindow::until`].
    pub fn until_value<T: DeserializeOwned>(self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.until(move |message| message.decode().is_ok_and(|value| predicate(&value)))
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] without a limit, for a limit of nothing, and for a `max_wait` that is not in whole
    /// milliseconds or has more than 63 bits of them.
    pub fn build(&self) -> Result<BatchEmitter, Error> {
        let invalid = |reason| Err(Cause::invalid_window(reason).into());
        if self.size == Some(0) {
            return invalid("a window has at least one message");
        }
        if self.bytes == Some(0) {
            return invalid("a window has at least one byte");
        }
        if self.min_size > 0 && self.max_wait.is_none() {
            return invalid("a min_size is what max_wait waits for, give it a max_wait");
        }
        if self.size.is_some_and(|size| size < self.min_size) {
            return invalid("a min_size is at most the size");
        }
        let max_wait = self.max_wait.map(Millis::new).transpose()?;
        if self.size.is_none() && self.bytes.is_none() && self.max_wait.is_none() && self.until.is_none() {
            return invalid("it has no limit and would never close, give it a size, bytes, max_wait or until");
        }
        Ok(BatchEmitter {
            size: self.size.unwrap_or(usize::MAX),
            bytes: self.bytes.unwrap_or(usize::MAX),
            max_wait,
            min_size: self.min_size.max(1),
            until: self.until.clone(),
            ends: false,
            closing: (0, Reason::Count),
        })
    }
}

strategy!(BatchWindow);

#[derive(Clone)]
struct Predicate(Arc<dyn Fn(&Message<'_>) -> bool + Send + Sync>);

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicate")
    }
}

/// The emitter of a [`BatchWindow`].
#[derive(Clone, Debug)]
pub struct BatchEmitter {
    /// [`usize::MAX`] stands for no limit.
    size: usize,
    /// [`usize::MAX`] stands for no limit.
    bytes: usize,
    max_wait: Option<Millis>,
    /// At least 1.
    min_size: usize,
    until: Option<Predicate>,
    /// The newest message ends its window. Never so while the emitter waits: it is due then.
    ends: bool,
    /// The window announced: its messages, and why.
    closing: (usize, Reason),
}

impl BatchEmitter {
    /// How many of the buffered messages, of which there are some, make a window now, and why.
    fn closes(&self, buffer: &Buffer, deadline: Option<Timestamp>, now: Timestamp) -> Option<(usize, Reason)> {
        let len = buffer.len();
        if self.bytes <= buffer.bytes() {
            let one_too_many = usize::from(self.bytes < buffer.bytes() && len > 1);
            return Some((len - one_too_many, Reason::Bytes));
        }
        if self.size <= len {
            return Some((self.size, Reason::Count));
        }
        if self.ends {
            return Some((len, Reason::Predicate));
        }
        let is_due = deadline.is_some_and(|deadline| deadline <= now) && self.min_size <= len;
        is_due.then_some((len, Reason::MaxWait))
    }

    /// With how many messages the window closes, if nothing else closes it before.
    fn closing_size(&self, deadline: Option<Timestamp>, now: Timestamp) -> usize {
        if deadline.is_some_and(|deadline| deadline <= now) { self.min_size } else { self.size }
    }

    /// Waits for what it takes at least to close the window at `size`, or to start its timer.
    fn wait(&self, buffer: &Buffer, size: usize) -> Readiness {
        let starts_a_timer = self.max_wait.is_some() && buffer.is_empty();
        if starts_a_timer {
            return Readiness::wait();
        }
        let wait = Readiness::wait_for(size - buffer.len());
        if self.bytes == usize::MAX { wait } else { wait.or_bytes(self.bytes - buffer.bytes()) }
    }
}

impl WindowEmitter for BatchEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        let Some(first) = buffer.first() else { return self.wait(buffer, self.size) };
        let deadline = self.max_wait.map(|max_wait| max_wait.after(first.time()));
        if let Some(closing) = self.closes(buffer, deadline, now) {
            self.closing = closing;
            return Readiness::Ready;
        }
        let wait = self.wait(buffer, self.closing_size(deadline, now));
        deadline.map_or(wait, |deadline| wait.until(deadline))
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let (count, reason) = self.closing;
        self.ends &= count < buffer.len();
        Selection::first(count, reason)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        if let Some(Predicate(holds)) = &self.until {
            self.ends = holds(message);
        }
        Observed::Keep
    }

    fn is_due(&self) -> bool {
        self.ends
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let mut waits = Explanation::at(now);
        let deadline = self.max_wait.zip(buffer.first()).map(|(max_wait, first)| max_wait.after(first.time()));
        let size = self.closing_size(deadline, now);
        if size < usize::MAX {
            waits = waits.messages(size.saturating_sub(buffer.len()));
        }
        if self.bytes < usize::MAX {
            waits = waits.bytes(self.bytes.saturating_sub(buffer.bytes()));
        }
        let missing = self.min_size.saturating_sub(buffer.len());
        waits = match (self.max_wait, deadline) {
            (Some(max_wait), None) => waits.other(format!("a first message and {max_wait}")),
            (_, Some(deadline)) if deadline > now && missing == 0 => waits.until(deadline),
            (_, Some(deadline)) if deadline > now => waits.other(format!("{missing} more messages and {deadline}")),
            _ => waits,
        };
        if self.until.is_some() { waits.other("a message that ends it") } else { waits }
    }

    fn fingerprint(&self) -> Fingerprint {
        let limit = |name: &str, limit: usize| (limit < usize::MAX).then(|| format!("{name}={limit}"));
        let parameters = [
            limit("size", self.size),
            limit("bytes", self.bytes),
            self.max_wait.map(|max_wait| format!("max_wait={max_wait}")),
            (self.min_size > 1).then(|| format!("min_size={}", self.min_size)),
            self.until.as_ref().map(|_| "until".to_owned()),
        ];
        Fingerprint::new("batch", 1, &parameters.into_iter().flatten().collect::<Vec<_>>().join(","))
    }

    fn restore(&mut self, _state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        self.ends = false;
        Ok(())
    }
}
