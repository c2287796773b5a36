//! What this client knows of its producers' numbers.
//!
//! A producer's own sequence and the stored number are the same but for two cases: an append of a former registration
//! that came in after the heir's registration and before its first append took the heir's number; or an attempt of its
//! own lies in a slot that was trimmed before. From then on the appends are stored under numbers that are higher.

use std::{collections::HashMap, time::Duration};

use minibatch_core::{ProducerId, chunk::ProducerStamp, storage::ProducerGrant};

/// The producers of this client in one partition.
#[derive(Default)]
pub(super) struct Producers(HashMap<ProducerId, Producer>);

/// A registration as this client knows it.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) epoch: u64,
    /// The sequence that the registration began with.
    pub(super) first: u64,
    /// The sequence of the next append, and when that was so; `None` until it was looked up.
    pub(super) next: Option<(u64, Duration)>,
    /// True while an attempt of the next append may be under way that nobody waits for any more.
    in_doubt: bool,
    /// From which sequence on the stored number is how much higher, in order.
    pub(super) shifts: Vec<(u64, u64)>,
}

impl Producer {
    pub(super) fn new(epoch: u64, first: u64) -> Self {
        Self { epoch, first, next: None, in_doubt: false, shifts: Vec::new() }
    }

    /// The number that a sequence is stored under.
    pub(super) fn stored(&self, sequence: u64) -> u64 {
        let shift = self.shifts.iter().rev().find(|(from, _)| *from <= sequence).map_or(0, |(_, shift)| *shift);
        sequence.saturating_add(shift)
    }

    /// The last sequence that is stored under the number or a lower one.
    pub(super) fn sequence(&self, stored: u64) -> u64 {
        let shift = self.shifts.iter().rev().find(|(from, _)| *from <= stored);
        shift.map_or(stored, |(from, shift)| stored.saturating_sub(*shift).max(from.saturating_sub(1)))
    }
}

impl Producers {
    pub(super) fn get_or_insert_with(&mut self, id: &ProducerId, new: impl FnOnce() -> Producer) -> &mut Producer {
        self.0.entry(id.clone()).or_insert_with(new)
    }

    pub(super) fn registered(&mut self, id: &ProducerId, grant: ProducerGrant) {
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

    /// The sequence is still the next.
    pub(super) fn is_next(&mut self, stamp: &ProducerStamp, since: Duration) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.next = Some((stamp.sequence, since));
        }
    }

    /// From this sequence on the stored number is another.
    pub(super) fn renumber(&mut self, stamp: &ProducerStamp, stored: u64) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.shifts.push((stamp.sequence, stored.saturating_sub(stamp.sequence)));
        }
    }

    /// The number of the producer's next append when it is known, and when that was so.
    pub(super) fn known_next(&self, stamp: &ProducerStamp) -> Option<(u64, Duration)> {
        let known = |producer: &&Producer| producer.epoch == stamp.epoch && !producer.in_doubt;
        let producer = self.0.get(&stamp.id).filter(known)?;
        let (next, since) = producer.next?;
        (next == stamp.sequence).then(|| (producer.stored(next), since))
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
