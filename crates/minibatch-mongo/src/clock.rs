//! The system's clock. The only module that reads the ambient one.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use minibatch_core::{Clock, Timestamp};

/// How far the wall clock must run ahead of the steady one to mean that the machine was suspended.
const SUSPENSION: Duration = Duration::from_millis(500);

/// A clock whose steady time also counts what the machine slept through.
///
/// `Instant` stands still during suspension on Linux (`CLOCK_MONOTONIC`) and macOS. The wall clock does not: where it
/// ran clearly ahead between two readings, its step counts. A wall clock put forward counts too, which only makes what
/// depends on the age of something more careful; one put back changes nothing.
pub(crate) struct SystemClock(Mutex<Reading>);

struct Reading {
    steady: Instant,
    wall: SystemTime,
    elapsed: Duration,
}

impl Reading {
    fn advance(&mut self, steady: Instant, wall: SystemTime) -> Duration {
        let passed = steady.saturating_duration_since(self.steady);
        let on_the_wall = wall.duration_since(self.wall).unwrap_or_default();
        self.elapsed += if on_the_wall > passed + SUSPENSION { on_the_wall } else { passed };
        self.steady = steady.max(self.steady);
        self.wall = wall;
        self.elapsed
    }
}

#[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Reading { steady: Instant::now(), wall: SystemTime::now(), elapsed: Duration::ZERO }))
    }
}

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp::EPOCH.plus(after),
            Err(before) => Timestamp::EPOCH.minus(before.duration()),
        }
    }

    fn elapsed(&self) -> Duration {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.advance(Instant::now(), SystemTime::now())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant to count from")]
    fn suspension_counts_and_a_wall_put_back_does_not() {
        let (steady, wall) = (Instant::now(), SystemTime::now());
        let second = Duration::from_secs(1);
        let mut reading = Reading { steady, wall, elapsed: Duration::ZERO };
        assert_eq!(reading.advance(steady + second, wall + second), second);
        // suspended for a minute, of which the steady clock saw nothing
        assert_eq!(reading.advance(steady + second, wall + 61 * second), 61 * second);
        assert_eq!(reading.advance(steady + 2 * second, wall), 62 * second);
    }
}
