//! Telling what the session does, at most once a second and beside its work.

use std::{sync::Arc, time::Duration};

use minibatch_core::Offset;

use super::{super::supervisor::Supervisor, Later, Session};
use crate::status::{self, ConsumerState, GroupStatus};

/// How often a status is told at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a status was told, and whether there is more to tell.
#[derive(Debug, Default)]
pub(super) struct Teller {
    told: Option<Duration>,
    /// One is on its way, or waits for its time.
    pending: bool,
    changed: bool,
    /// How far it had read.
    position: Offset,
    /// When the last commit of this session was.
    committed: Option<Duration>,
    /// The greatest ordinal handed out.
    pub(super) ordinal: u64,
}

impl Session {
    /// A commit is durable.
    pub(super) fn tell_committed(&mut self, supervisor: &Supervisor) {
        self.teller.committed = Some(supervisor.setup.client.clock().elapsed());
        self.tell(supervisor);
    }

    /// Something changed that is worth telling, now or when a second is over.
    pub(super) fn tell(&mut self, supervisor: &Supervisor) {
        self.teller.changed = true;
        if self.teller.pending {
            return;
        }
        self.teller.pending = true;
        let clock = Arc::clone(supervisor.setup.client.clock());
        let wait = self.teller.told.map_or(Duration::ZERO, |told| (told + INTERVAL).saturating_sub(clock.elapsed()));
        if wait.is_zero() {
            return self.tell_now(supervisor);
        }
        self.later.push(Box::pin(async move {
            clock.sleep(wait).await;
            Ok(Later::Tell)
        }));
    }

    /// It is time to tell.
    pub(super) fn tell_now(&mut self, supervisor: &Supervisor) {
        self.teller.changed = false;
        self.teller.position = self.former.position().offset;
        self.teller.told = Some(supervisor.setup.client.clock().elapsed());
        let tell = self.telling(supervisor, self.state);
        self.later.push(Box::pin(async move {
            tell.await;
            Ok(Later::Told)
        }));
    }

    /// There is nothing to read at present.
    pub(super) fn tell_tail(&mut self, supervisor: &Supervisor) {
        if self.teller.position < self.former.position().offset {
            self.tell(supervisor);
        }
    }

    /// The last status is told.
    pub(super) fn told(&mut self, supervisor: &Supervisor) {
        self.teller.pending = false;
        if self.teller.changed {
            self.tell(supervisor);
        }
    }

    /// Tells the status as it is now, in that state.
    pub(super) fn telling(
        &self,
        supervisor: &Supervisor,
        state: ConsumerState,
    ) -> impl Future<Output = ()> + Send + use<> {
        let setup = &supervisor.setup;
        let (client, partition, group) = (setup.client.clone(), setup.partition.clone(), setup.group.clone());
        let summary = supervisor.stats.summary();
        let position = self.former.position();
        let ended = self.counters.total().saturating_sub(self.counters.dropped).saturating_add(self.former.dropped());
        let lag = position.count.saturating_sub(self.start.count).saturating_sub(ended);
        let lag = self.timer.is_at_tail().then_some(lag);
        let waits_for = (!self.ending).then(|| self.former.explain().to_string());
        let since_commit = self.teller.committed.map(|committed| client.clock().elapsed().saturating_sub(committed));
        let (member, ordinal) = (self.membership.id().to_string(), self.teller.ordinal);
        let oldest_out = self.out.keys().next().copied().into_iter().chain(self.ladder.first()).min();
        async move {
            let Ok(now) = client.storage().now().await else { return };
            let status = GroupStatus {
                partition: partition.index,
                member,
                state,
                position: position.offset,
                ordinal,
                oldest_out,
                windows: summary.windows,
                messages: summary.messages,
                failures: summary.failures,
                dead: summary.dead,
                lag,
                waits_for,
                committed: since_commit.map(|since| now.minus(since)),
                told: now,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            status::tell(&client, &partition, &group, &status).await;
        }
    }
}
