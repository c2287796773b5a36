//! Producers: who may append what next.
//!
//! A producer's own sequence and the stored one are the same but for one case: an append of a former registration that
//! came in after the heir's registration and before its first append took the heir's number. From then on the heir's
//! are stored under numbers that are higher by the difference.

use std::{collections::HashMap, time::Duration};

use bson::{RawDocument, rawdoc};
use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::{NewChunk, Payload, ProducerStamp},
    storage::{Partition, ProducerGrant},
};

use super::chunk::{self, signed};
use crate::{
    client::Client,
    database::{Change, Collection, Failure, Filter, Find, Order, Test, Update},
    error::corrupt,
    random,
};

/// The producers of this client in one partition.
#[derive(Default)]
pub(super) struct Producers(HashMap<ProducerId, Producer>);

/// A registration as this client knows it.
#[derive(Clone, Debug)]
struct Producer {
    epoch: u64,
    /// The sequence that the registration began with.
    first: u64,
    /// The sequence of the next append, and when that was so; `None` until it was looked up.
    next: Option<(u64, Duration)>,
    /// True while an attempt of the next append may be under way that nobody waits for any more.
    in_doubt: bool,
    /// From which sequence on the stored number is how much higher, in order.
    shifts: Vec<(u64, u64)>,
}

impl Producer {
    fn new(epoch: u64, first: u64) -> Self {
        Self { epoch, first, next: None, in_doubt: false, shifts: Vec::new() }
    }

    /// The number that a sequence is stored under.
    fn stored(&self, sequence: u64) -> u64 {
        let shift = self.shifts.iter().rev().find(|(from, _)| *from <= sequence).map_or(0, |(_, shift)| *shift);
        sequence.saturating_add(shift)
    }

    /// The last sequence that is stored under the number or a lower one.
    fn sequence(&self, stored: u64) -> u64 {
        let shift = self.shifts.iter().rev().find(|(from, _)| *from <= stored);
        shift.map_or(stored, |(from, shift)| stored.saturating_sub(*shift).max(from.saturating_sub(1)))
    }
}

/// What an append comes to before anything is written.
pub(super) enum Verdict {
    /// It is the producer's next: to be stored under this number.
    New(u64),
    /// It was appended before.
    Known(Slot),
}

/// What is stored of a producer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProducerRow {
    /// Of its newest registration.
    pub(super) epoch: u64,
    /// Of the last chunk that was trimmed.
    pub(super) last_epoch: u64,
    pub(super) last_sequence: u64,
}

impl ProducerRow {
    fn decode(document: &RawDocument) -> Result<Self, Error> {
        let number = |field| {
            let number = document.get_i64(field).ok().and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| corrupt("producer"))
        };
        Ok(Self { epoch: number("epoch")?, last_epoch: number("last_pe")?, last_sequence: number("last_ps")? })
    }
}

/// A chunk in the log, without its messages.
pub(super) struct Written {
    pub(super) slot: Slot,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    count: i64,
    crc: i64,
    codec: String,
}

impl Written {
    fn decode(document: &RawDocument) -> Result<Self, Error> {
        let slot = chunk::slot(document).ok_or_else(|| corrupt("record"))?;
        let damaged = || Cause::corrupt_record(slot, "a field is missing or has another type, was it changed by hand?");
        let number = |field| document.get_i64(field).map_err(|_| damaged());
        let unsigned = |field| u64::try_from(number(field)?).map_err(|_| damaged());
        let codec = document.get_str("codec").map_err(|_| damaged())?.to_owned();
        Ok(Self {
            slot,
            epoch: unsigned("pe")?,
            sequence: unsigned("ps")?,
            count: number("n")?,
            crc: number("crc")?,
            codec,
        })
    }

    /// True when it holds this payload, by count and checksum.
    pub(super) fn holds(&self, payload: &Payload) -> bool {
        self.count == i64::from(payload.count())
            && self.crc == i64::from(payload.crc())
            && self.codec == payload.codec().name()
    }
}

const WRITTEN: &[&str] = &["slot", "pe", "ps", "n", "crc", "codec"];

impl Producers {
    fn registered(&mut self, id: &ProducerId, grant: ProducerGrant) {
        self.0.insert(id.clone(), Producer::new(grant.epoch, grant.next_sequence));
    }

    /// The append of this sequence has a slot, by a request sent then.
    pub(super) fn appended(&mut self, stamp: &ProducerStamp, sent: Duration) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.next = Some((stamp.sequence + 1, sent));
            producer.in_doubt = false;
        }
    }

    /// Says whether an attempt may be under way, and returns whether one may have been before.
    pub(super) fn doubt(&mut self, stamp: &ProducerStamp, in_doubt: bool) -> bool {
        self.0.get_mut(&stamp.id).is_some_and(|producer| std::mem::replace(&mut producer.in_doubt, in_doubt))
    }

    /// From this sequence on the stored number is another.
    pub(super) fn renumber(&mut self, stamp: &ProducerStamp, stored: u64) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.shifts.push((stamp.sequence, stored.saturating_sub(stamp.sequence)));
        }
    }

    /// The number of the producer's next append when it is known, and when that was so.
    fn known_next(&self, stamp: &ProducerStamp) -> Option<(u64, Duration)> {
        let known = |producer: &&Producer| producer.epoch == stamp.epoch && !producer.in_doubt;
        let producer = self.0.get(&stamp.id).filter(known)?;
        let (next, since) = producer.next?;
        (next == stamp.sequence).then(|| (producer.stored(next), since))
    }
}

impl Client {
    pub(super) async fn register_producer(
        &self,
        partition: &Partition,
        producer: &ProducerId,
    ) -> Result<ProducerGrant, Error> {
        let (state, _) = self.check(partition).await?;
        let filter = Filter::of(partition).eq("pid", producer.as_str());
        let update = Update::default()
            .and("epoch", Change::Add(1))
            .and("last_pe", Change::Default(0_i64.into()))
            .and("last_ps", Change::Default(0_i64.into()));
        let mut attempts = self.attempts();
        let row = loop {
            // done twice it draws two epochs, and the last one counts
            match self.database().find_and_update(Collection::Producers, filter.clone(), update.clone(), true).await {
                Ok(Some(row)) => break ProducerRow::decode(&row)?,
                Ok(None) => return Err(Cause::bug("an upsert without a document").into()),
                Err(Failure::Refused(cause)) => return Err(cause.into()),
                // a duplicate: two made the row at once, and it is there now
                Err(_) if attempts.again().await => {}
                Err(failure) => return Err(failure.into()),
            }
        };
        // in this order: what is gone from the log is in the row
        let last = self.last_written(partition, producer).await?.map_or(0, |last| last.sequence);
        let trimmed = self.producer_row(partition, producer).await?.map_or(0, |row| row.last_sequence);
        let grant = ProducerGrant { epoch: row.epoch, next_sequence: last.max(trimmed) + 1 };
        state.appending.lock().await.producers.registered(producer, grant);
        Ok(grant)
    }

    /// Judges an append by what is known, and by what is stored where that does not do.
    ///
    /// What is known must not be older than the knowledge of the slot to write to. Otherwise an heir may have used the
    /// number in a lower slot, which was trimmed since, and nothing would keep this append out.
    pub(super) async fn judge(
        &self,
        partition: &Partition,
        producers: &mut Producers,
        chunk: &NewChunk,
        slot_known: Duration,
    ) -> Result<Verdict, Error> {
        let stamp = &chunk.producer;
        let known = producers.known_next(stamp);
        if let Some((stored, _)) = known.filter(|(_, since)| *since >= slot_known) {
            return Ok(Verdict::New(stored));
        }
        let now = self.clock().elapsed();
        let last = if known.is_none() { self.last_written(partition, &stamp.id).await? } else { None };
        // after the log: what is gone from there is here
        let row = self.producer_row(partition, &stamp.id).await?.filter(|row| stamp.epoch <= row.epoch);
        let Some(row) = row else {
            return Err(Cause::out_of_range("a producer's epoch is the one that register_producer gave").into());
        };
        if stamp.epoch < row.epoch {
            return Err(Cause::fenced(stamp.epoch).into());
        }
        if let Some((stored, _)) = known {
            // no heir, so nobody else uses the number
            producers.0.entry(stamp.id.clone()).and_modify(|producer| producer.next = Some((stamp.sequence, now)));
            return Ok(Verdict::New(stored));
        }
        let (last_epoch, last_sequence) = match last {
            Some(last) if last.sequence >= row.last_sequence => (last.epoch, last.sequence),
            _ => (row.last_epoch, row.last_sequence),
        };
        let unknown = || Producer::new(stamp.epoch, last_sequence + 1);
        let producer = producers.0.entry(stamp.id.clone()).or_insert_with(unknown);
        if producer.epoch != stamp.epoch {
            *producer = unknown();
        }
        let next = if last_epoch == stamp.epoch {
            producer.sequence(last_sequence) + 1
        } else {
            // the registration's first append: what came in since is a former one's
            producer.shifts = vec![(producer.first, (last_sequence + 1).saturating_sub(producer.first))];
            producer.first
        };
        producer.next = Some((next, now));
        match stamp.sequence {
            new if new == next => Ok(Verdict::New(producer.stored(new))),
            before if (1..next).contains(&before) => {
                let stored = producer.stored(before);
                self.appended_before(partition, chunk, stored).await
            }
            other => Err(Cause::out_of_order_sequence(next, other).into()),
        }
    }

    /// Judges an append of a sequence that was used, by three reads in the order of [`Client::resolve`].
    async fn appended_before(&self, partition: &Partition, chunk: &NewChunk, stored: u64) -> Result<Verdict, Error> {
        let stamp = &chunk.producer;
        let written = self.written(partition, &stamp.id, stored).await?;
        let floor = self.read_partition(partition).await?.floor;
        let trimmed = self.producer_row(partition, &stamp.id).await?.map_or(0, |row| row.last_sequence);
        match written {
            Some(written) if !written.holds(&chunk.payload) => Err(Cause::sequence_conflict(stamp.sequence).into()),
            Some(written) if written.slot >= floor || trimmed >= stored => Ok(Verdict::Known(written.slot)),
            None if trimmed >= stored => Ok(Verdict::Known(self.folded(partition, &stamp.id, stored, floor).await?)),
            // in a slot that was trimmed before: it has to be sent again, as its insert finds out
            _ => Ok(Verdict::New(stored)),
        }
    }

    /// What a producer wrote under that number.
    pub(super) async fn written(
        &self,
        partition: &Partition,
        producer: &ProducerId,
        stored: u64,
    ) -> Result<Option<Written>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str()).eq("ps", signed(stored)?);
        let found = self.find_one(Find::one(Collection::Chunks, filter).only(WRITTEN)).await?;
        found.map(|document| Written::decode(&document)).transpose()
    }

    /// The producer's chunk of the highest number in the log.
    pub(super) async fn last_written(
        &self,
        partition: &Partition,
        producer: &ProducerId,
    ) -> Result<Option<Written>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str());
        let find = Find::one(Collection::Chunks, filter).sorted("ps", Order::Down).only(WRITTEN);
        self.find_one(find).await?.map(|document| Written::decode(&document)).transpose()
    }

    pub(super) async fn producer_row(
        &self,
        partition: &Partition,
        producer: &ProducerId,
    ) -> Result<Option<ProducerRow>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str());
        let found = self.find_one(Find::one(Collection::Producers, filter)).await?;
        found.map(|document| ProducerRow::decode(&document)).transpose()
    }

    /// Notes the last number of a producer whose chunk is about to be trimmed.
    pub(super) async fn fold(
        &self,
        partition: &Partition,
        producer: &str,
        epoch: u64,
        sequence: u64,
    ) -> Result<(), Error> {
        let (epoch, sequence) = (signed(epoch)?, signed(sequence)?);
        let of_producer = Filter::of(partition).eq("pid", producer);
        let behind = of_producer.clone().and("last_ps", Test::Lt(sequence.into()));
        let update = Update::set("last_ps", sequence).and_set("last_pe", epoch);
        let raise = || self.database().update(Collection::Producers, behind.clone(), update.clone());
        if self.settle(raise).await.map_err(Error::from)? > 0 {
            return Ok(());
        }
        let row = rawdoc! {
            "_id": random::object_id(),
            "s": partition.stream.as_str(),
            "p": i64::from(partition.index),
            "inc": partition.incarnation.get(),
            "pid": producer,
            "epoch": epoch,
            "last_pe": epoch,
            "last_ps": sequence,
        };
        self.insert_once(Collection::Producers, row).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_were_skipped_belong_to_no_sequence() {
        let mut producer = Producer::new(1, 1);
        assert_eq!((producer.stored(5), producer.sequence(5)), (5, 5));
        // 5 was taken, and 9
        producer.shifts = vec![(5, 1), (8, 3)];
        let stored: Vec<u64> = (4..=9).map(|sequence| producer.stored(sequence)).collect();
        assert_eq!(stored, [4, 6, 7, 8, 11, 12]);
        let sequences: Vec<u64> = (4..=12).map(|stored| producer.sequence(stored)).collect();
        assert_eq!(sequences, [4, 4, 5, 6, 7, 7, 7, 8, 9]);
    }
}
