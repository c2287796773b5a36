//! Files of an older format.

use minibatch_core::{
    Cause, GroupName, Offset, Slot,
    storage::{Acquired, Commit, Counters, GroupStore, Note, NotePlace, NoteStore, Start, StreamStore},
};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};

use crate::support::{Place, Producer, open, partition, read_all, stream_name, text_of};

/// Makes the file what a program of format 1 would have made.
fn downgrade(place: &Place) {
    let conn = rusqlite::Connection::open(place.file()).unwrap();
    conn.execute_batch("DROP TABLE notes; ALTER TABLE groups DROP COLUMN late; PRAGMA user_version = 1").unwrap();
}

#[tokio::test]
async fn an_older_format_is_refused_until_it_is_migrated() {
    let place = Place::new();
    let storage = place.open().await;
    Producer::register(&storage, "p").await.append("one").await;
    storage.close().await;
    downgrade(&place);

    let error = open(&place.file()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::OlderFormat { found: 1, needed: 3, .. }), "{error:?}");
    let plan = SqliteStorage::plan_migration(place.file(), SqliteOptions::default()).await.unwrap();
    assert_eq!((plan.from, plan.to, plan.changes.len()), (1, 3, 2));
    assert!(open(&place.file()).await.is_err(), "a plan changed the file");

    let done = SqliteStorage::migrate(place.file(), SqliteOptions::default()).await.unwrap();
    assert_eq!(done, plan);
    let again = SqliteStorage::migrate(place.file(), SqliteOptions::default()).await.unwrap();
    assert_eq!((again.from, again.to, again.changes.len()), (3, 3, 0));
    let storage = place.open().await;
    let partition = partition(&storage).await;
    assert_eq!(read_all(&storage, &partition).await.iter().map(text_of).collect::<Vec<_>>(), ["one"]);
    let log = NotePlace { partition, group: None, kind: "status" };
    storage.put_notes(&log, vec![Note { key: "key".to_owned(), bytes: "note".into() }]).await.unwrap();
    storage.close().await;
    place.assert_intact();
}

#[tokio::test]
async fn programs_are_upgraded_one_by_one() {
    let place = Place::new();
    // it uses nothing that is new, and so does what a program of format 1 does
    let older = place.open().await;
    let mut producer = Producer::register(&older, "p").await;
    producer.append("one").await;
    let stream = older.find_stream(&stream_name()).await.unwrap().unwrap();
    let readers = GroupName::new("readers").unwrap();
    older.open_group(&stream, &readers, "count:1", Start::Earliest).await.unwrap();
    let member = older.join(std::time::Duration::from_secs(60)).await.unwrap();
    let Acquired::Owner(owned) = older.acquire(&stream.partition(0), &readers, &member).await.unwrap() else {
        panic!("a free partition is held")
    };
    downgrade(&place);

    SqliteStorage::migrate(place.file(), SqliteOptions::default()).await.unwrap();
    let newer = place.open().await;
    producer.append("two").await;
    let commit = Commit {
        checkpoint: "far".into(),
        keep_from: Offset::first_of(Slot::new(2).unwrap()),
        counters: Counters { finished: 1, ..Counters::default() },
        effects: Vec::new(),
    };
    older.commit(&stream.partition(0), &readers, owned.fence, commit).await.unwrap();
    older.leave(&member).await.unwrap();
    older.close().await;

    let texts = read_all(&newer, &stream.partition(0)).await;
    assert_eq!(texts.iter().map(text_of).collect::<Vec<_>>(), ["one", "two"]);
    let heir = newer.join(std::time::Duration::from_secs(60)).await.unwrap();
    let acquired = newer.acquire(&stream.partition(0), &readers, &heir).await.unwrap();
    assert!(matches!(acquired, Acquired::Owner(state) if state.counters.finished == 1 && state.unclean == 0));
    newer.close().await;
    place.assert_intact();
}

#[tokio::test]
async fn only_minibatchs_own_files_are_migrated() {
    let place = Place::new();
    let missing = SqliteStorage::migrate(place.file(), SqliteOptions::default()).await.unwrap_err();
    assert!(matches!(missing.cause(), Cause::Misconfigured { .. }), "{missing:?}");
    assert!(place.entries().is_empty());
    let conn = rusqlite::Connection::open(place.file()).unwrap();
    conn.execute_batch("CREATE TABLE mine (x); PRAGMA user_version = 1").unwrap();
    let foreign = SqliteStorage::plan_migration(place.file(), SqliteOptions::default()).await.unwrap_err();
    assert!(matches!(foreign.cause(), Cause::Misconfigured { .. }), "{foreign:?}");
    conn.execute_batch("PRAGMA application_id = 1835164020; PRAGMA user_version = 9").unwrap();
    let newer = SqliteStorage::migrate(place.file(), SqliteOptions::default()).await.unwrap_err();
    assert!(matches!(newer.cause(), Cause::NewerFormat { found: 9, .. }), "{newer:?}");
}
