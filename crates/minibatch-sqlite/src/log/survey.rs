//! Records without their messages.

use minibatch_core::{
    Cause, Slot, Timestamp,
    chunk::RecordKind,
    storage::{Partition, RecordSummary},
};
use rusqlite::{Connection, Row};

use crate::{error::Failed, keys::record_id, partition::PartitionRow};

/// The length of a payload is known without reading it.
pub(super) fn survey(
    view: &Connection,
    partition: &Partition,
    from: Slot,
    limit: usize,
) -> Result<Vec<RecordSummary>, Failed> {
    let row = PartitionRow::find(view, partition)?;
    let (mut slot, tail) = (from.max(Slot::FIRST), row.tail.slot);
    if slot < row.floor {
        return Err(Cause::offset_trimmed(row.floor).into());
    }
    let mut select = view.prepare_cached(
        "SELECT id, kind, ts, n, length(data) FROM chunks WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
    )?;
    let most = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
    let mut rows = select.query((record_id(row.id, slot), record_id(row.id, tail), most))?;
    let mut summaries = Vec::new();
    while slot <= tail && summaries.len() < limit.max(1) {
        let found = rows.next()?.filter(|found| found.get(0).is_ok_and(|id: i64| id == record_id(row.id, slot)));
        match found {
            Some(found) => summaries.push(summary(slot, found)?),
            None if summaries.is_empty() => {
                return Err(Cause::corrupt_record(slot, "it is missing, was it deleted?").into());
            }
            None => break,
        }
        slot = slot.next();
    }
    Ok(summaries)
}

fn summary(slot: Slot, row: &Row<'_>) -> Result<RecordSummary, Failed> {
    let bytes: i64 = row.get(4)?;
    Ok(RecordSummary {
        slot,
        kind: RecordKind::from_name(&row.get::<_, String>(1)?),
        time: Timestamp::from_millis(row.get(2)?),
        messages: row.get(3)?,
        bytes: bytes.unsigned_abs(),
    })
}
