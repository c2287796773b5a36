//! What can be set of a client.

use std::time::Duration;

/// What can be set of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How long after its last heartbeat the work of this process is taken over by others at the latest. 10 s.
    pub member_ttl: Duration,
    /// How long an append waits for a verdict before it gives [`Unavailable`](minibatch_core::Cause::Unavailable); it may
    /// still happen. 60 s.
    pub append_timeout: Duration,
    /// How long an append waits for others to share its chunk. 0: it shares only with those that come while an append
    /// is in flight.
    pub linger: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { member_ttl: Duration::from_secs(10), append_timeout: Duration::from_secs(60), linger: Duration::ZERO }
    }
}

impl ClientOptions {
    /// How often a member looks at the others, and at who holds what it waits for: an owner that dies wakes nobody.
    pub(crate) fn look_interval(&self) -> Duration {
        (self.member_ttl / 10).min(Duration::from_secs(1))
    }

    /// How long a heartbeat is good for: whoever looks then finds the work free in time.
    pub(crate) fn heartbeat_ttl(&self) -> Duration {
        self.member_ttl.saturating_sub(self.look_interval())
    }

    /// With another [`ClientOptions::member_ttl`].
    #[must_use]
    pub fn with_member_ttl(mut self, ttl: Duration) -> Self {
        self.member_ttl = ttl;
        self
    }

    /// With another [`ClientOptions::append_timeout`].
    #[must_use]
    pub fn with_append_timeout(mut self, timeout: Duration) -> Self {
        self.append_timeout = timeout;
        self
    }

    /// With another [`ClientOptions::linger`].
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }
}
