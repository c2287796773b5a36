//! When a strategy wants to be asked although no message came.

use crate::Timestamp;

/// An instant at which a strategy wants to be asked, and how it comes at the end of the log, where no message shows that it
/// has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The instant, in log time.
    pub at: Timestamp,
    /// Whether the log says that it has come, to whoever reads it ([`Readiness::until_shared`](crate::Readiness::until_shared));
    /// else each group decides so for itself ([`Readiness::until`](crate::Readiness::until)).
    pub shared: bool,
}

impl Deadline {
    /// A group's own.
    #[must_use]
    pub const fn private(at: Timestamp) -> Self {
        Self { at, shared: false }
    }

    /// The log's.
    #[must_use]
    pub const fn shared(at: Timestamp) -> Self {
        Self { at, shared: true }
    }

    /// The one that comes first. At the same instant that is the shared one: with it both have come.
    #[must_use]
    pub fn earliest(self, other: Self) -> Self {
        std::cmp::min_by_key(self, other, |deadline| (deadline.at, !deadline.shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_counts_and_what_is_shared_is_shared() {
        let (soon, later) = (Timestamp::EPOCH, Timestamp::MAX);
        let (private, shared) = (Deadline::private, Deadline::shared);
        let cases = [
            (private(soon), shared(later), private(soon)),
            (private(later), shared(soon), shared(soon)),
            (private(soon), shared(soon), shared(soon)),
            (private(soon), private(later), private(soon)),
        ];
        for (one, other, first) in cases {
            assert_eq!((one.earliest(other), other.earliest(one)), (first, first), "{one:?} {other:?}");
        }
    }
}
