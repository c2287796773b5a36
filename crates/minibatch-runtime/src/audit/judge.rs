//! The three tallies, compared.

use std::collections::VecDeque;

use minibatch_core::{
    BufferedSlot, Offset, Slot,
    checkpoint::Checkpoint,
    storage::{Counters, GroupState, LogBounds, RecordSummary},
};

use super::{Difference, PartitionAudit, Term, Terms};
use crate::accounts;

/// What a group has stored, with what it would store first where the log was cut below it.
pub(super) struct Judge {
    partition: u32,
    state: GroupState,
    checkpoint: Checkpoint,
    bounds: LogBounds,
    /// Counted on as the consumer will that finds out.
    pub(super) cut: bool,
    differences: Vec<Difference>,
    /// The records looked at,
    next: Slot,
    /// with all messages before,
    count: u64,
    /// and those before the checkpoint's base.
    read: Option<u64>,
    /// Where the log stood when windows were formed that are done, and how many messages had left by then.
    done: VecDeque<(Offset, u64)>,
}

impl Judge {
    pub(super) fn new(partition: u32, mut state: GroupState, checkpoint: Checkpoint, bounds: LogBounds) -> Self {
        let first = bounds.first();
        let mut judge = Self {
            partition,
            cut: false,
            differences: Vec::new(),
            next: first.offset.slot(),
            count: first.count,
            read: None,
            done: VecDeque::new(),
            bounds,
            checkpoint,
            state: state.clone(),
        };
        let needed = judge.checkpoint.keep_from();
        judge.compare(Term::Needed, state.start.offset, needed, needed.to_u64(), state.keep_from.to_u64());
        if let Some(cut) = accounts::cut(&judge.checkpoint, state.counters, first) {
            (state.counters, judge.checkpoint, judge.cut) = (cut.counters, cut.checkpoint, true);
            judge.state = state;
        }
        judge.done = judge.checkpoint.done.as_slice().iter().map(|range| (range.next, range.left)).collect();
        judge
    }

    /// Where the survey goes on; `None` when it is over.
    pub(super) fn wants(&self) -> Option<Slot> {
        (self.next <= self.bounds.tail).then_some(self.next)
    }

    /// Takes the records that [`Judge::wants`].
    pub(super) fn survey(&mut self, records: &[RecordSummary]) {
        if records.is_empty() {
            let (from, to) = (Offset::first_of(self.next), Offset::first_of(self.bounds.tail.next()));
            self.compare(Term::Records, from, to, self.bounds.tail.get(), self.next.previous().get());
            self.next = self.bounds.tail.next();
        }
        for record in records {
            if record.slot != self.next {
                let (from, to) = (Offset::first_of(self.next), Offset::first_of(record.slot));
                self.compare(Term::Records, from, to, self.next.get(), record.slot.get());
            }
            self.take(record);
        }
    }

    fn take(&mut self, record: &RecordSummary) {
        let base = self.checkpoint.base.position.offset;
        if record.slot >= base.slot() && self.read.is_none() {
            let within = if record.slot == base.slot() { base.index().min(record.messages) } else { 0 };
            self.read = Some(self.count + u64::from(within));
        }
        let buffered = &self.checkpoint.base.buffered;
        if let Ok(at) = buffered.binary_search_by_key(&record.slot, |slot| slot.slot) {
            let end = buffered.get(at).and_then(last_of).unwrap_or(0);
            if end > record.messages {
                let (from, to) = (Offset::first_of(record.slot), Offset::first_of(record.slot.next()));
                self.compare(Term::Buffered, from, to, end.into(), record.messages.into());
            }
        }
        while let Some((next, left)) = self.done.pop_front_if(|(next, _)| next.slot() <= record.slot) {
            let within = if next.slot() == record.slot { next.index().min(record.messages) } else { 0 };
            self.compare_left(next, left, self.count + u64::from(within));
        }
        self.count += u64::from(record.messages);
        self.next = record.slot.max(self.next).next();
    }

    /// Compares the tallies.
    pub(super) fn verdict(mut self) -> PartitionAudit {
        while let Some((next, left)) = self.done.pop_front() {
            self.compare_left(next, left, self.count);
        }
        let GroupState { start, counters, .. } = self.state;
        let base = &self.checkpoint.base;
        let (position, left, dropped, buffered) = (base.position, base.left, base.dropped, base.waiting());
        let (done, open) = (self.checkpoint.done.left(), self.checkpoint.open_leaving());
        let read = self.read.unwrap_or(self.count);
        let (begin, end) = (start.offset, Offset::first_of(self.next));

        self.compare(Term::Read, self.bounds.first().offset, position.offset, position.count, read);
        let Counters { finished, late, dead, skipped, .. } = counters;
        let ended = [finished, late, dead, skipped].into_iter().fold(0, u64::saturating_add);
        self.compare(Term::Done, begin, position.offset, (left + done).saturating_sub(open), ended);
        self.compare(Term::Dropped, begin, position.offset, dropped, counters.dropped);
        let expired = position.count.saturating_sub(start.count + buffered).saturating_sub(left + dropped);
        self.compare(Term::Expired, begin, position.offset, expired, counters.expired);

        let terms = Terms {
            appended: self.count.saturating_sub(start.count),
            finished: counters.finished,
            late: counters.late,
            dead: counters.dead,
            skipped: counters.skipped,
            dropped: counters.dropped,
            expired: counters.expired,
            waiting: (self.count.saturating_sub(position.count) + buffered + open).saturating_sub(done),
        };
        self.compare(Term::Sum, begin, end, terms.appended, terms.sum());
        PartitionAudit { partition: self.partition, terms, differences: self.differences }
    }

    /// Compares how many messages left with windows up to `next` with how many were there to leave.
    fn compare_left(&mut self, next: Offset, left: u64, read: u64) {
        let base = &self.checkpoint.base;
        let there = base.waiting().saturating_add(read).saturating_sub(base.position.count);
        let (from, left) = (base.keep_from(), left.saturating_sub(base.left));
        // others may wait in the buffer
        self.compare(Term::Left, from, next, left, there.min(left));
    }

    fn compare(&mut self, term: Term, from: Offset, to: Offset, expected: u64, found: u64) {
        if expected != found {
            let partition = self.partition;
            self.differences.push(Difference { partition, term, from, to, expected, found });
        }
    }
}

/// Where the last buffered message of a record ends.
fn last_of(slot: &BufferedSlot) -> Option<u32> {
    slot.runs.last().map(|&(_, to)| to)
}
