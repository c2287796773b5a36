//! How far event time has got.

use std::time::Duration;

use minibatch_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The rule by which a watermark follows the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How much a message may be behind the newest one.
    pub(super) out_of_order: Duration,
    /// How long nothing comes before event time goes on without messages; `None` for never.
    pub(super) idle_after: Option<Duration>,
}

/// All messages of event times before it are taken to have come. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watermark {
    /// Where it was with the last message, in milliseconds; `None` before the first.
    mark: Option<i64>,
    /// The append time of the last message, in milliseconds.
    seen: i64,
}

impl Watermark {
    /// Where it is at a log time: from some time after the last message on, event time goes on as log time does.
    pub(super) fn at(&self, now: Timestamp, pace: Pace) -> Option<Timestamp> {
        let mark = Timestamp::from_millis(self.mark?);
        let idle = pace.idle_after.map_or(Duration::ZERO, |after| now.since(self.seen()).saturating_sub(after));
        Some(mark.plus(idle))
    }

    /// A message came that says nothing of event time.
    pub(super) fn saw_any(&mut self, append_time: Timestamp, pace: Pace) {
        self.mark = self.at(append_time, pace).map(Timestamp::as_millis);
        self.seen = append_time.as_millis();
    }

    /// A message of that event time came.
    pub(super) fn saw(&mut self, event_time: Timestamp, append_time: Timestamp, pace: Pace) {
        self.saw_any(append_time, pace);
        self.mark = self.mark.max(Some(event_time.minus(pace.out_of_order).as_millis()));
    }

    /// The log time at which it gets there if nothing more comes; `None` if never.
    pub(super) fn reaches(&self, event_time: Timestamp, pace: Pace) -> Option<Timestamp> {
        let missing = event_time.since(Timestamp::from_millis(self.mark?));
        Some(self.seen().plus(pace.idle_after?).plus(missing))
    }

    fn seen(&self) -> Timestamp {
        Timestamp::from_millis(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const PACE: Pace = Pace { out_of_order: Duration::from_millis(5), idle_after: Some(Duration::from_millis(20)) };

    #[test]
    fn it_follows_the_newest_message_at_a_distance() {
        let mut watermark = Watermark::default();
        assert_eq!((watermark.at(at(1_000), PACE), watermark.reaches(at(0), PACE)), (None, None));
        watermark.saw(at(100), at(1_000), PACE);
        watermark.saw(at(60), at(1_010), PACE);
        assert_eq!(watermark.at(at(1_010), PACE), Some(at(95)));
    }

    #[test]
    fn without_messages_it_goes_on_after_a_while() {
        let mut watermark = Watermark::default();
        watermark.saw(at(100), at(1_000), PACE);
        assert_eq!(watermark.at(at(1_020), PACE), Some(at(95)));
        assert_eq!(watermark.at(at(1_027), PACE), Some(at(102)));
        assert_eq!(watermark.reaches(at(102), PACE), Some(at(1_027)));
        watermark.saw(at(90), at(1_027), PACE);
        assert_eq!(watermark.at(at(1_027), PACE), Some(at(102)), "it does not go back");
        let never = Pace { idle_after: None, ..PACE };
        assert_eq!((watermark.at(Timestamp::MAX, never), watermark.reaches(at(200), never)), (Some(at(102)), None));
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_comes_when_it_was_said(
            messages in vec((0i64..1_000, 0u64..50), 1..40),
            target in 0i64..2_000,
        ) {
            let (mut watermark, mut now, mut before) = (Watermark::default(), at(0), None);
            for (event_time, pause) in messages {
                now = now.plus(millis(pause));
                prop_assert!(watermark.at(now, PACE) >= before);
                watermark.saw(at(event_time), now, PACE);
                prop_assert!(watermark.at(now, PACE) >= before.max(Some(at(event_time - 5))));
                before = watermark.at(now, PACE);
            }
            let comes = watermark.reaches(at(target), PACE).unwrap();
            prop_assert!(watermark.at(comes, PACE) >= Some(at(target)));
            if before < Some(at(target)) {
                prop_assert!(watermark.at(comes.minus(millis(1)), PACE) < Some(at(target)));
            }
        }
    }
}
