//! The threads of one storage, counted so that others can wait for their end.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use minibatch_core::{Cause, Error};
use tokio::sync::watch;

/// Starts threads. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    running: Mutex<usize>,
    fewer: Condvar,
    /// The same number, as the number of receivers, for those who wait in a future.
    alive: watch::Sender<()>,
}

impl Counted {
    fn running(&self) -> MutexGuard<'_, usize> {
        // a number is whole whatever panicked
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread as running until it is dropped.
struct Running {
    threads: Threads,
    _alive: watch::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.threads.0.running() -= 1;
        self.threads.0.fewer.notify_all();
    }
}

impl Threads {
    /// Starts a thread.
    pub(crate) fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        *self.0.running() += 1;
        let running = Running { threads: self.clone(), _alive: self.0.alive.subscribe() };
        let counted = move || {
            body();
            drop(running);
        };
        let spawned = thread::Builder::new().name(format!("minibatch-{name}")).spawn(counted);
        spawned
            .map(drop)
            .map_err(|error| Error::new(Cause::unavailable("no thread could be started")).with_source(error))
    }

    /// Returns once all have ended.
    pub(crate) async fn ended(&self) {
        self.0.alive.closed().await;
    }

    /// Blocks this thread, which must be none of them, until all have ended.
    pub(crate) fn wait(&self) {
        let running = self.0.running();
        drop(self.0.fewer.wait_while(running, |running| *running > 0));
    }
}
