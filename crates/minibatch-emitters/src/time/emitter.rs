//! The emitter of windows that cover time.

use std::collections::{BTreeMap, BTreeSet};

use minibatch_core::{
    Buffer, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};
use serde::{Deserialize, Serialize};

use super::{
    course::{Course, CourseState},
    event_time::EventTime,
    intervals::Intervals,
};

/// The emitter of a [`TimeWindow`](super::TimeWindow).
#[derive(Clone, Debug)]
pub struct TimeEmitter {
    intervals: Intervals,
    course: Course,
    /// The messages by the panes they are in, each pane's in the order of the log.
    panes: BTreeMap<Timestamp, Vec<Offset>>,
    /// The pane looked up last: most messages are in that of the one before, and a calendar is slow to ask.
    pane: Bounds,
    /// The end of the window that closes next.
    next_end: Option<Timestamp>,
    /// In the middle of a drain: windows that end then or earlier were emitted by it.
    drained: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct State {
    course: CourseState,
    /// By append time: the start of each pane and its first message's offset. By event time the messages say where they
    /// belong.
    panes: Vec<(i64, u64)>,
}

impl TimeEmitter {
    pub(super) fn new(intervals: Intervals, event_time: Option<EventTime>) -> Self {
        let course = Course::new(event_time);
        let pane = Bounds::new(Timestamp::MIN, Timestamp::MIN);
        Self { intervals, course, panes: BTreeMap::new(), pane, next_end: None, drained: None }
    }

    /// The start of the pane around an instant; `None` where a calendar or time itself ends.
    fn pane(&mut self, time: Timestamp) -> Option<Timestamp> {
        if !self.pane.contains(time) {
            self.pane = self.intervals.pane(time)?;
        }
        Some(self.pane.start)
    }

    fn enter(&mut self, pane: Timestamp, offset: Offset) {
        let is_first = self.panes.first_key_value().is_none_or(|(first, _)| pane < *first);
        self.panes.entry(pane).or_default().push(offset);
        if is_first {
            self.next_end = self.first_end(self.course.closed());
        }
    }

    /// The end of the first window with messages that ends after an instant. Panes of later instants have later ends.
    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        let (pane, _) = self.panes.first_key_value()?;
        self.intervals.first_end(*pane, after)
    }

    /// The window that ends then; what is in no later one leaves.
    fn select(&mut self, end: Timestamp, reason: Reason) -> Selection {
        let bounds = Bounds::new(self.intervals.start(end), end);
        let (mut members, mut leaving, mut over) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_sorted = true;
        for (pane, offsets) in self.panes.range(bounds.start..bounds.end) {
            is_sorted &= members.last() < offsets.first();
            members.extend_from_slice(offsets);
            if self.intervals.first_end(*pane, end).is_none() {
                leaving.extend_from_slice(offsets);
                over.push(*pane);
            }
        }
        for pane in over {
            self.panes.remove(&pane);
        }
        if !is_sorted {
            members.sort_unstable();
        }
        let leaves = if leaving.len() == members.len() { Leaves::Members } else { Leaves::Offsets(leaving) };
        Selection::of(members, reason).within(bounds).leaving(leaves)
    }
}

impl WindowEmitter for TimeEmitter {
    fn window_ready(&mut self, _buffer: &Buffer, now: Timestamp) -> Readiness {
        self.course.readiness(self.next_end, now)
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        if let Some(late) = self.course.take_late() {
            return late;
        }
        let reason = self.course.reason();
        let Some(end) = self.next_end else { return Selection::first(0, reason) };
        let selection = self.select(end, reason);
        self.course.close(end);
        self.next_end = self.first_end(self.course.closed());
        selection
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let pane = self.course.moment(message).and_then(|moment| {
            let pane = self.pane(moment.time)?;
            // of the windows that it is in, those that were over without a message stay so
            self.course.close(moment.over);
            self.intervals.first_end(pane, moment.over).map(|_| pane)
        });
        match pane {
            Some(pane) => self.enter(pane, message.offset()),
            None => self.course.push_late(message),
        }
        Observed::Keep
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        if let Some(late) = self.course.take_late() {
            return Some(late);
        }
        let Some(end) = self.first_end(self.drained.unwrap_or(self.course.closed())) else {
            (self.drained, self.next_end) = (None, None);
            return None;
        };
        self.drained = Some(end);
        Some(self.select(end, reason))
    }

    fn explain(&self, _buffer: &Buffer, now: Timestamp) -> Explanation {
        self.course.explain(self.next_end, now)
    }

    fn open(&self, _buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        let is_new = |offset: &Offset| *offset >= since;
        let new: BTreeMap<Timestamp, &Vec<Offset>> = self
            .panes
            .iter()
            .filter(|(_, offsets)| offsets.last().is_some_and(is_new))
            .map(|(pane, offsets)| (*pane, offsets))
            .collect();
        let ends: BTreeSet<Timestamp> =
            new.keys().flat_map(|pane| self.intervals.ends(*pane, self.course.closed())).collect();
        let window = |end| {
            let bounds = Bounds::new(self.intervals.start(end), end);
            let mut members: Vec<Offset> = match panes {
                Panes::Accumulating => {
                    self.panes.range(bounds.start..end).flat_map(|(_, offsets)| offsets).copied().collect()
                }
                Panes::Discarding => new
                    .range(bounds.start..end)
                    .flat_map(|(_, offsets)| offsets.iter().skip(offsets.partition_point(|offset| !is_new(offset))))
                    .copied()
                    .collect(),
            };
            members.sort_unstable();
            Selection::of(members, Reason::Early).leaving(Leaves::Nothing).within(bounds)
        };
        ends.into_iter().map(window).collect()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("time", 1, &format!("{}{}", self.intervals, self.course))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        let by_append_time = self.panes.iter().filter(|_| self.course.event_time.is_none());
        let first = |(pane, offsets): (&Timestamp, &Vec<Offset>)| Some((pane.as_millis(), offsets.first()?.to_u64()));
        let panes = by_append_time.filter_map(first).collect();
        EmitterState::encode(&State { course: self.course.state().clone(), panes })
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        *self = Self::new(self.intervals, self.course.event_time.clone());
        let Some(State { course, panes }) = state.decode()? else { return Ok(()) };
        self.course.restore(course);
        let mut panes = panes.into_iter().peekable();
        let mut by_append_time = None;
        for message in buffer.iter() {
            while let Some((pane, _)) = panes.next_if(|(_, first)| *first <= message.offset().to_u64()) {
                by_append_time = Some(Timestamp::from_millis(pane));
            }
            if self.course.is_late(message.offset()) {
                continue;
            }
            let asked = || Some(self.intervals.pane(self.course.moment_again(&message)?)?.start);
            match by_append_time.or_else(asked) {
                Some(pane) => self.panes.entry(pane).or_default().push(message.offset()),
                // another closure than before: that will show
                None => self.course.push_late(&message),
            }
        }
        self.next_end = self.first_end(self.course.closed());
        Ok(())
    }
}
