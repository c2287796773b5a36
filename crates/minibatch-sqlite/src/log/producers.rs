//! Which producer wrote what: an append is done once, and a fenced producer does none.

use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::{NewChunk, Payload},
    storage::{Partition, ProducerGrant},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    error::Failed,
    keys::{slot_of, to_i64, to_u64},
    partition::PartitionRow,
    writer::Tx,
};

/// A producer as stored. Its row outlives its records: a sequence is never used twice, trimmed or not.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) id: i64,
    epoch: u64,
    /// Epoch and sequence of its last record that was trimmed.
    trimmed: (u64, u64),
    last_sequence: u64,
}

/// What an append comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// Appended before, there.
    Known(Slot),
    /// Appended before, and trimmed since.
    Trimmed,
}

/// What is compared of a record to tell whether an append repeats it.
pub(super) struct Written {
    pub(super) record_id: i64,
    epoch: u64,
    messages: u32,
    crc: u32,
    codec: String,
    bytes: i64,
}

pub(super) fn register(tx: &Tx<'_>, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    tx.prepare_cached(
        "INSERT INTO producers (partition, pid, epoch, last_pe, last_ps) VALUES (?1, ?2, 1, 0, 0)
         ON CONFLICT (partition, pid) DO UPDATE SET epoch = epoch + 1",
    )?
    .execute((partition.id, producer.as_str()))?;
    let producer = Producer::find(tx, &partition, producer)?
        .ok_or_else(|| Error::from(Cause::bug("a producer just registered is not there")))?;
    Ok(ProducerGrant { epoch: producer.epoch, next_sequence: producer.last_sequence + 1 })
}

impl Producer {
    pub(super) fn find(conn: &Connection, partition: &PartitionRow, id: &ProducerId) -> Result<Option<Self>, Failed> {
        let found = conn
            .prepare_cached("SELECT id, epoch, last_pe, last_ps FROM producers WHERE partition = ?1 AND pid = ?2")?
            .query_row((partition.id, id.as_str()), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((id, epoch, last_epoch, last_sequence)) = found else { return Ok(None) };
        let in_log: Option<i64> = conn
            .prepare_cached("SELECT ps FROM chunks WHERE producer = ?1 ORDER BY ps DESC LIMIT 1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let trimmed = (to_u64(last_epoch, "producer")?, to_u64(last_sequence, "producer")?);
        let last_sequence = to_u64(in_log.unwrap_or(0).max(last_sequence), "producer")?;
        Ok(Some(Self { id, epoch: to_u64(epoch, "producer")?, trimmed, last_sequence }))
    }

    /// Judges an append: what is found of it decides first, then the epochs, then the order.
    pub(super) fn judge(&self, conn: &Connection, chunk: &NewChunk) -> Result<Verdict, Failed> {
        let (epoch, sequence) = (chunk.producer.epoch, chunk.producer.sequence);
        if epoch > self.epoch {
            return Err(not_granted());
        }
        let fenced = epoch < self.epoch;
        if sequence == 0 || sequence > self.last_sequence {
            let expected = self.last_sequence + 1;
            return match sequence == expected {
                _ if fenced => Err(Cause::fenced(epoch).into()),
                true => Ok(Verdict::New),
                false => Err(Cause::out_of_order_sequence(expected, sequence).into()),
            };
        }
        match Written::find(conn, self.id, sequence)? {
            // a newer registration has used the sequence, whatever it wrote
            Some(record) if record.epoch > epoch => Err(Cause::fenced(epoch).into()),
            Some(record) if record.holds(&chunk.payload) => Ok(Verdict::Known(slot_of(record.record_id)?)),
            Some(_) if fenced => Err(Cause::fenced(epoch).into()),
            Some(_) => Err(Cause::sequence_conflict(sequence).into()),
            None if self.trimmed.0 > epoch => Err(Cause::fenced(epoch).into()),
            None => Ok(Verdict::Trimmed),
        }
    }
}

impl Written {
    /// What a producer wrote under that number.
    pub(super) fn find(conn: &Connection, producer: i64, sequence: u64) -> Result<Option<Self>, Failed> {
        let found = conn
            .prepare_cached("SELECT id, pe, n, crc, codec, length(data) FROM chunks WHERE producer = ?1 AND ps = ?2")?
            .query_row((producer, to_i64(sequence)?), |row| {
                let epoch: i64 = row.get(1)?;
                let record = Self {
                    record_id: row.get(0)?,
                    epoch: 0,
                    messages: row.get(2)?,
                    crc: row.get(3)?,
                    codec: row.get(4)?,
                    bytes: row.get(5)?,
                };
                Ok((epoch, record))
            })
            .optional()?;
        found.map(|(epoch, record)| Ok(Self { epoch: to_u64(epoch, "record")?, ..record })).transpose()
    }

    /// Whether it holds this payload, by counts and checksum.
    pub(super) fn holds(&self, payload: &Payload) -> bool {
        self.crc == payload.crc()
            && self.messages == payload.count()
            && usize::try_from(self.bytes) == Ok(payload.bytes().len())
            && self.codec == payload.codec().name()
    }
}

/// The answer to an epoch that nobody was given.
pub(super) fn not_granted() -> Failed {
    Cause::out_of_range("a producer's epoch is the one that register_producer gave").into()
}
