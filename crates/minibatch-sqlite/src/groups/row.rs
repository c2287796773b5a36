//! A group's row in one partition.

use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, MemberId, Timestamp,
    storage::{Counters, Fence, Generation, GroupState, Partition, Position},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    error::Failed,
    keys::{to_offset, to_u64},
    partition::PartitionRow,
};

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT name, id, owner, epoch, version, generation, fingerprint, start_offset, start_time, start_count,
                    keep_from, finished, dead, skipped, dropped, expired, unclean, checkpoint, late FROM groups WHERE partition = ?1 ",
            $rest
        )
    };
}

/// The group, if there is one: its row's number, and its state.
pub(super) fn find(
    conn: &Connection,
    partition: &PartitionRow,
    group: &GroupName,
) -> Result<Option<(i64, GroupState)>, Failed> {
    let mut select = conn.prepare_cached(columns!("AND name = ?2"))?;
    let mut rows = select.query((partition.id, group.as_str()))?;
    rows.next()?.map(|row| Ok((row.get(1)?, state(row)?))).transpose()
}

/// The number of the group's row, if there is one.
pub(super) fn id(conn: &Connection, partition: &PartitionRow, group: &GroupName) -> Result<Option<i64>, Failed> {
    Ok(conn
        .prepare_cached("SELECT id FROM groups WHERE partition = ?1 AND name = ?2")?
        .query_row((partition.id, group.as_str()), |row| row.get(0))
        .optional()?)
}

/// All groups of a partition by name.
pub(super) fn all(conn: &Connection, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Failed> {
    let partition = PartitionRow::find(conn, partition)?;
    let mut select = conn.prepare_cached(columns!("ORDER BY name"))?;
    let mut rows = select.query([partition.id])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let name = GroupName::new(&name)
            .map_err(|_| Error::from(Cause::corrupt_state("group", "its name breaks the rules, was it edited?")))?;
        groups.push((name, state(row)?));
    }
    Ok(groups)
}

fn state(row: &Row<'_>) -> Result<GroupState, Failed> {
    let count = |column| -> Result<u64, Failed> { Ok(to_u64(row.get(column)?, "group")?) };
    Ok(GroupState {
        owner: row.get::<_, Option<String>>(2)?.map(|owner| MemberId::stored(&owner)),
        fence: Fence { epoch: count(3)?, version: count(4)? },
        generation: Generation::new(row.get(5)?),
        fingerprint: row.get(6)?,
        start: Position {
            offset: to_offset(row.get(7)?, "group")?,
            time: Timestamp::from_millis(row.get(8)?),
            count: count(9)?,
        },
        keep_from: to_offset(row.get(10)?, "group")?,
        counters: Counters {
            finished: count(11)?,
            late: count(18)?,
            dead: count(12)?,
            skipped: count(13)?,
            dropped: count(14)?,
            expired: count(15)?,
        },
        unclean: row.get(16)?,
        checkpoint: row.get::<_, Option<Vec<u8>>>(17)?.map(Bytes::from),
    })
}
