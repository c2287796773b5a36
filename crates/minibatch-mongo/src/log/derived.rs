//! Derived chunks: of each number the first one stands, for ever.
//!
//! The log's unique key lets a number in once, for as long as its record is there; of records that are trimmed the
//! producer's row keeps the numbers. A row that was read without the number stays true long enough for an insert: records
//! are deleted much later than [`SLOT_AGE`] after the row had their numbers. This holds for requests that take effect
//! within the trimmer's grace, or never.

use std::time::Duration;

use bson::{Binary, RawDocument, RawDocumentBuf, raw::cstr, spec::BinarySubtype};
use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::DerivedChunk,
    storage::{DerivedAppend, Partition, UsedNumbers},
};

use super::{
    append::{Appending, Attempt},
    chunk::{self, signed},
    slots::SLOT_AGE,
    stored::ProducerRow,
};
use crate::{
    client::Client,
    database::{Collection, Failure, Filter, Find, Update},
    error::corrupt,
    partition::PartitionState,
};

/// The numbers of an id whose records are trimmed, and when they were asked for.
pub(super) struct TrimmedNumbers {
    id: ProducerId,
    used: UsedNumbers,
    asked: Duration,
}

/// What is stored under a number.
enum Standing {
    Absent,
    /// A chunk, in the log or trimmed since.
    Chunk(DerivedAppend),
    /// An attempt in a slot that was trimmed before: no reader ever sees it, and it keeps others out.
    Stray(Slot),
}

impl Client {
    pub(super) async fn append_derived(
        &self,
        partition: &Partition,
        chunks: &[DerivedChunk],
    ) -> Result<Vec<DerivedAppend>, Error> {
        let state = self.partitions().find_or_insert(partition);
        let mut appended: Vec<DerivedAppend> = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let mut turn = state.appending.lock().await;
            let standing = self.append_one_derived(partition, &state, &mut turn, chunk).await?;
            drop(turn);
            state.saw_tail(standing.slot);
            appended.push(standing);
        }
        Ok(appended)
    }

    /// Writes until there is a verdict, or no patience left.
    async fn append_one_derived(
        &self,
        partition: &Partition,
        state: &PartitionState,
        Appending { slots, derived: row, .. }: &mut Appending,
        chunk: &DerivedChunk,
    ) -> Result<DerivedAppend, Error> {
        let mut attempts = self.attempts();
        let (_, document) = self.check(partition).await?;
        slots.saw_head(document.head, self.clock().elapsed());
        let mut lost = false;
        loop {
            slots.skip_to(state.floor());
            let free = match lost {
                true => None,
                false => self.free_place(partition, state, slots, document.head).await?,
            };
            let place = match free {
                Some(place) => place,
                // whoever was quicker may have written this very number, and a slot reserved for nothing is a gap
                None => match self.standing_in_log(partition, chunk).await? {
                    Some(standing) => return Ok(standing),
                    None => self.reserve(partition, state, slots, false).await?,
                },
            };
            lost = false;
            let trimmed = self.trimmed_numbers(partition, row, &chunk.id).await?;
            if trimmed.used.contains(chunk.number) {
                let Standing::Chunk(standing) = self.standing(partition, chunk).await? else {
                    return Err(Cause::bug("a number that was used is new").into());
                };
                return Ok(standing);
            }
            let sent = self.clock().elapsed();
            let document = chunk::encode_derived(partition, place.slot, chunk)?;
            let failure = match self.insert_at(partition, place, document).await? {
                Attempt::Appended(slot) if trimmed.is_good(self.clock().elapsed()) => {
                    slots.appended(slot, sent);
                    return Ok(DerivedAppend { slot, differs: false });
                }
                Attempt::Appended(_) => Failure::Indeterminate("the append took too long".to_owned()),
                Attempt::Lost => {
                    slots.forget();
                    slots.saw_rivals(self.clock().elapsed());
                    lost = true;
                    Failure::NotApplied("other writers were quicker every time".to_owned())
                }
                Attempt::Failed(failure) | Attempt::Unclear(failure) => failure,
            };
            if !lost {
                match self.standing(partition, chunk).await? {
                    Standing::Chunk(standing) => {
                        slots.found(standing.slot);
                        return Ok(standing);
                    }
                    Standing::Stray(slot) => self.remove_stray(partition, chunk, slot).await?,
                    Standing::Absent => {}
                }
            }
            if !attempts.again().await {
                return Err(failure.into());
            }
        }
    }

    /// The numbers that are trimmed, asked for again where `known` is too old for an insert that is about to be sent.
    async fn trimmed_numbers<'a>(
        &self,
        partition: &Partition,
        known: &'a mut Option<TrimmedNumbers>,
        id: &ProducerId,
    ) -> Result<&'a TrimmedNumbers, Error> {
        let now = self.clock().elapsed();
        let fresh = known.take().filter(|known| known.id == *id && known.is_good(now + SLOT_AGE / 2));
        Ok(known.insert(match fresh {
            Some(known) => known,
            None => TrimmedNumbers { id: id.clone(), used: self.used_numbers(partition, id).await?, asked: now },
        }))
    }

    /// What is stored under the chunk's number. The order of the three reads is what the answer rests on, as that of an
    /// append whose outcome is unclear.
    async fn standing(&self, partition: &Partition, chunk: &DerivedChunk) -> Result<Standing, Error> {
        let written = self.written(partition, &chunk.id, chunk.number).await?;
        let floor = self.read_partition(partition).await?.floor;
        let used = self.used_numbers(partition, &chunk.id).await?.contains(chunk.number);
        let (written, floor) = match written {
            // it may have come and been folded since the first look
            None if used => {
                let written = self.written(partition, &chunk.id, chunk.number).await?;
                (written, self.read_partition(partition).await?.floor)
            }
            written => (written, floor),
        };
        Ok(match written {
            Some(written) if written.slot >= floor || used => {
                let differs = !written.holds(&chunk.payload);
                Standing::Chunk(DerivedAppend { slot: written.slot, differs })
            }
            Some(written) => Standing::Stray(written.slot),
            None if used => Standing::Chunk(DerivedAppend { slot: floor.previous(), differs: false }),
            None => Standing::Absent,
        })
    }

    /// What stands under the chunk's number, where that is in the log.
    async fn standing_in_log(
        &self,
        partition: &Partition,
        chunk: &DerivedChunk,
    ) -> Result<Option<DerivedAppend>, Error> {
        if self.written(partition, &chunk.id, chunk.number).await?.is_none() {
            return Ok(None);
        }
        Ok(match self.standing(partition, chunk).await? {
            Standing::Chunk(standing) => Some(standing),
            Standing::Stray(_) | Standing::Absent => None,
        })
    }

    async fn remove_stray(&self, partition: &Partition, chunk: &DerivedChunk, slot: Slot) -> Result<(), Error> {
        let stray = Filter::of(partition)
            .eq("pid", chunk.id.as_str())
            .eq("ps", signed(chunk.number)?)
            .eq("slot", slot.to_i64());
        self.delete(Collection::Chunks, stray).await.map(drop)
    }

    /// The numbers of an id whose records are trimmed, or are about to be.
    async fn used_numbers(&self, partition: &Partition, id: &ProducerId) -> Result<UsedNumbers, Error> {
        let row = Find::one(Collection::Producers, Filter::of(partition).eq("pid", id.as_str()));
        self.find_one(row).await?.map_or_else(|| Ok(UsedNumbers::default()), |row| decode(&row))
    }

    /// Notes the numbers of derived chunks that are about to be trimmed.
    pub(super) async fn fold_derived(
        &self,
        partition: &Partition,
        id: &ProducerId,
        numbers: &UsedNumbers,
    ) -> Result<(), Error> {
        let mut attempts = self.attempts();
        loop {
            let row = Filter::of(partition).eq("pid", id.as_str());
            let Some(stored) = self.find_one(Find::one(Collection::Producers, row.clone())).await? else {
                self.insert_once(Collection::Producers, row_of(partition, id)?).await?;
                continue;
            };
            let known = decode(&stored)?;
            let mut used = known.clone();
            used.join(numbers);
            if used == known {
                return Ok(());
            }
            // another client may fold others at the same time
            let unchanged = row.eq("below", signed(known.below())?).eq("seen", seen(&known));
            let update = Update::set("below", signed(used.below())?).and_set("seen", seen(&used));
            let change = || self.database().update(Collection::Producers, unchanged.clone(), update.clone());
            if self.settle(change).await.map_err(Error::from)? > 0 {
                return Ok(());
            }
            if !attempts.again().await {
                return Err(Failure::NotApplied("other trimmers were quicker every time".to_owned()).into());
            }
        }
    }
}

impl TrimmedNumbers {
    fn is_good(&self, now: Duration) -> bool {
        now.saturating_sub(self.asked) < SLOT_AGE
    }
}

/// The row of an id of which nothing is trimmed yet.
fn row_of(partition: &Partition, id: &ProducerId) -> Result<RawDocumentBuf, Error> {
    let none = UsedNumbers::default();
    let mut row = ProducerRow::default().document(partition, id.as_str())?;
    row.append(cstr!("below"), signed(none.below())?);
    row.append(cstr!("seen"), seen(&none));
    Ok(row)
}

fn seen(used: &UsedNumbers) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: used.encode_seen() }
}

fn decode(row: &RawDocument) -> Result<UsedNumbers, Error> {
    let below = row.get_i64("below").ok().and_then(|below| u64::try_from(below).ok());
    let seen = row.get_binary("seen").map_err(|_| corrupt("producer"))?;
    UsedNumbers::decode(below.ok_or_else(|| corrupt("producer"))?, seen.bytes)
}
