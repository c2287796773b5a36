//! Reading records in slot order, each checked.

use bytes::Bytes;
use minibatch_core::{
    Cause, ProducerId, Slot, Timestamp,
    chunk::{Payload, ProducerStamp, Record, RecordKind},
    storage::{Partition, ReadLimit},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{error::Failed, keys::record_id, partition::PartitionRow};

pub(super) fn read(
    view: &Connection,
    partition: &Partition,
    from: Slot,
    limit: ReadLimit,
) -> Result<Vec<Record>, Failed> {
    let row = PartitionRow::find(view, partition)?;
    let from = from.max(Slot::FIRST);
    if from < row.floor {
        return Err(Cause::offset_trimmed(row.floor).into());
    }
    let mut reading = Reading { view, producers: Vec::new(), records: Vec::new() };
    let ended = reading.fill(&row, from, limit);
    match ended {
        // what is good is returned; the next reading begins with what is not
        Err(_) if !reading.records.is_empty() => Ok(reading.records),
        Err(failed) => Err(failed),
        Ok(()) => Ok(reading.records),
    }
}

struct Reading<'a> {
    view: &'a Connection,
    /// Those met so far: few, mostly one after the other.
    producers: Vec<(i64, ProducerId)>,
    records: Vec<Record>,
}

impl Reading<'_> {
    fn fill(&mut self, partition: &PartitionRow, from: Slot, limit: ReadLimit) -> Result<(), Failed> {
        let mut select = self.view.prepare_cached(
            "SELECT id, kind, n, producer, pe, ps, ts, codec, crc, data FROM chunks
             WHERE id >= ?1 AND id <= ?2 ORDER BY id",
        )?;
        let tail = partition.tail.slot;
        let mut rows = select.query((record_id(partition.id, from), record_id(partition.id, tail)))?;
        let (mut messages, mut bytes) = (0, 0);
        let mut slot = from;
        while slot <= tail {
            let row = rows.next()?.filter(|row| row.get(0).is_ok_and(|id: i64| id == record_id(partition.id, slot)));
            let Some(row) = row else {
                return Err(Cause::corrupt_record(slot, "it is missing, was it deleted?").into());
            };
            let record = self.record(slot, row)?;
            messages += record.payload.count() as usize;
            bytes += record.payload.bytes().len();
            self.records.push(record);
            if messages >= limit.messages || bytes >= limit.bytes {
                break;
            }
            slot = slot.next();
        }
        Ok(())
    }

    fn record(&mut self, slot: Slot, row: &Row<'_>) -> Result<Record, Failed> {
        let count = |column| -> Result<u64, Failed> {
            let number: i64 = row.get(column)?;
            u64::try_from(number).map_err(|_| Cause::corrupt_record(slot, "one of its counts is negative").into())
        };
        let kind = RecordKind::stored(slot, text(slot, row, 1)?, row.get(2)?)?;
        let bytes = row
            .get_ref(9)?
            .as_blob()
            .map_err(|_| Cause::corrupt_record(slot, "its payload is not bytes, was it edited?"))?;
        let bytes = Bytes::copy_from_slice(bytes);
        Ok(Record {
            slot,
            kind,
            producer: ProducerStamp { id: self.producer(slot, row.get(3)?)?, epoch: count(4)?, sequence: count(5)? },
            time: Timestamp::from_millis(row.get(6)?),
            payload: Payload::stored(slot, text(slot, row, 7)?, row.get(2)?, row.get(8)?, bytes)?,
        })
    }

    fn producer(&mut self, slot: Slot, row_id: i64) -> Result<ProducerId, Failed> {
        if let Some((_, id)) = self.producers.iter().rev().find(|(known, _)| *known == row_id) {
            return Ok(id.clone());
        }
        let id = self
            .view
            .prepare_cached("SELECT pid FROM producers WHERE id = ?1")?
            .query_row([row_id], |row| Ok(ProducerId::stored(row.get_ref(0)?.as_str()?)))
            .optional()?
            .ok_or_else(|| Cause::corrupt_record(slot, "its producer is unknown, was it deleted?"))?;
        self.producers.push((row_id, id.clone()));
        Ok(id)
    }
}

fn text<'a>(slot: Slot, row: &'a Row<'_>, column: usize) -> Result<&'a str, Failed> {
    let text = row.get_ref(column)?.as_str();
    text.map_err(|_| Cause::corrupt_record(slot, "one of its names is not text, was it edited?").into())
}
