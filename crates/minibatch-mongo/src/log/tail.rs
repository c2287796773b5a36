//! The end of the log, and how long it is good to write after it.

use std::time::Duration;

use minibatch_core::{Error, Slot, storage::Partition};

use super::chunk;
use crate::{
    client::Client,
    database::{Collection, Filter, Find, Order},
    partition::PartitionState,
};

/// How long what taught a slot is good for. A record of a slot after it cannot have been deleted within that time:
/// trimming waits much longer between raising the floor and deleting.
pub(super) const SLOT_AGE: Duration = Duration::from_secs(2);

/// The last filled slot, as known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) slot: Slot,
    /// When the request was sent that told of it.
    pub(super) read: Duration,
    /// When it was taught, which is where its age counts from.
    pub(super) taught: Duration,
    /// True when an append of our own did, which a majority acknowledged: at `taught` nothing lay after that append, and
    /// so whatever lies there now was written since. What was merely read may be older than any time.
    pub(super) proven: bool,
}

impl Tail {
    pub(super) fn is_good(&self, now: Duration) -> bool {
        now.saturating_sub(self.taught) < SLOT_AGE
    }
}

impl Client {
    /// The last filled slot that a majority has. It tells of the log's end without fetching anything of a chunk.
    pub(crate) async fn read_tail(&self, partition: &Partition, floor: Slot) -> Result<Slot, Error> {
        let find = Find::one(Collection::Chunks, Filter::of(partition)).sorted("slot", Order::Down).only(&["slot"]);
        let last = self.find_one(find).await?;
        Ok(last.and_then(|document| chunk::slot(&document)).unwrap_or(Slot::ZERO).max(floor))
    }

    /// The tail to append after: what is known while it is good, else what is read.
    pub(super) async fn tail(
        &self,
        partition: &Partition,
        state: &PartitionState,
        known: Option<Tail>,
    ) -> Result<Tail, Error> {
        let now = self.clock().elapsed();
        if let Some(known) = known.filter(|known| known.is_good(now)) {
            return Ok(known);
        }
        let slot = self.read_tail(partition, Slot::ZERO).await?;
        state.saw_tail(slot);
        Ok(Tail { slot, read: now, taught: now, proven: false })
    }

    /// The tail after a lost race: read again. What our own append taught still holds, for as long as it would have:
    /// every slot after it was filled since.
    pub(super) async fn tail_after_race(
        &self,
        partition: &Partition,
        state: &PartitionState,
        lost: Tail,
    ) -> Result<Tail, Error> {
        let now = self.clock().elapsed();
        let slot = self.read_tail(partition, Slot::ZERO).await?;
        state.saw_tail(slot);
        if lost.proven && lost.is_good(now) {
            return Ok(Tail { slot: slot.max(lost.slot), read: now, ..lost });
        }
        Ok(Tail { slot, read: now, taught: now, proven: false })
    }
}
