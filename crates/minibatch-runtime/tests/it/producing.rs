//! Appending.

use std::time::Duration;

use futures::future::join_all;
use minibatch_core::{
    Cause, ErrorKind, Slot,
    chunk::{Extras, MESSAGE_MAX_BYTES},
};
use minibatch_emitters::CountWindow;
use minibatch_runtime::Window;

use crate::tools::{client, manual_client};

#[tokio::test]
async fn callers_at_once_share_chunks() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let calls = (0..1_000).map(|number| {
        let stream = stream.clone();
        async move { stream.append(&number).await.unwrap() }
    });
    let mut appended = join_all(calls).await;
    appended.sort_unstable();
    appended.dedup();
    assert_eq!(appended.len(), 1_000);
    let chunks = stream.bounds().await.unwrap()[0].tail.get();
    assert!(chunks < 100, "{chunks} chunks for a thousand calls at once");
}

#[tokio::test]
async fn a_big_batch_becomes_many_chunks_in_order() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let numbers: Vec<u32> = (0..10_000).collect();
    let appended = stream.append_many(&numbers).await.unwrap();
    assert_eq!(appended.count, 10_000);
    assert_eq!(appended.shares[0].first.slot(), Slot::FIRST);
    assert_eq!(appended.shares[0].last.slot(), stream.bounds().await.unwrap()[0].tail);
    assert!(appended.shares[0].last.slot() > Slot::FIRST);

    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(3_000));
    windows
        .drain(|window: Window<u32>| {
            seen.extend(window.data);
            async {}
        })
        .await
        .unwrap();
    assert_eq!(seen, numbers);
}

#[tokio::test]
async fn nothing_is_written_for_an_empty_batch() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    assert_eq!(stream.append_many(&[]).await.unwrap().count, 0);
    assert_eq!(stream.bounds().await.unwrap()[0].tail, Slot::ZERO);
}

#[tokio::test]
async fn a_bad_message_fails_its_caller_alone() {
    let stream = client().stream::<String>("words").await.unwrap();
    let (good, big) = ("good".to_owned(), "x".repeat(MESSAGE_MAX_BYTES + 1));
    let (good, big) = tokio::join!(stream.append(&good), stream.append(&big));
    good.unwrap();
    let error = big.unwrap_err();
    assert!(matches!(error.cause(), Cause::MessageTooLarge { max: MESSAGE_MAX_BYTES, .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(stream.bounds().await.unwrap()[0].tail, Slot::FIRST);
}

#[tokio::test]
async fn what_bson_cannot_say_is_refused_before_anything_is_written() {
    let stream = client().stream::<u64>("numbers").await.unwrap();
    let error = stream.append_many(&[1, u64::MAX]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Encode), "{error:?}");
    assert_eq!(stream.bounds().await.unwrap()[0].tail, Slot::ZERO);
}

#[tokio::test]
async fn keys_and_headers_arrive() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let extras = Extras { key: Some("a".to_owned()), headers: vec![("k".to_owned(), "$v".to_owned()); 2] };
    stream.append_with(&1, &extras).await.unwrap();
    stream.append(&2).await.unwrap();
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(2));
    windows
        .drain(|window: Window<u32>| {
            seen.extend(window.data.iter().copied().zip(window.meta().map(|meta| (meta.key, meta.headers))));
            async {}
        })
        .await
        .unwrap();
    assert_eq!(seen, [(1, (extras.key, extras.headers)), (2, (None, Vec::new()))]);
}

#[tokio::test]
async fn linger_waits_for_company() {
    let (client, clock) = manual_client();
    let storage = std::sync::Arc::clone(client.storage());
    let options = minibatch_runtime::ClientOptions::default().with_linger(Duration::from_secs(1));
    let client = minibatch_runtime::Client::with_options(storage, std::sync::Arc::clone(&clock) as _, options);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let calls = join_all([stream.append(&1), stream.append(&2)]);
    // each caller's timeout, and the lingering producer
    let time = async {
        clock.sleepers(3).await;
        clock.advance(Duration::from_secs(1));
    };
    let (offsets, ()) = tokio::join!(calls, time);
    assert_eq!(offsets[0].as_ref().unwrap().offset.slot(), offsets[1].as_ref().unwrap().offset.slot());
}

#[tokio::test]
async fn after_shutdown_calls_are_refused_and_earlier_ones_are_finished() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let appending = tokio::spawn({
        let stream = stream.clone();
        async move { stream.append(&1).await }
    });
    stream.append(&2).await.unwrap();
    appending.await.unwrap().unwrap();
    client.shutdown().await;
    client.shutdown().await;
    assert!(matches!(stream.append(&3).await.unwrap_err().cause(), Cause::Closed));
    assert!(matches!(stream.flush().await.unwrap_err().cause(), Cause::Closed));
    assert!(matches!(client.stream::<u32>("other").await.unwrap_err().cause(), Cause::Closed));
}

#[tokio::test]
async fn flush_waits_for_what_was_called_before() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let mut append = Box::pin(stream.append(&1));
    // polled once, the call is in line; then nobody waits for it
    assert!(futures::poll!(&mut append).is_pending());
    drop(append);
    stream.flush().await.unwrap();
    assert_eq!(stream.bounds().await.unwrap()[0].tail, Slot::FIRST);
}
