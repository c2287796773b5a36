//! Members and groups: the trait over the plain model.

mod group;
mod members;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use group::Group;
pub(crate) use members::Members;
use minibatch_core::{
    Cause, Error, GroupName, MemberId, Slot,
    storage::{
        Acquired, Commit, Effect, Fence, Generation, GroupState, GroupStore, Partition, PieceId, Position, Start,
        StreamInfo,
    },
};

use crate::{notes::Notes, random, state::PartitionState, storage::MemoryStorage};

/// The greatest piece of a checkpoint in bytes.
const PIECE_MAX_BYTES: usize = 1 << 20;

/// The groups of one partition by name.
#[derive(Default)]
pub(crate) struct Groups {
    by_name: BTreeMap<GroupName, Group>,
    /// Greater than the epoch of every removed group: a new one begins here, so that the owner of one of the same name
    /// stays fenced.
    first_epoch: u64,
}

impl Groups {
    /// The lowest slot that any group needs; `None` without groups.
    pub(crate) fn needed_from(&self) -> Option<Slot> {
        self.by_name.values().map(|group| group.keep_from().slot()).min()
    }

    fn remove(&mut self, name: &GroupName) -> Option<Group> {
        let removed = self.by_name.remove(name)?;
        self.first_epoch = self.first_epoch.max(removed.state().fence.epoch + 1);
        Some(removed)
    }

    pub(crate) fn notes(&mut self, name: &GroupName) -> Option<&mut Notes> {
        self.by_name.get_mut(name).map(|group| &mut group.notes)
    }

    fn find(&mut self, name: &GroupName, epoch: u64) -> Result<&mut Group, Error> {
        self.by_name.get_mut(name).ok_or_else(|| Cause::fenced(epoch).into())
    }
}

impl PartitionState {
    fn place(&self, start: &Start, index: u32) -> Position {
        let records = &self.log.records;
        start.place(index, records.bounds().first()).unwrap_or_else(|| records.end())
    }

    fn start_group(&mut self, name: &GroupName, generation: Generation, fingerprint: &str, place: Position) {
        let new = Group::new(generation, fingerprint, place, self.groups.first_epoch);
        self.groups.by_name.insert(name.clone(), new);
    }
}

#[async_trait]
impl GroupStore for MemoryStorage {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        let member = random::member();
        self.state().members.join(member.clone(), self.dies_at(ttl));
        Ok(member)
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        if self.state().members.heartbeat(member, self.dies_at(ttl)) {
            return Ok(());
        }
        Err(Error::new(Cause::MemberDead).during("heartbeat"))
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        let mut state = self.state();
        state.members.leave(member);
        let partitions = state.streams.0.values_mut().flat_map(|stream| &mut stream.partitions);
        for group in partitions.flat_map(|partition| partition.groups.by_name.values_mut()) {
            group.release_from(member);
        }
        Ok(())
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        let (state, now) = (self.state(), self.time().elapsed());
        Ok(members.iter().filter(|member| state.members.lives(member, now)).cloned().collect())
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let during = |error: Error| error.during("open_group");
        let mut state = self.state();
        let stream = state.streams.stream(&stream.name, stream.incarnation).map_err(during)?;
        start.check(stream.count()).map_err(during)?;
        let generation = random::generation();
        for (index, partition) in (0..).zip(&mut stream.partitions) {
            if let Some(known) = partition.groups.by_name.get(group) {
                let stored = &known.state().fingerprint;
                if stored != fingerprint {
                    return Err(during(Cause::strategy_changed(stored, fingerprint).into()));
                }
                continue;
            }
            let place = partition.place(&start, index);
            partition.start_group(group, generation, fingerprint, place);
        }
        Ok(())
    }

    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let during = |error: Error| error.during("restart_group");
        let mut state = self.state();
        let stream = state.streams.stream(&stream.name, stream.incarnation).map_err(during)?;
        start.check(stream.count()).map_err(during)?;
        let generation = random::generation();
        for (index, partition) in (0..).zip(&mut stream.partitions) {
            let place = partition.place(&start, index);
            let notes = partition.groups.remove(group).map(|former| former.notes);
            partition.start_group(group, generation, fingerprint, place);
            if let Some(group) = partition.groups.by_name.get_mut(group) {
                group.notes = notes.unwrap_or_default();
            }
        }
        Ok(())
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        let (mut state, now) = (self.state(), self.time().elapsed());
        let state = &mut *state;
        let stream = state.streams.stream(&stream.name, stream.incarnation);
        let partitions = &mut stream.map_err(|error| error.during("remove_group"))?.partitions;
        if let Some(seen) = seen {
            let groups = partitions.iter().map(|partition| partition.groups.by_name.get(group).map(Group::state));
            let unchanged =
                groups.clone().map(|state| state.map(|state| state.fence)).eq(seen.iter().copied().map(Some));
            let mut owners = groups.flatten().filter_map(|state| state.owner.as_ref());
            if !unchanged || owners.any(|owner| state.members.lives(owner, now)) {
                return Ok(false);
            }
        }
        let mut removed = false;
        for partition in partitions {
            removed |= partition.groups.remove(group).is_some();
        }
        Ok(removed)
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("groups"))?;
        Ok(partition.groups.by_name.iter().map(|(name, group)| (name.clone(), group.state().clone())).collect())
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        let during = |error: Error| error.during("acquire");
        let mut state = self.state();
        let state = &mut *state;
        let now = self.time().elapsed();
        let groups = &mut state.streams.partition(partition).map_err(during)?.groups.by_name;
        let group = groups.get_mut(group).ok_or_else(|| during(Cause::GroupRemoved.into()))?;
        if !state.members.is_alive(member, now) {
            return Err(during(Cause::MemberDead.into()));
        }
        let unclean = match &group.state().owner {
            Some(owner) if owner != member && state.members.is_alive(owner, now) => {
                return Ok(Acquired::Held(owner.clone()));
            }
            owner => owner.as_ref().is_some_and(|dead| dead != member),
        };
        Ok(Acquired::Owner(group.own(member.clone(), unclean)))
    }

    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("release"))?;
        if let Some(group) = partition.groups.by_name.get_mut(group) {
            group.release(epoch);
        }
        Ok(())
    }

    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error> {
        let during = |error: Error| error.during("commit");
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(during)?;
        let log = partition.log.records.bounds();
        partition.groups.find(group, fence.epoch).and_then(|group| group.commit(fence, commit, log)).map_err(during)
    }

    async fn transactional(&self) -> Result<(), Error> {
        Err(Effect::unsupported())
    }

    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        let during = |error: Error| error.during("write_piece");
        if bytes.len() > PIECE_MAX_BYTES {
            return Err(during(Cause::message_too_large(bytes.len(), PIECE_MAX_BYTES).into()));
        }
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(during)?;
        partition.groups.find(group, piece.epoch).map_err(during)?.pieces.insert(piece, bytes);
        Ok(())
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("read_piece"))?;
        Ok(partition.groups.by_name.get(group).and_then(|group| group.pieces.get(&piece)).cloned())
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let partition = state.streams.partition(partition).map_err(|error| error.during("retain_pieces"))?;
        if let Some(group) = partition.groups.by_name.get_mut(group) {
            group.pieces.retain(|piece, _| *piece >= before || keep.contains(piece));
        }
        Ok(())
    }
}

impl MemoryStorage {
    fn dies_at(&self, ttl: Duration) -> Duration {
        self.time().elapsed().saturating_add(ttl)
    }
}
