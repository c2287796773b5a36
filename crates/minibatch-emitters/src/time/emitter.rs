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
    pane::{Folding, Pane},
};
use crate::{Accumulator, aggregate::Accumulated};

/// The emitter of a [`TimeWindow`](super::TimeWindow), which may fold messages into an `A`.
#[derive(Clone, Debug)]
pub struct TimeEmitter<A = ()> {
    intervals: Intervals,
    course: Course,
    folding: Folding<A>,
    /// The messages by the panes they are in, each pane's in the order of the log.
    panes: BTreeMap<Timestamp, Pane<A>>,
    /// The pane looked up last: most messages are in that of the one before, and a calendar is slow to ask.
    pane: Bounds,
    /// The end of the window that closes next.
    next_end: Option<Timestamp>,
    /// In the middle of a drain: windows that end then or earlier were emitted by it.
    drained: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct State<A> {
    course: CourseState,
    /// By append time: the start of each pane and its first message's offset. By event time the messages say where they
    /// belong.
    panes: Vec<(i64, u64)>,
    /// The start of each pane, and what its messages were folded into.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    folded: Vec<(i64, Accumulated<A>)>,
}

impl<A: Accumulator> TimeEmitter<A> {
    pub(super) fn new(intervals: Intervals, event_time: Option<EventTime>, folding: Folding<A>) -> Self {
        let course = Course::new(event_time);
        let pane = Bounds::new(Timestamp::MIN, Timestamp::MIN);
        Self { intervals, course, folding, panes: BTreeMap::new(), pane, next_end: None, drained: None }
    }

    /// The start of the pane around an instant; `None` where a calendar or time itself ends.
    fn pane(&mut self, time: Timestamp) -> Option<Timestamp> {
        if !self.pane.contains(time) {
            self.pane = self.intervals.pane(time)?;
        }
        Some(self.pane.start)
    }

    fn enter(&mut self, pane: Timestamp, message: &Message<'_>) -> Observed {
        let is_first = self.panes.first_key_value().is_none_or(|(first, _)| pane < *first);
        let observed = self.panes.entry(pane).or_default().add(&self.folding, message);
        if is_first {
            self.next_end = self.first_end(self.course.closed());
        }
        observed
    }

    /// The end of the first window with messages that ends after an instant. Panes of later instants have later ends.
    fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        let (pane, _) = self.panes.first_key_value()?;
        self.intervals.first_end(*pane, after)
    }

    /// The window that ends then; what is in no later one leaves.
    fn select(&mut self, end: Timestamp, reason: Reason) -> Selection {
        let bounds = Bounds::new(self.intervals.start(end), end);
        let (mut window, mut over) = (Pane::default(), Vec::new());
        let mut is_sorted = true;
        for (start, pane) in self.panes.range(bounds.start..bounds.end) {
            is_sorted &= window.kept.last() < pane.kept.first();
            window.merge(&self.folding, pane);
            if self.intervals.first_end(*start, end).is_none() {
                over.push(*start);
            }
        }
        let (mut leaving, mut folded_leaving) = (Vec::new(), 0);
        for pane in over.iter().filter_map(|start| self.panes.remove(start)) {
            leaving.extend(pane.kept);
            folded_leaving += pane.folded.messages();
        }
        if !is_sorted {
            window.kept.sort_unstable();
        }
        let leaves = if leaving.len() == window.kept.len() { Leaves::Members } else { Leaves::Offsets(leaving) };
        window.select(folded_leaving, reason).within(bounds).leaving(leaves)
    }
}

impl<A: Accumulator> WindowEmitter for TimeEmitter<A> {
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
            Some(pane) => self.enter(pane, message),
            None => {
                self.course.push_late(message);
                Observed::Keep
            }
        }
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
        let new: BTreeMap<Timestamp, &Pane<A>> =
            self.panes.iter().filter(|(_, pane)| pane.reaches(since)).map(|(start, pane)| (*start, pane)).collect();
        let ends: BTreeSet<Timestamp> =
            new.keys().flat_map(|start| self.intervals.ends(*start, self.course.closed())).collect();
        let window = |end| {
            let bounds = Bounds::new(self.intervals.start(end), end);
            let mut window = Pane::default();
            match panes {
                Panes::Accumulating => {
                    self.panes.range(bounds.start..end).for_each(|(_, pane)| window.merge(&self.folding, pane));
                }
                Panes::Discarding => {
                    new.range(bounds.start..end).for_each(|(_, pane)| window.kept.extend(pane.kept_from(since)));
                }
            }
            window.kept.sort_unstable();
            window.select(0, Reason::Early).leaving(Leaves::Nothing).within(bounds)
        };
        ends.into_iter().map(window).collect()
    }

    fn fingerprint(&self) -> Fingerprint {
        let fold = self.folding.as_ref().map_or(String::new(), |fold| format!(",fold={}", fold.name()));
        Fingerprint::new("time", 1, &format!("{}{}{fold}", self.intervals, self.course))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        let by_append_time = self.panes.iter().filter(|_| self.course.event_time.is_none());
        let first = |(start, pane): (&Timestamp, &Pane<A>)| Some((start.as_millis(), pane.kept.first()?.to_u64()));
        let panes = by_append_time.filter_map(first).collect();
        let folded = self.panes.iter().filter(|(_, pane)| pane.folded.messages() > 0);
        let folded = folded.map(|(start, pane)| (start.as_millis(), pane.folded.clone())).collect();
        EmitterState::encode(&State { course: self.course.state().clone(), panes, folded })
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        *self = Self::new(self.intervals, self.course.event_time.clone(), self.folding.clone());
        let Some(State { course, panes, folded }) = state.decode()? else { return Ok(()) };
        self.course.restore(course);
        for (start, folded) in folded {
            self.panes.entry(Timestamp::from_millis(start)).or_default().folded = folded;
        }
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
                Some(pane) => self.panes.entry(pane).or_default().kept.push(message.offset()),
                // another closure than before: that will show
                None => self.course.push_late(&message),
            }
        }
        self.next_end = self.first_end(self.course.closed());
        Ok(())
    }
}
