//! Asking again until something is so. The only module that waits by the clock.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// Pauses between attempts, longer each time, until a deadline.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    deadline: Instant,
}

impl Pauses {
    /// Attempts for so long.
    pub(crate) fn within(patience: Duration) -> Self {
        Self { next: FIRST, deadline: Instant::now() + patience }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Pauses before the next attempt; `false` when there is no time for one.
    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that pauses between attempts")]
    pub(crate) async fn again(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.next.min(left)).await;
        self.next = (self.next * 2).min(LONGEST);
        true
    }
}
