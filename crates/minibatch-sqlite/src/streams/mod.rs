//! Streams: rows by name.

mod purge;

use async_trait::async_trait;
use minibatch_core::{
    Cause, Error, StreamName, Timestamp,
    storage::{Incarnation, StreamInfo, StreamStore},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{error::Failed, keys::MAX_PARTITION_ID, random, storage::SqliteStorage, tails::End, writer::Tx};

#[async_trait]
impl StreamStore for SqliteStorage {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        if partitions == 0 {
            return Err(Error::new(Cause::out_of_range("a stream has at least one partition")).during("open_stream"));
        }
        // most calls find the stream: they write nothing
        let found = match self.find_stream(name).await? {
            Some(found) => found,
            None => {
                let name = name.clone();
                self.writer().run("open_stream", move |tx| find_or_create(tx, &name, partitions)).await?
            }
        };
        if found.partitions != partitions {
            return Err(Error::new(Cause::stream_differs(found.partitions, partitions)).during("open_stream"));
        }
        Ok(found)
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        let name = name.clone();
        self.readers().run("find_stream", move |view| find(view, &name)).await
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        self.readers()
            .run("list_streams", |view| {
                let mut select =
                    view.prepare_cached("SELECT name, incarnation, partitions FROM streams ORDER BY name")?;
                let mut rows = select.query([])?;
                let mut streams = Vec::new();
                while let Some(row) = rows.next()? {
                    let name: String = row.get(0)?;
                    let name = StreamName::stored(&name)
                        .map_err(|_| Cause::corrupt_state("stream", "its name breaks the rules, was it edited?"))?;
                    streams.push(info(name, row)?);
                }
                Ok(streams)
            })
            .await
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        let name = name.clone();
        let dropped = self.writer().run("drop_stream", move |tx| unname(tx, &name)).await?;
        if let Err(error) = purge::all(self.writer()).await {
            // dropped it is; the next drop deletes what is left
            tracing::warn!(%error, "what a dropped stream held could not be deleted yet");
        }
        Ok(dropped)
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.wall().now())
    }
}

fn find(conn: &Connection, name: &StreamName) -> Result<Option<StreamInfo>, Failed> {
    Ok(conn
        .prepare_cached("SELECT name, incarnation, partitions FROM streams WHERE name = ?1")?
        .query_row([name.as_str()], |row| info(name.clone(), row))
        .optional()?)
}

fn info(name: StreamName, row: &Row<'_>) -> rusqlite::Result<StreamInfo> {
    Ok(StreamInfo { name, incarnation: Incarnation::new(row.get(1)?), partitions: row.get(2)? })
}

fn find_or_create(tx: &Tx<'_>, name: &StreamName, partitions: u32) -> Result<StreamInfo, Failed> {
    if let Some(found) = find(tx, name)? {
        return Ok(found);
    }
    let info = StreamInfo { name: name.clone(), incarnation: random::incarnation(), partitions };
    tx.prepare_cached("INSERT INTO streams (name, incarnation, partitions, created) VALUES (?1, ?2, ?3, ?4)")?
        .execute((name.as_str(), info.incarnation.get(), partitions, tx.now.as_millis()))?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO partitions
         (id, stream, incarnation, number, head_slot, head_time, floor_slot, floor_time, floor_messages, least_epoch,
          dropped)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, ?5, 0, 0, 0)",
    )?;
    for (number, id) in (0..partitions).zip(free_ids(tx, partitions)?) {
        insert.execute((id, name.as_str(), info.incarnation.get(), number, Timestamp::MIN.as_millis()))?;
    }
    Ok(info)
}

/// Numbers for so many new partitions: after the greatest in use, or where those are used up in the gaps.
fn free_ids(tx: &Tx<'_>, count: u32) -> Result<Vec<i64>, Failed> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let greatest: i64 = tx.query_row("SELECT coalesce(max(id), 0) FROM partitions", [], |row| row.get(0))?;
    let after: Vec<i64> = (greatest + 1..=MAX_PARTITION_ID).take(count).collect();
    if after.len() == count {
        return Ok(after);
    }
    let mut select = tx.prepare("SELECT id FROM partitions ORDER BY id")?;
    let used = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let gaps: Vec<i64> = (1..=MAX_PARTITION_ID).filter(|id| used.binary_search(id).is_err()).take(count).collect();
    if gaps.len() < count {
        return Err(Cause::out_of_range("a file holds up to 524287 partitions in all").into());
    }
    Ok(gaps)
}

/// Takes the stream's name away; what it held is deleted later, a little at a time.
fn unname(tx: &Tx<'_>, name: &StreamName) -> Result<bool, Failed> {
    let Some(info) = find(tx, name)? else { return Ok(false) };
    tx.prepare_cached("DELETE FROM streams WHERE name = ?1")?.execute([name.as_str()])?;
    tx.prepare_cached("UPDATE partitions SET dropped = 1 WHERE stream = ?1 AND incarnation = ?2")?
        .execute((name.as_str(), info.incarnation.get()))?;
    for index in 0..info.partitions {
        tx.tell(|news| news.push(info.partition(index), End::Gone));
    }
    Ok(true)
}
