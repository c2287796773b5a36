//! The loop of a session.

use std::{future::pending, sync::Arc};

use futures::{StreamExt, future::BoxFuture};
use minibatch_core::{Cause, Error, Timestamp, checkpoint::DecisionKind, driver::LogEntry, window::FormedWindow};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::{Delivery, Failing, OnBufferFull, supervisor::Supervisor},
    Later, Session,
    fetch::Fetched,
    tail::Due,
};
use crate::{ConsumerState, STOP_TIMEOUT, delivery::DeliveryMode};

/// How many settlements are taken up at once.
const SETTLEMENTS: usize = 1_024;

/// What happened.
enum Event {
    Settled,
    Committed(Result<(), Error>),
    Fetched(Result<Fetched, Error>),
    Expired(Result<(Timestamp, Due), Error>),
    Quiet,
    Later(Result<Later, Error>),
    Control,
    Climb,
    Lost,
    Stop,
    GiveUp,
}

impl Session {
    /// Works until the consumer is stopped, has drained, or loses the partition.
    pub(in super::super) async fn run(&mut self, supervisor: &mut Supervisor) -> Result<(), Error> {
        let clock = Arc::clone(&self.clock);
        let mut settled = Vec::with_capacity(SETTLEMENTS);
        let mut deadline = None;
        self.check_drained(supervisor)?;
        self.tell(supervisor);
        loop {
            // nothing of it may change what may have to be taken back
            let settles = !self.transactions.is_open();
            if settles {
                self.check_hopeless(supervisor);
                self.adapt(supervisor)?;
            }
            self.hand_out(supervisor);
            while self.wants_more()
                && let Some((entry, room)) = self.rest.take()
            {
                self.feed(supervisor, entry, room)?;
                self.hand_out(supervisor);
            }
            self.tell_state(supervisor);
            self.start_commit(supervisor)?;
            if self.is_over() {
                return self.finish(supervisor).await;
            }
            if self.stopping && deadline.is_none() {
                deadline = Some(clock.sleep(STOP_TIMEOUT));
            }
            self.timer.arm(self.former.deadline().filter(|_| self.wants_more()));
            self.arm_climb();
            self.quiet.arm(self.is_stuck() && self.committer.is_idle());
            let event = tokio::select! {
                biased;
                () = self.membership.lost() => Event::Lost,
                _ = supervisor.settled.recv_many(&mut settled, SETTLEMENTS), if settles => Event::Settled,
                verdict = self.committer.committed() => Event::Committed(verdict),
                Some(later) = self.later.next(), if settles => Event::Later(later),
                () = supervisor.stop.cancelled(), if settles && !self.stopping => Event::Stop,
                () = self.control.changed(), if settles => Event::Control,
                () = async { match &mut self.climb { Some((_, sleep)) => sleep.await, None => pending().await } }, if settles => Event::Climb,
                fetched = self.fetcher.next(), if self.wants_more() && self.rest.is_none() => Event::Fetched(fetched),
                expired = self.timer.expired() => Event::Expired(expired),
                () = self.quiet.over() => Event::Quiet,
                () = async { match &mut deadline { Some(sleep) => sleep.await, None => pending().await } } => Event::GiveUp,
            };
            match event {
                Event::Settled => {
                    for settlement in settled.drain(..) {
                        self.settle(supervisor, settlement)?;
                    }
                    // what follows waits behind what is tried again, or need not wait
                    self.hand_out(supervisor);
                    supervisor.handoff.resume(supervisor.lane.partition);
                }
                Event::Committed(verdict) => {
                    self.committed(supervisor, verdict)?;
                    self.tell_committed(supervisor);
                    self.trim(false);
                }
                Event::Later(later) => self.later(supervisor, later?),
                Event::Fetched(Err(error)) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => {
                    self.expired(supervisor, error);
                }
                Event::Fetched(fetched) => self.fetched(supervisor, fetched?)?,
                Event::Expired(expired) => match expired? {
                    (deadline, Due::Punctuation(now)) => {
                        self.fetcher.punctuate(self.former.position().offset.slot(), deadline, now);
                    }
                    (_, Due::Decision) => self.fetcher.confirm_tail(),
                },
                // a group that began anew is told so by its log, which is not read
                Event::Quiet => self.committer.wants(None),
                Event::Stop => self.stop(supervisor)?,
                Event::Control if self.control.is_paused() => self.call_back(supervisor),
                Event::Control => self.resumed(),
                Event::Climb => self.climb = None,
                Event::Lost => return Err(Cause::MemberDead.into()),
                Event::GiveUp => {
                    tracing::warn!(
                        windows = self.out.len() + usize::from(self.ladder.is_out()),
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
        !self.ending && self.ready.is_empty() && self.out.len() < self.ahead && !self.control.is_paused()
    }

    /// Whether it reads no further until something is settled, and that may never be.
    fn is_stuck(&self) -> bool {
        !self.wants_more() && !self.stopping && !self.control.is_paused()
    }

    fn is_over(&self) -> bool {
        let waits_for_ladder = if self.stopping { self.ladder.is_out() } else { !self.ladder.is_empty() };
        self.ending && self.ready.is_empty() && self.out.is_empty() && !waits_for_ladder && self.committer.is_idle()
    }

    /// Hands out what is to be tried again and what is ready.
    fn hand_out(&mut self, supervisor: &Supervisor) {
        if self.transactions.is_open() || !self.committer.is_durable(self.hand_out_after) {
            return;
        }
        let now = self.clock.elapsed();
        let again = !self.stopping && self.ladder.wake().is_some_and(|wake| wake <= now);
        if !again && self.ready.is_empty() {
            return;
        }
        if let Some(look) = self.control.look() {
            self.later.push(Box::pin(async move { Ok(Later::Looked { paused: look.await? }) }));
        }
        if self.control.is_paused() || self.control.is_unsure() {
            return;
        }
        if again {
            self.climb(supervisor);
        }
        while self.ready.front().is_some_and(|window| self.may_begin(supervisor, window))
            && let Some(formed) = self.ready.pop_front()
        {
            let ordinal = formed.ordinal;
            let bytes = formed.members.bytes();
            self.out.insert(ordinal, bytes);
            self.out_bytes += bytes;
            self.teller.ordinal = ordinal;
            self.keeper.begun(ordinal);
            self.ladder.admitted();
            self.careful = self.careful.take().and_then(|careful| careful.after(bytes));
            let id = self.id(supervisor, ordinal);
            let lane = Arc::clone(&supervisor.lane);
            let delivery = Delivery { lane, run: self.group_run(), id, formed, attempt: 1 };
            if self.goes_aside(supervisor, &delivery.formed) {
                self.aside.push(delivery);
            } else {
                self.offer(supervisor, delivery);
            }
        }
        self.put_aside(supervisor);
    }

    /// Whether the window may be handed out: as far as the bytes that are out and the first that is not done allow, where
    /// one window always may be, and nothing before it is to be waited for.
    fn may_begin(&self, supervisor: &Supervisor, window: &FormedWindow) -> bool {
        let options = &supervisor.setup.options;
        let fits = self.out.first_key_value().is_none_or(|(&first, _)| {
            let bytes = self.out_bytes + self.ladder.bytes() + window.members.bytes();
            bytes <= options.prefetch_bytes && window.ordinal - first < options.max_ahead
        });
        let waits = self.in_order && self.ladder.is_climbing();
        fits && self.is_free() && (self.stopping || (self.ladder.admits() && !waits))
    }

    fn fetched(&mut self, supervisor: &Supervisor, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Entry(entry, room) => self.feed(supervisor, entry, room),
            Fetched::NotPunctuated(deadline) => {
                self.timer.not_punctuated(deadline);
                Ok(())
            }
            Fetched::Tail => match self.timer.saw_tail() {
                Some(deadline) => self.decide(supervisor, DecisionKind::Grant(deadline)),
                None => {
                    self.tell_tail(supervisor);
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

    fn feed(
        &mut self,
        supervisor: &Supervisor,
        entry: LogEntry,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Error> {
        let mut formed = Vec::new();
        let used_up = self.former.feed_part(&entry, &mut formed)?;
        self.keeper.formed(&formed);
        self.ready.extend(formed);
        self.timer.saw_entry(self.former.position().time);
        if matches!(&entry, LogEntry::Messages(chunk) if chunk.is_empty()) {
            // the group may have begun anew: the commit tells
            self.committer.wants(None);
        }
        if !used_up {
            self.rest = Some((entry, room));
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
            self.commit_first();
        }
        Ok(())
    }

    /// Goes on with windows of another size where the strategy wants that, now that the function was measured.
    fn adapt(&mut self, supervisor: &Supervisor) -> Result<(), Error> {
        for served in std::mem::take(&mut self.served) {
            // nothing may be decided before all is formed that was, and in the end nothing needs to be
            let resize = self.former.adapt(served).filter(|_| self.former.is_caught_up() && !self.ending);
            if let Some(size) = resize {
                tracing::debug!(partition = %supervisor.setup.partition, size, "windows get another size");
                self.decide(supervisor, DecisionKind::Resize(size))?;
            }
        }
        Ok(())
    }

    /// Hands out nothing before the next commit.
    fn commit_first(&mut self) {
        self.hand_out_after = self.committer.next();
        self.committer.wants(None);
    }

    /// It is no longer paused. The group may have begun anew meanwhile: the commit tells.
    fn resumed(&mut self) {
        if !self.control.is_paused() {
            self.commit_first();
        }
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
        let may_flush = !self.ending && self.former.is_caught_up() && !self.control.is_paused();
        let flush = supervisor.flushes() && may_flush;
        self.cease(supervisor);
        if flush {
            self.decide(supervisor, DecisionKind::Shutdown)?;
        }
        Ok(())
    }

    /// Begins nothing more, and takes back what nobody has taken.
    pub(super) fn cease(&mut self, supervisor: &Supervisor) {
        self.call_back(supervisor);
        self.ready.clear();
        self.stopping = true;
        self.end();
    }

    fn end(&mut self) {
        self.ending = true;
        if self.committed < self.former.position().offset {
            self.committer.wants(None);
        }
    }

    /// The log was cut above what was read: what is at hand is finished, and another session sees what is left.
    fn expired(&mut self, supervisor: &Supervisor, error: Error) {
        self.given_up.get_or_insert(error);
        self.cease(supervisor);
    }

    fn abandon(&mut self) {
        self.ready.clear();
        self.aside.clear();
        self.out.clear();
        self.out_bytes = 0;
        self.ladder.abandon();
        self.transactions.abandon();
    }

    pub(super) fn forget(&mut self, ordinal: u64) {
        self.out_bytes -= self.out.remove(&ordinal).unwrap_or(0);
    }

    fn later(&mut self, supervisor: &Supervisor, later: Later) {
        match later {
            Later::Buried(burials) => self.buried(supervisor, burials),
            Later::Noted(delivery) => self.noted(supervisor, delivery),
            Later::Aside { late, windows, done } => self.aside(supervisor, late, windows, done),
            Later::Looked { paused } => {
                let was_paused = self.control.looked(paused);
                if self.control.is_paused() {
                    self.call_back(supervisor);
                } else if was_paused {
                    self.resumed();
                }
            }
            Later::Trimmed => {}
            Later::Tell => self.tell_now(supervisor),
            Later::Told => self.told(supervisor),
        }
    }

    fn trim(&mut self, now: bool) {
        if let Some(trim) = self.committer.trim(now) {
            self.later.push(Box::pin(async move {
                trim.await;
                Ok(Later::Trimmed)
            }));
        }
    }

    /// Keeps the timer on the next thing that is to be tried again.
    fn arm_climb(&mut self) {
        let paused = self.control.is_paused() || self.control.is_unsure();
        let wanted = self.ladder.wake().filter(|_| !self.stopping && !paused && self.is_free());
        if self.climb.as_ref().map(|(at, _)| *at) != wanted {
            let clock = &self.clock;
            self.climb = wanted.map(|at| {
                let (clock, wait) = (Arc::clone(clock), at.saturating_sub(clock.elapsed()));
                (at, Box::pin(async move { clock.sleep(wait).await }) as BoxFuture<'static, ()>)
            });
        }
    }

    /// Tells those who look what it is doing.
    fn tell_state(&mut self, supervisor: &Supervisor) {
        let error = self.ladder.failing().map(ToOwned::to_owned);
        let state = match &error {
            _ if self.stopping => ConsumerState::Stopping,
            _ if self.control.is_paused() => ConsumerState::Paused,
            Some(_) => ConsumerState::Failing,
            None if self.ending => ConsumerState::Stopping,
            None => ConsumerState::Working,
        };
        let since = error.as_ref().map(|_| self.failing_since.unwrap_or_else(|| self.clock.now()));
        self.failing_since = since;
        let failing = error.zip(since).map(|(error, since)| Failing { since, error });
        supervisor.stats.tell(supervisor.setup.partition.index, state, failing);
        if state != self.state {
            self.state = state;
            self.tell(supervisor);
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
