//! What became of an append whose outcome is unclear.

use minibatch_core::{Cause, Error, ProducerId, Slot, chunk::NewChunk, storage::Partition};

use crate::client::Client;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// It is in the log, or was and is trimmed.
    Appended(Slot),
    /// It is not there: send it again, under the same number, which lets in one only.
    Absent,
    /// Its number is taken, by a former registration's chunk or by this one in a slot that was trimmed before: send it
    /// again under this number.
    Renumbered(u64),
}

impl Client {
    /// Where a number is that the producer's row has: still there, though it was not when it was looked for before, or
    /// trimmed, and then below the floor of now: one read earlier may be from before it arrived. What lies below the floor
    /// may be a stray, of an attempt that came too late to a slot before.
    pub(super) async fn folded(
        &self,
        partition: &Partition,
        producer: &ProducerId,
        stored: u64,
    ) -> Result<Slot, Error> {
        let written = self.written(partition, producer, stored).await?;
        let floor = self.read_partition(partition).await?.floor;
        Ok(written.map(|written| written.slot).filter(|slot| *slot >= floor).unwrap_or(floor.previous()))
    }

    /// Asks for the producer's own number. The order of the three reads, each after the other in the server's time, is
    /// what the answer rests on: a chunk is deleted only after the floor rose over it, and the floor rises only after
    /// the producer's row has its number.
    pub(super) async fn resolve(
        &self,
        partition: &Partition,
        chunk: &NewChunk,
        stored: u64,
    ) -> Result<Resolved, Error> {
        let stamp = &chunk.producer;
        let written = self.written(partition, &stamp.id, stored).await?;
        let floor = self.read_partition(partition).await?.floor;
        let row = self.producer_row(partition, &stamp.id).await?.unwrap_or_default();
        if let Some(written) = written.as_ref().filter(|written| written.slot >= floor) {
            if written.epoch > stamp.epoch {
                return Err(Cause::fenced(stamp.epoch).into());
            }
            if written.epoch == stamp.epoch {
                return match written.holds(&chunk.payload) {
                    true => Ok(Resolved::Appended(written.slot)),
                    false => Err(Cause::sequence_conflict(stamp.sequence).into()),
                };
            }
        } else if row.last_epoch == stamp.epoch && row.last_sequence >= stored {
            return Ok(Resolved::Appended(self.folded(partition, &stamp.id, stored).await?));
        }
        if row.epoch > stamp.epoch {
            // the heir's numbers may have covered this one's traces
            return Err(Cause::fenced(stamp.epoch).into());
        }
        if written.is_none() && row.last_sequence < stored {
            return Ok(Resolved::Absent);
        }
        let last = self.last_written(partition, &stamp.id).await?.map_or(0, |last| last.sequence);
        Ok(Resolved::Renumbered(row.last_sequence.max(last).max(stored) + 1))
    }
}
