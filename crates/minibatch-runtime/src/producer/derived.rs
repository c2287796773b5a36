//! Appending what follows from a window, once, however often the window comes.

use minibatch_core::{
    Cause, Error, ProducerId, Timestamp,
    chunk::{ChunkBuilder, DerivedChunk, Encoded},
};

use crate::consumer::Delivery;

/// How many chunks may follow from a window in one partition, as a power of two.
const PART_BITS: u32 = 12;

/// What something follows from: the id and numbers under which it is appended.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    id: ProducerId,
    first: u64,
    below: u64,
}

impl Origin {
    /// A window, or a piece of one, which has numbers of its own.
    pub(crate) fn of(delivery: &Delivery) -> Self {
        let Delivery { run, lane, formed, .. } = delivery;
        if delivery.is_piece() {
            return Self { id: ProducerId::reserved(&delivery.id.to_string()), first: 0, below: 0 };
        }
        Self {
            id: ProducerId::reserved(&format!("{:016x}.{}", run.generation.get(), lane.partition)),
            first: formed.ordinal << PART_BITS,
            below: run.done_before << PART_BITS,
        }
    }

    /// The late messages of a window. With an `epoch` those of another epoch are others, though their window may have the
    /// same number: where windows may differ after a crash.
    pub(crate) fn late(delivery: &Delivery, epoch: Option<u64>) -> Self {
        let epoch = epoch.map_or_else(String::new, |epoch| format!(".{epoch}"));
        let Delivery { run, lane, .. } = delivery;
        let id = format!("late.{:016x}.{}{epoch}", run.generation.get(), lane.partition);
        Self { id: ProducerId::reserved(&id), ..Self::of(delivery) }
    }

    /// The chunks of messages that follow from it in one partition.
    ///
    /// # Errors
    /// [`OutOfRange`](Cause::OutOfRange) for more chunks than there are numbers.
    pub(crate) fn chunks(&self, encoded: &Encoded, time: Timestamp) -> Result<Vec<DerivedChunk>, Error> {
        let mut chunks = Vec::new();
        let mut taken = 0;
        while taken < encoded.len() {
            let part = chunks.len() as u64;
            if part >> PART_BITS > 0 {
                return Err(Cause::out_of_range("a window's output has at most 4,096 chunks").into());
            }
            let mut chunk = ChunkBuilder::new();
            taken += chunk.fill(encoded, taken);
            let (id, number) = (self.id.clone(), self.first + part);
            chunks.push(DerivedChunk { id, number, below: self.below, time, payload: chunk.finish() });
        }
        Ok(chunks)
    }
}
