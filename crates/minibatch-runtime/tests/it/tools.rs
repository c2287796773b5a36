//! What the tests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{Clock, Result, Timestamp, chunk::Extras, storage::Storage};
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Backoff, Client, ClientOptions, Stream, StreamOptions};
use minibatch_testkit::{clock::ManualClock, storage::Tap};

/// A client of a storage of its own.
pub(crate) fn client() -> Client {
    Client::new(Arc::new(MemoryStorage::new()))
}

/// A client whose time stands still.
pub(crate) fn manual_client() -> (Client, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::with_clock(Arc::clone(&given)));
    (Client::with_options(storage, given, ClientOptions::default()), clock)
}

/// A stream of the numbers `1..=count`.
pub(crate) async fn numbers(client: &Client, count: u32) -> Stream<u32> {
    let stream = client.stream("numbers").await.unwrap();
    let numbers: Vec<u32> = (1..=count).collect();
    stream.append_many(&numbers).await.unwrap();
    stream
}

/// Waits short enough for tests of retries.
pub(crate) fn soon() -> Backoff {
    Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) }
}

/// From some time on, a storage that does not answer: to anything, or to one operation. Clones begin together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hanging {
    begun: Arc<AtomicBool>,
    only: Option<&'static str>,
}

impl Hanging {
    pub(crate) fn only(operation: &'static str) -> Self {
        Self { only: Some(operation), ..Self::default() }
    }

    pub(crate) fn begin(&self) {
        self.begun.store(true, Relaxed);
    }
}

impl Tap for Hanging {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.begun.load(Relaxed) && self.only.is_none_or(|only| only == operation) {
            true => std::future::pending().await,
            false => call.await,
        }
    }
}

/// Waits until that is so, as whatever brings it about goes on beside the test.
pub(crate) async fn until<F: Future<Output = bool>>(mut so: impl FnMut() -> F) {
    let wait = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

/// An empty stream with so many partitions.
pub(crate) async fn partitioned(client: &Client, partitions: u32) -> Stream<u32> {
    let options = StreamOptions::default().with_partitions(partitions);
    client.stream_with("numbers", &options).await.unwrap()
}

/// With this key.
pub(crate) fn keyed(key: &str) -> Extras {
    Extras { key: Some(key.to_owned()), ..Extras::default() }
}

/// Lets everything go on that does not wait for time.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
