//! What is appended, and what is read back.

use std::time::Duration;

use super::Payload;
use crate::{Cause, Error, ProducerId, Slot, Timestamp, storage::RecordSummary};

/// Who wrote a record: the key by which an append is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer.
    pub id: ProducerId,
    /// How often this id had been registered: the newest fences the others. 0 for a [`DerivedChunk`].
    pub epoch: u64,
    /// The producer's own count of its chunks in this partition: 1, 2, 3, … For a [`DerivedChunk`] its number.
    pub sequence: u64,
}

impl ProducerStamp {
    /// That of the punctuation in a slot: no producer has its id, no other record its number, and no derived chunk its epoch.
    #[must_use]
    pub fn punctuation(slot: Slot) -> Self {
        Self { id: ProducerId::reserved("punct"), epoch: 1, sequence: slot.get() }
    }
}

/// One append: a chunk that has no slot yet.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Who appends, and which of its chunks this is.
    pub producer: ProducerStamp,
    /// The producer's clock.
    pub time: Timestamp,
    /// The messages.
    pub payload: Payload,
}

/// An append that follows from something else, as a window's output does: whoever works that out again has the same id and
/// number, in whatever order, and only the first one is appended.
#[derive(Clone, Debug)]
pub struct DerivedChunk {
    /// What it follows from. Ids of [registered producers](crate::storage::ChunkLog::register_producer) are others:
    /// [`ProducerId::reserved`] makes one that they cannot have.
    pub id: ProducerId,
    /// Which of the appends that follow from it this is: any number below 2^63, in any order.
    pub number: u64,
    /// No lower number will be new any more: what was kept to know them by can be forgotten.
    pub below: u64,
    /// The writer's clock.
    pub time: Timestamp,
    /// The messages.
    pub payload: Payload,
}

impl DerivedChunk {
    /// The stamp of its record: no registration ever has epoch 0.
    #[must_use]
    pub fn stamp(&self) -> ProducerStamp {
        ProducerStamp { id: self.id.clone(), epoch: 0, sequence: self.number }
    }
}

/// What kind of record fills a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// Messages.
    Data,
    /// Fills a slot whose producer died or was too slow.
    Tombstone,
    /// Says that every later message has this record's time or a later one.
    Punctuation,
    /// A control record of a newer version: skipped.
    Unknown,
}

impl RecordKind {
    /// The name that storages keep; that of [`RecordKind::Unknown`] is never written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Tombstone => "tomb",
            Self::Punctuation => "punct",
            Self::Unknown => "unknown",
        }
    }

    /// Whether append time takes its time: a tombstone's says nothing of messages, and of an unknown record nothing is known.
    #[must_use]
    pub fn tells_time(self) -> bool {
        matches!(self, Self::Data | Self::Punctuation)
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        [Self::Data, Self::Tombstone, Self::Punctuation]
            .into_iter()
            .find(|kind| kind.name() == name)
            .unwrap_or(Self::Unknown)
    }

    /// The kind of the record in `slot` that has so many messages. Only [`RecordKind::Data`] has any, in this version and
    /// every later one: so a name that was damaged hides none.
    ///
    /// # Errors
    /// [`Cause::CorruptRecord`] for a record of another kind with messages.
    pub fn stored(slot: Slot, name: &str, messages: i64) -> Result<Self, Error> {
        match Self::from_name(name) {
            Self::Data => Ok(Self::Data),
            control if messages == 0 => Ok(control),
            _ => Err(Cause::corrupt_record(slot, "it has messages and is of a kind that has none").into()),
        }
    }
}

/// One slot of the log as a storage gives it back.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is.
    pub slot: Slot,
    /// What it is.
    pub kind: RecordKind,
    /// Who wrote it.
    pub producer: ProducerStamp,
    /// When: the producer's clock, kept near the storage's by [`clamp_time`]. Append time is the running maximum of
    /// this in slot order; the reader takes it.
    pub time: Timestamp,
    /// The messages; empty for control records.
    pub payload: Payload,
}

impl Record {
    /// The record without its messages.
    #[must_use]
    pub fn summary(&self) -> RecordSummary {
        RecordSummary {
            slot: self.slot,
            kind: self.kind,
            time: self.time,
            messages: self.payload.count(),
            bytes: self.payload.bytes().len() as u64,
        }
    }
}

/// A producer's clock, kept within 5 s before and 1 s after the storage's `stamp`, so that a wrong clock moves no other
/// producer's messages far.
#[must_use]
pub fn clamp_time(producer: Timestamp, stamp: Timestamp) -> Timestamp {
    producer.clamp(stamp.minus(Duration::from_secs(5)), stamp.plus(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_kind_hides_no_messages() {
        let slot = Slot::FIRST;
        assert_eq!(RecordKind::stored(slot, "data", 3).unwrap(), RecordKind::Data);
        assert_eq!(RecordKind::stored(slot, "tomb", 0).unwrap(), RecordKind::Tombstone);
        assert_eq!(RecordKind::stored(slot, "marker", 0).unwrap(), RecordKind::Unknown);
        for name in ["dcta", "tomb", "punct", ""] {
            let error = RecordKind::stored(slot, name, 3).unwrap_err();
            assert!(matches!(error.cause(), Cause::CorruptRecord { .. }), "{name}");
        }
    }
}
