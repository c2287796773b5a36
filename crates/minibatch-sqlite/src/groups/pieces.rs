//! Pieces of checkpoints that are too big to be committed inline.

use bytes::Bytes;
use minibatch_core::{
    Cause, GroupName,
    storage::{Partition, PieceId},
};
use rusqlite::{Connection, OptionalExtension};

use super::row;
use crate::{
    error::Failed,
    keys::{to_i64, to_u64},
    partition::PartitionRow,
    writer::Tx,
};

/// The greatest piece in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

pub(super) fn write(
    tx: &Tx<'_>,
    partition: &Partition,
    group: &GroupName,
    piece: PieceId,
    bytes: &Bytes,
) -> Result<(), Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    let group = row::id(tx, &partition, group)?.ok_or_else(|| Cause::fenced(piece.epoch))?;
    tx.prepare_cached("INSERT OR REPLACE INTO snapshots (group_id, epoch, number, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute((group, to_i64(piece.epoch)?, to_i64(piece.number)?, &bytes[..]))?;
    Ok(())
}

pub(super) fn read(
    view: &Connection,
    partition: &Partition,
    group: &GroupName,
    piece: PieceId,
) -> Result<Option<Bytes>, Failed> {
    let partition = PartitionRow::find(view, partition)?;
    let Some(group) = row::id(view, &partition, group)? else { return Ok(None) };
    Ok(view
        .prepare_cached("SELECT bytes FROM snapshots WHERE group_id = ?1 AND epoch = ?2 AND number = ?3")?
        .query_row((group, to_i64(piece.epoch)?, to_i64(piece.number)?), |row| row.get::<_, Vec<u8>>(0))
        .optional()?
        .map(Bytes::from))
}

pub(super) fn retain(
    tx: &Tx<'_>,
    partition: &Partition,
    group: &GroupName,
    keep: &[PieceId],
    before: PieceId,
) -> Result<(), Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    let Some(group) = row::id(tx, &partition, group)? else { return Ok(()) };
    let mut select = tx.prepare_cached("SELECT rowid, epoch, number FROM snapshots WHERE group_id = ?1")?;
    let mut rows = select.query([group])?;
    let mut delete = tx.prepare_cached("DELETE FROM snapshots WHERE rowid = ?1")?;
    let mut unneeded = Vec::new();
    while let Some(row) = rows.next()? {
        let piece = PieceId { epoch: to_u64(row.get(1)?, "snapshot")?, number: to_u64(row.get(2)?, "snapshot")? };
        if piece < before && !keep.contains(&piece) {
            unneeded.push(row.get::<_, i64>(0)?);
        }
    }
    for row_id in unneeded {
        delete.execute([row_id])?;
    }
    Ok(())
}
