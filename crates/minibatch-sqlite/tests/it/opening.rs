//! Which files are opened, and what is said of the others.

use std::{fs, path::Path};

use minibatch_core::{Cause, Error, ErrorKind, storage::StreamStore};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};

use crate::support::{Place, Producer, open, partition, read_all, stream_name, text_of};

async fn refused(file: &Path, kind: ErrorKind, word: &str) -> Error {
    let error = open(file).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (kind, Some("open")), "{error}");
    assert!(error.to_string().contains(word), "{error}");
    error
}

#[tokio::test]
async fn a_file_is_created_and_found_again() {
    let place = Place::new();
    let storage = place.open().await;
    Producer::register(&storage, "p").await.append("one").await;
    storage.close().await;
    let storage = place.open().await;
    let records = read_all(&storage, &partition(&storage).await).await;
    assert_eq!(records.iter().map(text_of).collect::<Vec<_>>(), ["one"]);
}

#[tokio::test]
async fn urls_open_files() {
    let place = Place::new();
    let url = format!("sqlite://{}?durability=normal", place.file().display());
    let storage = SqliteStorage::connect(&url).await.unwrap();
    partition(&storage).await;
    assert!(place.file().exists());
    let error = SqliteStorage::connect("sqlite://").await.unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidUrl { .. }));
}

#[tokio::test]
async fn an_empty_file_is_a_new_one() {
    let place = Place::new();
    fs::write(place.file(), "").unwrap();
    partition(&place.open().await).await;
}

#[tokio::test]
async fn a_file_whose_creator_was_killed_is_created_again() {
    let place = Place::new();
    rusqlite::Connection::open(place.file()).unwrap().pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    assert_ne!(fs::metadata(place.file()).unwrap().len(), 0);
    partition(&place.open().await).await;
}

#[tokio::test]
async fn many_that_create_at_once_share_one_file() {
    let place = Place::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let file = place.file();
        tasks.spawn(async move {
            let storage = open(&file).await.unwrap();
            storage.open_stream(&stream_name(), 3).await.unwrap()
        });
    }
    let mut streams = tasks.join_all().await;
    streams.dedup();
    assert_eq!(streams.len(), 1);
    place.assert_intact();
}

#[tokio::test]
async fn other_programs_files_are_left_alone() {
    for (content, word) in [
        ("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)", "another program"),
        ("PRAGMA application_id = 7", "another program"),
        ("PRAGMA user_version = 1", "another program"),
        ("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)", "another program"),
    ] {
        let place = Place::new();
        rusqlite::Connection::open(place.file()).unwrap().execute_batch(content).unwrap();
        let before = fs::read(place.file()).unwrap();
        refused(&place.file(), ErrorKind::Misconfigured, word).await;
        assert_eq!(fs::read(place.file()).unwrap(), before, "{content}");
        assert_eq!(place.entries(), ["q.db"], "{content}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let place = Place::new();
    let text = "depth,mag,place\n10,4.5,\"sea, deep\"\n".repeat(200);
    fs::write(place.file(), &text).unwrap();
    refused(&place.file(), ErrorKind::Misconfigured, "not an sqlite database").await;
    assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
    assert_eq!(place.entries(), ["q.db"]);
}

#[tokio::test]
async fn paths_that_cannot_be_files_say_so() {
    let place = Place::new();
    let here = place.directory();
    fs::write(here.join("plain"), "x").unwrap();
    for (file, word) in [
        (here.to_owned(), "directory"),
        (here.join("missing/q.db"), "does not exist"),
        (here.join("plain/q.db"), "not a directory"),
        (here.join(".."), "directory"),
        ("".into(), "no file"),
        ("/dev/null".into(), "regular file"),
    ] {
        let error = refused(&file, ErrorKind::Misconfigured, word).await;
        assert!(error.to_string().contains("path=`"), "{error}");
    }
    assert_eq!(place.entries(), ["plain"]);
}

#[tokio::test]
async fn a_name_like_a_uri_is_a_name() {
    let place = Place::new();
    let file = place.directory().join("file:q.db?mode=memory");
    partition(&open(&file).await.unwrap()).await;
    assert!(file.exists());
}

#[tokio::test]
async fn a_newer_format_asks_for_an_upgrade() {
    let place = Place::new();
    place.open().await.close().await;
    rusqlite::Connection::open(place.file()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let error = refused(&place.file(), ErrorKind::Misconfigured, "upgrade").await;
    assert!(matches!(error.cause(), Cause::NewerFormat { found: 9, known: 3, .. }));
}

#[tokio::test]
async fn an_impossible_format_is_damage() {
    let place = Place::new();
    place.open().await.close().await;
    rusqlite::Connection::open(place.file()).unwrap().pragma_update(None, "user_version", 0).unwrap();
    refused(&place.file(), ErrorKind::Corrupt, "format").await;
}

#[cfg(unix)]
#[tokio::test]
async fn links_lead_to_one_file() {
    let place = Place::new();
    let link = place.directory().join("link.db");
    std::os::unix::fs::symlink(place.file(), &link).unwrap();
    refused(&link, ErrorKind::Misconfigured, "symbolic link to nothing").await;
    Producer::register(&place.open().await, "p").await.append("one").await;
    let linked = open(&link).await.unwrap();
    assert_eq!(read_all(&linked, &partition(&linked).await).await.len(), 1);
}

/// Permissions bind everybody but root, whom this test can only skip.
#[cfg(unix)]
#[tokio::test]
async fn files_that_may_not_be_written_say_so() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    place.open().await.close().await;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    set(&place.file(), 0o444);
    if fs::OpenOptions::new().write(true).open(place.file()).is_ok() {
        eprintln!("skipped: this user may write everything");
        return;
    }
    refused(&place.file(), ErrorKind::Misconfigured, "allow writing").await;
    set(&place.file(), 0o000);
    refused(&place.file(), ErrorKind::Misconfigured, "allow").await;
    set(&place.file(), 0o644);
    set(place.directory(), 0o555);
    refused(&place.file(), ErrorKind::Misconfigured, "allow").await;
    refused(&place.directory().join("new.db"), ErrorKind::Misconfigured, "allow").await;
    set(place.directory(), 0o755);
    place.open().await;
}

#[tokio::test]
async fn options_out_of_range_are_brought_in() {
    let place = Place::new();
    let options = SqliteOptions::default().with_readers(0).with_poll_max(std::time::Duration::ZERO);
    let storage = SqliteStorage::open(place.file(), options).await.unwrap();
    assert_eq!(storage.list_streams().await.unwrap(), []);
}
