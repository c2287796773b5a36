//! A group's part in one partition: its owner, its last commit, its pieces.

use std::collections::BTreeMap;

use bytes::Bytes;
use minibatch_core::{
    Cause, Error, MemberId, Offset,
    storage::{Commit, Counters, Fence, Generation, GroupState, LogBounds, PieceId, Position},
};

pub(crate) struct Group {
    state: GroupState,
    pub(super) pieces: BTreeMap<PieceId, Bytes>,
}

impl Group {
    /// A new group that nobody owns; its owners' epochs follow `epoch`.
    pub(super) fn new(generation: Generation, fingerprint: &str, start: Position, epoch: u64) -> Self {
        let state = GroupState {
            owner: None,
            fence: Fence { epoch, version: 0 },
            generation,
            fingerprint: fingerprint.to_owned(),
            start,
            keep_from: start.offset,
            counters: Counters::default(),
            unclean: 0,
            checkpoint: None,
        };
        Self { state, pieces: BTreeMap::new() }
    }

    pub(super) fn state(&self) -> &GroupState {
        &self.state
    }

    pub(super) fn keep_from(&self) -> Offset {
        self.state.keep_from
    }

    /// Makes `member` the owner; `unclean` when the one before died with it.
    pub(super) fn own(&mut self, member: MemberId, unclean: bool) -> GroupState {
        self.state.owner = Some(member);
        self.state.fence.epoch += 1;
        self.state.unclean += u32::from(unclean);
        self.state.clone()
    }

    pub(super) fn release(&mut self, epoch: u64) {
        if self.state.fence.epoch == epoch {
            self.state.owner = None;
        }
    }

    pub(super) fn release_from(&mut self, member: &MemberId) {
        self.state.owner.take_if(|owner| owner == member);
    }

    pub(super) fn commit(&mut self, fence: Fence, commit: Commit, log: LogBounds) -> Result<Fence, Error> {
        let stored = self.state.fence;
        if fence.epoch != stored.epoch {
            return Err(Cause::fenced(fence.epoch).into());
        }
        if fence.version.checked_add(1) == Some(stored.version) && self.holds(&commit) {
            return Ok(stored);
        }
        if fence.version != stored.version || commit.keep_from < self.state.keep_from {
            return Err(Cause::stale_commit(fence.version).into());
        }
        if commit.keep_from.slot() > log.tail && commit.keep_from != Offset::first_of(log.tail.next()) {
            return Err(Cause::out_of_range("keep_from lies past the end of the log").into());
        }
        self.state.fence.version += 1;
        self.state.keep_from = commit.keep_from;
        self.state.counters = commit.counters;
        self.state.unclean = 0;
        self.state.checkpoint = Some(commit.checkpoint);
        Ok(self.state.fence)
    }

    /// True when the last commit was this one.
    fn holds(&self, commit: &Commit) -> bool {
        self.state.checkpoint.as_ref() == Some(&commit.checkpoint)
            && self.state.keep_from == commit.keep_from
            && self.state.counters == commit.counters
    }
}
