//! What the tests share: a file in a directory of its own, and a producer.

use std::path::{Path, PathBuf};

use minibatch_core::{
    Error, ProducerId, Slot, StreamName, Timestamp,
    chunk::{ChunkBuilder, Encoded, NewChunk, Payload, ProducerStamp, Record},
    storage::{ChunkLog, Partition, ReadLimit, StreamStore},
};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};
use tempfile::TempDir;

pub(crate) const EVERYTHING: ReadLimit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };

/// A directory with room for a database file.
pub(crate) struct Place {
    _temporary: TempDir,
    directory: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::in_directory("data")
    }

    /// In a directory of that name.
    pub(crate) fn in_directory(name: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        Self { _temporary: temporary, directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("q.db")
    }

    pub(crate) async fn open(&self) -> SqliteStorage {
        open(&self.file()).await.unwrap()
    }

    /// What lies in the directory, by name.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// SQLite's own opinion of the file.
    pub(crate) fn assert_intact(&self) {
        let conn = rusqlite::Connection::open(self.file()).unwrap();
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}

pub(crate) async fn open(file: &Path) -> Result<SqliteStorage, Error> {
    SqliteStorage::open(file, SqliteOptions::default()).await
}

pub(crate) fn stream_name() -> StreamName {
    StreamName::new("quakes").unwrap()
}

/// The only partition of the stream that all tests use.
pub(crate) async fn partition(storage: &SqliteStorage) -> Partition {
    storage.open_stream(&stream_name(), 1).await.unwrap().partition(0)
}

pub(crate) fn payload(text: &str) -> Payload {
    let mut chunk = ChunkBuilder::new();
    chunk.fill(&Encoded::values(&[text]).unwrap(), 0);
    chunk.finish()
}

pub(crate) fn text_of(record: &Record) -> String {
    let chunk = minibatch_core::chunk::Chunk::open(record, record.time).unwrap();
    chunk.message(0).unwrap().decode().unwrap()
}

/// A registered producer and its next sequence.
pub(crate) struct Producer {
    pub(crate) storage: SqliteStorage,
    pub(crate) partition: Partition,
    pub(crate) stamp: ProducerStamp,
}

impl Producer {
    pub(crate) async fn register(storage: &SqliteStorage, id: &str) -> Self {
        let partition = partition(storage).await;
        let id = ProducerId::new(id).unwrap();
        let grant = storage.register_producer(&partition, &id).await.unwrap();
        let stamp = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
        Self { storage: storage.clone(), partition, stamp }
    }

    /// Appends the chunk of the next sequence, without going on to the one after.
    pub(crate) async fn try_append(&self, text: &str) -> Result<Slot, Error> {
        let chunk =
            NewChunk { producer: self.stamp.clone(), time: Timestamp::from_millis(i64::MAX), payload: payload(text) };
        self.storage.append(&self.partition, chunk).await
    }

    pub(crate) async fn append(&mut self, text: &str) -> Slot {
        let slot = self.try_append(text).await.unwrap();
        self.stamp.sequence += 1;
        slot
    }
}

/// All records.
pub(crate) async fn read_all(storage: &SqliteStorage, partition: &Partition) -> Vec<Record> {
    storage.read(partition, Slot::ZERO, EVERYTHING).await.unwrap()
}
