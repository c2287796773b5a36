//! A storage whose replies are lost now and then: nothing is lost or doubled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::{join_all, pending};
use minibatch_core::{Cause, Clock, Error, ErrorKind, Result, Timestamp};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Window};
use minibatch_testkit::{
    clock::ManualClock,
    storage::{Tap, Tapped},
};

use tokio::{sync::Mutex, time::timeout};

use crate::tools::{Hanging, numbers, settle};

/// Every second reply of an operation that writes is lost, after it took effect or before.
#[derive(Debug, Default)]
pub(crate) struct Lossy {
    calls: AtomicU32,
}

impl Tap for Lossy {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        const REPEATED: [&str; 10] = [
            "register_producer",
            "append",
            "read",
            "wait",
            "trim",
            "join",
            "acquire",
            "commit",
            "write_piece",
            "retain_pieces",
        ];
        let lost = || Err(Error::new(Cause::unavailable("reply lost")));
        if !REPEATED.contains(&operation) {
            return call.await;
        }
        match self.calls.fetch_add(1, Relaxed) % 4 {
            0 => lost(),
            2 => {
                call.await?;
                lost()
            }
            _ => call.await,
        }
    }
}

#[tokio::test]
async fn lost_replies_lose_and_double_nothing() {
    let client = Client::new(Arc::new(Tapped::new(MemoryStorage::new(), Lossy::default())));
    let stream = client.stream::<u32>("numbers").await.unwrap();
    for first in (0..60).step_by(20) {
        let numbers: Vec<u32> = (first..first + 20).collect();
        for verdict in join_all(numbers.iter().map(|number| stream.append(number))).await {
            verdict.unwrap();
        }
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let windows = stream.streaming().window(CountWindow::new(7));
        windows
            .drain(|window: Window<u32>| {
                seen.extend(window.data);
                async {}
            })
            .await
            .unwrap();
    }
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    client.shutdown().await;
}

/// The first trim has no answer, and keeps later ones waiting as long as somebody waits for it.
#[derive(Debug, Default)]
struct FirstTrimHangs {
    trims: Mutex<u32>,
}

impl Tap for FirstTrimHangs {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "trim" {
            let mut trims = self.trims.lock().await;
            *trims += 1;
            if *trims == 1 {
                return pending().await;
            }
        }
        call.await
    }
}

#[tokio::test]
async fn a_trim_without_an_answer_keeps_no_consumer_from_ending() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage = Arc::new(Tapped::new(MemoryStorage::new(), FirstTrimHangs::default()));
    let client = Client::with_options(Arc::clone(&storage) as _, given, ClientOptions::default());
    let stream = numbers(&client, 2).await;
    let mut consumer = stream.streaming().window(CountWindow::new(1)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    // so that it is time for a trim
    clock.advance(Duration::from_secs(6));
    window.ack().await.unwrap();
    let ended = timeout(Duration::from_secs(10), consumer.shutdown()).await;
    assert_eq!(ended.unwrap().unwrap().windows, 1);
    assert_eq!(*storage.tap().trims.try_lock().unwrap(), 2);
}

/// A storage whose user lacks the right to delete records.
#[derive(Debug, Default)]
struct NoRightToTrim {
    tried: AtomicU32,
}

impl Tap for NoRightToTrim {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "trim" {
            self.tried.fetch_add(1, Relaxed);
            return Err(Cause::misconfigured("the user lacks a right").into());
        }
        call.await
    }
}

#[tokio::test]
async fn who_may_not_trim_tries_seldom() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage = Arc::new(Tapped::new(MemoryStorage::new(), NoRightToTrim::default()));
    let client = Client::with_options(Arc::clone(&storage) as _, given, ClientOptions::default());
    let stream = numbers(&client, 120).await;
    let mut consumer = stream.streaming().window(CountWindow::new(1)).open().await.unwrap();
    for _ in 0..120 {
        // each time for long enough to trim again
        clock.advance(Duration::from_secs(6));
        consumer.next().await.unwrap().unwrap().ack().await.unwrap();
        settle().await;
    }
    consumer.shutdown().await.unwrap();
    assert_eq!(storage.tap().tried.load(Relaxed), 2, "in twelve minutes");
}

#[tokio::test]
async fn an_append_without_a_verdict_ends_in_time_and_is_called_unclear() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let options = ClientOptions::default().with_append_timeout(Duration::from_secs(5));
    let hanging = Hanging::default();
    let client = Client::with_options(Arc::new(Tapped::new(MemoryStorage::new(), hanging.clone())), given, options);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    hanging.begin();
    let time = async {
        clock.sleepers(1).await;
        clock.advance(Duration::from_secs(5));
    };
    let (verdict, ()) = tokio::join!(stream.append(&1), time);
    assert_eq!(verdict.unwrap_err().kind(), ErrorKind::Retry);
}

#[tokio::test]
async fn bad_names_are_refused_before_the_storage_is_asked() {
    let hanging = Hanging::default();
    let client = Client::new(Arc::new(Tapped::new(MemoryStorage::new(), hanging.clone())));
    let stream = client.stream::<u32>("numbers").await.unwrap();
    hanging.begin();
    let long = "x".repeat(121);
    for name in ["", "a/b", "$where", "$$NOW", "a..b", "a\0b", "🌋", "\u{202e}a", "{\"$ne\":null}", "' OR 1=1", &long]
    {
        let refused = [
            client.stream::<u32>(name).await.map(drop),
            client.dead_letters::<u32>(name).await.map(drop),
            client.redrive(name).await.map(drop),
            client.drop_stream(name).await.map(drop),
            stream.remove_group(name).await.map(drop),
            stream.streaming().group(name).window(CountWindow::new(2)).open().await.map(drop),
        ];
        for verdict in refused {
            let error = verdict.unwrap_err();
            assert!(matches!(error.cause(), Cause::InvalidName { .. }), "{name:?}: {error}");
            assert!(name.is_empty() || !error.to_string().contains(name), "it may be anything: {error}");
        }
    }
}
