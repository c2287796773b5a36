//! Futures dropped at every await, over each storage: nothing is lost, nothing is done twice, the next call works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use minibatch::{Minibatch, prelude::*};
use minibatch_testkit::cancel::{at_every_await, dropped_after};

use crate::stores;

#[tokio::test]
async fn over_memory_and_a_file() {
    for store in stores::all().await {
        check(&store.mb).await;
    }
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn over_mongodb() {
    let Some(store) = stores::mongo("cancel").await else { return };
    check(&store.mb).await;
}

async fn check(mb: &Minibatch) {
    let (opened, _) = at_every_await(|| mb.stream::<u32>("numbers")).await;
    let stream = opened.unwrap();
    // appended or not: each once at most, and in order
    let (mut number, mut acknowledged) = (0, Vec::new());
    for _ in 0..10 {
        for polls in 0.. {
            number += 1;
            if let Some(appended) = dropped_after(polls, stream.append(&number)).await {
                appended.unwrap();
                acknowledged.push(number);
                break;
            }
        }
    }
    stream.flush().await.unwrap();

    let windows: Arc<Mutex<BTreeMap<u64, Vec<u32>>>> = Arc::default();
    let (drained, _) = at_every_await(|| {
        let windows = Arc::clone(&windows);
        stream.streaming().size(3).drain(move |window: Window<u32>| {
            let windows = Arc::clone(&windows);
            async move {
                let known =
                    windows.lock().unwrap().entry(window.ordinal).or_insert_with(|| window.data.clone()).clone();
                assert_eq!(known, window.data, "a window that comes again is the same");
            }
        })
    })
    .await;
    drained.unwrap();
    let seen: Vec<u32> = windows.lock().unwrap().values().flatten().copied().collect();
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, none twice: {seen:?}");
    assert!(acknowledged.iter().all(|number| seen.contains(number)), "{acknowledged:?} of {seen:?}");
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    assert_eq!(counters.finished, seen.len() as u64);

    mb.drop_stream("numbers").await.unwrap();
    at_every_await(|| mb.shutdown()).await;
}
