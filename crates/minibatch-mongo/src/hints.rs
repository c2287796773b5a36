//! Hints by the server that something was appended: one change stream a client, for the streams it waits on.
//!
//! A lost hint costs delay and nothing else: who waits looks for itself as well.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use minibatch_core::{
    Clock, StreamName,
    storage::{Incarnation, Partition},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    client::Partitions,
    database::{Database, Failure, Hint},
};

/// How long the change stream stays open after the last who waited.
const LINGER: Duration = Duration::from_secs(10);
/// How long to do without after one failed, first and at most.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The change stream's owner. Dropping it ends the stream.
pub(crate) struct Hints {
    wanted: watch::Sender<Wanted>,
    task: Mutex<Option<JoinHandle<()>>>,
    parts: Parts,
}

#[derive(Clone)]
struct Parts {
    database: Arc<dyn Database>,
    clock: Arc<dyn Clock>,
    partitions: Arc<Partitions>,
}

/// What hints are wanted of.
#[derive(Clone, Default)]
struct Wanted {
    streams: BTreeSet<StreamName>,
    waiting: usize,
}

/// Somebody waits, as long as this lives.
pub(crate) struct Attention<'a>(&'a watch::Sender<Wanted>);

impl Drop for Attention<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|wanted| wanted.waiting -= 1);
    }
}

impl Hints {
    pub(crate) fn new(database: Arc<dyn Database>, clock: Arc<dyn Clock>, partitions: Arc<Partitions>) -> Self {
        let parts = Parts { database, clock, partitions };
        Self { wanted: watch::Sender::default(), task: Mutex::default(), parts }
    }

    /// Wants hints of the stream.
    pub(crate) fn attend(&self, stream: &StreamName) -> Attention<'_> {
        self.wanted.send_modify(|wanted| {
            wanted.waiting += 1;
            wanted.streams.insert(stream.clone());
        });
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let (parts, wanted) = (self.parts.clone(), self.wanted.subscribe());
            *task = Some(tokio::spawn(async move { parts.run(wanted).await }));
        }
        Attention(&self.wanted)
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

impl Parts {
    /// Keeps a change stream open until nobody waits any more, or the server has none.
    async fn run(self, mut wanted: watch::Receiver<Wanted>) {
        let mut rest = SHORTEST_REST;
        loop {
            let streams = wanted.borrow_and_update().streams.clone();
            let names = streams.iter().map(|stream| stream.as_str().to_owned()).collect();
            match self.database.watch(names).await {
                Ok(hints) => {
                    rest = SHORTEST_REST;
                    match self.follow(hints, &streams, &mut wanted).await {
                        End::Unwanted => return,
                        End::OthersWanted => continue,
                        End::Lost => {}
                    }
                }
                Err(Failure::Refused(_)) => return self.never(wanted).await,
                Err(_) => {}
            }
            tracing::debug!("no change stream for a while, new messages are seen by polling");
            self.clock.sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// This server gives no hints: not asked again.
    async fn never(self, mut wanted: watch::Receiver<Wanted>) {
        tracing::debug!("no change streams here, new messages are seen by polling");
        while wanted.changed().await.is_ok() {}
    }

    async fn follow(
        &self,
        mut hints: BoxStream<'static, Result<Hint, Failure>>,
        streams: &BTreeSet<StreamName>,
        wanted: &mut watch::Receiver<Wanted>,
    ) -> End {
        let mut end = None;
        loop {
            let now = self.clock.elapsed();
            // counted from when the last one left, whatever hints come meanwhile
            end = (wanted.borrow_and_update().waiting == 0).then(|| end.unwrap_or(now + LINGER));
            tokio::select! {
                hint = hints.next() => match hint {
                    Some(Ok(hint)) => self.pass_on(&hint),
                    Some(Err(_)) | None => return End::Lost,
                },
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return End::Unwanted;
                    }
                    if wanted.borrow_and_update().streams != *streams {
                        return End::OthersWanted;
                    }
                }
                () = self.clock.sleep(end.unwrap_or(now).saturating_sub(now)), if end.is_some() => return End::Unwanted,
            }
        }
    }

    fn pass_on(&self, hint: &Hint) {
        let (Ok(stream), Ok(index)) = (StreamName::stored(&hint.stream), u32::try_from(hint.partition)) else { return };
        let partition = Partition { stream, incarnation: Incarnation::new(hint.incarnation), index };
        if let Some(state) = self.partitions.find(&partition) {
            state.hint.notify_waiters();
        }
    }
}

/// Why a change stream is not followed any longer.
enum End {
    Unwanted,
    OthersWanted,
    Lost,
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").finish_non_exhaustive()
    }
}
