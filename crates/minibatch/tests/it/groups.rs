//! Members of a group with connections of their own to one file.

use std::time::Duration;

use minibatch::{Cause, ClientOptions, Extras, Minibatch, OnStrategyChange, StartAt, StreamOptions, prelude::*};

/// Two connections to one file, which notice each other soon.
async fn two(directory: &tempfile::TempDir) -> [Minibatch; 2] {
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let options = ClientOptions::default().with_member_ttl(Duration::from_secs(2));
    let connect = || Minibatch::connect_with(&url, options.clone());
    [connect().await.unwrap(), connect().await.unwrap()]
}

#[tokio::test]
async fn who_comes_gets_partitions_and_nothing_is_lost_or_out_of_order() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = two(&directory).await;
    let options = StreamOptions::default().with_partitions(4);
    let numbers = one.stream_with::<u32>("numbers", &options).await.unwrap();
    let mut first = numbers.streaming().size(1).open().await.unwrap();
    let other = two.stream::<u32>("numbers").await.unwrap();
    let mut second = other.streaming().size(1).open().await.unwrap();

    let (mut seen, mut appended, mut by_second) = (Vec::new(), 0, 0);
    while by_second < 20 || seen.len() < appended as usize {
        if by_second < 20 && seen.len() == appended as usize {
            for _ in 0..8 {
                appended += 1;
                let key = Extras { key: Some((appended % 8).to_string()), ..Extras::default() };
                numbers.append_with(&appended, &key).await.unwrap();
            }
        }
        let window = tokio::select! {
            window = first.next() => window.unwrap().unwrap(),
            window = second.next() => {
                by_second += 1;
                window.unwrap().unwrap()
            }
        };
        let number = window.data[0];
        if window.ack().await.is_ok() {
            seen.push(number);
        }
    }
    for key in 0..8 {
        let of_key: Vec<_> = seen.iter().copied().filter(|number| number % 8 == key).collect();
        let expected: Vec<_> = (1..=appended).filter(|number| number % 8 == key).collect();
        assert_eq!(of_key, expected, "key {key}");
    }
    one.shutdown().await;
    two.shutdown().await;
}

#[tokio::test]
async fn a_group_is_moved_and_its_strategy_changed_from_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = two(&directory).await;
    let numbers = one.stream::<u32>("numbers").await.unwrap();
    numbers.append_many(&[1, 2, 3]).await.unwrap();
    let mut consumer = numbers.streaming().size(2).open().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();

    let other = two.stream::<u32>("numbers").await.unwrap();
    let seek = other.group("default").unwrap().seek(&StartAt::Earliest).await.unwrap();
    assert_eq!((seek.again(), seek.passed_over()), (2, 0));
    let again = consumer.next().await.unwrap().unwrap();
    assert_eq!(again.data, [1, 2]);
    again.ack().await.unwrap();

    let heir = other.streaming().size(1).on_strategy_change(OnStrategyChange::Restart);
    let mut heir = heir.open().await.unwrap();
    assert_eq!(heir.next().await.unwrap().unwrap().data, [3]);
    let error = consumer.next().await.unwrap_err();
    assert!(matches!(error.cause(), Cause::StrategyChanged { .. }), "{error:?}");
    one.shutdown().await;
    two.shutdown().await;
}
