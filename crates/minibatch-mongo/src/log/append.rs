//! Appending: insert at the known tail + 1, and find out what became of it whenever that is not plain.

use minibatch_core::{Cause, Error, Slot, chunk::NewChunk, storage::Partition};

use super::{
    chunk,
    producers::{Producers, Verdict},
    resolve::Resolved,
    tail::Tail,
};
use crate::{
    client::Client,
    database::{Collection, Failure, PRODUCER_KEY, SLOT_KEY},
    partition::PartitionState,
};

/// What this client's appends to a partition know, one after the other.
#[derive(Default)]
pub(crate) struct Appending {
    /// Taken out while it is used: an append that is dropped half way leaves nothing that may be wrong.
    tail: Option<Tail>,
    pub(super) producers: Producers,
}

/// Ids that control records are written under, with their slot for a number.
const CONTROL_IDS: [&str; 2] = ["~tomb", "~punct"];

/// What one insert came to.
enum Attempt {
    /// It stands, in this slot.
    Appended(Slot),
    /// Somebody else has the slot, and this was the tail.
    Lost(Tail),
    /// Nothing was written.
    Failed(Failure),
    /// It has to be asked for.
    Unclear(Failure),
}

impl Client {
    pub(super) async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        if CONTROL_IDS.contains(&chunk.producer.id.as_str()) {
            return Err(Cause::invalid_name("producer", "this id is for control records").into());
        }
        let state = self.partitions().find_or_insert(partition);
        let mut turn = state.appending.lock().await;
        let (_, document) = self.check(partition).await?;
        let verdict = self.judge(partition, document.floor, &mut turn.producers, &chunk).await?;
        let slot = match verdict {
            Verdict::Known(slot) => slot,
            Verdict::New(stored) => self.append_new(partition, &state, &mut turn, &chunk, stored).await?,
        };
        drop(turn);
        state.saw_tail(slot);
        Ok(slot)
    }

    /// Writes until there is a verdict, or no patience left.
    async fn append_new(
        &self,
        partition: &Partition,
        state: &PartitionState,
        turn: &mut Appending,
        chunk: &NewChunk,
        mut stored: u64,
    ) -> Result<Slot, Error> {
        let mut attempts = self.attempts();
        let mut tail = self.tail(partition, state, turn.tail.take()).await?;
        loop {
            let failure = match self.attempt(partition, chunk, stored, tail, turn).await? {
                Attempt::Appended(slot) => return Ok(slot),
                Attempt::Lost(lost) => {
                    tail = self.tail_after_race(partition, state, lost).await?;
                    Failure::NotApplied("other writers were quicker every time".to_owned())
                }
                Attempt::Failed(failure) => {
                    tail = self.tail(partition, state, Some(tail)).await?;
                    failure
                }
                Attempt::Unclear(failure) => {
                    match self.resolve(partition, chunk, stored).await? {
                        Resolved::Appended(slot) => {
                            turn.producers.appended(&chunk.producer);
                            return Ok(slot);
                        }
                        Resolved::Absent => {}
                        Resolved::Renumbered(number) => {
                            turn.producers.renumber(&chunk.producer, number);
                            stored = number;
                        }
                    }
                    tail = self.tail(partition, state, None).await?;
                    failure
                }
            };
            if !attempts.again().await {
                return Err(failure.into());
            }
        }
    }

    /// One insert at the tail + 1.
    async fn attempt(
        &self,
        partition: &Partition,
        chunk: &NewChunk,
        stored: u64,
        tail: Tail,
        turn: &mut Appending,
    ) -> Result<Attempt, Error> {
        let slot = Slot::new(tail.slot.get() + 1)?;
        let mut producer = chunk.producer.clone();
        producer.sequence = stored;
        let document = chunk::encode(partition, slot, &producer, chunk.time, &chunk.payload)?;
        let sent = self.clock().elapsed();
        match self.database().insert(Collection::Chunks, document).await {
            Ok(()) => {
                let in_time = tail.is_good(self.clock().elapsed());
                // a slot that was merely read may have been trimmed long ago, where the key guards nothing
                let stands = in_time && (tail.proven || self.read_partition(partition).await?.floor <= slot);
                if !stands {
                    return Ok(Attempt::Unclear(Failure::Indeterminate("the append took too long".to_owned())));
                }
                turn.tail = Some(Tail { slot, taught: sent, proven: true });
                turn.producers.appended(&chunk.producer);
                Ok(Attempt::Appended(slot))
            }
            Err(Failure::Duplicate(key)) if key == SLOT_KEY => Ok(Attempt::Lost(tail)),
            Err(Failure::Duplicate(key)) if key == PRODUCER_KEY => {
                Ok(Attempt::Unclear(Failure::Indeterminate("the append's number is taken".to_owned())))
            }
            Err(Failure::Refused(cause)) => Err(cause.into()),
            Err(failure @ Failure::NotApplied(_)) => Ok(Attempt::Failed(failure)),
            Err(failure) => Ok(Attempt::Unclear(failure)),
        }
    }
}
