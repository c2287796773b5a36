//! The one module that reads the time and lets it pass: faults last a while, and recovery is measured.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) fn now() -> Instant {
    Instant::now()
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
