//! Commits: one compare-and-set on epoch and version, repeated unchanged until it has a verdict.

use bson::Bson;
use minibatch_core::{
    Cause, Error, GroupName, Offset, Slot,
    storage::{Commit, CommitVerdict, Effect, Fence, Partition},
};

use super::{
    document::{encode_bytes, encode_counters, encode_offset},
    open::filter,
};
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Test, Transacted, Update, effects},
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
        if !commit.effects.is_empty() {
            self.check_transactional()?;
        }
        let impossible = effects::impossible(&commit.effects, &self.options().prefix);
        let (state, document) = self.check(partition).await?;
        let past_end = |tail: Slot| commit.keep_from > Offset::first_of(tail.next());
        if past_end(state.tail()) {
            state.saw_tail(self.read_tail(partition, document.floor).await?);
        }
        let tail = state.tail();
        let next = Fence { epoch: fence.epoch, version: fence.version.saturating_add(1) };
        if !past_end(tail) && impossible.is_none() {
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
            match self.compare_and_set(unchanged, update, &commit.effects).await? {
                Transacted::Done => return Ok(next),
                Transacted::Refused { index, code } => return Err(Cause::effect_refused(index, code).into()),
                Transacted::Unmatched => {}
            }
        }
        let stored = self.find_group(partition, group).await?;
        let stored = stored.ok_or_else(|| Cause::fenced(fence.epoch))?;
        match stored.judge(fence, &commit, tail)? {
            CommitVerdict::Known(next) => Ok(next),
            CommitVerdict::New(_) => Err(match impossible {
                Some((index, code)) => Cause::effect_refused(index, code).into(),
                None => Cause::bug("a commit on the stored version that matched nothing").into(),
            }),
        }
    }

    /// Changes the one document that is as expected, with the effects or not at all.
    async fn compare_and_set(
        &self,
        unchanged: Filter,
        update: Update,
        effects: &[Effect],
    ) -> Result<Transacted, Error> {
        let database = self.database();
        if effects.is_empty() {
            let write = || database.update(Collection::Groups, unchanged.clone(), update.clone());
            let changed = self.settle(write).await?;
            return Ok(if changed > 0 { Transacted::Done } else { Transacted::Unmatched });
        }
        let write = || database.transact(Collection::Groups, unchanged.clone(), update.clone(), effects.to_vec());
        Ok(self.settle(write).await?)
    }

    /// Says whether commits may have effects.
    pub(super) fn check_transactional(&self) -> Result<(), Error> {
        if self.database().is_transactional() {
            return Ok(());
        }
        let reason = "this mongodb is a standalone server, which has no transactions: start it with --replSet";
        Err(Cause::misconfigured(reason).into())
    }
}
