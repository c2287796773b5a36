//! The failure ladder: what becomes of windows that do not succeed at once.
//!
//! A window is tried again with growing waits; when its attempts are over it is split in halves, and those that fail again,
//! down to single messages. A message is given up on when it fails alone and something else has succeeded since it failed
//! before: then the function works, and the message is at fault. Without such a proof it is in doubt, and stays. Where all
//! that is left of a window is in doubt, the group is failing: nothing else is begun but one attempt now and then, at
//! what is in doubt and at other windows, until something succeeds. Nothing else may be there, as at the end of the log:
//! so where another part of its own window has succeeded, a message is also given up on after as many attempts alone as a
//! window has; and where the consumer drains, for which there is an end, where anything has since its window failed first.
//!
//! Nothing here waits, calls a function or stores: the session does, and says what happened and when.

mod failing;
mod piece;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use minibatch_core::{
    Error, Timestamp,
    checkpoint::OpenWindow,
    chunk::Chunk,
    window::{FormedWindow, Places},
};

use super::{ConsumerOptions, Failure, OnExhausted, settlement::Passed};
use crate::Backoff;
use failing::Failing;
use piece::Piece;
pub(super) use verdict::{Attempt, Condemned, Ended, Verdict};
use window::Climber;

/// Why a message went to the dead letters that its function gave back too often.
const GIVEN_BACK: &str = "given back at its last attempt";

/// How many windows may be on the ladder before no other is begun.
const MAX_WINDOWS: usize = 1_000;

/// The windows of a session that are on the ladder.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    max_attempts: u32,
    on_exhausted: OnExhausted,
    backoff: Backoff,
    drains: bool,
    windows: BTreeMap<u64, Climber>,
    /// How often something succeeded in this session.
    proofs: u64,
    failing: Option<Failing>,
    /// When there is next something to hand out.
    wake: Option<Duration>,
}

impl Ladder {
    /// A `dead` stream has no dead letters of its own: its consumer stops instead.
    pub(super) fn new(options: &ConsumerOptions, dead: bool, drains: bool) -> Self {
        Self {
            drains,
            max_attempts: options.max_attempts.max(1),
            on_exhausted: match options.on_exhausted {
                OnExhausted::DeadLetter | OnExhausted::DeadLetterWhole if dead => OnExhausted::Stop,
                policy => policy,
            },
            backoff: options.backoff,
            windows: BTreeMap::new(),
            proofs: 0,
            failing: None,
            wake: None,
        }
    }

    /// Goes on with a window that was open when it was stored. Where its attempt was begun the process ended meanwhile:
    /// that is a failure.
    ///
    /// # Errors
    /// As [`OpenWindow::members_left`].
    pub(super) fn restore(
        &mut self,
        open: OpenWindow,
        chunks: &[Arc<Chunk>],
        now: Duration,
        wall: Timestamp,
    ) -> Result<Verdict, Error> {
        let ordinal = open.ordinal;
        let members = open.members_left(chunks)?;
        let mut climber = Climber::restored(open, members, now, wall);
        let begun = climber.take_begun();
        self.windows.insert(ordinal, climber);
        self.wake = Some(now);
        Ok(if begun { self.failed(ordinal, Failure::crash(), now) } else { Verdict::GoOn })
    }

    /// Takes a window in that was handed out as a whole.
    pub(super) fn enter(&mut self, formed: &FormedWindow, attempt: u32) {
        let proofs = self.proofs;
        self.windows.entry(formed.ordinal).or_insert_with(|| Climber::new(formed.clone(), attempt, proofs));
    }

    /// Notes that the attempt under way was begun.
    pub(super) fn begin(&mut self, ordinal: u64) {
        if let Some(piece) = self.windows.get_mut(&ordinal).and_then(|climber| climber.out.as_mut()) {
            piece.begun = true;
        }
    }

    /// Something succeeded: what failed before and fails again is itself at fault.
    pub(super) fn prove(&mut self, now: Duration) {
        self.proofs += 1;
        if self.failing.take().is_some() || self.windows.values().any(Climber::is_in_doubt) {
            self.windows.values_mut().for_each(|climber| climber.believe(now));
            self.wake = Some(now);
        }
    }

    /// The function has returned: what it neither rejected nor gave back is finished.
    pub(super) fn passed(&mut self, ordinal: u64, passed: Passed, now: Duration) -> Verdict {
        let (max_attempts, on_exhausted) = (self.max_attempts, self.on_exhausted);
        let Some((climber, piece)) = self.settled(ordinal, now) else { return Verdict::GoOn };
        let place = |rank: usize| piece.places.nth(rank).unwrap_or(usize::MAX);
        let mut condemned: BTreeMap<usize, String> =
            passed.rejected.into_iter().map(|rejected| (place(rejected.place), rejected.reason)).collect();
        let mut again: BTreeMap<Duration, Vec<usize>> = BTreeMap::new();
        let mut exhausted = Vec::new();
        // what its window failed before says nothing of a message that is given back
        let attempt = if piece.retry { piece.attempt } else { 1 };
        for given_back in passed.given_back {
            let place = place(given_back.place);
            match attempt < max_attempts {
                true => again.entry(given_back.after).or_default().push(place),
                false => exhausted.push(place),
            }
        }
        for (after, places) in again {
            climber.left.push(Piece::given_back(places.into_iter().collect(), attempt + 1, now + after));
        }
        let mut stop = false;
        match on_exhausted {
            OnExhausted::DeadLetter | OnExhausted::DeadLetterWhole => {
                condemned.extend(exhausted.into_iter().map(|at| (at, GIVEN_BACK.to_owned())));
            }
            OnExhausted::Skip => climber.skip(&exhausted.into_iter().collect()),
            OnExhausted::Stop if exhausted.is_empty() => {}
            OnExhausted::Stop => {
                let places = exhausted.into_iter().chain(std::mem::take(&mut condemned).into_keys()).collect();
                climber.put_back(Piece::anew(places));
                stop = true;
            }
        }
        let (places, reasons): (Vec<usize>, Vec<String>) = condemned.into_iter().unzip();
        let verdict = match places.is_empty() {
            _ if stop => Verdict::Stop(GIVEN_BACK.to_owned()),
            true => Verdict::GoOn,
            false => Verdict::Bury(climber.condemn(Piece { places: places.into_iter().collect(), ..piece }, reasons)),
        };
        climber.shrink();
        self.check_stuck(ordinal, None, now);
        if passed.called {
            self.prove(now);
        }
        verdict
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, ordinal: u64, failure: Failure, now: Duration) -> Verdict {
        let (max_attempts, on_exhausted, backoff) = (self.max_attempts, self.on_exhausted, self.backoff);
        let (proofs, is_failing, drains) = (self.proofs, self.failing.is_some(), self.drains);
        let Some((climber, mut piece)) = self.settled(ordinal, now) else { return Verdict::GoOn };
        // alone for as many attempts as a window has, and twice at least
        let enough = max_attempts.saturating_add(max_attempts.max(2));
        let lonely = climber.is_half_proven(proofs, drains) && piece.attempt >= enough;
        let is_proven = piece.is_proven(proofs) || lonely;
        let is_over = piece.split || piece.attempt >= max_attempts;
        // that is not divided
        let is_single = piece.places.len() <= 1 || on_exhausted == OnExhausted::DeadLetterWhole;
        if let Some(wait) = failure.retry_after {
            piece.due = now + wait;
        } else {
            (piece.failed_at, piece.proven) = (Some(proofs), false);
        }
        let begun = std::mem::take(&mut piece.begun);
        let mut verdict = Verdict::GoOn;
        match on_exhausted {
            _ if failure.retry_after.is_some() => climber.put_back(piece),
            OnExhausted::Stop if is_over => {
                climber.put_back(Piece::anew(piece.places));
                verdict = Verdict::Stop(failure.reason.clone());
            }
            OnExhausted::Skip if is_over && is_single && is_proven => climber.skip(&piece.places),
            _ if is_over && is_single && is_proven => {
                let reasons = vec![failure.reason.clone(); piece.places.len()];
                // until they are buried: what was about to end the process is not tried once more
                verdict = Verdict::Bury(climber.condemn(Piece { begun, proven: true, ..piece }, reasons));
            }
            _ if is_failing || (is_over && is_single) => {
                piece.attempt += 1;
                piece.doubtful = true;
                climber.put_back(piece);
            }
            _ if is_over => piece.halves().into_iter().for_each(|half| climber.put_back(half)),
            _ => {
                piece.attempt += 1;
                piece.due = now + backoff.before(piece.attempt);
                climber.put_back(piece);
            }
        }
        climber.shrink();
        self.check_stuck(ordinal, Some(failure.reason), now);
        if !self.windows.values().any(Climber::is_in_doubt) {
            // what was in doubt has been given up on
            self.failing = None;
        }
        verdict
    }

    /// Begins to fail where all that is left of a window is in doubt.
    fn check_stuck(&mut self, ordinal: u64, reason: Option<String>, now: Duration) {
        let Some(climber) = self.windows.get_mut(&ordinal).filter(|climber| climber.is_stuck()) else { return };
        if !climber.is_half_proven(self.proofs, self.drains) {
            climber.join();
        }
        let failing = self.failing.get_or_insert_with(|| Failing::new(now));
        if let Some(reason) = reason {
            failing.reason = reason;
        }
    }

    /// Nobody works on it any more, and nothing is said of it.
    pub(super) fn returned(&mut self, ordinal: u64, now: Duration) {
        if let Some((climber, piece)) = self.settled(ordinal, now) {
            climber.put_back(Piece { begun: false, ..piece });
        }
    }

    /// The dead letters are durable, or (not `done`) could not be sent off.
    pub(super) fn buried(&mut self, ordinal: u64, places: &Places, done: bool) {
        if let Some(climber) = self.windows.get_mut(&ordinal) {
            climber.buried(places, done);
            climber.shrink();
        }
    }

    /// The window, and the piece of it that was out.
    fn settled(&mut self, ordinal: u64, now: Duration) -> Option<(&mut Climber, Piece)> {
        self.wake = Some(now);
        if let Some(failing) = &mut self.failing {
            failing.settled(ordinal);
        }
        let climber = self.windows.get_mut(&ordinal)?;
        let piece = climber.out.take()?;
        Some((climber, piece))
    }

    /// What is to be handed out now, if anything is.
    pub(super) fn next(&mut self, now: Duration) -> Option<Attempt> {
        if self.wake.is_none_or(|wake| wake > now) {
            return None;
        }
        let (backoff, max_attempts) = (self.backoff, self.max_attempts);
        let wait = |round| backoff.before(max_attempts.saturating_add(round));
        let mut due = self.windows.iter().find_map(|(&ordinal, climber)| Some((ordinal, climber.due(now)?)));
        if let Some(failing) = self.failing.as_mut().filter(|_| due.is_none()) {
            due = failing.probe(&mut self.windows, now, wait).map(|ordinal| (ordinal, 0));
        }
        let Some((ordinal, at)) = due else {
            let pieces = self.windows.values().filter_map(Climber::next_due);
            self.wake = pieces.chain(self.failing.as_ref().and_then(Failing::due)).min();
            return None;
        };
        let proofs = self.proofs;
        self.windows.get_mut(&ordinal).map(|climber| climber.hand_out(at, proofs))
    }

    /// When there is next something to hand out.
    pub(super) fn wake(&self) -> Option<Duration> {
        self.wake
    }

    /// What the function said last, where nothing succeeds.
    pub(super) fn failing(&self) -> Option<&str> {
        self.failing.as_ref().map(|failing| failing.reason.as_str())
    }

    /// Nothing has succeeded for as many rounds as a window has attempts, and nothing can be given up on.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failing.as_ref().is_some_and(|failing| failing.round >= self.max_attempts)
            && !self.windows.values().any(|climber| climber.is_half_proven(self.proofs, self.drains))
    }

    /// Whether a window may be begun: where the group is failing, one a round.
    pub(super) fn admits(&self) -> bool {
        self.windows.len() < MAX_WINDOWS && self.failing.as_ref().is_none_or(|failing| failing.new_window)
    }

    /// A window was begun.
    pub(super) fn admitted(&mut self) {
        if let Some(failing) = &mut self.failing {
            failing.new_window = false;
        }
    }

    /// Whether a window is being tried, or will be before long.
    pub(super) fn is_climbing(&self) -> bool {
        self.windows.values().any(Climber::is_climbing)
    }

    /// Whether somebody works on a window here, or its dead letters are on their way.
    pub(super) fn is_out(&self) -> bool {
        self.windows.values().any(Climber::is_out)
    }

    /// Waits for nobody any more: what is stored comes again.
    pub(super) fn abandon(&mut self) {
        self.windows.clear();
        self.wake = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    pub(super) fn holds(&self, ordinal: u64) -> bool {
        self.windows.contains_key(&ordinal)
    }

    /// The bytes of the messages that are left.
    pub(super) fn bytes(&self) -> usize {
        self.windows.values().map(Climber::bytes).sum()
    }

    /// What to store of a window.
    pub(super) fn stored(&self, ordinal: u64, now: Duration, wall: Timestamp) -> Option<OpenWindow> {
        self.windows.get(&ordinal).map(|climber| climber.stored(now, wall))
    }

    /// A window of which nothing is left: it is forgotten then.
    pub(super) fn take_ended(&mut self, ordinal: u64) -> Option<Ended> {
        let ended = self.windows.get(&ordinal)?.ended()?;
        self.windows.remove(&ordinal);
        Some(ended)
    }

    /// The first window.
    pub(super) fn first(&self) -> Option<u64> {
        self.windows.keys().next().copied()
    }
}
