//! Reading: contiguous, within limits, and never anything but what was appended.

use minibatch_core::{
    Cause, Slot,
    chunk::{Payload, Record},
    storage::{Partition, ReadLimit},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{
        ALL, Producer, check_run, finish_below, identity, open_group, payload, read_all, read_from, slot,
        trim_until_deleted,
    },
};

pub(super) const CASES: &[Case] = cases![
    log_07_read_begins_where_asked,
    log_07_read_past_the_tail_is_empty,
    log_07_read_gives_at_least_one,
    log_08_read_stops_at_messages,
    log_08_read_stops_at_bytes,
    log_09_read_of_trimmed_says_so,
    #[Damage]
    log_10_damaged_record_says_so,
];

/// Chunks of 1, 2, … 6 messages, and an empty one in between.
async fn uneven(client: &Client, partition: &Partition) -> Verdict {
    let mut producer = Producer::register(client, partition, "p").await?;
    for count in [1, 2, 0, 3, 4, 0, 0, 5, 6, 1, 1] {
        let content = if count == 0 { Payload::empty() } else { payload(&vec!["message"; count])? };
        producer.append(content).await?;
    }
    Ok(())
}

async fn log_07_read_begins_where_asked(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    uneven(&a, &partition).await?;
    let whole = read_all(&b, &partition).await?;
    ensure_eq!(whole.len(), 11, "records read from slot 0 on");
    for from in 1..=11 {
        let records = b.read(&partition, slot(from)?, ALL).await?;
        ensure!(!records.is_empty(), "reading from slot {from} of 11 gives nothing");
        check_run(&records, slot(from)?)?;
        for record in records {
            let same = whole.iter().any(|known| identity(known) == identity(&record));
            ensure!(same, "slot {} is another record when read from slot {from}", record.slot);
        }
    }
    Ok(())
}

async fn log_07_read_past_the_tail_is_empty(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    ensure!(b.read(&partition, Slot::ZERO, ALL).await?.is_empty(), "an empty log has a record");
    Producer::register(&a, &partition, "p").await?.append_many(3).await?;
    for from in [slot(4)?, slot(5)?, slot(1_000_000)?, Slot::MAX] {
        ensure!(b.read(&partition, from, ALL).await?.is_empty(), "reading slot {from}, past the tail, gives records");
    }
    Ok(())
}

async fn log_07_read_gives_at_least_one(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    uneven(&a, &partition).await?;
    for limit in [
        ReadLimit { messages: 0, bytes: 0 },
        ReadLimit { messages: 0, bytes: usize::MAX },
        ReadLimit { messages: usize::MAX, bytes: 0 },
        ReadLimit { messages: 1, bytes: 1 },
    ] {
        for from in 0..=11 {
            let records = b.read(&partition, slot(from)?, limit).await?;
            ensure!(!records.is_empty(), "reading from slot {from} of 11 with {limit:?} gives nothing");
            check_run(&records, slot(from.max(1))?)?;
        }
    }
    Ok(())
}

/// Reads everything with a limit, and checks that no answer goes on after the record that reached it.
async fn read_limited(client: &Client, partition: &Partition, limit: ReadLimit) -> Verdict<Vec<Record>> {
    let mut all = Vec::new();
    let mut next = Slot::FIRST;
    loop {
        let records = client.read(partition, next, limit).await?;
        let Some((_, before_last)) = records.split_last() else { return Ok(all) };
        next = check_run(&records, next)?;
        let messages: usize = before_last.iter().map(|record| record.payload.count() as usize).sum();
        let bytes: usize = before_last.iter().map(|record| record.payload.bytes().len()).sum();
        ensure!(
            before_last.is_empty() || messages < limit.messages && bytes < limit.bytes,
            "{limit:?} was reached by {messages} messages and {bytes} bytes before slot {}",
            next.previous()
        );
        all.extend(records);
    }
}

/// Whatever the limit, the answers together are the log.
async fn check_limits(cx: &Cx, limits: impl Iterator<Item = ReadLimit>) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    uneven(&a, &partition).await?;
    let whole: Vec<_> = read_all(&b, &partition).await?.iter().map(identity).collect();
    for limit in limits {
        let read: Vec<_> = read_limited(&b, &partition, limit).await?.iter().map(identity).collect();
        let missing = whole.iter().find(|record| !read.contains(record));
        ensure!(missing.is_none(), "with {limit:?} slot {} is left out", missing.map_or(0, |record| record.0.get()));
        ensure!(read == whole, "with {limit:?} the log reads otherwise");
    }
    Ok(())
}

async fn log_08_read_stops_at_messages(cx: Cx) -> Verdict {
    check_limits(&cx, (1..=25).map(|messages| ReadLimit { messages, bytes: usize::MAX })).await
}

async fn log_08_read_stops_at_bytes(cx: Cx) -> Verdict {
    check_limits(&cx, (1..=400).step_by(19).map(|bytes| ReadLimit { messages: usize::MAX, bytes })).await
}

async fn log_09_read_of_trimmed_says_so(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(8).await?;
    let before = read_all(&b, &partition).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 6).await?;
    let (low, _) = trim_until_deleted(&a, &partition, cx.patience()).await?;
    for from in 0..=8 {
        match b.read(&partition, slot(from)?, ReadLimit { messages: 2, bytes: usize::MAX }).await {
            Ok(records) => {
                ensure!(!records.is_empty(), "reading from slot {from} of 8 gives nothing");
                check_run(&records, slot(from)?.max(Slot::FIRST))?;
            }
            Err(error) => {
                let trimmed = matches!(error.cause(), Cause::OffsetTrimmed { .. });
                ensure!(trimmed && from < 6, "reading from slot {from}, trimmed below 6: {error}");
            }
        }
    }
    let kept = read_from(&b, &partition, low, ALL).await?;
    let last: Vec<_> = kept.iter().rev().take(3).map(identity).collect();
    let expected: Vec<_> = before.iter().rev().take(3).map(identity).collect();
    ensure!(last == expected, "the records that are still needed have changed");
    ensure_eq!(kept.first().map(|record| record.slot), Some(low), "first record from the lowest slot kept on");
    Ok(())
}

async fn log_10_damaged_record_says_so(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(5).await?;
    let before = read_all(&b, &partition).await?;
    cx.damage(&partition, slot(4)?).await?;
    let mut next = Slot::FIRST;
    while next < slot(4)? {
        let records = b.read(&partition, next, ALL).await?;
        ensure!(!records.is_empty(), "reading from slot {next} gives nothing, though slots up to 3 are good");
        next = check_run(&records, next)?;
        for record in records {
            let same = before.iter().any(|known| identity(known) == identity(&record));
            ensure!(same, "slot {} has changed", record.slot);
        }
    }
    ensure_eq!(next, slot(4)?, "the first slot that is not read");
    match b.read(&partition, next, ALL).await {
        Err(error) => match error.cause() {
            Cause::CorruptRecord { slot: damaged, .. } => ensure_eq!(*damaged, next, "the slot said to be damaged"),
            _ => return Err(error.into()),
        },
        Ok(_) => return Err(Failure::new("a damaged record was read as if it were good")),
    }
    ensure_eq!(read_from(&b, &partition, slot(5)?, ALL).await?.len(), 1, "good records after the damaged one");
    Ok(())
}
