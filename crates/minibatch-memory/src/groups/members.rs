//! Who is alive: each member until so long after its last heartbeat.

use std::{collections::HashMap, time::Duration};

use minibatch_core::MemberId;

/// The members and when each dies, by the steady clock.
#[derive(Default)]
pub(crate) struct Members(HashMap<MemberId, Duration>);

impl Members {
    pub(super) fn join(&mut self, member: MemberId, dies_at: Duration) {
        self.0.insert(member, dies_at);
    }

    /// `false` for one that is not a member any more.
    pub(super) fn heartbeat(&mut self, member: &MemberId, dies_at: Duration) -> bool {
        self.0.get_mut(member).map(|known| *known = dies_at).is_some()
    }

    pub(super) fn leave(&mut self, member: &MemberId) {
        self.0.remove(member);
    }

    pub(super) fn lives(&self, member: &MemberId, now: Duration) -> bool {
        self.0.get(member).is_some_and(|dies_at| now < *dies_at)
    }

    /// True for a living member. One that is found dead is a member no longer: its next heartbeat says so.
    pub(super) fn is_alive(&mut self, member: &MemberId, now: Duration) -> bool {
        let alive = self.lives(member, now);
        if !alive {
            self.0.remove(member);
        }
        alive
    }
}
