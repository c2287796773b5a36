//! Hours, days, weeks and months of a time zone.

use std::{fmt, time::Duration};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use minibatch_core::{Timestamp, window::Bounds};

use super::day_parts::DayParts;

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CalendarUnit {
    /// From one full hour of local time to the next. Where clocks are changed by half an hour, one is that much longer or
    /// shorter.
    Hour,
    /// From the first instant of a local date to that of the next: 23, 24 or 25 hours where clocks are changed by one.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

/// A unit in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(super) unit: CalendarUnit,
    pub(super) zone: Tz,
}

impl Calendar {
    /// The unit around an instant; `None` outside of what chrono can say (about 262,000 years either way).
    pub(super) fn around(&self, time: Timestamp) -> Option<Bounds> {
        if self.unit == CalendarUnit::Hour {
            return DayParts::hours(self.zone).around(time);
        }
        let (start, end) = self.dates(time.to_datetime()?)?;
        Some(Bounds::new(start.into(), end.into()))
    }

    /// The first date of the unit around a date.
    fn first(&self, date: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            CalendarUnit::Hour | CalendarUnit::Day => Some(date),
            CalendarUnit::Week => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
            CalendarUnit::Month => date.with_day(1),
        }
    }

    fn next(&self, first: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            CalendarUnit::Hour | CalendarUnit::Day => first.succ_opt(),
            CalendarUnit::Week => first.checked_add_days(Days::new(7)),
            CalendarUnit::Month => first.checked_add_months(Months::new(1)),
        }
    }

    fn dates(&self, time: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let date = time.with_timezone(&self.zone).date_naive();
        let first = self.first(date)?;
        let next = self.next(first)?;
        let (start, end) = (self.midnight(first)?, self.midnight(next)?);
        // where clocks are set back over midnight, the date before comes once more: that is of the new date
        if time >= end { Some((end, self.midnight(self.next(next)?)?)) } else { Some((start, end)) }
    }

    /// The first instant of a date. Where clocks skip midnight it is the first one after it.
    fn midnight(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let midnight = date.and_time(NaiveTime::MIN);
        // in quarters of an hour, as all changes of clocks are
        let instants = (0..=96).map(|quarter| midnight + Duration::from_mins(15 * quarter));
        instants.filter_map(|local| self.zone.from_local_datetime(&local).earliest()).next().map(|first| first.to_utc())
    }
}

impl fmt::Display for Calendar {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            CalendarUnit::Hour => "hour",
            CalendarUnit::Day => "day",
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
        };
        write!(f, "{unit} {}", self.zone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse::<DateTime<Utc>>().unwrap().into()
    }

    #[track_caller]
    fn check(unit: CalendarUnit, zone: Tz, time: &str, start: &str, end: &str) {
        let bounds = Calendar { unit, zone }.around(at(time)).unwrap();
        assert_eq!((bounds.start, bounds.end), (at(start), at(end)), "{bounds}");
    }

    #[test]
    fn days_have_as_many_hours_as_the_clocks_say() {
        use CalendarUnit::Day;
        let berlin = Tz::Europe__Berlin;
        check(Day, berlin, "2024-01-15T12:00:00Z", "2024-01-14T23:00:00Z", "2024-01-15T23:00:00Z");
        check(Day, berlin, "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z");
        check(Day, berlin, "2024-10-27T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z");
        // clocks skip midnight
        let santiago = Tz::America__Santiago;
        check(Day, santiago, "2024-09-08T12:00:00Z", "2024-09-08T04:00:00Z", "2024-09-09T03:00:00Z");
        // Samoa had no 30 December 2011
        let apia = Tz::Pacific__Apia;
        check(Day, apia, "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
        check(Day, apia, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        use CalendarUnit::{Month, Week};
        let new_york = Tz::America__New_York;
        check(Week, new_york, "2024-03-10T12:00:00Z", "2024-03-04T05:00:00Z", "2024-03-11T04:00:00Z");
        check(Month, new_york, "2024-02-29T12:00:00Z", "2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z");
        check(Month, new_york, "2024-03-31T12:00:00Z", "2024-03-01T05:00:00Z", "2024-04-01T04:00:00Z");
        check(Month, Tz::UTC, "2023-12-31T23:59:59Z", "2023-12-01T00:00:00Z", "2024-01-01T00:00:00Z");
    }

    #[test]
    fn hours_are_those_of_the_local_clock() {
        use CalendarUnit::Hour;
        check(Hour, Tz::Asia__Kathmandu, "2024-01-01T00:00:00Z", "2023-12-31T23:15:00Z", "2024-01-01T00:15:00Z");
        // the hour from two to three comes twice
        check(Hour, Tz::Europe__Berlin, "2024-10-27T00:30:00Z", "2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z");
        check(Hour, Tz::Europe__Berlin, "2024-10-27T01:30:00Z", "2024-10-27T01:00:00Z", "2024-10-27T02:00:00Z");
        // clocks are changed by half an hour
        let lord_howe = Tz::Australia__Lord_Howe;
        check(Hour, lord_howe, "2024-04-06T15:10:00Z", "2024-04-06T14:00:00Z", "2024-04-06T15:30:00Z");
        check(Hour, lord_howe, "2024-10-05T15:40:00Z", "2024-10-05T14:30:00Z", "2024-10-05T16:00:00Z");
    }

    #[test]
    fn outside_of_the_calendar_there_is_none() {
        let day = Calendar { unit: CalendarUnit::Day, zone: Tz::UTC };
        assert_eq!([Timestamp::MIN, Timestamp::MAX].map(|time| day.around(time)), [None, None]);
    }

    proptest! {
        /// From 1950 to 2050, at any minute: the unit contains its instant, and the next begins where it ends.
        #[test]
        fn each_instant_is_in_one(
            minute in -10_519_200i64..42_076_800,
            zone in 0..chrono_tz::TZ_VARIANTS.len(),
            unit in prop_oneof![
                Just(CalendarUnit::Hour), Just(CalendarUnit::Day), Just(CalendarUnit::Week), Just(CalendarUnit::Month),
            ],
        ) {
            let calendar = Calendar { unit, zone: chrono_tz::TZ_VARIANTS[zone] };
            let time = Timestamp::from_millis(minute * 60_000 + 7);
            let bounds = calendar.around(time).unwrap();
            prop_assert!(bounds.contains(time), "{calendar} {time} {bounds}");
            for inside in [bounds.start, Timestamp::from_millis(bounds.end.as_millis() - 1)] {
                prop_assert_eq!(calendar.around(inside), Some(bounds), "{} {}", calendar, inside);
            }
            prop_assert_eq!(calendar.around(bounds.end).unwrap().start, bounds.end, "{} {}", calendar, time);
        }
    }
}
