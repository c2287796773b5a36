//! Who waits for which partition's log to grow.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use minibatch_core::{Cause, Error, Slot, storage::Partition};
use tokio::sync::watch;

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    At(Slot),
    /// The stream was dropped.
    Gone,
}

impl End {
    /// Takes over what is newer; news may come late, and a log's end never goes back.
    fn advance(&mut self, news: Self) -> bool {
        let newer = match (*self, news) {
            (Self::At(known), Self::At(tail)) => tail > known,
            (Self::At(_), Self::Gone) => true,
            (Self::Gone, _) => false,
        };
        if newer {
            *self = news;
        }
        newer
    }
}

/// What a transaction changed for those who wait.
#[derive(Debug, Default)]
pub(crate) struct News(Vec<(Partition, End)>);

impl News {
    pub(crate) fn push(&mut self, partition: Partition, end: End) {
        self.0.push((partition, end));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The partitions somebody waits for, with the last that is known of their ends.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waited: HashMap<Partition, watch::Sender<End>>,
    /// Somebody has begun to wait since the watcher last asked.
    newcomers: bool,
    /// The watcher sleeps until it is nudged.
    watcher_sleeps: bool,
    closed: bool,
}

/// What the watcher does next.
#[derive(Debug)]
pub(crate) enum Duty {
    /// Look after these; `fresh` when somebody is new.
    Look { partitions: Vec<Partition>, fresh: bool },
    /// Nobody waits: sleep until nudged.
    Sleep,
    /// The storage is closed.
    End,
}

impl Tails {
    fn state(&self) -> MutexGuard<'_, State> {
        // nothing panics half way through a change
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait; the second is true when the watcher sleeps and must be nudged.
    pub(crate) fn wait(self: &Arc<Self>, partition: &Partition) -> Result<(Waiting, bool), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Cause::Closed.into());
        }
        let sender = state.waited.entry(partition.clone()).or_insert_with(|| watch::Sender::new(End::At(Slot::ZERO)));
        let end = sender.subscribe();
        state.newcomers = true;
        let nudge = std::mem::take(&mut state.watcher_sleeps);
        Ok((Waiting { tails: Arc::clone(self), partition: partition.clone(), end }, nudge))
    }

    /// Tells those who wait.
    pub(crate) fn publish(&self, news: News) {
        let state = self.state();
        for (partition, end) in news.0 {
            if let Some(sender) = state.waited.get(&partition) {
                sender.send_if_modified(|known| known.advance(end));
            }
        }
    }

    /// What the watcher does next.
    pub(crate) fn duty(&self) -> Duty {
        let mut state = self.state();
        if state.closed {
            return Duty::End;
        }
        if state.waited.is_empty() {
            state.watcher_sleeps = true;
            return Duty::Sleep;
        }
        let fresh = std::mem::take(&mut state.newcomers);
        Duty::Look { partitions: state.waited.keys().cloned().collect(), fresh }
    }

    /// Nobody waits any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waited.clear();
    }
}

/// One who waits for a partition; no longer when dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    tails: Arc<Tails>,
    partition: Partition,
    end: watch::Receiver<End>,
}

impl Waiting {
    /// Returns once the log ends above `after`.
    pub(crate) async fn past(&mut self, after: Slot) -> Result<(), Error> {
        let past = |end: &End| match end {
            End::At(tail) => *tail > after,
            End::Gone => true,
        };
        match self.end.wait_for(past).await.map(|end| *end) {
            Ok(End::At(_)) => Ok(()),
            Ok(End::Gone) => Err(Cause::StreamDropped.into()),
            Err(_closed) => Err(Cause::Closed.into()),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.tails.state();
        if state.waited.get(&self.partition).is_some_and(|sender| sender.receiver_count() <= 1) {
            state.waited.remove(&self.partition);
        }
    }
}
