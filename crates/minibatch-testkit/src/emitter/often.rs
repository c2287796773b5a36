//! Asks a strategy after every message, and twice, whatever it said that it waits for.

use minibatch_core::{
    Buffer, EmitterState, Error, Fingerprint, Message, Observed, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};

/// A strategy asked more often than it needs.
#[derive(Debug)]
pub(super) struct AskedOften<E>(pub(super) E);

#[deny(clippy::missing_trait_methods)]
impl<E: WindowEmitter> WindowEmitter for AskedOften<E> {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        self.0.window_ready(buffer, now);
        match self.0.window_ready(buffer, now) {
            Readiness::Ready => Readiness::Ready,
            Readiness::Wait { until, .. } => until.map_or(Readiness::wait(), |until| Readiness::wait().until(until)),
        }
    }
    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.0.query(buffer)
    }
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        self.0.observe(message)
    }
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        self.0.drain(buffer, reason)
    }
    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
    fn snapshot(&self) -> Result<EmitterState, Error> {
        self.0.snapshot()
    }
    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.0.restore(state, buffer)
    }
}
