//! From what is stored to a window former: the checkpoint, its pieces, and the records that it needs.

use std::sync::Arc;

use minibatch_core::{
    Cause, Error, Timestamp,
    checkpoint::Checkpoint,
    chunk::Chunk,
    driver::WindowFormer,
    storage::{GroupState, ReadLimit},
};

use super::super::supervisor::Setup;
use crate::retry::until_verdict;

/// How much is read at once while a buffer is restored.
const LIMIT: ReadLimit = ReadLimit { messages: 1 << 16, bytes: 4 << 20 };

/// Reads the group's checkpoint, and checks that the log still reaches up to it.
pub(super) async fn checkpoint(setup: &Setup, state: &GroupState, without_done: bool) -> Result<Checkpoint, Error> {
    let (storage, clock) = (setup.client.storage(), &**setup.client.clock());
    let checkpoint = match &state.checkpoint {
        None => Checkpoint::start(state.start),
        Some(inline) => {
            let mut pieces = Vec::new();
            for id in Checkpoint::pieces_of(inline)? {
                let piece =
                    until_verdict(clock, "read piece", || storage.read_piece(&setup.partition, &setup.group, id))
                        .await?;
                pieces.push(piece.ok_or_else(|| Cause::corrupt_state("checkpoint", "a piece of it is missing"))?);
            }
            Checkpoint::decode(inline, &pieces)?
        }
    };
    let bounds = until_verdict(clock, "bounds", || storage.bounds(&setup.partition)).await?;
    let position = checkpoint.base.position.offset.slot();
    if position > bounds.tail.next() {
        return Err(Cause::position_ahead_of_log(position, bounds.tail).into());
    }
    Ok(if without_done { checkpoint.without_done() } else { checkpoint })
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
                chunks.push(Arc::new(Chunk::open(record, time)?));
            }
        }
        if chunks.len() == before {
            return Err(Cause::corrupt_state("checkpoint", "it needs a record that is not there").into());
        }
    }
    Ok(chunks)
}
