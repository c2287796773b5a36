//! From what is stored to a window former: the checkpoint, its pieces, and the records that it needs.

use std::sync::Arc;

use minibatch_core::{
    Cause, Error, Timestamp,
    checkpoint::Checkpoint,
    chunk::Chunk,
    driver::WindowFormer,
    storage::{Counters, GroupState, ReadLimit},
};

use super::super::{OnExpired, supervisor::Setup};
use crate::{
    accounts::{self, Cut},
    retry::until_verdict,
    stored,
};

/// How much is read at once while a buffer is restored.
const LIMIT: ReadLimit = ReadLimit { messages: 1 << 16, bytes: 4 << 20 };

/// What a session goes on from.
pub(super) struct Restored {
    pub(super) checkpoint: Checkpoint,
    pub(super) counters: Counters,
    /// They are not what is stored.
    pub(super) changed: bool,
}

/// Reads the group's checkpoint, and checks that the log still reaches up to it, and down to it.
pub(super) async fn checkpoint(setup: &Setup, state: &GroupState, without_done: bool) -> Result<Restored, Error> {
    let Setup { client, partition, group, .. } = setup;
    let mut checkpoint = stored::checkpoint(client, partition, group, state).await?;
    let bounds = until_verdict(&**client.clock(), "bounds", || client.storage().bounds(partition)).await?;
    let position = checkpoint.base.position.offset.slot();
    if position > bounds.tail.next() {
        return Err(Cause::position_ahead_of_log(position, bounds.tail).into());
    }
    let (mut counters, mut changed) = (state.counters, false);
    if let Some(cut) = accounts::cut(&checkpoint, counters, bounds.first()) {
        if setup.options.on_expired == OnExpired::Stop {
            return Err(Cause::offset_trimmed(bounds.floor).into());
        }
        let Cut { lost, from, .. } = cut;
        tracing::warn!(%partition, %group, lost, %from, to = %bounds.first().offset,
            "retention took messages that the group had not finished, going on after them");
        (checkpoint, counters, changed) = (cut.checkpoint, cut.counters, true);
    }
    if without_done {
        checkpoint = accounts::without_done(checkpoint, &mut counters);
    }
    Ok(Restored { checkpoint, counters, changed })
}

/// Reads the records that the checkpoint's buffer and open windows hold, each opened with the append time it had.
pub(super) async fn records(setup: &Setup, checkpoint: &Checkpoint) -> Result<Vec<Arc<Chunk>>, Error> {
    let (storage, clock) = (setup.client.storage(), &**setup.client.clock());
    let mut needed = WindowFormer::slots_needed(checkpoint).peekable();
    let mut chunks = Vec::new();
    while let Some(&(from, _)) = needed.peek() {
        let records = until_verdict(clock, "read", || storage.read(&setup.partition, from, LIMIT)).await?;
        let before = chunks.len();
        for record in &records {
            if let Some((_, time)) = needed.next_if(|&(slot, _): &(_, Timestamp)| slot == record.slot) {
                chunks.push(Chunk::open(record, time)?);
            }
        }
        if chunks.len() == before {
            return Err(Cause::corrupt_state("checkpoint", "it needs a record that is not there").into());
        }
    }
    Ok(chunks)
}
