//! After a restart: which of the windows formed again are done, and whether they are the same windows.

use std::collections::VecDeque;

use crate::{
    Offset,
    checkpoint::{Decision, DoneRange, DoneRanges},
    window::FormedWindow,
};

/// What is known of the windows after a base, to be compared with those that a replay forms.
#[derive(Debug, Default)]
pub(super) struct Replay {
    done: VecDeque<DoneRange>,
    decisions: VecDeque<Decision>,
}

/// What becomes of a window that a replay formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not done: its function gets it.
    Deliver,
    /// It is done.
    Skip,
}

/// The first ordinal of the range in which a replay formed other windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Differs(pub(super) u64);

impl Replay {
    pub(super) fn new(done: &DoneRanges, decisions: &[Decision]) -> Self {
        Self { done: done.as_slice().iter().copied().collect(), decisions: decisions.iter().copied().collect() }
    }

    pub(super) fn judge(&mut self, window: &FormedWindow) -> Result<Verdict, Differs> {
        let Some(&range) = self.done.front() else { return Ok(Verdict::Deliver) };
        if window.ordinal < range.first {
            return Ok(Verdict::Deliver);
        }
        if window.ordinal == range.last {
            if window.chain != range.chain {
                return Err(Differs(range.first));
            }
            self.done.pop_front();
        }
        Ok(Verdict::Skip)
    }

    /// All messages before `next` were offered, and the decisions there were taken: whatever was formed by then must
    /// have been formed again.
    pub(super) fn passed(&self, next: Offset) -> Result<(), Differs> {
        match self.done.front() {
            Some(range) if range.next < next => Err(Differs(range.first)),
            _ => Ok(()),
        }
    }

    /// The next decision, if it was taken at or before `next`.
    pub(super) fn take_decision(&mut self, next: Offset) -> Option<Decision> {
        self.decisions.pop_front_if(|decision| decision.next <= next)
    }

    /// Every window that was done has been formed again.
    pub(super) fn is_over(&self) -> bool {
        self.done.is_empty() && self.decisions.is_empty()
    }

    /// Where the next decision was taken.
    pub(super) fn next_decision(&self) -> Option<Offset> {
        self.decisions.front().map(|decision| decision.next)
    }
}
