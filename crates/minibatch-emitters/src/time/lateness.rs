//! Windows that are over and kept for a while, so that messages that come for them then are shown.

use std::{collections::BTreeMap, fmt};

use minibatch_core::{
    Message, Offset, Timestamp,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};
use serde::{Deserialize, Serialize};

use super::{
    intervals::Intervals,
    late::{LONGEST, MOST},
    pane::Pane,
};
use crate::millis::Millis;

/// How long windows are kept after they are over, and what is shown of one that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lateness {
    pub(super) allowed: Millis,
    pub(super) panes: Panes,
}

impl fmt::Display for Lateness {
    /// As the last part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ",allowed_lateness={},{}", self.allowed, self.panes)
    }
}

/// The windows that are over and kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed {
    /// The messages of which all windows are over, by the panes they are in.
    panes: BTreeMap<Timestamp, Kept>,
    pub(super) updates: Updates,
    /// The windows that come again now, by their ends, each with what came for it.
    coming: BTreeMap<Timestamp, Vec<New>>,
    /// The first message for which they come.
    first: Offset,
}

/// A stretch of time that is in the same windows throughout.
#[derive(Clone, Debug)]
struct Kept {
    /// That of the last of them.
    end: Timestamp,
    /// In the order of the log.
    offsets: Vec<Offset>,
}

/// What came for windows that are over, and waits to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Updates {
    messages: Vec<New>,
    /// The append time of the first one, in milliseconds.
    since: i64,
}

/// One message of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct New {
    offset: u64,
    pane: i64,
    /// Windows that ended then or earlier were over when it came.
    over: i64,
}

impl Updates {
    pub(super) fn push(&mut self, message: &Message<'_>, pane: Timestamp, over: Timestamp) {
        if self.messages.is_empty() {
            self.since = message.time().as_millis();
        }
        let (pane, over) = (pane.as_millis(), over.as_millis());
        self.messages.push(New { offset: message.offset().to_u64(), pane, over });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// When they are due at the latest.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let since = Timestamp::from_millis(self.since);
        (!self.is_empty()).then(|| since.plus(LONGEST))
    }
}

impl New {
    fn offset(&self) -> Offset {
        Offset::from_u64(self.offset)
    }

    fn pane(&self) -> Timestamp {
        Timestamp::from_millis(self.pane)
    }
}

impl Closed {
    /// Keeps messages of a pane, which come after those that are kept of it.
    pub(super) fn keep(&mut self, pane: Timestamp, intervals: &Intervals, offsets: impl IntoIterator<Item = Offset>) {
        let end = || intervals.around(pane).map_or(pane, |last| last.end);
        let kept = self.panes.entry(pane).or_insert_with(|| Kept { end: end(), offsets: Vec::new() });
        kept.offsets.extend(offsets);
    }

    /// Whether a window is to come again at `now`, or is about to.
    pub(super) fn is_update_due(&self, now: Timestamp) -> bool {
        let is_full = self.updates.messages.len() >= MOST;
        is_full || !self.coming.is_empty() || self.updates.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// The next window that comes again, if something came for one. `open` are the panes of windows that are not over,
    /// which a window that slides may share.
    pub(super) fn update<A>(
        &mut self,
        lateness: Lateness,
        intervals: &Intervals,
        open: &BTreeMap<Timestamp, Pane<A>>,
    ) -> Option<Selection> {
        self.first = self.updates.messages.first().map_or(self.first, New::offset);
        for new in self.updates.messages.drain(..) {
            let over = Timestamp::from_millis(new.over);
            let ends = intervals.ends(new.pane(), lateness.allowed.before(over));
            ends.take_while(|end| *end <= over).for_each(|end| self.coming.entry(end).or_default().push(new));
        }
        let (end, new) = self.coming.pop_first()?;
        let bounds = Bounds::new(intervals.start(end), end);
        let mut members = Vec::new();
        if lateness.panes == Panes::Accumulating {
            // what came since may have been too late for this window, though not for another
            let before = |offsets: &Vec<Offset>| offsets.partition_point(|offset| *offset < self.first);
            let closed = self.panes.range(bounds.start..end).map(|(_, pane)| &pane.offsets);
            for offsets in closed.chain(open.range(bounds.start..end).map(|(_, pane)| &pane.kept)) {
                members.extend(offsets.iter().take(before(offsets)));
            }
            members.sort_unstable();
        }
        members.extend(new.iter().map(New::offset));
        let is_last = |new: &&New| self.panes.get(&new.pane()).is_some_and(|pane| pane.end == end);
        let kept = new.iter().filter(is_last).map(New::offset).collect();
        Some(Selection::of(members, Reason::Update).within(bounds).leaving(Leaves::Kept(kept)))
    }

    /// When the first messages are beyond the lateness of their last window.
    pub(super) fn expires(&self, lateness: Lateness) -> Option<Timestamp> {
        self.panes.first_key_value().map(|(_, pane)| lateness.allowed.after(pane.end))
    }

    /// Lets go what is beyond its lateness once time has got to `reached`.
    pub(super) fn release(&mut self, lateness: Lateness, reached: Timestamp) -> Selection {
        let mut released = Vec::new();
        while self.expires(lateness).is_some_and(|expires| expires <= reached) {
            released.extend(self.panes.pop_first().into_iter().flat_map(|(_, pane)| pane.offsets));
        }
        Selection::releasing(released)
    }

    /// Lets go all there is, if there is something.
    pub(super) fn release_all(&mut self) -> Option<Selection> {
        let released: Vec<Offset> =
            std::mem::take(&mut self.panes).into_values().flat_map(|pane| pane.offsets).collect();
        (!released.is_empty()).then(|| Selection::releasing(released))
    }
}
