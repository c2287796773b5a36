//! All that a run left behind.

use super::{History, Key, Verdict, appends, windows};

/// A record of the log in the end, as an independent reader found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it is.
    pub slot: u64,
    /// Whether it fills a slot that nobody else would have.
    pub tombstone: bool,
    /// Who wrote it: id, epoch, sequence.
    pub stamp: (String, u64, u64),
    /// Its messages; empty for control records.
    pub keys: Vec<Key>,
}

impl LogRecord {
    /// A record of messages.
    #[must_use]
    pub fn data(slot: u64, producer: &str, epoch: u64, sequence: u64, keys: Vec<Key>) -> Self {
        Self { slot, tombstone: false, stamp: (producer.to_owned(), epoch, sequence), keys }
    }
}

/// What a sink holds under one window id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkEntry {
    /// The window's id.
    pub id: String,
    /// Its messages.
    pub keys: Vec<Key>,
}

/// How far the group was, as somebody saw it during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The owner's epoch.
    pub epoch: u64,
    /// The version of its state.
    pub version: u64,
    /// The smallest packed offset that it still needs.
    pub keep_from: u64,
}

/// All that a run left behind. Nothing of the log was trimmed: it begins with slot 1.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The clients' accounts.
    pub histories: Vec<History>,
    /// The log, in the order of its slots.
    pub log: Vec<LogRecord>,
    /// The packed offset below which the group says that all is done; 0 without a group.
    pub committed: u64,
    /// The group's state in the order in which it was seen.
    pub seen: Vec<Seen>,
    /// The sink, where the run had one.
    pub sink: Option<Vec<SinkEntry>>,
    /// The messages in the dead letters.
    pub dead: Vec<Key>,
}

impl Outcome {
    /// Counts what happened, and what breaks a promise.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        appends::judge(self, &mut verdict);
        windows::judge(self, &mut verdict);
        verdict
    }
}
