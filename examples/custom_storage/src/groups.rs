//! Members, and groups with their owners and commits.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, MemberId,
    storage::{
        Acquired, Commit, Counters, Effect, Fence, Generation, GroupState, GroupStore, Partition, PieceId, Position,
        Start, StreamInfo,
    },
};

use crate::{CustomStorage, State, log::Log, now, random};

/// A group's part in one partition.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: GroupState,
    pieces: BTreeMap<PieceId, Bytes>,
}

impl Log {
    /// Where a group begins that is to start so in partition `index`.
    fn place(&self, start: &Start, index: u32) -> Position {
        start.place(index, self.bounds.first()).unwrap_or_else(|| self.position(self.bounds.tail.next()))
    }

    fn open_group(&mut self, group: &GroupName, generation: Generation, fingerprint: &str, start: Position) {
        self.last_epoch += 1;
        let state = GroupState {
            owner: None,
            fence: Fence { epoch: self.last_epoch, version: 0 },
            generation,
            fingerprint: fingerprint.to_owned(),
            start,
            keep_from: start.offset,
            counters: Counters::default(),
            unclean: 0,
            checkpoint: None,
        };
        self.groups.insert(group.clone(), Group { state, pieces: BTreeMap::new() });
    }

    fn group(&mut self, group: &GroupName, epoch: u64) -> Result<&mut Group, Error> {
        self.groups.get_mut(group).ok_or_else(|| Cause::fenced(epoch).into())
    }
}

impl State {
    /// True for a living member; one found dead is none any more.
    fn is_alive(&mut self, member: &MemberId) -> bool {
        self.members.retain(|known, dies_at| known != member || *dies_at > now());
        self.members.contains_key(member)
    }

    /// The partitions of a stream and their indexes, if it is still there.
    fn partitions(&mut self, stream: &StreamInfo) -> Result<impl Iterator<Item = (u32, &mut Log)>, Error> {
        self.partition(&stream.partition(0))?;
        let partitions = self.partitions.iter_mut().filter(|(partition, _)| partition.stream == stream.name);
        Ok(partitions.map(|(partition, log)| (partition.index, log)))
    }
}

#[async_trait]
impl GroupStore for CustomStorage {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        let member = MemberId::stored(&format!("{:016x}", random()));
        self.state().members.insert(member.clone(), now().plus(ttl));
        Ok(member)
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        *self.state().members.get_mut(member).ok_or(Cause::MemberDead)? = now().plus(ttl);
        Ok(())
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        let mut state = self.state();
        state.members.remove(member);
        for group in state.partitions.values_mut().flat_map(|log| log.groups.values_mut()) {
            group.state.owner.take_if(|owner| owner == member);
        }
        Ok(())
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        let state = self.state();
        let lives = |member: &&MemberId| state.members.get(*member).is_some_and(|dies_at| *dies_at > now());
        Ok(members.iter().filter(lives).cloned().collect())
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let (mut state, generation) = (self.state(), Generation::new(random()));
        start.check(stream.partitions)?;
        for (index, log) in state.partitions(stream)? {
            match log.groups.get(group).map(|known| &known.state.fingerprint) {
                None => log.open_group(group, generation, fingerprint, log.place(&start, index)),
                Some(stored) if stored == fingerprint => {}
                Some(stored) => return Err(Cause::strategy_changed(stored, fingerprint).into()),
            }
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
        let (mut state, generation) = (self.state(), Generation::new(random()));
        start.check(stream.partitions)?;
        for (index, log) in state.partitions(stream)? {
            log.open_group(group, generation, fingerprint, log.place(&start, index));
        }
        Ok(())
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        let mut state = self.state();
        if let Some(seen) = seen {
            let mut owners = Vec::new();
            for (index, log) in state.partitions(stream)? {
                let seen = usize::try_from(index).ok().and_then(|index| seen.get(index));
                let Some(known) = log.groups.get(group).filter(|known| Some(&known.state.fence) == seen) else {
                    return Ok(false);
                };
                owners.extend(known.state.owner.clone());
            }
            if owners.iter().any(|owner| state.is_alive(owner)) {
                return Ok(false);
            }
        }
        let mut removed = false;
        for (_, log) in state.partitions(stream)? {
            removed |= log.groups.remove(group).is_some();
            log.notes.retain(|(beside, ..), _| beside.as_ref() != Some(group));
        }
        Ok(removed)
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let mut state = self.state();
        let groups = &state.partition(partition)?.groups;
        Ok(groups.iter().map(|(name, group)| (name.clone(), group.state.clone())).collect())
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        let mut state = self.state();
        let known = state.partition(partition)?.groups.get(group).ok_or(Cause::GroupRemoved)?;
        let before = known.state.owner.clone();
        if !state.is_alive(member) {
            return Err(Cause::MemberDead.into());
        }
        let other = before.filter(|owner| owner != member);
        if let Some(owner) = &other
            && state.is_alive(owner)
        {
            return Ok(Acquired::Held(owner.clone()));
        }
        let log = state.partition(partition)?;
        log.last_epoch += 1;
        let epoch = log.last_epoch;
        let taken = &mut log.group(group, epoch)?.state;
        taken.owner = Some(member.clone());
        taken.fence.epoch = epoch;
        taken.unclean += u32::from(other.is_some());
        Ok(Acquired::Owner(taken.clone()))
    }

    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(group) = state.partition(partition)?.groups.get_mut(group)
            && group.state.fence.epoch == epoch
        {
            group.state.owner = None;
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
        let mut state = self.state();
        let log = state.partition(partition)?;
        let tail = log.bounds.tail;
        log.group(group, fence.epoch)?.state.commit(fence, commit, tail)
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
        self.state().partition(partition)?.group(group, piece.epoch)?.pieces.insert(piece, bytes);
        Ok(())
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        Ok(self.state().partition(partition)?.groups.get(group).and_then(|group| group.pieces.get(&piece)).cloned())
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        if let Some(group) = self.state().partition(partition)?.groups.get_mut(group) {
            group.pieces.retain(|piece, _| *piece >= before || keep.contains(piece));
        }
        Ok(())
    }
}
