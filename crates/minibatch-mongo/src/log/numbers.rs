//! What this client knows of its producers' numbers.
//!
//! A producer's own sequence and the stored number are the same but for two cases: an append of a former registration
//! that came in after the heir's registration and before its first append took the heir's number; or an attempt of its
//! own lies in a slot that was trimmed before. From then on the appends are stored under numbers that are higher.

use std::{collections::HashMap, time::Duration};

use minibatch_core::{ProducerId, chunk::ProducerStamp, storage::ProducerGrant};

use super::slots::{Place, Teacher};

/// The producers of this client in one partition.
#[derive(Default)]
pub(super) struct Producers(HashMap<ProducerId, Producer>);

/// A registration as this client knows it.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) epoch: u64,
    /// The sequence that the registration began with.
    pub(super) first: u64,
    /// The sequence of the next append; `None` until it was looked up.
    pub(super) next: Option<u64>,
    /// Whoever registers the producer anew and appends under a number of this one's does so after this.
    alone_at: Duration,
    /// How many registrations there had been in the partition when this one was last seen to be the newest of its id.
    pub(super) registrations: i64,
    /// True while an attempt of the next append may be under way that nobody waits for any more.
    in_doubt: bool,
    /// From which sequence on the stored number is how much higher, in order.
    pub(super) shifts: Vec<(u64, u64)>,
}

impl Producer {
    pub(super) fn new(epoch: u64, first: u64) -> Self {
        let (alone_at, registrations) = (Duration::ZERO, -1);
        Self { epoch, first, next: None, alone_at, registrations, in_doubt: false, shifts: Vec::new() }
    }

    /// Nobody had registered the producer anew then, when there had been so many registrations.
    pub(super) fn is_newest(&mut self, then: Duration, registrations: i64) {
        self.alone_at = then;
        self.registrations = registrations;
    }

    /// Whether an heir that uses this one's numbers can only have slots after that place.
    ///
    /// An heir's slots are above all that were reserved before it registered, and registrations are counted where slots
    /// are reserved: as long as no more are counted, no heir has a slot before the reserved one.
    pub(super) fn is_alone(&self, place: Place) -> bool {
        let counted = Teacher::Reservation { registrations: self.registrations };
        place.by == counted || self.alone_at >= place.taught
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
    pub(super) fn get_mut(&mut self, id: &ProducerId) -> Option<&mut Producer> {
        self.0.get_mut(id)
    }

    pub(super) fn get_or_insert_with(&mut self, id: &ProducerId, new: impl FnOnce() -> Producer) -> &mut Producer {
        self.0.entry(id.clone()).or_insert_with(new)
    }

    pub(super) fn registered(&mut self, id: &ProducerId, grant: ProducerGrant) {
        self.0.insert(id.clone(), Producer::new(grant.epoch, grant.next_sequence));
    }

    /// The append of this sequence has a slot, by a request sent then.
    pub(super) fn appended(&mut self, stamp: &ProducerStamp, sent: Duration) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.next = Some(stamp.sequence + 1);
            producer.alone_at = sent;
            producer.in_doubt = false;
        }
    }

    /// Says whether an attempt may be under way, and returns whether one may have been before.
    pub(super) fn doubt(&mut self, stamp: &ProducerStamp, in_doubt: bool) -> bool {
        self.0.get_mut(&stamp.id).is_some_and(|producer| std::mem::replace(&mut producer.in_doubt, in_doubt))
    }

    /// From this sequence on the stored number is another.
    pub(super) fn renumber(&mut self, stamp: &ProducerStamp, stored: u64) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.shifts.push((stamp.sequence, stored.saturating_sub(stamp.sequence)));
        }
    }

    /// Whether this is the next append of a registration that appends through this client.
    pub(super) fn expects(&self, stamp: &ProducerStamp) -> bool {
        let expected = |producer: &Producer| producer.epoch == stamp.epoch && producer.next == Some(stamp.sequence);
        self.0.get(&stamp.id).is_some_and(expected)
    }

    /// The number of the producer's next append, when it is known.
    pub(super) fn known_next(&self, stamp: &ProducerStamp) -> Option<u64> {
        let known = |producer: &&Producer| producer.epoch == stamp.epoch && !producer.in_doubt;
        let producer = self.0.get(&stamp.id).filter(known)?;
        producer.next.filter(|next| *next == stamp.sequence).map(|next| producer.stored(next))
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
