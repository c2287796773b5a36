//! Windows that are over and kept for a while, so that messages that come for them then are shown.

use std::{collections::BTreeMap, fmt, mem};

use minibatch_core::{
    Message, Offset, Timestamp,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};
use serde::{Deserialize, Serialize};

use super::{
    intervals::Intervals,
    late::{LONGEST, MOST},
    pane::{self, Folding, Pane},
};
use crate::{
    Accumulator,
    aggregate::{Accumulated, Fold},
    millis::Millis,
};

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

/// The windows that are over and kept. Those whose messages are folded do not slide: each pane is a window.
#[derive(Clone, Debug)]
pub(super) struct Closed<A> {
    /// The messages of which all windows are over, by the panes they are in.
    panes: BTreeMap<Timestamp, Kept<A>>,
    pub(super) updates: Updates<A>,
    /// The windows that come again now, by their ends, each with what came for it.
    coming: BTreeMap<Timestamp, Coming<A>>,
    /// The first message that is kept for which they come.
    first: Option<Offset>,
}

/// A stretch of time that is in the same windows throughout.
#[derive(Clone, Debug)]
struct Kept<A> {
    /// That of the last of them.
    end: Timestamp,
    /// Its messages in the order of the log, and those that were folded.
    pane: Pane<A>,
}

/// What came for windows that are over, and waits to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Updates<A> {
    messages: Vec<New>,
    /// The append time of the first one, in milliseconds.
    since: i64,
    /// By the starts of their panes, those that were folded.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    folded: Vec<(i64, Accumulated<A>)>,
}

/// What came for a window.
#[derive(Clone, Debug)]
struct Coming<A> {
    messages: Vec<New>,
    folded: Accumulated<A>,
}

/// One message of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct New {
    offset: u64,
    pane: i64,
    /// Windows that ended then or earlier were over when it came.
    over: i64,
}

impl<A> Default for Closed<A> {
    fn default() -> Self {
        Self { panes: BTreeMap::new(), updates: Updates::default(), coming: BTreeMap::new(), first: None }
    }
}

impl<A> Default for Updates<A> {
    fn default() -> Self {
        Self { messages: Vec::new(), since: 0, folded: Vec::new() }
    }
}

impl<A> Default for Coming<A> {
    fn default() -> Self {
        Self { messages: Vec::new(), folded: Accumulated::default() }
    }
}

impl<A> Updates<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.folded.is_empty()
    }
}

impl<A: Accumulator> Updates<A> {
    pub(super) fn push(&mut self, message: &Message<'_>, pane: Timestamp, over: Timestamp) {
        self.begin(message);
        let (pane, over) = (pane.as_millis(), over.as_millis());
        self.messages.push(New { offset: message.offset().to_u64(), pane, over });
    }

    /// Folds a message in; `false` where it is not of the type.
    pub(super) fn fold(&mut self, fold: &dyn Fold<A>, message: &Message<'_>, pane: Timestamp) -> bool {
        let pane = pane.as_millis();
        let mut value = Accumulated::default();
        if !value.add(fold, message) {
            return false;
        }
        self.begin(message);
        match self.folded.iter_mut().find(|(known, _)| *known == pane) {
            Some((_, known)) => known.merge(fold, &value),
            None => self.folded.push((pane, value)),
        }
        true
    }

    fn begin(&mut self, message: &Message<'_>) {
        if self.is_empty() {
            self.since = message.time().as_millis();
        }
    }

    fn is_full(&self) -> bool {
        let folded: u64 = self.folded.iter().map(|(_, folded)| folded.messages()).sum();
        self.messages.len() as u64 + folded >= MOST as u64
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

impl<A: Accumulator> Closed<A> {
    /// Keeps messages of a pane, which come after those that are kept of it.
    pub(super) fn keep(&mut self, start: Timestamp, intervals: &Intervals, folding: &Folding<A>, pane: &Pane<A>) {
        self.kept(start, intervals).merge(folding, pane);
    }

    fn kept(&mut self, start: Timestamp, intervals: &Intervals) -> &mut Pane<A> {
        let end = || intervals.around(start).map_or(start, |last| last.end);
        &mut self.panes.entry(start).or_insert_with(|| Kept { end: end(), pane: Pane::default() }).pane
    }

    /// The starts of panes, and what their messages were folded into.
    pub(super) fn folded(&self) -> Vec<(i64, Accumulated<A>)> {
        pane::folded(self.panes.iter().map(|(start, kept)| (start, &kept.pane)))
    }

    /// Whether a window is to come again at `now`, or is about to.
    pub(super) fn is_update_due(&self, now: Timestamp) -> bool {
        let is_late = self.updates.deadline().is_some_and(|deadline| deadline <= now);
        is_late || !self.coming.is_empty() || self.updates.is_full()
    }

    /// The next window that comes again, if something came for one. `open` are the panes of windows that are not over,
    /// which a window that slides may share.
    pub(super) fn update(
        &mut self,
        lateness: Lateness,
        intervals: &Intervals,
        folding: &Folding<A>,
        open: &BTreeMap<Timestamp, Pane<A>>,
    ) -> Option<Selection> {
        if !self.updates.is_empty() {
            self.come(lateness, intervals);
        }
        let (end, Coming { messages, folded }) = self.coming.pop_first()?;
        let bounds = Bounds::new(intervals.start(end), end);
        let leaving = folded.messages();
        let mut window = Pane::from(folded);
        if leaving > 0 {
            let all = self.kept(bounds.start, intervals);
            all.merge(folding, &window.folded.clone().into());
        }
        if lateness.panes == Panes::Accumulating {
            // what came since may have been too late for this window, though not for another
            let before =
                |kept: &[Offset]| kept.partition_point(|offset| self.first.is_none_or(|first| *offset < first));
            let closed = self.panes.range(bounds.start..end).map(|(_, kept)| &kept.pane);
            for pane in closed.clone().chain(open.range(bounds.start..end).map(|(_, pane)| pane)) {
                window.kept.extend(pane.kept.iter().take(before(&pane.kept)));
            }
            window.kept.sort_unstable();
            if let Some(all) = closed.map(|pane| &pane.folded).find(|folded| folded.messages() > 0) {
                window.folded = all.clone();
            }
        }
        window.kept.extend(messages.iter().map(New::offset));
        let is_last = |new: &&New| self.panes.get(&new.pane()).is_some_and(|pane| pane.end == end);
        let kept = messages.iter().filter(is_last).map(New::offset).collect();
        Some(window.select(leaving, Reason::Update).within(bounds).leaving(Leaves::Kept(kept)))
    }

    /// All that waits to be shown comes now.
    fn come(&mut self, lateness: Lateness, intervals: &Intervals) {
        self.first = self.updates.messages.first().map(New::offset);
        for new in self.updates.messages.drain(..) {
            let over = Timestamp::from_millis(new.over);
            let ends = intervals.ends(new.pane(), lateness.allowed.before(over));
            ends.take_while(|end| *end <= over).for_each(|end| self.coming.entry(end).or_default().messages.push(new));
        }
        for (start, folded) in mem::take(&mut self.updates.folded) {
            if let Some(window) = intervals.around(Timestamp::from_millis(start)) {
                self.coming.entry(window.end).or_default().folded = folded;
            }
        }
    }

    /// When the first messages are beyond the lateness of their last window.
    pub(super) fn expires(&self, lateness: Lateness) -> Option<Timestamp> {
        self.panes.first_key_value().map(|(_, kept)| lateness.allowed.after(kept.end))
    }

    /// Lets go what is beyond its lateness once time has got to `reached`.
    pub(super) fn release(&mut self, lateness: Lateness, reached: Timestamp) -> Selection {
        let mut released = Vec::new();
        while self.expires(lateness).is_some_and(|expires| expires <= reached) {
            released.extend(self.panes.pop_first().into_iter().flat_map(|(_, kept)| kept.pane.kept));
        }
        Selection::releasing(released)
    }

    /// Lets go all there is, if there is something.
    pub(super) fn release_all(&mut self) -> Option<Selection> {
        let released: Vec<Offset> = mem::take(&mut self.panes).into_values().flat_map(|kept| kept.pane.kept).collect();
        (!released.is_empty()).then(|| Selection::releasing(released))
    }
}
