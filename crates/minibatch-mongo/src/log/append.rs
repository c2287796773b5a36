//! Appending: put a chunk into the next slot, and find out what became of it whenever that is not plain.

use bson::RawDocumentBuf;
use minibatch_core::{Cause, Error, Slot, chunk::NewChunk, storage::Partition};

use super::{
    chunk,
    derived::TrimmedNumbers,
    holes::TOMBSTONE,
    numbers::Producers,
    producers::Verdict,
    punctuation::PUNCTUATION,
    resolve::Resolved,
    slots::{Place, Slots, Teacher},
};
use crate::{
    client::Client,
    database::{Collection, Failure, PRODUCER_KEY, SLOT_KEY},
    partition::PartitionState,
};

/// What this client's appends to a partition know, one after the other.
#[derive(Default)]
pub(crate) struct Appending {
    pub(super) slots: Slots,
    pub(super) producers: Producers,
    pub(super) derived: Option<TrimmedNumbers>,
}

/// Ids that control records are written under, with their slot for a number.
const CONTROL_IDS: [&str; 2] = [TOMBSTONE, PUNCTUATION];

/// What one insert came to.
pub(super) enum Attempt {
    /// It stands, in this slot.
    Appended(Slot),
    /// Somebody else has the slot.
    Lost,
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
        let (_, mut document) = self.check(partition).await?;
        if !turn.producers.expects(&chunk.producer) {
            // above all that it appended elsewhere, and that its earlier registrations have reserved and may yet fill
            document = self.read_partition(partition).await?;
            turn.slots.forget();
        }
        turn.slots.saw_head(document.head, self.clock().elapsed());
        let mut lost = false;
        loop {
            turn.slots.skip_to(state.floor());
            let free = match lost {
                true => None,
                false => self.free_place(partition, state, &turn.slots, document.head).await?,
            };
            let (stored, after) =
                match self.judge(partition, document.registrations, &mut turn.producers, chunk).await? {
                    Verdict::Known(slot) => return Ok(slot),
                    Verdict::New { stored, after } => (stored, after),
                };
            // what a former registration appended may lie beyond all that this client has heard of
            state.saw_tail(after);
            turn.slots.skip_to(after);
            let free = free.filter(|place| place.slot > after && turn.slots.allows(place.slot));
            if lost {
                // to another, and not to an earlier attempt of its own
                turn.slots.saw_rivals(self.clock().elapsed());
            }
            let place = match free {
                Some(place) => place,
                None => self.reserve(partition, state, &mut turn.slots, !chunk.producer.id.is_random()).await?,
            };
            lost = false;
            self.confirm(partition, &mut turn.producers, chunk, place).await?;
            let sent = self.clock().elapsed();
            turn.slots.tries(place.slot);
            // also for when this is dropped half way
            let doubted = turn.producers.doubt(&chunk.producer, true);
            let failure = match self.attempt(partition, chunk, stored, place).await? {
                Attempt::Appended(slot) => {
                    turn.slots.appended(slot, sent);
                    turn.producers.appended(&chunk.producer, sent);
                    return Ok(slot);
                }
                Attempt::Lost => {
                    // the winner may be this producer's heir, or hold this very chunk: looked up before a slot is reserved
                    turn.slots.forget();
                    lost = true;
                    if !matches!(place.by, Teacher::Reservation { .. }) {
                        continue;
                    }
                    Failure::NotApplied("other writers were quicker every time".to_owned())
                }
                Attempt::Failed(failure) => {
                    turn.producers.doubt(&chunk.producer, doubted);
                    failure
                }
                Attempt::Unclear(failure) => {
                    match self.resolve(partition, chunk, stored).await? {
                        Resolved::Appended(slot) => {
                            turn.slots.found(slot);
                            turn.producers.appended(&chunk.producer, sent);
                            return Ok(slot);
                        }
                        Resolved::Absent => {}
                        Resolved::Renumbered(number) => turn.producers.renumber(&chunk.producer, number),
                    }
                    failure
                }
            };
            if !attempts.again().await {
                return Err(failure.into());
            }
        }
    }

    /// One insert.
    async fn attempt(
        &self,
        partition: &Partition,
        chunk: &NewChunk,
        stored: u64,
        place: Place,
    ) -> Result<Attempt, Error> {
        let mut producer = chunk.producer.clone();
        producer.sequence = stored;
        let document = chunk::encode(partition, place.slot, &producer, chunk.time, &chunk.payload)?;
        self.insert_at(partition, place, document).await
    }

    /// Puts the document of a record into a place.
    pub(super) async fn insert_at(
        &self,
        partition: &Partition,
        place: Place,
        document: RawDocumentBuf,
    ) -> Result<Attempt, Error> {
        match self.database().insert(Collection::Chunks, document).await {
            Ok(()) => {
                let in_time = place.is_good(self.clock().elapsed());
                // else what was there may have been trimmed and deleted, where the key guards nothing
                let stands = match place.by {
                    Teacher::Tail => in_time && self.read_partition(partition).await?.floor <= place.slot,
                    Teacher::Append | Teacher::Reservation { .. } => in_time,
                };
                match stands {
                    true => Ok(Attempt::Appended(place.slot)),
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
