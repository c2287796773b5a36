//! Pieces of checkpoints: immutable, written before the commit that names them.

use bson::{RawDocument, rawdoc, spec::BinarySubtype};
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName,
    storage::{Partition, PieceId},
};

use super::{document::encode_bytes, open::filter};
use crate::{
    client::Client,
    database::{Collection, Failure, Filter, Find, Update},
    error::corrupt,
    log::{comparable, signed},
    random,
};

/// The greatest piece of a checkpoint in bytes.
const PIECE_MAX_BYTES: usize = 1 << 20;
/// More than a group's partition ever has.
const PAGE: u32 = 10_000;

fn piece_filter(partition: &Partition, group: &GroupName, piece: PieceId) -> Filter {
    filter(partition, group).eq("epoch", comparable(piece.epoch)).eq("number", comparable(piece.number))
}

impl Client {
    pub(super) async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        if bytes.len() > PIECE_MAX_BYTES {
            return Err(Cause::message_too_large(bytes.len(), PIECE_MAX_BYTES).into());
        }
        self.check(partition).await?;
        if self.find_one(Find::one(Collection::Groups, filter(partition, group)).only(&["g"])).await?.is_none() {
            return Err(Cause::fenced(piece.epoch).into());
        }
        let document = rawdoc! {
            "_id": random::object_id(),
            "s": partition.stream.as_str(),
            "p": i64::from(partition.index),
            "inc": partition.incarnation.get(),
            "g": group.as_str(),
            "epoch": signed(piece.epoch)?,
            "number": signed(piece.number)?,
            "bytes": bson::Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() },
        };
        match self.settle(|| self.database().insert(Collection::Snapshots, document.clone())).await {
            Ok(()) => Ok(()),
            // written before, with these bytes unless an attempt of another life was left over
            Err(Failure::Duplicate(_)) => {
                let this = piece_filter(partition, group, piece);
                let update = Update::set("bytes", encode_bytes(&bytes));
                let write = || self.database().update(Collection::Snapshots, this.clone(), update.clone());
                self.settle(write).await.map_err(Error::from)?;
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        self.check(partition).await?;
        let find = Find::one(Collection::Snapshots, piece_filter(partition, group, piece));
        let Some(found) = self.find_one(find).await? else { return Ok(None) };
        let binary = found.get_binary("bytes").map_err(|_| corrupt("checkpoint piece"))?;
        Ok(Some(Bytes::copy_from_slice(binary.bytes)))
    }

    pub(super) async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        self.check(partition).await?;
        let pieces = Find::one(Collection::Snapshots, filter(partition, group)).only(&["epoch", "number"]);
        for document in self.find(pieces.at_most(PAGE)).await?.documents {
            let piece = piece_id(&document).ok_or_else(|| corrupt("checkpoint piece"))?;
            if piece < before && !keep.contains(&piece) {
                self.delete(Collection::Snapshots, piece_filter(partition, group, piece)).await?;
            }
        }
        Ok(())
    }
}

fn piece_id(document: &RawDocument) -> Option<PieceId> {
    let number = |field| u64::try_from(document.get_i64(field).ok()?).ok();
    Some(PieceId { epoch: number("epoch")?, number: number("number")? })
}
