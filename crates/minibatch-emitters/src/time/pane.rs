//! The messages of a stretch of time, or what they were folded into.

use std::sync::Arc;

use minibatch_core::{
    Message, Observed, Offset, Timestamp,
    window::{Reason, Selection},
};

use crate::{
    Accumulator,
    aggregate::{Accumulated, Fold},
};

/// What becomes of messages: kept, or folded where there is something to fold them with.
pub(super) type Folding<A> = Option<Arc<dyn Fold<A>>>;

/// The messages of a stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Pane<A> {
    /// Those that are kept, in the order in which they came.
    pub(super) kept: Vec<Offset>,
    pub(super) folded: Accumulated<A>,
}

impl<A> Default for Pane<A> {
    fn default() -> Self {
        Self { kept: Vec::new(), folded: Accumulated::default() }
    }
}

impl<A> From<Accumulated<A>> for Pane<A> {
    /// Of messages that were all folded.
    fn from(folded: Accumulated<A>) -> Self {
        Self { kept: Vec::new(), folded }
    }
}

/// The starts of panes, and what their messages were folded into, as a checkpoint keeps it.
pub(super) fn folded<'a, A: Accumulator>(
    panes: impl Iterator<Item = (&'a Timestamp, &'a Pane<A>)>,
) -> Vec<(i64, Accumulated<A>)> {
    let folded = panes.filter(|(_, pane)| pane.folded.messages() > 0);
    folded.map(|(start, pane)| (start.as_millis(), pane.folded.clone())).collect()
}

impl<A: Accumulator> Pane<A> {
    /// One message that is kept.
    pub(super) fn of(offset: Offset) -> Self {
        Self { kept: vec![offset], folded: Accumulated::default() }
    }

    /// A message comes in.
    pub(super) fn add(&mut self, folding: &Folding<A>, message: &Message<'_>) -> Observed {
        if folding.as_deref().is_some_and(|fold| self.folded.add(fold, message)) {
            return Observed::Fold;
        }
        self.kept.push(message.offset());
        Observed::Keep
    }

    /// Those of another one come in.
    pub(super) fn merge(&mut self, folding: &Folding<A>, other: &Self) {
        self.kept.extend_from_slice(&other.kept);
        if let Some(fold) = folding {
            self.folded.merge(&**fold, &other.folded);
        }
    }

    /// Whether a message from `since` on is in it.
    pub(super) fn reaches(&self, since: Offset) -> bool {
        self.kept.last().is_some_and(|last| *last >= since) || self.folded.reaches(since)
    }

    /// Those that are kept, from `since` on.
    pub(super) fn kept_from(&self, since: Offset) -> &[Offset] {
        self.kept.get(self.kept.partition_point(|offset| *offset < since)..).unwrap_or_default()
    }

    /// A window of these messages, of which `leaving` that were folded are in no later one.
    pub(super) fn select(self, leaving: u64, reason: Reason) -> Selection {
        let selection = Selection::of(self.kept, reason);
        match self.folded.folded() {
            Some(folded) => selection.folded(folded, leaving),
            None => selection,
        }
    }
}
