//! From one stream into another: each window's output is there once, whatever dies between.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{Error, ErrorKind, Result};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Backlog, Client, MessageMeta, Output, Stream, StreamOptions, Summary, WhenFull, Window};
use minibatch_testkit::storage::{Tap, Tapped};
use serde::de::DeserializeOwned;

use crate::{
    dead_letters::letters,
    tools::{client, keyed, numbers, partitioned, soon},
};

/// Everything that is in a stream, partition after partition.
async fn all<T: DeserializeOwned + Clone + Send + 'static>(stream: &Stream<T>) -> Vec<(T, MessageMeta)> {
    let mut seen: Vec<(T, MessageMeta)> = Vec::new();
    let windows = stream.streaming().group("all").window(CountWindow::new(1));
    let read = windows.drain(|window: Window<T>| {
        seen.extend(window.data.iter().cloned().zip(window.meta()));
        async {}
    });
    read.await.unwrap();
    seen.sort_by_key(|(_, meta)| (meta.partition, meta.offset));
    seen
}

async fn values<T: DeserializeOwned + Clone + Send + 'static>(stream: &Stream<T>) -> Vec<T> {
    all(stream).await.into_iter().map(|(value, _)| value).collect()
}

/// The storage dies after so many commits: each later one takes effect no more, and has no answer.
#[derive(Debug, Default)]
struct Dies {
    commits: AtomicU32,
}

impl Dies {
    fn after(&self, commits: u32) {
        self.commits.store(commits, Relaxed);
    }
}

impl Tap for Dies {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "commit" && self.commits.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
            return std::future::pending().await;
        }
        call.await
    }
}

/// Sums of two.
async fn sums(stream: &Stream<u32>, target: &Stream<u32>) -> Result<Summary> {
    let windows = stream.streaming().window(CountWindow::new(2)).into(target);
    windows.drain(|window: Window<u32>| async move { [window.data.iter().sum::<u32>()] }).await
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_commit_doubles_no_output() {
    for commits in 0..4 {
        let storage = Arc::new(Tapped::new(MemoryStorage::new(), Dies::default()));
        let client = Client::new(Arc::clone(&storage) as _);
        let stream = numbers(&client, 7).await;
        let target = client.stream::<u32>("sums").await.unwrap();
        for round in 0..2 {
            storage.tap().after(commits);
            let died = tokio::time::timeout(Duration::from_secs(5), sums(&stream, &target)).await;
            assert!(died.is_err() || commits > 0, "round {round}");
        }
        storage.tap().after(1_000);
        let last = sums(&stream, &target).await.unwrap();
        assert_eq!(last.discarded, 0, "the function gives the same again");
        assert_eq!(values(&target).await, [3, 7, 11, 7], "after {commits} commits");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_output_of_a_window_stands() {
    let storage = Arc::new(Tapped::new(MemoryStorage::new(), Dies::default()));
    let client = Client::new(Arc::clone(&storage) as _);
    let stream = numbers(&client, 2).await;
    let target = client.stream::<String>("words").await.unwrap();
    let run = |word: &'static str| {
        let windows = stream.streaming().window(CountWindow::new(2)).into(&target);
        windows.drain(move |_: Window<u32>| async move { vec![word.to_owned()] })
    };
    // the end of the drain is noted before the window is run
    storage.tap().after(1);
    assert!(tokio::time::timeout(Duration::from_secs(5), run("first")).await.is_err());
    storage.tap().after(1_000);
    let summary = run("second").await.unwrap();
    assert_eq!((summary.windows, summary.discarded), (1, 1));
    assert_eq!(values(&target).await, ["first"]);
}

#[tokio::test]
async fn keys_and_partitions_say_where_output_goes() {
    let client = client();
    let stream = partitioned(&client, 3).await;
    for number in 0..30 {
        stream.append_with(&number, &keyed(&format!("key {number}"))).await.unwrap();
    }
    let options = StreamOptions::default().with_partitions(2);
    let target = client.stream_with::<u32>("target", &options).await.unwrap();
    let windows = stream.streaming().window(CountWindow::new(4)).into(&target);
    let twice = |window: Window<u32>| async move {
        let own = window.data.iter().map(|number| Output::new(*number).with_key(number.to_string()));
        let plain = window.data.iter().map(|number| Output::from(1_000 + 1_000 * window.partition + number));
        own.chain(plain).collect::<Vec<_>>()
    };
    windows.drain(twice).await.unwrap();
    let seen = all(&target).await;
    assert_eq!(seen.len(), 60);
    for (value, meta) in seen {
        let expected = match &meta.key {
            Some(key) => target.partition_of(key),
            None => (value / 1_000 - 1) % 2,
        };
        assert_eq!(meta.partition, expected, "{value}");
    }
}

#[tokio::test]
async fn a_window_that_fails_has_no_output_and_is_kept_whole() {
    let client = client();
    let stream = numbers(&client, 6).await;
    let target = client.stream::<u32>("sums").await.unwrap();
    let windows = stream.streaming().window(CountWindow::new(2)).max_attempts(2).backoff(soon());
    let summary = windows
        .into(&target)
        .drain(|window: Window<u32>| async move {
            match window.data.contains(&3) {
                true => Err("no threes"),
                false => Ok(window.data),
            }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.dead), (3, 2));
    assert_eq!(values(&target).await, [1, 2, 5, 6]);
    assert_eq!(letters::<u32>(&client).await.len(), 2);
}

#[tokio::test]
async fn messages_are_rejected_and_never_given_back() {
    let client = client();
    let stream = numbers(&client, 4).await;
    let target = client.stream::<u32>("kept").await.unwrap();
    let mut refused = 0;
    let windows = stream.streaming().window(CountWindow::new(2)).into(&target);
    let summary = windows.drain(|window: Window<u32>| {
        let error = window.retry(0, Duration::ZERO).unwrap_err();
        refused += u32::from(error.kind() == ErrorKind::Misconfigured);
        window.reject(0, "odd").unwrap();
        async move { window.data.get(1).copied() }
    });
    assert_eq!(summary.await.unwrap().dead, 2);
    assert_eq!((refused, values(&target).await), (2, vec![2, 4]));
}

#[tokio::test]
async fn output_may_be_big_and_may_be_nothing() {
    let client = client();
    let stream = numbers(&client, 3).await;
    let target = client.stream::<u32>("target").await.unwrap();
    let windows = stream.streaming().window(CountWindow::new(1)).into(&target);
    // more than a chunk holds, nothing, and one
    let counts = |window: Window<u32>| match window.data[0] {
        1 => (0..10_000).collect::<Vec<u32>>(),
        2 => Vec::new(),
        _ => vec![10_000],
    };
    windows.drain_blocking(counts).await.unwrap();
    assert_eq!(values(&target).await, (0..=10_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn where_the_target_is_full_windows_wait_and_nobody_is_at_fault() {
    let client = client();
    let stream = numbers(&client, 4).await;
    let target = client.stream::<u32>("target").await.unwrap();
    let slow = target.streaming().group("slow").window(CountWindow::new(1));
    slow.drain(|_: Window<u32>| async {}).await.unwrap();
    let full = Backlog::default().with_max_messages(1).with_when_full(WhenFull::Error);
    target.limit_backlog(full).await.unwrap();
    let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(1).into(&target);
    let (summary, ()) = tokio::join!(windows.drain(|window: Window<u32>| async move { window.data }), async {
        let mut consumer = target.streaming().group("slow").window(CountWindow::new(1)).open().await.unwrap();
        for number in 1..=4 {
            let window = consumer.next().await.unwrap().unwrap();
            assert_eq!(window.data, [number]);
            window.ack().await.unwrap();
        }
    });
    assert_eq!(summary.unwrap().dead, 0);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_and_redriven_ones_come_once_whatever_dies() {
    let storage = Arc::new(Tapped::new(MemoryStorage::new(), Dies::default()));
    let client = Client::new(Arc::clone(&storage) as _);
    let stream = numbers(&client, 5).await;
    let reject = |count: usize| {
        let windows = stream.streaming().window(CountWindow::new(count));
        windows.drain(|window: Window<u32>| async move {
            for index in 0..window.len() {
                window.reject(index, "no")?;
            }
            Ok::<_, Error>(())
        })
    };
    for _ in 0..2 {
        storage.tap().after(0);
        assert!(tokio::time::timeout(Duration::from_secs(5), reject(2)).await.is_err(), "it dies before it commits");
    }
    storage.tap().after(1_000);
    assert_eq!(reject(2).await.unwrap().dead, 5);
    let dead = client.dead_letters::<u32>("numbers").await.unwrap();
    assert_eq!(dead.bounds().await.unwrap()[0].tail.get(), 5, "a record for each letter");

    for commits in [1, 0] {
        storage.tap().after(commits);
        let died = tokio::time::timeout(Duration::from_secs(5), client.redrive("numbers")).await;
        assert!(died.is_err(), "it dies before it commits");
    }
    storage.tap().after(1_000);
    client.redrive("numbers").await.unwrap();
    assert_eq!(values(&stream).await, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
}
