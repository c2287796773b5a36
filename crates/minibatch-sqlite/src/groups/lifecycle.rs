//! How groups come and go.

use minibatch_core::{
    Cause, GroupName, Offset, Slot,
    storage::{Position, Start, StreamInfo},
};

use super::row;
use crate::{
    error::Failed,
    keys::to_i64,
    partition::{self, PartitionRow},
    random,
    writer::Tx,
};

/// Finds the group, or creates it for all partitions in one transaction.
pub(super) fn find_or_create(
    tx: &Tx<'_>,
    stream: &StreamInfo,
    group: &GroupName,
    fingerprint: &str,
    start: Start,
) -> Result<(), Failed> {
    let partitions = partition::all(tx, stream)?;
    let generation = random::generation();
    let mut insert = tx.prepare_cached(
        "INSERT INTO groups (partition, name, owner, epoch, version, generation, fingerprint, start_offset, start_time,
                             keep_from, finished, dead, dropped, unclean)
         VALUES (?1, ?2, NULL, ?3, 0, ?4, ?5, ?6, ?7, ?6, 0, 0, 0, 0)",
    )?;
    for partition in &partitions {
        if let Some((_, known)) = row::find(tx, partition, group)? {
            if known.fingerprint != fingerprint {
                return Err(Cause::strategy_changed(known.fingerprint, fingerprint).into());
            }
            continue;
        }
        let start = resolve(partition, start);
        insert.execute((
            partition.id,
            group.as_str(),
            partition.least_epoch,
            generation.get(),
            fingerprint,
            to_i64(start.offset.to_u64())?,
            start.time.as_millis(),
        ))?;
    }
    Ok(())
}

fn resolve(partition: &PartitionRow, start: Start) -> Position {
    match start {
        Start::Latest => Position { offset: Offset::first_of(partition.tail.slot.next()), time: partition.tail.time },
        _ => Position { offset: Offset::first_of(partition.floor.max(Slot::FIRST)), time: partition.floor_time },
    }
}

/// Removes the group from all partitions.
pub(super) fn remove(tx: &Tx<'_>, stream: &StreamInfo, group: &GroupName) -> Result<bool, Failed> {
    let mut removed = false;
    for partition in partition::all(tx, stream)? {
        let Some((id, state)) = row::find(tx, &partition, group)? else { continue };
        tx.prepare_cached("UPDATE partitions SET least_epoch = max(least_epoch, ?2) WHERE id = ?1")?
            .execute((partition.id, to_i64(state.fence.epoch + 1)?))?;
        tx.prepare_cached("DELETE FROM snapshots WHERE group_id = ?1")?.execute([id])?;
        tx.prepare_cached("DELETE FROM groups WHERE id = ?1")?.execute([id])?;
        removed = true;
    }
    Ok(removed)
}
