//! Owning a partition for a group: taken from nobody or from the dead, with an epoch that fences all earlier owners.

use bson::Bson;
use minibatch_core::{
    Cause, Error, GroupName, MemberId,
    storage::{Acquired, Partition},
};

use super::{document, open::filter};
use crate::{
    client::Client,
    database::{Change, Collection, Failure, Update},
    log::comparable,
};

impl Client {
    pub(super) async fn acquire(
        &self,
        partition: &Partition,
        group: &GroupName,
        member: &MemberId,
    ) -> Result<Acquired, Error> {
        self.check(partition).await?;
        let mut attempts = self.attempts();
        loop {
            let state = self.find_group(partition, group).await?.ok_or(Cause::GroupRemoved)?;
            if !self.is_alive(member).await? {
                return Err(Cause::MemberDead.into());
            }
            let mut unclean = 0;
            if let Some(owner) = state.owner.as_ref().filter(|owner| *owner != member) {
                if self.is_alive(owner).await? {
                    return Ok(Acquired::Held(owner.clone()));
                }
                unclean = 1;
            }
            let owner = state.owner.as_ref().map_or(Bson::Null, |owner| owner.as_str().into());
            let unchanged = filter(partition, group)
                .eq("generation", state.generation.get())
                .eq("epoch", comparable(state.fence.epoch))
                .eq("owner", owner);
            let update =
                Update::set("owner", member.as_str()).and("epoch", Change::Add(1)).and("unclean", Change::Add(unclean));
            // the state after it is where the owner starts
            match self.database().find_and_update(Collection::Groups, unchanged, update, false).await {
                Ok(Some(taken)) if self.count_acquired(partition, group).await? => {
                    return Ok(Acquired::Owner(document::decode(&taken)?.1));
                }
                Ok(Some(_)) => return Err(Cause::GroupRemoved.into()),
                Err(Failure::Refused(cause)) => return Err(cause.into()),
                // somebody was quicker, or it was this and the answer is lost: both are seen by looking again
                outcome => {
                    if !attempts.again().await {
                        let quicker = Failure::NotApplied("other members were quicker every time".to_owned());
                        return Err(outcome.err().unwrap_or(quicker).into());
                    }
                }
            }
        }
    }

    pub(super) async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        self.check(partition).await?;
        let owned = filter(partition, group).eq("epoch", comparable(epoch));
        let free = || self.database().update(Collection::Groups, owned.clone(), Update::set("owner", Bson::Null));
        self.settle(free).await.map_err(Error::from)?;
        Ok(())
    }
}
