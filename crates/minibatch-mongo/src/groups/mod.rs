//! Members and groups: the trait over the protocol's parts.

mod commit;
mod document;
mod open;
mod own;
mod pieces;
mod remove;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Error, GroupName, MemberId,
    storage::{Acquired, Commit, Fence, GroupState, GroupStore, Partition, PieceId, Start, StreamInfo},
};

use crate::MongoStorage;

#[async_trait]
impl GroupStore for MongoStorage {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        self.client.join(ttl).await.map_err(|error| error.during("join"))
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        self.client.heartbeat(member, ttl).await.map_err(|error| error.during("heartbeat"))
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        self.client.leave(member).await.map_err(|error| error.during("leave"))
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        self.client.living(members).await.map_err(|error| error.during("living"))
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let opened = self.client.open_group(stream, group, fingerprint, start).await;
        opened.map_err(|error| error.during("open_group"))
    }

    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let restarted = self.client.restart_group(stream, group, fingerprint, start).await;
        restarted.map_err(|error| error.during("restart_group"))
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        let removed = match seen {
            None => self.client.remove_group(stream, group).await,
            Some(seen) => self.client.remove_group_as_seen(stream, group, seen).await,
        };
        removed.map_err(|error| error.during("remove_group"))
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let during = |error: Error| error.during("groups");
        self.client.check(partition).await.map_err(during)?;
        self.client.list_groups(partition).await.map_err(during)
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        self.client.acquire(partition, group, member).await.map_err(|error| error.during("acquire"))
    }

    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        self.client.release(partition, group, epoch).await.map_err(|error| error.during("release"))
    }

    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error> {
        self.client.commit(partition, group, fence, commit).await.map_err(|error| error.during("commit"))
    }

    async fn transactional(&self) -> Result<(), Error> {
        self.client.check_transactional().map_err(|error| error.during("transactional"))
    }

    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        let written = self.client.write_piece(partition, group, piece, bytes).await;
        written.map_err(|error| error.during("write_piece"))
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        self.client.read_piece(partition, group, piece).await.map_err(|error| error.during("read_piece"))
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        let retained = self.client.retain_pieces(partition, group, keep, before).await;
        retained.map_err(|error| error.during("retain_pieces"))
    }
}
