//! What becomes of windows that were handed out: done, on the ladder, in the dead letters.

use std::sync::Arc;

use minibatch_core::{
    Cause, Error, Served,
    checkpoint::OpenWindow,
    window::{FormedWindow, Places, Reason, WindowId},
};
use tokio::sync::oneshot;

use super::{
    super::{
        Delivery, GroupRun, Settlement,
        dead::{self, Burial, Grave},
        ladder::{Attempt, Condemned, Ended, Verdict},
        settlement::Passed,
        stats::Tally,
        supervisor::Supervisor,
    },
    Later, Session,
};
use crate::{accounts, retry::until_verdict};

impl Session {
    pub(super) fn settle(&mut self, supervisor: &Supervisor, settlement: Settlement) -> Result<(), Error> {
        if settlement.delivery().lane.session != self.number {
            return Ok(());
        }
        match self.hold(supervisor, settlement) {
            Some(settlement) => self.settle_now(supervisor, settlement),
            None => Ok(()),
        }
    }

    pub(super) fn settle_now(&mut self, supervisor: &Supervisor, settlement: Settlement) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let ordinal = settlement.delivery().formed.ordinal;
        match settlement {
            Settlement::Done { delivery, passed, durable } => self.succeeded(supervisor, &delivery, passed, durable)?,
            Settlement::Failed { delivery, failure, in_order } => {
                if failure.retry_after.is_none() {
                    supervisor.stats.failed();
                }
                self.in_order |= in_order;
                self.enter(&delivery);
                tracing::debug!(window = %delivery.id, attempt = delivery.attempt, "function failed");
                let verdict = self.ladder.failed(ordinal, failure, now);
                if self.in_order || self.ladder.failing().is_some() {
                    self.call_back(supervisor);
                }
                self.obey(supervisor, ordinal, verdict, None)?;
            }
            Settlement::Returned { .. } if self.ladder.holds(ordinal) => {
                self.ladder.returned(ordinal, now);
                self.keep(supervisor, ordinal, None);
            }
            Settlement::Returned { .. } => self.forget(ordinal),
        }
        Ok(())
    }

    /// A window's function has succeeded, or that of a piece of it.
    pub(super) fn succeeded(
        &mut self,
        supervisor: &Supervisor,
        delivery: &Delivery,
        passed: Passed,
        durable: Option<oneshot::Sender<()>>,
    ) -> Result<(), Error> {
        let now = self.clock.elapsed();
        let ordinal = delivery.formed.ordinal;
        if let Some(took) = passed.took.filter(|_| self.ahead < usize::MAX) {
            self.served.push(Served::new(delivery.formed.leaving.max(delivery.formed.messages()), took));
        }
        if !passed.is_whole() || self.ladder.holds(ordinal) {
            self.enter(delivery);
            let verdict = self.ladder.passed(ordinal, passed, now);
            return self.obey(supervisor, ordinal, verdict, durable);
        }
        if passed.called {
            self.ladder.prove(now);
        }
        self.finished(supervisor, delivery, durable);
        Ok(())
    }

    /// A window that was never on the ladder is done as a whole.
    pub(super) fn finished(
        &mut self,
        supervisor: &Supervisor,
        delivery: &Delivery,
        durable: Option<oneshot::Sender<()>>,
    ) {
        self.former.settle(&delivery.formed);
        self.forget(delivery.formed.ordinal);
        self.keeper.done(delivery.id, delivery.attempt, || OpenWindow::finished(&delivery.formed));
        let FormedWindow { reason, leaving, .. } = delivery.formed;
        self.ended(supervisor, reason, leaving, [delivery.formed.messages(), 0, 0]);
        self.committer.wants(durable);
    }

    /// Takes a window in that did not succeed at once.
    fn enter(&mut self, delivery: &Delivery) {
        if !self.ladder.holds(delivery.formed.ordinal) {
            self.ladder.enter(&delivery.formed, delivery.attempt);
            self.former.settle(&delivery.formed);
            self.forget(delivery.formed.ordinal);
        }
    }

    /// Does what the ladder says about a window.
    pub(super) fn obey(
        &mut self,
        supervisor: &Supervisor,
        ordinal: u64,
        verdict: Verdict,
        durable: Option<oneshot::Sender<()>>,
    ) -> Result<(), Error> {
        match verdict {
            Verdict::GoOn => self.keep(supervisor, ordinal, durable),
            Verdict::Bury(condemned) => {
                self.bury(supervisor, ordinal, condemned, durable)?;
                self.keep(supervisor, ordinal, None);
            }
            Verdict::Stop(reason) => {
                self.keep(supervisor, ordinal, durable);
                tracing::warn!(window = %self.id(supervisor, ordinal), "attempts are over, stopping");
                self.give_up(supervisor, reason);
            }
        }
        Ok(())
    }

    /// Keeps what is left of a window with the next commit, or that nothing is.
    pub(super) fn keep(&mut self, supervisor: &Supervisor, ordinal: u64, durable: Option<oneshot::Sender<()>>) {
        if let Some(Ended { window, attempts }) = self.ladder.take_ended(ordinal) {
            self.former.close(ordinal);
            let all = Places::first(window.members.len());
            let counts = [&all, &window.dead, &window.skipped].map(|places| window.messages_at(places));
            let [_, _, skipped] = counts;
            self.ended(supervisor, window.reason, window.leaving, counts);
            let id = self.id(supervisor, ordinal);
            if skipped > 0 {
                tracing::warn!(window = %id, messages = skipped, "gave up on messages, kept nowhere");
            }
            self.keeper.done(id, attempts, || window);
        } else if let Some(open) = self.ladder.stored(ordinal, self.clock.elapsed(), self.clock.now()) {
            self.former.open(open);
        }
        self.committer.wants(durable);
    }

    /// A window is done, with which `leaving` messages left the buffer. Of its messages so many went to the dead letters,
    /// and so many were skipped.
    fn ended(&mut self, supervisor: &Supervisor, reason: Reason, leaving: u64, [messages, dead, skipped]: [u64; 3]) {
        let late = if reason == Reason::Late { messages.saturating_sub(dead + skipped) } else { 0 };
        let tally = Tally { messages, late, dead, skipped };
        accounts::settle(&mut self.counters, reason, leaving, dead, skipped);
        if self.transactions.is_open() {
            self.transactions.count(tally);
        } else {
            supervisor.stats.done(tally);
        }
    }

    /// Hands out what is to be tried again.
    pub(super) fn climb(&mut self, supervisor: &Supervisor) {
        while self.is_free()
            && let Some(attempt) = self.ladder.next(self.clock.elapsed())
        {
            let Attempt { formed, piece, attempt } = attempt;
            let whole = self.id(supervisor, formed.ordinal);
            let id = piece.map_or(whole, |places| whole.piece(&places));
            let lane = Arc::clone(&supervisor.lane);
            self.offer(supervisor, Delivery { lane, run: self.group_run(), id, formed, attempt });
        }
    }

    /// Whether another window may be out: where owners died one after the other, one at a time.
    pub(super) fn is_free(&self) -> bool {
        self.careful.is_none() || (self.out.is_empty() && !self.ladder.is_out())
    }

    /// Hands out a window, or a piece of one. Where owners died one after the other the attempt is noted before.
    pub(super) fn offer(&mut self, supervisor: &Supervisor, delivery: Delivery) {
        if self.careful.is_none() {
            return self.hand_over(supervisor, delivery);
        }
        let ordinal = delivery.formed.ordinal;
        self.enter(&delivery);
        self.ladder.begin(ordinal);
        let (noted, durable) = oneshot::channel();
        self.keep(supervisor, ordinal, Some(noted));
        self.later.push(Box::pin(async move {
            // when the commit fails, so does the session
            let _ = durable.await;
            Ok(Later::Noted(delivery))
        }));
    }

    pub(super) fn hand_over(&self, supervisor: &Supervisor, delivery: Delivery) {
        if self.ladder.holds(delivery.formed.ordinal) {
            supervisor.handoff.offer_again(delivery);
        } else {
            supervisor.handoff.offer(delivery);
        }
    }

    /// An attempt is noted: it may be made.
    pub(super) fn noted(&mut self, supervisor: &Supervisor, delivery: Delivery) {
        if self.stopping {
            let ordinal = delivery.formed.ordinal;
            self.ladder.returned(ordinal, self.clock.elapsed());
            self.keep(supervisor, ordinal, None);
        } else {
            self.hand_over(supervisor, delivery);
        }
    }

    /// Takes back what nobody has taken, to hand it out later.
    pub(super) fn call_back(&mut self, supervisor: &Supervisor) {
        for delivery in supervisor.handoff.take_back(supervisor.lane.partition).into_iter().rev() {
            let ordinal = delivery.formed.ordinal;
            if self.ladder.holds(ordinal) {
                self.ladder.returned(ordinal, self.clock.elapsed());
                self.keep(supervisor, ordinal, None);
            } else {
                self.forget(ordinal);
                self.ready.push_front(delivery.formed);
            }
        }
    }

    /// Stops with the function's error, when what is done is committed.
    pub(super) fn give_up(&mut self, supervisor: &Supervisor, reason: String) {
        self.given_up.get_or_insert(Cause::function(reason).into());
        self.cease(supervisor);
    }

    /// Ends a drain in which nothing succeeds any more.
    pub(super) fn check_hopeless(&mut self, supervisor: &Supervisor) {
        // a window that is not begun yet, or not read, may succeed
        let untried = (!self.ending || !self.ready.is_empty()) && self.ladder.admits();
        let drains = supervisor.drain_to.is_some() && !self.stopping;
        if !drains || untried || !self.out.is_empty() || !self.ladder.is_hopeless() {
            return;
        }
        if let Some(reason) = self.ladder.failing().map(ToOwned::to_owned) {
            tracing::warn!(partition = %supervisor.setup.partition, "nothing succeeds, ending without giving up on a message");
            self.give_up(supervisor, reason);
        }
    }

    /// Sends messages of a window to the dead letters.
    fn bury(
        &mut self,
        supervisor: &Supervisor,
        ordinal: u64,
        condemned: Condemned,
        durable: Option<oneshot::Sender<()>>,
    ) -> Result<(), Error> {
        let Some(name) = &supervisor.setup.dead else {
            // a dead letter has nowhere else to go, and nothing may be lost
            return Err(Cause::function("a dead letter was rejected; mend the function, or remove the message").into());
        };
        let window = self.id(supervisor, ordinal);
        if condemned.members.is_empty() {
            tracing::warn!(%window, "giving up on a window without messages");
            self.ladder.buried(ordinal, &condemned.places, true);
            self.committer.wants(durable);
            return Ok(());
        }
        let messages = condemned.members.len();
        tracing::warn!(%window, attempt = condemned.attempt, messages, stream = %name, "giving up, messages go to the dead letters");
        let partition = supervisor.lane.partition;
        self.burials.push(Burial { partition, ordinal, window, condemned, durable });
        self.start_burial(supervisor);
        Ok(())
    }

    /// Sends off the dead letters that wait, unless others are on their way.
    pub(super) fn start_burial(&mut self, supervisor: &Supervisor) {
        let waits = self.burying || self.burials.is_empty() || self.transactions.is_open();
        let Some(name) = supervisor.setup.dead.clone().filter(|_| !waits) else {
            return;
        };
        let client = supervisor.setup.client.clone();
        let burials = std::mem::take(&mut self.burials);
        let grave =
            Grave { partition: supervisor.lane.partition, run: self.group_run(), below: self.committer.done().below };
        if client.stopping().is_cancelled() {
            // nothing can be appended any more: the messages come again after the next start
            for burial in burials {
                self.ladder.buried(burial.ordinal, &burial.condemned.places, false);
            }
            return;
        }
        self.burying = true;
        self.later.push(Box::pin(async move {
            until_verdict(&**client.clock(), "bury", || dead::bury(&client, &name, grave, &burials)).await?;
            Ok(Later::Buried(burials))
        }));
    }

    /// Dead letters are durable.
    pub(super) fn buried(&mut self, supervisor: &Supervisor, burials: Vec<Burial>) {
        for burial in burials {
            self.ladder.buried(burial.ordinal, &burial.condemned.places, true);
            self.keep(supervisor, burial.ordinal, burial.durable);
        }
        self.burying = false;
        self.start_burial(supervisor);
    }

    pub(super) fn group_run(&self) -> GroupRun {
        GroupRun { generation: self.generation, done_before: self.committer.done().before }
    }

    pub(super) fn id(&self, supervisor: &Supervisor, ordinal: u64) -> WindowId {
        WindowId::new(self.generation, supervisor.setup.partition.index, ordinal)
    }
}
