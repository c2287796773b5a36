//! The clocks: the only module of this crate that reads the ambient ones, or pauses a thread.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use minibatch_core::{Clock, Timestamp};

/// How far a record's time may be before the storage's clock: the bound of `clamp_time`.
const AHEAD: Duration = Duration::from_secs(1);

/// The machine's wall clock, or a given one.
pub(crate) struct Wall {
    given: Option<Arc<dyn Clock>>,
    /// The latest time of a record that this storage has written or read.
    latest: AtomicI64,
}

impl Wall {
    pub(crate) fn new(given: Option<Arc<dyn Clock>>) -> Self {
        Self { given, latest: AtomicI64::new(Timestamp::MIN.as_millis()) }
    }

    /// The clock itself, which may jump either way.
    pub(crate) fn raw(&self) -> Timestamp {
        self.given.as_ref().map_or_else(system, |clock| clock.now())
    }

    /// The storage's time: the clock's, but never more than a second before a record seen.
    pub(crate) fn now(&self) -> Timestamp {
        stamp(self.raw(), Timestamp::from_millis(self.latest.load(Ordering::Relaxed)))
    }

    /// Takes note of a record's time.
    pub(crate) fn saw(&self, time: Timestamp) {
        self.latest.fetch_max(time.as_millis(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            None => f.write_str("System"),
            Some(clock) => clock.fmt(f),
        }
    }
}

/// What the clock `now` stamps on the record after one of time `previous`: a clock that was set back follows it, so that
/// record times neither go back nor run away from the stamp.
pub(crate) fn stamp(now: Timestamp, previous: Timestamp) -> Timestamp {
    now.max(previous.minus(AHEAD))
}

#[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
fn system() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// True when `changed`, a file's, is so recent that a change after it may still bear the same time.
pub(crate) fn is_fresh(changed: SystemTime) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
    let now = SystemTime::now();
    now.duration_since(changed).is_ok_and(|age| age < Duration::from_millis(50))
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one module of this crate that reads the ambient clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Pauses this thread, which must be one of this crate's own.
#[expect(clippy::disallowed_methods, reason = "other processes cannot say when they let go of a lock")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_follows_the_records_when_the_clock_is_set_back() {
        let wall = Wall::new(None);
        let ahead = wall.raw().plus(Duration::from_secs(3_600));
        assert!(wall.now() < ahead);
        wall.saw(ahead);
        assert_eq!(wall.now(), ahead.minus(Duration::from_secs(1)));
    }
}
