//! The handle, and how it is made.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use minibatch_core::Clock;

use crate::{registry, state::State, time::Time};

/// A storage in memory. Cheap to clone; all clones share the data, which goes with the last of them.
#[derive(Clone)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
}

/// What all handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    time: Time,
}

impl Shared {
    fn new(time: Time) -> Self {
        Self { state: Mutex::default(), time }
    }
}

impl MemoryStorage {
    /// An empty storage that nobody else has, as for the URL `memory:`.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new(Time::system())) }
    }

    /// An empty storage by another clock than the system's: [`Clock::now`] stamps its records, and members die by
    /// [`Clock::elapsed`].
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared::new(Time::Given(clock))) }
    }

    /// The storage of that name in this process, as for the URL `memory:name`: the same data for everybody who asks for
    /// the same name, as long as anybody holds a handle to it.
    ///
    /// ```
    /// use minibatch_core::{StreamName, storage::StreamStore};
    /// use minibatch_memory::MemoryStorage;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), minibatch_core::Error> {
    /// let one = MemoryStorage::named("plant");
    /// let stream = one.open_stream(&StreamName::new("quakes")?, 1).await?;
    /// let other = MemoryStorage::named("plant");
    /// assert_eq!(other.find_stream(&stream.name).await?, Some(stream));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { shared: registry::find_or_insert(name, || Shared::new(Time::system())) }
    }

    /// The state, whole: no operation stops half way, so what a panic elsewhere left is good.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn time(&self) -> &Time {
        &self.shared.time
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    /// Never the data: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("time", &self.shared.time).finish_non_exhaustive()
    }
}
