//! What lies in a stretch of the log, kept up to date without looking at a record more than twice.

use minibatch_core::{
    Error, Slot, Timestamp,
    storage::{LogBounds, Partition, RecordSummary},
};

use crate::{Client, retry::until_verdict};

/// How many records are surveyed at once.
const PAGE: usize = 1_024;

/// The records of a partition from `low` up to just before `next`: how many messages and bytes they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    low: Slot,
    /// The append time reached before `low`.
    time: Timestamp,
    next: Slot,
    /// How many messages there are before `low`, and before `next`.
    count_low: u64,
    count: u64,
    bytes: u64,
}

impl Span {
    /// Nothing yet, at the floor.
    pub(super) fn at(bounds: &LogBounds) -> Self {
        let first = bounds.first();
        let low = first.offset.slot();
        Self { low, time: first.time, next: low, count_low: first.count, count: first.count, bytes: 0 }
    }

    pub(super) fn low(&self) -> Slot {
        self.low
    }

    pub(super) fn messages(&self) -> u64 {
        self.count - self.count_low
    }

    /// How many messages were appended before its end.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn push(&mut self, record: &RecordSummary) {
        self.count += u64::from(record.messages);
        self.bytes += record.bytes;
        self.next = record.slot.next();
    }

    fn pop(&mut self, record: &RecordSummary) {
        if record.kind.tells_time() {
            self.time = self.time.max(record.time);
        }
        self.count_low += u64::from(record.messages);
        self.bytes = self.bytes.saturating_sub(record.bytes);
        self.low = record.slot.next();
    }

    /// Takes in the records up to the tail.
    pub(super) async fn extend(&mut self, client: &Client, partition: &Partition, tail: Slot) -> Result<(), Error> {
        while self.next <= tail {
            let records = survey(client, partition, self.next).await?;
            if records.is_empty() {
                return Ok(());
            }
            records.iter().for_each(|record| self.push(record));
        }
        Ok(())
    }

    /// Gives up records from below, as long as `gone` says so of the first, the append time reached with it, and what is
    /// left without it.
    pub(super) async fn raise(
        &mut self,
        client: &Client,
        partition: &Partition,
        mut gone: impl FnMut(&RecordSummary, &Self) -> bool,
    ) -> Result<(), Error> {
        while self.low < self.next {
            let records = survey(client, partition, self.low).await?;
            if records.is_empty() {
                return Ok(());
            }
            let end = self.next;
            for record in records.iter().filter(|record| record.slot < end) {
                let mut without = *self;
                without.pop(record);
                if !gone(record, &without) {
                    return Ok(());
                }
                *self = without;
            }
        }
        Ok(())
    }

    /// The append time reached before its first record.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }
}

async fn survey(client: &Client, partition: &Partition, from: Slot) -> Result<Vec<RecordSummary>, Error> {
    until_verdict(&**client.clock(), "survey", || client.storage().survey(partition, from, PAGE)).await
}
