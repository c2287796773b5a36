//! Trimming what every group has finished with.

use std::collections::HashMap;

use minibatch_core::{
    Offset, Slot,
    storage::{Partition, Trim, Trimmed},
};
use rusqlite::OptionalExtension;

use super::{derived, space};
use crate::{
    error::Failed,
    keys::{record_id, slot_of, to_offset},
    partition::PartitionRow,
    writer::Tx,
};

/// Deletes some of what can go. Nothing deleted: nothing is left to delete.
///
/// The floor is raised and the records deleted in one transaction, so that nobody sees the one without the other.
pub(super) fn step(tx: &Tx<'_>, partition: &Partition, trim: Trim) -> Result<Trimmed, Failed> {
    let row = PartitionRow::find(tx, partition)?;
    // the last record stays: the next slot follows it
    let target = trim.end(needed_from(tx, &row)?.map(Offset::slot)).min(row.tail.slot);
    if target <= row.floor.max(Slot::FIRST) {
        let floor = raise(tx, &row, target.max(row.floor), 0)?;
        return Ok(Trimmed { floor, deleted: 0 });
    }
    let first = record_id(row.id, Slot::ZERO);
    let Some(end) = space::batch_end(tx, first, record_id(row.id, target.previous()))? else {
        let floor = raise(tx, &row, target, 0)?;
        return Ok(Trimmed { floor, deleted: 0 });
    };
    let messages = fold_producers(tx, first, end)?;
    let floor = raise(tx, &row, slot_of(end)?.next(), messages)?;
    let deleted = tx.prepare_cached("DELETE FROM chunks WHERE id >= ?1 AND id <= ?2")?.execute((first, end))?;
    Ok(Trimmed { floor, deleted: deleted as u64 })
}

/// The smallest offset that a group still needs; `None` without groups.
fn needed_from(tx: &Tx<'_>, row: &PartitionRow) -> Result<Option<Offset>, Failed> {
    let least: Option<i64> = tx
        .prepare_cached("SELECT min(keep_from) FROM groups WHERE partition = ?1")?
        .query_row([row.id], |row| row.get(0))?;
    Ok(least.map(|least| to_offset(least, "group")).transpose()?)
}

fn raise(tx: &Tx<'_>, row: &PartitionRow, floor: Slot, messages: i64) -> Result<Slot, Failed> {
    if floor > row.floor {
        let time: Option<i64> = tx
            .prepare_cached("SELECT ts FROM chunks WHERE id = ?1")?
            .query_row([record_id(row.id, floor)], |row| row.get(0))
            .optional()?;
        tx.prepare_cached(
            "UPDATE partitions SET floor_slot = ?2, floor_time = coalesce(?3, floor_time),
                                   floor_messages = floor_messages + ?4
             WHERE id = ?1",
        )?
        .execute((row.id, floor.to_i64(), time, messages))?;
    }
    Ok(floor)
}

/// Keeps in the producers' rows what the records to be deleted say of them; returns how many messages those hold.
fn fold_producers(tx: &Tx<'_>, first: i64, end: i64) -> Result<i64, Failed> {
    let mut last = HashMap::<i64, (i64, i64)>::new();
    let mut derived = HashMap::<i64, Vec<i64>>::new();
    let mut messages = 0;
    let mut select = tx.prepare_cached("SELECT producer, pe, ps, n FROM chunks WHERE id >= ?1 AND id <= ?2")?;
    let mut rows = select.query((first, end))?;
    while let Some(row) = rows.next()? {
        let (producer, epoch, sequence): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if epoch == 0 {
            derived.entry(producer).or_default().push(sequence);
        } else {
            let known = last.entry(producer).or_default();
            if sequence > known.1 {
                *known = (epoch, sequence);
            }
        }
        messages += row.get::<_, i64>(3)?;
    }
    let mut update =
        tx.prepare_cached("UPDATE producers SET last_pe = ?2, last_ps = ?3 WHERE id = ?1 AND last_ps < ?3")?;
    for (producer, (epoch, sequence)) in last {
        update.execute((producer, epoch, sequence))?;
    }
    for (producer, numbers) in derived {
        derived::fold(tx, producer, &numbers)?;
    }
    Ok(messages)
}
