//! What is trimmed or dropped makes the file smaller.

use bytes::Bytes;
use minibatch_core::{
    GroupName, MemberId, Offset, Slot,
    storage::{
        Acquired, ChunkLog, Commit, Counters, Fence, GroupStore, Partition, ReadLimit, Start, StreamStore, Trim,
    },
};
use minibatch_sqlite::SqliteStorage;
use std::time::Duration;

use crate::support::{EVERYTHING, Place, Producer, read_all, stream_name, text_of};

/// A group that has finished with everything before `slot`.
async fn finish(storage: &SqliteStorage, partition: &Partition, slot: Slot) -> (MemberId, Fence) {
    let group = GroupName::new("g").unwrap();
    let stream = storage.find_stream(&partition.stream).await.unwrap().unwrap();
    storage.open_group(&stream, &group, "count:1", Start::Earliest).await.unwrap();
    let member = storage.join(Duration::from_secs(60)).await.unwrap();
    let Acquired::Owner(state) = storage.acquire(partition, &group, &member).await.unwrap() else { panic!("held") };
    let commit = Commit {
        checkpoint: Bytes::from_static(b"c"),
        keep_from: Offset::first_of(slot),
        counters: Counters::default(),
        effects: Vec::new(),
    };
    let fence = storage.commit(partition, &group, state.fence, commit).await.unwrap();
    (member, fence)
}

async fn fill(storage: &SqliteStorage, records: usize) -> Partition {
    let mut producer = Producer::register(storage, "p").await;
    let text = "x".repeat(100_000);
    for _ in 0..records {
        producer.append(&text).await;
    }
    producer.partition
}

fn size(place: &Place) -> u64 {
    std::fs::metadata(place.file()).unwrap().len()
}

#[tokio::test]
async fn trimming_gives_space_back() {
    let place = Place::new();
    let storage = place.open().await;
    let partition = fill(&storage, 600).await;
    finish(&storage, &partition, Slot::new(600).unwrap()).await;
    let trimmed = storage.trim(&partition, Trim::Finished).await.unwrap();
    assert_eq!((trimmed.floor.get(), trimmed.deleted), (600, 599));
    assert_eq!(storage.trim(&partition, Trim::Finished).await.unwrap().deleted, 0);
    let records = storage.read(&partition, Slot::new(600).unwrap(), EVERYTHING).await.unwrap();
    assert_eq!(text_of(&records[0]).len(), 100_000);
    storage.close().await;
    assert!(size(&place) < 12_000_000, "{}", size(&place));
    place.assert_intact();
}

#[tokio::test]
async fn dropping_a_stream_gives_space_back() {
    let place = Place::new();
    let storage = place.open().await;
    fill(&storage, 600).await;
    assert!(storage.drop_stream(&stream_name()).await.unwrap());
    storage.close().await;
    assert!(size(&place) < 12_000_000, "{}", size(&place));
    place.assert_intact();
    let conn = rusqlite::Connection::open(place.file()).unwrap();
    for table in ["streams", "partitions", "producers", "chunks"] {
        let rows: i64 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn a_drop_that_was_cut_short_is_finished_by_the_next() {
    let place = Place::new();
    let storage = place.open().await;
    let former = fill(&storage, 3).await;
    storage.close().await;
    // as a process leaves it that is killed after it has taken the name away
    rusqlite::Connection::open(place.file())
        .unwrap()
        .execute_batch("DELETE FROM streams; UPDATE partitions SET dropped = 1")
        .unwrap();

    let storage = place.open().await;
    assert!(storage.bounds(&former).await.is_err());
    let partition = fill(&storage, 1).await;
    assert!(!storage.drop_stream(&minibatch_core::StreamName::new("other").unwrap()).await.unwrap());
    assert_eq!(read_all(&storage, &partition).await.len(), 1);
    let conn = rusqlite::Connection::open(place.file()).unwrap();
    let chunks: i64 = conn.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, 1);
}

/// A reader that never pauses keeps the log from beginning anew by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_while_others_read_all_the_time() {
    let place = Place::new();
    let storage = place.open().await;
    let partition = fill(&storage, 20).await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (storage, partition) = (storage.clone(), partition.clone());
        readers.spawn(async move {
            loop {
                storage.read(&partition, Slot::ZERO, ReadLimit { messages: 20, bytes: usize::MAX }).await.unwrap();
            }
        });
    }
    let mut longest = 0;
    let mut producer = Producer::register(&storage, "q").await;
    let text = "x".repeat(500_000);
    for _ in 0..400 {
        producer.append(&text).await;
        longest = longest.max(std::fs::metadata(place.directory().join("q.db-wal")).unwrap().len());
    }
    readers.abort_all();
    assert!(longest < 130_000_000, "{longest}");
}
