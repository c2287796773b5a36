//! How a storage ends.

use std::time::Duration;

use minibatch_core::{
    Cause, Error, Slot,
    storage::{ChunkLog, StreamStore},
};
use minibatch_testkit::cancel::dropped_after;
use tokio::time::timeout;

use crate::support::{Place, Producer, partition, read_all};

const LONG: Duration = Duration::from_secs(30);

fn assert_closed<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_eq!(result.unwrap_err().cause(), &Cause::Closed);
}

#[tokio::test]
async fn closing_leaves_the_file_alone() {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    producer.append("one").await;
    let waiting = {
        let (storage, partition) = (storage.clone(), producer.partition.clone());
        tokio::spawn(async move { storage.wait(&partition, Slot::FIRST).await })
    };
    while place.entries().iter().all(|name| name != "q.db-bell") {
        tokio::task::yield_now().await;
    }
    timeout(LONG, storage.close()).await.unwrap();
    assert_eq!(place.entries(), ["q.db"]);
    assert_closed(timeout(LONG, waiting).await.unwrap().unwrap());

    assert_closed(storage.bounds(&producer.partition).await);
    assert_closed(storage.wait(&producer.partition, Slot::ZERO).await);
    assert_closed(producer.try_append("two").await);
    assert_closed(storage.clone().list_streams().await);
    timeout(LONG, storage.close()).await.unwrap();
}

#[tokio::test]
async fn closing_finishes_what_was_begun() {
    let place = Place::new();
    let storage = place.open().await;
    let mut appends = tokio::task::JoinSet::new();
    for n in 0..200 {
        let mut producer = Producer::register(&storage, &format!("p{n}")).await;
        appends.spawn(async move { producer.try_append("x").await.inspect(|_| producer.stamp.sequence += 1).is_ok() });
    }
    tokio::task::yield_now().await;
    storage.close().await;
    let acknowledged = appends.join_all().await.into_iter().filter(|done| *done).count();
    let storage = place.open().await;
    assert_eq!(read_all(&storage, &partition(&storage).await).await.len(), acknowledged);
}

#[tokio::test]
async fn dropping_the_last_handle_keeps_what_was_given() {
    let place = Place::new();
    let storage = place.open().await;
    let producer = Producer::register(&storage, "p").await;
    // polled once, so that it is in the queue, and dropped
    let mut append = Box::pin(producer.try_append("one"));
    assert!(futures_poll_once(append.as_mut()).await.is_none());
    drop(append);
    let partition = producer.partition.clone();
    drop((producer, storage));

    let storage = place.open().await;
    timeout(LONG, storage.wait(&partition, Slot::ZERO)).await.unwrap().unwrap();
    assert_eq!(read_all(&storage, &partition).await.len(), 1);
}

async fn futures_poll_once<T>(mut future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn it_outlives_the_runtime_it_was_opened_in() {
    let place = Place::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut producer = runtime().block_on(async { Producer::register(&place.open().await, "p").await });
    assert_eq!(runtime().block_on(producer.append("one")), Slot::FIRST);
}

#[tokio::test]
async fn calls_dropped_half_way_keep_no_thread() {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    let partition = producer.partition.clone();
    // more than wait in any queue at once
    for polls in (0..600).map(|n| n % 3) {
        dropped_after(polls, producer.try_append("x")).await;
        dropped_after(polls, storage.bounds(&partition)).await;
        // nothing wakes it
        dropped_after(polls.min(1), storage.wait(&partition, Slot::MAX)).await;
    }
    producer.append("x").await;
    assert_eq!(read_all(&storage, &partition).await.len(), 1);
    timeout(LONG, storage.close()).await.unwrap();
    assert_eq!(place.entries(), ["q.db"]);
}
