//! Producers: who may append what next.

use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::{NewChunk, ProducerStamp},
    storage::{Partition, ProducerGrant},
};

use super::{
    chunk::signed,
    numbers::{Producer, Producers},
    slots::{Place, Teacher},
    stored::ProducerRow,
};
use crate::{
    client::Client,
    database::{Change, Collection, Failure, Filter, Test, Update},
};

/// What an append comes to before anything is written.
pub(super) enum Verdict {
    /// It is the producer's next: to be stored under this number, after what was found to be its last.
    New { stored: u64, after: Slot },
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
        // after the row and before the first append: whoever reserves a slot sees that there is somebody new
        self.change_partition(partition, Update::default().and("registrations", Change::Add(1))).await?;
        // in this order: what is gone from the log is in the row
        let last = self.last_written(partition, producer).await?.map_or(0, |last| last.sequence);
        let trimmed = self.producer_row(partition, producer).await?.map_or(0, |row| row.last_sequence);
        let grant = ProducerGrant { epoch: row.epoch, next_sequence: last.max(trimmed) + 1 };
        state.appending.lock().await.producers.registered(producer, grant);
        Ok(grant)
    }

    /// Judges an append by what is known, and by what is stored where that does not do. `registrations` were counted
    /// before.
    pub(super) async fn judge(
        &self,
        partition: &Partition,
        registrations: i64,
        producers: &mut Producers,
        chunk: &NewChunk,
    ) -> Result<Verdict, Error> {
        let stamp = &chunk.producer;
        if let Some(stored) = producers.known_next(stamp) {
            return Ok(Verdict::New { stored, after: Slot::ZERO });
        }
        let now = self.clock().elapsed();
        let last = self.last_written(partition, &stamp.id).await?;
        // after the log: what is gone from there is here
        let row = self.newest_row(partition, stamp).await?;
        let after = last.as_ref().map_or(Slot::ZERO, |last| last.slot);
        let (last_epoch, last_sequence) = match last {
            // under the number that was trimmed last only a stray can lie, of a former registration and below the floor
            Some(last) if last.sequence > row.last_sequence => (last.epoch, last.sequence),
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
        producer.next = Some(next);
        producer.is_newest(now, registrations);
        match stamp.sequence {
            new if new == next => Ok(Verdict::New { stored: producer.stored(new), after }),
            before if (1..next).contains(&before) => {
                let stored = producer.stored(before);
                self.appended_before(partition, chunk, stored).await
            }
            other => Err(Cause::out_of_order_sequence(next, other).into()),
        }
    }

    /// Makes sure that no heir has used the append's number in a slot before that place, which may be trimmed by now so
    /// that nothing would keep this append out.
    pub(super) async fn confirm(
        &self,
        partition: &Partition,
        producers: &mut Producers,
        chunk: &NewChunk,
        place: Place,
    ) -> Result<(), Error> {
        let Some(producer) = producers.get_mut(&chunk.producer.id).filter(|producer| !producer.is_alone(place)) else {
            return Ok(());
        };
        let now = self.clock().elapsed();
        self.newest_row(partition, &chunk.producer).await?;
        producer.is_newest(
            now,
            match place.by {
                Teacher::Reservation { registrations } => registrations,
                Teacher::Append | Teacher::Tail => producer.registrations,
            },
        );
        Ok(())
    }

    /// The row of a producer whose newest registration this is.
    async fn newest_row(&self, partition: &Partition, stamp: &ProducerStamp) -> Result<ProducerRow, Error> {
        match self.producer_row(partition, &stamp.id).await? {
            Some(row) if stamp.epoch < row.epoch => Err(Cause::fenced(stamp.epoch).into()),
            Some(row) if stamp.epoch == row.epoch => Ok(row),
            _ => Err(Cause::out_of_range("a producer's epoch is the one that register_producer gave").into()),
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
            Some(written) if written.slot >= floor => Ok(Verdict::Known(written.slot)),
            _ if trimmed >= stored => Ok(Verdict::Known(self.folded(partition, &stamp.id, stored).await?)),
            // in a slot that was trimmed before: it has to be sent again, as its insert finds out
            _ => Ok(Verdict::New { stored, after: Slot::ZERO }),
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
        let row = ProducerRow { epoch, last_epoch: epoch, last_sequence: sequence };
        let (epoch, sequence) = (signed(epoch)?, signed(sequence)?);
        let behind = Filter::of(partition).eq("pid", producer).and("last_ps", Test::Lt(sequence.into()));
        let update = Update::set("last_ps", sequence).and_set("last_pe", epoch);
        let raise = || self.database().update(Collection::Producers, behind.clone(), update.clone());
        if self.settle(raise).await.map_err(Error::from)? > 0 {
            return Ok(());
        }
        self.insert_once(Collection::Producers, row.document(partition, producer)?).await
    }
}
