//! Trying again: pauses that grow, with jitter, until an operation's patience is over.

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use minibatch_core::Clock;

use crate::{client::Client, database::Failure};

const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(500);

/// The attempts of one operation.
pub(crate) struct Attempts<'a> {
    clock: &'a dyn Clock,
    deadline: Duration,
    pauses: ExponentialBackoff,
}

impl Attempts<'_> {
    /// Pauses before the next attempt; `false` when there is no time left for one.
    pub(crate) async fn again(&mut self) -> bool {
        let pause = self.pauses.next().unwrap_or(LONGEST);
        if self.clock.elapsed() + pause > self.deadline {
            return false;
        }
        self.clock.sleep(pause).await;
        true
    }
}

impl Client {
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(self.seed())
            .build();
        Attempts { clock: self.clock(), deadline: self.clock().elapsed() + self.options().patience, pauses }
    }

    /// Repeats what does no harm when it is done twice, until it has an outcome other than "unclear" or "not now".
    pub(crate) async fn settle<T, F>(&self, operation: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempts = self.attempts();
        loop {
            match operation().await {
                Err(Failure::NotApplied(_) | Failure::Indeterminate(_)) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }
}
