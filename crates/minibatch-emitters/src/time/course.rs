//! How time passes for windows that cover time: by append time, or by the messages' own.

use std::fmt;

use minibatch_core::{
    Explanation, Message, Offset, Readiness, Timestamp,
    window::{Reason, Selection},
};
use serde::{Deserialize, Serialize};

use super::{
    event_time::EventTime,
    late::Late,
    watermark::{Pace, Watermark},
};

/// How far time has got, and what came too late for it.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// `None` where append time decides.
    pub(super) event_time: Option<EventTime>,
    /// Its own, as whole milliseconds.
    pace: Pace,
    state: CourseState,
}

/// What of it is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CourseState {
    watermark: Watermark,
    late: Late,
    /// Windows that end then or earlier are over, in milliseconds; `None` before the first.
    closed: Option<i64>,
}

/// Where a message belongs in time.
pub(super) struct Moment {
    pub(super) time: Timestamp,
    /// Windows that end then or earlier were over when it came.
    pub(super) over: Timestamp,
}

impl Course {
    pub(super) fn new(event_time: Option<EventTime>) -> Self {
        let pace = event_time.as_ref().map(EventTime::pace).unwrap_or_default();
        Self { event_time, pace, state: CourseState::default() }
    }

    pub(super) fn state(&self) -> &CourseState {
        &self.state
    }

    pub(super) fn restore(&mut self, state: CourseState) {
        self.state = state;
    }

    /// Windows that end then or earlier are over.
    pub(super) fn closed(&self) -> Timestamp {
        self.state.closed.map_or(Timestamp::MIN, Timestamp::from_millis)
    }

    pub(super) fn close(&mut self, end: Timestamp) {
        self.state.closed = self.state.closed.max(Some(end.as_millis()));
    }

    /// Takes notice of a message; `None` where it does not say when it happened.
    pub(super) fn moment(&mut self, message: &Message<'_>) -> Option<Moment> {
        let (append_time, closed) = (message.time(), self.closed());
        let Some(event_time) = &self.event_time else {
            // what is over is never opened again, whatever the message's time
            return Some(Moment { time: append_time.max(closed), over: closed });
        };
        let (pace, watermark) = (self.pace, &mut self.state.watermark);
        let over = watermark.at(append_time, pace).map_or(closed, |watermark| watermark.max(closed));
        let time = event_time.tell(message);
        match time {
            Some(time) => watermark.saw(time, append_time, pace),
            None => watermark.saw_any(append_time, pace),
        }
        Some(Moment { time: time?, over })
    }

    /// When a buffered message happened, asked again.
    pub(super) fn moment_again(&self, message: &Message<'_>) -> Option<Timestamp> {
        match &self.event_time {
            Some(event_time) => event_time.tell(message),
            None => Some(message.time().max(self.closed())),
        }
    }

    pub(super) fn push_late(&mut self, message: &Message<'_>) {
        self.state.late.push(message);
    }

    pub(super) fn is_late(&self, offset: Offset) -> bool {
        self.state.late.contains(offset)
    }

    /// The window of those that came too late, if there are some.
    pub(super) fn take_late(&mut self) -> Option<Selection> {
        self.state.late.take()
    }

    /// How far time has got by which windows close.
    pub(super) fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.event_time {
            Some(_) => self.state.watermark.at(now, self.pace),
            None => Some(now),
        }
    }

    /// When that gets there if nothing more comes.
    pub(super) fn reaches(&self, end: Timestamp) -> Option<Timestamp> {
        match &self.event_time {
            Some(_) => self.state.watermark.reaches(end, self.pace),
            None => Some(end),
        }
    }

    /// Whether the window that ends next is ready, or the one of those that came too late. `other` is a deadline beside
    /// theirs.
    pub(super) fn readiness(&self, next_end: Option<Timestamp>, other: Option<Timestamp>, now: Timestamp) -> Readiness {
        let late = self.state.late.deadline();
        let is_late_due = self.state.late.is_full() || late.is_some_and(|deadline| deadline <= now);
        let is_over = |end| self.reached(now).is_some_and(|reached| reached >= end);
        if is_late_due || next_end.is_some_and(is_over) {
            return Readiness::Ready;
        }
        let deadline = [late, next_end.and_then(|end| self.reaches(end)), other].into_iter().flatten().min();
        deadline.map_or(Readiness::wait(), |deadline| Readiness::wait().until_shared(deadline))
    }

    /// What the window that ends next waits for.
    pub(super) fn explain(&self, next_end: Option<Timestamp>, now: Timestamp) -> Explanation {
        let waits = Explanation::at(now);
        match next_end {
            None => waits.other("a first message"),
            Some(end) if self.event_time.is_some() => waits.watermark(self.reached(now), end),
            Some(end) => waits.until(end),
        }
    }

    /// Why a window closes when its time is over.
    pub(super) fn reason(&self) -> Reason {
        if self.event_time.is_some() { Reason::Watermark } else { Reason::Boundary }
    }
}

impl fmt::Display for Course {
    /// As the last part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event_time {
            Some(event_time) => write!(f, ",{event_time}"),
            None => Ok(()),
        }
    }
}
