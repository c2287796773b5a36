//! Reading to the end, and as long as something is there.

use std::time::Duration;

use minibatch_core::{
    Cause, ProducerId, Slot, Timestamp,
    chunk::{Payload, ProducerStamp, Record},
    storage::{Partition, ReadLimit, Trim},
};

use crate::{
    pause::Pauses,
    storage::{
        case::Client,
        failure::{Failure, Verdict, ensure_eq},
    },
};

/// As much as there is.
pub(crate) const ALL: ReadLimit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };

/// How often to look for a record that is on its way while later ones came.
const LOOKS: u32 = 10;

/// Reads from `from` to the end, `limit` at a time, and checks that no slot is left out.
pub(crate) async fn read_from(
    storage: &Client,
    partition: &Partition,
    from: Slot,
    limit: ReadLimit,
) -> Verdict<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = from.max(Slot::FIRST);
    let mut looks = LOOKS;
    loop {
        let more = storage.read(partition, next, limit).await?;
        if more.is_empty() {
            looks -= 1;
            if looks == 0 || storage.bounds(partition).await?.tail < next {
                return Ok(records);
            }
            storage.wait(partition, next.previous()).await?;
            continue;
        }
        looks = LOOKS;
        next = check_run(&more, next)?;
        records.extend(more);
    }
}

/// Checks that the records fill the slots from `from` on without a hole; returns the slot after them.
pub(crate) fn check_run(records: &[Record], from: Slot) -> Verdict<Slot> {
    let mut next = from;
    for record in records {
        ensure_eq!(record.slot, next, "slot of the next record");
        next = next.next();
    }
    Ok(next)
}

/// Reads everything.
pub(crate) async fn read_all(storage: &Client, partition: &Partition) -> Verdict<Vec<Record>> {
    read_from(storage, partition, Slot::ZERO, ALL).await
}

/// What a record must be everywhere: slot, producer, its epoch and sequence, time, payload.
pub(crate) type Identity = (Slot, ProducerId, u64, u64, Timestamp, Payload);

/// A record's [`Identity`].
pub(crate) fn identity(record: &Record) -> Identity {
    let ProducerStamp { id, epoch, sequence } = record.producer.clone();
    (record.slot, id, epoch, sequence, record.time, record.payload.clone())
}

/// Trims until the first slot is deleted, and checks on the way that reading it never skips. Returns the lowest slot
/// that the storage says is kept, and how many records all trims together deleted.
pub(crate) async fn trim_until_deleted(
    storage: &Client,
    partition: &Partition,
    patience: Duration,
) -> Verdict<(Slot, u64)> {
    let mut pauses = Pauses::within(patience);
    let mut deleted = 0;
    loop {
        deleted += storage.trim(partition, Trim::Finished).await?.deleted;
        match storage.read(partition, Slot::FIRST, ALL).await {
            Ok(records) => {
                check_run(&records, Slot::FIRST)?;
            }
            Err(error) => match error.cause() {
                Cause::OffsetTrimmed { low, .. } => return Ok((*low, deleted)),
                _ => return Err(error.into()),
            },
        }
        if !pauses.again().await {
            let what = "trim never deleted what no group needs (give the suite a storage with a short grace)";
            return Err(Failure::new(format!("{what}: waited {patience:?}")));
        }
    }
}
