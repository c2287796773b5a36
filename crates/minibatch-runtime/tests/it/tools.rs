//! What the tests share.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Clock, Timestamp, storage::Storage};
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Backoff, Client, ClientOptions, Stream};
use minibatch_testkit::clock::ManualClock;

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

/// Waits until that is so, as whatever brings it about goes on beside the test.
pub(crate) async fn until<F: Future<Output = bool>>(mut so: impl FnMut() -> F) {
    let wait = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}
