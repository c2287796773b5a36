//! Windows that cover time, by append time or by the messages' own.

mod calendar;
mod course;
mod day_parts;
mod emitter;
mod event_time;
pub(crate) mod intervals;
mod late;
mod lateness;
mod pane;
mod session;
mod watermark;

use std::time::Duration;

use calendar::Calendar;
pub use calendar::CalendarUnit;
use chrono_tz::Tz;
pub use emitter::TimeEmitter;
pub use event_time::EventTime;
use intervals::Intervals;
use lateness::Lateness;
use minibatch_core::{Cause, Error, Timestamp, window::Panes};
use pane::Folding;
use serde::de::DeserializeOwned;
pub use session::{SessionEmitter, SessionWindow};

use crate::{Accumulator, Aggregate, Aggregated, millis::Millis, strategy::strategy};

/// The messages of each stretch of time: tumbling, sliding, or by the calendar.
///
/// ```text
/// time                                   0 · · · · 5 · · · · 10· · · · 15· · · · 20
/// messages                                 a b     c   d         e f
///
/// TimeWindow::tumbling(5 s)                a b    |c   d    |    e f  |
/// TimeWindow::sliding(10 s, 5 s)           a b    |
///                                          a b     c   d    |
///                                                  c   d         e f  |
///                                                                e f            |
/// ```
///
/// # Behaviour
/// - by append time, unless an [event time](Self::event_time) is given. Then a message that was appended as number 9 is in
///   the window of the time at which it happened
/// - half-open, `[start, end)`, and aligned to the epoch, unless an [origin](Self::origin), a [zone](Self::zone) or a
///   calendar is given
/// - closes when log time reaches its end, or by event time when the watermark does: see [`EventTime`]. Reason:
///   [`Boundary`](minibatch_core::window::Reason::Boundary) or [`Watermark`](minibatch_core::window::Reason::Watermark);
///   bounds: the interval
/// - its messages are in the order of the log. A stretch without messages has no window
/// - late messages, whose windows are all over and not [kept](Self::allowed_lateness), come in windows of their own, of the reason
///   [`Late`](minibatch_core::window::Reason::Late): those of a second of log time together, at most 1,000, and those that
///   there are before any other window
/// - the same windows for every group and every replay, at the end of the log too
/// - a drain or a shutdown cuts the open windows: what comes later in them is another window with the same bounds
/// - remembers the watermark and which late messages and updates wait; the messages' own times it asks for again after a restart
///
/// A message is in one window, and in `size / step` of them where they slide.
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::WindowEmitter;
/// use minibatch_emitters::{CalendarUnit, TimeWindow, Tz};
///
/// let every_minute_the_last_five = TimeWindow::sliding(Duration::from_mins(5), Duration::from_mins(1));
/// let days_of_23_to_25_hours = TimeWindow::calendar(CalendarUnit::Day, Tz::Europe__Berlin);
/// assert_eq!(days_of_23_to_25_hours.build()?.fingerprint().as_str(), "time/1(day Europe/Berlin)");
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct TimeWindow {
    stretch: Stretch,
    origin: Timestamp,
    zone: Option<Tz>,
    event_time: Option<EventTime>,
    allowed_lateness: Option<(Duration, Panes)>,
}

#[derive(Clone, Copy, Debug)]
enum Stretch {
    Fixed { size: Duration, step: Duration },
    Calendar(Calendar),
}

impl TimeWindow {
    const fn new(stretch: Stretch) -> Self {
        Self { stretch, origin: Timestamp::EPOCH, zone: None, event_time: None, allowed_lateness: None }
    }

    /// Windows of `size` side by side, in whole milliseconds.
    pub const fn tumbling(size: Duration) -> Self {
        Self::new(Stretch::Fixed { size, step: size })
    }

    /// Windows of `size`, a new one every `step`, both in whole milliseconds. `step` is at most `size`.
    pub const fn sliding(size: Duration, step: Duration) -> Self {
        Self::new(Stretch::Fixed { size, step })
    }

    /// The hours, days, weeks or months of a time zone. A message of a time beyond the calendar, which has about 262,000 years
    /// either way, is late.
    pub const fn calendar(unit: CalendarUnit, zone: Tz) -> Self {
        Self::new(Stretch::Calendar(Calendar { unit, zone }))
    }

    /// One of the windows begins then; at the epoch unless said. Not for those of a calendar.
    pub const fn origin(mut self, origin: Timestamp) -> Self {
        self.origin = origin;
        self
    }

    /// Tumbling windows by the clock of a time zone: those of six hours begin at 0, 6, 12 and 18 o'clock there. `size` divides
    /// 24 hours.
    ///
    /// Otherwise as [`FixedTimeWindow::zone`](crate::FixedTimeWindow::zone).
    pub const fn zone(mut self, zone: Tz) -> Self {
        self.zone = Some(zone);
        self
    }

    /// By the time at which messages happened.
    pub fn event_time(mut self, event_time: EventTime) -> Self {
        self.event_time = Some(event_time);
        self
    }

    /// Folds the messages of each window into one value instead of keeping them: see [`Aggregate`]. With an
    /// [allowed lateness](Self::allowed_lateness) where windows do not slide.
    pub fn aggregate<T, A>(self, aggregate: Aggregate<T, A>) -> Aggregated<T, A>
    where
        T: DeserializeOwned + 'static,
        A: Accumulator,
    {
        Aggregated::new(aggregate, move |fold| Ok(Box::new(self.build_with(Some(fold))?)))
    }

    /// A window that is over is kept for `lateness` of event time, in whole milliseconds: until the watermark is that far past
    /// its end. A message that comes for it then is not late: the window comes again, of the reason
    /// [`Update`](minibatch_core::window::Reason::Update), with all its messages or the new ones as `panes` says. Zero,
    /// as unless said, keeps nothing.
    ///
    /// ```text
    /// event times, in the order of the log    1 3   6   2 4   11   7   16   1
    ///
    /// TimeWindow::tumbling(5 s)               1 3   |
    ///     .event_time(…)                            6          |   late: 2 4, then 7, then 1
    ///                                                          11      |
    ///     .allowed_lateness(10 s,             1 3   |
    ///         Panes::Accumulating)            1 3       2 4   )
    ///                                               6         |
    ///                                               6              7   )
    ///                                                         11      |       late: 1
    ///         Panes::Discarding)              1 3   |
    ///                                                   2 4   )
    ///                                               6         |
    ///                                                              7   )
    ///                                                         11      |       late: 1
    /// ```
    ///
    /// - a window comes again for all that came within a second of log time, at most 1,000 messages for all windows together,
    ///   and before any other window. An update is drawn as `)`
    /// - where windows slide, a message goes to all its windows that are open and to all that are kept
    /// - a window that was over without a message comes for the first time as an update
    /// - what is kept stays in the buffer, and its part of the log is needed, until it is beyond the lateness of its last
    ///   window. It counts as done when that window is: it does not wait
    /// - of windows that are [aggregated](Self::aggregate) the values are kept, and not the messages: a window comes again with
    ///   the value of all its messages or of the new ones
    /// - a drain or a shutdown shows the updates that wait, and keeps no window any longer
    ///
    /// Without an event time no message is late, and there is nothing to allow.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use minibatch_core::Timestamp;
    /// use minibatch_emitters::{EventTime, Panes, TimeWindow};
    /// use minibatch_testkit::emitter::check;
    ///
    /// let event_time = EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000));
    /// let five = TimeWindow::tumbling(Duration::from_secs(5)).event_time(event_time);
    /// let again = five.allowed_lateness(Duration::from_secs(10), Panes::Accumulating);
    /// // appended at 100 s, all at once
    /// check(
    ///     again,
    ///     "1@100 3 6 2 4 11 7 16 1 !drain",
    ///     &["1,3 watermark", "1,3,2,4 update", "6 watermark", "6,7 update", "11 watermark", "1 late", "16 drain"],
    /// );
    /// ```
    pub const fn allowed_lateness(mut self, lateness: Duration, panes: Panes) -> Self {
        self.allowed_lateness = Some((lateness, panes));
        self
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for a duration of nothing, one that is not in whole milliseconds, one of more than 63 bits, a
    /// `step` that is greater than `size`, an origin or a zone for a calendar, and a zone with an origin, with windows that
    /// slide, or with a `size` that does not divide 24 hours; for an allowed lateness without an event time, or of values of
    /// windows that slide.
    pub fn build(&self) -> Result<TimeEmitter, Error> {
        self.build_with(None)
    }

    fn slides(&self) -> bool {
        matches!(self.stretch, Stretch::Fixed { size, step } if step < size)
    }

    fn build_with<A: Accumulator>(&self, folding: Folding<A>) -> Result<TimeEmitter<A>, Error> {
        let invalid = |reason| Err(Cause::invalid_window(reason).into());
        let intervals = match self.stretch {
            Stretch::Fixed { size, step } if step > size => {
                return invalid("a step is at most as long as its windows, or some messages were in none");
            }
            Stretch::Fixed { size, step } if step == size => {
                Intervals::side_by_side(Millis::new(size)?, self.origin, self.zone)?
            }
            Stretch::Fixed { .. } if self.zone.is_some() => {
                return invalid("windows by the clock of a zone do not slide");
            }
            Stretch::Fixed { size, step } => Intervals::fixed(Millis::new(size)?, Millis::new(step)?, self.origin),
            Stretch::Calendar(_) if self.origin != Timestamp::EPOCH || self.zone.is_some() => {
                return invalid("a calendar has its own origin and zone");
            }
            Stretch::Calendar(calendar) => Intervals::Calendar(calendar),
        };
        self.event_time.iter().try_for_each(EventTime::check)?;
        let lateness = match self.allowed_lateness {
            Some(_) if self.event_time.is_none() => return invalid("by append time no message is late"),
            Some(_) if folding.is_some() && self.slides() => {
                return invalid("a value of windows that slide is not kept for messages that come after them");
            }
            Some((allowed, panes)) if !allowed.is_zero() => Some(Lateness { allowed: Millis::new(allowed)?, panes }),
            _ => None,
        };
        Ok(TimeEmitter::new(intervals, self.event_time.clone(), lateness, folding))
    }
}

strategy!(TimeWindow);
