//! Deletes what dropped streams held, a little at a time, so that nobody waits long for the file.

use minibatch_core::{Error, Slot};
use rusqlite::OptionalExtension;

use crate::{
    error::Failed,
    keys::record_id,
    log::space,
    writer::{Tx, Writer},
};

/// Deletes all that is left of dropped streams, also of those whose dropping was cut short.
pub(super) async fn all(writer: &Writer) -> Result<(), Error> {
    while writer.run("drop_stream", step).await? {}
    space::give_back(writer, "drop_stream").await
}

/// Deletes some; `false` when nothing is left.
fn step(tx: &Tx<'_>) -> Result<bool, Failed> {
    let dropped = tx
        .prepare_cached("SELECT id FROM partitions WHERE dropped = 1 LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(id) = dropped else { return Ok(false) };
    let (first, last) = (record_id(id, Slot::ZERO), record_id(id, Slot::MAX));
    if let Some(end) = space::batch_end(tx, first, last)? {
        tx.prepare_cached("DELETE FROM chunks WHERE id >= ?1 AND id <= ?2")?.execute((first, end))?;
        return Ok(true);
    }
    for statement in [
        "DELETE FROM snapshots WHERE group_id IN (SELECT id FROM groups WHERE partition = ?1)",
        "DELETE FROM groups WHERE partition = ?1",
        "DELETE FROM notes WHERE partition = ?1",
        "DELETE FROM producers WHERE partition = ?1",
        "DELETE FROM partitions WHERE id = ?1",
    ] {
        tx.prepare_cached(statement)?.execute([id])?;
    }
    Ok(true)
}
