//! Copies of a file in use.

use std::{fs, path::Path, time::Duration};

use minibatch_core::{
    Cause, ErrorKind, GroupName, Offset, Slot,
    storage::{Acquired, Commit, Counters, GroupStore, Start, StreamStore},
};
use minibatch_sqlite::SqliteStorage;

use crate::support::{Place, Producer, open, partition, read_all, stream_name, text_of};

const LIFE: Duration = Duration::from_secs(60);

async fn texts(storage: &SqliteStorage) -> Vec<String> {
    read_all(storage, &partition(storage).await).await.iter().map(text_of).collect()
}

#[tokio::test]
async fn a_copy_is_what_one_moment_saw_and_goes_on_from_there() {
    let place = Place::new();
    let copy = place.directory().join("copy.db");
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    producer.append("one").await;
    let stream = storage.find_stream(&stream_name()).await.unwrap().unwrap();
    let readers = GroupName::new("readers").unwrap();
    storage.open_group(&stream, &readers, "count:1", Start::Earliest).await.unwrap();
    let member = storage.join(LIFE).await.unwrap();
    let Acquired::Owner(owned) = storage.acquire(&stream.partition(0), &readers, &member).await.unwrap() else {
        panic!("a free partition is held")
    };
    let keep_from = Offset::first_of(Slot::new(2).unwrap());
    let commit = Commit { checkpoint: "far".into(), keep_from, counters: Counters::default() };
    storage.commit(&stream.partition(0), &readers, owned.fence, commit).await.unwrap();

    storage.backup(&copy).await.unwrap();
    producer.append("two").await;
    assert_eq!(texts(&storage).await, ["one", "two"]);
    storage.close().await;

    assert_eq!(place.entries(), ["copy.db", "q.db"]);
    let restored = open(&copy).await.unwrap();
    assert_eq!(texts(&restored).await, ["one"]);
    let (_, state) = restored.groups(&stream.partition(0)).await.unwrap().remove(0);
    assert_eq!((state.keep_from, state.checkpoint.as_deref()), (keep_from, Some(&b"far"[..])));
    // the owner of then counts as alive until its time is over, and its producer is known
    let heir = restored.join(LIFE).await.unwrap();
    let acquired = restored.acquire(&stream.partition(0), &readers, &heir).await.unwrap();
    assert_eq!(acquired, Acquired::Held(member.clone()));
    restored.leave(&member).await.unwrap();
    let acquired = restored.acquire(&stream.partition(0), &readers, &heir).await.unwrap();
    assert!(matches!(acquired, Acquired::Owner(state) if state.fence.epoch > owned.fence.epoch));
    let mut producer = Producer::register(&restored, "p").await;
    assert_eq!((producer.stamp.sequence, producer.append("other").await), (2, Slot::new(2).unwrap()));
    restored.close().await;
    intact(&copy);
}

fn intact(file: &Path) {
    let conn = rusqlite::Connection::open(file).unwrap();
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test]
async fn copies_are_made_while_others_write() {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    producer.append("0").await;
    let writing = tokio::spawn(async move {
        for number in 1..200 {
            producer.append(&number.to_string()).await;
        }
    });
    for number in 0..4 {
        let copy = place.directory().join(format!("copy-{number}.db"));
        storage.backup(&copy).await.unwrap();
        intact(&copy);
        let restored = open(&copy).await.unwrap();
        let texts = texts(&restored).await;
        assert_eq!(texts, (0..texts.len()).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(!texts.is_empty());
        restored.close().await;
    }
    writing.await.unwrap();
    storage.close().await;
}

#[tokio::test]
async fn a_file_that_is_there_is_left_alone() {
    let place = Place::new();
    let storage = place.open().await;
    let taken = place.directory().join("taken");
    fs::write(&taken, "mine").unwrap();
    for to in [taken.as_path(), &place.file(), place.directory()] {
        let error = storage.backup(to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    }
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    let nowhere = storage.backup(place.directory().join("missing/copy.db")).await.unwrap_err();
    assert!(matches!(nowhere.cause(), Cause::Misconfigured { .. }), "{nowhere:?}");
    // left behind by one that was killed
    fs::write(place.directory().join("copy.db.part"), "half").unwrap();
    storage.backup(place.directory().join("copy.db")).await.unwrap();
    storage.close().await;
    assert_eq!(place.entries(), ["copy.db", "q.db", "taken"]);
}
