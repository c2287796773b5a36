//! Waiting: woken by whoever appends, and no busy loop.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Cause, Slot, storage::Partition};
use tokio::time::{Instant, timeout};

use crate::{
    cancel::dropped_after,
    storage::{
        case::{Case, Client, Cx, cases},
        failure::{Failure, Verdict, ensure, ensure_eq},
        tools::{ALL, Producer, at_once, payload, slot},
    },
};

pub(super) const CASES: &[Case] = cases![
    log_12_wait_returns_at_once_when_there_is_one,
    log_12_wait_is_woken_by_its_own_client,
    log_12_wait_is_woken_by_another_client,
    log_12_wait_is_woken_within_a_second,
    log_12_every_waiter_is_woken,
    log_12_dropped_wait_breaks_nothing,
    log_12_wait_without_an_append_does_not_spin,
    log_12_wait_ends_with_its_stream,
];

/// Waits until a record above `after` can be read.
async fn wait_for(client: &Client, partition: &Partition, after: Slot, patience: Duration) -> Verdict {
    let woken = timeout(patience, async {
        loop {
            client.wait(partition, after).await?;
            if !client.read(partition, after.next(), ALL).await?.is_empty() {
                return Verdict::Ok(());
            }
        }
    });
    woken.await.map_err(|_| Failure::new(format!("nobody was woken for slot {} in {patience:?}", after.next())))?
}

/// A task that waits, which is waiting by now as far as one can tell.
async fn waiting(
    client: &Client,
    partition: &Partition,
    after: Slot,
    patience: Duration,
) -> tokio::task::JoinHandle<Verdict<Instant>> {
    let (client, partition) = (Arc::clone(client), partition.clone());
    let task = tokio::spawn(async move {
        wait_for(&client, &partition, after, patience).await?;
        Ok(Instant::now())
    });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    task
}

async fn joined<T>(task: tokio::task::JoinHandle<Verdict<T>>) -> Verdict<T> {
    task.await.map_err(|error| Failure::new(format!("a waiting task failed: {error}")))?
}

async fn log_12_wait_returns_at_once_when_there_is_one(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(3).await?;
    for client in [&a, &b] {
        for after in 0..3 {
            let begun = Instant::now();
            timeout(cx.patience(), client.wait(&partition, slot(after)?))
                .await
                .map_err(|_| Failure::new(format!("wait after slot {after} of 3 does not return")))??;
            let took = begun.elapsed();
            ensure!(took < Duration::from_secs(1), "wait after slot {after} of 3 took {took:?}");
        }
    }
    Ok(())
}

async fn log_12_wait_is_woken_by_its_own_client(cx: Cx) -> Verdict {
    let (a, _, partition) = cx.partition().await?;
    check_woken(&a, &a, &partition, cx.patience()).await
}

async fn log_12_wait_is_woken_by_another_client(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    check_woken(&a, &b, &partition, cx.patience()).await?;
    Ok(())
}

async fn check_woken(appends: &Client, waits: &Client, partition: &Partition, patience: Duration) -> Verdict {
    let mut producer = Producer::register(appends, partition, "p").await?;
    for after in 0..3 {
        let waiter = waiting(waits, partition, slot(after)?, patience).await;
        producer.append(payload(&[after])?).await?;
        joined(waiter).await?;
    }
    Ok(())
}

async fn log_12_wait_is_woken_within_a_second(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let mut delays = Vec::new();
    for after in 0..5 {
        let waiter = waiting(&b, &partition, slot(after)?, cx.patience()).await;
        producer.append(payload(&[after])?).await?;
        let appended = Instant::now();
        delays.push(joined(waiter).await?.saturating_duration_since(appended));
    }
    // the median: a machine that stalls once proves nothing
    delays.sort();
    let median = delays.get(2).copied().unwrap_or_default();
    ensure!(median < Duration::from_secs(1), "it takes {median:?} until another client's wait returns");
    Ok(())
}

async fn log_12_every_waiter_is_woken(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let mut waiters = Vec::new();
    for client in [&a, &b, &a, &b, &a, &b] {
        waiters.push(waiting(client, &partition, Slot::ZERO, cx.patience()).await);
    }
    // one that waits for more than the first record
    waiters.push(waiting(&b, &partition, slot(1)?, cx.patience()).await);
    producer.append_many(2).await?;
    at_once(waiters.into_iter().map(joined)).await?;
    Ok(())
}

async fn log_12_dropped_wait_breaks_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    for polls in 1..=3 {
        for client in [&a, &b] {
            // a few polls, or as many as there are in a moment
            let moment = Duration::from_millis(5);
            let _ = timeout(moment, dropped_after(polls, client.wait(&partition, Slot::ZERO))).await;
        }
    }
    check_woken(&a, &b, &partition, cx.patience()).await?;
    ensure_eq!(b.bounds(&partition).await?.tail, slot(3)?, "tail");
    Ok(())
}

async fn log_12_wait_ends_with_its_stream(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let waits = async |client: &Client| {
        timeout(cx.patience(), client.wait(&partition, Slot::ZERO))
            .await
            .map_err(|_| Failure::new("a wait goes on though the stream was dropped"))
    };
    let dropping = async {
        tokio::task::yield_now().await;
        a.drop_stream(&partition.stream).await
    };
    let (own, other, dropped) = tokio::join!(waits(&a), waits(&b), dropping);
    ensure!(dropped?, "there was no stream to drop");
    for ended in [own?, other?].into_iter().filter_map(Result::err) {
        ensure!(matches!(ended.cause(), Cause::StreamDropped), "a wait for a dropped stream: {ended}");
    }
    Ok(())
}

async fn log_12_wait_without_an_append_does_not_spin(cx: Cx) -> Verdict {
    let (_, b, partition) = cx.partition().await?;
    let mut returns = 0_u32;
    let _ = timeout(Duration::from_millis(200), async {
        while b.wait(&partition, Slot::ZERO).await.is_ok() {
            returns += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    ensure!(returns <= 200, "wait returned {returns} times in 200 ms without an append");
    Ok(())
}
