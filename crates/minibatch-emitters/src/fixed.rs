//! Every interval of the calendar of the log, once.

use std::time::Duration;

use chrono_tz::Tz;
use minibatch_core::{
    Buffer, EmitterState, Error, Explanation, Fingerprint, Offset, Readiness, Timestamp, WindowEmitter,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};
use serde::{Deserialize, Serialize};

use crate::{millis::Millis, strategy::strategy, time::intervals::Intervals};

/// The messages whose append time lies in `[k·d, (k+1)·d)`: each interval once. They are counted from the Unix epoch, unless
/// an [origin](Self::origin) or a [zone](Self::zone) is given.
///
/// ```text
/// time                          0 · · · · 5 · · · · 10· · · · 15· · · · 20
/// messages                        a b     c   d                   e
///
/// FixedTimeWindow::new(5 s)       a b    |c   d    |              e    |
///     .with_empty(true)           a b    |c   d    |         |    e    |
/// ```
///
/// # Behaviour
/// - closes when log time reaches the end of the interval; a message of that very time is in the next window
/// - reason: [`Reason::Boundary`]; bounds: the interval
/// - intervals without a message have no window, unless [asked for](FixedTimeWindow::with_empty)
/// - decides by append time alone: the same windows for every group and every replay, at the end of the log too
/// - a drain or a shutdown cuts the open interval: what comes later in it is another window with the same bounds
/// - remembers which interval is open
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct FixedTimeWindow {
    length: Duration,
    origin: Timestamp,
    zone: Option<Tz>,
    with_empty: bool,
}

impl FixedTimeWindow {
    /// How many empty windows come in a row at most.
    pub const MAX_EMPTY: u32 = 10_000;

    /// A window for each interval of `length`, in whole milliseconds.
    pub const fn new(length: Duration) -> Self {
        Self { length, origin: Timestamp::EPOCH, zone: None, with_empty: false }
    }

    /// One of the intervals begins then; at the epoch unless said. Not in a zone.
    pub const fn origin(mut self, origin: Timestamp) -> Self {
        self.origin = origin;
        self
    }

    /// By the clock of a time zone: intervals of six hours begin at 0, 6, 12 and 18 o'clock there. The length divides 24 hours.
    ///
    /// An interval begins whenever the clock on the wall shows a multiple of the length, and with each day. So where clocks
    /// are changed by an hour, the six hours of that night are five or seven; of half an hour two more come, for the time
    /// that is shown twice, or two are left out; and of 24 hours the day has 23 or 25.
    ///
    /// ```text
    /// clock in Berlin             0   1   2   2   3   4   5   6   …
    ///
    /// FixedTimeWindow::new(6 h)  |                           |
    ///              ::new(2 h)    |       |   |       |       |
    ///              ::new(1 h)    |   |   |   |   |   |   |   |
    /// ```
    pub const fn zone(mut self, zone: Tz) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Also a window for each interval without a message, after the first message of all.
    ///
    /// After [`FixedTimeWindow::MAX_EMPTY`] of them in a row they stop until a message comes, so that a gap of hours
    /// between two messages is no flood when the interval is short. At the end of the log each costs a small record there.
    pub const fn with_empty(mut self, with_empty: bool) -> Self {
        self.with_empty = with_empty;
        self
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) for a duration of nothing, one that is not in whole
    /// milliseconds, one of more than 63 bits, and a zone with an origin or with a length that does not divide 24 hours.
    pub fn build(&self) -> Result<FixedTimeEmitter, Error> {
        let intervals = Intervals::side_by_side(Millis::new(self.length)?, self.origin, self.zone)?;
        Ok(FixedTimeEmitter { intervals, with_empty: self.with_empty, open: Open::default() })
    }
}

strategy!(FixedTimeWindow);

/// The emitter of a [`FixedTimeWindow`].
#[derive(Clone, Debug)]
pub struct FixedTimeEmitter {
    intervals: Intervals,
    with_empty: bool,
    open: Open,
}

/// What is known of the interval that is open, or opens next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    /// It does not begin before this, in milliseconds; nothing is known before the first message.
    start: Option<i64>,
    /// How many empty windows came since the last message.
    empty: u32,
    /// Part of it went out early, so that it is not empty though nothing is buffered.
    cut: bool,
}

impl FixedTimeEmitter {
    /// The interval that the buffered messages are in, or the next one.
    fn interval(&self, buffer: &Buffer) -> Option<Bounds> {
        let first = buffer.first().map(|message| message.time());
        // an interval that is over is never opened again, whatever the message's time
        let time = first.max(self.open.start.map(Timestamp::from_millis))?;
        self.intervals.around(time)
    }

    fn awaits_empty(&self) -> bool {
        self.with_empty && self.open.empty < FixedTimeWindow::MAX_EMPTY
    }

    fn select(&self, buffer: &Buffer, reason: Reason) -> Selection {
        let selection = Selection::first(buffer.len(), reason);
        match self.interval(buffer) {
            Some(interval) => selection.within(interval),
            None => selection,
        }
    }
}

impl WindowEmitter for FixedTimeEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        let Some(interval) = self.interval(buffer) else { return Readiness::wait() };
        if buffer.is_empty() && !self.awaits_empty() {
            return Readiness::wait();
        }
        if now < interval.end {
            return Readiness::wait_for(usize::MAX).until_shared(interval.end);
        }
        if buffer.is_empty() && self.open.cut {
            self.open = Open { start: Some(interval.end.as_millis()), empty: 0, cut: false };
            return self.window_ready(buffer, now);
        }
        Readiness::Ready
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let selection = self.select(buffer, Reason::Boundary);
        let start = self.interval(buffer).map(|interval| interval.end.as_millis());
        let empty = if buffer.is_empty() { self.open.empty + 1 } else { 0 };
        self.open = Open { start, empty, cut: false };
        selection
    }

    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        if buffer.is_empty() {
            return None;
        }
        let selection = self.select(buffer, reason);
        let start = self.interval(buffer).map(|interval| interval.start.as_millis());
        self.open = Open { start, empty: 0, cut: true };
        Some(selection)
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let waits = Explanation::at(now);
        match self.interval(buffer).filter(|_| !buffer.is_empty() || self.awaits_empty()) {
            // what went out early is all there was
            Some(interval) if buffer.is_empty() && self.open.cut => {
                waits.until(self.intervals.around(interval.end).map_or(interval.end, |next| next.end))
            }
            Some(interval) => waits.until(interval.end),
            None => waits.other("a first message"),
        }
    }

    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        let offsets = |from| buffer.iter_from(from).map(|message| message.offset());
        let (Some(interval), Some(_)) = (self.interval(buffer), offsets(since).next()) else { return Vec::new() };
        let members = offsets(if panes == Panes::Discarding { since } else { Offset::ZERO }).collect();
        vec![Selection::of(members, Reason::Early).leaving(Leaves::Nothing).within(interval)]
    }

    fn fingerprint(&self) -> Fingerprint {
        let empty = if self.with_empty { ",empty" } else { "" };
        Fingerprint::new("fixed_time", 1, &format!("{}{empty}", self.intervals))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        EmitterState::encode(&self.open)
    }

    fn restore(&mut self, state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        self.open = state.decode()?.unwrap_or_default();
        Ok(())
    }
}
