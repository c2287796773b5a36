//! What consumers tell of themselves, as another client reads it.

use std::sync::Arc;

use minibatch_core::Offset;
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ConsumerState, GroupStatus};

use crate::tools::{numbers, until};

#[tokio::test]
async fn another_process_sees_what_a_consumer_does() {
    let storage = Arc::new(MemoryStorage::new());
    let (working, watching) = (Client::new(Arc::clone(&storage) as _), Client::new(storage as _));
    let stream = numbers(&working, 7).await;
    let seen = watching.stream::<u32>("numbers").await.unwrap();
    assert_eq!(seen.status("default").await.unwrap(), []);

    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    let told = async || -> Option<GroupStatus> { seen.status("default").await.unwrap().pop() };
    until(|| async { told().await.is_some_and(|status| status.windows == 1) }).await;
    let status = told().await.unwrap();
    assert_eq!((status.state, status.partition, status.messages), (ConsumerState::Working, 0, 2));
    assert_eq!((status.oldest_out, status.ordinal), (Some(1), 3));
    assert!(status.committed.is_some_and(|committed| committed <= status.told), "{status:?}");
    assert_eq!((status.lag, status.waits_for.as_deref()), (Some(5), Some("1 more message")));
    assert_eq!(status.member, stream.groups().await.unwrap()[0].1[0].owner.clone().unwrap().to_string());

    first.ack().await.unwrap();
    consumer.shutdown().await.unwrap();
    let status = told().await.unwrap();
    assert_eq!((status.state, status.windows, status.oldest_out), (ConsumerState::Stopped, 2, None));
    assert_eq!(status.waits_for, None);
    assert!(status.position > Offset::FIRST && !status.version.is_empty());
    working.shutdown().await;
    watching.shutdown().await;
}

#[tokio::test]
async fn what_an_open_window_waits_for_is_told_before_anything_is_done() {
    let client = Client::new(Arc::new(MemoryStorage::new()));
    let stream = numbers(&client, 63).await;
    let consumer = stream.streaming().window(CountWindow::new(100)).open().await.unwrap();
    let waits = async || stream.status("default").await.unwrap().pop()?.waits_for;
    until(|| async { waits().await.as_deref() == Some("37 more messages") }).await;
    consumer.shutdown().await.unwrap();
}
