//! How groups come and go.

use minibatch_core::{
    Cause, GroupName,
    storage::{Fence, Generation, Position, Start, StreamInfo},
};

use super::{members, row};
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
    start: &Start,
) -> Result<(), Failed> {
    let partitions = partition::all(tx, stream)?;
    start.check(stream.partitions)?;
    let generation = random::generation();
    for (index, partition) in (0..).zip(&partitions) {
        match row::find(tx, partition, group)? {
            Some((_, known)) if known.fingerprint != fingerprint => {
                return Err(Cause::strategy_changed(known.fingerprint, fingerprint).into());
            }
            Some(_) => {}
            None => {
                let place = place(tx, partition, start, index)?;
                create(tx, partition, group, generation, fingerprint, place)?;
            }
        }
    }
    Ok(())
}

/// Begins the group anew in all partitions, in one transaction.
pub(super) fn restart(
    tx: &Tx<'_>,
    stream: &StreamInfo,
    group: &GroupName,
    fingerprint: &str,
    start: &Start,
) -> Result<(), Failed> {
    start.check(stream.partitions)?;
    let generation = random::generation();
    for (index, partition) in (0..).zip(partition::all(tx, stream)?) {
        let place = place(tx, &partition, start, index)?;
        delete(tx, &partition, group)?;
        // with the epoch that the former one left
        let partition = PartitionRow::find(tx, &stream.partition(index))?;
        create(tx, &partition, group, generation, fingerprint, place)?;
    }
    Ok(())
}

fn place(tx: &Tx<'_>, partition: &PartitionRow, start: &Start, index: u32) -> Result<Position, Failed> {
    match start.place(index, partition.bounds().first()) {
        Some(place) => Ok(place),
        None => partition.end(tx),
    }
}

fn create(
    tx: &Tx<'_>,
    partition: &PartitionRow,
    group: &GroupName,
    generation: Generation,
    fingerprint: &str,
    start: Position,
) -> Result<(), Failed> {
    tx.prepare_cached(
        "INSERT INTO groups (partition, name, owner, epoch, version, generation, fingerprint, start_offset, start_time,
                             start_count, keep_from, finished, dead, skipped, dropped, expired, unclean)
         VALUES (?1, ?2, NULL, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?6, 0, 0, 0, 0, 0, 0)",
    )?
    .execute((
        partition.id,
        group.as_str(),
        partition.least_epoch,
        generation.get(),
        fingerprint,
        to_i64(start.offset.to_u64())?,
        start.time.as_millis(),
        to_i64(start.count)?,
    ))?;
    Ok(())
}

/// Removes the group from all partitions, with its notes; or nothing where it is not as it was seen.
pub(super) fn remove(
    tx: &Tx<'_>,
    stream: &StreamInfo,
    group: &GroupName,
    seen: Option<&[Fence]>,
) -> Result<bool, Failed> {
    let partitions = partition::all(tx, stream)?;
    if let Some(seen) = seen
        && !is_as_seen(tx, &partitions, group, seen)?
    {
        return Ok(false);
    }
    let mut removed = false;
    for partition in partitions {
        if delete(tx, &partition, group)? {
            tx.prepare_cached("DELETE FROM notes WHERE partition = ?1 AND group_name = ?2")?
                .execute((partition.id, group.as_str()))?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Whether the fences are these, and nobody who lives owns one of them.
fn is_as_seen(tx: &Tx<'_>, partitions: &[PartitionRow], group: &GroupName, seen: &[Fence]) -> Result<bool, Failed> {
    if partitions.len() != seen.len() {
        return Ok(false);
    }
    for (partition, fence) in partitions.iter().zip(seen) {
        let Some((_, state)) = row::find(tx, partition, group)?.filter(|(_, state)| state.fence == *fence) else {
            return Ok(false);
        };
        if let Some(owner) = &state.owner
            && members::is_alive(tx, owner)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Deletes the group's row and pieces; a later one's epochs follow its.
fn delete(tx: &Tx<'_>, partition: &PartitionRow, group: &GroupName) -> Result<bool, Failed> {
    let Some((id, state)) = row::find(tx, partition, group)? else { return Ok(false) };
    tx.prepare_cached("UPDATE partitions SET least_epoch = max(least_epoch, ?2) WHERE id = ?1")?
        .execute((partition.id, to_i64(state.fence.epoch + 1)?))?;
    tx.prepare_cached("DELETE FROM snapshots WHERE group_id = ?1")?.execute([id])?;
    tx.prepare_cached("DELETE FROM groups WHERE id = ?1")?.execute([id])?;
    Ok(true)
}
