//! The emitter that shows other members than the one inside.

use std::fmt;

use minibatch_core::{
    Adaptive, Buffer, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Panes, Reason, Selection},
};

use super::Refinement;

/// The emitter of a [`Refined`](super::Refined) strategy.
pub struct RefinedEmitter<R> {
    inner: Box<dyn WindowEmitter>,
    refinement: R,
}

impl<R: Refinement> RefinedEmitter<R> {
    pub(super) fn new(inner: Box<dyn WindowEmitter>, refinement: R) -> Self {
        Self { inner, refinement }
    }

    fn refined(&self, selection: Selection, buffer: &Buffer) -> Selection {
        if !selection.forms_window() {
            return selection;
        }
        let members = self.refinement.refine(selection.members(buffer), buffer);
        selection.showing(members, buffer)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<R: Refinement> WindowEmitter for RefinedEmitter<R> {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        self.inner.window_ready(buffer, now)
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let selection = self.inner.query(buffer);
        self.refined(selection, buffer)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        self.inner.observe(message)
    }

    fn is_due(&self) -> bool {
        self.inner.is_due()
    }

    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        let selection = self.inner.drain(buffer, reason)?;
        Some(self.refined(selection, buffer))
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        self.inner.explain(buffer, now)
    }

    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        let open = self.inner.open(buffer, since, panes).into_iter();
        open.map(|selection| self.refined(selection, buffer)).collect()
    }

    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        self.inner.adaptive()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.refinement.fingerprint(&self.inner.fingerprint())
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        self.inner.snapshot()
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.inner.restore(state, buffer)
    }
}

impl<R: Refinement> fmt::Debug for RefinedEmitter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefinedEmitter").field(&self.fingerprint().as_str()).finish()
    }
}
