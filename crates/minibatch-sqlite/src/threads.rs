//! The threads of one storage, counted so that others can wait for their end.

use std::thread;

use futures::executor::block_on;
use minibatch_core::{Cause, Error};
use tokio::sync::watch;

/// Starts threads. Cheap to clone; all clones count together, as the receivers of the channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads(watch::Sender<()>);

impl Threads {
    /// Starts a thread.
    pub(crate) fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let alive = self.0.subscribe();
        let counted = move || {
            body();
            drop(alive);
        };
        let spawned = thread::Builder::new().name(format!("minibatch-{name}")).spawn(counted);
        spawned
            .map(drop)
            .map_err(|error| Error::new(Cause::unavailable("no thread could be started")).with_source(error))
    }

    /// Returns once all have ended.
    pub(crate) async fn ended(&self) {
        self.0.closed().await;
    }

    /// Blocks this thread, which must be none of them, until all have ended.
    pub(crate) fn wait(&self) {
        block_on(self.ended());
    }
}
