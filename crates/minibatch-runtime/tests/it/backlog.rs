//! Producers that run ahead of the slowest group are held back.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Cause, Clock, ErrorKind, Timestamp};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Backlog, Client, ClientOptions, Stream, WhenFull, Window};
use minibatch_testkit::clock::ManualClock;

use crate::tools::{client, until};

async fn drain(stream: &Stream<u32>) {
    stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap();
}

/// Appends until that fails, and says how many were appended, and why it failed.
async fn fill(stream: &Stream<u32>) -> (u32, Cause) {
    let mut appended = 0;
    loop {
        match stream.append(&appended).await {
            Ok(_) => appended += 1,
            Err(error) => return (appended, error.cause().clone()),
        }
        // whoever looks at the backlog gets to
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn beyond_the_limit_an_append_fails_until_the_group_has_caught_up() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    drain(&stream).await;
    let backlog = Backlog::default().with_max_messages(80).with_when_full(WhenFull::Error);
    stream.limit_backlog(backlog).await.unwrap();
    assert_eq!(stream.backlog().await.unwrap(), backlog);
    let (appended, cause) = fill(&stream).await;
    assert!(matches!(cause, Cause::BacklogFull { unfinished, .. } if unfinished >= 80), "{cause:?}");
    assert_eq!(cause.kind(), ErrorKind::Retry);
    assert!((80..=110).contains(&appended), "{appended}");
    // nothing of what failed was appended
    let audit = stream.audit("default").await.unwrap();
    assert_eq!(audit.total().waiting, u64::from(appended));
    drain(&stream).await;
    until(|| async { stream.append(&0).await.is_ok() }).await;
    client.shutdown().await;
}

#[tokio::test]
async fn without_a_group_there_is_no_backlog() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    stream.limit_backlog(Backlog::default().with_max_bytes(10).with_when_full(WhenFull::Error)).await.unwrap();
    for number in 0..50 {
        stream.append(&number).await.unwrap();
        tokio::task::yield_now().await;
    }
    drop(stream.streaming().window(CountWindow::new(2)).open().await.unwrap());
    assert!(matches!(fill(&stream).await.1, Cause::BacklogFull { .. }));
    client.shutdown().await;
}

#[tokio::test]
async fn a_blocked_append_goes_on_when_there_is_room_and_fails_when_its_time_is_over() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage = Arc::new(MemoryStorage::with_clock(Arc::clone(&given)));
    let options = ClientOptions::default().with_append_timeout(Duration::from_secs(10));
    let client = Client::with_options(storage as _, given, options);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    drain(&stream).await;
    stream.limit_backlog(Backlog::default().with_max_messages(8)).await.unwrap();
    let blocked = || {
        let stream = stream.clone();
        tokio::spawn(async move { fill_one(&stream).await })
    };
    while !blocked_soon(&stream).await {}
    let append = blocked();
    until(|| async {
        clock.advance(Duration::from_millis(100));
        append.is_finished()
    })
    .await;
    let error = append.await.unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::BacklogFull { .. }), "{error:?}");

    let append = blocked();
    drain(&stream).await;
    until(|| async {
        clock.advance(Duration::from_millis(100));
        append.is_finished()
    })
    .await;
    append.await.unwrap().unwrap();
    client.shutdown().await;
}

async fn fill_one(stream: &Stream<u32>) -> minibatch_core::Result<()> {
    stream.append(&1).await.map(drop)
}

/// Appends once where that does not wait; says whether it does.
async fn blocked_soon(stream: &Stream<u32>) -> bool {
    let append = tokio::time::timeout(Duration::from_millis(20), stream.append(&1)).await;
    tokio::task::yield_now().await;
    append.is_err()
}
