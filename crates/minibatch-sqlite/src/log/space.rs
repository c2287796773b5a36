//! Deleting in small pieces, and giving the space of what was deleted back to the file system.

use minibatch_core::Error;
use rusqlite::Connection;

use crate::{
    error::Failed,
    writer::{Tx, Writer},
};

/// The most that one transaction deletes: others wait for it.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: i64 = 64 << 20;

/// Free pages below this are kept for what is appended next, and below a quarter of the file.
const SPARE_PAGES: i64 = 2_048;
/// How many pages one transaction gives back.
const BATCH_PAGES: i64 = 1_024;
/// How often a trim does that, so that it comes to an end; the next goes on.
const BATCHES: usize = 16;

/// The last key of a small number of records from key `first` on, up to key `last`.
pub(crate) fn batch_end(conn: &Connection, first: i64, last: i64) -> Result<Option<i64>, Failed> {
    let mut select =
        conn.prepare_cached("SELECT id, length(data) FROM chunks WHERE id >= ?1 AND id <= ?2 ORDER BY id")?;
    let mut rows = select.query((first, last))?;
    let (mut end, mut records, mut bytes) = (None, 0, 0);
    while let Some(row) = rows.next()? {
        end = Some(row.get(0)?);
        records += 1;
        bytes += row.get::<_, i64>(1)?;
        if records == BATCH_RECORDS || bytes >= BATCH_BYTES {
            break;
        }
    }
    Ok(end)
}

/// Makes the file smaller where much of it is free.
pub(crate) async fn give_back(writer: &Writer, operation: &'static str) -> Result<(), Error> {
    while writer.run(operation, step).await? {}
    Ok(())
}

/// The same, but not for long.
pub(crate) async fn give_back_some(writer: &Writer, operation: &'static str) -> Result<(), Error> {
    for _ in 0..BATCHES {
        if !writer.run(operation, step).await? {
            break;
        }
    }
    Ok(())
}

/// Gives some pages back; `false` when no more should be.
fn step(tx: &Tx<'_>) -> Result<bool, Failed> {
    let number = |pragma| -> Result<i64, Failed> { Ok(tx.prepare_cached(pragma)?.query_row([], |row| row.get(0))?) };
    let free = number("PRAGMA freelist_count")?;
    let spare = SPARE_PAGES.max(number("PRAGMA page_count")? / 4);
    if free <= spare {
        return Ok(false);
    }
    let mut vacuum = tx.prepare(&format!("PRAGMA incremental_vacuum({})", BATCH_PAGES.min(free - spare)))?;
    let mut rows = vacuum.query([])?;
    // a row for each page
    let mut given = 0;
    while rows.next()?.is_some() {
        given += 1;
    }
    Ok(given > 0)
}
