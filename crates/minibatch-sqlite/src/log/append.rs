//! Appending: the slot after the last, inside the transaction.

use minibatch_core::{
    ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, NewChunk, Payload, ProducerStamp, RecordKind, clamp_time},
    storage::{DerivedAppend, Partition, Punctuated},
};

use super::{
    derived::Writer,
    producers::{Producer, Verdict, not_granted},
};
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
    let ProducerStamp { epoch, sequence, .. } = chunk.producer;
    let kind = RecordKind::Data;
    let new = New { kind, producer: producer.id, epoch, sequence, time: chunk.time, payload: &chunk.payload };
    let tail = push(tx, row.id, row.tail, &new, wall)?;
    tx.tell(|news| news.push(partition, End::At(tail.slot)));
    Ok(tail.slot)
}

pub(super) fn append_derived(
    tx: &Tx<'_>,
    partition: Partition,
    chunks: &[DerivedChunk],
    wall: &Wall,
) -> Result<Vec<DerivedAppend>, Failed> {
    let row = PartitionRow::find(tx, &partition)?;
    let mut tail = row.tail;
    let mut appended = Vec::with_capacity(chunks.len());
    // mostly all are of one
    let mut writer: Option<(&ProducerId, Writer)> = None;
    for chunk in chunks {
        let writer = match &mut writer {
            Some((id, writer)) if *id == &chunk.id => writer,
            other => &mut other.insert((&chunk.id, Writer::find_or_insert(tx, row.id, &chunk.id)?)).1,
        };
        appended.push(match writer.standing(tx, chunk, row.floor)? {
            Some(standing) => standing,
            None => {
                let (time, payload) = (chunk.time, &chunk.payload);
                let (kind, sequence) = (RecordKind::Data, chunk.number);
                let new = New { kind, producer: writer.id, epoch: 0, sequence, time, payload };
                tail = push(tx, row.id, tail, &new, wall)?;
                writer.raise(tx, chunk.below)?;
                DerivedAppend { slot: tail.slot, differs: false }
            }
        });
    }
    if tail.slot > row.tail.slot {
        tx.tell(|news| news.push(partition, End::At(tail.slot)));
    }
    Ok(appended)
}

pub(super) fn punctuate(
    tx: &Tx<'_>,
    partition: Partition,
    after: Slot,
    time: Timestamp,
    wall: &Wall,
) -> Result<Punctuated, Failed> {
    let row = PartitionRow::find(tx, &partition)?;
    if after == Slot::ZERO || after != row.tail.slot {
        return Ok(Punctuated::Elsewhere);
    }
    let ProducerStamp { id, epoch, sequence } = ProducerStamp::punctuation(Slot::new(after.get() + 1)?);
    let producer = Writer::find_or_insert(tx, row.id, &id)?.id;
    let new = New { kind: RecordKind::Punctuation, producer, epoch, sequence, time, payload: &Payload::empty() };
    let tail = push(tx, row.id, row.tail, &new, wall)?;
    tx.tell(|news| news.push(partition, End::At(tail.slot)));
    Ok(Punctuated::Appended)
}

/// A record to be.
struct New<'a> {
    kind: RecordKind,
    producer: i64,
    epoch: u64,
    sequence: u64,
    time: Timestamp,
    payload: &'a Payload,
}

/// Fills the slot after the tail; returns the tail then.
fn push(tx: &Tx<'_>, partition: i64, tail: Tail, new: &New<'_>, wall: &Wall) -> Result<Tail, Failed> {
    let slot = Slot::new(tail.slot.get() + 1)?;
    // the running maximum is stored: each record then bears its append time
    let time = clamp_time(new.time, stamp(tx.now, tail.time)).max(tail.time);
    tx.prepare_cached(
        "INSERT INTO chunks (id, kind, n, producer, pe, ps, ts, codec, crc, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        record_id(partition, slot),
        new.kind.name(),
        new.payload.count(),
        new.producer,
        to_i64(new.epoch)?,
        to_i64(new.sequence)?,
        time.as_millis(),
        new.payload.codec().name(),
        new.payload.crc(),
        &new.payload.bytes()[..],
    ))?;
    let tail = Tail { slot, time };
    tail.keep(tx, partition)?;
    wall.saw(time);
    Ok(tail)
}
