//! Parts of a day by the clock on a wall of a time zone.

use std::{fmt, time::Duration};

use chrono::{Offset as _, TimeZone};
use chrono_tz::Tz;
use minibatch_core::{Timestamp, window::Bounds};

use super::calendar::{Calendar, CalendarUnit};
use crate::millis::Millis;

const INSTANT: Duration = Duration::from_millis(1);

/// Local days in parts of one length, which divides 24 hours.
///
/// A part begins whenever the clock shows a multiple of that length, and with the day. So where clocks are changed one part
/// is longer or shorter, and those that the clock shows twice come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayParts {
    length: Millis,
    zone: Tz,
}

impl DayParts {
    /// `None` where the length does not divide a day.
    pub(super) fn new(length: Millis, zone: Tz) -> Option<Self> {
        length.divides(Millis::DAY).then_some(Self { length, zone })
    }

    pub(super) fn hours(zone: Tz) -> Self {
        Self { length: Millis::HOUR, zone }
    }

    /// The part around an instant; `None` outside of what chrono can say.
    pub(super) fn around(&self, time: Timestamp) -> Option<Bounds> {
        let day = Calendar { unit: CalendarUnit::Day, zone: self.zone }.around(time)?;
        let (start, end) = (self.last_shown(time)?, self.next_shown(time)?);
        Some(Bounds::new(start.max(day.start), end.min(day.end)))
    }

    /// The last instant that is not after `time` at which the clock shows a multiple.
    fn last_shown(&self, mut time: Timestamp) -> Option<Timestamp> {
        loop {
            let shown = time.minus(self.past(time)?);
            match self.change(shown, time)? {
                None => return Some(shown),
                Some(change) => time = change.minus(INSTANT),
            }
        }
    }

    /// The first instant after `time` at which the clock shows a multiple.
    fn next_shown(&self, mut time: Timestamp) -> Option<Timestamp> {
        loop {
            let shown = self.length.after(time.minus(self.past(time)?));
            match self.change(time, shown)? {
                None => return Some(shown),
                Some(change) if self.past(change)?.is_zero() => return Some(change),
                Some(change) => time = change,
            }
        }
    }

    /// How far the clock is past a multiple.
    fn past(&self, time: Timestamp) -> Option<Duration> {
        // days are whole multiples
        let local = Timestamp::from_millis(time.as_millis() + self.ahead(time)?);
        Some(local.since(self.length.floor(local)))
    }

    /// The first instant in `(from, to]`, less than a day or so, with the clock set otherwise than at `from`.
    fn change(&self, from: Timestamp, to: Timestamp) -> Option<Option<Timestamp>> {
        let ahead = self.ahead(from)?;
        if self.ahead(to)? == ahead {
            return Some(None);
        }
        let (mut before, mut after) = (from.as_millis(), to.as_millis());
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.ahead(Timestamp::from_millis(middle))? == ahead { before = middle } else { after = middle }
        }
        Some(Some(Timestamp::from_millis(after)))
    }

    /// How many milliseconds the clock is ahead of UTC.
    fn ahead(&self, time: Timestamp) -> Option<i64> {
        let utc = time.to_datetime()?.naive_utc();
        let seconds = self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
        Some(i64::from(seconds) * 1_000)
    }
}

impl fmt::Display for DayParts {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},zone={}", self.length, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().into()
    }

    fn parts(length: Duration, zone: Tz) -> DayParts {
        DayParts::new(Millis::new(length).unwrap(), zone).unwrap()
    }

    /// Checks the instants, in UTC, at which parts begin, from one on.
    #[track_caller]
    fn check(length: Duration, zone: Tz, starts: &[&str]) {
        let parts = parts(length, zone);
        let mut expected = starts.iter().map(|start| at(start));
        let mut time = expected.next().unwrap();
        for start in expected {
            let bounds = parts.around(time).unwrap();
            assert_eq!(bounds, Bounds::new(time, start), "{bounds}");
            assert_eq!(parts.around(start.minus(INSTANT)), Some(bounds));
            time = start;
        }
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn they_go_by_the_clock_on_the_wall() {
        let kathmandu = Tz::Asia__Kathmandu;
        check(6 * HOUR, kathmandu, &["2023-12-31T18:15:00Z", "2024-01-01T00:15:00Z", "2024-01-01T06:15:00Z"]);
        check(HOUR / 4, Tz::UTC, &["2024-01-01T00:00:00Z", "2024-01-01T00:15:00Z"]);
    }

    #[test]
    fn clocks_put_forward() {
        // from two to three on 31 March: 0, 6, 12 and 18 o'clock
        let berlin = Tz::Europe__Berlin;
        let quarters = ["2024-03-30T23:00:00Z", "2024-03-31T04:00:00Z", "2024-03-31T10:00:00Z", "2024-03-31T16:00:00Z"];
        check(6 * HOUR, berlin, &quarters);
        check(HOUR / 2, berlin, &["2024-03-31T00:30:00Z", "2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z"]);
        // two o'clock is not shown
        check(2 * HOUR, berlin, &["2024-03-30T23:00:00Z", "2024-03-31T02:00:00Z", "2024-03-31T04:00:00Z"]);
        // nor is midnight, and a day begins all the same
        let santiago = Tz::America__Santiago;
        check(12 * HOUR, santiago, &["2024-09-07T16:00:00Z", "2024-09-08T04:00:00Z", "2024-09-08T15:00:00Z"]);
    }

    #[test]
    fn clocks_put_back() {
        // from three to two on 27 October: 0, 6, 12 and 18 o'clock
        let berlin = Tz::Europe__Berlin;
        let quarters = ["2024-10-26T22:00:00Z", "2024-10-27T05:00:00Z", "2024-10-27T11:00:00Z", "2024-10-27T17:00:00Z"];
        check(6 * HOUR, berlin, &quarters);
        // 2:30, 2:00 again, 2:30 again, 3:00
        let halves = ["2024-10-27T00:30:00Z", "2024-10-27T01:00:00Z", "2024-10-27T01:30:00Z", "2024-10-27T02:00:00Z"];
        check(HOUR / 2, berlin, &halves);
        // two o'clock is shown twice
        check(2 * HOUR, berlin, &["2024-10-26T22:00:00Z", "2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z"]);
        check(2 * HOUR, berlin, &["2024-10-27T01:00:00Z", "2024-10-27T03:00:00Z"]);
        // at one minute past midnight: its day has begun, and is not over
        let saint_johns = Tz::America__St_Johns;
        let midnights =
            ["2010-11-06T14:30:00Z", "2010-11-07T02:30:00Z", "2010-11-07T03:30:00Z", "2010-11-07T15:30:00Z"];
        check(12 * HOUR, saint_johns, &midnights);
    }

    #[test]
    fn only_what_divides_a_day() {
        let new = |length| DayParts::new(Millis::new(length).unwrap(), Tz::UTC);
        assert!([7 * HOUR, 48 * HOUR, Duration::from_millis(7)].into_iter().all(|length| new(length).is_none()));
        assert!([8 * HOUR, 24 * HOUR, Duration::from_millis(1)].into_iter().all(|length| new(length).is_some()));
    }

    #[test]
    fn outside_of_the_calendar_there_are_none() {
        assert_eq!([Timestamp::MIN, Timestamp::MAX].map(|time| parts(HOUR, Tz::UTC).around(time)), [None, None]);
    }

    proptest! {
        /// From 1950 to 2050: the part contains its instant, the next begins where it ends, both by the clock or the day.
        #[test]
        fn each_instant_is_in_one(
            minute in -10_519_200i64..42_076_800,
            zone in 0..chrono_tz::TZ_VARIANTS.len(),
            minutes in prop::sample::select(&[1u64, 15, 20, 30, 60, 90, 120, 180, 360, 480, 720]),
        ) {
            let parts = parts(Duration::from_mins(minutes), chrono_tz::TZ_VARIANTS[zone]);
            let time = Timestamp::from_millis(minute * 60_000 + 7);
            let bounds = parts.around(time).unwrap();
            prop_assert!(bounds.contains(time), "{parts} {time} {bounds}");
            for inside in [bounds.start, bounds.end.minus(INSTANT)] {
                prop_assert_eq!(parts.around(inside).unwrap(), bounds, "{} {}", parts, inside);
            }
            prop_assert_eq!(parts.around(bounds.end).unwrap().start, bounds.end, "{} {}", parts, time);
            let day = Calendar { unit: CalendarUnit::Day, zone: parts.zone }.around(bounds.start).unwrap();
            prop_assert!(day.start == bounds.start || parts.past(bounds.start).unwrap().is_zero());
        }
    }
}
