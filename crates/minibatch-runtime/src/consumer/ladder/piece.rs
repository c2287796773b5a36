//! Messages of a window that are tried together.

use std::time::Duration;

use minibatch_core::{Timestamp, checkpoint::OpenPiece, window::Places};

/// Messages of a window that are tried together.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) places: Places,
    /// Which attempt the next one is.
    pub(super) attempt: u32,
    /// When it may be made.
    pub(super) due: Duration,
    /// The function asked to wait until then, for these messages alone.
    pub(super) later: bool,
    /// Its attempts are over: it is tried to find the messages at fault.
    pub(super) split: bool,
    /// The function gave these messages back.
    pub(super) retry: bool,
    /// How many proofs there were when it failed last, by itself or as a part of what it was split from.
    pub(super) failed_at: Option<u64>,
    /// There was a proof between that and its attempt under way.
    pub(super) proven: bool,
    /// It failed without a proof that the function works, and waits for one.
    pub(super) doubtful: bool,
    /// The attempt under way is noted: if nothing more is known of it, then the process ended meanwhile.
    pub(super) begun: bool,
}

impl Piece {
    /// Messages as if nothing had been tried.
    pub(super) fn anew(places: Places) -> Self {
        Self {
            places,
            attempt: 1,
            due: Duration::ZERO,
            later: false,
            split: false,
            retry: false,
            failed_at: None,
            proven: false,
            doubtful: false,
            begun: false,
        }
    }

    /// Messages that the function gave back for later.
    pub(super) fn given_back(places: Places, attempt: u32, due: Duration) -> Self {
        Self { attempt, due, later: true, retry: true, ..Self::anew(places) }
    }

    /// The halves of a piece whose attempts are over.
    pub(super) fn halves(self) -> [Self; 2] {
        let attempt = if self.split { self.attempt } else { self.attempt + 1 };
        self.places.halves().map(|places| Self { places, attempt, split: true, ..self.clone() })
    }

    /// Something else succeeded since it failed before.
    pub(super) fn is_proven(&self, proofs: u64) -> bool {
        self.proven || self.failed_at.is_some_and(|at| proofs > at)
    }

    /// What to store.
    pub(super) fn stored(&self, now: Duration, wall: Timestamp) -> OpenPiece {
        let wait = self.due.saturating_sub(now);
        OpenPiece {
            places: self.places.clone(),
            attempt: self.attempt,
            not_before: (!wait.is_zero()).then(|| wall.plus(wait)),
            split: self.split,
            retry: self.retry,
            failed: self.failed_at.is_some(),
            proven: self.proven,
            begun: self.begun,
        }
    }

    /// Goes on from what was stored, in a session without a proof so far.
    pub(super) fn restored(stored: OpenPiece, now: Duration, wall: Timestamp) -> Self {
        let OpenPiece { places, attempt, not_before, split, retry, failed, proven, begun } = stored;
        let wait = not_before.map_or(Duration::ZERO, |at| at.since(wall));
        Self {
            places,
            attempt,
            due: now + wait,
            later: retry && !wait.is_zero(),
            split,
            retry,
            failed_at: failed.then_some(0),
            proven,
            doubtful: false,
            begun,
        }
    }
}
