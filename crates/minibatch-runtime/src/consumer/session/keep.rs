//! Gathering what is kept of windows, where it is, until the commit that marks them as done.

use std::{collections::BTreeMap, sync::Arc};

use minibatch_core::{
    Clock, Error, Timestamp,
    storage::{Generation, Note},
    window::FormedWindow,
};

use super::super::{Delivery, kept, supervisor::Setup};

/// What is kept of the windows of a session.
pub(super) struct Keeper {
    /// Nothing is kept without.
    clock: Option<Arc<dyn Clock>>,
    generation: Generation,
    /// When a window was formed, and begun, by ordinal.
    times: BTreeMap<u64, (Timestamp, Timestamp)>,
    notes: Vec<Note>,
}

impl Keeper {
    pub(super) fn new(setup: &Setup, generation: Generation) -> Self {
        let clock = setup.options.keep.then(|| Arc::clone(setup.client.clock()));
        Self { clock, generation, times: BTreeMap::new(), notes: Vec::new() }
    }

    pub(super) fn formed(&mut self, windows: &[FormedWindow]) {
        if let Some(clock) = &self.clock {
            let now = clock.now();
            self.times.extend(windows.iter().map(|window| (window.ordinal, (now, now))));
        }
    }

    pub(super) fn begun(&mut self, ordinal: u64) {
        if let (Some(clock), Some((_, begun))) = (&self.clock, self.times.get_mut(&ordinal)) {
            *begun = clock.now();
        }
    }

    /// A window is done, but for what was buried of it.
    pub(super) fn done(&mut self, delivery: &Delivery, dead: &[usize]) -> Result<(), Error> {
        let Some(clock) = &self.clock else { return Ok(()) };
        let done = clock.now();
        let (formed, begun) = self.times.remove(&delivery.formed.ordinal).unwrap_or((done, done));
        self.notes.extend(kept::notes(self.generation, delivery, dead, [formed, begun, done])?);
        Ok(())
    }

    /// What is to be written before the next commit.
    pub(super) fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
