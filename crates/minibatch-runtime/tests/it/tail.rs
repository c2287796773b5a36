//! An idle stream still closes its windows.

use std::time::Duration;

use minibatch_core::window::Reason;
use minibatch_emitters::{BatchWindow, FixedTimeWindow, RelaxedTimeWindow};

use crate::tools::{manual_client, numbers};

#[tokio::test]
async fn max_wait_closes_a_window_without_more_messages() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 3).await;
    let wait = Duration::from_secs(2);
    let mut consumer = stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)).open().await.unwrap();
    let time = async {
        // the heartbeat, and the tail timer
        clock.sleepers(2).await;
        clock.advance(wait);
    };
    let (window, ()) = tokio::join!(consumer.next(), time);
    let window = window.unwrap().unwrap();
    assert_eq!((window.reason, window.data.as_slice()), (Reason::MaxWait, &[1, 2, 3][..]));
    let id = window.id;
    drop(window);
    drop(consumer);

    // undone, the decision was not committed either: the same window is decided again, at once as its time has passed
    let mut consumer = stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.id, window.len()), (id, 3));
    window.ack().await.unwrap();
    stream.append(&4).await.unwrap();
    let (window, ()) = tokio::join!(consumer.next(), async {
        clock.sleepers(2).await;
        clock.advance(wait);
    });
    assert_eq!(window.unwrap().unwrap().data, [4]);
}

#[tokio::test]
async fn time_windows_close_on_an_idle_stream() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 3).await;
    let length = Duration::from_secs(7);
    let mut fixed = stream.streaming().group("fixed").window(FixedTimeWindow::new(length)).open().await.unwrap();
    let mut relaxed = stream.streaming().group("relaxed").window(RelaxedTimeWindow::new(length)).open().await.unwrap();
    let time = async {
        clock.sleepers(3).await;
        clock.advance(length);
    };
    let (fixed, relaxed, ()) = tokio::join!(fixed.next(), relaxed.next(), time);
    let (fixed, relaxed) = (fixed.unwrap().unwrap(), relaxed.unwrap().unwrap());
    assert_eq!((fixed.reason, fixed.len()), (Reason::Boundary, 3));
    assert_eq!(fixed.bounds.start.as_millis() % 7_000, 0);
    assert_eq!(fixed.bounds.end.since(fixed.bounds.start), length);
    assert_eq!(relaxed.len(), 3);
}
