//! Notes beside a log or a group.

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error,
    storage::{Note, NotePlace, NoteStore},
};
use rusqlite::Connection;

use crate::{error::Failed, groups, partition::PartitionRow, storage::SqliteStorage, writer::Tx};

/// A note beside no group has this for the group's name, which no group can have.
const NO_GROUP: &str = "";

fn group_of(place: &NotePlace) -> &str {
    place.group.as_ref().map_or(NO_GROUP, |group| group.as_str())
}

#[async_trait]
impl NoteStore for SqliteStorage {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        notes.iter().try_for_each(Note::check).map_err(|error| error.during("put_notes"))?;
        let place = place.clone();
        self.writer().run("put_notes", move |tx| put(tx, &place, &notes)).await
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        let (place, from) = (place.clone(), from.to_owned());
        self.readers().run("notes", move |view| find(view, &place, &from, limit)).await
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        let (place, from, until) = (place.clone(), from.to_owned(), until.map(ToOwned::to_owned));
        self.writer().run("delete_notes", move |tx| delete(tx, &place, &from, until.as_deref())).await
    }
}

fn put(tx: &Tx<'_>, place: &NotePlace, notes: &[Note]) -> Result<(), Failed> {
    let partition = PartitionRow::find(tx, &place.partition)?;
    if let Some(group) = &place.group
        && !groups::exists(tx, &partition, group)?
    {
        return Err(Cause::GroupRemoved.into());
    }
    let mut upsert = tx.prepare_cached(
        "INSERT INTO notes (partition, group_name, kind, key, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    )?;
    for note in notes {
        upsert.execute((partition.id, group_of(place), place.kind, &note.key, &note.bytes[..]))?;
    }
    Ok(())
}

fn find(view: &Connection, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Failed> {
    let partition = PartitionRow::find(view, &place.partition)?;
    let mut select = view.prepare_cached(
        "SELECT key, bytes FROM notes WHERE partition = ?1 AND group_name = ?2 AND kind = ?3 AND key >= ?4
         ORDER BY key LIMIT ?5",
    )?;
    let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
    let mut rows = select.query((partition.id, group_of(place), place.kind, from, limit))?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        notes.push(Note { key: row.get(0)?, bytes: Bytes::from(row.get::<_, Vec<u8>>(1)?) });
    }
    Ok(notes)
}

fn delete(tx: &Tx<'_>, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Failed> {
    let partition = PartitionRow::find(tx, &place.partition)?;
    tx.prepare_cached(
        "DELETE FROM notes
         WHERE partition = ?1 AND group_name = ?2 AND kind = ?3 AND key >= ?4 AND (?5 IS NULL OR key < ?5)",
    )?
    .execute((partition.id, group_of(place), place.kind, from, until))?;
    Ok(())
}
