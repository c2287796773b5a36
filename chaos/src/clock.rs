//! The one module that reads the time and lets it pass: faults last a while, and recovery is measured.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What the machine's clock shows, in microseconds since the epoch: the same for all its processes.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// For what has no event to wait for: how long a fault lasts, and when in an operation it strikes.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub(crate) fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
