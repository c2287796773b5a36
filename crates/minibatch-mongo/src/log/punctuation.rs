//! Punctuations: inserted after the tail, where the unique key decides who was first.
//!
//! The tail is merely read, so what holds for an append to such a slot holds here: it is good for a while, and the floor is
//! read after the insert. Where the outcome is unclear the tail tells: if it is elsewhere by then, whoever wrote there,
//! that is all a caller wants to know.

use minibatch_core::{
    Error, ErrorKind, Slot, Timestamp,
    chunk::{ProducerStamp, RecordKind},
    storage::{Partition, Punctuated},
};

use super::{
    append::Attempt,
    chunk,
    slots::{Place, Teacher},
};
use crate::client::Client;

/// The id that punctuations are written under, as their stamp says.
pub(super) const PUNCTUATION: &str = "~punct";

impl Client {
    pub(super) async fn punctuate(
        &self,
        partition: &Partition,
        after: Slot,
        time: Timestamp,
    ) -> Result<Punctuated, Error> {
        let state = self.partitions().find_or_insert(partition);
        // appends of this client would only lose a race to it
        let mut turn = state.appending.lock().await;
        let mut attempts = self.attempts();
        self.check(partition).await?;
        loop {
            let taught = self.clock().elapsed();
            let tail = self.read_tail(partition, Slot::ZERO).await?;
            state.saw_tail(tail);
            if after == Slot::ZERO || tail != after {
                return Ok(Punctuated::Elsewhere);
            }
            let place = Place { slot: Slot::new(after.get() + 1)?, taught, by: Teacher::Tail };
            let stamp = ProducerStamp::punctuation(place.slot);
            let document = chunk::encode_control(partition, place.slot, RecordKind::Punctuation, &stamp, time)?;
            let failure = match self.insert_at(partition, place, document).await {
                Ok(Attempt::Appended(slot)) => {
                    turn.slots.found(slot);
                    state.saw_tail(slot);
                    return Ok(Punctuated::Appended);
                }
                Ok(Attempt::Lost) => return Ok(Punctuated::Elsewhere),
                Ok(Attempt::Failed(failure) | Attempt::Unclear(failure)) => failure,
                Err(error) if error.kind() == ErrorKind::Misconfigured => {
                    tracing::debug!(%partition, %error, "no punctuation can be written");
                    return Ok(Punctuated::Unsupported);
                }
                Err(error) => return Err(error),
            };
            if !attempts.again().await {
                return Err(failure.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_id_is_reserved() {
        assert_eq!(ProducerStamp::punctuation(Slot::FIRST).id.as_str(), PUNCTUATION);
    }
}
