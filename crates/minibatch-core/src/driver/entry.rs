//! Records made ready for a driver: messages found, append time known.

use std::sync::Arc;

use crate::{
    Error, Slot, Timestamp,
    chunk::{Chunk, Record, RecordKind},
};

/// A record of the log, ready for a driver.
#[derive(Clone, Debug)]
pub enum LogEntry {
    /// Messages.
    Messages(Arc<Chunk>),
    /// A record without messages.
    Control {
        /// Where it is.
        slot: Slot,
        /// The append time reached with it.
        time: Timestamp,
    },
}

impl LogEntry {
    /// Where it is.
    #[must_use]
    pub fn slot(&self) -> Slot {
        match self {
            Self::Messages(chunk) => chunk.slot(),
            Self::Control { slot, .. } => *slot,
        }
    }

    /// The append time reached with it.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Messages(chunk) => chunk.time(),
            Self::Control { time, .. } => *time,
        }
    }

    /// The bytes that it keeps in memory.
    #[must_use]
    pub fn pinned_bytes(&self) -> usize {
        match self {
            Self::Messages(chunk) => chunk.pinned_bytes(),
            Self::Control { .. } => 0,
        }
    }
}

/// Opens records in slot order and keeps the append time: the running maximum of their times.
#[derive(Clone, Debug)]
pub struct EntryReader {
    append_time: Timestamp,
}

impl EntryReader {
    /// From a place where the append time is known.
    #[must_use]
    pub fn new(append_time: Timestamp) -> Self {
        Self { append_time }
    }

    /// The append time reached.
    #[must_use]
    pub fn append_time(&self) -> Timestamp {
        self.append_time
    }

    /// Opens the next record.
    ///
    /// # Errors
    /// [`CorruptRecord`](crate::Cause::CorruptRecord) when its messages cannot be found.
    pub fn open(&mut self, record: &Record) -> Result<LogEntry, Error> {
        if record.kind.tells_time() {
            self.append_time = self.append_time.max(record.time);
        }
        match record.kind {
            RecordKind::Data => Ok(LogEntry::Messages(Chunk::open(record, self.append_time)?)),
            _ => Ok(LogEntry::Control { slot: record.slot, time: self.append_time }),
        }
    }
}
