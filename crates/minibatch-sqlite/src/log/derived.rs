//! Derived chunks: of each number the first one stands, for ever.

use minibatch_core::{
    ProducerId, Slot,
    chunk::DerivedChunk,
    storage::{DerivedAppend, UsedNumbers},
};
use rusqlite::{Connection, OptionalExtension};

use super::producers::Written;
use crate::{
    error::Failed,
    keys::{slot_of, to_i64, to_u64},
    writer::Tx,
};

/// An id of derived chunks as stored. Its row outlives its records.
pub(super) struct Writer {
    pub(super) id: i64,
    trimmed: UsedNumbers,
}

impl Writer {
    pub(super) fn find_or_insert(tx: &Tx<'_>, partition: i64, id: &ProducerId) -> Result<Self, Failed> {
        let found: Option<i64> = tx
            .prepare_cached("SELECT id FROM producers WHERE partition = ?1 AND pid = ?2")?
            .query_row((partition, id.as_str()), |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            return Self::load(tx, id);
        }
        tx.prepare_cached("INSERT INTO producers (partition, pid, epoch, last_pe, last_ps) VALUES (?1, ?2, 0, 0, 0)")?
            .execute((partition, id.as_str()))?;
        Ok(Self { id: tx.last_insert_rowid(), trimmed: UsedNumbers::default() })
    }

    fn load(conn: &Connection, id: i64) -> Result<Self, Failed> {
        let (below, seen): (i64, Vec<u8>) = conn
            .prepare_cached("SELECT coalesce(below, 0), coalesce(seen, x'') FROM producers WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { id, trimmed: UsedNumbers::decode(to_u64(below, "producer")?, &seen)? })
    }

    /// What stands under the chunk's number; `None` for a new one.
    pub(super) fn standing(
        &self,
        conn: &Connection,
        chunk: &DerivedChunk,
        floor: Slot,
    ) -> Result<Option<DerivedAppend>, Failed> {
        if let Some(written) = Written::find(conn, self.id, chunk.number)? {
            let differs = !written.holds(&chunk.payload);
            return Ok(Some(DerivedAppend { slot: slot_of(written.record_id)?, differs }));
        }
        let trimmed = self.trimmed.contains(chunk.number);
        Ok(trimmed.then_some(DerivedAppend { slot: floor.previous(), differs: false }))
    }

    /// No lower number will be new.
    pub(super) fn raise(&mut self, conn: &Connection, below: u64) -> Result<(), Failed> {
        if below > self.trimmed.below() {
            self.trimmed.raise(below);
            keep(conn, self.id, &self.trimmed)?;
        }
        Ok(())
    }
}

/// Keeps in the row of an id that these numbers are used, whose records are about to be deleted.
pub(super) fn fold(conn: &Connection, id: i64, numbers: &[i64]) -> Result<(), Failed> {
    let mut trimmed = Writer::load(conn, id)?.trimmed;
    for number in numbers {
        trimmed.insert(to_u64(*number, "record")?, 0);
    }
    keep(conn, id, &trimmed)
}

fn keep(conn: &Connection, id: i64, trimmed: &UsedNumbers) -> Result<(), Failed> {
    conn.prepare_cached("UPDATE producers SET below = ?2, seen = ?3 WHERE id = ?1")?.execute((
        id,
        to_i64(trimmed.below())?,
        trimmed.encode_seen(),
    ))?;
    Ok(())
}
