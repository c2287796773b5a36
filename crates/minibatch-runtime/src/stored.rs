//! Reading what a group has stored.

use minibatch_core::{
    Cause, Error, GroupName,
    checkpoint::Checkpoint,
    storage::{GroupState, Partition},
};

use crate::{Client, retry::until_verdict};

/// The group's checkpoint with its pieces; before the first commit the one it starts from.
pub(crate) async fn checkpoint(
    client: &Client,
    partition: &Partition,
    group: &GroupName,
    state: &GroupState,
) -> Result<Checkpoint, Error> {
    let Some(inline) = &state.checkpoint else { return Ok(Checkpoint::start(state.start)) };
    let (storage, clock) = (client.storage(), &**client.clock());
    let mut pieces = Vec::new();
    for id in Checkpoint::pieces_of(inline)? {
        let piece = until_verdict(clock, "read piece", || storage.read_piece(partition, group, id)).await?;
        pieces.push(piece.ok_or_else(|| Cause::corrupt_state("checkpoint", "a piece of it is missing"))?);
    }
    Checkpoint::decode(inline, &pieces)
}

/// The group's state of a partition.
pub(crate) async fn state(client: &Client, partition: &Partition, group: &GroupName) -> Result<GroupState, Error> {
    let groups = until_verdict(&**client.clock(), "groups", || client.storage().groups(partition)).await?;
    let found = groups.into_iter().find(|(name, _)| name == group);
    found.map(|(_, state)| state).ok_or_else(|| Cause::GroupRemoved.into())
}
