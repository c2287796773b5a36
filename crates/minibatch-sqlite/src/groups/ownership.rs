//! Who works on a partition.

use minibatch_core::{
    Cause, GroupName, MemberId,
    storage::{Acquired, Partition},
};

use super::{members, row};
use crate::{error::Failed, keys::to_i64, partition::PartitionRow, writer::Tx};

/// Takes the partition if it is free; `None` when the member is dead itself.
pub(super) fn acquire(
    tx: &Tx<'_>,
    partition: &Partition,
    group: &GroupName,
    member: &MemberId,
) -> Result<Option<Acquired>, Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    let Some((id, mut state)) = row::find(tx, &partition, group)? else { return Err(Cause::GroupRemoved.into()) };
    if !members::is_alive(tx, member)? {
        return Ok(None);
    }
    if let Some(owner) = state.owner.take_if(|owner| owner != member) {
        if members::is_alive(tx, &owner)? {
            return Ok(Some(Acquired::Held(owner)));
        }
        state.unclean = state.unclean.saturating_add(1);
    }
    state.fence.epoch += 1;
    state.owner = Some(member.clone());
    tx.prepare_cached("UPDATE groups SET owner = ?2, epoch = ?3, unclean = ?4 WHERE id = ?1")?.execute((
        id,
        member.as_str(),
        to_i64(state.fence.epoch)?,
        state.unclean,
    ))?;
    Ok(Some(Acquired::Owner(state)))
}

pub(super) fn release(tx: &Tx<'_>, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Failed> {
    let partition = PartitionRow::find(tx, partition)?;
    // an epoch that sqlite cannot keep was never given
    let Ok(epoch) = to_i64(epoch) else { return Ok(()) };
    tx.prepare_cached("UPDATE groups SET owner = NULL WHERE partition = ?1 AND name = ?2 AND epoch = ?3")?
        .execute((partition.id, group.as_str(), epoch))?;
    Ok(())
}
