//! A partition's row: clause D of the contract.

use minibatch_core::{
    Cause, Error, Offset, Slot, Timestamp,
    storage::{Incarnation, LogBounds, Partition, Position, StreamInfo},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    error::Failed,
    keys::{record_id, to_u64},
};

/// A partition as stored.
#[derive(Debug)]
pub(crate) struct PartitionRow {
    pub(crate) id: i64,
    pub(crate) tail: Tail,
    pub(crate) floor: Slot,
    pub(crate) floor_time: Timestamp,
    pub(crate) floor_count: u64,
    /// Greater than every epoch of a group that was removed: a new one of its name begins here, and so the former's owners
    /// stay fenced.
    pub(crate) least_epoch: i64,
}

/// The last record of a partition. Kept beside the records, so that damage that hides the last of them is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) slot: Slot,
    /// The greatest append time so far.
    pub(crate) time: Timestamp,
}

impl PartitionRow {
    /// Finds the partition.
    pub(crate) fn find(conn: &Connection, partition: &Partition) -> Result<Self, Failed> {
        let mut select = conn.prepare_cached(
            "SELECT id, head_slot, head_time, floor_slot, floor_time, floor_messages, least_epoch
             FROM partitions
             WHERE stream = ?1 AND incarnation = ?2 AND number = ?3 AND dropped = 0",
        )?;
        let mut rows = select.query((partition.stream.as_str(), partition.incarnation.get(), partition.index))?;
        let Some(row) = rows.next()? else { return Err(missing(conn, partition)?.into()) };
        let tail = Tail { slot: Slot::from_i64(row.get(1)?)?, time: Timestamp::from_millis(row.get(2)?) };
        Ok(Self {
            id: row.get(0)?,
            tail,
            floor: Slot::from_i64(row.get(3)?)?,
            floor_time: Timestamp::from_millis(row.get(4)?),
            floor_count: to_u64(row.get(5)?, "partition")?,
            least_epoch: row.get(6)?,
        })
    }

    pub(crate) fn bounds(&self) -> LogBounds {
        let Self { floor, floor_time, floor_count, .. } = *self;
        LogBounds { floor, floor_time, floor_count, tail: self.tail.slot }
    }

    /// The end of the log.
    pub(crate) fn end(&self, conn: &Connection) -> Result<Position, Failed> {
        let (floor, tail) = (record_id(self.id, self.floor), record_id(self.id, self.tail.slot));
        let kept: i64 = conn
            .prepare_cached("SELECT coalesce(sum(n), 0) FROM chunks WHERE id >= ?1 AND id <= ?2")?
            .query_row((floor, tail), |row| row.get(0))?;
        let count = self.floor_count + to_u64(kept, "partition")?;
        Ok(Position { offset: Offset::first_of(self.tail.slot.next()), time: self.tail.time, count })
    }
}

impl Tail {
    /// Takes note that the partition ends here now.
    pub(crate) fn keep(&self, conn: &Connection, partition: i64) -> Result<(), Failed> {
        conn.prepare_cached("UPDATE partitions SET head_slot = ?2, head_time = ?3 WHERE id = ?1")?.execute((
            partition,
            self.slot.to_i64(),
            self.time.as_millis(),
        ))?;
        Ok(())
    }
}

/// Why there is no such partition.
fn missing(conn: &Connection, partition: &Partition) -> Result<Error, Failed> {
    Ok(match partitions_of(conn, partition.stream.as_str(), partition.incarnation)? {
        Some(partitions) => Cause::invalid_partition(partition.index, partitions).into(),
        None => Cause::StreamDropped.into(),
    })
}

fn partitions_of(conn: &Connection, stream: &str, incarnation: Incarnation) -> Result<Option<u32>, Failed> {
    Ok(conn
        .prepare_cached("SELECT partitions FROM streams WHERE name = ?1 AND incarnation = ?2")?
        .query_row((stream, incarnation.get()), |row| row.get(0))
        .optional()?)
}

/// All partitions of a stream, partition 0 first.
pub(crate) fn all(conn: &Connection, stream: &StreamInfo) -> Result<Vec<PartitionRow>, Failed> {
    let stored = partitions_of(conn, stream.name.as_str(), stream.incarnation)?.ok_or(Cause::StreamDropped)?;
    (0..stored).map(|index| PartitionRow::find(conn, &stream.partition(index))).collect()
}
