//! Groups that are gone for good.

use std::{collections::BTreeMap, time::Duration};

use minibatch_core::{
    Error, ErrorKind, GroupName, MemberId, Timestamp,
    storage::{Fence, GroupState},
};

use super::Upkeep;
use crate::{retry::until_verdict, status};

/// What there is of a group, by partition.
type States = BTreeMap<u32, GroupState>;

impl Upkeep {
    /// Removes the groups that had no owner and told nothing for so long. Nothing depends on it, and the next time does the
    /// same. Where this client may not, that is said once, and tried seldom from then on.
    pub(super) async fn expire_aside(&self, after: Duration) {
        if self.expiring.lasts(self.millis()) {
            return;
        }
        let Err(error) = self.expire(after).await else { return };
        let stream = &self.info.name;
        if error.kind() == ErrorKind::Misconfigured && self.expiring.begin(self.millis()) {
            tracing::warn!(
                %stream, %error,
                "may not remove groups that expired, and leaves it to others: grant what is missing, or remove them as \
                 somebody who may"
            );
        } else {
            tracing::debug!(%stream, %error, "could not remove groups that expired");
        }
    }

    async fn expire(&self, after: Duration) -> Result<(), Error> {
        let (info, storage, clock) = (&self.info, self.client.storage(), &**self.client.clock());
        let now = until_verdict(clock, "now", || storage.now()).await?;
        for (group, states) in self.groups().await? {
            // one that lacks the first partition is what a removal left that was interrupted
            let is_whole = states.contains_key(&0);
            if is_whole && !self.is_over(&group, &states, now, after).await? {
                continue;
            }
            // whoever works for it since then has changed a fence
            let seen: Vec<Fence> = states.values().map(|state| state.fence).collect();
            if until_verdict(clock, "remove group", || storage.remove_group(info, &group, Some(&seen))).await? {
                tracing::warn!(stream = %info.name, %group, ?after, "nobody worked for the group for so long: removed it");
            }
        }
        Ok(())
    }

    async fn groups(&self) -> Result<BTreeMap<GroupName, States>, Error> {
        let mut groups = BTreeMap::<GroupName, States>::new();
        for index in 0..self.info.partitions {
            let partition = self.info.partition(index);
            let list = || self.client.storage().groups(&partition);
            for (group, state) in until_verdict(&**self.client.clock(), "groups", list).await? {
                groups.entry(group).or_default().insert(index, state);
            }
        }
        Ok(groups)
    }

    /// Nobody who lives owns a partition of it, and its consumers told of themselves last so long ago.
    async fn is_over(
        &self,
        group: &GroupName,
        states: &States,
        now: Timestamp,
        after: Duration,
    ) -> Result<bool, Error> {
        let owners: Vec<MemberId> = states.values().filter_map(|state| state.owner.clone()).collect();
        let living = until_verdict(&**self.client.clock(), "living", || self.client.storage().living(&owners)).await?;
        if !living.is_empty() {
            return Ok(false);
        }
        let last = self.last_sign(group, states).await?;
        Ok(last.is_some_and(|last| now.since(last) >= after))
    }

    /// When the group's consumers told of themselves last, which they do at most a second after whatever they did; `None`
    /// where one did not.
    async fn last_sign(&self, group: &GroupName, states: &States) -> Result<Option<Timestamp>, Error> {
        let told = status::read(&self.client, &self.info, group).await?;
        let has_told = |index| told.iter().any(|status| status.partition == index);
        // committed by whoever does not tell: nothing is known of when
        if states.iter().any(|(index, state)| state.fence.version > 0 && !has_told(*index)) {
            return Ok(None);
        }
        Ok(told.iter().map(|status| status.told).max())
    }
}
