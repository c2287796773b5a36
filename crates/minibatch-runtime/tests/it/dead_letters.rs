//! Giving up on messages.

use minibatch_core::{Cause, ErrorKind, chunk::Extras};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{Client, MessageMeta, Window};
use serde::de::DeserializeOwned;

use crate::tools::{client, numbers, soon};

/// What is in the dead-letter stream of `numbers`.
pub(crate) async fn letters<T: DeserializeOwned + Clone + Send + 'static>(client: &Client) -> Vec<(T, MessageMeta)> {
    let mut letters = Vec::new();
    let dead = client.dead_letters::<T>("numbers").await.unwrap();
    dead.streaming()
        .window(CountWindow::new(1))
        .drain(|window: Window<T>| {
            letters.extend(window.data.iter().cloned().zip(window.meta()));
            async {}
        })
        .await
        .unwrap();
    letters
}

pub(crate) fn header<'a>(meta: &'a MessageMeta, name: &str) -> &'a str {
    meta.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str()).unwrap()
}

#[tokio::test]
async fn after_its_last_attempt_the_message_at_fault_goes_to_the_dead_letters_and_the_others_go_on() {
    let client = client();
    let stream = numbers(&client, 6).await;
    let mut id = None;
    let windows = stream.streaming().window(CountWindow::new(2)).max_attempts(2).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            let fails = window.data.contains(&3);
            if fails && window.len() == 2 {
                id = Some(window.id);
            }
            async move { if fails { Err("no threes") } else { Ok(()) } }
        })
        .await
        .unwrap();
    // twice as a window, and twice alone: before the four and after it
    assert_eq!((summary.windows, summary.messages, summary.failures, summary.dead), (3, 6, 4, 1));

    let letters = letters::<u32>(&client).await;
    assert_eq!(letters.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [3]);
    let (_, meta) = &letters[0];
    assert_eq!(header(meta, "minibatch-error"), "no threes");
    assert_eq!(header(meta, "minibatch-attempts"), "4");
    assert_eq!(header(meta, "minibatch-window"), id.unwrap().to_string());
    assert_eq!(header(meta, "minibatch-offset"), "1:2");

    let groups = stream.groups().await.unwrap();
    let counters = groups[0].1[0].counters;
    assert_eq!((counters.finished, counters.dead), (5, 1));
}

#[tokio::test]
async fn a_message_of_another_type_is_rejected_alone() {
    let client = client();
    let stream = client.stream::<String>("numbers").await.unwrap();
    let numbers = client.stream::<u32>("numbers").await.unwrap();
    numbers.append(&1).await.unwrap();
    stream.append(&"canary".to_owned()).await.unwrap();
    numbers.append(&2).await.unwrap();

    let mut seen = Vec::new();
    let windows = numbers.streaming().window(CountWindow::new(3));
    let summary = windows
        .drain(|window: Window<u32>| {
            assert_eq!(window.meta().count(), window.len());
            seen.extend(window.data);
            async {}
        })
        .await
        .unwrap();
    assert_eq!(seen, [1, 2]);
    assert_eq!((summary.windows, summary.dead), (1, 1));

    let mut dead = Vec::new();
    let words = client.dead_letters::<String>("numbers").await.unwrap();
    let windows = words.streaming().window(CountWindow::new(1));
    windows
        .drain(|window: Window<String>| {
            dead.extend(window.data.iter().cloned().zip(window.meta()));
            async {}
        })
        .await
        .unwrap();
    let (word, meta) = &dead[0];
    assert_eq!(word, "canary");
    assert!(!header(meta, "minibatch-error").contains("canary"), "the reason quotes no payload");
}

#[tokio::test]
async fn a_dead_letter_that_fails_again_stops_its_consumer_and_stays() {
    let client = client();
    let stream = numbers(&client, 2).await;
    let failing = |stream: minibatch_runtime::Stream<u32>| async move {
        let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(1).backoff(soon());
        let fails = |window: Window<u32>| async move { if window.data == [1] { Err("no") } else { Ok(()) } };
        windows.drain(fails).await
    };
    assert_eq!(failing(stream).await.unwrap().dead, 1);
    let dead = client.dead_letters::<u32>("numbers").await.unwrap();
    let error = failing(dead).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Function { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(letters::<u32>(&client).await.len(), 1);
}

#[tokio::test]
async fn dead_letters_are_redriven_once_as_they_were() {
    let client = client();
    assert_eq!(client.redrive("numbers").await.unwrap(), 0, "no stream of dead letters yet");
    let stream = numbers(&client, 1_500).await;
    let extras = Extras { key: Some("key".to_owned()), headers: vec![("own".to_owned(), "header".to_owned())] };
    stream.append_with(&1_501, &extras).await.unwrap();
    let mut seen = Vec::new();
    let mut works = false;
    for round in 1..=3 {
        let windows = stream.streaming().window(CountWindow::new(1)).max_attempts(1);
        windows
            .drain(|window: Window<u32>| {
                seen.extend(window.data.iter().copied().zip(window.meta()).filter(|_| works));
                if !works {
                    window.reject(0, "mend it").unwrap();
                }
                async {}
            })
            .await
            .unwrap();
        works = true;
        let expected = if round == 1 { 1_501 } else { 0 };
        assert_eq!(client.redrive("numbers").await.unwrap(), expected, "round {round}");
    }
    let order: Vec<u32> = seen.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, (1..=1_501).collect::<Vec<_>>());
    let (_, last) = seen.last().unwrap();
    assert_eq!((last.key.clone(), last.headers.clone()), (extras.key, extras.headers));
}
