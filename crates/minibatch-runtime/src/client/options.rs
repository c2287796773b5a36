//! What can be set of a client.

use std::time::Duration;

/// What can be set of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How long after its last heartbeat this process is taken for dead, and its work taken over. 10 s.
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
