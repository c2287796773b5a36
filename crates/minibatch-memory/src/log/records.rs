//! The records of a partition in slot order, found by slot without a search.

use std::collections::VecDeque;

use minibatch_core::{
    Cause, Error, Offset, Slot, Timestamp,
    chunk::{Payload, ProducerStamp, Record, RecordKind},
    storage::{LogBounds, Position, ReadLimit, RecordSummary},
};

/// Records from slot `first` on without holes.
pub(crate) struct Records {
    entries: VecDeque<Entry>,
    first: Slot,
    tail: Slot,
    floor: Slot,
    floor_time: Timestamp,
    floor_count: u64,
    /// How many messages there ever were.
    count: u64,
}

struct Entry {
    record: Record,
    /// The running maximum of the records' times up to this one.
    append_time: Timestamp,
    /// How many messages there were before this record.
    count: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: Slot::FIRST,
            tail: Slot::ZERO,
            floor: Slot::ZERO,
            floor_time: Timestamp::MIN,
            floor_count: 0,
            count: 0,
        }
    }
}

impl Records {
    /// Fills the slot after the tail with messages.
    pub(super) fn push(&mut self, producer: ProducerStamp, time: Timestamp, payload: Payload) -> Result<Slot, Error> {
        self.fill(RecordKind::Data, producer, time, payload)
    }

    /// Fills the slot after the tail with a punctuation.
    pub(super) fn punctuate(&mut self, time: Timestamp) -> Result<Slot, Error> {
        let producer = ProducerStamp::punctuation(Slot::new(self.tail.get() + 1)?);
        self.fill(RecordKind::Punctuation, producer, time, Payload::empty())
    }

    fn fill(
        &mut self,
        kind: RecordKind,
        producer: ProducerStamp,
        time: Timestamp,
        payload: Payload,
    ) -> Result<Slot, Error> {
        let slot = Slot::new(self.tail.get() + 1)?;
        let append_time = time.max(self.tail_time());
        let messages = u64::from(payload.count());
        let record = Record { slot, kind, producer, time, payload };
        self.entries.push_back(Entry { record, append_time, count: self.count });
        self.count += messages;
        self.tail = slot;
        Ok(slot)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Record> {
        self.entries.get(self.index(slot)?).map(|entry| &entry.record)
    }

    pub(super) fn read(&self, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let from = from.max(Slot::FIRST);
        let Some(start) = self.index(from) else { return Err(Cause::offset_trimmed(self.first).into()) };
        let mut records = Vec::new();
        let (mut messages, mut bytes) = (0, 0);
        for Entry { record, .. } in self.entries.iter().skip(start) {
            messages += record.payload.count() as usize;
            bytes += record.payload.bytes().len();
            records.push(record.clone());
            if messages >= limit.messages || bytes >= limit.bytes {
                break;
            }
        }
        Ok(records)
    }

    pub(crate) fn bounds(&self) -> LogBounds {
        let Self { floor, floor_time, floor_count, tail, .. } = *self;
        LogBounds { floor, floor_time, floor_count, tail }
    }

    /// The end of the log.
    pub(crate) fn end(&self) -> Position {
        Position { offset: Offset::first_of(self.tail.next()), time: self.tail_time(), count: self.count }
    }

    /// The greatest append time of all records.
    fn tail_time(&self) -> Timestamp {
        self.entries.back().map_or(self.floor_time, |entry| entry.append_time)
    }

    pub(super) fn survey(&self, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        let from = from.max(Slot::FIRST);
        let Some(start) = self.index(from) else { return Err(Cause::offset_trimmed(self.first).into()) };
        let entries = self.entries.iter().skip(start).take(limit.max(1));
        Ok(entries.map(|Entry { record, .. }| record.summary()).collect())
    }

    /// Raises the floor to `needed`, at most to the last record; it never goes back. Returns the floor.
    pub(super) fn raise_floor(&mut self, needed: Slot) -> Slot {
        let floor = needed.min(self.tail);
        if floor > self.floor {
            if let Some(entry) = self.index(floor).and_then(|index| self.entries.get(index)) {
                (self.floor_time, self.floor_count) = (entry.append_time, entry.count);
            }
            self.floor = floor;
        }
        self.floor
    }

    /// Removes the first record where it lies below `floor`.
    pub(super) fn pop_below(&mut self, floor: Slot) -> Option<Record> {
        if self.first >= floor {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.first = self.first.next();
        Some(entry.record)
    }

    /// Where the record of `slot` is, or would be; `None` for one that was deleted.
    fn index(&self, slot: Slot) -> Option<usize> {
        slot.get().checked_sub(self.first.get()).map(|index| usize::try_from(index).unwrap_or(usize::MAX))
    }
}
