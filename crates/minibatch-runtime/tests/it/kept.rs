//! Windows that are kept can be listed, and run again exactly.

use std::sync::Arc;

use minibatch_core::{
    Buffer, Cause, Offset, Readiness, Slot, Timestamp, WindowEmitter,
    storage::{ChunkLog, StreamStore, Trim},
    window::{Reason, Selection, WindowId},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, KeptWindow, Stream, Window};

use crate::tools::{client, numbers, soon};

/// The numbers in sixes, each window backwards.
struct Backwards;

impl WindowEmitter for Backwards {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() >= 6 { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let mut offsets: Vec<Offset> = buffer.iter().take(6).map(|message| message.offset()).collect();
        offsets.reverse();
        Selection::of(offsets, Reason::Predicate)
    }
}

type Seen = Vec<(WindowId, u64, Vec<u32>, minibatch_core::window::Bounds)>;

fn note(seen: &mut Seen, window: Window<u32>) {
    seen.push((window.id, window.ordinal, window.data, window.bounds));
}

async fn keep(stream: &Stream<u32>) -> Seen {
    let mut seen = Vec::new();
    let windows = stream.streaming().window(|| Backwards).keep(true);
    windows
        .drain(|window: Window<u32>| {
            note(&mut seen, window);
            async {}
        })
        .await
        .unwrap();
    seen
}

#[tokio::test]
async fn the_same_members_in_the_same_order_under_the_same_id() {
    let client = client();
    let stream = numbers(&client, 20).await;
    stream.append_many(&(21..=40).collect::<Vec<_>>()).await.unwrap();
    let seen = keep(&stream).await;
    assert_eq!(seen.iter().map(|(_, ordinal, ..)| *ordinal).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());

    let kept = stream.kept_windows("default").unwrap();
    let mut again = Vec::new();
    // in pages of three
    let mut from = 1;
    loop {
        let page = kept.page(0, from, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        from = last.ordinal + 1;
        for window in &page {
            assert!(window.formed <= window.begun && window.begun <= window.done && window.dead.is_empty());
            kept.rerun(window, |window| {
                assert_eq!(window.reason, Reason::Rerun);
                note(&mut again, window);
                async {}
            })
            .await
            .unwrap();
        }
    }
    assert_eq!(again, seen);
    // nothing is settled by it
    assert_eq!(stream.audit("default").await.unwrap().total().finished, 40);
    assert_eq!(kept.find(0, 8).await.unwrap(), None);
    let second = kept.find(0, 2).await.unwrap().unwrap();
    assert_eq!((second.id, second.len(), second.reason), (seen[1].0, 6, Reason::Predicate));
    let window = kept.open(&second).await.unwrap();
    assert_eq!(window.data, seen[1].2);
    let failed = kept.rerun(&second, |_| async { Err::<(), _>("still no good") }).await.unwrap_err();
    assert!(matches!(failed.cause(), Cause::Function { .. }), "{failed:?}");
    client.shutdown().await;
}

#[tokio::test]
async fn what_was_given_up_on_and_how_often_it_was_tried_is_kept() {
    let client = client();
    let stream = numbers(&client, 6).await;
    let windows = stream.streaming().window(CountWindow::new(3)).keep(true).max_attempts(2).backoff(soon());
    let fails = |window: Window<u32>| async move {
        match window.data.contains(&5) {
            true => Err("no fives"),
            false => Ok(()),
        }
    };
    windows.drain(fails).await.unwrap();
    let kept = stream.kept_windows("default").unwrap().page(0, 1, 10).await.unwrap();
    let dead = |window: &KeptWindow| window.dead.iter().map(|places| (places.start, places.end)).collect::<Vec<_>>();
    let facts: Vec<_> = kept.iter().map(|window| (window.ordinal, window.attempts, dead(window))).collect();
    assert_eq!(facts, [(1, 1, vec![]), (2, 4, vec![(1, 2)])]);
    client.shutdown().await;
}

#[tokio::test]
async fn a_window_whose_messages_are_gone_says_so() {
    let storage = MemoryStorage::new();
    let client = Client::new(Arc::new(storage.clone()));
    let stream = numbers(&client, 6).await;
    stream.append_many(&[7, 8, 9, 10, 11, 12]).await.unwrap();
    keep(&stream).await;
    // kept, though every group has finished with it
    assert_eq!(stream.trim().await.unwrap()[0].deleted, 0);
    let partition = storage.find_stream(stream.name()).await.unwrap().unwrap().partition(0);
    storage.trim(&partition, Trim::FinishedOrBelow(Slot::new(2).unwrap())).await.unwrap();
    let kept = stream.kept_windows("default").unwrap();
    let page = kept.page(0, 1, 10).await.unwrap();
    let error = kept.open(&page[0]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::OffsetTrimmed { .. }), "{error:?}");
    assert_eq!(kept.open(&page[1]).await.unwrap().data, [12, 11, 10, 9, 8, 7]);
    let nobody = stream.kept_windows("nobody").unwrap().page(0, 1, 1).await.unwrap_err();
    assert!(matches!(nobody.cause(), Cause::GroupRemoved), "{nobody:?}");
    client.shutdown().await;
}
