//! Committing how far a group has got: a compare-and-set on epoch and version.

use minibatch_core::{
    Cause, GroupName,
    storage::{Commit, CommitVerdict, Fence, Partition},
};

use super::{effects, row};
use crate::{error::Failed, keys::to_i64, partition::PartitionRow, writer::Tx};

/// A commit with effects ends the transaction, which is its own.
pub(super) fn commit(
    tx: &Tx<'_>,
    partition: &Partition,
    group: &GroupName,
    fence: Fence,
    commit: &Commit,
) -> Result<Fence, Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    let Some((id, stored)) = row::find(tx, &partition, group)? else { return Err(Cause::fenced(fence.epoch).into()) };
    let next = match stored.judge(fence, commit, partition.tail.slot)? {
        CommitVerdict::Known(next) => return Ok(next),
        CommitVerdict::New(next) => next,
    };
    effects::apply(tx, &commit.effects)?;
    tx.prepare_cached(
        "UPDATE groups SET version = ?2, checkpoint = ?3, keep_from = ?4, finished = ?5, dead = ?6, skipped = ?7,
                           dropped = ?8, expired = ?9, late = ?10, unclean = 0
         WHERE id = ?1",
    )?
    .execute((
        id,
        to_i64(next.version)?,
        &commit.checkpoint[..],
        to_i64(commit.keep_from.to_u64())?,
        to_i64(commit.counters.finished)?,
        to_i64(commit.counters.dead)?,
        to_i64(commit.counters.skipped)?,
        to_i64(commit.counters.dropped)?,
        to_i64(commit.counters.expired)?,
        to_i64(commit.counters.late)?,
    ))?;
    if let Some(last) = commit.effects.len().checked_sub(1) {
        effects::commit(tx, last)?;
    }
    Ok(next)
}
