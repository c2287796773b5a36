//! Who shares what.

use minibatch_core::{
    Cause, Slot, StreamName,
    storage::{ChunkLog, StreamStore},
};
use minibatch_memory::MemoryStorage;

async fn streams(storage: &MemoryStorage) -> usize {
    storage.list_streams().await.unwrap().len()
}

async fn open(storage: &MemoryStorage) {
    storage.open_stream(&StreamName::new("events").unwrap(), 1).await.unwrap();
}

#[tokio::test]
async fn clones_share_and_others_do_not() {
    let storage = MemoryStorage::new();
    let clone = storage.clone();
    open(&storage).await;
    assert_eq!((streams(&clone).await, streams(&MemoryStorage::new()).await), (1, 0));
}

#[tokio::test]
async fn names_share_as_long_as_there_is_a_handle() {
    let storage = MemoryStorage::named("as-long-as");
    open(&storage).await;
    let other = MemoryStorage::named("as-long-as");
    drop(storage);
    assert_eq!(streams(&other).await, 1);
    assert_eq!(streams(&MemoryStorage::named("another")).await, 0);
    drop(other);
    assert_eq!(streams(&MemoryStorage::named("as-long-as")).await, 0);
}

#[tokio::test]
async fn wait_ends_when_the_stream_is_dropped() {
    let storage = MemoryStorage::new();
    let stream = storage.open_stream(&StreamName::new("events").unwrap(), 1).await.unwrap();
    let waiting = storage.clone();
    let partition = stream.partition(0);
    let waiter = tokio::spawn(async move { waiting.wait(&partition, Slot::ZERO).await });
    tokio::task::yield_now().await;
    storage.drop_stream(&stream.name).await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap_err().cause(), &Cause::StreamDropped);
}
