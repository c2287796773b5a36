//! A clock that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use minibatch_core::{Clock, Timestamp};
use tokio::sync::watch;

/// A [`Clock`] that a test moves by hand: nothing happens in between.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use minibatch_core::{Clock, Timestamp};
/// use minibatch_testkit::clock::ManualClock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
/// let sleeper = tokio::spawn({
///     let clock = Arc::clone(&clock);
///     async move { clock.sleep(Duration::from_secs(3600)).await }
/// });
/// clock.sleepers(1).await;
/// clock.advance(Duration::from_secs(3600));
/// sleeper.await.unwrap();
/// assert_eq!(clock.now(), Timestamp::from_millis(3_600_000));
/// # }
/// ```
#[derive(Debug)]
pub struct ManualClock {
    time: watch::Sender<Time>,
    sleeping: watch::Sender<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Time {
    wall: Timestamp,
    steady: Duration,
}

impl ManualClock {
    /// A clock whose wall shows `wall`, and whose steady time is 0.
    #[must_use]
    pub fn new(wall: Timestamp) -> Self {
        let time = Time { wall, steady: Duration::ZERO };
        Self { time: watch::Sender::new(time), sleeping: watch::Sender::new(0) }
    }

    /// Lets so much time pass, on the wall and on the steady clock, and wakes whoever has slept enough.
    pub fn advance(&self, duration: Duration) {
        self.time.send_modify(|time| {
            time.wall = time.wall.plus(duration);
            time.steady += duration;
        });
    }

    /// Puts the wall clock forward or back; the steady time goes on as if nothing had happened, and nobody wakes.
    pub fn set(&self, wall: Timestamp) {
        self.time.send_modify(|time| time.wall = wall);
    }

    /// Returns once at least `count` sleeps are under way: what is advanced from then on counts for them.
    pub async fn sleepers(&self, count: usize) {
        // the sender lives as long as `self`: there is nothing else to wait for
        let _ = self.sleeping.subscribe().wait_for(|sleeping| *sleeping >= count).await;
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time.borrow().wall
    }

    fn elapsed(&self) -> Duration {
        self.time.borrow().steady
    }

    async fn sleep(&self, duration: Duration) {
        let mut time = self.time.subscribe();
        let wake_at = time.borrow_and_update().steady.saturating_add(duration);
        let _asleep = Asleep::new(&self.sleeping);
        let _ = time.wait_for(|time| time.steady >= wake_at).await;
    }
}

/// Counted among the sleepers until it ends or is dropped.
struct Asleep<'a>(&'a watch::Sender<usize>);

impl<'a> Asleep<'a> {
    fn new(sleeping: &'a watch::Sender<usize>) -> Self {
        sleeping.send_modify(|count| *count += 1);
        Self(sleeping)
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
