//! When a message happened, by its own word.

use std::{fmt, sync::Arc, time::Duration};

use minibatch_core::{Message, Timestamp};
use serde::de::DeserializeOwned;

use super::watermark::Pace;
use crate::millis::Millis;

type Told = Arc<dyn Fn(&Message<'_>) -> Option<Timestamp> + Send + Sync>;

/// When a message happened, by its own word, and how far the messages may be out of order.
///
/// Messages come in the order of the log, which is not that in which things happened. The **watermark** says how far event
/// time has got: all that happened before it is taken to have come, so windows that end there may close. It follows the
/// newest event time at a distance ([`out_of_order`](Self::out_of_order)) and never goes back. Where nothing comes for a
/// while ([`idle_after`](Self::idle_after)) it goes on as log time does, so that the last window of an idle stream closes,
/// too. All this is a function of the log: every group and every replay sees the same.
///
/// A message that comes when all its windows are over is **late**, unless they are
/// [kept for a while](super::TimeWindow::allowed_lateness). So is one that says nothing of its time, and one from
/// further in the future than [`max_ahead`](Self::max_ahead): it moves no watermark, as that would make all others late.
/// Late messages come in windows of their own, of the reason [`Late`](minibatch_core::window::Reason::Late).
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::Timestamp;
/// use minibatch_emitters::{EventTime, TimeWindow};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Reading {
///     at_millis: i64,
/// }
///
/// let event_time = EventTime::of(|reading: &Reading| Timestamp::from_millis(reading.at_millis))
///     .out_of_order(Duration::from_secs(5));
/// let strategy = TimeWindow::tumbling(Duration::from_mins(1)).event_time(event_time);
/// strategy.build()?;
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone)]
pub struct EventTime {
    told: Told,
    out_of_order: Duration,
    idle_after: Option<Duration>,
    max_ahead: Duration,
}

impl EventTime {
    /// How long nothing comes before event time goes on without messages, unless said otherwise.
    pub const IDLE_AFTER: Duration = Duration::from_secs(10);
    /// How far ahead of its append time a message may be, unless said otherwise.
    pub const MAX_AHEAD: Duration = Duration::from_mins(1);

    /// By the value: a [`Timestamp`], or a `DateTime<Utc>`. A message that is not a `T` is late.
    ///
    /// `time` must say the same of the same message each time, in every process. It is no part of the fingerprint: a group
    /// notices another one when after a restart it forms other windows than those already done.
    pub fn of<T: DeserializeOwned, I: Into<Timestamp>>(time: impl Fn(&T) -> I + Send + Sync + 'static) -> Self {
        Self::by(move |message| message.decode().ok().map(|value| time(&value).into()))
    }

    /// By the message as it lies in the log, which need not be decoded. `None` makes it late.
    ///
    /// Otherwise as [`EventTime::of`].
    pub fn by(time: impl Fn(&Message<'_>) -> Option<Timestamp> + Send + Sync + 'static) -> Self {
        let (out_of_order, idle_after) = (Duration::ZERO, Some(Self::IDLE_AFTER));
        Self { told: Arc::new(time), out_of_order, idle_after, max_ahead: Self::MAX_AHEAD }
    }

    /// How far behind the newest event time a message may be; in whole milliseconds, nothing unless said.
    ///
    /// The longer, the fewer are late, and the later windows close.
    #[must_use]
    pub const fn out_of_order(mut self, behind: Duration) -> Self {
        self.out_of_order = behind;
        self
    }

    /// How long nothing comes, by log time, before event time goes on without messages; in whole milliseconds,
    /// [`EventTime::IDLE_AFTER`] unless said. From then on it goes on as log time does.
    ///
    /// Give more where a source rests for longer and then goes on with what happened meanwhile.
    #[must_use]
    pub const fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = Some(idle);
        self
    }

    /// Event time never goes on without messages: **an open window waits for ever if nothing more comes**.
    #[must_use]
    pub const fn never_idle(mut self) -> Self {
        self.idle_after = None;
        self
    }

    /// How far ahead of its append time a message may be; in whole milliseconds, [`EventTime::MAX_AHEAD`] unless said.
    ///
    /// Give more for event times that lie in the future by their nature, as of what is scheduled.
    #[must_use]
    pub const fn max_ahead(mut self, ahead: Duration) -> Self {
        self.max_ahead = ahead;
        self
    }

    /// When the message happened; `None` where it does not say, or cannot be right.
    pub(super) fn tell(&self, message: &Message<'_>) -> Option<Timestamp> {
        (self.told)(message).filter(|time| *time <= message.time().plus(self.max_ahead))
    }

    pub(super) fn pace(&self) -> Pace {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Pace { out_of_order: millis(self.out_of_order), idle_after: self.idle_after.map(millis) }
    }

    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) for durations that are not in whole milliseconds.
    pub(super) fn check(&self) -> Result<(), minibatch_core::Error> {
        let durations = [Some(self.out_of_order), self.idle_after, Some(self.max_ahead)];
        // none at all is a duration here
        durations.into_iter().flatten().filter(|duration| !duration.is_zero()).try_for_each(|duration| {
            Millis::new(duration)?;
            Ok(())
        })
    }
}

impl fmt::Display for EventTime {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.idle_after.map_or("never".to_owned(), |idle| format!("{}ms", idle.as_millis()));
        let (behind, ahead) = (self.out_of_order.as_millis(), self.max_ahead.as_millis());
        write!(f, "event_time,out_of_order={behind}ms,idle_after={idle},max_ahead={ahead}ms")
    }
}

impl fmt::Debug for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventTime({self})")
    }
}
