//! Ownership: one owner at a time, greater epochs, takeovers counted.

use std::sync::Arc;

use minibatch_core::{
    Cause, StreamName,
    storage::{Acquired, Start},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_cause, ensure_eq},
    tools::{
        STRATEGY, at_once, commit_at, die_owning, group, member, offset, open_group, own, state, take_over, turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    group_05_free_partition_is_acquired,
    group_05_owner_acquires_again,
    group_05_living_owner_is_not_robbed,
    group_05_owner_that_left_is_followed_cleanly,
    group_05_dead_owner_is_taken_over,
    group_05_dead_owner_is_dead_everywhere,
    group_05_epochs_only_grow,
    group_06_of_many_one_becomes_owner,
    group_06_partitions_and_groups_are_apart,
    group_11_commit_clears_unclean,
    group_12_release_frees_the_partition,
    group_12_release_of_another_epoch_does_nothing,
];

async fn group_05_free_partition_is_acquired(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let before = state(&a, &partition, &readers).await?;
    let owner = member(&a).await?;
    let owned = own(&a, &partition, &readers, &owner).await?;
    ensure_eq!(owned.owner, Some(owner), "owner in the state acquired");
    ensure!(owned.fence.epoch > before.fence.epoch, "the first owner's epoch is not greater than before");
    ensure_eq!(owned.fence.version, 0, "version in the state acquired");
    ensure_eq!(owned.unclean, 0, "unclean of a partition that nobody held");
    ensure_eq!(state(&b, &partition, &readers).await?, owned, "the state as listed, and as acquired");
    Ok(())
}

async fn group_05_owner_acquires_again(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owner = member(&a).await?;
    let first = own(&a, &partition, &readers, &owner).await?;
    let second = own(&b, &partition, &readers, &owner).await?;
    ensure!(second.fence.epoch > first.fence.epoch, "the epoch of an owner that acquires again is not greater");
    ensure_eq!(second.unclean, 0, "unclean after an owner that is alive acquired again");
    let former = a.commit(&partition, &readers, first.fence, commit_at(first.keep_from, b"former")).await;
    ensure_cause!(former, Cause::Fenced { .. }, "commit on the owner's former epoch");
    a.commit(&partition, &readers, second.fence, commit_at(first.keep_from, b"now")).await?;
    Ok(())
}

async fn group_05_living_owner_is_not_robbed(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owner = member(&a).await?;
    let owned = own(&a, &partition, &readers, &owner).await?;
    for client in [&b, &a, &b] {
        let robber = member(client).await?;
        let result = client.acquire(&partition, &readers, &robber).await?;
        ensure_eq!(result, Acquired::Held(owner.clone()), "acquired from a living owner");
    }
    ensure_eq!(state(&b, &partition, &readers).await?, owned, "the group after that");
    a.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"mine")).await?;
    Ok(())
}

async fn group_05_owner_that_left_is_followed_cleanly(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let workers = open_group(&a, &partition, "workers").await?;
    let leaves = member(&a).await?;
    let owned = own(&a, &partition, &readers, &leaves).await?;
    own(&a, &partition, &workers, &leaves).await?;
    a.leave(&leaves).await?;
    let heir = member(&b).await?;
    for group in [&readers, &workers] {
        let taken = own(&b, &partition, group, &heir).await?;
        ensure_eq!(taken.unclean, 0, "unclean of {group} after its owner left");
    }
    let result = a.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"late")).await;
    ensure_cause!(result, Cause::Fenced { .. }, "commit by an owner that left and was followed");
    Ok(())
}

async fn group_05_dead_owner_is_taken_over(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let heir = member(&b).await?;
    for expected in 1..=2 {
        let (_, dead) = die_owning(&a, &partition, &[&readers], cx.patience()).await?;
        let taken = take_over(&b, &partition, &readers, &heir, cx.patience()).await?;
        ensure!(taken.fence.epoch > dead.fence.epoch, "the epoch of a takeover is not greater");
        ensure_eq!(taken.owner, Some(heir.clone()), "owner after the takeover");
        ensure_eq!(taken.unclean, expected, "unclean after {expected} owners died");
        let result = a.commit(&partition, &readers, dead.fence, commit_at(dead.keep_from, b"zombie")).await;
        ensure_cause!(result, Cause::Fenced { .. }, "commit by a dead owner that was taken over");
        ensure_eq!(state(&a, &partition, &readers).await?, taken, "the group after that");
        b.release(&partition, &readers, taken.fence.epoch).await?;
    }
    Ok(())
}

async fn group_05_dead_owner_is_dead_everywhere(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let workers = open_group(&a, &partition, "workers").await?;
    let (dies, _) = die_owning(&a, &partition, &[&readers, &workers], cx.patience()).await?;
    let before = [state(&a, &partition, &readers).await?.unclean, state(&a, &partition, &workers).await?.unclean];
    let heir = member(&b).await?;
    let taken = take_over(&b, &partition, &readers, &heir, cx.patience()).await?;
    let other = own(&b, &partition, &workers, &heir).await?;
    ensure_eq!(
        [taken.unclean, other.unclean],
        before.map(|count| count + 1),
        "unclean of both groups that {dies} owned"
    );
    Ok(())
}

async fn group_05_epochs_only_grow(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let members = [member(&a).await?, member(&b).await?];
    let mut last = state(&a, &partition, &readers).await?.fence.epoch;
    for (client, number) in turns(&a, &b).zip([0, 1, 1, 0, 0, 1]) {
        let owner = members.get(number).ok_or_else(|| Failure::new("suite: no such member"))?;
        let owned = own(client, &partition, &readers, owner).await?;
        ensure!(owned.fence.epoch > last, "epoch {} follows epoch {last}", owned.fence.epoch);
        last = owned.fence.epoch;
        client.release(&partition, &readers, last).await?;
    }
    Ok(())
}

async fn group_06_of_many_one_becomes_owner(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    for round in 0..4 {
        let readers = open_group(&a, &partition, &format!("readers-{round}")).await?;
        let start = Arc::new(Barrier::new(16));
        let acquirers = turns(&a, &b).take(16).map(|client| {
            let (client, partition, readers, start) =
                (Arc::clone(client), partition.clone(), readers.clone(), Arc::clone(&start));
            async move {
                let me = member(&client).await?;
                start.wait().await;
                let acquired = client.acquire(&partition, &readers, &me).await?;
                Ok((me, acquired))
            }
        });
        let results = at_once(acquirers).await?;
        let owners: Vec<_> =
            results.iter().filter(|(_, acquired)| matches!(acquired, Acquired::Owner(_))).map(|(me, _)| me).collect();
        let [owner] = owners.as_slice() else {
            return Err(Failure::new(format!("{} of 16 that acquired at once became owner", owners.len())));
        };
        for (me, acquired) in &results {
            match acquired {
                Acquired::Owner(state) => ensure_eq!(state.owner.as_ref(), Some(me), "owner in the state acquired"),
                Acquired::Held(by) => ensure_eq!(by, *owner, "who holds the partition, as {me} was told"),
            }
        }
        ensure_eq!(state(&b, &partition, &readers).await?.owner.as_ref(), Some(*owner), "owner as listed");
    }
    Ok(())
}

async fn group_06_partitions_and_groups_are_apart(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let (readers, workers) = (group("readers")?, group("workers")?);
    for name in [&readers, &workers] {
        a.open_group(&stream, name, STRATEGY, Start::Earliest).await?;
    }
    let (first, second) = (member(&a).await?, member(&b).await?);
    own(&a, &stream.partition(0), &readers, &first).await?;
    own(&b, &stream.partition(1), &readers, &second).await?;
    own(&b, &stream.partition(0), &workers, &second).await?;
    let listed = state(&b, &stream.partition(0), &readers).await?;
    ensure_eq!(listed.owner, Some(first), "owner of the partition acquired first");
    Ok(())
}

async fn group_11_commit_clears_unclean(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    die_owning(&a, &partition, &[&readers], cx.patience()).await?;
    let heir = member(&b).await?;
    let taken = take_over(&b, &partition, &readers, &heir, cx.patience()).await?;
    ensure_eq!(taken.unclean, 1, "unclean after the owner died");
    ensure_eq!(state(&a, &partition, &readers).await?.unclean, 1, "unclean as listed");
    let failed = b.commit(&partition, &readers, taken.fence, commit_at(offset(1_000)?, b"too far")).await;
    ensure!(failed.is_err(), "a commit past the end of the log succeeded");
    ensure_eq!(state(&a, &partition, &readers).await?.unclean, 1, "unclean after a commit that failed");
    b.commit(&partition, &readers, taken.fence, commit_at(taken.keep_from, b"done")).await?;
    ensure_eq!(state(&a, &partition, &readers).await?.unclean, 0, "unclean after a commit");
    Ok(())
}

async fn group_12_release_frees_the_partition(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let (first, second) = (member(&a).await?, member(&b).await?);
    let owned = own(&a, &partition, &readers, &first).await?;
    let fence = a.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"kept")).await?;
    a.release(&partition, &readers, owned.fence.epoch).await?;
    a.release(&partition, &readers, owned.fence.epoch).await?;
    ensure_eq!(state(&b, &partition, &readers).await?.owner, None, "owner after a release");
    let next = own(&b, &partition, &readers, &second).await?;
    ensure_eq!(next.unclean, 0, "unclean after a release");
    ensure_eq!(next.fence.version, fence.version, "version after a release");
    ensure_eq!(next.checkpoint.as_deref(), Some(&b"kept"[..]), "checkpoint after a release");
    let late = a.commit(&partition, &readers, fence, commit_at(owned.keep_from, b"late")).await;
    ensure_cause!(late, Cause::Fenced { .. }, "commit by an owner that released and was followed");
    Ok(())
}

async fn group_12_release_of_another_epoch_does_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let (first, second) = (member(&a).await?, member(&b).await?);
    let former = own(&a, &partition, &readers, &first).await?.fence.epoch;
    a.release(&partition, &readers, former).await?;
    let owned = own(&b, &partition, &readers, &second).await?;
    for epoch in [0, former, owned.fence.epoch + 1] {
        a.release(&partition, &readers, epoch).await?;
        ensure_eq!(state(&a, &partition, &readers).await?, owned, "the group after a release of epoch {epoch}");
    }
    let held = a.acquire(&partition, &readers, &first).await?;
    ensure_eq!(held, Acquired::Held(second), "what the former owner finds");
    Ok(())
}
