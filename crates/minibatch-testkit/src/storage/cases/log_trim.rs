//! Trimming: what every group has finished with, and not one record more.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Offset, Slot, StreamName, Timestamp,
    chunk::Record,
    storage::{GroupState, LogBounds, Partition, ReadLimit, Start, Trim},
};

use crate::{
    pause::Pauses,
    storage::{
        case::{Case, Client, Cx, cases},
        failure::{Failure, Verdict, ensure, ensure_eq},
        tools::{
            ALL, Producer, STRATEGY, at_once, check_run, commit_at, finish_below, group, identity, member, offset,
            open_group, own, payload, read_all, read_from, slot, state, stream_of, trim_until_deleted,
        },
    },
};

pub(super) const CASES: &[Case] = cases![
    log_13_trim_without_groups_does_nothing,
    log_13_trim_keeps_what_the_slowest_group_needs,
    log_13_trim_keeps_the_chunk_of_a_needed_message,
    log_13_trim_keeps_the_last_record,
    log_13_trim_goes_on_when_a_group_is_removed,
    log_13_trim_is_for_one_partition,
    log_13_trim_counts_what_it_deletes,
    log_13_floor_time_is_the_append_time_there,
    log_13_new_group_starts_at_the_floor_or_the_tail,
    log_13_trim_while_others_append_and_read,
    log_13_cut_takes_what_groups_need,
    log_13_cut_needs_no_group_and_spares_the_last_record,
    log_13_cut_alone_leaves_what_is_finished,
];

/// Trims until the floor is there, which must not take long: only the deletion may.
async fn raise_floor(client: &Client, partition: &Partition, expected: Slot, patience: Duration) -> Verdict<LogBounds> {
    let mut pauses = Pauses::within(patience);
    loop {
        let trimmed = client.trim(partition, Trim::Finished).await?;
        let bounds = client.bounds(partition).await?;
        ensure_eq!(trimmed.floor, bounds.floor, "floor as trim and as bounds say it");
        ensure!(bounds.floor <= expected, "the floor was raised to {}, over {expected}", bounds.floor);
        if bounds.floor == expected {
            return Ok(bounds);
        }
        if !pauses.again().await {
            return Err(Failure::new(format!("the floor is {}, and not raised to {expected}", bounds.floor)));
        }
    }
}

async fn log_13_trim_without_groups_does_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let empty = a.trim(&partition, Trim::Finished).await?;
    ensure_eq!((empty.floor, empty.deleted), (Slot::ZERO, 0), "what trimming an empty log did");
    Producer::register(&a, &partition, "p").await?.append_many(5).await?;
    for client in [&a, &b, &a] {
        let trimmed = client.trim(&partition, Trim::Finished).await?;
        ensure_eq!((trimmed.floor, trimmed.deleted), (Slot::ZERO, 0), "what trimming without groups did");
    }
    // a group that was removed before it had read anything leaves no trace
    let readers = open_group(&a, &partition, "readers").await?;
    a.remove_group(&stream_of(&partition), &readers, None).await?;
    ensure_eq!(
        b.trim(&partition, Trim::Finished).await?.deleted,
        0,
        "records deleted after the only group was removed"
    );
    ensure_eq!(read_all(&b, &partition).await?.len(), 5, "records");
    Ok(())
}

async fn log_13_trim_keeps_what_the_slowest_group_needs(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(9).await?;
    let before = read_all(&a, &partition).await?;
    let fast = open_group(&a, &partition, "fast").await?;
    let middle = open_group(&b, &partition, "middle").await?;
    let slow = open_group(&a, &partition, "slow").await?;
    finish_below(&b, &partition, &fast, 10).await?;
    finish_below(&a, &partition, &middle, 6).await?;
    for client in [&a, &b] {
        ensure_eq!(
            client.trim(&partition, Trim::Finished).await?.deleted,
            0,
            "records deleted that the slow group has not read"
        );
    }
    ensure_eq!(read_all(&b, &partition).await?.len(), 9, "records while the slow group needs all");
    finish_below(&a, &partition, &slow, 4).await?;
    raise_floor(&b, &partition, slot(4)?, cx.patience()).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    check_kept(&a, &partition, &before, 4).await?;
    finish_below(&a, &partition, &slow, 8).await?;
    raise_floor(&b, &partition, slot(6)?, cx.patience()).await?;
    check_kept(&a, &partition, &before, 6).await
}

/// Records from slot `from` on are as they were before.
async fn check_kept(client: &Client, partition: &Partition, before: &[Record], from: u64) -> Verdict {
    let kept: Vec<_> = read_from(client, partition, slot(from)?, ALL).await?.iter().map(identity).collect();
    let from = slot(from)?;
    let expected: Vec<_> = before.iter().filter(|record| record.slot >= from).map(identity).collect();
    ensure!(kept == expected, "records from slot {from} on, which a group needs, have changed");
    Ok(())
}

async fn log_13_trim_keeps_the_chunk_of_a_needed_message(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    for _ in 0..4 {
        producer.append(payload(&["one", "two", "three"])?).await?;
    }
    let before = read_all(&a, &partition).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owned = own(&a, &partition, &readers, &member(&a).await?).await?;
    // all but the last message of slot 3
    a.commit(&partition, &readers, owned.fence, commit_at(Offset::new(slot(3)?, 2)?, b"half")).await?;
    raise_floor(&b, &partition, slot(3)?, cx.patience()).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    check_kept(&a, &partition, &before, 3).await
}

async fn log_13_trim_keeps_the_last_record(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(4).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 5).await?;
    let before = read_all(&a, &partition).await?;
    raise_floor(&b, &partition, slot(4)?, cx.patience()).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    for client in [&a, &b] {
        client.trim(&partition, Trim::Finished).await?;
        let bounds = client.bounds(&partition).await?;
        ensure_eq!((bounds.floor, bounds.tail), (slot(4)?, slot(4)?), "bounds when everything is finished with");
    }
    check_kept(&b, &partition, &before, 4).await?;
    ensure_eq!(producer.append(payload(&["next"])?).await?, slot(5)?, "slot of the next chunk");
    raise_floor(&b, &partition, slot(5)?, cx.patience()).await?;
    ensure_eq!(read_from(&b, &partition, slot(5)?, ALL).await?.len(), 1, "records from the next chunk on");
    Ok(())
}

async fn log_13_trim_goes_on_when_a_group_is_removed(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(6).await?;
    let fast = open_group(&a, &partition, "fast").await?;
    let slow = open_group(&a, &partition, "slow").await?;
    finish_below(&a, &partition, &fast, 6).await?;
    ensure_eq!(
        b.trim(&partition, Trim::Finished).await?.deleted,
        0,
        "records deleted that the slow group has not read"
    );
    b.remove_group(&stream_of(&partition), &slow, None).await?;
    raise_floor(&a, &partition, slot(6)?, cx.patience()).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    Ok(())
}

async fn log_13_trim_is_for_one_partition(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let readers = group("readers")?;
    a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
    for index in 0..2 {
        Producer::register(&a, &stream.partition(index), "p").await?.append_many(4).await?;
        finish_below(&a, &stream.partition(index), &readers, 4).await?;
    }
    trim_until_deleted(&b, &stream.partition(1), cx.patience()).await?;
    ensure_eq!(b.bounds(&stream.partition(0)).await?.floor, Slot::ZERO, "floor of the partition not trimmed");
    ensure_eq!(read_all(&b, &stream.partition(0)).await?.len(), 4, "records of the partition not trimmed");
    Ok(())
}

async fn log_13_trim_counts_what_it_deletes(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(8).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 6).await?;
    let (_, mut deleted) = trim_until_deleted(&a, &partition, cx.patience()).await?;
    let mut pauses = Pauses::within(cx.patience());
    while deleted < 5 {
        ensure!(pauses.again().await, "all trims together say that they deleted {deleted} records of 5");
        deleted += b.trim(&partition, Trim::Finished).await?.deleted;
    }
    ensure_eq!(
        deleted + b.trim(&partition, Trim::Finished).await?.deleted,
        5,
        "records that all trims together say they deleted"
    );
    Ok(())
}

/// The running maximum of the times up to slot `to`.
fn append_time(records: &[Record], to: u64) -> Timestamp {
    let times = records.iter().filter(|record| record.slot.get() <= to).map(|record| record.time);
    times.max().unwrap_or(Timestamp::MIN)
}

async fn log_13_floor_time_is_the_append_time_there(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let now = a.now().await?;
    for before in [4_000, 1_000, 3_000, 2_000, 500, 2_500] {
        producer.append_at(now.minus(Duration::from_millis(before)), payload(&[before])?).await?;
    }
    let records = read_all(&a, &partition).await?;
    let new = a.bounds(&partition).await?.floor_time;
    ensure!(new <= append_time(&records, 1), "a record has an append time before the floor time of a new partition");
    let readers = open_group(&a, &partition, "readers").await?;
    for floor in [3, 4, 6] {
        finish_below(&a, &partition, &readers, floor).await?;
        let bounds = raise_floor(&b, &partition, slot(floor)?, cx.patience()).await?;
        let (earliest, latest) = (append_time(&records, floor - 1), append_time(&records, floor));
        ensure!(
            (earliest..=latest).contains(&bounds.floor_time),
            "floor time at slot {floor} is {}, not between {earliest} and {latest}",
            bounds.floor_time
        );
    }
    Ok(())
}

async fn log_13_new_group_starts_at_the_floor_or_the_tail(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let now = a.now().await?;
    // the last record is not the one with the greatest time
    for before in [4_000, 3_500, 3_000, 2_500, 1_000, 2_000] {
        producer.append_at(now.minus(Duration::from_millis(before)), payload(&[before])?).await?;
    }
    let records = read_all(&a, &partition).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 4).await?;
    raise_floor(&b, &partition, slot(4)?, cx.patience()).await?;
    let earliest = open_group(&b, &partition, "earliest").await?;
    let latest = group("latest")?;
    b.open_group(&stream_of(&partition), &latest, STRATEGY, Start::Latest).await?;
    let GroupState { start, keep_from, .. } = state(&a, &partition, &earliest).await?;
    ensure_eq!((start.offset, keep_from), (offset(4)?, offset(4)?), "start and keep_from of a group from the earliest");
    let times = append_time(&records, 3)..=append_time(&records, 4);
    ensure!(times.contains(&start.time), "append time at that start is {}, not within {times:?}", start.time);
    let GroupState { start, keep_from, .. } = state(&a, &partition, &latest).await?;
    ensure_eq!((start.offset, keep_from), (offset(7)?, offset(7)?), "start and keep_from of a group from the latest");
    ensure_eq!(start.time, append_time(&records, 6), "append time at that start");
    // the group from the earliest holds the floor
    producer.append_many(2).await?;
    finish_below(&a, &partition, &readers, 9).await?;
    a.trim(&partition, Trim::Finished).await?;
    ensure_eq!(a.bounds(&partition).await?.floor, slot(4)?, "floor, held by a group that started there");
    Ok(())
}

async fn log_13_trim_while_others_append_and_read(cx: Cx) -> Verdict {
    const COUNT: u64 = 40;
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let appending = {
        let mut producer = Producer::register(&a, &partition, "p").await?;
        async move { producer.append_many(COUNT).await.map(drop) }
    };
    let consuming = {
        let (client, partition, readers) = (Arc::clone(&b), partition.clone(), readers.clone());
        async move {
            let owned = own(&client, &partition, &readers, &member(&client).await?).await?;
            let (mut fence, mut next) = (owned.fence, Slot::FIRST);
            while next.get() <= COUNT {
                client.wait(&partition, next.previous()).await?;
                let records = client.read(&partition, next, ReadLimit { messages: 3, bytes: usize::MAX }).await?;
                for (record, number) in records.iter().zip(next.get()..) {
                    ensure_eq!(record.payload, payload(&[number])?, "payload in slot {number}");
                }
                next = check_run(&records, next)?;
                fence = client.commit(&partition, &readers, fence, commit_at(Offset::first_of(next), b"on")).await?;
            }
            Ok(())
        }
    };
    let trimming = |client: &Client| {
        let (client, partition) = (Arc::clone(client), partition.clone());
        async move {
            let mut floor = Slot::ZERO;
            for _ in 0..COUNT {
                let trimmed = client.trim(&partition, Trim::Finished).await?;
                ensure!(trimmed.floor >= floor, "the floor went back from {floor} to {}", trimmed.floor);
                floor = trimmed.floor;
                // whatever is deleted meanwhile: a skip is never silent
                match client.read(&partition, Slot::FIRST, ALL).await {
                    Ok(records) => {
                        check_run(&records, Slot::FIRST)?;
                    }
                    Err(error) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    };
    let tasks: [std::pin::Pin<Box<dyn Future<Output = Verdict> + Send>>; 4] =
        [Box::pin(appending), Box::pin(consuming), Box::pin(trimming(&a)), Box::pin(trimming(&b))];
    at_once(tasks).await?;
    raise_floor(&a, &partition, slot(COUNT)?, cx.patience()).await?;
    Ok(())
}

/// Trims with a cut until its floor is there and what lies below is deleted.
async fn cut_below(client: &Client, partition: &Partition, trim: Trim, patience: Duration) -> Verdict<LogBounds> {
    let mut pauses = Pauses::within(patience);
    loop {
        let trimmed = client.trim(partition, trim).await?;
        let read = client.read(partition, Slot::FIRST, ALL).await;
        if read.is_err_and(|error| matches!(error.cause(), Cause::OffsetTrimmed { .. })) {
            ensure_eq!(trimmed.floor, client.bounds(partition).await?.floor, "floor as trim and as bounds say it");
            return client.bounds(partition).await.map_err(Failure::from);
        }
        if !pauses.again().await {
            return Err(Failure::new("trim never deleted what lies below its cut"));
        }
    }
}

async fn log_13_cut_takes_what_groups_need(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(8).await?;
    let before = read_all(&a, &partition).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 3).await?;
    let untouched = state(&a, &partition, &readers).await?;
    let bounds = cut_below(&b, &partition, Trim::FinishedOrBelow(slot(5)?), cx.patience()).await?;
    ensure_eq!((bounds.floor, bounds.floor_count), (slot(5)?, 4), "floor, and messages below it");
    check_kept(&a, &partition, &before, 5).await?;
    ensure_eq!(state(&b, &partition, &readers).await?, untouched, "the group whose records were cut");
    a.trim(&partition, Trim::FinishedOrBelow(slot(2)?)).await?;
    ensure_eq!(a.bounds(&partition).await?.floor, slot(5)?, "floor after a lower cut");
    Ok(())
}

async fn log_13_cut_needs_no_group_and_spares_the_last_record(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(4).await?;
    let before = read_all(&a, &partition).await?;
    let bounds = cut_below(&b, &partition, Trim::FinishedOrBelow(slot(100)?), cx.patience()).await?;
    ensure_eq!((bounds.floor, bounds.tail), (slot(4)?, slot(4)?), "floor and tail after cutting everything");
    check_kept(&a, &partition, &before, 4).await
}

async fn log_13_cut_alone_leaves_what_is_finished(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(8).await?;
    let before = read_all(&a, &partition).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 7).await?;
    ensure_eq!(b.trim(&partition, Trim::Below(Slot::ZERO)).await?.deleted, 0, "records deleted below nothing");
    let bounds = cut_below(&b, &partition, Trim::Below(slot(4)?), cx.patience()).await?;
    ensure_eq!((bounds.floor, bounds.floor_count), (slot(4)?, 3), "floor, and messages below it");
    check_kept(&a, &partition, &before, 4).await?;
    // told to, the next trim takes the rest of what is finished
    let bounds = cut_below(&a, &partition, Trim::FinishedOrBelow(slot(2)?), cx.patience()).await?;
    ensure_eq!(bounds.floor, slot(7)?, "floor after a trim of what is finished");
    check_kept(&b, &partition, &before, 7).await
}
