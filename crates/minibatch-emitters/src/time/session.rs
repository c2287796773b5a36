//! Windows of activity: as long as messages follow one another closely.

use std::{collections::BTreeMap, time::Duration};

use minibatch_core::{
    Buffer, Cause, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};
use serde::de::DeserializeOwned;

use super::{
    course::{Course, CourseState},
    event_time::EventTime,
    pane::{Folding, Pane},
};
use crate::{Accumulator, Aggregate, Aggregated, aggregate::Accumulated, millis::Millis, strategy::strategy};

/// Messages that follow one another closely: a session ends when nothing came for as long as `gap`.
///
/// ```text
/// time                                        0 · · · · 5 · · · · 10· · · · 15· · · · 20
/// messages                                      a b     c   d         e f
///
/// SessionWindow::new(3 s)                       a b    |
///                                                       c   d      |
///                                                                     e f      |
/// SessionWindow::new(4 s).max_length(6 s)       a b     c   |
///                                                           d       |
///                                                                     e f        |
/// ```
///
/// # Behaviour
/// - by append time, unless an [event time](Self::event_time) is given. Then a message that comes late but in time joins two
///   sessions that it lies between
/// - a message belongs to a session if it is less than `gap` away from one that does
/// - closes `gap` after its last message, when log time gets there, or the watermark: see [`EventTime`]. Reason:
///   [`Gap`](Reason::Gap)
/// - with [`max_length`](Self::max_length) it closes that long after its first message at the latest, and what follows
///   is another session. Reason: [`MaxWait`](Reason::MaxWait)
/// - bounds: from its first message to when it closes. Its messages are in the order of the log
/// - late messages, as of a [`TimeWindow`](crate::TimeWindow), are those whose own session would be over and that join
///   no open one
/// - there is no allowed lateness: a session that is over could not come again under the same bounds, as what comes late
///   makes it longer, or one with the session after it
/// - the same windows for every group and every replay, as far as those of a [`TimeWindow`](crate::TimeWindow) are
/// - **without `max_length` a session lasts as long as messages keep coming**
/// - remembers the watermark and which late messages wait; the messages' own times it asks for again after a restart
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_emitters::SessionWindow;
///
/// let visits = SessionWindow::new(Duration::from_mins(30)).max_length(Duration::from_hours(12));
/// visits.build()?;
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct SessionWindow {
    gap: Duration,
    max_length: Option<Duration>,
    event_time: Option<EventTime>,
}

impl SessionWindow {
    /// Sessions that end after nothing came for `gap`, in whole milliseconds.
    pub const fn new(gap: Duration) -> Self {
        Self { gap, max_length: None, event_time: None }
    }

    /// At most so long, in whole milliseconds.
    pub const fn max_length(mut self, max_length: Duration) -> Self {
        self.max_length = Some(max_length);
        self
    }

    /// By the time at which messages happened.
    pub fn event_time(mut self, event_time: EventTime) -> Self {
        self.event_time = Some(event_time);
        self
    }

    /// Folds the messages of each session into one value instead of keeping them: see [`Aggregate`]. Not with both a
    /// [`max_length`](Self::max_length) and an [event time](Self::event_time).
    pub fn aggregate<T, A>(self, aggregate: Aggregate<T, A>) -> Aggregated<T, A>
    where
        T: DeserializeOwned + 'static,
        A: Accumulator,
    {
        Aggregated::new(aggregate, move |fold| Ok(Box::new(self.build_with(Some(fold))?)))
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for a duration of nothing, one that is not in whole milliseconds, one of more than 63 bits, and
    /// a `max_length` below `gap`.
    pub fn build(&self) -> Result<SessionEmitter, Error> {
        self.build_with(None)
    }

    fn build_with<A: Accumulator>(&self, folding: Folding<A>) -> Result<SessionEmitter<A>, Error> {
        if folding.is_some() && self.max_length.is_some() && self.event_time.is_some() {
            let reason = "a value cannot be cut where a session is longer than it may be by event time";
            return Err(Cause::invalid_window(reason).into());
        }
        if self.max_length.is_some_and(|max_length| max_length < self.gap) {
            return Err(Cause::invalid_window("a session is at least as long as its gap").into());
        }
        self.event_time.iter().try_for_each(EventTime::check)?;
        Ok(SessionEmitter {
            gap: Millis::new(self.gap)?,
            max_length: self.max_length.map(Millis::new).transpose()?,
            course: Course::new(self.event_time.clone()),
            folding,
            sessions: BTreeMap::new(),
        })
    }
}

strategy!(SessionWindow);

/// The emitter of a [`SessionWindow`], which may fold messages into an `A`.
#[derive(Clone, Debug)]
pub struct SessionEmitter<A = ()> {
    gap: Millis,
    max_length: Option<Millis>,
    course: Course,
    folding: Folding<A>,
    /// The open sessions by their first message's time, at least a gap apart.
    sessions: BTreeMap<Timestamp, Session<A>>,
}

#[derive(Clone, Debug)]
struct Session<A> {
    last: Timestamp,
    /// Those that are kept, in the order of the log.
    messages: Vec<(Timestamp, Offset)>,
    folded: Accumulated<A>,
}

impl<A: Accumulator> Session<A> {
    /// What is in it before `end`, and what comes after that as a session with its start.
    fn split(self, end: Timestamp) -> (Pane<A>, Option<(Timestamp, Self)>) {
        let (now, later): (Vec<_>, Vec<_>) = self.messages.into_iter().partition(|(time, _)| *time < end);
        let next = later.iter().map(|(time, _)| *time).min();
        let later = next.map(|next| (next, Self::kept(self.last, later)));
        (Pane { kept: now.into_iter().map(|(_, offset)| offset).collect(), folded: self.folded }, later)
    }

    fn kept(last: Timestamp, messages: Vec<(Timestamp, Offset)>) -> Self {
        Self { last, messages, folded: Accumulated::default() }
    }
}

/// What a session's messages were folded into: its first message's time, its last one's, and the value.
type FoldedSession<A> = (i64, i64, Accumulated<A>);

/// The sessions that a message joins, by their starts, and what becomes of them with it.
struct Joined {
    starts: [Option<Timestamp>; 2],
    first: Timestamp,
    last: Timestamp,
}

impl<A: Accumulator> SessionEmitter<A> {
    /// When a session ends, and why.
    fn end(&self, start: Timestamp, last: Timestamp) -> (Timestamp, Reason) {
        let by_gap = (self.gap.after(last), Reason::Gap);
        let by_length = self.max_length.map(|max_length| (max_length.after(start), Reason::MaxWait));
        by_length.filter(|by_length| by_length.0 < by_gap.0).unwrap_or(by_gap)
    }

    fn next_end(&self) -> Option<Timestamp> {
        let (start, session) = self.sessions.first_key_value()?;
        Some(self.end(*start, session.last).0)
    }

    /// What a message of that time belongs to: it may join two sessions.
    fn joined(&self, time: Timestamp) -> Joined {
        let before = self.sessions.range(..=time).next_back();
        let before = before.filter(|(_, session)| time < self.gap.after(session.last));
        // there is only one, as sessions are a gap apart
        let after = self.sessions.range(time..self.gap.after(time)).next();
        let after = after.filter(|(start, _)| before.is_none_or(|(known, _)| known != *start));
        let mut joined =
            Joined { starts: [before, after].map(|one| one.map(|(start, _)| *start)), first: time, last: time };
        for (start, session) in before.into_iter().chain(after) {
            joined.first = joined.first.min(*start);
            joined.last = joined.last.max(session.last);
        }
        joined
    }

    /// The session that is made of those that are joined.
    fn join(&mut self, joined: &Joined) -> &mut Session<A> {
        let sessions = joined.starts.into_iter().flatten().filter_map(|start| self.sessions.remove(&start));
        let session = sessions.reduce(|mut first, second| {
            first.messages.extend(second.messages);
            // two runs in order, which this makes one
            first.messages.sort_by_key(|(_, offset)| *offset);
            if let Some(fold) = &self.folding {
                first.folded.merge(&**fold, &second.folded);
            }
            first
        });
        let session = session.unwrap_or_else(|| Session::kept(joined.last, Vec::new()));
        let session = self.sessions.entry(joined.first).or_insert(session);
        session.last = joined.last;
        session
    }

    fn enter(&mut self, joined: &Joined, time: Timestamp, message: &Message<'_>) -> Observed {
        let folding = self.folding.clone();
        let session = self.join(joined);
        if folding.is_some_and(|fold| session.folded.add(&*fold, message)) {
            return Observed::Fold;
        }
        session.messages.push((time, message.offset()));
        Observed::Keep
    }

    /// The windows that a session would make by now, of those that have a message from `since` on.
    fn open_of(&self, start: Timestamp, session: &Session<A>, since: Offset, panes: Panes) -> Vec<Selection> {
        let open = |window: Pane<A>, start, end| {
            window.select(0, Reason::Early).leaving(Leaves::Nothing).within(Bounds::new(start, end))
        };
        let new = session.messages.partition_point(|(_, offset)| *offset < since);
        if new == session.messages.len() && !session.folded.reaches(since) {
            return Vec::new();
        }
        let (end, _) = self.end(start, session.last);
        if session.last < end {
            let from = if panes == Panes::Discarding { new } else { 0 };
            let kept = session.messages.iter().skip(from).map(|(_, offset)| *offset).collect();
            return vec![open(Pane { kept, folded: session.folded.clone() }, start, end)];
        }
        // it has messages of later sessions, as it is longer than one may be
        let mut windows = Vec::new();
        let mut rest = Some((start, session.clone()));
        while let Some((start, session)) = rest {
            let (end, _) = self.end(start, session.last);
            let (mut window, later) = session.split(end);
            if window.reaches(since) {
                window.kept.retain(|offset| panes == Panes::Accumulating || *offset >= since);
                windows.push(open(window, start, end));
            }
            rest = later;
        }
        windows
    }

    /// Takes the first session, or as much of it as its length allows.
    fn select(&mut self, reason: Option<Reason>) -> Option<Selection> {
        let (start, session) = self.sessions.pop_first()?;
        let (end, why) = self.end(start, session.last);
        let (window, later) = session.split(end);
        self.sessions.extend(later);
        if reason.is_none() {
            self.course.close(end);
        }
        let leaving = window.folded.messages();
        Some(window.select(leaving, reason.unwrap_or(why)).within(Bounds::new(start, end)))
    }
}

impl<A: Accumulator> WindowEmitter for SessionEmitter<A> {
    fn window_ready(&mut self, _buffer: &Buffer, now: Timestamp) -> Readiness {
        self.course.readiness(self.next_end(), None, now)
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        let late = self.course.take_late();
        late.or_else(|| self.select(None)).unwrap_or(Selection::first(0, Reason::Gap))
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let joined = self.course.moment(message).and_then(|moment| {
            let joined = self.joined(moment.time);
            // its session has not ended
            (self.end(joined.first, joined.last).0 > moment.over).then_some((joined, moment.time))
        });
        match joined {
            Some((joined, time)) => self.enter(&joined, time, message),
            None => {
                self.course.push_late(message);
                Observed::Keep
            }
        }
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        self.course.take_late().or_else(|| self.select(Some(reason)))
    }

    fn explain(&self, _buffer: &Buffer, now: Timestamp) -> Explanation {
        match self.next_end() {
            // the next message moves it
            Some(end) if self.course.event_time.is_none() => {
                Explanation::at(now).other(format!("nothing to come until {end}"))
            }
            end => self.course.explain(end, now),
        }
    }

    fn open(&self, _buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        self.sessions.iter().flat_map(|(start, session)| self.open_of(*start, session, since, panes)).collect()
    }

    fn fingerprint(&self) -> Fingerprint {
        let max_length = self.max_length.map_or(String::new(), |max_length| format!(",max_length={max_length}"));
        let fold = self.folding.as_ref().map_or(String::new(), |fold| format!(",fold={}", fold.name()));
        Fingerprint::new("session", 1, &format!("{}{max_length}{}{fold}", self.gap, self.course))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        if self.folding.is_none() {
            return EmitterState::encode(self.course.state());
        }
        let sessions = self.sessions.iter().filter(|(_, session)| session.folded.messages() > 0);
        let folded: Vec<FoldedSession<A>> = sessions
            .map(|(start, session)| (start.as_millis(), session.last.as_millis(), session.folded.clone()))
            .collect();
        EmitterState::encode(&(self.course.state(), folded))
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.course = Course::new(self.course.event_time.clone());
        self.sessions.clear();
        let decoded = match self.folding {
            Some(_) => state.decode()?,
            None => state.decode()?.map(|course| (course, Vec::new())),
        };
        let Some((course, folded)): Option<(CourseState, Vec<FoldedSession<A>>)> = decoded else { return Ok(()) };
        self.course.restore(course);
        for (start, last, folded) in folded {
            let session = Session { folded, ..Session::kept(Timestamp::from_millis(last), Vec::new()) };
            self.sessions.insert(Timestamp::from_millis(start), session);
        }
        for message in buffer.iter() {
            if self.course.is_late(message.offset()) {
                continue;
            }
            match self.course.moment_again(&message) {
                Some(time) => {
                    let joined = self.joined(time);
                    self.join(&joined).messages.push((time, message.offset()));
                }
                // another closure than before: that will show
                None => self.course.push_late(&message),
            }
        }
        Ok(())
    }
}
