//! Looks at the consumers' group again and again while faults strike: it must never go back.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use minibatch::{GroupName, Minibatch, storage::Partition};
use minibatch_testkit::history::Seen;
use tokio::task::JoinHandle;

use crate::{
    clock::{millis, pause},
    role::GROUP,
};

/// Looks until it is ended.
#[derive(Debug)]
pub(crate) struct Watcher {
    mb: Minibatch,
    partition: Partition,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub(crate) fn start(mb: Minibatch, partition: Partition) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let task = {
            let (mb, partition, seen) = (mb.clone(), partition.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                loop {
                    // a storage that does not answer has nothing to show
                    if let Ok(Some(state)) = look(&mb, &partition).await {
                        note(&seen, state);
                    }
                    pause(millis(50)).await;
                }
            })
        };
        Self { mb, partition, seen, task }
    }

    /// Looks a last time; gives all that it saw.
    pub(crate) async fn end(self) -> Result<Vec<Seen>> {
        self.task.abort();
        let _ = self.task.await;
        if let Some(state) = look(&self.mb, &self.partition).await? {
            note(&self.seen, state);
        }
        self.mb.shutdown().await;
        Ok(std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn note(seen: &Mutex<Vec<Seen>>, state: Seen) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.last() != Some(&state) {
        seen.push(state);
    }
}

async fn look(mb: &Minibatch, partition: &Partition) -> Result<Option<Seen>> {
    let group = GroupName::new(GROUP)?;
    let groups = mb.storage().groups(partition).await?;
    let state = groups.into_iter().find(|(name, _)| *name == group).map(|(_, state)| state);
    Ok(state.map(|state| Seen {
        epoch: state.fence.epoch,
        version: state.fence.version,
        keep_from: state.keep_from.to_u64(),
    }))
}
