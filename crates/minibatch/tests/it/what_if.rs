//! What strategies would have made of a recorded stream, on every storage the same.

use std::{sync::Arc, time::Duration};

use minibatch::{
    BatchWindow, Cause, Client, ClientOptions, CountWindow, EventTime, SessionWindow, StreamOptions, TimeWindow,
    Timestamp, WhatIf, WhatIfReport, prelude::*, testing::ManualClock,
};

use crate::stores::{self, Store};

/// What the messages' own times count from.
const EPOCH: Timestamp = Timestamp::EPOCH;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Thirty numbers, recorded within a second, three each 50 ms, with a pause of 500 ms in the middle; and when the first was.
async fn recorded(store: &Store) -> (Stream<u64>, Timestamp) {
    store.mb.stream::<u64>("numbers").await.unwrap();
    // within the bounds that a server, which stamps in whole seconds, sets to a producer's clock
    let first = store.mb.storage().now().await.unwrap().minus(millis(1_500));
    let clock = Arc::new(ManualClock::new(first));
    let (storage, given) = (Arc::clone(store.mb.storage()), Arc::<ManualClock>::clone(&clock));
    let recorder = Client::with_options(storage, given, ClientOptions::default());
    let stream = recorder.stream("numbers").await.unwrap();
    for number in (0_u64..30).step_by(3) {
        stream.append_many(&[number, number + 1, number.saturating_sub(9)]).await.unwrap();
        clock.advance(millis(if number == 12 { 500 } else { 50 }));
    }
    (store.mb.stream("numbers").await.unwrap(), first)
}

fn compared(what_if: WhatIf) -> WhatIf {
    let happened = EventTime::of(|number: &u64| EPOCH.plus(millis(number * 1_000))).never_idle();
    what_if
        .strategy("count", CountWindow::new(7))
        .strategy("batch", BatchWindow::new().size(5).max_wait(millis(80)))
        .strategy("session", SessionWindow::new(millis(300)))
        .strategy("tumbling", TimeWindow::tumbling(millis(10_000)).event_time(happened))
}

async fn report(store: &Store) -> WhatIfReport {
    let (stream, first) = recorded(store).await;
    let report = compared(WhatIf::over(&stream, ..)).report().await.unwrap();
    assert_eq!(compared(WhatIf::over(&stream, first..)).report().await.unwrap(), report, "also from its first instant");
    assert!(stream.groups().await.unwrap().is_empty(), "nothing is written");

    // the first five chunks, and the pause after them
    let part = compared(WhatIf::over(&stream, first..first.plus(millis(700)))).report().await.unwrap();
    let [count, batch, session, _] = &part.strategies[..] else { panic!("{part}") };
    assert_eq!((part.messages, part.span_millis), (15, 200));
    assert_eq!((count.windows, count.left_open.messages), (2, 1));
    assert_eq!((batch.messages, batch.left_open.windows), (15, 0));
    assert_eq!((session.windows, session.wait_millis.unwrap().min), (1, 300));
    let chunk =
        compared(WhatIf::over(&stream, first.plus(millis(50))..=first.plus(millis(50)))).report().await.unwrap();
    assert_eq!((chunk.messages, chunk.span_millis), (3, 0));
    let none = compared(WhatIf::over(&stream, first.plus(millis(5_000))..)).report().await.unwrap();
    assert_eq!((none.messages, none.strategies[0].size), (0, None));
    report
}

async fn expected() -> WhatIfReport {
    let stores = stores::all().await;
    let expected = report(&stores[0]).await;
    let [count, batch, session, tumbling] = &expected.strategies[..] else { panic!("{expected}") };
    assert_eq!((expected.messages, expected.span_millis), (30, 900));
    assert_eq!((count.windows, count.messages, count.left_open.messages), (4, 28, 2));
    assert_eq!((batch.reasons["count"], batch.wait_millis.unwrap().max), (4, 80), "{expected}");
    assert_eq!((session.reasons["gap"], session.left_open.messages), (1, 15));
    assert_eq!((tumbling.late, tumbling.dropped), (7, 0), "{expected}");
    expected
}

#[tokio::test]
async fn on_every_storage_the_same() {
    let expected = expected().await;
    for store in stores::all().await {
        assert_eq!(report(&store).await, expected);
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn on_mongodb_the_same() {
    let Some(store) = stores::mongo("what_if").await else { return };
    assert_eq!(report(&store).await, expected().await);
}

#[tokio::test]
async fn partitions_are_counted_together() {
    let mb = Minibatch::connect("memory:").await.unwrap();
    let stream = mb.stream_with::<u64>("numbers", &StreamOptions::default().with_partitions(3)).await.unwrap();
    for _ in 0..3 {
        stream.append_many(&[1, 2, 3, 4, 5]).await.unwrap();
    }
    let report = WhatIf::over(&stream, ..).strategy("pairs", CountWindow::new(2)).report().await.unwrap();
    let pairs = &report.strategies[0];
    assert_eq!((report.messages, pairs.windows, pairs.left_open.windows), (15, 6, 3));
}

#[tokio::test]
async fn a_strategy_that_makes_no_sense_is_refused() {
    let mb = Minibatch::connect("memory:").await.unwrap();
    let stream = mb.stream::<u64>("numbers").await.unwrap();
    let what_if = WhatIf::over(&stream, ..).strategy("good", CountWindow::new(2)).strategy("none", CountWindow::new(0));
    let refused = what_if.report().await.unwrap_err();
    assert!(matches!(refused.cause(), Cause::InvalidWindow { .. }), "{refused}");
}
