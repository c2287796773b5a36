//! What a storage says when the file fails it, and that it works again afterwards.

use std::{fs, time::Duration};

use minibatch_core::{ErrorKind, Slot, storage::ChunkLog};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};

use crate::support::{EVERYTHING, Place, Producer, read_all};

#[tokio::test]
async fn a_file_locked_for_too_long_says_retry_and_works_again() {
    let place = Place::new();
    let options = SqliteOptions::default().with_busy_timeout(Duration::from_millis(20));
    let storage = SqliteStorage::open(place.file(), options).await.unwrap();
    let mut producer = Producer::register(&storage, "p").await;
    let lock = rusqlite::Connection::open(place.file()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = producer.try_append("one").await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Retry, Some("append")), "{error}");
    assert!(error.to_string().contains("locked"), "{error}");
    // reading goes on
    assert_eq!(read_all(&storage, &producer.partition).await.len(), 0);
    lock.execute_batch("ROLLBACK").unwrap();
    producer.append("one").await;
    assert_eq!(read_all(&storage, &producer.partition).await.len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_spoils_no_other_in_its_transaction() {
    let place = Place::new();
    let storage = place.open().await;
    let mut good = Producer::register(&storage, "good").await;
    let mut skipping = Producer::register(&storage, "skipping").await;
    skipping.stamp.sequence = 9;
    let lock = rusqlite::Connection::open(place.file()).unwrap();
    for _ in 0..20 {
        // while the file is locked both calls gather in the queue
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let both = async { tokio::join!(skipping.try_append("no"), good.try_append("yes"), skipping.try_append("no")) };
        let unlock = async {
            tokio::task::yield_now().await;
            lock.execute_batch("ROLLBACK").unwrap();
        };
        let ((first, appended, last), ()) = tokio::join!(both, unlock);
        assert_eq!(first.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(last.unwrap_err().kind(), ErrorKind::InvalidInput);
        appended.unwrap();
        good.stamp.sequence += 1;
    }
    assert_eq!(read_all(&storage, &good.partition).await.len(), 20);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_moved_away_takes_no_more() {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    producer.append("one").await;
    fs::rename(place.file(), place.directory().join("elsewhere.db")).unwrap();
    let error = producer.try_append("two").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("moved"), "{error}");
    // it neither begins anew nor goes on in another file of that name
    assert!(!place.file().exists());
    place.open().await.close().await;
    assert_eq!(producer.try_append("two").await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_damage() {
    let place = Place::new();
    let storage = place.open().await;
    let producer = Producer::register(&storage, "p").await;
    rusqlite::Connection::open(place.file()).unwrap().execute_batch("DROP VIEW records; DROP TABLE chunks").unwrap();
    assert_eq!(producer.try_append("one").await.unwrap_err().kind(), ErrorKind::Corrupt);
    let read = storage.read(&producer.partition, Slot::ZERO, EVERYTHING).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
}
