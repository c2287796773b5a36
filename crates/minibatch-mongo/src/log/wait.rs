//! Waiting for more: hints where there are some, and looking from time to time as the truth.

use std::{pin::pin, time::Duration};

use minibatch_core::{Error, Slot, storage::Partition};

use crate::{
    client::Client,
    database::{Collection, Filter, Find},
    partition::PartitionState,
};

/// How long to wait before looking for the first time, and how long at most.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(250);

impl Client {
    pub(super) async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        let _attention = self.hints.attend(&partition.stream);
        let mut pause = SHORTEST;
        loop {
            let (state, document) = self.check(partition).await?;
            let mut own = state.tail_changes();
            // listens from before it looks
            let mut hint = pin!(state.hint.notified());
            hint.as_mut().enable();
            // at a hole, what lies behind it is no reason to return: that the hole is filled is one, or is due to be
            let hole = self.hole_due(&state, after.next());
            let due = hole.map(|due| due.saturating_sub(self.clock().elapsed()));
            if due.is_some_and(|due| due.is_zero()) || self.has_after(partition, &state, after, document.floor).await? {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = own.wait_for(|tail| *tail > after), if hole.is_none() => return Ok(()),
                () = hint => {}
                () = self.clock().sleep(pause.min(due.unwrap_or(pause))) => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Whether there is something to read after that slot.
    async fn has_after(
        &self,
        partition: &Partition,
        state: &PartitionState,
        after: Slot,
        floor: Slot,
    ) -> Result<bool, Error> {
        let next = after.next();
        if floor > next {
            return Ok(true);
        }
        if state.holes.seen(next).is_some() {
            let this = Filter::of(partition).eq("slot", next.to_i64());
            return Ok(self.find_one(Find::one(Collection::Chunks, this).only(&["slot"])).await?.is_some());
        }
        if state.tail() <= after {
            state.saw_tail(self.read_tail(partition, floor).await?);
        }
        Ok(state.tail() > after)
    }
}
