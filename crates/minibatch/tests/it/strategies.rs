//! Each strategy from end to end, with a restart in the middle: the same windows as without.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch::{
    AdaptiveWindow, Aggregate, Aggregated, BatchWindow, Bounds, ByKey, CalendarUnit, CountWindow, EventTime, Every,
    FixedTimeWindow, OnExhausted, OnLate, Panes, Pattern, PatternWindow, Reason, Sample, SessionWindow, Strategy,
    StrategyExt, TimeWindow, Timestamp, Tz, prelude::*,
};

use crate::stores::{self, Store};

type Seen = (Vec<i64>, Reason, Bounds);

/// Sixty messages in four chunks, each the hour in which it happened, now and then far behind the one before.
async fn hours(store: &Store) -> Stream<i64> {
    let stream = store.mb.stream("hours").await.unwrap();
    let hours: Vec<i64> = (0..60).map(|number| number - if number % 7 == 6 { number % 4 * 5 } else { 0 }).collect();
    for some in hours.chunks(15) {
        stream.append_many(some).await.unwrap();
    }
    // a group that never reads, so that nothing is trimmed before all others have
    drop(stream.streaming().group("holds").window(CountWindow::new(1)).open().await.unwrap());
    stream
}

fn seen(window: &Window<i64>) -> Seen {
    (window.data.clone(), window.reason, window.bounds)
}

/// All windows from where the group is to the end.
async fn drained(stream: &Stream<i64>, group: &str, strategy: impl Strategy) -> Vec<Seen> {
    let windows = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&windows);
    let consumer = stream.streaming().group(group).window(strategy).on_late(OnLate::Function);
    let drain = consumer.drain(move |window| {
        noted.lock().unwrap().push(seen(&window));
        async {}
    });
    drain.await.unwrap();
    std::mem::take(&mut *windows.lock().unwrap())
}

/// Reads some windows, acknowledges some of these, and is gone; an heir reads the rest.
async fn check(stream: &Stream<i64>, name: &str, strategy: impl Strategy + Clone) {
    let expected = drained(stream, &format!("{name}-whole"), strategy.clone()).await;
    assert!(expected.len() > 4, "{name}: {expected:?}");
    let group = format!("{name}-restarted");
    let consumer = stream.streaming().group(&group).window(strategy.clone()).on_late(OnLate::Function);
    let mut consumer = consumer.open().await.unwrap();
    let mut windows = Vec::new();
    for number in 0..4 {
        let window = consumer.next().await.unwrap().unwrap();
        if number < 2 {
            windows.push(seen(&window));
            window.ack().await.unwrap();
        }
    }
    drop(consumer);
    windows.extend(drained(stream, &group, strategy).await);
    assert_eq!(windows, expected, "{name}");
}

/// The same of values in place of messages.
async fn check_sums(stream: &Stream<i64>, name: &str, sums: Aggregated<i64, i64>) {
    let streaming = |group: &str| stream.streaming().group(group).aggregate(sums.clone());
    let drained = async |group: &str| {
        let mut sums = Vec::new();
        let drain = streaming(group).drain(|window| {
            sums.push((seen(&window), window.folded()));
            async {}
        });
        drain.await.unwrap();
        sums
    };
    let expected = drained(&format!("{name}-whole")).await;
    assert!(expected.len() > 4, "{name}: {expected:?}");
    let group = format!("{name}-restarted");
    let mut consumer = streaming(&group).open().await.unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    let mut windows = vec![(seen(&first), first.folded())];
    first.ack().await.unwrap();
    drop((consumer.next().await.unwrap(), consumer));
    windows.extend(drained(&group).await);
    assert_eq!(windows, expected, "{name}");
}

/// The windows of a strategy that goes by how long the function takes: as large as they had become.
async fn check_adaptive(stream: &Stream<i64>) {
    let strategy = AdaptiveWindow::new(Duration::from_mins(1)).sizes(1..=4);
    let consumer = stream.streaming().group("adaptive").window(strategy.clone());
    let (mut sizes, mut data) = (Vec::new(), Vec::new());
    let taken = Mutex::new((&mut sizes, &mut data));
    let stopped = consumer.max_attempts(1).on_exhausted(OnExhausted::Stop).drain(|window| {
        let mut taken = taken.lock().unwrap();
        let done = taken.0.len() < 7;
        if done {
            taken.0.push(window.len());
            taken.1.extend(window.data);
        }
        async move { if done { Ok(()) } else { Err("stops here") } }
    });
    stopped.await.unwrap_err();
    assert_eq!(sizes, [1, 1, 2, 2, 3, 3, 4], "one is formed while another is out");
    for (more, reason, _) in drained(stream, "adaptive", strategy).await {
        assert!(more.len() == 4 || reason == Reason::Drain, "{more:?}");
        data.extend(more);
    }
    assert_eq!(data, drained(stream, "in-order", CountWindow::new(60)).await[0].0);
}

async fn check_all(store: &Store) {
    const HOUR: Duration = Duration::from_hours(1);
    let stream = hours(store).await;
    let happened = || {
        let time = EventTime::of(|hours: &i64| Timestamp::from_millis(*hours * 3_600_000));
        time.out_of_order(3 * HOUR)
    };
    check(&stream, "count", CountWindow::new(7)).await;
    check(&stream, "count-sliding", CountWindow::sliding(9, 4)).await;
    check(&stream, "batch", BatchWindow::new().size(8).until_value(|hours: &i64| hours % 10 == 0)).await;
    check(&stream, "bytes", BatchWindow::new().bytes(100).max_wait(HOUR).min_size(3)).await;
    check(&stream, "tumbling", TimeWindow::tumbling(5 * HOUR).event_time(happened())).await;
    check(&stream, "sliding", TimeWindow::sliding(8 * HOUR, 3 * HOUR).event_time(happened())).await;
    let half_days = TimeWindow::calendar(CalendarUnit::Hour, Tz::Asia__Kathmandu).event_time(happened());
    check(&stream, "calendar", half_days).await;
    let sessions = SessionWindow::new(2 * HOUR).max_length(9 * HOUR).event_time(happened());
    check(&stream, "session", sessions).await;
    let by_fives = CountWindow::new(4).by_key().key(|hours: &i64| hours % 5);
    check(&stream, "by-key", by_fives).await;
    let days = TimeWindow::tumbling(5 * HOUR).event_time(happened()).sorted_by(|hours: &i64| -hours);
    check(&stream, "refined", days.sampled(Sample::every(2))).await;
    let early =
        TimeWindow::sliding(8 * HOUR, 5 * HOUR).event_time(happened()).early(Every::messages(4), Panes::Discarding);
    check(&stream, "early", early).await;
    let again = TimeWindow::tumbling(5 * HOUR).event_time(happened()).allowed_lateness(20 * HOUR, Panes::Accumulating);
    let updates = drained(&stream, "updates", again.clone())
        .await
        .iter()
        .filter(|(_, reason, _)| *reason == Reason::Update)
        .count();
    assert!(updates > 2, "{updates}");
    check(&stream, "late", again.clone()).await;
    let even = |hours: &i64| hours % 2 == 0;
    let pattern = Pattern::begin("even", even)
        .without("third", |hours: &i64| hours % 3 == 0)
        .then("odd", |hours: &i64| hours % 2 == 1);
    check(&stream, "pattern", PatternWindow::new(pattern)).await;
    let sum = || Aggregate::new(|| 0, |sum: &mut i64, hours: &i64| *sum += hours, |sum, more| *sum += more);
    let slides = TimeWindow::sliding(8 * HOUR, 3 * HOUR).event_time(happened());
    check_sums(&stream, "sums", slides.aggregate(sum())).await;
    check_sums(&stream, "sums-again", again.aggregate(sum())).await;
    let by_fives = |by_key: ByKey| by_key.key(|hours: &i64| hours % 5);
    let sessions = SessionWindow::new(6 * HOUR).event_time(happened()).aggregate(sum());
    check_sums(&stream, "sums-by-key", sessions.by_key_with(by_fives)).await;
    check_adaptive(&stream).await;
    // by append time all is in one interval, but for what the clock does
    let fixed = drained(&stream, "fixed", FixedTimeWindow::new(24 * HOUR)).await;
    assert!(fixed.len() <= 2 && fixed.iter().map(|(data, ..)| data.len()).sum::<usize>() == 60, "{fixed:?}");
}

#[tokio::test]
async fn a_restart_changes_no_window() {
    for store in stores::all().await {
        check_all(&store).await;
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn a_restart_changes_no_window_on_mongodb() {
    let Some(store) = stores::mongo("strategies").await else { return };
    check_all(&store).await;
}
