//! The emitter that shows the open windows of the one inside.

use std::{collections::VecDeque, fmt};

use minibatch_core::{
    Adaptive, Buffer, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Panes, Reason, Selection},
};
use serde::{Deserialize, Serialize};

use super::every::{Interval, News};
use crate::inner_state;

/// The emitter of an [`Early`](super::Early) strategy.
pub struct EarlyEmitter {
    inner: Box<dyn WindowEmitter>,
    interval: Interval,
    panes: Panes,
    /// What lies before it and is in an open window was shown.
    shown: Offset,
    /// The next message has this offset or a greater one.
    next: Offset,
    news: News,
    /// How many messages are in what the one inside remembers, and not in the buffer.
    folded: u64,
    /// The rest of a firing under way.
    firing: VecDeque<Selection>,
}

#[derive(Serialize, Deserialize)]
struct State {
    #[serde(default, with = "inner_state", skip_serializing_if = "inner_state::is_nothing")]
    inner: EmitterState,
    shown: u64,
    next: u64,
    news: News,
    #[serde(default, skip_serializing_if = "inner_state::is_none")]
    folded: u64,
}

impl EarlyEmitter {
    pub(super) fn new(inner: Box<dyn WindowEmitter>, interval: Interval, panes: Panes) -> Self {
        let (shown, next, news) = (Offset::ZERO, Offset::ZERO, News::default());
        Self { inner, interval, panes, shown, next, news, folded: 0, firing: VecDeque::new() }
    }

    fn fires(&self, now: Timestamp) -> bool {
        self.interval.missing(self.news) == 0
            || self.interval.deadline(self.news).is_some_and(|deadline| deadline <= now)
    }

    fn fire(&mut self, buffer: &Buffer) {
        self.news = News::default();
        self.firing = self.inner.open(buffer, self.shown, self.panes).into();
        if !self.firing.is_empty() {
            self.shown = self.next;
        }
    }

    /// A window of the one inside without what was shown of it.
    fn rest_of(&mut self, selection: Selection, buffer: &Buffer) -> Selection {
        self.folded = self.folded.saturating_sub(selection.folded_leaving());
        // the others are of messages that were in no open window, or not over
        let is_last = !matches!(selection.reason(), Reason::Late | Reason::Update | Reason::Early);
        if self.panes == Panes::Accumulating || self.shown == Offset::ZERO || !is_last || !selection.forms_window() {
            return selection;
        }
        let mut members = selection.members(buffer);
        members.retain(|offset| *offset >= self.shown);
        selection.showing(members, buffer)
    }
}

#[deny(clippy::missing_trait_methods)]
impl WindowEmitter for EarlyEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        if !self.firing.is_empty() {
            return Readiness::Ready;
        }
        let wait = self.inner.window_ready(buffer, now);
        let Readiness::Wait { more, bytes, until, .. } = wait else { return wait };
        if buffer.is_empty() && self.folded == 0 {
            (self.shown, self.next, self.news) = (Offset::ZERO, Offset::ZERO, News::default());
        }
        if self.fires(now) {
            self.fire(buffer);
            if !self.firing.is_empty() {
                return Readiness::Ready;
            }
        }
        let wait = Readiness::wait_for(more.min(self.interval.missing(self.news))).or_bytes(bytes);
        let wait = until.filter(|until| until.at > now).map_or(wait, |until| wait.or_at(until));
        self.interval.deadline(self.news).map_or(wait, |firing| wait.until(firing))
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.firing.pop_front().unwrap_or_else(|| {
            let selection = self.inner.query(buffer);
            self.rest_of(selection, buffer)
        })
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let observed = self.inner.observe(message);
        if observed != Observed::Drop {
            self.news.push(message.time());
            self.next = message.offset().next();
            self.folded += u64::from(observed == Observed::Fold);
        }
        observed
    }

    fn is_due(&self) -> bool {
        self.inner.is_due()
    }

    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        let selection = self.inner.drain(buffer, reason)?;
        Some(self.rest_of(selection, buffer))
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let waits = self.inner.explain(buffer, now);
        match (self.interval.deadline(self.news), self.interval.missing(self.news)) {
            (Some(deadline), _) => waits.other(format!("an early firing at {deadline}")),
            _ if self.news.is_empty() => waits,
            (None, 1) => waits.other("1 more message for an early firing"),
            (None, missing) => waits.other(format!("{missing} more messages for an early firing")),
        }
    }

    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        self.inner.open(buffer, since, panes)
    }

    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        self.inner.adaptive()
    }

    fn fingerprint(&self) -> Fingerprint {
        let (inner, interval, panes) = (self.inner.fingerprint(), self.interval, self.panes);
        Fingerprint::new("early", 1, &format!("{},{interval},{panes}", inner.as_str()))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        let inner = self.inner.snapshot()?;
        let (shown, next) = (self.shown.to_u64(), self.next.to_u64());
        EmitterState::encode(&State { inner, shown, next, news: self.news, folded: self.folded })
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.firing.clear();
        let none = || State { inner: EmitterState::default(), shown: 0, next: 0, news: News::default(), folded: 0 };
        let State { inner, shown, next, news, folded } = state.decode()?.unwrap_or_else(none);
        (self.shown, self.next) = (Offset::from_u64(shown), Offset::from_u64(next));
        (self.news, self.folded) = (news, folded);
        self.inner.restore(&inner, buffer)
    }
}

impl fmt::Debug for EarlyEmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EarlyEmitter").field(&self.fingerprint().as_str()).finish()
    }
}
