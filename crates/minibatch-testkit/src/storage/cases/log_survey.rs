//! Counting what is in a log, without reading it.

use minibatch_core::{
    Cause, Offset, Slot,
    chunk::Record,
    storage::{Partition, RecordSummary, Start, Trim},
};

use crate::{
    pause::Pauses,
    storage::{
        case::{Case, Client, Cx, cases},
        failure::{Failure, Verdict, ensure, ensure_cause, ensure_eq},
        tools::{Producer, STRATEGY, finish_below, group, open_group, payload, read_all, slot, state, stream_of},
    },
};

pub(super) const CASES: &[Case] = cases![
    log_15_survey_tells_what_read_reads,
    log_15_survey_stops_at_its_limit,
    log_15_survey_of_what_was_deleted_is_refused,
    log_16_floor_count_counts_what_lies_below,
    log_16_latest_group_knows_how_many_came_before,
];

/// Surveys from a slot to the end.
async fn survey_from(client: &Client, partition: &Partition, from: Slot, limit: usize) -> Verdict<Vec<RecordSummary>> {
    let mut all: Vec<RecordSummary> = Vec::new();
    loop {
        let from = all.last().map_or(from, |last| last.slot.next());
        let more = client.survey(partition, from, limit).await?;
        ensure!(more.len() <= limit.max(1), "{} records for a limit of {limit}", more.len());
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

/// Chunks of one to `count` messages.
async fn append_growing(client: &Client, partition: &Partition, count: u64) -> Verdict {
    let mut producer = Producer::register(client, partition, "p").await?;
    for number in 1..=count {
        let values: Vec<u64> = (0..number).collect();
        producer.append(payload(&values)?).await?;
    }
    Ok(())
}

async fn log_15_survey_tells_what_read_reads(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    ensure_eq!(a.survey(&partition, Slot::ZERO, 9).await?, [], "survey of an empty log");
    append_growing(&a, &partition, 5).await?;
    Producer::register(&b, &partition, "q").await?.append(minibatch_core::chunk::Payload::empty()).await?;
    let expected: Vec<_> = read_all(&b, &partition).await?.iter().map(Record::summary).collect();
    ensure_eq!(survey_from(&b, &partition, Slot::ZERO, 100).await?, expected, "survey of all records");
    ensure_eq!(b.survey(&partition, slot(7)?, 9).await?, [], "survey from past the tail");
    Ok(())
}

async fn log_15_survey_stops_at_its_limit(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    append_growing(&a, &partition, 6).await?;
    let expected = survey_from(&a, &partition, Slot::ZERO, 100).await?;
    for limit in [0, 1, 2, 5] {
        ensure_eq!(survey_from(&b, &partition, Slot::FIRST, limit).await?, expected, "survey by {limit}");
    }
    let from = survey_from(&b, &partition, slot(4)?, 2).await?;
    ensure_eq!(from.first().map(|first| (first.slot, first.messages)), Some((slot(4)?, 4)), "the first from slot 4 on");
    Ok(())
}

async fn log_15_survey_of_what_was_deleted_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    append_growing(&a, &partition, 5).await?;
    let mut pauses = Pauses::within(cx.patience());
    loop {
        a.trim(&partition, Trim::FinishedOrBelow(slot(4)?)).await?;
        match b.survey(&partition, Slot::FIRST, 9).await {
            Ok(records) => ensure_eq!(records.first().map(|first| first.slot), Some(Slot::FIRST), "the first record"),
            refused => {
                ensure_cause!(refused, Cause::OffsetTrimmed { .. }, "survey of what was deleted");
                return Ok(());
            }
        }
        if !pauses.again().await {
            return Err(Failure::new("trim never deleted what lies below its cut"));
        }
    }
}

async fn log_16_floor_count_counts_what_lies_below(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    ensure_eq!(a.bounds(&partition).await?.floor_count, 0, "messages below the floor of an empty log");
    let readers = open_group(&a, &partition, "readers").await?;
    append_growing(&a, &partition, 6).await?;
    for (below, count) in [(3, 1 + 2), (6, 1 + 2 + 3 + 4 + 5)] {
        finish_below(&b, &partition, &readers, below).await?;
        let mut pauses = Pauses::within(cx.patience());
        while b.trim(&partition, Trim::Finished).await?.floor < slot(below)? && pauses.again().await {}
        let bounds = a.bounds(&partition).await?;
        ensure_eq!((bounds.floor, bounds.floor_count), (slot(below)?, count), "floor, and messages below it");
        let kept = survey_from(&a, &partition, bounds.floor, 9).await?;
        let kept: u64 = kept.iter().map(|record| u64::from(record.messages)).sum();
        ensure_eq!(bounds.floor_count + kept, 21, "messages ever appended");
    }
    Ok(())
}

async fn log_16_latest_group_knows_how_many_came_before(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    append_growing(&a, &partition, 4).await?;
    a.trim(&partition, Trim::FinishedOrBelow(slot(3)?)).await?;
    let (latest, earliest) = (group("latest")?, open_group(&b, &partition, "earliest").await?);
    b.open_group(&stream_of(&partition), &latest, STRATEGY, Start::Latest).await?;
    let start = state(&a, &partition, &latest).await?.start;
    ensure_eq!((start.offset, start.count), (Offset::first_of(slot(5)?), 10), "start of the latest group");
    let start = state(&a, &partition, &earliest).await?.start;
    ensure_eq!((start.offset, start.count), (Offset::first_of(slot(3)?), 3), "start of the earliest group");
    Ok(())
}
