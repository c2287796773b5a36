//! Where a group begins, and moving it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::{Cause, Offset, Slot, Timestamp, chunk::Extras};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{ConsumerOptions, PartitionSeek, StartAt, Stream, Window, retry_after};
use minibatch_testkit::clock::ManualClock;

use crate::tools::{client, keyed, manual_client, numbers, partitioned, settle, until};

async fn drain(stream: &Stream<u32>, group: &str, at: StartAt) -> Vec<u32> {
    let mut seen = Vec::new();
    let look = |window: Window<u32>| {
        seen.extend(window.data);
        async {}
    };
    stream.streaming().group(group).start(at).window(CountWindow::new(2)).drain(look).await.unwrap();
    seen
}

fn at(slot: u64, index: u32) -> Offset {
    Offset::new(Slot::new(slot).unwrap(), index).unwrap()
}

#[tokio::test]
async fn a_new_group_begins_where_it_is_told_and_an_old_one_goes_on() {
    let (client, clock) = manual_client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    for first in [1, 4, 7] {
        stream.append_many(&[first, first + 1, first + 2]).await.unwrap();
        clock.advance(Duration::from_secs(10));
    }
    // as long as somebody needs them, nothing is trimmed
    drop(stream.streaming().group("keeps").window(CountWindow::new(10)).open().await.unwrap());
    let time = |seconds: i64| StartAt::Time(Timestamp::from_millis(1_000_000 + seconds * 1_000));
    let cases = [
        (StartAt::Earliest, (1..=9).collect::<Vec<u32>>()),
        (StartAt::Latest, vec![]),
        (StartAt::Offsets(vec![at(2, 1)]), vec![5, 6, 7, 8, 9]),
        (StartAt::Offsets(vec![at(9, 0)]), vec![]),
        (time(0), (1..=9).collect()),
        (time(10), vec![4, 5, 6, 7, 8, 9]),
        (time(11), vec![7, 8, 9]),
        (time(21), vec![]),
    ];
    for (number, (start, expected)) in cases.into_iter().enumerate() {
        let group = format!("g{number}");
        assert_eq!(drain(&stream, &group, start.clone()).await, expected, "{start:?}");
        assert!(drain(&stream, &group, StartAt::Earliest).await.is_empty(), "{start:?}: only when it is created");
    }
    stream.append(&10).await.unwrap();
    assert_eq!(drain(&stream, "g7", StartAt::Earliest).await, [10]);

    let wrong = stream.streaming().group("g").start(StartAt::Offsets(vec![])).window(CountWindow::new(2));
    assert!(matches!(wrong.open().await.unwrap_err().cause(), Cause::OutOfRange { .. }));
}

#[tokio::test]
async fn a_dry_run_says_what_comes_again_and_what_is_passed_over() {
    let stream = partitioned(&client(), 2).await;
    let keys = [0, 1].map(|partition| (0..).map(|k: u32| k.to_string()).find(|k| stream.partition_of(k) == partition));
    let [zero, one]: [Extras; 2] = keys.map(|key| keyed(&key.unwrap()));
    for (extras, messages) in [(&zero, 4), (&one, 6)] {
        let all: Vec<u32> = (0..messages).collect();
        stream.append_many_with(all.iter().map(|number| (number, extras))).await.unwrap();
    }
    let group = stream.group("default").unwrap();
    assert!(matches!(group.seek(&StartAt::Latest).await.unwrap_err().cause(), Cause::GroupRemoved));
    assert_eq!(drain(&stream, "default", StartAt::Offsets(vec![at(1, 1), at(1, 5)])).await.len(), 4);

    let said = |seek: Vec<PartitionSeek>| -> Vec<_> {
        seek.iter().map(|one| (one.to, one.again, one.passed_over, one.trimmed)).collect()
    };
    let dry = async |to| said(group.seek_dry_run(&to).await.unwrap().partitions);
    assert_eq!(dry(StartAt::Earliest).await, [(at(1, 0), 4, 0, false), (at(1, 0), 6, 0, false)]);
    assert_eq!(dry(StartAt::Latest).await, [(at(2, 0), 0, 0, false), (at(2, 0), 0, 0, false)]);
    assert_eq!(
        dry(StartAt::Offsets(vec![at(1, 3), at(2, 0)])).await,
        [(at(1, 3), 1, 0, false), (at(2, 0), 0, 0, false)]
    );
    assert!(drain(&stream, "default", StartAt::Earliest).await.is_empty(), "a dry run moves nothing");

    let fingerprint = group.states().await.unwrap()[0].fingerprint.clone();
    let seek = group.seek(&StartAt::Offsets(vec![at(1, 3), at(1, 4)])).await.unwrap();
    assert_eq!((seek.again(), seek.passed_over()), (3, 0));
    assert_eq!(group.states().await.unwrap()[1].fingerprint, fingerprint);
    let dry = said(group.seek_dry_run(&StartAt::Latest).await.unwrap().partitions);
    assert_eq!(dry.iter().map(|one| one.2).collect::<Vec<_>>(), [1, 2], "passed over");
    let mut again = drain(&stream, "default", StartAt::Earliest).await;
    again.sort_unstable();
    assert_eq!(again, [3, 4, 5]);
}

#[tokio::test]
async fn a_place_that_was_trimmed_is_said_to_be() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    for number in 1..=5 {
        stream.append(&number).await.unwrap();
    }
    assert_eq!(drain(&stream, "default", StartAt::Earliest).await.len(), 5);
    let floor = stream.trim().await.unwrap()[0].floor;
    assert!(floor > Slot::FIRST);
    let seek = stream.group("default").unwrap().seek(&StartAt::Offsets(vec![Offset::FIRST])).await.unwrap();
    assert!(seek.partitions[0].trimmed);
    assert_eq!(seek.partitions[0].to, Offset::first_of(floor));
}

#[tokio::test]
async fn a_running_consumer_goes_on_from_where_its_group_was_moved_to() {
    let stream = numbers(&client(), 5).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let mut ids = Vec::new();
    for expected in [[1, 2], [3, 4]] {
        let window = consumer.next().await.unwrap().unwrap();
        assert_eq!(window.data, expected);
        ids.push(window.id);
        window.ack().await.unwrap();
    }
    // idle, with a message waiting for its window
    stream.group("default").unwrap().seek(&StartAt::Offsets(vec![at(1, 1)])).await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.data.as_slice(), window.ordinal), (&[2, 3][..], 1));
    assert!(!ids.contains(&window.id));
    // with a window at hand
    stream.group("default").unwrap().seek(&StartAt::Earliest).await.unwrap();
    let again = loop {
        // one of the former generation may be waiting to be taken
        let again = consumer.next().await.unwrap().unwrap();
        if again.ordinal == 1 {
            break again;
        }
    };
    assert_eq!(again.data, [1, 2]);
    assert!(window.ack().await.is_err(), "of the former generation nothing is done");
    again.ack().await.unwrap();
    assert_eq!(stream.group("default").unwrap().states().await.unwrap()[0].counters.finished, 2);
}

/// Hands out one window of two at a time, and reads no further meanwhile.
fn one_at_a_time() -> ConsumerOptions {
    let mut options = ConsumerOptions::default();
    options.prefetch_bytes = 1;
    options
}

/// Some seconds, in which whoever wakes does what there is to do.
async fn seconds(clock: &ManualClock, count: u32) {
    for _ in 0..count {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    settle().await;
}

#[tokio::test]
async fn an_owner_whose_function_never_succeeds_notices_within_seconds() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 6).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (noted, windows) = (Arc::clone(&seen), stream.streaming().window(CountWindow::new(2)).options(one_at_a_time()));
    let running = tokio::spawn(windows.run(move |window: Window<u32>| {
        noted.lock().unwrap().push((window.id, window.data));
        async { Err::<(), _>(retry_after(Duration::from_secs(3_600))) }
    }));
    until(async || seen.lock().unwrap().len() == 1).await;
    settle().await;
    stream.group("default").unwrap().seek(&StartAt::Offsets(vec![at(1, 3)])).await.unwrap();
    seconds(&clock, 10).await;
    let seen: Vec<_> = seen.lock().unwrap().drain(..).collect();
    assert_eq!(seen.iter().map(|(_, data)| data.as_slice()).collect::<Vec<_>>(), [[1, 2], [4, 5]]);
    assert_ne!(seen[0].0, seen[1].0);
    running.abort();
}

#[tokio::test]
async fn an_owner_whose_window_is_never_settled_notices_within_seconds() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 6).await;
    let windows = stream.streaming().window(CountWindow::new(2)).options(one_at_a_time());
    let mut consumer = windows.open().await.unwrap();
    let held = consumer.next().await.unwrap().unwrap();
    stream.group("default").unwrap().seek(&StartAt::Offsets(vec![at(1, 1)])).await.unwrap();
    seconds(&clock, 10).await;
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.data.as_slice(), window.ordinal), (&[2, 3][..], 1));
    assert!(held.ack().await.is_err(), "of the former generation nothing is done");
}

#[tokio::test]
async fn a_group_that_was_moved_while_it_was_paused_hands_out_nothing_of_before() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 6).await;
    let windows = stream.streaming().window(CountWindow::new(2)).options(one_at_a_time());
    let mut consumer = windows.open().await.unwrap();
    let group = stream.group("default").unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    // [3, 4] waits to be taken
    settle().await;
    for (from, expected) in [(4, [5, 6]), (2, [3, 4])] {
        consumer.pause();
        settle().await;
        group.seek(&StartAt::Offsets(vec![at(1, from)])).await.unwrap();
        consumer.resume();
        assert_eq!(consumer.next().await.unwrap().unwrap().data, expected);
    }
    group.pause().await.unwrap();
    seconds(&clock, 2).await;
    group.seek(&StartAt::Earliest).await.unwrap();
    group.resume().await.unwrap();
    seconds(&clock, 2).await;
    assert_eq!(consumer.next().await.unwrap().unwrap().data, [1, 2]);
}
