//! The loop of a session.

use std::{future::pending, sync::Arc};

use futures::StreamExt;
use minibatch_core::{
    Cause, Error,
    checkpoint::DecisionKind,
    driver::LogEntry,
    window::{FormedWindow, WindowId},
};

use super::{
    super::{
        Delivery, OnBufferFull, OnExhausted, Settlement,
        dead::{self, Burial, Letters},
        supervisor::Supervisor,
    },
    Later, Session,
    fetch::Fetched,
    finished::{Before, Finished},
};
use crate::{STOP_TIMEOUT, accounts, delivery::DeliveryMode, retry::until_verdict, status::ConsumerState};

/// How many settlements are taken up at once.
const SETTLEMENTS: usize = 1_024;

/// What happened.
enum Event {
    Settled,
    Committed(Result<(), Error>),
    Fetched(Result<Fetched, Error>),
    Expired(Result<(), Error>),
    Later(Result<Later, Error>),
    Lost,
    Stop,
    GiveUp,
}

impl Session {
    /// Works until the consumer is stopped, has drained, or loses the partition.
    pub(in super::super) async fn run(&mut self, supervisor: &mut Supervisor) -> Result<(), Error> {
        let clock = Arc::clone(supervisor.setup.client.clock());
        let mut settled = Vec::with_capacity(SETTLEMENTS);
        let mut deadline = None;
        self.check_drained(supervisor)?;
        self.tell(supervisor);
        loop {
            self.hand_out(supervisor);
            self.start_commit(supervisor)?;
            if self.is_over() {
                return self.finish(supervisor).await;
            }
            if self.stopping && deadline.is_none() {
                deadline = Some(clock.sleep(STOP_TIMEOUT));
            }
            self.timer.arm(self.former.deadline().filter(|_| self.wants_more()));
            let event = tokio::select! {
                biased;
                () = self.membership.lost() => Event::Lost,
                _ = supervisor.settled.recv_many(&mut settled, SETTLEMENTS) => Event::Settled,
                verdict = self.committer.committed() => Event::Committed(verdict),
                Some(later) = self.later.next() => Event::Later(later),
                () = supervisor.stop.cancelled(), if !self.stopping => Event::Stop,
                fetched = self.fetcher.next(), if self.wants_more() => Event::Fetched(fetched),
                expired = self.timer.expired() => Event::Expired(expired),
                () = async { match &mut deadline { Some(sleep) => sleep.await, None => pending().await } } => Event::GiveUp,
            };
            match event {
                Event::Settled => {
                    for settlement in settled.drain(..) {
                        self.settle(supervisor, settlement)?;
                    }
                }
                Event::Committed(verdict) => {
                    self.committed(supervisor, verdict)?;
                    self.tell_committed(supervisor);
                    self.trim(false);
                }
                Event::Later(later) => self.later(supervisor, later?)?,
                Event::Fetched(Err(error)) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => {
                    self.expired(error);
                }
                Event::Fetched(fetched) => self.fetched(supervisor, fetched?)?,
                Event::Expired(expired) => {
                    expired?;
                    self.fetcher.confirm_tail();
                }
                Event::Stop => self.stop(supervisor)?,
                Event::Lost => return Err(Cause::MemberDead.into()),
                Event::GiveUp => {
                    tracing::warn!(
                        windows = self.out.len(),
                        "stopping without waiting longer for windows that are out"
                    );
                    self.abandon();
                    deadline = Some(Box::pin(pending()));
                }
            }
        }
    }

    /// Whether the next entry of the log can be used now.
    fn wants_more(&self) -> bool {
        !self.ending && self.ready.is_empty()
    }

    fn is_over(&self) -> bool {
        self.ending && self.ready.is_empty() && self.out.is_empty() && self.committer.is_idle()
    }

    /// Hands out what is ready, as far as the bytes that are out and the first that is not done allow; one window always
    /// may be.
    fn hand_out(&mut self, supervisor: &Supervisor) {
        if !self.committer.is_durable(self.decided_in) {
            return;
        }
        let limit = supervisor.setup.options.prefetch_bytes;
        while let Some(window) = self.ready.front() {
            let bytes = window.members.bytes();
            if let Some((&first, _)) = self.out.first_key_value()
                && (self.out_bytes + bytes > limit || window.ordinal - first >= supervisor.setup.options.max_ahead)
            {
                return;
            }
            let Some(formed) = self.ready.pop_front() else { return };
            let id = WindowId::new(self.generation, supervisor.setup.partition.index, formed.ordinal);
            self.out.insert(formed.ordinal, bytes);
            self.teller.ordinal = formed.ordinal;
            self.keeper.begun(formed.ordinal);
            self.out_bytes += bytes;
            let lane = Arc::clone(&supervisor.lane);
            supervisor.handoff.offer(Delivery { lane, id, formed, attempt: 1 });
        }
    }

    fn fetched(&mut self, supervisor: &Supervisor, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Entry(entry, _room) => self.feed(supervisor, &entry),
            Fetched::Tail => match self.timer.saw_tail() {
                Some(deadline) => self.decide(supervisor, DecisionKind::Grant(deadline)),
                None => {
                    // whatever the strategy left out need not be read again
                    if self.out.is_empty()
                        && self.former.buffer().is_empty()
                        && self.committed < self.former.position().offset
                    {
                        self.committer.wants(None);
                    }
                    Ok(())
                }
            },
        }
    }

    fn feed(&mut self, supervisor: &Supervisor, entry: &LogEntry) -> Result<(), Error> {
        let mut formed = Vec::new();
        self.former.feed(entry, &mut formed)?;
        self.keeper.formed(&formed);
        self.ready.extend(formed);
        self.timer.saw_entry(self.former.position().time);
        if matches!(entry, LogEntry::Messages(chunk) if chunk.is_empty()) {
            // the group may have begun anew: the commit tells
            self.committer.wants(None);
        }
        self.check_buffer(supervisor)?;
        self.check_drained(supervisor)
    }

    fn decide(&mut self, supervisor: &Supervisor, kind: DecisionKind) -> Result<(), Error> {
        let mut formed: Vec<FormedWindow> = Vec::new();
        self.former.decide(kind, &mut formed)?;
        self.keeper.formed(&formed);
        self.ready.extend(formed);
        if supervisor.setup.options.delivery == DeliveryMode::Idempotent {
            // a crash may not change what a window's id stands for, once somebody has seen it
            self.decided_in = self.committer.next();
            self.committer.wants(None);
        }
        Ok(())
    }

    fn check_buffer(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        let options = &supervisor.setup.options;
        let bytes = self.former.buffer().pinned_bytes();
        if bytes <= options.max_buffer_bytes || !self.ready.is_empty() {
            return Ok(());
        }
        match options.on_buffer_full {
            OnBufferFull::Stop => Err(Cause::buffer_full(bytes).into()),
            OnBufferFull::Emit => self.decide(supervisor, DecisionKind::BufferFull),
        }
    }

    /// Flushes and ends once the log has been read as far as it reached when the drain began.
    fn check_drained(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        let drained = supervisor.drain_to.is_some_and(|last| self.former.position().offset.slot() > last);
        if drained && !self.ending {
            self.decide(supervisor, DecisionKind::Drain)?;
            self.end();
        }
        Ok(())
    }

    fn stop(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        self.recall(supervisor);
        self.stopping = true;
        if supervisor.flushes() && !self.ending && self.former.is_caught_up() {
            self.decide(supervisor, DecisionKind::Shutdown)?;
        }
        self.end();
        Ok(())
    }

    /// Takes back what nobody has taken.
    fn recall(&mut self, supervisor: &Supervisor) {
        for delivery in supervisor.handoff.take_back(supervisor.lane.partition) {
            self.forget(delivery.formed.ordinal);
        }
        self.ready.clear();
    }

    fn end(&mut self) {
        self.ending = true;
        if self.committed < self.former.position().offset {
            self.committer.wants(None);
        }
    }

    /// The log was cut above what was read: what is at hand is finished, and another session sees what is left.
    fn expired(&mut self, error: Error) {
        self.given_up.get_or_insert(error);
        self.end();
    }

    fn abandon(&mut self) {
        self.ready.clear();
        self.out.clear();
        self.out_bytes = 0;
    }

    fn forget(&mut self, ordinal: u64) {
        self.out_bytes -= self.out.remove(&ordinal).unwrap_or(0);
    }

    fn settle(&mut self, supervisor: &Supervisor, settlement: Settlement) -> Result<(), Error> {
        if settlement.delivery().lane.session != self.number {
            return Ok(());
        }
        match settlement {
            Settlement::Done { delivery, rejected, effects, durable } if rejected.is_empty() => {
                self.finish_window(supervisor, Finished { delivery, dead: Vec::new(), effects, durable })?;
            }
            Settlement::Done { delivery, rejected, effects, durable } => {
                let letters = Letters::Some(rejected);
                self.bury(supervisor, Burial { delivery, letters, effects, durable })?;
            }
            Settlement::Failed { delivery, reason } => self.failed(supervisor, delivery, reason)?,
            Settlement::Exhausted { delivery, reason } => self.give_up(supervisor, &delivery, reason),
            Settlement::Returned { delivery } => self.forget(delivery.formed.ordinal),
        }
        Ok(())
    }

    /// An attempt at a window failed.
    fn failed(&mut self, supervisor: &Supervisor, delivery: Delivery, reason: String) -> Result<(), Error> {
        supervisor.stats.failed();
        let options = &supervisor.setup.options;
        if delivery.attempt >= options.max_attempts {
            match options.on_exhausted {
                OnExhausted::DeadLetter | OnExhausted::DeadLetterWhole => {
                    let letters = Letters::All { reason };
                    self.bury(supervisor, Burial { delivery, letters, effects: Vec::new(), durable: None })?;
                }
                OnExhausted::Stop => self.give_up(supervisor, &delivery, reason),
            }
        } else if self.stopping {
            self.forget(delivery.formed.ordinal);
        } else {
            self.try_later(supervisor, delivery);
        }
        Ok(())
    }

    /// A window's function has succeeded, and its dead letters are durable.
    fn finish_window(&mut self, supervisor: &Supervisor, finished: Finished) -> Result<(), Error> {
        if supervisor.setup.options.delivery == DeliveryMode::Transactional {
            self.finished.push(finished);
            return Ok(());
        }
        self.settle_window(&finished)?;
        self.done(supervisor, &finished);
        self.committer.wants(finished.durable);
        Ok(())
    }

    fn start_commit(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        let mut effects = Vec::new();
        if self.committer.is_free() {
            let mut windows = self.finished.next(&self.out, supervisor.setup.options.workers == 1);
            if !windows.is_empty() {
                let before = Before { progress: self.former.progress(), counters: self.counters };
                for finished in &mut windows {
                    self.settle_window(finished)?;
                    effects.extend(finished.effects.iter().cloned());
                }
                self.finished.send(windows, before);
                self.committer.wants(None);
            }
        }
        if self.committer.start(&mut self.former, self.counters, &mut self.keeper, effects)? {
            self.committed = self.former.position().offset;
        }
        Ok(())
    }

    fn committed(&mut self, supervisor: &Supervisor, verdict: Result<(), Error>) -> Result<(), Error> {
        match verdict {
            Err(error) if matches!(error.cause(), Cause::EffectRefused { .. }) => {
                self.effects_refused(supervisor, &error)
            }
            verdict => {
                verdict?;
                for finished in self.finished.committed() {
                    self.done(supervisor, &finished);
                    // whoever acknowledged may not care when it is durable
                    finished.durable.map(|durable| durable.send(()));
                }
                Ok(())
            }
        }
    }

    /// Nothing of the commit was stored: its windows are not done.
    fn effects_refused(&mut self, supervisor: &Supervisor, error: &Error) -> Result<(), Error> {
        let (before, culprit) = self.finished.refused();
        if let Some(Before { progress, counters }) = before {
            self.former.take_back(progress);
            self.counters = counters;
        }
        let Some(Finished { delivery, .. }) = culprit else { return Ok(()) };
        tracing::warn!(window = %delivery.id, attempt = delivery.attempt, %error, "effects refused");
        let options = &supervisor.setup.options;
        let unproven = self.counters.finished == 0 && options.on_exhausted != OnExhausted::Stop;
        if unproven && delivery.attempt >= options.max_attempts && !self.stopping {
            supervisor.stats.failed();
            self.try_later(supervisor, delivery);
            return Ok(());
        }
        self.failed(supervisor, delivery, error.cause().to_string())
    }

    /// Stops with the function's error, when what is done is committed.
    fn give_up(&mut self, supervisor: &Supervisor, delivery: &Delivery, reason: String) {
        tracing::warn!(window = %delivery.id, attempt = delivery.attempt, "attempts are over, stopping");
        self.forget(delivery.formed.ordinal);
        for finished in self.finished.withdraw(delivery.formed.ordinal) {
            self.forget(finished.delivery.formed.ordinal);
        }
        self.given_up.get_or_insert(Cause::function(reason).into());
        self.stopping = true;
        self.recall(supervisor);
        self.end();
    }

    /// Counts a window among those that are done with the next commit.
    fn settle_window(&mut self, finished: &Finished) -> Result<(), Error> {
        let formed = &finished.delivery.formed;
        self.keeper.done(&finished.delivery, &finished.dead)?;
        self.former.settle(formed);
        accounts::settle(&mut self.counters, formed.leaving, finished.dead.len() as u64, 0);
        Ok(())
    }

    fn done(&mut self, supervisor: &Supervisor, finished: &Finished) {
        let formed = &finished.delivery.formed;
        self.forget(formed.ordinal);
        supervisor.stats.done(formed.members.len() as u64, finished.dead.len() as u64);
    }

    fn try_later(&mut self, supervisor: &Supervisor, mut delivery: Delivery) {
        delivery.attempt += 1;
        let wait = supervisor.setup.options.backoff.before(delivery.attempt);
        let clock = Arc::clone(supervisor.setup.client.clock());
        self.later.push(Box::pin(async move {
            clock.sleep(wait).await;
            Ok(Later::Again(delivery))
        }));
    }

    /// Sends messages of a window to the dead letters; it is done once they are durable.
    fn bury(&mut self, supervisor: &Supervisor, burial: Burial) -> Result<(), Error> {
        let Some(name) = &supervisor.setup.dead else {
            // a dead letter that fails again has nowhere to go, and nothing may be lost
            return Err(Cause::function("a dead letter failed again; mend the function, or remove the message").into());
        };
        let delivery = &burial.delivery;
        tracing::warn!(window = %delivery.id, attempt = delivery.attempt, stream = %name, "giving up, messages go to the dead letters");
        self.burials.push(burial);
        self.start_burial(supervisor);
        Ok(())
    }

    /// Sends off the dead letters that wait, unless others are on their way.
    fn start_burial(&mut self, supervisor: &Supervisor) {
        let Some(name) = supervisor.setup.dead.clone().filter(|_| !self.burying && !self.burials.is_empty()) else {
            return;
        };
        let client = supervisor.setup.client.clone();
        let burials = std::mem::take(&mut self.burials);
        if client.stopping().is_cancelled() {
            // nothing can be appended any more: the windows come again after the next start
            burials.iter().for_each(|burial| self.forget(burial.delivery.formed.ordinal));
            return;
        }
        self.burying = true;
        self.later.push(Box::pin(async move {
            until_verdict(&**client.clock(), "bury", || dead::bury(&client, &name, &burials)).await?;
            Ok(Later::Buried(burials))
        }));
    }

    fn later(&mut self, supervisor: &Supervisor, later: Later) -> Result<(), Error> {
        match later {
            Later::Again(delivery) if self.stopping => self.forget(delivery.formed.ordinal),
            Later::Again(delivery) => supervisor.handoff.offer(delivery),
            Later::Buried(burials) => {
                for burial in burials {
                    let dead = burial.places();
                    let Burial { delivery, effects, durable, .. } = burial;
                    self.finish_window(supervisor, Finished { delivery, dead, effects, durable })?;
                }
                self.burying = false;
                self.start_burial(supervisor);
            }
            Later::Trimmed => {}
            Later::Tell => self.tell_now(supervisor),
            Later::Told => self.told(supervisor),
        }
        Ok(())
    }

    fn trim(&mut self, now: bool) {
        if let Some(trim) = self.committer.trim(now) {
            self.later.push(Box::pin(async move {
                trim.await;
                Ok(Later::Trimmed)
            }));
        }
    }

    /// Everything is committed: tidies up.
    async fn finish(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        // a trim that is under way may keep the last one waiting, and nobody polls it any more
        self.later.clear();
        if let Some(trim) = self.committer.trim(true) {
            trim.await;
        }
        self.telling(supervisor, ConsumerState::Stopped).await;
        tracing::debug!(partition = %supervisor.setup.partition, "session over");
        self.given_up.take().map_or(Ok(()), Err)
    }
}
