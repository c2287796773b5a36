//! Holes: slots that are empty while later ones are filled. Whoever reserved such a slot died, is slow, or lost the server.
//!
//! A reader that has seen one for so long fills it with a tombstone. That is an insert like any other: where the producer
//! was quicker after all, the reader finds its chunk, and where it was not, the producer takes another slot.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{ProducerStamp, RecordKind},
    storage::Partition,
};

use super::chunk;
use crate::{
    MongoStorage,
    client::Client,
    database::{Collection, Failure},
    partition::PartitionState,
};

/// The id that tombstones are written under, with their slot for a number: the unique key of producers and numbers takes
/// missing fields for equal.
pub(super) const TOMBSTONE: &str = "~tomb";

/// The holes that readers stand at, and when each was first seen.
#[derive(Default)]
pub(crate) struct Holes(Mutex<BTreeMap<Slot, Duration>>);

impl Holes {
    /// Notes a hole; returns when it was first seen.
    fn saw(&self, slot: Slot, now: Duration) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(slot).or_insert(now)
    }

    /// When a hole was first seen, for one that nobody has read past.
    pub(super) fn seen(&self, slot: Slot) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&slot).copied()
    }

    /// Everything before that slot is filled, or trimmed.
    pub(super) fn filled_before(&self, slot: Slot) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|hole, _| *hole >= slot);
    }
}

impl MongoStorage {
    /// How many slots this storage's readers have filled, since it was connected, that a producer had reserved and left
    /// empty: because it died, was slow, or lost the server. While nothing goes wrong it stays 0.
    #[must_use]
    pub fn gap_repairs(&self) -> u64 {
        self.client.gap_repairs()
    }
}

impl Client {
    /// When the hole at a slot is due to be filled, if one was seen there.
    pub(super) fn hole_due(&self, state: &PartitionState, slot: Slot) -> Option<Duration> {
        state.holes.seen(slot).map(|seen| seen + self.options().gap_timeout)
    }

    /// Notes a hole that is above the floor. Once it is due, fills it and returns `true`: there is something to read.
    pub(super) async fn mend(&self, partition: &Partition, state: &PartitionState, slot: Slot) -> Result<bool, Error> {
        let now = self.clock().elapsed();
        let seen = state.holes.saw(slot, now);
        if now.saturating_sub(seen) < self.options().gap_timeout {
            return Ok(false);
        }
        let stamp = ProducerStamp { id: ProducerId::stored(TOMBSTONE), epoch: 0, sequence: slot.get() };
        // as early as its stamp allows: it is no reason to put the records after it later
        let time = Timestamp::EPOCH;
        let tombstone = chunk::encode_control(partition, slot, RecordKind::Tombstone, &stamp, time)?;
        match self.settle(|| self.database().insert(Collection::Chunks, tombstone.clone())).await {
            Ok(()) => {
                self.count_gap_repair();
                tracing::warn!(%partition, %slot, "a slot that its producer left empty was filled with a tombstone");
                Ok(true)
            }
            // by its producer, by another reader, or by this one in an attempt that was unclear
            Err(Failure::Duplicate(_)) => Ok(true),
            Err(failure) => Err(failure.into()),
        }
    }
}
