//! Functions on windows: run, drain, stop.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use minibatch_core::{Cause, window::Reason};
use minibatch_emitters::{BatchWindow, CountWindow};
use minibatch_runtime::{ConsumerOptions, OnBufferFull, Window};
use tokio_util::sync::CancellationToken;

use crate::tools::{client, numbers, soon};

#[tokio::test]
async fn drain_gives_every_message_once_and_what_is_left_last() {
    let stream = numbers(&client(), 7).await;
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(3));
    let summary = windows
        .drain(|window: Window<u32>| {
            seen.push((window.ordinal, window.reason, window.data));
            async {}
        })
        .await
        .unwrap();
    let expected = [(1, Reason::Count, vec![1, 2, 3]), (2, Reason::Count, vec![4, 5, 6]), (3, Reason::Drain, vec![7])];
    assert_eq!(seen, expected);
    assert_eq!((summary.windows, summary.messages, summary.failures, summary.dead), (3, 7, 0, 0));
}

#[tokio::test]
async fn a_second_drain_finds_only_what_is_new() {
    let client = client();
    let stream = numbers(&client, 4).await;
    let drain = || stream.streaming().window(CountWindow::new(3)).drain(|_: Window<u32>| async {});
    assert_eq!(drain().await.unwrap().messages, 4);
    assert_eq!(drain().await.unwrap().messages, 0);
    stream.append(&5).await.unwrap();
    assert_eq!(drain().await.unwrap().messages, 1);
}

#[tokio::test]
async fn groups_are_independent() {
    let stream = numbers(&client(), 4).await;
    for group in ["one", "two"] {
        let windows = stream.streaming().group(group).window(CountWindow::new(2));
        assert_eq!(windows.drain(|_: Window<u32>| async {}).await.unwrap().windows, 2);
    }
    let late = stream.streaming().group("late").latest().window(CountWindow::new(2));
    assert_eq!(late.drain(|_: Window<u32>| async {}).await.unwrap().windows, 0);
}

#[tokio::test]
async fn a_failed_window_is_tried_again_before_its_followers() {
    let stream = numbers(&client(), 4).await;
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(2)).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            seen.push((window.ordinal, window.attempt));
            let fails = window.ordinal == 1 && window.attempt < 3;
            async move { if fails { Err("not yet") } else { Ok(()) } }
        })
        .await
        .unwrap();
    assert_eq!(seen, [(1, 1), (1, 2), (1, 3), (2, 1)]);
    assert_eq!((summary.windows, summary.failures), (2, 2));
}

#[tokio::test]
async fn panics_are_failures() {
    let stream = numbers(&client(), 1).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let windows = stream.streaming().window(CountWindow::new(1)).backoff(soon());
    let summary = windows
        .drain(move |_: Window<u32>| {
            let attempt = counted.fetch_add(1, Relaxed);
            assert!(attempt != 0, "before there is a future");
            async move { assert!(attempt != 1, "inside the future") }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.failures, attempts.load(Relaxed)), (1, 2, 3));
}

#[tokio::test]
async fn blocking_functions_run_beside_the_others_and_may_panic() {
    let stream = numbers(&client(), 4).await;
    let stop = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (stopped, noted) = (stop.clone(), Arc::clone(&seen));
    let windows = stream.streaming().window(CountWindow::new(2)).backoff(soon()).until(stop.cancelled_owned());
    let summary = windows
        .run_blocking(move |window: Window<u32>| {
            assert!(window.attempt > 1, "the first attempt panics");
            noted.lock().unwrap().extend(window.data);
            if window.ordinal == 2 {
                stopped.cancel();
            }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.failures), (2, 2));
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn stopping_finishes_the_window_at_hand_and_leaves_the_rest() {
    let stream = numbers(&client(), 10).await;
    let stop = CancellationToken::new();
    let windows = stream.streaming().window(CountWindow::new(2)).until(stop.clone().cancelled_owned());
    let summary = windows
        .run(|window: Window<u32>| {
            if window.ordinal == 2 {
                stop.cancel();
            }
            async { tokio::task::yield_now().await }
        })
        .await
        .unwrap();
    assert_eq!(summary.windows, 2);
    let rest = stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap();
    assert_eq!(rest.messages, 6);
}

#[tokio::test]
async fn the_open_window_is_flushed_at_a_stop_when_asked() {
    for (flush, expected) in [(false, vec![]), (true, vec![(Reason::Shutdown, 3)])] {
        let stream = numbers(&client(), 3).await;
        let mut windows = stream.streaming().window(CountWindow::new(5));
        if flush {
            windows = windows.flush_on_stop();
        }
        let mut consumer = windows.open().await.unwrap();
        // the window cannot come by itself: wait until the messages are in the buffer
        let mut idle = Box::pin(consumer.next());
        for _ in 0..100 {
            assert!(futures::poll!(&mut idle).is_pending());
            tokio::task::yield_now().await;
        }
        drop(idle);
        consumer.stop();
        let mut seen = Vec::new();
        while let Some(window) = consumer.next().await.unwrap() {
            seen.push((window.reason, window.len()));
            drop(window.ack());
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_full_buffer_is_said_or_emitted() {
    let stream = client().stream::<String>("words").await.unwrap();
    let words = vec!["x".repeat(1_000); 10];
    for word in &words {
        stream.append(word).await.unwrap();
    }
    let mut options = ConsumerOptions::default();
    options.max_buffer_bytes = 4_000;
    let never = || stream.streaming().window(CountWindow::new(1_000)).options(options.clone());
    let error = never().drain(|_: Window<String>| async {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::BufferFull { .. }), "{error:?}");

    let mut seen = Vec::new();
    let emitting = never().on_buffer_full(OnBufferFull::Emit);
    emitting
        .drain(|window: Window<String>| {
            seen.push((window.reason, window.len()));
            async {}
        })
        .await
        .unwrap();
    assert_eq!(seen.first(), Some(&(Reason::BufferFull, 4)), "{seen:?}");
    assert_eq!(seen.iter().map(|(_, len)| len).sum::<usize>(), 10);
}

#[tokio::test]
async fn wrong_windows_and_groups_are_said_before_anything_is_read() {
    let stream = numbers(&client(), 1).await;
    let nothing = stream.streaming().window(BatchWindow::new()).open().await.unwrap_err();
    assert!(matches!(nothing.cause(), Cause::InvalidWindow { .. }));
    let group = stream.streaming().group("$g").window(CountWindow::new(1)).open().await.unwrap_err();
    assert!(matches!(group.cause(), Cause::InvalidName { what: "group", .. }));
}

#[tokio::test]
async fn done_messages_are_trimmed() {
    let stream = numbers(&client(), 10).await;
    stream.append(&11).await.unwrap();
    stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap();
    let bounds = stream.bounds().await.unwrap()[0];
    assert!(bounds.floor > minibatch_core::Slot::ZERO, "{bounds:?}");
}
