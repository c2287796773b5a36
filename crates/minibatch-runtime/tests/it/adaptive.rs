//! Windows as large as the function is quick.

use std::{sync::Arc, time::Duration};

use minibatch_emitters::AdaptiveWindow;
use minibatch_runtime::{Stream, Streaming, Window};
use minibatch_testkit::clock::ManualClock;

use crate::tools::{client, manual_client, numbers, soon};

fn within_two_seconds(stream: &Stream<u32>) -> Streaming<u32, AdaptiveWindow> {
    stream.streaming().window(AdaptiveWindow::new(Duration::from_secs(2)).sizes(1..=101))
}

/// The sizes of all windows, where each message takes the function so many milliseconds.
async fn sizes(windows: Streaming<u32, AdaptiveWindow>, clock: &Arc<ManualClock>, millis: u64) -> Vec<usize> {
    let mut sizes = Vec::new();
    let drain = windows.drain(|window: Window<u32>| {
        sizes.push(window.len());
        clock.advance(Duration::from_millis(millis) * u32::try_from(window.len()).unwrap());
        async {}
    });
    drain.await.unwrap();
    sizes
}

#[tokio::test]
async fn they_grow_while_the_function_is_quick_and_shrink_when_it_is_slow() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 2_000).await;
    let grown = sizes(within_two_seconds(&stream), &clock, 20).await;
    let full = &grown[..grown.len() - 1];
    assert!(full.is_sorted(), "{grown:?}");
    // up to three quarters of the half: 750 ms
    let largest = *grown.iter().max().unwrap();
    assert!((38..=50).contains(&largest), "{largest}: {grown:?}");
    assert_eq!(grown.iter().sum::<usize>(), 2_000);

    // the size is kept over a restart, and the function is slower now
    stream.append_many(&(0..2_000).collect::<Vec<_>>()).await.unwrap();
    let shrunk = sizes(within_two_seconds(&stream), &clock, 100).await;
    assert_eq!(shrunk.first(), Some(&largest), "{shrunk:?}");
    assert!(shrunk.iter().rev().skip(1).take(20).all(|size| (4..=10).contains(size)), "{shrunk:?}");
}

/// Also where effects hold back what a commit may undo.
#[tokio::test]
async fn idempotent_consumers_adapt_too() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 500).await;
    let grown = sizes(within_two_seconds(&stream).idempotent(), &clock, 1).await;
    assert!(grown.iter().any(|size| *size > 5), "{grown:?}");
}

/// What is in doubt is not out: others are formed beside it, however few at a time.
#[tokio::test]
async fn messages_at_fault_do_not_hold_it_up() {
    let stream = numbers(&client(), 60).await;
    let mut done = Vec::new();
    let windows = within_two_seconds(&stream).max_attempts(1).backoff(soon());
    let drain = windows.drain(|window: Window<u32>| {
        let fails = window.data.iter().any(|number| (21..=25).contains(number));
        if !fails {
            done.extend(window.data);
        }
        async move { if fails { Err("bad") } else { Ok(()) } }
    });
    let summary = drain.await.unwrap();
    assert_eq!(summary.dead, 5);
    done.sort_unstable();
    assert_eq!(done, (1..=20).chain(26..=60).collect::<Vec<u32>>());
}

#[tokio::test]
async fn windows_that_are_pulled_stay_as_they_are() {
    let (client, _clock) = manual_client();
    let stream = numbers(&client, 20).await;
    let mut consumer = within_two_seconds(&stream).open().await.unwrap();
    for _ in 0..20 {
        let window = consumer.next().await.unwrap().unwrap();
        assert_eq!(window.len(), 1);
        window.ack().await.unwrap();
    }
}
