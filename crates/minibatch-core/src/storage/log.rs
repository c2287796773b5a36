//! The log of one partition: chunks appended, read, waited for and trimmed.

use std::fmt;

use async_trait::async_trait;

use super::{Partition, Position};
use crate::{
    Error, Offset, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record, RecordKind},
};

/// What registering a producer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerGrant {
    /// The epoch of this registration: greater than all earlier ones of the same id.
    pub epoch: u64,
    /// The sequence of the producer's next chunk.
    pub next_sequence: u64,
}

/// What a derived append came to: what stands under its number now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedAppend {
    /// Where it is; of a record that was trimmed since, a slot below the floor.
    pub slot: Slot,
    /// True where another payload was first: this one is nowhere. Of a record that is deleted nobody can tell: false.
    pub differs: bool,
}

/// How much to read at once, at least one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Stop after the record that reaches so many messages.
    pub messages: usize,
    /// Stop after the record that reaches so many bytes of payload.
    pub bytes: usize,
}

/// Both ends of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The lowest slot still promised: 0 in a new partition.
    pub floor: Slot,
    /// The append time of the floor's own record: no kept record's append time is before it.
    pub floor_time: Timestamp,
    /// How many messages there were in all slots below the floor.
    pub floor_count: u64,
    /// The highest slot that is filled; 0 when none ever was.
    pub tail: Slot,
}

impl LogBounds {
    /// The place of the first record still promised.
    #[must_use]
    pub fn first(&self) -> Position {
        let Self { floor, floor_time, floor_count, .. } = *self;
        Position { offset: Offset::first_of(floor.max(Slot::FIRST)), time: floor_time, count: floor_count }
    }
}

/// A record without its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSummary {
    /// Where it is.
    pub slot: Slot,
    /// What it is.
    pub kind: RecordKind,
    /// When, as [`Record::time`].
    pub time: Timestamp,
    /// How many messages it has.
    pub messages: u32,
    /// The bytes of its payload, as stored.
    pub bytes: u64,
}

/// What a trim takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// What every group has finished with; without groups nothing.
    Finished,
    /// That, and what lies below the slot, whoever needs it.
    FinishedOrBelow(Slot),
    /// What lies below the slot, and nothing else.
    Below(Slot),
}

impl Trim {
    /// The lowest slot that it leaves, where groups need what lies from `needed` on; `None` without groups.
    #[must_use]
    pub fn end(self, needed: Option<Slot>) -> Slot {
        let finished = needed.unwrap_or(Slot::ZERO);
        match self {
            Self::Finished => finished,
            Self::FinishedOrBelow(cut) => finished.max(cut),
            Self::Below(cut) => cut,
        }
    }
}

/// What a trim did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// The floor now.
    pub floor: Slot,
    /// How many records were deleted by this call.
    pub deleted: u64,
}

/// What became of a punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Punctuated {
    /// It is in the slot after.
    Appended,
    /// The log ends elsewhere, by this very call if it was repeated, or there is nothing in it: nothing was written.
    Elsewhere,
    /// The storage writes none, or the user's rights do not allow it.
    Unsupported,
}

/// Appends to, reads, awaits and trims the log of a partition.
///
/// # Contract
/// 1. *Whole or not at all*: a chunk is visible entirely or not.
/// 2. *Once*: appending the same (producer id, sequence) again writes nothing and returns the first one's slot.
///    Also after that record was trimmed; the slot returned is then the floor or below.
/// 3. *One order*: every reader finds the same record in the same slot, for ever; slots are dense from 1 on.
/// 4. *Own order*: a chunk whose append returned before another began has the lower slot.
/// 5. A sequence that skips or goes back to one never used gives
///    [`OutOfOrderSequence`](crate::Cause::OutOfOrderSequence); a sequence used with another payload
///    [`SequenceConflict`](crate::Cause::SequenceConflict), where the record is still there to compare.
/// 6. *Fencing*: registering a producer id again fences the earlier registration: its next append gives
///    [`Fenced`](crate::Cause::Fenced), from its heir's first append on at the latest. The heir's `next_sequence` follows
///    the last one appended. An epoch that was never given gives [`OutOfRange`](crate::Cause::OutOfRange).
/// 7. `read` returns records from `from` on, contiguous, in slot order, whole, and at least one when there is one; an
///    empty answer means that `from` is past the tail, or that the record there is still on its way while later ones
///    came: then it can be read, or is given up, within seconds. `from` [`Slot::ZERO`] reads from the first slot.
/// 8. `read` stops after the record that reaches a limit.
/// 9. Reading from below the floor gives [`OffsetTrimmed`](crate::Cause::OffsetTrimmed), or the records from there on
///    while they are not deleted: never a silent skip.
/// 10. A record that is damaged gives [`CorruptRecord`](crate::Cause::CorruptRecord); records before it in the same
///     answer are returned first. A record of another kind than messages that has some is damaged.
/// 11. A record's time is the producer's clock within the bounds of [`clamp_time`](crate::chunk::clamp_time).
/// 12. `wait` returns once a record above `after` can be read, within a second of its append by whatever client, at once
///     when there is one. It may return for no reason. When the stream is dropped it returns too, or gives
///     [`StreamDropped`](crate::Cause::StreamDropped).
/// 13. `trim` deletes what its [`Trim`] says: what every group has finished with (records below the `keep_from` of all),
///     where there are groups, and what lies below a slot, whoever needs it. It never deletes the last record. The floor is
///     raised before anything is deleted. It may leave deleting to a later call, so that a slow client comes to no harm.
/// 14. An empty payload is a chunk like any other.
/// 15. `survey` returns what `read` would, without the messages, and at most `limit` records (at least one when there is
///     one); whether payloads are sound it does not look.
/// 16. `floor_count` and the messages of the records from the floor on are all that were ever appended.
/// 17. *First write wins*: of the derived chunks of one id and number the first is appended, and stands for ever, also
///     after it was trimmed, whatever the others hold and however late they come. Below the greatest `below` that came with
///     the id, a number may count as used that never was. The chunks of one call are appended in their order; an error
///     leaves some of them appended, from the first on.
/// 18. *Punctuation*: where the log ends with the slot `after`, `punctuate` fills the next one with a record of the kind
///     [`Punctuation`](RecordKind::Punctuation), which has no messages, is stamped
///     [so](crate::chunk::ProducerStamp::punctuation), and whose time is that given, within the bounds of clause 11.
///     Where it ends elsewhere, and where nothing was ever appended, it writes nothing: so of calls with the same `after`
///     one writes at most. A storage that writes none says so and writes nothing: then each group decides for itself that
///     a deadline has come.
///
/// # Errors
/// Besides those named, [`Retry`](crate::ErrorKind::Retry) without a verdict, and
/// [`StreamDropped`](crate::Cause::StreamDropped).
///
/// # Cancel safety
/// A dropped `append` may still have appended: append the same chunk again (clause 2). The others, `append_derived` too,
/// change nothing that a second call would not.
#[async_trait]
pub trait ChunkLog: fmt::Debug + Send + Sync + 'static {
    /// Registers a producer, fencing earlier registrations of the same id.
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error>;

    /// Appends one chunk; returns its slot once it is durable.
    async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error>;

    /// Appends chunks that may have been appended before; returns what stands of each once that is durable.
    async fn append_derived(
        &self,
        partition: &Partition,
        chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error>;

    /// Reads records from `from` on.
    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error>;

    /// Waits until there may be a record above `after`.
    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error>;

    /// Both ends of the log.
    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error>;

    /// Reads records from `from` on without their messages.
    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error>;

    /// Says in the log that all that comes after the slot `after`, its last, has this time or a later one.
    ///
    /// Without an implementation the storage writes none.
    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let _ = (partition, after, time);
        Ok(Punctuated::Unsupported)
    }

    /// Removes what is not to be kept any more.
    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error>;
}
