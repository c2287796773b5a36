//! What is shown of a window that comes several times.

use std::fmt;

/// What is shown of a window each time that it comes: its *panes*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Panes {
    /// All its messages so far: each pane replaces the one before.
    Accumulating,
    /// Its messages since the pane before: together the panes are the window.
    Discarding,
}

impl fmt::Display for Panes {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accumulating => "accumulating",
            Self::Discarding => "discarding",
        })
    }
}
