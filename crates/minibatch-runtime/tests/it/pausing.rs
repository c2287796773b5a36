//! Pausing a consumer, and a group.

use minibatch_core::Cause;
use minibatch_emitters::CountWindow;
use minibatch_runtime::ConsumerState;

use crate::tools::{client, manual_client, numbers};

/// Whatever can run has.
async fn settled() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_paused_consumer_hands_out_nothing_and_finishes_what_is_out() {
    let stream = numbers(&client(), 6).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    consumer.pause();
    settled().await;
    assert_eq!(consumer.status()[0].state, ConsumerState::Paused);
    assert!(futures::poll!(Box::pin(consumer.next())).is_pending());
    window.ack().await.unwrap();
    consumer.resume();
    assert_eq!(consumer.next().await.unwrap().unwrap().data, [3, 4]);
    assert_eq!(consumer.next().await.unwrap().unwrap().data, [5, 6]);
}

#[tokio::test]
async fn a_paused_group_hands_out_nothing_until_it_is_resumed() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 2).await;
    let error = stream.group("default").unwrap().pause().await.unwrap_err();
    assert!(matches!(error.cause(), Cause::GroupRemoved), "{error:?}");
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();

    stream.group("default").unwrap().pause().await.unwrap();
    assert!(stream.group("default").unwrap().is_paused().await.unwrap());
    // what was known for less than a second is taken for granted
    clock.advance(std::time::Duration::from_secs(1));
    stream.append_many(&[3, 4]).await.unwrap();
    settled().await;
    assert_eq!(consumer.status()[0].state, ConsumerState::Paused);
    assert!(futures::poll!(Box::pin(consumer.next())).is_pending());

    stream.group("default").unwrap().resume().await.unwrap();
    clock.sleepers(2).await;
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(consumer.next().await.unwrap().unwrap().data, [3, 4]);
    assert!(!stream.group("default").unwrap().is_paused().await.unwrap());
}
