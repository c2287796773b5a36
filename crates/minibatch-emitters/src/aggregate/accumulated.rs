//! Messages in the form of a value.

use std::fmt;

use minibatch_core::{Message, Offset, Timestamp, window::Folded};
use serde::{Deserialize, Serialize};

use super::Fold;

/// What some messages were folded into.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Accumulated<A> {
    value: Option<A>,
    /// How many messages these are,
    messages: u64,
    /// where the last of them is,
    last: u64,
    /// and its append time.
    time: i64,
}

impl<A> Default for Accumulated<A> {
    fn default() -> Self {
        Self { value: None, messages: 0, last: 0, time: 0 }
    }
}

impl<A: Clone + Serialize> Accumulated<A> {
    /// Folds a message in; `false` where it is not of the type.
    pub(crate) fn add(&mut self, fold: &dyn Fold<A>, message: &Message<'_>) -> bool {
        let is_folded = fold.fold(&mut self.value, message);
        if is_folded {
            self.messages += 1;
            self.reach(message.offset().to_u64(), message.time().as_millis());
        }
        is_folded
    }

    /// Folds in what other messages were folded into.
    pub(crate) fn merge(&mut self, fold: &dyn Fold<A>, other: &Self) {
        if let Some(value) = &other.value {
            fold.merge(&mut self.value, value.clone());
            self.messages += other.messages;
            self.reach(other.last, other.time);
        }
    }

    fn reach(&mut self, offset: u64, time: i64) {
        if offset >= self.last {
            (self.last, self.time) = (offset, time);
        }
    }

    /// Whether a message from `since` on is in it.
    pub(crate) fn reaches(&self, since: Offset) -> bool {
        self.messages > 0 && self.last >= since.to_u64()
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// The value in place of its messages; `None` of no messages.
    pub(crate) fn folded(&self) -> Option<Folded> {
        let value = self.value.as_ref()?;
        Some(Folded::new(value, self.messages, Offset::from_u64(self.last), Timestamp::from_millis(self.time)))
    }
}

impl<A> fmt::Debug for Accumulated<A> {
    /// Never the value: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulated").field("messages", &self.messages).finish_non_exhaustive()
    }
}
