//! So many messages.

use minibatch_core::{
    Buffer, Cause, Error, Explanation, Fingerprint, Readiness, Strategy, Timestamp, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
    window::{Reason, Selection},
};

/// Windows of exactly so many messages, in order.
///
/// The rest waits for its window to fill up, **for ever if nothing more comes**: with
/// [`BatchWindow`](crate::BatchWindow), `max_wait` beside `size` bounds that.
///
/// ```text
/// messages                a b   c       d e   f g
///
/// CountWindow::new(3)     a b   c]      d e   f]g …
/// ```
///
/// # Behaviour
/// - reason: [`Reason::Count`]; bounds: from the first message's append time to just after the last one's
/// - decides by the messages alone: the same windows for every group and every replay
/// - remembers nothing beside the buffer
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct CountWindow {
    count: usize,
}

impl CountWindow {
    /// Windows of `count` messages.
    pub const fn new(count: usize) -> Self {
        Self { count }
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for 0.
    pub fn build(&self) -> Result<CountEmitter, Error> {
        if self.count == 0 {
            return Err(Cause::invalid_window("a window has at least one message").into());
        }
        Ok(CountEmitter { count: self.count })
    }
}

impl Strategy for CountWindow {
    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self.build()?, position)))
    }
}

/// The emitter of a [`CountWindow`].
#[derive(Clone, Debug)]
pub struct CountEmitter {
    count: usize,
}

impl WindowEmitter for CountEmitter {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        match self.count.checked_sub(buffer.len()) {
            None | Some(0) => Readiness::Ready,
            Some(missing) => Readiness::wait_for(missing),
        }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::first(self.count, Reason::Count)
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        Explanation::at(now).messages(self.count.saturating_sub(buffer.len()))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("count", 1, &self.count.to_string())
    }
}
