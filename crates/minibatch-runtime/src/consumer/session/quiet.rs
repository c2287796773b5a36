//! How long a session goes on without a commit, where it reads nothing that would make it commit.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use minibatch_core::Clock;

/// So long at most: a group that began anew is noticed by then.
const QUIET_MAX: Duration = Duration::from_secs(5);

pub(super) struct Quiet {
    clock: Arc<dyn Clock>,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Quiet {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), timer: None }
    }

    /// Keeps the timer running as long as it is quiet.
    pub(super) fn arm(&mut self, is_quiet: bool) {
        if !is_quiet {
            self.timer = None;
        } else if self.timer.is_none() {
            let clock = Arc::clone(&self.clock);
            self.timer = Some(Box::pin(async move { clock.sleep(QUIET_MAX).await }));
        }
    }

    /// Returns when it was quiet for too long. Cancel safe.
    pub(super) async fn over(&mut self) {
        let Some(timer) = &mut self.timer else { return pending().await };
        timer.await;
        self.timer = None;
    }
}
