//! Producers registered again: fenced, and followed.

use std::{collections::HashSet, sync::Arc};

use minibatch_core::{Cause, StreamName};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Verdict, ensure, ensure_cause, ensure_eq},
    tools::{
        ALL, Producer, at_once, finish_below, open_group, payload, read_all, read_from, slot, trim_until_deleted, turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    log_06_heir_fences_the_former,
    log_06_heir_follows_the_last_sequence,
    log_06_heir_follows_after_trim,
    log_06_heir_is_not_taken_for_the_former,
    log_06_every_registration_has_its_epoch,
    log_06_registration_is_for_one_partition_and_id,
    log_02_once_after_trim,
];

async fn log_06_heir_fences_the_former(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut former = Producer::register(&a, &partition, "p").await?;
    former.append_many(2).await?;
    let mut heir = Producer::register(&b, &partition, "p").await?;
    ensure!(heir.grant.epoch > former.grant.epoch, "the heir's epoch is not greater");
    heir.append(payload(&["heir"])?).await?;
    for (sequence, what) in [(3, "the sequence that the heir used"), (4, "the heir's next sequence")] {
        let result = former.try_append(sequence, payload(&["former"])?).await;
        ensure_cause!(result, Cause::Fenced { .. }, "the former appends {what}");
    }
    heir.append(payload(&["heir again"])?).await?;
    let records = read_all(&a, &partition).await?;
    ensure_eq!(records.len(), 4, "records");
    let epochs: Vec<_> = records.iter().map(|record| record.producer.epoch).collect();
    let (old, new) = (former.grant.epoch, heir.grant.epoch);
    ensure_eq!(epochs, [old, old, new, new], "epochs of the records");
    Ok(())
}

async fn log_06_heir_follows_the_last_sequence(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    for (client, expected) in turns(&a, &b).zip([1, 4, 7, 10]) {
        let mut producer = Producer::register(client, &partition, "p").await?;
        ensure_eq!(producer.next(), expected, "next sequence of a registration after 3 chunks each");
        producer.append_many(3).await?;
    }
    // registered and never used: nothing to follow
    ensure_eq!(Producer::register(&a, &partition, "p").await?.next(), 13, "next sequence");
    ensure_eq!(Producer::register(&b, &partition, "p").await?.next(), 13, "next sequence after an unused registration");
    Ok(())
}

async fn log_06_heir_follows_after_trim(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "trimmed").await?.append_many(3).await?;
    Producer::register(&a, &partition, "last").await?.append_many(1).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 5).await?;
    trim_until_deleted(&b, &partition, cx.patience()).await?;
    let mut heir = Producer::register(&b, &partition, "trimmed").await?;
    ensure_eq!(heir.next(), 4, "next sequence of a producer whose records were all trimmed");
    ensure_eq!(heir.append(payload(&["new"])?).await?, slot(5)?, "slot of its next chunk");
    Ok(())
}

async fn log_06_heir_is_not_taken_for_the_former(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let former = Producer::register(&a, &partition, "p").await?;
    let heir = Producer::register(&b, &partition, "p").await?;
    // the former may still get through before the heir's first append, and then uses the heir's sequence
    let late = former.try_append(1, payload(&["former"])?).await;
    let content = payload(&["heir"])?;
    let appended = heir.try_append(heir.next(), content.clone()).await;
    let records = read_all(&a, &partition).await?;
    if let Ok(slot) = appended {
        let found = records.iter().find(|record| record.slot == slot).map(|record| &record.payload);
        ensure_eq!(found, Some(&content), "what the heir appended, in the slot that it was told");
    }
    ensure_eq!(
        records.len(),
        usize::from(late.is_ok()) + usize::from(appended.is_ok()),
        "records of those acknowledged"
    );
    Ok(())
}

async fn log_06_every_registration_has_its_epoch(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let start = Arc::new(Barrier::new(12));
    let registrations = turns(&a, &b).take(12).map(|client| {
        let (client, partition, start) = (Arc::clone(client), partition.clone(), Arc::clone(&start));
        async move {
            start.wait().await;
            Producer::register(&client, &partition, "p").await
        }
    });
    let registered = at_once(registrations).await?;
    let epochs: HashSet<_> = registered.iter().map(|producer| producer.grant.epoch).collect();
    ensure_eq!(epochs.len(), registered.len(), "different epochs of 12 registrations at once");
    let heir = Producer::register(&a, &partition, "p").await?;
    ensure!(epochs.iter().all(|epoch| *epoch < heir.grant.epoch), "a later registration's epoch is not greater");
    Ok(())
}

async fn log_06_registration_is_for_one_partition_and_id(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let mut producer = Producer::register(&a, &stream.partition(0), "p").await?;
    producer.append_many(1).await?;
    Producer::register(&b, &stream.partition(1), "p").await?.append_many(1).await?;
    Producer::register(&b, &stream.partition(0), "other").await?.append_many(1).await?;
    producer.append_many(1).await?;
    ensure_eq!(read_all(&b, &stream.partition(0)).await?.len(), 3, "records of the first partition");
    Ok(())
}

async fn log_02_once_after_trim(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(6).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    finish_below(&a, &partition, &readers, 7).await?;
    let (low, _) = trim_until_deleted(&b, &partition, cx.patience()).await?;
    for sequence in [1, 2, 6] {
        let again = producer.through(&b).try_append(sequence, payload(&[sequence])?).await?;
        let floor = b.bounds(&partition).await?.floor;
        let fits = if sequence == 6 { again == slot(6)? } else { again <= floor };
        ensure!(fits, "sequence {sequence}, appended again after a trim up to {floor}, got slot {again}");
    }
    ensure_eq!(b.bounds(&partition).await?.tail, slot(6)?, "tail after repeated appends");
    ensure_eq!(producer.append(payload(&["next"])?).await?, slot(7)?, "slot of the next chunk");
    let kept = read_from(&b, &partition, low, ALL).await?;
    let sequences: Vec<_> = kept.iter().map(|record| record.producer.sequence).collect();
    ensure_eq!(sequences, (low.get()..=7).collect::<Vec<_>>(), "sequences of the records kept");
    Ok(())
}
