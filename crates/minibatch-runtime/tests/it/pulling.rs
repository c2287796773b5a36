//! Pulling windows.

use futures::TryStreamExt;
use minibatch_core::Cause;
use minibatch_emitters::CountWindow;

use crate::tools::{client, numbers, soon};

#[tokio::test]
async fn an_awaited_acknowledgement_is_durable() {
    let stream = numbers(&client(), 4).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    let state = stream.groups().await.unwrap().remove(0).1.remove(0);
    assert_eq!(state.counters.finished, 2);
    drop(consumer);

    let mut again = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    assert_eq!(again.next().await.unwrap().unwrap().data, [3, 4]);
}

#[tokio::test]
async fn a_dropped_window_comes_again_and_others_go_on_meanwhile() {
    let stream = numbers(&client(), 4).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).backoff(soon()).open().await.unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    let id = first.id;
    drop(first);
    let second = consumer.next().await.unwrap().unwrap();
    assert_eq!((second.ordinal, second.attempt), (2, 1));
    second.ack().await.unwrap();
    let again = consumer.next().await.unwrap().unwrap();
    assert_eq!((again.id, again.attempt, again.data.as_slice()), (id, 2, &[1, 2][..]));
    again.fail("not this time either");
    let again = consumer.next().await.unwrap().unwrap();
    assert_eq!(again.attempt, 3);
    again.ack().await.unwrap();
    assert_eq!(consumer.shutdown().await.unwrap().windows, 2);
}

#[tokio::test]
async fn windows_done_out_of_order_are_not_done_again() {
    let stream = numbers(&client(), 8).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let mut windows = Vec::new();
    for _ in 0..4 {
        windows.push(consumer.next().await.unwrap().unwrap());
    }
    windows.remove(3).ack().await.unwrap();
    windows.remove(1).ack().await.unwrap();
    drop(consumer);
    drop(windows);

    let mut again = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    assert_eq!(again.next().await.unwrap().unwrap().ordinal, 1);
    assert_eq!(again.next().await.unwrap().unwrap().ordinal, 3);
}

#[tokio::test]
async fn it_is_a_stream() {
    let stream = numbers(&client(), 4).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let mut sizes = Vec::new();
    while let Some(window) = consumer.try_next().await.unwrap() {
        sizes.push(window.len());
        drop(window.ack());
        if sizes.len() == 2 {
            consumer.stop();
        }
    }
    assert_eq!(sizes, [2, 2]);
}

#[tokio::test]
async fn acknowledging_after_the_end_says_so() {
    let stream = numbers(&client(), 2).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    drop(consumer);
    // the task is gone once the runtime has had its turn
    let late = loop {
        tokio::task::yield_now().await;
        let ack = window_ack(&stream).await;
        if let Err(error) = ack {
            break error;
        }
    };
    assert!(matches!(late.cause(), Cause::Closed));
    assert!(matches!(window.ack().await.unwrap_err().cause(), Cause::Closed));
}

/// Takes a window, ends its consumer, and acknowledges the window afterwards.
async fn window_ack(stream: &minibatch_runtime::Stream<u32>) -> Result<(), minibatch_core::Error> {
    let mut consumer = stream.streaming().group("other").window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    drop(consumer);
    window.ack().await
}
