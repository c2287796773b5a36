//! A group's part in one partition: its owner, its last commit, its pieces.

use std::collections::BTreeMap;

use bytes::Bytes;
use minibatch_core::{
    Error, MemberId, Offset,
    storage::{Commit, Counters, Fence, Generation, GroupState, LogBounds, PieceId, Position},
};

use crate::notes::Notes;

pub(crate) struct Group {
    state: GroupState,
    pub(super) pieces: BTreeMap<PieceId, Bytes>,
    pub(crate) notes: Notes,
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
        Self { state, pieces: BTreeMap::new(), notes: Notes::default() }
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
        self.state.commit(fence, commit, log.tail)
    }
}
