//! Effects: with their commit, in order, once, or not at all.

use minibatch_core::{
    Cause, GroupName,
    storage::{Commit, Effect, Fence, GroupState, Partition},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Verdict, ensure, ensure_cause, ensure_eq},
    tools::{Producer, commit_at, member, offset, open_group, own, state},
};

pub(super) const CASES: &[Case] = cases![
    #[Effects]
    group_18_effects_take_place_in_order,
    #[Effects]
    group_18_repeated_commit_repeats_no_effect,
    #[Effects]
    group_18_refused_commit_has_no_effect,
    #[Effects]
    group_19_refused_effect_undoes_all,
    group_20_transactional_says_what_commits_do,
];

/// A group that somebody owns, in a partition with some records.
struct Owned {
    cx: Cx,
    a: Client,
    b: Client,
    partition: Partition,
    group: GroupName,
    state: GroupState,
}

impl Owned {
    async fn new(cx: Cx) -> Verdict<Self> {
        let (a, b, partition) = cx.partition().await?;
        Producer::register(&a, &partition, "p").await?.append_many(5).await?;
        let group = open_group(&a, &partition, "readers").await?;
        let state = own(&a, &partition, &group, &member(&a).await?).await?;
        Ok(Self { cx, a, b, partition, group, state })
    }

    /// A commit with these effects that finishes with everything below slot `keep_from`.
    fn commit(&self, keep_from: u64, effects: &[&str]) -> Verdict<Commit> {
        let effects = effects.iter().map(|text| self.cx.effect(text)).collect::<Verdict<_>>()?;
        Ok(Commit { effects, ..commit_at(offset(keep_from)?, b"checkpoint") })
    }

    async fn send(&self, fence: Fence, commit: &Commit) -> Result<Fence, minibatch_core::Error> {
        self.a.commit(&self.partition, &self.group, fence, commit.clone()).await
    }

    async fn check(&self, fence: Fence, effects: &[&str], what: &str) -> Verdict {
        ensure_eq!(self.cx.effects().await?, effects, "effects after {what}");
        ensure_eq!(state(&self.b, &self.partition, &self.group).await?.fence, fence, "fence after {what}");
        Ok(())
    }
}

async fn group_18_effects_take_place_in_order(cx: Cx) -> Verdict {
    let owned = Owned::new(cx).await?;
    let first = owned.send(owned.state.fence, &owned.commit(1, &["c", "a", "b"])?).await?;
    owned.check(first, &["c", "a", "b"], "a commit with three").await?;
    let second = owned.send(first, &owned.commit(2, &[])?).await?;
    let third = owned.send(second, &owned.commit(3, &["$d"])?).await?;
    owned.check(third, &["c", "a", "b", "$d"], "one with none and one with one").await
}

async fn group_18_repeated_commit_repeats_no_effect(cx: Cx) -> Verdict {
    let owned = Owned::new(cx).await?;
    let commit = owned.commit(2, &["a", "b"])?;
    let next = owned.send(owned.state.fence, &commit).await?;
    for _ in 0..3 {
        ensure_eq!(owned.send(owned.state.fence, &commit).await?, next, "fence of the repeated commit");
    }
    owned.check(next, &["a", "b"], "a repeated commit").await
}

async fn group_18_refused_commit_has_no_effect(cx: Cx) -> Verdict {
    let owned = Owned::new(cx).await?;
    let next = owned.send(owned.state.fence, &owned.commit(3, &["a"])?).await?;
    let stale = owned.send(owned.state.fence, &owned.commit(4, &["b"])?).await;
    ensure_cause!(stale, Cause::StaleCommit { .. }, "another commit on a fence that was used");
    let back = owned.send(next, &owned.commit(2, &["b"])?).await;
    ensure_cause!(back, Cause::StaleCommit { .. }, "a keep_from that goes back");
    let beyond = owned.send(next, &owned.commit(9, &["b"])?).await;
    ensure_cause!(beyond, Cause::OutOfRange { .. }, "a keep_from past the end");
    owned.a.release(&owned.partition, &owned.group, next.epoch).await?;
    let heir = own(&owned.b, &owned.partition, &owned.group, &member(&owned.b).await?).await?;
    // the effect would be refused too: that it is fenced comes first
    for effect in ["a", "b"] {
        let fenced = owned.send(next, &owned.commit(4, &[effect])?).await;
        ensure_cause!(fenced, Cause::Fenced { .. }, "a commit of a former owner");
    }
    owned.check(heir.fence, &["a"], "refused commits").await
}

async fn group_19_refused_effect_undoes_all(cx: Cx) -> Verdict {
    let owned = Owned::new(cx).await?;
    let next = owned.send(owned.state.fence, &owned.commit(2, &["a", "b"])?).await?;
    for (effects, at) in [(&["b"][..], 0), (&["c", "a"], 1), (&["c", "d", "b", "e"], 2), (&["c", "c"], 1)] {
        let refused = owned.send(next, &owned.commit(3, effects)?).await;
        ensure_cause!(refused, Cause::EffectRefused { .. }, "a commit with an effect that was there");
        let index = refused.err().map(|error| error.cause().clone());
        ensure!(
            matches!(index, Some(Cause::EffectRefused { index, .. }) if index == at),
            "the refused effect of {effects:?} is number {at}, not that of {index:?}"
        );
        owned.check(next, &["a", "b"], "a refused effect").await?;
    }
    let last = owned.send(next, &owned.commit(3, &["c"])?).await?;
    owned.check(last, &["a", "b", "c"], "one that is not refused").await
}

async fn group_20_transactional_says_what_commits_do(cx: Cx) -> Verdict {
    let owned = Owned::new(cx).await?;
    let said = owned.b.transactional().await;
    let told = owned.cx.effect("a");
    ensure!(told.is_ok() || said.is_err(), "it says that commits may have effects, and the suite was not told of any");
    let effect = told.unwrap_or_else(|_| Effect::sql("any", []));
    let commit = Commit { effects: vec![effect], ..commit_at(offset(2)?, b"checkpoint") };
    match (said, owned.send(owned.state.fence, &commit).await) {
        (Ok(()), Ok(next)) => owned.check(next, &["a"], "a commit with an effect").await,
        (Err(said), Err(error)) => {
            ensure_eq!(error.cause(), said.cause(), "why a commit with an effect is refused");
            owned.check(owned.state.fence, &[], "a commit that is not possible").await
        }
        (said, sent) => {
            ensure!(false, "it says {said:?}, and a commit with an effect gives {sent:?}");
            Ok(())
        }
    }
}
