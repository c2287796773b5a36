//! The tables, and whether a file has them: format 2.
//!
//! Rows are found by bound parameters only; no name of a user's is ever part of a statement of minibatch's.

use minibatch_core::{Cause, Error};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Failed;

/// Says in the header of the file that it is minibatch's: `mbat` in ASCII.
const APPLICATION_ID: i64 = 0x6d62_6174;
/// The newest format of the tables that is known here.
pub(crate) const FORMAT: i64 = 3;
/// Free pages are given back to the file system when asked.
const INCREMENTAL: i64 = 2;

/// Readable with any SQLite shell of version 3.51.3 or newer; the view is for that.
///
/// Columns that nothing fills yet (`meta`, `last_meta`) have their place, so that programs that do and
/// programs that do not can share a file.
const TABLES: &str = "
CREATE TABLE streams (
    name TEXT NOT NULL PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    partitions INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    number INTEGER NOT NULL,
    head_slot INTEGER NOT NULL,
    head_time INTEGER NOT NULL,
    floor_slot INTEGER NOT NULL,
    floor_time INTEGER NOT NULL,
    floor_messages INTEGER NOT NULL,
    least_epoch INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    UNIQUE (stream, incarnation, number)
) STRICT;

CREATE TABLE producers (
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    pid TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    last_pe INTEGER NOT NULL,
    last_ps INTEGER NOT NULL,
    last_meta BLOB,
    below INTEGER,
    seen BLOB,
    UNIQUE (partition, pid)
) STRICT;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    n INTEGER NOT NULL,
    producer INTEGER NOT NULL,
    pe INTEGER NOT NULL,
    ps INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    codec TEXT NOT NULL,
    crc INTEGER NOT NULL,
    data BLOB NOT NULL,
    meta BLOB,
    UNIQUE (producer, ps)
) STRICT;

CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    start_offset INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    start_count INTEGER NOT NULL,
    keep_from INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    unclean INTEGER NOT NULL,
    checkpoint BLOB,
    UNIQUE (partition, name)
) STRICT;

CREATE TABLE snapshots (
    group_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (group_id, epoch, number)
) STRICT;

CREATE TABLE members (
    id TEXT NOT NULL PRIMARY KEY,
    seen_until INTEGER NOT NULL,
    ttl INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW records AS
SELECT p.stream, p.incarnation, p.number AS partition, c.id & 17592186044415 AS slot, c.kind, c.n, r.pid, c.pe, c.ps,
       c.ts, c.codec, length(c.data) AS bytes
FROM chunks c JOIN partitions p ON p.id = c.id >> 44 JOIN producers r ON r.id = c.producer;
";

/// New in format 2.
pub(crate) const NOTES: &str = "
CREATE TABLE notes (
    partition INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (partition, group_name, kind, key)
) STRICT, WITHOUT ROWID;
";

/// New in format 3.
pub(crate) const LATE: &str = "
ALTER TABLE groups ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
";

/// What bears a name of minibatch's in the file.
const OURS: [&str; 9] =
    ["streams", "partitions", "producers", "chunks", "groups", "snapshots", "members", "records", "notes"];

/// Whether a table, or a view, is minibatch's, by its name, which has no case in SQL.
pub(crate) fn is_ours(table: &str) -> bool {
    OURS.iter().any(|ours| ours.eq_ignore_ascii_case(table))
}

/// Makes sure that the file is minibatch's and of a format known here; creates the tables in an empty file only.
pub(crate) fn ensure(conn: &mut Connection) -> Result<(), Failed> {
    if is_blank(conn)? {
        // it lies in the header, so it must be there before everything else; sqlite writes it at once
        conn.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        // another process may have been quicker
        if is_blank(&tx)? {
            tx.execute_batch(TABLES)?;
            tx.execute_batch(NOTES)?;
            tx.execute_batch(LATE)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", FORMAT)?;
        }
        tx.commit()?;
    }
    check(conn)
}

fn check(conn: &Connection) -> Result<(), Failed> {
    match format(conn)? {
        FORMAT => Ok(()),
        older => Err(Cause::older_format("database file", older, FORMAT).into()),
    }
}

/// The format of a file, which is minibatch's and not newer than what is known here.
pub(crate) fn format(conn: &Connection) -> Result<i64, Failed> {
    if number(conn, "application_id")? != APPLICATION_ID {
        return Err(Cause::misconfigured("the file is another program's sqlite database, give another path").into());
    }
    match number(conn, "user_version")? {
        newer if newer > FORMAT => Err(Cause::newer_format("database file", newer, FORMAT).into()),
        known if known > 0 => Ok(known),
        _ => Err(Error::from(Cause::corrupt_state("database file", "its format number is impossible")).into()),
    }
}

/// True for a file that holds nothing: an empty one, or one that another process is creating or was killed at.
fn is_blank(conn: &Connection) -> Result<bool, Failed> {
    Ok(match number(conn, "page_count")? {
        0 => true,
        1 => {
            number(conn, "application_id")? == 0
                && number(conn, "user_version")? == 0
                && number(conn, "auto_vacuum")? == INCREMENTAL
                && count_tables(conn)? == 0
        }
        _ => false,
    })
}

fn number(conn: &Connection, pragma: &str) -> Result<i64, Failed> {
    Ok(conn.pragma_query_value(None, pragma, |row| row.get(0))?)
}

fn count_tables(conn: &Connection) -> Result<i64, Failed> {
    Ok(conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_to_be_ours() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(TABLES).unwrap();
        conn.execute_batch(NOTES).unwrap();
        let mut select =
            conn.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY rowid").unwrap();
        let names: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(names, OURS);
        assert!(is_ours("Chunks") && !is_ours("chunk"));
    }
}
