//! Members and groups.

mod commit;
mod effects;
mod lifecycle;
mod members;
mod ownership;
mod pieces;
mod row;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, MemberId,
    storage::{Acquired, Commit, Fence, GroupState, GroupStore, Partition, PieceId, Start, StreamInfo},
};

use rusqlite::Connection;

use crate::{error::Failed, partition::PartitionRow, random, storage::SqliteStorage, writer::Tx};

/// Whether there is such a group.
pub(crate) fn exists(conn: &Connection, partition: &PartitionRow, group: &GroupName) -> Result<bool, Failed> {
    Ok(row::id(conn, partition, group)?.is_some())
}

#[async_trait]
impl GroupStore for SqliteStorage {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        let member = random::member();
        let joined = member.clone();
        self.writer().run("join", move |tx| members::join(tx, &joined, ttl)).await?;
        Ok(member)
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        let member = member.clone();
        self.writer().run("heartbeat", move |tx| members::heartbeat(tx, &member, ttl)).await
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        let member = member.clone();
        self.writer().run("leave", move |tx| members::leave(tx, &member)).await
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        let members = members.to_vec();
        self.writer().run("living", move |tx| members::living(tx, &members)).await
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let (stream, group, fingerprint) = (stream.clone(), group.clone(), fingerprint.to_owned());
        self.writer()
            .run("open_group", move |tx| lifecycle::find_or_create(tx, &stream, &group, &fingerprint, &start))
            .await
    }

    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let (stream, group, fingerprint) = (stream.clone(), group.clone(), fingerprint.to_owned());
        self.writer()
            .run("restart_group", move |tx| lifecycle::restart(tx, &stream, &group, &fingerprint, &start))
            .await
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        let (stream, group, seen) = (stream.clone(), group.clone(), seen.map(<[Fence]>::to_vec));
        let remove = move |tx: &Tx<'_>| lifecycle::remove(tx, &stream, &group, seen.as_deref());
        self.writer().run("remove_group", remove).await
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let partition = partition.clone();
        self.readers().run("groups", move |view| row::all(view, &partition)).await
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        let (partition, group, member) = (partition.clone(), group.clone(), member.clone());
        let acquired =
            self.writer().run("acquire", move |tx| ownership::acquire(tx, &partition, &group, &member)).await?;
        acquired.ok_or_else(|| Error::new(Cause::MemberDead).during("acquire"))
    }

    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        let (partition, group) = (partition.clone(), group.clone());
        self.writer().run("release", move |tx| ownership::release(tx, &partition, &group, epoch)).await
    }

    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error> {
        let (partition, group) = (partition.clone(), group.clone());
        let alone = !commit.effects.is_empty();
        let work = move |tx: &Tx<'_>| commit::commit(tx, &partition, &group, fence, &commit);
        match alone {
            true => self.writer().run_alone("commit", work).await,
            false => self.writer().run("commit", work).await,
        }
    }

    async fn transactional(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        if bytes.len() > pieces::MAX_BYTES {
            let cause = Cause::message_too_large(bytes.len(), pieces::MAX_BYTES);
            return Err(Error::new(cause).during("write_piece"));
        }
        let (partition, group) = (partition.clone(), group.clone());
        self.writer().run("write_piece", move |tx| pieces::write(tx, &partition, &group, piece, &bytes)).await
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        let (partition, group) = (partition.clone(), group.clone());
        self.readers().run("read_piece", move |view| pieces::read(view, &partition, &group, piece)).await
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        let (partition, group, keep) = (partition.clone(), group.clone(), keep.to_vec());
        self.writer().run("retain_pieces", move |tx| pieces::retain(tx, &partition, &group, &keep, before)).await
    }
}
