//! Producers: who may append what next.

use std::time::Duration;

use bson::rawdoc;
use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::NewChunk,
    storage::{Partition, ProducerGrant},
};

use super::{
    chunk::signed,
    numbers::{Producer, Producers},
    stored::ProducerRow,
};
use crate::{
    client::Client,
    database::{Change, Collection, Failure, Filter, Test, Update},
    random,
};

/// What an append comes to before anything is written.
pub(super) enum Verdict {
    /// It is the producer's next: to be stored under this number.
    New(u64),
    /// It was appended before.
    Known(Slot),
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
            producers.is_next(stamp, now);
            return Ok(Verdict::New(stored));
        }
        let (last_epoch, last_sequence) = match last {
            Some(last) if last.sequence >= row.last_sequence => (last.epoch, last.sequence),
            _ => (row.last_epoch, row.last_sequence),
        };
        let unknown = || Producer::new(stamp.epoch, last_sequence + 1);
        let producer = producers.get_or_insert_with(&stamp.id, unknown);
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
            None if trimmed >= stored => Ok(Verdict::Known(self.folded(partition, &stamp.id, stored).await?)),
            // in a slot that was trimmed before: it has to be sent again, as its insert finds out
            _ => Ok(Verdict::New(stored)),
        }
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
