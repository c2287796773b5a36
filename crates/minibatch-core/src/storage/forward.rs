//! A shared or boxed storage is a storage: every method goes through, none can be missed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Acquired, ChunkLog, Commit, DerivedAppend, Fence, GroupState, GroupStore, LogBounds, Note, NotePlace, NoteStore,
    Partition, PieceId, ProducerGrant, Punctuated, ReadLimit, RecordSummary, Start, StreamInfo, StreamStore, Trim,
    Trimmed,
};
use crate::{
    Error, GroupName, MemberId, ProducerId, Slot, StreamName, Timestamp,
    chunk::{DerivedChunk, NewChunk, Record},
};

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: StreamStore + ?Sized> StreamStore for $pointer<S> {
            async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
                (**self).open_stream(name, partitions).await
            }
            async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
                (**self).find_stream(name).await
            }
            async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
                (**self).list_streams().await
            }
            async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
                (**self).drop_stream(name).await
            }
            async fn now(&self) -> Result<Timestamp, Error> {
                (**self).now().await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: ChunkLog + ?Sized> ChunkLog for $pointer<S> {
            async fn register_producer(
                &self,
                partition: &Partition,
                producer: &ProducerId,
            ) -> Result<ProducerGrant, Error> {
                (**self).register_producer(partition, producer).await
            }
            async fn append(&self, partition: &Partition, chunk: NewChunk) -> Result<Slot, Error> {
                (**self).append(partition, chunk).await
            }
            async fn append_derived(
                &self,
                partition: &Partition,
                chunks: Vec<DerivedChunk>,
            ) -> Result<Vec<DerivedAppend>, Error> {
                (**self).append_derived(partition, chunks).await
            }
            async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
                (**self).read(partition, from, limit).await
            }
            async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
                (**self).wait(partition, after).await
            }
            async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
                (**self).bounds(partition).await
            }
            async fn survey(
                &self,
                partition: &Partition,
                from: Slot,
                limit: usize,
            ) -> Result<Vec<RecordSummary>, Error> {
                (**self).survey(partition, from, limit).await
            }
            async fn punctuate(
                &self,
                partition: &Partition,
                after: Slot,
                time: Timestamp,
            ) -> Result<Punctuated, Error> {
                (**self).punctuate(partition, after, time).await
            }
            async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
                (**self).trim(partition, trim).await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: GroupStore + ?Sized> GroupStore for $pointer<S> {
            async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
                (**self).join(ttl).await
            }
            async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
                (**self).heartbeat(member, ttl).await
            }
            async fn leave(&self, member: &MemberId) -> Result<(), Error> {
                (**self).leave(member).await
            }
            async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
                (**self).living(members).await
            }
            async fn open_group(
                &self,
                stream: &StreamInfo,
                group: &GroupName,
                fingerprint: &str,
                start: Start,
            ) -> Result<(), Error> {
                (**self).open_group(stream, group, fingerprint, start).await
            }
            async fn restart_group(
                &self,
                stream: &StreamInfo,
                group: &GroupName,
                fingerprint: &str,
                start: Start,
            ) -> Result<(), Error> {
                (**self).restart_group(stream, group, fingerprint, start).await
            }
            async fn remove_group(
                &self,
                stream: &StreamInfo,
                group: &GroupName,
                seen: Option<&[Fence]>,
            ) -> Result<bool, Error> {
                (**self).remove_group(stream, group, seen).await
            }
            async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
                (**self).groups(partition).await
            }
            async fn acquire(
                &self,
                partition: &Partition,
                group: &GroupName,
                member: &MemberId,
            ) -> Result<Acquired, Error> {
                (**self).acquire(partition, group, member).await
            }
            async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
                (**self).release(partition, group, epoch).await
            }
            async fn commit(
                &self,
                partition: &Partition,
                group: &GroupName,
                fence: Fence,
                commit: Commit,
            ) -> Result<Fence, Error> {
                (**self).commit(partition, group, fence, commit).await
            }
            async fn transactional(&self) -> Result<(), Error> {
                (**self).transactional().await
            }
            async fn write_piece(
                &self,
                partition: &Partition,
                group: &GroupName,
                piece: PieceId,
                bytes: Bytes,
            ) -> Result<(), Error> {
                (**self).write_piece(partition, group, piece, bytes).await
            }
            async fn read_piece(
                &self,
                partition: &Partition,
                group: &GroupName,
                piece: PieceId,
            ) -> Result<Option<Bytes>, Error> {
                (**self).read_piece(partition, group, piece).await
            }
            async fn retain_pieces(
                &self,
                partition: &Partition,
                group: &GroupName,
                keep: &[PieceId],
                before: PieceId,
            ) -> Result<(), Error> {
                (**self).retain_pieces(partition, group, keep, before).await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: NoteStore + ?Sized> NoteStore for $pointer<S> {
            async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
                (**self).put_notes(place, notes).await
            }
            async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
                (**self).notes(place, from, limit).await
            }
            async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
                (**self).delete_notes(place, from, until).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
