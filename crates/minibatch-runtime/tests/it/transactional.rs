//! Effects of windows on a real file: with the window, once, or not at all.

use std::{
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use minibatch_core::{Cause, Clock, Error, ErrorKind, params};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{Client, OnExhausted, Stream, Streaming, SystemClock, Window};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::tools::{client, numbers, soon};

struct File {
    directory: TempDir,
    client: Client,
}

impl File {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::open(directory.path().join("q.db"), SqliteOptions::default()).await.unwrap();
        Self { directory, client: Client::new(Arc::new(storage)) }
    }

    /// With a table for numbers, each of which may be there once.
    async fn with_table() -> Self {
        let file = Self::new().await;
        file.make_table();
        file
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("q.db")
    }

    fn make_table(&self) {
        let conn = Connection::open(self.path()).unwrap();
        conn.busy_timeout(Duration::from_secs(10)).unwrap();
        conn.execute_batch("CREATE TABLE seen (number INTEGER UNIQUE, window TEXT)").unwrap();
    }

    fn seen(&self) -> Vec<u32> {
        let conn = Connection::open(self.path()).unwrap();
        let mut select = conn.prepare("SELECT number FROM seen ORDER BY rowid").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn pairs(stream: &Stream<u32>) -> Streaming<u32, CountWindow> {
    stream.streaming().window(CountWindow::new(2)).transactional().max_attempts(3).backoff(soon())
}

fn keep(window: &Window<u32>) -> Result<(), Error> {
    let effects = window.effects();
    for number in &window.data {
        let values = params![*number, window.id.to_string()];
        effects.sql("INSERT INTO seen (number, window) VALUES (?1, ?2)", values)?;
    }
    Ok(())
}

#[tokio::test]
async fn effects_take_place_once_whatever_is_dropped() {
    let file = File::with_table().await;
    let stream = numbers(&file.client, 60).await;
    let calls = AtomicU32::new(0);
    let drain = || {
        pairs(&stream).drain(|window: Window<u32>| {
            let kept = keep(&window);
            let call = calls.fetch_add(1, Relaxed);
            async move {
                match call % 5 {
                    // what a failed attempt wrote is forgotten
                    3 => Err("not yet".to_owned()),
                    4 => {
                        tokio::task::yield_now().await;
                        kept.map_err(|error| error.to_string())
                    }
                    _ => kept.map_err(|error| error.to_string()),
                }
            }
        })
    };
    for _ in 0..5 {
        // a consumer that dies anywhere
        let _ = tokio::time::timeout(Duration::from_millis(10), drain()).await;
    }
    drain().await.unwrap();
    assert_eq!(file.seen(), (1..=60).collect::<Vec<_>>());
    assert!(calls.load(Relaxed) > 30);
}

#[tokio::test]
async fn a_refused_effect_fails_its_message_alone_and_in_order() {
    for workers in [1, 4] {
        let file = File::with_table().await;
        // 3 comes twice
        let stream = file.client.stream::<u32>("numbers").await.unwrap();
        stream.append_many(&[1, 2, 3, 4, 5, 3, 7, 8, 9, 10]).await.unwrap();
        let done = pairs(&stream).workers(workers).drain(|window: Window<u32>| std::future::ready(keep(&window)));
        let done = done.await.unwrap();
        assert_eq!((done.windows, done.messages, done.dead), (5, 10, 1), "{workers} workers");
        let mut seen = file.seen();
        if workers > 1 {
            seen.sort_unstable();
        }
        assert_eq!(seen, [1, 2, 3, 4, 5, 7, 8, 9, 10]);
        let letters = file.client.dead_letters::<u32>("numbers").await.unwrap();
        let mut dead = Vec::new();
        let windows = letters.streaming().window(CountWindow::new(1)).drain(|window: Window<u32>| {
            dead.extend(window.meta().map(|meta| meta.headers).zip(window.data.clone()));
            async {}
        });
        windows.await.unwrap();
        let reason =
            |headers: &[(String, String)]| headers.iter().any(|(_, value)| value.contains("ConstraintViolation"));
        assert!(dead.iter().all(|(headers, _)| reason(headers)), "{dead:?}");
        assert_eq!(dead.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [3]);
    }
}

#[tokio::test]
async fn a_kept_window_was_begun_before_the_attempt_whose_effect_was_refused() {
    let file = File::with_table().await;
    let stream = numbers(&file.client, 2).await;
    let clock = SystemClock::new();
    let mut attempts = Vec::new();
    let windows = pairs(&stream).keep(true).drain(|window: Window<u32>| {
        // so that the attempts are not in one millisecond
        while attempts.last().is_some_and(|last| *last >= clock.now()) {
            std::hint::spin_loop();
        }
        attempts.push(clock.now());
        let twice = if attempts.len() == 1 { keep(&window) } else { Ok(()) };
        std::future::ready(twice.and_then(|()| keep(&window)))
    });
    assert_eq!(windows.await.unwrap().messages, 2);
    assert_eq!((file.seen(), attempts.len()), (vec![1, 2], 2));
    let kept = stream.kept_windows("default").unwrap().find(0, 1).await.unwrap().unwrap();
    assert!(kept.formed <= kept.begun && kept.begun <= attempts[0], "{kept:?}, attempts at {attempts:?}");
    assert!(attempts[1] <= kept.done);
}

#[tokio::test]
async fn a_refused_effect_stops_a_consumer_that_is_to_stop() {
    let file = File::with_table().await;
    let stream = file.client.stream::<u32>("numbers").await.unwrap();
    stream.append_many(&[1, 2, 2, 4, 5, 6]).await.unwrap();
    let windows = || pairs(&stream).on_exhausted(OnExhausted::Stop);
    let error = windows().drain(|window: Window<u32>| std::future::ready(keep(&window))).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Function { .. }), "{error:?}");
    assert_eq!(file.seen(), [1, 2]);
    let mended = |window: Window<u32>| {
        let kept = if window.data == [2, 4] { Ok(()) } else { keep(&window) };
        std::future::ready(kept)
    };
    assert_eq!(windows().drain(mended).await.unwrap().windows, 2);
    assert_eq!(file.seen(), [1, 2, 5, 6]);
}

#[tokio::test]
async fn where_no_effect_ever_worked_nothing_is_given_up_on() {
    let file = File::new().await;
    let stream = numbers(&file.client, 4).await;
    let calls = AtomicU32::new(0);
    let done = pairs(&stream).drain(|window: Window<u32>| {
        if calls.fetch_add(1, Relaxed) == 8 {
            file.make_table();
        }
        std::future::ready(keep(&window))
    });
    let done = done.await.unwrap();
    assert_eq!((done.messages, done.dead), (4, 0));
    assert!(calls.load(Relaxed) > 8);
    // where the group is failing, whatever succeeds first is done first
    let mut seen = file.seen();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[tokio::test]
async fn pieces_of_a_window_take_effect_together() {
    let file = File::with_table().await;
    let stream = numbers(&file.client, 8).await;
    let windows = stream.streaming().window(CountWindow::new(8)).transactional().max_attempts(1).backoff(soon());
    let done = windows.drain(|window: Window<u32>| {
        let kept = keep(&window).map_err(|error| error.to_string());
        std::future::ready(if window.data.contains(&3) { Err("three".to_owned()) } else { kept })
    });
    assert_eq!(done.await.unwrap().dead, 1);
    assert_eq!(file.seen(), [1, 2, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn pulled_windows_have_effects_too() {
    let file = File::with_table().await;
    let stream = numbers(&file.client, 4).await;
    let mut consumer = pairs(&stream).open().await.unwrap();
    let forgotten = consumer.next().await.unwrap().unwrap();
    keep(&forgotten).unwrap();
    drop(forgotten);
    let mut windows = 0;
    while windows < 2 {
        let window = consumer.next().await.unwrap().unwrap();
        keep(&window).unwrap();
        window.ack().await.unwrap();
        windows += 1;
    }
    consumer.shutdown().await.unwrap();
    let mut seen = file.seen();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_storage_without_effects_says_so_at_the_start() {
    let stream = numbers(&client(), 2).await;
    let error = pairs(&stream).open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    let error = keep(&window).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains("transactional()"), "{error}");
}

#[tokio::test]
async fn a_window_has_so_many_bytes_of_effects() {
    let file = File::with_table().await;
    let stream = numbers(&file.client, 2).await;
    let mut consumer = pairs(&stream).open().await.unwrap();
    let effects = consumer.next().await.unwrap().unwrap().effects();
    let big = || "x".repeat(5 << 20);
    effects.sql("UPDATE seen SET window = ?1", params![big()]).unwrap();
    let error = effects.sql("UPDATE seen SET window = ?1", params![big()]).unwrap_err();
    assert!(matches!(error.cause(), Cause::OutOfRange { .. }), "{error:?}");
    assert!(!format!("{effects:?}").contains("xx"));
}
