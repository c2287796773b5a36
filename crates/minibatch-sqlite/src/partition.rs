//! A partition's row: clause D of the contract.

use minibatch_core::{
    Cause, Error, Slot, Timestamp,
    storage::{Incarnation, Partition, StreamInfo},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    error::Failed,
    keys::{record_id, slot_of},
};

/// A partition as stored.
#[derive(Debug)]
pub(crate) struct PartitionRow {
    pub(crate) id: i64,
    pub(crate) floor: Slot,
    pub(crate) floor_time: Timestamp,
    /// The greatest epoch of a removed group.
    pub(crate) removed_epoch: i64,
}

/// The last record of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) slot: Slot,
    /// The greatest append time so far.
    pub(crate) time: Timestamp,
    /// How many messages the last record has.
    pub(crate) messages: u32,
}

impl PartitionRow {
    /// Finds the partition.
    pub(crate) fn find(conn: &Connection, partition: &Partition) -> Result<Self, Failed> {
        let found = conn
            .prepare_cached(
                "SELECT id, floor_slot, floor_time, removed_epoch FROM partitions
                 WHERE stream = ?1 AND incarnation = ?2 AND number = ?3 AND dropped = 0",
            )?
            .query_row((partition.stream.as_str(), partition.incarnation.get(), partition.index), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((id, floor, floor_time, removed_epoch)) = found else { return Err(missing(conn, partition)?.into()) };
        Ok(Self { id, floor: Slot::from_i64(floor)?, floor_time: Timestamp::from_millis(floor_time), removed_epoch })
    }

    /// The end of the partition's log.
    pub(crate) fn tail(&self, conn: &Connection) -> Result<Tail, Failed> {
        let last = conn
            .prepare_cached("SELECT id, ts, n FROM chunks WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1")?
            .query_row((record_id(self.id, Slot::ZERO), record_id(self.id, Slot::MAX)), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((id, time, messages)) = last else {
            // the last record is never deleted, so there never was one, or somebody else deleted it: its slot stays used
            return Ok(Tail { slot: self.floor, time: self.floor_time, messages: 0 });
        };
        Ok(Tail { slot: slot_of(id)?, time: Timestamp::from_millis(time), messages })
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
