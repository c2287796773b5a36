//! Which windows there are in time, whatever the messages.

use std::fmt;

use chrono_tz::Tz;
use minibatch_core::{Cause, Error, Timestamp, window::Bounds};

use super::{
    calendar::{Calendar, CalendarUnit},
    day_parts::DayParts,
};
use crate::millis::Millis;

/// Windows that cover time, each instant by one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intervals {
    /// Each of `size`, one every `step`, which is at most `size`; one begins at `origin`.
    Fixed { size: Millis, step: Millis, pane: Millis, origin: Timestamp },
    /// The units of a calendar.
    Calendar(Calendar),
    /// Parts of local days.
    DayParts(DayParts),
}

impl Intervals {
    /// Side by side: counted from `origin`, or by the clock of a zone.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for an origin in a zone, and a length that does not divide its days.
    pub(crate) fn side_by_side(length: Millis, origin: Timestamp, zone: Option<Tz>) -> Result<Self, Error> {
        let Some(zone) = zone else { return Ok(Self::fixed(length, length, origin)) };
        if origin != Timestamp::EPOCH {
            return Err(Cause::invalid_window("the days of a zone have their own origin").into());
        }
        if length == Millis::DAY {
            return Ok(Self::Calendar(Calendar { unit: CalendarUnit::Day, zone }));
        }
        let parts = DayParts::new(length, zone).map(Self::DayParts);
        parts.ok_or_else(|| Cause::invalid_window("windows by the clock of a zone divide its days of 24 hours").into())
    }

    pub(crate) fn fixed(size: Millis, step: Millis, origin: Timestamp) -> Self {
        Self::Fixed { size, step, pane: size.common(step), origin }
    }

    /// The window around an instant, the last one where they slide; `None` where a calendar or time itself ends.
    pub(crate) fn around(&self, time: Timestamp) -> Option<Bounds> {
        match self {
            Self::Fixed { size, step, origin, .. } => from_floor(time, *step, *size, *origin),
            Self::Calendar(calendar) => calendar.around(time),
            Self::DayParts(parts) => parts.around(time),
        }
    }

    /// The stretch around an instant that is in the same windows throughout; `None` where a calendar or time itself ends.
    pub(crate) fn pane(&self, time: Timestamp) -> Option<Bounds> {
        match self {
            Self::Fixed { pane, origin, .. } => from_floor(time, *pane, *pane, *origin),
            Self::Calendar(_) | Self::DayParts(_) => self.around(time),
        }
    }

    /// The end of the first window that contains a pane and ends after an instant; `None` where there is none any more.
    pub(crate) fn first_end(&self, pane: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Fixed { size, step, origin, .. } => {
                let start = step.after(step.floor_from(size.before(pane.max(after)), *origin));
                (start <= pane).then(|| size.after(start))
            }
            Self::Calendar(_) | Self::DayParts(_) => self.around(pane).map(|unit| unit.end).filter(|end| *end > after),
        }
    }

    /// The ends of the windows that contain a pane and end after an instant, ascending.
    pub(crate) fn ends(&self, pane: Timestamp, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.first_end(pane, after), move |end| self.first_end(pane, *end))
    }

    /// The start of the window that ends then.
    pub(crate) fn start(&self, end: Timestamp) -> Timestamp {
        match self {
            Self::Fixed { size, .. } => size.before(end),
            Self::Calendar(_) | Self::DayParts(_) => {
                self.around(Timestamp::from_millis(end.as_millis() - 1)).map_or(end, |unit| unit.start)
            }
        }
    }
}

/// As long as `size`, from the last multiple of `step`, counted from `origin`, that is not after an instant; `None` where that
/// is before all time.
fn from_floor(time: Timestamp, step: Millis, size: Millis, origin: Timestamp) -> Option<Bounds> {
    let start = step.floor_from(time, origin);
    (start > Timestamp::MIN).then(|| Bounds::new(start, size.after(start)))
}

impl fmt::Display for Intervals {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { size, step, origin, .. } => {
                write!(f, "{size}")?;
                if step != size {
                    write!(f, ",step={step}")?;
                }
                match origin.as_millis() {
                    0 => Ok(()),
                    origin => write!(f, ",origin={origin}ms"),
                }
            }
            Self::Calendar(calendar) => write!(f, "{calendar}"),
            Self::DayParts(parts) => write!(f, "{parts}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn millis(millis: i64) -> Millis {
        Millis::new(Duration::from_millis(millis.unsigned_abs())).unwrap()
    }

    proptest! {
        /// Against all windows there are, one by one.
        #[test]
        fn a_pane_is_in_the_windows_that_contain_it(
            (size, step) in (1i64..30).prop_flat_map(|size| (Just(size), 1..=size)),
            origin in -20i64..20,
            time in -100i64..100,
            ahead in -10i64..60,
        ) {
            let intervals = Intervals::fixed(millis(size), millis(step), at(origin));
            prop_assert!(intervals.pane(at(time)).unwrap().contains(at(time)));
            let pane = intervals.pane(at(time)).unwrap().start;
            prop_assert!(intervals.around(at(time)).unwrap().contains(at(time)));
            let starts = (-200..200).map(|number| origin + number * step);
            let ends = |instant: i64, after: i64| {
                let contains = move |start: &i64| *start <= instant && instant < *start + size && *start + size > after;
                starts.clone().filter(contains).map(|start| start + size).collect::<Vec<_>>()
            };
            let after = time + ahead;
            prop_assert_eq!(ends(pane.as_millis(), i64::MIN), ends(time, i64::MIN));
            let first = intervals.first_end(pane, at(after));
            prop_assert_eq!(first.map(Timestamp::as_millis), ends(time, after).first().copied());
            let all = intervals.ends(pane, at(after)).map(Timestamp::as_millis);
            prop_assert_eq!(all.collect::<Vec<_>>(), ends(time, after));
            if let Some(end) = first {
                prop_assert_eq!(intervals.start(end).as_millis(), end.as_millis() - size);
            }
        }
    }
}
