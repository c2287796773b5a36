//! What a storage is: four small traits over streams, their logs, their groups, and notes beside these.
//!
//! An implementor writes [`StreamStore`], [`ChunkLog`], [`GroupStore`] and [`NoteStore`] for one type; [`Storage`] follows
//! by itself, and `Arc<dyn Storage>` is what the runtime takes. Storages know nothing of windows: a group's checkpoint is opaque bytes.
//!
//! Every clause of the numbered contracts is a case of the conformance suite in `minibatch-testkit`: run it first.
//!
//! # What holds for every operation
//! - **A.** An error of kind [`Retry`](crate::ErrorKind::Retry) leaves open whether the operation took effect; the same
//!   call again gets a verdict.
//! - **B.** An effect that was reported is durable, and visible to every later call of every client.
//! - **C.** A future that is dropped may still take effect, and breaks nothing else.
//! - **D.** A [`Partition`] of a stream that was dropped (or dropped and created again) gives
//!   [`StreamDropped`](crate::Cause::StreamDropped), one whose index is not below the stream's number of partitions
//!   [`InvalidPartition`](crate::Cause::InvalidPartition).

mod commit;
mod effect;
mod forward;
mod groups;
mod log;
mod notes;
mod streams;
mod used;

use std::fmt;

pub use commit::{Commit, CommitVerdict, Counters, Fence};
pub use effect::{Effect, SqlValue};
pub use groups::{Acquired, GroupState, GroupStore, PieceId, Position, Start};
pub use log::{ChunkLog, DerivedAppend, LogBounds, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Trim, Trimmed};
pub use notes::{NOTE_MAX_BYTES, Note, NotePlace, NoteStore};
pub use streams::{Generation, Incarnation, Partition, StreamInfo, StreamStore};
pub use used::UsedNumbers;

/// Everything that the runtime needs of a storage. Implemented for whatever has the four parts.
pub trait Storage: StreamStore + ChunkLog + GroupStore + NoteStore {}

impl<S: StreamStore + ChunkLog + GroupStore + NoteStore + ?Sized> Storage for S {}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.stream, self.index)
    }
}
