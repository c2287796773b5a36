//! Commits: one compare-and-set on epoch and version, repeated unchanged until it has a verdict.

use bson::Bson;
use minibatch_core::{
    Cause, Error, GroupName, Offset, Slot,
    storage::{Commit, CommitVerdict, Fence, Partition},
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
        let tail = state.tail();
        let next = Fence { epoch: fence.epoch, version: fence.version.saturating_add(1) };
        if !past_end(tail) {
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
        let stored = stored.ok_or_else(|| Cause::fenced(fence.epoch))?;
        match stored.judge(fence, &commit, tail)? {
            CommitVerdict::Known(next) => Ok(next),
            CommitVerdict::New(_) => Err(Cause::bug("a commit on the stored version that matched nothing").into()),
        }
    }
}
