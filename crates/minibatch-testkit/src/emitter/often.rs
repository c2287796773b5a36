//! Asks a strategy after every message, and several times, whatever it said that it waits for.

use minibatch_core::{
    Adaptive, Buffer, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Panes, Reason, Selection},
};

/// A strategy asked more often than it needs.
#[derive(Debug)]
pub(super) struct AskedOften<E> {
    emitter: E,
    asked: usize,
}

impl<E> AskedOften<E> {
    pub(super) fn new(emitter: E) -> Self {
        Self { emitter, asked: 0 }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<E: WindowEmitter> WindowEmitter for AskedOften<E> {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        // not always as often, or a strategy that counts could be right by chance
        self.asked += 1;
        for _ in 0..self.asked % 3 {
            self.emitter.window_ready(buffer, now);
        }
        match self.emitter.window_ready(buffer, now) {
            Readiness::Ready => Readiness::Ready,
            Readiness::Wait { until, .. } => until.map_or(Readiness::wait(), |until| Readiness::wait().or_at(until)),
        }
    }
    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.emitter.query(buffer)
    }
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        self.emitter.observe(message)
    }
    fn is_due(&self) -> bool {
        self.emitter.is_due()
    }
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        self.emitter.drain(buffer, reason)
    }
    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        self.emitter.explain(buffer, now)
    }
    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        self.emitter.open(buffer, since, panes)
    }
    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        self.emitter.adaptive()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.emitter.fingerprint()
    }
    fn snapshot(&self) -> Result<EmitterState, Error> {
        self.emitter.snapshot()
    }
    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.emitter.restore(state, buffer)
    }
}
