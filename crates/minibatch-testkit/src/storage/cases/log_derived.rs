//! Derived chunks: of each number the first stands.

use std::{collections::HashSet, sync::Arc};

use minibatch_core::{
    ProducerId, StreamName,
    chunk::{DerivedChunk, RecordKind},
    storage::{DerivedAppend, Partition},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{
        Producer, at_once, check_run, derived, finish_below, open_group, payload, read_all, slot, trim_until_deleted,
        turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    log_17_first_of_a_number_stands,
    log_17_numbers_come_in_any_order,
    log_17_first_stands_when_many_write_at_once,
    log_17_stands_after_trim,
    log_17_new_numbers_after_trim_are_new,
    log_17_each_id_and_partition_has_its_own_numbers,
    log_17_beside_registered_producers,
];

/// Appends one chunk.
async fn append(storage: &Client, partition: &Partition, chunk: DerivedChunk) -> Verdict<DerivedAppend> {
    let appended = storage.append_derived(partition, vec![chunk]).await?;
    ensure_eq!(appended.len(), 1, "answers for one chunk");
    appended.first().copied().ok_or_else(|| Failure::new("no answer"))
}

fn is_new(number: u64) -> Verdict<DerivedAppend> {
    Ok(DerivedAppend { slot: slot(number)?, differs: false })
}

async fn log_17_first_of_a_number_stands(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    ensure_eq!(append(&a, &partition, derived(&a, "d", 7, 0, "first").await?).await?, is_new(1)?, "the first");
    for client in [&a, &b] {
        let same = append(client, &partition, derived(client, "d", 7, 0, "first").await?).await?;
        ensure_eq!(same, is_new(1)?, "the same again");
        let other = append(client, &partition, derived(client, "d", 7, 0, "other").await?).await?;
        ensure_eq!(other, DerivedAppend { slot: slot(1)?, differs: true }, "another payload under the number");
    }
    let records = read_all(&b, &partition).await?;
    ensure_eq!(records.len(), 1, "records under one number");
    for record in &records {
        ensure_eq!(record.payload, payload(&["first"])?, "the payload that stands");
        let stamp = derived(&a, "d", 7, 0, "").await?.stamp();
        ensure_eq!(record.producer, stamp, "the stamp of the record");
    }
    Ok(())
}

async fn log_17_numbers_come_in_any_order(cx: Cx) -> Verdict {
    const NUMBERS: [u64; 7] = [40, 7, 1 << 62, 0, 8, 4_096, 6];
    let (a, b, partition) = cx.partition().await?;
    let (now, later) = NUMBERS.split_at(4);
    for (client, numbers) in [(&a, now), (&b, later)] {
        let mut chunks = Vec::new();
        for number in numbers {
            chunks.push(derived(client, "d", *number, 0, &number.to_string()).await?);
        }
        let appended = client.append_derived(&partition, chunks).await?;
        ensure!(appended.iter().all(|appended| !appended.differs), "new numbers were taken for used ones");
        ensure!(appended.is_sorted_by_key(|appended| appended.slot), "chunks of one call lie in another order");
    }
    let records = read_all(&a, &partition).await?;
    check_run(&records, slot(1)?)?;
    let found: Vec<u64> = records.iter().map(|record| record.producer.sequence).collect();
    ensure_eq!(found, NUMBERS, "numbers in the order in which they were appended");
    ensure_eq!(a.append_derived(&partition, Vec::new()).await?, [], "answers for no chunk");
    Ok(())
}

async fn log_17_first_stands_when_many_write_at_once(cx: Cx) -> Verdict {
    const NUMBERS: u64 = 8;
    let (a, b, partition) = cx.partition().await?;
    let start = Arc::new(Barrier::new(6));
    let writers = turns(&a, &b).take(6).enumerate().map(|(writer, client)| {
        let (client, partition, start) = (Arc::clone(client), partition.clone(), Arc::clone(&start));
        async move {
            let mut chunks = Vec::new();
            for number in 0..NUMBERS {
                chunks.push(derived(&client, "d", number, 0, &writer.to_string()).await?);
            }
            start.wait().await;
            Ok(client.append_derived(&partition, chunks).await?)
        }
    });
    let appended = at_once(writers).await?;
    let mut records = read_all(&a, &partition).await?;
    records.retain(|record| record.kind == RecordKind::Data);
    ensure_eq!(records.len(), usize::try_from(NUMBERS).unwrap_or(0), "records of 8 numbers that 6 wrote each");
    for record in &records {
        let number = usize::try_from(record.producer.sequence).unwrap_or(usize::MAX);
        let told: Vec<_> = appended.iter().filter_map(|appended| appended.get(number)).collect();
        ensure!(told.iter().all(|told| told.slot == record.slot), "writers were told of different slots");
        let winners = told.iter().filter(|told| !told.differs).count();
        ensure_eq!(winners, 1, "writers whose payload stands under a number");
    }
    Ok(())
}

/// Appends numbers 10, 12, .., 18 of which no lower one than 10 will come, and one record more; trims all but that.
async fn trimmed(a: &Client, b: &Client, partition: &Partition, cx: &Cx) -> Verdict {
    for number in 5..10 {
        append(a, partition, derived(a, "d", 2 * number, 10, "first").await?).await?;
    }
    Producer::register(a, partition, "last").await?.append_many(1).await?;
    let readers = open_group(a, partition, "readers").await?;
    finish_below(a, partition, &readers, 7).await?;
    trim_until_deleted(b, partition, cx.patience()).await?;
    Ok(())
}

async fn log_17_stands_after_trim(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    trimmed(&a, &b, &partition, &cx).await?;
    let bounds = b.bounds(&partition).await?;
    for number in [10, 14, 18] {
        for client in [&a, &b] {
            let again = append(client, &partition, derived(client, "d", number, 10, "again").await?).await?;
            ensure!(again.slot < bounds.floor, "a trimmed record is said to be in a slot that is not below the floor");
            let same = append(client, &partition, derived(client, "d", number, 10, "first").await?).await?;
            ensure!(same.slot < bounds.floor && !same.differs, "a trimmed record is said to differ from itself");
        }
    }
    ensure_eq!(b.bounds(&partition).await?, bounds, "the log after used numbers came again");
    Ok(())
}

async fn log_17_new_numbers_after_trim_are_new(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    trimmed(&a, &b, &partition, &cx).await?;
    for (number, place) in [(11, 7), (19, 8), (15, 9)] {
        let appended = append(&b, &partition, derived(&b, "d", number, 10, "new").await?).await?;
        ensure_eq!(appended, is_new(place)?, "a number between used ones");
    }
    // from here on all below 15 may be forgotten, and the others may not
    append(&a, &partition, derived(&a, "d", 30, 15, "raises").await?).await?;
    let appended = append(&a, &partition, derived(&a, "d", 17, 15, "new").await?).await?;
    ensure_eq!(appended, is_new(11)?, "a number that is not below");
    let used = append(&a, &partition, derived(&a, "d", 16, 15, "again").await?).await?;
    ensure!(used.slot < slot(6)?, "a used number that is not below was forgotten");
    Ok(())
}

async fn log_17_each_id_and_partition_has_its_own_numbers(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    for (client, id, index, place) in [(&a, "d", 0, 1), (&b, "other", 0, 2), (&b, "d", 1, 1), (&a, "other", 1, 2)] {
        let appended = append(client, &stream.partition(index), derived(client, id, 3, 0, id).await?).await?;
        ensure_eq!(appended, is_new(place)?, "the same number of another id or partition");
    }
    let mut chunks = Vec::new();
    for id in ["third", "d", "third"] {
        chunks.push(derived(&a, id, 3, 0, id).await?);
    }
    let appended = a.append_derived(&stream.partition(0), chunks).await?;
    ensure_eq!(appended, [is_new(3)?, is_new(1)?, is_new(3)?], "chunks of several ids in one call");
    Ok(())
}

async fn log_17_beside_registered_producers(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    for number in 0..4 {
        producer.append(payload(&[number])?).await?;
        append(&b, &partition, derived(&b, "d", 100 - number, 0, "derived").await?).await?;
    }
    let records = read_all(&a, &partition).await?;
    check_run(&records, slot(1)?)?;
    let ids: HashSet<_> = records.iter().map(|record| record.producer.id.clone()).collect();
    ensure_eq!(ids, HashSet::from([ProducerId::stored("p"), ProducerId::reserved("d")]), "who wrote the records");
    ensure_eq!(records.len(), 8, "records");
    Ok(())
}
