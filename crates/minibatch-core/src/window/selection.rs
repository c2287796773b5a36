//! What a strategy answers when it is asked for the window that is ready.

use super::{Bounds, Reason};
use crate::Offset;

/// Which messages are in the window, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Picks {
    /// The oldest so many of the buffer, in offset order.
    First(usize),
    /// These, in this order; an offset that is not buffered is left out.
    Offsets(Vec<Offset>),
}

/// Which messages leave the buffer with the window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaves {
    /// Those of the window.
    Members,
    /// All before this offset, as when a window slides.
    Before(Offset),
    /// These.
    Offsets(Vec<Offset>),
    /// None: the window is shown before it is over.
    Nothing,
}

/// A window as its strategy chose it: members, what leaves the buffer, bounds, key, reason.
///
/// ```
/// use minibatch_core::window::{Reason, Selection};
///
/// let selection = Selection::first(50, Reason::Count);
/// assert_eq!(selection.reason(), Reason::Count);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub(crate) picks: Picks,
    pub(crate) leaves: Leaves,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) key: Option<String>,
    pub(crate) reason: Reason,
}

impl Selection {
    /// A window of `picks`, which leave the buffer with it. Its bounds are those of its members' append times.
    #[must_use]
    pub fn new(picks: Picks, reason: Reason) -> Self {
        Self { picks, leaves: Leaves::Members, bounds: None, key: None, reason }
    }

    /// A window of the oldest `count` messages.
    #[must_use]
    pub fn first(count: usize, reason: Reason) -> Self {
        Self::new(Picks::First(count), reason)
    }

    /// A window of the messages at `offsets`, in that order.
    #[must_use]
    pub fn of(offsets: Vec<Offset>, reason: Reason) -> Self {
        Self::new(Picks::Offsets(offsets), reason)
    }

    /// With other messages leaving the buffer than the members.
    #[must_use]
    pub fn leaving(mut self, leaves: Leaves) -> Self {
        self.leaves = leaves;
        self
    }

    /// With these bounds.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// With the key that its messages share.
    #[must_use]
    pub fn keyed(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Why the window is emitted.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}
