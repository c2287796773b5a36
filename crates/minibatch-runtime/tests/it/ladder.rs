//! The failure ladder: attempts, pieces, messages at fault, and functions at fault.

use std::{
    collections::BTreeSet,
    error::Error,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bson::Bson;
use minibatch_core::{
    Buffer, Cause, Error as CoreError, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{Client, OnExhausted, Window, retry_after};
use tokio::sync::Notify;

use crate::{
    dead_letters::{header, letters},
    tools::{client, numbers, soon},
};

const MOMENT: Duration = Duration::from_millis(1);

/// Of so many messages in one window these fail: they alone become dead letters, and each of the others is done once.
async fn check_found(count: u32, bad: &[u32]) {
    let client = client();
    let stream = numbers(&client, count).await;
    let mut done = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(count as usize)).max_attempts(2).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            let fails = window.data.iter().any(|number| bad.contains(number));
            if !fails {
                done.extend(window.data);
            }
            async move { if fails { Err("bad") } else { Ok(()) } }
        })
        .await
        .unwrap();
    done.sort_unstable();
    let good: Vec<u32> = (1..=count).filter(|number| !bad.contains(number)).collect();
    assert_eq!(done, good, "{bad:?} of {count}");
    let found: Vec<u32> = letters::<u32>(&client).await.iter().map(|(number, _)| *number).collect();
    assert_eq!(found, bad, "of {count}");
    assert_eq!((summary.windows, summary.dead), (1, bad.len() as u64));
}

#[tokio::test]
async fn the_messages_at_fault_are_found_wherever_they_are() {
    for bad in 1..=7 {
        check_found(7, &[bad]).await;
    }
    for bad in [&[1, 2][..], &[1, 7], &[2, 4, 6], &[1, 2, 3, 5, 6, 7]] {
        check_found(7, bad).await;
    }
    check_found(100, &[64]).await;
    check_found(2, &[]).await;
}

#[tokio::test]
async fn a_piece_has_an_id_of_its_own_at_every_attempt_the_same() {
    let stream = numbers(&client(), 4).await;
    let mut ids = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(4)).max_attempts(1).backoff(soon());
    windows
        .drain(|window: Window<u32>| {
            ids.push((window.data.clone(), window.id, window.ordinal, window.attempt));
            // the piece with the bad message asks for patience once
            let again = window.data == [1, 2] && ids.len() == 2;
            let fails = window.data.contains(&3);
            async move {
                match (again, fails) {
                    (true, _) => Err(Box::<dyn Error + Send + Sync>::from(retry_after(MOMENT))),
                    (_, true) => Err("no threes".into()),
                    _ => Ok(()),
                }
            }
        })
        .await
        .unwrap();
    let pieces: Vec<_> = ids.iter().map(|(data, ..)| data.as_slice()).collect();
    // that the four succeeds shows that the three is at fault
    assert_eq!(pieces, [&[1, 2, 3, 4][..], &[1, 2], &[1, 2], &[3, 4], &[3], &[4], &[3]]);
    assert_eq!((ids[1].1, ids[4].1), (ids[2].1, ids[6].1));
    let different: BTreeSet<_> = ids.iter().map(|(_, id, ..)| *id).collect();
    assert_eq!(different.len(), 5);
    let attempts: Vec<_> = ids.iter().map(|(_, _, ordinal, attempt)| (*ordinal, *attempt)).collect();
    assert_eq!(attempts, [(1, 1), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 3)]);
}

#[tokio::test]
async fn a_function_that_always_fails_gives_up_on_no_message_and_goes_on_when_it_works_again() {
    for calls in 1..30 {
        let client = client();
        let stream = numbers(&client, 6).await;
        let (called, all) = (AtomicU32::new(0), Arc::new(Notify::new()));
        let windows = stream.streaming().window(CountWindow::new(3)).max_attempts(2).backoff(soon());
        let stop = Arc::clone(&all);
        let mut done = 0;
        let summary = windows
            .until(async move { stop.notified().await })
            .run(|window: Window<u32>| {
                let works = called.fetch_add(1, Relaxed) >= calls;
                done += if works { window.len() } else { 0 };
                if done == 6 {
                    all.notify_one();
                }
                async move { if works { Ok(()) } else { Err("database is down") } }
            })
            .await
            .unwrap();
        assert_eq!((summary.windows, summary.messages, summary.dead), (2, 6, 0), "after {calls} failures");
        assert!(letters::<u32>(&client).await.is_empty());
    }
}

/// First a window without messages, then all that is there.
#[derive(Default)]
struct EmptyFirst(bool);

impl WindowEmitter for EmptyFirst {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.is_empty() || self.0 { Readiness::wait() } else { Readiness::Ready }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        self.0 = true;
        Selection::first(0, Reason::Predicate)
    }
}

/// It is given up on once another window succeeded, and nothing is lost with it.
#[tokio::test]
async fn a_window_without_messages_that_always_fails_holds_up_nothing() {
    let client = client();
    let stream = numbers(&client, 2).await;
    let mut calls = Vec::new();
    let windows = stream.streaming().window(EmptyFirst::default).max_attempts(1).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            calls.push(window.len());
            let fails = window.is_empty();
            async move { if fails { Err("nothing to do") } else { Ok(()) } }
        })
        .await
        .unwrap();
    assert_eq!((calls.first(), calls.last()), (Some(&0), Some(&0)));
    assert_eq!(calls.iter().filter(|len| **len == 2).count(), 1, "{calls:?}");
    assert_eq!((summary.windows, summary.messages, summary.dead), (2, 2, 0));
}

#[tokio::test]
async fn asking_for_patience_costs_no_attempt() {
    let stream = numbers(&client(), 3).await;
    let mut attempts = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(1);
    let summary = windows
        .drain(|window: Window<u32>| {
            attempts.push(window.attempt);
            let (number, first) = (window.data[0], attempts.len() % 2 == 1);
            async move {
                let patience = retry_after(MOMENT);
                match (first, number) {
                    (false, _) => Ok(()),
                    (_, 1) => Err(Box::<dyn Error>::from(patience).to_string()).or(Ok(())),
                    (_, 2) => Err(CoreError::from(Cause::function("wrapped")).with_source(patience)),
                    _ => Ok(()),
                }
            }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.failures, summary.dead), (3, 0, 0));
    assert!(attempts.iter().all(|attempt| *attempt == 1), "{attempts:?}");
}

#[tokio::test]
async fn a_function_that_does_not_return_has_failed() {
    let stream = numbers(&client(), 1).await;
    let mut attempt = 0;
    let windows = stream.streaming().window(CountWindow::new(1)).timeout(MOMENT).backoff(soon());
    let summary = windows
        .drain(|_: Window<u32>| {
            attempt += 1;
            let hangs = attempt < 3;
            async move {
                if hangs {
                    pending::<()>().await;
                }
            }
        })
        .await
        .unwrap();
    assert_eq!((attempt, summary.windows, summary.failures, summary.dead), (3, 1, 2, 0));
}

#[tokio::test]
async fn a_consumer_may_stop_instead_of_giving_up() {
    let client = client();
    let stream = numbers(&client, 6).await;
    let works = |fails: bool| {
        let windows = stream.streaming().window(CountWindow::new(2)).max_attempts(2).backoff(soon());
        windows.on_exhausted(OnExhausted::Stop).drain(move |window: Window<u32>| {
            let fails = fails && window.data.contains(&3);
            async move { if fails { Err("no threes") } else { Ok(()) } }
        })
    };
    let error = works(true).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Function { .. }), "{error:?}");
    assert_eq!(stream.groups().await.unwrap()[0].1[0].counters.finished, 2, "what was done before is committed");
    let summary = works(false).await.unwrap();
    assert_eq!((summary.messages, summary.dead), (4, 0), "the window comes again");
    assert!(letters::<u32>(&client).await.is_empty());
}

#[tokio::test]
async fn a_function_rejects_single_messages() {
    let client = client();
    client.stream::<String>("numbers").await.unwrap().append(&"no number".to_owned()).await.unwrap();
    let stream = numbers(&client, 4).await;
    let mut attempt = 0;
    let windows = stream.streaming().window(CountWindow::new(5)).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            attempt += 1;
            let fails = attempt == 1;
            // the first attempt's word does not count
            window.reject(if fails { 0 } else { 2 }, "three").unwrap();
            window.reject(2, "said twice").unwrap();
            let error = window.reject(4, "there is none").unwrap_err();
            assert!(matches!(error.cause(), Cause::OutOfRange { .. }), "{error:?}");
            async move { if fails { Err("not yet") } else { Ok(()) } }
        })
        .await
        .unwrap();
    assert_eq!((summary.messages, summary.dead), (5, 2));
    check_rejected(&client).await;
}

#[tokio::test]
async fn so_does_whoever_pulls_windows() {
    let client = client();
    client.stream::<String>("numbers").await.unwrap().append(&"no number".to_owned()).await.unwrap();
    let stream = numbers(&client, 4).await;
    let mut consumer = stream.streaming().window(CountWindow::new(5)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    window.reject(2, "three").unwrap();
    window.ack().await.unwrap();
    check_rejected(&client).await;
    assert_eq!(stream.groups().await.unwrap()[0].1[0].counters.finished, 3);
}

/// The dead letters are what is no number, and the three.
async fn check_rejected(client: &Client) {
    let letters = letters::<Bson>(client).await;
    let found: Vec<_> = letters.iter().map(|(value, meta)| (value, header(meta, "minibatch-offset"))).collect();
    assert_eq!(found, [(&Bson::from("no number"), "1:0"), (&Bson::from(3_i64), "2:2")]);
    let reasons: Vec<_> = letters.iter().map(|(_, meta)| header(meta, "minibatch-error")).collect();
    assert!(reasons.ends_with(&["three"]), "{reasons:?}");
}
