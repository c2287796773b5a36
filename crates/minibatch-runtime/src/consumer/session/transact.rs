//! Windows whose function has succeeded, and whose effects are yet to take place with a commit.
//!
//! Windows share a commit. Where an effect of one is refused nothing of the commit is stored: then everything is again as it
//! was before, and each has a commit of its own. Until a commit with effects has its verdict the session settles nothing
//! else and hands out nothing, so that there is nothing else to take back.

use std::collections::{BTreeMap, VecDeque};

use minibatch_core::{
    Cause, Error,
    checkpoint::Progress,
    storage::{Counters, Effect},
};
use tokio::sync::oneshot;

use super::{
    super::{Delivery, Failure, Settlement, ladder::Ladder, settlement::Passed, stats::Tally, supervisor::Supervisor},
    Session,
    keep::Times,
};
use crate::{delivery::DeliveryMode, effects::MAX_BYTES};

/// A window, or a piece of one, whose function has succeeded.
struct Held {
    delivery: Delivery,
    passed: Passed,
    durable: Option<oneshot::Sender<()>>,
}

/// What the session was before a commit.
struct Before {
    progress: Progress,
    counters: Counters,
    ladder: Ladder,
    out: BTreeMap<u64, usize>,
    out_bytes: usize,
    burials: usize,
    times: Times,
}

#[derive(Default)]
pub(super) struct Transactions {
    waiting: VecDeque<Held>,
    /// Those of the commit that is under way, and what to go back to if it is refused.
    sent: Vec<Held>,
    before: Option<Before>,
    /// To be counted when it is durable.
    tallies: Vec<Tally>,
    /// How many commits are to have one window each.
    alone: usize,
}

impl Transactions {
    /// Whether a commit with effects is without a verdict.
    pub(super) fn is_open(&self) -> bool {
        self.before.is_some()
    }

    /// Counts a window when its commit is durable.
    pub(super) fn count(&mut self, tally: Tally) {
        self.tallies.push(tally);
    }

    /// Waits for no commit any more.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
    }

    /// The next windows to share a commit.
    fn next(&mut self) -> Vec<Held> {
        let mut next: Vec<Held> = Vec::new();
        let mut bytes = 0;
        while let Some(held) = self.waiting.front() {
            bytes += held.passed.effects.iter().map(Effect::size).sum::<usize>();
            if !next.is_empty() && (self.alone > 0 || bytes > MAX_BYTES) {
                break;
            }
            next.extend(self.waiting.pop_front());
        }
        self.alone = self.alone.saturating_sub(usize::from(!next.is_empty()));
        next
    }
}

impl Session {
    /// Holds a settlement back for a commit with its effects, where it has them; returns any other.
    pub(super) fn hold(&mut self, supervisor: &Supervisor, settlement: Settlement) -> Option<Settlement> {
        match settlement {
            Settlement::Done { delivery, passed, durable }
                if supervisor.setup.options.delivery == DeliveryMode::Transactional =>
            {
                self.transactions.waiting.push_back(Held { delivery, passed, durable });
                None
            }
            other => Some(other),
        }
    }

    /// Starts a commit of what is settled, if there is something and none is in flight.
    pub(super) fn start_commit(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        let mut effects = Vec::new();
        if self.committer.is_free() && !self.transactions.waiting.is_empty() {
            let sent = self.transactions.next();
            self.transactions.before = Some(Before {
                progress: self.former.progress(),
                counters: self.counters,
                ladder: self.ladder.clone(),
                out: self.out.clone(),
                out_bytes: self.out_bytes,
                burials: self.burials.len(),
                times: self.keeper.times(),
            });
            for Held { delivery, passed, .. } in &sent {
                effects.extend(passed.effects.iter().cloned());
                self.succeeded(supervisor, delivery, passed.clone(), None)?;
            }
            self.transactions.sent = sent;
            self.committer.wants(None);
        }
        if self.committer.start(&mut self.former, self.counters, &mut self.keeper, effects)? {
            self.committed = self.former.position().offset;
        }
        Ok(())
    }

    /// A commit has its verdict.
    pub(super) fn committed(&mut self, supervisor: &Supervisor, verdict: Result<(), Error>) -> Result<(), Error> {
        match verdict {
            Err(error) if matches!(error.cause(), Cause::EffectRefused { .. }) => {
                self.effects_refused(supervisor, &error)
            }
            verdict => {
                verdict?;
                self.transactions.before = None;
                for tally in std::mem::take(&mut self.transactions.tallies) {
                    supervisor.stats.done(tally);
                }
                for durable in self.transactions.sent.drain(..).filter_map(|held| held.durable) {
                    // whoever acknowledged may not care when it is durable
                    let _ = durable.send(());
                }
                self.start_burial(supervisor);
                Ok(())
            }
        }
    }

    /// Nothing of the commit was stored: its windows are not done.
    fn effects_refused(&mut self, supervisor: &Supervisor, error: &Error) -> Result<(), Error> {
        if let Some(before) = self.transactions.before.take() {
            self.former.take_back(before.progress);
            (self.counters, self.ladder) = (before.counters, before.ladder);
            (self.out, self.out_bytes) = (before.out, before.out_bytes);
            self.burials.truncate(before.burials);
            self.keeper.take_back(before.times);
        }
        self.transactions.tallies.clear();
        let mut sent = std::mem::take(&mut self.transactions.sent);
        if sent.len() > 1 {
            self.transactions.alone = sent.len();
            sent.drain(..).rev().for_each(|held| self.transactions.waiting.push_front(held));
            return Ok(());
        }
        let Some(Held { delivery, durable, .. }) = sent.pop() else { return Ok(()) };
        tracing::warn!(window = %delivery.id, attempt = delivery.attempt, %error, "effects refused");
        let in_order = durable.is_none() && supervisor.setup.options.workers <= 1;
        let failure = Failure { reason: error.cause().to_string(), retry_after: None };
        self.settle_now(supervisor, Settlement::Failed { delivery, failure, in_order })?;
        if in_order {
            self.run_again(supervisor);
        }
        Ok(())
    }

    /// The windows that were run after one whose effects were refused come again after it.
    fn run_again(&mut self, supervisor: &Supervisor) {
        let mut held: Vec<Held> = self.transactions.waiting.drain(..).collect();
        held.sort_by_key(|held| held.delivery.formed.ordinal);
        for Held { delivery, .. } in held.into_iter().rev() {
            let ordinal = delivery.formed.ordinal;
            if self.ladder.holds(ordinal) {
                self.ladder.returned(ordinal, self.clock.elapsed());
                self.keep(supervisor, ordinal, None);
            } else {
                self.forget(ordinal);
                if !self.stopping {
                    self.ready.push_front(delivery.formed);
                }
            }
        }
    }
}
