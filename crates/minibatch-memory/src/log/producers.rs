//! Which producer wrote what: an append is done once, and a fenced producer does none.

use std::collections::{HashMap, VecDeque};

use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::{NewChunk, ProducerStamp},
    storage::ProducerGrant,
};

use super::records::Records;

#[derive(Default)]
pub(super) struct Producers(HashMap<ProducerId, Producer>);

/// Outlives its records: a sequence is never used twice, trimmed or not.
#[derive(Default)]
struct Producer {
    epoch: u64,
    last_sequence: u64,
    /// The slots of its last sequences, as far as their records are kept; the last one's is at the back.
    slots: VecDeque<Slot>,
}

/// What an append comes to.
pub(super) enum Verdict {
    New,
    /// Appended before, there; or, after it was trimmed, somewhere below.
    Known(Slot),
}

impl Producers {
    pub(super) fn register(&mut self, id: &ProducerId) -> ProducerGrant {
        let producer = self.0.entry(id.clone()).or_default();
        producer.epoch += 1;
        ProducerGrant { epoch: producer.epoch, next_sequence: producer.last_sequence + 1 }
    }

    pub(super) fn judge(&self, chunk: &NewChunk, records: &Records) -> Result<Verdict, Error> {
        let ProducerStamp { id, epoch, sequence } = &chunk.producer;
        let producer = self.0.get(id).filter(|producer| *epoch <= producer.epoch);
        let Some(producer) = producer else {
            return Err(Cause::out_of_range("a producer's epoch is the one that register_producer gave").into());
        };
        if *epoch < producer.epoch {
            return Err(Cause::fenced(*epoch).into());
        }
        let expected = producer.last_sequence + 1;
        match *sequence {
            0 => Err(Cause::out_of_order_sequence(expected, 0).into()),
            new if new == expected => Ok(Verdict::New),
            skipped if skipped > expected => Err(Cause::out_of_order_sequence(expected, skipped).into()),
            known => match producer.slot_of(known).and_then(|slot| records.get(slot)) {
                Some(record) if record.payload != chunk.payload => Err(Cause::sequence_conflict(known).into()),
                Some(record) => Ok(Verdict::Known(record.slot)),
                None => Ok(Verdict::Known(records.bounds().floor.previous())),
            },
        }
    }

    pub(super) fn wrote(&mut self, stamp: &ProducerStamp, slot: Slot) {
        if let Some(producer) = self.0.get_mut(&stamp.id) {
            producer.last_sequence = stamp.sequence;
            producer.slots.push_back(slot);
        }
    }

    /// The producer's first kept record is gone.
    pub(super) fn forget_oldest(&mut self, id: &ProducerId) {
        if let Some(producer) = self.0.get_mut(id) {
            producer.slots.pop_front();
        }
    }
}

impl Producer {
    fn slot_of(&self, sequence: u64) -> Option<Slot> {
        let back = usize::try_from(self.last_sequence.checked_sub(sequence)?).ok()?;
        self.slots.get(self.slots.len().checked_sub(back + 1)?).copied()
    }
}
