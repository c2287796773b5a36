//! What a commit stores, and the rules by which it is stored: the same for every storage.

use bytes::Bytes;

use super::{Effect, GroupState};
use crate::{Cause, Error, Offset, Slot};

/// What a commit is based on: who owns the partition, and the version it saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The owner's epoch.
    pub epoch: u64,
    /// How often the group's state of this partition was committed.
    pub version: u64,
}

/// How many messages ended how, since the group was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The function and the sink succeeded.
    pub finished: u64,
    /// They came when their windows were over, and what is done with such messages is done.
    pub late: u64,
    /// Given up on and kept in the dead-letter stream.
    pub dead: u64,
    /// Given up on and kept nowhere, as the consumer was told to.
    pub skipped: u64,
    /// Left out by the strategy itself.
    pub dropped: u64,
    /// Taken away by retention before the group had finished with them.
    pub expired: u64,
}

impl Counters {
    /// How many messages the group has done with.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { finished, late, dead, skipped, dropped, expired } = self;
        [finished, late, dead, skipped, dropped, expired]
            .into_iter()
            .fold(0, |total, count| total.saturating_add(*count))
    }
}

/// What a commit stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// From where, and with what, the group's windows can be formed again: opaque to the storage.
    pub checkpoint: Bytes,
    /// The smallest offset still needed; never goes back.
    pub keep_from: Offset,
    /// How many messages ended how.
    pub counters: Counters,
    /// What takes place with it beside minibatch's own data, in this order.
    pub effects: Vec<Effect>,
}

/// What becomes of a commit that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitVerdict {
    /// It is to be stored, and leaves this fence.
    New(Fence),
    /// It is what was stored last, and left this fence.
    Known(Fence),
}

impl GroupState {
    /// What [`GroupStore`](super::GroupStore)'s clauses 8 to 10 make of a commit where the group's state is this one, in a
    /// log that ends with `tail`. For storages, which call it in the transaction that then stores the commit.
    ///
    /// # Errors
    /// [`Fenced`](Cause::Fenced), [`StaleCommit`](Cause::StaleCommit) and [`OutOfRange`](Cause::OutOfRange), as the clauses
    /// say.
    pub fn judge(&self, fence: Fence, commit: &Commit, tail: Slot) -> Result<CommitVerdict, Error> {
        if fence.epoch != self.fence.epoch {
            return Err(Cause::fenced(fence.epoch).into());
        }
        let next = Fence { version: fence.version.saturating_add(1), ..fence };
        if next == self.fence && self.holds(commit) {
            return Ok(CommitVerdict::Known(next));
        }
        if fence != self.fence || commit.keep_from < self.keep_from {
            return Err(Cause::stale_commit(fence.version).into());
        }
        if commit.keep_from > Offset::first_of(tail.next()) {
            return Err(Cause::out_of_range("keep_from lies past the end of the log").into());
        }
        Ok(CommitVerdict::New(next))
    }

    /// Judges a commit and stores it here, where it is new; returns the fence of the next one. For storages that keep
    /// states in memory, and have no effects.
    ///
    /// # Errors
    /// As [`GroupState::judge`]; [`Effect::unsupported`] where the commit has effects.
    pub fn commit(&mut self, fence: Fence, commit: Commit, tail: Slot) -> Result<Fence, Error> {
        let next = match self.judge(fence, &commit, tail)? {
            CommitVerdict::Known(next) => return Ok(next),
            CommitVerdict::New(next) => next,
        };
        let Commit { checkpoint, keep_from, counters, effects } = commit;
        if !effects.is_empty() {
            return Err(Effect::unsupported());
        }
        self.fence = next;
        self.checkpoint = Some(checkpoint);
        self.keep_from = keep_from;
        self.counters = counters;
        self.unclean = 0;
        Ok(next)
    }

    /// True when the last commit was this one. Effects are not kept: those of the same commit are the same.
    fn holds(&self, commit: &Commit) -> bool {
        self.checkpoint.as_ref() == Some(&commit.checkpoint)
            && self.keep_from == commit.keep_from
            && self.counters == commit.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Generation, Position};

    const TAIL: Slot = Slot::FIRST;

    fn state() -> GroupState {
        GroupState {
            owner: None,
            fence: Fence { epoch: 2, version: 7 },
            generation: Generation::new(1),
            fingerprint: String::new(),
            start: Position::START,
            keep_from: Offset::FIRST,
            counters: Counters::default(),
            unclean: 1,
            checkpoint: None,
        }
    }

    fn commit() -> Commit {
        Commit {
            checkpoint: Bytes::from_static(b"done"),
            keep_from: Offset::FIRST,
            counters: Counters::default(),
            effects: Vec::new(),
        }
    }

    fn judge(state: &GroupState, fence: Fence, commit: &Commit) -> Result<CommitVerdict, Cause> {
        state.judge(fence, commit, TAIL).map_err(|error| error.cause().clone())
    }

    #[test]
    fn of_all_fences_the_stored_one_alone_commits() {
        for epoch in 1..=3 {
            for version in 6..=8 {
                let fence = Fence { epoch, version };
                let expected = match (epoch, version) {
                    (2, 7) => Ok(CommitVerdict::New(Fence { epoch: 2, version: 8 })),
                    (2, _) => Err(Cause::stale_commit(version)),
                    _ => Err(Cause::fenced(epoch)),
                };
                assert_eq!(judge(&state(), fence, &commit()), expected, "{fence:?}");
            }
        }
    }

    #[test]
    fn repeated_to_the_letter_it_is_known() {
        let before = state();
        let mut after = before.clone();
        let next = Fence { epoch: 2, version: 8 };
        assert_eq!(after.commit(before.fence, commit(), TAIL).unwrap(), next);
        assert_eq!((after.fence, after.unclean, &after.checkpoint), (next, 0, &Some(commit().checkpoint)));
        assert_eq!(judge(&after, before.fence, &commit()), Ok(CommitVerdict::Known(next)));
        let others = [
            Commit { checkpoint: Bytes::from_static(b"other"), ..commit() },
            Commit { keep_from: Offset::FIRST.next(), ..commit() },
            Commit { counters: Counters { finished: 1, ..Counters::default() }, ..commit() },
        ];
        for other in others {
            assert_eq!(judge(&after, before.fence, &other), Err(Cause::stale_commit(7)), "{other:?}");
        }
    }

    #[test]
    fn keep_from_goes_up_to_the_end_of_the_log_and_never_back() {
        let end = Offset::first_of(TAIL.next());
        let mut state = state();
        let at = |keep_from| Commit { keep_from, ..commit() };
        let next = Fence { epoch: 2, version: 8 };
        assert_eq!(judge(&state, state.fence, &at(end)), Ok(CommitVerdict::New(next)));
        assert!(matches!(judge(&state, state.fence, &at(end.next())), Err(Cause::OutOfRange { .. })));
        assert_eq!(state.commit(state.fence, at(end), TAIL).unwrap(), next);
        assert_eq!(judge(&state, next, &at(Offset::FIRST)), Err(Cause::stale_commit(8)));
        assert_eq!(judge(&state, next, &at(end)), Ok(CommitVerdict::New(Fence { epoch: 2, version: 9 })));
    }
}
