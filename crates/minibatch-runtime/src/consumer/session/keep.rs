//! Gathering what is kept of windows, where it is, until the commit that marks them as done.

use std::{collections::BTreeMap, sync::Arc};

use minibatch_core::{
    Clock, Error, Timestamp,
    checkpoint::OpenWindow,
    storage::{Generation, Note},
    window::{FormedWindow, WindowId},
};

use super::super::{KeptWindow, kept, supervisor::Setup};

/// When a window was formed, and begun, by ordinal.
pub(super) type Times = BTreeMap<u64, (Timestamp, Timestamp)>;

/// What is kept of the windows of a session.
pub(super) struct Keeper {
    /// Nothing is kept without.
    clock: Option<Arc<dyn Clock>>,
    generation: Generation,
    partition: u32,
    /// Of the windows that are not done.
    times: Times,
    done: Vec<KeptWindow>,
}

impl Keeper {
    pub(super) fn new(setup: &Setup, generation: Generation) -> Self {
        let clock = setup.options.keep.then(|| Arc::clone(setup.client.clock()));
        Self { clock, generation, partition: setup.partition.index, times: Times::new(), done: Vec::new() }
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

    /// A window is done.
    pub(super) fn done(&mut self, id: WindowId, attempts: u32, window: impl FnOnce() -> OpenWindow) {
        if let Some(clock) = &self.clock {
            let (now, window) = (clock.now(), window());
            let (formed, begun) = self.times.remove(&window.ordinal).unwrap_or((now, now));
            self.done.push(KeptWindow::new(id, self.partition, attempts, window, [formed, begun, now]));
        }
    }

    /// The times of the windows that are not done, to [go back](Self::take_back) to if the next commit is refused.
    pub(super) fn times(&self) -> Times {
        self.times.clone()
    }

    /// The windows of a commit that was refused are not done. What was formed since stays.
    pub(super) fn take_back(&mut self, before: Times) {
        self.times.extend(before);
    }

    /// What is to be written before the next commit.
    pub(super) fn take(&mut self) -> Result<Vec<Note>, Error> {
        let notes = self.done.drain(..).map(|window| kept::notes(self.generation, &window));
        Ok(notes.collect::<Result<Vec<_>, _>>()?.concat())
    }
}
