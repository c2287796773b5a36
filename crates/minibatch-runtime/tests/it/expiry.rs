//! What a cut of the log takes from a group: counted, and told.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Slot,
    storage::{ChunkLog, Partition, StreamStore, Trim},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ConsumerOptions, OnExpired, Stream, Window};

struct Cut {
    storage: MemoryStorage,
    client: Client,
    stream: Stream<u32>,
    partition: Partition,
}

impl Cut {
    /// Records of three numbers: 1 to 30.
    async fn new() -> Self {
        let storage = MemoryStorage::new();
        let client = Client::new(Arc::new(storage.clone()));
        let stream = client.stream::<u32>("numbers").await.unwrap();
        for first in (1..=30).step_by(3) {
            stream.append_many(&[first, first + 1, first + 2]).await.unwrap();
        }
        let partition = storage.find_stream(stream.name()).await.unwrap().unwrap().partition(0);
        Self { storage, client, stream, partition }
    }

    async fn below(&self, slot: u64) {
        self.storage.trim(&self.partition, Trim::FinishedOrBelow(Slot::new(slot).unwrap())).await.unwrap();
    }

    async fn drain(&self) -> Vec<u32> {
        let mut seen = Vec::new();
        let windows = self.stream.streaming().window(CountWindow::new(2)).group("slow");
        windows
            .drain(|window: Window<u32>| {
                seen.extend(window.data);
                async {}
            })
            .await
            .unwrap();
        seen
    }
}

#[tokio::test]
async fn a_group_goes_on_after_what_was_cut_and_counts_it() {
    let cut = Cut::new().await;
    let mut consumer = cut.stream.streaming().window(CountWindow::new(2)).group("slow").open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    window.ack().await.unwrap();
    drop(consumer);
    // 1 and 2 are finished, 3 to 12 are lost
    cut.below(5).await;
    let before = cut.stream.audit("slow").await.unwrap();
    assert_eq!((before.total().expired, before.total().waiting), (10, 18));
    assert_eq!(cut.drain().await, (13..=30).collect::<Vec<_>>());
    let audit = cut.stream.audit("slow").await.unwrap();
    assert_eq!(audit.differences().count(), 0);
    let terms = audit.total();
    assert_eq!((terms.finished, terms.expired, terms.waiting), (20, 10, 0));
    let counters = cut.stream.groups().await.unwrap()[0].1[0].counters;
    assert_eq!((counters.finished, counters.expired), (20, 10));
    // what was counted once is not counted again
    assert!(cut.drain().await.is_empty());
    assert_eq!(cut.stream.audit("slow").await.unwrap().total(), terms);
    cut.client.shutdown().await;
}

#[tokio::test]
async fn a_consumer_at_work_finishes_what_it_has_and_goes_on_after_the_cut() {
    let cut = Cut::new().await;
    let options = {
        let mut options = ConsumerOptions::default();
        options.prefetch_bytes = 1;
        options
    };
    let windows = cut.stream.streaming().options(options).window(CountWindow::new(2)).group("slow");
    let mut consumer = windows.open().await.unwrap();
    let mut seen = Vec::new();
    let first = consumer.next().await.unwrap().unwrap();
    cut.below(7).await;
    seen.extend(first.data.iter().copied());
    drop(first.ack());
    while seen.last() != Some(&30) {
        let window = consumer.next().await.unwrap().unwrap();
        seen.extend(window.data.iter().copied());
        drop(window.ack());
    }
    consumer.shutdown().await.unwrap();
    assert!(seen.starts_with(&[1, 2]) && seen.ends_with(&(19..=30).collect::<Vec<_>>()), "{seen:?}");
    let audit = cut.stream.audit("slow").await.unwrap();
    assert_eq!(audit.differences().count(), 0);
    let terms = audit.total();
    assert_eq!((terms.finished, terms.waiting), (seen.len() as u64, 0));
    assert_eq!(terms.expired, 30 - terms.finished);
    cut.client.shutdown().await;
}

#[tokio::test]
async fn whoever_must_not_miss_anything_stops() {
    let cut = Cut::new().await;
    let windows = || cut.stream.streaming().window(CountWindow::new(2)).group("slow").on_expired(OnExpired::Stop);
    drop(windows().open().await.unwrap());
    cut.below(5).await;
    let error = windows().drain(|_: Window<u32>| async {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::OffsetTrimmed { .. }), "{error:?}");
    assert_eq!(cut.stream.groups().await.unwrap()[0].1[0].counters.total(), 0);
    assert_eq!(cut.drain().await.len(), 18);
    cut.client.shutdown().await;
}

#[tokio::test]
async fn an_open_window_waits_as_a_whole_and_what_is_left_of_it_is_skipped_when_it_is_cut() {
    let cut = Cut::new().await;
    let windows = || cut.stream.streaming().window(CountWindow::new(3)).group("slow");
    let mut consumer = windows().open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    window.retry(1, Duration::from_secs(3_600)).unwrap();
    window.ack().await.unwrap();
    for _ in 1..10 {
        consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    }
    drop(consumer);
    let audit = cut.stream.audit("slow").await.unwrap();
    assert_eq!((audit.differences().count(), audit.total().finished, audit.total().waiting), (0, 27, 3));

    cut.below(2).await;
    let expected = cut.stream.audit("slow").await.unwrap();
    assert_eq!((expected.differences().count(), expected.total().skipped, expected.total().waiting), (0, 1, 0));
    let mut seen: Vec<u32> = Vec::new();
    let look = |window: Window<u32>| {
        seen.extend(window.data);
        async {}
    };
    windows().drain(look).await.unwrap();
    assert!(seen.is_empty(), "the group goes on where it was");
    let audit = cut.stream.audit("slow").await.unwrap();
    let terms = audit.total();
    assert_eq!((audit.differences().count(), terms.finished, terms.skipped, terms.waiting), (0, 29, 1, 0));
    cut.client.shutdown().await;
}
