//! What a run left: read by one who had no part in it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use minibatch::{Minibatch, Slot, StreamName, Timestamp, storage::ReadLimit};
use minibatch_core::chunk::{Chunk, Record, RecordKind};
use minibatch_testkit::history::{History, Key, LogRecord, SinkEntry};
use mongodb::{Client, options::ReadConcern};

use crate::{
    clock::seconds,
    message::{CANARY, Note},
    role::{CONTROL, EFFECTS, GROUP, STREAM},
    sqlite,
};

pub(crate) fn histories(folder: &Path) -> Result<Vec<History>> {
    let mut histories = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        histories.push(History::parse(path.display().to_string(), &fs::read_to_string(&path)?)?);
    }
    Ok(histories)
}

/// The whole log of a stream; nothing where there is no stream.
pub(crate) async fn log(mb: &Minibatch, stream: &StreamName) -> Result<Vec<LogRecord>> {
    let Some(info) = mb.storage().find_stream(stream).await? else { return Ok(Vec::new()) };
    let (partition, mut from, mut log) = (info.partition(0), Slot::ZERO, Vec::new());
    let limit = ReadLimit { messages: 10_000, bytes: 8 << 20 };
    loop {
        let records = mb.storage().read(&partition, from, limit).await?;
        let Some(last) = records.last() else { return Ok(log) };
        from = last.slot.next();
        for record in &records {
            log.push(open(record)?);
        }
    }
}

fn open(record: &Record) -> Result<LogRecord> {
    let stamp = &record.producer;
    let stamp = (stamp.id.as_str().to_owned(), stamp.epoch, stamp.sequence);
    let mut keys = Vec::new();
    if record.kind == RecordKind::Data {
        let chunk = Chunk::open(record, Timestamp::EPOCH)?;
        for index in 0..chunk.len() {
            let message = chunk.message(index).context("a chunk has as many messages as it says")?;
            keys.push(message.decode::<Note>()?.key());
        }
    }
    Ok(LogRecord { slot: record.slot.get(), tombstone: record.kind == RecordKind::Tombstone, stamp, keys })
}

/// The messages in the dead letters.
pub(crate) async fn dead(mb: &Minibatch) -> Result<Vec<Key>> {
    let log = log(mb, &StreamName::new(STREAM)?.dead()).await?;
    Ok(log.into_iter().flat_map(|record| record.keys).collect())
}

/// The windows in files.
pub(crate) fn files(folder: &Path) -> Result<Vec<SinkEntry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // what a killed process had not put in its place
        if !id.contains('.') {
            entries.push(SinkEntry { id, keys: serde_json::from_slice(&fs::read(&path)?)? });
        }
    }
    Ok(entries)
}

/// The windows in the table of effects.
pub(crate) fn rows(file: &Path) -> Result<Vec<SinkEntry>> {
    let database = sqlite::open(file, seconds(10))?;
    let mut select = database.prepare(&format!("SELECT \"window\", lane, number FROM {EFFECTS}"))?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    by_window(rows.map(|row| Ok(row?)))
}

/// Makes that table.
pub(crate) fn make_rows(file: &Path) -> Result<()> {
    let database = sqlite::open(file, seconds(10))?;
    database.execute_batch(&format!("CREATE TABLE {EFFECTS} (\"window\" TEXT, lane INTEGER, number INTEGER)"))?;
    Ok(())
}

/// The windows in the collection of effects.
pub(crate) async fn documents(client: &Client, database: &str) -> Result<Vec<SinkEntry>> {
    let collection = client.database(database).collection::<Document>(EFFECTS);
    let mut cursor = collection.find(doc! {}).read_concern(ReadConcern::majority()).await?;
    let mut found = Vec::new();
    while cursor.advance().await? {
        let effect = cursor.deserialize_current()?;
        found.push(Ok((effect.get_str("window")?.to_owned(), effect.get_i64("lane")?, effect.get_i64("number")?)));
    }
    by_window(found.into_iter())
}

/// How big the checkpoints of the consumers' group are, at most.
pub(crate) async fn checkpoint_bytes(file: &Path, server: Option<(&Client, &str)>) -> Result<u64> {
    let Some((client, database)) = server else {
        let database = sqlite::open(file, seconds(10))?;
        let select = "SELECT max(length(checkpoint)) FROM groups WHERE name = ?1";
        let bytes: i64 = database.query_row(select, [GROUP], |row| row.get(0))?;
        return Ok(bytes.try_into()?);
    };
    let groups = client.database(database).collection::<Document>("minibatch_groups");
    let group = groups.find_one(doc! { "g": GROUP }).await?.context("the group is not there")?;
    Ok(group.get_binary_generic("checkpoint")?.len() as u64)
}

fn by_window(effects: impl Iterator<Item = Result<(String, i64, i64)>>) -> Result<Vec<SinkEntry>> {
    let mut windows = BTreeMap::<String, Vec<Key>>::new();
    for effect in effects {
        let (window, lane, number) = effect?;
        let key = Key { lane: lane.try_into()?, number: number.try_into()? };
        windows.entry(window).or_default().push(key);
    }
    Ok(windows.into_iter().map(|(id, keys)| SinkEntry { id, keys }).collect())
}

/// What the control producers inserted, in its order: each document as a record.
pub(crate) async fn control(client: &Client, database: &str) -> Result<Vec<LogRecord>> {
    let collection = client.database(database).collection::<Document>(CONTROL);
    let mut cursor =
        collection.find(doc! {}).sort(doc! { "$natural": 1 }).read_concern(ReadConcern::majority()).await?;
    let mut log = Vec::new();
    while cursor.advance().await? {
        let note = cursor.deserialize_current()?;
        let (lane, number) = (u32::try_from(note.get_i64("lane")?)?, u64::try_from(note.get_i64("number")?)?);
        let slot = log.len() as u64 + 1;
        log.push(LogRecord::data(slot, "control", 1, slot, vec![Key { lane, number }]));
    }
    Ok(log)
}

/// What the roles logged.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// How often a consumer lost its partition to another.
    pub(crate) fenced: u64,
    /// Lines that hold what must not be there.
    pub(crate) canaries: u64,
}

pub(crate) fn logs(folder: &Path) -> Result<Logs> {
    let mut logs = Logs::default();
    for file in fs::read_dir(folder)? {
        let text = fs::read(file?.path())?;
        for line in String::from_utf8_lossy(&text).lines() {
            logs.fenced += u64::from(line.contains("lost the partition"));
            logs.canaries += u64::from(line.contains(CANARY));
        }
    }
    Ok(logs)
}
