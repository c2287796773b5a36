//! In idempotent mode a window's id stands for the same messages, whatever crashes.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Cause, Clock, Timestamp, window::WindowId};
use minibatch_emitters::{BatchWindow, CountWindow};
use minibatch_runtime::{Client, ClientOptions, OnExhausted, Streaming, Window};
use minibatch_testkit::clock::ManualClock;

use crate::{
    restarts::Changing,
    tools::{client, manual_client, numbers, soon},
};

/// The first window that a drain hands out; its consumer then dies.
async fn first_of_drain(consumer: Streaming<u32, CountWindow>) -> (WindowId, Vec<u32>) {
    let mut seen = None;
    let drain = consumer.drain(|window: Window<u32>| {
        seen.get_or_insert((window.id, window.data));
        std::future::pending::<()>()
    });
    // it never returns
    let _ = tokio::time::timeout(Duration::from_secs(5), drain).await;
    seen.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_drained_window_keeps_its_members() {
    let stream = numbers(&client(), 3).await;
    let tens = || stream.streaming().window(CountWindow::new(10)).idempotent();
    let before = first_of_drain(tens()).await;
    assert_eq!(before.1, [1, 2, 3]);
    stream.append(&4).await.unwrap();
    assert_eq!(first_of_drain(tens()).await, before);
    let mut seen = Vec::new();
    let rest = tens().drain(|window: Window<u32>| {
        seen.push(window.data);
        async {}
    });
    rest.await.unwrap();
    assert_eq!(seen, [vec![1, 2, 3], vec![4]]);
}

/// What a window that waited long enough had before its consumer died, and what it has after a message came that is older
/// by the clock of its producer, which is behind.
async fn before_and_after(mode: impl Fn(Streaming<u32, BatchWindow>) -> Streaming<u32, BatchWindow>) -> [Vec<u32>; 2] {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 3).await;
    let wait = Duration::from_secs(2);
    let windows = || mode(stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)));
    let mut consumer = windows().open().await.unwrap();
    let (window, ()) = tokio::join!(consumer.next(), async {
        // the heartbeat, and the tail timer
        clock.sleepers(2).await;
        clock.advance(wait);
    });
    let before = window.unwrap().unwrap();
    let (id, data) = (before.id, before.data.clone());
    drop((consumer, before));

    let behind: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_500)));
    let other = Client::with_options(Arc::clone(client.storage()), behind, ClientOptions::default());
    other.stream::<u32>("numbers").await.unwrap().append(&4).await.unwrap();
    let after = windows().open().await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(after.id, id);
    [data, after.data]
}

#[tokio::test]
async fn a_window_that_waited_long_enough_keeps_its_members() {
    assert_eq!(before_and_after(Streaming::idempotent).await, [vec![1, 2, 3], vec![1, 2, 3]]);
    // where nobody asks for more, a window that nobody has finished with may grow
    assert_eq!(before_and_after(|windows| windows).await, [vec![1, 2, 3], vec![1, 2, 3, 4]]);
}

#[tokio::test]
async fn a_window_whose_attempts_are_over_is_kept_whole() {
    for (policy, dead) in [(None, 4), (Some(OnExhausted::DeadLetter), 1)] {
        let client = client();
        // what follows succeeds, so the window is at fault
        let stream = numbers(&client, 12).await;
        let windows = stream.streaming().window(CountWindow::new(4)).idempotent().max_attempts(2).backoff(soon());
        let windows = match policy {
            Some(policy) => windows.on_exhausted(policy),
            None => windows,
        };
        let mut ids = Vec::new();
        let done = windows.drain(|window: Window<u32>| {
            let failed = window.data.contains(&6);
            if failed {
                ids.push(window.id);
            }
            async move { if failed { Err("six") } else { Ok(()) } }
        });
        assert_eq!(done.await.unwrap().dead, dead, "{policy:?}");
        ids.dedup();
        assert_eq!(ids.len() == 1, policy.is_none(), "{ids:?}");
    }
}

#[tokio::test]
async fn other_windows_than_before_stop_the_consumer() {
    let stream = numbers(&client(), 6).await;
    let windows = |size| stream.streaming().window(move || Changing(size)).idempotent();
    let mut consumer = windows(2).open().await.unwrap();
    // the second is done, so it is known what it was
    let first = consumer.next().await.unwrap().unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    drop((first, consumer));
    let error = windows(3).drain(|_: Window<u32>| async {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::WindowsDiffer { .. }), "{error:?}");
    let done = windows(2).drain(|_: Window<u32>| async {}).await.unwrap();
    assert_eq!((done.windows, done.messages), (2, 4));
}
