//! Committing how far a group has got: a compare-and-set on epoch and version.

use minibatch_core::{
    Cause, GroupName, Offset,
    storage::{Commit, Fence, GroupState, Partition},
};

use super::row;
use crate::{
    error::Failed,
    keys::to_i64,
    partition::{PartitionRow, Tail},
    writer::Tx,
};

pub(super) fn commit(
    tx: &Tx<'_>,
    partition: &Partition,
    group: &GroupName,
    fence: Fence,
    commit: &Commit,
) -> Result<Fence, Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    let Some((id, stored)) = row::find(tx, &partition, group)? else { return Err(Cause::fenced(fence.epoch).into()) };
    if fence.epoch != stored.fence.epoch {
        return Err(Cause::fenced(fence.epoch).into());
    }
    if fence.version.checked_add(1) == Some(stored.fence.version) && holds(&stored, commit) {
        return Ok(stored.fence);
    }
    if fence.version != stored.fence.version || commit.keep_from < stored.keep_from {
        return Err(Cause::stale_commit(fence.version).into());
    }
    if !is_in_log(commit.keep_from, &partition.tail) {
        return Err(Cause::out_of_range("keep_from lies past the end of the log").into());
    }
    let next = Fence { version: fence.version + 1, ..fence };
    tx.prepare_cached(
        "UPDATE groups SET version = ?2, checkpoint = ?3, keep_from = ?4, finished = ?5, dead = ?6, dropped = ?7,
                           unclean = 0
         WHERE id = ?1",
    )?
    .execute((
        id,
        to_i64(next.version)?,
        &commit.checkpoint[..],
        to_i64(commit.keep_from.to_u64())?,
        to_i64(commit.counters.finished)?,
        to_i64(commit.counters.dead)?,
        to_i64(commit.counters.dropped)?,
    ))?;
    Ok(next)
}

/// True when the last commit was this one.
fn holds(stored: &GroupState, commit: &Commit) -> bool {
    stored.checkpoint.as_ref() == Some(&commit.checkpoint)
        && stored.keep_from == commit.keep_from
        && stored.counters == commit.counters
}

/// True up to the place after the last message, and for the first of the slot after the last.
fn is_in_log(keep_from: Offset, tail: &Tail) -> bool {
    let slot = keep_from.slot();
    slot < tail.slot
        || slot == tail.slot && keep_from.index() <= tail.messages
        || keep_from == Offset::first_of(tail.slot.next())
}
