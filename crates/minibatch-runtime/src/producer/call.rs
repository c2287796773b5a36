//! One caller's messages on their way.

use minibatch_core::{Cause, Error, Offset, Slot, chunk::Encoded};
use tokio::sync::oneshot;

/// What became of one caller's messages in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// How many are durable.
    pub(super) count: usize,
    pub(super) first: Offset,
    pub(super) last: Offset,
}

/// One call of `append`: what is to be appended, how much of it is durable, and who waits.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) encoded: Encoded,
    done: Done,
    reply: oneshot::Sender<Result<Done, Error>>,
}

impl Call {
    pub(super) fn new(encoded: Encoded, reply: oneshot::Sender<Result<Done, Error>>) -> Self {
        Self { encoded, done: Done::default(), reply }
    }

    /// How many of its messages are durable.
    pub(super) fn durable(&self) -> usize {
        self.done.count
    }

    /// Its next `count` messages are durable, from `index` of the chunk in `slot` on.
    pub(super) fn advance(&mut self, slot: Slot, index: u32, count: usize) -> Result<(), Error> {
        let last = u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(1).saturating_add(index);
        if self.done.count == 0 {
            self.done.first = Offset::new(slot, index)?;
        }
        self.done.last = Offset::new(slot, last)?;
        self.done.count += count;
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.count == self.encoded.len()
    }

    pub(super) fn finish(self) {
        // whoever asked may have gone
        let _ = self.reply.send(Ok(self.done));
    }

    pub(super) fn fail(self, cause: &Cause) {
        let error = Error::new(cause.clone()).during("append");
        let error = match self.durable() {
            0 => error,
            durable => Error::new(Cause::partly_appended(durable, self.encoded.len(), Vec::new()))
                .during("append")
                .with_source(error),
        };
        let _ = self.reply.send(Err(error));
    }
}
