//! The members of a window as they are stored: where they are, not what they say.

use std::sync::Arc;

use crate::{Members, Offset, Timestamp, window::Places};

/// Consecutive messages of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRun {
    /// The first one's place in the log.
    pub first: Offset,
    /// How many there are.
    pub len: u32,
    /// Their append time.
    pub time: Timestamp,
}

/// The members of a window, in the window's order: they never change, so a clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberRuns(pub(super) Arc<[MemberRun]>);

impl MemberRuns {
    /// Where these messages are.
    #[must_use]
    pub fn of(members: &Members) -> Self {
        let run = |run: &crate::Run| MemberRun {
            first: run.first(),
            len: u32::try_from(run.len()).unwrap_or(u32::MAX),
            time: run.time(),
        };
        Self(members.runs().iter().map(run).collect())
    }

    /// From runs as stored; `None` when one of them ends past its record.
    #[must_use]
    pub fn stored(runs: Vec<MemberRun>) -> Option<Self> {
        let inside = |run: &MemberRun| {
            run.first.index().checked_add(run.len).is_some_and(|end| run.len > 0 && end <= Offset::MAX_INDEX + 1)
        };
        runs.iter().all(inside).then(|| Self(runs.into()))
    }

    /// The runs.
    #[must_use]
    pub fn as_slice(&self) -> &[MemberRun] {
        &self.0
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|run| run.len as usize).sum()
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those at these places alone, in the same order.
    #[must_use]
    pub fn pick(&self, places: &Places) -> Self {
        let mut picked = Vec::new();
        let mut begin = 0;
        for run in self.0.iter() {
            let end = begin + run.len as usize;
            let inside = |place: usize| u32::try_from(place - begin).unwrap_or(u32::MAX);
            for part in places.within(begin..end) {
                let (from, to) = (inside(part.start), inside(part.end));
                let first = Offset::packed(run.first.slot(), run.first.index() + from);
                picked.push(MemberRun { first, len: to - from, time: run.time });
            }
            begin = end;
        }
        Self(picked.into())
    }
}
