//! Groups that are gone for good.

use std::time::Duration;

use minibatch_core::{
    Error, GroupName, MemberId, Timestamp,
    storage::{Fence, GroupState, StreamInfo},
};

use crate::{Client, retry::until_verdict, status};

/// Removes the groups that had no owner and told nothing for so long.
pub(super) async fn expire(client: &Client, info: &StreamInfo, after: Duration) -> Result<(), Error> {
    let (storage, clock) = (client.storage(), &**client.clock());
    let now = until_verdict(clock, "now", || storage.now()).await?;
    let first = info.partition(0);
    let groups = until_verdict(clock, "groups", || storage.groups(&first)).await?;
    for (group, state) in groups {
        if !is_idle(client, &[state]).await? {
            continue;
        }
        let states = states(client, info, &group).await?;
        let last = last_sign(client, info, &group, &states).await?;
        if last.is_none_or(|last| now.since(last) < after) {
            continue;
        }
        // whoever works for it since then has changed a fence
        let seen: Vec<Fence> = states.iter().map(|state| state.fence).collect();
        if until_verdict(clock, "remove group", || storage.remove_group(info, &group, Some(&seen))).await? {
            tracing::warn!(stream = %info.name, %group, ?after, "nobody worked for the group for so long: removed it");
        }
    }
    Ok(())
}

/// When the group's consumers told of themselves last, which they do at most a second after whatever they did; `None`
/// where one did not.
async fn last_sign(
    client: &Client,
    info: &StreamInfo,
    group: &GroupName,
    states: &[GroupState],
) -> Result<Option<Timestamp>, Error> {
    let told = status::read(client, info, group).await?;
    for (state, index) in states.iter().zip(0..) {
        // committed by whoever does not tell: nothing is known of when
        if state.fence.version > 0 && !told.iter().any(|status| status.partition == index) {
            return Ok(None);
        }
    }
    Ok(told.iter().map(|status| status.told).max())
}

async fn states(client: &Client, info: &StreamInfo, group: &GroupName) -> Result<Vec<GroupState>, Error> {
    let mut states = Vec::new();
    for index in 0..info.partitions {
        let partition = info.partition(index);
        let groups = until_verdict(&**client.clock(), "groups", || client.storage().groups(&partition)).await?;
        states.extend(groups.into_iter().filter(|(name, _)| name == group).map(|(_, state)| state));
    }
    Ok(states)
}

/// Nobody who lives owns one of these.
async fn is_idle(client: &Client, states: &[GroupState]) -> Result<bool, Error> {
    let owners: Vec<MemberId> = states.iter().filter_map(|state| state.owner.clone()).collect();
    let living = until_verdict(&**client.clock(), "living", || client.storage().living(&owners)).await?;
    Ok(living.is_empty())
}
