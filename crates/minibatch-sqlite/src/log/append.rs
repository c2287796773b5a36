//! Appending: the slot after the last, inside the transaction.

use minibatch_core::{
    Slot,
    chunk::{NewChunk, RecordKind, clamp_time},
    storage::Partition,
};

use super::producers::{Producer, Verdict, not_granted};
use crate::{
    clock::{Wall, stamp},
    error::Failed,
    keys::{record_id, to_i64},
    partition::{PartitionRow, Tail},
    tails::End,
    writer::Tx,
};

pub(super) fn append(tx: &Tx<'_>, partition: Partition, chunk: &NewChunk, wall: &Wall) -> Result<Slot, Failed> {
    let row = PartitionRow::find(tx, &partition)?;
    let producer = Producer::find(tx, &row, &chunk.producer.id)?.ok_or_else(not_granted)?;
    match producer.judge(tx, chunk)? {
        Verdict::Known(slot) => return Ok(slot),
        Verdict::Trimmed => return Ok(row.floor.previous()),
        Verdict::New => {}
    }
    let slot = Slot::new(row.tail.slot.get() + 1)?;
    // the running maximum is stored: each record then bears its append time
    let time = clamp_time(chunk.time, stamp(tx.now, row.tail.time)).max(row.tail.time);
    let payload = &chunk.payload;
    tx.prepare_cached(
        "INSERT INTO chunks (id, kind, n, producer, pe, ps, ts, codec, crc, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        record_id(row.id, slot),
        RecordKind::Data.name(),
        payload.count(),
        producer.id,
        to_i64(chunk.producer.epoch)?,
        to_i64(chunk.producer.sequence)?,
        time.as_millis(),
        payload.codec().name(),
        payload.crc(),
        &payload.bytes()[..],
    ))?;
    row.advance(tx, Tail { slot, time })?;
    wall.saw(time);
    tx.tell(|news| news.push(partition, End::At(slot)));
    Ok(slot)
}
