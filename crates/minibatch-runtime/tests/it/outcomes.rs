//! What becomes of single messages: given back, skipped, found at fault alone; and what a restart leaves of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{Cause, window::Reason};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{ConsumerState, Failing, OnExhausted, Window};
use tokio::sync::Notify;

use crate::{
    dead_letters::{header, letters},
    tools::{client, numbers, soon},
};

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn messages_given_back_come_again_and_nothing_waits_for_them() {
    let stream = numbers(&client(), 8).await;
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(4)).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            if window.reason != Reason::Retry {
                for (index, number) in window.data.iter().enumerate() {
                    match number {
                        1 | 3 => window.retry(index, Duration::from_millis(40)).unwrap(),
                        2 => window.retry(index, MOMENT).unwrap(),
                        _ => {}
                    }
                }
                window.retry(4, MOMENT).unwrap_err();
            }
            seen.push((window.data.clone(), window.id, window.ordinal, window.attempt));
            async {}
        })
        .await
        .unwrap();
    let data: Vec<_> = seen.iter().map(|(data, ..)| data.as_slice()).collect();
    assert_eq!(data.first(), Some(&&[1, 2, 3, 4][..]));
    assert_eq!(data.last(), Some(&&[1, 3][..]), "{data:?}");
    assert!(data.contains(&&[2][..]) && data.contains(&&[5, 6, 7, 8][..]) && data.len() == 4, "{data:?}");
    assert!(seen.iter().filter(|(_, _, ordinal, _)| *ordinal == 1).skip(1).all(|(.., attempt)| *attempt == 2));
    assert!(seen.iter().skip(1).all(|(_, id, ..)| *id != seen[0].1));
    assert_eq!((summary.windows, summary.messages, summary.dead), (2, 8, 0));
}

#[tokio::test]
async fn what_is_given_back_again_and_again_is_given_up_on() {
    let client = client();
    let stream = numbers(&client, 2).await;
    let mut calls = 0;
    let windows = stream.streaming().window(CountWindow::new(2)).max_attempts(3).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            calls += 1;
            window.retry(0, MOMENT).unwrap();
            window.reject(0, "the first word counts").unwrap();
            async {}
        })
        .await
        .unwrap();
    assert_eq!((calls, summary.messages, summary.dead), (3, 2, 1));
    let letters = letters::<u32>(&client).await;
    assert_eq!(letters[0].0, 1);
    assert_eq!(header(&letters[0].1, "minibatch-error"), "given back at its last attempt");
}

#[tokio::test]
async fn a_pulled_window_that_fails_comes_in_pieces() {
    let client = client();
    let stream = numbers(&client, 8).await;
    let mut consumer =
        stream.streaming().window(CountWindow::new(8)).max_attempts(2).backoff(soon()).open().await.unwrap();
    let mut done = Vec::new();
    while done.len() < 6 {
        let window = consumer.next().await.unwrap().unwrap();
        match window.data.as_slice() {
            [1, 2] => {
                window.retry(1, MOMENT).unwrap();
                done.push(1);
                drop(window.ack());
            }
            data if data.contains(&4) => window.fail("no fours"),
            data if data.contains(&7) => drop(window),
            data => {
                done.extend(data);
                drop(window.ack());
            }
        }
    }
    consumer.shutdown().await.unwrap();
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3, 5, 6, 8]);
    stream.streaming().window(CountWindow::new(8)).max_attempts(1).backoff(soon()).drain(fails).await.unwrap();
    let mut letters = letters::<u32>(&client).await;
    letters.sort_by_key(|(number, _)| *number);
    assert_eq!(letters.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 7]);
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    assert_eq!((counters.finished, counters.dead), (6, 2));
}

async fn fails(_: Window<u32>) -> Result<(), &'static str> {
    Err("no")
}

#[tokio::test]
async fn skipped_messages_are_counted_and_kept_nowhere() {
    let client = client();
    let stream = numbers(&client, 6).await;
    let windows = stream.streaming().window(CountWindow::new(3)).max_attempts(2).backoff(soon());
    let summary = windows
        .on_exhausted(OnExhausted::Skip)
        .drain(|window: Window<u32>| {
            let fails = window.data.contains(&2);
            async move { if fails { Err("no twos") } else { Ok(()) } }
        })
        .await
        .unwrap();
    assert_eq!((summary.messages, summary.dead, summary.skipped), (6, 0, 1));
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    assert_eq!((counters.finished, counters.dead, counters.skipped), (5, 0, 1));
    assert!(letters::<u32>(&client).await.is_empty());
}

/// Stopped in the middle of a split again and again: what succeeded does not run again, and each bad message is found.
#[tokio::test]
async fn a_split_goes_on_where_it_was_stopped() {
    for calls in 1..12 {
        let client = client();
        let stream = numbers(&client, 16).await;
        let done = Arc::new(Mutex::new(BTreeMap::<u32, u32>::new()));
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 60, "after {calls} calls: {done:?}");
            let left = Arc::new(AtomicU32::new(calls));
            let (calling, record, group) = (Arc::clone(&left), Arc::clone(&done), stream.clone());
            let counters = async move || group.groups().await.unwrap()[0].1[0].counters;
            let count = counters.clone();
            let windows = stream.streaming().window(CountWindow::new(16)).max_attempts(2).backoff(soon());
            windows
                .until(async move {
                    while left.load(Relaxed) > 0 && count().await.total() < 16 {
                        tokio::task::yield_now().await;
                    }
                })
                .run(|window: Window<u32>| {
                    let fails = window.data.iter().any(|number| [5, 11, 12].contains(number));
                    if !fails {
                        window.data.iter().for_each(|number| *record.lock().unwrap().entry(*number).or_default() += 1);
                    }
                    let _ = calling.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                    async move { if fails { Err("bad") } else { Ok(()) } }
                })
                .await
                .unwrap();
            let counters = counters().await;
            if counters.total() == 16 {
                assert_eq!((counters.finished, counters.dead), (13, 3), "after {calls} calls");
                break;
            }
        }
        let done = done.lock().unwrap().clone();
        assert!(done.len() == 13 && done.values().all(|count| *count == 1), "after {calls} calls: {done:?}");
        let mut found: Vec<u32> = letters::<u32>(&client).await.iter().map(|(number, _)| *number).collect();
        found.sort_unstable();
        assert_eq!(found, [5, 11, 12], "after {calls} calls");
    }
}

/// A database that is down: windows of one message, with one worker and with more.
#[tokio::test]
async fn while_nothing_succeeds_no_message_is_given_up_on() {
    for workers in [1, 4] {
        for failures in [1, 7, 23, 60] {
            let client = client();
            let stream = numbers(&client, 20).await;
            let (called, all) = (AtomicU32::new(0), Arc::new(Notify::new()));
            let stop = Arc::clone(&all);
            let order = Mutex::new(Vec::new());
            let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(2).backoff(soon());
            let summary = windows
                .workers(workers)
                .until(async move { stop.notified().await })
                .run(|window: Window<u32>| {
                    let works = called.fetch_add(1, Relaxed) >= failures;
                    if works {
                        let mut order = order.lock().unwrap();
                        order.extend(window.data);
                        if order.len() == 20 {
                            all.notify_one();
                        }
                    }
                    async move { if works { Ok(()) } else { Err("database is down") } }
                })
                .await
                .unwrap();
            assert_eq!((summary.messages, summary.dead), (20, 0), "{workers} workers, {failures} failures");
        }
    }
}

/// One message of one that always fails: the others go on after its attempts, in order, and it is given up on.
#[tokio::test]
async fn a_poison_message_delays_the_others_by_no_more_than_its_retries() {
    for workers in [1, 3] {
        let client = client();
        let stream = numbers(&client, 30).await;
        let mut calls = Vec::new();
        let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(3).backoff(soon());
        let summary = windows
            .workers(workers)
            .drain(|window: Window<u32>| {
                let number = window.data[0];
                calls.push(number);
                async move { if number == 10 { Err("poison") } else { Ok(()) } }
            })
            .await
            .unwrap();
        assert_eq!((summary.messages, summary.dead), (30, 1), "{workers} workers");
        let poison = calls.iter().filter(|number| **number == 10).count();
        // after as many as it has, one when another has succeeded; at the end of the log, as many again
        assert!(poison <= if workers == 1 { 4 } else { 6 }, "{calls:?}");
        calls.retain(|number| *number != 10);
        if workers == 1 {
            assert_eq!(calls, (1..=30).filter(|number| *number != 10).collect::<Vec<_>>());
        }
        assert_eq!(calls.len(), 29, "each of the others once: {calls:?}");
    }
}

#[tokio::test]
async fn a_drain_in_which_nothing_succeeds_ends_with_the_functions_error_and_loses_nothing() {
    for size in [1, 3] {
        let client = client();
        let stream = numbers(&client, 6).await;
        let windows = stream.streaming().window(CountWindow::new(size)).max_attempts(2).backoff(soon());
        let error = windows.drain(fails).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Function { .. }), "{error:?}");
        assert!(letters::<u32>(&client).await.is_empty());
        let mut seen = Vec::new();
        let windows = stream.streaming().window(CountWindow::new(size));
        let works = windows.drain(|window: Window<u32>| {
            seen.extend(window.data);
            async {}
        });
        assert_eq!(works.await.unwrap().messages, 6);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn a_failing_consumer_says_so() {
    let stream = numbers(&client(), 1).await;
    let mut consumer =
        stream.streaming().window(CountWindow::new(1)).max_attempts(1).backoff(soon()).open().await.unwrap();
    loop {
        consumer.next().await.unwrap().unwrap().fail("canary");
        if let Some(Failing { error, .. }) = &consumer.status()[0].failing {
            assert_eq!(error, "canary");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(!format!("{:?}", consumer.status()).contains("canary"));
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    assert_eq!(consumer.status()[0].state, ConsumerState::Working);
    let (mut consumer, status) = (consumer, |consumer: &minibatch_runtime::Consumer<u32>| consumer.status()[0].state);
    consumer.stop();
    assert!(consumer.next().await.unwrap().is_none());
    assert_eq!(status(&consumer), ConsumerState::Stopped);
}
