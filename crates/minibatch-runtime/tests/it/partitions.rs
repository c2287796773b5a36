//! Streams with several partitions, consumed by one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use minibatch_core::{Cause, chunk::Extras};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{Backoff, Client, Stream, StreamOptions, Window};
use tokio::sync::mpsc;

use crate::tools::{client, keyed, partitioned, soon};

#[tokio::test]
async fn a_stream_keeps_the_partitions_it_was_created_with() {
    let client = client();
    let four = partitioned(&client, 4).await;
    assert_eq!((four.partitions(), four.bounds().await.unwrap().len()), (4, 4));
    assert_eq!(client.stream::<u32>("numbers").await.unwrap().partitions(), 4, "opened as it is");
    let open = |partitions| {
        let (client, options) = (client.clone(), StreamOptions::default().with_partitions(partitions));
        async move { client.stream_with::<u32>("numbers", &options).await.unwrap_err() }
    };
    assert!(matches!(open(3).await.cause(), Cause::StreamDiffers { stored: 4, asked: 3, .. }));
    assert!(matches!(open(0).await.cause(), Cause::OutOfRange { .. }));
    assert_eq!(client.dead_letters::<u32>("numbers").await.unwrap().partitions(), 1);
}

#[tokio::test]
async fn messages_of_one_key_stay_together_and_in_order() {
    let client = client();
    let stream = partitioned(&client, 4).await;
    let mut expected: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for number in 0..40 {
        let key = (number % 7).to_string();
        let appended = stream.append_with(&number, &keyed(&key)).await.unwrap();
        assert_eq!(appended.partition, stream.partition_of(&key));
        expected.entry(appended.partition).or_default().push(number);
    }
    let numbers: Vec<u32> = (40..80).collect();
    let extras: Vec<Extras> = numbers.iter().map(|number| keyed(&(number % 7).to_string())).collect();
    let appended = stream.append_many_with(numbers.iter().zip(&extras)).await.unwrap();
    assert_eq!((appended.count, appended.shares.len()), (40, expected.len()));
    for number in numbers {
        expected.get_mut(&stream.partition_of(&(number % 7).to_string())).unwrap().push(number);
    }
    assert_eq!(seen_by_partition(&stream).await, expected);
}

#[tokio::test]
async fn calls_without_keys_take_turns_and_batches_stay_whole() {
    let stream = partitioned(&client(), 3).await;
    let mut partitions = BTreeSet::new();
    for first in [1, 11, 21] {
        let appended = stream.append_many(&(first..first + 10).collect::<Vec<u32>>()).await.unwrap();
        assert_eq!((appended.count, appended.shares.len(), appended.shares[0].count), (10, 1, 10));
        partitions.insert(appended.shares[0].partition);
    }
    assert_eq!(partitions, BTreeSet::from([0, 1, 2]));
    stream.flush().await.unwrap();
    assert_eq!(stream.append_many(&[]).await.unwrap().shares, []);
    let mut batches: Vec<_> = seen_by_partition(&stream).await.into_values().collect();
    batches.sort();
    assert_eq!(batches, [1, 11, 21].map(|first| (first..first + 10).collect::<Vec<u32>>()));
}

async fn seen_by_partition(stream: &Stream<u32>) -> BTreeMap<u32, Vec<u32>> {
    let mut seen: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let look = |window: Window<u32>| {
        assert!(window.meta().all(|meta| meta.partition == window.partition));
        seen.entry(window.partition).or_default().extend(window.data);
        async {}
    };
    stream.streaming().window(CountWindow::new(3)).workers(2).drain(look).await.unwrap();
    seen
}

/// A message of each partition, the partition being its value.
async fn one_in_each(stream: &Stream<u32>) {
    for partition in 0..stream.partitions() {
        let key = (0..).map(|key: u32| key.to_string()).find(|key| stream.partition_of(key) == partition);
        stream.append_with(&partition, &keyed(&key.unwrap())).await.unwrap();
    }
}

#[tokio::test]
async fn with_one_worker_a_failing_partition_holds_up_no_other() {
    let client = client();
    let stream = partitioned(&client, 4).await;
    for _ in 0..5 {
        one_in_each(&stream).await;
    }
    let (seen, mut windows) = mpsc::unbounded_channel();
    let never = Backoff { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    let function = |window: Window<u32>| {
        let verdict = if window.partition == 2 { Err("fails") } else { Ok(()) };
        seen.send((window.partition, window.ordinal)).unwrap();
        async move { verdict }
    };
    let running = stream.streaming().window(CountWindow::new(1)).backoff(never).run(function);
    let all = async {
        let mut done = BTreeMap::new();
        while done.len() < 4 || done.iter().any(|(partition, last)| *partition != 2 && *last < 5) {
            let (partition, ordinal) = windows.recv().await.unwrap();
            let before = done.insert(partition, ordinal).unwrap_or(0);
            assert_eq!(ordinal, before + 1, "in order in each");
        }
        done
    };
    tokio::select! {
        done = all => assert_eq!(done[&2], 1, "what fails holds up its followers"),
        ended = running => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn no_more_functions_run_at_once_than_there_are_workers() {
    let stream = partitioned(&client(), 4).await;
    for _ in 0..5 {
        one_in_each(&stream).await;
    }
    let (running, most) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
    let function = |window: Window<u32>| async move {
        most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
        tokio::task::yield_now().await;
        running.fetch_sub(1, Relaxed);
        if window.attempt == 1 { Err("some wait, and get in line again") } else { Ok(()) }
    };
    let windows = stream.streaming().window(CountWindow::new(1)).workers(2).backoff(soon());
    let done = windows.drain(function).await.unwrap();
    assert_eq!((done.windows, done.failures, most.load(Relaxed)), (20, 20, 2));
}

#[tokio::test]
async fn dead_letters_name_their_partition_and_go_back_to_it() {
    let client = client();
    let stream = partitioned(&client, 4).await;
    one_in_each(&stream).await;
    let refuse = |window: Window<u32>| async move {
        if window.partition == 3 {
            window.reject(0, "no").unwrap();
        }
    };
    let windows = stream.streaming().window(CountWindow::new(1));
    assert_eq!(windows.drain(refuse).await.unwrap().dead, 1);

    let dead = client.dead_letters::<u32>("numbers").await.unwrap();
    let mut letters = dead.streaming().window(CountWindow::new(1)).open().await.unwrap();
    let letter = letters.next().await.unwrap().unwrap();
    let headers: BTreeMap<_, _> = letter.meta().next().unwrap().headers.into_iter().collect();
    assert_eq!((letter.data.as_slice(), headers["minibatch-partition"].as_str()), (&[3][..], "3"));
    drop(letter);
    letters.shutdown().await.unwrap();

    assert_eq!(client.redrive("numbers").await.unwrap(), 1);
    assert_eq!(seen_again(&client).await, [(3, 3)]);
}

async fn seen_again(client: &Client) -> Vec<(u32, u32)> {
    let mut seen = Vec::new();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let look = |window: Window<u32>| {
        seen.extend(window.data.iter().map(|number| (window.partition, *number)));
        async {}
    };
    stream.streaming().window(CountWindow::new(1)).drain(look).await.unwrap();
    seen
}

#[tokio::test]
async fn a_group_that_is_removed_ends_its_consumer_in_all_partitions() {
    let stream = partitioned(&client(), 3).await;
    one_in_each(&stream).await;
    let mut consumer = stream.streaming().window(CountWindow::new(1)).open().await.unwrap();
    let mut windows = Vec::new();
    for _ in 0..3 {
        windows.push(consumer.next().await.unwrap().unwrap());
    }
    assert!(stream.remove_group("default").await.unwrap());
    for window in windows {
        assert!(window.ack().await.is_err());
    }
    let error = consumer.next().await.unwrap_err();
    assert!(matches!(error.cause(), Cause::GroupRemoved), "{error:?}");
}
