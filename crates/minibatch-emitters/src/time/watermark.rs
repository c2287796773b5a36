//! How far event time has got.

use minibatch_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The rule by which a watermark follows the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// How much a message may be behind the newest one.
    pub(super) out_of_order: i64,
    /// How long nothing comes before event time goes on without messages; `None` for never.
    pub(super) idle_after: Option<i64>,
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
        let mark = self.mark?;
        let idle = pace.idle_after.map_or(0, |after| now.as_millis().saturating_sub(self.seen).saturating_sub(after));
        Some(Timestamp::from_millis(mark.saturating_add(idle.max(0))))
    }

    /// A message came that says nothing of event time.
    pub(super) fn saw_any(&mut self, append_time: Timestamp, pace: Pace) {
        self.mark = self.at(append_time, pace).map(Timestamp::as_millis);
        self.seen = append_time.as_millis();
    }

    /// A message of that event time came.
    pub(super) fn saw(&mut self, event_time: Timestamp, append_time: Timestamp, pace: Pace) {
        self.saw_any(append_time, pace);
        self.mark = self.mark.max(Some(event_time.as_millis().saturating_sub(pace.out_of_order)));
    }

    /// The log time at which it gets there if nothing more comes; `None` if never.
    pub(super) fn reaches(&self, event_time: Timestamp, pace: Pace) -> Option<Timestamp> {
        let missing = event_time.as_millis().saturating_sub(self.mark?).max(0);
        let reached = self.seen.saturating_add(pace.idle_after?).saturating_add(missing);
        Some(Timestamp::from_millis(reached))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const PACE: Pace = Pace { out_of_order: 5, idle_after: Some(20) };

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
