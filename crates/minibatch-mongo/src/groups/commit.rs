//! Commits: one compare-and-set on epoch and version, repeated unchanged until it has a verdict.

use bson::Bson;
use minibatch_core::{
    Cause, Error, GroupName, Offset, Slot,
    storage::{Commit, Fence, GroupState, Partition},
};

use super::{
    document::{encode_bytes, encode_counters, encode_offset},
    open::filter,
};
use crate::{
    client::Client,
    database::{Change, Collection, Test, Update},
    log::comparable,
};

impl Client {
    pub(super) async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error> {
        let (state, document) = self.check(partition).await?;
        let past_end = |tail: Slot| commit.keep_from > Offset::first_of(tail.next());
        if past_end(state.tail()) {
            state.saw_tail(self.read_tail(partition, document.floor).await?);
        }
        let ahead = past_end(state.tail());
        let next = Fence { epoch: fence.epoch, version: fence.version.saturating_add(1) };
        if !ahead {
            let keep_from = encode_offset(commit.keep_from)?;
            let unchanged = filter(partition, group)
                .eq("epoch", comparable(fence.epoch))
                .eq("ver", comparable(fence.version))
                .and("keep_from", Test::Lte(keep_from.into()));
            let update = Update::set("checkpoint", encode_bytes(&commit.checkpoint))
                .and_set("keep_from", keep_from)
                .and_set("counters", Bson::from(encode_counters(commit.counters)?))
                .and_set("unclean", 0_i64)
                .and("ver", Change::Add(1));
            let write = || self.database().update(Collection::Groups, unchanged.clone(), update.clone());
            if self.settle(write).await.map_err(Error::from)? > 0 {
                return Ok(next);
            }
        }
        let stored = self.find_group(partition, group).await?;
        let stored = stored.filter(|stored| stored.fence.epoch == fence.epoch);
        let Some(stored) = stored else { return Err(Cause::fenced(fence.epoch).into()) };
        if stored.fence == next && holds(&stored, &commit) {
            return Ok(next);
        }
        if stored.fence.version != fence.version || commit.keep_from < stored.keep_from {
            return Err(Cause::stale_commit(fence.version).into());
        }
        match ahead {
            true => Err(Cause::out_of_range("keep_from lies past the end of the log").into()),
            false => Err(Cause::bug("a commit on the stored version that matched nothing").into()),
        }
    }
}

/// True when the last commit was this one.
fn holds(stored: &GroupState, commit: &Commit) -> bool {
    stored.checkpoint.as_ref() == Some(&commit.checkpoint)
        && stored.keep_from == commit.keep_from
        && stored.counters == commit.counters
}
