//! Waiting between attempts: exponential, with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use minibatch_core::{Clock, Error, ErrorKind};

/// How long to wait before the next attempt: from `first`, doubling up to `max`, each with up to its length of jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    /// 100 ms up to 30 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(30) }
    }
}

impl Backoff {
    pub(crate) fn waits(self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_delay(self.max)
            .with_jitter()
            .without_max_times()
            .build()
    }

    /// The wait before attempt `attempt` (from 2 on).
    pub(crate) fn before(self, attempt: u32) -> Duration {
        let index = attempt.saturating_sub(2) as usize;
        self.waits().nth(index.min(32)).unwrap_or(self.max)
    }
}

/// Repeats a storage call until it has a verdict. Every storage call is safe to repeat unchanged.
pub(crate) async fn until_verdict<T, F>(
    clock: &dyn Clock,
    operation: &'static str,
    mut call: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut waits = Backoff { first: Duration::from_millis(20), max: Duration::from_secs(2) }.waits();
    loop {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Retry => {
                tracing::warn!(operation, %error, "storage gave no verdict, repeating");
                clock.sleep(waits.next().unwrap_or(Duration::from_secs(2))).await;
            }
            verdict => return verdict.map_err(|error| error.during(operation)),
        }
    }
}
