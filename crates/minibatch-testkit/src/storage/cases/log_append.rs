//! Appending: whole, once, and in one order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Slot, StreamName,
    chunk::{Payload, RecordKind},
    storage::{Partition, ReadLimit},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_cause, ensure_eq},
    tools::{Identity, Producer, at_once, check_run, identity, payload, read_all, slot, turns},
};

pub(super) const CASES: &[Case] = cases![
    log_01_chunks_are_whole_while_they_are_appended,
    log_01_failed_append_leaves_nothing,
    log_02_once_when_repeated,
    log_02_once_when_repeated_later,
    log_02_once_when_repeated_at_once,
    log_02_once_in_each_partition,
    log_02_once_for_each_producer,
    log_03_slots_are_dense_from_one,
    log_03_many_producers_make_one_order,
    log_04_later_append_has_higher_slot,
    log_05_sequence_that_skips_is_refused,
    log_05_sequence_never_given_is_refused,
    log_05_sequence_used_for_other_content_is_refused,
    log_14_empty_payload_is_a_chunk,
];

/// Text as big as that, different for every number.
fn text(number: u64, size: usize) -> String {
    char::from(b'a' + u8::try_from(number % 26).unwrap_or(0)).to_string().repeat(size)
}

async fn log_01_chunks_are_whole_while_they_are_appended(cx: Cx) -> Verdict {
    const COUNT: u64 = 24;
    let (a, b, partition) = cx.partition().await?;
    let mut expected = Vec::new();
    for number in 0..COUNT {
        expected.push(payload(&vec![text(number, 2_048); 24])?);
    }
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let appending = tokio::spawn({
        let payloads = expected.clone();
        async move {
            for payload in payloads {
                producer.append(payload).await?;
            }
            Verdict::Ok(())
        }
    });
    let mut next = Slot::FIRST;
    let mut found = Vec::new();
    while found.len() < expected.len() {
        b.wait(&partition, next.previous()).await?;
        let records = b.read(&partition, next, ReadLimit { messages: 100, bytes: 1 << 20 }).await?;
        next = check_run(&records, next)?;
        found.extend(records.into_iter().map(|record| record.payload));
    }
    ensure!(found == expected, "a reader found other bytes than were appended");
    appending.await.map_err(|error| Failure::new(error.to_string()))??;
    Ok(())
}

async fn log_01_failed_append_leaves_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(2).await?;
    let before = read_all(&b, &partition).await?;
    ensure!(producer.try_append(7, payload(&["skips"])?).await.is_err(), "a sequence that skips was appended");
    ensure!(producer.try_append(2, payload(&["other"])?).await.is_err(), "other content was appended");
    let after = read_all(&b, &partition).await?;
    ensure_eq!(
        after.iter().map(identity).collect::<Vec<_>>(),
        before.iter().map(identity).collect::<Vec<_>>(),
        "the log after two failed appends"
    );
    ensure_eq!(b.bounds(&partition).await?.tail, slot(2)?, "tail after two failed appends");
    Ok(())
}

async fn log_02_once_when_repeated(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let producer = Producer::register(&a, &partition, "p").await?;
    let chunk = producer.chunk(1, payload(&["once"])?).await?;
    let first = a.append(&partition, chunk.clone()).await?;
    for client in [&a, &b, &a] {
        ensure_eq!(client.append(&partition, chunk.clone()).await?, first, "slot of a repeated append");
    }
    let later = producer.chunk_at(1, chunk.time.plus(Duration::from_secs(60)), chunk.payload.clone());
    ensure_eq!(a.append(&partition, later).await?, first, "slot of an append repeated at another time");
    ensure_eq!(read_all(&b, &partition).await?.len(), 1, "records after four appends of one sequence");
    ensure_eq!(b.bounds(&partition).await?.tail, first, "tail");
    Ok(())
}

async fn log_02_once_when_repeated_later(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(5).await?;
    let mut other = Producer::register(&b, &partition, "other").await?;
    other.append_many(2).await?;
    for sequence in [5, 2, 1, 4, 3] {
        let again = producer.through(&b).try_append(sequence, payload(&[sequence])?).await?;
        ensure_eq!(again, slot(sequence)?, "slot of sequence {sequence}, appended again");
    }
    ensure_eq!(read_all(&a, &partition).await?.len(), 7, "records after repeated appends");
    ensure_eq!(producer.append(payload(&["next"])?).await?, slot(8)?, "slot of the next chunk");
    Ok(())
}

async fn log_02_once_when_repeated_at_once(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let producer = Producer::register(&a, &partition, "p").await?;
    let mut last = Slot::ZERO;
    for sequence in 1..=5 {
        let chunk = producer.chunk(sequence, payload(&[sequence])?).await?;
        let start = Arc::new(Barrier::new(8));
        let appends = turns(&a, &b).take(8).map(|client| {
            let (client, partition, chunk, start) =
                (Arc::clone(client), partition.clone(), chunk.clone(), Arc::clone(&start));
            async move {
                start.wait().await;
                Ok(client.append(&partition, chunk).await?)
            }
        });
        let slots = at_once(appends).await?;
        let found = slots.first().copied().unwrap_or_default();
        ensure!(slots.iter().all(|slot| *slot == found), "8 tasks that append a chunk at once find slots {slots:?}");
        ensure!(found > last, "a chunk after the one in slot {last} is in slot {found}");
        last = found;
    }
    // a storage may have given up slots, for which the tasks raced
    let records = read_all(&b, &partition).await?;
    let data = records.iter().filter(|record| record.kind == RecordKind::Data).count();
    ensure_eq!(data, 5, "records of 5 chunks, each appended 8 times");
    Ok(())
}

async fn log_02_once_in_each_partition(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let same = payload(&["same"])?;
    for index in 0..2 {
        let mut producer = Producer::register(&a, &stream.partition(index), "p").await?;
        ensure_eq!(producer.next(), 1, "first sequence in partition {index}");
        ensure_eq!(producer.append(same.clone()).await?, Slot::FIRST, "slot in partition {index}");
    }
    for index in 0..2 {
        ensure_eq!(read_all(&b, &stream.partition(index)).await?.len(), 1, "records in partition {index}");
    }
    Ok(())
}

async fn log_02_once_for_each_producer(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let same = payload(&["same"])?;
    let longest = "z".repeat(120);
    let producers = ["p", "P", "p.1", "p-1", "pp", "$epoch", "$$NOW", "$$ROOT", "~p", &longest];
    for ((client, id), number) in turns(&a, &b).zip(producers).zip(1..) {
        let appended = Producer::register(client, &partition, id).await?.append(same.clone()).await?;
        ensure_eq!(appended, slot(number)?, "slot of the first chunk of producer {id}");
    }
    let ids: Vec<_> = read_all(&b, &partition).await?.iter().map(|record| record.producer.id.to_string()).collect();
    ensure_eq!(ids, producers, "producers read back");
    Ok(())
}

async fn log_03_slots_are_dense_from_one(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut first = Producer::register(&a, &partition, "first").await?;
    let mut second = Producer::register(&b, &partition, "second").await?;
    for number in (1..=20).step_by(2) {
        ensure_eq!(first.append(payload(&[number])?).await?, slot(number)?, "slot of chunk {number}");
        ensure_eq!(
            second.append(payload(&[number + 1])?).await?,
            slot(number + 1)?,
            "slot of the chunk after {number}"
        );
        ensure_eq!(a.bounds(&partition).await?.tail, slot(number + 1)?, "tail");
    }
    let records = read_all(&a, &partition).await?;
    ensure_eq!(records.len(), 20, "records");
    for (record, number) in records.iter().zip(1_u64..) {
        ensure_eq!(record.payload, payload(&[number])?, "payload in slot {number}");
        ensure_eq!(record.kind, RecordKind::Data, "kind of the record in slot {number}");
        ensure_eq!(record.producer.sequence, number.div_ceil(2), "sequence in slot {number}");
    }
    Ok(())
}

async fn log_03_many_producers_make_one_order(cx: Cx) -> Verdict {
    const PRODUCERS: usize = 8;
    const CHUNKS: u64 = 20;
    let (a, b, partition) = cx.partition().await?;
    let tailing = tokio::spawn(tail(cx.client().await?, partition.clone(), PRODUCERS * 20));
    let start = Arc::new(Barrier::new(PRODUCERS));
    let producers = turns(&a, &b).take(PRODUCERS).enumerate().map(|(number, client)| {
        let (client, partition, start) = (Arc::clone(client), partition.clone(), Arc::clone(&start));
        async move {
            let mut producer = Producer::register(&client, &partition, &format!("p{number}")).await?;
            start.wait().await;
            let mut slots = Vec::new();
            for sequence in 1..=CHUNKS {
                slots.push(producer.append(payload(&[sequence])?).await?);
            }
            Verdict::Ok((producer.id, slots))
        }
    });
    let appended = at_once(producers).await?;
    let live = tailing.await.map_err(|error| Failure::new(error.to_string()))??;
    for client in [&a, &b] {
        let later: Vec<_> = read_all(client, &partition).await?.iter().map(identity).collect();
        ensure!(later == live, "a later reader finds another order than one that read on the way");
    }
    let by_slot: HashMap<_, _> = live.iter().map(|(slot, id, _, sequence, ..)| (*slot, (id, *sequence))).collect();
    ensure_eq!(live.len(), by_slot.len(), "different slots");
    for (id, slots) in &appended {
        ensure!(slots.is_sorted_by(|one, next| one < next), "slots of {id} are not in its order");
        for (slot, sequence) in slots.iter().zip(1..) {
            ensure_eq!(by_slot.get(slot), Some(&(id, sequence)), "what the record in slot {slot} says");
        }
    }
    Ok(())
}

/// Reads `count` records as they come.
async fn tail(client: Client, partition: Partition, count: usize) -> Verdict<Vec<Identity>> {
    let mut next = Slot::FIRST;
    let mut found = Vec::new();
    let mut data = 0;
    while data < count {
        client.wait(&partition, next.previous()).await?;
        let records = client.read(&partition, next, ReadLimit { messages: 7, bytes: usize::MAX }).await?;
        next = check_run(&records, next)?;
        data += records.iter().filter(|record| record.kind == RecordKind::Data).count();
        found.extend(records.iter().map(identity));
    }
    Ok(found)
}

async fn log_04_later_append_has_higher_slot(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut last = Slot::ZERO;
    let mut producers = Vec::new();
    for (client, number) in turns(&a, &b).zip(0..5) {
        producers.push(Producer::register(client, &partition, &format!("p{number}")).await?);
    }
    for round in 0..4 {
        for producer in &mut producers {
            let slot = producer.append(payload(&[round])?).await?;
            ensure!(slot > last, "an append after slot {last} got slot {slot}");
            last = slot;
        }
    }
    Ok(())
}

async fn log_05_sequence_that_skips_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    let early = producer.try_append(2, payload(&["early"])?).await;
    ensure_cause!(early, Cause::OutOfOrderSequence { expected: 1, got: 2, .. }, "a first sequence of 2");
    producer.append_many(3).await?;
    for skipped in [5, 6, 1 << 40, i64::MAX.unsigned_abs(), u64::MAX] {
        let result = producer.through(&b).try_append(skipped, payload(&["skips"])?).await;
        ensure_cause!(result, Cause::OutOfOrderSequence { expected: 4, .. }, "sequence {skipped} after 3");
    }
    ensure_eq!(producer.append(payload(&["next"])?).await?, slot(4)?, "slot of the sequence that follows");
    Ok(())
}

async fn log_05_sequence_never_given_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    ensure_eq!(producer.next(), 1, "first sequence of a new producer");
    let before = producer.try_append(0, payload(&["zero"])?).await;
    ensure_cause!(before, Cause::OutOfOrderSequence { got: 0, .. }, "sequence 0 of a new producer");
    producer.append_many(2).await?;
    let after = producer.through(&b).try_append(0, payload(&["zero"])?).await;
    ensure_cause!(after, Cause::OutOfOrderSequence { got: 0, .. }, "sequence 0 after two chunks");
    ensure_eq!(read_all(&b, &partition).await?.len(), 2, "records");
    Ok(())
}

async fn log_05_sequence_used_for_other_content_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(3).await?;
    for (sequence, other) in [(3, payload(&[4_u64])?), (1, payload(&[1_u64, 1])?), (2, Payload::empty())] {
        let result = producer.through(&b).try_append(sequence, other).await;
        ensure_cause!(result, Cause::SequenceConflict { .. }, "sequence {sequence} with another payload");
    }
    let records = read_all(&b, &partition).await?;
    for (record, number) in records.iter().zip(1_u64..) {
        ensure_eq!(record.payload, payload(&[number])?, "payload in slot {number} after that");
    }
    ensure_eq!(records.len(), 3, "records after that");
    Ok(())
}

async fn log_14_empty_payload_is_a_chunk(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    for (number, content) in (1..).zip([Payload::empty(), payload(&["full"])?, Payload::empty(), Payload::empty()]) {
        ensure_eq!(producer.append(content).await?, slot(number)?, "slot of chunk {number}");
    }
    ensure_eq!(producer.try_append(3, Payload::empty()).await?, slot(3)?, "slot of an empty chunk appended again");
    let records = read_all(&b, &partition).await?;
    let counts: Vec<_> = records.iter().map(|record| record.payload.count()).collect();
    ensure_eq!(counts, [0, 1, 0, 0], "messages in each record");
    ensure!(records.iter().all(|record| record.kind == RecordKind::Data), "an empty chunk is no data record");
    Ok(())
}
