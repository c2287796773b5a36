//! How long messages are kept, by whoever has the stream open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{
    Cause, Clock, GroupName, Result, Timestamp,
    storage::{GroupStore, Start, StreamStore},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Retention, Stream, Window};
use minibatch_testkit::{
    clock::ManualClock,
    storage::{Tap, Tapped},
};

use crate::{
    liar::{Liar, Lie},
    tools::{client, manual_client, partitioned, settle, until},
};

const INTERVAL: Duration = Duration::from_secs(5);

/// Records of three numbers each: 1 to 30.
async fn records(client: &Client) -> Stream<u32> {
    let stream = client.stream::<u32>("numbers").await.unwrap();
    append_records(&stream).await;
    stream
}

async fn append_records(stream: &Stream<u32>) {
    for first in (1..=30).step_by(3) {
        stream.append_many(&[first, first + 1, first + 2]).await.unwrap();
    }
}

async fn drain(stream: &Stream<u32>) -> u64 {
    stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap().messages
}

async fn floor(stream: &Stream<u32>) -> u64 {
    stream.bounds().await.unwrap().first().unwrap().floor.get()
}

#[tokio::test]
async fn a_cap_is_kept_where_no_consumer_runs() {
    let (client, clock) = manual_client();
    let stream = records(&client).await;
    stream.retain(Retention::default().with_max_messages(10)).await.unwrap();
    // 12 messages in four records: with three there would be 9
    until(|| async { floor(&stream).await == 7 }).await;
    append_records(&stream).await;
    clock.sleepers(1).await;
    assert_eq!(floor(&stream).await, 7);
    clock.advance(INTERVAL);
    until(|| async { floor(&stream).await == 17 }).await;
    assert_eq!(stream.bounds().await.unwrap()[0].floor_count, 48);
    client.shutdown().await;
}

#[tokio::test]
async fn old_messages_go_and_the_last_record_stays() {
    let (client, clock) = manual_client();
    let stream = records(&client).await;
    stream.retain(Retention::default().with_max_age(Duration::from_secs(7))).await.unwrap();
    clock.sleepers(1).await;
    clock.advance(INTERVAL);
    stream.append(&31).await.unwrap();
    clock.sleepers(1).await;
    clock.advance(INTERVAL);
    until(|| async { floor(&stream).await == 11 }).await;
    clock.sleepers(1).await;
    clock.advance(INTERVAL * 10);
    stream.trim().await.unwrap();
    assert_eq!(floor(&stream).await, 11);
    client.shutdown().await;
}

#[tokio::test]
async fn bytes_are_capped_across_the_trims_of_others() {
    let storage = Arc::new(MemoryStorage::new());
    let (one, other) = (Client::new(Arc::clone(&storage) as _), Client::new(storage as _));
    let stream = records(&one).await;
    let seen = other.stream::<u32>("numbers").await.unwrap();
    // a record of three numbers has 42 bytes in its payload or so: two of them are enough
    seen.retain(Retention::default().with_max_bytes(50)).await.unwrap();
    assert_eq!(one.stream::<u32>("numbers").await.unwrap().retention().await.unwrap().max_bytes, Some(50));
    for trimmer in [&stream, &seen, &stream] {
        append_records(trimmer).await;
        trimmer.trim().await.unwrap();
        let bounds = trimmer.bounds().await.unwrap()[0];
        assert!((1..=3).contains(&(bounds.tail.get() - bounds.floor.get())), "{bounds:?}");
    }
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn what_is_kept_for_ever_is_not_trimmed_when_it_is_finished() {
    let client = client();
    let stream = records(&client).await;
    stream.retain(Retention::keep()).await.unwrap();
    assert_eq!(drain(&stream).await, 30);
    assert_eq!((stream.trim().await.unwrap()[0].deleted, floor(&stream).await), (0, 0));
    stream.retain(Retention::default()).await.unwrap();
    assert_eq!(stream.trim().await.unwrap()[0].deleted, 9);
    client.shutdown().await;
}

#[tokio::test]
async fn what_is_kept_is_kept_as_far_as_the_caps_allow() {
    let client = client();
    let stream = records(&client).await;
    stream.retain(Retention::default().with_max_messages(1_000)).await.unwrap();
    let windows = stream.streaming().window(CountWindow::new(3)).keep(true);
    assert_eq!(windows.drain(|_: Window<u32>| async {}).await.unwrap().windows, 10);
    assert_eq!(stream.retention().await.unwrap(), Retention::keep().with_max_messages(1_000));
    assert_eq!((stream.trim().await.unwrap()[0].deleted, floor(&stream).await), (0, 1), "the cap is far");
    stream.retain(Retention::keep().with_max_messages(15)).await.unwrap();
    stream.trim().await.unwrap();
    assert_eq!(floor(&stream).await, 6, "5 records of 3 messages, all of them finished");

    let kept = stream.kept_windows("default").unwrap();
    let windows = kept.page(0, 1, 20).await.unwrap();
    assert_eq!(windows.len(), 10);
    for window in &windows {
        match kept.open(window).await {
            Ok(opened) => assert_eq!(opened.data[0], u32::try_from(window.ordinal).unwrap() * 3 - 2),
            Err(error) => {
                assert!(window.ordinal <= 5 && matches!(error.cause(), Cause::OffsetTrimmed { .. }), "{error:?}");
            }
        }
    }
    // a group that comes later finds what the cap left
    let late = stream.streaming().group("late").window(CountWindow::new(2));
    assert_eq!(late.drain(|_: Window<u32>| async {}).await.unwrap().messages, 15);
    client.shutdown().await;
}

#[tokio::test]
async fn what_a_cap_takes_is_counted_by_the_group() {
    let client = client();
    let stream = records(&client).await;
    drop(stream.streaming().window(CountWindow::new(2)).open().await.unwrap());
    stream.retain(Retention::default().with_max_messages(10)).await.unwrap();
    stream.trim().await.unwrap();
    assert_eq!(drain(&stream).await, 12);
    let audit = stream.audit("default").await.unwrap();
    assert_eq!(audit.differences().count(), 0);
    assert_eq!((audit.total().finished, audit.total().expired), (12, 18));
    client.shutdown().await;
}

#[tokio::test]
async fn a_group_that_nobody_works_for_expires_and_others_do_not() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage = Arc::new(MemoryStorage::with_clock(Arc::clone(&given)));
    let client = || Client::with_options(Arc::clone(&storage) as _, Arc::clone(&given), ClientOptions::default());
    let (gone, here) = (client(), client());
    let stream = records(&gone).await;
    drain(&stream).await;
    gone.shutdown().await;

    let stream = here.stream::<u32>("numbers").await.unwrap();
    let windows = |group| stream.streaming().group(group).window(CountWindow::new(100));
    let working = windows("working").open().await.unwrap();
    // no consumer ever told anything of it
    here.storage()
        .open_group(&here.streams().await.unwrap()[0], &GroupName::new("untold").unwrap(), "", Start::Earliest)
        .await
        .unwrap();
    until(|| async { !stream.status("working").await.unwrap().is_empty() }).await;
    stream.retain(Retention::default().with_groups_expire_after(Duration::from_secs(60))).await.unwrap();
    let names =
        || async { stream.groups().await.unwrap().into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>() };
    assert_eq!(names().await, ["default", "untold", "working"]);
    for _ in 0..24 {
        clock.advance(Duration::from_secs(3));
        // the working one's heartbeat and the upkeep get to run
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    until(|| async { names().await == ["untold", "working"] }).await;
    drop(working);
    here.shutdown().await;
}

/// Before a group is removed, somebody acquires it.
#[derive(Debug)]
struct Revived(MemoryStorage);

impl Tap for Revived {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "remove_group" {
            let stream = self.0.list_streams().await?.pop().unwrap();
            let member = self.0.join(Duration::from_secs(3_600)).await?;
            self.0.acquire(&stream.partition(0), &GroupName::new("default")?, &member).await?;
        }
        call.await
    }
}

#[tokio::test]
async fn a_group_that_somebody_works_for_again_does_not_expire() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let memory = MemoryStorage::with_clock(Arc::clone(&given));
    let gone = Client::with_options(Arc::new(memory.clone()), Arc::clone(&given), ClientOptions::default());
    drain(&records(&gone).await).await;
    gone.shutdown().await;

    let storage = Arc::new(Tapped::new(memory.clone(), Revived(memory.clone())));
    let client = Client::with_options(storage, given, ClientOptions::default());
    let stream = client.stream::<u32>("numbers").await.unwrap();
    stream.retain(Retention::default().with_groups_expire_after(Duration::from_secs(60))).await.unwrap();
    let owner = || async { stream.groups().await.unwrap()[0].1[0].owner.clone() };
    until(|| async {
        clock.advance(Duration::from_secs(10));
        owner().await.is_some()
    })
    .await;
    settle().await;
    assert!(owner().await.is_some(), "the group is there, and owned");
    client.shutdown().await;
}

/// May not remove groups.
#[derive(Clone, Debug, Default)]
struct Unprivileged(Arc<AtomicU32>);

impl Tap for Unprivileged {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "remove_group" {
            self.0.fetch_add(1, Relaxed);
            return Err(Cause::misconfigured("the url's user may not do this").into());
        }
        call.await
    }
}

#[tokio::test]
async fn who_may_not_remove_groups_trims_and_tries_again_later() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let memory = MemoryStorage::with_clock(Arc::clone(&given));
    let refused = Unprivileged::default();
    let storage = Arc::new(Tapped::new(memory, refused.clone()));
    let client = Client::with_options(storage, given, ClientOptions::default());
    let stream = records(&client).await;
    drain(&stream).await;
    clock.advance(Duration::from_secs(120));
    append_records(&stream).await;
    let retention = Retention::default().with_max_messages(10).with_groups_expire_after(Duration::from_secs(60));
    stream.retain(retention).await.unwrap();
    until(|| async { floor(&stream).await == 17 }).await;
    for _ in 0..10 {
        clock.advance(INTERVAL);
        settle().await;
    }
    assert_eq!(refused.0.load(Relaxed), 1);
    clock.advance(Duration::from_secs(600));
    until(|| async { refused.0.load(Relaxed) == 2 }).await;
    client.shutdown().await;
}

#[tokio::test]
async fn what_an_interrupted_removal_left_is_removed() {
    let (liar, called) = (Liar::new(), Unprivileged::default());
    liar.tell(Lie::HalfRemoved);
    let client = Client::new(Arc::new(Tapped::new(liar, called.clone())));
    let stream = partitioned(&client, 2).await;
    // no consumer ever told anything of it
    let info = client.streams().await.unwrap().pop().unwrap();
    client.storage().open_group(&info, &GroupName::new("left").unwrap(), "", Start::Earliest).await.unwrap();
    stream.retain(Retention::default().with_groups_expire_after(Duration::from_secs(60))).await.unwrap();
    until(|| async { called.0.load(Relaxed) == 1 }).await;
    client.shutdown().await;
}
