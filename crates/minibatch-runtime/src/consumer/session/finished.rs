//! Windows whose function has succeeded, and whose effects are yet to take place with a commit.
//!
//! Windows share a commit. Where an effect of one is refused, nothing of the commit is stored; then each has one of its own.

use std::{collections::BTreeMap, ops::Bound};

use minibatch_core::{
    checkpoint::Progress,
    storage::{Counters, Effect},
};
use tokio::sync::oneshot;

use crate::{consumer::Delivery, effects::MAX_BYTES};

/// A window whose function has succeeded.
pub(super) struct Finished {
    pub(super) delivery: Delivery,
    /// The places of its messages that are dead letters.
    pub(super) dead: Vec<usize>,
    pub(super) effects: Vec<Effect>,
    pub(super) durable: Option<oneshot::Sender<()>>,
}

/// What the session was before a commit.
pub(super) struct Before {
    pub(super) progress: Progress,
    pub(super) counters: Counters,
}

#[derive(Default)]
pub(super) struct FinishedWindows {
    /// By ordinal.
    waiting: BTreeMap<u64, Finished>,
    /// Those of the commit that is under way, and what to go back to if it is refused.
    sent: Vec<Finished>,
    before: Option<Before>,
    /// How many commits are to have one window each.
    alone: usize,
}

impl FinishedWindows {
    pub(super) fn push(&mut self, finished: Finished) {
        self.waiting.insert(finished.delivery.formed.ordinal, finished);
    }

    /// The next windows to commit. `out` are the windows that are not done, these among them. Where functions run `in_order`
    /// their windows overtake none; one that was pulled does, as its acknowledgement may be waited for before the next.
    pub(super) fn next(&mut self, out: &BTreeMap<u64, usize>, in_order: bool) -> Vec<Finished> {
        let mut next = Vec::new();
        let mut bytes = 0;
        let mut from = Bound::Unbounded;
        while let Some((&ordinal, finished)) = self.waiting.range((from, Bound::Unbounded)).next() {
            let in_order = in_order && finished.durable.is_none();
            if in_order && out.range(..ordinal).next_back().is_some_and(|(before, _)| !is_next(&next, *before)) {
                break;
            }
            bytes += finished.effects.iter().map(Effect::size).sum::<usize>();
            let room = next.is_empty() || (self.alone == 0 && bytes <= MAX_BYTES);
            if !room {
                break;
            }
            from = Bound::Excluded(ordinal);
            next.extend(self.waiting.remove(&ordinal));
        }
        self.alone = self.alone.saturating_sub(usize::from(!next.is_empty()));
        next
    }

    /// The windows after `ordinal` are not to be committed: they come again with it. Those that were pulled and acknowledged
    /// are done all the same.
    pub(super) fn withdraw(&mut self, ordinal: u64) -> Vec<Finished> {
        let later = self.waiting.extract_if(ordinal.., |_, finished| finished.durable.is_none());
        later.map(|(_, finished)| finished).collect()
    }

    /// These are committed now.
    pub(super) fn send(&mut self, windows: Vec<Finished>, before: Before) {
        self.sent = windows;
        self.before = Some(before);
    }

    /// The commit that was under way is durable.
    pub(super) fn committed(&mut self) -> Vec<Finished> {
        self.before = None;
        std::mem::take(&mut self.sent)
    }

    /// The commit was refused: what to go back to, and the window whose fault it is. Several wait for commits of their own.
    pub(super) fn refused(&mut self) -> (Option<Before>, Option<Finished>) {
        let mut sent = std::mem::take(&mut self.sent);
        let before = self.before.take();
        if sent.len() < 2 {
            return (before, sent.pop());
        }
        self.alone = sent.len();
        sent.into_iter().for_each(|finished| self.push(finished));
        (before, None)
    }
}

fn is_next(taken: &[Finished], ordinal: u64) -> bool {
    taken.last().is_some_and(|last| last.delivery.formed.ordinal == ordinal)
}
