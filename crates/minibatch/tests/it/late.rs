//! Late messages: to a stream of their own, to the function, or nowhere, and counted in any case.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch::{CountWindow, EventTime, OnLate, Reason, Summary, TimeWindow, Timestamp, prelude::*};

use crate::stores::{self, Store};

/// The minutes of three hours, in chunks; every tenth comes half an hour late.
const LATE: [i64; 3] = [10, 20, 30];

async fn minutes(store: &Store) -> Stream<i64> {
    let stream = store.mb.stream("minutes").await.unwrap();
    for hour in 0..3 {
        let minutes: Vec<i64> = (0..60).map(|minute| hour * 60 + minute).filter(|at| !LATE.contains(at)).collect();
        stream.append_many(&minutes).await.unwrap();
    }
    stream.append_many(&LATE).await.unwrap();
    // a group that never reads, so that nothing is trimmed before all others have
    drop(stream.streaming().group("holds").window(CountWindow::new(1)).open().await.unwrap());
    stream
}

fn tens() -> TimeWindow {
    let happened = EventTime::of(|minutes: &i64| Timestamp::from_millis(minutes * 60_000));
    TimeWindow::tumbling(Duration::from_mins(10)).event_time(happened)
}

/// What the function of a group saw, in time and late.
struct Seen {
    in_time: Vec<i64>,
    late: Vec<i64>,
    summary: Summary,
}

async fn drain(stream: &Stream<i64>, group: &str, idempotent: bool, policy: OnLate) -> Seen {
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let noted = Arc::clone(&seen);
    let consumer = stream.streaming().group(group).window(tens()).on_late(policy);
    let consumer = if idempotent { consumer.idempotent() } else { consumer };
    let drained = consumer.drain(move |window: Window<i64>| {
        let (in_time, late) = &mut *noted.lock().unwrap();
        if window.reason == Reason::Late { late } else { in_time }.extend(window.data);
        async {}
    });
    let summary = drained.await.unwrap();
    let (in_time, late) = std::mem::take(&mut *seen.lock().unwrap());
    Seen { in_time, late, summary }
}

/// The late messages of a group, with the headers that they have.
async fn kept(store: &Store, group: &str, reader: &str) -> Vec<i64> {
    let late = store.mb.late_messages::<i64>("minutes").await.unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (noted, group) = (Arc::clone(&kept), group.to_owned());
    let drained = late.streaming().group(reader).window(CountWindow::new(100)).drain(move |window: Window<i64>| {
        for (value, meta) in window.data.iter().zip(window.meta()) {
            let header = |name: &str| meta.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value);
            assert!(
                ["partition", "offset", "window"].iter().all(|name| header(&format!("minibatch-{name}")).is_some())
            );
            if header("minibatch-group") == Some(&group) {
                noted.lock().unwrap().push(*value);
            }
        }
        async {}
    });
    drained.await.unwrap();
    std::mem::take(&mut *kept.lock().unwrap())
}

async fn check_audit(stream: &Stream<i64>, group: &str) {
    let audit = stream.audit(group).await.unwrap();
    assert_eq!(audit.differences().next(), None, "{group}");
    let terms = audit.total();
    assert_eq!((terms.appended, terms.finished, terms.late), (180, 177, 3), "{group}");
}

async fn check_policies(store: &Store) {
    let stream = minutes(store).await;
    for (group, policy, to_function, to_stream) in [
        ("stream", OnLate::Stream, &[][..], &LATE[..]),
        ("function", OnLate::Function, &LATE[..], &[]),
        ("drop", OnLate::Drop, &[], &[]),
    ] {
        let seen = drain(&stream, group, false, policy).await;
        assert_eq!((seen.in_time.len(), &*seen.late, seen.summary.late), (177, to_function, 3), "{group}");
        assert_eq!(kept(store, group, &format!("reads-{group}")).await, to_stream, "{group}");
        check_audit(&stream, group).await;
    }
}

#[tokio::test]
async fn late_messages_go_where_they_are_told_and_are_counted() {
    for store in stores::all().await {
        check_policies(&store).await;
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn late_messages_go_where_they_are_told_on_mongodb() {
    let Some(store) = stores::mongo("late").await else { return };
    check_policies(&store).await;
}

/// Of a window that comes again the late messages are there once, where its id stands for its messages for good.
#[tokio::test]
async fn an_idempotent_consumer_keeps_late_messages_once() {
    for store in stores::all().await {
        let stream = minutes(&store).await;
        // it goes without a commit
        let mut consumer = stream.streaming().group("once").window(tens()).idempotent().open().await.unwrap();
        let unacknowledged = consumer.next().await.unwrap().unwrap();
        drop((unacknowledged, consumer));
        let seen = drain(&stream, "once", true, OnLate::Stream).await;
        assert_eq!((seen.in_time.len(), seen.late.len()), (177, 0));
        assert_eq!(kept(&store, "once", "reads").await, LATE);
        check_audit(&stream, "once").await;
    }
}

/// A consumer of late messages, for which some are late again, gives them to its function.
#[tokio::test]
async fn late_messages_are_late_no_further() {
    for store in stores::all().await {
        drain(&minutes(&store).await, "first", false, OnLate::Stream).await;
        let late = store.mb.late_messages::<i64>("minutes").await.unwrap();
        late.append_many(&[5000, 1]).await.unwrap();
        let seen = drain(&late, "second", false, OnLate::Stream).await;
        assert_eq!((seen.in_time, seen.late), (vec![10, 20, 30, 5000], vec![1]));
    }
}
