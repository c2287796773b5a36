//! A group whose strategy changes.

use minibatch_core::{Cause, Error};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{OnStrategyChange, StartAt, Stream, Window};

use crate::tools::{client, numbers, partitioned};

/// Runs the group with windows of this size, as told of a change; returns the windows.
async fn drain(stream: &Stream<u32>, size: usize, policy: OnStrategyChange) -> Result<Vec<Vec<u32>>, Error> {
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(size)).on_strategy_change(policy);
    let look = |window: Window<u32>| {
        seen.push(window.data);
        async {}
    };
    windows.drain(look).await?;
    Ok(seen)
}

#[tokio::test]
async fn a_restart_forms_windows_anew_from_the_first_unfinished_message() {
    let stream = numbers(&client(), 2).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    for some in [&[3, 4][..], &[5, 6], &[7, 8], &[9]] {
        stream.append_many(some).await.unwrap();
    }
    // of 1 2 | 3 4 | 5 6 | 7 8 the second is not done
    let unfinished = consumer.next().await.unwrap().unwrap();
    assert_eq!(unfinished.data, [3, 4]);
    for _ in 0..2 {
        consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    }
    drop((consumer, unfinished));

    let error = drain(&stream, 3, OnStrategyChange::Refuse).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::StrategyChanged { .. }), "{error:?}");
    let again = drain(&stream, 3, OnStrategyChange::Restart).await.unwrap();
    assert_eq!(again, [vec![3, 4, 5], vec![6, 7, 8], vec![9]]);
    assert!(drain(&stream, 3, OnStrategyChange::Restart).await.unwrap().is_empty(), "it is the same strategy now");
    let none = drain(&stream, 9, OnStrategyChange::StartAt(StartAt::Latest)).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn the_former_version_that_still_runs_ends_and_does_not_fight() {
    for partitions in [1, 3] {
        let (old, new) = {
            let one = client();
            let two = minibatch_runtime::Client::new(std::sync::Arc::clone(one.storage()));
            (partitioned(&one, partitions).await, two.stream::<u32>("numbers").await.unwrap())
        };
        old.append_many(&[1, 2, 3]).await.unwrap();
        let policy = OnStrategyChange::Restart;
        // idle, with a message waiting for its window
        let mut before =
            old.streaming().window(CountWindow::new(2)).on_strategy_change(policy.clone()).open().await.unwrap();
        before.next().await.unwrap().unwrap().ack().await.unwrap();

        let mut after = new.streaming().window(CountWindow::new(1)).on_strategy_change(policy).open().await.unwrap();
        let error = before.next().await.unwrap_err();
        assert!(matches!(error.cause(), Cause::StrategyChanged { .. }), "{error:?}");
        assert_eq!(after.next().await.unwrap().unwrap().data, [3], "goes on undisturbed");
    }
}
