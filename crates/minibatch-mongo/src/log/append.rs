//! Appending: insert at the known tail + 1, and find out what became of it whenever that is not plain.

use minibatch_core::{Cause, Error, Slot, chunk::NewChunk, storage::Partition};

use super::{chunk, numbers::Producers, producers::Verdict, resolve::Resolved, tail::Tail};
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
    /// Somebody else has the slot.
    Lost,
    /// Nothing was written.
    Failed(Failure),
    /// It has to be asked for.
    Unclear(Failure),
}

/// What is known of the tail for the next attempt.
enum Known {
    Still(Tail),
    /// Others have filled the slot after this one.
    After(Tail),
    Nothing,
}

impl Client {
    pub(super) async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
        if CONTROL_IDS.contains(&chunk.producer.id.as_str()) {
            return Err(Cause::invalid_name("producer", "this id is for control records").into());
        }
        let state = self.partitions().find_or_insert(partition);
        let mut turn = state.appending.lock().await;
        self.check(partition).await?;
        let slot = self.append_in_turn(partition, &state, &mut turn, &chunk).await?;
        drop(turn);
        state.saw_tail(slot);
        Ok(slot)
    }

    /// Writes until there is a verdict, or no patience left.
    async fn append_in_turn(
        &self,
        partition: &Partition,
        state: &PartitionState,
        turn: &mut Appending,
        chunk: &NewChunk,
    ) -> Result<Slot, Error> {
        let mut attempts = self.attempts();
        let mut tail = self.tail(partition, state, turn.tail.take()).await?;
        loop {
            let stored = match self.judge(partition, &mut turn.producers, chunk, tail.read).await? {
                Verdict::Known(slot) => return Ok(slot),
                Verdict::New(stored) => stored,
            };
            let sent = self.clock().elapsed();
            // also for when this is dropped half way
            let doubted = turn.producers.doubt(&chunk.producer, true);
            let (known, failure) = match self.attempt(partition, chunk, stored, tail).await? {
                Attempt::Appended(slot) => {
                    turn.tail = Some(Tail { slot, read: sent, taught: sent, proven: true });
                    turn.producers.appended(&chunk.producer, sent);
                    return Ok(slot);
                }
                Attempt::Lost => {
                    turn.producers.doubt(&chunk.producer, doubted);
                    let failure = Failure::NotApplied("other writers were quicker every time".to_owned());
                    (Known::After(tail), failure)
                }
                Attempt::Failed(failure) => {
                    turn.producers.doubt(&chunk.producer, doubted);
                    (Known::Still(tail), failure)
                }
                Attempt::Unclear(failure) => {
                    match self.resolve(partition, chunk, stored).await? {
                        Resolved::Appended(slot) => {
                            turn.producers.appended(&chunk.producer, sent);
                            return Ok(slot);
                        }
                        Resolved::Absent => {}
                        Resolved::Renumbered(number) => turn.producers.renumber(&chunk.producer, number),
                    }
                    (Known::Nothing, failure)
                }
            };
            if !attempts.again().await {
                return Err(failure.into());
            }
            tail = match known {
                Known::After(lost) => self.tail_after_race(partition, state, lost).await?,
                Known::Still(tail) => self.tail(partition, state, Some(tail)).await?,
                Known::Nothing => self.tail(partition, state, None).await?,
            };
        }
    }

    /// One insert at the tail + 1.
    async fn attempt(
        &self,
        partition: &Partition,
        chunk: &NewChunk,
        stored: u64,
        tail: Tail,
    ) -> Result<Attempt, Error> {
        let slot = Slot::new(tail.slot.get() + 1)?;
        let mut producer = chunk.producer.clone();
        producer.sequence = stored;
        let document = chunk::encode(partition, slot, &producer, chunk.time, &chunk.payload)?;
        match self.database().insert(Collection::Chunks, document).await {
            Ok(()) => {
                let in_time = tail.is_good(self.clock().elapsed());
                // a slot that was merely read may have been trimmed long ago, where the key guards nothing
                let stands = in_time && (tail.proven || self.read_partition(partition).await?.floor <= slot);
                match stands {
                    true => Ok(Attempt::Appended(slot)),
                    false => Ok(Attempt::Unclear(Failure::Indeterminate("the append took too long".to_owned()))),
                }
            }
            Err(Failure::Duplicate(key)) if key == SLOT_KEY => Ok(Attempt::Lost),
            Err(Failure::Duplicate(key)) if key == PRODUCER_KEY => {
                Ok(Attempt::Unclear(Failure::Indeterminate("the append's number is taken".to_owned())))
            }
            Err(Failure::Refused(cause)) => Err(cause.into()),
            Err(failure @ Failure::NotApplied(_)) => Ok(Attempt::Failed(failure)),
            Err(failure) => Ok(Attempt::Unclear(failure)),
        }
    }
}
