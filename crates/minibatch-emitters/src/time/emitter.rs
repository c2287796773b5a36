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
    lateness::{Closed, Lateness, Updates},
    pane::{self, Folding, Pane},
};
use crate::{Accumulator, aggregate::Accumulated};

/// The emitter of a [`TimeWindow`](super::TimeWindow), which may fold messages into an `A`.
#[derive(Clone, Debug)]
pub struct TimeEmitter<A = ()> {
    intervals: Intervals,
    course: Course,
    lateness: Option<Lateness>,
    folding: Folding<A>,
    /// The messages of windows that are not over, by the panes they are in, each pane's in the order of the log.
    panes: BTreeMap<Timestamp, Pane<A>>,
    /// The pane looked up last: most messages are in that of the one before, and a calendar is slow to ask.
    pane: Bounds,
    /// Its first window that ends after an instant, and after all up to that end: the instant, and the end.
    open_end: (Timestamp, Timestamp),
    closed: Closed<A>,
    /// How far time has got, where that is beyond the lateness of something.
    expired: Option<Timestamp>,
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
    #[serde(default = "Updates::default", skip_serializing_if = "Updates::is_empty")]
    updates: Updates<A>,
    /// The start of each pane, and what its messages were folded into.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    folded: Vec<(i64, Accumulated<A>)>,
    /// The same of panes of which all windows are over.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    kept: Vec<(i64, Accumulated<A>)>,
}

impl<A: Accumulator> TimeEmitter<A> {
    pub(super) fn new(
        intervals: Intervals,
        event_time: Option<EventTime>,
        lateness: Option<Lateness>,
        folding: Folding<A>,
    ) -> Self {
        Self {
            intervals,
            course: Course::new(event_time),
            lateness,
            folding,
            panes: BTreeMap::new(),
            closed: Closed::default(),
            expired: None,
            pane: Bounds::new(Timestamp::MIN, Timestamp::MIN),
            open_end: (Timestamp::MIN, Timestamp::MIN),
            next_end: None,
            drained: None,
        }
    }

    /// The start of the pane around an instant; `None` where a calendar or time itself ends.
    fn pane(&mut self, time: Timestamp) -> Option<Timestamp> {
        if !self.pane.contains(time) {
            self.pane = self.intervals.pane(time)?;
            self.open_end = (Timestamp::MIN, Timestamp::MIN);
        }
        Some(self.pane.start)
    }

    /// The end of the first window with the pane looked up last that ends after an instant.
    fn open_end(&mut self, after: Timestamp) -> Option<Timestamp> {
        let (known, end) = self.open_end;
        if (known..end).contains(&after) {
            return Some(end);
        }
        self.open_end = (after, self.intervals.first_end(self.pane.start, after)?);
        Some(self.open_end.1)
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
        for start in over {
            let pane = self.panes.remove(&start).unwrap_or_default();
            leaving.extend_from_slice(&pane.kept);
            folded_leaving += pane.folded.messages();
            if self.lateness.is_some() {
                self.closed.keep(start, &self.intervals, &self.folding, &pane);
            }
        }
        if !is_sorted {
            window.kept.sort_unstable();
        }
        let leaves = match self.lateness {
            Some(_) => Leaves::Kept(leaving),
            None if leaving.len() == window.kept.len() => Leaves::Members,
            None => Leaves::Offsets(leaving),
        };
        window.select(folded_leaving, reason).within(bounds).leaving(leaves)
    }

    /// Whether all windows of a pane are over.
    fn is_closed(&self, pane: Timestamp) -> bool {
        self.intervals.first_end(pane, self.course.closed()).is_none()
    }

    /// The next window that was over and comes again.
    fn update(&mut self) -> Option<Selection> {
        self.closed.update(self.lateness?, &self.intervals, &self.folding, &self.panes)
    }

    /// When what is kept is beyond its lateness, in the time by which windows close.
    fn expires(&self) -> Option<Timestamp> {
        self.closed.expires(self.lateness?)
    }
}

impl<A: Accumulator> WindowEmitter for TimeEmitter<A> {
    fn window_ready(&mut self, _buffer: &Buffer, now: Timestamp) -> Readiness {
        let expires = self.expires();
        let reached = |expires: Timestamp| self.course.reached(now).filter(|reached| expires <= *reached);
        self.expired = expires.and_then(reached);
        if self.expired.is_some() || self.closed.is_update_due(now) {
            return Readiness::Ready;
        }
        let expires = expires.and_then(|expires| self.course.reaches(expires));
        let other = self.closed.updates.deadline().into_iter().chain(expires).min();
        self.course.readiness(self.next_end, other, now)
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        if let Some(update) = self.update() {
            return update;
        }
        if let Some((lateness, reached)) = self.lateness.zip(self.expired.take()) {
            return self.closed.release(lateness, reached);
        }
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
        let place = self.course.moment(message).and_then(|moment| {
            let pane = self.pane(moment.time)?;
            // of the windows that it is in, those that were over without a message stay so
            self.course.close(moment.over);
            let given_up = self.lateness.map_or(moment.over, |lateness| lateness.allowed.before(moment.over));
            Some((pane, moment.over, self.open_end(given_up)?))
        });
        let Some((pane, over, first_end)) = place else {
            self.course.push_late(message);
            return Observed::Keep;
        };
        if first_end > over {
            return self.enter(pane, message);
        }
        if self.folding.as_deref().is_some_and(|fold| self.closed.updates.fold(fold, message, pane)) {
            return Observed::Fold;
        }
        self.closed.updates.push(message, pane, over);
        if self.is_closed(pane) {
            self.closed.keep(pane, &self.intervals, &self.folding, &Pane::of(message.offset()));
            Observed::Keep
        } else {
            self.enter(pane, message)
        }
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        if let Some(first) = self.update().or_else(|| self.course.take_late()) {
            return Some(first);
        }
        let Some(end) = self.first_end(self.drained.unwrap_or(self.course.closed())) else {
            (self.drained, self.next_end) = (None, None);
            return self.closed.release_all();
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
        let lateness = self.lateness.map_or(String::new(), |lateness| lateness.to_string());
        let fold = self.folding.as_ref().map_or(String::new(), |fold| format!(",fold={}", fold.name()));
        Fingerprint::new("time", 1, &format!("{}{}{lateness}{fold}", self.intervals, self.course))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        let by_append_time = self.panes.iter().filter(|_| self.course.event_time.is_none());
        let first = |(start, pane): (&Timestamp, &Pane<A>)| Some((start.as_millis(), pane.kept.first()?.to_u64()));
        let panes = by_append_time.filter_map(first).collect();
        let (folded, kept) = (pane::folded(self.panes.iter()), self.closed.folded());
        let updates = self.closed.updates.clone();
        EmitterState::encode(&State { course: self.course.state().clone(), panes, updates, folded, kept })
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        let (event_time, folding) = (self.course.event_time.clone(), self.folding.clone());
        *self = Self::new(self.intervals, event_time, self.lateness, folding);
        let Some(State { course, panes, updates, folded, kept }) = state.decode()? else { return Ok(()) };
        self.course.restore(course);
        self.closed.updates = updates;
        for (start, folded) in folded {
            self.panes.entry(Timestamp::from_millis(start)).or_default().folded = folded;
        }
        for (start, folded) in kept {
            self.closed.keep(Timestamp::from_millis(start), &self.intervals, &self.folding, &folded.into());
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
                Some(pane) if self.lateness.is_some() && self.is_closed(pane) => {
                    self.closed.keep(pane, &self.intervals, &self.folding, &Pane::of(message.offset()));
                }
                Some(pane) => self.panes.entry(pane).or_default().kept.push(message.offset()),
                // another closure than before: that will show
                None => self.course.push_late(&message),
            }
        }
        self.next_end = self.first_end(self.course.closed());
        Ok(())
    }
}
