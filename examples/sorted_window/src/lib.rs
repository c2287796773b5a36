//! A window strategy of one's own: even numbers, sorted, in batches. Everything else stays in the buffer.
//!
//! It shows what most strategies need: to decode a message once, to choose members and their order, to leave messages
//! where they are, and to come back after a restart.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use minibatch_core::{
    Buffer, Cause, EmitterState, Error, Fingerprint, Message, Observed, Offset, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};

/// Windows of so many even numbers, the smallest first.
#[derive(Debug)]
pub struct SortedWindow {
    size: usize,
    /// The even numbers in the buffer, in the order of the next window.
    even: BTreeSet<(i64, Offset)>,
}

impl SortedWindow {
    /// Windows of `size` even numbers.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for 0.
    pub fn new(size: usize) -> Result<Self, Error> {
        if size == 0 {
            return Err(Cause::invalid_window("a window has at least one message").into());
        }
        Ok(Self { size, even: BTreeSet::new() })
    }

    fn note(&mut self, message: &Message<'_>) {
        if let Ok(number) = message.decode::<i64>()
            && number % 2 == 0
        {
            self.even.insert((number, message.offset()));
        }
    }

    /// A window of all even numbers there are.
    fn take(&mut self, reason: Reason) -> Selection {
        let members = std::mem::take(&mut self.even).into_iter().map(|(_, offset)| offset).collect();
        Selection::of(members, reason)
    }
}

impl WindowEmitter for SortedWindow {
    /// Called once for each message: the only place where one is decoded.
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        self.note(message);
        Observed::Keep
    }

    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        // with fewer messages than are missing there is nothing to ask for
        match self.size - self.even.len() {
            0 => Readiness::Ready,
            missing => Readiness::wait_for(missing),
        }
    }

    /// Its members leave the buffer; all other messages stay.
    fn query(&mut self, _buffer: &Buffer) -> Selection {
        self.take(Reason::Count)
    }

    /// The default would be all that is buffered, odd numbers too.
    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        (!self.even.is_empty()).then(|| self.take(reason))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("sorted", 1, &self.size.to_string())
    }

    /// All it knows is in the buffer, so there is no `snapshot`: the default remembers nothing.
    fn restore(&mut self, _state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.even.clear();
        buffer.iter().for_each(|message| self.note(&message));
        Ok(())
    }
}
