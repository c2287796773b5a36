//! Durations as the log counts time: whole milliseconds, at least one.

use std::{fmt, time::Duration};

use minibatch_core::{Cause, Error, Timestamp};

/// A duration in whole milliseconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis(i64);

impl Millis {
    pub(crate) const HOUR: Self = Self(3_600_000);
    pub(crate) const DAY: Self = Self(24 * Self::HOUR.0);

    /// # Errors
    /// [`Cause::InvalidWindow`] for nothing, for parts of a millisecond, and for more than 63 bits of them.
    pub(crate) fn new(duration: Duration) -> Result<Self, Error> {
        if duration.is_zero() {
            return Err(Cause::invalid_window("a duration is at least one millisecond").into());
        }
        if !duration.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(
                Cause::invalid_window("a duration is in whole milliseconds, as the times of the log are").into()
            );
        }
        let overflow = |_| Cause::invalid_window("a duration has at most 63 bits of milliseconds").into();
        i64::try_from(duration.as_millis()).map(Self).map_err(overflow)
    }

    /// This long after `time`, at most [`Timestamp::MAX`].
    pub(crate) fn after(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.as_millis().saturating_add(self.0))
    }

    /// This long before `time`, at least [`Timestamp::MIN`].
    pub(crate) fn before(self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.as_millis().saturating_sub(self.0))
    }

    /// The last multiple of this, counted from the epoch, that is not after `time`.
    pub(crate) fn floor(self, time: Timestamp) -> Timestamp {
        self.floor_from(time, Timestamp::EPOCH)
    }

    /// The last multiple of this, counted from `origin`, that is not after `time`.
    pub(crate) fn floor_from(self, time: Timestamp, origin: Timestamp) -> Timestamp {
        let millis = time.as_millis();
        // as the origin's distance from a multiple does not overflow
        let past = (millis.rem_euclid(self.0) - origin.as_millis().rem_euclid(self.0)).rem_euclid(self.0);
        Timestamp::from_millis(millis.saturating_sub(past))
    }

    /// Whether the other is a multiple of this.
    pub(crate) fn divides(self, other: Self) -> bool {
        other.0 % self.0 == 0
    }

    /// The longest duration of which both are multiples.
    pub(crate) fn common(self, other: Self) -> Self {
        let (mut a, mut b) = (self.0, other.0);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self(a)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use minibatch_core::ErrorKind;

    use super::*;

    #[test]
    fn only_what_the_log_can_tell_apart() {
        assert_eq!(Millis::new(Duration::from_millis(1)).unwrap().to_string(), "1ms");
        assert_eq!(Millis::new(Duration::from_hours(24)).unwrap(), Millis::DAY);
        for bad in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1_500), Duration::MAX] {
            assert_eq!(Millis::new(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn multiples_are_counted_from_the_epoch() {
        let floor = |millis| Millis(5).floor(Timestamp::from_millis(millis)).as_millis();
        assert_eq!([-6, -5, -1, 0, 4, 5, 9].map(floor), [-10, -5, -5, 0, 0, 5, 5]);
        assert_eq!(floor(i64::MIN), i64::MIN);
        assert_eq!(Millis(5).after(Timestamp::MAX), Timestamp::MAX);
    }
}
