//! Punctuations: records that say how late it is.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    GroupName, Slot, Timestamp,
    chunk::{Payload, ProducerStamp, RecordKind, clamp_time},
    driver::EntryReader,
    storage::{GroupState, Partition, Punctuated, RecordSummary, Start, Trim},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{
        ALL, Producer, STRATEGY, at_once, finish_below, group, open_group, payload, read_all, read_from, slot, state,
        stream_of, trim_until_deleted, turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    log_18_it_follows_the_tail_that_is_known,
    log_18_none_in_an_empty_log,
    log_18_of_many_at_once_one_is_written,
    log_18_its_time_is_kept_near_the_storages,
    log_18_what_comes_later_is_not_before_it,
    log_18_it_is_no_message,
    log_18_it_is_trimmed_as_any_record,
];

/// Storages whose stamps are whole seconds, or another server's, may be so far from `now`.
const COARSE: Duration = Duration::from_secs(2);

/// Punctuates after a slot; `None` where the storage writes none.
async fn punctuate(client: &Client, partition: &Partition, after: u64, time: Timestamp) -> Verdict<Option<Punctuated>> {
    let before = client.bounds(partition).await?.tail;
    match client.punctuate(partition, slot(after)?, time).await? {
        Punctuated::Unsupported => {
            ensure_eq!(client.bounds(partition).await?.tail, before, "tail of a storage that writes no punctuation");
            Ok(None)
        }
        punctuated => Ok(Some(punctuated)),
    }
}

/// Punctuates after a slot, the last one, by the storage's clock; `false` where the storage writes none.
async fn append_one(client: &Client, partition: &Partition, after: u64) -> Verdict<bool> {
    if punctuate(client, partition, after, client.now().await?).await?.is_none() {
        return Ok(false);
    }
    // whose first answer was lost is told that the log ends elsewhere
    let records = read_from(client, partition, slot(after + 1)?, ALL).await?;
    let kinds: Vec<_> = records.iter().map(|record| record.kind).collect();
    ensure_eq!(kinds, [RecordKind::Punctuation], "records after slot {after}, the last one, which was punctuated");
    Ok(true)
}

async fn log_18_it_follows_the_tail_that_is_known(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(2).await?;
    let before = read_all(&b, &partition).await?;
    for elsewhere in [0, 1, 3, 9] {
        let punctuated = punctuate(&b, &partition, elsewhere, b.now().await?).await?;
        ensure!(punctuated.is_none_or(|it| it == Punctuated::Elsewhere), "after slot {elsewhere}: {punctuated:?}");
    }
    ensure_eq!(a.bounds(&partition).await?.tail, slot(2)?, "tail after punctuations of other tails");
    if !append_one(&b, &partition, 2).await? {
        return Ok(());
    }
    a.wait(&partition, slot(2)?).await?;
    for client in [&a, &b] {
        let again = punctuate(client, &partition, 2, client.now().await?).await?;
        ensure_eq!(again, Some(Punctuated::Elsewhere), "the same punctuation again");
        let records = read_all(client, &partition).await?;
        ensure_eq!(records.len(), 3, "records");
        ensure!(records.iter().zip(&before).all(|(now, then)| now.payload == then.payload), "other records changed");
        let Some(last) = records.last() else { return Err(Failure::new("there is no record")) };
        ensure_eq!((last.slot, last.kind), (slot(3)?, RecordKind::Punctuation), "the punctuation");
        ensure_eq!(last.producer, ProducerStamp::punctuation(slot(3)?), "its stamp");
        ensure_eq!(last.payload, Payload::empty(), "its payload");
    }
    ensure_eq!(producer.append_many(1).await?, slot(4)?, "slot of the chunk after it");
    ensure!(append_one(&a, &partition, 4).await?, "a storage that writes punctuations refused the second");
    Ok(())
}

async fn log_18_none_in_an_empty_log(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    for (client, after) in [(&a, 0), (&b, 0), (&b, 1)] {
        let punctuated = punctuate(client, &partition, after, client.now().await?).await?;
        ensure!(punctuated.is_none_or(|it| it == Punctuated::Elsewhere), "in an empty log: {punctuated:?}");
    }
    ensure_eq!(b.bounds(&partition).await?.tail, Slot::ZERO, "tail of an empty log");
    Ok(())
}

async fn log_18_of_many_at_once_one_is_written(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(1).await?;
    let start = Arc::new(Barrier::new(8));
    let time = a.now().await?;
    let writers = turns(&a, &b).take(8).map(|client| {
        let (client, partition, start) = (Arc::clone(client), partition.clone(), Arc::clone(&start));
        async move {
            start.wait().await;
            punctuate(&client, &partition, 1, time).await
        }
    });
    let punctuated = at_once(writers).await?;
    if punctuated.contains(&None) {
        return Ok(());
    }
    let wrote = punctuated.iter().filter(|it| **it == Some(Punctuated::Appended)).count();
    ensure!(wrote <= 1, "{wrote} of 8 were told that theirs is the one");
    let kinds: Vec<_> = read_all(&b, &partition).await?.iter().map(|record| record.kind).collect();
    ensure_eq!(kinds, [RecordKind::Data, RecordKind::Punctuation], "records");
    Ok(())
}

async fn log_18_its_time_is_kept_near_the_storages(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_at(Timestamp::MIN, payload(&["first"])?).await?;
    let hour = Duration::from_secs(3_600);
    // append time is the running maximum: a storage may as well keep that
    let mut append_time =
        read_all(&b, &partition).await?.iter().map(|record| record.time).max().unwrap_or(Timestamp::MIN);
    for (after, time) in (1..).zip([Timestamp::MIN, a.now().await?.plus(hour), Timestamp::MAX, a.now().await?]) {
        let before = a.now().await?;
        if punctuate(&a, &partition, after, time).await?.is_none() {
            return Ok(());
        }
        let until = b.now().await?;
        let records = read_from(&b, &partition, slot(after + 1)?, ALL).await?;
        let [record] = records.as_slice() else { return Err(Failure::new("the punctuation is not the last record")) };
        let earliest = clamp_time(time, before.minus(COARSE)).max(append_time);
        let latest = clamp_time(time, until.plus(COARSE)).max(append_time);
        append_time = append_time.max(record.time);
        ensure!(
            (earliest..=latest).contains(&append_time),
            "a punctuation of {time} has append time {append_time}, not within {earliest} and {latest}"
        );
    }
    Ok(())
}

async fn log_18_what_comes_later_is_not_before_it(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let now = a.now().await?;
    let behind = now.minus(Duration::from_secs(4));
    producer.append_at(behind, payload(&["before"])?).await?;
    if punctuate(&b, &partition, 1, now).await?.is_none() {
        return Ok(());
    }
    producer.append_at(behind, payload(&["after"])?).await?;
    let mut entries = EntryReader::new(Timestamp::MIN);
    let mut times = Vec::new();
    for record in &read_all(&b, &partition).await? {
        times.push(entries.open(record)?.time());
    }
    let [before, punctuation, after] = times.as_slice() else { return Err(Failure::new("there are not 3 records")) };
    ensure!(before < punctuation, "a punctuation at {punctuation} after a message of {before}");
    ensure_eq!(after, punctuation, "append time of a message whose producer's clock is behind");
    // also for who begins there
    let latest = open_latest(&b, &partition, "latest").await?;
    ensure_eq!(latest.start.time, *after, "append time at the end");
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 4).await?;
    finish_below(&a, &partition, &group("latest")?, 4).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    let bounds = b.bounds(&partition).await?;
    ensure_eq!((bounds.floor, bounds.floor_time), (slot(3)?, *after), "floor, and the append time there");
    Ok(())
}

/// A group that begins at the end.
async fn open_latest(client: &Client, partition: &Partition, name: &str) -> Verdict<GroupState> {
    let name: GroupName = group(name)?;
    client.open_group(&stream_of(partition), &name, STRATEGY, Start::Latest).await?;
    state(client, partition, &name).await
}

async fn log_18_it_is_no_message(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append(payload(&["one", "two"])?).await?;
    if !append_one(&b, &partition, 1).await? {
        return Ok(());
    }
    producer.append(payload(&["three"])?).await?;
    let summaries = b.survey(&partition, Slot::ZERO, 9).await?;
    let found: Vec<_> = summaries.iter().map(|summary| (summary.kind, summary.messages)).collect();
    let expected = [(RecordKind::Data, 2), (RecordKind::Punctuation, 0), (RecordKind::Data, 1)];
    ensure_eq!(found, expected, "kinds of records and their messages");
    let slots_and_times = |summary: &RecordSummary| (summary.slot, summary.time);
    let read: Vec<_> = read_all(&a, &partition).await?.iter().map(|record| (record.slot, record.time)).collect();
    ensure_eq!(summaries.iter().map(slots_and_times).collect::<Vec<_>>(), read, "slots and times, surveyed and read");
    ensure_eq!(open_latest(&b, &partition, "latest").await?.start.count, 3, "messages before the end");
    a.trim(&partition, Trim::Below(slot(3)?)).await?;
    ensure_eq!(b.bounds(&partition).await?.floor_count, 2, "messages below the floor");
    Ok(())
}

async fn log_18_it_is_trimmed_as_any_record(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(2).await?;
    if !append_one(&b, &partition, 2).await? {
        return Ok(());
    }
    producer.append_many(1).await?;
    ensure!(append_one(&b, &partition, 4).await?, "the second punctuation");
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 6).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    let bounds = b.bounds(&partition).await?;
    ensure_eq!((bounds.floor, bounds.tail), (slot(5)?, slot(5)?), "bounds when everything is finished with");
    let kept = read_from(&a, &partition, slot(5)?, ALL).await?;
    ensure!(kept.iter().any(|record| record.kind == RecordKind::Punctuation), "the last record was deleted");
    // those who write go on: a repeated chunk is known, the next one new, and so is the next punctuation
    let again = producer.try_append(3, payload(&[1_u64])?).await?;
    ensure!(again < bounds.floor, "a trimmed chunk was written again, in slot {again}");
    ensure_eq!(producer.append_many(1).await?, slot(6)?, "slot of the next chunk");
    ensure!(append_one(&a, &partition, 6).await?, "a punctuation after others were trimmed");
    ensure_eq!(b.bounds(&partition).await?.tail, slot(7)?, "tail");
    Ok(())
}
