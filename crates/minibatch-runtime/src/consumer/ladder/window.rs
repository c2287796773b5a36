//! A window on the ladder: which of its messages are settled, and in which pieces the others are tried.

use std::time::Duration;

use minibatch_core::{
    Members, Offset, Timestamp,
    checkpoint::{MemberRuns, OpenWindow},
    window::{Folded, FormedWindow, Places, Reason, WindowChain},
};

use super::{Attempt, Condemned, Ended, piece::Piece};

/// A window on the ladder. One piece of it is out at a time.
#[derive(Clone, Debug)]
pub(super) struct Climber {
    /// The window, with those of its members that are kept.
    formed: FormedWindow,
    kept: Places,
    /// The greatest number that one of its attempts had.
    attempts: u32,
    /// How many proofs there were when it came here.
    proofs_before: u64,
    /// Where all its members are.
    members: MemberRuns,
    dead: Places,
    skipped: Places,
    /// What is left, in the order in which it is to be tried.
    pub(super) left: Vec<Piece>,
    pub(super) out: Option<Piece>,
    /// On their way to the dead letters.
    condemned: Vec<Piece>,
}

impl Climber {
    /// A window that is out as a whole.
    pub(super) fn new(formed: FormedWindow, attempt: u32, proofs: u64) -> Self {
        let kept = Places::first(formed.members.len());
        Self {
            attempts: attempt,
            proofs_before: proofs,
            members: MemberRuns::of(&formed.members),
            formed,
            dead: Places::default(),
            skipped: Places::default(),
            left: Vec::new(),
            out: Some(Piece { attempt, ..Piece::anew(kept.clone()) }),
            condemned: Vec::new(),
            kept,
        }
    }

    /// A window as it was stored; `members` are those that are left.
    pub(super) fn restored(open: OpenWindow, members: Members, now: Duration, wall: Timestamp) -> Self {
        let kept = open.places_left();
        Self {
            formed: FormedWindow {
                ordinal: open.ordinal,
                members,
                folded: open.folded,
                bounds: open.bounds,
                key: open.key,
                reason: open.reason,
                // it is settled already as far as those who form windows go
                next: Offset::default(),
                chain: WindowChain::default(),
                leaving: open.leaving,
                left_before: 0,
            },
            kept,
            attempts: open.left.iter().map(|piece| piece.attempt.saturating_sub(1)).max().unwrap_or(0),
            proofs_before: 0,
            members: open.members,
            dead: open.dead,
            skipped: open.skipped,
            left: open.left.into_iter().map(|piece| Piece::restored(piece, now, wall)).collect(),
            out: None,
            condemned: Vec::new(),
        }
    }

    /// What to store. What is on its way to the dead letters is left until it has arrived.
    pub(super) fn stored(&self, now: Duration, wall: Timestamp) -> OpenWindow {
        let FormedWindow { ordinal, folded, bounds, key, reason, leaving, .. } = &self.formed;
        OpenWindow {
            ordinal: *ordinal,
            bounds: *bounds,
            key: key.clone(),
            reason: *reason,
            leaving: *leaving,
            members: self.members.clone(),
            folded: folded.clone(),
            dead: self.dead.clone(),
            skipped: self.skipped.clone(),
            left: self.unsettled().map(|piece| piece.stored(now, wall)).collect(),
        }
    }

    fn unsettled(&self) -> impl Iterator<Item = &Piece> {
        self.out.iter().chain(&self.condemned).chain(&self.left)
    }

    /// Whether a piece was begun when the window was stored; that one is out then.
    pub(super) fn take_begun(&mut self) -> bool {
        if let Some(at) = self.left.iter().position(|piece| piece.begun) {
            self.out = Some(self.left.remove(at));
        }
        self.out.is_some()
    }

    /// Makes the piece at `at` the one that is out.
    pub(super) fn hand_out(&mut self, at: usize, proofs: u64) -> Attempt {
        let mut piece = self.left.remove(at);
        (piece.proven, piece.doubtful, piece.later) = (piece.is_proven(proofs), false, false);
        self.attempts = self.attempts.max(piece.attempt);
        let whole = piece.places.len() == self.members.len();
        let mut formed = FormedWindow { members: self.members_at(&piece.places), ..self.formed.clone() };
        if piece.retry {
            formed.reason = Reason::Retry;
        }
        let attempt = Attempt { formed, piece: (!whole).then(|| piece.places.clone()), attempt: piece.attempt };
        self.out = Some(piece);
        attempt
    }

    fn members_at(&self, places: &Places) -> Members {
        self.formed.members.pick(&self.kept.ranks(places))
    }

    /// These are to go to the dead letters, each for one of the reasons.
    pub(super) fn condemn(&mut self, piece: Piece, reasons: Vec<String>) -> Condemned {
        let (places, attempt) = (piece.places.clone(), piece.attempt);
        let members = self.members_at(&places);
        self.condemned.push(piece);
        let folded = self.formed.folded.as_ref().map_or(0, Folded::messages);
        Condemned { places, members, folded, reasons, attempt }
    }

    /// What was condemned is in the dead letters, or (not `done`) is not and comes again.
    pub(super) fn buried(&mut self, places: &Places, done: bool) {
        let Some(at) = self.condemned.iter().position(|piece| piece.places == *places) else { return };
        let piece = self.condemned.remove(at);
        match done {
            true => self.dead = self.dead.and(places),
            false => self.put_back(piece),
        }
    }

    /// Puts a piece among those that are left, in the order of places; those that the function gave back come last.
    pub(super) fn put_back(&mut self, piece: Piece) {
        let first = |piece: &Piece| piece.places.nth(0);
        let at = self.left.iter().position(|other| other.later || first(other) > first(&piece));
        self.left.insert(at.unwrap_or(self.left.len()), piece);
    }

    /// These are given up on, and kept nowhere.
    pub(super) fn skip(&mut self, places: &Places) {
        self.skipped = self.skipped.and(places);
    }

    /// Lets go of the messages that are settled.
    pub(super) fn shrink(&mut self) {
        let kept: Places = self.unsettled().flat_map(|piece| piece.places.ranges()).cloned().collect();
        if kept.len() < self.kept.len() {
            self.formed.members = self.members_at(&kept).compacted();
            self.kept = kept;
        }
    }

    /// The first piece that is to be tried at `now`.
    pub(super) fn due(&self, now: Duration) -> Option<usize> {
        self.next_pieces().find(|(_, piece)| piece.due <= now).map(|(at, _)| at)
    }

    /// When there is next a piece to be tried.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.next_pieces().map(|(_, piece)| piece.due).min()
    }

    /// The pieces of which the first that is due is to be tried: one after the other, and beside them those that the
    /// function gave back.
    fn next_pieces(&self) -> impl Iterator<Item = (usize, &Piece)> {
        let pieces = || self.left.iter().enumerate().filter(|_| self.out.is_none());
        let in_turn = pieces().find(|(_, piece)| !piece.doubtful && !piece.later);
        in_turn.into_iter().chain(pieces().filter(|(_, piece)| piece.later))
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.left.iter().any(|piece| piece.doubtful)
    }

    /// All that might be tried now is in doubt.
    pub(super) fn is_stuck(&self) -> bool {
        self.out.is_none() && self.is_in_doubt() && self.left.iter().all(|piece| piece.doubtful || piece.later)
    }

    /// Something succeeded since it failed first: a part of it, or (where that is to count) anything else.
    pub(super) fn is_half_proven(&self, proofs: u64, anything: bool) -> bool {
        let partly_finished = self.members.len() > self.kept.len() + self.dead.len() + self.skipped.len();
        partly_finished || (anything && proofs > self.proofs_before)
    }

    /// It is being tried, or will be before long.
    pub(super) fn is_climbing(&self) -> bool {
        self.out.is_some() || self.left.iter().any(|piece| !piece.doubtful && !piece.later)
    }

    /// Joins what is in doubt, to be tried as one.
    pub(super) fn join(&mut self) {
        let (doubtful, mut left): (Vec<Piece>, Vec<Piece>) =
            std::mem::take(&mut self.left).into_iter().partition(|piece| piece.doubtful);
        let joined = doubtful.into_iter().reduce(|one, other| Piece {
            places: one.places.and(&other.places),
            attempt: one.attempt.max(other.attempt),
            failed_at: one.failed_at.max(other.failed_at),
            split: one.split && other.split,
            ..one
        });
        left.splice(0..0, joined);
        self.left = left;
    }

    /// Sets one message of a stuck window apart, to be tried alone; false where it has no more than one.
    pub(super) fn set_one_apart(&mut self, turn: usize) -> bool {
        let Some(piece) = self.left.first_mut().filter(|piece| piece.places.len() > 1) else { return false };
        let Some(place) = piece.places.nth(turn % piece.places.len()) else { return false };
        let one = Piece { places: Places::from(place..place + 1), ..piece.clone() };
        piece.places = piece.places.without(&one.places);
        self.left.insert(0, one);
        true
    }

    /// There is a proof that the function works: what is in doubt is tried again.
    pub(super) fn believe(&mut self, now: Duration) {
        for piece in self.left.iter_mut().filter(|piece| piece.doubtful) {
            (piece.doubtful, piece.due) = (false, now);
        }
    }

    pub(super) fn is_out(&self) -> bool {
        self.out.is_some() || !self.condemned.is_empty()
    }

    /// The bytes of the messages that it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.formed.members.bytes()
    }

    /// How it ended, where nothing is left.
    pub(super) fn ended(&self) -> Option<Ended> {
        let is_over = self.unsettled().next().is_none();
        is_over.then(|| Ended { window: self.stored(Duration::ZERO, Timestamp::EPOCH), attempts: self.attempts })
    }
}
