//! Shared deadlines are in the log, over every storage: whoever reads it gets the same windows, at its end too.

use std::time::Duration;

use minibatch::{Consumer, FixedTimeWindow, Reason, Retention, Timestamp, prelude::*};
use minibatch_core::{
    ProducerId, Slot,
    checkpoint::Checkpoint,
    chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp, RecordKind},
};

use crate::stores::{self, Store};

/// Bounds, data, reason.
type Seen = (Timestamp, Timestamp, Vec<u32>, Reason);

async fn open(stream: &Stream<u32>, group: &str) -> Consumer<u32> {
    let every = FixedTimeWindow::new(Duration::from_secs(1));
    stream.streaming().group(group).window(every).open().await.unwrap()
}

async fn next(consumer: &mut Consumer<u32>) -> Seen {
    let window = consumer.next().await.unwrap().unwrap();
    let seen = (window.bounds.start, window.bounds.end, window.data.clone(), window.reason);
    window.ack().await.unwrap();
    seen
}

/// Appends a number with the time of a producer whose clock is behind.
async fn append_behind(store: &Store, number: u32, time: Timestamp) {
    let storage = store.mb.storage();
    let stream = storage.list_streams().await.unwrap().remove(0);
    let (partition, id) = (stream.partition(0), ProducerId::new("behind").unwrap());
    let grant = storage.register_producer(&partition, &id).await.unwrap();
    let mut chunk = ChunkBuilder::new();
    chunk.fill(&Encoded::values(&[number]).unwrap(), 0);
    let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
    storage.append(&partition, NewChunk { producer, time, payload: chunk.finish() }).await.unwrap();
}

async fn check(store: &Store) {
    let stream = store.mb.stream::<u32>("ticks").await.unwrap();
    stream.retain(Retention::keep()).await.unwrap();
    let [mut one, mut other] = [open(&stream, "one").await, open(&stream, "other").await];
    stream.append(&1).await.unwrap();
    // nothing more comes before its boundary
    let first = next(&mut one).await;
    append_behind(store, 2, first.1.minus(Duration::from_millis(1))).await;
    let second = next(&mut one).await;
    assert_eq!((&first.2, &second.2, first.3, second.3), (&vec![1], &vec![2], Reason::Boundary, Reason::Boundary));
    assert!(second.0 >= first.1, "the window of what came later begins after the first one ended");
    assert_eq!([next(&mut other).await, next(&mut other).await], [first.clone(), second.clone()]);
    one.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
    let mut replay = open(&stream, "replay").await;
    assert_eq!([next(&mut replay).await, next(&mut replay).await], [first, second]);
    replay.shutdown().await.unwrap();

    let storage = store.mb.storage();
    let partition = storage.list_streams().await.unwrap().remove(0).partition(0);
    let records = storage.survey(&partition, Slot::ZERO, 100).await.unwrap();
    let kinds: Vec<_> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [RecordKind::Data, RecordKind::Punctuation, RecordKind::Data, RecordKind::Punctuation]);
    for (group, state) in storage.groups(&partition).await.unwrap() {
        let checkpoint = Checkpoint::decode(&state.checkpoint.unwrap(), &[]).unwrap();
        assert_eq!((checkpoint.base.decision, checkpoint.decisions.len()), (1, 0), "a decision of {group}");
        assert_eq!(stream.audit(group.as_str()).await.unwrap().differences().count(), 0);
    }
}

#[tokio::test]
async fn every_group_gets_the_same_windows() {
    for store in stores::all().await {
        check(&store).await;
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn every_group_gets_the_same_windows_over_mongodb() {
    let Some(store) = stores::mongo("punctuation").await else { return };
    check(&store).await;
}
