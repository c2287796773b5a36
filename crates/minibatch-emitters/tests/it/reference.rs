//! Windows by event time against their definition, told another way: every message looked at for every window.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use minibatch_core::{
    ProducerId, Slot, Strategy as WindowStrategy, Timestamp,
    checkpoint::DecisionKind,
    chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    storage::Position,
    window::Reason,
};
use minibatch_emitters::{EventTime, SessionWindow, TimeWindow};
use proptest::{collection::vec, prelude::*};

/// When messages happened, appended all at once.
fn events() -> impl Strategy<Value = Vec<i64>> {
    vec(0i64..60, 0..60)
}

fn event_time(out_of_order: i64) -> EventTime {
    let time = EventTime::of(|millis: &i64| Timestamp::from_millis(*millis));
    time.out_of_order(Duration::from_millis(out_of_order.unsigned_abs()))
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

/// The windows by start and end, each with the numbers of its messages; late ones under `None`.
type Windows = BTreeMap<Option<(i64, i64)>, Vec<usize>>;

fn chunk(events: &[i64]) -> Arc<Chunk> {
    let mut builder = ChunkBuilder::new();
    builder.fill(&Encoded::values(events).unwrap(), 0);
    let producer = ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 1, sequence: 1 };
    let time = Timestamp::from_millis(1_000);
    let record = Record { slot: Slot::FIRST, kind: RecordKind::Data, producer, time, payload: builder.finish() };
    Chunk::open(&record, time).unwrap()
}

fn formed(strategy: &dyn WindowStrategy, events: &[i64]) -> Windows {
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    if !events.is_empty() {
        driver.feed(&chunk(events), 0, u32::MAX, &mut out).unwrap();
    }
    driver.decide(DecisionKind::Drain, &mut out).unwrap();
    let mut windows = Windows::new();
    for window in out {
        let bounds = (window.bounds.start.as_millis(), window.bounds.end.as_millis());
        let members = window.members.iter().map(|message| message.offset().index() as usize);
        if window.reason == Reason::Late {
            windows.entry(None).or_default().extend(members);
        } else {
            assert!(windows.insert(Some(bounds), members.collect()).is_none(), "a window came twice");
        }
    }
    windows
}

proptest! {
    #[test]
    fn a_message_is_in_every_window_that_is_open(
        events in events(),
        (size, step) in (1i64..20).prop_flat_map(|size| (Just(size), 1..=size)),
        out_of_order in 0i64..20,
    ) {
        let mut expected = Windows::new();
        let mut late = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let watermark = events[..number].iter().map(|before| before - out_of_order).max();
            let starts = (-40..70).map(|k| k * step).filter(|start| (*start..start + size).contains(event));
            let open = starts.filter(|start| watermark.is_none_or(|watermark| start + size > watermark));
            let open: Vec<i64> = open.collect();
            if open.is_empty() {
                late.push(number);
            }
            for start in open {
                expected.entry(Some((start, start + size))).or_default().push(number);
            }
        }
        let strategy = TimeWindow::sliding(millis(size), millis(step)).event_time(event_time(out_of_order));
        if !late.is_empty() {
            expected.insert(None, late);
        }
        prop_assert_eq!(formed(&strategy, &events), expected);
    }

    #[test]
    fn a_session_is_what_lies_close_together(
        events in events(),
        gap in 1i64..6,
        longer in prop_oneof![Just(1_000i64), 0i64..10],
    ) {
        let max_length = gap + longer;
        // none is late
        let strategy = SessionWindow::new(millis(gap)).max_length(millis(max_length)).event_time(event_time(100));
        let mut sorted: Vec<(i64, usize)> = events.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let mut expected: Vec<((i64, i64), Vec<usize>)> = Vec::new();
        for (event, number) in sorted {
            match expected.last_mut() {
                Some(((start, end), members)) if event < *end => {
                    *end = (event + gap).min(*start + max_length);
                    members.push(number);
                }
                _ => expected.push(((event, event + gap), vec![number])),
            }
        }
        expected.iter_mut().for_each(|(_, members)| members.sort_unstable());
        let expected: Windows = expected.into_iter().map(|(bounds, members)| (Some(bounds), members)).collect();
        prop_assert_eq!(formed(&strategy, &events), expected);
    }
}
