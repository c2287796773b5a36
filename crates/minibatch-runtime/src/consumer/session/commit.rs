//! Committing: one in flight, and the next takes all that gathered meanwhile.

use std::{future::pending, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use minibatch_core::{
    Clock, Error, GroupName, Offset,
    checkpoint::{Checkpoint, EncodedCheckpoint, PieceWriter},
    driver::WindowFormer,
    storage::{Commit, Counters, Effect, Fence, GroupState, Note, Partition, PieceId, Storage},
};
use tokio::sync::oneshot;

use super::{
    super::{kept, supervisor::Setup},
    keep::Keeper,
};
use crate::{retry::until_verdict, upkeep::Upkeep};

/// How often a consumer looks whether something can be trimmed.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// Commits what a session has settled.
pub(super) struct Committer {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    partition: Partition,
    group: GroupName,
    fence: Fence,
    writer: PieceWriter,
    /// The pieces that the stored checkpoint needs; `None` before the first commit, when there may be some that a former
    /// owner wrote for nothing.
    pieces: Option<Vec<PieceId>>,
    in_flight: Option<BoxFuture<'static, Result<Fence, Error>>>,
    /// Who waits for the commit in flight, and for the next one.
    told: Vec<oneshot::Sender<()>>,
    waiting: Vec<oneshot::Sender<()>>,
    dirty: bool,
    upkeep: Arc<Upkeep>,
    /// How many commits were begun, and how many of them are durable.
    begun: u64,
    durable: u64,
    /// What is durably done, and with the commit in flight.
    done: Done,
    doing: Done,
    trimmed: Duration,
}

/// What a group is done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// Every window before this one.
    pub(super) before: u64,
    /// Every message before this offset.
    pub(super) below: Offset,
}

impl Committer {
    pub(super) fn new(setup: &Setup, state: &GroupState, checkpoint: &Checkpoint) -> Self {
        let done = Done { before: checkpoint.first_unsettled(), below: state.keep_from };
        let clock = Arc::clone(setup.client.clock());
        Self {
            storage: Arc::clone(setup.client.storage()),
            upkeep: Arc::clone(&setup.upkeep),
            trimmed: clock.elapsed(),
            clock,
            partition: setup.partition.clone(),
            group: setup.group.clone(),
            fence: state.fence,
            writer: PieceWriter::new(state.fence.epoch),
            pieces: None,
            in_flight: None,
            told: Vec::new(),
            waiting: Vec::new(),
            dirty: false,
            begun: 0,
            durable: 0,
            done,
            doing: done,
        }
    }

    /// There is something to commit, and perhaps somebody to be told.
    pub(super) fn wants(&mut self, durable: Option<oneshot::Sender<()>>) {
        self.dirty = true;
        self.waiting.extend(durable);
    }

    /// The number of the next commit: what is so now will be durable with it.
    pub(super) fn next(&self) -> u64 {
        self.begun + 1
    }

    pub(super) fn is_durable(&self, commit: u64) -> bool {
        commit <= self.durable
    }

    /// The epoch in which the partition is owned.
    pub(super) fn epoch(&self) -> u64 {
        self.fence.epoch
    }

    /// What is durably done.
    pub(super) fn done(&self) -> Done {
        self.done
    }

    /// Whether no commit is in flight, so that the next may start.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_none()
    }

    /// Nothing is left to be committed.
    pub(super) fn is_idle(&self) -> bool {
        !self.dirty && self.in_flight.is_none()
    }

    /// Starts a commit of what `former` has done, and of effects with it, if there is something and none is in flight.
    ///
    /// What is kept of the windows that it marks as done is written before it.
    pub(super) fn start(
        &mut self,
        former: &mut WindowFormer,
        counters: Counters,
        keeper: &mut Keeper,
        effects: Vec<Effect>,
    ) -> Result<bool, Error> {
        if !self.dirty || self.in_flight.is_some() {
            return Ok(false);
        }
        self.dirty = false;
        self.begun += 1;
        self.told = std::mem::take(&mut self.waiting);
        let checkpoint = former.checkpoint()?;
        // what was left out after the base will be left out again
        let counters = Counters { dropped: checkpoint.base.dropped, ..counters };
        let encoded = checkpoint.encode(&mut self.writer)?;
        let obsolete = self.pieces.replace(encoded.pieces.clone()).is_none_or(|pieces| pieces != encoded.pieces);
        let obsolete = obsolete.then(|| self.writer.next());
        self.doing = Done { before: checkpoint.first_unsettled(), below: former.keep_from() };
        let keep_from = self.doing.below;
        let commit = Commit { checkpoint: encoded.inline.clone(), keep_from, counters, effects };
        self.in_flight = Some(self.send(encoded, commit, obsolete, keeper.take()?));
        Ok(true)
    }

    /// Writes new pieces, commits, then deletes the pieces before `obsolete` that are no longer needed. Each step is
    /// repeated unchanged until it has a verdict.
    fn send(
        &self,
        encoded: EncodedCheckpoint,
        commit: Commit,
        obsolete: Option<PieceId>,
        kept: Vec<Note>,
    ) -> BoxFuture<'static, Result<Fence, Error>> {
        let (storage, clock) = (Arc::clone(&self.storage), Arc::clone(&self.clock));
        let (partition, group, fence) = (self.partition.clone(), self.group.clone(), self.fence);
        Box::pin(async move {
            kept::write(&*storage, &*clock, &partition, &group, kept).await?;
            for (id, bytes) in &encoded.new_pieces {
                until_verdict(&*clock, "write piece", || storage.write_piece(&partition, &group, *id, bytes.clone()))
                    .await?;
            }
            let next =
                until_verdict(&*clock, "commit", || storage.commit(&partition, &group, fence, commit.clone())).await?;
            if let Some(before) = obsolete {
                let keep = &encoded.pieces;
                until_verdict(&*clock, "retain pieces", || storage.retain_pieces(&partition, &group, keep, before))
                    .await?;
            }
            Ok(next)
        })
    }

    /// Returns when the commit in flight is durable, having told who waited. Cancel safe.
    pub(super) async fn committed(&mut self) -> Result<(), Error> {
        let Some(commit) = &mut self.in_flight else { return pending().await };
        let verdict = commit.await;
        self.in_flight = None;
        self.fence = verdict?;
        self.durable = self.begun;
        self.done = self.doing;
        for waiting in self.told.drain(..) {
            // whoever acknowledged may not care when it is durable
            let _ = waiting.send(());
        }
        Ok(())
    }

    /// A trim, when it is time for one, or `now`.
    pub(super) fn trim(&mut self, now: bool) -> Option<BoxFuture<'static, ()>> {
        let elapsed = self.clock.elapsed();
        if !now && elapsed.saturating_sub(self.trimmed) < TRIM_INTERVAL {
            return None;
        }
        self.trimmed = elapsed;
        let (upkeep, index) = (Arc::clone(&self.upkeep), self.partition.index);
        Some(Box::pin(async move { upkeep.trim_aside(index).await }))
    }
}
