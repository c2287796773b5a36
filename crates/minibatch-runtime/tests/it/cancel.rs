//! Futures dropped at every await: nothing is lost, nothing is done twice, nothing stays behind, the next call works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::{Cause, Result};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, Stream, Window};
use minibatch_testkit::{
    cancel::{at_every_await, dropped_after},
    storage::{Tap, Tapped},
};
use tokio::{runtime::Handle, task::yield_now, time::timeout};

use crate::tools::numbers;

/// Every call on the storage has an await before and after it.
#[derive(Clone, Debug)]
struct Slow;

impl Tap for Slow {
    async fn call<T: Send>(&self, _: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        yield_now().await;
        let result = call.await;
        yield_now().await;
        result
    }
}

fn client() -> Client {
    Client::new(Arc::new(Tapped::new(MemoryStorage::new(), Slow)))
}

/// Shuts down, and checks that no task is left.
async fn check_nothing_is_left(client: Client) {
    timeout(Duration::from_secs(20), client.shutdown()).await.unwrap();
    drop(client);
    while Handle::current().metrics().num_alive_tasks() > 0 {
        yield_now().await;
    }
}

/// Keeps everything for [`all`], whoever else has finished with it.
async fn keep_all(stream: &Stream<u32>) {
    stream.streaming().group("all").window(CountWindow::new(1)).open().await.unwrap().shutdown().await.unwrap();
}

/// Everything in the stream, in order.
async fn all(stream: &Stream<u32>) -> Vec<u32> {
    let seen = Mutex::new(Vec::new());
    let windows = stream.streaming().group("all").window(CountWindow::new(1));
    let look = |window: Window<u32>| {
        seen.lock().unwrap().extend(window.data);
        async {}
    };
    windows.drain(look).await.unwrap();
    seen.into_inner().unwrap()
}

#[tokio::test]
async fn appends() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let (mut sent, mut kept) = (0, Vec::new());
    for _ in 0..20 {
        for polls in 0.. {
            sent += 1;
            if dropped_after(polls, stream.append(&sent)).await.transpose().unwrap().is_some() {
                kept.push(sent);
                break;
            }
        }
    }
    stream.flush().await.unwrap();
    let found = all(&stream).await;
    assert!(found.is_sorted_by(|a, b| a < b), "in order, none twice: {found:?}");
    assert!(kept.iter().all(|number| found.contains(number)), "{kept:?} are acknowledged, there are {found:?}");
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn places_in_line_come_back() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    // more than wait in line at once
    for _ in 0..3 {
        for number in 0..1_500 {
            dropped_after(1, stream.append(&number)).await;
        }
        stream.append(&1).await.unwrap();
    }
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn appends_of_many_over_several_chunks() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let numbers: Vec<u32> = (0..10_000).collect();
    let (appended, dropped) = at_every_await(|| stream.append_many(&numbers)).await;
    assert_eq!(appended.unwrap().count, numbers.len());
    let (flushed, _) = at_every_await(|| stream.flush()).await;
    flushed.unwrap();
    let found = all(&stream).await;
    assert!(found.len() <= numbers.len() * (dropped + 1));
    assert!(found.ends_with(&numbers));
    let mut rest = found.as_slice();
    while let Some(after) = rest.strip_prefix(numbers.as_slice()) {
        rest = after;
    }
    assert!(rest.is_empty(), "each is there whole or not at all");
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn opening_pulling_and_acknowledging() {
    let client = client();
    let stream = numbers(&client, 40).await;
    let (consumer, _) = at_every_await(|| stream.streaming().window(CountWindow::new(2)).open()).await;
    let mut consumer = consumer.unwrap();
    for first in (1..40).step_by(2) {
        let mut polls = 0;
        let window = loop {
            match dropped_after(polls, consumer.next()).await {
                Some(window) => break window.unwrap().unwrap(),
                None => polls += 1,
            }
        };
        assert_eq!(window.data, [first, first + 1]);
        // acknowledged by the call, whether its future lives or not
        let _ = dropped_after(first as usize % 5, window.ack()).await;
    }
    let summary = consumer.shutdown().await.unwrap();
    assert_eq!((summary.windows, summary.messages), (20, 40));
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    assert_eq!(counters.finished, 40);
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn a_running_consumer() {
    let client = client();
    let stream = numbers(&client, 60).await;
    let seen: Mutex<BTreeMap<u64, Vec<u32>>> = Mutex::default();
    let drain = || {
        let windows = stream.streaming().window(CountWindow::new(3));
        windows.drain(|window: Window<u32>| {
            let mut seen = seen.lock().unwrap();
            let members = seen.entry(window.ordinal).or_insert_with(|| window.data.clone());
            assert_eq!(*members, window.data, "a window that comes again is the same");
            yield_now()
        })
    };
    let (drained, dropped) = at_every_await(drain).await;
    drained.unwrap();
    assert!(dropped > 10, "it was dropped at {dropped} places");
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.into_values().flatten().collect::<Vec<_>>(), (1..=60).collect::<Vec<_>>());
    assert_eq!(stream.groups().await.unwrap()[0].1[0].counters.finished, 60);
    check_nothing_is_left(client).await;
}

/// The consumer's own task is dropped at whichever await it is in.
#[tokio::test]
async fn a_consumer_dropped_at_work() {
    let client = client();
    let stream = numbers(&client, 200).await;
    let mut turns = 0;
    loop {
        let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
        if turns > 60 {
            break consumer.shutdown().await.map(drop).unwrap();
        }
        let window = consumer.next().await.unwrap().unwrap();
        drop(window.ack());
        for _ in 0..turns {
            yield_now().await;
        }
        turns += 1;
    }
    let summary = stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap();
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    assert!(summary.windows < 100, "some were committed before");
    assert_eq!(counters.finished, 200);
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn redriving() {
    let client = client();
    let stream = numbers(&client, 10).await;
    keep_all(&stream).await;
    let only_odd = |window: Window<u32>| async move {
        if window.data[0].is_multiple_of(2) {
            window.reject(0, "even").unwrap();
        }
    };
    let one_by_one = stream.streaming().window(CountWindow::new(1));
    assert_eq!(one_by_one.drain(only_odd).await.unwrap().dead, 5);

    let (redriven, _) = at_every_await(|| client.redrive("numbers")).await;
    redriven.unwrap();
    assert_eq!(client.redrive("numbers").await.unwrap(), 0, "nothing is left to do");
    let mut again = all(&stream).await.split_off(10);
    again.sort_unstable();
    again.dedup();
    assert_eq!(again, [2, 4, 6, 8, 10], "each at least once");
    check_nothing_is_left(client).await;
}

#[tokio::test]
async fn shutting_down() {
    for consumed in [false, true] {
        let client = client();
        let stream = numbers(&client, 10).await;
        let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
        if consumed {
            drop(consumer.next().await.unwrap().unwrap().ack());
        }
        at_every_await(|| client.shutdown()).await;
        assert!(matches!(stream.append(&1).await.unwrap_err().cause(), Cause::Closed));
        let later = Client::new(Arc::clone(client.storage()));
        let rest = numbers(&later, 0).await.streaming().window(CountWindow::new(2));
        let rest = timeout(Duration::from_secs(5), rest.drain(|_: Window<u32>| async {})).await;
        let expected = if consumed { 8 } else { 10 };
        assert_eq!(rest.unwrap().unwrap().messages, expected, "the partition is free at once");
        drop((consumer, stream));
        later.shutdown().await;
        check_nothing_is_left(client).await;
    }
}
