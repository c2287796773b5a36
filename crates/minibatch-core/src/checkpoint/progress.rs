//! How far a group has got: which windows are done, and from where the others can be formed again.

use std::collections::BTreeMap;

use super::{Base, Checkpoint, Crashes, Decision, DoneRanges, OpenWindow, keep_from};
use crate::{Offset, window::FormedWindow};

/// The live side of a [`Checkpoint`].
#[derive(Clone, Debug)]
pub struct Progress {
    base: Base,
    /// A later base, taken while windows before it were not done yet.
    candidate: Option<Base>,
    decisions: Vec<Decision>,
    done: DoneRanges,
    open: BTreeMap<u64, OpenWindow>,
    crashes: Crashes,
}

impl Progress {
    /// Goes on from what is stored.
    #[must_use]
    pub fn new(checkpoint: Checkpoint) -> Self {
        let Checkpoint { base, decisions, done, open, crashes } = checkpoint;
        Self { base, candidate: None, decisions, done, open, crashes }
    }

    /// Marks a window as done.
    pub fn settle(&mut self, window: &FormedWindow) {
        if window.ordinal >= self.base.ordinal {
            self.done.insert(window);
        }
    }

    /// Keeps what is left of a done window, in the place of what was known of it.
    pub fn open(&mut self, window: OpenWindow) {
        self.open.insert(window.ordinal, window);
    }

    /// Nothing is left of an open window.
    pub fn close(&mut self, ordinal: u64) {
        self.open.remove(&ordinal);
    }

    /// The owners before died so often in this place.
    pub fn crashed(&mut self, crashes: Crashes) {
        self.crashes = crashes;
    }

    /// Keeps a decision until a base after it takes its place.
    pub fn decide(&mut self, decision: Decision) {
        self.decisions.push(decision);
    }

    /// Whether a base taken now would be of use: there is none in waiting.
    #[must_use]
    pub fn wants_base(&mut self) -> bool {
        self.advance();
        self.candidate.is_none()
    }

    /// Offers the present point as the next base; it becomes one when every window before it is done.
    pub fn offer_base(&mut self, base: Base) {
        self.candidate = Some(base);
        self.advance();
    }

    fn advance(&mut self) {
        let Some(candidate) = self.candidate.take_if(|base| self.done.covers(self.base.ordinal, base.ordinal)) else {
            return;
        };
        self.done.forget_below(candidate.ordinal, candidate.left);
        self.decisions.retain(|decision| decision.number >= candidate.decision);
        self.base = candidate;
    }

    /// Goes back to what was `before` a commit that was refused. Decisions taken since stay: they are not the commit's.
    pub fn take_back(&mut self, before: Self) {
        let known = before.decisions.last().map_or(before.base.decision, |last| last.number + 1);
        let since = std::mem::replace(self, before).decisions;
        self.decisions.extend(since.into_iter().filter(|decision| decision.number >= known));
    }

    /// What to store.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            base: self.base.clone(),
            decisions: self.decisions.clone(),
            done: self.done.clone(),
            open: self.open.clone(),
            crashes: self.crashes,
        };
        if checkpoint.first_unsettled() != self.crashes.at {
            checkpoint.crashes = Crashes::default();
        }
        checkpoint
    }

    /// The smallest offset that is still needed.
    #[must_use]
    pub fn keep_from(&self) -> Offset {
        keep_from(&self.base, &self.open)
    }

    /// How many separate ranges of windows are done.
    #[must_use]
    pub fn done_ranges(&self) -> usize {
        self.done.len()
    }
}
